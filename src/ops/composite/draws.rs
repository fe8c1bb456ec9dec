//! Random numbers of all distributions, each from a key: the global generator's, or that of an [`crate::Rng`].
//!
//! Inside `vmap` the global generator draws the same for all examples; [`crate::Rng::split`] makes a generator for each.

use crate::autodiff::level::{bind, misuse};
use crate::error::{ErrorKind, Misfit};
use crate::ops::arithmetic::IntoOperand;
use crate::ops::pointwise::Domain;
use crate::ops::{Distribution, Random, stopped};
use crate::tensor::{DType, IntoShape, Number, Tensor, global_key};

/// Whether [`Tensor::multinomial`] may draw a position more than once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Replacement {
    /// It may.
    With,
    /// It draws each position once at most.
    Without,
}

/// A draw as it comes from the kernel.
#[track_caller]
pub(crate) fn noise(
    operation: &'static str,
    key: &Tensor,
    distribution: Distribution,
    shape: impl IntoShape,
    dtype: DType,
) -> Tensor {
    match shape.into_shape() {
        Ok(shape) => bind(&Random { distribution, shape, dtype }, &[key]),
        Err(message) => misuse(operation, &[], Misfit::shape(message)),
    }
}

#[track_caller]
pub(crate) fn bernoulli(key: &Tensor, shape: impl IntoShape, p: &impl IntoOperand) -> Tensor {
    let uniform = noise("bernoulli", key, Distribution::Uniform, shape, DType::F32);
    let p = p.operand_for(&uniform, "bernoulli");
    uniform.lt(&*p).f32()
}

#[track_caller]
pub(crate) fn uniform(
    key: &Tensor,
    shape: impl IntoShape,
    low: &impl IntoOperand,
    high: &impl IntoOperand,
) -> Tensor {
    let unit = noise("uniform", key, Distribution::Uniform, shape, DType::F32);
    let (low, high) = (low.operand_for(&unit, "uniform"), high.operand_for(&unit, "uniform"));
    unit * (&*high - &*low) + &*low
}

#[track_caller]
pub(crate) fn normal(
    key: &Tensor,
    shape: impl IntoShape,
    mean: &impl IntoOperand,
    std: &impl IntoOperand,
) -> Tensor {
    let unit = noise("normal", key, Distribution::Normal, shape, DType::F32);
    let (mean, std) = (mean.operand_for(&unit, "normal"), std.operand_for(&unit, "normal"));
    unit * &*std + &*mean
}

#[track_caller]
pub(crate) fn exponential(key: &Tensor, shape: impl IntoShape, rate: &impl IntoOperand) -> Tensor {
    let unit = noise("exponential", key, Distribution::Uniform, shape, DType::F32);
    let rate = rate.operand_for(&unit, "exponential");
    -(-unit).log1p() / &*rate
}

/// How many whole numbers a draw of f64 tells apart.
const WHOLE: u64 = 1 << 53;

#[track_caller]
pub(crate) fn randint(key: &Tensor, low: i64, high: i64, shape: impl IntoShape) -> Tensor {
    let count = high.checked_sub(low).and_then(|count| u64::try_from(count).ok());
    let Some(count) = count.filter(|&count| 0 < count && count <= WHOLE) else {
        let message = format!("from {low} on and below {high}: there are none, or more than 2^53");
        return misuse("randint", &[], Misfit::kind(ErrorKind::Data, message));
    };
    // At most `1 - 2^-53` times the count, which rounds to less than the count.
    (noise("randint", key, Distribution::Uniform, shape, DType::F64) * count as f64).i64() + low
}

#[track_caller]
pub(crate) fn multinomial(key: &Tensor, weights: &Tensor, n: usize, replacement: Replacement) -> Tensor {
    if weights.error().is_some() {
        return weights.clone();
    }
    if let Err(misfit) = Domain::Floats.check(weights.spec().dtype) {
        return misuse("multinomial", &[weights], misfit);
    }
    let shape = weights.spec().shape;
    let count = shape.last().copied().unwrap_or(0) as usize;
    if count == 0 || (replacement == Replacement::Without && n > count) {
        let message = format!("cannot draw {n} of the positions in the last axis of {shape}");
        let misfit = Misfit::shape(message).help("without replacement there is one draw for each position");
        return misuse("multinomial", &[weights], misfit);
    }
    // The greatest of log(weight) + noise is at each position with its probability, where the noise has Gumbel's
    // distribution; the n greatest are n draws without replacement (Vieira: "Gumbel-max trick and weighted reservoir
    // sampling", 2014).
    let weights = stopped(weights).f64();
    let positive = weights.gt(0.0);
    match replacement {
        Replacement::With => {
            let dims = [&shape.to_vec()[..shape.rank() - 1], &[n, count]].concat();
            let noise = gumbel(key, dims);
            let scores = positive.where_(&weights, 0.0).log().unsqueeze(-2);
            (scores + noise).argmax(-1)
        }
        Replacement::Without => {
            // Positions without weight come last, but before those drawn already.
            let scores = positive.where_(positive.where_(&weights, 1.0).log(), f64::MIN);
            n_greatest(scores + gumbel(key, shape), n)
        }
    }
}

#[track_caller]
fn gumbel(key: &Tensor, shape: impl IntoShape) -> Tensor {
    let uniform = noise("multinomial", key, Distribution::Uniform, shape, DType::F64);
    -(-uniform.log()).log()
}

/// Positions of the `n` greatest along the last axis, one after the other.
#[track_caller]
fn n_greatest(mut scores: Tensor, n: usize) -> Tensor {
    if scores.error().is_some() {
        return scores;
    }
    let shape = scores.spec().shape;
    let last = shape.rank() - 1;
    let positions = Tensor::arange(shape.dim(last) as i64);
    let mut greatest = vec![Tensor::splat(
        scores.spec().with_shape(shape.with_dim(last, 0)).with_dtype(DType::I64),
        Number::Int(0),
    )];
    for _ in 0..n {
        let position = scores.argmax(-1).unsqueeze(-1);
        scores = positions.eq(&position).where_(f64::NEG_INFINITY, scores);
        greatest.push(position);
    }
    Tensor::cat(&greatest, -1)
}

#[track_caller]
pub(crate) fn dropout(key: &Tensor, x: &Tensor, p: f64) -> Tensor {
    if x.error().is_some() {
        return x.clone();
    }
    if let Err(misfit) = Domain::Floats.check(x.spec().dtype) {
        return misuse("dropout", &[x], misfit);
    }
    if !(0.0..=1.0).contains(&p) {
        let misfit = Misfit::kind(ErrorKind::Data, format!("p is a probability, got {p}"));
        return misuse("dropout", &[x], misfit);
    }
    let kept = noise("dropout", key, Distribution::Uniform, x.spec().shape, DType::F32).ge(p);
    // Where all is dropped, no infinite factor must meet the zeros.
    kept.where_(x, 0.0) * if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 }
}

impl Tensor {
    /// Numbers uniform in [0, 1), in f32, from the global generator ([`crate::manual_seed`]).
    ///
    /// PyTorch: `torch.rand`. JAX: `jax.random.uniform`.
    #[track_caller]
    pub fn rand(shape: impl IntoShape) -> Tensor {
        noise("rand", &global_key(), Distribution::Uniform, shape, DType::F32)
    }

    /// Normally distributed numbers, mean 0 and variance 1, in f32, from the global generator
    /// ([`crate::manual_seed`]).
    ///
    /// PyTorch: `torch.randn`. JAX: `jax.random.normal`.
    #[track_caller]
    pub fn randn(shape: impl IntoShape) -> Tensor {
        noise("randn", &global_key(), Distribution::Normal, shape, DType::F32)
    }

    /// Numbers uniform in [0, 1), of this tensor's shape and (floating-point) dtype, from the global generator. No
    /// gradient.
    ///
    /// PyTorch: `torch.rand_like`. JAX: `jax.random.uniform`.
    #[track_caller]
    pub fn rand_like(&self) -> Tensor {
        self.noise_like("rand_like", Distribution::Uniform)
    }

    /// Normally distributed numbers, mean 0 and variance 1, of this tensor's shape and (floating-point) dtype, from the
    /// global generator. No gradient.
    ///
    /// PyTorch: `torch.randn_like`. JAX: `jax.random.normal`.
    #[track_caller]
    pub fn randn_like(&self) -> Tensor {
        self.noise_like("randn_like", Distribution::Normal)
    }

    #[track_caller]
    fn noise_like(&self, operation: &'static str, distribution: Distribution) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        match Domain::Floats.check(self.spec().dtype) {
            Ok(()) => noise(operation, &global_key(), distribution, self.spec().shape, self.spec().dtype),
            Err(misfit) => misuse(operation, &[self], misfit),
        }
    }

    /// One with probability `p`, else zero, in f32, from the global generator ([`crate::manual_seed`]). The probability
    /// is a number, or a tensor that broadcasts with the shape. No gradient.
    ///
    /// PyTorch: `torch.bernoulli`. JAX: `jax.random.bernoulli`.
    #[track_caller]
    pub fn bernoulli(shape: impl IntoShape, p: impl IntoOperand) -> Tensor {
        bernoulli(&global_key(), shape, &p)
    }

    /// Numbers uniform in [low, high), in f32, from the global generator ([`crate::manual_seed`]); rounding may yield
    /// `high` itself. The bounds are numbers, or tensors that broadcast with the shape.
    ///
    /// Gradient: that of `low + (high - low) * u`, `u` being constant.
    ///
    /// PyTorch: `torch.Tensor.uniform_`. JAX: `jax.random.uniform`.
    #[track_caller]
    pub fn uniform(shape: impl IntoShape, low: impl IntoOperand, high: impl IntoOperand) -> Tensor {
        uniform(&global_key(), shape, &low, &high)
    }

    /// Normally distributed numbers, in f32, from the global generator ([`crate::manual_seed`]). Mean and standard
    /// deviation are numbers, or tensors that broadcast with the shape.
    ///
    /// Gradient: that of `mean + std * z`, `z` being constant.
    ///
    /// PyTorch: `torch.normal`. JAX: `jax.random.normal`.
    ///
    /// ```
    /// # use retrograd::{Rng, Tensor};
    /// let x = Rng::seed(1).normal([1000], 3.0, 0.5);
    /// assert!((x.mean().item::<f64>()? - 3.0).abs() < 0.1);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn normal(shape: impl IntoShape, mean: impl IntoOperand, std: impl IntoOperand) -> Tensor {
        normal(&global_key(), shape, &mean, &std)
    }

    /// Exponentially distributed numbers with mean `1 / rate`, in f32, from the global generator
    /// ([`crate::manual_seed`]). The rate is a number, or a tensor that broadcasts with the shape.
    ///
    /// Gradient: that of `e / rate`, `e` being constant.
    ///
    /// PyTorch: `torch.Tensor.exponential_`. JAX: `jax.random.exponential`.
    #[track_caller]
    pub fn exponential(shape: impl IntoShape, rate: impl IntoOperand) -> Tensor {
        exponential(&global_key(), shape, &rate)
    }

    /// Whole numbers (i64) from `low` on and below `high`, all as likely, from the global generator
    /// ([`crate::manual_seed`]). There are 2^53 of them at most.
    ///
    /// PyTorch: `torch.randint`. JAX: `jax.random.randint`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert!(Tensor::randint(-1, 2, [100]).to_vec::<i64>()?.iter().all(|x| (-1..2).contains(x)));
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> Tensor {
        randint(&global_key(), low, high, shape)
    }

    /// The numbers `0..n` (i64) in random order, from the global generator ([`crate::manual_seed`]).
    ///
    /// PyTorch: `torch.randperm`. JAX: `jax.random.permutation`.
    #[track_caller]
    pub fn randperm(n: usize) -> Tensor {
        noise("randperm", &global_key(), Distribution::Permutation, [n], DType::I64)
    }

    /// `n` positions (i64) in the last axis of these weights, drawn with probabilities proportional to them, from the
    /// global generator ([`crate::manual_seed`]): the other axes, then one of length `n`. Weights need not add up to 1;
    /// negative ones and NaN count as 0. Where only zeros are left, the first of them is drawn. No gradient.
    ///
    /// With replacement it takes time and memory for `n` numbers a weight, else time for them.
    ///
    /// PyTorch: `torch.multinomial`. JAX: `jax.random.choice`.
    ///
    /// ```
    /// # use retrograd::{Replacement, Tensor};
    /// let drawn = Tensor::from([0.0, 3.0, 1.0]).multinomial(2, Replacement::Without).to_vec::<i64>()?;
    /// assert!(drawn == [1, 2] || drawn == [2, 1]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn multinomial(&self, n: usize, replacement: Replacement) -> Tensor {
        multinomial(&global_key(), self, n, replacement)
    }

    /// This tensor with each element put to zero with probability `p`, and the others divided by `1 - p`, so that the
    /// mean stays; from the global generator ([`crate::manual_seed`]). For training: in evaluation leave it out.
    ///
    /// Gradient: `dy / (1 - p)` where the element was kept, zero elsewhere.
    ///
    /// PyTorch: `torch.nn.functional.dropout`. JAX: none.
    ///
    /// ```
    /// # use retrograd::{Rng, Tensor};
    /// let y = Rng::seed(1).dropout(&Tensor::ones([1000]), 0.2);
    /// assert!(y.to_vec::<f32>()?.iter().all(|&y| y == 0.0 || y == 1.25));
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn dropout(&self, p: f64) -> Tensor {
        dropout(&global_key(), self, p)
    }
}

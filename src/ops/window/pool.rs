//! Pooling: sums and greatest elements of windows. The last axes are the window's, all before them are planes.

use super::options::{IntoPerAxis, PerAxis, Pool, Rounding};
use crate::autodiff::level::{bind, bind_many, misuse};
use crate::error::Misfit;
use crate::exec::window::{Windows, count};
use crate::exec::{Kernel, PoolKind, Pooling};
use crate::ops::linear::{Linear, LinearMap};
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::pointwise::Domain;
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{DType, Number, Shape, Spec, Tensor};

/// The spec of `x` with other lengths at the window's axes.
fn with_lengths(x: &Spec, windows: &Windows, lengths: &[usize]) -> Spec {
    let lead = x.shape.rank() - windows.rank;
    let shape = lengths.iter().enumerate().fold(x.shape, |shape, (i, &n)| shape.with_dim(lead + i, n));
    x.with_shape(shape)
}

/// Sums of windows, or their transpose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct SumPool(Pooling);

impl Linear for SumPool {
    const NAME: &'static str = "sum_pool";

    fn name(&self) -> &'static str {
        if self.0.kind == PoolKind::Spread { "sum_pool_transpose" } else { Self::NAME }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        let windows = &self.0.windows;
        let lengths = if self.0.kind == PoolKind::Spread { windows.input } else { windows.output };
        Ok(with_lengths(x[0], windows, windows.own(&lengths)))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Pool(self.0)
    }

    fn transpose(&self, _: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let kind = if self.0.kind == PoolKind::Spread { PoolKind::Sum } else { PoolKind::Spread };
        bind(&LinearMap(SumPool(Pooling { kind, ..self.0 })), &[dy])
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        bind(&LinearMap(*self), x)
    }
}

/// The greatest element of every window, and its row-major number (i64) in the plane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct MaxPool(Windows);

impl MaxPool {
    /// The window's axes of a tensor as one.
    fn flat(&self, x: &Tensor, lengths: &[usize; 3]) -> Tensor {
        let shape = x.spec().shape;
        let lead = Shape::of(&shape[..shape.rank() - self.0.rank]);
        x.reshape(lead.concat(&[count(*lengths) as u32]).expect("no more axes than before"))
    }
}

impl Primitive for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        Ok(with_lengths(x[0], &self.0, self.0.own(&self.0.output)))
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        let values = self.infer(x)?;
        Ok(vec![values, values.with_dtype(DType::I64)])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Pool(Pooling { kind: PoolKind::Max, windows: self.0 })
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::OUTPUTS)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let places = at.outputs[1].expect("declared");
        dy[0] = dx[0].map(|dx| {
            let picked = self.flat(dx, &self.0.input).gather(-1, &self.flat(places, &self.0.output));
            picked.reshape(places.spec().shape)
        });
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let places = at.outputs[1].expect("declared");
        dx[0] = dy[0].map(|dy| {
            let input = with_lengths(dy.spec(), &self.0, self.0.own(&self.0.input));
            let zeros = self.flat(&Tensor::splat(input, Number::Int(0)), &self.0.input);
            let [places, dy] = [places, dy].map(|x| self.flat(x, &self.0.output));
            zeros.scatter_add(-1, &places, &dy).reshape(input.shape)
        });
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::Many(bind_many(self, x))
    }
}

/// Where the windows of a pool lie on the last `rank` axes.
fn windows(rank: usize, x: &Spec, pool: &Pool) -> Result<Windows, Box<Misfit>> {
    let shape = x.shape;
    if shape.rank() < rank {
        return Err(Misfit::shape(format!("the input {shape} has {} axes, the window {rank}", shape.rank())));
    }
    let kernel = pool.kernel.positive("kernel", rank)?;
    let rounding = if pool.ceil_mode { Rounding::Up } else { Rounding::Down };
    let slides = pool.sliding().each(rank)?;
    let input = &shape.to_vec()[shape.rank() - rank..];
    let windows = slides.over(input, &kernel, rounding)?;
    if let Some(axis) = slides.blind_axis(&kernel) {
        return Err(Misfit::shape(format!(
            "padding of axis {axis} is more than half of the kernel {kernel:?}"
        ))
        .help("a window may see nothing but padding: pad the input itself, see `pad`"));
    }
    Ok(windows)
}

impl Tensor {
    /// Values and places of a max-pooling.
    #[track_caller]
    pub(super) fn max_pooled(&self, operation: &'static str, rank: usize, pool: &Pool) -> (Tensor, Tensor) {
        let both = |invalid: Tensor| (invalid.clone(), invalid);
        if self.error().is_some() {
            return both(self.clone());
        }
        match windows(rank, self.spec(), pool) {
            Ok(windows) if count(windows.input) >= u32::MAX as usize => {
                let message =
                    format!("planes of {:?} have more than 2^32 elements", windows.own(&windows.input));
                both(misuse(operation, &[self], Misfit::shape(message)))
            }
            Ok(windows) => {
                let mut outputs = bind_many(&MaxPool(windows), &[self]).into_iter();
                let mut next = || outputs.next().expect("two outputs");
                (next(), next())
            }
            Err(misfit) => both(misuse(operation, &[self], misfit)),
        }
    }

    /// Means of windows.
    #[track_caller]
    fn average_pooled(&self, operation: &'static str, rank: usize, pool: &Pool) -> Tensor {
        let sums = match self.sum_pooled(operation, rank, pool) {
            Ok((sums, windows)) => (sums, pool.counts(&windows)),
            Err(invalid) => return invalid,
        };
        sums.0.over_counts(rank, sums.1)
    }

    /// Sums of windows over what each is to be divided by, in row-major order, to be means.
    #[track_caller]
    fn over_counts(&self, rank: usize, counts: Vec<f64>) -> Tensor {
        if counts.windows(2).all(|pair| pair[0] == pair[1]) {
            return self / counts.first().copied().unwrap_or(1.0);
        }
        let shape = self.spec().shape;
        let own = Shape::of(&shape[shape.rank() - rank..]);
        self / Tensor::from_vec(counts, own).to_dtype(self.spec().dtype)
    }

    /// The gradient of the input, of lengths `size`, of a pooling to means, given that of its output.
    #[track_caller]
    fn average_spread(&self, operation: &'static str, rank: usize, size: &PerAxis, pool: &Pool) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let fit = || {
            let (spec, size) = (self.spec(), size.positive("size", rank)?);
            Domain::Floats.check(spec.dtype)?;
            let Some(lead) = spec.shape.rank().checked_sub(rank) else {
                let message = format!("the gradient {} has fewer axes than the window, {rank}", spec.shape);
                return Err(Misfit::shape(message));
            };
            let input = [&spec.shape.to_vec()[..lead], &size].concat();
            let windows =
                windows(rank, &spec.with_shape(Shape::checked(&input).map_err(Misfit::shape)?), pool)?;
            let own = &spec.shape.to_vec()[lead..];
            let all = windows.own(&windows.output);
            if own != all {
                let message =
                    format!("an input of lengths {size:?} has {all:?} windows, the gradient has {own:?}");
                return Err(Misfit::shape(message).help("give the pool itself, and the lengths of its input"));
            }
            Ok(windows)
        };
        match fit() {
            Ok(windows) => {
                let shares = self.over_counts(rank, pool.counts(&windows));
                bind(&LinearMap(SumPool(Pooling { kind: PoolKind::Spread, windows })), &[&shares])
            }
            Err(misfit) => misuse(operation, &[self], misfit),
        }
    }

    /// Sums of windows of floating-point numbers.
    #[track_caller]
    fn sum_pooled(
        &self,
        operation: &'static str,
        rank: usize,
        pool: &Pool,
    ) -> Result<(Tensor, Windows), Tensor> {
        if self.error().is_some() {
            return Err(self.clone());
        }
        let checked = Domain::Floats.check(self.spec().dtype).and_then(|()| windows(rank, self.spec(), pool));
        match checked {
            Ok(windows) => {
                let sums = bind(&LinearMap(SumPool(Pooling { kind: PoolKind::Sum, windows })), &[self]);
                if sums.error().is_some() { Err(sums) } else { Ok((sums, windows)) }
            }
            Err(misfit) => Err(misuse(operation, &[self], misfit)),
        }
    }

    /// p-norms of windows.
    #[track_caller]
    fn norm_pooled(&self, operation: &'static str, rank: usize, p: f64, pool: &Pool) -> Tensor {
        if p == f64::INFINITY {
            return self.abs().max_pooled(operation, rank, pool).0;
        }
        if p.is_nan() || p <= 0.0 {
            let misfit = Misfit::shape(format!("p is {p}, must be positive"));
            return misuse(operation, &[self], misfit);
        }
        let powers = if p == 2.0 { self.square() } else { self.abs().pow(p) };
        match powers.sum_pooled(operation, rank, pool) {
            Ok((sums, _)) => {
                // The root is taken of 1 where the sum is 0, so that no infinite slope meets the zero.
                let zero = sums.eq(0.0);
                let safe = zero.where_(1.0, &sums);
                zero.where_(0.0, if p == 2.0 { safe.sqrt() } else { safe.pow(1.0 / p) })
            }
            Err(invalid) => invalid,
        }
    }
}

macro_rules! spreads {
    ($($(#[doc = $doc:literal])* $name:ident $rank:literal;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(&self, size: impl IntoPerAxis, pool: impl Into<Pool>) -> Tensor {
                self.average_spread(stringify!($name), $rank, &size.into_per_axis(), &pool.into())
            }
        )*}
    };
}

spreads! {
    /// The gradient of the input of [`Tensor::avg_pool1d`]; see [`Tensor::avg_pool2d_input`].
    ///
    /// Gradient: `dx = dy.avg_pool1d(pool)`.
    ///
    /// PyTorch: none. JAX: none.
    avg_pool1d_input 1;

    /// The gradient of the input of [`Tensor::avg_pool2d`] with the same pool, of lengths `size`, given that of its
    /// output (this tensor): every element over the number of elements of its window, added up where windows overlap.
    ///
    /// # Errors
    /// The result is invalid if an input of these lengths has another number of windows.
    ///
    /// Gradient: `dx = dy.avg_pool2d(pool)`.
    ///
    /// PyTorch: none. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let dy = Tensor::from([[4.0, 8.0]]);
    /// assert_eq!(dy.avg_pool2d_input([2, 5], 2).to_vec::<f64>()?, [1.0, 1.0, 2.0, 2.0, 0.0, 1.0, 1.0, 2.0, 2.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    avg_pool2d_input 2;

    /// The gradient of the input of [`Tensor::avg_pool3d`]; see [`Tensor::avg_pool2d_input`].
    ///
    /// Gradient: `dx = dy.avg_pool3d(pool)`.
    ///
    /// PyTorch: none. JAX: none.
    avg_pool3d_input 3;
}

macro_rules! pools {
    ($($(#[doc = $doc:literal])* $name:ident($($p:ident: f64)?) -> $result:ty => |$x:ident, $pool:ident| $body:expr;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(&self, $($p: f64,)? pool: impl Into<Pool>) -> $result {
                let ($x, $pool) = (self, pool.into());
                $body
            }
        )*}
    };
}

pools! {
    /// The greatest element of every window over the last axis; NaN if there is one. Padding is never the greatest.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.max_pool1d`. JAX: `jax.lax.reduce_window`.
    max_pool1d() -> Tensor => |x, pool| x.max_pooled("max_pool1d", 1, &pool).0;

    /// Values as of [`Tensor::max_pool1d`], and the row-major number (i64) of each among the last axis of the input: what
    /// [`Tensor::max_unpool`] takes.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.max_pool1d(return_indices=True)`. JAX: none.
    max_pool1d_with_indices() -> (Tensor, Tensor) => |x, pool| x.max_pooled("max_pool1d_with_indices", 1, &pool);

    /// The mean of every window over the last axis; zeros of padding count, unless the pool says
    /// [`Pool::exclude_padding`].
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.avg_pool1d`. JAX: `jax.lax.reduce_window`.
    avg_pool1d() -> Tensor => |x, pool| x.average_pooled("avg_pool1d", 1, &pool);

    /// The p-norm of every window over the last axis: `(sum |x|^p)^(1/p)`, the greatest `|x|` for an infinite p. (PyTorch
    /// takes `x^p`, which differs for odd p.)
    ///
    /// Gradient: `dx = dy * sign(x) * (|x| / y)^(p - 1)`, 0 where `y` is 0.
    ///
    /// PyTorch: `torch.nn.functional.lp_pool1d`. JAX: none.
    lp_pool1d(p: f64) -> Tensor => |x, pool| x.norm_pooled("lp_pool1d", 1, p, &pool);

    /// The greatest element of every window over the last two axes; NaN if there is one. Padding is never the greatest.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.max_pool2d`. JAX: `jax.lax.reduce_window`.
    max_pool2d() -> Tensor => |x, pool| x.max_pooled("max_pool2d", 2, &pool).0;

    /// Values as of [`Tensor::max_pool2d`], and the row-major number (i64) of each among the last two axes of the input: what
    /// [`Tensor::max_unpool`] takes.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.max_pool2d(return_indices=True)`. JAX: none.
    max_pool2d_with_indices() -> (Tensor, Tensor) => |x, pool| x.max_pooled("max_pool2d_with_indices", 2, &pool);

    /// The mean of every window over the last two axes; zeros of padding count, unless the pool says
    /// [`Pool::exclude_padding`].
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.avg_pool2d`. JAX: `jax.lax.reduce_window`.
    avg_pool2d() -> Tensor => |x, pool| x.average_pooled("avg_pool2d", 2, &pool);

    /// The p-norm of every window over the last two axes: `(sum |x|^p)^(1/p)`, the greatest `|x|` for an infinite p. (PyTorch
    /// takes `x^p`, which differs for odd p.)
    ///
    /// Gradient: `dx = dy * sign(x) * (|x| / y)^(p - 1)`, 0 where `y` is 0.
    ///
    /// PyTorch: `torch.nn.functional.lp_pool2d`. JAX: none.
    lp_pool2d(p: f64) -> Tensor => |x, pool| x.norm_pooled("lp_pool2d", 2, p, &pool);

    /// The greatest element of every window over the last three axes; NaN if there is one. Padding is never the greatest.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.max_pool3d`. JAX: `jax.lax.reduce_window`.
    max_pool3d() -> Tensor => |x, pool| x.max_pooled("max_pool3d", 3, &pool).0;

    /// Values as of [`Tensor::max_pool3d`], and the row-major number (i64) of each among the last three axes of the input: what
    /// [`Tensor::max_unpool`] takes.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.max_pool3d(return_indices=True)`. JAX: none.
    max_pool3d_with_indices() -> (Tensor, Tensor) => |x, pool| x.max_pooled("max_pool3d_with_indices", 3, &pool);

    /// The mean of every window over the last three axes; zeros of padding count, unless the pool says
    /// [`Pool::exclude_padding`].
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.avg_pool3d`. JAX: `jax.lax.reduce_window`.
    avg_pool3d() -> Tensor => |x, pool| x.average_pooled("avg_pool3d", 3, &pool);

    /// The p-norm of every window over the last three axes: `(sum |x|^p)^(1/p)`, the greatest `|x|` for an infinite p. (PyTorch
    /// takes `x^p`, which differs for odd p.)
    ///
    /// Gradient: `dx = dy * sign(x) * (|x| / y)^(p - 1)`, 0 where `y` is 0.
    ///
    /// PyTorch: `torch.nn.functional.lp_pool3d`. JAX: none.
    lp_pool3d(p: f64) -> Tensor => |x, pool| x.norm_pooled("lp_pool3d", 3, p, &pool);
}

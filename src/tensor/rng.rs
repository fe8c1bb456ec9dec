//! Random numbers: the explicit generator, and the global one behind `Tensor::randn` and its like.

use std::sync::{Mutex, PoisonError};

use super::tree::{Tree, Visitor, Walker};
use super::{DType, IntoOperand, IntoShape, Shape, Tensor};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::graph;
use crate::ops::{Distribution, Random, Replacement, draws};

/// A random-number generator: a seed and a counter of draws, as a tensor, so that it can be an argument of a
/// function that is differentiated or batched, and the same seed gives the same numbers everywhere.
///
/// ```
/// # use retrograd::Rng;
/// let mut rng = Rng::seed(7);
/// let (a, b) = (rng.randn([3]), rng.randn([3]));
/// assert!(!a.allclose(&b, 0.0, 0.0)?);
/// assert!(a.allclose(&Rng::seed(7).randn([3]), 0.0, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    /// i64 `[seed, counter]`; one for each example inside vmap.
    key: Tensor,
}

impl Rng {
    /// A generator at the start of the sequence that `seed` names.
    ///
    /// PyTorch: `torch.Generator`. JAX: `jax.random.key`.
    pub fn seed(seed: u64) -> Rng {
        Rng { key: Tensor::from([seed as i64, 0]) }
    }

    /// A generator of its own whose seed the global one draws, so that it follows [`manual_seed`].
    pub fn from_global() -> Rng {
        Rng { key: seeds(&global_key(), [2].into_shape().expect("a small shape")) * Tensor::from([1i64, 0]) }
    }

    /// Uniform numbers in [0, 1), in f32.
    ///
    /// PyTorch: `torch.rand(generator=..)`. JAX: `jax.random.uniform`.
    #[track_caller]
    pub fn rand(&mut self, shape: impl IntoShape) -> Tensor {
        draws::noise("rand", &self.advance(), Distribution::Uniform, shape, DType::F32)
    }

    /// Normally distributed numbers, mean 0 and variance 1, in f32.
    ///
    /// PyTorch: `torch.randn(generator=..)`. JAX: `jax.random.normal`.
    #[track_caller]
    pub fn randn(&mut self, shape: impl IntoShape) -> Tensor {
        draws::noise("randn", &self.advance(), Distribution::Normal, shape, DType::F32)
    }

    /// One with probability `p`, else zero: [`Tensor::bernoulli`] by this generator.
    ///
    /// PyTorch: `torch.bernoulli(generator=..)`. JAX: `jax.random.bernoulli`.
    #[track_caller]
    pub fn bernoulli(&mut self, shape: impl IntoShape, p: impl IntoOperand) -> Tensor {
        draws::bernoulli(&self.advance(), shape, &p)
    }

    /// Uniform numbers between two others: [`Tensor::uniform`] by this generator.
    #[track_caller]
    pub fn uniform(
        &mut self,
        shape: impl IntoShape,
        low: impl IntoOperand,
        high: impl IntoOperand,
    ) -> Tensor {
        draws::uniform(&self.advance(), shape, &low, &high)
    }

    /// Normally distributed numbers of any mean and standard deviation: [`Tensor::normal`] by this generator.
    #[track_caller]
    pub fn normal(&mut self, shape: impl IntoShape, mean: impl IntoOperand, std: impl IntoOperand) -> Tensor {
        draws::normal(&self.advance(), shape, &mean, &std)
    }

    /// Exponentially distributed numbers: [`Tensor::exponential`] by this generator.
    #[track_caller]
    pub fn exponential(&mut self, shape: impl IntoShape, rate: impl IntoOperand) -> Tensor {
        draws::exponential(&self.advance(), shape, &rate)
    }

    /// Whole numbers (i64) from `low` on and below `high`: [`Tensor::randint`] by this generator.
    #[track_caller]
    pub fn randint(&mut self, low: i64, high: i64, shape: impl IntoShape) -> Tensor {
        draws::randint(&self.advance(), low, high, shape)
    }

    /// The numbers `0..n` (i64) in random order: [`Tensor::randperm`] by this generator.
    #[track_caller]
    pub fn randperm(&mut self, n: usize) -> Tensor {
        draws::noise("randperm", &self.advance(), Distribution::Permutation, [n], DType::I64)
    }

    /// Positions drawn with the probabilities that `weights` are proportional to: [`Tensor::multinomial`] by this
    /// generator.
    #[track_caller]
    pub fn multinomial(&mut self, weights: &Tensor, n: usize, replacement: Replacement) -> Tensor {
        draws::multinomial(&self.advance(), weights, n, replacement)
    }

    /// `x` with elements put to zero at random: [`Tensor::dropout`] by this generator.
    #[track_caller]
    pub fn dropout(&mut self, x: &Tensor, p: f64) -> Tensor {
        draws::dropout(&self.advance(), x, p)
    }

    /// `n` generators, independent of each other and of what this one yields later; as one whose leaf has a first
    /// axis of `n`, to be mapped over with `vmap`.
    ///
    /// PyTorch: none. JAX: `jax.random.split`.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Rng {
        let shape = match [n, 1].into_shape() {
            Ok(shape) => shape,
            Err(message) => return Rng { key: misuse("split", &[], Misfit::shape(message)) },
        };
        let seeds = seeds(&self.advance(), shape);
        Rng { key: Tensor::cat(&[seeds.clone(), seeds.zeros_like()], 1) }
    }

    /// The key of the next draw.
    fn advance(&mut self) -> Tensor {
        let next = &self.key + Tensor::from([0i64, 1]);
        std::mem::replace(&mut self.key, next)
    }
}

/// Seeds for generators, drawn with that key: 2^52 of them, as whole numbers in f64.
#[track_caller]
fn seeds(key: &Tensor, shape: Shape) -> Tensor {
    let random = Random { distribution: Distribution::Uniform, shape, dtype: DType::F64 };
    (bind(&random, &[key]) * 4_503_599_627_370_496.0).i64()
}

impl Tree for Rng {
    fn walk(&self, walker: &mut dyn Walker) -> Rng {
        Rng { key: walker.leaf(&self.key) }
    }

    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.leaf(&self.key);
    }
}

/// Seed and counter of the global generator.
static GLOBAL: Mutex<[i64; 2]> = Mutex::new([0, 0]);

/// Starts the global generator's sequence that `seed` names; it starts out with seed 0.
pub fn manual_seed(seed: u64) {
    *GLOBAL.lock().unwrap_or_else(PoisonError::into_inner) = [seed as i64, 0];
}

fn next_key() -> [i64; 2] {
    let mut key = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    key[1] += 1;
    *key
}

/// The key of a draw from the global generator; in a traced function, one that differs from call to call.
pub(crate) fn global_key() -> Tensor {
    graph::draw_key().unwrap_or_else(|| Tensor::from(next_key()))
}

/// The first draw's key of a replayed program: its further draws count on from there.
pub(crate) fn reserve_draws(count: usize) -> [i64; 2] {
    let mut key = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    let first = [key[0], key[1] + 1];
    key[1] += count as i64;
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traced_permutation_differs_from_run_to_run() {
        let graph = graph::trace(&[], |_| Ok(vec![Tensor::randperm(20)])).expect("a trace");
        let run = || graph.replay(&[]).expect("runs")[0].to_vec::<i64>().expect("has a value");
        assert_ne!(run(), run());
    }
}

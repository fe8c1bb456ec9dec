//! Random numbers: the explicit generator, and the global one behind `Tensor::randn` and its like.

use std::sync::{Mutex, PoisonError};

use super::tree::{Tree, Visitor, Walker};
use super::{DType, IntoShape, Tensor};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::cpu::random::bits;
use crate::graph;
use crate::ops::{Distribution, Random};

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

    /// Uniform numbers in [0, 1), in f32.
    ///
    /// PyTorch: `torch.rand(generator=..)`. JAX: `jax.random.uniform`.
    #[track_caller]
    pub fn rand(&mut self, shape: impl IntoShape) -> Tensor {
        self.draw("rand", shape, Distribution::Uniform)
    }

    /// Normally distributed numbers, mean 0 and variance 1, in f32.
    ///
    /// PyTorch: `torch.randn(generator=..)`. JAX: `jax.random.normal`.
    #[track_caller]
    pub fn randn(&mut self, shape: impl IntoShape) -> Tensor {
        self.draw("randn", shape, Distribution::Normal)
    }

    /// One with probability `p`, else zero, in f32.
    ///
    /// PyTorch: `torch.bernoulli(generator=..)`. JAX: `jax.random.bernoulli`.
    #[track_caller]
    pub fn bernoulli(&mut self, shape: impl IntoShape, p: f64) -> Tensor {
        self.rand(shape).lt(p).f32()
    }

    /// `n` generators, independent of each other and of what this one yields later; as one whose leaf has a first
    /// axis of `n`, to be mapped over with `vmap`.
    ///
    /// PyTorch: none. JAX: `jax.random.split`.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Rng {
        // Seeds of their own, drawn from this generator: 2^52 of them, as whole numbers in f64.
        let shape = match [n, 1].into_shape() {
            Ok(shape) => shape,
            Err(message) => return Rng { key: misuse("split", &[], Misfit::shape(message)) },
        };
        let random = Random { distribution: Distribution::Uniform, shape, dtype: DType::F64 };
        let uniform: Tensor = bind(&random, &[&self.advance()]);
        let seeds = (uniform * 4_503_599_627_370_496.0).i64();
        Rng { key: Tensor::cat(&[seeds.clone(), seeds.zeros_like()], 1) }
    }

    /// The key of the next draw.
    fn advance(&mut self) -> Tensor {
        let next = &self.key + Tensor::from([0i64, 1]);
        std::mem::replace(&mut self.key, next)
    }

    #[track_caller]
    fn draw(&mut self, operation: &'static str, shape: impl IntoShape, distribution: Distribution) -> Tensor {
        match shape.into_shape() {
            Ok(shape) => bind(&Random { distribution, shape, dtype: DType::F32 }, &[&self.advance()]),
            Err(message) => misuse(operation, &[], Misfit::shape(message)),
        }
    }
}

impl Tree for Rng {
    fn walk(&self, walker: &mut dyn Walker) -> Rng {
        Rng { key: walker.leaf(&self.key) }
    }

    fn visit(&self, visitor: &mut dyn Visitor) {
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

/// A draw from the global generator; in a traced function, one that differs from call to call.
#[track_caller]
pub(super) fn draw(
    operation: &'static str,
    shape: impl IntoShape,
    distribution: Distribution,
    dtype: DType,
) -> Tensor {
    let shape = match shape.into_shape() {
        Ok(shape) => shape,
        Err(message) => return misuse(operation, &[], Misfit::shape(message)),
    };
    let key = graph::draw_key().unwrap_or_else(|| Tensor::from(next_key()));
    bind(&Random { distribution, shape, dtype }, &[&key])
}

/// The first draw's key of a replayed program: its further draws count on from there.
pub(crate) fn reserve_draws(count: usize) -> [i64; 2] {
    let mut key = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    let first = [key[0], key[1] + 1];
    key[1] += count as i64;
    first
}

/// `0..n` ordered by random 64-bit numbers, so that every order is as likely.
pub(super) fn global_permutation(n: usize) -> Tensor {
    let key = next_key();
    let mut order: Vec<(u64, i64)> = (0..n)
        .map(|i| {
            let [low, high, ..] = bits(key, i as u64);
            (u64::from(high) << 32 | u64::from(low), i as i64)
        })
        .collect();
    order.sort_unstable();
    Tensor::from_vec(order.into_iter().map(|(_, i)| i).collect(), [n])
}

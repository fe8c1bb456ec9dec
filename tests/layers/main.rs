//! Layers: their gradients are the derived ones, their values PyTorch's.

#[path = "../golden/read.rs"]
#[expect(dead_code, reason = "the files of operations have more dtypes than these")]
mod read;

mod activations;
mod convolutions;
mod dropouts;
mod golden;
mod pairs;
mod pools;
mod resampling;
mod rows;
mod shapes;

/// The layers under test, and what holds them.
mod nn {
    pub(crate) use retrograd::nn::*;
}

use retrograd::nn::{Mode, Module};
use retrograd::{Result, Rng, Tensor, check};

/// Normal numbers of a shape, in f64, always the same.
fn normal(shape: &[usize]) -> Tensor {
    Rng::seed(shape.iter().fold(3, |seed, &n| seed * 31 + n as u64)).randn(shape).f64()
}

/// Holds a layer to its contract in both modes.
#[track_caller]
fn holds<M: Module + Clone>(layer: &M, x: &M::Input) -> Result<()> {
    check::module(layer.clone(), x, Mode::Train)?;
    check::module(layer.clone(), x, Mode::Eval)
}

//! The inputs on which every operation is held to the laws: one row or more for each public one, and a row for each
//! bug that was ever found in one. `cargo xtask operations` tells from them what an operation works on.

mod contraction;
mod convolution;
mod indexing;
#[cfg(feature = "linalg")]
mod linalg;
mod ordering;
mod pointwise;
mod trunk;

use crate::tensor::{Rng, Tensor};

/// A function that calls one method, with inputs to try it on.
pub(crate) struct Sample {
    /// The method's name, or that of a primitive that no method stands for.
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) f: fn(&[Tensor]) -> Tensor,
    /// Whether the derivative may be compared with a difference here: no kink, no tie.
    pub(crate) smooth: bool,
    /// Whether it works without values, in a trace and under vmap. What picks by a mask does not.
    pub(crate) symbolic: bool,
}

fn row(name: &'static str, inputs: Vec<Tensor>, f: fn(&[Tensor]) -> Tensor) -> Sample {
    Sample { name, inputs, f, smooth: true, symbolic: true }
}

fn rough(name: &'static str, inputs: Vec<Tensor>, f: fn(&[Tensor]) -> Tensor) -> Sample {
    Sample { smooth: false, ..row(name, inputs, f) }
}

/// A function whose result has a shape that depends on values.
fn picking(name: &'static str, inputs: Vec<Tensor>, f: fn(&[Tensor]) -> Tensor) -> Sample {
    Sample { symbolic: false, ..row(name, inputs, f) }
}

/// Normally distributed numbers in f64.
fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

/// Numbers between 0.5 and 1.5 in f64.
fn positive(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).rand(shape).f64() + 0.5
}

/// All rows.
pub(crate) fn samples() -> Vec<Sample> {
    [
        trunk::rows(),
        pointwise::rows(),
        ordering::rows(),
        indexing::rows(),
        contraction::rows(),
        convolution::rows(),
        #[cfg(feature = "linalg")]
        linalg::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The vjp of a function, as a function of argument and cotangent: how a pull primitive is reached.
fn pull(x: &Tensor, v: &Tensor, f: fn(&Tensor) -> Tensor) -> Tensor {
    match crate::vjp(|x: &Tensor| f(x)).call(x, ()).and_then(|(_, pull)| pull.call(v)) {
        Ok(dx) => dx,
        Err(error) => Tensor::invalid(error),
    }
}

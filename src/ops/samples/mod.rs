//! The inputs on which every primitive is held to its laws: one row or more a primitive, and a row for each bug
//! that was ever found in one.

mod contraction;
mod convolution;
mod indexing;
#[cfg(feature = "linalg")]
mod linalg;
mod ordering;
mod pointwise;
mod trunk;

use crate::tensor::{Rng, Tensor};

/// A function made of one primitive (or of a method that binds it), with inputs to try it on.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) f: fn(&[Tensor]) -> Tensor,
    /// Whether the derivative may be compared with a difference here: no kink, no tie.
    pub(crate) smooth: bool,
}

fn row(name: &'static str, inputs: Vec<Tensor>, f: fn(&[Tensor]) -> Tensor) -> Sample {
    Sample { name, inputs, f, smooth: true }
}

fn rough(name: &'static str, inputs: Vec<Tensor>, f: fn(&[Tensor]) -> Tensor) -> Sample {
    Sample { smooth: false, ..row(name, inputs, f) }
}

/// Normally distributed numbers in f64.
fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

/// Numbers between 0.5 and 1.5 in f64.
fn positive(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).rand(shape).f64() + 0.5
}

/// Every primitive's rows.
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

//! Layers that add or multiply by a number.

use super::stateless::{Function, functions};
use retrograd::Tensor;

/// The input plus a number that does not change.
///
/// Gradient: `dx = dy`.
///
/// PyTorch: none. Torch: `nn.AddConstant`.
#[derive(Clone, Debug)]
pub struct AddConstant(f64);

/// The input times a number that does not change.
///
/// Gradient: `dx = c dy`.
///
/// PyTorch: none. Torch: `nn.MulConstant`.
#[derive(Clone, Debug)]
pub struct MulConstant(f64);

impl AddConstant {
    /// Adds this number.
    pub fn new(constant: f64) -> AddConstant {
        AddConstant(constant)
    }
}

impl MulConstant {
    /// Multiplies by this number.
    pub fn new(constant: f64) -> MulConstant {
        MulConstant(constant)
    }
}

impl Function for AddConstant {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (x + self.0, ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        dy.clone()
    }
}

impl Function for MulConstant {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (x * self.0, ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        dy * self.0
    }
}

functions! { AddConstant, MulConstant }

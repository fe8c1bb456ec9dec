//! Activation functions that take away what is small.

use super::super::stateless::{Function, functions, options};
use retrograd::Tensor;

/// `x - tanh(x)`.
///
/// Gradient: `dx = dy tanh(x)^2`; the hyperbolic tangent is kept.
///
/// PyTorch: `torch.nn.Tanhshrink`. Torch: `nn.TanhShrink`.
#[derive(Clone, Debug, Default)]
pub struct Tanhshrink;

options! {
    /// `x` nearer to 0 by `lambd`, and 0 where `|x| <= lambd`.
    ///
    /// Gradient: `dx = dy` where `|x| > lambd`, else 0; the input is kept.
    ///
    /// PyTorch: `torch.nn.Softshrink`. Torch: `nn.SoftShrink`.
    Softshrink {
        /// By how much; 0.5 by default.
        lambd: f64 = 0.5,
    }

    /// `x` where `|x| > lambd`, else 0.
    ///
    /// Gradient: `dx = dy` where `|x| > lambd`, else 0; the input is kept.
    ///
    /// PyTorch: `torch.nn.Hardshrink`. Torch: `nn.HardShrink`.
    Hardshrink {
        /// What is small; 0.5 by default.
        lambd: f64 = 0.5,
    }
}

impl Function for Tanhshrink {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let t = x.tanh();
        (x - &t, t)
    }
    fn pull(&self, t: &Tensor, dy: &Tensor) -> Tensor {
        dy * t.square()
    }
}

impl Function for Softshrink {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.softshrink(self.lambd), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        x.abs().le(self.lambd).where_(0.0, dy)
    }
}

impl Function for Hardshrink {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.hardshrink(self.lambd), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        x.abs().le(self.lambd).where_(0.0, dy)
    }
}

functions! { Tanhshrink, Softshrink, Hardshrink }

//! Elementary functions as layers.

use super::super::stateless::{Function, functions};
use super::piecewise::inside;
use retrograd::Tensor;

/// `x^2`.
///
/// Gradient: `dx = 2 x dy`; the input is kept.
///
/// PyTorch: none. Torch: `nn.Square`.
#[derive(Clone, Debug, Default)]
pub struct Square;

/// The square root.
///
/// Gradient: `dx = dy / (2 y)`, infinite at 0; the output is kept.
///
/// PyTorch: none. Torch: `nn.Sqrt`.
#[derive(Clone, Debug, Default)]
pub struct Sqrt;

/// The absolute value.
///
/// Gradient: `dx = dy sign(x)`, 0 at 0; the input is kept.
///
/// PyTorch: none. Torch: `nn.Abs`.
#[derive(Clone, Debug, Default)]
pub struct Abs;

/// The exponential.
///
/// Gradient: `dx = dy y`; the output is kept.
///
/// PyTorch: none. Torch: `nn.Exp`.
#[derive(Clone, Debug, Default)]
pub struct Exp;

/// The natural logarithm.
///
/// Gradient: `dx = dy / x`; the input is kept.
///
/// PyTorch: none. Torch: `nn.Log`.
#[derive(Clone, Debug, Default)]
pub struct Log;

/// `x` to a power that does not change.
///
/// Gradient: `dx = dy p x^(p - 1)`, 0 where the power `p` is 0; the input is kept.
///
/// PyTorch: none. Torch: `nn.Power`.
#[derive(Clone, Debug)]
pub struct Power(f64);

/// `x` held between two numbers.
///
/// Gradient: `dx = dy` strictly inside, 0 at and beyond the bounds; the input is kept.
///
/// PyTorch: none ([`Hardtanh`](super::Hardtanh) is the same with defaults). Torch: `nn.Clamp`.
#[derive(Clone, Debug)]
pub struct Clamp {
    low: f64,
    high: f64,
}

impl Power {
    /// To this power.
    pub fn new(power: f64) -> Power {
        Power(power)
    }
}

impl Clamp {
    /// Between `low` and `high`.
    pub fn new(low: f64, high: f64) -> Clamp {
        Clamp { low, high }
    }
}

impl Function for Square {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.square(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        x * dy * 2.0
    }
}

impl Function for Sqrt {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.sqrt();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        dy / (y * 2.0)
    }
}

impl Function for Abs {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.abs(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        dy * x.sign()
    }
}

impl Function for Exp {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.exp();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        dy * y
    }
}

impl Function for Log {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.log(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        dy / x
    }
}

impl Function for Power {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.pow(self.0), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        // Not 0 times an infinity where x is 0.
        if self.0 == 0.0 { dy.zeros_like() } else { dy * (x.pow(self.0 - 1.0) * self.0) }
    }
}

impl Function for Clamp {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.clamp(self.low, self.high), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        inside(x, self.low, self.high, dy)
    }
}

functions! { Square, Sqrt, Abs, Exp, Log, Power, Clamp }

//! Activation functions in pieces. Where two meet, the slope is that of the side that the documentation names.

use super::super::stateless::{Function, functions, options};
use retrograd::Tensor;

/// `max(x, 0)`.
///
/// Gradient: `dx = dy` where `x > 0`, else 0 (also at 0); the output is kept.
///
/// PyTorch: `torch.nn.ReLU`. Torch: `nn.ReLU`.
///
/// ```
/// use retrograd::nn::{Relu, functionalize};
/// use retrograd::{Rng, Tensor, grad};
/// let (relu, ()) = functionalize(Relu, &mut Rng::seed(0));
/// let d = grad(|x: &Tensor| relu(&(), x).sum());
/// let (dx, y) = d.call(&Tensor::from([-1.0, 0.0, 2.0]), ())?;
/// assert_eq!((y.item::<f64>()?, dx.to_vec::<f64>()?), (2.0, vec![0.0, 0.0, 1.0]));
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Relu;

/// `x` held between 0 and 6.
///
/// Gradient: `dx = dy` where `0 < x < 6`, else 0; the output is kept.
///
/// PyTorch: `torch.nn.ReLU6`. Torch: `nn.ReLU6`.
#[derive(Clone, Debug, Default)]
pub struct Relu6;

/// [`Elu`] with the constants that keep mean 0 and variance 1 from layer to layer.
///
/// Gradient: `dx = dy 1.0507..` where `x > 0`, else `dy 1.7580.. exp(x)`; the input is kept. Source: Klambauer and
/// others, arXiv:1706.02515.
///
/// PyTorch: `torch.nn.SELU`. Torch: none.
#[derive(Clone, Debug, Default)]
pub struct Selu;

/// `(x + 3) / 6` held between 0 and 1.
///
/// Gradient: `dx = dy / 6` where `-3 < x < 3`, else 0; the input is kept.
///
/// PyTorch: `torch.nn.Hardsigmoid`. Torch: none.
#[derive(Clone, Debug, Default)]
pub struct Hardsigmoid;

/// `x` times [`Hardsigmoid`].
///
/// Gradient: `dx = dy (x / 3 + 1 / 2)` where `-3 < x < 3`, `dy` from 3 on, 0 up to -3; the input is kept. Source:
/// Howard and others, arXiv:1905.02244.
///
/// PyTorch: `torch.nn.Hardswish`. Torch: none.
#[derive(Clone, Debug, Default)]
pub struct Hardswish;

options! {
    /// `x` where positive, `negative_slope x` elsewhere.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `negative_slope dy` (also at 0); the input is kept.
    ///
    /// PyTorch: `torch.nn.LeakyReLU`. Torch: `nn.LeakyReLU`.
    LeakyRelu {
        /// The slope where `x` is negative; 0.01 by default.
        negative_slope: f64 = 0.01,
    }

    /// `x` where positive, `alpha (exp(x) - 1)` elsewhere.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `dy alpha exp(x)`; the input is kept. Source: Clevert and others,
    /// arXiv:1511.07289.
    ///
    /// PyTorch: `torch.nn.ELU`. Torch: `nn.ELU`.
    Elu {
        /// Minus the limit at minus infinity; 1 by default.
        alpha: f64 = 1.0,
    }

    /// `x` where positive, `alpha (exp(x / alpha) - 1)` elsewhere: without a kink for every `alpha`.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `dy exp(x / alpha)`; the input is kept. Source: Barron,
    /// arXiv:1704.07483.
    ///
    /// PyTorch: `torch.nn.CELU`. Torch: none.
    Celu {
        /// Minus the limit at minus infinity, not 0; 1 by default.
        alpha: f64 = 1.0,
    }

    /// `x` held between two numbers.
    ///
    /// Gradient: `dx = dy` where `min_val < x < max_val`, else 0 (at the bounds too); the input is kept.
    ///
    /// PyTorch: `torch.nn.Hardtanh`. Torch: `nn.HardTanh`.
    Hardtanh {
        /// The least value; -1 by default.
        min_val: f64 = -1.0,
        /// The greatest value; 1 by default.
        max_val: f64 = 1.0,
    }

    /// `x` where it is above a threshold, another number elsewhere.
    ///
    /// Gradient: `dx = dy` where `x > threshold`, else 0; the input is kept.
    ///
    /// PyTorch: `torch.nn.Threshold` (which has no defaults). Torch: `nn.Threshold`.
    Threshold {
        /// What `x` must be above; 1e-6 by default.
        threshold: f64 = 1e-6,
        /// What it is elsewhere; 0 by default.
        value: f64 = 0.0,
    }
}

impl Function for Relu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.relu();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        y.gt(0.0).where_(dy, 0.0)
    }
}

/// The cotangent strictly between two bounds.
pub(super) fn inside(x: &Tensor, low: f64, high: f64, dy: &Tensor) -> Tensor {
    x.gt(low).logical_and(x.lt(high)).where_(dy, 0.0)
}

impl Function for Relu6 {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.relu6();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        inside(y, 0.0, 6.0, dy)
    }
}

impl Function for Hardtanh {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.hardtanh(self.min_val, self.max_val), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        inside(x, self.min_val, self.max_val, dy)
    }
}

impl Function for Hardsigmoid {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.hardsigmoid(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        inside(x, -3.0, 3.0, &(dy / 6.0))
    }
}

impl Function for Hardswish {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.hardswish(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let bent = dy * (x / 3.0 + 0.5);
        x.le(-3.0).where_(0.0, x.ge(3.0).where_(dy, bent))
    }
}

impl Function for LeakyRelu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.leaky_relu(self.negative_slope), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        x.gt(0.0).where_(dy, dy * self.negative_slope)
    }
}

/// The cotangent times `above` where `x` is positive, else times `below exp(rate x)`.
fn exponential_below(x: &Tensor, above: f64, below: f64, rate: f64, dy: &Tensor) -> Tensor {
    let positive = x.gt(0.0);
    // Of 0 where `x` is positive: its exponential might overflow, and infinity meet a cotangent of 0.
    let slope = (positive.where_(0.0, x) * rate).exp() * below;
    dy * positive.where_(above, slope)
}

impl Function for Elu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.elu(self.alpha), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        exponential_below(x, 1.0, self.alpha, 1.0, dy)
    }
}

impl Function for Celu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.celu(self.alpha), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        exponential_below(x, 1.0, 1.0, 1.0 / self.alpha, dy)
    }
}

/// The fixed point of mean 0 and variance 1, by equation 14 of the paper.
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

impl Function for Selu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.selu(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        exponential_below(x, SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0, dy)
    }
}

impl Function for Threshold {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.threshold(self.threshold, self.value), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        x.le(self.threshold).where_(0.0, dy)
    }
}

functions! {
    Relu, Relu6, Hardtanh, Hardsigmoid, Hardswish, LeakyRelu, Elu, Celu, Selu, Threshold,
}

//! Activation functions without kinks.

use std::f64::consts::PI;

use super::super::stateless::{Function, functions, options};
use retrograd::Tensor;

/// The hyperbolic tangent.
///
/// Gradient: `dx = dy (1 - y^2)`; the output is kept.
///
/// PyTorch: `torch.nn.Tanh`. Torch: `nn.Tanh`.
///
/// ```
/// use retrograd::nn::{Linear, Sequential, Tanh, functionalize_with_state, Ctx};
/// use retrograd::{Rng, Tensor};
/// let net = Sequential::new().add(Linear::new(3, 8)).add(Tanh).add(Linear::new(8, 1));
/// let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([4, 3]), &mut Ctx::eval()).0.shape(), [4, 1]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tanh;

/// The logistic function `1 / (1 + exp(-x))`.
///
/// Gradient: `dx = dy y (1 - y)`; the output is kept.
///
/// PyTorch: `torch.nn.Sigmoid`. Torch: `nn.Sigmoid`.
#[derive(Clone, Debug, Default)]
pub struct Sigmoid;

/// `log(sigmoid(x))`, without overflow.
///
/// Gradient: `dx = dy sigmoid(-x)`; the input is kept.
///
/// PyTorch: `torch.nn.LogSigmoid`. Torch: `nn.LogSigmoid`.
#[derive(Clone, Debug, Default)]
pub struct LogSigmoid;

/// `x sigmoid(x)`, also called swish.
///
/// Gradient: `dx = dy s (1 + x (1 - s))` with `s = sigmoid(x)`; the input is kept.
///
/// PyTorch: `torch.nn.SiLU`. Torch: none.
#[derive(Clone, Debug, Default)]
pub struct Silu;

/// `x tanh(softplus(x))`.
///
/// Gradient: `dx = dy (t + x (1 - t^2) sigmoid(x))` with `t = tanh(softplus(x))`; the input is kept. Source: Misra,
/// arXiv:1908.08681.
///
/// PyTorch: `torch.nn.Mish`. Torch: none.
#[derive(Clone, Debug, Default)]
pub struct Mish;

/// `x / (1 + |x|)`.
///
/// Gradient: `dx = dy / (1 + |x|)^2`; the input is kept.
///
/// PyTorch: `torch.nn.Softsign`. Torch: `nn.SoftSign`.
#[derive(Clone, Debug, Default)]
pub struct Softsign;

/// Which of two functions a [`Gelu`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GeluForm {
    /// `x P(Z <= x)` for a standard normal `Z`.
    #[default]
    Exact,
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, which is near to it.
    Tanh,
}

options! {
    /// The Gaussian error linear unit: `x` times the probability that a standard normal number is below it.
    ///
    /// Gradient: `dx = dy (P(Z <= x) + x exp(-x^2 / 2) / sqrt(2 pi))`, or that of the approximation; the input is kept.
    /// Source: Hendrycks and Gimpel, arXiv:1606.08415.
    ///
    /// PyTorch: `torch.nn.GELU`. Torch: none.
    ///
    /// ```
    /// use retrograd::nn::{Gelu, GeluForm, functionalize};
    /// use retrograd::{Rng, Tensor};
    /// let (exact, ()) = functionalize(Gelu::new(), &mut Rng::seed(0));
    /// let (near, ()) = functionalize(Gelu::new().approximate(GeluForm::Tanh), &mut Rng::seed(0));
    /// let x = Tensor::linspace(-3.0, 3.0, 7);
    /// assert!(near(&(), &x).allclose(&exact(&(), &x), 0.0, 1e-3)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    Gelu {
        /// The exact function (the default) or its approximation.
        approximate: GeluForm = GeluForm::Exact,
    }

    /// `log(1 + exp(beta x)) / beta`, and `x` itself where `beta x` is above a threshold.
    ///
    /// Gradient: `dx = dy sigmoid(beta x)`, `dy` above the threshold; the input is kept.
    ///
    /// PyTorch: `torch.nn.Softplus`. Torch: `nn.SoftPlus`.
    Softplus {
        /// How sharp the bend at 0 is; 1 by default.
        beta: f64 = 1.0,
        /// From which `beta x` on the function is `x`; 20 by default.
        threshold: f64 = 20.0,
    }
}

impl Function for Tanh {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.tanh();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        dy * (1.0 - y.square())
    }
}

impl Function for Sigmoid {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.sigmoid();
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        dy * (y * (1.0 - y))
    }
}

impl Function for LogSigmoid {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.logsigmoid(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        dy * (-x).sigmoid()
    }
}

impl Function for Silu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.silu(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let s = x.sigmoid();
        dy * (&s * (x * (1.0 - &s) + 1.0))
    }
}

impl Function for Mish {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.mish(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let t = x.softplus().tanh();
        dy * (x * (1.0 - t.square()) * x.sigmoid() + t)
    }
}

impl Function for Softsign {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.softsign(), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        dy / (x.abs() + 1.0).square()
    }
}

/// The weight of the cube in the approximation.
const CUBE: f64 = 0.044_715;

impl Function for Gelu {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = match self.approximate {
            GeluForm::Exact => x.gelu(),
            GeluForm::Tanh => x.gelu_tanh(),
        };
        (y, x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let square = x.square();
        match self.approximate {
            GeluForm::Exact => {
                let density = (&square * -0.5).exp() / (2.0 * PI).sqrt();
                dy * (x.ndtr() + x * density)
            }
            GeluForm::Tanh => {
                let rate = (2.0 / PI).sqrt();
                let t = ((&square * CUBE + 1.0) * x * rate).tanh();
                // Beyond, `1 - t^2` is 0, and what overflows would make NaN of it.
                let slope = (square.clamp_max(1e3) * (3.0 * CUBE) + 1.0) * rate;
                dy * 0.5 * (1.0 + &t + x * (1.0 - t.square()) * slope)
            }
        }
    }
}

impl Function for Softplus {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.softplus_beta(self.beta, self.threshold), x.clone())
    }
    fn pull(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let scaled = x * self.beta;
        scaled.gt(self.threshold).where_(dy, dy * scaled.sigmoid())
    }
}

functions! { Tanh, Sigmoid, LogSigmoid, Silu, Mish, Softsign, Gelu, Softplus }

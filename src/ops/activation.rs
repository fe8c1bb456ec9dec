//! Activation functions. The derivatives that every network takes are primitives themselves (`*_pull`): one pass
//! over memory instead of three, and half the entries on a tape.

mod piecewise;
mod smooth;

use super::arithmetic::{IntoOperand, scalars};
use super::exponential::functions;
use super::operands::InputSet;
use super::pointwise::{Domain, Elementwise, Map};
use super::primitive::{Reads, Residuals};
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::graph::{Seen, Value};
use crate::tensor::Tensor;

scalars! {
    Tanh [x] S => x.tanh();
    TanhPull [y, v] S => v * (S::literal(1.0) - y * y);
    Sigmoid [x] S => x.sigmoid();
    SigmoidPull [y, v] S => v * (y * (S::literal(1.0) - y));
    Relu [x] S => x.max(S::literal(0.0));
    ReluPull [x, v] S => S::select(x.gt(S::literal(0.0)), v, S::literal(0.0));
    Softplus [x] S => x.max(S::literal(0.0)) + (-x.abs()).exp().log1p();
    Logsigmoid [x] S => x.min(S::literal(0.0)) - (-x.abs()).exp().log1p();
    Softsign [x] S => softsign(x);
}

#[inline(always)]
fn softsign<S: Scalar>(x: S) -> S {
    let (a, one) = (x.abs(), S::literal(1.0));
    S::select(a.eq(S::literal(f64::INFINITY)), x.sign(), x / (one + a))
}

const X: Reads = Reads::inputs(InputSet::one(0));
const BOTH: Reads = Reads::inputs(InputSet::one(0).union(InputSet::one(1)));

functions! {
    Tanh "tanh" Reads::OUTPUTS, |at, v| bind(&Map(TanhPull), &[at.y(), v]);
    Sigmoid "sigmoid" Reads::OUTPUTS, |at, v| bind(&Map(SigmoidPull), &[at.y(), v]);
    Softplus "softplus" X, |at, v| v * at.x(0).sigmoid();
    Logsigmoid "logsigmoid" X, |at, v| v * (-at.x(0)).sigmoid();
    Softsign "softsign" X, |at, v| v / (at.x(0).abs() + 1.0).square();
}

impl Elementwise<1> for Relu {
    const NAME: &'static str = "relu";
    const DOMAIN: Domain = Domain::Numbers;
    // The output tells as much as the input: y > 0 iff x > 0. It is what the next layer keeps anyway.
    fn reads(&self, _: usize) -> Reads {
        Reads::OUTPUTS
    }
    fn scaled(&self, _: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(bind(&Map(ReluPull), &[at.y(), v]))
    }
    /// Of what is not negative it is that.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        x[0].made_by::<Map<Relu, 1>>().map(|_| x[0].into())
    }
}

/// Pulls are linear in the cotangent, input 1; for input 0, `$slope` is `v * d(pull)/dx0`.
macro_rules! pulls {
    ($($op:ident $name:literal |$at:ident, $v:ident| $slope:expr;)*) => {$(
        impl Elementwise<2> for $op {
            const NAME: &'static str = $name;
            const DOMAIN: Domain = Domain::Floats;
            fn reads(&self, input: usize) -> Reads {
                if input == 1 { X } else { BOTH }
            }
            fn scaled(&self, input: usize, $at: &Residuals<'_>, $v: &Tensor) -> Option<Tensor> {
                Some(if input == 1 { bind(&Map($op), &[$at.x(0), $v]) } else { $slope })
            }
        }
    )*};
}

pulls! {
    TanhPull "tanh_pull" |at, v| v * at.x(1) * at.x(0) * -2.0;
    SigmoidPull "sigmoid_pull" |at, v| v * at.x(1) * (1.0 - at.x(0) * 2.0);
}

impl Elementwise<2> for ReluPull {
    const NAME: &'static str = "relu_pull";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, input: usize) -> Reads {
        if input == 1 { X } else { Reads::NOTHING }
    }
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        (input == 1).then(|| bind(&Map(ReluPull), &[at.x(0), v]))
    }
}

impl Tensor {
    /// The hyperbolic tangent, within 2 ULP. Gradient: `dx = dy * (1 - y^2)`.
    ///
    /// PyTorch: `torch.tanh`. JAX: `jnp.tanh`.
    #[track_caller]
    pub fn tanh(&self) -> Tensor {
        bind(&Map(Tanh), &[self])
    }

    /// The logistic function `1 / (1 + exp(-x))`. Gradient: `dx = dy * y * (1 - y)`.
    ///
    /// PyTorch: `torch.sigmoid`. JAX: `jax.nn.sigmoid`.
    #[track_caller]
    pub fn sigmoid(&self) -> Tensor {
        bind(&Map(Sigmoid), &[self])
    }

    /// `max(x, 0)`; NaN stays NaN. Gradient: `dx = dy` where `x > 0`, else 0 (also at 0).
    ///
    /// PyTorch: `torch.relu`. JAX: `jax.nn.relu`.
    #[track_caller]
    pub fn relu(&self) -> Tensor {
        bind(&Map(Relu), &[self])
    }

    /// `log(1 + exp(x))` without overflow. Gradient: `dx = dy * sigmoid(x)`.
    ///
    /// PyTorch: `torch.nn.functional.softplus`. JAX: `jax.nn.softplus`.
    #[track_caller]
    pub fn softplus(&self) -> Tensor {
        bind(&Map(Softplus), &[self])
    }

    /// `log(sigmoid(x))` without overflow.
    ///
    /// Gradient: `dx = dy * sigmoid(-x)`.
    ///
    /// PyTorch: `torch.nn.functional.logsigmoid`. JAX: `jax.nn.log_sigmoid`.
    #[track_caller]
    pub fn logsigmoid(&self) -> Tensor {
        bind(&Map(Logsigmoid), &[self])
    }

    /// `x / (1 + |x|)`; -1 and 1 at the infinities.
    ///
    /// Gradient: `dx = dy / (1 + |x|)^2`.
    ///
    /// PyTorch: `torch.nn.functional.softsign`. JAX: `jax.nn.soft_sign`.
    #[track_caller]
    pub fn softsign(&self) -> Tensor {
        bind(&Map(Softsign), &[self])
    }

    /// `x` held between `low` and `high`, which are numbers or tensors; broadcasting.
    /// Gradient: `dx = dy` strictly inside, 0 at and beyond the edges (as `lax.clamp`); a bound that is a tensor gets
    /// `dy` where it is the result, an `x` equal to it included.
    ///
    /// PyTorch: `torch.clamp`. JAX: `jnp.clip`.
    #[track_caller]
    pub fn clamp(&self, low: impl IntoOperand, high: impl IntoOperand) -> Tensor {
        let (low, high) = (low.operand_for(self, "clamp"), high.operand_for(self, "clamp"));
        let (low, high): (&Tensor, &Tensor) = (&low, &high);
        let above = self.le(low).where_(low, self);
        self.ge(high).where_(high, above)
    }
}

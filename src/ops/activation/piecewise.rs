//! Activation functions in pieces: lines, and an exponential beside a line.
//!
//! Where two pieces meet the slope is that of the side that each function's documentation names; of functions that are
//! held at a bound it is 0 there, as `relu`'s and `clamp`'s.

use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::{Mask, Scalar};
use crate::ops::Reads;
use crate::ops::arithmetic::{BOTH, X0, scalars};
use crate::ops::pointwise::{Map, Parameter, laws};
use crate::tensor::Tensor;

/// `x` where positive, else `slope x`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct LeakyRelu {
    slope: Parameter,
}

/// `x` held between two bounds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Hardtanh {
    low: Parameter,
    high: Parameter,
}

/// `v inside` where `low < x < high`, else `v outside`: the derivative of functions made of lines. A `high` of NaN is
/// no bound, infinity is within it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct BandPull {
    low: Parameter,
    high: Parameter,
    inside: Parameter,
    outside: Parameter,
}

/// `scale x` where positive, else `scale alpha (exp(rate x) - 1)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Elu {
    scale: Parameter,
    alpha: Parameter,
    rate: Parameter,
}

/// The derivative of [`Elu`], times a cotangent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct EluPull(Elu);

impl Pointwise<1> for LeakyRelu {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x]: [S; 1]) -> S {
        S::select(x.gt(S::literal(0.0)), x, x * self.slope.literal())
    }
}

impl Pointwise<1> for Hardtanh {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x]: [S; 1]) -> S {
        let (low, high): (S, S) = (self.low.literal(), self.high.literal());
        S::select(x.ge(high), high, S::select(x.le(low), low, x))
    }
}

impl Pointwise<2> for BandPull {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x, v]: [S; 2]) -> S {
        let inside = x.gt(self.low.literal()).and(x.ge(self.high.literal()).not());
        v * S::select(inside, self.inside.literal(), self.outside.literal())
    }
}

impl Pointwise<1> for Elu {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x]: [S; 1]) -> S {
        let (scale, rate): (S, S) = (self.scale.literal(), self.rate.literal());
        let below = (rate * x).expm1() * self.alpha.literal();
        scale * S::select(x.gt(S::literal(0.0)), x, below)
    }
}

impl Pointwise<2> for EluPull {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x, v]: [S; 2]) -> S {
        let Elu { scale, alpha, rate } = self.0;
        let below =
            (rate.literal::<S>() * x).exp() * S::literal(scale.value() * alpha.value() * rate.value());
        v * S::select(x.gt(S::literal(0.0)), scale.literal(), below)
    }
}

scalars! {
    Hardsigmoid [x] S => hard_gate(x);
    Hardswish [x] S => x * hard_gate(x);
    HardswishPull [x, v] S => hardswish_pull(x, v);
}

/// `min(max(x + 3, 0), 6) / 6`.
#[inline(always)]
fn hard_gate<S: Scalar>(x: S) -> S {
    let [zero, sixth, half, one] = [0.0, 1.0 / 6.0, 0.5, 1.0].map(S::literal);
    (x * sixth + half).max(zero).min(one)
}

#[inline(always)]
fn hardswish_pull<S: Scalar>(x: S, v: S) -> S {
    let [zero, third, half, one, three] = [0.0, 1.0 / 3.0, 0.5, 1.0, 3.0].map(S::literal);
    let slope = S::select(x.ge(three), one, x * third + half);
    v * S::select(x.le(-three), zero, slope)
}

/// `v` times the slope of a function made of lines.
#[track_caller]
fn in_band([low, high]: [f64; 2], [inside, outside]: [f64; 2], x: &Tensor, v: &Tensor) -> Tensor {
    let [low, high, inside, outside] = [low, high, inside, outside].map(Parameter::from);
    bind(&Map(BandPull { low, high, inside, outside }), &[x, v])
}

laws! {
    LeakyRelu[1] "leaky_relu" Floats, |_| X0,
        |op, _, at, v| Some(in_band([0.0, f64::NAN], [1.0, op.slope.value()], at.x(0), v));
    Hardtanh[1] "hardtanh" Floats, |_| X0,
        |op, _, at, v| Some(in_band([op.low.value(), op.high.value()], [1.0, 0.0], at.x(0), v));
    Hardsigmoid[1] "hardsigmoid" Floats, |_| X0,
        |_op, _, at, v| Some(in_band([-3.0, 3.0], [1.0 / 6.0, 0.0], at.x(0), v));
    BandPull[2] "band_pull" Floats, |input| if input == 1 { X0 } else { Reads::NOTHING },
        |op, input, at, v| (input == 1).then(|| bind(&Map(*op), &[at.x(0), v]));
    Hardswish[1] "hardswish" Floats, |_| X0, |_op, _, at, v| Some(bind(&Map(HardswishPull), &[at.x(0), v]));
    HardswishPull[2] "hardswish_pull" Floats, |input| if input == 1 { X0 } else { BOTH }, |_op, input, at, v| {
        let x = at.x(0);
        Some(if input == 1 {
            bind(&Map(HardswishPull), &[x, v])
        } else {
            in_band([-3.0, 3.0], [1.0 / 3.0, 0.0], x, &(v * at.x(1)))
        })
    };
    Elu[1] "elu" Floats, |_| X0, |op, _, at, v| Some(bind(&Map(EluPull(*op)), &[at.x(0), v]));
    EluPull[2] "elu_pull" Floats, |input| if input == 1 { X0 } else { BOTH }, |op, input, at, v| {
        let x = at.x(0);
        Some(if input == 1 {
            bind(&Map(*op), &[x, v])
        } else {
            x.gt(0.0).where_(0.0, bind(&Map(*op), &[x, &(v * at.x(1) * op.0.rate.value())]))
        })
    };
}

impl Tensor {
    /// `x` where positive, `slope * x` elsewhere.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `slope * dy` (also at 0).
    ///
    /// PyTorch: `torch.nn.functional.leaky_relu`. JAX: `jax.nn.leaky_relu`.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        bind(&Map(LeakyRelu { slope: slope.into() }), &[self])
    }

    /// `x` held between 0 and 6.
    ///
    /// Gradient: `dx = dy` where `0 < x < 6`, else 0 (at 0 and 6 too, where JAX has half).
    ///
    /// PyTorch: `torch.nn.functional.relu6`. JAX: `jax.nn.relu6`.
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        self.hardtanh(0.0, 6.0)
    }

    /// `x` held between two numbers; NaN stays NaN. The bounds are usually -1 and 1.
    ///
    /// Gradient: `dx = dy` where `low < x < high`, else 0 (at the bounds too, where JAX has `dy`).
    ///
    /// PyTorch: `torch.nn.functional.hardtanh`. JAX: `jax.nn.hard_tanh`.
    #[track_caller]
    pub fn hardtanh(&self, low: f64, high: f64) -> Tensor {
        bind(&Map(Hardtanh { low: low.into(), high: high.into() }), &[self])
    }

    /// `(x + 3) / 6` held between 0 and 1.
    ///
    /// Gradient: `dx = dy / 6` where `-3 < x < 3`, else 0 (at -3 and 3 too, where JAX has half).
    ///
    /// PyTorch: `torch.nn.functional.hardsigmoid`. JAX: `jax.nn.hard_sigmoid`.
    #[track_caller]
    pub fn hardsigmoid(&self) -> Tensor {
        bind(&Map(Hardsigmoid), &[self])
    }

    /// `x` times [`hardsigmoid`](Tensor::hardsigmoid).
    ///
    /// Gradient: `dx = dy * (x / 3 + 1 / 2)` where `-3 < x < 3`, `dy` from 3 on, 0 up to -3. Source: Howard and
    /// others, arXiv:1905.02244.
    ///
    /// PyTorch: `torch.nn.functional.hardswish`. JAX: `jax.nn.hard_swish`.
    #[track_caller]
    pub fn hardswish(&self) -> Tensor {
        bind(&Map(Hardswish), &[self])
    }

    /// `x` where positive, `alpha * (exp(x) - 1)` elsewhere.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `dy * alpha * exp(x)`. Source: Clevert and others, arXiv:1511.07289.
    ///
    /// PyTorch: `torch.nn.functional.elu`. JAX: `jax.nn.elu`.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        self.elu_of(1.0, alpha, 1.0)
    }

    /// `elu` with the constants that keep mean 0 and variance 1 from layer to layer.
    ///
    /// Gradient: `dx = dy * 1.0507..` where `x > 0`, else `dy * 1.7580.. * exp(x)`. Source: Klambauer and others,
    /// arXiv:1706.02515.
    ///
    /// PyTorch: `torch.nn.functional.selu`. JAX: `jax.nn.selu`.
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        self.elu_of(1.050_700_987_355_480_5, 1.673_263_242_354_377_2, 1.0)
    }

    /// `x` where positive, `alpha * (exp(x / alpha) - 1)` elsewhere: differentiable at 0 for every `alpha`.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `dy * exp(x / alpha)`. Source: Barron, arXiv:1704.07483.
    ///
    /// PyTorch: `torch.nn.functional.celu`. JAX: `jax.nn.celu`.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Tensor {
        if alpha == 0.0 {
            return misuse("celu", &[self], Misfit::data("alpha is 0, and x is divided by it"));
        }
        self.elu_of(1.0, alpha, 1.0 / alpha)
    }

    #[track_caller]
    fn elu_of(&self, scale: f64, alpha: f64, rate: f64) -> Tensor {
        let [scale, alpha, rate] = [scale, alpha, rate].map(Parameter::from);
        bind(&Map(Elu { scale, alpha, rate }), &[self])
    }
}

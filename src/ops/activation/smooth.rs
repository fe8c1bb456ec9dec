//! Smooth activation functions of the form `x g(x)`, each with its derivative as a primitive.

use std::f64::consts::FRAC_1_SQRT_2;

use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::ops::arithmetic::{X0, scalars};
use crate::ops::pointwise::{Map, laws};
use crate::tensor::Tensor;

/// `1 / sqrt(2 pi)`.
const NORMAL: f64 = 0.398_942_280_401_432_7;
/// `sqrt(2 / pi)`, the slope at 0 of the argument of `tanh` in `gelu_tanh`.
const RATE: f64 = 0.797_884_560_802_865_4;
/// The weight of the cube there (Hendrycks and Gimpel, arXiv:1606.08415).
const CUBE: f64 = 0.044_715;
/// From here on `tanh(softplus(x))` is 1, and its exponential would overflow.
const FLAT: f64 = 20.0;

scalars! {
    Silu [x] S => x * x.sigmoid();
    SiluPull [x, v] S => silu_pull(x, v);
    Gelu [x] S => x * normal_cdf(x);
    GeluPull [x, v] S => v * (normal_cdf(x) + x * normal_density(x));
    GeluTanh [x] S => S::literal(0.5) * x * (S::literal(1.0) + gelu_argument(x).tanh());
    GeluTanhPull [x, v] S => gelu_tanh_pull(x, v);
    Mish [x] S => x * mish_gate(x);
    MishPull [x, v] S => mish_pull(x, v);
}

#[inline(always)]
fn silu_pull<S: Scalar>(x: S, v: S) -> S {
    let (gate, one) = (x.sigmoid(), S::literal(1.0));
    v * (gate * (one + x * (one - gate)))
}

#[inline(always)]
fn normal_cdf<S: Scalar>(x: S) -> S {
    S::literal(0.5) * (S::literal(1.0) + (x * S::literal(FRAC_1_SQRT_2)).erf())
}

#[inline(always)]
fn normal_density<S: Scalar>(x: S) -> S {
    S::literal(NORMAL) * (S::literal(-0.5) * x * x).exp()
}

#[inline(always)]
fn gelu_argument<S: Scalar>(x: S) -> S {
    S::literal(RATE) * x * (S::literal(1.0) + S::literal(CUBE) * x * x)
}

#[inline(always)]
fn gelu_tanh_pull<S: Scalar>(x: S, v: S) -> S {
    let [half, one] = [0.5, 1.0].map(S::literal);
    let tanh = gelu_argument(x).tanh();
    let slope = S::literal(RATE) * (one + S::literal(3.0 * CUBE) * x * x);
    v * half * ((one + tanh) + x * (one - tanh * tanh) * slope)
}

/// `tanh(log(1 + e^x)) = n / (n + 2)` with `n = e^x (e^x + 2)`.
#[inline(always)]
fn mish_gate<S: Scalar>(x: S) -> S {
    let [flat, two] = [FLAT, 2.0].map(S::literal);
    let power = x.min(flat).exp();
    let n = power * (power + two);
    n / (n + two)
}

#[inline(always)]
fn mish_pull<S: Scalar>(x: S, v: S) -> S {
    let (gate, one) = (mish_gate(x), S::literal(1.0));
    v * (gate + x * (one - gate * gate) * x.sigmoid())
}

/// A function, its pull (linear in the cotangent, input 1), and the second derivative, of which no pass is asked.
macro_rules! gated {
    ($($op:ident $name:literal $pull:ident $pull_name:literal |$x:ident| $second:expr;)*) => {$(
        laws! {
            $op[1] $name Floats, |_| X0, |_op, _, at, v| Some(bind(&Map($pull), &[at.x(0), v]));
            $pull[2] $pull_name Floats, |input| if input == 1 { X0 } else { crate::ops::arithmetic::BOTH },
                |_op, input, at, v| {
                    let $x = at.x(0);
                    Some(if input == 1 { bind(&Map($pull), &[$x, v]) } else { v * at.x(1) * $second })
                };
        }
    )*};
}

gated! {
    Silu "silu" SiluPull "silu_pull" |x| {
        let gate = x.sigmoid();
        let rest = 1.0 - &gate;
        &gate * &rest * (x * (&rest - &gate) + 2.0)
    };
    Gelu "gelu" GeluPull "gelu_pull" |x| (x.square() * -0.5).exp() * NORMAL * (2.0 - x.square());
    GeluTanh "gelu_tanh" GeluTanhPull "gelu_tanh_pull" |x| {
        let square = x.square();
        let tanh = ((&square * CUBE + 1.0) * x * RATE).tanh();
        let slope = (&square * (3.0 * CUBE) + 1.0) * RATE;
        let curve = square * (3.0 * CUBE * RATE);
        (1.0 - tanh.square()) * (&slope + curve - x * tanh * slope.square())
    };
    Mish "mish" MishPull "mish_pull" |x| {
        let (gate, rate) = (x.softplus().tanh(), x.sigmoid());
        (1.0 - gate.square()) * &rate * (x * (1.0 - &rate - gate * &rate * 2.0) + 2.0)
    };
}

impl Tensor {
    /// The Gaussian error linear unit `x * P(Z <= x)`, exact form with erf.
    ///
    /// Gradient: `dx = dy * (P(Z <= x) + x * exp(-x^2 / 2) / sqrt(2 pi))`. Source: Hendrycks and Gimpel,
    /// arXiv:1606.08415.
    ///
    /// PyTorch: `torch.nn.functional.gelu`. JAX: `jax.nn.gelu`.
    #[track_caller]
    pub fn gelu(&self) -> Tensor {
        bind(&Map(Gelu), &[self])
    }

    /// The Gaussian error linear unit, its approximation `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`.
    ///
    /// Gradient: with `u` for the argument of tanh and `t` for tanh, `dx = dy/2 * (1 + t + x * (1 - t^2) * u')`.
    /// Source: Hendrycks and Gimpel, arXiv:1606.08415.
    ///
    /// PyTorch: `torch.nn.functional.gelu`. JAX: `jax.nn.gelu`.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor {
        bind(&Map(GeluTanh), &[self])
    }

    /// `x * sigmoid(x)`, also called swish.
    ///
    /// Gradient: with `s` for the sigmoid, `dx = dy * s * (1 + x * (1 - s))`.
    ///
    /// PyTorch: `torch.nn.functional.silu`. JAX: `jax.nn.silu`.
    #[track_caller]
    pub fn silu(&self) -> Tensor {
        bind(&Map(Silu), &[self])
    }

    /// `x * tanh(softplus(x))`.
    ///
    /// Gradient: with `t` for the tanh, `dx = dy * (t + x * (1 - t^2) * sigmoid(x))`. Source: Misra,
    /// arXiv:1908.08681.
    ///
    /// PyTorch: `torch.nn.functional.mish`. JAX: `jax.nn.mish`.
    #[track_caller]
    pub fn mish(&self) -> Tensor {
        bind(&Map(Mish), &[self])
    }
}

//! Trigonometric and hyperbolic functions with their inverses, and polar coordinates.
//!
//! The inverse functions are made of `atan2`, `expm1` and `log1p` in one pass over memory, arranged so that nothing
//! cancels near 0 and nothing overflows before the result does.

use std::f64::consts::{LN_2, PI};

use super::arithmetic::{BOTH, IntoOperand, X0, binary, scalars};
use super::operands::InputSet;
use super::pointwise::{Map, laws};
use super::primitive::Reads;
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::{Mask, Scalar};
use crate::tensor::Tensor;

scalars! {
    Tan [x] S @FAR true => x.tan();
    Asin [x] S => x.atan2(complement(x));
    Acos [x] S => complement(x).atan2(x);
    Atan [x] S => x.atan2(S::literal(1.0));
    Atan2 [y, x] S => y.atan2(x);
    Sinh [x] S => sinh(x);
    Cosh [x] S => cosh(x);
    Asinh [x] S => asinh(x);
    Acosh [x] S => acosh(x);
    Atanh [x] S => atanh(x);
    Hypot [a, b] S => hypot(a, b);
    Sinc [x] S @FAR true => sinc(x);
}

/// `sqrt(1 - x^2)`.
#[inline(always)]
fn complement<S: Scalar>(x: S) -> S {
    let one = S::literal(1.0);
    ((one - x) * (one + x)).sqrt()
}

#[inline(always)]
fn sinh<S: Scalar>(x: S) -> S {
    let [half, one, two] = [0.5, 1.0, 2.0].map(S::literal);
    let a = x.abs();
    let e = (half * a).expm1();
    // exp(a) - 1
    let e2 = e * (e + two);
    let small = half * (e2 + e2 / (e2 + one));
    let root = e + one;
    // From 20 on exp(-a) is less than half the last place of exp(a).
    S::select(a.lt(S::literal(20.0)), small, (half * root) * root).copysign(x)
}

#[inline(always)]
fn cosh<S: Scalar>(x: S) -> S {
    let half = S::literal(0.5);
    let root = (half * x.abs()).exp();
    (half * root) * root + half / (root * root)
}

/// From here on the square root of `1 + a^2` is `a`, in f64 too.
const GREAT: f64 = 1e9;

/// The logarithm of `2 a`, for a great `a`, and `log1p(small)` otherwise: one logarithm of what is selected.
#[inline(always)]
fn log_of_sum<S: Scalar>(great: S::Mask, a: S, small: S) -> S {
    let [zero, one, ln_2] = [0.0, 1.0, LN_2].map(S::literal);
    S::select(great, a - one, small).log1p() + S::select(great, ln_2, zero)
}

#[inline(always)]
fn asinh<S: Scalar>(x: S) -> S {
    let (a, one) = (x.abs(), S::literal(1.0));
    let square = a * a;
    let small = a + square / (one + (one + square).sqrt());
    log_of_sum(a.gt(S::literal(GREAT)), a, small).copysign(x)
}

#[inline(always)]
fn acosh<S: Scalar>(x: S) -> S {
    let one = S::literal(1.0);
    let t = x - one;
    let small = t + (t * (t + S::literal(2.0))).sqrt();
    let y = log_of_sum(x.gt(S::literal(GREAT)), x, small);
    S::select(x.lt(one), S::literal(f64::NAN), y)
}

#[inline(always)]
fn atanh<S: Scalar>(x: S) -> S {
    let a = x.abs();
    (S::literal(0.5) * ((a + a) / (S::literal(1.0) - a)).log1p()).copysign(x)
}

#[inline(always)]
fn hypot<S: Scalar>(a: S, b: S) -> S {
    let [zero, one, infinity] = [0.0, 1.0, f64::INFINITY].map(S::literal);
    let (a, b) = (a.abs(), b.abs());
    let (small, great) = (a.min(b), a.max(b));
    let ratio = small / great;
    let y = great * (one + ratio * ratio).sqrt();
    let y = S::select(great.eq(zero), great, y);
    S::select(a.eq(infinity).or(b.eq(infinity)), infinity, y)
}

#[inline(always)]
fn sinc<S: Scalar>(x: S) -> S {
    let angle = x * S::literal(PI);
    S::select(x.eq(S::literal(0.0)), S::literal(1.0), angle.sin() / angle)
}

/// `sinc'(x)` from `sinc(x)`: `(cos(pi x) - sinc(x)) / x`, which cancels near 0, where it is its Taylor series.
fn sinc_slope(x: &Tensor, y: &Tensor) -> Tensor {
    /// Below this the series is used; at the seam the difference has lost three bits.
    const SEAM: f64 = 0.25;
    /// At the seam the first term left out is 1e-18.
    const TERMS: u32 = 9;
    let near = x.abs().lt(SEAM);
    let small = near.where_(x, 0.0);
    let square = small.square();
    // sum over k of (-1)^k 2k pi^2k x^(2k-1) / (2k+1)!
    let coefficient = |k: u32| {
        let factorial: f64 = (1..=2 * k + 1).map(f64::from).product();
        let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * f64::from(2 * k) * PI.powi(2 * k as i32) / factorial
    };
    let last = square.zeros_like() + coefficient(TERMS);
    let series = (1..TERMS).rev().fold(last, |sum, k| sum * &square + coefficient(k)) * small;
    let great = near.where_(1.0, x);
    near.where_(series, ((&great * PI).cos() - y) / great)
}

laws! {
    Tan[1] "tan" Floats, |_| Reads::OUTPUTS, |_op, _, at, v| Some(v * (at.y().square() + 1.0));
    Asin[1] "asin" Floats, |_| X0, |_op, _, at, v| Some(v / ((1.0 - at.x(0)) * (at.x(0) + 1.0)).sqrt());
    Acos[1] "acos" Floats, |_| X0, |_op, _, at, v| Some(-(v / ((1.0 - at.x(0)) * (at.x(0) + 1.0)).sqrt()));
    Atan[1] "atan" Floats, |_| X0, |_op, _, at, v| Some(v / (at.x(0).square() + 1.0));
    Atan2[2] "atan2" Floats, |_| BOTH, |_op, input, at, v| {
        let (y, x) = (at.x(0), at.x(1));
        let share = if input == 0 { x } else { y };
        let slope = share / (y.square() + x.square());
        Some(if input == 0 { v * slope } else { -(v * slope) })
    };
    Sinh[1] "sinh" Floats, |_| X0, |_op, _, at, v| Some(v * at.x(0).cosh());
    Cosh[1] "cosh" Floats, |_| X0, |_op, _, at, v| Some(v * at.x(0).sinh());
    Asinh[1] "asinh" Floats, |_| X0, |_op, _, at, v| Some(v / at.x(0).hypot(1.0));
    Acosh[1] "acosh" Floats, |_| X0, |_op, _, at, v| Some(v / ((at.x(0) - 1.0) * (at.x(0) + 1.0)).sqrt());
    Atanh[1] "atanh" Floats, |_| X0, |_op, _, at, v| Some(v / ((1.0 - at.x(0)) * (at.x(0) + 1.0)));
    Hypot[2] "hypot" Floats, |_| Reads { outputs: true, ..BOTH }, |_op, input, at, v| {
        let y = at.y();
        Some(v * at.x(input) / y.eq(0.0).where_(1.0, y))
    };
    Sinc[1] "sinc" Floats, |_| Reads { outputs: true, ..X0 },
        |_op, _, at, v| Some(v * sinc_slope(at.x(0), at.y()));
}

impl Tensor {
    /// The tangent of each element, in radians.
    ///
    /// Gradient: `dx = dy * (1 + y^2)`.
    ///
    /// PyTorch: `torch.tan`. JAX: `jnp.tan`.
    #[track_caller]
    pub fn tan(&self) -> Tensor {
        bind(&Map(Tan), &[self])
    }

    /// The angle between -pi/2 and pi/2 whose sine each element is; NaN beyond -1 and 1.
    ///
    /// Gradient: `dx = dy / sqrt(1 - x^2)`, infinite at -1 and 1.
    ///
    /// PyTorch: `torch.asin`. JAX: `jnp.arcsin`.
    #[track_caller]
    pub fn asin(&self) -> Tensor {
        bind(&Map(Asin), &[self])
    }

    /// The angle between 0 and pi whose cosine each element is; NaN beyond -1 and 1.
    ///
    /// Gradient: `dx = -dy / sqrt(1 - x^2)`, infinite at -1 and 1.
    ///
    /// PyTorch: `torch.acos`. JAX: `jnp.arccos`.
    #[track_caller]
    pub fn acos(&self) -> Tensor {
        bind(&Map(Acos), &[self])
    }

    /// The angle between -pi/2 and pi/2 whose tangent each element is.
    ///
    /// Gradient: `dx = dy / (1 + x^2)`.
    ///
    /// PyTorch: `torch.atan`. JAX: `jnp.arctan`.
    #[track_caller]
    pub fn atan(&self) -> Tensor {
        bind(&Map(Atan), &[self])
    }

    /// The angle of the points `(x, self)`, between -pi and pi; broadcasting. Zeros count with their signs, as in C.
    ///
    /// Gradient: `dself = dv * x / (self^2 + x^2)`, `dx = -dv * self / (self^2 + x^2)`; NaN at the origin.
    ///
    /// PyTorch: `torch.atan2`. JAX: `jnp.arctan2`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let angle = Tensor::from([0.0, 2.0]).atan2(Tensor::from([-1.0, 0.0]));
    /// assert_eq!(angle.to_vec::<f64>()?, [std::f64::consts::PI, std::f64::consts::FRAC_PI_2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn atan2(&self, x: impl IntoOperand) -> Tensor {
        binary(&Map(Atan2), self, &x.operand_for(self, "atan2"), InputSet::NONE)
    }

    /// The hyperbolic sine.
    ///
    /// Gradient: `dx = dy * cosh(x)`.
    ///
    /// PyTorch: `torch.sinh`. JAX: `jnp.sinh`.
    #[track_caller]
    pub fn sinh(&self) -> Tensor {
        bind(&Map(Sinh), &[self])
    }

    /// The hyperbolic cosine.
    ///
    /// Gradient: `dx = dy * sinh(x)`.
    ///
    /// PyTorch: `torch.cosh`. JAX: `jnp.cosh`.
    #[track_caller]
    pub fn cosh(&self) -> Tensor {
        bind(&Map(Cosh), &[self])
    }

    /// The number whose hyperbolic sine each element is.
    ///
    /// Gradient: `dx = dy / sqrt(x^2 + 1)`.
    ///
    /// PyTorch: `torch.asinh`. JAX: `jnp.arcsinh`.
    #[track_caller]
    pub fn asinh(&self) -> Tensor {
        bind(&Map(Asinh), &[self])
    }

    /// The number, not below 0, whose hyperbolic cosine each element is; NaN below 1.
    ///
    /// Gradient: `dx = dy / sqrt(x^2 - 1)`, infinite at 1.
    ///
    /// PyTorch: `torch.acosh`. JAX: `jnp.arccosh`.
    #[track_caller]
    pub fn acosh(&self) -> Tensor {
        bind(&Map(Acosh), &[self])
    }

    /// The number whose hyperbolic tangent each element is; infinite at -1 and 1, NaN beyond.
    ///
    /// Gradient: `dx = dy / (1 - x^2)`.
    ///
    /// PyTorch: `torch.atanh`. JAX: `jnp.arctanh`.
    #[track_caller]
    pub fn atanh(&self) -> Tensor {
        bind(&Map(Atanh), &[self])
    }

    /// `sqrt(x^2 + other^2)`, where the squares may be beyond the greatest or the least number; broadcasting. Infinite
    /// if either is, even beside NaN, as in C.
    ///
    /// Gradient: `dx = dy * x / y`, and the same for `other`; 0 where `y` is 0.
    ///
    /// PyTorch: `torch.hypot`. JAX: `jnp.hypot`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from(3e300).hypot(4e300).item::<f64>()?, 5e300);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn hypot(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Hypot), self, &other.operand_for(self, "hypot"), InputSet::NONE)
    }

    /// `sin(pi x) / (pi x)`, 1 at 0.
    ///
    /// Gradient: `dx = dy * (cos(pi x) - y) / x`, 0 at 0, accurate near it.
    ///
    /// PyTorch: `torch.sinc`. JAX: `jnp.sinc`.
    #[track_caller]
    pub fn sinc(&self) -> Tensor {
        bind(&Map(Sinc), &[self])
    }

    /// Degrees as radians: `x * pi / 180`.
    ///
    /// Gradient: `dx = dy * pi / 180`.
    ///
    /// PyTorch: `torch.deg2rad`. JAX: `jnp.deg2rad`.
    #[track_caller]
    pub fn deg2rad(&self) -> Tensor {
        self * (PI / 180.0)
    }

    /// Radians as degrees: `x * 180 / pi`.
    ///
    /// Gradient: `dx = dy * 180 / pi`.
    ///
    /// PyTorch: `torch.rad2deg`. JAX: `jnp.rad2deg`.
    #[track_caller]
    pub fn rad2deg(&self) -> Tensor {
        self * (180.0 / PI)
    }
}

//! The error function, its complement, and its inverse.

use super::exp::{exp_normal, exp_of_sum};
use super::log::log_positive;
use super::{Real, at_most, exact_product, polynomial, with_sign};
use crate::exec::scalar::Mask;

/// The error function. Error below 2 ULP.
///
/// `x + x p(x^2)` below 1, else `1 - exp(-h(x))` with a polynomial `h`, which is smooth since the
/// zeros of `1 - erf` lie left of the imaginary axis.
#[inline(always)]
pub(crate) fn erf<R: Real>(x: R) -> R {
    let a = x.abs();
    let one = R::literal(1.0);
    let small = polynomial(a * a, R::FORMAT.erf_small).mul_add(a, a);
    let bounded = at_most(a, R::FORMAT.erf_one);
    let large = one - exp_normal(-polynomial(bounded, R::FORMAT.erf_large));
    with_sign(R::select(a.lt(one), small, large), x)
}

/// `exp(x^2) erfc(x)` for `x >= 0`.
///
/// `p(q) / (1 + 2x)` with `q = (x - c) / (x + c)`, which takes all of the half line to `-1..=1`, after Shepherd and
/// Laframboise (Math. Comp. 36, 1981).
#[inline(always)]
fn scaled_complement<R: Real>(x: R) -> R {
    let centre = R::literal(R::FORMAT.erfcx_centre);
    let half = R::literal(0.5);
    // Halved, since 2x may overflow.
    let y = polynomial((x - centre) / (x + centre), R::FORMAT.erfcx) * half / (half + x);
    R::select(x.lt(R::literal(f64::INFINITY)).or(x.is_nan()), y, R::literal(0.0))
}

/// `exp(+-x^2)` for `x >= 0`: with the square in two words, since it reaches 700.
#[inline(always)]
fn exp_of_square<R: Real>(x: R, negative: bool) -> R {
    let (square, low) = exact_product(x, x);
    if negative { exp_of_sum(-square, Some(-low)) } else { exp_of_sum(square, Some(low)) }
}

/// `1 - erf(x)`. Error below 5 ULP.
#[inline(always)]
pub(crate) fn erfc<R: Real>(x: R) -> R {
    let bounded = at_most(x.abs(), R::FORMAT.erfc_zero);
    let y = exp_of_square(bounded, true) * scaled_complement(bounded);
    R::select(x.lt(R::literal(0.0)), R::literal(2.0) - y, y)
}

/// `exp(x^2) erfc(x)`. Error below 5 ULP.
#[inline(always)]
pub(crate) fn erfcx<R: Real>(x: R) -> R {
    let a = x.abs();
    let y = scaled_complement(a);
    let power = exp_of_square(at_most(a, R::FORMAT.erfc_zero), false);
    R::select(x.lt(R::literal(0.0)), (power + power) - y, y)
}

/// The inverse of the error function.
///
/// `x f(w)` with `w = -log(1 - x^2)`, after Giles (GPU Computing Gems, 2011): `f` is a polynomial in `w` below
/// 6.25, and polynomials in its root from there on.
#[inline(always)]
pub(crate) fn erfinv<R: Real>(x: R) -> R {
    let a = x.abs();
    let [one, infinity] = [1.0, f64::INFINITY].map(R::literal);
    let w = -log_positive((one - a) * (one + a));
    let near = polynomial(w - R::literal(3.125), R::FORMAT.erfinv_near);
    let root = w.sqrt();
    let mut far = polynomial(root - R::literal(3.25), R::FORMAT.erfinv_far);
    if !R::FORMAT.erfinv_last.is_empty() {
        let last = polynomial(root - R::literal(5.0), R::FORMAT.erfinv_last);
        far = R::select(root.lt(R::literal(4.0)), far, last);
    }
    let y = a * R::select(w.lt(R::literal(6.25)), near, far);
    let limit = R::select(a.eq(one), infinity, R::literal(f64::NAN));
    with_sign(R::select(a.lt(one), y, limit), x)
}

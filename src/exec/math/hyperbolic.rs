//! The hyperbolic tangent and the logistic function.

use super::exp::exp_normal;
use super::{Real, at_most, exp, polynomial, with_sign};

/// Below this the rational function is used. At the seam `2 / (exp(2x) + 1)` is 0.44, so that its
/// error counts less than half.
const SEAM: f64 = 0.625;

/// The hyperbolic tangent. Error below 2 ULP.
///
/// `x + x^3 p(x^2) / q(x^2)` near 0, else `1 - 2 / (exp(2x) + 1)`: one division, of what is selected.
#[inline(always)]
pub(crate) fn tanh<R: Real>(x: R) -> R {
    let a = x.abs();
    let square = a * a;
    let small = a.lt(R::literal(SEAM));
    let one = R::literal(1.0);
    let bounded = at_most(a, R::FORMAT.tanh_one);
    let large_denominator = exp_normal(bounded + bounded) + one;
    let small_numerator = a * square * polynomial(square, R::FORMAT.tanh_numerator);
    let small_denominator = polynomial(square, R::FORMAT.tanh_denominator);
    let numerator = R::select(small, small_numerator, R::literal(-2.0));
    let denominator = R::select(small, small_denominator, large_denominator);
    with_sign(R::select(small, a, one) + numerator / denominator, x)
}

/// `1 / (1 + exp(-x))`. Error below 3 ULP.
#[inline(always)]
pub(crate) fn sigmoid<R: Real>(x: R) -> R {
    // exp(-|x|) cannot overflow, and keeps denormal results for very negative x.
    let e = exp(-x.abs());
    let one = R::literal(1.0);
    R::select(x.lt(R::literal(0.0)), e, one) / (one + e)
}

//! The error function.

use super::exp::exp_normal;
use super::{Real, at_most, polynomial, with_sign};

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

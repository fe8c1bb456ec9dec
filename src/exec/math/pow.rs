//! Powers.

use super::exp::exp_of_sum;
use super::log::log_in_two_words;
use super::{Real, exact_product, sign_bit};
use crate::exec::scalar::Mask;

/// `x` to the power `y`, with the special cases of C's Annex F. Error below 5e-7 (f32) and 4e-15 (f64).
#[inline(always)]
pub(crate) fn pow<R: Real>(x: R, y: R) -> R {
    let [zero, half, one, infinity] = [0.0, 0.5, 1.0, f64::INFINITY].map(R::literal);
    let base = x.abs();
    let (log, log_low) = log_in_two_words(base);
    let (exponent, error) = exact_product(y, log);
    // Beyond 2^11 the result is 0 or infinity whatever the rest, which may be NaN.
    let rest = R::select(exponent.abs().lt(R::literal(2048.0)), y.mul_add(log_low, error), zero);
    let power = exp_of_sum(exponent, Some(rest));

    let shrinks = base.eq(zero).xor(y.lt(zero));
    let limit = R::select(shrinks, zero, infinity);
    let power = R::select(base.eq(zero).or(base.eq(infinity)), limit, power);
    // (-1)^(+-infinity) is 1, where 0 * infinity was NaN.
    let power = R::select(base.eq(one), one, power);

    let integral = y.trunc().eq(y);
    let odd = integral.and((half * y).trunc().ne(half * y));
    let sign = R::select(odd, R::from_bits(sign_bit(x)), zero);
    let power = R::from_bits(power.to_bits() | sign.to_bits());
    let complex = x.lt(zero).and(base.ne(infinity)).and(integral.not());
    let power = R::select(complex.or(x.is_nan()).or(y.is_nan()), R::literal(f64::NAN), power);
    R::select(x.eq(one).or(y.eq(zero)), one, power)
}

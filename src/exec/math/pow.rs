//! Powers.

use super::exp::exp_of_sum;
use super::log::split;
use super::{Real, exact_product, exact_sum, polynomial, sign_bit};
use crate::exec::scalar::Mask;

/// `log(x)` as a sum of two numbers, good for half as many bits again, for `0 < x < infinity`.
///
/// The exponential turns an absolute error of `y log(x)`, which reaches 700, into a relative one of
/// the power: with one word for the logarithm the power would lose ten bits.
#[inline(always)]
fn log_in_two_words<R: Real>(x: R) -> (R, R) {
    let (k, f) = split(x);
    let two = R::literal(2.0);
    // s + s_low = f / (2 + f), and `d + d_low = 2 + f` exactly.
    let d = two + f;
    let d_low = f - (d - two);
    let reciprocal = d.recip();
    let s = f * reciprocal;
    let (product, product_low) = exact_product(s, d);
    let s_low = (((f - product) - product_low) - s * d_low) * reciprocal;
    let z = s * s;
    let series = s * z * polynomial(z, R::FORMAT.log);

    let [ln_2_high, ln_2_low] = R::FORMAT.ln_2.map(R::literal);
    let (sum, sum_low) = exact_sum(k * ln_2_high, two * s);
    let low = sum_low + k.mul_add(ln_2_low, two.mul_add(s_low, series));
    let high = sum + low;
    (high, low - (high - sum))
}

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

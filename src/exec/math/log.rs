//! The natural logarithm, its neighbour `log1p`, and logarithms to other bases.
//!
//! `x = 2^k (1 + f)` with `1 + f` in `[sqrt(1/2), sqrt(2))`, and `log(1 + f)` is a series in
//! `s = f / (2 + f)`, arranged as in fdlibm: `f - (f^2/2 - s (f^2/2 + s^2 p(s^2)))`.

use super::{Bits, Real, exact_product, exact_sum, polynomial};
use crate::exec::scalar::Mask;

/// `(k, f)` such that `x = 2^k (1 + f)` exactly, for `0 < x < infinity`.
#[inline(always)]
fn split<R: Real>(x: R) -> (R, R) {
    let format = R::FORMAT;
    let denormal = x.lt(R::literal(format.min_normal));
    let bits = R::select(denormal, x * R::literal(format.lift), x).to_bits();
    // Mantissas from sqrt(1/2) on carry into the exponent field.
    let one = R::Bits::literal(format.bias) << format.mantissa;
    let sqrt_half = R::Bits::literal(format.sqrt_half);
    let carried = bits + (one - sqrt_half);
    let mask = (R::Bits::literal(1) << format.mantissa) - R::Bits::literal(1);
    let m = R::from_bits((carried & mask) + sqrt_half);
    // The exponent field in the last bits of 2^mantissa is 2^mantissa + k + bias.
    let integral = R::literal(format.integral);
    let field = R::from_bits((carried >> format.mantissa) | integral.to_bits());
    let unbias = format.integral + format.bias as f64;
    let offset = R::select(denormal, R::literal(unbias + format.lift_log2), R::literal(unbias));
    (field - offset, m - R::literal(1.0))
}

/// `log(x) + rest` for `0 < x < infinity`, where `rest` is small beside `log(x)` or `x` is 1.
#[inline(always)]
fn log_plus<R: Real>(x: R, rest: Option<R>) -> R {
    let (k, f) = split(x);
    let [ln_2_high, ln_2_low] = R::FORMAT.ln_2.map(R::literal);
    let s = f / (R::literal(2.0) + f);
    let z = s * s;
    let half_square = R::literal(0.5) * f * f;
    let series = s * (half_square + z * polynomial(z, R::FORMAT.log));
    let rest = rest.map_or(k * ln_2_low, |rest| k.mul_add(ln_2_low, rest));
    k * ln_2_high - ((half_square - (series + rest)) - f)
}

/// The natural logarithm for `0 < x < infinity`.
#[inline(always)]
pub(super) fn log_positive<R: Real>(x: R) -> R {
    log_plus(x, None)
}

/// `log(x)` as a sum of two numbers, good for half as many bits again, for `0 < x < infinity`.
///
/// Other bases need it to be exact at their powers. And the exponential turns an absolute error of `y log(x)`, which
/// reaches 700, into a relative one of the power: with one word for the logarithm it would lose ten bits.
#[inline(always)]
pub(super) fn log_in_two_words<R: Real>(x: R) -> (R, R) {
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

/// `finite` where `x` is positive and finite, and what a logarithm of `x` is elsewhere.
#[inline(always)]
fn or_limit<R: Real>(x: R, finite: R) -> R {
    let zero = R::literal(0.0);
    let not_negative = R::select(x.eq(zero), R::literal(f64::NEG_INFINITY), x);
    let limit = R::select(x.lt(zero), R::literal(f64::NAN), not_negative);
    R::select(x.gt(zero).and(x.lt(R::literal(f64::INFINITY))), finite, limit)
}

/// The natural logarithm. Error below 1 ULP.
#[inline(always)]
pub(crate) fn log<R: Real>(x: R) -> R {
    or_limit(x, log_positive(x))
}

/// `log(1 + x)`. Error below 2 ULP.
#[inline(always)]
pub(crate) fn log1p<R: Real>(x: R) -> R {
    let one = R::literal(1.0);
    let sum = one + x;
    // log(1 + x) = log(sum) + log1p(lost / sum), and `lost` is exact.
    let lost = x - (sum - one);
    let y = or_limit(sum, log_plus(sum, Some(lost / sum)));
    R::select(x.abs().lt(R::literal(R::FORMAT.tiny)), x, y)
}

/// `log(x) factor`, the factor in two words.
#[inline(always)]
fn log_times<R: Real>(x: R, factor: [f64; 2]) -> R {
    let [factor, factor_low] = factor.map(R::literal);
    let (log, log_low) = log_in_two_words(x);
    let (product, product_low) = exact_product(log, factor);
    or_limit(x, product + (product_low + (log * factor_low + log_low * factor)))
}

/// The logarithm to base 2. Error below 1 ULP.
#[inline(always)]
pub(crate) fn log2<R: Real>(x: R) -> R {
    log_times(x, R::FORMAT.log2_e)
}

/// The logarithm to base 10. Error below 1 ULP.
#[inline(always)]
pub(crate) fn log10<R: Real>(x: R) -> R {
    log_times(x, R::FORMAT.log10_e)
}

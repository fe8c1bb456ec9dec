//! The exponential, its neighbour `expm1`, and powers of two.
//!
//! `x = k ln 2 + r` with `|r| <= ln(2)/2`, so `exp(x) = 2^k (1 + q)` with `q = e^r - 1` a polynomial.
//! `k` falls out of the last bits of `x / ln 2 + 1.5 * 2^mantissa`, which avoids the saturating
//! conversion to an integer; `2^k` is written into an exponent field.

use super::{Bits, Real, at_least, at_most, polynomial};

/// `(k, r)` such that `x = k ln 2 + r + rest`, `k` in two's complement; `|x|` at most 2^10 or so.
#[inline(always)]
fn reduce<R: Real>(x: R) -> (R::Bits, R) {
    let magic = R::literal(R::FORMAT.magic);
    let shifted = x.mul_add(R::literal(std::f64::consts::LOG2_E), magic);
    let k = shifted - magic;
    let [high, low] = R::FORMAT.ln_2;
    let r = k.mul_add(R::literal(-low), k.mul_add(R::literal(-high), x));
    (shifted.to_bits() - magic.to_bits(), r)
}

/// `e^r - 1` for `|r| <= ln(2)/2`.
#[inline(always)]
fn remainder<R: Real>(r: R) -> R {
    (r * r).mul_add(polynomial(r, R::FORMAT.exp), r)
}

/// The number whose exponent field is `biased`: two to the power of `biased - bias`.
#[inline(always)]
fn power_of_two<R: Real>(biased: R::Bits) -> R {
    R::from_bits(biased << R::FORMAT.mantissa)
}

/// `2^k m` for `m` in `[0.7, 1.5]`; `k` may lie beyond the exponents of normal numbers.
#[inline(always)]
fn scale<R: Real>(m: R, k: R::Bits) -> R {
    // 2^k in two factors, neither of which overflows: only the second product rounds, where the
    // result is denormal, and becomes infinite, where it must.
    let twice = k + R::Bits::literal(2 * R::FORMAT.bias);
    let half = twice >> 1;
    m * power_of_two(half) * power_of_two(twice - half)
}

/// `exp(x)` for `x` so near 0 that it is a normal number; half the work of `exp`.
#[inline(always)]
pub(super) fn exp_normal<R: Real>(x: R) -> R {
    let (k, r) = reduce(x);
    let power = power_of_two::<R>(k + R::Bits::literal(R::FORMAT.bias));
    power.mul_add(remainder(r), power)
}

/// The exponential. Error below 1.1 ULP.
#[inline(always)]
pub(crate) fn exp<R: Real>(x: R) -> R {
    exp_of_sum(x, None)
}

/// `exp(x + rest)`, where `rest` is at most a few last places of `x`.
#[inline(always)]
pub(super) fn exp_of_sum<R: Real>(x: R, rest: Option<R>) -> R {
    let [least, greatest] = R::FORMAT.exp_range;
    let (k, r) = reduce(at_least(at_most(x, greatest), least));
    let r = rest.map_or(r, |rest| r + rest);
    scale(R::literal(1.0) + remainder(r), k)
}

/// `exp(x) - 1 = 2^k q + (2^k - 1)`. Error below 2 ULP.
#[inline(always)]
pub(crate) fn expm1<R: Real>(x: R) -> R {
    let (k, r) = reduce(at_least(at_most(x, R::FORMAT.exp_range[1]), R::FORMAT.expm1_least));
    // All of it halved, since 2^k may be twice the greatest power of two.
    let power = power_of_two::<R>(k + R::Bits::literal(R::FORMAT.bias - 1));
    let half = power.mul_add(remainder(r), power - R::literal(0.5));
    R::select(x.abs().lt(R::literal(R::FORMAT.tiny)), x, half + half)
}

/// Two to the power of `x`. Error below 1.1 ULP.
#[inline(always)]
pub(crate) fn exp2<R: Real>(x: R) -> R {
    let [least, greatest] = R::FORMAT.exp_range.map(|limit| limit * std::f64::consts::LOG2_E);
    let magic = R::literal(R::FORMAT.magic);
    let x = at_least(at_most(x, greatest), least);
    let shifted = x + magic;
    // Exact: an integer has nothing left, and its power no error.
    let rest = x - (shifted - magic);
    let r = rest * R::literal(std::f64::consts::LN_2);
    scale(R::literal(1.0) + remainder(r), shifted.to_bits() - magic.to_bits())
}

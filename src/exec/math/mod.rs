//! Elementary functions, each written once as branch-free arithmetic over [`Real`].
//!
//! `exp`, `log`, `sin`, `cos`, `tanh` and `erf` are within 2 ULP of the true value, the others within
//! 1e-6 (f32) and 1e-13 (f64) relative; the measured errors stand with the functions. NaN,
//! infinities, signed zeros and denormals are right. Nothing branches, looks up a table or calls the
//! C library, so a loop over a kernel becomes SIMD code; the exceptions are angles beyond
//! [`Format::far`], whose reduction needs integers of 192 bits (`trig`), and the remainder of a quotient too great to
//! be an integer exactly (`num`).
//!
//! | file | functions | method |
//! |---|---|---|
//! | `exp` | exp, expm1, exp2 | `2^k e^r`, polynomial in `r` |
//! | `log` | log, log1p, log2, log10 | `k ln 2 + log m`, polynomial in `((m-1)/(m+1))^2` |
//! | `root` | cbrt | `exp(log(x) / 3)` and a step of Newton's method |
//! | `trig` | sin, cos, tan | Cody and Waite's reduction in three parts; Payne and Hanek's beyond |
//! | `hyperbolic` | tanh, sigmoid | rational function near 0, else by `exp` |
//! | `arctan` | atan2 | polynomial in the square of the lesser quotient |
//! | `erf` | erf | polynomial near 0, else `1 - exp(-h(x))` |
//! | `erf` | erfc, erfcx | `exp(-x^2)` times a polynomial in `(x-c)/(x+c)` |
//! | `erf` | erfinv | polynomials in `log(1 - x^2)` and its root |
//! | `gamma` | lgamma, digamma | polynomial around 2, Stirling's series beyond 8 |
//! | `pow` | pow | logarithm in two words, then `exp` |
//!
//! The coefficients were fitted for this crate (see `coefficients`); the reductions and the
//! arrangement of `log`, `sin` and `cos` are those known from Sun's fdlibm.

mod arctan;
mod coefficients;
mod erf;
mod exp;
mod gamma;
mod hyperbolic;
mod log;
pub(crate) mod num;
mod pow;
mod root;
#[cfg(test)]
mod tests;
pub(crate) mod trig;
pub(crate) mod watch;

use std::ops::{Add, BitAnd, BitOr, BitXor, Shl, Shr, Sub};

use super::scalar::Scalar;
pub(crate) use arctan::atan2;
pub(crate) use coefficients::Format;
pub(crate) use erf::{erf, erfc, erfcx, erfinv};
pub(crate) use exp::{exp, exp2, expm1};
pub(crate) use gamma::{digamma, lgamma};
pub(crate) use hyperbolic::{sigmoid, tanh};
pub(crate) use log::{log, log1p, log2, log10};
pub(crate) use pow::pow;
pub(crate) use root::cbrt;
pub(crate) use trig::{cos, sin, tan};

/// The unsigned integer as wide as a float; arithmetic wraps, shifts fill with zeros.
pub(crate) trait Bits:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Shl<usize, Output = Self>
    + Shr<usize, Output = Self>
{
    /// The constant `value`, its lower bits where this is narrower.
    fn literal(value: u64) -> Self;
}

/// A floating-point scalar whose bits can be computed with: what the kernels are written in.
///
/// Implemented by `num::Num`, and by a type that records, with which the JIT turns every function into machine code.
pub(crate) trait Real: Scalar {
    /// The integer as wide as this.
    type Bits: Bits;
    /// Its exponent, its mantissa, its polynomials.
    const FORMAT: Format;
    /// Whether `mul_add` rounds once.
    const FUSED: bool;

    /// The IEEE representation.
    fn to_bits(self) -> Self::Bits;
    /// The number with this IEEE representation.
    fn from_bits(bits: Self::Bits) -> Self;
    /// Whether `bits` are all zero.
    fn is_zero(bits: Self::Bits) -> Self::Mask;
    /// `(n, r)` such that the angle `self >= 0` is `n pi/2 + r`, `|r|` at most a little over pi/4.
    fn quadrant(self) -> (Self::Bits, Self);
}

/// The value of `sum(coefficients[i] x^i)`, by Horner's rule.
#[inline(always)]
fn polynomial<R: Real>(x: R, coefficients: &'static [f64]) -> R {
    let mut i = coefficients.len() - 1;
    let mut sum = R::literal(coefficients[i]);
    while i > 0 {
        i -= 1;
        sum = sum.mul_add(x, R::literal(coefficients[i]));
    }
    sum
}

/// `magnitude` with the sign of `sign`; `magnitude` must not have one.
#[inline(always)]
fn with_sign<R: Real>(magnitude: R, sign: R) -> R {
    R::from_bits(magnitude.to_bits() | sign_bit(sign))
}

/// The sign bit of `x`, in its place.
#[inline(always)]
fn sign_bit<R: Real>(x: R) -> R::Bits {
    x.to_bits() & (R::Bits::literal(1) << (R::FORMAT.width - 1))
}

/// The smaller of `x` and the constant `bound`; NaN if `x` is.
#[inline(always)]
fn at_most<R: Real>(x: R, bound: f64) -> R {
    R::select(x.gt(R::literal(bound)), R::literal(bound), x)
}

/// The greater of `x` and the constant `bound`; NaN if `x` is.
#[inline(always)]
fn at_least<R: Real>(x: R, bound: f64) -> R {
    R::select(x.lt(R::literal(bound)), R::literal(bound), x)
}

/// `(s, e)` with `s + e = a + b` exactly and `s` the rounded sum (Knuth).
#[inline(always)]
fn exact_sum<R: Real>(a: R, b: R) -> (R, R) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}

/// `(p, e)` with `p + e = a * b` exactly and `p` the rounded product (Dekker, Veltkamp).
#[inline(always)]
fn exact_product<R: Real>(a: R, b: R) -> (R, R) {
    let product = a * b;
    if R::FUSED {
        return (product, a.mul_add(b, -product));
    }
    let halves = |x: R| {
        let shifted = x * R::literal(R::FORMAT.veltkamp);
        let high = shifted - (shifted - x);
        (high, x - high)
    };
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    let error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
    (product, error)
}

//! The numbers a pointwise operation is written in.
//!
//! An operation such as `tanh` or `clamp` is one branch-free generic function over [`Scalar`].
//! What it becomes is decided by the type it is run at:
//!
//! | type | result |
//! |---|---|
//! | `Num<f32, ..>`, `Num<f64, ..>` (`exec::math::num`) | one floating-point number; a loop over it becomes SIMD code |
//! | `Wrapping<i64>`, `Wrapping<i32>`, `Wrapping<u8>` | one integer; bool is stored as the `u8` 0 or 1 |
//! | `Sym` (`exec::expr`) | the expression itself, recorded for fusion |
//!
//! Numerics contract: an operation is rounded once, as written. Products and sums are fused only in
//! [`Scalar::mul_add`], nothing is reassociated, comparisons are IEEE's (NaN is unordered).

use std::num::Wrapping;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Rem, Sub};

/// The truth value of a comparison, for one element.
pub(crate) trait Mask: Copy {
    /// True where both are.
    fn and(self, other: Self) -> Self;
    /// True where at least one is.
    fn or(self, other: Self) -> Self;
    /// True where exactly one is.
    fn xor(self, other: Self) -> Self;
    /// True where `self` is false.
    fn not(self) -> Self;
}

/// A number that pointwise operations compute with: concrete, or a symbol that records.
///
/// Bodies hold no `if`: both sides of a choice are computed and [`Scalar::select`] takes one.
///
/// ```ignore
/// fn softplus<S: Scalar>(x: S) -> S {
///     x.max(S::literal(0.0)) + (-x.abs()).exp().log1p()
/// }
/// fn relu_pull<S: Scalar>([x, dy]: [S; 2]) -> S {
///     S::select(x.gt(S::literal(0.0)), dy, S::literal(0.0))
/// }
/// ```
///
/// Integers wrap. They have no `recip` to `atan2` of the list below, and floats no `bit_and` to `shr`: `infer`
/// refuses those before a kernel is made, and reaching one panics.
pub(crate) trait Scalar:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// What comparisons yield.
    type Mask: Mask;

    /// The constant `value`, rounded to this type; an integer type takes the integral part.
    fn literal(value: f64) -> Self;

    /// `self < other`; false if either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self <= other`; false if either is NaN.
    fn le(self, other: Self) -> Self::Mask;
    /// `self == other`; false if either is NaN, true for `0.0` and `-0.0`.
    fn eq(self, other: Self) -> Self::Mask;
    /// `self != other`; true if either is NaN.
    fn ne(self, other: Self) -> Self::Mask;
    /// `self > other`; false if either is NaN.
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }
    /// `self >= other`; false if either is NaN.
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }
    /// Whether this is NaN; never so for an integer.
    fn is_nan(self) -> Self::Mask {
        self.ne(self)
    }

    /// `then` where `mask` holds, `otherwise` elsewhere; the other one is ignored, NaN or not.
    fn select(mask: Self::Mask, then: Self, otherwise: Self) -> Self;

    /// `|self|`; clears the sign of a zero and of a NaN. The smallest integer is its own.
    fn abs(self) -> Self;
    /// -1, 0 or 1; a zero and a NaN are returned as they are.
    fn sign(self) -> Self;
    /// The greatest integral number not above `self`.
    fn floor(self) -> Self;
    /// The least integral number not below `self`.
    fn ceil(self) -> Self;
    /// The nearest integral number, the even one of two.
    fn round(self) -> Self;
    /// The integral part.
    fn trunc(self) -> Self;
    /// The smaller one; NaN if either is; of two equal ones (`0.0` and `-0.0`) `other`.
    fn min(self, other: Self) -> Self;
    /// The greater one; NaN if either is; of two equal ones (`0.0` and `-0.0`) `other`.
    fn max(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once where the hardware can and twice where it cannot.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `|self|` with the sign of `sign`, that of a zero and of a NaN included.
    fn copysign(self, sign: Self) -> Self;
    /// What is left of `self` after as many `divisor`s as fit, with the sign of `self`; exact. NaN for a
    /// floating-point `divisor` of 0; an integer one must not be 0.
    fn rem(self, divisor: Self) -> Self;

    /// `1 / self`, correctly rounded.
    fn recip(self) -> Self;
    /// The square root, correctly rounded; NaN below zero.
    fn sqrt(self) -> Self;
    /// The exponential, e to the power of `self`.
    fn exp(self) -> Self;
    /// `exp(self) - 1`, accurate near 0.
    fn expm1(self) -> Self;
    /// Two to the power of `self`; exact where that is an integer.
    fn exp2(self) -> Self;
    /// The natural logarithm; -infinity at 0, NaN below.
    fn log(self) -> Self;
    /// `log(1 + self)`, accurate near 0; -infinity at -1, NaN below.
    fn log1p(self) -> Self;
    /// The logarithm to base 2, exact for powers of 2; -infinity at 0, NaN below.
    fn log2(self) -> Self;
    /// The logarithm to base 10, exact for powers of 10; -infinity at 0, NaN below.
    fn log10(self) -> Self;
    /// The cube root, with the sign of `self`; exact for cubes.
    fn cbrt(self) -> Self;
    /// The sine of an angle in radians, reduced exactly however great it is.
    fn sin(self) -> Self;
    /// The cosine of an angle in radians, reduced exactly however great it is.
    fn cos(self) -> Self;
    /// The tangent of an angle in radians, reduced exactly however great it is.
    fn tan(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// `1 / (1 + exp(-self))`.
    fn sigmoid(self) -> Self;
    /// The error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `self`.
    fn erf(self) -> Self;
    /// `1 - erf(self)`, accurate however small.
    fn erfc(self) -> Self;
    /// `exp(self^2) erfc(self)`.
    fn erfcx(self) -> Self;
    /// The number whose `erf` is `self`; infinite at -1 and 1, NaN beyond.
    fn erfinv(self) -> Self;
    /// The logarithm of the absolute value of the gamma function; infinity at 0, -1, -2, ..
    fn lgamma(self) -> Self;
    /// The derivative of `lgamma`; NaN at 0, -1, -2, ..
    fn digamma(self) -> Self;
    /// `self` to the power `exponent`, with C's special cases: `pow(x, 0)` and `pow(1, y)` are 1 even
    /// for NaN, a negative number has powers at integral exponents only.
    fn pow(self, exponent: Self) -> Self;
    /// The angle of the point `(x, self)`, between -pi and pi, with C's special cases: a zero's sign counts.
    fn atan2(self, x: Self) -> Self;

    /// The bits that both have.
    fn bit_and(self, other: Self) -> Self;
    /// The bits that at least one has.
    fn bit_or(self, other: Self) -> Self;
    /// The bits that exactly one has.
    fn bit_xor(self, other: Self) -> Self;
    /// `self` times `2^count`, as bits: 0 where `count` is no number of a bit.
    fn shl(self, count: Self) -> Self;
    /// `self` divided by `2^count`, rounded down: 0 or -1 where `count` is no number of a bit.
    fn shr(self, count: Self) -> Self;
}

impl Mask for bool {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }
    #[inline(always)]
    fn not(self) -> Self {
        !self
    }
}

/// Functions that numbers of a kind do not have, and that `infer` refuses them.
macro_rules! refused {
    ($kind:literal: $($name:ident($($argument:ident),*)),*) => {$(
        #[inline(always)]
        fn $name(self $(, $argument: Self)*) -> Self {
            $(let _ = $argument;)*
            unreachable!("refused by infer: {} do not have this function: {}", $kind, stringify!($name))
        }
    )*};
}
pub(super) use refused;

macro_rules! identity {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            self
        }
    )*};
}

/// What differs between the integer types.
trait Integer: Copy + PartialOrd {
    fn truncated(value: f64) -> Self;
    fn magnitude(self) -> Self;
    fn signum(self) -> Self;
    fn shifted_left(self, count: Self) -> Self;
    fn shifted_right(self, count: Self) -> Self;
}

/// Shifts that are defined for every count: what is shifted out is gone, the sign is shifted in.
macro_rules! shifts {
    ($native:ty) => {
        #[inline(always)]
        fn shifted_left(self, count: Self) -> Self {
            let count = count as i64 as u64;
            if count < u64::from(<$native>::BITS) { self.wrapping_shl(count as u32) } else { 0 }
        }
        #[inline(always)]
        fn shifted_right(self, count: Self) -> Self {
            let count = count as i64 as u64;
            let last = u64::from(<$native>::BITS) - 1;
            self >> count.min(last) >> u64::from(count > last)
        }
    };
}

macro_rules! signed_integer {
    ($($native:ty),*) => {$(
        impl Integer for $native {
            #[inline(always)]
            fn truncated(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.wrapping_abs()
            }
            #[inline(always)]
            fn signum(self) -> Self {
                <$native>::signum(self)
            }
            shifts!($native);
        }
    )*};
}

signed_integer!(i64, i32);

impl Integer for u8 {
    #[inline(always)]
    fn truncated(value: f64) -> Self {
        // By way of i64, so that -1 is 255, as wrapping arithmetic has it.
        value as i64 as Self
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self
    }
    #[inline(always)]
    fn signum(self) -> Self {
        u8::from(self != 0)
    }
    shifts!(u8);
}

impl<I: Integer> Scalar for Wrapping<I>
where
    Wrapping<I>: Add<Output = Self>
        + Sub<Output = Self>
        + Mul<Output = Self>
        + Div<Output = Self>
        + Rem<Output = Self>
        + Neg<Output = Self>
        + BitAnd<Output = Self>
        + BitOr<Output = Self>
        + BitXor<Output = Self>,
{
    type Mask = bool;

    #[inline(always)]
    fn literal(value: f64) -> Self {
        Wrapping(I::truncated(value))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn le(self, other: Self) -> bool {
        self.0 <= other.0
    }
    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn ne(self, other: Self) -> bool {
        self.0 != other.0
    }
    #[inline(always)]
    fn select(mask: bool, then: Self, otherwise: Self) -> Self {
        if mask { then } else { otherwise }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Wrapping(self.0.magnitude())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Wrapping(Integer::signum(self.0))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select(Scalar::lt(self, other), self, other)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select(Scalar::lt(other, self), self, other)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self * factor + addend
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let magnitude = Scalar::abs(self);
        Self::select(Scalar::lt(sign, Self::literal(0.0)), -magnitude, magnitude)
    }
    #[inline(always)]
    fn rem(self, divisor: Self) -> Self {
        self % divisor
    }
    #[inline(always)]
    fn bit_and(self, other: Self) -> Self {
        self & other
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        self | other
    }
    #[inline(always)]
    fn bit_xor(self, other: Self) -> Self {
        self ^ other
    }
    #[inline(always)]
    fn shl(self, count: Self) -> Self {
        Wrapping(self.0.shifted_left(count.0))
    }
    #[inline(always)]
    fn shr(self, count: Self) -> Self {
        Wrapping(self.0.shifted_right(count.0))
    }
    identity!(floor, ceil, round, trunc);
    refused!("integers": recip(), sqrt(), exp(), expm1(), exp2(), log(), log1p(), log2(), log10(), cbrt());
    refused!("integers": sin(), cos(), tan(), tanh(), sigmoid(), erf(), erfc(), erfcx(), erfinv());
    refused!("integers": lgamma(), digamma(), pow(exponent), atan2(x));
}

#[cfg(test)]
mod tests {
    use super::*;

    type I32 = Wrapping<i32>;
    type I64 = Wrapping<i64>;
    type U8 = Wrapping<u8>;

    #[test]
    fn integers_wrap() {
        assert_eq!(Wrapping(i32::MAX) + I32::literal(1.0), Wrapping(i32::MIN));
        assert_eq!(-Wrapping(i64::MIN), Wrapping(i64::MIN));
        assert_eq!(Scalar::abs(Wrapping(i64::MIN)), Wrapping(i64::MIN));
        assert_eq!(Wrapping(i32::MIN) / I32::literal(-1.0), Wrapping(i32::MIN));
        assert_eq!(U8::literal(200.0) + U8::literal(100.0), Wrapping(44));
        assert_eq!(U8::literal(-1.0), Wrapping(255));
        assert_eq!(Wrapping(i32::MAX).mul_add(Wrapping(2), Wrapping(3)), Wrapping(1));
    }

    #[test]
    fn integer_division_drops_the_fraction() {
        for (x, y, quotient) in [(7_i64, 2, 3), (-7, 2, -3), (7, -2, -3), (-7, -2, 3)] {
            assert_eq!(Wrapping(x) / Wrapping(y), Wrapping(quotient));
        }
    }

    #[test]
    fn integers_have_order_sign_and_trivial_rounding() {
        let [minus, zero, five] = [-3.0, 0.0, 5.0].map(I64::literal);
        assert_eq!([minus, zero, five].map(Scalar::sign), [Wrapping(-1), Wrapping(0), Wrapping(1)]);
        assert_eq!(U8::literal(7.0).sign(), Wrapping(1));
        assert_eq!(Scalar::min(minus, five), minus);
        assert_eq!(Scalar::max(minus, five), five);
        assert_eq!([Scalar::floor(minus), minus.ceil(), minus.round(), minus.trunc()], [minus; 4]);
        assert!(minus.gt(five).not().and(five.ge(five)).and(five.is_nan().not()));
    }

    #[test]
    fn shifts_by_any_count_are_defined() {
        let shift =
            |x: i32, count: i32| [Wrapping(x).shl(Wrapping(count)).0, Wrapping(x).shr(Wrapping(count)).0];
        assert_eq!(shift(-5, 1), [-10, -3]);
        assert_eq!(shift(1, 31), [i32::MIN, 0]);
        assert_eq!([shift(-5, 32), shift(-5, -1), shift(5, 64)], [[0, -1], [0, -1], [0, 0]]);
        assert_eq!([200_u8, 7].map(|n| Wrapping(129_u8).shr(Wrapping(n)).0), [0, 1]);
        assert_eq!(Wrapping(1_i64).shl(Wrapping(63)).0, i64::MIN);
    }

    #[test]
    fn remainders_and_signs_of_integers() {
        let rem = [(7, 2), (-7, 2), (7, -2), (-7, -2)].map(|(x, y)| Scalar::rem(Wrapping(x), Wrapping(y)).0);
        assert_eq!(rem, [1, -1, 1, -1]);
        assert_eq!(Scalar::rem(Wrapping(i64::MIN), Wrapping(-1)).0, 0);
        assert_eq!([3, 0].map(|sign| Wrapping(-7).copysign(Wrapping(sign)).0), [7, 7]);
        assert_eq!(Wrapping(7).copysign(Wrapping(-1)).0, -7);
    }

    #[test]
    #[should_panic(expected = "refused by infer: integers do not have this function: exp")]
    fn integers_have_no_exponential() {
        let _ = I32::literal(1.0).exp();
    }
}

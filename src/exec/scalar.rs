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
use std::ops::{Add, Div, Mul, Neg, Sub};

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
/// Integers wrap. They have no `recip` to `pow` of the list below: `infer` refuses those before a
/// kernel is made, and reaching one panics.
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

    /// `1 / self`, correctly rounded.
    fn recip(self) -> Self;
    /// The square root, correctly rounded; NaN below zero.
    fn sqrt(self) -> Self;
    /// The exponential, e to the power of `self`.
    fn exp(self) -> Self;
    /// `exp(self) - 1`, accurate near 0.
    fn expm1(self) -> Self;
    /// The natural logarithm; -infinity at 0, NaN below.
    fn log(self) -> Self;
    /// `log(1 + self)`, accurate near 0; -infinity at -1, NaN below.
    fn log1p(self) -> Self;
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
    /// `self` to the power `exponent`, with C's special cases: `pow(x, 0)` and `pow(1, y)` are 1 even
    /// for NaN, a negative number has powers at integral exponents only.
    fn pow(self, exponent: Self) -> Self;
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

/// Why an integer never reaches `exp` and its like.
const REFUSED: &str = "refused by infer: integers do not have this function";

macro_rules! refused {
    ($($name:ident($($argument:ident),*)),*) => {$(
        #[inline(always)]
        fn $name(self $(, $argument: Self)*) -> Self {
            $(let _ = $argument;)*
            unreachable!("{REFUSED}: {}", stringify!($name))
        }
    )*};
}

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
}

impl<I: Integer> Scalar for Wrapping<I>
where
    Wrapping<I>: Add<Output = Self>
        + Sub<Output = Self>
        + Mul<Output = Self>
        + Div<Output = Self>
        + Neg<Output = Self>,
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
    identity!(floor, ceil, round, trunc);
    refused!(recip(), sqrt(), exp(), expm1(), log(), log1p(), sin(), cos(), tan());
    refused!(tanh(), sigmoid(), erf(), pow(exponent));
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
    #[should_panic(expected = "refused by infer: integers do not have this function: exp")]
    fn integers_have_no_exponential() {
        let _ = I32::literal(1.0).exp();
    }
}

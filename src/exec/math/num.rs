//! One floating-point number as a [`Scalar`].

use std::num::Wrapping;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::coefficients::{DOUBLE, SINGLE};
use super::{Bits, Format, Real, trig};
use crate::exec::scalar::{Mask, Scalar, refused};

/// A floating-point number that pointwise operations run at.
///
/// `FMA` says whether the machine fuses multiply-add and rounds to integers in one instruction:
/// where it does not, `f32::mul_add` and `f32::floor` would be calls of the C library.
/// `FAR` says whether angles beyond [`Format::far`] are reduced rightly, which takes a branch, and `rem` is right
/// for every quotient, which takes a loop; in a SIMD loop they are not, and [`Watch`](super::watch::Watch) notes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Num<T, const FMA: bool, const FAR: bool>(pub(crate) T);

/// f32 or f64: what the machine does with it.
pub(crate) trait Float:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The integer as wide as this.
    type Bits: Bits + PartialEq;
    /// Its layout and its polynomials.
    const FORMAT: Format;
    /// `value`, rounded.
    fn rounded(value: f64) -> Self;
    /// This, exactly.
    fn widened(self) -> f64;
    /// The IEEE representation.
    fn to_bits(self) -> Self::Bits;
    /// The number with this IEEE representation.
    fn from_bits(bits: Self::Bits) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// The absolute value of this with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// `self * factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The greatest integral number not above this.
    fn floor(self) -> Self;
    /// The least integral number not below this.
    fn ceil(self) -> Self;
    /// The nearest integral number, the even one of two.
    fn round_ties_even(self) -> Self;
    /// The integral part.
    fn trunc(self) -> Self;
    /// What is left of this after as many `divisor`s as fit; exact.
    fn remainder(self, divisor: Self) -> Self;
}

macro_rules! inherent {
    ($native:ty: $($name:ident($($argument:ident),*)),*) => {$(
        #[inline(always)]
        fn $name(self $(, $argument: Self)*) -> Self {
            <$native>::$name(self $(, $argument)*)
        }
    )*};
}

macro_rules! float {
    ($native:ty, $bits:ty, $format:expr) => {
        impl Bits for Wrapping<$bits> {
            #[inline(always)]
            fn literal(value: u64) -> Self {
                Wrapping(value as $bits)
            }
        }

        impl Float for $native {
            type Bits = Wrapping<$bits>;
            const FORMAT: Format = $format;
            #[inline(always)]
            fn rounded(value: f64) -> Self {
                value as $native
            }
            #[inline(always)]
            fn widened(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn to_bits(self) -> Wrapping<$bits> {
                Wrapping(<$native>::to_bits(self))
            }
            #[inline(always)]
            fn from_bits(bits: Wrapping<$bits>) -> Self {
                <$native>::from_bits(bits.0)
            }
            #[inline(always)]
            fn remainder(self, divisor: Self) -> Self {
                self % divisor
            }
            inherent!($native: abs(), copysign(sign), sqrt(), mul_add(factor, addend));
            inherent!($native: floor(), ceil(), round_ties_even(), trunc());
        }
    };
}

float!(f32, u32, SINGLE);
float!(f64, u64, DOUBLE);

impl<T: Float, const FMA: bool, const FAR: bool> Num<T, FMA, FAR> {
    /// The nearest integral number by arithmetic alone: at `2^mantissa` the last bit is the unit.
    #[inline(always)]
    fn round_by_shift(self) -> Self {
        let a = self.0.abs();
        let shift = T::rounded(T::FORMAT.integral);
        let rounded = ((a + shift) - shift).copysign(self.0);
        // From there on every number is integral; NaN is not below it either.
        Num(if a < shift { rounded } else { self.0 })
    }
}

macro_rules! operator {
    ($($operator:ident $name:ident),*) => {$(
        impl<T: Float, const FMA: bool, const FAR: bool> $operator for Num<T, FMA, FAR> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Num(self.0.$name(other.0))
            }
        }
    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);

impl<T: Float, const FMA: bool, const FAR: bool> Neg for Num<T, FMA, FAR> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Num(-self.0)
    }
}

macro_rules! kernel {
    ($($name:ident($($argument:ident),*)),*) => {$(
        #[inline(always)]
        fn $name(self $(, $argument: Self)*) -> Self {
            super::$name(self $(, $argument)*)
        }
    )*};
}

impl<T: Float, const FMA: bool, const FAR: bool> Scalar for Num<T, FMA, FAR> {
    type Mask = bool;

    #[inline(always)]
    fn literal(value: f64) -> Self {
        Num(T::rounded(value))
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
        Num(self.0.abs())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        let unit = Num(T::rounded(1.0).copysign(self.0));
        let zero = Self::literal(0.0);
        Self::select(self.lt(zero).or(zero.lt(self)), unit, self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        if FMA {
            return Num(self.0.floor());
        }
        let near = self.round_by_shift();
        Self::select(near.gt(self), near - Self::literal(1.0), near)
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        if FMA {
            return Num(self.0.ceil());
        }
        let near = self.round_by_shift();
        let above = Self::select(near.lt(self), near + Self::literal(1.0), near);
        // -1 + 1 is 0, and the ceiling of -0.7 is -0.
        Num(above.0.copysign(self.0))
    }
    #[inline(always)]
    fn round(self) -> Self {
        if FMA { Num(self.0.round_ties_even()) } else { self.round_by_shift() }
    }
    #[inline(always)]
    fn trunc(self) -> Self {
        if FMA {
            return Num(self.0.trunc());
        }
        Num(self.abs().floor().0.copysign(self.0))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select(self.lt(other).or(self.is_nan()), self, other)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select(other.lt(self).or(self.is_nan()), self, other)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        if FMA { Num(self.0.mul_add(factor.0, addend.0)) } else { self * factor + addend }
    }
    #[inline(always)]
    fn recip(self) -> Self {
        Self::literal(1.0) / self
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Num(self.0.sqrt())
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Num(self.0.copysign(sign.0))
    }
    #[inline(always)]
    fn rem(self, divisor: Self) -> Self {
        if FAR {
            return Num(self.0.remainder(divisor.0));
        }
        // The quotient is never too small, and at most one too great: it rounded up to an integer. Both differences
        // are exact, where the multiply-add is fused and the quotient an exact integer: see `Watch::rem`.
        let quotient = (self / divisor).trunc();
        let left = (-quotient).mul_add(divisor, self);
        let step = divisor.copysign(self);
        let zero = Self::literal(0.0);
        let crossed = left.lt(zero).and(zero.lt(self)).or(zero.lt(left).and(self.lt(zero)));
        let left = Self::select(crossed, left + step, left);
        // Of an infinite divisor nothing is subtracted.
        Self::select(quotient.eq(zero), self, left.copysign(self))
    }
    kernel!(
        exp(),
        expm1(),
        exp2(),
        log(),
        log1p(),
        log2(),
        log10(),
        cbrt(),
        sin(),
        cos(),
        tan(),
        tanh(),
        sigmoid()
    );
    kernel!(erf(), erfc(), erfcx(), erfinv(), lgamma(), digamma(), pow(exponent), atan2(x));
    refused!("floats": bit_and(other), bit_or(other), bit_xor(other), shl(count), shr(count));
}

impl<T: Float, const FMA: bool, const FAR: bool> Real for Num<T, FMA, FAR> {
    type Bits = T::Bits;
    const FORMAT: Format = T::FORMAT;
    const FUSED: bool = FMA;

    #[inline(always)]
    fn to_bits(self) -> T::Bits {
        self.0.to_bits()
    }
    #[inline(always)]
    fn from_bits(bits: T::Bits) -> Self {
        Num(T::from_bits(bits))
    }
    #[inline(always)]
    fn is_zero(bits: T::Bits) -> bool {
        bits == T::Bits::literal(0)
    }
    #[inline(always)]
    fn quadrant(self) -> (T::Bits, Self) {
        if FAR && self.gt(Self::literal(T::FORMAT.far)) {
            let (n, r) = trig::quadrant_far(self.0.widened());
            return (T::Bits::literal(n), Self::literal(r));
        }
        trig::quadrant(self)
    }
}

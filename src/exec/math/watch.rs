//! A scalar that notes what a SIMD loop cannot compute.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::num::{Float, Num};
use crate::exec::scalar::{Mask, Scalar};

/// A number, and whether something led to it that a SIMD loop gets wrong: an angle beyond
/// [`Format::far`](super::Format::far), or a quotient of `rem` with more bits than a number has.
///
/// The note is handed on by every operation, so a loop asks its results alone; an operation without
/// sine, cosine, tangent or `rem` has nothing to note, and the compiler leaves none of this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<T, const FMA: bool> {
    /// The number; unreliable if `far`.
    pub(crate) value: Num<T, FMA, false>,
    /// Whether this must be computed again, as `Num<T, FMA, true>`.
    pub(crate) far: bool,
}

/// A truth value, and whether an angle too great for the loop led to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchMask {
    /// The truth value; unreliable if `far`.
    pub(crate) value: bool,
    /// Whether this must be computed again.
    pub(crate) far: bool,
}

impl Mask for WatchMask {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        WatchMask { value: self.value & other.value, far: self.far | other.far }
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        WatchMask { value: self.value | other.value, far: self.far | other.far }
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        WatchMask { value: self.value ^ other.value, far: self.far | other.far }
    }
    #[inline(always)]
    fn not(self) -> Self {
        WatchMask { value: !self.value, far: self.far }
    }
}

impl<T: Float, const FMA: bool> Watch<T, FMA> {
    /// `value`, of which nothing is to be noted.
    #[inline(always)]
    pub(crate) fn new(value: T) -> Self {
        Watch { value: Num(value), far: false }
    }

    /// Whether a result of both is to be noted.
    #[inline(always)]
    fn either_far(self, other: Self) -> bool {
        self.far | other.far
    }

    /// Whether `self` as an angle is too great; an infinite one counts too.
    #[inline(always)]
    fn is_far(self) -> bool {
        self.far | self.value.abs().gt(Num::literal(T::FORMAT.far))
    }
}

macro_rules! operator {
    ($($operator:ident $name:ident),*) => {$(
        impl<T: Float, const FMA: bool> $operator for Watch<T, FMA> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Watch { value: self.value.$name(other.value), far: self.either_far(other) }
            }
        }
    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);

impl<T: Float, const FMA: bool> Neg for Watch<T, FMA> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Watch { value: -self.value, far: self.far }
    }
}

macro_rules! unary {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Watch { value: self.value.$name(), far: self.far }
        }
    )*};
}

macro_rules! binary {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self, other: Self) -> Self {
            Watch { value: self.value.$name(other.value), far: self.either_far(other) }
        }
    )*};
}

macro_rules! compare {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self, other: Self) -> WatchMask {
            WatchMask { value: self.value.$name(other.value), far: self.either_far(other) }
        }
    )*};
}

macro_rules! of_angle {
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Watch { value: self.value.$name(), far: self.is_far() }
        }
    )*};
}

impl<T: Float, const FMA: bool> Scalar for Watch<T, FMA> {
    type Mask = WatchMask;

    #[inline(always)]
    fn literal(value: f64) -> Self {
        Watch { value: Num::literal(value), far: false }
    }
    #[inline(always)]
    fn select(mask: WatchMask, then: Self, otherwise: Self) -> Self {
        Watch {
            value: Scalar::select(mask.value, then.value, otherwise.value),
            far: mask.far | then.far | otherwise.far,
        }
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Watch {
            value: self.value.mul_add(factor.value, addend.value),
            far: self.far | factor.far | addend.far,
        }
    }
    compare!(lt, le, eq, ne);
    #[inline(always)]
    fn rem(self, divisor: Self) -> Self {
        let far = (self.value / divisor.value).abs().lt(Num::literal(T::FORMAT.integral)).not();
        Watch { value: self.value.rem(divisor.value), far: self.either_far(divisor) | far | !FMA }
    }
    unary!(
        abs, sign, floor, ceil, round, trunc, recip, sqrt, exp, expm1, exp2, log, log1p, log2, log10, cbrt
    );
    unary!(tanh, sigmoid, erf, erfc, erfcx, erfinv, lgamma, digamma);
    binary!(min, max, copysign, pow, atan2, bit_and, bit_or, bit_xor, shl, shr);
    of_angle!(sin, cos, tan);
}

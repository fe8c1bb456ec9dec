//! How elements combine: what a fold is made of.

use std::num::Wrapping;
use std::ops::{Add, Mul};

use super::layout::Matters;

/// A type that reductions compute with; integers wrap.
pub(in crate::exec::cpu) trait Element:
    Copy + PartialOrd + Add<Output = Self> + Mul<Output = Self> + 'static
{
    /// What long sums are kept in: f64 for f32, whose 24 bits a few thousand elements would use up.
    type Wide: Copy + Add<Output = Self::Wide> + Mul<Output = Self::Wide>;
    /// Whether loops over it are worth compiling for every instruction set.
    const IS_FLOAT: bool;
    const ZERO: Self;
    const ONE: Self;
    const LEAST: Self;
    const GREATEST: Self;
    /// NaN; of integers, which have none, any number.
    const NAN: Self;
    fn widen(self) -> Self::Wide;
    fn round(wide: Self::Wide) -> Self;
    fn count(n: usize) -> Self::Wide;
}

macro_rules! floats {
    ($($t:ident)*) => {$(
        impl Element for $t {
            type Wide = f64;
            const IS_FLOAT: bool = true;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LEAST: Self = $t::NEG_INFINITY;
            const GREATEST: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;
            #[inline(always)]
            fn widen(self) -> f64 { self as f64 }
            #[inline(always)]
            fn round(wide: f64) -> Self { wide as $t }
            fn count(n: usize) -> f64 { n as f64 }
        }
    )*};
}

macro_rules! integers {
    ($($t:ident)*) => {$(
        impl Element for Wrapping<$t> {
            type Wide = Self;
            const IS_FLOAT: bool = false;
            const ZERO: Self = Wrapping(0);
            const ONE: Self = Wrapping(1);
            const LEAST: Self = Wrapping($t::MIN);
            const GREATEST: Self = Wrapping($t::MAX);
            const NAN: Self = Self::ZERO;
            #[inline(always)]
            fn widen(self) -> Self { self }
            #[inline(always)]
            fn round(wide: Self) -> Self { wide }
            fn count(n: usize) -> Self { Wrapping(n as $t) }
        }
    )*};
}

floats!(f32 f64);
integers!(i64 i32 u8);

/// An associative and commutative way to combine elements.
///
/// A few elements are paired as they are, then lifted to a total; so a sum of f32 costs as much as one in f32 and is
/// nearly as exact as one in f64.
pub(super) trait Law<T: Element> {
    type Total: Copy;
    /// Combined with any element it yields that element.
    const NEUTRAL: T;
    /// What the result depends on.
    const MATTERS: Matters;
    /// As [`Job::WIDE`](crate::exec::cpu::job::Job::WIDE): sums and maxima (of softmax) are what time is spent in.
    const WIDE: bool = false;

    fn pair(a: T, b: T) -> T;
    /// All of them, `N` a power of two, in pairs of pairs.
    #[inline(always)]
    fn tree<const N: usize>(x: [T; N]) -> T {
        in_pairs(x, Self::pair)
    }
    fn lift(x: T) -> Self::Total;
    fn join(a: Self::Total, b: Self::Total) -> Self::Total;
    /// The result for `times` repetitions of what was folded.
    fn finish(total: Self::Total, times: usize) -> T;
}

/// `a + b`.
pub(super) struct Sum;
/// `a * b`.
pub(super) struct Prod;
/// The greater one; NaN if either is.
pub(super) struct Max;
/// The lesser one; NaN if either is.
pub(super) struct Min;

impl<T: Element> Law<T> for Sum {
    type Total = T::Wide;
    const NEUTRAL: T = T::ZERO;
    const MATTERS: Matters = Matters::Count;
    const WIDE: bool = true;

    #[inline(always)]
    fn pair(a: T, b: T) -> T {
        a + b
    }
    #[inline(always)]
    fn lift(x: T) -> T::Wide {
        x.widen()
    }
    #[inline(always)]
    fn join(a: T::Wide, b: T::Wide) -> T::Wide {
        a + b
    }
    #[inline(always)]
    fn finish(total: T::Wide, times: usize) -> T {
        T::round(if times == 1 { total } else { total * T::count(times) })
    }
}

impl<T: Element> Law<T> for Prod {
    type Total = T;
    const NEUTRAL: T = T::ONE;
    const MATTERS: Matters = Matters::Sequence;

    #[inline(always)]
    fn pair(a: T, b: T) -> T {
        a * b
    }
    #[inline(always)]
    fn lift(x: T) -> T {
        x
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a * b
    }
    #[inline(always)]
    fn finish(total: T, _: usize) -> T {
        total
    }
}

macro_rules! extremes {
    ($($law:ident: $neutral:ident, $better:tt, $wide:literal;)*) => {$(
        impl<T: Element> Law<T> for $law {
            type Total = T;
            const NEUTRAL: T = T::$neutral;
            const MATTERS: Matters = Matters::Elements;
            const WIDE: bool = $wide;

            #[inline(always)]
            fn pair(a: T, b: T) -> T {
                // One instruction; it yields `b` where either is NaN.
                let better = if a $better b { a } else { b };
                if is_nan(a) { a } else { better }
            }
            #[inline(always)]
            fn tree<const N: usize>(x: [T; N]) -> T {
                // One instruction looks for NaN in two elements.
                let mut nan = false;
                for i in 0..N.div_ceil(2) {
                    nan |= is_nan(x[i]) | is_nan(x[i + N / 2]);
                }
                if nan { T::NAN } else { in_pairs(x, |a, b| if a $better b { a } else { b }) }
            }
            #[inline(always)]
            fn lift(x: T) -> T {
                x
            }
            #[inline(always)]
            fn join(a: T, b: T) -> T {
                Self::pair(a, b)
            }
            #[inline(always)]
            fn finish(total: T, _: usize) -> T {
                total
            }
        }
    )*};
}

extremes! {
    Max: LEAST, >, true;
    Min: GREATEST, <, false;
}

/// All of `x` combined, the first half with the second until one is left.
#[inline(always)]
pub(super) fn in_pairs<T: Copy, const N: usize>(mut x: [T; N], pair: impl Fn(T, T) -> T) -> T {
    const { assert!(N.is_power_of_two()) }
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            x[i] = pair(x[i], x[i + half]);
        }
        half /= 2;
    }
    x[0]
}

/// Whether `x` is unordered.
#[expect(clippy::eq_op, reason = "only NaN differs from itself, and `Element` has no `is_nan`")]
#[inline(always)]
pub(in crate::exec::cpu) fn is_nan<T: Element>(x: T) -> bool {
    x != x
}

//! Elements as unsigned integers of the same order.

use crate::tensor::{bf16, f16};

/// A type that can be sorted.
pub(super) trait Key: Copy {
    /// The key of the greatest, below 2^32 for types of at most 32 bits.
    const GREATEST: u64;
    /// Keys are ordered as the elements are. All NaN have the greatest key, and zeros of either sign the same.
    fn key(self) -> u64;
}

macro_rules! floats {
    ($($t:ty, $bits:ty, $infinity:expr;)*) => {$(
        impl Key for $t {
            const GREATEST: u64 = <$bits>::MAX as u64;
            #[inline(always)]
            fn key(self) -> u64 {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = self.to_bits();
                let magnitude = bits & !SIGN;
                // Positive numbers lie above negative ones, and those in reverse.
                let ordered = if bits == magnitude { bits | SIGN } else { !bits };
                let number = if magnitude == 0 { SIGN } else { ordered };
                u64::from(if magnitude > $infinity { <$bits>::MAX } else { number })
            }
        }
    )*};
}

floats! {
    f32, u32, f32::INFINITY.to_bits();
    f64, u64, f64::INFINITY.to_bits();
    f16, u16, f16::INFINITY.to_bits();
    bf16, u16, bf16::INFINITY.to_bits();
}

macro_rules! integers {
    ($($t:ty, $bits:ty;)*) => {$(
        impl Key for $t {
            const GREATEST: u64 = <$bits>::MAX as u64;
            #[inline(always)]
            fn key(self) -> u64 {
                u64::from((self as $bits).wrapping_sub(<$t>::MIN as $bits))
            }
        }
    )*};
}

integers! {
    i64, u64;
    i32, u32;
    u8, u8;
}

/// A key above the position (u32, as axis lengths are) of its element: equal keys are ordered by position.
pub(super) trait Packed: Copy + Ord {
    fn pack(key: u64, position: usize) -> Self;
    fn key(self) -> u64;
    fn position(self) -> u32;
}

/// For keys below 2^32.
impl Packed for u64 {
    #[inline(always)]
    fn pack(key: u64, position: usize) -> u64 {
        debug_assert!(key <= u64::from(u32::MAX) && position <= u32::MAX as usize);
        key << 32 | position as u64
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    fn position(self) -> u32 {
        self as u32
    }
}

impl Packed for u128 {
    #[inline(always)]
    fn pack(key: u64, position: usize) -> u128 {
        debug_assert!(position <= u32::MAX as usize);
        u128::from(key) << 32 | position as u128
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 32) as u64
    }
    #[inline(always)]
    fn position(self) -> u32 {
        self as u32
    }
}

//! The Cast class: elements in another dtype.
//!
//! Floats round to nearest, ties to even. A float becomes an integer by truncation toward zero and saturates; NaN
//! becomes 0. Integers wrap. Anything but zero is true, NaN too.
//!
//! Conversions to and from 16-bit floats are arithmetic on bits without branches, so that they become SIMD code;
//! `half` would do them one by one, or by a call for four. From f64 they round once: f64 is first rounded *to odd*, which
//! keeps in the last bit of an f32 whether anything lay below it.

use half::{bf16, f16};

use super::job::{self, Job};
use crate::tensor::DType;

/// Writes `y[i] = x[i]`, in dtype `to`, for `i < n`.
///
/// # Safety
/// `x` has `n` elements of dtype `from` and `y` room for as many of dtype `to`, both aligned to their elements and
/// gap-free; they do not overlap.
pub(crate) unsafe fn cast(from: DType, x: *const u8, to: DType, y: *mut u8, n: usize) {
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match from {
            _ if from == to => std::ptr::copy_nonoverlapping(x, y, n * from.size()),
            DType::F32 => cast_from::<f32>(x.cast(), to, y, n),
            DType::F64 => cast_from::<f64>(x.cast(), to, y, n),
            DType::F16 => cast_from::<f16>(x.cast(), to, y, n),
            DType::BF16 => cast_from::<bf16>(x.cast(), to, y, n),
            DType::I64 => cast_from::<i64>(x.cast(), to, y, n),
            DType::I32 => cast_from::<i32>(x.cast(), to, y, n),
            DType::U8 | DType::Bool => cast_from::<u8>(x.cast(), to, y, n),
        }
    }
}

/// # Safety
/// As for [`cast`].
unsafe fn cast_from<A: Source>(x: *const A, to: DType, y: *mut u8, n: usize) {
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match to {
            DType::F32 => job::run(Cast::<A, f32> { x, y: y.cast(), n }),
            DType::F64 => job::run(Cast::<A, f64> { x, y: y.cast(), n }),
            DType::F16 => job::run(Cast::<A, f16> { x, y: y.cast(), n }),
            DType::BF16 => job::run(Cast::<A, bf16> { x, y: y.cast(), n }),
            DType::I64 => job::run(Cast::<A, i64> { x, y: y.cast(), n }),
            DType::I32 => job::run(Cast::<A, i32> { x, y: y.cast(), n }),
            DType::U8 => job::run(Cast::<A, u8> { x, y: y.cast(), n }),
            DType::Bool => job::run(Cast::<A, bool> { x, y: y.cast(), n }),
        }
    }
}

/// A conversion of contiguous elements.
struct Cast<A, B> {
    x: *const A,
    y: *mut B,
    n: usize,
}

impl<A: Source, B: Target> Job for Cast<A, B> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the job's promise: so many elements and places, apart from one another.
        let (x, y) = unsafe {
            (std::slice::from_raw_parts(self.x, self.n), std::slice::from_raw_parts_mut(self.y, self.n))
        };
        for (y, &x) in y.iter_mut().zip(x) {
            *y = B::from_wide(x.wide());
        }
    }
}

/// A type of elements to convert.
trait Source: Copy {
    /// What it is converted by way of, which holds all its values.
    type Wide: Wide;
    fn wide(self) -> Self::Wide;
}

/// The nearest f16, rounded once (`half` rounds f64 by its upper 32 bits alone).
pub(crate) fn to_f16(value: f64) -> f16 {
    value.to_f16()
}

/// The nearest bf16, rounded once.
pub(crate) fn to_bf16(value: f64) -> bf16 {
    value.to_bf16()
}

/// A type of elements to convert to.
trait Target {
    fn from_wide(wide: impl Wide) -> Self;
}

/// A number that converts to every dtype.
trait Wide: Copy {
    fn to_f64(self) -> f64;
    fn to_f32(self) -> f32;
    /// As f32, rounded to odd if it does not fit.
    fn to_odd(self) -> f32;
    #[inline(always)]
    fn to_f16(self) -> f16 {
        f16::from_bits(f16_bits(self.to_odd()))
    }
    #[inline(always)]
    fn to_bf16(self) -> bf16 {
        bf16::from_bits(bf16_bits(self.to_odd()))
    }
    fn to_i64(self) -> i64;
    fn to_i32(self) -> i32;
    fn to_u8(self) -> u8;
    fn is_true(self) -> bool;
}

macro_rules! wide {
    ($($t:ident: $to_f32:expr, $to_odd:expr, $truncate:ident, $narrow:expr;)*) => {$(
        impl Wide for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn to_f32(self) -> f32 { $to_f32(self) }
            #[inline(always)]
            fn to_odd(self) -> f32 { $to_odd(self) }
            #[inline(always)]
            fn to_i64(self) -> i64 { $truncate!(self, $t, i64) }
            #[inline(always)]
            fn to_i32(self) -> i32 { $truncate!(self, $t, i32) }
            #[inline(always)]
            fn to_u8(self) -> u8 { $narrow(self) }
            #[inline(always)]
            fn is_true(self) -> bool { self != 0 as $t }
        }
    )*};
}

/// `value as integer`, which LLVM does not vectorise for floats.
macro_rules! truncated {
    ($value:expr, $float:ident, $integer:ident) => {{
        let value = $value;
        let (least, beyond) = ($integer::MIN as $float, -($integer::MIN as $float));
        let inside = (value >= least) & (value < beyond);
        // SAFETY: the value, or the 0 in place of one that is not inside, has an integral part that the type holds.
        let integer: $integer = unsafe { (if inside { value } else { 0.0 }).to_int_unchecked() };
        let limit = if value >= beyond { $integer::MAX } else { integer };
        if value < least { $integer::MIN } else { limit }
    }};
}

/// `value as integer` of an integer.
macro_rules! wrapped {
    ($value:expr, $from:ident, $integer:ident) => {
        $value as $integer
    };
}

wide! {
    f32: |v| v, |v| v, truncated, |v: f32| v.to_i32().clamp(0, 255) as u8;
    f64: |v| v as f32, round_to_odd, truncated, |v: f64| v.to_i32().clamp(0, 255) as u8;
    // By way of f64, as `Number` goes: beyond 2^53 this rounds twice.
    i64: |v| v as f64 as f32, |v| round_to_odd(v as f64), wrapped, |v| v as u8;
    i32: |v| v as f32, |v| round_to_odd(f64::from(v)), wrapped, |v| v as u8;
    u8: f32::from, f32::from, wrapped, |v| v;
}

macro_rules! sources {
    ($($t:ident, $wide:ident, $widen:expr;)*) => {$(
        impl Source for $t {
            type Wide = $wide;
            #[inline(always)]
            fn wide(self) -> $wide {
                $widen(self)
            }
        }
    )*};
}

sources! {
    f32, f32, |v| v;
    f64, f64, |v| v;
    f16, f32, |v: f16| f16_value(v.to_bits());
    bf16, f32, |v: bf16| f32::from_bits(u32::from(v.to_bits()) << 16);
    i64, i64, |v| v;
    i32, i32, |v| v;
    u8, u8, |v| v;
}

macro_rules! targets {
    ($($t:ident: $convert:ident;)*) => {$(
        impl Target for $t {
            #[inline(always)]
            fn from_wide(wide: impl Wide) -> $t {
                wide.$convert()
            }
        }
    )*};
}

targets! {
    f32: to_f32;
    f64: to_f64;
    f16: to_f16;
    bf16: to_bf16;
    i64: to_i64;
    i32: to_i32;
    u8: to_u8;
    bool: is_true;
}

/// `value` as f32: itself if that holds it, else the one of its two neighbours whose last bit is 1. Rounding that to
/// a type with at least two bits less gives what rounding `value` would have given.
#[inline(always)]
fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let bits = nearest.to_bits();
    let (size, wanted) = (f64::from(nearest).abs(), value.abs());
    // An even neighbour is left for the other side of `value`; a step of 1 in the bits is one in size.
    let step = u32::from(wanted > size).wrapping_sub(u32::from(wanted < size));
    let even = 1 - (bits & 1);
    f32::from_bits(bits.wrapping_add(step & even.wrapping_neg()))
}

/// The bits of the nearest f16; a NaN becomes quiet and keeps the upper bits of its payload.
#[inline(always)]
fn f16_bits(value: f32) -> u16 {
    /// 65520, halfway between the greatest f16 and the next power of two.
    const OVERFLOW: u32 = (127 + 15) << 23 | 0x7f_f000;
    /// 2^-14, the least normal f16.
    const NORMAL: u32 = (127 - 14) << 23;
    /// 1/2: an f32 from here to 1 has 2^-24, the least f16, as its last bit.
    const MAGIC: u32 = (127 - 1) << 23;
    let sign = value.to_bits() >> 16 & 0x8000;
    let size = value.to_bits() & 0x7fff_ffff;
    // Add just under half of the last bit that is kept, and a bit more if that is odd.
    let normal = size.wrapping_sub((127 - 15) << 23).wrapping_add(0xfff + (size >> 13 & 1)) >> 13;
    let denormal = (f32::from_bits(size) + f32::from_bits(MAGIC)).to_bits().wrapping_sub(MAGIC);
    let nan = 0x7e00 | size >> 13 & 0x1ff;
    let finite = if size < NORMAL { denormal } else { normal };
    let number = if size >= OVERFLOW { 0x7c00 } else { finite };
    (sign | if size > f32::INFINITY.to_bits() { nan } else { number }) as u16
}

/// The value of an f16 by its bits.
#[inline(always)]
fn f16_value(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let size = u32::from(bits & 0x7fff);
    let moved = size << 13;
    let normal = moved + ((127 - 15) << 23);
    // Infinity and NaN: the greatest exponent of f32. NaN becomes quiet.
    let special = moved | 0xff << 23 | u32::from(size > 0x7c00) << 22;
    // An f16 below 2^-14 is so many times 2^-24, exact in f32.
    let denormal = (size as i32 as f32 * (1.0 / 16_777_216.0)).to_bits();
    let finite = if size < 0x400 { denormal } else { normal };
    f32::from_bits(sign | if size >= 0x7c00 { special } else { finite })
}

/// The bits of the nearest bf16; a NaN becomes quiet and keeps the upper bits of its payload.
#[inline(always)]
fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    (if value.is_nan() { bits >> 16 | 0x40 } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cpu::isa::{Isa, with_isa};
    use crate::tensor::Element;

    fn converted<A: Element, B: Element + Default>(x: &[A]) -> Vec<B> {
        let mut y = vec![B::default(); x.len()];
        // SAFETY: both have as many elements.
        unsafe { cast(A::DTYPE, x.as_ptr().cast(), B::DTYPE, y.as_mut_ptr().cast(), x.len()) };
        y
    }

    fn check_to<A: Element, B: Element + Default>(x: &[A]) {
        for isa in Isa::available() {
            let y: Vec<B> = with_isa(isa, || converted(x));
            for (&x, y) in x.iter().zip(y) {
                let (got, expected) = (y.to_number(), B::from_number(x.to_number()).to_number());
                let nan = got.as_f64().is_nan() && expected.as_f64().is_nan();
                let sign = got.as_f64().is_sign_negative() == expected.as_f64().is_sign_negative();
                assert!(nan || got == expected && sign, "{x:?} to {}: {got:?}, not {expected:?}", B::DTYPE);
            }
        }
    }

    fn check_from<A: Element>(element: impl Fn(f64) -> A) {
        let edges = [
            0.0,
            0.3,
            0.5,
            1.0,
            1.5,
            2.5,
            127.0,
            127.5,
            128.0,
            255.0,
            255.9,
            256.0,
            300.0,
            2049.0,
            65504.0,
            65519.0,
            65520.0,
            1e5,
            2147483647.0,
            2147483648.0,
            4294967296.0,
            16777217.0,
            9007199254740993.0,
            9.3e18,
            3.4e38,
            3.5e38,
            1e39,
            1e308,
            5e-324,
            1e-45,
            1e-40,
            6e-8,
            5.9e-8,
            2.9e-8,
            6.1e-5,
            1.0009765625,
            1.00048828125,
            f64::INFINITY,
            f64::NAN,
        ];
        let mut x: Vec<A> = edges.iter().flat_map(|&v| [element(v), element(-v)]).collect();
        x.extend((0..1000).map(|i| element((i * i * i) as f64 * 0.37 - 1e5)));
        check_to::<A, f32>(&x);
        check_to::<A, f64>(&x);
        check_to::<A, f16>(&x);
        check_to::<A, bf16>(&x);
        check_to::<A, i64>(&x);
        check_to::<A, i32>(&x);
        check_to::<A, u8>(&x);
        check_to::<A, bool>(&x);
    }

    #[test]
    fn every_pair_converts_as_a_single_number_does() {
        check_from(|v| v as f32);
        check_from(|v| v);
        check_from(f16::from_f64);
        check_from(bf16::from_f64);
        check_from(|v| v as i64);
        check_from(|v| v as i64 as i32);
        check_from(|v| v as i64 as u8);
        check_from(|v| v != 0.0);
    }

    #[test]
    fn every_f16_survives_and_rounds_to_itself() {
        for bits in 0..=u16::MAX {
            let value = f16_value(bits);
            assert_eq!(value.to_bits(), f16::from_bits(bits).to_f32_const().to_bits());
            let quiet = if value.is_nan() { bits | 0x200 } else { bits };
            assert_eq!(f16_bits(value), quiet);
            let short = bf16::from_bits(bits);
            assert_eq!(bf16_bits(short.wide()), (short.to_f32().to_bits() >> 16) as u16);
        }
    }

    #[test]
    fn f32_rounds_to_16_bits_as_half_does() {
        // Every sign, exponent and the bits about the last one kept.
        for i in 0..1u32 << 22 {
            let value = f32::from_bits(i << 10 | i.wrapping_mul(0x9e37_79b9) >> 25);
            assert_eq!(f16_bits(value), f16::from_f32_const(value).to_bits(), "{value:e}");
            assert_eq!(bf16_bits(value), bf16::from_f32_const(value).to_bits(), "{value:e}");
        }
    }

    #[test]
    fn f64_rounds_to_16_bits_once() {
        let above_tie = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(Wide::to_f16(above_tie), f16::from_bits(0x3c01));
        assert_eq!(Wide::to_f16(1.0 + 2f64.powi(-11)), f16::from_bits(0x3c00));
        assert_eq!(Wide::to_bf16(-1.0 - 2f64.powi(-8) - 2f64.powi(-40)), bf16::from_bits(0xbf81));
        assert_eq!(
            Wide::to_bf16(1.0 + 2f64.powi(-7) + 2f64.powi(-8) - 2f64.powi(-45)),
            bf16::from_bits(0x3f81)
        );
        assert_eq!(Wide::to_f16(65519.999999999), f16::MAX);
        assert_eq!(Wide::to_f16(1e300), f16::INFINITY);
        assert_eq!(Wide::to_f16(-5e-324).to_bits(), 0x8000);
        assert_eq!(Wide::to_bf16(f64::NEG_INFINITY), bf16::NEG_INFINITY);
        assert!(Wide::to_f16(f64::NAN).is_nan() && Wide::to_bf16(f64::NAN).is_nan());
        // Halfway between 0 and the least f16, and a little above.
        assert_eq!(Wide::to_f16(2f64.powi(-25)).to_bits(), 0);
        assert_eq!(Wide::to_f16(2f64.powi(-25) * (1.0 + f64::EPSILON)).to_bits(), 1);
    }
}

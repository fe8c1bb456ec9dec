//! Pointwise operations over contiguous elements, as SIMD loops.
//!
//! There are no intrinsics here. The loop body is the operation's generic function at a one-element
//! type; it is compiled in functions that enable AVX-512 (of floats), AVX2 or nothing, and LLVM's
//! loop vectoriser makes SIMD code of each. On AArch64 "nothing" includes NEON and fused
//! multiply-add; an x86-64 machine without AVX2, from before 2013, does one element at a time, since
//! its loops were two fifths of the code here.
//!
//! A loop runs over tiles of 64 bytes of an operand: the constant count leaves the vectoriser no
//! remainder to provide for. The last tile ends with the data and may overlap the one before, since
//! computing an element twice costs less than a remainder one by one: an f32 tanh takes 23 ns for 50
//! elements as for 64. Fewer elements than fill a register are one masked tile.
//!
//! An element's value depends neither on its place nor on its neighbours, and is the same for AVX2 and
//! AVX-512.

use std::num::Wrapping;

use super::isa;
use crate::exec::math::num::{Float, Num};
use crate::exec::math::watch::{Watch, WatchMask};
use crate::exec::scalar::Scalar;

/// An operation that yields a number from `N` numbers, element by element.
pub(crate) trait Pointwise<const N: usize>: Copy + Send + Sync + 'static {
    /// Whether its body takes a sine, cosine, tangent or remainder, which a SIMD loop may have to leave to
    /// [`Element::Exact`]. False spares the compiler the second loop.
    const FAR: bool = true;
    /// The result for one element; to be `#[inline(always)]`, without `if` on values.
    fn scalar<S: Scalar>(&self, x: [S; N]) -> S;
}

/// An operation that decides something about `N` numbers, element by element.
pub(crate) trait Predicate<const N: usize>: Copy + Send + Sync + 'static {
    /// Whether its body takes a sine, cosine, tangent or remainder, which a SIMD loop may have to leave to
    /// [`Element::Exact`]. False spares the compiler the second loop.
    const FAR: bool = true;
    /// The decision for one element; to be `#[inline(always)]`, without `if` on values.
    fn test<S: Scalar>(&self, x: [S; N]) -> S::Mask;
}

/// A type whose elements are computed with as they are stored: f32, f64, i64, i32, u8.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// Whether loops over it are worth compiling for AVX-512 besides AVX2.
    const WIDE: bool;
    /// What the SIMD loop computes with.
    type Lane<const FMA: bool>: Lane<Self>;
    /// What elements that the SIMD loop cannot do are computed with.
    type Exact<const FMA: bool>: Lane<Self>;
}

/// The scalar that an element is computed as.
pub(crate) trait Lane<T>: Scalar {
    /// From the element.
    fn load(element: T) -> Self;
    /// The element, and whether it must be computed again as [`Element::Exact`].
    fn store(self) -> (T, bool);
    /// The truth value, and whether it must be computed again as [`Element::Exact`].
    fn store_mask(mask: Self::Mask) -> (bool, bool);
}

impl<T: Float, const FMA: bool> Lane<T> for Watch<T, FMA> {
    #[inline(always)]
    fn load(element: T) -> Self {
        Watch::new(element)
    }
    #[inline(always)]
    fn store(self) -> (T, bool) {
        (self.value.0, self.far)
    }
    #[inline(always)]
    fn store_mask(mask: WatchMask) -> (bool, bool) {
        (mask.value, mask.far)
    }
}

impl<T: Float, const FMA: bool> Lane<T> for Num<T, FMA, true> {
    #[inline(always)]
    fn load(element: T) -> Self {
        Num(element)
    }
    #[inline(always)]
    fn store(self) -> (T, bool) {
        (self.0, false)
    }
    #[inline(always)]
    fn store_mask(mask: bool) -> (bool, bool) {
        (mask, false)
    }
}

impl<T> Lane<T> for Wrapping<T>
where
    Wrapping<T>: Scalar<Mask = bool>,
{
    #[inline(always)]
    fn load(element: T) -> Self {
        Wrapping(element)
    }
    #[inline(always)]
    fn store(self) -> (T, bool) {
        (self.0, false)
    }
    #[inline(always)]
    fn store_mask(mask: bool) -> (bool, bool) {
        (mask, false)
    }
}

macro_rules! elements {
    ($($native:ty: $wide:literal, $lane:ty, $exact:ty;)*) => {$(
        impl Element for $native {
            const WIDE: bool = $wide;
            type Lane<const FMA: bool> = $lane;
            type Exact<const FMA: bool> = $exact;
        }
    )*};
}

elements! {
    f32: true, Watch<f32, FMA>, Num<f32, FMA, true>;
    f64: true, Watch<f64, FMA>, Num<f64, FMA, true>;
    i64: false, Wrapping<i64>, Wrapping<i64>;
    i32: false, Wrapping<i32>, Wrapping<i32>;
    u8: false, Wrapping<u8>, Wrapping<u8>;
}

/// Writes `y[i] = op(x[0][i], x[1][i], ..)` for `i < n`.
///
/// # Safety
///
/// Each of `x` is valid for reading `n` elements and `y` for writing as many; `y` overlaps none of
/// them (they may overlap each other). All are aligned for `T`.
#[inline]
pub(crate) unsafe fn map<O: Pointwise<N>, T: Element, const N: usize>(
    op: &O,
    x: [*const T; N],
    y: *mut T,
    n: usize,
) {
    // SAFETY: the caller's promise is this one's.
    unsafe { dispatch(&Map(op), x, y, n) }
}

/// Writes 1 where `op(x[0][i], x[1][i], ..)` holds and 0 elsewhere to `y[i]`, for `i < n`.
///
/// # Safety
///
/// As for [`map`].
#[inline]
pub(crate) unsafe fn test<O: Predicate<N>, T: Element, const N: usize>(
    op: &O,
    x: [*const T; N],
    y: *mut u8,
    n: usize,
) {
    // SAFETY: the caller's promise is this one's.
    unsafe { dispatch(&Test(op), x, y, n) }
}

/// What an element of the result is made from: the common part of `map` and `test`.
trait Body<T, const N: usize> {
    /// Whether elements may have to be computed again.
    const FAR: bool;
    /// An element of the result.
    type Output: Copy;
    /// The result for one element, and whether it must be computed again as [`Element::Exact`].
    fn at<L: Lane<T>>(&self, x: [L; N]) -> (Self::Output, bool);
}

struct Map<'a, O>(&'a O);
struct Test<'a, O>(&'a O);

impl<T: Element, O: Pointwise<N>, const N: usize> Body<T, N> for Map<'_, O> {
    const FAR: bool = O::FAR;
    type Output = T;
    #[inline(always)]
    fn at<L: Lane<T>>(&self, x: [L; N]) -> (T, bool) {
        self.0.scalar(x).store()
    }
}

impl<T: Element, O: Predicate<N>, const N: usize> Body<T, N> for Test<'_, O> {
    const FAR: bool = O::FAR;
    type Output = u8;
    #[inline(always)]
    fn at<L: Lane<T>>(&self, x: [L; N]) -> (u8, bool) {
        let (truth, far) = L::store_mask(self.0.test(x));
        (u8::from(truth), far)
    }
}

/// Bytes of an operand in a tile: one AVX-512 register, two of AVX2, or four of SSE2 or NEON, whose
/// work then overlaps (an f32 sum on AVX2: 0.07 ns an element, with one register 0.15).
const TILE: usize = 64;

/// Whether multiply-add is fused, and rounding one instruction, where nothing is enabled.
const PLAIN_FMA: bool = cfg!(target_arch = "aarch64");

/// # Safety
///
/// As for [`map`].
#[inline]
unsafe fn dispatch<B: Body<T, N>, T: Element, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: *mut B::Output,
    n: usize,
) {
    if n == 0 {
        return;
    }
    debug_assert!(x.iter().all(|x| x.is_aligned()) && y.is_aligned(), "unaligned operand");
    // SAFETY: the caller promises that `y` is valid for `n` elements, which nothing else refers to. That
    // a slice wants them initialised is harmless: they are plain numbers, written before read.
    let y = unsafe { std::slice::from_raw_parts_mut(y, n) };
    // SAFETY: `x` is as the caller promises; `isa` yields what the machine has.
    unsafe {
        match isa::isa() {
            #[cfg(target_arch = "x86_64")]
            isa::Isa::Avx512 if const { T::WIDE } => avx512(body, x, y),
            #[cfg(target_arch = "x86_64")]
            isa::Isa::Avx512 | isa::Isa::Avx2 => avx2(body, x, y),
            _ => plain(body, x, y),
        }
    }
}

/// # Safety
///
/// As for [`run`], and the machine has AVX-512 F, DQ, BW and VL.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,fma")]
unsafe fn avx512<B: Body<T, N>, T: Element, const N: usize>(body: &B, x: [*const T; N], y: &mut [B::Output]) {
    // SAFETY: the caller's promise is this one's.
    unsafe { run::<B, T, true, 64, N>(body, x, y) }
}

/// # Safety
///
/// As for [`run`], and the machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<B: Body<T, N>, T: Element, const N: usize>(body: &B, x: [*const T; N], y: &mut [B::Output]) {
    // SAFETY: the caller's promise is this one's.
    unsafe { run::<B, T, true, 32, N>(body, x, y) }
}

/// # Safety
///
/// As for [`run`].
#[inline(never)]
unsafe fn plain<B: Body<T, N>, T: Element, const N: usize>(body: &B, x: [*const T; N], y: &mut [B::Output]) {
    // SAFETY: the caller's promise is this one's; each element is below `y.len()`.
    unsafe {
        if cfg!(target_arch = "x86_64") {
            (0..y.len()).for_each(|i| one::<B, T, PLAIN_FMA, N>(body, x, y, i));
        } else {
            run::<B, T, PLAIN_FMA, 16, N>(body, x, y)
        }
    }
}

/// Computes `y[at]`; out of line, so that LLVM makes no SIMD loop of it.
///
/// # Safety
///
/// As for [`tile`], of one element.
#[inline(never)]
unsafe fn one<B: Body<T, N>, T: Element, const FMA: bool, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
    at: usize,
) {
    // SAFETY: the caller's promise is this one's.
    unsafe { tile::<B, T, FMA, N>(body, x, y, at, 1) }
}

/// Computes all of `y`; `VECTOR` is the size of a register in bytes. Inlined into a function of its own
/// for each instruction set, whose argument `y` tells LLVM that nothing overlaps it.
///
/// # Safety
///
/// Each of `x` is valid for reading `y.len()` elements.
#[inline(always)]
unsafe fn run<B: Body<T, N>, T: Element, const FMA: bool, const VECTOR: usize, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
) {
    let n = y.len();
    let (tile_width, vector_width) = (TILE / size_of::<T>(), VECTOR / size_of::<T>());
    // SAFETY: `n <= y.len()`, and what `x` is valid for; the counts are the conditions.
    unsafe {
        if n >= tile_width {
            tiles::<B, T, FMA, N>(body, x, y, tile_width);
        } else if n >= vector_width {
            tiles::<B, T, FMA, N>(body, x, y, vector_width);
        } else {
            tile::<B, T, FMA, N>(body, x, y, 0, n);
        }
    }
}

/// Computes all of `y` in tiles of `width`, the last of which ends with `y`.
///
/// # Safety
///
/// `width <= y.len()`, and each of `x` is valid for reading `y.len()` elements.
#[inline(always)]
unsafe fn tiles<B: Body<T, N>, T: Element, const FMA: bool, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
    width: usize,
) {
    let last = y.len() - width;
    let mut start = 0;
    loop {
        // SAFETY: `start <= last`, so that the tile ends within `y`.
        unsafe { tile::<B, T, FMA, N>(body, x, y, start, width) };
        if start == last {
            return;
        }
        start = last.min(start + width);
    }
}

/// Computes `y[start..start + count]`.
///
/// # Safety
///
/// `start + count <= y.len()`, and each of `x` is valid for reading so many elements.
#[inline(always)]
unsafe fn tile<B: Body<T, N>, T: Element, const FMA: bool, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
    start: usize,
    count: usize,
) {
    // SAFETY: the caller's promise is this one's.
    let far = unsafe { compute::<B, T, T::Lane<FMA>, N>(body, x, y, start, count) };
    if const { B::FAR } {
        if far {
            // SAFETY: the caller's promise is this one's.
            unsafe { recompute::<B, T, T::Exact<FMA>, N>(body, x, y, start, count) };
        }
    } else {
        debug_assert!(!far, "the body takes an angle or a remainder, but says that it does not");
    }
}

/// `compute` where the SIMD loop could not; out of line, so that it does not disturb that one.
///
/// # Safety
///
/// As for [`tile`].
#[cold]
#[inline(never)]
unsafe fn recompute<B: Body<T, N>, T: Element, L: Lane<T>, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
    start: usize,
    count: usize,
) {
    // SAFETY: the caller's promise is this one's.
    unsafe { compute::<B, T, L, N>(body, x, y, start, count) };
}

/// Computes `y[start..start + count]` as `L`; yields whether some of it must be computed again.
///
/// # Safety
///
/// As for [`tile`].
#[inline(always)]
unsafe fn compute<B: Body<T, N>, T: Element, L: Lane<T>, const N: usize>(
    body: &B,
    x: [*const T; N],
    y: &mut [B::Output],
    start: usize,
    count: usize,
) -> bool {
    debug_assert!(start + count <= y.len());
    let mut any_far = false;
    // Counted from 0: of `start..start + count` LLVM does not see that it has `count` steps.
    for i in 0..count {
        // SAFETY: `start + i < start + count`, which `x` is valid for.
        let at = |k: usize| L::load(unsafe { *x[k].add(start + i) });
        // By hand: `array::map` over a closure is not always inlined.
        let mut operands = [at(0); N];
        let mut k = 1;
        while k < N {
            operands[k] = at(k);
            k += 1;
        }
        let (element, far) = body.at(operands);
        // SAFETY: `start + i < start + count <= y.len()`.
        unsafe { *y.get_unchecked_mut(start + i) = element };
        any_far |= far;
    }
    any_far
}

#[cfg(test)]
mod tests;

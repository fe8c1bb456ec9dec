//! The Gather and Scatter classes: reading and combining at computed positions along one axis.
//!
//! With the axis in the middle a tensor is `[outer, n, inner]`. Slices move whole `inner` stretches; elements are
//! the same with one index for each of them.

use std::ops::{Deref, Range};

use super::operand::{Destination, Operand};
use super::place::copy_unless_there;
use super::scratch::Scratch;
use super::staged::{Staged, cast_to};
use crate::error::Misfit;
use crate::exec::threads::{self, Shared};
use crate::exec::{Combine, Indexing};
use crate::tensor::{DType, Shape};

/// Lengths around an axis.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) outer: usize,
    pub(super) n: usize,
    pub(super) inner: usize,
}

impl Around {
    pub(super) fn new(shape: &Shape, axis: usize) -> Around {
        let product = |dims: &[u32]| dims.iter().map(|&d| d as usize).product();
        Around { outer: product(&shape[..axis]), n: shape.dim(axis), inner: product(&shape[axis + 1..]) }
    }
}

/// Positions along an axis, row-major, none of them negative: where the indices lie, if they are so already.
pub(super) struct Positions {
    index: Staged,
    /// In their place, where some count from the end.
    from_start: Option<Scratch<i64>>,
}

impl Deref for Positions {
    type Target = [i64];

    #[inline]
    fn deref(&self) -> &[i64] {
        match &self.from_start {
            Some(positions) => positions,
            None => self.index.elements(),
        }
    }
}

/// The positions that indices stand for, in `0..n`; negative ones count from the end.
///
/// # Safety
/// The operand is valid.
pub(super) unsafe fn positions(index: &Operand, n: usize) -> Result<Positions, Box<Misfit>> {
    // SAFETY: the caller's promise.
    let index = unsafe { Staged::of(index) }.in_dtype(DType::I64).gapless();
    let (values, n) = (index.elements::<i64>(), n as i64);
    // Negative if one of them is, or one of the distances to the last place: a loop that LLVM makes SIMD code of.
    let outside = values.iter().fold(0, |seen, &value| seen | value | (n - 1).wrapping_sub(value));
    if outside >= 0 {
        return Ok(Positions { index, from_start: None });
    }
    let positions = Scratch::mapped(values, |_, value| if value < 0 { value + n } else { value });
    match positions.iter().position(|position| !(0..n).contains(position)) {
        None => Ok(Positions { index, from_start: Some(positions) }),
        Some(at) => Err(Misfit::data(format!(
            "index {} (element {at} of the index) is out of range for an axis of {n}",
            values[at]
        ))),
    }
}

/// Where the elements of a tensor are found in the indexed one.
#[derive(Clone)]
struct Places<'a> {
    what: Indexing,
    around: Around,
    positions: &'a [i64],
    /// The positions before the axis that are gone over.
    outer: Range<usize>,
}

impl Places<'_> {
    /// Hands out the places to threads: some positions before the axis to each, which share no element.
    fn share(&self, work: impl Fn(&Places<'_>) + Sync) {
        /// The least elements for a thread: some 10 us.
        const LEAST: usize = 1 << 14;
        let Around { outer, inner, .. } = self.around;
        let each = match self.what {
            Indexing::Slices => self.positions.len() * inner,
            Indexing::Elements => self.positions.len() / outer.max(1),
        };
        let work = |outer| work(&Places { outer, ..self.clone() });
        threads::for_ranges(outer, LEAST.div_ceil(each.max(1)), work);
    }

    /// Goes through all stretches: `f(stretch of the indexed tensor, stretch of the other, length)`, as offsets in
    /// elements.
    #[inline(always)]
    fn for_each_stretch(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (Around { outer, n, inner }, positions) = (self.around, self.positions);
        match self.what {
            Indexing::Slices => {
                for o in self.outer.clone() {
                    for (i, &p) in positions.iter().enumerate() {
                        f((o * n + p as usize) * inner, (o * positions.len() + i) * inner, inner);
                    }
                }
            }
            Indexing::Elements if inner == 1 && outer > 0 => {
                let m = positions.len() / outer;
                for o in self.outer.clone() {
                    for (i, &p) in positions[o * m..][..m].iter().enumerate() {
                        f(o * n + p as usize, o * m + i, 1);
                    }
                }
            }
            Indexing::Elements => {
                let m = positions.len() / (outer * inner).max(1);
                for o in self.outer.clone() {
                    for i in 0..m {
                        for j in 0..inner {
                            let at = (o * m + i) * inner + j;
                            f((o * n + positions[at] as usize) * inner + j, at, 1);
                        }
                    }
                }
            }
        }
    }

    /// Whether all stretches are single elements.
    fn single(&self) -> bool {
        self.what == Indexing::Elements || self.around.inner == 1
    }

    /// Copies all stretches of elements of `size` bytes between the indexed tensor and the other.
    ///
    /// # Safety
    /// Both are whole tensors that the positions fit, aligned for their elements, and do not overlap.
    unsafe fn copy(&self, way: Way, indexed: *mut u8, other: *mut u8, size: usize) {
        // SAFETY: the caller's promise; elements are moved as plain bits of their size.
        unsafe {
            match size {
                1 => self.copy_as::<u8>(way, indexed, other),
                2 => self.copy_as::<u16>(way, indexed.cast(), other.cast()),
                4 => self.copy_as::<u32>(way, indexed.cast(), other.cast()),
                _ => self.copy_as::<u64>(way, indexed.cast(), other.cast()),
            }
        }
    }

    /// # Safety
    /// As [`Places::copy`].
    unsafe fn copy_as<T: Copy>(&self, way: Way, indexed: *mut T, other: *mut T) {
        // Single elements go without a call of `memcpy` for each (1000 columns of 1000 f32: 1 ms instead of 6).
        // SAFETY: the caller's promise.
        unsafe {
            match (way, self.single()) {
                (Way::Read, true) => self.for_each_stretch(|p, i, _| *other.add(i) = *indexed.add(p)),
                (Way::Write, true) => self.for_each_stretch(|p, i, _| *indexed.add(p) = *other.add(i)),
                (Way::Read, false) => self.for_each_stretch(|p, i, length| {
                    std::ptr::copy_nonoverlapping(indexed.add(p), other.add(i), length);
                }),
                (Way::Write, false) => self.for_each_stretch(|p, i, length| {
                    std::ptr::copy_nonoverlapping(other.add(i), indexed.add(p), length);
                }),
            }
        }
    }
}

/// Which way elements are copied.
#[derive(Clone, Copy)]
enum Way {
    /// From the indexed tensor.
    Read,
    /// Into it.
    Write,
}

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn gather(
    what: Indexing,
    axis: usize,
    x: &[Operand],
    y: &Destination,
) -> Result<(), Box<Misfit>> {
    let around = Around::new(&x[0].shape, axis);
    // SAFETY: the caller's promise; positions are checked against the axis, the output has a stretch for each, and `x` is
    // only read.
    unsafe {
        let positions = positions(&x[1], around.n)?;
        let places = Places { what, positions: &positions, around, outer: 0..around.outer };
        let x = Staged::of(&x[0]).gapless();
        let shared = Shared::new((x.ptr.cast_mut(), y.ptr, x.dtype.size()));
        places.share(|places| {
            let &(x, y, size) = shared.get();
            places.copy(Way::Read, x, y, size);
        });
    }
    Ok(())
}

/// Nothing is written where an index is out of range.
///
/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn scatter(
    what: Indexing,
    axis: usize,
    combine: Combine,
    x: &[Operand],
    y: &Destination,
) -> Result<(), Box<Misfit>> {
    let around = Around::new(&y.spec.shape, axis);
    // What is only moved needs no wider dtype.
    let dtype = if combine == Combine::Replace { y.spec.dtype } else { y.spec.dtype.compute() };
    // SAFETY: the caller's promise; the base lies, in the dtype of the sums, where they are made.
    unsafe {
        let positions = positions(&x[1], around.n)?;
        let places = Places { what, positions: &positions, around, outer: 0..around.outer };
        let source = Staged::of(&x[2]).in_dtype(dtype).gapless();
        y.rounded_from(dtype, |to| {
            if dtype == y.spec.dtype {
                copy_unless_there(&x[0], y);
            } else {
                cast_to(&x[0], &Destination { ptr: to, spec: y.spec.with_dtype(dtype) });
            }
            let shared = Shared::new((to, source.ptr));
            places.share(|places| {
                let &(to, source) = shared.get();
                places.scatter(combine, dtype, to, source);
            });
        });
    }
    Ok(())
}

impl Places<'_> {
    /// # Safety
    /// As [`Places::copy`], for elements of `dtype`.
    unsafe fn scatter(&self, combine: Combine, dtype: DType, to: *mut u8, from: *const u8) {
        // SAFETY: the caller's promise, at the type that the dtype names.
        unsafe {
            match (combine, dtype) {
                (Combine::Replace, dtype) => self.copy(Way::Write, to, from.cast_mut(), dtype.size()),
                (_, DType::F32) => self.fold::<f32>(combine, to.cast(), from.cast()),
                (_, DType::F64) => self.fold::<f64>(combine, to.cast(), from.cast()),
                (_, DType::I64) => self.fold::<i64>(combine, to.cast(), from.cast()),
                (_, DType::I32) => self.fold::<i32>(combine, to.cast(), from.cast()),
                (_, DType::U8) => self.fold::<u8>(combine, to.cast(), from.cast()),
                _ => self.fold::<Truth>(combine, to.cast(), from.cast()),
            }
        }
    }

    /// # Safety
    /// As [`Places::copy`], for elements of type `T`.
    unsafe fn fold<T: Combined>(&self, combine: Combine, to: *mut T, from: *const T) {
        // SAFETY: the caller's promise.
        unsafe {
            match combine {
                Combine::Add => self.fold_with(to, from, T::sum),
                Combine::Mul => self.fold_with(to, from, T::product),
                Combine::Max => self.fold_with(to, from, T::greater),
                Combine::Min => self.fold_with(to, from, T::lesser),
                Combine::Replace => self.fold_with(to, from, |_, b| b),
            }
        }
    }

    /// # Safety
    /// As [`Places::copy`], for elements of type `T`.
    unsafe fn fold_with<T: Copy>(&self, to: *mut T, from: *const T, combine: impl Fn(T, T) -> T) {
        if self.single() {
            return self.for_each_stretch(|target, source, _| {
                // SAFETY: the caller's promise.
                unsafe { *to.add(target) = combine(*to.add(target), *from.add(source)) }
            });
        }
        self.for_each_stretch(|target, source, length| {
            // SAFETY: the caller's promise.
            let (to, from) = unsafe {
                (
                    std::slice::from_raw_parts_mut(to.add(target), length),
                    std::slice::from_raw_parts(from.add(source), length),
                )
            };
            for (to, &from) in to.iter_mut().zip(from) {
                *to = combine(*to, from);
            }
        });
    }
}

/// How two elements that meet in one place become one.
trait Combined: Copy {
    fn sum(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    /// NaN wins.
    fn greater(self, other: Self) -> Self;
    /// NaN wins.
    fn lesser(self, other: Self) -> Self;
}

/// A bool as it is stored: a byte, 0 or 1.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Truth(u8);

macro_rules! combined {
    ($($t:ty: $a:ident $b:ident => $sum:expr, $product:expr, $greater:expr, $lesser:expr;)*) => {$(
        impl Combined for $t {
            fn sum($a, $b: $t) -> $t { $sum }
            fn product($a, $b: $t) -> $t { $product }
            fn greater($a, $b: $t) -> $t { $greater }
            fn lesser($a, $b: $t) -> $t { $lesser }
        }
    )*};
}

combined! {
    f32: self b => self + b, self * b, if self.is_nan() || self > b { self } else { b }, if self.is_nan() || self < b { self } else { b };
    f64: self b => self + b, self * b, if self.is_nan() || self > b { self } else { b }, if self.is_nan() || self < b { self } else { b };
    i64: self b => self.wrapping_add(b), self.wrapping_mul(b), self.max(b), self.min(b);
    i32: self b => self.wrapping_add(b), self.wrapping_mul(b), self.max(b), self.min(b);
    u8: self b => self.wrapping_add(b), self.wrapping_mul(b), self.max(b), self.min(b);
    Truth: self b => Truth(self.0 | b.0), Truth(self.0 & b.0), Truth(self.0 | b.0), Truth(self.0 & b.0);
}

#[cfg(test)]
mod tests;

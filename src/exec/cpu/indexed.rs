//! The Gather and Scatter classes: reading and combining at computed positions along one axis.
//!
//! With the axis in the middle a tensor is `[outer, n, inner]`. Slices move whole `inner` stretches; elements are
//! the same with one index for each of them.

use super::operand::Operand;
use super::place::own_copy;
use super::{build, cast_tensor, computable, contiguous};
use crate::error::Misfit;
use crate::exec::{Combine, Indexing};
use crate::ops::InputSet;
use crate::tensor::{DType, Shape, Spec, Tensor};

/// Lengths around an axis.
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

/// Indices in `0..n`, row-major; negative ones count from the end.
fn positions(index: &Tensor, n: usize) -> Result<Vec<usize>, Box<Misfit>> {
    let index = contiguous(&cast_tensor_to_i64(index));
    let values = index.as_slice::<i64>().expect("converted to i64");
    let position = |value: i64| if value < 0 { value + n as i64 } else { value } as usize;
    // Checked afterwards, so that the loop becomes SIMD code.
    let positions: Vec<usize> = values.iter().map(|&value| position(value)).collect();
    match positions.iter().position(|&position| position >= n) {
        None => Ok(positions),
        Some(at) => Err(Misfit::data(format!(
            "index {} (element {at} of the index) is out of range for an axis of {n}",
            values[at]
        ))),
    }
}

fn cast_tensor_to_i64(index: &Tensor) -> Tensor {
    if index.spec().dtype == DType::I64 {
        return index.clone();
    }
    cast_tensor(index, index.spec().with_dtype(DType::I64))
}

/// Where the elements of a tensor are found in the indexed one.
struct Places {
    what: Indexing,
    around: Around,
    positions: Vec<usize>,
}

impl Places {
    /// Goes through all stretches: `f(stretch of the indexed tensor, stretch of the other, length)`, as offsets in
    /// elements.
    #[inline(always)]
    fn for_each_stretch(&self, mut f: impl FnMut(usize, usize, usize)) {
        let Around { outer, n, inner } = self.around;
        let positions = &self.positions;
        match self.what {
            Indexing::Slices => {
                for o in 0..outer {
                    for (i, &p) in positions.iter().enumerate() {
                        f((o * n + p) * inner, (o * positions.len() + i) * inner, inner);
                    }
                }
            }
            Indexing::Elements => {
                let m = positions.len() / (outer * inner).max(1);
                for o in 0..outer {
                    for i in 0..m {
                        for j in 0..inner {
                            let at = (o * m + i) * inner + j;
                            f((o * n + positions[at]) * inner + j, at, 1);
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

pub(super) fn gather(
    what: Indexing,
    axis: usize,
    x: &Tensor,
    index: &Tensor,
    spec: Spec,
) -> Result<Tensor, Box<Misfit>> {
    let around = Around::new(&x.spec().shape, axis);
    let places = Places { what, positions: positions(index, around.n)?, around };
    if let Some(bits) = x.concrete().and_then(|array| array.splat()) {
        return Ok(Tensor::splat_bits(spec, *bits));
    }
    let x = contiguous(x);
    let (from, size) = (Operand::of(&x).ptr, spec.dtype.size());
    // SAFETY: positions were checked against the axis, the output has a stretch for each; `x` is only read.
    Ok(build(spec, |to| unsafe { places.copy(Way::Read, from.cast_mut(), to, size) }))
}

pub(super) fn scatter(
    what: Indexing,
    axis: usize,
    combine: Combine,
    x: &[&Tensor],
    spec: Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    let around = Around::new(&spec.shape, axis);
    let places = Places { what, positions: positions(x[1], around.n)?, around };
    // What is only moved needs no wider dtype.
    let wide = match combine {
        Combine::Replace => spec,
        _ => spec.with_dtype(spec.dtype.compute()),
    };
    let source = contiguous(&if wide == spec { x[2].clone() } else { computable(x[2]) });
    let y =
        if wide == spec { own_copy(x[0], spec, dying.contains(0)) } else { contiguous(&computable(x[0])) };
    // SAFETY: `y` is a copy that nobody else sees (a conversion makes one, and so does `own_copy`).
    unsafe {
        let (to, from) = (Operand::of(&y).ptr.cast_mut(), Operand::of(&source).ptr);
        match (combine, wide.dtype) {
            (Combine::Replace, dtype) => places.copy(Way::Write, to, from.cast_mut(), dtype.size()),
            (_, DType::F32) => places.fold::<f32>(combine, to.cast(), from.cast()),
            (_, DType::F64) => places.fold::<f64>(combine, to.cast(), from.cast()),
            (_, DType::I64) => places.fold::<i64>(combine, to.cast(), from.cast()),
            (_, DType::I32) => places.fold::<i32>(combine, to.cast(), from.cast()),
            (_, DType::U8) => places.fold::<u8>(combine, to.cast(), from.cast()),
            _ => places.fold::<Truth>(combine, to.cast(), from.cast()),
        }
    }
    Ok(if wide == spec { y } else { cast_tensor(&y, spec) })
}

impl Places {
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

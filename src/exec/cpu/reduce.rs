//! The Reduce class: folds of axes, and positions of extremes.
//!
//! | file | contents |
//! |---|---|
//! | `law` | how elements combine |
//! | `layout` | which axes are walked, in an order that suits the memory |
//! | `fold` | the loops of sums, products and extremes |
//! | `arg` | the loops of positions |
//! | `tiled` | folds that are handed their elements a tile at a time |
//!
//! Sums of f32 are kept in f64 but for trees of eight elements, so their error does not grow with their length:
//! it stays at a few roundings.

mod arg;
mod fold;
pub(super) mod law;
mod layout;
#[cfg(test)]
mod tests;
pub(super) mod tiled;

use std::marker::PhantomData;
use std::num::Wrapping;

use super::job;
use super::operand::Operand;
use crate::exec::Fold;
use crate::tensor::{AxisSet, DType};
use law::{Element, Law, Max, Min, Prod, Sum};
use layout::{Layout, Matters};

/// Folds `axes` of `x` into `y`, whose elements are the kept axes in row-major order: of the dtype of `x`, or i64
/// positions along the one axis for `ArgMax` and `ArgMin`. 16-bit floats must have been converted.
///
/// Of no elements, a sum is 0 and a product 1; an extreme, which should have been refused, is the neutral element.
///
/// # Safety
/// `x` is valid, `y` has room for the kept axes and does not overlap `x`.
#[inline]
pub(crate) unsafe fn reduce(fold: Fold, axes: AxisSet, x: &Operand, y: *mut u8) {
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match x.dtype {
            DType::F32 => typed::<f32>(fold, axes, x, y),
            DType::F64 => typed::<f64>(fold, axes, x, y),
            DType::I64 => typed::<Wrapping<i64>>(fold, axes, x, y),
            DType::I32 => typed::<Wrapping<i32>>(fold, axes, x, y),
            DType::U8 | DType::Bool => typed::<Wrapping<u8>>(fold, axes, x, y),
            DType::F16 | DType::BF16 => unreachable!("16-bit floats are reduced as f32"),
        }
    }
}

/// # Safety
/// As for [`reduce`], and the elements of `x` are `T`.
#[inline]
unsafe fn typed<T: Element>(fold: Fold, axes: AxisSet, x: &Operand, y: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match fold {
            Fold::Sum => fold_axes::<T, Sum>(axes, x, y.cast()),
            Fold::Prod => fold_axes::<T, Prod>(axes, x, y.cast()),
            Fold::Max => fold_axes::<T, Max>(axes, x, y.cast()),
            Fold::Min => fold_axes::<T, Min>(axes, x, y.cast()),
            Fold::ArgMax => search_axis::<T, Max>(axes, x, y.cast()),
            Fold::ArgMin => search_axis::<T, Min>(axes, x, y.cast()),
        }
    }
}

/// # Safety
/// As for [`reduce`], and the elements of `x` are `T`.
unsafe fn fold_axes<T: Element, L: Law<T>>(axes: AxisSet, x: &Operand, y: *mut T) {
    let n = x.numel();
    // SAFETY: the caller's promise; where there is nothing to fold, `y` has a neutral element for each kept position.
    unsafe {
        if n == 0 {
            let kept = axes.remove_from(&x.shape).numel();
            (0..kept).for_each(|i| *y.add(i) = L::NEUTRAL);
        } else if x.contiguous && n == axes.iter().map(|axis| x.shape.dim(axis)).product() {
            run::<T>(fold::WholeRow::<T, L> { x: x.ptr.cast(), n, y, law: PhantomData })
        } else {
            let layout = Layout::new(axes, x, L::MATTERS);
            let (x, y) = (x.ptr.cast::<T>().offset(layout.x), y.offset(layout.y));
            let folding = fold::Folding::<T, L> { x, y, layout: &layout, law: PhantomData };
            match folding.way() {
                fold::Way::Rows => run::<T>(fold::Rows(folding)),
                fold::Way::Columns => run::<T>(fold::Columns::<_, _, false>(folding)),
                fold::Way::StridedColumns => job::run_plain(fold::Columns::<_, _, true>(folding)),
            }
        }
    }
}

/// # Safety
/// As for [`reduce`], and the elements of `x` are `T`.
unsafe fn search_axis<T: Element, E: arg::Extreme<T>>(axes: AxisSet, x: &Operand, y: *mut i64) {
    debug_assert_eq!(axes.len(), 1, "a position is one along one axis");
    // SAFETY: the caller's promise.
    unsafe {
        if x.numel() == 0 {
            let kept = axes.remove_from(&x.shape).numel();
            return (0..kept).for_each(|i| *y.add(i) = 0);
        }
        let layout = Layout::new(axes, x, Matters::Sequence);
        let (x, y) = (x.ptr.cast::<T>().offset(layout.x), y.offset(layout.y));
        let searching = arg::Searching::<T, E> { x, y, layout: &layout, extreme: PhantomData };
        match searching.way() {
            arg::Way::Rows => run::<T>(arg::Rows::<_, _, false>(searching)),
            arg::Way::Columns => run::<T>(arg::Columns(searching)),
            arg::Way::Strided => job::run_plain(arg::Rows::<_, _, true>(searching)),
        }
    }
}

/// Does a job over `T`: as fast as can be for floats, and with less code for integers.
///
/// # Safety
/// As for [`job::Job::run`].
#[inline]
unsafe fn run<T: Element>(job: impl job::Job) {
    // SAFETY: the caller's promise.
    unsafe { if T::IS_FLOAT { job::run(job) } else { job::run_plain(job) } }
}

//! The Scan class: sums, products, extremes, logarithms of sums of exponentials and linear recurrences along an axis.
//!
//! With the axis in the middle a tensor is `[outer, n, inner]`. Where `inner` is 1, rows are scanned in blocks of
//! eight, whose prefixes are found as a tree; elsewhere a tile of columns has a total each. Either way the order in
//! which elements combine depends on the shape alone, and totals of f32 are kept in f64.

mod extreme;
mod logarithm;
#[cfg(test)]
mod tests;
mod total;

use std::num::Wrapping;

use super::indexed::Around;
use super::operand::{Destination, Operand};
use super::staged::Staged;
use crate::exec::{Direction, Running, Scan};
use crate::tensor::DType;

/// Elements that a scan walks, `[outer, n, inner]` without gaps.
pub(super) struct Walked {
    around: Around,
    direction: Direction,
}

impl Walked {
    /// The places along the axis in the order of the scan: the `i`-th is `place(i)`.
    #[inline(always)]
    fn place(&self, i: usize) -> usize {
        match self.direction {
            Direction::Forward => i,
            Direction::Backward => self.around.n - 1 - i,
        }
    }
}

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(scan: Scan, x: &[Operand], y: &[Destination]) {
    let spec = y[0].spec;
    if spec.shape.numel() == 0 {
        return;
    }
    let walked = Walked { around: Around::new(&spec.shape, scan.axis), direction: scan.direction };
    // SAFETY: the caller's promise; staged inputs and the output have the elements that `walked` describes.
    unsafe {
        let staged = |x: &Operand| Staged::of(x).computable().gapless();
        let (first, second) = (staged(&x[0]), x.get(1).map(staged));
        let from = [first.ptr, second.as_ref().map_or(first.ptr, |second| second.ptr)];
        let dtype = spec.dtype.compute();
        y[0].rounded_from(dtype, |to| match scan.running {
            Running::Max | Running::Min => {
                scan_extreme(scan, &walked.around, dtype, first.ptr, [to, y[1].ptr])
            }
            running => scan_totals(running, &walked, dtype, &from, to),
        });
    }
}

/// Scans of one output.
///
/// # Safety
/// `x` are inputs and `y` an output of the elements that `walked` describes, of `dtype`.
unsafe fn scan_totals(running: Running, walked: &Walked, dtype: DType, x: &[*const u8], y: *mut u8) {
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match dtype {
            DType::F32 => float::<f32>(running, walked, x, y),
            DType::F64 => float::<f64>(running, walked, x, y),
            DType::I64 => total::run::<Wrapping<i64>>(running, walked, x, y),
            DType::I32 => total::run::<Wrapping<i32>>(running, walked, x, y),
            _ => total::run::<Wrapping<u8>>(running, walked, x, y),
        }
    }
}

/// # Safety
/// `x` are inputs and `y` an output of the elements that `walked` describes, of type `T`.
unsafe fn float<T: logarithm::Float>(running: Running, walked: &Walked, x: &[*const u8], y: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match running {
            Running::LogSumExp => logarithm::run::<T>(walked, x[0].cast(), y.cast()),
            _ => total::run::<T>(running, walked, x, y),
        }
    }
}

/// Scans of extremes: values and positions.
///
/// # Safety
/// `x` is an input, `y` and `at` outputs of the elements that `around` describes, of `dtype` and i64.
unsafe fn scan_extreme(scan: Scan, around: &Around, dtype: DType, x: *const u8, [y, at]: [*mut u8; 2]) {
    debug_assert_eq!(scan.direction, Direction::Forward, "extremes are scanned forward only");
    let (running, at) = (scan.running, at.cast());
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match dtype {
            DType::F32 => extreme::run::<f32>(running, around, x, y, at),
            DType::F64 => extreme::run::<f64>(running, around, x, y, at),
            DType::I64 => extreme::run::<Wrapping<i64>>(running, around, x, y, at),
            DType::I32 => extreme::run::<Wrapping<i32>>(running, around, x, y, at),
            _ => extreme::run::<Wrapping<u8>>(running, around, x, y, at),
        }
    }
}

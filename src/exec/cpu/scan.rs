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
use super::operand::Operand;
use super::{build, cast_tensor, computable, contiguous};
use crate::exec::{Direction, Running, Scan};
use crate::tensor::{DType, Spec, Tensor};

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

/// Computes a scan of one output.
pub(super) fn run(scan: Scan, x: &[&Tensor], spec: Spec) -> Tensor {
    let walked = Walked { around: Around::new(&spec.shape, scan.axis), direction: scan.direction };
    let x: Vec<Tensor> = x.iter().map(|x| contiguous(&computable(x))).collect();
    let wide = spec.with_dtype(spec.dtype.compute());
    let from: Vec<*const u8> = x.iter().map(|x| Operand::of(x).ptr).collect();
    let y = build(wide, |y| {
        if wide.shape.numel() == 0 {
            return;
        }
        // SAFETY: inputs and output have the elements that `walked` describes, of the type that the dtype names.
        unsafe {
            match wide.dtype {
                DType::F32 => float::<f32>(scan.running, &walked, &from, y),
                DType::F64 => float::<f64>(scan.running, &walked, &from, y),
                DType::I64 => total::run::<Wrapping<i64>>(scan.running, &walked, &from, y),
                DType::I32 => total::run::<Wrapping<i32>>(scan.running, &walked, &from, y),
                _ => total::run::<Wrapping<u8>>(scan.running, &walked, &from, y),
            }
        }
    });
    if wide == spec { y } else { cast_tensor(&y, spec) }
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

/// Computes a scan of extremes: values and positions.
pub(super) fn run_extreme(scan: Scan, x: &Tensor, specs: &[Spec]) -> Vec<Tensor> {
    debug_assert_eq!(scan.direction, Direction::Forward, "extremes are scanned forward only");
    let around = Around::new(&specs[0].shape, scan.axis);
    let x = contiguous(&computable(x));
    let wide = specs[0].with_dtype(specs[0].dtype.compute());
    let from = Operand::of(&x).ptr;
    let mut values = None;
    let at = build(specs[1], |at| {
        values = Some(build(wide, |y| {
            if wide.shape.numel() == 0 {
                return;
            }
            // SAFETY: input and outputs have the elements that `around` describes, of the type that the dtype names.
            unsafe {
                match wide.dtype {
                    DType::F32 => extreme::run::<f32>(scan.running, &around, from, y, at.cast()),
                    DType::F64 => extreme::run::<f64>(scan.running, &around, from, y, at.cast()),
                    DType::I64 => extreme::run::<Wrapping<i64>>(scan.running, &around, from, y, at.cast()),
                    DType::I32 => extreme::run::<Wrapping<i32>>(scan.running, &around, from, y, at.cast()),
                    _ => extreme::run::<Wrapping<u8>>(scan.running, &around, from, y, at.cast()),
                }
            }
        }));
    });
    let values = values.expect("filled while the positions were");
    vec![if wide == specs[0] { values } else { cast_tensor(&values, specs[0]) }, at]
}

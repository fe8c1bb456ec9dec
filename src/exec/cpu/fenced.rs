//! Memory between pages that cannot be touched: a kernel that reads or writes beyond its operands dies of it.

use std::ffi::{c_int, c_void};

// What std links to anyway; the numbers below are the kernel's on every 64-bit Linux but MIPS.
unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        size: usize,
        access: c_int,
        flags: c_int,
        file: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn mprotect(at: *mut c_void, size: usize, access: c_int) -> c_int;
    fn munmap(at: *mut c_void, size: usize) -> c_int;
}
const NO_ACCESS: c_int = 0;
const READ_AND_WRITE: c_int = 1 | 2;
const PRIVATE_ANONYMOUS: c_int = 0x02 | 0x20;
/// A multiple of every page size in use.
const SEGMENT: usize = 65_536;

/// A segment of memory between two that cannot be touched.
pub(crate) struct Fenced(*mut u8);

impl Fenced {
    pub(crate) fn new() -> Fenced {
        // SAFETY: a fresh private mapping; the result is checked.
        let all = unsafe { mmap(std::ptr::null_mut(), 3 * SEGMENT, NO_ACCESS, PRIVATE_ANONYMOUS, -1, 0) };
        assert_ne!(all as isize, -1, "mmap failed");
        let middle = all.cast::<u8>().wrapping_add(SEGMENT);
        // SAFETY: the middle third of the mapping just made.
        assert_eq!(unsafe { mprotect(middle.cast(), SEGMENT, READ_AND_WRITE) }, 0);
        Fenced(middle)
    }

    /// The first `n` elements of the segment, or the last; zero at first.
    pub(crate) fn elements<T>(&self, n: usize, at_end: bool) -> *mut T {
        assert!(n * size_of::<T>() <= SEGMENT);
        self.0.wrapping_add(if at_end { SEGMENT - n * size_of::<T>() } else { 0 }).cast()
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        // SAFETY: the whole mapping that `new` made, which nothing refers to any more.
        unsafe { munmap(self.0.wrapping_sub(SEGMENT).cast(), 3 * SEGMENT) };
    }
}

/// The kernels whose own tests know nothing of pages. The others: `lanes/tests.rs`, `gemm/tests.rs`.
mod tests {
    use super::*;
    use crate::exec::Fold;
    use crate::exec::cpu::isa::{Isa, with_isa};
    use crate::exec::cpu::operand::Operand;
    use crate::exec::cpu::{cast, random, reduce, transpose};
    use crate::ops::Distribution;
    use crate::tensor::{AxisSet, DType, IntoShape};

    /// A matrix of `dtype` at an end of the segment: row-major, or transposed.
    fn matrix(fence: &Fenced, dtype: DType, [rows, cols]: [usize; 2], turned: bool, at_end: bool) -> Operand {
        let bytes = rows * cols * dtype.size();
        let shape = [rows, cols].into_shape().expect("a small shape");
        let mut strides = shape.strides();
        if turned {
            strides[..2].copy_from_slice(&[1, rows as isize]);
        }
        let ptr = fence.elements::<u8>(bytes, at_end);
        Operand { ptr, dtype, shape, strides, contiguous: !turned }
    }

    /// Runs `check` on every instruction set, for lengths around every register's, at both ends.
    fn everywhere(check: impl Fn([usize; 2], bool)) {
        for isa in Isa::available() {
            for rows in [1, 2, 3, 7, 16, 33] {
                for cols in [1, 2, 5, 8, 15, 17, 31, 64, 65, 100] {
                    with_isa(isa, || [false, true].map(|at_end| check([rows, cols], at_end)));
                }
            }
        }
    }

    #[test]
    fn reductions_stay_inside_their_operands() {
        let (x, y) = (Fenced::new(), Fenced::new());
        let folds = [Fold::Sum, Fold::Prod, Fold::Max, Fold::ArgMin];
        everywhere(|[rows, cols], at_end| {
            for dtype in [DType::F32, DType::F64, DType::I32, DType::U8] {
                for (turned, fold) in folds.iter().flat_map(|&fold| [(false, fold), (true, fold)]) {
                    for (axes, kept) in
                        [(AxisSet::one(0), cols), (AxisSet::one(1), rows), (AxisSet::all(2), 1)]
                    {
                        if fold == Fold::ArgMin && axes == AxisSet::all(2) {
                            continue;
                        }
                        let size = if fold == Fold::ArgMin { 8 } else { dtype.size() };
                        let operand = matrix(&x, dtype, [rows, cols], turned, at_end);
                        // SAFETY: the segments hold the operand and `kept` results.
                        unsafe { reduce::reduce(fold, axes, &operand, y.elements(kept * size, at_end)) };
                    }
                }
            }
        });
    }

    #[test]
    fn casts_copies_and_draws_stay_inside_their_operands() {
        let (x, y) = (Fenced::new(), Fenced::new());
        everywhere(|[rows, cols], at_end| {
            let n = rows * cols;
            for dtype in DType::ALL {
                for turned in [false, true] {
                    let operand = matrix(&x, dtype, [rows, cols], turned, at_end);
                    // SAFETY: the segments hold `n` elements each.
                    unsafe { transpose::copy(&operand, y.elements(n * dtype.size(), at_end)) };
                }
                for to in DType::ALL {
                    let from = matrix(&x, dtype, [rows, cols], false, at_end).ptr;
                    // SAFETY: as above.
                    unsafe { cast::cast(dtype, from, to, y.elements(n * to.size(), at_end), n) };
                }
                if dtype.is_float() {
                    let to = y.elements(n * dtype.size(), at_end);
                    // SAFETY: as above.
                    unsafe { random::draw(Distribution::Normal, dtype, [1, 2], n, to) };
                }
            }
        });
    }
}

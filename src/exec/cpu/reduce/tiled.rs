//! Folds that are handed their elements a tile at a time: what fused kernels are made with.
//!
//! If every tile of a row but the last is a multiple of [`CHUNK`] long and the last is not shorter than [`SHORTEST`]
//! (or is the only one), the bits are those of the fold of the whole row. So are those of columns of [`SHORTEST`] or
//! more that are handed over [`GROUP`] rows at a time.

use std::marker::PhantomData;
use std::num::Wrapping;

use super::fold::{self, LANES, TREE};
use super::law::{Element, Law, Max, Min, Prod, Sum, in_pairs};
use super::layout::Axis;
use super::run;
use crate::exec::Fold;
use crate::exec::cpu::job::Job;
use crate::tensor::DType;

/// Elements that a row is folded by.
pub(crate) const CHUNK: usize = TREE * LANES;
/// Elements below which a row is folded in another way.
pub(crate) const SHORTEST: usize = LANES;
/// Rows that columns are folded by.
pub(crate) const GROUP: usize = TREE;
/// Totals that a row is folded into, of up to eight bytes each.
pub(crate) const ROW_TOTALS: usize = LANES;

/// Something to be done for a type and a law.
trait Act {
    /// # Safety
    /// The pointers of the act are to elements of `T` and totals of `L`.
    unsafe fn act<T: Element, L: Law<T>>(self);
}

/// # Safety
/// The pointers of the act are to elements of `dtype` and totals of the fold.
unsafe fn act(fold: Fold, dtype: DType, act: impl Act) {
    /// # Safety
    /// As above.
    unsafe fn typed<T: Element>(fold: Fold, act: impl Act) {
        // SAFETY: the caller's promise.
        unsafe {
            match fold {
                Fold::Sum => act.act::<T, Sum>(),
                Fold::Prod => act.act::<T, Prod>(),
                Fold::Max => act.act::<T, Max>(),
                Fold::Min => act.act::<T, Min>(),
                Fold::ArgMax | Fold::ArgMin => unreachable!("positions are not folded by tiles"),
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            DType::F32 => typed::<f32>(fold, act),
            DType::F64 => typed::<f64>(fold, act),
            DType::I64 => typed::<Wrapping<i64>>(fold, act),
            DType::I32 => typed::<Wrapping<i32>>(fold, act),
            DType::U8 | DType::Bool => typed::<Wrapping<u8>>(fold, act),
            DType::F16 | DType::BF16 => unreachable!("16-bit floats are reduced as f32"),
        }
    }
}

/// Folds each of `rows` rows of `n` elements into `y`.
///
/// # Safety
/// `x` is valid for the rows, which lie without gaps, and `y` for an element each; they do not overlap.
pub(crate) unsafe fn rows(fold: Fold, dtype: DType, x: *const u8, [rows, n]: [usize; 2], y: *mut u8) {
    struct Rows {
        x: *const u8,
        rows: usize,
        n: usize,
        y: *mut u8,
    }
    impl Act for Rows {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            let Rows { x, rows, n, y } = self;
            // SAFETY: the caller's promise.
            unsafe { run::<T>(WholeRows::<T, L> { x: x.cast(), rows, n, y: y.cast(), law: PhantomData }) }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, Rows { x, rows, n, y }) }
}

struct WholeRows<T, L> {
    x: *const T,
    rows: usize,
    n: usize,
    y: *mut T,
    law: PhantomData<L>,
}

impl<T: Element, L: Law<T>> Job for WholeRows<T, L> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        /// Short rows whose totals are kept at a time.
        const SHORT_ROWS: usize = 64;
        let WholeRows { x, rows, n, y, .. } = self;
        // SAFETY: the job's promise: `i < rows`.
        unsafe {
            if n >= LANES {
                for i in 0..rows {
                    *y.add(i) = fold::fold_whole_row::<T, L>(x.add(i * n), n);
                }
                return;
            }
            let mut done = 0;
            while done < rows {
                let count = SHORT_ROWS.min(rows - done);
                let mut totals = [L::lift(L::NEUTRAL); SHORT_ROWS];
                let row = Axis { n, x: 1, y: 0 };
                let totals = &mut totals[..count];
                fold::fold_strided_columns::<T, L>(x.add(done * n), row, n as isize, totals);
                for (i, &total) in totals.iter().enumerate() {
                    *y.add(done + i) = L::finish(total, 1);
                }
                done += count;
            }
        }
    }
}

/// Writes `n` totals of nothing.
///
/// # Safety
/// `totals` has room for `n` of up to eight bytes, which it is aligned for.
pub(crate) unsafe fn begin(fold: Fold, dtype: DType, totals: *mut u8, n: usize) {
    struct Begin(*mut u8, usize);
    impl Act for Begin {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            // SAFETY: the caller's promise.
            (0..self.1).for_each(|i| unsafe { self.0.cast::<L::Total>().add(i).write(L::lift(L::NEUTRAL)) });
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, Begin(totals, n)) }
}

/// Folds `n` elements into the [`ROW_TOTALS`] totals of a row.
///
/// # Safety
/// `x` is valid for `n` elements, and the totals were begun for the same fold.
pub(crate) unsafe fn add(fold: Fold, dtype: DType, x: *const u8, n: usize, totals: *mut u8) {
    struct Add(*const u8, usize, *mut u8);
    impl Act for Add {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            let Add(x, n, totals) = self;
            // SAFETY: the caller's promise.
            unsafe { run::<T>(Part::<T, L> { x: x.cast(), n, totals: &mut *totals.cast() }) }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, Add(x, n, totals)) }
}

struct Part<'a, T: Element, L: Law<T>> {
    x: *const T,
    n: usize,
    totals: &'a mut [L::Total; LANES],
}

impl<T: Element, L: Law<T>> Job for Part<'_, T, L> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the job's promise.
        unsafe { fold::fold_row::<T, L>(self.x, self.n, self.totals) }
    }
}

/// Writes the result of a row's totals.
///
/// # Safety
/// The totals were begun for the same fold, and `y` has room for an element.
pub(crate) unsafe fn finish(fold: Fold, dtype: DType, totals: *const u8, y: *mut u8) {
    struct Finish(*const u8, *mut u8);
    impl Act for Finish {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            // SAFETY: the caller's promise.
            unsafe {
                let totals = *self.0.cast::<[L::Total; LANES]>();
                self.1.cast::<T>().write(L::finish(in_pairs(totals, L::join), 1));
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, Finish(totals, y)) }
}

/// Folds `rows` rows of `n` elements into a total for each column.
///
/// # Safety
/// `x` is valid for the rows, which lie without gaps, and `n` totals were begun for the same fold.
pub(crate) unsafe fn add_rows(
    fold: Fold,
    dtype: DType,
    x: *const u8,
    [rows, n]: [usize; 2],
    totals: *mut u8,
) {
    struct AddRows {
        x: *const u8,
        rows: usize,
        n: usize,
        totals: *mut u8,
    }
    impl Act for AddRows {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            let AddRows { x, rows, n, totals } = self;
            // SAFETY: the caller's promise.
            unsafe {
                let totals = std::slice::from_raw_parts_mut(totals.cast(), n);
                run::<T>(SomeRows::<T, L> { x: x.cast(), rows, totals });
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, AddRows { x, rows, n, totals }) }
}

struct SomeRows<'a, T: Element, L: Law<T>> {
    x: *const T,
    rows: usize,
    totals: &'a mut [L::Total],
}

impl<T: Element, L: Law<T>> Job for SomeRows<'_, T, L> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        let SomeRows { x, rows, totals } = self;
        let n = totals.len();
        // SAFETY: the job's promise.
        unsafe {
            if n < LANES {
                fold::fold_narrow_columns::<T, L>(x, rows, totals)
            } else {
                fold::fold_columns::<T, L>(x, Axis { n: rows, x: n as isize, y: 0 }, totals)
            }
        }
    }
}

/// Writes the results of `n` columns' totals.
///
/// # Safety
/// The totals were begun for the same fold, and `y` has room for `n` elements.
pub(crate) unsafe fn finish_columns(fold: Fold, dtype: DType, totals: *const u8, n: usize, y: *mut u8) {
    struct FinishColumns(*const u8, usize, *mut u8);
    impl Act for FinishColumns {
        unsafe fn act<T: Element, L: Law<T>>(self) {
            let FinishColumns(totals, n, y) = self;
            for i in 0..n {
                // SAFETY: the caller's promise.
                unsafe { *y.cast::<T>().add(i) = L::finish(*totals.cast::<L::Total>().add(i), 1) };
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { act(fold, dtype, FinishColumns(totals, n, y)) }
}

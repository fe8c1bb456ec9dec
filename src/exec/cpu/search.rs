//! The Search class: where elements go in sorted rows.

use std::num::Wrapping;

use super::operand::{Destination, Operand};
use super::reduce::law::{Element, is_nan};
use super::staged::Staged;
use crate::ops::Side;
use crate::tensor::DType;

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(side: Side, sorted: &Operand, x: &Operand, y: &Destination) {
    // SAFETY: the caller's promise; `rows` rows of `n` elements, and `each` elements to place in each of them.
    unsafe {
        let [sorted, x] = [sorted, x].map(|x| Staged::of(x).computable().gapless());
        let last = sorted.shape.rank() - 1;
        let rows = sorted.shape.without(last).numel();
        let sizes = [rows, sorted.shape.dim(last), x.numel() / rows.max(1)];
        let (row, from, to) = (sorted.ptr, x.ptr, y.ptr.cast());
        match sorted.dtype {
            DType::F32 => search_rows::<f32>(side, sizes, row, from, to),
            DType::F64 => search_rows::<f64>(side, sizes, row, from, to),
            DType::I64 => search_rows::<Wrapping<i64>>(side, sizes, row, from, to),
            DType::I32 => search_rows::<Wrapping<i32>>(side, sizes, row, from, to),
            _ => search_rows::<Wrapping<u8>>(side, sizes, row, from, to),
        }
    }
}

/// # Safety
/// `sorted` has `rows` rows of `n` elements, `x` and `y` have `each` for every row.
unsafe fn search_rows<T: Element>(
    side: Side,
    [rows, n, each]: [usize; 3],
    sorted: *const u8,
    x: *const u8,
    y: *mut i64,
) {
    let (sorted, x) = (sorted.cast::<T>(), x.cast::<T>());
    for row in 0..rows {
        // SAFETY: the caller's promise.
        let (sorted, x) = unsafe {
            (
                std::slice::from_raw_parts(sorted.add(row * n), n),
                std::slice::from_raw_parts(x.add(row * each), each),
            )
        };
        for (i, &x) in x.iter().enumerate() {
            let before = |other: T| match side {
                Side::Left => is_before(other, x),
                Side::Right => !is_before(x, other),
            };
            // SAFETY: `i < each`.
            unsafe { *y.add(row * each + i) = sorted.partition_point(|&other| before(other)) as i64 };
        }
    }
}

/// Whether `a` comes before `b` in a sorted row: NaN is greatest.
#[inline(always)]
fn is_before<T: Element>(a: T, b: T) -> bool {
    (a < b) | (is_nan(b) & !is_nan(a))
}

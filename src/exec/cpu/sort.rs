//! The Sort class: part of each row of the last axis, in order.
//!
//! Every element becomes a key, an unsigned integer of the same order, and key and position together one integer, so
//! that no two are equal, any sort is stable, and sorting moves nothing else.
//!
//! | file | contents |
//! |---|---|
//! | `key` | keys, and keys packed with positions |
//! | `radix` | whole rows |
//! | `select` | few places of a row |

mod key;
mod radix;
mod select;
#[cfg(test)]
mod tests;

use super::operand::{Destination, Operand};
use super::staged::Staged;
use crate::exec::Sorting;
use crate::ops::Order;
use crate::tensor::{DType, bf16, f16};
use key::{Key, Packed};

/// Rows up to this length are sorted by comparing: a radix sort costs more than its histograms save (Zen 3, f32: 1.8
/// against 1.9 microseconds at 256, 0.9 against 1.2 at 128).
const SHORT: usize = 256;

/// Computes values and positions.
///
/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(sorting: Sorting, x: &Operand, y: &[Destination]) {
    if y[0].spec.shape.numel() == 0 {
        return;
    }
    // SAFETY: the caller's promise; the input has `rows` rows of `n` elements, each output one of `sorting.len` for each.
    unsafe {
        let x = Staged::of(x).gapless();
        let n = x.shape.dim(x.shape.rank() - 1);
        let (rows, from, to, at) = (x.numel() / n, x.ptr, y[0].ptr, y[1].ptr.cast());
        match x.dtype {
            DType::F32 => sort_rows::<f32>(sorting, rows, n, from, to, at),
            DType::F64 => sort_rows::<f64>(sorting, rows, n, from, to, at),
            DType::F16 => sort_rows::<f16>(sorting, rows, n, from, to, at),
            DType::BF16 => sort_rows::<bf16>(sorting, rows, n, from, to, at),
            DType::I64 => sort_rows::<i64>(sorting, rows, n, from, to, at),
            DType::I32 => sort_rows::<i32>(sorting, rows, n, from, to, at),
            DType::U8 | DType::Bool => sort_rows::<u8>(sorting, rows, n, from, to, at),
        }
    }
}

/// # Safety
/// `x` has `rows` rows of `n` elements `T`; `y` and `at` have room for `sorting.len` of each.
unsafe fn sort_rows<T: Key>(sorting: Sorting, rows: usize, n: usize, x: *const u8, y: *mut u8, at: *mut i64) {
    let (x, y) = (x.cast::<T>(), y.cast::<T>());
    for row in 0..rows {
        // SAFETY: the caller's promise.
        let x = unsafe { std::slice::from_raw_parts(x.add(row * n), n) };
        let mut i = row * sorting.len;
        in_order(sorting, x, |position| {
            // SAFETY: `in_order` yields `sorting.len` positions in the row.
            unsafe {
                *y.add(i) = *x.get_unchecked(position as usize);
                *at.add(i) = i64::from(position);
            }
            i += 1;
        });
        debug_assert_eq!(i, (row + 1) * sorting.len);
    }
}

/// Hands the wanted positions of a row to `take`, in order.
fn in_order<T: Key>(sorting: Sorting, x: &[T], take: impl FnMut(u32)) {
    match sorting.order {
        Order::Ascending => in_order_of(sorting, x, |x| x.key(), take),
        Order::Descending => in_order_of(sorting, x, |x| T::GREATEST - x.key(), take),
    }
}

fn in_order_of<T: Key>(sorting: Sorting, x: &[T], key: impl Fn(T) -> u64 + Copy, mut take: impl FnMut(u32)) {
    let (start, end) = (sorting.start, sorting.start + sorting.len);
    if x.len() > SHORT && 2 * sorting.len > x.len() {
        radix::sort(x, key, |order| order[start..end].iter().for_each(|packed| take(packed.position())));
    } else if T::GREATEST <= u64::from(u32::MAX) {
        select::places::<T, u64>(x, key, start, end, |packed| take(packed.position()));
    } else {
        select::places::<T, u128>(x, key, start, end, |packed| take(packed.position()));
    }
}

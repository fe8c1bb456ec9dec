//! Copies of transposed operands.

use std::mem::MaybeUninit;

use super::operand::{self, Operand, Runs};
use crate::tensor::MAX_RANK;

/// Bytes of a cache line: a block is as many elements wide and high.
const LINE: usize = 64;

/// Up to so many bytes one element after the other is no slower: all lines stay in the first-level cache.
const CACHED: usize = 16 << 10;

/// An axis of the output: its length, and its strides in the operand and in the output.
#[derive(Clone, Copy)]
struct Axis {
    n: usize,
    x: isize,
    y: isize,
}

/// Copies an operand to consecutive places in row-major order; faster than [`operand::copy`] where neighbours in the
/// output lie far apart in memory and neighbours in memory far apart in the output.
///
/// # Safety
/// `to` has room for all elements and does not overlap the operand.
pub(crate) unsafe fn copy(x: &Operand, to: *mut u8) {
    let (mut axes, mut count) = ([Axis { n: 1, x: 0, y: 0 }; MAX_RANK], 0);
    let mut step = 1;
    let runs = Runs::new(&x.shape, &x.strides);
    for &(n, stride) in runs.axes().iter().rev() {
        axes[count] = Axis { n, x: stride, y: step };
        step *= n as isize;
        count += 1;
    }
    let axes = &mut axes[..count];
    let bytes = step as usize * x.dtype.size();
    let near = axes.iter().position(|axis| axis.x == 1).filter(|_| bytes > CACHED);
    // SAFETY: the caller's promise; the axes describe exactly the operand and its copy, of elements of this size.
    unsafe {
        match (near, x.dtype.size()) {
            (None | Some(0), _) => operand::copy(x, to),
            (Some(near), size) => {
                // The inner axis of the output first, then that of the memory, then the others.
                axes.swap(1, near);
                match size {
                    1 => transpose::<u8, LINE>(x.ptr.cast(), to.cast(), axes),
                    2 => transpose::<u16, { LINE / 2 }>(x.ptr.cast(), to.cast(), axes),
                    4 => transpose::<u32, { LINE / 4 }>(x.ptr.cast(), to.cast(), axes),
                    _ => transpose::<u64, { LINE / 8 }>(x.ptr.cast(), to.cast(), axes),
                }
            }
        }
    }
}

/// Copies `rows` rows of `columns` elements to as many columns.
///
/// # Safety
/// `x` and `y` have so many elements and do not overlap.
pub(super) unsafe fn matrix<T: Copy>(x: *const T, rows: usize, columns: usize, y: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { strided_matrix(x, columns as isize, [rows, columns], y, rows as isize) }
}

/// As [`matrix`], of rows that begin so many elements after one another, to columns that do.
///
/// # Safety
/// As [`matrix`].
pub(super) unsafe fn strided_matrix<T: Copy>(
    x: *const T,
    x_stride: isize,
    [rows, columns]: [usize; 2],
    y: *mut T,
    y_stride: isize,
) {
    let across = Axis { n: rows, x: x_stride, y: 1 };
    let along = Axis { n: columns, x: 1, y: y_stride };
    // SAFETY: the caller's promise.
    unsafe { transpose::<T, 16>(x, y, &[across, along]) }
}

/// Copies along `axes`, of which the first has stride 1 in `y` and the second in `x`, in blocks of `B` by `B`.
///
/// # Safety
/// The axes describe elements of `x` and places of `y`, which do not overlap.
unsafe fn transpose<T: Copy, const B: usize>(x: *const T, y: *mut T, axes: &[Axis]) {
    let [across, along, outer @ ..] = axes else { unreachable!("a transposition has two axes") };
    let mut at = [0; MAX_RANK];
    let (mut from, mut to) = (0, 0);
    loop {
        for j in (0..along.n).step_by(B) {
            for i in (0..across.n).step_by(B) {
                // SAFETY: the caller's promise: the block lies within both axes.
                unsafe {
                    let x = x.offset(from + j as isize + i as isize * across.x);
                    let y = y.offset(to + i as isize + j as isize * along.y);
                    let size = (B.min(across.n - i), B.min(along.n - j));
                    transpose_block::<T, B>(x, across.x, y, along.y, size);
                }
            }
        }
        // On to the next position of the outer axes.
        let mut axis = 0;
        loop {
            let Some(step) = outer.get(axis) else { return };
            at[axis] += 1;
            (from, to) = (from + step.x, to + step.y);
            if at[axis] < step.n {
                break;
            }
            at[axis] = 0;
            (from, to) = (from - step.n as isize * step.x, to - step.n as isize * step.y);
            axis += 1;
        }
    }
}

/// Copies `rows` rows of `columns` contiguous elements to as many columns.
///
/// Whole lines are read into a buffer and whole lines written from it: strides that are powers of two put all rows in
/// the same few places of the cache, so a line is not to be needed twice.
///
/// # Safety
/// `x` has the rows, `x_stride` apart, and `y` room for the columns as rows, `y_stride` apart; both counts are at
/// most `B`.
#[inline(always)]
unsafe fn transpose_block<T: Copy, const B: usize>(
    x: *const T,
    x_stride: isize,
    y: *mut T,
    y_stride: isize,
    (rows, columns): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        if (rows, columns) == (B, B) {
            // Counts known to the compiler.
            let mut block = MaybeUninit::<[[T; B]; B]>::uninit();
            let block = block.as_mut_ptr().cast::<T>();
            for i in 0..B {
                let row = x.offset(i as isize * x_stride);
                prefetch(row.wrapping_add(2 * B));
                *block.add(i * B).cast::<[T; B]>() = *row.cast::<[T; B]>();
            }
            #[cfg(target_arch = "x86_64")]
            if size_of::<T>() == 4 {
                return write_turned::<B>(block.cast(), y.cast(), y_stride);
            }
            for j in 0..B {
                for i in 0..B {
                    *y.offset(j as isize * y_stride).add(i) = *block.add(i * B + j);
                }
            }
            return;
        }
        for i in 0..rows {
            for j in 0..columns {
                *y.offset(j as isize * y_stride + i as isize) = *x.offset(i as isize * x_stride + j as isize);
            }
        }
    }
}

/// Asks for a line of the row some blocks ahead: more rows are read side by side than the CPU follows by itself (32 rows
/// of 676 f32 from beyond the second-level cache: 0.7 of the time).
#[inline(always)]
fn prefetch<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which touches nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Writes the columns of a block as rows: four by four numbers of 32 bits in registers, in a third of the time that it
/// takes one by one.
///
/// # Safety
/// `block` has `B` rows of `B`, and `y` room for them, `y_stride` apart.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn write_turned<const B: usize>(block: *const u32, y: *mut u32, y_stride: isize) {
    use std::arch::x86_64::*;
    const { assert!(B.is_multiple_of(4)) };
    for (j, i) in (0..B).step_by(4).flat_map(|j| (0..B).step_by(4).map(move |i| (j, i))) {
        // SAFETY: the caller's promise; every x86-64 CPU has these instructions.
        unsafe {
            let row = |r: usize| _mm_loadu_si128(block.add((i + r) * B + j).cast());
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
            let write = |column: usize, numbers| {
                _mm_storeu_si128(y.offset((j + column) as isize * y_stride).add(i).cast(), numbers);
            };
            write(0, _mm_unpacklo_epi64(ab, cd));
            write(1, _mm_unpackhi_epi64(ab, cd));
            write(2, _mm_unpacklo_epi64(ab_high, cd_high));
            write(3, _mm_unpackhi_epi64(ab_high, cd_high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{DType, Shape};

    /// Copies a permutation of a block and of every second of its rows, both ways.
    fn check(dtype: DType, dims: &[usize], order: &[usize]) {
        let shape = Shape::checked(dims).unwrap();
        let data: Vec<u8> = (0..shape.numel() * dtype.size()).map(|i| (i * 7 + i / 256) as u8).collect();
        let permuted: Vec<usize> = order.iter().map(|&i| dims[i]).collect();
        let mut strides = [0; MAX_RANK];
        for (to, &from) in order.iter().enumerate() {
            strides[to] = shape.strides()[from];
        }
        for skip in [1, 2] {
            let mut dims = permuted.clone();
            dims[0] = dims[0].div_ceil(skip);
            let mut strides = strides;
            strides[0] *= skip as isize;
            let shape = Shape::checked(&dims).unwrap();
            let x = Operand { ptr: data.as_ptr(), dtype, shape, strides, contiguous: false };
            let (mut got, mut expected) = (vec![0u8; data.len()], vec![0u8; data.len()]);
            // SAFETY: both have room for all elements, and the operand lies within `data`.
            unsafe {
                copy(&x, got.as_mut_ptr());
                operand::copy(&x, expected.as_mut_ptr());
            }
            assert!(got == expected, "{dtype} {dims:?} {order:?} {skip}");
        }
    }

    #[test]
    fn transposed_copies_are_the_plain_ones() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::U8] {
            for n in [1, 2, 15, 16, 17, 33, 64, 65, 130] {
                check(dtype, &[n, 1040], &[1, 0]);
                check(dtype, &[1040, n], &[1, 0]);
                check(dtype, &[65, n, 35], &[2, 0, 1]);
                check(dtype, &[20, 9, n, 14], &[1, 3, 0, 2]);
                check(dtype, &[30, 50, n], &[0, 2, 1]);
            }
            check(dtype, &[0, 4], &[1, 0]);
            check(dtype, &[3, 4, 5], &[0, 1, 2]);
        }
    }
}

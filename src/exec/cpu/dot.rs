//! The Dot class: products of matrices, one for each position of the leading axes.

use super::gemm::{Mat, MatMut, PART_WORK, gemm, product_naive};
use super::operand::{Destination, Operand};
use super::staged::Staged;
use crate::exec::threads::{self, Shared};
use crate::tensor::DType;

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(x: &[Operand], y: &Destination) {
    let dtype = y.spec.dtype.compute();
    // SAFETY: the caller's promise.
    unsafe {
        let (a, b) = (Staged::of(&x[0]).computable(), Staged::of(&x[1]).computable());
        y.rounded_from(dtype, |to| match dtype {
            DType::F32 => each_matrix::<f32>(&a, &b, to.cast(), gemm::<f32>),
            DType::F64 => each_matrix::<f64>(&a, &b, to.cast(), gemm::<f64>),
            DType::I64 => each_matrix::<i64>(&a, &b, to.cast(), product_naive::<i64>),
            DType::I32 => each_matrix::<i32>(&a, &b, to.cast(), product_naive::<i32>),
            DType::U8 => each_matrix::<u8>(&a, &b, to.cast(), product_naive::<u8>),
            dtype => unreachable!("matmul on {dtype} is refused by infer"),
        });
    }
}

/// The product of matrices of `rows x depth` and `depth x cols`, given as `(rows, cols, depth, a, b, c)`.
type Product<T> = unsafe fn(usize, usize, usize, Mat<T>, Mat<T>, MatMut<T>);

/// # Safety
/// Operands are valid for their shapes, and `to` has room for all products.
unsafe fn each_matrix<T>(x: &Operand, y: &Operand, to: *mut T, compute: Product<T>) {
    let lead = x.shape.rank() - 2;
    let (rows, depth, cols) = (x.shape.dim(lead), x.shape.dim(lead + 1), y.shape.dim(lead + 1));
    let matrix = |operand: &Operand, offset: isize| Mat {
        // SAFETY: the offset is that of a position of the leading axes.
        ptr: unsafe { operand.ptr.cast::<T>().offset(offset) },
        row_stride: operand.strides[lead],
        col_stride: operand.strides[lead + 1],
    };
    let count: usize = x.shape[..lead].iter().map(|&d| d as usize).product();
    // SAFETY: products write elements of their own.
    let shared = unsafe { Shared::new((x, y, to)) };
    let least = PART_WORK.div_ceil((rows * depth * cols).max(1));
    threads::for_ranges(count, least, |positions| {
        let &(x, y, to) = shared.get();
        for position in positions {
            let (mut rest, mut at_x, mut at_y) = (position, 0, 0);
            for axis in (0..lead).rev() {
                let i = (rest % x.shape.dim(axis)) as isize;
                rest /= x.shape.dim(axis);
                at_x += i * x.strides[axis];
                at_y += i * y.strides[axis];
            }
            // SAFETY: the caller's promise; there are so many products before this one.
            unsafe {
                let to = to.add(position * rows * cols);
                let c = MatMut { ptr: to, row_stride: cols as isize, col_stride: 1 };
                compute(rows, cols, depth, matrix(x, at_x), matrix(y, at_y), c);
            }
        }
    });
}

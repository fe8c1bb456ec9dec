//! Large matrices, by faer, on the caller's thread. It works fastest on columns without gaps, so a matrix is handed
//! over as the columns of its transpose where that serves as well.

use std::mem::MaybeUninit;

use faer::dyn_stack::{MemStack, StackReq};
use faer::linalg::cholesky::llt;
use faer::linalg::lu::partial_pivoting;
use faer::linalg::triangular_solve as triangular;
use faer::perm::PermRef;
use faer::{MatMut, MatRef, Par};

use super::{BadPivot, Real, Triangle};
use crate::exec::cpu::scratch::Scratch;

const PAR: Par = Par::Seq;

/// Memory for what faer needs while it works.
fn memory(needed: StackReq) -> Scratch<MaybeUninit<u8>> {
    Scratch::filled(needed.unaligned_bytes_required(), MaybeUninit::uninit())
}

/// Factors the columns of `matrix` in place.
fn factor<'a, T: Real>(
    matrix: MatMut<'_, T>,
    order: &'a mut [usize],
    back: &'a mut [usize],
) -> PermRef<'a, usize> {
    let n = matrix.nrows();
    let scratch = partial_pivoting::factor::lu_in_place_scratch::<usize, T>(n, n, PAR, Default::default());
    let mut memory = memory(scratch);
    let stack = MemStack::new(&mut memory);
    partial_pivoting::factor::lu_in_place(matrix, order, back, PAR, stack, Default::default()).1
}

/// Replaces a matrix by its LU factorisation, and writes where its rows come from.
pub(super) fn lu<T: Real>(matrix: &mut [T], rows: &mut [i64]) {
    let n = rows.len();
    let mut turned = Scratch::filled(n * n, T::ZERO);
    let mut columns = MatMut::from_column_major_slice_mut(&mut turned, n, n);
    columns.copy_from(MatRef::from_row_major_slice(matrix, n, n));
    let (mut order, mut back) = (Scratch::filled(n, 0), Scratch::filled(n, 0));
    factor(columns.as_mut(), &mut order, &mut back);
    // faer divides by a pivot of zero.
    if (0..n).any(|k| columns[(k, k)] == T::ZERO) {
        return eliminate(matrix, rows);
    }
    for (i, (row, to)) in matrix.chunks_exact_mut(n).zip(rows).enumerate() {
        row.iter_mut().enumerate().for_each(|(j, element)| *element = columns[(i, j)]);
        *to = order[i] as i64;
    }
}

/// As [`lu`], by plain elimination, which leaves a column without a pivot as it is.
fn eliminate<T: Real>(matrix: &mut [T], rows: &mut [i64]) {
    let n = rows.len();
    rows.iter_mut().enumerate().for_each(|(i, row)| *row = i as i64);
    for k in 0..n {
        let greater = |best: usize, i: usize| {
            if matrix[i * n + k].magnitude() > matrix[best * n + k].magnitude() { i } else { best }
        };
        let best = (k..n).fold(k, greater);
        rows.swap(k, best);
        if best > k {
            let (above, below) = matrix.split_at_mut(best * n);
            above[k * n..][..n].swap_with_slice(&mut below[..n]);
        }
        let (above, below) = matrix.split_at_mut((k + 1) * n);
        let own = &above[k * n..];
        if own[k] == T::ZERO {
            continue;
        }
        for row in below.chunks_exact_mut(n) {
            let factor = row[k] / own[k];
            row[k] = factor;
            for (element, &pivot) in row[k + 1..].iter_mut().zip(&own[k + 1..]) {
                *element -= factor * pivot;
            }
        }
    }
}

/// Replaces a matrix by its inverse. Read as columns it is its transpose, and so is the result.
pub(super) fn invert<T: Real>(matrix: &mut [T], n: usize) -> Result<(), BadPivot> {
    let (mut order, mut back) = (Scratch::filled(n, 0), Scratch::filled(n, 0));
    let mut columns = MatMut::from_column_major_slice_mut(matrix, n, n);
    let order = factor(columns.as_mut(), &mut order, &mut back);
    if let Some(pivot) = (0..n).find(|&k| columns[(k, k)] == T::ZERO) {
        return Err(BadPivot(pivot));
    }
    let mut inverse = Scratch::filled(n * n, T::ZERO);
    let mut inverse = MatMut::from_column_major_slice_mut(&mut inverse, n, n);
    let mut memory = memory(partial_pivoting::inverse::inverse_scratch::<usize, T>(n, PAR));
    let (lu, stack) = (columns.as_ref(), MemStack::new(&mut memory));
    partial_pivoting::inverse::inverse(inverse.as_mut(), lu, lu, order, PAR, stack);
    columns.copy_from(inverse.as_ref());
    Ok(())
}

/// Replaces a symmetric matrix by its Cholesky factor.
pub(super) fn cholesky<T: Real>(matrix: &mut [T], n: usize) -> Result<(), BadPivot> {
    let scratch = llt::factor::cholesky_in_place_scratch::<T>(n, PAR, Default::default());
    let mut memory = memory(scratch);
    let columns = MatMut::from_column_major_slice_mut(matrix, n, n);
    let stack = MemStack::new(&mut memory);
    llt::factor::cholesky_in_place(columns, Default::default(), PAR, stack, Default::default())
        .map_err(|llt::factor::LltError::NonPositivePivot { index }| BadPivot(index))?;
    // NaN is not positive either.
    if let Some(pivot) = (0..n).find(|k| matrix[k * (n + 1)].is_nan()) {
        return Err(BadPivot(pivot));
    }
    // The factor lies below the diagonal of columns, which is above that of rows.
    for i in 0..n {
        for j in i + 1..n {
            matrix[j * n + i] = matrix[i * n + j];
            matrix[i * n + j] = T::ZERO;
        }
    }
    Ok(())
}

/// Replaces the rows of `b` by the solution of `T x = b`. No element of the diagonal is zero.
pub(super) fn substitute<T: Real>(triangle: &Triangle<'_, T>, b: &mut [T]) {
    let n = triangle.n;
    let columns = b.len() / n;
    let rows = MatRef::from_row_major_slice(triangle.matrix, n, n);
    let matrix = if triangle.strides == [n, 1] { rows } else { rows.transpose() };
    let b = MatMut::from_row_major_slice_mut(b, n, columns);
    match (triangle.lower, triangle.unit) {
        (true, true) => triangular::solve_unit_lower_triangular_in_place(matrix, b, PAR),
        (true, false) => triangular::solve_lower_triangular_in_place(matrix, b, PAR),
        (false, true) => triangular::solve_unit_upper_triangular_in_place(matrix, b, PAR),
        (false, false) => triangular::solve_upper_triangular_in_place(matrix, b, PAR),
    }
}

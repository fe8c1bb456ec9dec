//! Small matrices: rows on the stack, filled up to a width that the compiler knows, so that every loop over a row is
//! a few vector instructions. Plain elimination with partial pivoting (Golub and Van Loan, Matrix Computations, 3.4).

use super::{BadPivot, Real, Triangle};

type Rows<T, const W: usize> = [[T; W]; W];

#[inline(always)]
fn load<T: Real, const W: usize>(matrix: &[T], n: usize) -> Rows<T, W> {
    let mut rows = [[T::ZERO; W]; W];
    for (row, from) in rows.iter_mut().zip(matrix.chunks_exact(n)) {
        row[..n].copy_from_slice(from);
    }
    rows
}

#[inline(always)]
fn store<T: Real, const W: usize>(rows: &Rows<T, W>, matrix: &mut [T], n: usize) {
    for (row, to) in rows.iter().zip(matrix.chunks_exact_mut(n)) {
        to.copy_from_slice(&row[..n]);
    }
}

/// `row -= factor * other`.
#[inline(always)]
fn subtract<T: Real, const W: usize>(row: &mut [T; W], factor: T, other: &[T; W]) {
    for j in 0..W {
        row[j] -= factor * other[j];
    }
}

/// The first row from `k` on whose element in column `k` is greatest in magnitude.
#[inline(always)]
fn pivot<T: Real, const W: usize>(rows: &Rows<T, W>, k: usize, n: usize) -> usize {
    let mut best = k;
    for i in k + 1..n {
        if rows[i][k].magnitude() > rows[best][k].magnitude() {
            best = i;
        }
    }
    best
}

/// The row with zeros up to column `k`.
#[inline(always)]
fn beyond<T: Real, const W: usize>(row: &[T; W], k: usize) -> [T; W] {
    std::array::from_fn(|j| if j > k { row[j] } else { T::ZERO })
}

/// Replaces a matrix by its LU factorisation, and writes where its rows come from.
#[inline(always)]
pub(super) fn lu<T: Real, const W: usize>(matrix: &mut [T], order: &mut [i64]) {
    let n = order.len();
    let mut rows = load::<T, W>(matrix, n);
    order.iter_mut().enumerate().for_each(|(i, row)| *row = i as i64);
    for k in 0..n {
        let best = pivot(&rows, k, n);
        rows.swap(k, best);
        order.swap(k, best);
        let divisor = rows[k][k];
        // A column of zeros has nothing to eliminate.
        if divisor == T::ZERO {
            continue;
        }
        let rest = beyond(&rows[k], k);
        for row in &mut rows[k + 1..n] {
            let factor = row[k] / divisor;
            subtract(row, factor, &rest);
            row[k] = factor;
        }
    }
    store(&rows, matrix, n);
}

/// Replaces a matrix by its inverse: what elimination makes of the identity beside it.
#[inline(always)]
pub(super) fn invert<T: Real, const W: usize>(matrix: &mut [T], n: usize) -> Result<(), BadPivot> {
    let mut rows = load::<T, W>(matrix, n);
    let mut inverse = [[T::ZERO; W]; W];
    for (k, row) in inverse.iter_mut().enumerate() {
        row[k] = T::ONE;
    }
    for k in 0..n {
        let best = pivot(&rows, k, n);
        rows.swap(k, best);
        inverse.swap(k, best);
        let (own, beside) = (rows[k], inverse[k]);
        if own[k] == T::ZERO {
            return Err(BadPivot(k));
        }
        // What becomes of columns up to `k` below row `k` is not read again.
        for i in k + 1..n {
            let factor = rows[i][k] / own[k];
            subtract(&mut rows[i], factor, &own);
            subtract(&mut inverse[i], factor, &beside);
        }
    }
    for k in (0..n).rev() {
        let divisor = rows[k][k];
        for element in &mut inverse[k] {
            *element /= divisor;
        }
        let solved = inverse[k];
        for i in 0..k {
            subtract(&mut inverse[i], rows[i][k], &solved);
        }
    }
    store(&inverse, matrix, n);
    Ok(())
}

/// Replaces a symmetric matrix by its Cholesky factor, computed as the upper one, whose rows are its columns.
#[inline(always)]
pub(super) fn cholesky<T: Real, const W: usize>(matrix: &mut [T], n: usize) -> Result<(), BadPivot> {
    let mut rows = load::<T, W>(matrix, n);
    for k in 0..n {
        let square = rows[k][k];
        // NaN is not positive either.
        if square.partial_cmp(&T::ZERO) != Some(std::cmp::Ordering::Greater) {
            return Err(BadPivot(k));
        }
        let root = square.root();
        let own: [T; W] = std::array::from_fn(|j| rows[k][j] / root);
        rows[k] = own;
        for i in k + 1..n {
            subtract(&mut rows[i], own[i], &own);
        }
    }
    for i in 0..n {
        for j in 0..n {
            matrix[i * n + j] = if j <= i { rows[j][i] } else { T::ZERO };
        }
    }
    Ok(())
}

/// Replaces the rows of `b` by the solution of `T x = b`. No element of the diagonal is zero.
#[inline(always)]
pub(super) fn substitute<T: Real>(triangle: &Triangle<'_, T>, b: &mut [T]) {
    let n = triangle.n;
    let columns = b.len() / n;
    for step in 0..n {
        let k = if triangle.lower { step } else { n - 1 - step };
        let (before, rest) = b.split_at_mut(k * columns);
        let (own, after) = rest.split_at_mut(columns);
        if !triangle.unit {
            let divisor = triangle.at(k, k);
            for element in own.iter_mut() {
                *element /= divisor;
            }
        }
        let (others, first) = if triangle.lower { (after, k + 1) } else { (before, 0) };
        for (i, row) in others.chunks_exact_mut(columns).enumerate() {
            let factor = triangle.at(first + i, k);
            for (element, &solved) in row.iter_mut().zip(own.iter()) {
                *element -= factor * solved;
            }
        }
    }
}

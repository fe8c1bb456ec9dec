//! Matrices by the book: elimination, one number at a time, and cofactors.

use super::List;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::matrix::{Determinant, MatrixFunction};
use crate::tensor::{Number, Spec};

/// Rows of numbers.
type Matrix = Vec<Vec<f64>>;

/// The outputs of a function, matrix by matrix, as lists.
pub(super) fn compute(function: MatrixFunction, x: &[List], specs: &[Spec]) -> Result<Vec<Vec<Number>>> {
    let count = specs[0].shape[..x[0].spec.shape.rank() - 2].iter().product::<u32>() as usize;
    let mut outputs = vec![Vec::new(); specs.len()];
    for at in 0..count {
        let a = matrix(&x[0], at);
        let y: Vec<Vec<f64>> = match function {
            MatrixFunction::Lu => {
                let (lu, order) = lu(a);
                vec![lu.concat(), order.iter().map(|&row| row as f64).collect()]
            }
            MatrixFunction::LuSolve { transposed } => {
                let a = if transposed { transpose(&a) } else { a };
                vec![solved(&a, matrix(&x[3], at))?.concat()]
            }
            MatrixFunction::Inverse => vec![solved(&a, identity(a.len()))?.concat()],
            MatrixFunction::Determinant(what) => vec![vec![part(what, determinant(&a))]],
            MatrixFunction::Adjugate => vec![adjugate(&a).concat()],
            MatrixFunction::Cholesky => vec![cholesky(&a)?.concat()],
            MatrixFunction::TriangularSolve(system) => {
                let kept = |i: usize, j: usize| match i == j {
                    true if system.unit => 1.0,
                    true => a[i][j],
                    false if (j < i) == system.is_lower() => a[i][j],
                    false => 0.0,
                };
                let triangle = (0..a.len()).map(|i| (0..a.len()).map(|j| kept(i, j)).collect()).collect();
                vec![solved(&triangle, matrix(&x[1], at))?.concat()]
            }
        };
        for ((output, y), spec) in outputs.iter_mut().zip(y).zip(specs) {
            let number =
                |y: f64| if spec.dtype.is_float() { Number::Float(y) } else { Number::Int(y as i64) };
            output.extend(y.into_iter().map(number));
        }
    }
    Ok(outputs)
}

/// The matrix at a place of the batch.
fn matrix(x: &List, at: usize) -> Matrix {
    let rank = x.spec.shape.rank();
    let (rows, columns) = (x.spec.shape.dim(rank - 2), x.spec.shape.dim(rank - 1));
    let values: Vec<f64> =
        x.values[at * rows * columns..][..rows * columns].iter().map(|v| v.as_f64()).collect();
    (0..rows).map(|i| values[i * columns..][..columns].to_vec()).collect()
}

fn identity(n: usize) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

fn transpose(a: &Matrix) -> Matrix {
    (0..a.len()).map(|i| (0..a.len()).map(|j| a[j][i]).collect()).collect()
}

fn lu(mut a: Matrix) -> (Matrix, Vec<usize>) {
    let n = a.len();
    let mut order: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let greater = |best: usize, i: usize| if a[i][k].abs() > a[best][k].abs() { i } else { best };
        let best = (k..n).reduce(greater).expect("rows from `k` on");
        a.swap(k, best);
        order.swap(k, best);
        if a[k][k] == 0.0 {
            continue;
        }
        for i in k + 1..n {
            a[i][k] /= a[k][k];
            for j in k + 1..n {
                a[i][j] -= a[i][k] * a[k][j];
            }
        }
    }
    (a, order)
}

fn solved(a: &Matrix, b: Matrix) -> Result<Matrix> {
    let n = a.len();
    let (lu, order) = lu(a.clone());
    if (0..n).any(|k| lu[k][k] == 0.0) {
        return Err(Error::plain(ErrorKind::Data, "the matrix is singular"));
    }
    let mut y: Matrix = order.iter().map(|&row| b[row].clone()).collect();
    let subtract = |y: &mut Matrix, i: usize, k: usize| {
        let other = y[k].clone();
        y[i].iter_mut().zip(other).for_each(|(y, other)| *y -= lu[i][k] * other);
    };
    for i in 0..n {
        (0..i).for_each(|k| subtract(&mut y, i, k));
    }
    for i in (0..n).rev() {
        (i + 1..n).for_each(|k| subtract(&mut y, i, k));
        y[i].iter_mut().for_each(|y| *y /= lu[i][i]);
    }
    Ok(y)
}

fn determinant(a: &Matrix) -> f64 {
    let (lu, order) = lu(a.clone());
    let inversions =
        (0..order.len()).flat_map(|j| (0..j).map(move |i| (i, j))).filter(|&(i, j)| order[i] > order[j]);
    let sign = if inversions.count() % 2 == 0 { 1.0 } else { -1.0 };
    (0..a.len()).fold(sign, |product, k| product * lu[k][k])
}

fn part(what: Determinant, determinant: f64) -> f64 {
    match what {
        Determinant::Value => determinant,
        Determinant::Sign if determinant == 0.0 => 0.0,
        Determinant::Sign => determinant.signum(),
        Determinant::LogMagnitude => determinant.abs().ln(),
    }
}

fn adjugate(a: &Matrix) -> Matrix {
    let n = a.len();
    let cofactor = |i: usize, j: usize| {
        let rows = (0..n).filter(|&row| row != i);
        let minor = rows.map(|row| (0..n).filter(|&c| c != j).map(|c| a[row][c]).collect()).collect();
        determinant(&minor) * if (i + j).is_multiple_of(2) { 1.0 } else { -1.0 }
    };
    (0..n).map(|i| (0..n).map(|j| cofactor(j, i)).collect()).collect()
}

fn cholesky(a: &Matrix) -> Result<Matrix> {
    let n = a.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let rest = a[i][j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            if i == j && (rest <= 0.0 || rest.is_nan()) {
                return Err(Error::plain(ErrorKind::Data, "the matrix is not positive definite"));
            }
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
    }
    Ok(l)
}

//! Matrices of every way of computing against what defines their factors, singular ones included.

use super::*;
use crate::exec::cpu::isa::{Isa, with_isa};
use crate::ops::Triangle as Half;
use crate::tensor::Rng;

/// Lengths within and around each width, and above [`SMALL`].
const LENGTHS: [usize; 9] = [1, 2, 7, 8, 9, 16, 31, 33, 70];

fn random(seed: u64, rows: usize, columns: usize) -> Vec<f64> {
    Rng::seed(seed).randn([rows, columns]).to_vec().expect("numbers")
}

fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let columns = b.len() / n;
    let element = |i: usize| (0..n).map(|k| a[i / columns * n + k] * b[k * columns + i % columns]).sum();
    (0..n * columns).map(element).collect()
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|i| a[i % n * n + i / n]).collect()
}

#[track_caller]
fn close(got: &[f64], expected: &[f64]) {
    let scale = expected.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= 1e-9 * scale, "element {i}: {got} instead of {expected}");
    }
}

/// Runs `check` for every length, with every instruction set.
fn everywhere(check: impl Fn(usize)) {
    for isa in Isa::available() {
        with_isa(isa, || LENGTHS.into_iter().for_each(&check));
    }
}

fn factored(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<i64>) {
    let (mut lu, mut rows) = (matrix.to_vec(), vec![0; n]);
    // SAFETY: the slices outlive the job.
    unsafe { job::run(Factoring { lu: &mut lu, rows: &mut rows, n }) };
    (lu, rows)
}

#[test]
fn factors_multiply_to_the_matrix_with_its_rows_in_order() {
    everywhere(|n| {
        let mut a = random(n as u64, n, n);
        if n > 2 {
            // Singular: a row twice, and a column of zeros.
            let first = a[..n].to_vec();
            a[n..2 * n].copy_from_slice(&first);
            a.iter_mut().skip(1).step_by(n).for_each(|x| *x = 0.0);
        }
        let (lu, rows) = factored(&a, n);
        let part = |keep: fn(usize, usize) -> bool, one: f64| -> Vec<f64> {
            let element = |i: usize| match (i / n, i % n) {
                (row, column) if keep(row, column) => lu[i],
                (row, column) if row == column => one,
                _ => 0.0,
            };
            (0..n * n).map(element).collect()
        };
        let expected: Vec<f64> = rows.iter().flat_map(|&row| a[row as usize * n..][..n].to_vec()).collect();
        close(&product(&part(|i, j| i > j, 1.0), &part(|i, j| i <= j, 0.0), n), &expected);
    });
}

#[test]
fn inverses_and_solutions_undo_the_product() {
    everywhere(|n| {
        let a = random(n as u64, n, n);
        let mut inverse = a.clone();
        assert_eq!(Inverse { n }.one(0, &mut inverse), Ok(()));
        let identity: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect();
        close(&product(&a, &inverse, n), &identity);
        let (lu, rows) = factored(&a, n);
        let b = random(1, n, 3);
        for (transpose, a) in [(false, a.clone()), (true, transposed(&a, n))] {
            let mut y = b.clone();
            let factored = Factored { lu: &lu, rows: &rows, n };
            assert_eq!(factored.solve(transpose, &mut y), Ok(()));
            close(&product(&a, &y, n), &b);
        }
    });
}

#[test]
fn triangles_are_solved_without_reading_the_rest() {
    everywhere(|n| {
        let b = random(2, n, 2);
        for (half, unit) in
            [(Half::Lower, false), (Half::Lower, true), (Half::Upper, false), (Half::Upper, true)]
        {
            let system = if unit { half.unit_diagonal() } else { half.into() };
            let element = |(i, x): (usize, f64)| match (i / n, i % n) {
                (row, column) if row == column => {
                    if unit {
                        1.0
                    } else {
                        3.0 + x.abs()
                    }
                }
                (row, column) if (row > column) == (half == Half::Lower) => x / n as f64,
                _ => 0.0,
            };
            let triangle: Vec<f64> = random(3, n, n).into_iter().enumerate().map(element).collect();
            let read = |(i, &x): (usize, &f64)| match (i / n, i % n) {
                (row, column) if row == column && unit => f64::NAN,
                (row, column) if row != column && (row > column) != (half == Half::Lower) => f64::NAN,
                _ => x,
            };
            let matrices: Vec<f64> = triangle.iter().enumerate().map(read).collect();
            let mut y = b.clone();
            assert_eq!(Substitution { matrices: &matrices, n, system }.one(0, &mut y), Ok(()));
            close(&product(&triangle, &y, n), &b);
        }
    });
}

#[test]
fn cholesky_factors_multiply_to_the_matrix() {
    everywhere(|n| {
        let x = random(n as u64, n, n);
        let mut a = product(&x, &transposed(&x, n), n);
        a.iter_mut().step_by(n + 1).for_each(|x| *x += 1.0);
        let mut l = a.clone();
        assert_eq!(Cholesky { n }.one(0, &mut l), Ok(()));
        assert!((0..n * n).all(|i| i / n >= i % n || l[i] == 0.0));
        close(&product(&l, &transposed(&l, n), n), &a);
        // One negative eigenvalue.
        a[n * n - 1] -= 1e6;
        assert_eq!(Cholesky { n }.one(0, &mut a.clone()), Err(BadPivot(n - 1)));
        a[0] = f64::NAN;
        assert_eq!(Cholesky { n }.one(0, &mut a), Err(BadPivot(0)));
    });
}

#[test]
fn adjugates_of_singular_matrices_are_limits_of_those_beside_them() {
    for n in [2, 5, 9] {
        let mut a = random(n as u64, n, n);
        a.iter_mut().skip(n / 2).step_by(n).for_each(|x| *x = 0.0);
        let adjugate = |a: &[f64]| {
            let (lu, rows) = factored(a, n);
            let mut y = vec![0.0; n * n];
            assert_eq!(Adjugate(Factored { lu: &lu, rows: &rows, n }).one(0, &mut y), Ok(()));
            y
        };
        let moved: Vec<f64> = a.iter().zip(random(99, n, n)).map(|(a, v)| a + 1e-12 * v).collect();
        close(&adjugate(&a), &adjugate(&moved));
        assert!(adjugate(&a).iter().any(|y| y.abs() > 1e-3));
    }
}

//! Rows of linear algebra. Matrices are moved away from the singular ones by a multiple of the identity, wherever the
//! laws put the inputs.

use super::{Sample, normal, row};
use crate::tensor::Tensor;
use crate::{Triangle, Triangular};

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [inverses(), solutions(), determinants(), triangles(), choleskies()].into_iter().flatten().collect()
}

/// A matrix far from singular, whatever small numbers it is made of.
fn regular(x: &Tensor) -> Tensor {
    // The laws try numbers too, which are no matrices.
    if x.rank() < 2 {
        return x.clone();
    }
    x + Tensor::eye(x.size(-1)).to_dtype(x.dtype()) * 4.0
}

/// A symmetric, positive definite matrix.
fn definite(x: &Tensor) -> Tensor {
    let square = x.matmul(&x.t());
    if square.error().is_some() {
        return square;
    }
    &square + Tensor::eye(square.size(-1)).to_dtype(x.dtype())
}

fn inverses() -> Vec<Sample> {
    vec![
        row("inv", vec![normal(1, &[3, 3])], |x| regular(&x[0]).inv()),
        row("inv", vec![normal(2, &[2, 2, 4, 4])], |x| regular(&x[0]).inv()),
        row("inv", vec![normal(3, &[1, 1])], |x| regular(&x[0]).inv()),
        row("inv", vec![normal(3, &[2, 0, 0])], |x| x[0].inv()),
        row("inv", vec![normal(4, &[34, 34]) * 0.2], |x| regular(&x[0]).inv()),
        row("matrix_power", vec![normal(5, &[3, 3])], |x| regular(&x[0]).matrix_power(-3)),
    ]
}

fn solutions() -> Vec<Sample> {
    vec![
        row("solve", vec![normal(1, &[3, 3]), normal(2, &[3])], |x| regular(&x[0]).solve(&x[1])),
        row("solve", vec![normal(1, &[3, 3]), normal(2, &[3, 2])], |x| regular(&x[0]).solve(&x[1])),
        row("solve", vec![normal(1, &[2, 3, 3]), normal(2, &[2, 3])], |x| regular(&x[0]).solve(&x[1])),
        row("solve", vec![normal(1, &[2, 1, 3, 3]), normal(2, &[4, 3, 2])], |x| regular(&x[0]).solve(&x[1])),
        row("solve", vec![normal(1, &[2, 2]), normal(2, &[2, 0])], |x| regular(&x[0]).solve(&x[1])),
        row("solve", vec![normal(1, &[35, 35]) * 0.2, normal(2, &[35, 2])], |x| regular(&x[0]).solve(&x[1])),
    ]
}

fn determinants() -> Vec<Sample> {
    vec![
        row("det", vec![normal(1, &[1, 1])], |x| regular(&x[0]).det()),
        row("det", vec![normal(1, &[2, 2, 2])], |x| x[0].det()),
        row("det", vec![normal(1, &[3, 3])], |x| x[0].det()),
        row("det", vec![normal(1, &[2, 4, 4])], |x| regular(&x[0]).det()),
        row("det", vec![normal(1, &[3, 0, 0])], |x| x[0].det()),
        row("slogdet_sign", vec![normal(1, &[2, 4, 4])], |x| regular(&x[0]).slogdet().0),
        row("slogdet", vec![normal(1, &[2, 4, 4])], |x| regular(&x[0]).slogdet().1),
        row("logdet", vec![normal(1, &[3, 3])], |x| definite(&x[0]).logdet()),
        row("adjugate", vec![normal(1, &[4, 4]), normal(2, &[])], |x| {
            super::pull(&regular(&x[0]), &x[1], Tensor::det)
        }),
    ]
}

fn triangles() -> Vec<Sample> {
    fn solved(x: &[Tensor], system: impl Into<Triangular>) -> Tensor {
        regular(&x[0]).solve_triangular(&x[1], system)
    }
    let inputs = || vec![normal(1, &[2, 3, 3]), normal(2, &[3, 2])];
    let vectors = || vec![normal(1, &[3, 3]), normal(2, &[3])];
    vec![
        row("solve_triangular", inputs(), |x| solved(x, Triangle::Lower)),
        row("solve_triangular", inputs(), |x| solved(x, Triangle::Upper)),
        row("solve_triangular", vectors(), |x| solved(x, Triangle::Lower.unit_diagonal())),
        row("solve_triangular", vectors(), |x| solved(x, Triangle::Upper.unit_diagonal())),
        row("solve_triangular", vec![normal(1, &[36, 36]) * 0.2, normal(2, &[36])], |x| {
            solved(x, Triangle::Upper)
        }),
    ]
}

fn choleskies() -> Vec<Sample> {
    vec![
        row("cholesky", vec![normal(1, &[3, 3])], |x| definite(&x[0]).cholesky()),
        row("cholesky_upper", vec![normal(1, &[2, 4, 4])], |x| definite(&x[0]).cholesky_upper()),
        row("cholesky", vec![normal(1, &[0, 0])], |x| x[0].cholesky()),
        row("cholesky", vec![normal(1, &[33, 33]) * 0.2], |x| definite(&x[0]).cholesky()),
        row("cholesky_solve", vec![normal(1, &[3, 3]), normal(2, &[3, 2])], |x| {
            x[1].cholesky_solve(&regular(&x[0]), Triangle::Lower)
        }),
        row("cholesky_inverse", vec![normal(1, &[3, 3])], |x| {
            regular(&x[0]).cholesky_inverse(Triangle::Upper)
        }),
    ]
}

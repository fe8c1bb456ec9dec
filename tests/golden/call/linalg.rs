//! Rows of linear algebra: `linalg.py`.

use retrograd::{Tensor, Triangle, Triangular};

use super::Row::{Binary, General, Several, Unary};
use super::{Attrs, Row};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("cholesky", Unary(Tensor::cholesky)),
    ("cholesky_inverse", General(|x, a| x[0].cholesky_inverse(triangle(a)))),
    ("cholesky_solve", General(|x, a| x[0].cholesky_solve(&x[1], triangle(a)))),
    ("cholesky_upper", Unary(Tensor::cholesky_upper)),
    ("det", Unary(Tensor::det)),
    ("inv", Unary(Tensor::inv)),
    ("logdet", Unary(Tensor::logdet)),
    ("matrix_power_negative", General(|x, a| x[0].matrix_power(a.need("n")))),
    ("slogdet", Several(|x, _| <[Tensor; 2]>::from(x[0].slogdet()).to_vec())),
    ("solve", Binary(Tensor::solve)),
    ("solve_triangular", General(|x, a| x[0].solve_triangular(&x[1], triangular(a)))),
];

fn triangle(attrs: &Attrs) -> Triangle {
    if attrs.flag("lower") { Triangle::Lower } else { Triangle::Upper }
}

fn triangular(attrs: &Attrs) -> Triangular {
    if attrs.flag("unit") { triangle(attrs).unit_diagonal() } else { triangle(attrs).into() }
}

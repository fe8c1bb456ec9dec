//! What a wrong call of linear algebra is told, and data that have no result.

use retrograd::{Error, ErrorKind, Tensor, Triangle, grad_only, hvp};

use crate::f32s;

const SINGULAR: &str = "help: rows that depend on one another have no inverse; `det` tells, and a multiple of the identity helps";
const INDEFINITE: &str =
    "help: a covariance that is singular by rounding becomes definite with a small multiple of the identity";

#[test]
fn shapes_and_dtypes() {
    let (x, half) = (f32s(&[2, 3]), f32s(&[2, 2]).f16());
    table! {
        x.inv() => "inv: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        f32s(&[3]).det() => "det: needs a matrix, or several in the last two axes, got [3] | operands: f32[3]";
        half.inv() => "inv: linear algebra is done in f32 and f64, got f16 | operands: f16[2, 2] | help: convert with `.f32()` or `.f64()`";
        half.i64().cholesky() => "cholesky: linear algebra is done in f32 and f64, got i64 | operands: i64[2, 2] | help: convert with `.f32()` or `.f64()`";
        half.bf16().matrix_power(-1) => "inv: linear algebra is done in f32 and f64, got bf16 | operands: bf16[2, 2] | help: convert with `.f32()` or `.f64()`";
        x.slogdet().0 => "slogdet: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        x.slogdet().1 => "slogdet: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        x.logdet() => "logdet: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        x.cholesky_upper() => "cholesky: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        x.cholesky_inverse(Triangle::Lower) => "cholesky_inverse: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        x.cholesky_solve(&x, Triangle::Lower) => "cholesky_solve: needs square matrices, got [2, 3] | operands: f32[2, 3]";
    }
}

#[test]
fn right_hand_sides() {
    let a = f32s(&[4, 3, 3]);
    let rows = "help: they are vectors, or matrices of columns";
    table! {
        a.solve(&f32s(&[2])) => format!("solve: right-hand sides [2] do not have the 3 rows of the matrices [4, 3, 3] | operands: f32[4, 3, 3], f32[2] | {rows}");
        a.solve(&f32s(&[])) => format!("solve: right-hand sides [] do not have the 3 rows of the matrices [4, 3, 3] | operands: f32[4, 3, 3], f32[] | {rows}");
        a.solve_triangular(&f32s(&[4, 2]), Triangle::Upper) => format!("solve_triangular: right-hand sides [4, 2] do not have the 3 rows of the matrices [4, 3, 3] | operands: f32[4, 3, 3], f32[4, 2] | {rows}");
        a.solve(&f32s(&[5, 3, 2])) => "solve: batch axes of [4, 3, 3] and [5, 3, 2] do not broadcast | operands: f32[4, 3, 3], f32[5, 3, 2]";
        a.solve(&f32s(&[3]).f64()) => "solve: dtypes f32 and f64 do not mix | operands: f32[4, 3, 3], f64[3] | help: convert one of them, for example with `.f64()`";
    }
}

#[test]
fn singular_matrices() {
    let one = Tensor::from([[1.0, 2.0], [2.0, 4.0]]);
    let many = Tensor::stack(&[Tensor::eye(2).f64(), one.clone()], 0).unsqueeze(0);
    let b = Tensor::from([1.0, 1.0]);
    table! {
        one.inv() => format!("inv: the matrix is singular: its pivot 1 is zero | operands: f64[2, 2] | {SINGULAR}");
        many.inv() => format!("inv: matrix [0, 1] of the batch is singular: its pivot 1 is zero | operands: f64[1, 2, 2, 2] | {SINGULAR}");
        one.matrix_power(-2) => format!("inv: the matrix is singular: its pivot 1 is zero | operands: f64[2, 2] | {SINGULAR}");
        one.solve(&b) => format!("solve: the matrix is singular: its pivot 1 is zero | operands: f64[2, 2], f64[2, 2], i64[2], f64[2, 1] | {SINGULAR}");
        (&one * 0.0).solve_triangular(&b, Triangle::Lower) => format!("solve_triangular: the matrix is singular: its pivot 0 is zero | operands: f64[2, 2], f64[2, 1] | {SINGULAR}");
        one.cholesky() => format!("cholesky: the matrix is not positive definite: its pivot 1 is not positive | operands: f64[2, 2] | {INDEFINITE}");
        (many * f64::NAN).cholesky() => format!("cholesky: matrix [0, 0] of the batch is not positive definite: its pivot 0 is not positive | operands: f64[1, 2, 2, 2] | {INDEFINITE}");
    }
    assert_eq!(one.inv().error().map(Error::kind), Some(ErrorKind::Data));
    let large = Tensor::ones([40, 40]);
    for y in [large.inv(), large.cholesky(), large.solve(&Tensor::ones([40]))] {
        assert_eq!(y.error().map(Error::kind), Some(ErrorKind::Data), "{y:?}");
    }
}

#[test]
fn determinants_of_singular_matrices_are_zero_and_so_far_differentiable() {
    let one = Tensor::from([[1.0, 2.0], [2.0, 4.0]]);
    assert_eq!(one.det().item::<f64>().unwrap(), 0.0);
    let (sign, log) = one.slogdet();
    assert_eq!((sign.item().unwrap(), log.item().unwrap()), (0.0, f64::NEG_INFINITY));
    let error = grad_only(|x: &Tensor| x.logdet()).call(&one, ()).unwrap_err();
    assert!(error.to_string().contains("is singular"), "{error}");
    let four = Tensor::ones([4, 4]).f64();
    assert_eq!(grad_only(Tensor::det).call(&four, ()).unwrap().to_vec::<f64>().unwrap(), [0.0; 16]);
    let error = hvp(|x: &Tensor| x.det()).call(&four, &four, ()).unwrap_err();
    assert!(error.to_string().contains("is singular"), "{error}");
}

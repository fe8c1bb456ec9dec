//! No linear algebra panics, whatever shapes, dtypes and numbers it is given.

use retrograd::{DType, MAX_RANK, Tensor, Triangle};

use crate::{derivatives, holds};

fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, 1e300, -0.0, 2.0];
    let shapes: [&[usize]; 12] = [
        &[],
        &[0],
        &[1],
        &[2],
        &[2, 2],
        &[0, 3],
        &[0, 0],
        &[2, 0, 0],
        &[0, 2, 2],
        &[2, 3, 3],
        &[34, 34],
        &[1; MAX_RANK],
    ];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1]), Tensor::zeros([2, 2]), Tensor::eye(33)];
    for shape in shapes {
        let n: usize = shape.iter().product();
        let odd: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        let plain: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::I32, DType::Bool] {
            all.push(Tensor::from_vec(odd.clone(), shape).to_dtype(dtype));
        }
        all.push(Tensor::from_vec(plain, shape));
    }
    all
}

type Unary = fn(&Tensor) -> Tensor;
type Binary = fn(&Tensor, &Tensor) -> Tensor;

const UNARY: &[(&str, Unary)] = &[
    ("inv", Tensor::inv),
    ("det", Tensor::det),
    ("slogdet", |x| x.slogdet().1),
    ("logdet", Tensor::logdet),
    ("cholesky", Tensor::cholesky),
    ("cholesky_upper", |x| x.matmul(&x.t()).cholesky_upper()),
    ("cholesky_inverse", |x| x.cholesky_inverse(Triangle::Upper)),
    ("matrix_power", |x| x.matrix_power(-2)),
];

const BINARY: &[(&str, Binary)] = &[
    ("solve", Tensor::solve),
    ("solve_triangular", |a, b| a.solve_triangular(b, Triangle::Lower)),
    ("solve_triangular with ones", |a, b| a.solve_triangular(b, Triangle::Upper.unit_diagonal())),
    ("cholesky_solve", |a, b| a.cholesky_solve(b, Triangle::Lower)),
];

#[test]
fn linear_algebra_of_odd_tensors() {
    let tensors = tensors();
    for a in &tensors {
        for (name, f) in UNARY {
            holds(|| format!("{name} of {a:?}"), || derivatives(f, a));
        }
        for (name, f) in BINARY {
            for b in &tensors {
                holds(|| format!("{name} of {a:?} and {b:?}"), || vec![f(a, b)]);
            }
            holds(|| format!("derivative of {name} at {a:?}"), || derivatives(&|x| f(x, a), a));
            holds(|| format!("derivative of {name} at {a:?}, first"), || derivatives(&|x| f(x, &a.t()), a));
        }
    }
}

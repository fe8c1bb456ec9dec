//! No contraction panics, whatever equation, shapes, dtypes and numbers it is given.

use retrograd::{DType, MAX_RANK, Tensor};

use crate::{derivatives, holds};

fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, 1e300, -0.0, 2.0];
    let shapes: [&[usize]; 10] = [
        &[],
        &[0],
        &[1],
        &[3],
        &[2, 2],
        &[0, 3],
        &[0, 0],
        &[2, 3, 3],
        &[1; MAX_RANK],
        &[2, 1, 1, 1, 1, 1, 2, 2],
    ];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1]), Tensor::zeros([2, 2])];
    for shape in shapes {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::I32, DType::U8, DType::Bool] {
            all.push(Tensor::from_vec(values.clone(), shape).to_dtype(dtype));
        }
    }
    all
}

const ONE: [&str; 14] = [
    "",
    "->",
    "i",
    "ij",
    "ii",
    "iij->j",
    "...",
    "...i->i...",
    "i...i",
    "ij->ji",
    "...->",
    "ij->ijk",
    "é",
    "-",
];
const TWO: [&str; 12] = [
    "ij,jk",
    "ij,ij->",
    "...i,...i",
    "...,...",
    "...ij,...jk->...ik",
    "ii,ij->j",
    "i,j->ij",
    ",",
    "ij,",
    "i...,i...->...",
    ",,",
    "abcdefgh,i",
];

type Unary = fn(&Tensor) -> Tensor;
type Binary = fn(&Tensor, &Tensor) -> Tensor;

const UNARY: &[(&str, Unary)] = &[
    ("trace", Tensor::trace),
    ("matrix_power 0", |x| x.matrix_power(0)),
    ("matrix_power 3", |x| x.matrix_power(3)),
    ("matrix_power -2", |x| x.matrix_power(-2)),
    ("matrix_power of the least", |x| x.matrix_power(i32::MIN)),
    ("multi_dot of itself", |x| Tensor::multi_dot(&[x, x, x])),
    ("tensordot", |x| x.tensordot(x, ([0, isize::MIN], [isize::MAX, 0]))),
];

const BINARY: &[(&str, Binary)] = &[
    ("tensordot 0", |a, b| a.tensordot(b, 0)),
    ("tensordot 1", |a, b| a.tensordot(b, 1)),
    ("tensordot of very many", |a, b| a.tensordot(b, usize::MAX)),
    ("kron", Tensor::kron),
    ("multi_dot", |a, b| Tensor::multi_dot(&[a, b])),
    ("vecdot", |a, b| a.vecdot(b, -1)),
    ("einsum of three", |a, b| Tensor::einsum("...i,...i,...j->...j", &[a, b, a])),
];

#[test]
fn contractions_of_odd_tensors() {
    let tensors = tensors();
    for a in &tensors {
        for equation in ONE {
            let f = |x: &Tensor| Tensor::einsum(equation, &[x]);
            holds(|| format!("einsum {equation} of {a:?}"), || derivatives(&f, a));
        }
        for (name, f) in UNARY {
            holds(|| format!("{name} of {a:?}"), || derivatives(f, a));
        }
        for b in &tensors {
            for equation in TWO {
                let f = || vec![Tensor::einsum(equation, &[a, b])];
                holds(|| format!("einsum {equation} of {a:?} and {b:?}"), f);
            }
            for (name, f) in BINARY {
                holds(|| format!("{name} of {a:?} and {b:?}"), || vec![f(a, b)]);
            }
        }
        for (name, f) in BINARY {
            holds(|| format!("derivative of {name} at {a:?}"), || derivatives(&|x| f(x, a), a));
        }
    }
}

#[test]
fn shapes_beyond_all_memory() {
    let big = Tensor::zeros([1 << 31, 1]);
    let square = big.broadcast_to([1 << 31, 1 << 20]);
    for y in [
        Tensor::einsum("ij,kj->ik", &[&big, &big]),
        Tensor::einsum("ij,kl->ijkl", &[&square, &square]),
        big.kron(&big),
        big.kron(&big.t()),
        Tensor::zeros([1 << 20, 1 << 20]).trace(),
        big.tensordot(&big, 0),
    ] {
        let _ = format!("{:?}", y.error());
    }
}

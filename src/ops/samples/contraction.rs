//! Rows of einsum and its like, and linear algebra.

use super::{Sample, normal, row};
use crate::tensor::Tensor;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [einsums(), contractions()].into_iter().flatten().collect()
}

fn einsums() -> Vec<Sample> {
    let [a, b, c] = [normal(1, &[2, 3]), normal(2, &[3, 4]), normal(3, &[4, 2])];
    vec![
        row("einsum", vec![a.clone(), b.clone()], |x| Tensor::einsum("ij,jk", x)),
        row("einsum", vec![a.clone(), b.clone()], |x| Tensor::einsum("ij,jk->ki", x)),
        row("einsum", vec![a.clone(), b, c], |x| Tensor::einsum("ij,jk,kl->li", x)),
        row("einsum", vec![normal(1, &[3, 2, 3])], |x| Tensor::einsum("iji->ji", x)),
        row("einsum", vec![normal(1, &[3, 3, 3])], |x| Tensor::einsum("iii", x)),
        row("einsum", vec![normal(1, &[5, 2, 3]), normal(2, &[4, 1, 3])], |x| {
            Tensor::einsum("b...k,c...k->...bc", x)
        }),
        row("einsum", vec![a.clone(), a.clone()], |x| Tensor::einsum("ij,ij->i", x)),
        row("einsum", vec![a.clone(), normal(4, &[])], |x| Tensor::einsum("ij,->j", x)),
        row("einsum", vec![a, normal(2, &[0, 3])], |x| Tensor::einsum("ij,kj->ik", x)),
        row("einsum", vec![normal(1, &[2, 1]), normal(2, &[3, 4])], |x| Tensor::einsum("ij,jk->ik", x)),
    ]
}

fn contractions() -> Vec<Sample> {
    let [a, b] = [normal(1, &[2, 3, 4]), normal(2, &[4, 3, 2])];
    vec![
        row("tensordot", vec![a.clone(), b.clone()], |x| x[0].tensordot(&x[1], ([2, 1], [0, 1]))),
        row("tensordot", vec![a.clone(), b.clone()], |x| x[0].tensordot(&x[1], 1)),
        row("kron", vec![normal(1, &[2, 3]), normal(2, &[2, 1, 2])], |x| x[0].kron(&x[1])),
        row("trace", vec![a.clone()], |x| x[0].trace()),
        row("trace", vec![normal(1, &[0, 3])], |x| x[0].trace()),
        row("matrix_power", vec![normal(1, &[2, 3, 3])], |x| x[0].matrix_power(5)),
        row("matrix_power", vec![normal(1, &[3, 3])], |x| x[0].matrix_power(0)),
        row("multi_dot", vec![normal(1, &[2]), normal(2, &[2, 5]), normal(3, &[5, 3])], |x| {
            Tensor::multi_dot(x)
        }),
        row("vecdot", vec![a, normal(2, &[3, 1])], |x| x[0].vecdot(&x[1], 1)),
    ]
}

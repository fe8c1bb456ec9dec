//! What a wrong contraction is told: the equation, the letter, the lengths, and what to do next.

use retrograd::{MAX_RANK, Tensor};

use crate::f32s;

#[test]
fn equations_that_are_none() {
    let x = f32s(&[2, 3]);
    table! {
        Tensor::einsum("i1->", &[&x]) => "einsum: `i1->`: `1` names no axis | operands: f32[2, 3] | help: an equation is made of letters, `...`, commas and one `->`: `...ij,jk->...ik`";
        Tensor::einsum("i..j", &[&x]) => "einsum: `i..j`: `.` names no axis | operands: f32[2, 3] | help: an equation is made of letters, `...`, commas and one `->`: `...ij,jk->...ik`";
        Tensor::einsum("ij -> i -> j", &[&x]) => "einsum: `ij->i->j`: has `->` twice | operands: f32[2, 3]";
        Tensor::einsum("...i...", &[&x]) => "einsum: `...i...`: `...i...` has `...` twice | operands: f32[2, 3]";
        Tensor::einsum("ij->iz", &[&x]) => "einsum: `ij->iz`: the result's `z` is in no operand | operands: f32[2, 3]";
        Tensor::einsum("ij->ijJ", &[&x]) => "einsum: `ij->ijJ`: the result's `J` is in no operand | operands: f32[2, 3]";
        Tensor::einsum("ij->ii", &[&x]) => "einsum: `ij->ii`: the result has `i` twice | operands: f32[2, 3]";
        Tensor::einsum("...->", &[&x]) => "einsum: `...->`: `...` stands for 2 axes, which the result lacks | operands: f32[2, 3] | help: write `...` in the result too; to sum over axes, name each with a letter";
    }
}

#[test]
fn operands_that_do_not_fit_their_equation() {
    let (x, y) = (f32s(&[2, 3]), f32s(&[4, 5]));
    table! {
        Tensor::einsum("", &[] as &[Tensor]) => "einsum: ``: needs at least one operand";
        Tensor::einsum("ij,jk", &[&x]) => "einsum: `ij,jk`: names 2 operands, got 1 | operands: f32[2, 3]";
        Tensor::einsum("ijk,jk", &[&x, &y]) => "einsum: `ijk,jk`: operand 0, `ijk`, has 3 axes, got [2, 3] | operands: f32[2, 3], f32[4, 5]";
        Tensor::einsum("ij,a...bc", &[&x, &y]) => "einsum: `ij,a...bc`: operand 1, `a...bc`, has 3 axes or more, got [4, 5] | operands: f32[2, 3], f32[4, 5]";
        Tensor::einsum("ij,jk->ik", &[&x, &y]) => "einsum: `ij,jk->ik`: `j` is 3 long in operand 0 and 4 in operand 1 | operands: f32[2, 3], f32[4, 5]";
        Tensor::einsum("...,...", &[&x, &y]) => "einsum: `...,...`: an axis of `...` is 2 long in operand 0 and 4 in operand 1 | operands: f32[2, 3], f32[4, 5]";
        Tensor::einsum("ii", &[&x]) => "einsum: `ii`: `i` is 2 and 3 long in operand 0 | operands: f32[2, 3] | help: a diagonal is taken of axes of one length";
        Tensor::einsum("ij,jk", &[&x, &y.f64()]) => "einsum: `ij,jk`: dtypes f32 and f64 do not mix | operands: f32[2, 3], f64[4, 5] | help: convert one of them, for example with `.f64()`";
        Tensor::einsum("ij", &[&x.bool()]) => "einsum: `ij`: bool has no arithmetic | operands: bool[2, 3] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
    }
    let half = f32s(&[1; 5]);
    let whole = f32s(&[1; MAX_RANK]);
    table! {
        Tensor::einsum("abcde,fghij", &[&half, &half]) => "einsum: `abcde,fghij`: the result would have 10 axes, a tensor has at most 8 | operands: f32[1, 1, 1, 1, 1], f32[1, 1, 1, 1, 1]";
        Tensor::einsum("abcghist,abcdefuv,defghiwx->stuvwx", &[&whole, &whole, &whole]) => "einsum: `abcghist,abcdefuv,defghiwx->stuvwx`: a product of operands would have 10 axes, a tensor has at most 8 | operands: f32[1, 1, 1, 1, 1, 1, 1, 1], f32[1, 1, 1, 1, 1, 1, 1, 1], f32[1, 1, 1, 1, 1, 1, 1, 1]";
    }
}

#[test]
fn contractions() {
    let (x, y) = (f32s(&[2, 3]), f32s(&[4, 5]));
    table! {
        x.tensordot(&y, 1) => "tensordot: axis 1 of [2, 3] and axis 0 of [4, 5] are not equally long | operands: f32[2, 3], f32[4, 5]";
        x.tensordot(&y, 3) => "tensordot: there are no axes -3 and 0 of [2, 3] and [4, 5] | operands: f32[2, 3], f32[4, 5]";
        x.tensordot(&x, ([0, 0], [0, 1])) => "tensordot: an axis is named twice in [0, 0] and [0, 1] | operands: f32[2, 3], f32[2, 3]";
        x.tensordot(&x, (&[0, 1][..], &[0][..])) => "tensordot: axes are paired, got 2 and 1: [0, 1], [0] | operands: f32[2, 3], f32[2, 3]";
        f32s(&[2; 5]).kron(&f32s(&[2; 5])) => "kron: [2, 2, 2, 2, 2] and [2, 2, 2, 2, 2] have too many axes, or their product too many elements | operands: f32[2, 2, 2, 2, 2], f32[2, 2, 2, 2, 2]";
        f32s(&[3]).trace() => "trace: needs a matrix, or several in the last two axes, got [3] | operands: f32[3]";
        x.matrix_power(2) => "matrix_power: needs square matrices, got [2, 3] | operands: f32[2, 3]";
        f32s(&[2, 2]).bool().matrix_power(2) => "matrix_power: bool has no arithmetic | operands: bool[2, 2] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
        Tensor::multi_dot(&[&x]) => "multi_dot: needs two tensors or more, got 1 | operands: f32[2, 3]";
        Tensor::multi_dot(&[&x, &f32s(&[3]), &x]) => "multi_dot: tensor 1 of the product has shape [3] | operands: f32[2, 3], f32[3], f32[2, 3] | help: all are matrices; the first and the last may be vectors";
        Tensor::multi_dot(&[&x, &y]) => "multi_dot: inner lengths differ: [2, 3] times [4, 5], tensors 0 and 1 | operands: f32[2, 3], f32[4, 5]";
        Tensor::multi_dot(&[&x, &y.f64()]) => "multi_dot: dtypes f32 and f64 do not mix | operands: f32[2, 3], f64[4, 5] | help: convert one of them, for example with `.f64()`";
        x.vecdot(&x, 2) => "vecdot: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
    }
}

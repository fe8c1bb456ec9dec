//! What a wrong call of a reduction, scan or ordering is told. The style is that of `messages.rs`.

use retrograd::{Interpolation, MatrixNorm, Order, Side, Tensor, vmap};

use crate::f32s;

#[test]
fn scans() {
    let x = f32s(&[2, 3]);
    let axis = "axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
    let bools = "bool has no arithmetic | operands: bool[2, 3] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
    table! {
        x.cumsum(2) => format!("cumsum: {axis}");
        x.cumprod(2) => format!("cumprod: {axis}");
        x.cummax(2).0 => format!("cummax: {axis}");
        x.cummin(2).1 => format!("cummin: {axis}");
        x.logcumsumexp(2) => format!("logcumsumexp: {axis}");
        x.diff(1, 2) => format!("diff: {axis}");
        x.trapezoid(1.0, 2) => format!("trapezoid: {axis}");
        x.cumulative_trapezoid(1.0, 2) => format!("cumulative_trapezoid: {axis}");
        x.bool().cumprod(0) => format!("cumprod: {bools}");
        x.i64().logcumsumexp(0) => "logcumsumexp: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
        x.i64().trapezoid(1.0, 0) => "trapezoid: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
    }
}

#[test]
fn orderings() {
    let x = f32s(&[2, 3]);
    let axis = "axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
    let (up, linear) = (Order::Ascending, Interpolation::Linear);
    table! {
        x.sort(2, up).0 => format!("sort: {axis}");
        x.argsort(2, up) => format!("argsort: {axis}");
        f32s(&[]).msort() => "msort: axis 0 of a tensor with 0 axes, [] | operands: f32[]";
        x.topk(1, 2, up).0 => format!("topk: {axis}");
        x.topk(4, 1, up).1 => "topk: k is 4, axis 1 of [2, 3] has 3 elements | operands: f32[2, 3]";
        x.kthvalue(1, 2).0 => format!("kthvalue: {axis}");
        x.kthvalue(0, 1).0 => "kthvalue: k is 0, axis 1 of [2, 3] has 3 elements | operands: f32[2, 3] | help: k counts from 1";
        x.median(2).0 => format!("median: {axis}");
        f32s(&[2, 0]).median(1).0 => "median: axis 1 of [2, 0] is empty | operands: f32[2, 0]";
        x.nanmedian(2).0 => format!("nanmedian: {axis}");
        f32s(&[2, 0]).nanmedian(1).1 => "nanmedian: axis 1 of [2, 0] is empty | operands: f32[2, 0]";
        x.quantile(0.5, 2, linear) => format!("quantile: {axis}");
        x.quantile(1.5, 1, linear) => "quantile: a quantile is between 0 and 1, got 1.5 | operands: f32[2, 3]";
        x.quantile(f64::NAN, 1, linear) => "quantile: a quantile is between 0 and 1, got NaN | operands: f32[2, 3]";
        x.quantiles(&[], 1, linear) => "quantiles: needs at least one quantile | operands: f32[2, 3]";
        f32s(&[2, 0]).quantile(0.5, 1, linear) => "quantile: axis 1 of [2, 0] is empty | operands: f32[2, 0]";
        x.i64().quantile(0.5, 1, linear) => "quantile: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
    }
}

#[test]
fn searches_and_counts() {
    let x = f32s(&[2, 3]);
    let rows = "help: one row serves all values; several rows have the values' axes beside the last";
    let mixed = "dtypes f32 and i64 do not mix";
    let convert = "help: convert one of them, for example with `.f32()`";
    table! {
        x.searchsorted(&f32s(&[3, 3]), Side::Left) => format!("searchsorted: sorted rows of shape [2, 3] for values of shape [3, 3] | operands: f32[2, 3], f32[3, 3] | {rows}");
        f32s(&[]).searchsorted(&x, Side::Left) => format!("searchsorted: sorted rows of shape [] for values of shape [2, 3] | operands: f32[], f32[2, 3] | {rows}");
        f32s(&[3]).searchsorted(&x.i64(), Side::Left) => format!("searchsorted: {mixed} | operands: f32[3], i64[2, 3] | {convert}");
        x.bucketize(&x, Side::Right) => "bucketize: boundaries are a vector, got shape [2, 3] | operands: f32[2, 3], f32[2, 3]";
        x.isin(&x.i64()) => format!("isin: {mixed} | operands: f32[2, 3], i64[2, 3] | {convert}");
        x.bincount(0) => "bincount: counts integers, got f32 | operands: f32[2, 3] | help: convert with `.i64()`, or see `histc`";
        Tensor::from([1i64, -2]).bincount(0) => "bincount: the number -2 (element 1) is negative | operands: i64[2]";
        Tensor::from([1i64 << 40]).bincount(0) => "bincount: 1099511627777 counts are more than an axis can have | operands: i64[1]";
        x.i64().bincount_weighted(&f32s(&[3]), 0) => "bincount_weighted: weights of shape [3] for numbers of shape [2, 3] | operands: i64[2, 3], f32[3]";
        x.histc(0, 0.0, 1.0) => "histc: 0 parts of the range from 0 to 1 | operands: f32[2, 3] | help: a range has low < high";
        x.histc(3, 1.0, 1.0) => "histc: 3 parts of the range from 1 to 1 | operands: f32[2, 3] | help: a range has low < high";
        x.i64().histc(3, 0.0, 1.0) => "histc: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
    }
}

#[test]
fn what_depends_on_values_has_none_inside_vmap() {
    for (name, f) in [
        ("unique", (|x| x.unique()) as fn(&Tensor) -> Tensor),
        ("unique_counts", |x| x.unique_counts().0),
        ("unique_inverse", |x| x.unique_inverse().1),
        ("bincount", |x| x.bincount(0)),
    ] {
        let error = vmap(f).call(&f32s(&[2, 3]).i64(), ()).expect_err("no value").to_string();
        let expected = "inside vmap a tensor stands for 2 examples at once and has no single value";
        assert!(error.starts_with(&format!("output: {name}: {expected}")), "{error}");
    }
}

#[test]
fn reductions_and_norms() {
    let (x, ints) = (f32s(&[2, 3]), f32s(&[2, 3]).i64());
    let axis = "axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
    let floats = "needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
    table! {
        x.max_dim(2).0 => format!("max_dim: {axis}");
        x.min_dim(2).1 => format!("min_dim: {axis}");
        f32s(&[2, 0]).max_dim(1).0 => "argmax: axis 1 of [2, 0] is empty, nothing is its extreme | operands: f32[2, 0]";
        x.any_dim(2) => format!("any_dim: {axis}");
        x.all_keepdim([0, 0]) => "all_keepdim: axis 0 is named twice in [0, 0] | operands: f32[2, 3]";
        x.count_nonzero_dim(2) => format!("count_nonzero_dim: {axis}");
        x.nansum_dim(2) => format!("nansum_dim: {axis}");
        x.nanmean_dim(2) => format!("nanmean_dim: {axis}");
        ints.nanmean() => format!("nanmean: {floats}");
        x.var_keepdim(2, 1) => format!("var_keepdim: {axis}");
        x.var_mean(2, 1).1 => format!("var_mean: {axis}");
        x.std_keepdim(2, 1) => format!("std_keepdim: {axis}");
        x.std_dim(2, 1) => format!("std_dim: {axis}");
        x.std_mean(2, 1).0 => format!("std_mean: {axis}");
        f32s(&[2, 2, 2]).cov(1) => "cov: takes a matrix or a vector, got shape [2, 2, 2] | operands: f32[2, 2, 2]";
        f32s(&[2, 2, 2]).corrcoef() => "corrcoef: takes a matrix or a vector, got shape [2, 2, 2] | operands: f32[2, 2, 2]";
        ints.cov(0) => format!("cov: {floats}");
        x.logsumexp_keepdim(2) => format!("logsumexp_keepdim: {axis}");
        x.vector_norm(2.0, 2) => format!("vector_norm: {axis}");
        ints.vector_norm(2.0, 1) => format!("vector_norm: {floats}");
        x.vector_norm(f64::NAN, 1) => "vector_norm: the order p is NaN | operands: f32[2, 3]";
        f32s(&[2, 0]).vector_norm(-1.0, 1) => "vector_norm: the norm of order -1 of no elements, of [2, 0] | operands: f32[2, 0]";
        f32s(&[3]).matrix_norm(MatrixNorm::One) => "matrix_norm: axis -2 of a tensor with 1 axes, [3] | operands: f32[3]";
        x.normalize(2.0, 2, 1e-12) => format!("normalize: {axis}");
        x.cosine_similarity(&x, 2, 1e-8) => format!("cosine_similarity: {axis}");
        f32s(&[]).pairwise_distance(&f32s(&[]), 2.0, 1e-6) => "pairwise_distance: axis -1 of a tensor with 0 axes, [] | operands: f32[]";
        x.cdist(&f32s(&[2, 2]), 2.0) => "cdist: rows of [2, 3] and of [2, 2] | operands: f32[2, 3], f32[2, 2] | help: takes two matrices whose last axes are equal";
    }
}

//! Rows of reductions, scans and orderings: `ordering.py`.

use retrograd::{Interpolation, MatrixNorm, Order, Side, Tensor};

use super::Row::{Binary, General, Several, Unary};
use super::{Attrs, Row};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("all_dim", General(|x, a| kept(&x[0], a, |x, n| x.all_dim(n), |x, n| x.all_keepdim(n)))),
    ("aminmax", Several(aminmax)),
    ("any_dim", General(|x, a| kept(&x[0], a, |x, n| x.any_dim(n), |x, n| x.any_keepdim(n)))),
    ("argsort", General(|x, a| x[0].argsort(a.axis(), order(a)))),
    ("bincount", General(|x, a| x[0].bincount(a.size("least")))),
    ("bincount_weighted", General(|x, a| x[0].bincount_weighted(&x[1], a.size("least")))),
    ("bucketize", General(|x, a| x[0].bucketize(&x[1], side(a)))),
    ("cdist", General(|x, a| x[0].cdist(&x[1], p(a)))),
    ("corrcoef", Unary(Tensor::corrcoef)),
    ("cosine_similarity", General(|x, a| x[0].cosine_similarity(&x[1], a.axis(), a.number("eps")))),
    ("count_nonzero", General(|x, a| over(&x[0], a, Tensor::count_nonzero, |x, n| x.count_nonzero_dim(n)))),
    ("cov", General(|x, a| x[0].cov(a.size("correction")))),
    ("cummax", Several(|x, a| pair(x[0].cummax(a.axis())))),
    ("cummin", Several(|x, a| pair(x[0].cummin(a.axis())))),
    ("cumprod", General(|x, a| x[0].cumprod(a.axis()))),
    ("cumsum", General(|x, a| x[0].cumsum(a.axis()))),
    ("cumulative_trapezoid", General(|x, a| x[0].cumulative_trapezoid(a.number("dx"), a.axis()))),
    ("diff", General(|x, a| x[0].diff(a.size("n"), a.axis()))),
    ("histc", General(|x, a| x[0].histc(a.size("bins"), a.number("low"), a.number("high")))),
    ("isin", Binary(Tensor::isin)),
    ("kthvalue", Several(|x, a| pair(x[0].kthvalue(a.size("k"), a.axis())))),
    ("logcumsumexp", General(|x, a| x[0].logcumsumexp(a.axis()))),
    ("logsumexp_keepdim", General(|x, a| x[0].logsumexp_keepdim(&a.named_axes()[..]))),
    ("matrix_norm", General(matrix_norm)),
    ("max_dim", Several(|x, a| pair(x[0].max_dim(a.axis())))),
    ("median", Several(|x, a| pair(x[0].median(a.axis())))),
    ("min_dim", Several(|x, a| pair(x[0].min_dim(a.axis())))),
    ("msort", Unary(Tensor::msort)),
    ("nanmean", General(|x, a| over(&x[0], a, Tensor::nanmean, |x, n| x.nanmean_dim(n)))),
    ("nanmedian", Several(|x, a| pair(x[0].nanmedian(a.axis())))),
    ("nansum", General(|x, a| over(&x[0], a, Tensor::nansum, |x, n| x.nansum_dim(n)))),
    ("normalize", General(|x, a| x[0].normalize(p(a), a.axis(), a.number("eps")))),
    ("pairwise_distance", General(|x, a| x[0].pairwise_distance(&x[1], p(a), a.number("eps")))),
    ("quantile", General(|x, a| x[0].quantile(a.number("q"), a.axis(), interpolation(a)))),
    ("quantiles", General(|x, a| x[0].quantiles(&a.need::<Vec<f64>>("q"), a.axis(), interpolation(a)))),
    ("searchsorted", General(|x, a| x[0].searchsorted(&x[1], side(a)))),
    ("sort", Several(|x, a| pair(x[0].sort(a.axis(), order(a))))),
    ("std_keepdim", General(|x, a| x[0].std_keepdim(&a.named_axes()[..], a.size("correction")))),
    ("std_mean", Several(|x, a| pair(x[0].std_mean(&a.named_axes()[..], a.size("correction"))))),
    ("topk", Several(|x, a| pair(x[0].topk(a.size("k"), a.axis(), order(a))))),
    ("trapezoid", General(|x, a| x[0].trapezoid(a.number("dx"), a.axis()))),
    ("unique", Unary(Tensor::unique)),
    ("unique_counts", Several(|x, _| pair(x[0].unique_counts()))),
    ("unique_inverse", Several(|x, _| pair(x[0].unique_inverse()))),
    ("var_keepdim", General(|x, a| x[0].var_keepdim(&a.named_axes()[..], a.size("correction")))),
    ("var_mean", Several(|x, a| pair(x[0].var_mean(&a.named_axes()[..], a.size("correction"))))),
    ("vector_norm", General(|x, a| x[0].vector_norm(p(a), &a.named_axes()[..]))),
    ("vector_norm_keepdim", General(|x, a| x[0].vector_norm_keepdim(p(a), &a.named_axes()[..]))),
];

fn pair((a, b): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![a, b]
}

type Over = fn(&Tensor, &[isize]) -> Tensor;

/// A reduction of all axes, or of those named.
fn over(x: &Tensor, attrs: &Attrs, all: fn(&Tensor) -> Tensor, some: Over) -> Tensor {
    attrs.axes().map_or_else(|| all(x), |axes| some(x, &axes))
}

/// A reduction whose axes go, or stay.
fn kept(x: &Tensor, attrs: &Attrs, go: Over, stay: Over) -> Tensor {
    if attrs.flag("keepdim") { stay(x, &attrs.named_axes()) } else { go(x, &attrs.named_axes()) }
}

fn aminmax(x: &[Tensor], attrs: &Attrs) -> Vec<Tensor> {
    pair(attrs.axes().map_or_else(|| x[0].aminmax(), |axes| x[0].aminmax_dim(&axes[..])))
}

fn order(attrs: &Attrs) -> Order {
    if attrs.flag("descending") { Order::Descending } else { Order::Ascending }
}

fn side(attrs: &Attrs) -> Side {
    if attrs.flag("right") { Side::Right } else { Side::Left }
}

/// The order of a norm; JSON has no infinity.
fn p(attrs: &Attrs) -> f64 {
    attrs.need::<String>("p").parse().expect("a number")
}

fn interpolation(attrs: &Attrs) -> Interpolation {
    match &*attrs.need::<String>("interpolation") {
        "linear" => Interpolation::Linear,
        "lower" => Interpolation::Lower,
        "higher" => Interpolation::Higher,
        "midpoint" => Interpolation::Midpoint,
        "nearest" => Interpolation::Nearest,
        other => panic!("no interpolation {other}"),
    }
}

fn matrix_norm(x: &[Tensor], attrs: &Attrs) -> Tensor {
    x[0].matrix_norm(match &*attrs.need::<String>("norm") {
        "frobenius" => MatrixNorm::Frobenius,
        "one" => MatrixNorm::One,
        "least_column" => MatrixNorm::LeastColumn,
        "infinity" => MatrixNorm::Infinity,
        "least_row" => MatrixNorm::LeastRow,
        other => panic!("no norm {other}"),
    })
}

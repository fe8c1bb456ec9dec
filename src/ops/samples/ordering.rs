//! Rows of reductions, scans and orderings.

use super::{Sample, normal, picking, positive, rough, row};
use crate::exec::{Direction, Running, Scan};
use crate::ops::scan::recurrence;
use crate::ops::{Interpolation, MatrixNorm, Order, Side};
use crate::tensor::Tensor;

use Order::{Ascending, Descending};

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [scans(), recurrences(), sorts(), quantiles(), searches(), counts(), reductions(), norms()]
        .into_iter()
        .flatten()
        .collect()
}

fn scans() -> Vec<Sample> {
    let x = || vec![normal(1, &[2, 3, 4])];
    let zeros = || vec![Tensor::from([[2.0, 0.0, 3.0, 0.0, 5.0], [0.0, 1.0, 2.0, 3.0, -1.0]])];
    let ties = || vec![Tensor::from([[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, -1.0, 2.0]])];
    vec![
        row("cumsum", x(), |x| x[0].cumsum(1)),
        row("cumsum", x(), |x| x[0].cumsum(-1)),
        row("cumsum", vec![normal(1, &[3, 37])], |x| x[0].cumsum(-1)),
        row("cumsum", vec![normal(1, &[0, 3])], |x| x[0].cumsum(0)),
        row("cumsum", vec![Tensor::from([1i64, 2, 3])], |x| x[0].cumsum(0)),
        row("cumprod", x(), |x| x[0].cumprod(0)),
        row("cumprod", vec![normal(1, &[2, 19])], |x| x[0].cumprod(-1)),
        row("cumprod", zeros(), |x| x[0].cumprod(1)),
        row("cumprod", vec![Tensor::from([2i64, -3, 4])], |x| x[0].cumprod(0)),
        row("cummax", x(), |x| x[0].cummax(2).0),
        row("cummax", x(), |x| x[0].cummax(0).0),
        row("cummax", x(), |x| x[0].cummax(1).1),
        rough("cummax", ties(), |x| x[0].cummax(1).0),
        row("cummin", x(), |x| x[0].cummin(1).0),
        row("cummin", x(), |x| x[0].cummin(-1).1),
        rough("cummin", ties(), |x| x[0].cummin(0).0),
        row("logcumsumexp", x(), |x| x[0].logcumsumexp(1)),
        row("logcumsumexp", vec![normal(1, &[2, 9]) * 30.0], |x| x[0].logcumsumexp(-1)),
        rough("logcumsumexp", vec![Tensor::from([f64::NEG_INFINITY, 1.0, 2.0])], |x| x[0].logcumsumexp(0)),
        row("diff", x(), |x| x[0].diff(2, 2)),
        row("trapezoid", x(), |x| x[0].trapezoid(0.5, 1)),
        row("cumulative_trapezoid", x(), |x| x[0].cumulative_trapezoid(0.5, 2)),
    ]
}

fn recurrences() -> Vec<Sample> {
    const AT: Scan = Scan { running: Running::Recurrence, axis: 1, direction: Direction::Forward };
    let pair = || vec![normal(1, &[2, 4, 3]), normal(2, &[2, 4, 3])];
    vec![
        row("recurrence", pair(), |x| recurrence(AT, &x[0], &x[1])),
        row("recurrence", pair(), |x| {
            recurrence(Scan { axis: 2, direction: Direction::Backward, ..AT }, &x[0], &x[1])
        }),
        row("recurrence", vec![normal(1, &[5]), normal(2, &[5])], |x| {
            recurrence(Scan { axis: 0, ..AT }, &x[0], &x[1])
        }),
    ]
}

fn sorts() -> Vec<Sample> {
    let x = || vec![normal(2, &[3, 5, 2])];
    let ties = || vec![Tensor::from([[1.0, 0.0, 1.0, -0.0], [2.0, 2.0, 2.0, 1.0]])];
    let nan = || vec![Tensor::from([[1.0, f64::NAN, -1.0], [f64::NAN, 2.0, f64::INFINITY]])];
    vec![
        row("sort", x(), |x| x[0].sort(1, Ascending).0),
        row("sort", x(), |x| x[0].sort(-1, Descending).0),
        row("sort", x(), |x| x[0].sort(0, Descending).1),
        rough("sort", ties(), |x| x[0].sort(1, Ascending).0),
        rough("sort", ties(), |x| x[0].sort(1, Descending).1),
        row("sort", vec![normal(1, &[2, 300])], |x| x[0].sort(1, Ascending).0),
        row("sort", vec![Tensor::from([3i64, -1, 2])], |x| x[0].sort(0, Descending).0),
        row("sort", vec![Tensor::from([true, false, true])], |x| x[0].sort(0, Ascending).1),
        row("sort", vec![normal(1, &[0, 3])], |x| x[0].sort(0, Ascending).0),
        row("argsort", nan(), |x| x[0].argsort(1, Ascending)),
        row("msort", x(), |x| x[0].msort()),
        row("topk", x(), |x| x[0].topk(2, 1, Descending).0),
        row("topk", x(), |x| x[0].topk(3, 0, Ascending).0),
        row("topk", x(), |x| x[0].topk(0, 0, Ascending).0),
        rough("topk", ties(), |x| x[0].topk(2, -1, Descending).1),
        row("kthvalue", x(), |x| x[0].kthvalue(2, 1).0),
        rough("kthvalue", ties(), |x| x[0].kthvalue(3, 1).1),
        row("median", x(), |x| x[0].median(1).0),
        rough("median", ties(), |x| x[0].median(1).1),
    ]
}

fn quantiles() -> Vec<Sample> {
    let x = || vec![normal(3, &[4, 6])];
    vec![
        row("quantile", x(), |x| x[0].quantile(0.3, 1, Interpolation::Linear)),
        row("quantile", x(), |x| x[0].quantile(0.3, 0, Interpolation::Midpoint)),
        row("quantiles", x(), |x| x[0].quantiles(&[0.9, 0.0, 0.5], 1, Interpolation::Nearest)),
        rough("nanmedian", vec![Tensor::from([[1.0, f64::NAN, 3.0, 0.0], [4.0, 5.0, 7.0, 6.0]])], |x| {
            x[0].nanmedian(1).0
        }),
        row("histc", x(), |x| x[0].histc(4, -1.0, 1.0)),
    ]
}

fn searches() -> Vec<Sample> {
    let edges = || Tensor::from([-1.0, 0.0, 0.0, 1.5]);
    let rows = || Tensor::from([[-1.0, 0.0, 2.0], [-3.0, -2.0, 0.5]]);
    vec![
        row("searchsorted", vec![edges(), normal(4, &[2, 3])], |x| x[0].searchsorted(&x[1], Side::Left)),
        row("searchsorted", vec![rows(), normal(4, &[2, 4])], |x| x[0].searchsorted(&x[1], Side::Right)),
        row("searchsorted", vec![edges(), normal(4, &[])], |x| x[0].searchsorted(&x[1], Side::Right)),
        row("searchsorted", vec![Tensor::from([1i64, 3]), Tensor::from([0i64, 3, 4])], |x| {
            x[0].searchsorted(&x[1], Side::Left)
        }),
        row("bucketize", vec![normal(4, &[5]), edges()], |x| x[0].bucketize(&x[1], Side::Left)),
        row("isin", vec![Tensor::from([1i64, 2, 3]), Tensor::from([3i64, 1, 1])], |x| x[0].isin(&x[1])),
    ]
}

/// Of integers, and of results whose length depends on them.
fn counts() -> Vec<Sample> {
    let numbers = || Tensor::from([3i64, 0, 1, 3, 1, 3]);
    // Equal ones that a difference moves apart are no longer one.
    let distinct = || Tensor::from([2.0, -1.0, 0.5, 7.0]);
    vec![
        picking("unique", vec![distinct()], |x| x[0].unique()),
        picking("unique_counts", vec![distinct()], |x| {
            let (values, counts) = x[0].unique_counts();
            if values.error().is_some() { values } else { &values * counts.to_dtype(values.dtype()) }
        }),
        picking("unique_inverse", vec![distinct()], |x| {
            let (values, inverse) = x[0].unique_inverse();
            values.index_select(0, &inverse)
        }),
        picking("bincount", vec![numbers()], |x| x[0].bincount(6)),
        picking("bincount_weighted", vec![numbers(), normal(1, &[6])], |x| x[0].bincount_weighted(&x[1], 0)),
    ]
}

fn reductions() -> Vec<Sample> {
    let x = || vec![normal(5, &[2, 3, 4])];
    let nan = || vec![Tensor::from([[1.0, f64::NAN, 3.0], [4.0, 5.0, f64::NAN]])];
    vec![
        row("max_dim", x(), |x| x[0].max_dim(1).0),
        row("min_dim", x(), |x| x[0].min_dim(-1).0),
        rough("max_dim", vec![Tensor::from([[1.0, 1.0, 0.0]])], |x| x[0].max_dim(1).0),
        row("aminmax", x(), |x| x[0].aminmax().1),
        row("any", x(), |x| x[0].gt(1.0).any_dim(1)),
        row("any", x(), |x| x[0].gt(1.0).any_keepdim([0, 2])),
        row("all", x(), |x| x[0].lt(1.0).all_dim([0, 2])),
        row("all", vec![normal(5, &[3, 0])], |x| x[0].all_dim(1)),
        row("aminmax_dim", x(), |x| {
            let (least, greatest) = x[0].aminmax_dim(1);
            greatest - least
        }),
        row("count_nonzero", x(), |x| x[0].gt(0.0).count_nonzero()),
        row("count_nonzero_dim", x(), |x| x[0].gt(0.0).count_nonzero_dim(1)),
        rough("nansum", nan(), |x| x[0].nansum()),
        rough("nanmean", nan(), |x| x[0].nanmean()),
        row("var_keepdim", x(), |x| x[0].var_keepdim([0, 2], 1)),
        row("std_keepdim", x(), |x| x[0].std_keepdim(1, 0)),
        row("std_mean", x(), |x| {
            let (std, mean) = x[0].std_mean(-1, 1);
            std * mean
        }),
        rough("nansum_dim", nan(), |x| x[0].nansum_dim(1)),
        rough("nanmean_dim", nan(), |x| x[0].nanmean_dim(0)),
        row("std", x(), |x| x[0].std_dim([0, 1], 1)),
        rough("std", vec![Tensor::from([[2.0, 2.0], [1.0, 3.0]])], |x| x[0].std_dim(1, 1)),
        row("var_mean", x(), |x| x[0].var_mean(1, 0).0),
        row("cov", vec![normal(5, &[3, 4])], |x| x[0].cov(1)),
        row("cov", vec![normal(5, &[4])], |x| x[0].cov(0)),
        row("corrcoef", vec![normal(5, &[2, 5])], |x| x[0].corrcoef().narrow(0, 0, 1).narrow(1, 1, 1)),
        row("logsumexp_keepdim", x(), |x| x[0].logsumexp_keepdim(1)),
    ]
}

fn norms() -> Vec<Sample> {
    let x = || vec![normal(6, &[2, 3, 4])];
    let pair = || vec![normal(6, &[3, 4]), normal(7, &[3, 4])];
    vec![
        row("vector_norm", x(), |x| x[0].vector_norm(3.0, [0, 2])),
        row("vector_norm", x(), |x| x[0].vector_norm(1.0, 1)),
        row("vector_norm_keepdim", x(), |x| x[0].vector_norm_keepdim(3.0, [0, 2])),
        row("vector_norm", x(), |x| x[0].vector_norm(f64::INFINITY, 1)),
        row("vector_norm", x(), |x| x[0].vector_norm(f64::NEG_INFINITY, 1)),
        row("vector_norm", x(), |x| x[0].vector_norm(0.0, 1)),
        row("vector_norm", vec![positive(6, &[3, 4])], |x| x[0].vector_norm(-1.5, 1)),
        rough("vector_norm", vec![Tensor::from([[0.0, 0.0], [0.0, 2.0]])], |x| x[0].vector_norm(1.5, 1)),
        row("matrix_norm", x(), |x| x[0].matrix_norm(MatrixNorm::Frobenius)),
        row("matrix_norm", x(), |x| x[0].matrix_norm(MatrixNorm::One)),
        row("normalize", x(), |x| x[0].normalize(2.0, 1, 1e-12)),
        row("cosine_similarity", pair(), |x| x[0].cosine_similarity(&x[1], 1, 1e-8)),
        row("pairwise_distance", pair(), |x| x[0].pairwise_distance(&x[1], 2.0, 1e-6)),
        row("cdist", pair(), |x| x[0].cdist(&x[1], 2.0)),
    ]
}

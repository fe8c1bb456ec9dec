//! No reduction, scan or ordering panics, whatever it is given. The style is that of `no_panic.rs`.

use retrograd::{DType, Interpolation, MAX_RANK, MatrixNorm, Order, Side, Tensor};

use crate::{derivatives, holds};

/// Axes inside, outside and far outside.
const AXES: [isize; 6] = [0, 1, -1, 7, isize::MAX, isize::MIN];

/// A tensor of every dtype and of odd shapes, with numbers that are hard on arithmetic, and an invalid one.
fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0, 2.0];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1])];
    for shape in [vec![], vec![0], vec![1], vec![5], vec![2, 2], vec![0, 3], vec![3, 0], vec![1; MAX_RANK]] {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        for dtype in DType::ALL {
            all.push(Tensor::from_vec(values.clone(), &shape[..]).to_dtype(dtype));
        }
        all.push(Tensor::ones(&shape[..]));
    }
    all
}

fn pair((a, b): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![a, b]
}

type Along = fn(&Tensor, isize) -> Vec<Tensor>;

const ALONG: &[(&str, Along)] = &[
    ("cumsum", |x, a| vec![x.cumsum(a)]),
    ("cumprod", |x, a| vec![x.cumprod(a)]),
    ("logcumsumexp", |x, a| vec![x.logcumsumexp(a)]),
    ("cummax", |x, a| pair(x.cummax(a))),
    ("cummin", |x, a| pair(x.cummin(a))),
    ("diff", |x, a| vec![x.diff(0, a), x.diff(1, a), x.diff(usize::MAX, a)]),
    ("trapezoid", |x, a| vec![x.trapezoid(f64::NAN, a), x.cumulative_trapezoid(0.5, a)]),
    ("sort", |x, a| [pair(x.sort(a, Order::Ascending)), pair(x.sort(a, Order::Descending))].concat()),
    ("argsort", |x, a| vec![x.argsort(a, Order::Descending), x.msort()]),
    ("topk", |x, a| {
        [0, 1, 3, usize::MAX].into_iter().flat_map(|k| pair(x.topk(k, a, Order::Descending))).collect()
    }),
    ("kthvalue", |x, a| [0, 1, 2, usize::MAX].into_iter().flat_map(|k| pair(x.kthvalue(k, a))).collect()),
    ("median", |x, a| [pair(x.median(a)), pair(x.nanmedian(a))].concat()),
    ("quantile", |x, a| {
        [0.0, 0.3, 1.0, -1.0, f64::NAN].map(|q| x.quantile(q, a, Interpolation::Linear)).into()
    }),
    ("quantiles", |x, a| {
        vec![
            x.quantiles(&[0.1, 0.9], a, Interpolation::Nearest),
            x.quantiles(&[], a, Interpolation::Midpoint),
        ]
    }),
    ("max_dim", |x, a| [pair(x.max_dim(a)), pair(x.min_dim(a)), pair(x.aminmax_dim([a, 0]))].concat()),
    ("any_dim", |x, a| vec![x.any_dim(a), x.all_dim([a, 0]), x.any_keepdim([a, -1]), x.all_keepdim(a)]),
    ("nansum_dim", |x, a| vec![x.nansum_dim(a), x.nanmean_dim([a, 0]), x.count_nonzero_dim(a)]),
    ("var_mean", |x, a| {
        [pair(x.var_mean(a, 9)), pair(x.std_mean(a, 0)), vec![x.var_keepdim(a, 1), x.std_keepdim(a, 1)]]
            .concat()
    }),
    ("logsumexp_keepdim", |x, a| vec![x.logsumexp_keepdim(a), x.logsumexp_keepdim([0, a])]),
    ("vector_norm", |x, a| {
        [0.0, 1.0, 1.5, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(|p| x.vector_norm(p, a)).into()
    }),
    ("vector_norm_keepdim", |x, a| vec![x.vector_norm_keepdim(3.0, a), x.vector_norm_keepdim(-1.0, [0, a])]),
    ("normalize", |x, a| {
        vec![x.normalize(2.0, a, 1e-12), x.normalize(f64::NAN, a, 0.0), x.normalize(-1.0, a, -1.0)]
    }),
];

type Whole = fn(&Tensor) -> Vec<Tensor>;

const WHOLE: &[(&str, Whole)] = &[
    ("cov", |x| vec![x.cov(0), x.cov(usize::MAX), x.corrcoef()]),
    ("unique", |x| [vec![x.unique()], pair(x.unique_counts()), pair(x.unique_inverse())].concat()),
    ("bincount", |x| vec![x.bincount(0), x.bincount(7), x.bincount(usize::MAX)]),
    ("histc", |x| {
        vec![
            x.histc(3, -1.0, 1.0),
            x.histc(0, 0.0, 1.0),
            x.histc(usize::MAX, 0.0, 1.0),
            x.histc(2, f64::NAN, 1.0),
        ]
    }),
    ("whole", |x| {
        [pair(x.aminmax()), vec![x.any(), x.all(), x.nansum(), x.nanmean(), x.count_nonzero()]].concat()
    }),
    ("matrix_norm", |x| {
        [MatrixNorm::Frobenius, MatrixNorm::One, MatrixNorm::LeastRow].map(|n| x.matrix_norm(n)).into()
    }),
];

type Binary = fn(&Tensor, &Tensor) -> Vec<Tensor>;

const BINARY: &[(&str, Binary)] = &[
    ("searchsorted", |a, b| vec![a.searchsorted(b, Side::Left), a.searchsorted(b, Side::Right)]),
    ("bucketize", |a, b| vec![a.bucketize(b, Side::Left), a.isin(b)]),
    ("bincount_weighted", |a, b| vec![a.bincount_weighted(b, 2), a.u8().bincount_weighted(b, 0)]),
    ("distances", |a, b| {
        vec![
            a.cosine_similarity(b, -1, 1e-8),
            a.pairwise_distance(b, 2.0, 1e-6),
            a.cdist(b, 2.0),
            a.cdist(b, -1.0),
        ]
    }),
];

#[test]
fn methods_of_one_tensor() {
    for x in tensors() {
        for (name, method) in WHOLE {
            holds(|| format!("{name} on {x:?}"), || method(&x));
        }
        for axis in AXES {
            for (name, method) in ALONG {
                holds(|| format!("{name} along {axis} on {x:?}"), || method(&x, axis));
            }
        }
    }
}

#[test]
fn methods_of_two_tensors() {
    let tensors = tensors();
    for a in &tensors {
        for b in &tensors {
            for (name, method) in BINARY {
                holds(|| format!("{name} on {a:?} and {b:?}"), || method(a, b));
            }
        }
    }
}

#[test]
fn derivatives_of_every_method() {
    /// Inside a batch there may be fewer parts.
    fn nth(mut parts: Vec<Tensor>, at: usize) -> Tensor {
        if at < parts.len() { parts.swap_remove(at) } else { Tensor::from(0.0) }
    }
    let floating = |x: &Tensor| x.error().is_some() || matches!(x.dtype(), DType::F64 | DType::BF16);
    for x in tensors().into_iter().filter(floating) {
        for (name, method) in WHOLE {
            for at in 0..method(&x).len() {
                let f = |x: &Tensor| nth(method(x), at);
                holds(|| format!("derivative of {name} {at} at {x:?}"), || derivatives(&f, &x));
            }
        }
        for axis in [0, -1, 7] {
            for (name, method) in ALONG {
                for at in 0..method(&x, axis).len() {
                    let f = |x: &Tensor| nth(method(x, axis), at);
                    holds(
                        || format!("derivative of {name} {at} along {axis} at {x:?}"),
                        || derivatives(&f, &x),
                    );
                }
            }
        }
        for (name, method) in BINARY {
            for at in 0..method(&x, &x).len() {
                let f = |y: &Tensor| nth(method(y, y), at);
                holds(|| format!("derivative of {name} {at} at {x:?}"), || derivatives(&f, &x));
            }
        }
    }
}

//! No call of movement, indexing, masks and random choices panics, whatever it is given; as `no_panic.rs`.

use retrograd::{
    DType, GridOrder, IncludeSelf, MAX_RANK, PadMode, PutMode, Replacement, Rng, ScatterReduce, Tensor,
};

use crate::{derivatives, holds, nth};

/// A tensor of every odd shape and some dtypes, with numbers that are hard on arithmetic, and an invalid one.
fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, 1e300, -0.0, 2.0];
    let shapes: [&[usize]; 9] =
        [&[], &[0], &[1], &[3], &[2, 2], &[0, 3], &[3, 0], &[2, 3, 1], &[1; MAX_RANK]];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1])];
    for shape in shapes {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        for dtype in [DType::F64, DType::BF16, DType::I64, DType::U8, DType::Bool] {
            all.push(Tensor::from_vec(values.clone(), shape).to_dtype(dtype));
        }
        all.push(Tensor::ones(shape));
    }
    all
}

type Along = fn(&Tensor, isize) -> Vec<Tensor>;

const FAR: isize = isize::MAX;
const NEAR: isize = isize::MIN;

/// Methods of one tensor, the axis being one of several that may not be there.
const ALONG: &[(&str, Along)] = &[
    ("repeat", |x, _| vec![x.repeat(()), x.repeat([2, 0, 3]), x.repeat([1 << 31; 2]), x.tile([3])]),
    ("tile", |x, _| vec![x.tile(vec![1; 8]), x.tile([1; 9]), x.tile([0]), x.tile([2, 1, 2])]),
    ("repeat_interleave", |x, a| {
        vec![x.repeat_interleave(2, a), x.repeat_interleave(usize::MAX, a), x.repeat_interleave(-3, a)]
    }),
    ("repeat_interleave tensors", |x, a| {
        vec![x.repeat_interleave(x, a), x.repeat_interleave(x.i64(), a), x.repeat_interleave(i64::MAX, a)]
    }),
    ("roll", |x, a| vec![x.roll(1, a), x.roll([FAR, NEAR], [a, 0]), x.roll([], []), x.roll([1, 2], a)]),
    ("turns", |x, a| {
        vec![x.fliplr(), x.flipud(), x.rot90(NEAR, [a, 0]), x.rot90(1, [0, a]), x.swapaxes(a, -1)]
    }),
    ("stacks", |x, _| {
        let two = [x.clone(), x.atleast_1d()];
        vec![Tensor::hstack(&two), Tensor::vstack(&two), Tensor::dstack(&two), Tensor::column_stack(&two)]
    }),
    ("grids", |x, _| {
        let two = [x.clone(), x.ravel()];
        [
            Tensor::broadcast_tensors(&two),
            Tensor::meshgrid(&two, GridOrder::Xy),
            vec![Tensor::cartesian_prod(&two)],
        ]
        .concat()
    }),
    ("atleast", |x, _| vec![x.atleast_1d(), x.atleast_2d(), x.atleast_3d(), x.squeeze_all(), x.ravel()]),
    ("split", |x, a| [x.split(0, a), x.split(2, a), x.split(usize::MAX, a), x.split(vec![1, 2], a)].concat()),
    ("parts", |x, a| [x.tensor_split(2, a), x.tensor_split(usize::MAX, a), x.unbind(a)].concat()),
    ("split array", |x, a| x.split([usize::MAX, 1], a).to_vec()),
    ("unflatten", |x, a| {
        vec![x.unflatten(a, [1, retrograd::INFER]), x.unflatten(a, [1; 9]), x.unflatten(a, ())]
    }),
    ("expand", |x, a| vec![x.expand([a, -1]), x.expand([-1, 2, 3]), x.expand([]), x.expand([a; 9])]),
    ("select", |x, a| vec![x.select(a, 0), x.select(a, -1), x.select(a, FAR), x.select(a, NEAR)]),
    ("unfold", |x, a| {
        vec![x.unfold(a, 1, 1), x.unfold(a, 2, usize::MAX), x.unfold(a, usize::MAX, 1), x.unfold(a, 0, 0)]
    }),
    ("diagonal", |x, a| vec![x.diagonal(0, a, 0), x.diagonal(FAR, 0, a), x.diagonal(NEAR, a, -1), x.diag(1)]),
    ("diag_embed", |x, a| {
        vec![x.diag_embed(0, a, 0), x.diag_embed(NEAR, 0, 1), x.diag_embed(-2, -1, a), x.diagflat(FAR)]
    }),
    ("triangles", |x, a| vec![x.tril(a), x.triu(a), x.tril(FAR), x.triu(NEAR), x.tril(NEAR), x.triu(FAR)]),
    ("pad_with", |x, _| {
        let modes = [PadMode::Reflect, PadMode::Replicate, PadMode::Circular];
        let pads = |mode| {
            [
                x.pad_with([(1, 4)], mode),
                x.pad_with(vec![(0, 2), (3, 0)], mode),
                x.pad_with([(usize::MAX, 1)], mode),
            ]
        };
        modes.into_iter().flat_map(pads).collect()
    }),
    ("pad", |x, _| vec![x.pad(vec![(1, 1)], f64::NAN), x.pad(&[(0, 0), (2, 1)][..], 1)]),
    ("scatter", |x, a| {
        vec![x.scatter(a, &x.i64(), x), x.scatter(a, &x.zeros_like().i64(), 1), x.scatter(a, x, 0.5)]
    }),
    ("take_along_axis", |x, a| {
        vec![x.take_along_axis(&x.i64(), a), x.take_along_axis(&x.zeros_like().i64(), a)]
    }),
    ("index_copy", |x, a| {
        vec![x.index_copy(a, &Tensor::from([0i64]), x), x.index_copy(a, &Tensor::from(0i64), x)]
    }),
    ("index_fill", |x, a| {
        vec![x.index_fill(a, &Tensor::from([0i64]), 1), x.index_fill(a, x, x), x.index_fill(a, &x.i64(), 0.5)]
    }),
    ("scatter_reduce", |x, a| {
        let index = x.zeros_like().i64();
        let each = |reduce| {
            [IncludeSelf::Yes, IncludeSelf::No]
                .map(|own| x.scatter_reduce(a, &index, x, reduce, own))
                .to_vec()
        };
        use ScatterReduce::{Amax, Amin, Mean, Prod, Sum};
        [Sum, Prod, Mean, Amax, Amin].into_iter().flat_map(each).collect()
    }),
    ("index_reduce", |x, a| {
        let index = Tensor::from([0i64, 0]);
        vec![
            x.index_reduce(a, &index, x, ScatterReduce::Prod, IncludeSelf::Yes),
            x.index_reduce(a, x, x, ScatterReduce::Amax, IncludeSelf::No),
        ]
    }),
    ("flat", |x, _| {
        vec![
            x.take(&x.i64()),
            x.take(x),
            x.put(&x.i64(), x, PutMode::Add),
            x.put(&x.zeros_like().i64(), x, PutMode::Replace),
        ]
    }),
    ("index_put", |x, _| {
        vec![
            x.index_put(x.bool(), 1, PutMode::Add),
            x.index_put(0, x, PutMode::Add),
            x.index_put((.., x.i64()), 1, PutMode::Add),
            x.index_put(.., x, PutMode::Add),
        ]
    }),
    ("masks", |x, _| {
        vec![
            x.masked_fill(&x.bool(), 1),
            x.masked_fill(x, x),
            x.masked_select(&x.bool()),
            x.masked_scatter(&x.bool(), x),
        ]
    }),
    ("nonzero", |x, _| vec![x.nonzero(), x.argwhere()]),
    ("cross", |x, a| vec![x.cross(x, a), x.cross(&Tensor::ones([3]), a)]),
    ("dist", |x, _| {
        vec![
            x.dist(x, 2.0),
            x.dist(x, 0.0),
            x.dist(&x.zeros_like(), f64::INFINITY),
            x.dist(x, 1.0),
            x.dist(x, f64::NAN),
            x.dist(&x.ones_like(), 0.5),
        ]
    }),
    ("dropout", |x, _| {
        vec![x.dropout(0.5), x.dropout(1.0), x.dropout(f64::NAN), Rng::seed(1).dropout(x, 0.0)]
    }),
    ("like", |x, _| vec![x.rand_like(), x.randn_like()]),
    ("multinomial", |x, _| {
        vec![
            x.multinomial(2, Replacement::With),
            x.multinomial(1, Replacement::Without),
            x.multinomial(0, Replacement::Without),
            x.multinomial(usize::MAX, Replacement::Without),
            x.multinomial(0, Replacement::With),
            x.multinomial(usize::MAX, Replacement::With),
        ]
    }),
    ("distributions", |x, _| {
        vec![
            Tensor::uniform([2], x, 1.0),
            Tensor::normal([2], 0.0, x),
            Tensor::exponential((), x),
            Tensor::bernoulli([0], x),
        ]
    }),
    ("cat", |x, a| vec![Tensor::cat(&[x.clone(), x.sum()], a), Tensor::cat(&[x.sum(), x.sum()], a)]),
];

type Binary = fn(&Tensor, &Tensor) -> Vec<Tensor>;

const BINARY: &[(&str, Binary)] = &[
    ("products", |a, b| vec![a.mm(b), a.mv(b), a.bmm(b), a.ger(b), a.inner(b), a.vdot(b)]),
    ("added products", |a, b| vec![a.addmm(a, b), a.addmv(b, a), a.addr(a, b), a.baddbmm(b, b)]),
    ("as another", |a, b| {
        vec![a.expand_as(b), a.view_as(b), a.reshape_as(b), a.dist(b, 2.0), a.cross(b, -1)]
    }),
    ("gathers", |a, b| vec![a.gather(0, b), a.take_along_axis(b, -1), a.take(b), a.masked_select(b)]),
    ("scatters", |a, b| {
        vec![
            a.scatter(0, b, a),
            a.scatter(-1, &b.zeros_like().i64(), b),
            a.scatter_add(0, &b.zeros_like().i64(), b),
        ]
    }),
    ("writes", |a, b| {
        vec![
            a.put(b, a, PutMode::Add),
            a.masked_scatter(b, a),
            a.masked_fill(b, a),
            a.index_put(b, a, PutMode::Add),
        ]
    }),
    ("joins", |a, b| {
        [Tensor::broadcast_tensors(&[a.clone(), b.clone()]), vec![Tensor::hstack(&[a.clone(), b.clone()])]]
            .concat()
    }),
    ("counts", |a, b| vec![a.repeat_interleave(b, 0), a.repeat_interleave(b, -1)]),
];

#[test]
fn methods() {
    for x in tensors() {
        for axis in [0, 1, -1, 7, isize::MAX, isize::MIN] {
            for (name, method) in ALONG {
                holds(|| format!("{name} along {axis} on {x:?}"), || method(&x, axis));
            }
        }
        for y in tensors() {
            for (name, method) in BINARY {
                holds(|| format!("{name} on {x:?} and {y:?}"), || method(&x, &y));
            }
        }
    }
}

#[test]
fn derivatives_of_methods() {
    for x in tensors().into_iter().filter(|x| x.error().is_some() || x.dtype() == DType::F64) {
        for axis in [0, -1, 7] {
            for (name, method) in ALONG {
                for at in 0..method(&x, axis).len() {
                    let f = |x: &Tensor| nth(method(x, axis), at);
                    let what = || format!("derivative of {name} {at} along {axis} at {x:?}");
                    holds(what, || derivatives(&f, &x));
                }
            }
        }
        for (name, method) in BINARY {
            for at in 0..method(&x, &x).len() {
                let what = || format!("derivative of {name} {at} at {x:?}");
                holds(what, || derivatives(&|y: &Tensor| nth(method(y, y), at), &x));
                holds(what, || derivatives(&|y: &Tensor| nth(method(&x, y), at), &x));
            }
        }
    }
}

#[test]
fn constructors() {
    let holds = |call: fn() -> Vec<Tensor>| holds(|| "a constructor".to_owned(), call);
    holds(|| {
        vec![
            Tensor::tri(0, 5, 0),
            Tensor::tri(2, 3, isize::MIN),
            Tensor::tri(2, 3, isize::MAX),
            Tensor::tri(usize::MAX, 1, 0),
        ]
    });
    holds(|| {
        vec![
            Tensor::tril_indices(2, 3, isize::MAX),
            Tensor::tril_indices(usize::MAX, 0, 0),
            Tensor::tril_indices(3, 2, isize::MIN),
        ]
    });
    holds(|| {
        vec![
            Tensor::triu_indices(2, 3, isize::MAX),
            Tensor::triu_indices(0, 3, 0),
            Tensor::triu_indices(3, 2, isize::MIN),
        ]
    });
    holds(|| {
        vec![
            Tensor::logspace(0.0, 1.0, 0, 10.0),
            Tensor::logspace(f64::NAN, 1.0, 2, -1.0),
            Tensor::logspace(0.0, 1.0, usize::MAX, 0.0),
        ]
    });
    holds(|| {
        vec![
            Tensor::randint(0, 0, [2]),
            Tensor::randint(0, 1 << 53, [2]),
            Tensor::randint(i64::MAX - 1, i64::MAX, [2]),
            Tensor::randint(0, 1, [1 << 40]),
        ]
    });
    holds(|| {
        vec![
            Tensor::uniform([1 << 40], 0.0, 1.0),
            Tensor::normal([0], 0.0, f64::NAN),
            Tensor::exponential([2], 0.0),
            Tensor::uniform((), f64::INFINITY, f64::NEG_INFINITY),
        ]
    });
    holds(|| Tensor::meshgrid(&[], GridOrder::Ij));
    holds(|| Tensor::broadcast_tensors(&[]));
    holds(|| {
        vec![
            Tensor::hstack(&[]),
            Tensor::vstack(&[]),
            Tensor::dstack(&[]),
            Tensor::column_stack(&[]),
            Tensor::cartesian_prod(&[]),
        ]
    });
    holds(|| {
        let mut rng = Rng::seed(3);
        let mut many = rng.split(3);
        vec![
            many.randperm(4),
            rng.randperm(usize::MAX),
            rng.randperm(0),
            many.randint(0, 5, [2]),
            many.multinomial(&Tensor::ones([3]), 2, Replacement::Without),
            many.uniform([2], 0.0, 1.0),
        ]
    });
}

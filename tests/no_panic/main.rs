//! No safe call panics, whatever shapes, dtypes, axes and numbers it is given, but the ones whose documentation says
//! so: every method on every odd tensor.

mod contraction;
mod indexing;
#[cfg(feature = "linalg")]
mod linalg;
mod ordering;
mod pointwise;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};

use retrograd::{
    DType, Ellipsis, INFER, IndexItem, MAX_RANK, NewAxis, Result, Rng, Slice, Tensor, grad, grad_only,
    hessian, hvp, jacobian, jvp, step, tree, vjp, vmap,
};

/// Axes inside, outside and far outside.
const AXES: [isize; 9] = [0, 1, -1, -2, 2, 7, -9, isize::MAX, isize::MIN];

/// Shapes with no axes, no elements, one element, as many axes as there may be.
fn shapes() -> Vec<Vec<usize>> {
    vec![
        vec![],
        vec![0],
        vec![1],
        vec![3],
        vec![2, 2],
        vec![0, 3],
        vec![3, 0],
        vec![2, 3, 1],
        vec![1; MAX_RANK],
        [vec![2; 2], vec![1; MAX_RANK - 3], vec![2]].concat(),
    ]
}

/// A tensor of every shape and dtype, with numbers that are hard on arithmetic, and an invalid one.
fn tensors() -> Vec<Tensor> {
    let numbers = [f64::NAN, 0.0, -1.5, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0, 2.0];
    let mut all = vec![Tensor::zeros([1; MAX_RANK + 1])];
    for shape in shapes() {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|i| numbers[i % numbers.len()]).collect();
        for dtype in DType::ALL {
            all.push(Tensor::from_vec(values.clone(), &shape[..]).to_dtype(dtype));
        }
        all.push(Tensor::ones(&shape[..]));
    }
    all
}

/// Runs `call` and reads what it yields; a panic is a failure that says what was called on what.
fn holds(what: impl Fn() -> String, call: impl FnOnce() -> Vec<Tensor>) {
    let run = AssertUnwindSafe(|| {
        for y in call() {
            let _ = (
                y.to_vec::<f64>(),
                y.item::<bool>(),
                y.as_slice::<f32>().map(<[f32]>::len),
                format!("{y} {y:?}"),
            );
        }
    });
    assert!(catch_unwind(run).is_ok(), "{} panicked", what());
}

type Unary = fn(&Tensor) -> Vec<Tensor>;

/// Methods without arguments, or with fixed ones.
const UNARY: &[(&str, Unary)] = &[
    ("neg", |x| vec![-x, -x.clone()]),
    ("exponential", |x| vec![x.exp(), x.expm1(), x.log(), x.log1p(), x.sqrt()]),
    ("trigonometric", |x| vec![x.sin(), x.cos(), x.tanh(), x.erf()]),
    ("activation", |x| vec![x.sigmoid(), x.relu(), x.gelu(), x.silu(), x.softplus(), x.leaky_relu(0.1)]),
    ("rounding", |x| vec![x.abs(), x.sign(), x.floor(), x.square()]),
    ("clamp", |x| vec![x.clamp(0, 1), x.clamp(x, x), x.clamp(1.5, f64::NAN)]),
    ("tests", |x| vec![x.isnan(), x.isinf(), x.isfinite(), x.logical_not(), x.any(), x.all()]),
    ("reductions", |x| vec![x.sum(), x.prod(), x.amax(), x.amin(), x.mean(), x.var(1), x.std(7), x.norm()]),
    ("t", |x| vec![x.t()]),
    ("numbers", |x| {
        vec![x + 1, x - 1.5, x * f64::NAN, x / 0, x / 0.0, x.pow(2), x.pow(-0.5), 1.0 - x, 2 / x]
    }),
    ("numbers compared", |x| {
        vec![x.eq(true), x.lt(0.5), x.ge(1i64 << 40), x.maximum(-1), x.minimum(f32::NAN)]
    }),
    ("like", |x| vec![x.zeros_like(), x.ones_like(), x.full_like(1.5), x.full_like(-1)]),
    ("one_hot", |x| vec![x.one_hot(0), x.one_hot(3)]),
    ("reshape", |x| vec![x.reshape(()), x.reshape([0]), x.reshape([INFER]), x.reshape([INFER, INFER])]),
    ("reshape", |x| {
        vec![x.reshape([INFER, 0]), x.reshape([1 << 40]), x.reshape([1; 9]), x.reshape([2, INFER])]
    }),
    ("broadcast_to", |x| {
        vec![x.broadcast_to([2, 3]), x.broadcast_to(()), x.broadcast_to([0]), x.broadcast_to([1; 9])]
    }),
    ("permute", |x| {
        vec![x.permute([]), x.permute([0]), x.permute([1, 0]), x.permute([0, 0]), x.permute([-1, 5])]
    }),
    ("flip", |x| vec![x.flip([]), x.flip([0]), x.flip([0, -1]), x.flip([9])]),
    ("pad", |x| {
        vec![x.pad([], 0.0), x.pad([(1, 0)], 1.5), x.pad([(0, 2), (1, 0)], -1), x.pad([(usize::MAX, 3)], 0)]
    }),
    ("where_", |x| vec![x.where_(1.0, 2.0), x.where_(x, 0), x.where_(1.5, x), x.bool().where_(x, x)]),
    ("cat", |x| vec![Tensor::cat(&[x.clone(), x.clone()], 0), Tensor::stack(&[x.clone(), x.clone()], -1)]),
    ("casts", |x| {
        let to = |to| {
            [x.to_dtype(to), x.to_dtype(to).to_dtype(x_dtype(x)), x.to_dtype(to).type_as(x), x.widened()]
        };
        DType::ALL.iter().flat_map(|&dtype| to(dtype)).collect()
    }),
    ("iterators", |x| if x.error().is_none() && x.rank() > 0 { x.iter().collect() } else { vec![] }),
    ("ravel", |x| {
        let (flat, unravel) = tree::ravel(&vec![x.clone(), x.clone()]);
        let wrong = unravel(&Tensor::zeros([1]));
        [vec![flat.clone()], unravel(&flat), wrong, tree::zip(&vec![x.clone()], &(), |x, _| x.clone())]
            .concat()
    }),
    ("at", |x| vec![x.at(()), x.at(0), x.at(-1), x.at(usize::MAX), x.at(i64::MIN), x.at((0, 0, 0))]),
    ("at ranges", |x| {
        vec![x.at(..), x.at(1..), x.at(isize::MIN..isize::MAX), x.at(step(.., -1)), x.at(step(.., 0))]
    }),
    ("at slices", |x| {
        vec![x.at(Slice::new(Some(5), Some(-5), isize::MIN)), x.at(Slice::new(None, Some(isize::MIN), 3))]
    }),
    ("at new axes", |x| vec![x.at(NewAxis), x.at((Ellipsis, NewAxis, 0)), x.at((Ellipsis, Ellipsis))]),
    ("at many new axes", |x| vec![x.at(vec![IndexItem::NewAxis; 20]), x.at(vec![IndexItem::At(0); 20])]),
    ("at tensors", |x| vec![x.at(x), x.at((x, x)), x.at(x.i64()), x.at(x.bool()), x.at((.., x.bool()))]),
    ("with", |x| {
        vec![x.with(0, 1), x.with(.., x), x.with(x.i64(), 0), x.with(x.bool(), 1.5), x.with(NewAxis, x)]
    }),
    ("softmax of a part", |x| {
        vec![x.at(0).softmax(-1), x.logsumexp([]), x.sum_dim([]), x.prod_dim([]), x.amax_dim([])]
    }),
];

fn x_dtype(x: &Tensor) -> DType {
    if x.error().is_some() { DType::F32 } else { x.dtype() }
}

type WithAxis = fn(&Tensor, isize) -> Vec<Tensor>;

/// Methods along an axis.
const ALONG: &[(&str, WithAxis)] = &[
    ("sum_dim", |x, a| vec![x.sum_dim(a), x.sum_keepdim(a), x.sum_dim([0, a])]),
    ("prod_dim", |x, a| vec![x.prod_dim(a), x.prod_keepdim(a), x.prod_dim([a, -1])]),
    ("amax_dim", |x, a| vec![x.amax_dim(a), x.amin_keepdim(a), x.argmax(a), x.argmin(a)]),
    ("mean_dim", |x, a| {
        vec![x.mean_dim(a), x.mean_keepdim(a), x.var_dim(a, 9), x.std_dim(a, 0), x.norm_dim(a)]
    }),
    ("softmax", |x, a| vec![x.softmax(a), x.log_softmax(a), x.logsumexp(a)]),
    ("unsqueeze", |x, a| vec![x.unsqueeze(a), x.squeeze(a)]),
    ("flatten", |x, a| vec![x.flatten(a, -1), x.flatten(0, a), x.flatten(a, a)]),
    ("transpose", |x, a| vec![x.transpose(a, 0), x.transpose(-1, a), x.movedim(a, 0), x.movedim(0, a)]),
    ("split", |x, a| [x.split([1, usize::MAX], a), x.split([0, 3], a)].concat()),
    ("chunk", |x, a| [x.chunk(0, a), x.chunk(2, a), x.chunk(usize::MAX, a)].concat()),
    ("narrow", |x, a| {
        vec![x.narrow(a, 0, 1), x.narrow(a, usize::MAX, 2), x.narrow(a, 0, 0), x.narrow(a, 9, 0)]
    }),
    ("flip", |x, a| vec![x.flip([a]), x.flip([a, a])]),
    ("permute", |x, a| vec![x.permute([a]), x.permute([a, 0])]),
    ("cat", |x, a| vec![Tensor::cat(&[x.clone(), x.f64()], a), Tensor::cat(&[], a), Tensor::stack(&[], a)]),
    ("stack", |x, a| vec![Tensor::stack(&[x.clone(), x.clone()], a)]),
    ("index", |x, a| {
        vec![x.index_select(a, x), x.gather(a, &x.i64()), x.index_select(a, &Tensor::from(i64::MIN))]
    }),
    ("scatter", |x, a| vec![x.scatter_add(a, &x.i64(), x), x.index_add(a, &Tensor::from([0i64]), x)]),
];

type Binary = fn(&Tensor, &Tensor) -> Vec<Tensor>;

/// Methods of two tensors.
const BINARY: &[(&str, Binary)] = &[
    ("arithmetic", |a, b| vec![a + b, a - b.clone(), a.clone() * b, a.clone() / b.clone(), a.pow(b)]),
    ("extremes", |a, b| vec![a.maximum(b), a.minimum(b), a.clamp(b, b)]),
    ("comparisons", |a, b| vec![a.eq(b), a.ne(b), a.lt(b), a.le(b), a.gt(b), a.ge(b)]),
    ("logic", |a, b| {
        vec![a.logical_and(b), a.logical_or(b), a.logical_xor(b), a.where_(b, 0), b.bool().where_(a, b)]
    }),
    ("products", |a, b| vec![a.matmul(b), a.dot(b), a.outer(b), a.matmul(&b.t())]),
    ("indices", |a, b| vec![a.at(b), a.at((b, b)), a.at((.., b)), a.at((b, Ellipsis, b)), a.embedding(b)]),
    ("assignment", |a, b| {
        vec![a.with(.., b), a.with(b, a), a.with(b, b), a.with((Ellipsis, 0), b), a.with(a, b)]
    }),
    ("joins", |a, b| {
        vec![Tensor::cat(&[a.clone(), b.clone()], -1), Tensor::stack(&[a.clone(), b.clone()], 0)]
    }),
    ("losses", |a, b| vec![a.cross_entropy(b), a.gather(-1, b), a.scatter_add(0, b, a)]),
    ("broadcast", |a, b| {
        if b.error().is_none() { vec![a.broadcast_to(b.shape()), a.reshape(b.shape())] } else { vec![] }
    }),
];

/// Every family's.
fn unary() -> impl Iterator<Item = &'static (&'static str, Unary)> {
    UNARY.iter().chain(window::UNARY)
}

fn binary() -> impl Iterator<Item = &'static (&'static str, Binary)> {
    BINARY.iter().chain(window::BINARY)
}

#[test]
fn methods_of_one_tensor() {
    for x in tensors() {
        for (name, method) in unary() {
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
            for (name, method) in binary() {
                holds(|| format!("{name} on {a:?} and {b:?}"), || method(a, b));
            }
        }
    }
}

/// What the derivatives of a function are made of, in every mode; errors are allowed, panics are not.
fn derivatives(f: &dyn Fn(&Tensor) -> Tensor, x: &Tensor) -> Vec<Tensor> {
    let sum = |x: &Tensor| f(x).sum();
    let mut all = Vec::new();
    all.extend(grad_only(sum).call(x, ()).ok());
    all.extend(vjp(f).call(x, ()).and_then(|(y, pull)| pull.call(&y)).ok());
    all.extend(jvp(f).call(x, x, ()).ok().map(|(_, dy)| dy));
    all.extend(vmap(f).call(x, ()).ok());
    all.extend(vmap(f).in_axes([Some(-1)]).out_axis(-1).call(x, ()).ok());
    all.extend(hvp(sum).call(x, x, ()).ok());
    all.extend(grad_only(|x: &Tensor| grad(sum).call(x, ()).map(|(dx, _)| dx.sum())).call(x, ()).ok());
    if x.error().is_none() && x.numel() < 4 {
        all.extend(jacobian(f).call(x, ()).ok());
        all.extend(hessian(sum).call(x, ()).ok());
    }
    all
}

#[test]
fn derivatives_of_every_method() {
    for x in tensors() {
        let floating = x.error().is_some() || matches!(x.dtype(), DType::F64 | DType::BF16 | DType::I64);
        if !floating {
            continue;
        }
        for (name, method) in unary() {
            for at in 0..method(&x).len() {
                holds(
                    || format!("derivative of {name} {at} at {x:?}"),
                    || derivatives(&|x| nth(method(x), at), &x),
                );
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
        for (name, method) in binary() {
            for at in 0..method(&x, &x).len() {
                let f = |y: &Tensor| nth(method(y, y), at);
                holds(|| format!("derivative of {name} {at} at {x:?}"), || derivatives(&f, &x));
                let f = |y: &Tensor| nth(method(&x, y), at);
                holds(|| format!("derivative of {name} {at} at {x:?}, second"), || derivatives(&f, &x));
            }
        }
    }
}

/// Inside a batch there may be fewer parts.
fn nth(mut parts: Vec<Tensor>, at: usize) -> Tensor {
    if at < parts.len() { parts.swap_remove(at) } else { Tensor::from(0.0) }
}

#[test]
fn constructors() {
    let holds = |call: fn() -> Vec<Tensor>| holds(|| "a constructor".to_owned(), call);
    holds(|| vec![Tensor::zeros([1 << 40]), Tensor::ones(vec![1; 20]), Tensor::full([1 << 31; 3], f64::NAN)]);
    holds(|| {
        vec![
            Tensor::from_vec(vec![1.0], [2]),
            Tensor::from_slice::<f32>(&[], ()),
            Tensor::from_vec(vec![true], ()),
        ]
    });
    holds(|| {
        vec![
            Tensor::from(Vec::<f64>::new()),
            Tensor::from([[0u8; 0]; 3]),
            Tensor::from([[[[[[[[[0.0]]]]]]]]]),
        ]
    });
    holds(|| vec![Tensor::eye(0), Tensor::eye(1), Tensor::eye(usize::MAX), Tensor::eye(1 << 31)]);
    holds(|| vec![Tensor::arange(0), Tensor::arange(-5), Tensor::arange(i64::MAX), Tensor::arange(i64::MIN)]);
    holds(|| {
        vec![
            Tensor::arange_step(0, 5, 0),
            Tensor::arange_step(0.0, f64::NAN, 1.0),
            Tensor::arange_step(5, 0, -2),
        ]
    });
    holds(|| {
        vec![Tensor::arange_step(i64::MIN, i64::MAX, 1), Tensor::arange_step(i64::MIN, i64::MAX, i64::MAX)]
    });
    holds(|| {
        vec![
            Tensor::linspace(0.0, 1.0, 0),
            Tensor::linspace(1.0, f64::NAN, 1),
            Tensor::linspace(0.0, 1.0, usize::MAX),
        ]
    });
    holds(|| {
        vec![Tensor::rand([0]), Tensor::randn(()), Tensor::randn([1 << 40]), Tensor::bernoulli([2], f64::NAN)]
    });
    holds(|| vec![Tensor::randperm(0), Tensor::randperm(usize::MAX)]);
    holds(|| {
        let mut rng = Rng::seed(u64::MAX);
        let (mut none, mut many) = (rng.split(0), rng.split(usize::MAX));
        vec![
            none.rand([2]),
            many.randn([3]),
            rng.randn([1 << 40]),
            rng.bernoulli([0], 2.0),
            rng.split(3).rand([1; 8]),
        ]
    });
}

#[test]
fn shapes_beyond_all_memory() {
    let big = Tensor::zeros([1 << 31, 1]);
    // Not read out: splats take no memory, but their elements would.
    for y in [
        &big + big.t(),
        big.matmul(&big.t()),
        big.reshape([1, 1 << 31]),
        big.outer(&big),
        big.broadcast_to([2, 1 << 31, 1]),
    ] {
        let _ = format!("{:?}", y.error());
    }
    let [a, b, c] =
        [[1 << 31, 1, 1], [1, 1 << 31, 1], [1, 1, 1 << 31]].map(|shape: [usize; 3]| Tensor::zeros(shape));
    assert!((&a + &b + &c).error().is_some());
    assert!(a.maximum(&b).lt(&c).error().is_some());
    assert!(
        Tensor::zeros([1 << 31, 1 << 28]).unsqueeze(0).broadcast_to([2, 1 << 31, 1 << 28]).error().is_some()
    );
    assert!(
        vmap(|_: &Tensor| Tensor::zeros([1 << 31, 1 << 20])).call(&Tensor::zeros([1 << 20]), ()).is_err()
    );
    let huge = Tensor::zeros([(1 << 32) - 1, 1]);
    assert!(Tensor::cat(&[huge.clone(), huge], 0).error().is_some());
}

#[test]
fn trees_without_leaves_and_vmaps_without_examples() -> Result<()> {
    let none: Vec<Tensor> = vec![];
    assert!(grad(|_: &Vec<Tensor>| Tensor::from(1.0)).call(&none, ())?.0.is_empty());
    assert!(jvp(|x: &Vec<Tensor>| x.clone()).call(&none, &none, ())?.1.is_empty());
    let (_, pull) = vjp(|x: &Vec<Tensor>| x.clone()).call(&none, ())?;
    assert!(pull.call(&none)?.is_empty());
    assert!(vmap(|x: &Vec<Tensor>| x.clone()).call(&none, ()).is_err());
    assert!(hvp(|_: &Vec<Tensor>| Tensor::from(1.0)).call(&none, &none, ())?.is_empty());
    assert!(retrograd::hessian_blocks(|_: &Vec<Tensor>| Tensor::from(1.0)).call(&none, ())?.is_empty());
    assert_eq!(retrograd::gradcheck(|_: &Vec<Tensor>| Tensor::from(1.0), &none, ())?.elements, 0);
    assert_eq!(retrograd::gradgradcheck(|_: &Vec<Tensor>| Tensor::from(1.0), &none, ())?.elements, 0);
    let empty = Tensor::zeros([0, 2]);
    assert_eq!(vmap(|x: &Tensor| x.sum()).call(&empty, ())?.shape(), [0]);
    assert_eq!(
        vmap(|x: &Tensor| grad_only(|x: &Tensor| x.sum()).call(x, ())).call(&empty, ())?.shape(),
        [0, 2]
    );
    Ok(())
}

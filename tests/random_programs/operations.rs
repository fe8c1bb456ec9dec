//! What a random program may do to the values that it has.

use retrograd::{Conv, DType, INFER, Order, Tensor, stop_gradient};

use crate::values::{LARGEST, Picks, Value, broadcast, dims};

type Operation = fn(&Picks<'_>) -> Option<Value>;

/// Names, and what they do where the values allow it.
///
/// Operations that jump, or whose slope does (comparisons, `abs`, `max`, rounding, f16), take values of which every
/// pass keeps the bits. A rounding may otherwise put two programs that are both right on two sides of the jump.
pub(crate) const OPERATIONS: &[(&str, Operation)] = &[
    // Elementwise, two operands of shapes that broadcast.
    ("add", |p| p.floats(|a, b| a + b, |a, b| a + b)),
    ("sub", |p| p.floats(|a, b| a - b, |a, b| a + b)),
    ("mul", |p| p.floats(|a, b| a * b, |a, b| a * b)),
    ("div", |p| p.floats(|a, b| a / (b.square() + 1), |a, _| a)),
    ("atan2", |p| p.floats(|a, b| a.atan2(b.square() + 1), |_, _| 2.0)),
    ("hypot", |p| p.floats(|a, b| (a.square() + b.square() + 0.5).sqrt(), |a, b| a + b + 1.0)),
    ("maximum", |p| p.exact_floats(|a, b| a.maximum(b), f64::max)),
    ("minimum", |p| p.exact_floats(|a, b| a.minimum(b), f64::max)),
    ("where a > b", |p| p.exact_floats(|a, b| a.gt(b).where_(a, b), f64::max)),
    ("where a <= 0", |p| p.exact_floats(|a, b| a.le(0).where_(b, 0.5), |_, b| b.max(0.5))),
    // Elementwise, one operand.
    ("neg", |p| p.float(|a| -a, |a| a)),
    ("scale", |p| p.float(|a| a * -0.75 + 0.25, |a| a + 1.0)),
    ("reflect", |p| p.float(|a| 2.0 - a, |a| a + 2.0)),
    ("tanh", |p| p.float(Tensor::tanh, |_| 1.0)),
    ("sigmoid", |p| p.float(Tensor::sigmoid, |_| 1.0)),
    ("gelu", |p| p.float(Tensor::gelu, |a| a)),
    ("silu", |p| p.float(Tensor::silu, |a| a)),
    ("bell", |p| p.float(|a| (-a.square()).exp(), |_| 1.0)),
    ("sin", |p| p.float(|a| (a.tanh() * 3).sin(), |_| 1.0)),
    ("erf", |p| p.float(Tensor::erf, |_| 1.0)),
    ("log", |p| p.float(|a| (a.square() + 1).log(), |a| a + 1.0)),
    ("sqrt", |p| p.float(|a| (a.square() + 0.25).sqrt(), |a| a + 1.0)),
    ("softplus", |p| p.float(Tensor::softplus, |a| a + 1.0)),
    ("square", |p| p.float(Tensor::square, |a| a * a)),
    ("cube", |p| p.float(|a| a.pow(3), |a| a * a * a).map(Value::rounded)),
    ("half power", |p| p.float(|a| (a.square() + 1).pow(1.5), |a| (a + 1.0).powi(3)).map(Value::rounded)),
    ("stop_gradient", |p| p.float(stop_gradient, |a| a)),
    ("abs", |p| p.exact_float(Tensor::abs, |a| a)),
    ("relu", |p| p.exact_float(Tensor::relu, |a| a)),
    ("clamp", |p| p.exact_float(|a| a.clamp(-0.5, 0.75), |_| 0.75)),
    ("round", |p| p.exact_float(|a| (a * 2).round(), |a| 2.0 * a + 1.0)),
    // Folds.
    ("sum", |p| p.folded(Tensor::sum, |a, n| a * n)),
    ("sum of an axis", |p| p.folded(|a| a.sum_dim(p.axis(a)), |a, n| a * n)),
    ("sum of an axis, kept", |p| p.folded(|a| a.sum_keepdim(p.axis(a)), |a, n| a * n)),
    ("mean of an axis, kept", |p| p.folded(|a| a.mean_keepdim(p.axis(a)), |a, _| a)),
    ("less the mean", |p| p.folded(|a| a - a.mean_keepdim(p.axis(a)), |a, _| 2.0 * a)),
    ("sum of two axes", |p| {
        let a = p.some_float()?;
        (a.x.rank() >= 2).then(|| a.after(a.x.sum_dim([0, -1]), a.bound * a.count()).rounded())
    }),
    ("softmax", |p| p.folded(|a| a.softmax(p.axis(a)), |_, _| 1.0)),
    ("log_softmax", |p| p.folded(|a| a.log_softmax(p.axis(a)), |a, n| 2.0 * a + n.ln())),
    ("logsumexp", |p| p.folded(|a| a.logsumexp(p.axis(a)), |a, n| a + n.ln())),
    ("cumsum", |p| p.folded(|a| a.cumsum(p.axis(a)), |a, n| a * n)),
    ("amax of an axis, kept", |p| p.extreme(|a| a.amax_keepdim(p.axis(a)))),
    ("amin of an axis", |p| p.extreme(|a| a.amin_dim(p.axis(a)))),
    ("greatest", |p| p.extreme(Tensor::amax)),
    ("sort", |p| p.extreme(|a| a.sort(p.axis(a), Order::Ascending).0)),
    // Movement: any dtype.
    ("transpose", |p| p.moved(|a| (a.rank() >= 2).then(|| a.transpose(0, -1)))),
    ("turn", |p| p.moved(|a| (a.rank() == 3).then(|| a.permute([1, 2, 0])))),
    ("flatten", |p| p.moved(|a| Some(a.reshape([a.numel()])))),
    ("fold rows", |p| p.moved(|a| (a.numel() > 0 && a.numel() % 2 == 0).then(|| a.reshape([2, INFER])))),
    ("unsqueeze", |p| p.moved(|a| Some(a.unsqueeze(p.axis(&a.unsqueeze(0)))))),
    ("narrow", |p| {
        p.moved(|a| {
            let n = axis_length(a, p)?;
            let start = p.number(2) % (n + 1);
            Some(a.narrow(p.axis(a), start, p.number(3) % (n - start + 1)))
        })
    }),
    ("every other", |p| p.moved(|a| (a.rank() > 0).then(|| a.at(retrograd::step(1.., 2))))),
    ("last", |p| p.moved(|a| (a.rank() > 0 && a.size(0) > 0).then(|| a.at(-1)))),
    ("flip", |p| p.moved(|a| (a.rank() > 0).then(|| a.flip(p.axis(a))))),
    ("roll", |p| p.moved(|a| (axis_length(a, p)? > 0).then(|| a.roll(p.number(2) as isize % 5, p.axis(a))))),
    ("broadcast", |p| p.moved(|a| Some(a.broadcast_to([&[2], &dims(a)[..]].concat())))),
    ("pad", |p| {
        p.moved(|a| {
            let outer = (a.dtype() != DType::Bool && a.rank() > 0).then_some((1, 2))?;
            Some(a.pad([vec![(0, 0); a.rank() - 1], vec![outer]].concat(), 0))
        })
    }),
    ("tril", |p| p.moved(|a| (a.rank() == 2 && a.dtype() != DType::Bool).then(|| a.tril(0)))),
    ("cat", |p| p.joined(|a, b| Tensor::cat(&[a.clone(), b.clone(), a.clone()], p.axis(a)))),
    ("stack", |p| p.joined(|a, b| Tensor::stack(&[a.clone(), b.clone()], -1))),
    // Products.
    ("matmul", |p| p.product(|a, b| a.matmul(b))),
    ("matmul, transposed", |p| p.product(|a, b| a.matmul(&b.t()))),
    ("transposed, matmul", |p| p.product(|a, b| a.t().matmul(b))),
    ("convolution", |p| {
        let (a, b) = p.two_floats()?;
        let fits = a.x.rank() == 3 && b.x.rank() == 3 && a.x.size(1) == b.x.size(1) && a.x.numel() > 0;
        (fits && b.x.numel() > 0 && b.x.size(2) <= a.x.size(2)).then(|| {
            let y = a.x.conv1d(&b.x, Conv::new());
            a.with(&b, y, a.bound * b.bound * b.count()).rounded()
        })
    }),
    // Reading and writing at positions.
    ("index_select", |p| {
        let (a, n) = float_with_axis(p)?;
        (n > 0)
            .then(|| a.after(a.x.index_select(p.axis(&a.x), &p.positions(n, 1 + p.number(2) % 7)), a.bound))
    }),
    ("gather", |p| {
        let (a, n) = float_with_axis(p)?;
        let index = p.positions(n.max(1), a.x.numel()).reshape(a.x.shape());
        Some(a.after(a.x.gather(p.axis(&a.x), &index), a.bound))
    }),
    ("index_add", |p| {
        let (a, n) = float_with_axis(p)?;
        let sum = a.x.index_add(p.axis(&a.x), &p.positions(n.max(1), n), &(&a.x * 0.5));
        Some(a.after(sum, a.bound * (1.0 + n as f64)).rounded())
    }),
    ("index_add into zeros", |p| {
        let (a, n) = float_with_axis(p)?;
        let sum = a.x.zeros_like().index_add(p.axis(&a.x), &p.positions(n.max(1), n), &a.x);
        Some(a.after(sum, a.bound * n as f64 + 1.0).rounded())
    }),
    ("scatter_add", |p| {
        let (a, n) = float_with_axis(p)?;
        let index = p.positions(n.max(1), a.x.numel()).reshape(a.x.shape());
        Some(a.after(a.x.scatter_add(p.axis(&a.x), &index, &a.x.tanh()), a.bound + n as f64).rounded())
    }),
    ("scatter", |p| {
        // A permutation of the positions, so that none is written twice.
        let a = p.some_exact_float()?;
        (axis_length(&a.x, p)? > 0).then(|| {
            let index = a.x.argsort(p.axis(&a.x), Order::Descending);
            a.after(a.x.sigmoid().scatter(p.axis(&a.x), &index, &a.x), a.bound + 1.0)
        })
    }),
    ("one_hot", |p| {
        let a = p.some_integer()?;
        Some(a.after(a.x.i64().remainder(4).one_hot(4).f32(), 1.0))
    }),
    ("cross_entropy", |p| {
        let a = p.some_float()?;
        (a.x.rank() == 2 && a.x.numel() > 0).then(|| {
            a.after(a.x.cross_entropy(&p.positions(a.x.size(1), a.x.size(0))), 2.0 * a.bound + 9.0).rounded()
        })
    }),
    // Casts.
    ("to f32", |p| p.float(|a| a.f32(), |a| a)),
    ("to f64", |p| p.float(|a| a.f64(), |a| a)),
    ("through f16", |p| {
        let a = p.some_exact_float().filter(|_| p.half)?;
        Some(a.after(a.x.to_dtype(DType::F16).to_dtype(a.x.dtype()), a.bound))
    }),
    ("through bf16", |p| {
        let a = p.some_exact_float().filter(|_| p.half)?;
        Some(a.after(a.x.to_dtype(DType::BF16).to_dtype(a.x.dtype()), a.bound * 1.01))
    }),
    ("to i64", |p| p.exact_float(|a| (a * 4).i64(), |_| 0.0)),
    ("integer to f64", |p| p.some_integer().map(|a| a.after(a.x.remainder(7).f64(), 7.0))),
    ("truth to f32", |p| p.some_truth().map(|a| a.after(a.x.f32(), 1.0))),
    // Integers and truths.
    ("integer add", |p| p.integers(|a, b| a + b)),
    ("integer mul", |p| p.integers(|a, b| a * b)),
    ("xor", |p| p.integers(|a, b| a.bitwise_xor(b))),
    ("integer maximum", |p| p.integers(|a, b| a.maximum(b))),
    ("equal", |p| p.integers(|a, b| a.remainder(2).eq(b.remainder(2)))),
    ("integer sum", |p| p.some_integer().map(|a| a.after(a.x.sum(), 0.0))),
    ("less", |p| p.exact_floats(|a, b| a.lt(b), |_, _| 0.0)),
    ("argmax", |p| {
        let a = p.some_exact_float()?;
        (axis_length(&a.x, p)? > 0).then(|| a.after(a.x.argmax(p.axis(&a.x)), 0.0))
    }),
    ("argsort", |p| {
        let a = p.some_exact_float()?;
        (a.x.rank() > 0).then(|| a.after(a.x.argsort(p.axis(&a.x), Order::Ascending), 0.0))
    }),
    ("and not", |p| p.truths(|a, b| a.logical_and(b.logical_not()))),
    ("or", |p| p.truths(|a, b| a.logical_or(b))),
    ("count", |p| p.some_truth().map(|a| a.after(a.x.sum(), 0.0))),
    ("where", |p| {
        let (a, b) = p.two_floats()?;
        let condition = p.some_truth()?;
        let all = broadcast(&dims(&condition.x), &broadcast(&dims(&a.x), &dims(&b.x))?)?;
        (all.iter().product::<usize>() <= LARGEST)
            .then(|| a.with(&b, condition.x.where_(&a.x, &b.x), a.bound.max(b.bound)))
    }),
    ("masked_fill", |p| {
        let (a, mask) = (p.some_float()?, p.some_truth()?);
        (mask.x.shape() == a.x.shape()).then(|| a.after(a.x.masked_fill(&mask.x, -0.5), a.bound + 0.5))
    }),
];

/// The length of the axis that [`Picks::axis`] chooses.
fn axis_length(a: &Tensor, p: &Picks<'_>) -> Option<usize> {
    (a.rank() > 0).then(|| a.size(p.axis(a)))
}

/// A float, and the length of the axis that is chosen.
fn float_with_axis(p: &Picks<'_>) -> Option<(Value, usize)> {
    let a = p.some_float()?;
    axis_length(&a.x, p).map(|n| (a, n))
}

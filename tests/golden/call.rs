//! How the functions of `functions.json` are called: a row each.

use retrograd::{Ellipsis, IndexItem, NewAxis, Slice, Tensor};
use serde::Deserialize;

use crate::read::Kind;

/// What a function takes beside tensors; each reads its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Attrs {
    after: Vec<usize>,
    axes: Option<Vec<isize>>,
    axis: isize,
    before: Vec<usize>,
    classes: usize,
    correction: usize,
    exponent: f64,
    high: f64,
    index: Vec<Item>,
    keepdim: bool,
    length: usize,
    lengths: Vec<usize>,
    low: f64,
    parts: usize,
    shape: Vec<usize>,
    slices: Vec<(Option<isize>, Option<isize>, Option<isize>)>,
    slope: f64,
    start: usize,
    to: Kind,
    value: f64,
}

/// One part of an index; tensors are inputs of the function, in their order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    Position(isize),
    Slice(Option<isize>, Option<isize>, isize),
    NewAxis,
    Ellipsis,
    Tensor,
}

/// How a function is called.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    Unary(fn(&Tensor) -> Tensor),
    Binary(fn(&Tensor, &Tensor) -> Tensor),
    General(fn(&[Tensor], &Attrs) -> Tensor),
    Several(fn(&[Tensor], &Attrs) -> Vec<Tensor>),
}

use Row::{Binary, General, Several, Unary};

impl Row {
    pub(crate) fn outputs(self, x: &[Tensor], attrs: &Attrs) -> Vec<Tensor> {
        match self {
            Unary(f) => vec![f(&x[0])],
            Binary(f) => vec![f(&x[0], &x[1])],
            General(f) => vec![f(x, attrs)],
            Several(f) => f(x, attrs),
        }
    }
}

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("abs", Unary(Tensor::abs)),
    ("add", Binary(|a, b| a + b)),
    ("all", Unary(Tensor::all)),
    ("amax", General(|x, a| reduced(&x[0], a, Tensor::amax, |x, n| x.amax_dim(n), |x, n| x.amax_keepdim(n)))),
    ("amin", General(|x, a| reduced(&x[0], a, Tensor::amin, |x, n| x.amin_dim(n), |x, n| x.amin_keepdim(n)))),
    ("any", Unary(Tensor::any)),
    ("argmax", General(|x, a| x[0].argmax(a.axis))),
    ("argmin", General(|x, a| x[0].argmin(a.axis))),
    ("at", General(|x, a| x[0].at(a.index(&x[1..])))),
    ("broadcast_to", General(|x, a| x[0].broadcast_to(&a.shape[..]))),
    ("cast", General(|x, a| x[0].to_dtype(a.to.dtype()))),
    ("cat", General(|x, a| Tensor::cat(x, a.axis))),
    ("chunk", Several(|x, a| x[0].chunk(a.parts, a.axis))),
    ("clamp", General(|x, a| x[0].clamp(a.low, a.high))),
    ("clamp_tensors", General(|x, _| x[0].clamp(&x[1], &x[2]))),
    ("cos", Unary(Tensor::cos)),
    ("cross_entropy", Binary(Tensor::cross_entropy)),
    ("div", Binary(|a, b| a / b)),
    ("dot", Binary(Tensor::dot)),
    ("embedding", Binary(Tensor::embedding)),
    ("eq", Binary(|a, b| a.eq(b))),
    ("erf", Unary(Tensor::erf)),
    ("exp", Unary(Tensor::exp)),
    ("expm1", Unary(Tensor::expm1)),
    ("flatten", General(|x, a| x[0].flatten(a.pair()[0], a.pair()[1]))),
    ("flip", General(flip)),
    ("floor", Unary(Tensor::floor)),
    ("gather", General(|x, a| x[0].gather(a.axis, &x[1]))),
    ("ge", Binary(|a, b| a.ge(b))),
    ("gelu", Unary(Tensor::gelu)),
    ("gt", Binary(|a, b| a.gt(b))),
    ("index_add", General(|x, a| x[0].index_add(a.axis, &x[1], &x[2]))),
    ("index_select", General(|x, a| x[0].index_select(a.axis, &x[1]))),
    ("isfinite", Unary(Tensor::isfinite)),
    ("isinf", Unary(Tensor::isinf)),
    ("isnan", Unary(Tensor::isnan)),
    ("le", Binary(|a, b| a.le(b))),
    ("leaky_relu", General(|x, a| x[0].leaky_relu(a.slope))),
    ("log", Unary(Tensor::log)),
    ("log1p", Unary(Tensor::log1p)),
    ("log_softmax", General(|x, a| x[0].log_softmax(a.axis))),
    ("logical_and", Binary(|a, b| a.logical_and(b))),
    ("logical_not", Unary(Tensor::logical_not)),
    ("logical_or", Binary(|a, b| a.logical_or(b))),
    ("logical_xor", Binary(|a, b| a.logical_xor(b))),
    ("logsumexp", General(|x, a| x[0].logsumexp(a.named_axes()))),
    ("lt", Binary(|a, b| a.lt(b))),
    ("matmul", Binary(Tensor::matmul)),
    ("maximum", Binary(|a, b| a.maximum(b))),
    ("mean", General(|x, a| reduced(&x[0], a, Tensor::mean, |x, n| x.mean_dim(n), |x, n| x.mean_keepdim(n)))),
    ("minimum", Binary(|a, b| a.minimum(b))),
    ("movedim", General(|x, a| x[0].movedim(a.pair()[0], a.pair()[1]))),
    ("mul", Binary(|a, b| a * b)),
    ("narrow", General(|x, a| x[0].narrow(a.axis, a.start, a.length))),
    ("ne", Binary(|a, b| a.ne(b))),
    ("neg", Unary(|x| -x)),
    ("norm", General(norm)),
    ("one_hot", General(|x, a| x[0].one_hot(a.classes))),
    ("outer", Binary(Tensor::outer)),
    ("pad", General(pad)),
    ("permute", General(permute)),
    ("pow", Binary(|a, b| a.pow(b))),
    ("pow_number", General(|x, a| x[0].pow(a.exponent))),
    ("prod", General(|x, a| reduced(&x[0], a, Tensor::prod, |x, n| x.prod_dim(n), |x, n| x.prod_keepdim(n)))),
    ("relu", Unary(Tensor::relu)),
    ("reshape", General(|x, a| x[0].reshape(&a.shape[..]))),
    ("scatter_add", General(|x, a| x[0].scatter_add(a.axis, &x[1], &x[2]))),
    ("sigmoid", Unary(Tensor::sigmoid)),
    ("sign", Unary(Tensor::sign)),
    ("silu", Unary(Tensor::silu)),
    ("sin", Unary(Tensor::sin)),
    ("slice", General(|x, a| x[0].at(a.slices()))),
    ("softmax", General(|x, a| x[0].softmax(a.axis))),
    ("softplus", Unary(Tensor::softplus)),
    ("split", Several(split)),
    ("sqrt", Unary(Tensor::sqrt)),
    ("square", Unary(Tensor::square)),
    ("squeeze", General(|x, a| x[0].squeeze(a.axis))),
    ("stack", General(|x, a| Tensor::stack(x, a.axis))),
    ("std", General(std)),
    ("sub", Binary(|a, b| a - b)),
    ("sum", General(|x, a| reduced(&x[0], a, Tensor::sum, |x, n| x.sum_dim(n), |x, n| x.sum_keepdim(n)))),
    ("t", Unary(Tensor::t)),
    ("tanh", Unary(Tensor::tanh)),
    ("transpose", General(|x, a| x[0].transpose(a.pair()[0], a.pair()[1]))),
    ("unsqueeze", General(|x, a| x[0].unsqueeze(a.axis))),
    ("update", General(|x, a| x[0].with(a.slices(), &x[1]))),
    ("var", General(var)),
    ("where", General(|x, _| x[0].where_(&x[1], &x[2]))),
    ("with", General(|x, a| x[0].with(a.index(&x[2..]), &x[1]))),
];

impl Attrs {
    fn named_axes(&self) -> &[isize] {
        self.axes.as_deref().expect("axes are named")
    }

    fn pair(&self) -> [isize; 2] {
        array(self.named_axes())
    }

    fn slices(&self) -> Vec<IndexItem> {
        self.slices
            .iter()
            .map(|&(start, end, step)| Slice::new(start, end, step.unwrap_or(1)).into())
            .collect()
    }

    fn index(&self, tensors: &[Tensor]) -> Vec<IndexItem> {
        let mut tensors = tensors.iter();
        let item = |item: &Item| match *item {
            Item::Position(at) => at.into(),
            Item::Slice(start, end, step) => Slice::new(start, end, step).into(),
            Item::NewAxis => NewAxis.into(),
            Item::Ellipsis => Ellipsis.into(),
            Item::Tensor => tensors.next().expect("an input for each tensor of the index").into(),
        };
        self.index.iter().map(item).collect()
    }
}

type Over = fn(&Tensor, &[isize]) -> Tensor;

/// A reduction in the one of its three forms that the attributes ask for.
fn reduced(x: &Tensor, attrs: &Attrs, all: fn(&Tensor) -> Tensor, over: Over, keeping: Over) -> Tensor {
    match &attrs.axes {
        None => all(x),
        Some(axes) if attrs.keepdim => keeping(x, axes),
        Some(axes) => over(x, axes),
    }
}

fn norm(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match &attrs.axes {
        None => x[0].norm(),
        Some(axes) => x[0].norm_dim(&axes[..]),
    }
}

fn std(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match &attrs.axes {
        None => x[0].std(attrs.correction),
        Some(axes) => x[0].std_dim(&axes[..], attrs.correction),
    }
}

fn var(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match &attrs.axes {
        None => x[0].var(attrs.correction),
        Some(axes) => x[0].var_dim(&axes[..], attrs.correction),
    }
}

/// The slice as an array of a length known to the compiler.
fn array<T: Copy, const N: usize>(values: &[T]) -> [T; N] {
    values.try_into().unwrap_or_else(|_| panic!("{} values, want {N}", values.len()))
}

fn flip(x: &[Tensor], attrs: &Attrs) -> Tensor {
    let axes = attrs.named_axes();
    match axes.len() {
        0 => x[0].flip(array::<_, 0>(axes)),
        1 => x[0].flip(array::<_, 1>(axes)),
        2 => x[0].flip(array::<_, 2>(axes)),
        _ => x[0].flip(array::<_, 3>(axes)),
    }
}

fn permute(x: &[Tensor], attrs: &Attrs) -> Tensor {
    x[0].permute(array::<_, 3>(attrs.named_axes()))
}

fn pad(x: &[Tensor], attrs: &Attrs) -> Tensor {
    let padding: Vec<(usize, usize)> =
        attrs.before.iter().copied().zip(attrs.after.iter().copied()).collect();
    match padding.len() {
        1 => x[0].pad(array::<_, 1>(&padding), attrs.value),
        _ => x[0].pad(array::<_, 2>(&padding), attrs.value),
    }
}

fn split(x: &[Tensor], attrs: &Attrs) -> Vec<Tensor> {
    match attrs.lengths.len() {
        2 => x[0].split(array::<_, 2>(&attrs.lengths), attrs.axis).into(),
        _ => x[0].split(array::<_, 3>(&attrs.lengths), attrs.axis).into(),
    }
}

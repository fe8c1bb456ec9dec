//! Functions of one and two tensors, reductions, movement, indexing, losses: `functions.py`, `structure.py`,
//! `composites.py`.

use retrograd::Tensor;

use super::Row::{Binary, General, Several, Unary};
use super::{Attrs, Row, array};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("abs", Unary(Tensor::abs)),
    ("add", Binary(|a, b| a + b)),
    ("all", Unary(Tensor::all)),
    ("amax", General(|x, a| reduced(&x[0], a, Tensor::amax, |x, n| x.amax_dim(n), |x, n| x.amax_keepdim(n)))),
    ("amin", General(|x, a| reduced(&x[0], a, Tensor::amin, |x, n| x.amin_dim(n), |x, n| x.amin_keepdim(n)))),
    ("any", Unary(Tensor::any)),
    ("argmax", General(|x, a| x[0].argmax(a.axis()))),
    ("argmin", General(|x, a| x[0].argmin(a.axis()))),
    ("at", General(|x, a| x[0].at(a.index(&x[1..])))),
    ("broadcast_to", General(|x, a| x[0].broadcast_to(a.sizes("shape")))),
    ("cast", General(|x, a| x[0].to_dtype(a.dtype("to")))),
    ("cat", General(|x, a| Tensor::cat(x, a.axis()))),
    ("chunk", Several(|x, a| x[0].chunk(a.size("parts"), a.axis()))),
    ("clamp", General(|x, a| x[0].clamp(a.number("low"), a.number("high")))),
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
    ("gather", General(|x, a| x[0].gather(a.axis(), &x[1]))),
    ("ge", Binary(|a, b| a.ge(b))),
    ("gelu", Unary(Tensor::gelu)),
    ("gt", Binary(|a, b| a.gt(b))),
    ("index_add", General(|x, a| x[0].index_add(a.axis(), &x[1], &x[2]))),
    ("index_select", General(|x, a| x[0].index_select(a.axis(), &x[1]))),
    ("isfinite", Unary(Tensor::isfinite)),
    ("isinf", Unary(Tensor::isinf)),
    ("isnan", Unary(Tensor::isnan)),
    ("le", Binary(|a, b| a.le(b))),
    ("leaky_relu", General(|x, a| x[0].leaky_relu(a.number("slope")))),
    ("log", Unary(Tensor::log)),
    ("log1p", Unary(Tensor::log1p)),
    ("log_softmax", General(|x, a| x[0].log_softmax(a.axis()))),
    ("logical_and", Binary(|a, b| a.logical_and(b))),
    ("logical_not", Unary(Tensor::logical_not)),
    ("logical_or", Binary(|a, b| a.logical_or(b))),
    ("logical_xor", Binary(|a, b| a.logical_xor(b))),
    ("logsumexp", General(|x, a| x[0].logsumexp(&a.named_axes()[..]))),
    ("lt", Binary(|a, b| a.lt(b))),
    ("matmul", Binary(Tensor::matmul)),
    ("maximum", Binary(|a, b| a.maximum(b))),
    ("mean", General(|x, a| reduced(&x[0], a, Tensor::mean, |x, n| x.mean_dim(n), |x, n| x.mean_keepdim(n)))),
    ("minimum", Binary(|a, b| a.minimum(b))),
    ("movedim", General(|x, a| x[0].movedim(a.pair()[0], a.pair()[1]))),
    ("mul", Binary(|a, b| a * b)),
    ("narrow", General(|x, a| x[0].narrow(a.axis(), a.size("start"), a.size("length")))),
    ("ne", Binary(|a, b| a.ne(b))),
    ("neg", Unary(|x| -x)),
    ("norm", General(norm)),
    ("one_hot", General(|x, a| x[0].one_hot(a.size("classes")))),
    ("outer", Binary(Tensor::outer)),
    ("pad", General(pad)),
    ("permute", General(permute)),
    ("pow", Binary(|a, b| a.pow(b))),
    ("pow_number", General(|x, a| x[0].pow(a.number("exponent")))),
    ("prod", General(|x, a| reduced(&x[0], a, Tensor::prod, |x, n| x.prod_dim(n), |x, n| x.prod_keepdim(n)))),
    ("relu", Unary(Tensor::relu)),
    ("reshape", General(|x, a| x[0].reshape(a.sizes("shape")))),
    ("scatter_add", General(|x, a| x[0].scatter_add(a.axis(), &x[1], &x[2]))),
    ("sigmoid", Unary(Tensor::sigmoid)),
    ("sign", Unary(Tensor::sign)),
    ("silu", Unary(Tensor::silu)),
    ("sin", Unary(Tensor::sin)),
    ("slice", General(|x, a| x[0].at(a.slices()))),
    ("softmax", General(|x, a| x[0].softmax(a.axis()))),
    ("softplus", Unary(Tensor::softplus)),
    ("split", Several(split)),
    ("sqrt", Unary(Tensor::sqrt)),
    ("square", Unary(Tensor::square)),
    ("squeeze", General(|x, a| x[0].squeeze(a.axis()))),
    ("stack", General(|x, a| Tensor::stack(x, a.axis()))),
    ("std", General(std)),
    ("sub", Binary(|a, b| a - b)),
    ("sum", General(|x, a| reduced(&x[0], a, Tensor::sum, |x, n| x.sum_dim(n), |x, n| x.sum_keepdim(n)))),
    ("t", Unary(Tensor::t)),
    ("tanh", Unary(Tensor::tanh)),
    ("transpose", General(|x, a| x[0].transpose(a.pair()[0], a.pair()[1]))),
    ("unsqueeze", General(|x, a| x[0].unsqueeze(a.axis()))),
    ("update", General(|x, a| x[0].with(a.slices(), &x[1]))),
    ("var", General(var)),
    ("where", General(|x, _| x[0].where_(&x[1], &x[2]))),
    ("with", General(|x, a| x[0].with(a.index(&x[2..]), &x[1]))),
];

type Over = fn(&Tensor, &[isize]) -> Tensor;

/// A reduction in the one of its three forms that the attributes ask for.
fn reduced(x: &Tensor, attrs: &Attrs, all: fn(&Tensor) -> Tensor, over: Over, keeping: Over) -> Tensor {
    match attrs.axes() {
        None => all(x),
        Some(axes) if attrs.flag("keepdim") => keeping(x, &axes),
        Some(axes) => over(x, &axes),
    }
}

fn norm(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match attrs.axes() {
        None => x[0].norm(),
        Some(axes) => x[0].norm_dim(&axes[..]),
    }
}

fn std(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match attrs.axes() {
        None => x[0].std(attrs.size("correction")),
        Some(axes) => x[0].std_dim(&axes[..], attrs.size("correction")),
    }
}

fn var(x: &[Tensor], attrs: &Attrs) -> Tensor {
    match attrs.axes() {
        None => x[0].var(attrs.size("correction")),
        Some(axes) => x[0].var_dim(&axes[..], attrs.size("correction")),
    }
}

fn flip(x: &[Tensor], attrs: &Attrs) -> Tensor {
    let axes = attrs.named_axes();
    match axes.len() {
        0 => x[0].flip(array::<_, 0>(&axes)),
        1 => x[0].flip(array::<_, 1>(&axes)),
        2 => x[0].flip(array::<_, 2>(&axes)),
        _ => x[0].flip(array::<_, 3>(&axes)),
    }
}

fn permute(x: &[Tensor], attrs: &Attrs) -> Tensor {
    x[0].permute(array::<_, 3>(&attrs.named_axes()))
}

fn pad(x: &[Tensor], attrs: &Attrs) -> Tensor {
    let padding: Vec<(usize, usize)> = attrs.sizes("before").into_iter().zip(attrs.sizes("after")).collect();
    match padding.len() {
        1 => x[0].pad(array::<_, 1>(&padding), attrs.number("value")),
        _ => x[0].pad(array::<_, 2>(&padding), attrs.number("value")),
    }
}

fn split(x: &[Tensor], attrs: &Attrs) -> Vec<Tensor> {
    match attrs.sizes("lengths").len() {
        2 => x[0].split(array::<_, 2>(&attrs.sizes("lengths")), attrs.axis()).into(),
        _ => x[0].split(array::<_, 3>(&attrs.sizes("lengths")), attrs.axis()).into(),
    }
}

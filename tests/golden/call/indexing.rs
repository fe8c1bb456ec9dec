//! Rows of movement, indexing, masks and random choices: `indexing.py`.

use retrograd::{GridOrder, IncludeSelf, PadMode, PutMode, ScatterReduce, Tensor};

use super::Attrs;
use super::Row::{self, Binary, General, Several, Unary};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("addmm", General(|x, _| x[0].addmm(&x[1], &x[2]))),
    ("addmv", General(|x, _| x[0].addmv(&x[1], &x[2]))),
    ("addr", General(|x, _| x[0].addr(&x[1], &x[2]))),
    ("argwhere", Unary(Tensor::argwhere)),
    ("atleast_1d", Unary(Tensor::atleast_1d)),
    ("atleast_2d", Unary(Tensor::atleast_2d)),
    ("atleast_3d", Unary(Tensor::atleast_3d)),
    ("baddbmm", General(|x, _| x[0].baddbmm(&x[1], &x[2]))),
    ("bmm", Binary(Tensor::bmm)),
    ("broadcast_tensors", Several(|x, _| Tensor::broadcast_tensors(x))),
    ("cartesian_prod", General(|x, _| Tensor::cartesian_prod(x))),
    ("cat_numbers", General(|x, a| Tensor::cat(x, a.axis()))),
    ("column_stack", General(|x, _| Tensor::column_stack(x))),
    ("cross", General(|x, a| x[0].cross(&x[1], a.axis()))),
    ("diag", General(|x, a| x[0].diag(a.need("offset")))),
    ("diag_embed", General(|x, a| x[0].diag_embed(a.need("offset"), a.pair()[0], a.pair()[1]))),
    ("diagflat", General(|x, a| x[0].diagflat(a.need("offset")))),
    ("diagonal", General(|x, a| x[0].diagonal(a.need("offset"), a.pair()[0], a.pair()[1]))),
    ("dist", General(|x, a| x[0].dist(&x[1], p(a)))),
    ("dstack", General(|x, _| Tensor::dstack(x))),
    ("expand", General(|x, a| x[0].expand(a.need::<Vec<isize>>("lengths")))),
    ("expand_as", Binary(Tensor::expand_as)),
    ("eye", General(|_, a| Tensor::eye(a.size("n")))),
    ("fliplr", Unary(Tensor::fliplr)),
    ("flipud", Unary(Tensor::flipud)),
    ("gather_corner", General(|x, a| x[0].gather(a.axis(), &x[1]))),
    ("ger", Binary(Tensor::ger)),
    ("hstack", General(|x, _| Tensor::hstack(x))),
    ("index_copy", General(|x, a| x[0].index_copy(a.axis(), &x[1], &x[2]))),
    ("index_fill", General(|x, a| x[0].index_fill(a.axis(), &x[1], &x[2]))),
    ("index_put", General(|x, a| x[0].index_put(items(&x[2..]), &x[1], put_mode(a)))),
    ("index_reduce", General(|x, a| x[0].index_reduce(a.axis(), &x[1], &x[2], reduce(a), own(a)))),
    ("inner", Binary(Tensor::inner)),
    ("linspace", General(|_, a| Tensor::linspace(a.number("start"), a.number("end"), a.size("n")))),
    ("logspace", General(logspace)),
    ("masked_fill", General(|x, _| x[0].masked_fill(&x[1], &x[2]))),
    ("masked_scatter", General(|x, _| x[0].masked_scatter(&x[1], &x[2]))),
    ("masked_select", Binary(Tensor::masked_select)),
    ("meshgrid", Several(|x, a| Tensor::meshgrid(x, grid_order(a)))),
    ("mm", Binary(Tensor::mm)),
    ("mv", Binary(Tensor::mv)),
    ("nonzero", Unary(Tensor::nonzero)),
    ("pad_with", General(pad_with)),
    ("put", General(|x, a| x[0].put(&x[1], &x[2], put_mode(a)))),
    ("ravel", Unary(Tensor::ravel)),
    ("repeat", General(|x, a| x[0].repeat(a.sizes("counts")))),
    ("repeat_interleave", General(|x, a| x[0].repeat_interleave(a.size("n"), a.axis()))),
    ("repeat_interleave_tensor", General(|x, a| x[0].repeat_interleave(&x[1], a.axis()))),
    ("reshape_as", Binary(Tensor::reshape_as)),
    ("roll", General(|x, a| x[0].roll(a.need::<Vec<isize>>("shifts"), a.named_axes()))),
    ("rot90", General(|x, a| x[0].rot90(a.need("quarters"), a.pair()))),
    ("scatter", General(|x, a| x[0].scatter(a.axis(), &x[1], &x[2]))),
    ("scatter_add_corner", General(|x, a| x[0].scatter_add(a.axis(), &x[1], &x[2]))),
    ("scatter_number", General(|x, a| x[0].scatter(a.axis(), &x[1], a.number("value")))),
    ("scatter_reduce", General(|x, a| x[0].scatter_reduce(a.axis(), &x[1], &x[2], reduce(a), own(a)))),
    ("select", General(|x, a| x[0].select(a.axis(), a.need("index")))),
    ("split_by_lengths", Several(|x, a| x[0].split(a.sizes("lengths"), a.axis()))),
    ("split_by_size", Several(|x, a| x[0].split(a.size("size"), a.axis()))),
    ("squeeze_all", Unary(Tensor::squeeze_all)),
    ("swapaxes", General(|x, a| x[0].swapaxes(a.pair()[0], a.pair()[1]))),
    ("take", Binary(Tensor::take)),
    ("take_along_axis", General(|x, a| x[0].take_along_axis(&x[1], a.axis()))),
    ("tensor_split", Several(|x, a| x[0].tensor_split(a.size("n"), a.axis()))),
    ("tile", General(|x, a| x[0].tile(a.sizes("counts")))),
    ("tri", General(|_, a| Tensor::tri(a.size("n"), a.size("m"), a.need("offset")))),
    ("tril", General(|x, a| x[0].tril(a.need("offset")))),
    ("tril_indices", General(|_, a| Tensor::tril_indices(a.size("n"), a.size("m"), a.need("offset")))),
    ("triu", General(|x, a| x[0].triu(a.need("offset")))),
    ("triu_indices", General(|_, a| Tensor::triu_indices(a.size("n"), a.size("m"), a.need("offset")))),
    ("unbind", Several(|x, a| x[0].unbind(a.axis()))),
    ("unflatten", General(|x, a| x[0].unflatten(a.axis(), a.sizes("lengths")))),
    ("unfold", General(|x, a| x[0].unfold(a.axis(), a.size("size"), a.size("step")))),
    ("vdot", Binary(Tensor::vdot)),
    ("view_as", Binary(Tensor::view_as)),
    ("vstack", General(|x, _| Tensor::vstack(x))),
];

fn p(attrs: &Attrs) -> f64 {
    attrs.need::<serde_json::Value>("p").as_f64().unwrap_or(f64::INFINITY)
}

fn items(tensors: &[Tensor]) -> Vec<retrograd::IndexItem> {
    tensors.iter().map(|tensor| tensor.into()).collect()
}

fn put_mode(attrs: &Attrs) -> PutMode {
    if attrs.flag("add") { PutMode::Add } else { PutMode::Replace }
}

fn own(attrs: &Attrs) -> IncludeSelf {
    if attrs.flag("own") { IncludeSelf::Yes } else { IncludeSelf::No }
}

fn reduce(attrs: &Attrs) -> ScatterReduce {
    match &*attrs.need::<String>("how") {
        "sum" => ScatterReduce::Sum,
        "prod" => ScatterReduce::Prod,
        "mean" => ScatterReduce::Mean,
        "amax" => ScatterReduce::Amax,
        _ => ScatterReduce::Amin,
    }
}

fn grid_order(attrs: &Attrs) -> GridOrder {
    if attrs.need::<String>("order") == "ij" { GridOrder::Ij } else { GridOrder::Xy }
}

fn logspace(_: &[Tensor], attrs: &Attrs) -> Tensor {
    let number = |name| attrs.number(name);
    Tensor::logspace(number("start"), number("end"), attrs.size("n"), number("base"))
}

fn pad_with(x: &[Tensor], attrs: &Attrs) -> Tensor {
    let padding: Vec<(usize, usize)> = attrs.sizes("before").into_iter().zip(attrs.sizes("after")).collect();
    let mode = match &*attrs.need::<String>("mode") {
        "reflect" => PadMode::Reflect,
        "replicate" => PadMode::Replicate,
        _ => PadMode::Circular,
    };
    x[0].pad_with(padding, mode)
}

//! Rows of movement, indexing, masks and random choices.

use super::{Sample, normal, picking, rough, row};
use crate::autodiff::level::bind;
use crate::ops::{
    Distribution, GridOrder, IncludeSelf, PadMode, PutMode, Random, Replacement, ScatterReduce,
};
use crate::tensor::{DType, Rng, Shape, Tensor};

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [
        scatters(),
        reductions(),
        indexing(),
        masks(),
        movement(),
        other_shapes(),
        diagonals(),
        products(),
        draws(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Two rows of positions in an axis of 3, one of them twice.
fn places() -> Tensor {
    Tensor::from([[2i64, 0], [-1, 2]])
}

fn scatters() -> Vec<Sample> {
    vec![
        row("scatter", vec![normal(1, &[2, 3]), places(), normal(2, &[2, 2])], |x| {
            x[0].scatter(1, &x[1], &x[2])
        }),
        row("scatter", vec![normal(1, &[3, 2]), places(), normal(2, &[2, 2])], |x| {
            x[0].scatter(0, &x[1], &x[2])
        }),
        row("scatter", vec![normal(1, &[3, 3]), places()], |x| x[0].scatter(-1, &x[1], 7.0)),
        row("scatter", vec![normal(1, &[3]), Tensor::from([0i64; 0]), normal(2, &[0])], |x| {
            x[0].scatter(0, &x[1], &x[2])
        }),
        row("scatter_add", vec![normal(1, &[4, 3]), places(), normal(2, &[2, 2])], |x| {
            x[0].scatter_add(1, &x[1], &x[2])
        }),
        row("gather", vec![normal(1, &[4, 3]), places()], |x| x[0].gather(1, &x[1])),
        row("take_along_axis", vec![normal(1, &[3, 1, 4]), Tensor::from([[[2i64, 0], [-1, 2]]])], |x| {
            x[0].take_along_axis(&x[1], 2)
        }),
        row("index_copy", vec![normal(1, &[3, 4]), places(), normal(2, &[2, 2, 4])], |x| {
            x[0].index_copy(0, &x[1], &x[2])
        }),
        row(
            "index_copy",
            vec![normal(1, &[2, 3, 2]), Tensor::from([1i32, 1, 0]), normal(2, &[2, 3, 2])],
            |x| x[0].index_copy(1, &x[1], &x[2]),
        ),
        row("index_fill", vec![normal(1, &[2, 3]), Tensor::from([1i64, 1]), normal(2, &[])], |x| {
            x[0].index_fill(1, &x[1], &x[2])
        }),
    ]
}

fn reductions() -> Vec<Sample> {
    use IncludeSelf::{No, Yes};
    use ScatterReduce::{Amax, Amin, Mean, Prod, Sum};
    let three = || vec![normal(1, &[2, 3]), places(), normal(2, &[2, 2])];
    // Places where one, two and three zeros meet, and places without.
    let zeros = || {
        vec![
            Tensor::from([0.0, 2.0, 0.0, 3.0, 0.0, 5.0]),
            Tensor::from([0i64, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]),
            Tensor::from([2.0, 3.0, 0.0, 4.0, 0.0, 5.0, 6.0, 7.0, 0.0, 8.0, 0.0]),
        ]
    };
    vec![
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Sum, No)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Mean, Yes)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Mean, No)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Prod, Yes)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Prod, No)),
        row("scatter_reduce", zeros(), |x| x[0].scatter_reduce(0, &x[1], &x[2], Prod, Yes)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Amax, Yes)),
        row("scatter_reduce", three(), |x| x[0].scatter_reduce(1, &x[1], &x[2], Amin, No)),
        rough(
            "scatter_reduce",
            vec![Tensor::from([1.0, 0.0]), Tensor::from([0i64, 0]), Tensor::from([1.0, 1.0])],
            |x| x[0].scatter_reduce(0, &x[1], &x[2], Amax, Yes),
        ),
        row("scatter_reduce", vec![normal(1, &[3, 3]), places(), normal(2, &[2, 2])], |x| {
            x[0].scatter_reduce(0, &x[1], &x[2], Amin, Yes)
        }),
        row(
            "scatter_reduce",
            vec![Tensor::from([4i64, -2, 3]), Tensor::from([0i64, 1, 1]), Tensor::from([3i64, 5, -7])],
            |x| x[0].scatter_reduce(0, &x[1], &x[2], Amax, No),
        ),
        row("index_reduce", vec![normal(1, &[3, 4]), places(), normal(2, &[2, 2, 4])], |x| {
            x[0].index_reduce(0, &x[1], &x[2], Prod, Yes)
        }),
        row(
            "index_reduce",
            vec![normal(1, &[2, 3, 2]), Tensor::from([1i64, 1]), normal(2, &[2, 2, 2])],
            |x| x[0].index_reduce(1, &x[1], &x[2], Amin, Yes),
        ),
    ]
}

fn indexing() -> Vec<Sample> {
    let mask = || Tensor::from([[true, false, true], [false, false, true]]);
    let spots = || Tensor::from([0i64, -1, 3, 3]);
    vec![
        row("take", vec![normal(1, &[2, 3]), Tensor::from([[5i64, 0], [-1, 2]])], |x| x[0].take(&x[1])),
        row("put", vec![normal(1, &[2, 3]), spots(), normal(2, &[4])], |x| {
            x[0].put(&x[1], &x[2], PutMode::Replace)
        }),
        row("put", vec![normal(1, &[2, 3]), spots(), normal(2, &[4])], |x| {
            x[0].put(&x[1], &x[2], PutMode::Add)
        }),
        row("index_put", vec![normal(1, &[2, 3, 2]), Tensor::from([0i64, 1, 1]), normal(2, &[3, 2])], |x| {
            x[0].index_put((&x[1], &x[1]), &x[2], PutMode::Add)
        }),
        row("index_put", vec![normal(1, &[2, 3, 2]), Tensor::from([0i64, 1, 1]), normal(2, &[3, 3])], |x| {
            x[0].index_put((&x[1], .., 0), &x[2], PutMode::Add)
        }),
        row("index_put", vec![normal(1, &[4, 3]), normal(2, &[3])], |x| {
            x[0].index_put(1..3, &x[1], PutMode::Add)
        }),
        row("masked_fill", vec![normal(1, &[2, 3]), mask(), normal(2, &[])], |x| {
            x[0].masked_fill(&x[1], &x[2])
        }),
        row("with", vec![normal(1, &[2, 3]), normal(2, &[3])], |x| {
            x[0].with(Tensor::from([[true, false, true], [false, false, true]]), &x[1])
        }),
    ]
}

fn movement() -> Vec<Sample> {
    let x = || vec![normal(5, &[2, 3, 4])];
    vec![
        row("unfold", x(), |x| x[0].unfold(1, 2, 1)),
        row("unfold", x(), |x| x[0].unfold(-1, 2, 3)),
        row("unfold", x(), |x| x[0].transpose(0, 2).unfold(0, 4, 9)),
        row("repeat", x(), |x| x[0].repeat([2, 1, 3, 2])),
        row("tile", vec![normal(5, &[])], |x| x[0].tile([0, 3])),
        row("repeat_interleave", x(), |x| x[0].repeat_interleave(3, 1)),
        row("repeat_interleave", x(), |x| x[0].repeat_interleave(Tensor::from([2i64, 0, 1]), 1)),
        row("roll", x(), |x| x[0].roll([1, -2], [0, 2])),
        row("rot90", x(), |x| x[0].rot90(3, [0, 2])),
        row("split", x(), |x| x[0].split(2, 1)[1].clone()),
        row("unbind", x(), |x| x[0].unbind(1)[2].clone()),
        row("select", x(), |x| x[0].select(1, -1)),
        row("expand", vec![normal(5, &[3, 1])], |x| x[0].expand([2, -1, 4])),
        row("pad_with", x(), |x| x[0].pad_with([(1, 0), (2, 5), (0, 3)], PadMode::Reflect)),
        row("pad_with", x(), |x| x[0].pad_with([(0, 0), (1, 1), (0, 0)], PadMode::Replicate)),
        row("pad_with", x(), |x| x[0].pad_with([(3, 0), (0, 0), (1, 9)], PadMode::Circular)),
        row("cat", vec![normal(1, &[]), normal(2, &[2]), normal(3, &[])], |x| Tensor::cat(x, 0)),
        row("meshgrid", vec![normal(1, &[2]), normal(2, &[3]), normal(3, &[])], |x| {
            let [a, b, c] = &Tensor::meshgrid(x, GridOrder::Xy)[..] else {
                unreachable!("as many as vectors")
            };
            a * b - c
        }),
        row("column_stack", vec![normal(1, &[2]), normal(2, &[2, 3])], |x| Tensor::column_stack(x)),
    ]
}

fn masks() -> Vec<Sample> {
    let x = || vec![normal(5, &[3, 4])];
    vec![
        picking("masked_select", x(), |x| x[0].masked_select(&x[0].gt(0.0))),
        picking("masked_scatter", vec![normal(5, &[3, 4]), normal(6, &[12])], |x| {
            x[0].masked_scatter(&x[0].gt(0.0), &x[1])
        }),
        picking("nonzero", x(), |x| x[0].gt(0.0).nonzero()),
        picking("argwhere", x(), |x| x[0].gt(0.0).argwhere()),
    ]
}

fn other_shapes() -> Vec<Sample> {
    let x = || vec![normal(5, &[2, 3, 4])];
    let like = || vec![normal(5, &[2, 3]), normal(6, &[6, 1])];
    let pair = || vec![normal(5, &[2, 3]), normal(6, &[2, 3])];
    let vectors = || vec![normal(1, &[2]), normal(2, &[3])];
    vec![
        row("fliplr", x(), |x| x[0].fliplr()),
        row("flipud", x(), |x| x[0].flipud()),
        row("swapaxes", x(), |x| x[0].swapaxes(0, -1)),
        row("hstack", pair(), |x| Tensor::hstack(x)),
        row("vstack", pair(), |x| Tensor::vstack(x)),
        row("dstack", pair(), |x| Tensor::dstack(x)),
        row("broadcast_tensors", vec![normal(1, &[2, 1]), normal(2, &[3])], |x| {
            let x = Tensor::broadcast_tensors(x);
            &x[0] * &x[1]
        }),
        row("cartesian_prod", vectors(), |x| Tensor::cartesian_prod(x)),
        row("squeeze_all", vec![normal(5, &[1, 3, 1])], |x| x[0].squeeze_all()),
        row("ravel", x(), |x| x[0].ravel()),
        row("unflatten", x(), |x| x[0].unflatten(2, [2, 2])),
        row("reshape_as", like(), |x| x[0].reshape_as(&x[1])),
        row("view_as", like(), |x| x[0].view_as(&x[1])),
        row("expand_as", vec![normal(5, &[3, 1]), normal(6, &[2, 3, 4])], |x| x[0].expand_as(&x[1])),
        row("atleast_1d", vec![normal(5, &[])], |x| x[0].atleast_1d()),
        row("atleast_2d", vec![normal(5, &[3])], |x| x[0].atleast_2d()),
        row("atleast_3d", vec![normal(5, &[3, 2])], |x| x[0].atleast_3d()),
        row("tensor_split", x(), |x| x[0].tensor_split(3, -1)[1].clone()),
    ]
}

fn diagonals() -> Vec<Sample> {
    let x = || vec![normal(5, &[2, 3, 4])];
    vec![
        row("diagonal", x(), |x| x[0].diagonal(0, 1, 2)),
        row("diagonal", x(), |x| x[0].diagonal(-1, 0, 1)),
        row("diagonal", x(), |x| x[0].diagonal(1, 2, 0)),
        row("diagonal", x(), |x| x[0].diagonal(9, 1, 2)),
        row("diag_embed", x(), |x| x[0].diag_embed(1, 0, -2)),
        row("diag_embed", vec![normal(5, &[3])], |x| x[0].diag_embed(-2, 1, 0)),
        row("diag", vec![normal(5, &[3])], |x| x[0].diag(1)),
        row("diag", vec![normal(5, &[3, 4])], |x| x[0].diag(-1)),
        row("diagflat", vec![normal(5, &[2, 2])], |x| x[0].diagflat(1)),
        row("tril", x(), |x| x[0].tril(-1)),
        row("triu", x(), |x| x[0].triu(1)),
    ]
}

fn products() -> Vec<Sample> {
    let triple = || vec![normal(1, &[3]), normal(2, &[2, 4]), normal(3, &[4, 3])];
    vec![
        row("addmm", triple(), |x| x[0].addmm(&x[1], &x[2])),
        row("mm", vec![normal(1, &[2, 3]), normal(2, &[3, 4])], |x| x[0].mm(&x[1])),
        row("mv", vec![normal(1, &[2, 3]), normal(2, &[3])], |x| x[0].mv(&x[1])),
        row("bmm", vec![normal(1, &[2, 2, 3]), normal(2, &[2, 3, 1])], |x| x[0].bmm(&x[1])),
        row("addmv", vec![normal(1, &[2]), normal(2, &[2, 3]), normal(3, &[3])], |x| {
            x[0].addmv(&x[1], &x[2])
        }),
        row("addr", vec![normal(1, &[2, 3]), normal(2, &[2]), normal(3, &[3])], |x| x[0].addr(&x[1], &x[2])),
        row("baddbmm", vec![normal(1, &[2, 2, 1]), normal(2, &[2, 2, 3]), normal(3, &[2, 3, 1])], |x| {
            x[0].baddbmm(&x[1], &x[2])
        }),
        row("ger", vec![normal(1, &[2]), normal(2, &[3])], |x| x[0].ger(&x[1])),
        row("vdot", vec![normal(1, &[3]), normal(2, &[3])], |x| x[0].vdot(&x[1])),
        row("inner", vec![normal(1, &[2, 3]), normal(2, &[4, 2, 3])], |x| x[0].inner(&x[1])),
        row("cross", vec![normal(1, &[2, 3]), normal(2, &[3])], |x| x[0].cross(&x[1], -1)),
        row("dist", vec![normal(1, &[2, 3]), normal(2, &[3])], |x| x[0].dist(&x[1], 3.0)),
        row("dist", vec![normal(1, &[2, 3]), normal(2, &[3])], |x| x[0].dist(&x[1], f64::INFINITY)),
    ]
}

fn draws() -> Vec<Sample> {
    vec![
        row("randperm", vec![Tensor::from([3i64, 4])], |x| {
            let shape = Shape::of(&[5]);
            bind(&Random { distribution: Distribution::Permutation, shape, dtype: DType::I64 }, &[&x[0]])
        }),
        row("randperm", vec![normal(1, &[4])], |x| Rng::seed(3).randperm(4).to_dtype(x[0].dtype()) * &x[0]),
        row("dropout", vec![normal(1, &[3, 4])], |x| Rng::seed(3).dropout(&x[0], 0.4)),
        row("normal", vec![normal(1, &[4]), normal(2, &[])], |x| {
            (Rng::seed(3).normal([3, 4], 0.5, 2.0).to_dtype(x[0].dtype()) + &x[0]) * &x[1]
        }),
        row("multinomial", vec![normal(1, &[3, 5]).exp()], |x| {
            Rng::seed(3).multinomial(&x[0], 4, Replacement::Without)
        }),
        row("multinomial", vec![normal(1, &[3, 5]).exp()], |x| {
            Rng::seed(3).multinomial(&x[0], 7, Replacement::With)
        }),
    ]
}

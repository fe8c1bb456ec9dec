//! Rows of arithmetic, elementary functions, sums, movement, indexing and matrix products.

use super::{Sample, normal, picking, positive, pull, rough, row};
use crate::autodiff::level::bind;
use crate::ops::{Distribution, Random};
use crate::tensor::{DType, Tensor, step};

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [
        arithmetic(),
        functions(),
        tests(),
        selection(),
        casts(),
        reductions(),
        statistics(),
        movement(),
        indexing(),
        products(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn arithmetic() -> Vec<Sample> {
    let pair = || vec![normal(1, &[3, 4]), normal(2, &[3, 4])];
    let powers = || vec![positive(1, &[3, 4]), normal(2, &[3, 4])];
    vec![
        row("add", pair(), |x| &x[0] + &x[1]),
        row("add", vec![normal(1, &[3, 1]), normal(2, &[4])], |x| &x[0] + &x[1]),
        row("add", vec![normal(1, &[]), normal(2, &[2, 0])], |x| &x[0] + &x[1]),
        row("sub", pair(), |x| &x[0] - &x[1]),
        row("mul", pair(), |x| &x[0] * &x[1]),
        row("mul", vec![normal(1, &[2, 1, 3]), normal(2, &[4, 1])], |x| &x[0] * &x[1]),
        row("mul", vec![normal(1, &[5])], |x| &x[0] * &x[0]),
        row("div", vec![normal(1, &[3, 4]), positive(2, &[3, 4])], |x| &x[0] / &x[1]),
        row("div", vec![positive(2, &[4])], |x| 1.0 / &x[0]),
        row("neg", vec![normal(1, &[3, 4])], |x| -&x[0]),
        row("pow", powers(), |x| x[0].pow(&x[1])),
        row("pow", vec![normal(1, &[4])], |x| x[0].pow(3.0)),
        row("minimum", pair(), |x| x[0].minimum(&x[1])),
        row("maximum", pair(), |x| x[0].maximum(&x[1])),
        rough("maximum", vec![Tensor::from([1.0, 2.0]), Tensor::from([1.0, 0.0])], |x| x[0].maximum(&x[1])),
        row("abs", vec![normal(1, &[3, 4])], |x| x[0].abs()),
        rough("abs", vec![Tensor::from([0.0, -0.0])], |x| x[0].abs()),
        row("sign", vec![normal(1, &[3, 4])], |x| x[0].sign()),
        row("floor", vec![normal(1, &[3, 4]) * 3.0], |x| x[0].floor()),
        row("square", vec![normal(1, &[3, 4])], |x| x[0].square()),
        row("print", vec![normal(1, &[3])], |x| crate::debug::printed(|| crate::debug::print(&x[0], "x")).0),
    ]
}

fn functions() -> Vec<Sample> {
    let any = || vec![normal(3, &[3, 5])];
    let above = || vec![positive(3, &[3, 5])];
    vec![
        row("exp", any(), |x| x[0].exp()),
        row("exp", vec![normal(3, &[])], |x| x[0].exp()),
        row("expm1", any(), |x| x[0].expm1()),
        row("log", above(), |x| x[0].log()),
        row("log1p", above(), |x| x[0].log1p()),
        row("sqrt", above(), |x| x[0].sqrt()),
        row("sin", any(), |x| x[0].sin()),
        row("cos", any(), |x| x[0].cos()),
        row("tanh", any(), |x| x[0].tanh()),
        row("tanh_pull", vec![normal(3, &[4]), normal(4, &[4])], |x| pull(&x[0], &x[1], Tensor::tanh)),
        row("sigmoid", any(), |x| x[0].sigmoid()),
        row("sigmoid_pull", vec![normal(3, &[4]), normal(4, &[4])], |x| pull(&x[0], &x[1], Tensor::sigmoid)),
        row("relu", any(), |x| x[0].relu()),
        row("relu_pull", vec![normal(3, &[4]), normal(4, &[4])], |x| pull(&x[0], &x[1], Tensor::relu)),
        row("erf", any(), |x| x[0].erf()),
        row("erf_pull", vec![normal(3, &[4]), normal(4, &[4])], |x| pull(&x[0], &x[1], Tensor::erf)),
        row("softplus", any(), |x| x[0].softplus()),
        row("gelu", any(), |x| x[0].gelu()),
        row("silu", any(), |x| x[0].silu()),
        row("leaky_relu", any(), |x| x[0].leaky_relu(0.1)),
    ]
}

fn tests() -> Vec<Sample> {
    let pair = || vec![normal(1, &[3, 4]), normal(2, &[3, 4])];
    vec![
        row("eq", vec![Tensor::from([1.0, f64::NAN]), Tensor::from([1.0, f64::NAN])], |x| x[0].eq(&x[1])),
        row("ne", pair(), |x| x[0].ne(&x[1])),
        row("lt", pair(), |x| x[0].lt(&x[1])),
        row("le", pair(), |x| x[0].le(&x[1])),
        row("gt", pair(), |x| x[0].gt(&x[1])),
        row("ge", pair(), |x| x[0].ge(&x[1])),
        row("logical_and", pair(), |x| x[0].gt(0.0).logical_and(x[1].gt(0.0))),
        row("logical_or", pair(), |x| x[0].gt(0.0).logical_or(x[1].gt(0.0))),
        row("logical_xor", pair(), |x| x[0].gt(0.0).logical_xor(x[1].gt(0.0))),
        row("logical_not", pair(), |x| x[0].gt(0.0).logical_not()),
        row("isnan", vec![Tensor::from([1.0, f64::NAN, f64::INFINITY])], |x| x[0].isnan()),
        row("isinf", vec![Tensor::from([1.0, f64::NAN, f64::INFINITY])], |x| x[0].isinf()),
        row("isfinite", vec![Tensor::from([1.0, f64::NAN, f64::INFINITY])], |x| x[0].isfinite()),
    ]
}

fn selection() -> Vec<Sample> {
    let triple = || vec![normal(1, &[3, 4]), normal(2, &[3, 4]), normal(3, &[3, 4])];
    vec![
        row("where_", triple(), |x| x[0].gt(0.0).where_(&x[1], &x[2])),
        row("where_", vec![normal(1, &[3, 1]), normal(2, &[4]), normal(3, &[])], |x| {
            x[0].gt(0.0).where_(&x[1], &x[2])
        }),
        row("clamp", vec![normal(1, &[3, 4])], |x| x[0].clamp(-0.5, 0.5)),
        row("clamp", vec![normal(1, &[3, 4])], |x| x[0].clamp(0, 1)),
        row("clamp", vec![normal(1, &[3, 4]), normal(2, &[4]), normal(3, &[3, 1])], |x| {
            x[0].clamp(&x[1], &x[2])
        }),
    ]
}

/// Through the other dtype and back where that is a floating-point one, so that derivatives are f64.
fn casts() -> Vec<Sample> {
    let x = || vec![normal(1, &[3, 4]) * 10.0];
    vec![
        rough("to_dtype", x(), |x| x[0].to_dtype(DType::F32).to_dtype(DType::F64)),
        row("to_dtype", x(), |x| x[0].to_dtype(DType::I32)),
        row("to_dtype", x(), |x| x[0].to_dtype(DType::I32).to_dtype(DType::F64)),
        row("f64", x(), |x| x[0].f64() * 2.0),
        rough("type_as", x(), |x| x[0].type_as(&Tensor::from(0f32)).type_as(&x[0])),
        row("widened", x(), |x| x[0].widened() * 2.0),
        rough("f32", x(), |x| x[0].f32().f64()),
        rough("f16", x(), |x| x[0].f16().f64()),
        rough("bf16", x(), |x| x[0].bf16().f64()),
        row("i64", x(), |x| x[0].i64()),
        row("i32", x(), |x| x[0].i32()),
        row("u8", vec![positive(1, &[3, 4]) * 10.0], |x| x[0].u8()),
        row("bool", vec![Tensor::from([0.0, -0.0, 0.5, f64::NAN])], |x| x[0].bool()),
    ]
}

fn reductions() -> Vec<Sample> {
    let x = || vec![normal(4, &[2, 3, 4])];
    vec![
        row("sum", x(), |x| x[0].sum()),
        row("sum", vec![normal(4, &[])], |x| x[0].sum()),
        row("sum_dim", x(), |x| x[0].sum_dim(1)),
        row("sum_dim", vec![normal(4, &[0, 3])], |x| x[0].sum_dim(0)),
        row("sum_keepdim", x(), |x| x[0].sum_keepdim([0, -1])),
        row("prod", vec![normal(4, &[2, 3])], |x| x[0].prod()),
        row("prod_dim", x(), |x| x[0].prod_dim(2)),
        row("prod_dim", x(), |x| x[0].prod_dim([0, 2])),
        row("prod_dim", vec![Tensor::from([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]])], |x| x[0].prod_dim(1)),
        row("prod_keepdim", x(), |x| x[0].prod_keepdim(1)),
        row("amax", x(), |x| x[0].amax()),
        row("amax_dim", x(), |x| x[0].amax_dim(1)),
        rough("amax_dim", vec![Tensor::from([[1.0, 1.0, 0.0]])], |x| x[0].amax_dim(1)),
        row("amax_keepdim", x(), |x| x[0].amax_keepdim([1, 2])),
        row("amin", x(), |x| x[0].amin()),
        row("amin_dim", x(), |x| x[0].amin_dim([0, 2])),
        row("amin_keepdim", x(), |x| x[0].amin_keepdim(0)),
        row("argmax", x(), |x| x[0].argmax(1)),
        row("argmin", x(), |x| x[0].argmin(-1)),
        row("any", x(), |x| x[0].any()),
        row("any", x(), |x| x[0].gt(9.0).any()),
        row("all", x(), |x| x[0].all()),
        row("all", x(), |x| x[0].gt(0.0).all()),
    ]
}

fn statistics() -> Vec<Sample> {
    let x = || vec![normal(4, &[2, 3, 4])];
    vec![
        row("mean", x(), |x| x[0].mean()),
        row("mean_dim", x(), |x| x[0].mean_dim([0, 2])),
        row("mean_keepdim", x(), |x| x[0].mean_keepdim(1)),
        row("var", x(), |x| x[0].var(0)),
        row("var_dim", x(), |x| x[0].var_dim([0, 1], 1)),
        row("std", x(), |x| x[0].std(1)),
        row("std_dim", x(), |x| x[0].std_dim(2, 0)),
        row("softmax", x(), |x| x[0].softmax(1)),
        row("log_softmax", x(), |x| x[0].log_softmax(-1)),
        row("logsumexp", x(), |x| x[0].logsumexp([0, 2])),
        row("norm", x(), |x| x[0].norm()),
        row("norm_dim", x(), |x| x[0].norm_dim(0)),
        row("one_hot", vec![Tensor::from([[2i64, 0], [-1, 3]])], |x| x[0].one_hot(3)),
        row("cross_entropy", vec![normal(4, &[2, 3]), Tensor::from([2i64, 0])], |x| {
            x[0].cross_entropy(&x[1])
        }),
    ]
}

fn movement() -> Vec<Sample> {
    let x = || vec![normal(5, &[2, 3, 4])];
    vec![
        row("reshape", x(), |x| x[0].reshape([4, 6])),
        row("reshape", x(), |x| x[0].transpose(0, 2).reshape([24])),
        row("permute", x(), |x| x[0].permute([2, 0, 1])),
        row("transpose", x(), |x| x[0].transpose(0, 2)),
        row("t", x(), |x| x[0].t()),
        row("movedim", x(), |x| x[0].movedim(0, -1)),
        row("unsqueeze", x(), |x| x[0].unsqueeze(-2)),
        row("squeeze", vec![normal(5, &[2, 1, 3])], |x| x[0].squeeze(1)),
        row("flatten", x(), |x| x[0].flatten(0, 1)),
        row("broadcast_to", vec![normal(5, &[3, 1])], |x| x[0].broadcast_to([2, 3, 4])),
        row("broadcast_to", vec![normal(5, &[])], |x| x[0].broadcast_to([0, 3])),
        row("narrow", x(), |x| x[0].narrow(1, 1, 2)),
        row("narrow", x(), |x| x[0].narrow(2, 4, 0)),
        row("split", x(), |x| {
            let [a, b] = x[0].split([1, 3], -1);
            Tensor::cat(&[b, a], -1)
        }),
        row("chunk", x(), |x| x[0].chunk(3, 1).swap_remove(1)),
        row("flip", x(), |x| x[0].flip([0, 2])),
        row("pad", x(), |x| x[0].pad([(1, 0), (0, 2), (1, 1)], 0)),
        row("pad", x(), |x| x[0].pad([(1, 0), (0, 2), (1, 1)], 7.0)),
        row("cat", vec![normal(1, &[2, 3]), normal(2, &[2, 1]), normal(3, &[2, 0])], |x| Tensor::cat(x, 1)),
        row("stack", vec![normal(1, &[2, 3]), normal(2, &[2, 3])], |x| Tensor::stack(x, -1)),
    ]
}

fn indexing() -> Vec<Sample> {
    let rows = || Tensor::from([[2i64, 0], [-1, 2]]);
    vec![
        row("at", vec![normal(1, &[4, 3])], |x| x[0].at((step(.., -2), 1..))),
        row("at", vec![normal(1, &[3, 4]), rows()], |x| x[0].at((&x[1], 1))),
        picking("at", vec![normal(1, &[3, 2]), Tensor::from([true, false, true])], |x| x[0].at(&x[1])),
        row("with", vec![normal(1, &[4, 3]), normal(2, &[2, 3])], |x| x[0].with(step(3.., -2), &x[1])),
        row("with", vec![normal(1, &[3, 4]), rows(), normal(2, &[4])], |x| x[0].with(&x[1], &x[2])),
        row("set", vec![normal(1, &[4, 3]), normal(2, &[2])], |x| {
            let mut y = x[0].clone();
            y.set((1, ..2), &x[1]);
            y
        }),
        row("index_select", vec![normal(1, &[3, 4]), rows()], |x| x[0].index_select(0, &x[1])),
        row("index_select", vec![normal(1, &[2, 3, 4]), rows()], |x| x[0].index_select(1, &x[1])),
        row("index_select", vec![normal(1, &[3, 2]), Tensor::from([0i64; 0])], |x| {
            x[0].index_select(0, &x[1])
        }),
        row("embedding", vec![normal(1, &[3, 4]), rows()], |x| x[0].embedding(&x[1])),
        row("gather", vec![normal(1, &[2, 3]), rows()], |x| x[0].gather(1, &x[1])),
        row("gather", vec![normal(1, &[3, 2]), rows().i32()], |x| x[0].gather(0, &x[1])),
        row("index_add", vec![normal(1, &[3, 4]), rows(), normal(2, &[2, 2, 4])], |x| {
            x[0].index_add(0, &x[1], &x[2])
        }),
        row("index_add", vec![normal(1, &[5, 3]), rows(), normal(2, &[5, 2, 2])], |x| {
            x[0].index_add(1, &x[1], &x[2])
        }),
        row("scatter_add", vec![normal(1, &[2, 3]), rows(), normal(2, &[2, 2])], |x| {
            x[0].scatter_add(1, &x[1], &x[2])
        }),
    ]
}

fn products() -> Vec<Sample> {
    vec![
        row("matmul", vec![normal(1, &[3, 4]), normal(2, &[4, 5])], |x| x[0].matmul(&x[1])),
        row("matmul", vec![normal(1, &[3, 4]), normal(2, &[5, 4])], |x| x[0].matmul(&x[1].t())),
        row("matmul", vec![normal(1, &[4]), normal(2, &[4])], |x| x[0].matmul(&x[1])),
        row("matmul", vec![normal(1, &[3, 4]), normal(2, &[4])], |x| x[0].matmul(&x[1])),
        row("matmul", vec![normal(1, &[2, 3, 4]), normal(2, &[4, 2])], |x| x[0].matmul(&x[1])),
        row("matmul", vec![normal(1, &[2, 1, 3, 4]), normal(2, &[3, 4, 2])], |x| x[0].matmul(&x[1])),
        row("matmul", vec![normal(1, &[3, 0]), normal(2, &[0, 2])], |x| x[0].matmul(&x[1])),
        row("dot", vec![normal(1, &[4]), normal(2, &[4])], |x| x[0].dot(&x[1])),
        row("outer", vec![normal(1, &[3]), normal(2, &[4])], |x| x[0].outer(&x[1])),
        row("rand", vec![Tensor::from([3i64, 4])], |x| draw(Distribution::Uniform, &x[0])),
        row("randn", vec![Tensor::from([3i64, 4])], |x| draw(Distribution::Normal, &x[0])),
    ]
}

fn draw(distribution: Distribution, key: &Tensor) -> Tensor {
    let shape = Tensor::hollow().broadcast_to([2, 3]).spec().shape;
    bind(&Random { distribution, shape, dtype: DType::F64 }, &[key])
}

//! What a wrong call is told: operation, what it got, what it expected, operands, where, and what to do next.
//!
//! The line is checked apart: every error points into the file whose test asks for it.

#[macro_use]
mod table;

mod contraction;
mod indexing;
#[cfg(feature = "linalg")]
mod linalg;
mod ordering;
mod pointwise;
mod window;

use std::panic::Location;
use std::process::Command;

use retrograd::{
    CustomOp, Error, ErrorKind, Result, Rng, Spec, Tensor, Tree, Unreached, apply, check, custom_vjp, debug,
    grad, grad_only, gradcheck, gradgradcheck, jvp, tree, vjp, vmap,
};

/// The message without its lines of the caller's file; both are there exactly where `located` says.
#[track_caller]
fn text(error: &Error, located: bool) -> String {
    let file = Location::caller().file();
    assert_eq!(error.location().map(|at| at.file()), located.then_some(file), "{error}");
    let own = |line: &&str| line.trim_start().starts_with("at ") && line.contains(file);
    error.to_string().lines().filter(|line| !own(line)).collect::<Vec<_>>().join("\n")
}

/// An operation's error, with its lines joined by ` | `.
#[track_caller]
fn said(x: &Tensor) -> String {
    text(x.error().expect("an invalid tensor"), true).replace("\n  ", " | ")
}

/// A transform's error that no line of the function is to blame for.
#[track_caller]
fn refused<T>(result: Result<T>) -> String {
    text(&result.err().expect("an error"), false).replace("\n  ", " | ")
}

/// A transform's error that came from a line of the function.
#[track_caller]
fn failed<T>(result: Result<T>) -> String {
    text(&result.err().expect("an error"), true).replace("\n  ", " | ")
}

fn f32s(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape)
}

fn f64s(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape).f64()
}

fn i64s(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape).i64()
}

const ALIGNED: &str =
    "help: shapes are aligned at the last axis; axes must be equal or 1 (see `unsqueeze`, `reshape`)";

#[test]
fn elementwise_operations() {
    let (x, y) = (f32s(&[2, 3]), f32s(&[4]));
    for (name, z) in [
        ("add", &x + &y),
        ("sub", &x - &y),
        ("mul", &x * &y),
        ("div", x.clone() / y.clone()),
        ("pow", x.pow(&y)),
        ("minimum", x.minimum(&y)),
        ("eq", x.eq(&y)),
        ("logical_or", x.logical_or(&y)),
    ] {
        let message = "shapes [2, 3] and [4] do not broadcast | operands: f32[2, 3], f32[4]";
        assert_eq!(said(&z), format!("{name}: {message} | {ALIGNED}"));
    }
    let (ints, bools) = (i64s(&[2]), f32s(&[2]).bool());
    table! {
        f32s(&[2]) + f64s(&[2]) =>
            "add: dtypes f32 and f64 do not mix | operands: f32[2], f64[2] | help: convert one of them, for example with `.f64()`";
        f32s(&[2]) * &ints =>
            "mul: dtypes f32 and i64 do not mix | operands: f32[2], i64[2] | help: convert one of them, for example with `.f32()`";
        &ints + 1.5 =>
            "add: the number 1.5 is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        0.5 - &ints =>
            "sub: the number 0.5 is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        ints.u8() * 256 =>
            "mul: the number 256 is no u8 | operands: u8[2] | help: convert the tensor first, for example with `.f32()`";
        ints.gt(0.5) =>
            "gt: the number 0.5 is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        ints.full_like(f64::NAN) =>
            "full_like: the number NaN is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        &bools + &bools =>
            "add: bool has no arithmetic | operands: bool[2], bool[2] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
        bools.prod() =>
            "prod: bool has no arithmetic | operands: bool[2] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
        ints.exp() =>
            "exp: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.pow(2) =>
            "pow: needs a floating-point tensor, got i64 | operands: i64[2], i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.mean() =>
            "mean: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.softmax(0) =>
            "softmax: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.where_(1, 2) =>
            "where: the condition is bool, got i64 | operands: i64[2], f32[2], f32[2] | help: compare to get one, for example `x.gt(0.0)`";
        bools.where_(&x, &ints) =>
            "where: shapes [2], [2, 3] and [2] do not broadcast | operands: bool[2], f32[2, 3], i64[2]";
        bools.where_(f64s(&[2]), &ints) =>
            "where: dtypes f64 and i64 do not mix | operands: bool[2], f64[2], i64[2] | help: convert one of them, for example with `.f64()`";
        Tensor::from([1i64, 2]) / Tensor::from([1i64, 0]) =>
            "div: integer division by zero at element 1 | operands: i64[2], i64[2] | help: convert to a floating-point dtype, or replace the zeros with `where_`";
        Tensor::from([1i64, 2]) / 0 => "div: integer division by zero at element 0 | operands: i64[2], i64[2] | help: convert to a floating-point dtype, or replace the zeros with `where_`";
    }
}

#[test]
fn reductions() {
    let x = f32s(&[2, 3]);
    table! {
        x.sum_dim(2) => "sum_dim: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.prod_keepdim(-3) => "prod_keepdim: axis -3 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.sum_dim([0, -2]) => "sum_dim: axis -2 is named twice in [0, -2] | operands: f32[2, 3]";
        x.mean_dim(5) => "mean_dim: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.var_dim(5, 1) => "var_dim: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.norm_dim(5) => "norm_dim: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.log_softmax(5) => "log_softmax: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.logsumexp(5) => "logsumexp: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.argmax(2) => "argmax: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        f32s(&[2, 0]).amax_dim(1) => "amax: axis 1 of [2, 0] is empty, nothing is its extreme | operands: f32[2, 0]";
        f32s(&[0]).argmin(0) => "argmin: axis 0 of [0] is empty, nothing is its extreme | operands: f32[0]";
    }
}

#[test]
fn shapes() {
    let x = f32s(&[2, 3]);
    table! {
        x.reshape([4]) => "reshape: 6 elements of [2, 3] do not fill [4] (4) | operands: f32[2, 3]";
        x.reshape([4, retrograd::INFER]) => "reshape: 6 elements of [2, 3] do not divide by 4 | operands: f32[2, 3]";
        x.reshape([retrograd::INFER; 2]) => "reshape: [4294967295, 4294967295] has too many elements | operands: f32[2, 3]";
        x.reshape([1; 9]) => "reshape: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1] | operands: f32[2, 3]";
        x.permute([0, 0]) => "permute: [0, 0] is no order of the 2 axes of [2, 3] | operands: f32[2, 3] | help: name every axis once";
        x.permute([0]) => "permute: [0] is no order of the 2 axes of [2, 3] | operands: f32[2, 3] | help: name every axis once";
        x.transpose(0, 2) => "transpose: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        f32s(&[3]).t() => "transpose: axis -2 of a tensor with 1 axes, [3] | operands: f32[3]";
        x.movedim(0, 4) => "movedim: axis 4 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.broadcast_to([3, 3]) => "broadcast_to: shape [2, 3] does not broadcast to [3, 3] | operands: f32[2, 3]";
        x.unsqueeze(4) => "unsqueeze: no place 4 for a new axis in [2, 3] | operands: f32[2, 3]";
        f32s(&[1; 8]).unsqueeze(0) => "unsqueeze: the result would have more than 8 axes (vmap adds one), or too many elements | operands: f32[1, 1, 1, 1, 1, 1, 1, 1]";
        x.squeeze(0) => "squeeze: axis 0 of [2, 3] has length 2, not 1 | operands: f32[2, 3]";
        x.flatten(1, 0) => "flatten: axis 1 comes after axis 0 | operands: f32[2, 3]";
        x.flatten(0, 2) => "flatten: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.split([1, 1], 1)[0] => "split: lengths [1, 1] do not add up to 3, the length of axis 1 | operands: f32[2, 3]";
        x.chunk(0, 0)[0] => "chunk: cannot make 0 parts | operands: f32[2, 3]";
        x.flip([2]) => "flip: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.narrow(1, 2, 2) => "narrow: positions 2..4 of axis 1, which has 3 | operands: f32[2, 3]";
        x.pad([(1, 1)], 0.0) => "pad: padding for 1 axes of a tensor with 2 | operands: f32[2, 3] | help: give one (before, after) pair an axis";
        x.i64().pad([(1, 1), (0, 0)], 0.5) => "pad: the number 0.5 is no i64 | operands: i64[2, 3]";
        Tensor::cat(&[], 0) => "cat: needs at least one tensor";
        Tensor::cat(&[x.clone(), f32s(&[3, 2])], 0) => "cat: shapes [2, 3] and [3, 2] differ beside axis 0 | operands: f32[2, 3], f32[3, 2]";
        Tensor::cat(&[x.clone(), x.f64()], 0) => "cat: dtypes f32 and f64 do not mix | operands: f32[2, 3], f64[2, 3] | help: convert one of them, for example with `.f64()`";
        Tensor::cat(&[f32s(&[])], 1) => "cat: axis 1 of a tensor with 1 axes, [1] | operands: f32[1]";
        Tensor::cat(&[f32s(&[]), x.clone()], 0) => "cat: axis 0 of a tensor with 0 axes, [] | operands: f32[]";
        Tensor::stack(&[], 0) => "stack: needs at least one tensor";
        Tensor::stack(&[x.clone(), f32s(&[3])], 0) => "stack: shapes [2, 3] and [3] differ | operands: f32[2, 3], f32[3]";
    }
}

#[test]
fn matrix_products() {
    let inner = "help: the last axis of the first is as long as the last but one of the second; see `t`";
    table! {
        f32s(&[2, 3]).matmul(&f32s(&[4, 5])) => format!("matmul: inner lengths differ: [2, 3] times [4, 5] | operands: f32[2, 3], f32[4, 5] | {inner}");
        f32s(&[2, 3]).matmul(&f32s(&[4])) => format!("matmul: inner lengths differ: [2, 3] times [4, 1] | operands: f32[2, 3], f32[4, 1] | {inner}");
        f32s(&[2, 2, 3]).matmul(&f32s(&[3, 3, 3])) => "matmul: batch axes [2] and [3] do not broadcast | operands: f32[2, 2, 3], f32[3, 3, 3]";
        f32s(&[2, 3]).matmul(&f64s(&[3, 2])) => "matmul: dtypes f32 and f64 do not mix | operands: f32[2, 3], f64[3, 2] | help: convert one of them, for example with `.f64()`";
        f32s(&[2, 3]).matmul(&f32s(&[])) => "matmul: a number has no matrix product | operands: f32[2, 3], f32[] | help: multiply with `*`";
        f32s(&[2]).dot(&f32s(&[2, 2])) => "dot: takes two vectors | operands: f32[2], f32[2, 2] | help: see `matmul`";
        f32s(&[2]).outer(&f32s(&[])) => "outer: takes two vectors | operands: f32[2], f32[]";
    }
}

#[test]
fn indices() {
    let (x, i) = (f32s(&[2, 3]), Tensor::from([0i64, 5]));
    let range = "help: positions run from 0 to 1, or from -2 to -1 counted from the end";
    table! {
        x.at(2) => format!("at: index 2 is out of range for axis 0, which has length 2 | operands: f32[2, 3] | {range}");
        x.at((0, 0, 0)) => "at: the index is for 3 axes, the tensor has 2 | operands: f32[2, 3]";
        x.at(f32s(&[1])) => "at: an index tensor is i64, i32 or bool, got f32 | operands: f32[2, 3], f32[1] | help: convert with `.i64()`, or compare to get a mask";
        x.at(f32s(&[3]).bool()) => "at: a mask of shape [3] for axes of shape [2], from axis 0 on | operands: f32[2, 3], bool[3] | help: a mask has the lengths of the axes that it stands for";
        x.with(2, 1.0) => format!("with: index 2 is out of range for axis 0, which has length 2 | operands: f32[2, 3] | {range}");
        x.with(0, f64s(&[3])) => "with: a value of dtype f64 for a tensor of dtype f32 | operands: f32[2, 3], f64[3] | help: convert the value with `.f32()`";
        x.with(0, f32s(&[2])) => "with: a value of shape [2] does not broadcast to the part's shape [3] | operands: f32[2, 3], f32[2]";
        x.i64().with(0, 0.5) => "with: the number 0.5 is no i64 | operands: i64[3] | help: convert the tensor first, for example with `.f32()`";
        x.index_select(0, &i) => "index_select: index 5 (element 1 of the index) is out of range for an axis of 2 | operands: f32[2, 3], i64[2]";
        x.index_select(0, &f32s(&[2])) => "index_select: an index is i64 or i32, got f32 | operands: f32[2, 3], f32[2] | help: convert with `.i64()`";
        x.index_select(2, &i) => "index_select: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.gather(0, &i) => "gather: shape [2, 3] and index shape [2] differ beside axis 0 | operands: f32[2, 3], i64[2] | help: the index has the tensor's rank; see `index_select` for whole slices";
        x.scatter_add(0, &i64s(&[1, 3]), &f32s(&[2, 3])) => "scatter_add: the source has shape [2, 3], expected [1, 3] | operands: f32[2, 3], i64[1, 3], f32[2, 3]";
        x.index_add(0, &i64s(&[1]), &f64s(&[1, 3])) => "index_add: dtypes f32 and f64 do not mix | operands: f32[2, 3], i64[1], f64[1, 3] | help: convert one of them, for example with `.f64()`";
        x.one_hot(3) => "one_hot: class numbers are integers, got f32 | operands: f32[2, 3] | help: convert with `.i64()`";
        x.cross_entropy(&i64s(&[3])) => "cross_entropy: scores of shape [2, 3] and class numbers of shape [3] | operands: f32[2, 3], i64[3] | help: scores have one axis more, the last: a score for each class";
        x.cross_entropy(&f32s(&[2])) => "cross_entropy: class numbers are integers, got f32 | operands: f32[2, 3], f32[2] | help: convert with `.i64()`";
    }
    let mut y = x.clone();
    y.set((0, 7), 1.0);
    assert!(said(&y).starts_with("set: index 7 is out of range for axis 1, which has length 3"));
}

#[test]
fn constructors() {
    table! {
        Tensor::from_vec(vec![1.0, 2.0], [3]) => "from_slice: 2 values do not fill shape [3] (3)";
        Tensor::zeros([1; 9]) => "full: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1]";
        Tensor::randn([1 << 40]) => "randn: axis 0 of [1099511627776] is longer than 4294967295";
        Tensor::eye(1 << 40) => "eye: axis 0 of [1099511627776, 1099511627776] is longer than 4294967295";
        Tensor::arange(1 << 40) => "arange: axis 0 of [1099511627776] is longer than 4294967295";
        Tensor::arange_step(0, 5, 0) => "arange_step: from 0 to 5 there is no finite way in steps of 0";
        Tensor::linspace(0.0, 1.0, 1 << 40) => "linspace: axis 0 of [1099511627776] is longer than 4294967295";
        Tensor::randperm(1 << 40) => "randperm: axis 0 of [1099511627776] is longer than 4294967295";
        Tensor::from([[[[[[[[[0.0]]]]]]]]]) => "from_slice: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1]";
        Rng::seed(0).rand([1 << 31; 3]) => "rand: [2147483648, 2147483648, 2147483648] has too many elements";
    }
}

#[test]
fn reading_out() {
    let many = f32s(&[2]).item::<f64>();
    assert_eq!(
        failed(many),
        "item: shape [2] has 2 elements, not one | operands: f32[2] | help: see `to_vec`, or reduce it, as with `sum`"
    );
    let invalid = f32s(&[2]) + f32s(&[3]);
    assert_eq!(failed(invalid.to_vec::<f32>()), said(&invalid));
    assert_eq!(failed(invalid.item::<f32>()), said(&invalid));
    assert_eq!(failed(invalid.allclose(&invalid, 0.0, 0.0)), said(&invalid));
}

#[test]
fn an_error_passes_through_later_operations_and_names_the_first_failing_line() {
    let (x, line) = (f32s(&[2]) + f32s(&[3]), line!());
    let y = (x.exp() * 2.0).reshape([7]).at(0).matmul(&f32s(&[1])).f64();
    let z = Tensor::cat(&[f32s(&[2]), y.sum_dim(4)], 9).softmax(3).with(0, 1.5);
    let error = z.error().expect("still invalid");
    assert_eq!((error.operation(), error.kind()), ("add", ErrorKind::Shape));
    assert_eq!(error.location().map(|at| at.line()), Some(line));
    assert!(error.to_string().contains(&format!("\n  at {}:{line}:", file!())));
}

#[derive(Clone, Debug, Tree)]
struct Params {
    w: [Tensor; 2],
    n: Tensor,
}

#[test]
fn gradients() {
    let x = f32s(&[2]);
    let params = |n: Tensor| Params { w: [f32s(&[2]), f32s(&[])], n };
    let loss = |p: &Params| p.w[0].sum();
    let help = "help: reduce it, as with `sum` or `mean`; for other outputs use `vjp` or `jacobian`";
    let vector = grad(|x: &Tensor| x * 2.0).call(&x, ());
    assert_eq!(refused(vector), format!("grad: the loss has shape [2], not one element | {help}"));
    let integer = grad(|x: &Tensor| x.sum().i64()).call(&x, ());
    assert_eq!(refused(integer), "grad: the loss is i64, which has no gradient");
    let help = "help: pass it as another argument, or mark the field `#[tree(static)]`";
    let message = format!("argument.n is i64[1]: only floating-point tensors have a gradient | {help}");
    assert_eq!(refused(grad(loss).call(&params(i64s(&[1])), ())), message);
    assert_eq!(refused(vjp(loss).call(&params(i64s(&[1])), ())), message);
    let p = params(f32s(&[1]));
    let unreached = grad(loss).unreached(Unreached::Error).call(&p, ());
    let help = "help: use it, or allow a zero gradient with `Unreached::Zero`";
    assert_eq!(refused(unreached), format!("the loss does not depend on argument.w[1] | {help}"));
}

#[test]
fn invalid_inputs_are_named_by_path() {
    let bad = f32s(&[2]) + f32s(&[3]);
    let params = Params { w: [bad.clone(), f32s(&[])], n: f32s(&[]) };
    let add = format!("shapes [2] and [3] do not broadcast | operands: f32[2], f32[3] | {ALIGNED}");
    let loss = |p: &Params, x: &Tensor| p.w[0].sum() * x;
    assert_eq!(failed(grad(loss).call(&params, &f32s(&[]))), format!("argument 0.w[0]: add: {add}"));
    let good = Params { w: [f32s(&[]), f32s(&[])], ..params };
    assert_eq!(failed(grad(loss).call(&good, &bad)), format!("argument 1: add: {add}"));
    let f = |x: &Tensor| (x.clone(), x + f32s(&[3]));
    assert_eq!(failed(vjp(f).call(&f32s(&[2]), ())), format!("output[1]: add: {add}"));
    assert_eq!(
        failed(grad(|x: &Tensor| (x.sum(), x + f32s(&[3]))).call(&f32s(&[2]), ())),
        format!("output[1]: add: {add}")
    );
}

#[test]
fn asking_an_invalid_tensor_for_its_shape_inside_a_transform_is_the_calls_error() {
    let f = |x: &Tensor| {
        let y = x.matmul(&f32s(&[5, 5]));
        let n = y.shape()[0] as usize;
        (y / n).sum()
    };
    let message = failed(grad(f).call(&f32s(&[2, 3]), ()));
    assert!(message.starts_with("matmul: inner lengths differ: [2, 3] times [5, 5]"), "{message}");
    let message = failed(vmap(f).call(&f32s(&[4, 2, 3]), ()));
    assert!(message.starts_with("matmul: inner lengths differ: [2, 3] times [5, 5]"), "{message}");
}

#[test]
fn batches() {
    let x = f64s(&[4, 2]);
    let where_ =
        "help: choose between two tensors with `condition.where_(&a, &b)` instead of branching on a value";
    let branch =
        |x: &Tensor| -> Result<Tensor> { Ok(if x.sum().item::<f64>()? > 0.0 { x * 1.0 } else { -x }) };
    let one = "inside vmap a tensor stands for 4 examples at once and has no single value";
    assert_eq!(failed(vmap(branch).call(&x, ())), format!("item: {one} | {where_}"));
    let mask = |x: &Tensor| x.at(x.gt(0.0));
    let message = vmap(mask).call(&x, ()).expect_err("no value").to_string();
    assert!(message.contains("at reads a bool mask") && message.contains("where_"), "{message}");

    let two = |a: &Tensor, b: &Tensor| a * b;
    let sizes = vmap(two).call(&x, &f64s(&[3, 2]));
    assert_eq!(refused(sizes), "vmap: argument 1 has 3 examples along axis 0 of [3, 2], others have 4");
    let axes = vmap(two).in_axes([Some(0)]).call(&x, &x);
    assert_eq!(refused(axes), "vmap: in_axes has 1 entries for 2 arguments");
    let none = vmap(two).in_axes([None, None]).call(&x, &x);
    assert_eq!(
        refused(none),
        "vmap: no argument has examples: every in_axes is None, or there are no leaves"
    );
    let help = "help: share it between examples: `None` in `in_axes`";
    let number = vmap(two).call(&x, &f64s(&[]));
    assert_eq!(refused(number), format!("vmap: argument 1 has a leaf of shape [] without axis 0 | {help}"));
    let out = vmap(two).out_axis(3).call(&x, &x);
    assert_eq!(
        refused(out),
        "output: vmap: no place 3 for the examples' axis in an output of shape [2] | help: see `out_axis`"
    );
    // Shapes are those that the function sees, without the examples' axis.
    let wrong = failed(vmap(|x: &Tensor| x + f64s(&[3])).call(&x, ()));
    assert_eq!(
        wrong,
        format!("output: add: shapes [2] and [3] do not broadcast | operands: f64[2], f64[3] | {ALIGNED}")
    );
    // What an example left behind has no meaning later.
    let kept = std::sync::Mutex::new(None);
    let keep = |x: &Tensor| {
        *kept.lock().expect("not poisoned") = Some(x.clone());
        x.clone()
    };
    drop(vmap(keep).call(&x, ()).expect("it works"));
    let kept = kept.into_inner().expect("not poisoned").expect("was kept") + 1.0;
    let message = kept.error().expect("outlived").to_string();
    assert!(message.starts_with("this tensor stands for one example of a vmap that has ended"), "{message}");
}

#[test]
fn tangents_and_cotangents_that_do_not_fit() {
    let x = f64s(&[2]);
    let f = |x: &Vec<Tensor>| x.clone();
    let wrong = jvp(f).call(&vec![x.clone()], &vec![f64s(&[3])], ());
    assert_eq!(refused(wrong), "tangent[0] is f64[3], the argument is f64[2]");
    let wrong = jvp(f).call(&vec![x.clone()], &vec![], ());
    assert_eq!(
        refused(wrong),
        "tangent: the trees differ in structure: 1 leaves and 0, leaf `[0]` where the other has no leaf"
    );
    let integer = jvp(|x: &Tensor| x.clone()).call(&i64s(&[2]), &i64s(&[2]), ());
    assert!(refused(integer).starts_with("argument is i64[2]: only floating-point tensors have a gradient"));

    let (_, pull) = vjp(f).call(&vec![x.clone(), x.clone()], ()).expect("it works");
    let wrong = pull.call(&vec![x.clone(), x.f32()]);
    assert_eq!(refused(wrong), "cotangent[1] is f32[2], the output is f64[2]");
    let wrong = pull.call(&vec![x.clone()]);
    assert_eq!(
        refused(wrong),
        "cotangent: the trees differ in structure: 2 leaves and 1, leaf `[1]` where the other has no leaf"
    );
    let wrong = failed(pull.call(&vec![x.clone(), &x + f64s(&[3])]));
    assert!(wrong.starts_with("cotangent[1]: add: shapes [2] and [3]"), "{wrong}");
}

#[test]
fn trees() {
    let zipped = tree::zip(&vec![f32s(&[]); 2], &vec![f32s(&[])], |a, b| a + b);
    let message = "the trees differ in structure: 2 leaves and 1, leaf `[1]` where the other has no leaf";
    assert_eq!(zipped[0].error().map(Error::to_string).as_deref(), Some(message));
    assert_eq!(zipped[1].error().map(Error::kind), Some(ErrorKind::Tree));
    let (_, unravel) = tree::ravel(&(f32s(&[2]), f32s(&[3])));
    assert_eq!(
        said(&unravel(&f32s(&[6])).1),
        "unravel: a vector of 5 elements is needed, got shape [6] | operands: f32[6]"
    );
    assert!(
        said(&tree::ravel(&(f32s(&[2]), f64s(&[3]))).0).starts_with("cat: dtypes f32 and f64 do not mix")
    );
}

/// Doubles a vector; what goes wrong is chosen by the number.
#[derive(Debug)]
struct Faulty(u32);

impl CustomOp for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        match self.0 {
            1 => Err(Error::msg("wants a matrix")),
            2 => Ok(vec![]),
            _ => Ok(vec![x[0]]),
        }
    }
    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![match self.0 {
            3 => x[0].sum(),
            4 => x[0].matmul(&f64s(&[7, 7])),
            5 => return Err(Error::msg("the disk is full")),
            _ => &x[0] * 2.0,
        }])
    }
    fn vjp(&self, x: &[Tensor], _: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(match self.0 {
            6 => x[0].matmul(&f64s(&[7, 7])),
            7 => dy[0].sum(),
            8 => return Ok(vec![]),
            9 => return Err(Error::msg("not today")),
            _ => &dy[0] * 3.0,
        })])
    }
}

#[test]
fn operations_of_ones_own() {
    let x = f64s(&[2]);
    table! {
        apply(Faulty(1), &[&x])[0] => "faulty: wants a matrix | operands: f64[2]";
        apply(Faulty(2), &[&x])[0] => "faulty: an operation has at least one output | operands: f64[2]";
        apply(Faulty(5), &[&x])[0] => "faulty: the disk is full | operands: f64[2]";
        apply(Faulty(0), &[&(&x + f64s(&[3]))])[0] => format!("add: shapes [2] and [3] do not broadcast | operands: f64[2], f64[3] | {ALIGNED}");
    }
    let promised = said(&apply(Faulty(3), &[&x])[0]);
    assert_eq!(promised, "faulty: `infer` promised [f64[2]], `forward` returned [f64[]] | operands: f64[2]");
    let gradient = |fault: u32| {
        grad(move |x: &Tensor| apply(Faulty(fault), &[x]).swap_remove(0).sum()).call(&f64s(&[2]), ())
    };
    assert_eq!(failed(gradient(7)), "gradient: faulty: its vjp returned f64[] at 0, expected f64[2]");
    assert_eq!(failed(gradient(8)), "gradient: faulty: its vjp returned 0 tensors, expected 1");
    assert_eq!(failed(gradient(9)), "gradient: faulty: not today");
    let forward = jvp(|x: &Tensor| apply(Faulty(0), &[x]).swap_remove(0)).call(&x, &x, ());
    let help = "help: write its `jvp`, or use reverse mode: `grad`, `vjp`, `jacobian` with `Mode::Reverse`";
    assert_eq!(failed(forward), format!("output tangent: faulty: has no forward-mode derivative | {help}"));
}

#[test]
fn an_error_inside_a_rule_of_ones_own_names_both_lines() {
    let inside = |error: &Error, line: u32| {
        let at = error.location().expect("a line");
        assert!(at.line() != line && at.file() == file!(), "{error}");
        let rule = format!("\n  in the rule of the operation at {}:{line}", file!());
        assert!(error.operation() == "matmul" && error.to_string().contains(&rule), "{error}");
    };
    let (y, line) = (apply(Faulty(4), &[&f64s(&[2])]).swap_remove(0), line!());
    inside(y.error().expect("it failed"), line);
    let at = line!() + 1;
    let f = |x: &Tensor| apply(Faulty(6), &[x]).swap_remove(0).sum();
    inside(&grad(f).call(&f64s(&[2]), ()).expect_err("it failed"), at);

    let wrong = |in_forward: bool| {
        custom_vjp(
            move |x: &Tensor| (if in_forward { x.matmul(&f64s(&[7, 7])) } else { x * 2.0 }, ()),
            |_: &(), dy: &Tensor| dy.matmul(&f64s(&[7, 7])),
        )
    };
    let (y, line) = (wrong(true).call(&f64s(&[2])), line!());
    inside(y.error().expect("it failed"), line);
    let line = line!() + 1;
    let f = |x: &Tensor| wrong(false).call(x).sum();
    inside(&grad(f).call(&f64s(&[2]), ()).expect_err("it failed"), line);
}

#[test]
fn checking_gradients() {
    let f = |x: &Tensor| apply(Faulty(0), &[x]).swap_remove(0).square().sum();
    let x = Tensor::from([1.0, -2.0, 0.5]);
    let message = refused(gradcheck(f, &x, ()));
    assert!(
        message.starts_with(
            "gradcheck: gradients differ: 3 elements; worst at argument, element 1: derived -2.4"
        ),
        "{message}"
    );
    assert!(message.contains("numerical -1.6") || message.contains("numerical -1.59"), "{message}");
    let single = gradcheck(|p: &Vec<Tensor>| p[0].sum(), &vec![f32s(&[2])], ());
    let help = "help: `tree::cast(&p, DType::F64)` converts all leaves";
    assert_eq!(
        refused(single),
        format!("gradcheck: argument[0] is f32[2], central differences need f64 | {help}")
    );
    let random = gradcheck(|x: &Tensor| (x * Tensor::randn([3]).f64()).sum(), &x, ());
    let help = "help: draw random numbers outside, or reseed";
    assert_eq!(
        refused(random),
        format!("gradcheck: two runs on the same input give different gradients | {help}")
    );
    let wrong =
        custom_vjp(|x: &Tensor| (x.pow(3.0), x.clone()), |x: &Tensor, dy: &Tensor| x.square() * dy * 3.0);
    assert!(gradcheck(|x: &Tensor| wrong.call(x).sum(), &x, ()).is_ok());
    assert!(gradgradcheck(|x: &Tensor| wrong.call(x).sum(), &x, ()).is_ok());
    let message = refused(check::laws(Faulty(0), std::slice::from_ref(&x)));
    assert!(message.contains("<vjp(w), v> = <w, difference along v>"), "{message}");
    assert!(
        failed(grad_only(|x: &Tensor| x + f64s(&[4])).call(&x, ())).starts_with("add: shapes [3] and [4]")
    );
}

#[test]
fn errors_panic_on_the_spot_if_asked_to() {
    // The switch holds for the whole process, so the panic happens in one of its own.
    let this = std::env::current_exe().expect("a path");
    let child = Command::new(this).args(["--exact", "panicking_child", "--ignored", "--nocapture"]).output();
    let child = child.expect("it runs");
    assert!(!child.status.success());
    let output =
        String::from_utf8_lossy(&child.stderr).into_owned() + &String::from_utf8_lossy(&child.stdout);
    assert!(output.contains("add: shapes [2] and [3] do not broadcast"), "{output}");
    assert!(!output.contains("was not reached"), "{output}");
}

#[test]
#[ignore = "run by errors_panic_on_the_spot_if_asked_to"]
fn panicking_child() {
    debug::panic_on_error(true);
    let _ = f32s(&[2]) + f32s(&[3]);
    println!("this line was not reached");
}

#[test]
fn an_invalid_tensor_asked_for_its_shape_outside_a_transform_panics_with_its_message() {
    let payload = std::panic::catch_unwind(|| (f32s(&[2]) + f32s(&[3])).shape()).expect_err("it panics");
    let message = payload.downcast_ref::<String>().expect("a message");
    assert!(message.starts_with("add: shapes [2] and [3] do not broadcast"), "{message}");
}

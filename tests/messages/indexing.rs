//! What a wrong call of movement, indexing, masks and random choices is told; as `messages.rs`.

use retrograd::{GridOrder, IncludeSelf, PadMode, PutMode, Replacement, Rng, ScatterReduce, Tensor, vmap};

use crate::{f32s, i64s};

#[test]
fn repeating_and_turning() {
    let x = f32s(&[2, 3]);
    let (vector, negative) = (Tensor::from([1i64, 2]), Tensor::from([1i64, -2]));
    table! {
        x.repeat([2]) => "repeat: 1 counts for the 2 axes | operands: f32[2, 3] | help: give one count an axis, or see `tile`, which completes them with ones";
        x.repeat([1, 1 << 31]) => "repeat: axis 1 of [2, 3], 2147483648 times, is longer than 4294967295 | operands: f32[2, 3]";
        f32s(&[1 << 30, 1 << 28]).repeat([3, 1]) => "repeat: the result would have more than 8 axes (vmap adds one), or too many elements | operands: f32[1073741824, 268435456]";
        x.repeat([1; 9]) => "repeat: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1] | operands: f32[2, 3]";
        x.tile([1; 9]) => "tile: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1] | operands: f32[2, 3]";
        x.repeat_interleave(2, 2) => "repeat_interleave: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.repeat_interleave(-1, 0) => "repeat_interleave: a position cannot be repeated -1 times | operands: f32[2, 3], i64[]";
        x.repeat_interleave(&negative, 0) => "repeat_interleave: a position cannot be repeated -2 times | operands: f32[2, 3], i64[2]";
        x.repeat_interleave(&vector, 1) => "repeat_interleave: counts of shape [2] for axis 1 of 3 | operands: f32[2, 3], i64[2]";
        x.repeat_interleave(&x, 1) => "repeat_interleave: counts are integers, got f32 | operands: f32[2, 3], f32[2, 3]";
        x.repeat_interleave(0.5, 1) => "repeat_interleave: the number 0.5 is no i64 | operands: i64[] | help: convert the tensor first, for example with `.f32()`";
        x.roll([1, 2], 0) => "roll: 2 shifts for 1 axes | operands: f32[2, 3] | help: give one shift an axis";
        x.roll(1, 2) => "roll: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.rot90(1, [0, -2]) => "rot90: axis -2 is named twice in [0, -2] | operands: f32[2, 3]";
        x.unfold(1, 4, 1) => "unfold: a window of 4 positions is longer than axis 1, which has 3 | operands: f32[2, 3]";
        x.unfold(1, 2, 0) => "unfold: windows of 2 positions, each 0 further on: both are at least 1 | operands: f32[2, 3]";
        x.pad_with([(1, 1)], PadMode::Reflect) => "pad_with: padding for 1 axes of a tensor with 2 | operands: f32[2, 3] | help: give one (before, after) pair an axis";
        f32s(&[0]).pad_with([(0, 1)], PadMode::Circular) => "pad_with: axis 0 of [0] is empty, nothing can be repeated | operands: f32[0]";
        x.pad(vec![(1, 1), (0, usize::MAX)], 0.0) => "pad: axis 1 of [4, 18446744073709551615] is longer than 4294967295 | operands: f32[2, 3]";
    }
}

#[test]
fn shapes_and_parts() {
    let x = f32s(&[2, 3]);
    table! {
        x.split(0, 1)[0] => "split: parts of length 0 do not make up the length of axis 1 | operands: f32[2, 3]";
        x.split(vec![1, 1], 1)[0] => "split: lengths [1, 1] do not add up to 3, the length of axis 1 | operands: f32[2, 3]";
        x.tensor_split(4, 1)[0] => "tensor_split: cannot make 4 parts of axis 1, which has 3 | operands: f32[2, 3]";
        x.unbind(5)[0] => "unbind: axis 5 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.unflatten(1, [2, 2]) => "reshape: 6 elements of [2, 3] do not fill [2, 2, 2] (8) | operands: f32[2, 3]";
        x.unflatten(1, [2, retrograd::INFER]) => "unflatten: 3 elements of [3] do not divide by 2 | operands: f32[2, 3]";
        x.expand([3]) => "broadcast_to: shape [2, 3] does not broadcast to [3] | operands: f32[2, 3]";
        x.expand([-1, 2, 3]) => "expand: [-1, 2, 3] are no lengths for shape [2, 3] | operands: f32[2, 3] | help: -1 keeps the length of an axis that is there";
        x.select(1, 3) => "select: index 3 is out of range for axis 1, which has length 3 | operands: f32[2, 3]";
        x.select(0, -3) => "select: index -3 is out of range for axis 0, which has length 2 | operands: f32[2, 3]";
        Tensor::broadcast_tensors(&[x.clone(), f32s(&[2])])[1] => "broadcast_tensors: shapes [2, 3] and [2] do not broadcast | operands: f32[2, 3], f32[2]";
        Tensor::meshgrid(std::slice::from_ref(&x), GridOrder::Ij)[0] => "meshgrid: a grid is spanned by vectors, got shape [2, 3] | operands: f32[2, 3]";
        Tensor::meshgrid(&vec![f32s(&[1]); 9], GridOrder::Ij)[0] => "meshgrid: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1]";
        Tensor::hstack(&[]) => "cat: needs at least one tensor";
        Tensor::cartesian_prod(&[]) => "stack: needs at least one tensor";
    }
}

#[test]
fn diagonals() {
    let x = f32s(&[2, 3]);
    table! {
        x.diagonal(0, 0, -2) => "diagonal: axis 0 is given twice, a matrix has two | operands: f32[2, 3]";
        x.diagonal(0, 0, 2) => "diagonal: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.diag_embed(0, 0, 3) => "diag_embed: axes 0 and 3 of a result of 3 axes | operands: f32[2, 3]";
        x.diag_embed(0, 1, 1) => "diag_embed: axis 1 is given twice, a matrix has two | operands: f32[2, 3]";
        f32s(&[]).diag_embed(0, 0, 1) => "diag_embed: a number has no axis to put on a diagonal | operands: f32[] | help: give it an axis with `unsqueeze`";
        f32s(&[3]).diag_embed(1 << 20, 0, 1) => "diag_embed: axis 0 of [1099517919241] is longer than 4294967295 | operands: f32[3]";
        f32s(&[1, 2, 3]).diag(0) => "diag: takes a vector or a matrix, got 3 axes | operands: f32[1, 2, 3] | help: see `diagonal` and `diag_embed`";
        f32s(&[3]).tril(0) => "tril: a matrix has two axes, [3] has fewer | operands: f32[3]";
        f32s(&[]).triu(0) => "triu: a matrix has two axes, [] has fewer | operands: f32[]";
        Tensor::tri(1 << 33, 1, 0) => "tri: axis 0 of [8589934592, 1] is longer than 4294967295";
        Tensor::tril_indices(1 << 20, 1 << 20, 0) => "tril_indices: axis 1 of [2, 1099511627776] is longer than 4294967295";
        Tensor::triu_indices(1 << 33, 0, 0) => "triu_indices: axis 0 of [8589934592, 0] is longer than 4294967295";
    }
}

#[test]
fn scatters() {
    let (x, i) = (f32s(&[2, 3]), i64s(&[2, 2]));
    let (add, own) = (ScatterReduce::Sum, IncludeSelf::No);
    let mean = ScatterReduce::Mean;
    table! {
        x.scatter(2, &i, 1.0) => "scatter: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.scatter(1, &i, f32s(&[2, 3])) => "scatter: the source has shape [2, 3], expected [2, 2] | operands: f32[2, 3], i64[2, 2], f32[2, 3]";
        x.scatter(1, &i64s(&[3, 2]), 1.0) => "scatter: shape [2, 3] and index shape [3, 2] differ beside axis 1 | operands: f32[2, 3], i64[3, 2], f32[3, 2] | help: the index has the tensor's rank; see `index_select` for whole slices";
        x.i64().scatter(1, &i, 0.5) => "scatter: the number 0.5 is no i64 | operands: i64[2, 2] | help: convert the tensor first, for example with `.f32()`";
        x.scatter(1, &(&i + 3), 1.0) => "scatter: index 3 (element 0 of the index) is out of range for an axis of 3 | operands: f32[2, 3], i64[2, 2], f32[2, 2]";
        x.index_copy(0, &x, &x) => "index_copy: an index is i64 or i32, got f32 | operands: f32[2, 3], f32[2, 3], f32[2, 3] | help: convert with `.i64()`";
        x.index_fill(0, &i, f32s(&[3])) => "index_fill: the value is a number or a tensor of rank 0, got rank 1 | operands: f32[2, 3], i64[2, 2] | help: see `index_copy`";
        x.index_fill(0, &i64s(&[1; 8]), 1.0) => "index_fill: the result would have more than 8 axes (vmap adds one), or too many elements | operands: f32[2, 3], i64[1, 1, 1, 1, 1, 1, 1, 1]";
        x.scatter_reduce(1, &i, &x, add, own) => "scatter_reduce: the source has shape [2, 3], expected [2, 2] | operands: f32[2, 3], i64[2, 2], f32[2, 3]";
        x.i64().scatter_reduce(1, &i, &i, mean, own) => "scatter_reduce: needs a floating-point tensor, got i64 | operands: i64[2, 3], i64[2, 2], i64[2, 2] | help: convert with `.f32()` or `.f64()`";
        x.index_reduce(0, &i64s(&[1]), &x, add, own) => "index_reduce: the source has shape [2, 3], expected [1, 3] | operands: f32[2, 3], i64[1], f32[2, 3]";
        x.take_along_axis(&i64s(&[3, 1]), 1) => "take_along_axis: shape [2, 3] and index shape [3, 1] do not broadcast beside axis 1 | operands: f32[2, 3], i64[3, 1] | help: the index has the tensor's rank";
        x.take(&i64s(&[2, 2]).f32()) => "index_select: an index is i64 or i32, got f32 | operands: f32[6], f32[2, 2] | help: convert with `.i64()`";
        x.put(&i, &f32s(&[4]), PutMode::Add) => "put: index shape [2, 2] and source shape [4] differ | operands: f32[2, 3], i64[2, 2], f32[4]";
        x.index_put(2, 1.0, PutMode::Add) => "index_put: index 2 is out of range for axis 0, which has length 2 | operands: f32[2, 3] | help: positions run from 0 to 1, or from -2 to -1 counted from the end";
        x.index_put(0, f32s(&[2]), PutMode::Add) => "index_put: a value of shape [2] does not broadcast to the part's shape [3] | operands: f32[2, 3], f32[2]";
    }
}

#[test]
fn masks() {
    let (x, mask) = (f32s(&[2, 3]), f32s(&[2, 3]).eq(0.0));
    table! {
        x.masked_fill(&x, 0.0) => "masked_fill: a mask is bool, got f32 | operands: f32[2, 3], f32[2, 3] | help: compare to get one, for example `x.gt(0.0)`";
        x.masked_select(&f32s(&[2]).bool()) => "masked_select: a mask of shape [2] does not broadcast to [2, 3] | operands: f32[2, 3], bool[2]";
        x.masked_fill(&mask, &x) => "masked_fill: the value is a number or a tensor of rank 0, got shape [2, 3] | operands: f32[2, 3], bool[2, 3], f32[2, 3] | help: see `where_`, or `masked_scatter`";
        x.masked_scatter(&mask, &f32s(&[5])) => "masked_scatter: the mask holds at 6 places, the source has 5 elements | operands: f32[2, 3], bool[2, 3], f32[5]";
    }
}

#[test]
fn what_must_have_a_value_says_so() {
    type Reads = fn(&Tensor) -> Tensor;
    let reads: [(&str, Reads); 4] = [
        ("masked_select reads a bool mask", |x| x.masked_select(&x.gt(0.0))),
        ("masked_scatter reads a bool mask", |x| x.masked_scatter(&x.gt(0.0), x)),
        ("nonzero reads a bool mask", |x| x.nonzero()),
        ("repeat_interleave reads counts", |x| x.repeat_interleave(x.i64(), 0)),
    ];
    for (what, read) in reads {
        let error = vmap(read).call(&f32s(&[2, 3]), ()).expect_err("has no value");
        let expected = "inside vmap a tensor stands for 2 examples at once and has no single value";
        assert!(error.to_string().contains(&format!("{what}: {expected}")), "{error}");
    }
}

#[test]
fn products() {
    let (x, v, b) = (f32s(&[2, 3]), f32s(&[3]), f32s(&[2, 3, 4]));
    const MATMUL: &str = "help: `matmul` takes vectors, matrices and batches of them";
    table! {
        x.mm(&v) => format!("mm: the second operand has 2 axes, got shape [3] | operands: f32[2, 3], f32[3] | {MATMUL}");
        v.mv(&v) => format!("mv: the first operand has 2 axes, got shape [3] | operands: f32[3], f32[3] | {MATMUL}");
        x.bmm(&b) => format!("bmm: the first operand has 3 axes, got shape [2, 3] | operands: f32[2, 3], f32[2, 3, 4] | {MATMUL}");
        b.bmm(&f32s(&[1, 4, 1])) => "bmm: batches of 2 and 1 matrices | operands: f32[2, 3, 4], f32[1, 4, 1] | help: `matmul` broadcasts them";
        f32s(&[4]).addmm(&x, &x.t()) => "addmm: shape [4] does not broadcast to the product's [2, 2] | operands: f32[4], f32[2, 2]";
        v.addmv(&x, &x) => format!("addmv: the second operand has 1 axes, got shape [2, 3] | operands: f32[2, 3], f32[2, 3] | {MATMUL}");
        v.addr(&x, &v) => format!("addr: the first operand has 1 axes, got shape [2, 3] | operands: f32[2, 3], f32[3] | {MATMUL}");
        v.baddbmm(&b, &x) => format!("baddbmm: the second operand has 3 axes, got shape [2, 3] | operands: f32[2, 3, 4], f32[2, 3] | {MATMUL}");
        x.ger(&v) => format!("ger: the first operand has 1 axes, got shape [2, 3] | operands: f32[2, 3], f32[3] | {MATMUL}");
        x.inner(&f32s(&[2])) => "inner: last axes differ: [2, 3] and [2] | operands: f32[2, 3], f32[2]";
        f32s(&[1; 8]).inner(&f32s(&[1, 1, 1])) => "inner: the result would have more than 8 axes (vmap adds one), or too many elements | operands: f32[1, 1, 1, 1, 1, 1, 1, 1], f32[1, 1, 1]";
        x.vdot(&v) => "vdot: [2, 3] and [3] have different numbers of elements | operands: f32[2, 3], f32[3]";
        x.cross(&v, 0) => "cross: vectors have length 3, axis 0 of [2, 3] has 2 | operands: f32[2, 3], f32[3]";
        x.dist(&v, -1.0) => "dist: p is at least 0, got -1 | operands: f32[2, 3], f32[3]";
    }
}

#[test]
fn draws() {
    let x = f32s(&[2, 3]);
    table! {
        x.dropout(1.5) => "dropout: p is a probability, got 1.5 | operands: f32[2, 3]";
        Rng::seed(1).dropout(&x.i64(), 0.5) => "dropout: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
        x.i64().rand_like() => "rand_like: needs a floating-point tensor, got i64 | operands: i64[2, 3] | help: convert with `.f32()` or `.f64()`";
        x.multinomial(4, Replacement::Without) => "multinomial: cannot draw 4 of the positions in the last axis of [2, 3] | operands: f32[2, 3] | help: without replacement there is one draw for each position";
        f32s(&[2, 0]).multinomial(1, Replacement::With) => "multinomial: cannot draw 1 of the positions in the last axis of [2, 0] | operands: f32[2, 0] | help: without replacement there is one draw for each position";
        x.bool().multinomial(1, Replacement::With) => "multinomial: bool has no arithmetic | operands: bool[2, 3] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
        Tensor::randint(3, 3, [2]) => "randint: from 3 on and below 3: there are none, or more than 2^53";
        Tensor::randint(i64::MIN, i64::MAX, [2]) => "randint: from -9223372036854775808 on and below 9223372036854775807: there are none, or more than 2^53";
        Tensor::uniform([1; 9], 0.0, 1.0) => "uniform: a tensor has at most 8 axes, got 9: [1, 1, 1, 1, 1, 1, 1, 1, 1]";
        Tensor::normal([2], x.f64(), 1.0) => "add: dtypes f32 and f64 do not mix | operands: f32[2], f64[2, 3] | help: convert one of them, for example with `.f64()`";
        Tensor::randperm(1 << 33) => "randperm: axis 0 of [8589934592] is longer than 4294967295";
        Tensor::logspace(0.0, 1.0, 1 << 33, 10.0) => "logspace: axis 0 of [8589934592] is longer than 4294967295";
    }
}

//! Every primitive against every law: its trace, the reference interpreter, layouts, vmap, first and second
//! derivatives in both modes, both precisions. The rows are in `src/ops/samples/`, the laws in `src/check.rs`.

use std::collections::BTreeSet;

use retrograd::check;

#[test]
fn every_primitive_obeys_every_law() {
    let broken: Vec<String> = check::rows()
        .iter()
        .filter_map(|row| row.check().err().map(|error| format!("{row:?}: {error}")))
        .collect();
    assert!(broken.is_empty(), "{} rows break a law:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_primitive_has_a_row() {
    let names: BTreeSet<&str> = check::rows().iter().map(check::Row::name).collect();
    let expected = [
        "abs",
        "add",
        "all",
        "amax",
        "amin",
        "any",
        "argmax",
        "argmin",
        "broadcast_to",
        "cast",
        "cat",
        "cos",
        "cummax",
        "cummin",
        "cumprod",
        "cumsum",
        "div",
        "eq",
        "erf",
        "erf_pull",
        "exp",
        "expm1",
        "floor",
        "gather",
        "ge",
        "gt",
        "isfinite",
        "isinf",
        "isnan",
        "le",
        "log",
        "log1p",
        "logcumsumexp",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "lt",
        "matmul",
        "maximum",
        "minimum",
        "mul",
        "ne",
        "neg",
        "permute",
        "place",
        "pow",
        "prod",
        "rand",
        "randn",
        "recurrence",
        "relu",
        "relu_pull",
        "reshape",
        "scatter_add",
        "searchsorted",
        "sigmoid",
        "sigmoid_pull",
        "sign",
        "sin",
        "slice",
        "softplus",
        "sort",
        "sqrt",
        "sub",
        "sum",
        "tanh",
        "tanh_pull",
        "update",
        "where",
    ];
    for name in expected {
        assert!(names.contains(name), "no row for {name}");
    }
}

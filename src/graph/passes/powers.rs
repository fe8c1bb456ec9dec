//! Powers with small whole exponents.

use crate::graph::ir::Graph;
use crate::graph::rewrite::rewrite;
use crate::ops::short_power;

/// The graph with `x^1`, `x^2`, `x^3` and `x^-1` as what they abbreviate. Those are rounded at each product, where the
/// power itself is off by a few roundings: equal within rounding, and far cheaper.
pub(super) fn powers(graph: Graph) -> Graph {
    rewrite(graph, &|step, x| short_power(&*step.op, x))
}

//! Local algebra: what an operation's own law has in its place.

use crate::graph::ir::Graph;
use crate::graph::rewrite::rewrite;

/// The graph with [`Primitive::simplify`](crate::ops::Primitive::simplify) applied to every step until it has nothing
/// more to say. Each step sees inputs that are as simple as they get, so one sweep is enough.
pub(super) fn simplify(graph: Graph) -> Graph {
    rewrite(graph, &|step, x| step.op.simplify(x))
}

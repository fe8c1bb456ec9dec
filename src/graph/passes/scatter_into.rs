//! Sparse updates: a table plus what is scattered into zeros is that scattered into the table.

use crate::graph::ir::Graph;
use crate::graph::rewrite::rewrite;
use crate::ops::scattered_into;

/// The graph with `p + s * scatter_add(zeros, rows, g)` as `scatter_add(p, rows, s * g)`, and likewise with `-`, so that
/// the update of an embedding touches the rows that were read and no others. `s` is one number for all elements, and
/// nobody else reads what is left out.
///
/// Equal within rounding: a row that comes up `n` times is rounded `n` times at the table's magnitude instead of once.
pub(super) fn scatter_into(graph: Graph) -> Graph {
    rewrite(graph, &|step, x| scattered_into(&*step.op, x))
}

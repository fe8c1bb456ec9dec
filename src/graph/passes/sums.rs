//! Long sums: of parts of one tensor, of products of matrices.

use crate::graph::ir::Graph;
use crate::graph::rewrite::rewrite;
use crate::ops::{is_sum, regrouped_sum};

/// The graph with sums of many terms by groups: parts that go to different places of one tensor are joined, and products of
/// matrices are one product, `a b + c d = [a c] [b; d]`. The gradient of a tensor that is read slice by slice is such a
/// sum, and so is that of a weight that every step of a recurrence uses: instead of adding whole tensors, most of them
/// zeros, again and again, all terms meet once.
///
/// Equal within rounding, as the terms are added in another order; -0 and 0 are not told apart.
pub(super) fn sums(graph: Graph) -> Graph {
    let mut read = vec![0u32; graph.specs.len()];
    let mut by_sum = vec![false; graph.specs.len()];
    for step in &graph.steps {
        for id in &step.inputs {
            read[id.0 as usize] += 1;
            by_sum[id.0 as usize] = is_sum(&*step.op);
        }
    }
    for id in &graph.outputs {
        read[id.0 as usize] += 1;
        by_sum[id.0 as usize] = false;
    }
    rewrite(graph, &|step, x| {
        let output = step.outputs[0].0 as usize;
        // What is a term of a greater sum, and of no other, waits for that; what nobody reads is a sum no more.
        let is_whole = match read.get(output) {
            None | Some(0) => false,
            Some(1) => !by_sum[output],
            Some(_) => true,
        };
        is_whole.then(|| regrouped_sum(&*step.op, x)).flatten()
    })
}

//! Which steps may end in an error that only data can show: when they are done, arguments may be overwritten.

use super::super::ir::{Graph, Id};
use super::super::rewrite::may_fail;
use crate::exec::{Kernel, View};
use crate::tensor::Spec;

/// By step: whether it may fail. What looks at indices that an earlier step has found within an axis of the same length
/// does not: the gradient of an embedding scatters to the rows that were read.
pub(super) fn failing(graph: &Graph) -> Vec<bool> {
    // By id: the value that has the same elements, in whatever order.
    let mut same: Vec<Id> = (0..graph.specs.len() as u32).map(Id).collect();
    let mut looked: Vec<(Id, usize)> = Vec::new();
    let mut fails = Vec::with_capacity(graph.steps.len());
    for step in &graph.steps {
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
        let mut may = may_fail(graph, step);
        match step.op.lower(&specs) {
            Kernel::View(View::Reshape | View::Permute(_)) => {
                same[step.outputs[0].0 as usize] = same[step.inputs[0].0 as usize];
            }
            Kernel::Gather(_, axis) | Kernel::Scatter(_, axis, _) => {
                let look = (same[step.inputs[1].0 as usize], specs[0].shape.dim(axis));
                may = !looked.contains(&look);
                looked.push(look);
            }
            _ => {}
        }
        fails.push(may);
    }
    fails
}

//! Scattering one element a row by arithmetic.

use std::collections::HashSet;

use crate::exec::{Combine, Indexing, Kernel};
use crate::graph::ir::{Graph, Id, Step};
use crate::graph::rewrite::rewrite;
use crate::ops::placed_by_comparison;
use crate::tensor::Spec;

/// The graph with `scatter_add(zeros[n, c], index[n, 1], v[n, 1])` as `where(position == index, v, 0)`, which fuses with
/// what reads it; so the gradient of a cross-entropy takes no pass over memory of its own.
///
/// Only where all that reads it is elementwise, and where a gather checks the same index: a comparison finds nothing at
/// a position that does not exist, where the scatter would have been an error.
pub(super) fn one_hot(graph: Graph) -> Graph {
    let checked = checked_indices(&graph);
    if checked.is_empty() {
        return graph;
    }
    let elementwise = read_elementwise(&graph);
    rewrite(graph, &|step, x| {
        let specs: Vec<&Spec> = x.iter().map(|x| x.spec()).collect();
        let Kernel::Scatter(Indexing::Elements, axis, Combine::Add) = step.op.lower(&specs) else {
            return None;
        };
        let places = specs[0].shape.dim(axis);
        let applies = specs[1].shape[axis] == 1
            && checked.contains(&(step.inputs[1], places))
            && elementwise.get(step.outputs[0].0 as usize).is_some_and(|all| *all);
        applies.then(|| placed_by_comparison(x, axis)).flatten()
    })
}

/// Each index that some step reads by, with the number of places that it is checked against.
fn checked_indices(graph: &Graph) -> HashSet<(Id, usize)> {
    let read_by = |step: &Step| {
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
        match step.op.lower(&specs) {
            Kernel::Gather(_, axis) => Some((step.inputs[1], specs[0].shape.dim(axis))),
            _ => None,
        }
    };
    graph.steps.iter().filter_map(read_by).collect()
}

/// For each value whether something reads it, and all that does is elementwise.
fn read_elementwise(graph: &Graph) -> Vec<bool> {
    let (mut read, mut otherwise) = (vec![false; graph.specs.len()], vec![false; graph.specs.len()]);
    for step in &graph.steps {
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
        let reads = match step.op.lower(&specs) {
            Kernel::Map(_) => &mut read,
            _ => &mut otherwise,
        };
        for id in &step.inputs {
            reads[id.0 as usize] = true;
        }
    }
    for id in &graph.outputs {
        otherwise[id.0 as usize] = true;
    }
    read.into_iter().zip(otherwise).map(|(read, otherwise)| read && !otherwise).collect()
}

//! Dead code: what no output depends on goes.

use crate::graph::ir::{Graph, Id};

/// The graph without steps and captured tensors that no output depends on, its values numbered without gaps.
///
/// Draws stay, read or not: the counter of each is the run's first one plus its place among them, which must not depend
/// on what else the function computes. What acts stays. Operations of the user's own go like all others.
pub(super) fn dce(mut graph: Graph) -> Graph {
    let mut needed = vec![false; graph.specs.len()];
    for id in &graph.outputs {
        needed[id.0 as usize] = true;
    }
    let mut kept = Vec::with_capacity(graph.steps.len());
    while let Some(step) = graph.steps.pop() {
        if step.op.acts() || step.outputs.iter().any(|id| needed[id.0 as usize]) {
            for id in &step.inputs {
                needed[id.0 as usize] = true;
            }
            kept.push(step);
        }
    }
    kept.reverse();
    graph.steps = kept;
    graph.captured.retain(|(id, _)| needed[id.0 as usize]);
    renumbered(graph)
}

/// The graph with its values numbered in the order in which they are defined.
fn renumbered(mut graph: Graph) -> Graph {
    let mut specs = Vec::with_capacity(graph.specs.len());
    let mut number = vec![Id(u32::MAX); graph.specs.len()];
    let mut define = |id: &mut Id| {
        let fresh = Id(specs.len() as u32);
        specs.push(graph.specs[id.0 as usize]);
        number[id.0 as usize] = fresh;
        *id = fresh;
    };
    graph.inputs.iter_mut().for_each(&mut define);
    graph.captured.iter_mut().for_each(|(id, _)| define(id));
    graph.draws.iter_mut().for_each(&mut define);
    graph.steps.iter_mut().flat_map(|step| &mut step.outputs).for_each(&mut define);
    graph.again.retain(|id| number[id.0 as usize] != Id(u32::MAX));
    graph.again.iter_mut().for_each(|id| *id = number[id.0 as usize]);
    let reads = graph.steps.iter_mut().flat_map(|step| &mut step.inputs).chain(&mut graph.outputs);
    for id in reads {
        *id = number[id.0 as usize];
    }
    graph.specs = specs;
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::trace;
    use crate::tensor::{DType, Shape, Spec, Tensor};

    const NUMBER: Spec = Spec { shape: Shape::SCALAR, dtype: DType::F32 };

    #[test]
    fn what_no_output_depends_on_goes() {
        let w = Tensor::ones([4]);
        let graph = dce(trace(&[NUMBER, NUMBER], |x| {
            let _dead = (&x[0] * 2.0 + &w).exp().sum();
            Ok(vec![x[1].exp()])
        })
        .expect("a trace"));
        assert_eq!((graph.steps.len(), graph.captured.len()), (1, 0));
        assert_eq!((graph.inputs.len(), graph.specs.len()), (2, 3));
    }

    #[test]
    fn a_dead_draw_keeps_its_number() {
        let graph = dce(trace(&[], |_| {
            let _dead = Tensor::rand([2]);
            Ok(vec![Tensor::rand([2])])
        })
        .expect("a trace"));
        assert_eq!((graph.draws.len(), graph.steps.len()), (2, 1));
        assert_eq!(graph.steps[0].inputs, [graph.draws[1]]);
    }
}

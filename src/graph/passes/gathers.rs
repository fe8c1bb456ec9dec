//! One element a row of what is computed elementwise.

use std::collections::HashMap;

use crate::exec::{Indexing, Kernel};
use crate::graph::ir::{Graph, Id, Step};
use crate::graph::rewrite::may_fail;
use crate::tensor::{Spec, Tensor};

/// Elements of an axis from which on the one that is wanted is computed by itself: a guess, rows of classes are longer.
const LEAST: usize = 8;
/// The most elementwise steps that are done again on the elements that are wanted: a bound, not a measured one.
const MOST: usize = 32;

/// The graph with `gather(f(a, b), index)`, of one element a row, as `f(gather(a, index), gather(b, index))`: all that an
/// element is computed from stands at its own place. What is not read otherwise is then never made whole; so the
/// logarithms of all probabilities are never written for the few that a cross-entropy asks for.
///
/// The index is still checked against an axis of the same length.
pub(super) fn gathers(mut graph: Graph) -> Graph {
    let mut makers = vec![None; graph.specs.len()];
    for (at, step) in graph.steps.iter().enumerate() {
        if let [id] = step.outputs[..]
            && is_elementwise(&graph, step)
        {
            makers[id.0 as usize] = Some(at);
        }
    }
    let found: Vec<(usize, Vec<usize>)> = (0..graph.steps.len())
        .filter_map(|at| Some((at, made_from(&graph, &makers, row_of(&graph, at)?)?)))
        .collect();
    // From the last on, so that the places of the others stay what they are.
    for (at, cone) in found.into_iter().rev() {
        let steps = on_elements(&mut graph, at, &cone);
        graph.steps.splice(at..=at, steps);
    }
    graph
}

fn is_elementwise(graph: &Graph, step: &Step) -> bool {
    let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
    matches!(step.op.lower(&specs), Kernel::Map(_) | Kernel::Cast)
        && !step.op.acts()
        && !may_fail(graph, step)
}

/// What a step takes one element a row of, where the rows are long enough.
fn row_of(graph: &Graph, at: usize) -> Option<Id> {
    let step = &graph.steps[at];
    let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
    let Kernel::Gather(Indexing::Elements, axis) = step.op.lower(&specs) else { return None };
    let one_of_many = specs[1].shape.dim(axis) == 1 && specs[0].shape.dim(axis) >= LEAST;
    one_of_many.then_some(step.inputs[0])
}

/// The elementwise steps that a value is made by, in their order, if there are any, and not too many; something beside
/// numbers goes into them.
fn made_from(graph: &Graph, makers: &[Option<usize>], id: Id) -> Option<Vec<usize>> {
    let mut cone: Vec<usize> = Vec::new();
    let mut open = vec![id];
    let mut has_leaf = false;
    while let Some(id) = open.pop() {
        match makers[id.0 as usize] {
            Some(at) if cone.contains(&at) => {}
            Some(_) if cone.len() == MOST => return None,
            Some(at) => {
                cone.push(at);
                open.extend(&graph.steps[at].inputs);
            }
            None => has_leaf |= number(graph, id).is_none(),
        }
    }
    cone.sort_unstable();
    (has_leaf && !cone.is_empty()).then_some(cone)
}

/// The captured tensor of one number for all elements that a value is.
fn number(graph: &Graph, id: Id) -> Option<&Tensor> {
    let (_, x) = graph.captured.iter().find(|(captured, _)| *captured == id)?;
    x.splat_number().map(|_| x)
}

/// The steps of a cone on the elements that the gather `at` asks for, in the place of that.
fn on_elements(graph: &mut Graph, at: usize, cone: &[usize]) -> Vec<Step> {
    let gather = graph.steps[at].clone();
    let shape = graph.spec(gather.outputs[0]).shape;
    let mut steps: Vec<Step> = Vec::with_capacity(2 * cone.len());
    // By the whole value: its elements.
    let mut elements: HashMap<Id, Id> = HashMap::new();
    let fresh = |graph: &mut Graph, of: Id| {
        graph.specs.push(graph.spec(of).with_shape(shape));
        Id(graph.specs.len() as u32 - 1)
    };
    for &step in cone {
        let Step { op, inputs, outputs, origin } = graph.steps[step].clone();
        let whole = outputs[0];
        let inputs = inputs.into_iter().map(|x| {
            if let Some(known) = elements.get(&x) {
                return *known;
            }
            let id = fresh(graph, x);
            match number(graph, x).and_then(Tensor::splat_number) {
                Some(number) => graph.captured.push((id, Tensor::splat(*graph.spec(id), number))),
                None => steps.push(Step {
                    inputs: vec![x, gather.inputs[1]],
                    outputs: vec![id],
                    ..gather.clone()
                }),
            }
            elements.insert(x, id);
            id
        });
        let inputs: Vec<Id> = inputs.collect();
        let id = if whole == gather.inputs[0] { gather.outputs[0] } else { fresh(graph, whole) };
        steps.push(Step { op, inputs, outputs: vec![id], origin });
        elements.insert(whole, id);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::trace;
    use crate::tensor::Rng;

    /// Specs of what a graph gathers from.
    fn gathered(graph: &Graph) -> Vec<Id> {
        (0..graph.steps.len()).filter_map(|at| row_of(graph, at)).collect()
    }

    #[test]
    fn elements_are_gathered_from_what_is_there_already() {
        let x = [Rng::seed(1).randn([5, 9]), Tensor::from([[0i64], [8], [-1], [3], [2]])];
        let specs = [*x[0].spec(), *x[1].spec()];
        let graph = trace(&specs, |x| {
            let e = (&x[0] * 2.0 + 1.0).exp();
            Ok(vec![(&e / e.sum_keepdim(-1)).log().gather(1, &x[1])])
        })
        .expect("it is recorded");
        let after = gathers(graph.clone());
        assert_eq!(after.verify(), Ok(()));
        // From the argument, and from the sums, which are the same for a whole row.
        assert_eq!(gathered(&after).len(), 2, "{after}");
        assert!(gathered(&after).contains(&after.inputs[0]), "{after}");
        let bits = |graph: &Graph, x: &[Tensor]| graph.replay(x).and_then(|y| y[0].to_vec::<f32>());
        assert_eq!(bits(&after, &x).expect("it runs"), bits(&graph, &x).expect("it runs"));
        let outside = [x[0].clone(), Tensor::from([[0i64], [9], [1], [3], [2]])];
        assert!(after.replay(&outside).and_then(|y| y[0].to_vec::<f32>()).is_err());
    }

    #[test]
    fn several_elements_a_row_and_short_rows_are_left_alone() {
        for (n, each) in [(9, 2), (LEAST - 1, 1)] {
            let x = [Rng::seed(1).randn([5, n]), Tensor::zeros([5, each]).i64()];
            let specs = [*x[0].spec(), *x[1].spec()];
            let graph = trace(&specs, |x| Ok(vec![x[0].exp().gather(1, &x[1])])).expect("it is recorded");
            assert_eq!(gathers(graph.clone()).steps.len(), graph.steps.len());
        }
    }
}

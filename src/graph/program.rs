//! A compiled graph.

use super::ir::{Graph, Id};
use crate::error::{Error, Misfit, Result};
use crate::exec;
use crate::ops::InputSet;
use crate::tensor::{Spec, Tensor};

/// A graph made ready to run on concrete arguments.
pub(crate) struct Program {
    graph: Graph,
    /// For each step, its inputs that nothing reads later and nobody outside sees.
    dying: Vec<InputSet>,
}

impl Program {
    pub(crate) fn new(graph: Graph) -> Program {
        let mut last_reader: Vec<Option<usize>> = vec![None; graph.specs.len()];
        for (at, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|id| last_reader[id.0 as usize] = Some(at));
            // A value that nothing reads dies where it is made.
            step.outputs.iter().for_each(|id| last_reader[id.0 as usize] = Some(at));
        }
        let captured = graph.captured.iter().map(|(id, _)| id);
        for id in graph.inputs.iter().chain(captured).chain(&graph.draws).chain(&graph.outputs) {
            last_reader[id.0 as usize] = None;
        }
        let dying = |(at, step): (usize, &super::ir::Step)| {
            let mut dying = InputSet::NONE;
            for (i, id) in step.inputs.iter().enumerate() {
                let alone = step.inputs.iter().filter(|other| *other == id).count() == 1;
                if last_reader[id.0 as usize] == Some(at) && alone && i < InputSet::SHARED {
                    dying.insert(i);
                }
            }
            dying
        };
        let dying = graph.steps.iter().enumerate().map(dying).collect();
        Program { graph, dying }
    }

    /// The outputs for these arguments, which are concrete and have the specs that the graph was traced for.
    pub(crate) fn run(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        let graph = &self.graph;
        let mut values: Vec<Option<Tensor>> = vec![None; graph.specs.len()];
        for (id, x) in graph.inputs.iter().zip(arguments) {
            values[id.0 as usize] = Some(x.clone());
        }
        for (id, x) in &graph.captured {
            values[id.0 as usize] = Some(x.clone());
        }
        let [seed, first] = crate::tensor::reserve_draws(graph.draws.len());
        for (i, id) in graph.draws.iter().enumerate() {
            values[id.0 as usize] = Some(Tensor::from([seed, first + i as i64]));
        }
        let value = |values: &mut [Option<Tensor>], id: Id, last: bool| {
            let place = &mut values[id.0 as usize];
            let value = if last { place.take() } else { place.clone() };
            value.expect("the verifier holds: defined before it is read")
        };
        for (step, dying) in graph.steps.iter().zip(&self.dying) {
            let x: Vec<Tensor> = step
                .inputs
                .iter()
                .enumerate()
                .map(|(i, id)| value(&mut values, *id, dying.contains(i) && i < InputSet::SHARED))
                .collect();
            let x: Vec<&Tensor> = x.iter().collect();
            let y = exec::apply(&*step.op, &x, *dying).map_err(|misfit: Box<Misfit>| {
                let operands: Vec<Spec> = x.iter().map(|x| *x.spec()).collect();
                misfit.at(step.op.name(), operands, step.origin)
            })?;
            for (id, y) in step.outputs.iter().zip(y.many()) {
                values[id.0 as usize] = Some(y);
            }
        }
        let outputs = graph.outputs.iter().map(|id| value(&mut values, *id, false));
        outputs.map(|y| y.error().cloned().map_or(Ok(y), Err::<_, Error>)).collect()
    }
}

//! Less memory: what is cheap is computed again where it is read late, instead of being kept until then.

use super::{dce, fuse};
use crate::exec::Kernel;
use crate::graph::ir::{Graph, Id, Step};
use crate::graph::plan::Plan;
use crate::graph::rewrite::may_fail;
use crate::tensor::Spec;

/// The most values that are tried; those first that take most memory for longest. Each try plans the program.
const TRIED: usize = 64;
/// The most steps that are done again for one reader.
const CHAIN: usize = 8;

/// The graph with elementwise values computed a second time before a late reader, as far as the program needs less memory
/// then. The second time gives the same bits.
pub(super) fn recompute(graph: Graph) -> Graph {
    let first = Cost::of(&graph);
    let (mut least, mut changed) = (first, graph.clone());
    for id in candidates(&graph) {
        if let Some(tried) = again(&changed, id) {
            let cost = Cost::of(&tried);
            if cost < least {
                (least, changed) = (cost, tried);
            }
        }
    }
    if least.arena < first.arena { changed } else { graph }
}

/// The memory of a program. What makes no smaller arena alone but fills it for a shorter time is a step on the way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    arena: usize,
    /// Bytes by steps.
    area: usize,
}

impl Cost {
    fn of(graph: &Graph) -> Cost {
        let plan = Plan::new(dce::dce(fuse::fuse(graph.clone())), 0);
        Cost { arena: plan.arena, area: plan.area() }
    }
}

/// Values that are worth a try, by the memory that they take between two readers.
fn candidates(graph: &Graph) -> Vec<Id> {
    let readers = readers(graph);
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        let [id] = step.outputs[..] else { continue };
        if computes_cheaply(graph, step)
            && !graph.outputs.contains(&id)
            && let Some((_, gap)) = late(at, &readers[id.0 as usize])
        {
            found.push((gap.saturating_mul(graph.spec(id).bytes()), id));
        }
    }
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().take(TRIED).map(|(_, id)| id).collect()
}

/// By value: the steps that read it, in order.
fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.specs.len()];
    for (at, step) in graph.steps.iter().enumerate() {
        step.inputs.iter().for_each(|id| readers[id.0 as usize].push(at));
    }
    readers
}

/// The reader after the longest time in which nobody reads a value that the step `at` makes, and how long that is.
fn late(at: usize, readers: &[usize]) -> Option<(usize, usize)> {
    let before = std::iter::once(&at).chain(readers);
    let gaps = before.zip(readers).map(|(before, after)| (*after, after - before));
    // Between neighbours nothing is kept.
    gaps.max_by_key(|(_, gap)| *gap).filter(|(_, gap)| *gap > 2)
}

fn lowered<R>(graph: &Graph, step: &Step, f: impl FnOnce(&Kernel<'_>) -> R) -> R {
    let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
    f(&step.op.lower(&specs))
}

fn computes_cheaply(graph: &Graph, step: &Step) -> bool {
    lowered(graph, step, |kernel| matches!(kernel, Kernel::Map(_) | Kernel::Cast)) && !may_fail(graph, step)
}

/// The graph with the value computed again for its late readers; none where that takes what is not there any more.
fn again(graph: &Graph, id: Id) -> Option<Graph> {
    let readers = readers(graph);
    let mut producer = vec![None; graph.specs.len()];
    for (at, step) in graph.steps.iter().enumerate() {
        step.outputs.iter().for_each(|id| producer[id.0 as usize] = Some(at));
    }
    let (at, _) = late(producer[id.0 as usize]?, &readers[id.0 as usize])?;
    let mut copying = Copying { graph: graph.clone(), readers, producer, at, steps: Vec::new() };
    let copy = copying.copied(id)?;
    let Copying { mut graph, steps, .. } = copying;
    for step in &mut graph.steps[at..] {
        step.inputs.iter_mut().filter(|input| **input == id).for_each(|input| *input = copy);
    }
    graph.steps.splice(at..at, steps);
    Some(graph)
}

/// Steps that are done again before one step.
struct Copying {
    graph: Graph,
    readers: Vec<Vec<usize>>,
    producer: Vec<Option<usize>>,
    at: usize,
    steps: Vec<Step>,
}

impl Copying {
    /// The value, computed again.
    fn copied(&mut self, id: Id) -> Option<Id> {
        let step = self.graph.steps[self.producer[id.0 as usize]?].clone();
        let moves = lowered(&self.graph, &step, |kernel| matches!(kernel, Kernel::View(_)));
        if step.outputs.len() != 1
            || self.steps.len() >= CHAIN
            || !(moves || computes_cheaply(&self.graph, &step))
        {
            return None;
        }
        let inputs = step.inputs.iter().map(|input| self.there(*input)).collect::<Option<Vec<Id>>>()?;
        let copy = Id(self.graph.specs.len() as u32);
        self.graph.specs.push(*self.graph.spec(id));
        self.graph.again.push(copy);
        self.steps.push(Step { inputs, outputs: vec![copy], ..step });
        Some(copy)
    }

    /// The value as it is there for the late reader: kept for others anyway, or computed again.
    fn there(&mut self, id: Id) -> Option<Id> {
        let of = id.0 as usize;
        let kept = self.producer[of].is_none()
            || self.graph.outputs.contains(&id)
            || self.readers[of].last().is_some_and(|last| *last >= self.at);
        if kept { Some(id) } else { self.copied(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::graph::trace;
    use crate::tensor::{Rng, Tensor};
    use crate::{Grad, grad};

    /// Arena before and after the pass; the outputs have the same bits.
    fn arenas(p: &[Tensor], loss: impl Fn(&Vec<Tensor>) -> Tensor) -> Result<(usize, usize)> {
        let specs: Vec<Spec> = p.iter().map(|x| *x.spec()).collect();
        let d: Grad<_, Vec<Tensor>, (), Tensor> = grad(loss);
        let graph = trace(&specs, |p| Ok(d.call(&p.to_vec(), ())?.0))?;
        let graph = super::super::in_turn(&super::super::SIMPLER, graph);
        let less = recompute(graph.clone());
        less.verify().expect("a graph");
        for (got, expected) in less.replay(p)?.iter().zip(graph.replay(p)?) {
            assert_eq!(got.to_vec::<f32>()?, expected.to_vec::<f32>()?);
        }
        Ok((Cost::of(&graph).arena, Cost::of(&less).arena))
    }

    #[test]
    fn a_chain_is_computed_again_from_its_beginning() -> Result<()> {
        let x = Rng::seed(1).randn([64, 32]);
        let (before, after) = arenas(&[x], |p| {
            let chain = (0..5).fold(p[0].clone(), |x, _| (x.sin() * 1.5).exp());
            chain.cumsum(0).square().mean()
        })?;
        assert!(after * 2 < before, "{after} instead of {before}");
        Ok(())
    }

    #[test]
    fn a_network_keeps_one_of_two_values_a_layer() -> Result<()> {
        let mut rng = Rng::seed(2);
        let p: Vec<Tensor> = (0..6).map(|_| rng.randn([32, 32]) * 0.2).collect();
        let x = rng.randn([64, 32]);
        let (before, after) =
            arenas(&p, |p| p.iter().fold(x.clone(), |x, w| x.matmul(w).gelu()).square().mean())?;
        assert!(after * 4 < before * 3, "{after} instead of {before}");
        Ok(())
    }

    #[test]
    fn a_graph_that_keeps_nothing_stays_as_it_is() -> Result<()> {
        let (before, after) = arenas(&[Rng::seed(3).randn([8])], |p| p[0].tanh().sum())?;
        assert_eq!(before, after);
        Ok(())
    }
}

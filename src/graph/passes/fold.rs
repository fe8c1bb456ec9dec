//! Constants: what is known before the graph runs is computed once.

use std::collections::HashMap;

use crate::exec::{self, Kernel};
use crate::graph::ir::{Graph, Id, Step};
use crate::graph::same::{fingerprint, same_tensor};
use crate::ops::InputSet;
use crate::tensor::{Spec, Tensor};

/// The most bytes of a result that is kept: it lives as long as the program, and comes from the same cache as what it is
/// combined with.
const KEPT_BYTES: usize = 16 << 10;
/// The most bytes of an operand: a product of two such matrices takes a millisecond.
const READ_BYTES: usize = 256 << 10;

/// The graph with every step whose inputs are captured tensors replaced by its result, if that is one number for all
/// elements or small; equal constants become one. What fails is left to fail when it runs. Draws, and code of the user's
/// own, are left too.
pub(super) fn fold(mut graph: Graph) -> Graph {
    let mut constants = Constants::of(&graph);
    let mut left = Vec::with_capacity(graph.steps.len());
    for (id, x) in std::mem::take(&mut graph.captured) {
        constants.add(id, x);
    }
    for mut step in std::mem::take(&mut graph.steps) {
        for id in &mut step.inputs {
            *id = constants.stands[id.0 as usize];
        }
        match constants.result(&graph, &step) {
            Some(results) => {
                step.outputs.iter().zip(results).for_each(|(&id, result)| constants.add(id, result));
            }
            None => left.push(step),
        }
    }
    graph.steps = left;
    for id in &mut graph.outputs {
        *id = constants.stands[id.0 as usize];
    }
    graph.captured = constants.all;
    graph
}

/// The constants of a graph, each once.
struct Constants {
    all: Vec<(Id, Tensor)>,
    /// For each value its place in `all`, if it is a constant.
    places: Vec<Option<usize>>,
    /// What stands for each value now.
    stands: Vec<Id>,
    /// A place for each fingerprint. Two constants that collide without being equal stay two of each, no more.
    alike: HashMap<u64, usize>,
}

impl Constants {
    fn of(graph: &Graph) -> Constants {
        let values = graph.specs.len();
        let stands = (0..values as u32).map(Id).collect();
        Constants { all: Vec::new(), places: vec![None; values], stands, alike: HashMap::new() }
    }

    fn add(&mut self, id: Id, x: Tensor) {
        let place = *self.alike.entry(fingerprint(&x)).or_insert(self.all.len());
        if let Some((equal, _)) = self.all.get(place).filter(|(_, known)| same_tensor(known, &x)) {
            self.stands[id.0 as usize] = *equal;
            return;
        }
        self.places[id.0 as usize] = Some(self.all.len());
        self.all.push((id, x));
    }

    /// What a step yields, if that can be known and is worth keeping.
    fn result(&self, graph: &Graph, step: &Step) -> Option<Vec<Tensor>> {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for id in &step.inputs {
            inputs.push(&self.all[self.places[id.0 as usize]?].1);
        }
        if inputs.is_empty() || inputs.iter().any(|x| x.concrete().is_none()) {
            return None;
        }
        let specs: Vec<&Spec> = inputs.iter().map(|x| x.spec()).collect();
        let one_number = inputs.iter().all(|x| x.splat_number().is_some());
        let computed = match step.op.lower(&specs) {
            Kernel::Random(_) | Kernel::Opaque(_) => false,
            Kernel::Map(_) | Kernel::Cast | Kernel::View(_) if one_number => true,
            _ => {
                within(READ_BYTES, specs.iter().copied())
                    && within(KEPT_BYTES, step.outputs.iter().map(|id| graph.spec(*id)))
            }
        };
        computed.then(|| exec::apply(&*step.op, &inputs, InputSet::NONE).ok()).flatten().map(|y| y.many())
    }
}

/// Whether tensors take no more than so many bytes together.
fn within<'s>(bytes: usize, mut specs: impl Iterator<Item = &'s Spec>) -> bool {
    specs.try_fold(bytes, |left, spec| left.checked_sub(spec.bytes())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::graph::trace;

    /// The graph of a function of two tensors, the second of them known, after folding.
    fn folded(known: &Tensor, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Result<Graph> {
        let spec = *known.spec();
        let mut graph = trace(&[spec, spec], |x| Ok(vec![f(&x[0], &x[1])]))?;
        let id = graph.inputs.remove(1);
        graph.captured.push((id, known.clone()));
        Ok(fold(graph))
    }

    #[test]
    fn steps_on_constants_are_done_beforehand() -> Result<()> {
        let graph = folded(&Tensor::from([1.0, 2.0]), |x, c| x * (c * 2.0 + c.exp().sum()))?;
        assert_eq!(graph.steps.len(), 1, "{graph}");
        let y = graph.replay(&[Tensor::ones([2]).f64()])?.swap_remove(0);
        let total = 1f64.exp() + 2f64.exp();
        assert!(y.allclose(&Tensor::from([2.0 + total, 4.0 + total]), 1e-15, 0.0)?);
        Ok(())
    }

    #[test]
    fn one_number_is_computed_with_at_any_size_and_other_tensors_if_they_are_small() -> Result<()> {
        let (one, many) = (Tensor::ones([1000, 1000]), Tensor::arange(1_000_000).reshape([1000, 1000]));
        let f = |x: &Tensor, c: &Tensor| x * (c + c).t();
        assert_eq!(folded(&one, f)?.steps.len(), 1);
        assert_eq!(folded(&many, f)?.steps.len(), 3);
        Ok(())
    }

    #[test]
    fn equal_constants_become_one() -> Result<()> {
        let c = || Tensor::from([1.0, 2.0]);
        let graph = folded(&c(), |x, d| x * 2.0 + c() + x * 2.0 + d)?;
        assert_eq!(graph.captured.len(), 2, "{graph}");
        Ok(())
    }

    #[test]
    fn what_fails_is_left_to_fail() -> Result<()> {
        let graph = folded(&Tensor::from([0i64]), |x, c| x + Tensor::from([1i64]) / c)?;
        assert_eq!(graph.steps.len(), 2, "{graph}");
        assert!(graph.replay(&[Tensor::from([1i64])])?[0].error().is_some());
        Ok(())
    }

    #[test]
    fn draws_are_left() -> Result<()> {
        let mut graph = trace(&[], |_| Ok(vec![Tensor::rand([2])]))?;
        let key = graph.draws.pop().expect("a draw");
        graph.captured.push((key, Tensor::from([3i64, 4])));
        assert_eq!(fold(graph).steps.len(), 1);
        Ok(())
    }
}

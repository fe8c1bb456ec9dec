//! Common subexpressions: the same operation on the same values is done once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::exec::Kernel;
use crate::graph::ir::{Graph, Id, Step};
use crate::graph::same::Mixer;
use crate::tensor::Spec;

/// The graph with every step that repeats an earlier one gone. Draws have keys of their own, so none repeats another.
/// Code of the user's own may do more than it returns, so it runs as often as it is called.
pub(super) fn cse(mut graph: Graph) -> Graph {
    let mut stands: Vec<Id> = (0..graph.specs.len() as u32).map(Id).collect();
    // One step of each fingerprint: two that collide without being equal are not merged with their like, no more.
    let mut places: HashMap<u64, usize, BuildHasherDefault<Mixer>> = HashMap::default();
    let mut kept: Vec<Step> = Vec::with_capacity(graph.steps.len());
    for mut step in std::mem::take(&mut graph.steps) {
        for id in &mut step.inputs {
            *id = stands[id.0 as usize];
        }
        if is_opaque(&graph, &step) {
            kept.push(step);
            continue;
        }
        let place = *places.entry(fingerprint(&step)).or_insert(kept.len());
        match kept.get(place) {
            Some(earlier) if earlier.inputs == step.inputs && earlier.op.same(&*step.op) => {
                for (repeated, id) in step.outputs.iter().zip(&earlier.outputs) {
                    stands[repeated.0 as usize] = *id;
                }
            }
            _ => kept.push(step),
        }
    }
    graph.steps = kept;
    for id in &mut graph.outputs {
        *id = stands[id.0 as usize];
    }
    graph
}

fn is_opaque(graph: &Graph, step: &Step) -> bool {
    if step.op.acts() {
        return true;
    }
    // Only of code of the user's own is the number of outputs not known beforehand.
    step.op.outputs() == 0 && {
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
        matches!(step.op.lower(&specs), Kernel::Opaque(_))
    }
}

fn fingerprint(step: &Step) -> u64 {
    let mut state = Mixer::default();
    step.inputs.hash(&mut state);
    step.op.fingerprint(&mut state);
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::trace;
    use crate::tensor::{DType, IntoShape, Tensor};
    use crate::{CustomOp, Result, apply};

    #[derive(Debug)]
    struct Counted;

    impl CustomOp for Counted {
        fn name(&self) -> &'static str {
            "counted"
        }
        fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
            Ok(vec![x[0]])
        }
        fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
            Ok(x.to_vec())
        }
        fn vjp(&self, _: &[Tensor], _: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
            Ok(vec![Some(dy[0].clone())])
        }
    }

    fn steps(f: impl Fn(&Tensor) -> Tensor) -> usize {
        let spec = Spec::new([2, 3].into_shape().expect("small"), DType::F32);
        cse(trace(&[spec], |x| Ok(vec![f(&x[0])])).expect("a trace")).steps.len()
    }

    #[test]
    fn a_repeated_step_is_done_once_and_so_is_what_reads_it() {
        assert_eq!(steps(|x| x.exp().sum_dim(0) * x.exp().sum_dim(0)), 3);
        assert_eq!(steps(|x| x.exp().sum_dim(0) * x.exp().sum_dim(-2)), 3);
    }

    #[test]
    fn attributes_tell_steps_apart() {
        assert_eq!(steps(|x| x.leaky_relu(0.1) + x.leaky_relu(0.2)), 3);
        assert_eq!(steps(|x| x.sum_dim(0).sum() + x.sum_dim(1).sum()), 5);
    }

    #[test]
    fn draws_and_code_of_the_user_are_not_merged() {
        assert_eq!(steps(|x| x * Tensor::rand([2, 3]) * Tensor::rand([2, 3])), 4);
        assert_eq!(steps(|x| apply(Counted, &[x]).swap_remove(0) + apply(Counted, &[x]).swap_remove(0)), 3);
    }
}

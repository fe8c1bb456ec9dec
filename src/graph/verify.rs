//! What must hold of every graph, before and after each pass.

use super::ir::{Graph, Id};
use crate::tensor::Spec;

impl Graph {
    /// Every value is defined once, before it is read, and has the spec that its operation infers. The error says
    /// where that fails.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut defined = vec![false; self.specs.len()];
        let mut define = |id: Id, by: &str| match defined.get_mut(id.0 as usize) {
            None => Err(format!("{by} defines v{}, which has no spec", id.0)),
            Some(true) => Err(format!("{by} defines v{} again", id.0)),
            Some(defined) => {
                *defined = true;
                Ok(())
            }
        };
        self.inputs.iter().try_for_each(|&id| define(id, "the arguments"))?;
        self.draws.iter().try_for_each(|&id| define(id, "a draw"))?;
        for (id, tensor) in &self.captured {
            define(*id, "a captured tensor")?;
            if tensor.spec() != self.spec(*id) {
                return Err(format!("captured v{} is {}, not {}", id.0, tensor.spec(), self.spec(*id)));
            }
        }
        for (at, step) in self.steps.iter().enumerate() {
            let name = format!("step {at} ({})", step.op.name());
            if let Some(id) = step.inputs.iter().find(|id| !defined.get(id.0 as usize).is_some_and(|d| *d)) {
                return Err(format!("{name} reads v{} before it is defined", id.0));
            }
            let inputs: Vec<&Spec> = step.inputs.iter().map(|id| self.spec(*id)).collect();
            let inferred =
                step.op.infer_all(&inputs).map_err(|misfit| format!("{name}: {}", misfit.message))?;
            let stated: Vec<Spec> =
                step.outputs.iter().filter_map(|id| self.specs.get(id.0 as usize)).copied().collect();
            if inferred != stated {
                return Err(format!("{name} yields {inferred:?}, the graph says {stated:?}"));
            }
            for id in &step.outputs {
                match defined.get_mut(id.0 as usize) {
                    Some(defined) if !*defined => *defined = true,
                    _ => return Err(format!("{name} defines v{} again", id.0)),
                }
            }
        }
        match self.outputs.iter().find(|id| !defined.get(id.0 as usize).is_some_and(|d| *d)) {
            Some(id) => Err(format!("output v{} is not defined", id.0)),
            None => Ok(()),
        }
    }
}

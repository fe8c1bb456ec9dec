//! The graph: a straight line of operations, each value defined once, before it is read.

use crate::autodiff::level::{Call, bind_at};
use crate::error::{Origin, Result};
#[cfg(any(test, feature = "samples"))]
use crate::exec::reference;
use crate::ops::InputSet;
use crate::ops::Op;
use crate::tensor::{Spec, Tensor};

/// A value of a graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Id(pub(crate) u32);

#[derive(Clone)]
pub(crate) struct Graph {
    /// Spec of each value; an [`Id`] is an index here.
    pub(crate) specs: Vec<Spec>,
    /// The function's arguments.
    pub(crate) inputs: Vec<Id>,
    /// Tensors that the function captured: inputs that its callers do not see.
    pub(crate) captured: Vec<(Id, Tensor)>,
    /// Keys of random draws without a generator, in order: new ones for each run.
    pub(crate) draws: Vec<Id>,
    pub(crate) steps: Vec<Step>,
    pub(crate) outputs: Vec<Id>,
    /// Values that are computed a second time, late, so that the first need not be kept; not together with it, therefore.
    pub(crate) again: Vec<Id>,
}

/// One operation.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<Id>,
    pub(crate) outputs: Vec<Id>,
    pub(crate) origin: Origin,
}

impl Graph {
    pub(crate) fn spec(&self, id: Id) -> &Spec {
        &self.specs[id.0 as usize]
    }

    /// Every value for these inputs, every step computed by `compute`.
    fn values_by(
        &self,
        inputs: &[Tensor],
        mut compute: impl FnMut(&Step, &[&Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.specs.len()];
        for (id, x) in self.inputs.iter().zip(inputs) {
            values[id.0 as usize] = Some(x.clone());
        }
        for (id, x) in &self.captured {
            values[id.0 as usize] = Some(x.clone());
        }
        let [seed, first] = crate::tensor::reserve_draws(self.draws.len());
        for (i, id) in self.draws.iter().enumerate() {
            values[id.0 as usize] = Some(Tensor::from([seed, first + i as i64]));
        }
        for step in &self.steps {
            let x: Vec<Tensor> = step.inputs.iter().map(|id| value(&values, *id)).collect();
            let y = compute(step, &x.iter().collect::<Vec<_>>())?;
            for (id, y) in step.outputs.iter().zip(y) {
                values[id.0 as usize] = Some(y);
            }
        }
        Ok(values)
    }

    /// The outputs for these inputs, every step computed by `compute`.
    pub(crate) fn run(
        &self,
        inputs: &[Tensor],
        compute: impl FnMut(&Step, &[&Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let values = self.values_by(inputs, compute)?;
        Ok(self.outputs.iter().map(|id| value(&values, *id)).collect())
    }

    /// Every value for these inputs, of any level: every step is bound again. What cannot be computed is invalid.
    pub(crate) fn values(&self, inputs: &[Tensor]) -> Vec<Option<Tensor>> {
        self.values_by(inputs, rebind).expect("binding yields invalid tensors, no errors")
    }

    /// The outputs for these inputs, of any level: every step is bound again.
    pub(crate) fn replay(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.run(inputs, rebind)
    }

    /// The outputs for these concrete inputs, by the reference interpreter.
    #[cfg(any(test, feature = "samples"))]
    pub(crate) fn interpret(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.run(inputs, |step, x| {
            let specs: Vec<&Spec> = x.iter().map(|x| x.spec()).collect();
            let outputs: Vec<Spec> = step.outputs.iter().map(|id| *self.spec(*id)).collect();
            reference::compute(&step.op.lower(&specs), x, &outputs)
        })
    }
}

fn value(values: &[Option<Tensor>], id: Id) -> Tensor {
    values[id.0 as usize].clone().expect("the verifier holds: defined before it is read")
}

fn rebind(step: &Step, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let call = Call { op: &*step.op, inputs: x, dying: InputSet::NONE, origin: step.origin };
    Ok(bind_at(call).many())
}

//! The dual level: forward mode. A tensor is a primal with a tangent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::level::{Call, Level, LevelId, bind_at, on_level, serving};
use crate::error::{Error, Origin};
use crate::ops::Residuals;
use crate::ops::{Few, InputSet, Outputs};
use crate::tensor::{Lifted, Repr, Spec, Tensor};

pub(crate) struct Dual {
    id: LevelId,
    open: AtomicBool,
}

impl Dual {
    pub(crate) fn open() -> Arc<Dual> {
        Arc::new(Dual { id: LevelId::fresh(), open: AtomicBool::new(true) })
    }

    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// `primal` with a tangent of the same spec.
    pub(crate) fn lift(self: &Arc<Dual>, primal: Tensor, tangent: Tensor) -> Tensor {
        let level: Arc<dyn Level> = self.clone();
        lift(&level, primal, tangent)
    }

    /// Primal and tangent of `x`; one that is not of this level has no tangent.
    pub(crate) fn parts(&self, x: &Tensor) -> (Tensor, Option<Tensor>) {
        match self.own(x) {
            Some(lifted) => (self.settle(lifted), lifted.tangent.clone()),
            None => (x.clone(), None),
        }
    }

    fn own<'a>(&self, x: &'a Tensor) -> Option<&'a Lifted> {
        on_level(self, x)
    }
}

fn lift(level: &Arc<dyn Level>, primal: Tensor, tangent: Tensor) -> Tensor {
    let spec = *primal.spec();
    let lifted = Lifted { level: level.clone(), lower: Some(primal), tangent: Some(tangent), place: 0 };
    Tensor::from_parts(spec, Repr::Lifted(lifted))
}

impl Level for Dual {
    fn id(&self) -> LevelId {
        self.id
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn settle(&self, x: &Lifted) -> Tensor {
        x.lower.clone().expect("a dual tensor has a primal")
    }

    fn value(&self, x: &Lifted, _: Origin) -> Result<Tensor, Error> {
        Ok(self.settle(x))
    }

    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs {
        let primals =
            Few::map(call.inputs, |_, x| self.own(x).and_then(|lifted| lifted.lower.as_ref()).unwrap_or(x));
        let y = bind_at(Call { inputs: primals.as_slice(), dying: InputSet::NONE, ..call });
        let moving = call.inputs.iter().enumerate().filter(|(_, x)| self.own(x).is_some());
        let moving = moving.fold(InputSet::NONE, |set, (i, _)| set.union(InputSet::one(i)));
        if call.op.reads(moving).is_none() || y.as_slice()[0].error().is_some() {
            return y;
        }
        let tangents: Vec<Option<&Tensor>> =
            call.inputs.iter().map(|x| self.own(x).and_then(|lifted| lifted.tangent.as_ref())).collect();
        let mut dy: Vec<Option<Tensor>> = vec![None; y.as_slice().len()];
        {
            let inputs: Vec<_> = primals.as_slice().iter().map(|&x| Some(x)).collect();
            let input_specs: Vec<_> = primals.as_slice().iter().map(|x| Some(x.spec())).collect();
            let outputs: Vec<_> = y.as_slice().iter().map(Some).collect();
            let output_specs: Vec<&Spec> = y.as_slice().iter().map(Tensor::spec).collect();
            let at = Residuals {
                inputs: &inputs,
                outputs: &outputs,
                input_specs: &input_specs,
                output_specs: &output_specs,
            };
            serving(call.origin, || call.op.jvp(&at, &tangents, &mut dy));
        }
        y.map(|k, y| match dy[k].take() {
            Some(dy) if y.spec().dtype.is_float() => lift(me, y, dy),
            _ => y,
        })
    }
}

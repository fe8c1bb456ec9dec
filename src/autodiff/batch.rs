//! The batched level: vmap. A tensor stands for one example; the tensor below it holds all of them along its
//! first axis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::level::{Call, Level, LevelId, on_level, refuse, serving};
use crate::error::{Error, ErrorKind, Origin};
use crate::ops::{Few, InputSet, Outputs};
use crate::tensor::{Lifted, Repr, Tensor};

pub(crate) struct Batch {
    id: LevelId,
    open: AtomicBool,
    size: usize,
}

impl Batch {
    pub(crate) fn open(size: usize) -> Arc<Batch> {
        Arc::new(Batch { id: LevelId::fresh(), open: AtomicBool::new(true), size })
    }

    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// One example of `all`, whose first axis has this level's size.
    pub(crate) fn lift(self: &Arc<Batch>, all: Tensor) -> Tensor {
        let level: Arc<dyn Level> = self.clone();
        lift(&level, all)
    }

    /// All examples along a new first axis; a tensor that does not depend on the example is repeated.
    pub(crate) fn all_of(&self, x: &Tensor) -> Tensor {
        match self.own(x) {
            Some(lifted) => lifted.lower.clone().expect("a batched tensor has a value"),
            None => x.repeated(self.size),
        }
    }

    fn own<'a>(&self, x: &'a Tensor) -> Option<&'a Lifted> {
        on_level(self, x)
    }

    /// The inputs of a call with more of them than a set can tell apart, if `batched` has the bit that they share:
    /// all of those are batched then.
    fn many(&self, call: &Call<'_>, batched: InputSet) -> Option<Vec<Tensor>> {
        if call.inputs.len() <= InputSet::SHARED || !batched.contains(InputSet::SHARED) {
            return None;
        }
        let whole = |(i, x): (usize, &&Tensor)| match self.own(x) {
            None if i < InputSet::SHARED => (*x).clone(),
            _ => self.all_of(x),
        };
        Some(call.inputs.iter().enumerate().map(whole).collect())
    }
}

fn lift(level: &Arc<dyn Level>, all: Tensor) -> Tensor {
    if all.error().is_some() {
        return all;
    }
    let spec = all.spec().with_shape(all.spec().shape.without(0));
    let lifted = Lifted { level: level.clone(), lower: Some(all), tangent: None, place: 0 };
    Tensor::from_parts(spec, Repr::Lifted(lifted))
}

impl Level for Batch {
    fn id(&self) -> LevelId {
        self.id
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn settle(&self, _: &Lifted) -> Tensor {
        let message = "this tensor stands for one example of a vmap that has ended";
        Tensor::invalid(
            Error::plain(ErrorKind::Value, message).help("return it from the function that vmap takes"),
        )
    }

    fn value(&self, _: &Lifted, _: Origin) -> Result<Tensor, Error> {
        Err(Error::plain(
            ErrorKind::Value,
            format!("inside vmap a tensor stands for {} examples at once and has no single value", self.size),
        )
        .help("choose between two tensors with `condition.where_(&a, &b)` instead of branching on a value"))
    }

    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs {
        // Here, where shapes are those that the user wrote: below, they have one more axis.
        if let Err(misfit) = call.op.infer(Few::map(call.inputs, |_, x| x.spec()).as_slice()) {
            return refuse(&call, misfit);
        }
        let mut batched = InputSet::NONE;
        let lowered = Few::map(call.inputs, |i, x| {
            let Some(lower) = self.own(x).and_then(|lifted| lifted.lower.as_ref()) else { return x };
            batched.insert(i);
            lower
        });
        let y = serving(call.origin, || match self.many(&call, batched) {
            Some(all) => call.op.batch(&all.iter().collect::<Vec<_>>(), batched, self.size),
            None => call.op.batch(lowered.as_slice(), batched, self.size),
        });
        y.map(|_, all| lift(me, all))
    }
}

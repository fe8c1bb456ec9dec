//! Levels: the interpreters that give an operation its meaning, and `bind`, the one door to them.
//!
//! At the bottom a tensor is concrete. Every transform under way opens a numbered level, and a tensor of that
//! level wraps one of a lower level. `bind` finds the topmost level among the inputs and hands it the primitive;
//! the level applies one of the primitive's laws and binds again, one level lower. Nothing is global: a level is
//! reached only through the tensors that belong to it, so transforms nest in any order and threads may share them.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Misfit, Origin};
use crate::exec;
use crate::ops::{InputSet, Outputs, Primitive};
use crate::tensor::{Lifted, Repr, Tensor};

/// Number of a level; an inner transform's is greater than an outer one's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LevelId(u64);

impl LevelId {
    pub(crate) fn fresh() -> LevelId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        LevelId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// An operation on its way through the levels.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) op: &'a dyn Primitive,
    pub(crate) inputs: &'a [&'a Tensor],
    /// Inputs whose handle goes as soon as the operation is done: their memory may be reused.
    pub(crate) dying: InputSet,
    pub(crate) origin: Origin,
}

/// A transform under way, as seen from the tensors that belong to it.
pub(crate) trait Level: Send + Sync {
    fn id(&self) -> LevelId;

    /// False once the transform has ended.
    fn is_open(&self) -> bool;

    /// What a tensor of this level is once the level has closed.
    fn settle(&self, x: &Lifted) -> Tensor;

    /// The tensor to read when the value of `x` is asked for, at that line, while the level is open.
    fn value(&self, x: &Lifted, at: Origin) -> Result<Tensor, Error>;

    /// Applies a primitive to inputs of which at least one belongs to this level and none to a higher one.
    /// `me` is the handle on this level that outputs share.
    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs;
}

/// What `x` is on `level`, if it belongs to it.
#[inline]
pub(crate) fn on_level<'a, L: Level>(level: &L, x: &'a Tensor) -> Option<&'a Lifted> {
    x.lifted().filter(|lifted| std::ptr::addr_eq(Arc::as_ptr(&lifted.level), level))
}

/// Applies a primitive with one output.
#[inline]
#[track_caller]
pub(crate) fn bind(op: &dyn Primitive, inputs: &[&Tensor]) -> Tensor {
    bind_at(Call { op, inputs, dying: InputSet::NONE, origin: origin() }).one()
}

/// Applies a primitive with one output; the caller drops the `dying` inputs right after.
#[inline]
#[track_caller]
pub(crate) fn bind_dying(op: &dyn Primitive, inputs: &[&Tensor], dying: InputSet) -> Tensor {
    bind_at(Call { op, inputs, dying, origin: origin() }).one()
}

/// Applies a primitive with any number of outputs.
#[track_caller]
pub(crate) fn bind_many(op: &dyn Primitive, inputs: &[&Tensor]) -> Vec<Tensor> {
    bind_at(Call { op, inputs, dying: InputSet::NONE, origin: origin() }).many()
}

/// Hands a call to the topmost level among its inputs.
pub(crate) fn bind_at(call: Call<'_>) -> Outputs {
    let mut top: Option<&Arc<dyn Level>> = None;
    for x in call.inputs {
        match &x.node().repr {
            Repr::Concrete(_) => {}
            Repr::Invalid(error) => return Outputs::invalid(call.op.outputs(), in_user_rule(error.clone())),
            Repr::Lifted(lifted) => {
                // The usual second operand of the same level needs no questions.
                if top.is_some_and(|top| Arc::ptr_eq(top, &lifted.level)) {
                    continue;
                }
                if !lifted.level.is_open() {
                    return bind_settled(call);
                }
                if top.is_none_or(|top| lifted.level.id() > top.id()) {
                    top = Some(&lifted.level);
                }
            }
        }
    }
    match top {
        Some(level) => level.apply(level, call),
        None => exec::apply(call.op, call.inputs, call.dying).unwrap_or_else(|misfit| refuse(&call, misfit)),
    }
}

/// The topmost open level among tensors, on which an operation on them is called first.
pub(crate) fn top_level(inputs: &[&Tensor]) -> Option<LevelId> {
    let levels = inputs.iter().filter_map(|x| x.lifted()).map(|lifted| &lifted.level);
    levels.filter(|level| level.is_open()).map(|level| level.id()).max()
}

/// Some input outlived its level: goes on with what it has become.
#[cold]
fn bind_settled(call: Call<'_>) -> Outputs {
    let settled: Vec<Tensor> = call.inputs.iter().map(|x| settle(x)).collect();
    let inputs: Vec<&Tensor> = settled.iter().collect();
    bind_at(Call { inputs: &inputs, dying: InputSet::NONE, ..call })
}

/// The tensor without its closed levels.
pub(crate) fn settle(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    while let Some(lower) = x.lifted().filter(|l| !l.level.is_open()).map(|l| l.level.settle(l)) {
        x = lower;
    }
    x
}

/// The concrete tensor behind `x`: what a request for its value reads.
#[track_caller]
pub(crate) fn value_of(x: &Tensor) -> Result<Tensor, Error> {
    let at = origin();
    let mut x = settle(x);
    loop {
        let lower = match &x.node().repr {
            Repr::Concrete(_) => return Ok(x),
            Repr::Invalid(error) => return Err(error.clone()),
            Repr::Lifted(lifted) => lifted.level.value(lifted, at)?,
        };
        x = settle(&lower);
    }
}

/// Why operations run: for the user's own line, or in the service of an operation on one.
#[derive(Clone, Copy)]
enum Service {
    Direct,
    /// A rule of this library serves the operation at that line.
    Rule(Origin),
    /// A rule of the user's serves it: both lines matter.
    UserRule(Origin),
}

thread_local! {
    static SERVICE: Cell<Service> = const { Cell::new(Service::Direct) };
}

/// The line that an operation bound now belongs to.
#[inline]
#[track_caller]
pub(crate) fn origin() -> Origin {
    match SERVICE.get() {
        Service::Rule(origin) => origin,
        Service::Direct | Service::UserRule(_) => Location::caller(),
    }
}

/// Runs a rule of this library on behalf of the operation at `origin`.
pub(crate) fn serving<R>(origin: Origin, rule: impl FnOnce() -> R) -> R {
    in_service(Service::Rule(origin), rule)
}

/// Runs a rule of the user's on behalf of the operation at `origin`.
pub(crate) fn serving_user<R>(origin: Origin, rule: impl FnOnce() -> R) -> R {
    in_service(Service::UserRule(origin), rule)
}

fn in_service<R>(service: Service, run: impl FnOnce() -> R) -> R {
    struct Restore(Service);
    impl Drop for Restore {
        fn drop(&mut self) {
            SERVICE.set(self.0);
        }
    }
    let _restore = Restore(SERVICE.replace(service));
    run()
}

fn in_user_rule(error: Error) -> Error {
    match SERVICE.get() {
        Service::UserRule(origin) => error.in_rule(origin),
        _ => error,
    }
}

/// The error of a call that its shape rule or its data refuse.
#[cold]
#[expect(clippy::boxed_local, reason = "misfits travel boxed, so that a `Result` with one stays small")]
pub(crate) fn refuse(call: &Call<'_>, misfit: Box<Misfit>) -> Outputs {
    let operands = call.inputs.iter().map(|x| *x.spec()).collect();
    let error = in_user_rule(misfit.at(call.op.name(), operands, call.origin));
    if crate::error::panics_on_error() {
        panic!("{error}");
    }
    Outputs::invalid(call.op.outputs(), error)
}

/// An invalid tensor from a public method that refused its arguments before any primitive was bound.
#[cold]
#[expect(clippy::boxed_local, reason = "misfits travel boxed, so that a `Result` with one stays small")]
#[track_caller]
pub(crate) fn misuse(operation: &'static str, operands: &[&Tensor], misfit: Box<Misfit>) -> Tensor {
    if let Some(invalid) = operands.iter().find(|x| x.error().is_some()) {
        return (*invalid).clone();
    }
    let operands = operands.iter().map(|x| *x.spec()).collect();
    let error = in_user_rule(misfit.at(operation, operands, origin()));
    if crate::error::panics_on_error() {
        panic!("{error}");
    }
    Tensor::invalid(error)
}

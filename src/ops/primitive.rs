//! The contract of an operation: every law of every primitive, on one screen.

use std::any::{Any, TypeId};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::operands::{InputSet, Outputs};
use crate::autodiff::level::LevelId;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::graph::{Seen, Value};
use crate::tensor::{Spec, Tensor};

/// An operation. Inputs have equal shapes where the mathematics is elementwise; the public methods broadcast.
pub(crate) trait Primitive: Identity + fmt::Debug + Send + Sync {
    /// For errors, listings and pictures.
    fn name(&self) -> &'static str;

    /// How many tensors it yields.
    fn outputs(&self) -> usize {
        1
    }

    /// Shape and dtype of the (first) output, or why there is none.
    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>>;

    /// Shapes and dtypes of all outputs.
    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        Ok(vec![self.infer(x)?])
    }

    /// The kernel class that computes it. Called only with specs that `infer` accepts.
    fn lower<'a>(&'a self, x: &[&Spec]) -> Kernel<'a>;

    /// What `vjp` reads when the inputs in `needs` want a cotangent. `None`: it has no derivative.
    fn reads(&self, needs: InputSet) -> Option<Reads>;

    /// The same on one level: less, where that is known. Of an operation with several outputs it is asked again once they
    /// are there, and then of the outputs alone.
    fn reads_on(&self, level: LevelId, needs: InputSet) -> Option<Reads> {
        let _ = level;
        self.reads(needs)
    }

    /// Writes each output's tangent to `dy`. A missing tangent is zero, in `dx` and in `dy`; one in `dx` is there.
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]);

    /// Writes the cotangents of the inputs in `needs` to `dx`. A missing one is zero, in `dy` and in `dx`; one in
    /// `dy` is there.
    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]);

    /// Applies it to `size` examples at once: the inputs in `batched` have an extra first axis of that length, and
    /// so has every output.
    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs;

    /// The same by other operations, where it is made of them: what a trace records in its place.
    fn unfolded(&self, _: &[&Tensor]) -> Option<crate::Result<Vec<Tensor>>> {
        None
    }

    /// Whether it does something beside computing its outputs: then it runs as often as the function says, whoever reads
    /// them, and in the order of others that act.
    fn acts(&self) -> bool {
        false
    }

    /// What computes the same with less, bit for bit (a NaN being any NaN), infinities and -0 included; none: this
    /// is as good as it gets. Asked of a graph that is about to run, so derivatives do not matter any more.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let _ = x;
        None
    }
}

/// What a vjp reads beside the cotangents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reads {
    /// Inputs whose values it reads.
    pub(crate) inputs: InputSet,
    /// Whether it reads the outputs' values.
    pub(crate) outputs: bool,
    /// The first output whose value it reads, if so.
    pub(crate) first_output: usize,
    /// Whether it reads the spec of an input that wants no cotangent. (Those of inputs that want one are there
    /// anyway, and so are the outputs'.)
    pub(crate) specs: bool,
}

impl Reads {
    /// Only specs of inputs that want a cotangent.
    pub(crate) const NOTHING: Reads = Reads::inputs(InputSet::NONE);
    /// Only the outputs.
    pub(crate) const OUTPUTS: Reads = Reads { outputs: true, ..Reads::NOTHING };

    /// The values of these inputs.
    pub(crate) const fn inputs(inputs: InputSet) -> Reads {
        Reads { inputs, outputs: false, first_output: 0, specs: false }
    }

    /// Whether it reads the value of this output.
    #[inline]
    pub(crate) fn output(&self, k: usize) -> bool {
        self.outputs && k >= self.first_output
    }
}

/// What is kept of an operation for its derivative: exactly what `reads` declared.
#[derive(Clone, Copy)]
pub(crate) struct Residuals<'a> {
    pub(crate) inputs: &'a [Option<&'a Tensor>],
    pub(crate) outputs: &'a [Option<&'a Tensor>],
    pub(crate) input_specs: &'a [Option<&'a Spec>],
    pub(crate) output_specs: &'a [&'a Spec],
}

impl<'a> Residuals<'a> {
    /// Value of an input.
    #[inline]
    pub(crate) fn x(&self, input: usize) -> &'a Tensor {
        self.inputs[input].expect("the rule reads an input that `reads` did not declare")
    }

    /// Value of the (first) output.
    #[inline]
    pub(crate) fn y(&self) -> &'a Tensor {
        self.output(0)
    }

    /// Value of an output.
    #[inline]
    pub(crate) fn output(&self, output: usize) -> &'a Tensor {
        self.outputs[output].expect("the rule reads an output that `reads` did not declare")
    }

    /// Spec of an input.
    #[inline]
    pub(crate) fn spec(&self, input: usize) -> &'a Spec {
        self.input_specs[input].expect("the rule reads a spec that `reads` did not declare")
    }
}

/// Keeping operations that are met behind `dyn Primitive`, and telling them apart; blanket for all of them. `Eq` and
/// `Hash` are asked of every operation so that two steps of a graph can be told to be the same.
pub(crate) trait Identity: Any {
    fn to_op(&self) -> Op;

    /// Whether the other one is of the same type and equal.
    fn same(&self, other: &dyn Primitive) -> bool;

    /// Feeds type and attributes to a hasher: alike for two that are the same.
    fn fingerprint(&self, state: &mut dyn Hasher);
}

impl<T: Primitive + Clone + Eq + Hash + 'static> Identity for T {
    fn to_op(&self) -> Op {
        if size_of::<T>() == 0 {
            // A box of nothing allocates nothing, so there is nothing to leak.
            return Op::Static(Box::leak(Box::new(self.clone())));
        }
        Op::Shared(Arc::new(self.clone()))
    }

    fn same(&self, other: &dyn Primitive) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) {
        TypeId::of::<T>().hash(&mut state);
        self.hash(&mut state);
    }
}

/// An operation that is kept: on a tape, in a trace.
#[derive(Clone)]
pub(crate) enum Op {
    Static(&'static dyn Primitive),
    Shared(Arc<dyn Primitive>),
}

impl Deref for Op {
    type Target = dyn Primitive;
    #[inline]
    fn deref(&self) -> &Self::Target {
        match self {
            Op::Static(op) => *op,
            Op::Shared(op) => &**op,
        }
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

//! Rewriting a graph step by step: what a law sees of the values before it, and what it may answer.

use std::any::Any;
use std::collections::HashMap;

use super::ir::{Graph, Id, Step};
use crate::error::Origin;
use crate::exec::Kernel;
use crate::ops::{Op, Primitive};
use crate::tensor::{Bits, Number, Spec, Tensor};

/// What takes the place of a step's output.
pub(crate) enum Value {
    /// A value that is there.
    Known(Id),
    /// One number for all elements.
    Splat(Spec, Number),
    /// A tensor that is made beforehand.
    Constant(Tensor),
    /// An operation on other values.
    Made(Op, Vec<Value>),
}

impl Value {
    pub(crate) fn made(op: &dyn Primitive, inputs: impl Into<Vec<Value>>) -> Value {
        Value::Made(op.to_op(), inputs.into())
    }
}

impl From<Seen<'_>> for Value {
    fn from(seen: Seen<'_>) -> Value {
        Value::Known(seen.id)
    }
}

/// A value of a graph as the step that reads it sees it. Two are equal if they are the same value.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'g> {
    of: &'g Rewrite,
    id: Id,
}

impl PartialEq for Seen<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<'g> Seen<'g> {
    pub(crate) fn spec(self) -> &'g Spec {
        self.of.graph.spec(self.id)
    }

    fn about(self) -> &'g About {
        &self.of.about[self.id.0 as usize]
    }

    /// The number that all elements are, where that is known.
    pub(crate) fn splat(self) -> Option<Number> {
        self.about().splat.map(|bits| self.spec().dtype.number(&bits))
    }

    /// Whether all elements are known to be this number, to the bit: 0 is not -0, except of integers.
    pub(crate) fn is(self, number: f64) -> bool {
        self.about().splat == Some(self.spec().dtype.bits(Number::Float(number)))
    }

    /// The operation that yields this value, if it is a `T`.
    pub(crate) fn made_by<T: Primitive>(self) -> Option<Made<'g, T>> {
        let step = &self.of.graph.steps[self.about().step?];
        let op: &dyn Any = &*step.op;
        Some(Made { op: op.downcast_ref()?, of: self.of, step })
    }

    /// Whether computing it may end in an error that only data can show, so that it must not be dropped unasked.
    pub(crate) fn may_fail(self) -> bool {
        self.about().may_fail
    }

    /// Whether a single step reads it, once, and the caller of the graph does not.
    pub(crate) fn is_read_once(self) -> bool {
        self.about().readers == 1
    }
}

/// An operation and what it was applied to.
pub(crate) struct Made<'g, T> {
    pub(crate) op: &'g T,
    of: &'g Rewrite,
    step: &'g Step,
}

impl<'g, T> Made<'g, T> {
    /// An input.
    pub(crate) fn x(&self, input: usize) -> Seen<'g> {
        Seen { of: self.of, id: self.step.inputs[input] }
    }
}

/// What is known of a value.
#[derive(Clone, Copy, Default)]
struct About {
    /// The step that yields it, if it is that step's only output.
    step: Option<usize>,
    splat: Option<Bits>,
    may_fail: bool,
    /// How many steps read it in the graph as it was, and as which inputs; the graph's outputs count.
    readers: u32,
}

/// A law: what takes the place of a step's output, seeing its inputs.
type Law<'l> = &'l dyn Fn(&Step, &[Seen<'_>]) -> Option<Value>;

/// A graph on its way from one form to another; its steps are those done so far.
pub(crate) struct Rewrite {
    graph: Graph,
    about: Vec<About>,
    /// What stands for each value now: itself, unless a law put another in its place.
    stands: Vec<Id>,
    /// Captured splats, so that a number is captured once.
    splats: HashMap<(Spec, [u8; 8]), Id>,
}

/// The graph with the law applied to every step, in order, until it has nothing more to say. What a law makes is put
/// to it too. Steps that nobody reads any more stay: they are the affair of `dce`.
pub(crate) fn rewrite(mut graph: Graph, law: Law<'_>) -> Graph {
    let steps = std::mem::take(&mut graph.steps);
    let mut rewrite = Rewrite::of(graph, &steps);
    for step in steps {
        rewrite.put(step, law);
    }
    let mut graph = rewrite.graph;
    for id in &mut graph.outputs {
        *id = rewrite.stands[id.0 as usize];
    }
    graph
}

impl Rewrite {
    fn of(graph: Graph, steps: &[Step]) -> Rewrite {
        let mut about = vec![About::default(); graph.specs.len()];
        for id in steps.iter().flat_map(|step| &step.inputs).chain(&graph.outputs) {
            about[id.0 as usize].readers += 1;
        }
        let mut splats = HashMap::new();
        for (id, x) in &graph.captured {
            let splat = x.concrete().and_then(|array| array.splat()).copied();
            about[id.0 as usize].splat = splat;
            if let Some(bits) = splat {
                splats.entry((*x.spec(), bits.0)).or_insert(*id);
            }
        }
        let stands = (0..graph.specs.len() as u32).map(Id).collect();
        Rewrite { graph, about, stands, splats }
    }

    /// Adds a step, or what the law has in its place.
    fn put(&mut self, mut step: Step, law: Law<'_>) {
        for id in &mut step.inputs {
            *id = self.stands[id.0 as usize];
        }
        while let [output] = step.outputs[..] {
            let seen: Vec<Seen<'_>> = step.inputs.iter().map(|&id| Seen { of: self, id }).collect();
            match law(&step, &seen) {
                None => break,
                Some(Value::Made(op, inputs)) => {
                    step.op = op;
                    step.inputs = inputs.into_iter().map(|x| self.value(x, step.origin, law)).collect();
                }
                Some(value) => {
                    self.stands[output.0 as usize] = self.value(value, step.origin, law);
                    return;
                }
            }
        }
        self.push(step);
    }

    fn push(&mut self, step: Step) {
        let fails =
            may_fail(&self.graph, &step) || step.inputs.iter().any(|id| self.about[id.0 as usize].may_fail);
        for id in &step.outputs {
            let about = &mut self.about[id.0 as usize];
            about.may_fail = fails;
            about.step = (step.outputs.len() == 1).then_some(self.graph.steps.len());
        }
        self.graph.steps.push(step);
    }

    /// The value that a law asked for.
    fn value(&mut self, value: Value, origin: Origin, law: Law<'_>) -> Id {
        match value {
            Value::Known(id) => id,
            Value::Splat(spec, number) => self.splat(spec, number),
            Value::Constant(x) => {
                let id = self.fresh(*x.spec(), About::default());
                self.graph.captured.push((id, x));
                id
            }
            Value::Made(op, inputs) => {
                let inputs: Vec<Id> = inputs.into_iter().map(|x| self.value(x, origin, law)).collect();
                let specs: Vec<&Spec> = inputs.iter().map(|id| self.graph.spec(*id)).collect();
                let spec = op.infer(&specs).expect("a law makes operations that fit");
                let output = self.fresh(spec, About::default());
                self.put(Step { op, inputs, outputs: vec![output], origin }, law);
                self.stands[output.0 as usize]
            }
        }
    }

    fn splat(&mut self, spec: Spec, number: Number) -> Id {
        let bits = spec.dtype.bits(number);
        if let Some(id) = self.splats.get(&(spec, bits.0)) {
            return *id;
        }
        let id = self.fresh(spec, About { splat: Some(bits), ..About::default() });
        self.graph.captured.push((id, Tensor::splat_bits(spec, bits)));
        self.splats.insert((spec, bits.0), id);
        id
    }

    fn fresh(&mut self, spec: Spec, about: About) -> Id {
        let id = Id(self.graph.specs.len() as u32);
        self.graph.specs.push(spec);
        self.about.push(about);
        self.stands.push(id);
        id
    }
}

/// Whether a step may end in an error that only data can show.
pub(super) fn may_fail(graph: &Graph, step: &Step) -> bool {
    let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
    !step.op.acts() && fails(&step.op.lower(&specs), &specs)
}

/// Whether a kernel may refuse what it is given for the values' sake.
fn fails(kernel: &Kernel<'_>, specs: &[&Spec]) -> bool {
    match kernel {
        Kernel::Map(body) => body.divides() && specs.last().is_some_and(|spec| spec.dtype.is_int()),
        Kernel::Gather(..) | Kernel::Scatter(..) | Kernel::Opaque(_) => true,
        #[cfg(feature = "linalg")]
        Kernel::Matrix(_) => true,
        Kernel::Cast
        | Kernel::Reduce(..)
        | Kernel::Scan(_)
        | Kernel::Sort(_)
        | Kernel::Search(_)
        | Kernel::View(_)
        | Kernel::Place(..)
        | Kernel::Dot
        | Kernel::Conv(_)
        | Kernel::Pool(_)
        | Kernel::Fused(_)
        | Kernel::Random(_) => false,
    }
}

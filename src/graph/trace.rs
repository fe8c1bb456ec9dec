//! The symbolic level: operations are recorded, not computed.
//!
//! A trace of a call, which knows the arguments, computes after all when the function asks for a value: what was
//! recorded so far is run, and from then on operations are applied to values and nothing is recorded any more.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ir::{Graph, Id, Step};
use crate::autodiff::level::{Call, Level, LevelId, bind_at, on_level, refuse, serving_user};
use crate::error::{Error, ErrorKind, Misfit, Origin, Result};
use crate::ops::{InputSet, Outputs};
use crate::tensor::tree::{self, Tree};
use crate::tensor::{DType, IntoShape, Lifted, Repr, Spec, Tensor};

/// A trace under way. Like every level it meets only tensors that belong to it or to lower levels; the latter are
/// captured, as inputs that the function's caller does not see.
pub(crate) struct Trace {
    id: LevelId,
    open: AtomicBool,
    /// The arguments, where it is a call that is traced.
    arguments: Option<Vec<Tensor>>,
    graph: Mutex<Building>,
}

struct Building {
    graph: Graph,
    /// Captured tensors by address; the graph keeps them, so addresses stay theirs.
    captured: HashMap<usize, Id>,
    /// There once a value was asked for.
    values: Option<Values>,
}

/// What the recorded values are.
struct Values {
    /// By [`Id`].
    of: Vec<Option<Tensor>>,
    asked_at: Origin,
}

impl Values {
    fn get(&self, place: u32) -> Tensor {
        self.of[place as usize].clone().expect("every recorded value was computed")
    }
}

impl Building {
    fn value(&mut self, spec: Spec) -> Id {
        self.graph.specs.push(spec);
        Id(self.graph.specs.len() as u32 - 1)
    }
}

impl Trace {
    fn lock(&self) -> MutexGuard<'_, Building> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id_of(&self, x: &Tensor) -> Option<Id> {
        on_level(self, x).map(|lifted| Id(lifted.place))
    }

    /// The value that stands for `x`, which is captured if it is not of this trace.
    fn input(&self, building: &mut Building, x: &Tensor) -> Id {
        self.id_of(x).unwrap_or_else(|| {
            if let Some(id) = building.captured.get(&x.address()) {
                return *id;
            }
            let id = building.value(*x.spec());
            building.captured.insert(x.address(), id);
            building.graph.captured.push((id, x.clone()));
            id
        })
    }
}

fn symbol(level: &Arc<dyn Level>, spec: Spec, id: Id) -> Tensor {
    let lifted = Lifted { level: level.clone(), lower: None, tangent: None, place: id.0 };
    Tensor::from_parts(spec, Repr::Lifted(lifted))
}

impl Level for Trace {
    fn id(&self) -> LevelId {
        self.id
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn settle(&self, x: &Lifted) -> Tensor {
        if let Some(values) = &self.lock().values {
            return values.get(x.place);
        }
        Tensor::invalid(
            Error::plain(ErrorKind::Value, "this tensor outlived the trace that it is a symbol of")
                .help("return it from the traced function"),
        )
    }

    fn value(&self, x: &Lifted, at: Origin) -> Result<Tensor, Error> {
        let mut building = self.lock();
        if building.values.is_none() {
            let Some(arguments) = &self.arguments else {
                let message = "a tensor has no value while its function is traced";
                return Err(Error::plain(ErrorKind::Value, message)
                    .help("choose with `condition.where_(&a, &b)`, or run the function directly"));
            };
            building.values = Some(Values { of: building.graph.values(arguments), asked_at: at });
        }
        Ok(building.values.as_ref().expect("just computed").get(x.place))
    }

    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs {
        if let Some(unfolded) = serving_user(call.origin, || call.op.unfolded(call.inputs)) {
            return unfolded.map_or_else(|error| refuse(&call, Misfit::caused(error)), Outputs::Many);
        }
        let mut building = self.lock();
        if let Some(values) = &building.values {
            let own = |x: &Tensor| self.id_of(x).map_or_else(|| x.clone(), |id| values.get(id.0));
            let inputs: Vec<Tensor> = call.inputs.iter().map(|x| own(x)).collect();
            drop(building);
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            return bind_at(Call { inputs: &inputs, dying: InputSet::NONE, ..call });
        }
        let specs: Vec<&Spec> = call.inputs.iter().map(|x| x.spec()).collect();
        let specs = match call.op.infer_all(&specs) {
            Ok(specs) => specs,
            Err(misfit) => return refuse(&call, misfit),
        };
        let inputs = call.inputs.iter().map(|x| self.input(&mut building, x)).collect();
        let outputs: Vec<Id> = specs.iter().map(|spec| building.value(*spec)).collect();
        building.graph.steps.push(Step {
            op: call.op.to_op(),
            inputs,
            outputs: outputs.clone(),
            origin: call.origin,
        });
        drop(building);
        let mut symbols = specs.into_iter().zip(outputs).map(|(spec, id)| symbol(me, spec, id));
        match (call.op.outputs(), symbols.next()) {
            (1, Some(y)) => Outputs::One(y),
            (_, first) => Outputs::Many(first.into_iter().chain(symbols).collect()),
        }
    }
}

thread_local! {
    /// The traces under way on this thread, outermost first: asked by draws without a generator, and only by them.
    static CURRENT: RefCell<Vec<Arc<Trace>>> = const { RefCell::new(Vec::new()) };
}

/// The key of a draw inside a traced function, if one is under way: an input that differs from run to run.
pub(crate) fn draw_key() -> Option<Tensor> {
    let trace = CURRENT.with_borrow(|current| current.last().cloned())?;
    let mut building = trace.lock();
    if building.values.is_some() {
        return None;
    }
    let spec = Spec::new([2].into_shape().expect("a small shape"), DType::I64);
    let id = building.value(spec);
    building.graph.draws.push(id);
    drop(building);
    let level: Arc<dyn Level> = trace;
    Some(symbol(&level, spec, id))
}

impl Trace {
    fn open(inputs: &[Spec], arguments: Option<Vec<Tensor>>) -> Arc<Trace> {
        let graph = Graph {
            specs: inputs.to_vec(),
            inputs: (0..inputs.len() as u32).map(Id).collect(),
            captured: Vec::new(),
            draws: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
            again: Vec::new(),
        };
        let building = Building { graph, captured: HashMap::new(), values: None };
        Arc::new(Trace {
            id: LevelId::fresh(),
            open: AtomicBool::new(true),
            arguments,
            graph: Mutex::new(building),
        })
    }

    /// What `f` makes of the symbols of the inputs. However it ends, the trace is closed.
    fn run<O>(self: &Arc<Trace>, inputs: &[Spec], f: impl FnOnce(&[Tensor]) -> Result<O>) -> Result<O> {
        struct Leave<'a>(&'a Trace);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                CURRENT.with_borrow_mut(Vec::pop);
                self.0.open.store(false, Ordering::Release);
            }
        }
        let level: Arc<dyn Level> = self.clone();
        let symbols: Vec<Tensor> =
            (0u32..).zip(inputs).map(|(i, spec)| symbol(&level, *spec, Id(i))).collect();
        CURRENT.with_borrow_mut(|current| current.push(self.clone()));
        let _leave = Leave(self);
        f(&symbols)
    }

    /// The graph with these outputs.
    fn finish(&self, outputs: &[Tensor]) -> Graph {
        let mut building = self.lock();
        let outputs = outputs.iter().map(|y| self.input(&mut building, y)).collect();
        let mut graph = building.graph.clone();
        graph.outputs = outputs;
        debug_assert_eq!(graph.verify(), Ok(()));
        graph
    }
}

/// The graph of `f` on inputs with these specs.
pub(crate) fn trace(inputs: &[Spec], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Graph> {
    let trace = Trace::open(inputs, None);
    let outputs = trace.run(inputs, f)?;
    match outputs.iter().find_map(Tensor::error) {
        Some(error) => Err(error.clone()),
        None => Ok(trace.finish(&outputs)),
    }
}

/// A call that was traced.
pub(crate) enum Recorded<O> {
    /// No value was asked for: the graph of its leaves, and the structure of the result.
    Graph(Graph, O),
    /// It ran to its end, since it asked for a value there.
    Ran(O, Origin),
}

/// Traces `f` on these arguments, or runs it, if it asks for a value.
pub(crate) fn trace_call<O: Tree>(
    arguments: &[Tensor],
    f: impl FnOnce(&[Tensor]) -> Result<O>,
) -> Result<Recorded<O>> {
    let specs: Vec<Spec> = arguments.iter().map(|x| *x.spec()).collect();
    let trace = Trace::open(&specs, Some(arguments.to_vec()));
    let output = trace.run(&specs, f)?;
    if let Some(values) = &trace.lock().values {
        let value = |y: &Tensor| trace.id_of(y).map_or_else(|| y.clone(), |id| values.get(id.0));
        return Ok(Recorded::Ran(tree::map(&output, value), values.asked_at));
    }
    let graph = trace.finish(&tree::leaves(&output));
    let nothing = Tensor::from(0.0);
    Ok(Recorded::Graph(graph, tree::map(&output, |_| nothing.clone())))
}

/// Specs of what `f` returns, without computing it.
pub(crate) fn specs_of(
    inputs: &[Spec],
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Spec>> {
    let graph = trace(inputs, f)?;
    Ok(graph.outputs.iter().map(|id| *graph.spec(*id)).collect())
}

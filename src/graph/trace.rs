//! The symbolic level: operations are recorded, not computed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ir::{Graph, Id, Step};
use crate::autodiff::level::{Call, Level, LevelId, on_level, refuse};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Outputs;
use crate::tensor::{DType, IntoShape, Lifted, Repr, Spec, Tensor};

/// A trace under way. Like every level it meets only tensors that belong to it or to lower levels; the latter are
/// captured, as inputs that the function's caller does not see.
pub(crate) struct Trace {
    id: LevelId,
    open: AtomicBool,
    graph: Mutex<Building>,
}

struct Building {
    graph: Graph,
    /// Captured tensors by address; the graph keeps them, so addresses stay theirs.
    captured: HashMap<usize, Id>,
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

    fn settle(&self, _: &Lifted) -> Tensor {
        Tensor::invalid(
            Error::plain(ErrorKind::Value, "this tensor outlived the trace that it is a symbol of")
                .help("return it from the traced function"),
        )
    }

    fn value(&self, _: &Lifted) -> Result<Tensor, Error> {
        Err(Error::plain(ErrorKind::Value, "a tensor has no value while its function is traced")
            .help("choose with `condition.where_(&a, &b)`, or run the function directly"))
    }

    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs {
        let specs: Vec<&Spec> = call.inputs.iter().map(|x| x.spec()).collect();
        let specs = match call.op.infer_all(&specs) {
            Ok(specs) => specs,
            Err(misfit) => return refuse(&call, misfit),
        };
        let mut building = self.lock();
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
    let spec = Spec::new([2].into_shape().expect("a small shape"), DType::I64);
    let mut building = trace.lock();
    let id = building.value(spec);
    building.graph.draws.push(id);
    drop(building);
    let level: Arc<dyn Level> = trace;
    Some(symbol(&level, spec, id))
}

/// The graph of `f` on inputs with these specs.
pub(crate) fn trace(inputs: &[Spec], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Graph> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(Vec::pop);
        }
    }
    let graph = Graph {
        specs: inputs.to_vec(),
        inputs: (0..inputs.len() as u32).map(Id).collect(),
        captured: Vec::new(),
        draws: Vec::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
    };
    let building = Mutex::new(Building { graph, captured: HashMap::new() });
    let trace = Arc::new(Trace { id: LevelId::fresh(), open: AtomicBool::new(true), graph: building });
    let level: Arc<dyn Level> = trace.clone();
    let symbols: Vec<Tensor> =
        inputs.iter().enumerate().map(|(i, spec)| symbol(&level, *spec, Id(i as u32))).collect();
    CURRENT.with_borrow_mut(|current| current.push(trace.clone()));
    let leave = Leave;
    let outputs = f(&symbols);
    drop(leave);
    trace.open.store(false, Ordering::Release);
    let outputs = outputs?;
    if let Some(error) = outputs.iter().find_map(Tensor::error) {
        return Err(error.clone());
    }
    let mut building = trace.lock();
    let outputs = outputs.iter().map(|y| trace.input(&mut building, y)).collect();
    let mut graph = building.graph.clone();
    graph.outputs = outputs;
    debug_assert_eq!(graph.verify(), Ok(()));
    Ok(graph)
}

/// Specs of what `f` returns, without computing it.
pub(crate) fn specs_of(
    inputs: &[Spec],
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Spec>> {
    let graph = trace(inputs, f)?;
    Ok(graph.outputs.iter().map(|id| *graph.spec(*id)).collect())
}

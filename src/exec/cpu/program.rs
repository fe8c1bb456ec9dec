//! Running a plan: a flat list of instructions over memory whose addresses are settled once.
//!
//! All that instructions work on stands in lists, with its addresses. Those in the arena and in captured tensors never
//! change; those in arguments and results are written anew for each call. A call takes an idle arena with its lists, or
//! makes one, so several threads may run a program at once, and a function may come back to itself.

use std::sync::{Mutex, PoisonError};

use super::map;
use super::operand::{Destination, Operand};
use super::{compute, contiguous, own_block};
use crate::error::{Misfit, Origin, Result};
use crate::exec::{Body, Kernel};
use crate::graph::plan::{Output, Plan, Root};
use crate::graph::{Graph, Id};
use crate::ops::Op;
use crate::tensor::{DType, Spec, Storage, Tensor};

/// A graph made ready to run on concrete arguments.
pub(crate) struct Program {
    plan: Plan,
    instructions: Vec<Instruction>,
    /// Without addresses; each [`Activation`] has its own.
    work: Work,
    /// Of all entries of `work`.
    addresses: Vec<(Entry, Address)>,
    /// Those of them that lie in arguments and results.
    moving: Vec<(Entry, Address)>,
    /// Arguments that instructions read or write.
    touched: Vec<usize>,
    /// By output of the function.
    sources: Vec<Source>,
    idle: Mutex<Vec<Activation>>,
}

/// One kernel: so many entries further on in the lists.
struct Instruction {
    what: What,
    origin: Origin,
    operands: usize,
    destinations: usize,
}

enum What {
    Run(Lowered),
    /// Elementwise arithmetic on so many elements without gaps, in memory apart: its pointers are `Work::elements`, the
    /// destination the last one.
    Elements(Lowered, DType, usize),
    /// Copies an element after the other in row-major order.
    Copy,
}

/// An operation and the kernel that it was lowered to, once.
struct Lowered {
    /// Borrows from `op`, though its type does not say so; goes first, therefore.
    kernel: Kernel<'static>,
    op: Op,
    specs: Vec<Spec>,
}

impl Lowered {
    fn new(op: &Op, specs: Vec<Spec>) -> Lowered {
        let op = op.clone();
        // SAFETY: the operation is static or behind the `Arc` that is kept beside the kernel, never handed out
        // mutably, and dropped after it. The kernel leaves this struct only as a reference to it.
        let kernel = unsafe {
            std::mem::transmute::<Kernel<'_>, Kernel<'static>>(op.lower(&specs.iter().collect::<Vec<_>>()))
        };
        Lowered { kernel, op, specs }
    }

    #[cold]
    fn error(&self, misfit: Misfit, at: Origin) -> crate::Error {
        misfit.at(self.op.name(), self.specs.clone(), at)
    }
}

/// What instructions work on, in their order.
#[derive(Clone, Default)]
struct Work {
    operands: Vec<Operand>,
    destinations: Vec<Destination>,
    elements: Vec<*mut u8>,
}

/// A place in [`Work`].
#[derive(Clone, Copy)]
enum Entry {
    Operand(usize),
    Destination(usize),
    Elements(usize),
}

impl Work {
    fn set(&mut self, entry: Entry, ptr: *mut u8) {
        match entry {
            Entry::Operand(i) => self.operands[i].ptr = ptr,
            Entry::Destination(i) => self.destinations[i].ptr = ptr,
            Entry::Elements(i) => self.elements[i] = ptr,
        }
    }
}

/// So many bytes from the start of a root.
#[derive(Clone, Copy)]
struct Address {
    root: Root,
    bytes: isize,
}

impl Address {
    fn of(plan: &Plan, id: Id) -> Address {
        let layout = plan.layout(id);
        Address { root: layout.root, bytes: layout.offset * plan.graph.spec(id).dtype.size() as isize }
    }

    /// Whether it is another one in each call.
    fn moves(&self) -> bool {
        matches!(self.root, Root::Argument(_) | Root::Result(_))
    }
}

/// Where an output of the function comes from.
#[derive(Clone, Copy)]
enum Source {
    Argument(usize),
    Captured(usize),
    /// A new tensor, the result of this number.
    New(usize),
    /// The memory of an argument, which this value was written over.
    Donated(usize, Id),
    /// An output before it.
    Same(usize),
}

/// An arena, and the lists with their addresses in it.
struct Activation {
    arena: Storage,
    /// Key after key.
    draws: Storage,
    work: Work,
    /// Where the arguments begin, and the results.
    arguments: Vec<*mut u8>,
    results: Vec<*mut u8>,
}

// SAFETY: the pointers of an activation lead into its own arena, into captured tensors, which do not change, and,
// during a call, into arguments and results that the call holds.
unsafe impl Send for Activation {}

// SAFETY: as above; the program's own lists have no addresses.
unsafe impl Send for Program {}
// SAFETY: as above; a call takes an activation for itself.
unsafe impl Sync for Program {}

/// Bytes of a draw's key: seed and counter.
const KEY: usize = 16;
/// Arenas that are kept for the next calls.
const IDLE: usize = 4;
/// The most operands of elementwise arithmetic.
const MAX_OPERANDS: usize = 4;

impl Program {
    /// The program of a graph, which may write results over its first `donors` arguments.
    pub(crate) fn new(graph: Graph, donors: usize) -> Program {
        let plan = Plan::new(graph, donors);
        let mut program = Program {
            instructions: Vec::with_capacity(plan.run.len() + plan.copies.len()),
            work: Work::default(),
            addresses: Vec::new(),
            moving: Vec::new(),
            touched: Vec::new(),
            sources: sources(&plan),
            idle: Mutex::new(Vec::new()),
            plan,
        };
        for at in program.plan.run.clone() {
            program.add(at);
        }
        for copy in program.plan.copies.clone() {
            program.operand(copy.from);
            let spec = program.plan.results[copy.result];
            program.destination(spec, Address { root: Root::Result(copy.result), bytes: 0 });
            let origin = std::panic::Location::caller();
            program.instructions.push(Instruction { what: What::Copy, origin, operands: 1, destinations: 1 });
        }
        program.moving = program.addresses.iter().filter(|(_, address)| address.moves()).copied().collect();
        let touched =
            |i: &usize| program.moving.iter().any(|(_, address)| address.root == Root::Argument(*i));
        program.touched = (0..program.plan.graph.inputs.len()).filter(touched).collect();
        program
    }

    /// Adds the instruction of a step.
    fn add(&mut self, at: usize) {
        let step = &self.plan.graph.steps[at];
        let specs = step.inputs.iter().map(|id| *self.plan.graph.spec(*id)).collect();
        let (lowered, origin) = (Lowered::new(&step.op, specs), step.origin);
        let (inputs, outputs) = (step.inputs.clone(), step.outputs.clone());
        let (operands, destinations) = (inputs.len(), outputs.len());
        let dtype = lowered.specs.last().map(|spec| spec.dtype);
        let what = match (&lowered.kernel, dtype) {
            (Kernel::Map(body), Some(dtype)) if self.is_plain(*body, dtype, &inputs, outputs[0]) => {
                for id in inputs.into_iter().chain(outputs.clone()) {
                    self.addresses
                        .push((Entry::Elements(self.work.elements.len()), Address::of(&self.plan, id)));
                    self.work.elements.push(std::ptr::null_mut());
                }
                What::Elements(lowered, dtype, self.plan.graph.spec(outputs[0]).shape.numel())
            }
            _ => {
                inputs.into_iter().for_each(|id| self.operand(id));
                for id in outputs {
                    self.destination(*self.plan.graph.spec(id), Address::of(&self.plan, id));
                }
                What::Run(lowered)
            }
        };
        self.instructions.push(Instruction { what, origin, operands, destinations });
    }

    /// Whether a body is all that there is to a step: nothing to convert, to refuse, to stage or to share.
    fn is_plain(&self, body: &dyn Body, dtype: DType, inputs: &[Id], output: Id) -> bool {
        let converts = dtype.compute() != dtype && !body.moves();
        let refuses = body.divides() && dtype.is_int();
        let apart = |id: &Id| {
            self.plan.is_row_major(*id) && self.plan.layout(*id).root != self.plan.layout(output).root
        };
        let shared = self.plan.graph.spec(output).shape.numel() >= 2 * map::SHARED;
        !converts && !refuses && !shared && inputs.len() <= MAX_OPERANDS && inputs.iter().all(apart)
    }

    fn operand(&mut self, id: Id) {
        let (layout, spec) = (self.plan.layout(id), self.plan.graph.spec(id));
        self.addresses.push((Entry::Operand(self.work.operands.len()), Address::of(&self.plan, id)));
        self.work.operands.push(Operand::strided(std::ptr::null(), spec, layout.strides));
    }

    fn destination(&mut self, spec: Spec, address: Address) {
        self.addresses.push((Entry::Destination(self.work.destinations.len()), address));
        self.work.destinations.push(Destination { ptr: std::ptr::null_mut(), spec });
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The outputs, where there is nothing to compute: some of these arguments, and captured tensors.
    pub(crate) fn passed<'a>(
        &'a self,
        arguments: &'a [&Tensor],
    ) -> Option<impl Iterator<Item = Tensor> + 'a> {
        let output = |source: &Source| match *source {
            Source::Argument(i) => arguments[i].clone(),
            Source::Captured(i) => self.plan.graph.captured[i].1.clone(),
            Source::New(_) | Source::Donated(..) | Source::Same(_) => {
                unreachable!("a result that no instruction writes")
            }
        };
        self.instructions.is_empty().then(|| self.sources.iter().map(output))
    }

    /// The outputs for these arguments, which are concrete and have the specs that the graph was traced for. The memory
    /// of donated arguments is overwritten as far as nobody else sees it, and likewise that of `replaced` tensors, one
    /// for each of the first outputs.
    pub(crate) fn run(&self, arguments: &[&Tensor], replaced: &[&Tensor]) -> Result<Vec<Tensor>> {
        let mut activation = self.activation();
        activation.prepare(self.plan.graph.draws.len());
        // Copies of what has gaps, and of what is donated but seen by others: held until the end.
        let mut held = Vec::new();
        for &i in &self.touched {
            activation.arguments[i] = start(arguments[i]);
            let donated = self.plan.is_overwritten(i);
            let as_it_is = match donated {
                true => own_block(arguments[i], arguments[i].spec()).is_some(),
                false => arguments[i].concrete().is_some_and(|array| array.is_contiguous()),
            };
            if !as_it_is {
                let copy = if donated { copied(arguments[i]) } else { contiguous(arguments[i]) };
                activation.arguments[i] = start(&copy);
                held.push((i, copy));
            }
        }
        let outputs = self.outputs(arguments, |source, at| match source {
            Source::Donated(i, id) => {
                let x = held.iter().find(|(other, _)| *other == i).map_or(arguments[i], |(_, copy)| copy);
                let storage =
                    x.concrete().and_then(|array| array.block()).expect("a donated tensor has a block");
                Tensor::from_storage(*self.plan.graph.spec(id), storage.clone())
            }
            Source::New(result) => {
                let spec = self.plan.results[result];
                let old = replaced.get(at).filter(|old| *old.spec() == spec);
                let storage = old.and_then(|old| own_block(old, &spec));
                let y =
                    Tensor::from_storage(spec, storage.unwrap_or_else(|| Storage::with_bytes(spec.bytes())));
                activation.results[result] = start(&y);
                y
            }
            _ => unreachable!("the others are there already"),
        });
        for &(entry, Address { root, bytes }) in &self.moving {
            let start = match root {
                Root::Argument(i) => activation.arguments[i],
                Root::Result(i) => activation.results[i],
                Root::Captured(_) | Root::Draw(_) | Root::Block(_) => {
                    unreachable!("these stay where they are")
                }
            };
            activation.work.set(entry, start.wrapping_offset(bytes));
        }
        // SAFETY: the verified plan gives every value memory of its own while it is in use, of the size of its spec;
        // arguments are written to only if they are donated and nobody else sees them.
        unsafe { self.execute(&activation.work) }?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(activation);
        }
        Ok(outputs)
    }

    /// All outputs, those that have memory of their own by `made`.
    #[inline]
    fn outputs(&self, arguments: &[&Tensor], mut made: impl FnMut(Source, usize) -> Tensor) -> Vec<Tensor> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(self.sources.len());
        for (at, source) in self.sources.iter().enumerate() {
            let output = match *source {
                Source::Argument(i) => arguments[i].clone(),
                Source::Captured(i) => self.plan.graph.captured[i].1.clone(),
                Source::Same(before) => outputs[before].clone(),
                source => made(source, at),
            };
            outputs.push(output);
        }
        outputs
    }

    /// # Safety
    /// All addresses are set, to memory that outlives this call.
    unsafe fn execute(&self, work: &Work) -> Result<()> {
        let (mut x, mut y, mut elements) = (&work.operands[..], &work.destinations[..], &work.elements[..]);
        for instruction in &self.instructions {
            if let What::Elements(lowered, dtype, n) = &instruction.what {
                let (own, rest) = elements.split_at(instruction.operands + 1);
                elements = rest;
                let Kernel::Map(body) = &lowered.kernel else {
                    unreachable!("elementwise arithmetic is a map")
                };
                let mut inputs = [std::ptr::null(); MAX_OPERANDS];
                for (input, ptr) in inputs.iter_mut().zip(&own[..instruction.operands]) {
                    *input = ptr.cast_const();
                }
                // SAFETY: the caller's promise; so many elements lie at each pointer, without gaps, and the output in
                // memory apart.
                unsafe {
                    body.tile(*dtype, &inputs[..instruction.operands], own[instruction.operands], *n);
                }
                continue;
            }
            let (own_x, own_y);
            (own_x, x) = x.split_at(instruction.operands);
            (own_y, y) = y.split_at(instruction.destinations);
            // SAFETY: the caller's promise; the verified plan keeps to the contract of `compute`.
            unsafe {
                match &instruction.what {
                    What::Run(lowered) => compute(&lowered.kernel, own_x, own_y)
                        .map_err(|misfit| lowered.error(*misfit, instruction.origin))?,
                    What::Copy => super::transpose::copy(&own_x[0], own_y[0].ptr),
                    What::Elements(..) => unreachable!("done above"),
                }
            }
        }
        Ok(())
    }

    /// An idle activation, or a new one.
    fn activation(&self) -> Activation {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| {
            let arena = Storage::with_bytes(self.plan.arena);
            let draws = Storage::with_bytes(KEY * self.plan.graph.draws.len());
            let data = |root: Root| match root {
                Root::Block(i) => arena.data().wrapping_add(self.plan.offset(i)),
                Root::Draw(i) => draws.data().wrapping_add(KEY * i),
                Root::Captured(i) => start(&self.plan.graph.captured[i].1),
                Root::Argument(_) | Root::Result(_) => std::ptr::null_mut(),
            };
            let mut work = self.work.clone();
            for (entry, address) in &self.addresses {
                work.set(*entry, data(address.root).wrapping_offset(address.bytes));
            }
            Activation {
                arena,
                draws,
                work,
                arguments: vec![std::ptr::null_mut(); self.plan.graph.inputs.len()],
                results: vec![std::ptr::null_mut(); self.plan.results.len()],
            }
        })
    }
}

/// Where the outputs of a plan come from.
fn sources(plan: &Plan) -> Vec<Source> {
    let source = |(at, output): (usize, &Output)| match *output {
        Output::Argument(i) => Source::Argument(i),
        Output::Captured(i) => Source::Captured(i),
        _ if plan.outputs[..at].contains(output) => {
            Source::Same(plan.outputs.iter().position(|other| other == output).unwrap_or(at))
        }
        Output::Result(i) => Source::New(i),
        Output::Donated(i) => Source::Donated(i, plan.graph.outputs[at]),
    };
    plan.outputs.iter().enumerate().map(source).collect()
}

impl Activation {
    /// Makes it ready for a call: writes new keys for so many draws. In test builds the arena is filled with NaN, so
    /// that a value which is read before it is written shows.
    fn prepare(&mut self, draws: usize) {
        if cfg!(debug_assertions) {
            // SAFETY: the block is this activation's alone and has so many bytes.
            unsafe { self.arena.data().write_bytes(0xff, self.arena.capacity()) };
        }
        let [seed, first] = crate::tensor::reserve_draws(draws);
        let keys = self.draws.data().cast::<[i64; 2]>();
        for i in 0..draws {
            // SAFETY: the block has room for all keys and belongs to this activation.
            unsafe { keys.add(i).write([seed, first + i as i64]) };
        }
    }
}

/// The first element of a concrete tensor.
fn start(x: &Tensor) -> *mut u8 {
    Operand::of(x).ptr.cast_mut()
}

/// The elements of a concrete tensor in memory of their own, row-major without gaps.
fn copied(x: &Tensor) -> Tensor {
    // SAFETY: the new block has room for all elements.
    super::build(*x.spec(), |to| unsafe { super::transpose::copy(&Operand::of(x), to) })
}

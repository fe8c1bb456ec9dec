//! Running a plan: a flat list of instructions over memory whose addresses are settled once.
//!
//! All operands of all instructions stand in one list, with their addresses. Those in the arena and in captured tensors
//! never change; those in arguments and results are written anew for each call. A call takes an idle arena with its
//! list, or makes one, so several threads may run a program at once, and a function may come back to itself.

use std::sync::{Mutex, PoisonError};

use super::fused::MAX_INPUTS;
use super::operand::{Destination, Operand};
use super::{compute, contiguous};
use crate::error::{Misfit, Origin, Result};
use crate::graph::plan::{Output, Plan, Root};
use crate::graph::{Graph, Id};
use crate::ops::Op;
use crate::tensor::{Spec, Storage, Tensor};

/// A graph made ready to run on concrete arguments.
pub(crate) struct Program {
    plan: Plan,
    instructions: Vec<Instruction>,
    /// Of all instructions, in order; the addresses are set in an [`Activation`].
    operands: Vec<(Operand, Address)>,
    destinations: Vec<(Destination, Address)>,
    /// Those of them that lie in arguments and results.
    moving_operands: Vec<(usize, Address)>,
    moving_destinations: Vec<(usize, Address)>,
    idle: Mutex<Vec<Activation>>,
}

/// One kernel: so many operands and destinations further on in the lists.
struct Instruction {
    what: What,
    origin: Origin,
    operands: usize,
    destinations: usize,
}

enum What {
    /// The operation, and the specs that it is lowered for.
    Run(Op, Vec<Spec>),
    /// Copies an element after the other in row-major order.
    Copy,
}

/// So many bytes from the start of a root.
#[derive(Clone, Copy)]
struct Address {
    root: Root,
    bytes: isize,
}

impl Address {
    /// Whether it is another one in each call.
    fn moves(&self) -> bool {
        matches!(self.root, Root::Argument(_) | Root::Result(_))
    }
}

/// An arena, and the lists with their addresses in it.
struct Activation {
    arena: Storage,
    /// Key after key.
    draws: Storage,
    operands: Vec<Operand>,
    destinations: Vec<Destination>,
}

// SAFETY: the pointers of an activation lead into its own arena, into captured tensors, which do not change, and,
// during a call, into arguments and results that the call holds.
unsafe impl Send for Activation {}

// SAFETY: as above; operands and destinations of the program itself have no addresses.
unsafe impl Send for Program {}
// SAFETY: as above; a call takes an activation for itself.
unsafe impl Sync for Program {}

/// Bytes of a draw's key: seed and counter.
const KEY: usize = 16;
/// Arenas that are kept for the next calls.
const IDLE: usize = 4;

impl Program {
    pub(crate) fn new(graph: Graph) -> Program {
        let plan = Plan::new(graph);
        let mut program = Program {
            instructions: Vec::with_capacity(plan.run.len() + plan.copies.len()),
            operands: Vec::new(),
            destinations: Vec::new(),
            moving_operands: Vec::new(),
            moving_destinations: Vec::new(),
            idle: Mutex::new(Vec::new()),
            plan,
        };
        for &at in &program.plan.run {
            let step = &program.plan.graph.steps[at];
            program.operands.extend(step.inputs.iter().map(|id| operand(&program.plan, *id)));
            program.destinations.extend(step.outputs.iter().map(|id| destination(&program.plan, *id)));
            let specs = step.inputs.iter().map(|id| *program.plan.graph.spec(*id)).collect();
            program.instructions.push(Instruction {
                what: What::Run(step.op.clone(), specs),
                origin: step.origin,
                operands: step.inputs.len(),
                destinations: step.outputs.len(),
            });
        }
        for copy in &program.plan.copies {
            program.operands.push(operand(&program.plan, copy.from));
            let spec = program.plan.results[copy.result];
            let address = Address { root: Root::Result(copy.result), bytes: 0 };
            program.destinations.push((Destination { ptr: std::ptr::null_mut(), spec }, address));
            program.instructions.push(Instruction {
                what: What::Copy,
                origin: std::panic::Location::caller(),
                operands: 1,
                destinations: 1,
            });
        }
        let addresses = program.operands.iter().map(|(_, address)| *address);
        program.moving_operands = addresses.enumerate().filter(|(_, address)| address.moves()).collect();
        let addresses = program.destinations.iter().map(|(_, address)| *address);
        program.moving_destinations = addresses.enumerate().filter(|(_, address)| address.moves()).collect();
        program
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The outputs for these arguments, which are concrete and have the specs that the graph was traced for.
    pub(crate) fn run(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        // What the program reads of an argument has no gaps.
        let read: Vec<Tensor> = arguments.iter().map(contiguous).collect();
        let result = |spec: &Spec| Tensor::from_storage(*spec, Storage::with_bytes(spec.bytes()));
        let results: Vec<Tensor> = self.plan.results.iter().map(result).collect();
        let mut activation = self.activation();
        activation.prepare(self.plan.graph.draws.len());
        let placed = |address: &Address| match address.root {
            Root::Argument(i) => start(&read[i]).wrapping_offset(address.bytes),
            Root::Result(i) => start(&results[i]).wrapping_offset(address.bytes),
            Root::Captured(_) | Root::Draw(_) | Root::Block(_) => unreachable!("these stay where they are"),
        };
        for (i, address) in &self.moving_operands {
            activation.operands[*i].ptr = placed(address);
        }
        for (i, address) in &self.moving_destinations {
            activation.destinations[*i].ptr = placed(address);
        }
        // SAFETY: the verified plan gives every value memory of its own while it is in use, of the size of its spec.
        unsafe { self.execute(&activation) }?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(activation);
        }
        drop(idle);
        let output = |output: &Output| match *output {
            Output::Argument(i) => arguments[i].clone(),
            Output::Captured(i) => self.plan.graph.captured[i].1.clone(),
            Output::Result(i) => results[i].clone(),
        };
        Ok(self.plan.outputs.iter().map(output).collect())
    }

    /// # Safety
    /// All addresses of the activation are set, to memory that outlives this call.
    unsafe fn execute(&self, activation: &Activation) -> Result<()> {
        let (mut x, mut y) = (&activation.operands[..], &activation.destinations[..]);
        for instruction in &self.instructions {
            let (own_x, own_y);
            (own_x, x) = x.split_at(instruction.operands);
            (own_y, y) = y.split_at(instruction.destinations);
            // SAFETY: the caller's promise; the verified plan keeps to the contract of `compute`.
            unsafe {
                match &instruction.what {
                    What::Copy => super::transpose::copy(&own_x[0], own_y[0].ptr),
                    What::Run(op, specs) => {
                        with_refs(specs, |refs| compute(&op.lower(refs), own_x, own_y)).map_err(
                            |misfit: Box<Misfit>| misfit.at(op.name(), specs.clone(), instruction.origin),
                        )?;
                    }
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
            let placed = |address: &Address| data(address.root).wrapping_offset(address.bytes);
            let operands =
                self.operands.iter().map(|(x, address)| Operand { ptr: placed(address), ..*x }).collect();
            let destinations = self
                .destinations
                .iter()
                .map(|(y, address)| Destination { ptr: placed(address), ..*y })
                .collect();
            Activation { arena, draws, operands, destinations }
        })
    }
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

fn operand(plan: &Plan, id: Id) -> (Operand, Address) {
    let (layout, spec) = (plan.layout(id), plan.graph.spec(id));
    let address = Address { root: layout.root, bytes: layout.offset * spec.dtype.size() as isize };
    (Operand::strided(std::ptr::null(), spec, layout.strides), address)
}

fn destination(plan: &Plan, id: Id) -> (Destination, Address) {
    let (layout, spec) = (plan.layout(id), *plan.graph.spec(id));
    let address = Address { root: layout.root, bytes: layout.offset * spec.dtype.size() as isize };
    (Destination { ptr: std::ptr::null_mut(), spec }, address)
}

/// What `f` yields for references to some specs; no list is allocated for those of a fused kernel, or fewer.
fn with_refs<R>(specs: &[Spec], f: impl FnOnce(&[&Spec]) -> R) -> R {
    match specs {
        [] => f(&[]),
        [a] => f(&[a]),
        [a, b] => f(&[a, b]),
        [a, b, c] => f(&[a, b, c]),
        [first, ..] if specs.len() <= MAX_INPUTS => {
            let mut refs = [first; MAX_INPUTS];
            refs.iter_mut().zip(specs).for_each(|(slot, spec)| *slot = spec);
            f(&refs[..specs.len()])
        }
        _ => f(&specs.iter().collect::<Vec<_>>()),
    }
}

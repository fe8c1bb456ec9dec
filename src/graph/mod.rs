//! How functions are recorded: the trace, its graph, and what can be done with one.

mod cache;
mod ir;
pub(crate) mod passes;
pub(crate) mod plan;
mod print;
mod rewrite;
mod same;
mod signature;
mod trace;
mod verify;

use crate::exec::cpu::program::Program;
pub(crate) use cache::{Cache, Call, Lent, Options};
pub use cache::{Fallback, Stats};
pub(crate) use ir::{Graph, Id};
pub(crate) use passes::{Printed, Wanted, names, print};
pub(crate) use rewrite::{Seen, Value};
pub(crate) use signature::Visit;
pub(crate) use trace::{draw_key, specs_of, trace};

/// A program that computes the same as the graph, and may write results over so many of its first arguments.
pub(crate) fn compile(graph: Graph, wanted: Wanted, donors: usize) -> Program {
    Program::new(passes::optimize(graph, wanted), donors)
}

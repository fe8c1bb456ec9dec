//! How functions are recorded: the trace, its graph, and what can be done with one.

mod ir;
mod passes;
mod print;
mod rewrite;
mod same;
mod trace;
mod verify;

pub(crate) use ir::Graph;
pub(crate) use passes::{Printed, names, print};
pub(crate) use rewrite::{Seen, Value};
pub(crate) use trace::{draw_key, specs_of, trace};

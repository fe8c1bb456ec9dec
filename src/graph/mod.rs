//! How functions are recorded: the trace, its graph, and what can be done with one.

mod ir;
pub(crate) mod passes;
mod print;
mod trace;
mod verify;

pub(crate) use ir::Graph;
pub(crate) use trace::{draw_key, specs_of, trace};

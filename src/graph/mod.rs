//! How functions are recorded: the trace, its graph, and what can be done with one.

mod cache;
mod ir;
mod print;
mod program;
mod same;
mod signature;
mod trace;
mod verify;

pub(crate) use cache::{Cache, Options};
pub use cache::{Fallback, Stats};
pub(crate) use ir::Graph;
pub(crate) use trace::{draw_key, specs_of, trace};

//! What is done to a graph before it runs: pure functions from graph to graph, in the order of one list, a verifier on
//! both sides of each.
//!
//! | file | pass |
//! |---|---|
//! | `dce` | what nobody reads goes |
//! | `fold` | what is known already is computed now, equal constants become one |
//! | `cse` | the same operation on the same values is done once |
//! | `simplify` | what an operation's own law has in its place |
//! | `one_hot` | one element a row is scattered by comparing positions |
//! | `sums` | parts of a tensor are joined, not added; products that are added are one product |
//! | `powers` | `x^2` is `x * x` |
//! | `scatter_into` | what is scattered into zeros and added is scattered into the sum |
//! | `recompute` | cheap values are computed again where they are read late (only for `reduce_footprint`) |
//! | `fuse` | elementwise operations and folds over one space become one kernel |
//!
//! All but `sums`, `powers`, `scatter_into` and `fuse` keep every bit of the outputs, NaN being any NaN. A graph is optimized to be run: its derivative
//! is taken before.

mod cse;
mod dce;
mod fold;
pub(crate) mod fuse;
mod one_hot;
mod powers;
mod recompute;
mod scatter_into;
mod simplify;
mod sums;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use super::ir::Graph;

/// A pass and its name.
#[derive(Clone, Copy)]
struct Pass {
    name: &'static str,
    run: fn(Graph) -> Graph,
}

const DCE: Pass = Pass { name: "dce", run: dce::dce };
const FOLD: Pass = Pass { name: "fold", run: fold::fold };
const CSE: Pass = Pass { name: "cse", run: cse::cse };
const SIMPLIFY: Pass = Pass { name: "simplify", run: simplify::simplify };
const SUMS: Pass = Pass { name: "sums", run: sums::sums };
const POWERS: Pass = Pass { name: "powers", run: powers::powers };
const ONE_HOT: Pass = Pass { name: "one_hot", run: one_hot::one_hot };
const RECOMPUTE: Pass = Pass { name: "recompute", run: recompute::recompute };
const FUSE: Pass = Pass { name: "fuse", run: fuse::fuse };
const SCATTER_INTO: Pass = Pass { name: "scatter_into", run: scatter_into::scatter_into };

/// Dead code goes first, so that nothing is done to it. Equal constants must be one for `cse` to see that steps on them
/// are equal, and equal steps one for `simplify` to see `where(c, x, x)`, which in turn makes steps equal.
const SIMPLER: [Pass; 11] = [DCE, FOLD, CSE, SUMS, POWERS, SIMPLIFY, ONE_HOT, FOLD, CSE, SCATTER_INTO, DCE];
/// Then what is left is put together; views that only fused kernels would have read are dead.
const FUSED: [Pass; 2] = [FUSE, DCE];

/// What becomes of a graph beside what always does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Whether steps are put together.
    pub(crate) fused: bool,
    /// Whether less memory is worth more arithmetic.
    pub(crate) small: bool,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { fused: true, small: false }
    }
}

/// The graph that computes the same with less.
pub(crate) fn optimize(graph: Graph, Wanted { fused, small }: Wanted) -> Graph {
    let mut graph = in_turn(&SIMPLER, graph);
    if small {
        graph = in_turn(&[RECOMPUTE], graph);
    }
    if fused { in_turn(&FUSED, graph) } else { graph }
}

fn in_turn(passes: &[Pass], graph: Graph) -> Graph {
    passes.iter().fold(graph, |graph, pass| {
        let graph = checked(pass, graph);
        if is_printed(pass.name) {
            eprintln!("after {}:\n{graph}", pass.name);
        }
        graph
    })
}

/// What a pass makes of a graph, the verifier on both sides of it in debug builds.
fn checked(pass: &Pass, graph: Graph) -> Graph {
    debug_assert_eq!(graph.verify(), Ok(()), "before {}", pass.name);
    let graph = (pass.run)(graph);
    debug_assert_eq!(graph.verify(), Ok(()), "after {}", pass.name);
    graph
}

/// Names of the passes, in the order in which they first run.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for pass in SIMPLER.iter().chain(&[RECOMPUTE]).chain(&FUSED) {
        if !names.contains(&pass.name) {
            names.push(pass.name);
        }
    }
    names
}

/// Which graphs are printed to stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Printed {
    None,
    After(&'static str),
    All,
}

static PRINTED: Mutex<Printed> = Mutex::new(Printed::None);

pub(crate) fn print(what: Printed) {
    *PRINTED.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

fn is_printed(pass: &str) -> bool {
    match *PRINTED.lock().unwrap_or_else(PoisonError::into_inner) {
        Printed::None => false,
        Printed::After(name) => name == pass,
        Printed::All => true,
    }
}

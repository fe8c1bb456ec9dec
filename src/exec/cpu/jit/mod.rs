//! Kernels compiled to machine code while the program runs: x86-64 with AVX2 and FMA, or AVX-512.
//!
//! | file | contents |
//! |---|---|
//! | `record` | an operation's expression and the mathematics in it, run at a scalar that records |
//! | `op`, `graph`, `simplify` | what is recorded: machine operations, a graph of them without repetition |
//! | `line`, `allocate` | instructions on registers, and registers for the values of a graph |
//! | `emit` | the function around them: loops, tails, constants |
//! | `inst`, `encode` | instructions as bytes |
//! | `cache` | kernels of this process, each compiled once |
//!
//! The arithmetic is what the loops of [`lanes`](super::lanes) do, operation by operation, and so are the bits, but for
//! the bits of a NaN. Intermediate values stay in registers, and no loop is called for each of them.

mod allocate;
mod cache;
mod emit;
mod encode;
mod graph;
mod inst;
mod line;
mod op;
mod record;
mod simplify;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use super::isa::{Isa, isa};
pub(crate) use emit::Width;
pub(crate) use graph::Graph;
use memmap2::{Mmap, MmapMut};
pub(crate) use op::Lane;
pub(crate) use record::{Recording, Value};

/// A graph as code of this process.
#[derive(Debug)]
pub(crate) struct Kernel {
    pages: Mmap,
    may_leave: bool,
}

impl Kernel {
    /// The kernel of a graph; none if it is too large or the system gives no memory for code.
    pub(crate) fn of(graph: Graph, width: Width) -> Option<Arc<Kernel>> {
        cache::find_or_make(graph, width, Kernel::compile)
    }

    fn compile(graph: &Graph, width: Width) -> Option<Kernel> {
        let code = emit::emit(graph, width)?;
        let mut pages = MmapMut::map_anon(code.len()).ok()?;
        pages[..code.len()].copy_from_slice(&code);
        Some(Kernel { pages: pages.make_exec().ok()?, may_leave: graph.far.is_some() })
    }

    /// Whether [`run`](Kernel::run) may yield false.
    pub(crate) fn may_leave(&self) -> bool {
        self.may_leave
    }

    /// Computes `n` elements; false if an element needs what only the interpreter can do, with some of them written.
    ///
    /// # Safety
    /// The machine has the instructions of the width that it was compiled for. `table` holds an address for each place
    /// of the graph, valid for `n` elements. An output may lie exactly over an input, and overlaps nothing else.
    pub(crate) unsafe fn run(&self, table: *const *mut u8, n: usize) -> bool {
        // SAFETY: the pages begin with a function of this type, which `emit` made.
        let function = unsafe {
            std::mem::transmute::<*const u8, unsafe extern "sysv64" fn(*const *mut u8, usize) -> u64>(
                self.pages.as_ptr(),
            )
        };
        // SAFETY: the caller's promise.
        unsafe { function(table, n) == 0 }
    }
}

thread_local! {
    /// Whether kernels that this thread starts are compiled, if that is not what the environment says.
    static SWITCH: Cell<Option<bool>> = const { Cell::new(None) };
}

/// The instructions that kernels are to be compiled to now; none where they are not.
pub(crate) fn width() -> Option<Width> {
    /// `RETROGRAD_JIT=0` leaves kernels to the interpreter.
    static WANTED: OnceLock<bool> = OnceLock::new();
    let width = match isa() {
        Isa::Avx512 => Width::Avx512,
        Isa::Avx2 => Width::Avx2,
        Isa::Plain => return None,
    };
    let wanted =
        || *WANTED.get_or_init(|| std::env::var_os("RETROGRAD_JIT").is_none_or(|value| value != "0"));
    SWITCH.get().unwrap_or_else(wanted).then_some(width)
}

/// What `body` yields when kernels that this thread starts are compiled, or are not.
#[cfg(test)]
pub(crate) fn with_jit<R>(wanted: bool, body: impl FnOnce() -> R) -> R {
    /// Restores the previous choice, also when `body` panics.
    struct Restore(Option<bool>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SWITCH.set(self.0);
        }
    }
    let _restore = Restore(SWITCH.replace(Some(wanted)));
    body()
}

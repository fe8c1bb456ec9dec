//! Columns, and everything, folded by several threads, with the bits that one gives.
//!
//! Groups of rows are computed by whoever is free, and folded into the totals of their columns in order: who has computed
//! a group waits until all groups before it are folded. To fold takes a small part of the time that it takes to compute,
//! so hardly anybody waits. Where all elements are folded, the tiles are in the place of the groups.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::feed::Cut;
use super::{Program, Running};
use crate::exec::cpu::operand::{Destination, Operand};
use crate::exec::threads::{self, Shared};

/// What is taken, and which groups of rows, or tiles, are folded.
pub(super) struct Turns {
    /// The first unit that nobody has taken.
    next: AtomicUsize,
    /// How many have been folded; [`BROKEN`] after a panic.
    folded: AtomicUsize,
}

/// A thread has panicked, and its groups will not be folded.
const BROKEN: usize = usize::MAX;

/// The turn of a group or tile; over when dropped.
pub(super) struct Turn<'a>(&'a Turns, usize);

impl Turns {
    /// Waits until it is the turn of this one.
    pub(super) fn wait_for(&self, group: usize) -> Turn<'_> {
        /// Looks before the thread lets others run, which may be those it waits for.
        const LOOKS: usize = 1000;
        let mut looks = 0;
        loop {
            match self.folded.load(Ordering::Acquire) {
                folded if folded == group => return Turn(self, group),
                BROKEN => panic!("another thread of this kernel has panicked"),
                _ if looks < LOOKS => std::hint::spin_loop(),
                _ => std::thread::yield_now(),
            }
            looks += 1;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.folded.store(self.1 + 1, Ordering::Release);
    }
}

/// Lets the others panic as well, when dropped by a thread that does.
struct Breaks<'a>(&'a Turns);

impl Drop for Breaks<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.folded.store(BROKEN, Ordering::Release);
        }
    }
}

/// Runs a kernel that folds over rows, so many units of its space at a time: whole groups of rows if columns are folded,
/// one tile if everything is.
///
/// # Safety
/// As for [`super::run`].
pub(super) unsafe fn run(program: &Program, x: &[Operand], y: &[Destination], cut: Cut, each: usize) {
    let turns = Turns { next: AtomicUsize::new(0), folded: AtomicUsize::new(0) };
    // SAFETY: the caller's promise; units are computed by one thread each, totals are changed by one at a time.
    unsafe {
        let whole = Running::new(program, x, y, cut);
        whole.begin_folds();
        let shared = Shared::new((program, x, y, cut, whole.totals));
        threads::for_each(threads::threads(), |_| {
            let (program, x, y, cut, totals) = *shared.get();
            let _breaks = Breaks(&turns);
            let mut run = Running { totals, turns: Some(&turns), ..Running::new(program, x, y, cut) };
            loop {
                let first = turns.next.fetch_add(each, Ordering::Relaxed);
                if first >= cut.units() {
                    break;
                }
                run.cut = cut.part(first..first + each);
                run.all_rows();
            }
        });
        whole.end();
    }
}

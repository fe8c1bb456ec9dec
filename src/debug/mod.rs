//! Finding mistakes.

use std::sync::atomic::{AtomicBool, Ordering};

static PANIC_ON_ERROR: AtomicBool = AtomicBool::new(false);

/// Whether an operation that cannot work panics on the spot, for a backtrace, instead of returning an invalid
/// tensor. Off at first; holds for all threads.
pub fn panic_on_error(panic: bool) {
    PANIC_ON_ERROR.store(panic, Ordering::Relaxed);
}

pub(crate) fn panics_on_error() -> bool {
    PANIC_ON_ERROR.load(Ordering::Relaxed)
}

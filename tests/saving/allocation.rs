//! How much memory a thread asked for at most while something ran.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes taken and not given back, and the most that they were.
    static LIVE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn took(bytes: usize) {
    // While a thread ends its counter may be gone.
    let _ = LIVE.try_with(|live| {
        let (now, most) = live.get();
        live.set((now + bytes, most.max(now + bytes)));
    });
}

fn gave(bytes: usize) {
    // What another thread took may be given back here.
    let _ = LIVE.try_with(|live| live.set((live.get().0.saturating_sub(bytes), live.get().1)));
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that the calling thread held beyond what it held before.
pub(crate) fn peak<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = LIVE.get().0;
    LIVE.set((before, before));
    let result = run();
    (result, LIVE.get().1 - before)
}

//! Memory: counted blocks of bytes, 64-aligned, kept for reuse.
//!
//! Fresh pages cost more than the arithmetic on them, so a freed block goes to a free list of its size class:
//! small blocks to one of the thread that frees them (no lock on the way), large ones to one shared pool.
//! A block is one allocation: a 64-byte header, then the data, which is therefore 64-aligned.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Alignment of blocks and bytes of their header: a cache line, and the widest vector register.
const LINE: usize = 64;
/// Blocks below this class (64 KiB) live in thread-local lists.
const LOCAL_CLASSES: usize = 44;
/// All classes: blocks of up to 2^47 bytes, what an address space of 48 bits leaves to a program.
const CLASSES: usize = 160;
/// Bytes a thread keeps in its lists.
const LOCAL_LIMIT: usize = 4 << 20;
/// Bytes the shared pool keeps; more goes back to the system.
const POOL_LIMIT: usize = 2 << 30;

#[repr(C, align(64))]
struct Header {
    count: AtomicUsize,
    class: usize,
    /// The next free block of the class while in a list.
    next: *mut Header,
}

/// A counted handle on a block of bytes. Contents start out undefined; whoever holds the only handle may write.
pub(crate) struct Storage(NonNull<Header>);

// SAFETY: the count is atomic, and data is written only through `Storage::data_mut_ptr`, whose callers hold the
// only handle or have not handed out another yet.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

impl Storage {
    /// A block for `bytes` bytes with undefined contents. Panics if there is no memory for it.
    pub(crate) fn with_bytes(bytes: usize) -> Storage {
        let class = class_of(bytes + LINE);
        assert!(class < CLASSES, "out of memory: {bytes} bytes for one tensor");
        let header = take_free(class).unwrap_or_else(|| {
            // SAFETY: the layout's size is at least a line, so not zero.
            let fresh = unsafe { alloc(layout_of(class)) };
            NonNull::new(fresh.cast())
                .unwrap_or_else(|| panic!("out of memory: {bytes} bytes for one tensor"))
        });
        if class >= LOCAL_CLASSES {
            LIVE.fetch_add(bytes_of(class), Ordering::Relaxed);
        }
        // SAFETY: the block is ours alone and large enough for the header.
        unsafe { header.write(Header { count: AtomicUsize::new(1), class, next: std::ptr::null_mut() }) };
        Storage(header)
    }

    fn header(&self) -> &Header {
        // SAFETY: the handle keeps the block, whose header was written when it was taken.
        unsafe { self.0.as_ref() }
    }

    /// Where the data begin.
    #[inline]
    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: every block has a line of data or more behind its header.
        unsafe { self.0.as_ptr().cast::<u8>().add(LINE) }
    }

    /// Whether this is the only handle, so that writing is seen by nobody else.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        self.header().count.load(Ordering::Acquire) == 1
    }

    /// How many bytes of data the block has room for.
    pub(crate) fn capacity(&self) -> usize {
        bytes_of(self.header().class) - LINE
    }
}

impl Clone for Storage {
    #[inline]
    fn clone(&self) -> Storage {
        self.header().count.fetch_add(1, Ordering::Relaxed);
        Storage(self.0)
    }
}

impl Drop for Storage {
    #[inline]
    fn drop(&mut self) {
        // A count of one needs no read-modify-write: nobody else can raise it.
        if self.is_unique() || self.header().count.fetch_sub(1, Ordering::AcqRel) == 1 {
            release(self.0);
        }
    }
}

/// Size classes: multiples of a line up to four, then four steps to each power of two.
fn class_of(bytes: usize) -> usize {
    let lines = bytes.div_ceil(LINE).max(1);
    if lines <= 4 {
        return lines - 1;
    }
    let log = (lines - 1).ilog2() as usize;
    let quarter = (lines - 1) >> (log - 2) & 3;
    4 * (log - 1) + quarter
}

/// Bytes of a block of the class, header included.
fn bytes_of(class: usize) -> usize {
    if class < 4 {
        return (class + 1) * LINE;
    }
    let (log, quarter) = (class / 4 + 1, class % 4);
    ((5 + quarter) << (log - 2)) * LINE
}

fn layout_of(class: usize) -> Layout {
    Layout::from_size_align(bytes_of(class), LINE).expect("a block is far smaller than the address space")
}

/// Free blocks of each class, chained through their headers.
struct FreeLists<const CLASSES: usize> {
    heads: [*mut Header; CLASSES],
    held: usize,
}

impl<const CLASSES: usize> FreeLists<CLASSES> {
    const fn empty() -> Self {
        FreeLists { heads: [std::ptr::null_mut(); CLASSES], held: 0 }
    }

    fn pop(&mut self, class: usize) -> Option<NonNull<Header>> {
        let head = NonNull::new(self.heads[class])?;
        // SAFETY: blocks in a list are free and owned by the list; their headers stay written.
        self.heads[class] = unsafe { head.as_ref().next };
        self.held -= bytes_of(class);
        Some(head)
    }

    fn push(&mut self, mut block: NonNull<Header>, class: usize) {
        // SAFETY: the caller gives up the block, nobody else refers to it.
        unsafe { block.as_mut().next = self.heads[class] };
        self.heads[class] = block.as_ptr();
        self.held += bytes_of(class);
    }

    fn clear(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.pop(class) {
                free(block, class);
            }
        }
    }
}

impl<const CLASSES: usize> Drop for FreeLists<CLASSES> {
    fn drop(&mut self) {
        self.clear();
    }
}

// SAFETY: the raw pointers are owned blocks, not tied to a thread.
unsafe impl<const CLASSES: usize> Send for FreeLists<CLASSES> {}

thread_local! {
    static LOCAL: RefCell<FreeLists<LOCAL_CLASSES>> = const { RefCell::new(FreeLists::empty()) };
}

static POOL: Mutex<FreeLists<CLASSES>> = Mutex::new(FreeLists::empty());
static LIVE: AtomicUsize = AtomicUsize::new(0);

fn take_free(class: usize) -> Option<NonNull<Header>> {
    if class < LOCAL_CLASSES {
        return LOCAL.try_with(|lists| lists.borrow_mut().pop(class)).ok().flatten();
    }
    POOL.lock().unwrap_or_else(PoisonError::into_inner).pop(class)
}

fn release(block: NonNull<Header>) {
    // SAFETY: the last handle is going, the header is still written.
    let class = unsafe { block.as_ref().class };
    if class < LOCAL_CLASSES {
        let kept = LOCAL.try_with(|lists| {
            let mut lists = lists.borrow_mut();
            let room = lists.held < LOCAL_LIMIT;
            if room {
                lists.push(block, class);
            }
            room
        });
        // An error means that the thread is ending and its lists are gone.
        if kept != Ok(true) {
            free(block, class);
        }
        return;
    }
    LIVE.fetch_sub(bytes_of(class), Ordering::Relaxed);
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.held + bytes_of(class) <= POOL_LIMIT {
        pool.push(block, class);
    } else {
        free(block, class);
    }
}

fn free(block: NonNull<Header>, class: usize) {
    // SAFETY: allocated in `with_bytes` with the same layout, and nobody refers to it any more.
    unsafe { dealloc(block.as_ptr().cast(), layout_of(class)) }
}

/// The memory that tensors take, and giving it back.
pub mod memory {
    use super::{LIVE, LOCAL, Ordering, POOL, PoisonError};

    /// Bytes of blocks of 64 KiB or more (smaller ones are kept by each thread, at most 4 MiB).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Stats {
        /// Bytes that tensors hold now.
        pub live: usize,
        /// Bytes that are free and kept for reuse, at most 2 GiB.
        pub kept: usize,
    }

    /// What is in use and what is kept for reuse.
    pub fn stats() -> Stats {
        let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).held;
        Stats { live: LIVE.load(Ordering::Relaxed), kept }
    }

    /// Gives the kept blocks, and the calling thread's small ones, back to the system.
    pub fn trim() {
        POOL.lock().unwrap_or_else(PoisonError::into_inner).clear();
        LOCAL.with(|lists| lists.borrow_mut().clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_asked_for_and_wastes_at_most_a_quarter() {
        for bytes in (1..70_000).chain([1 << 20, (1 << 20) + 1, 3 << 30]) {
            let size = bytes_of(class_of(bytes));
            assert!(size >= bytes, "{bytes} in {size}");
            assert!(size < bytes + bytes / 4 + LINE, "{bytes} in {size}");
        }
        assert!(bytes_of(LOCAL_CLASSES) > 64 << 10);
    }

    #[test]
    fn a_freed_block_is_used_again() {
        let block = Storage::with_bytes(1000);
        let address = block.data();
        assert_eq!(address as usize % LINE, 0);
        assert!(block.capacity() >= 1000);
        drop(block);
        assert_eq!(Storage::with_bytes(990).data(), address);
    }

    #[test]
    fn blocks_may_be_freed_by_another_thread() {
        let blocks: Vec<Storage> = (0..100).map(|i| Storage::with_bytes(i * 100)).collect();
        let copies = blocks.clone();
        std::thread::spawn(move || drop(copies)).join().expect("no panic");
        assert!(blocks.iter().all(Storage::is_unique));
        std::thread::spawn(move || drop(blocks)).join().expect("no panic");
    }

    #[test]
    fn statistics_count_large_blocks() {
        let block = Storage::with_bytes(50 << 20);
        assert!(memory::stats().live >= 50 << 20);
        drop(block);
        assert!(memory::stats().kept >= 50 << 20);
        memory::trim();
    }
}

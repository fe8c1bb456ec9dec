//! Threads that share the work of a kernel.
//!
//! A kernel that is worth it cuts its work into numbered parts and hands them to [`for_each`]: the caller and the workers
//! of one pool take part after part until none is left. Which thread does a part has no bearing on its result, so kernels
//! cut their work in such a way that no number depends on the cut; 1 and `n` threads then give the same bits.
//!
//! The pool serves one section at a time. A caller that finds it busy, with the work of another thread or with the very
//! section that it is in, does all parts by itself: threads of the user's own are never slower for the pool, and nothing
//! can wait for itself. Workers are started when they are first wanted, look out for the next section for a while
//! ([`SPIN`]) and then sleep. They are never pinned.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cpu::isa::{self, isa};

/// How long a worker looks out for the next section before it sleeps. Woken, it arrives 30 to 45 us
/// late and costs the caller 7 us (Zen 4, two cores), and the kernels of a program follow one another faster than that.
const SPIN: Duration = Duration::from_micros(200);
/// The most threads that work on one section.
const MAX_THREADS: usize = 256;

/// As many threads as [`set_threads`] was told; 0: not told yet.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// As many threads as [`with_threads`] was told on this thread; 0: it was not.
    static OWN_THREADS: Cell<usize> = const { Cell::new(0) };
}

/// Lets kernels use `n` threads, the calling one included, in the whole process. Results do not depend on `n`.
///
/// Unless told otherwise they use as many as the environment variable `RETROGRAD_NUM_THREADS` says, or else as the
/// machine has for this process ([`std::thread::available_parallelism`]). 0 brings that choice back.
///
/// Small operations always run on the caller's thread alone, and so do those of a thread while another one's are under
/// way in the pool.
///
/// ```
/// retrograd::set_threads(2);
/// assert_eq!(retrograd::threads(), 2);
/// retrograd::set_threads(0);
/// ```
pub fn set_threads(n: usize) {
    THREADS.store(if n == 0 { chosen() } else { n.min(MAX_THREADS) }, Ordering::Relaxed);
}

/// What `f` yields while the kernels that this thread runs use `n` threads; 0: as many as without this call.
///
/// ```
/// use retrograd::{Tensor, threads, with_threads};
///
/// let x = Tensor::ones([64, 64]);
/// let alone = with_threads(1, || x.matmul(&x));
/// assert_eq!(alone.to_vec::<f32>()?, x.matmul(&x).to_vec::<f32>()?);
/// assert_eq!(with_threads(3, threads), 3);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    /// Brings the outer number back, also when `f` panics.
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN_THREADS.set(self.0);
        }
    }
    let _restore = Restore(OWN_THREADS.replace(n.min(MAX_THREADS)));
    f()
}

/// How many threads kernels called from this thread use.
#[inline]
pub fn threads() -> usize {
    match OWN_THREADS.get() {
        0 => match THREADS.load(Ordering::Relaxed) {
            0 => first_chosen(),
            n => n,
        },
        n => n,
    }
}

#[cold]
fn first_chosen() -> usize {
    // Another thread may have told a number meanwhile, which stays.
    let chosen = chosen();
    match THREADS.compare_exchange(0, chosen, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => chosen,
        Err(told) => told,
    }
}

/// As many as the environment says, or as the machine has.
fn chosen() -> usize {
    let told = std::env::var("RETROGRAD_NUM_THREADS").ok().and_then(|n| n.trim().parse().ok());
    let n = match told {
        Some(n) if n > 0 => n,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    n.min(MAX_THREADS)
}

/// Does the parts `0..parts` of some work, each once: on this thread, and on workers of the pool if it is idle. Returns
/// when all are done; a panic in one of them goes on in the caller.
pub(crate) fn for_each(parts: usize, work: impl Fn(usize) + Sync) {
    let wanted = threads().min(parts).saturating_sub(1);
    if wanted == 0 || !POOL.share(parts, wanted, &work) {
        (0..parts).for_each(work);
    }
}

/// Does some work on all of `0..len` in ranges of at least `least`, of which each thread gets a few.
#[inline]
pub(crate) fn for_ranges(len: usize, least: usize, work: impl Fn(Range<usize>) + Sync) {
    /// So many for a thread: the others take over what one is late with.
    const EACH: usize = 4;
    if len < 2 * least || threads() == 1 {
        return work(0..len);
    }
    let parts = (len / least.max(1)).min(EACH * threads());
    for_each(parts, |part| work(part * len / parts..(part + 1) * len / parts));
}

/// What all threads of a section may use, pointers included.
pub(crate) struct Shared<T>(T);

// SAFETY: the one that makes it promises so.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// What several threads do with it at once is no data race.
    pub(crate) unsafe fn new(of: T) -> Shared<T> {
        Shared(of)
    }

    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}

/// The workers, and the section that they are to take part in.
struct Pool {
    /// Held by the thread whose section is under way.
    busy: AtomicBool,
    /// Number of the section, above [`SEATS`]; workers that may still join it, below.
    open: AtomicU64,
    section: UnsafeCell<Section>,
    /// Workers that have left the section.
    left: AtomicUsize,
    /// Workers that there are. Changed by the holder of `busy` alone.
    workers: AtomicUsize,
    asleep: AtomicUsize,
    /// For those that sleep.
    bed: Mutex<()>,
    alarm: Condvar,
}

/// What a worker needs to know of a section. The pointers hold while it has a seat.
#[derive(Clone, Copy)]
struct Section {
    work: *const (dyn Fn(usize) + Sync),
    parts: usize,
    /// The next part to be done.
    next: *const AtomicUsize,
    /// What the first panic brought.
    panic: *const Mutex<Option<Box<dyn Any + Send>>>,
    isa: isa::Isa,
}

/// Bits that count seats.
const SEATS: u32 = 16;

// SAFETY: `section` is written by the holder of `busy` while nobody has a seat and none is open, and read by workers that
// have one. What it points to may be shared between threads.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    busy: AtomicBool::new(false),
    open: AtomicU64::new(0),
    section: UnsafeCell::new(Section {
        work: &(|_| {}) as *const (dyn Fn(usize) + Sync),
        parts: 0,
        next: std::ptr::null(),
        panic: std::ptr::null(),
        isa: isa::Isa::Plain,
    }),
    left: AtomicUsize::new(0),
    workers: AtomicUsize::new(0),
    asleep: AtomicUsize::new(0),
    bed: Mutex::new(()),
    alarm: Condvar::new(),
};

impl Pool {
    /// Does the parts together with `wanted` workers; false, and nothing done, if the pool is busy or has none.
    fn share(&'static self, parts: usize, wanted: usize, work: &(dyn Fn(usize) + Sync)) -> bool {
        if self.busy.swap(true, Ordering::Acquire) {
            return false;
        }
        let wanted = wanted.min(self.with_workers(wanted));
        if wanted == 0 {
            self.busy.store(false, Ordering::Release);
            return false;
        }
        let (next, panic) = (AtomicUsize::new(0), Mutex::new(None));
        // SAFETY: only the lifetime changes. The pointer is used by workers that have a seat, and `Closing` waits for them.
        let work: *const (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
        let section = Section { work, parts, next: &raw const next, panic: &raw const panic, isa: isa() };
        // SAFETY: this thread holds `busy`, and all of the last section have left.
        unsafe { *self.section.get() = section };
        let number = (self.open.load(Ordering::Relaxed) >> SEATS) + 1;
        // In one order with `asleep`: either the worker sees the seats, or this thread sees that it sleeps.
        self.open.store(number << SEATS | wanted as u64, Ordering::SeqCst);
        let closing = Closing { pool: self, wanted };
        if self.asleep.load(Ordering::SeqCst) > 0 {
            self.wake(wanted);
        }
        // SAFETY: all of it is here.
        unsafe { section.take_part() };
        drop(closing);
        if let Some(payload) = panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(payload);
        }
        true
    }

    /// Starts workers until there are so many, as far as the system allows; how many there are.
    fn with_workers(&'static self, wanted: usize) -> usize {
        let mut workers = self.workers.load(Ordering::Relaxed);
        while workers < wanted {
            let builder = std::thread::Builder::new().name(format!("retrograd {}", workers + 1));
            if builder.spawn(|| self.serve()).is_err() {
                break;
            }
            workers += 1;
            self.workers.store(workers, Ordering::Relaxed);
        }
        workers
    }

    #[cold]
    fn wake(&self, wanted: usize) {
        // Who is about to sleep holds the lock until it does.
        drop(self.bed.lock().unwrap_or_else(PoisonError::into_inner));
        (0..wanted).for_each(|_| self.alarm.notify_one());
    }

    /// The life of a worker.
    fn serve(&self) -> ! {
        loop {
            self.wait();
            if let Some(section) = self.sit_down() {
                // SAFETY: it has a seat until it leaves.
                unsafe { section.take_part() };
                self.left.fetch_add(1, Ordering::Release);
            }
        }
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) & ((1 << SEATS) - 1) > 0
    }

    /// Returns when there may be a seat.
    fn wait(&self) {
        let start = Instant::now();
        loop {
            for _ in 0..64 {
                if self.is_open() {
                    return;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                break;
            }
        }
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !self.is_open() {
            bed = self.alarm.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes a seat of the section under way, if there is one.
    fn sit_down(&self) -> Option<Section> {
        let mut open = self.open.load(Ordering::Acquire);
        while open & ((1 << SEATS) - 1) > 0 {
            match self.open.compare_exchange_weak(open, open - 1, Ordering::Acquire, Ordering::Acquire) {
                // SAFETY: it was written before the seats were opened, and stays until this worker has left.
                Ok(_) => return Some(unsafe { *self.section.get() }),
                Err(now) => open = now,
            }
        }
        None
    }
}

impl Section {
    /// Does parts until none is left.
    ///
    /// # Safety
    /// What it points to is still there.
    unsafe fn take_part(&self) {
        isa::adopt(self.isa);
        // SAFETY: the caller's promise.
        let (work, next, panic) = unsafe { (&*self.work, &*self.next, &*self.panic) };
        let parts = || {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= self.parts {
                    break;
                }
                work(part);
            }
        };
        // A part is not cut any further.
        let all = catch_unwind(AssertUnwindSafe(|| with_threads(1, parts)));
        if let Err(payload) = all {
            // The others need not go on.
            next.store(self.parts, Ordering::Relaxed);
            panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }
}

/// Ends a section: takes back the seats that nobody took, and waits for the workers that have one.
struct Closing {
    pool: &'static Pool,
    wanted: usize,
}

impl Drop for Closing {
    fn drop(&mut self) {
        /// Looks before the thread lets others run, which may be the workers it waits for.
        const LOOKS: usize = 10_000;
        let Pool { open, left, busy, .. } = self.pool;
        let mask = (1 << SEATS) - 1;
        let seats = open.fetch_and(!mask, Ordering::AcqRel) & mask;
        let taken = self.wanted - seats as usize;
        let mut looks = 0;
        while left.load(Ordering::Acquire) < taken {
            looks += 1;
            if looks < LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        left.store(0, Ordering::Relaxed);
        busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of some parts was done.
    struct Done(Vec<AtomicUsize>);

    impl Done {
        fn none(parts: usize) -> Done {
            Done((0..parts).map(|_| AtomicUsize::new(0)).collect())
        }

        fn count(&self, part: usize) {
            self.0[part].fetch_add(1, Ordering::Relaxed);
        }

        #[track_caller]
        fn assert_each(&self, times: usize) {
            let done: Vec<usize> = self.0.iter().map(|done| done.load(Ordering::Relaxed)).collect();
            assert!(done.iter().all(|done| *done == times), "{done:?}");
        }
    }

    #[test]
    fn every_part_is_done_once_whatever_the_number_of_threads() {
        for n in [1, 2, 3, 8] {
            for parts in [0, 1, 2, 7, 1000] {
                let done = Done::none(parts);
                with_threads(n, || for_each(parts, |part| done.count(part)));
                done.assert_each(1);
            }
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        for (len, least) in [(0, 1), (1, 1), (10, 3), (1000, 1), (1000, 999), (7, 0)] {
            let done = Done::none(len);
            with_threads(3, || for_ranges(len, least, |range| range.for_each(|i| done.count(i))));
            done.assert_each(1);
        }
    }

    #[test]
    fn sections_in_sections_and_of_several_threads_end() {
        let done = Done::none(10);
        let section = |_| for_each(10, |part| done.count(part));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| with_threads(3, || (0..50).for_each(|_| for_each(5, section))));
            }
        });
        done.assert_each(4 * 50 * 5);
    }

    #[test]
    fn a_panic_of_a_part_is_that_of_the_caller_and_the_pool_goes_on() {
        for at in [0, 5, 99] {
            let caught = catch_unwind(|| {
                with_threads(2, || for_each(100, |part| assert!(part != at, "part {part} on purpose")));
            });
            let payload = caught.expect_err("it panics");
            assert_eq!(payload.downcast_ref(), Some(&format!("part {at} on purpose")));
        }
        let done = Done::none(100);
        with_threads(2, || for_each(100, |part| done.count(part)));
        done.assert_each(1);
    }

    #[test]
    fn workers_wake_after_they_slept() {
        for _ in 0..3 {
            std::thread::sleep(2 * SPIN);
            let done = Done::none(8);
            with_threads(2, || for_each(8, |part| done.count(part)));
            done.assert_each(1);
        }
    }

    #[test]
    fn a_number_of_threads_holds_for_its_function() {
        let outside = threads();
        assert_eq!(with_threads(5, || with_threads(2, threads)), 2);
        assert!(catch_unwind(|| with_threads(5, || panic!("on purpose"))).is_err());
        assert_eq!(threads(), outside);
    }
}

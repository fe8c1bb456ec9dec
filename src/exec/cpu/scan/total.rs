//! Running sums, products and linear recurrences: scans that carry a total.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::Walked;
use crate::exec::cpu::job::{self, Job};
use crate::exec::cpu::reduce::law::Element;
use crate::exec::{Direction, Running};

/// Elements of a row whose prefixes are found together: two AVX2 registers of f64.
const BLOCK: usize = 8;
/// Columns whose totals are kept at a time: 4 KiB of f64.
const TILE: usize = 512;

/// How elements combine to a total.
trait Law<T: Element> {
    fn start() -> T::Wide;
    fn join(a: T::Wide, b: T::Wide) -> T::Wide;
}

struct Sum;
struct Prod;

impl<T: Element> Law<T> for Sum {
    #[inline(always)]
    fn start() -> T::Wide {
        T::ZERO.widen()
    }
    #[inline(always)]
    fn join(a: T::Wide, b: T::Wide) -> T::Wide {
        a + b
    }
}

impl<T: Element> Law<T> for Prod {
    #[inline(always)]
    fn start() -> T::Wide {
        T::ONE.widen()
    }
    #[inline(always)]
    fn join(a: T::Wide, b: T::Wide) -> T::Wide {
        a * b
    }
}

/// # Safety
/// `x` are inputs and `y` an output of the elements that `walked` describes, of type `T`; there is at least one.
pub(super) unsafe fn run<T: Element>(running: Running, walked: &Walked, x: &[*const u8], y: *mut u8) {
    let (first, y) = (x[0].cast::<T>(), y.cast::<T>());
    // SAFETY: the caller's promise.
    unsafe {
        match running {
            Running::Sum => scan::<T, Sum>(walked, first, y),
            Running::Prod => scan::<T, Prod>(walked, first, y),
            Running::Recurrence => job::run(Recurrence { walked, a: first, b: x[1].cast::<T>(), y }),
            Running::Max | Running::Min | Running::LogSumExp => unreachable!("{running:?} carries no total"),
        }
    }
}

/// # Safety
/// As for [`run`].
unsafe fn scan<T: Element, L: Law<T>>(walked: &Walked, x: *const T, y: *mut T) {
    let law = PhantomData::<L>;
    // SAFETY: the caller's promise.
    unsafe {
        if walked.around.inner == 1 {
            match walked.direction {
                Direction::Forward => job::run(Rows::<_, _, true> { walked, x, y, law }),
                Direction::Backward => job::run(Rows::<_, _, false> { walked, x, y, law }),
            }
        } else {
            job::run(Columns { walked, x, y, law })
        }
    }
}

/// Scans of rows whose elements lie side by side.
struct Rows<'a, T, L, const FORWARD: bool> {
    walked: &'a Walked,
    x: *const T,
    y: *mut T,
    law: PhantomData<L>,
}

impl<T: Element, L: Law<T>, const FORWARD: bool> Job for Rows<'_, T, L, FORWARD> {
    #[inline(always)]
    unsafe fn run(self) {
        let Rows { walked, x, y, .. } = self;
        let n = walked.around.n;
        let blocks = if T::IS_FLOAT { n / BLOCK } else { 0 };
        for row in 0..walked.around.outer {
            // SAFETY: the job's promise: a row has `n` elements.
            let (x, y) = unsafe { (x.add(row * n), y.add(row * n)) };
            let mut total = L::start();
            for block in 0..blocks {
                // SAFETY: `blocks * BLOCK <= n`.
                total = unsafe { scan_block::<T, L, FORWARD>(walked, x, y, block * BLOCK, total) };
            }
            for i in blocks * BLOCK..n {
                let at = walked.place(i);
                // SAFETY: `at < n`.
                unsafe {
                    total = L::join(total, (*x.add(at)).widen());
                    *y.add(at) = T::round(total);
                }
            }
        }
    }
}

/// Scans the [`BLOCK`] elements from the `from`-th on and yields the total after them.
///
/// # Safety
/// `x` and `y` are a row of `walked` with so many elements.
#[inline(always)]
unsafe fn scan_block<T: Element, L: Law<T>, const FORWARD: bool>(
    walked: &Walked,
    x: *const T,
    y: *mut T,
    from: usize,
    total: T::Wide,
) -> T::Wide {
    // SAFETY: the caller's promise: the block lies between its ends.
    let (x, y) = unsafe {
        let start = walked.place(if FORWARD { from } else { from + BLOCK - 1 });
        (&*x.add(start).cast::<[T; BLOCK]>(), &mut *y.add(start).cast::<[T; BLOCK]>())
    };
    let mut wide = [L::start(); BLOCK];
    for i in 0..BLOCK {
        wide[i] = x[if FORWARD { i } else { BLOCK - 1 - i }].widen();
    }
    let half = BLOCK / 2;
    let left = prefixes::<T, L>([wide[0], wide[1], wide[2], wide[3]]);
    let right = prefixes::<T, L>([wide[4], wide[5], wide[6], wide[7]]);
    let middle = L::join(total, left[half - 1]);
    for i in 0..half {
        wide[i] = L::join(total, left[i]);
        wide[half + i] = L::join(middle, right[i]);
    }
    for i in 0..BLOCK {
        y[if FORWARD { i } else { BLOCK - 1 - i }] = T::round(wide[i]);
    }
    wide[BLOCK - 1]
}

/// The prefixes of four elements, in two steps (Hillis and Steele 1986).
#[inline(always)]
fn prefixes<T: Element, L: Law<T>>(x: [T::Wide; BLOCK / 2]) -> [T::Wide; BLOCK / 2] {
    let pairs = [x[0], L::join(x[0], x[1]), L::join(x[1], x[2]), L::join(x[2], x[3])];
    [pairs[0], pairs[1], L::join(pairs[0], pairs[2]), L::join(pairs[1], pairs[3])]
}

/// Scans of columns, a tile of neighbours at a time.
struct Columns<'a, T, L> {
    walked: &'a Walked,
    x: *const T,
    y: *mut T,
    law: PhantomData<L>,
}

impl<T: Element, L: Law<T>> Job for Columns<'_, T, L> {
    #[inline(always)]
    unsafe fn run(self) {
        let Columns { walked, x, y, .. } = self;
        // SAFETY: the job's promise; tiles lie inside.
        unsafe {
            for_each_tile::<T>(walked, L::start(), |at, _, totals| {
                let x = std::slice::from_raw_parts(x.add(at), totals.len());
                let y = std::slice::from_raw_parts_mut(y.add(at), totals.len());
                for ((total, &x), y) in totals.iter_mut().zip(x).zip(y) {
                    *total = L::join(*total, x.widen());
                    *y = T::round(*total);
                }
            })
        }
    }
}

/// `y[i] = a[i] * y[i - 1] + b[i]`.
struct Recurrence<'a, T> {
    walked: &'a Walked,
    a: *const T,
    b: *const T,
    y: *mut T,
}

impl<T: Element> Job for Recurrence<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Recurrence { walked, a, b, y } = self;
        // SAFETY: the job's promise; tiles lie inside.
        unsafe {
            for_each_tile::<T>(walked, T::ZERO.widen(), |at, first, totals| {
                let a = std::slice::from_raw_parts(a.add(at), totals.len());
                let b = std::slice::from_raw_parts(b.add(at), totals.len());
                let y = std::slice::from_raw_parts_mut(y.add(at), totals.len());
                // What stands before the first place counts for nothing, even times infinity.
                for (((total, &a), &b), y) in totals.iter_mut().zip(a).zip(b).zip(y) {
                    let before = if first { T::ZERO.widen() } else { a.widen() * *total };
                    *total = before + b.widen();
                    *y = T::round(*total);
                }
            })
        }
    }
}

/// Goes along the axis with a total for each column of a tile: `step(elements before the tile's, is it the first
/// place, totals)`.
#[inline(always)]
fn for_each_tile<T: Element>(
    walked: &Walked,
    start: T::Wide,
    mut step: impl FnMut(usize, bool, &mut [T::Wide]),
) {
    let (n, inner) = (walked.around.n, walked.around.inner);
    let mut totals = [const { MaybeUninit::uninit() }; TILE];
    for outer in 0..walked.around.outer {
        let mut done = 0;
        while done < inner {
            let totals = &mut totals[..TILE.min(inner - done)];
            totals.fill(MaybeUninit::new(start));
            // SAFETY: every total has just been written.
            let totals = unsafe {
                std::slice::from_raw_parts_mut(totals.as_mut_ptr().cast::<T::Wide>(), totals.len())
            };
            for i in 0..n {
                step((outer * n + walked.place(i)) * inner + done, i == 0, totals);
            }
            done += totals.len();
        }
    }
}

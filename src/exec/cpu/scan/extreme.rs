//! Running extremes and their positions.

use std::mem::MaybeUninit;

use crate::exec::Running;
use crate::exec::cpu::indexed::Around;
use crate::exec::cpu::job::{self, Job};
use crate::exec::cpu::reduce::law::{Element, is_nan};

/// Columns whose extremes are kept at a time: 4 KiB of f64 and as much of positions.
const TILE: usize = 512;

/// # Safety
/// `x` is an input, `y` and `at` outputs of the elements that `around` describes, those of `x` and `y` of type `T`;
/// there is at least one.
pub(super) unsafe fn run<T: Element>(
    running: Running,
    around: &Around,
    x: *const u8,
    y: *mut u8,
    at: *mut i64,
) {
    let (x, y) = (x.cast::<T>(), y.cast::<T>());
    // SAFETY: the caller's promise.
    unsafe {
        match (running, around.inner) {
            (Running::Max, 1) => rows(around, x, y, at, |x, best| x >= best),
            (_, 1) => rows(around, x, y, at, |x, best| x <= best),
            (Running::Max, _) => job::run(Columns { around, x, y, at, takes: |x: T, best: T| x >= best }),
            _ => job::run(Columns { around, x, y, at, takes: |x: T, best: T| x <= best }),
        }
    }
}

/// One element after the other: a branch that is seldom taken costs least.
///
/// # Safety
/// As for [`run`].
unsafe fn rows<T: Element>(
    around: &Around,
    x: *const T,
    y: *mut T,
    at: *mut i64,
    takes: impl Fn(T, T) -> bool,
) {
    let n = around.n;
    for row in 0..around.outer {
        // SAFETY: a row has `n >= 1` elements.
        unsafe {
            let (mut best, mut place) = (*x.add(row * n), 0);
            for i in 0..n {
                let x = *x.add(row * n + i);
                if replaces(x, best, &takes) {
                    (best, place) = (x, i as i64);
                }
                *y.add(row * n + i) = best;
                *at.add(row * n + i) = place;
            }
        }
    }
}

/// Whether `x`, met after `best`, takes its place: the later of equal ones does, and NaN stays NaN.
#[inline(always)]
fn replaces<T: Element>(x: T, best: T, takes: impl Fn(T, T) -> bool) -> bool {
    is_nan(x) | (!is_nan(best) & takes(x, best))
}

/// Scans of columns, a tile of neighbours at a time.
struct Columns<'a, T, F> {
    around: &'a Around,
    x: *const T,
    y: *mut T,
    at: *mut i64,
    takes: F,
}

impl<T: Element, F: Fn(T, T) -> bool> Job for Columns<'_, T, F> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        let Columns { around: Around { outer, n, inner }, x, y, at, takes } = self;
        let (outer, n, inner) = (*outer, *n, *inner);
        let mut best = [const { MaybeUninit::<T>::uninit() }; TILE];
        let mut place = [0i64; TILE];
        for row in 0..outer {
            for done in (0..inner).step_by(TILE) {
                let count = TILE.min(inner - done);
                for i in 0..n {
                    let from = (row * n + i) * inner + done;
                    for j in 0..count {
                        // SAFETY: the job's promise: `from + j` is an element. `best[j]` is written at the first place.
                        unsafe {
                            let x = *x.add(from + j);
                            let before = if i == 0 { x } else { best[j].assume_init() };
                            let take = replaces(x, before, &takes);
                            let now = if take { x } else { before };
                            best[j] = MaybeUninit::new(now);
                            place[j] = if take { i as i64 } else { place[j] };
                            *y.add(from + j) = now;
                            *at.add(from + j) = place[j];
                        }
                    }
                }
            }
        }
    }
}

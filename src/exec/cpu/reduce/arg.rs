//! The loops of positions of extremes.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::fold::{LANES, filled, fold_whole_row};
use super::law::{Element, Law, Max, Min, is_nan};
use super::layout::{Axis, Layout, Walk};
use crate::exec::cpu::job::Job;

/// Columns whose best elements are kept at a time: 4 KiB of f64 and 2 KiB of positions.
const TILE: usize = 512;
/// Elements of a row searched without a branch.
const BLOCK: usize = 4 * LANES;

/// Which extreme is sought. The first of equal ones counts, and NaN counts as the most extreme.
pub(super) trait Extreme<T: Element> {
    /// Yields the extreme itself.
    type Value: Law<T>;
    /// Whether `x`, met after `best`, takes its place.
    fn beats(x: T, best: T) -> bool;
}

impl<T: Element> Extreme<T> for Max {
    type Value = Max;
    #[inline(always)]
    fn beats(x: T, best: T) -> bool {
        // `|`, not `||`: loops over it are to have no branches.
        (x > best) | (is_nan(x) & !is_nan(best))
    }
}

impl<T: Element> Extreme<T> for Min {
    type Value = Min;
    #[inline(always)]
    fn beats(x: T, best: T) -> bool {
        (x < best) | (is_nan(x) & !is_nan(best))
    }
}

/// A search along the one reduced axis of a layout.
pub(super) struct Searching<'a, T, E> {
    pub(super) x: *const T,
    pub(super) y: *mut i64,
    pub(super) layout: &'a Layout,
    pub(super) extreme: PhantomData<E>,
}

impl<T, E> Searching<'_, T, E> {
    pub(super) fn way(&self) -> Way {
        let (row, column) = (self.layout.reduced.inner(), self.layout.kept.inner());
        match (row.x, column.x) {
            (1, _) if row.n >= LANES => Way::Rows,
            (_, 1) => Way::Columns,
            _ => Way::Strided,
        }
    }
}

/// How to go about a search.
pub(super) enum Way {
    /// One output after the other, whose elements lie side by side.
    Rows,
    /// Many outputs at a time, whose elements are neighbours.
    Columns,
    /// One output after the other and one element after the other.
    Strided,
}

/// A search by rows, of stride 1 or any.
pub(super) struct Rows<'a, T, E, const STRIDED: bool>(pub(super) Searching<'a, T, E>);

impl<T: Element, E: Extreme<T>, const STRIDED: bool> Job for Rows<'_, T, E, STRIDED> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        let Searching { x, y, layout, .. } = self.0;
        let row = layout.reduced.inner();
        for (from, to) in Walk::new(layout.kept.all()) {
            // SAFETY: the job's promise: the layout describes elements of `x` and places of `y`.
            unsafe {
                let x = x.offset(from);
                let at = if STRIDED { strided_position::<T, E>(x, row) } else { position::<T, E>(x, row.n) };
                *y.offset(to) = at as i64;
            }
        }
    }
}

/// A search by columns, a tile of them at a time.
pub(super) struct Columns<'a, T, E>(pub(super) Searching<'a, T, E>);

impl<T: Element, E: Extreme<T>> Job for Columns<'_, T, E> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        let Searching { x, y, layout, .. } = self.0;
        let (row, column) = (layout.reduced.inner(), layout.kept.inner());
        let (mut best, mut at) =
            ([const { MaybeUninit::uninit() }; TILE], [const { MaybeUninit::uninit() }; TILE]);
        for (from, to) in Walk::new(layout.kept.outer()) {
            let mut done = 0;
            while done < column.n {
                let count = TILE.min(column.n - done);
                let (best, at) = (filled(&mut best[..count], T::ZERO), filled(&mut at[..count], 0));
                // SAFETY: the job's promise: the layout describes elements of `x` and places of `y`.
                unsafe {
                    search_columns::<T, E>(x.offset(from + done as isize), row, best, at);
                    for (i, &at) in at.iter().enumerate() {
                        *y.offset(to + (done + i) as isize * column.y) = i64::from(at);
                    }
                }
                done += count;
            }
        }
    }
}

/// Where the extreme of `n` contiguous elements is: found as a value, then looked for.
///
/// # Safety
/// `x` is valid for `n >= 1` elements.
#[inline(always)]
unsafe fn position<T: Element, E: Extreme<T>>(x: *const T, n: usize) -> usize {
    // SAFETY: the caller's promise.
    let (extreme, x) = unsafe { (fold_whole_row::<T, E::Value>(x, n), std::slice::from_raw_parts(x, n)) };
    let is_it = |x: T| (x == extreme) | (is_nan(x) & is_nan(extreme));
    let mut skipped = 0;
    for block in x.chunks_exact(BLOCK) {
        if block.iter().fold(false, |any, &x| any | is_it(x)) {
            break;
        }
        skipped += BLOCK;
    }
    skipped + x[skipped..].iter().position(|&x| is_it(x)).expect("the extreme is one of the elements")
}

/// Where the extreme of a row of any stride is.
///
/// # Safety
/// `x` is valid for the positions of `row`.
#[inline(always)]
unsafe fn strided_position<T: Element, E: Extreme<T>>(x: *const T, row: Axis) -> usize {
    // SAFETY: a row has an element.
    let (mut best, mut at) = (unsafe { *x }, 0);
    for i in 1..row.n {
        // SAFETY: `i < row.n`.
        let x = unsafe { *x.offset(i as isize * row.x) };
        if E::beats(x, best) {
            (best, at) = (x, i);
        }
    }
    at
}

/// Writes the extreme of each column and its position; `at` is 0 before.
///
/// # Safety
/// `x` is valid for the positions of `row`, and from each of them for as many elements as `best` has.
#[inline(always)]
unsafe fn search_columns<T: Element, E: Extreme<T>>(x: *const T, row: Axis, best: &mut [T], at: &mut [u32]) {
    // SAFETY: a row has as many elements as there are columns.
    best.copy_from_slice(unsafe { std::slice::from_raw_parts(x, best.len()) });
    for i in 1..row.n {
        // SAFETY: `i < row.n`; `u32` holds every position, as axis lengths are.
        let x = unsafe { std::slice::from_raw_parts(x.offset(i as isize * row.x), best.len()) };
        for ((best, at), &x) in best.iter_mut().zip(at.iter_mut()).zip(x) {
            let beats = E::beats(x, *best);
            *best = if beats { x } else { *best };
            *at = if beats { i as u32 } else { *at };
        }
    }
}

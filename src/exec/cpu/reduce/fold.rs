//! The loops of sums, products and extremes.
//!
//! The order in which elements combine depends on shape and strides alone. A row (reduced elements side by side) is
//! folded into [`LANES`] totals, eight elements a lane at a time, as a tree; columns (kept elements side by side) have
//! a total each, into which eight rows at a time go, as the same tree. Integers, whose order makes no difference, are
//! folded one by one: trees of them took a twelfth of LLVM's time for the crate.

use std::hint::select_unpredictable;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::law::{Element, Law, in_pairs};
use super::layout::{Axis, Layout, Walk};
use crate::exec::cpu::job::Job;

/// Totals that a row is folded into: an AVX-512 register of f32, two of f64.
pub(super) const LANES: usize = 16;
/// Vectors, or rows, combined before totals are touched. Eight also bounds the error of a sum of f32 to 3 roundings.
pub(super) const TREE: usize = 8;
/// Columns whose totals are kept at a time: 4 KiB of f64, which eight rows of f32 leave in the first-level cache.
const TILE: usize = 512;
/// Elements of a strided row gathered at a time; a multiple of `LANES * TREE`.
const STAGE: usize = 1024;

/// Totals that start with a cache line: a vector stored across two is slow to read back.
#[repr(align(64))]
struct Aligned<T, const N: usize>([T; N]);

/// A fold of some axes.
pub(super) struct Folding<'a, T, L> {
    pub(super) x: *const T,
    pub(super) y: *mut T,
    pub(super) layout: &'a Layout,
    pub(super) law: PhantomData<L>,
}

impl<T, L> Folding<'_, T, L> {
    pub(super) fn way(&self) -> Way {
        let (row, column) = (self.layout.reduced.inner(), self.layout.kept.inner());
        let nearer = column.x != 1 && row.x.abs() <= column.x.abs();
        if self.layout.kept.all().is_empty() || row.n >= LANES && (row.x == 1 || nearer) {
            Way::Rows
        } else if column.x == 1 {
            Way::Columns
        } else {
            Way::StridedColumns
        }
    }
}

/// How to go about a fold.
pub(super) enum Way {
    /// One output after the other.
    Rows,
    /// Many outputs at a time, whose elements are neighbours.
    Columns,
    /// Many outputs at a time. No work for wide vectors: gathering elements costs more than adding them.
    StridedColumns,
}

/// A fold by rows.
pub(super) struct Rows<'a, T, L>(pub(super) Folding<'a, T, L>);

impl<T: Element, L: Law<T>> Job for Rows<'_, T, L> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        let Folding { x, y, layout, .. } = self.0;
        let row = layout.reduced.inner();
        for (kept, to) in Walk::new(layout.kept.all()) {
            let mut lanes = Aligned([L::lift(L::NEUTRAL); LANES]);
            for (reduced, _) in Walk::new(layout.reduced.outer()) {
                // SAFETY: the job's promise: the layout describes elements of `x`.
                unsafe {
                    let x = x.offset(kept + reduced);
                    if row.x == 1 {
                        fold_row::<T, L>(x, row.n, &mut lanes.0)
                    } else {
                        fold_strided_row::<T, L>(x, row, &mut lanes.0)
                    }
                }
            }
            // SAFETY: the job's promise: the layout describes places of `y`.
            unsafe { *y.offset(to) = L::finish(in_pairs(lanes.0, L::join), layout.times) }
        }
    }
}

/// A fold by columns, a tile of them at a time.
pub(super) struct Columns<'a, T, L, const STRIDED: bool>(pub(super) Folding<'a, T, L>);

impl<T: Element, L: Law<T>, const STRIDED: bool> Job for Columns<'_, T, L, STRIDED> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        let Folding { x, y, layout, .. } = self.0;
        let column = layout.kept.inner();
        let mut totals = Aligned([const { MaybeUninit::uninit() }; TILE]);
        for (kept, to) in Walk::new(layout.kept.outer()) {
            let mut done = 0;
            while done < column.n {
                let totals = filled(&mut totals.0[..TILE.min(column.n - done)], L::lift(L::NEUTRAL));
                // SAFETY: the job's promise: the layout describes elements of `x` and places of `y`.
                unsafe {
                    fold_tile::<T, L, STRIDED>(x.offset(kept + done as isize * column.x), layout, totals);
                    for (i, &total) in totals.iter().enumerate() {
                        let to = to + (done + i) as isize * column.y;
                        *y.offset(to) = L::finish(total, layout.times);
                    }
                }
                done += totals.len();
            }
        }
    }
}

/// The slice with `value` everywhere.
#[inline(always)]
pub(super) fn filled<T: Copy>(slice: &mut [MaybeUninit<T>], value: T) -> &mut [T] {
    slice.fill(MaybeUninit::new(value));
    // SAFETY: every element has just been written.
    unsafe { std::slice::from_raw_parts_mut(slice.as_mut_ptr().cast(), slice.len()) }
}

/// A fold of `n` contiguous elements.
pub(super) struct WholeRow<T, L> {
    pub(super) x: *const T,
    pub(super) n: usize,
    pub(super) y: *mut T,
    pub(super) law: PhantomData<L>,
}

impl<T: Element, L: Law<T>> Job for WholeRow<T, L> {
    const WIDE: bool = L::WIDE;
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the job's promise: `x` has `n` elements and `y` one.
        unsafe { *self.y = fold_whole_row::<T, L>(self.x, self.n) }
    }
}

/// The fold of `n` contiguous elements.
///
/// # Safety
/// `x` is valid for `n` elements.
#[inline(always)]
pub(super) unsafe fn fold_whole_row<T: Element, L: Law<T>>(x: *const T, n: usize) -> T {
    let mut lanes = Aligned([L::lift(L::NEUTRAL); LANES]);
    // SAFETY: the caller's promise.
    unsafe {
        if n < LANES {
            return L::finish(L::lift(fold_few::<T, L>(x, n)), 1);
        }
        fold_row::<T, L>(x, n, &mut lanes.0);
    }
    L::finish(in_pairs(lanes.0, L::join), 1)
}

/// Folds `n` contiguous elements into lanes.
///
/// # Safety
/// `x` is valid for `n` elements.
#[inline(always)]
pub(super) unsafe fn fold_row<T: Element, L: Law<T>>(x: *const T, n: usize, lanes: &mut [L::Total; LANES]) {
    // SAFETY: every step reads elements below `n`.
    unsafe {
        if const { !T::IS_FLOAT } {
            lanes[0] = (0..n).fold(lanes[0], |sum, i| L::join(sum, L::lift(*x.add(i))));
            return;
        }
        if n < LANES {
            lanes[0] = L::join(lanes[0], L::lift(fold_few::<T, L>(x, n)));
            return;
        }
        let mut done = 0;
        while done + TREE * LANES <= n {
            fold_vectors::<T, L, TREE>(x.add(done), LANES as isize, lanes);
            done += TREE * LANES;
        }
        if done + TREE / 2 * LANES <= n {
            fold_vectors::<T, L, { TREE / 2 }>(x.add(done), LANES as isize, lanes);
            done += TREE / 2 * LANES;
        }
        while done + LANES <= n {
            fold_vectors::<T, L, 1>(x.add(done), 0, lanes);
            done += LANES;
        }
        if done < n {
            fold_last_vector::<T, L>(x.add(n - LANES), done + LANES - n, lanes);
        }
    }
}

/// The fold of fewer than [`LANES`] elements.
///
/// # Safety
/// `x` is valid for `n` elements.
#[inline(always)]
unsafe fn fold_few<T: Element, L: Law<T>>(x: *const T, n: usize) -> T {
    // SAFETY: `i < n`.
    (0..n).fold(L::NEUTRAL, |sum, i| L::pair(sum, unsafe { *x.add(i) }))
}

/// Folds a tree of `N` vectors, `stride` apart, into lanes.
///
/// # Safety
/// `x` is valid for `LANES` elements, and so are the places `stride` to `(N - 1) * stride` behind it.
#[expect(
    clippy::needless_range_loop,
    reason = "iterators leave tests for their end, which keep LLVM from vectors"
)]
#[inline(always)]
unsafe fn fold_vectors<T: Element, L: Law<T>, const N: usize>(
    x: *const T,
    stride: isize,
    lanes: &mut [L::Total; LANES],
) {
    // SAFETY: the caller's promise.
    let at = |i: usize| unsafe { &*x.offset(i as isize * stride).cast::<[T; LANES]>() };
    // By hand: `array::map` and `from_fn` are not always inlined.
    let mut vectors = [at(0); N];
    for k in 1..N {
        vectors[k] = at(k);
    }
    for i in 0..LANES {
        let mut elements = [L::NEUTRAL; N];
        for k in 0..N {
            elements[k] = vectors[k][i];
        }
        lanes[i] = L::join(lanes[i], L::lift(L::tree(elements)));
    }
}

/// The fold of `N` elements.
///
/// # Safety
/// `x` is valid, and so are the places `stride` to `(N - 1) * stride` behind it.
#[inline(always)]
unsafe fn fold_tree<T: Element, L: Law<T>, const N: usize>(x: *const T, stride: isize) -> T {
    let mut elements = [L::NEUTRAL; N];
    for (i, element) in elements.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *element = unsafe { *x.offset(i as isize * stride) };
    }
    L::tree(elements)
}

/// Folds a vector into lanes without its first few elements, which were folded before and count as neutral.
///
/// # Safety
/// `x` is valid for `LANES` elements.
#[inline(always)]
unsafe fn fold_last_vector<T: Element, L: Law<T>>(
    x: *const T,
    without: usize,
    lanes: &mut [L::Total; LANES],
) {
    // SAFETY: the caller's promise.
    let mut vector = Aligned(unsafe { *x.cast::<[T; LANES]>() });
    for (i, x) in vector.0.iter_mut().enumerate() {
        // Without a branch: both are at hand.
        *x = select_unpredictable((i as u32) < without as u32, L::NEUTRAL, *x);
    }
    // SAFETY: so many elements.
    unsafe { fold_vectors::<T, L, 1>(vector.0.as_ptr(), 0, lanes) }
}

/// Folds a row whose elements have gaps, by way of a buffer.
///
/// # Safety
/// `x` is valid for the positions of `row`.
#[inline(always)]
unsafe fn fold_strided_row<T: Element, L: Law<T>>(x: *const T, row: Axis, lanes: &mut [L::Total; LANES]) {
    let mut stage = [const { MaybeUninit::uninit() }; STAGE];
    let mut done = 0;
    while done < row.n {
        let count = STAGE.min(row.n - done);
        for (i, slot) in stage[..count].iter_mut().enumerate() {
            // SAFETY: `done + i < row.n`.
            slot.write(unsafe { *x.offset((done + i) as isize * row.x) });
        }
        // SAFETY: `count` elements of the buffer have been written.
        unsafe { fold_row::<T, L>(stage.as_ptr().cast(), count, lanes) };
        done += count;
    }
}

/// Folds all reduced axes into a total for each of some columns.
///
/// # Safety
/// `x`, of the first column, is valid for the positions of the reduced axes, and so are the others.
#[inline(always)]
unsafe fn fold_tile<T: Element, L: Law<T>, const STRIDED: bool>(
    x: *const T,
    layout: &Layout,
    totals: &mut [L::Total],
) {
    let (row, column) = (layout.reduced.inner(), layout.kept.inner());
    for (reduced, _) in Walk::new(layout.reduced.outer()) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.offset(reduced);
            if STRIDED {
                fold_strided_columns::<T, L>(x, row, column.x, totals)
            } else if row.x == column.n as isize && column.n < LANES {
                fold_narrow_columns::<T, L>(x, row.n, totals)
            } else {
                fold_columns::<T, L>(x, row, totals)
            }
        }
    }
}

/// Folds rows of contiguous elements into a total for each column.
///
/// # Safety
/// `x` is valid for the positions of `row`, and from each of them for as many elements as there are totals.
#[inline(always)]
pub(super) unsafe fn fold_columns<T: Element, L: Law<T>>(x: *const T, row: Axis, totals: &mut [L::Total]) {
    let mut done = 0;
    // SAFETY: `N` rows from row `done` on exist and have an element for each total.
    unsafe {
        while const { T::IS_FLOAT } && done + TREE <= row.n {
            fold_some_rows::<T, L, TREE>(x.offset(done as isize * row.x), row.x, totals);
            done += TREE;
        }
        while done < row.n {
            fold_some_rows::<T, L, 1>(x.offset(done as isize * row.x), row.x, totals);
            done += 1;
        }
    }
}

/// Folds `N` rows into a total for each column.
///
/// # Safety
/// `x` is valid for `N` rows, `stride` apart, of as many elements as there are totals.
#[inline(always)]
unsafe fn fold_some_rows<T: Element, L: Law<T>, const N: usize>(
    x: *const T,
    stride: isize,
    totals: &mut [L::Total],
) {
    if const { !T::IS_FLOAT } {
        for (i, total) in totals.iter_mut().enumerate() {
            // SAFETY: the rows, of which there is one for integers, have an element for each total.
            *total = L::join(*total, L::lift(unsafe { *x.add(i) }));
        }
        return;
    }
    let (vectors, rest) = totals.as_chunks_mut::<LANES>();
    let count = vectors.len();
    for (i, totals) in vectors.iter_mut().enumerate() {
        // SAFETY: the rows have `LANES` elements from `i * LANES` on.
        unsafe { fold_vectors::<T, L, N>(x.add(i * LANES), stride, totals) };
    }
    for (i, total) in rest.iter_mut().enumerate() {
        // SAFETY: the rows have an element for each of the columns that remain.
        let tree = unsafe { fold_tree::<T, L, N>(x.add(count * LANES + i), stride) };
        *total = L::join(*total, L::lift(tree));
    }
}

/// Folds rows that follow one another without gaps, too short for a vector each: `LANES` of them as one.
///
/// # Safety
/// `x` is valid for `n` rows of as many elements as there are totals, fewer than `LANES`.
#[inline(always)]
pub(super) unsafe fn fold_narrow_columns<T: Element, L: Law<T>>(
    x: *const T,
    n: usize,
    totals: &mut [L::Total],
) {
    let width = totals.len();
    debug_assert!(width < LANES);
    if const { !T::IS_FLOAT } {
        // SAFETY: the caller's promise.
        return unsafe { fold_columns::<T, L>(x, Axis { n, x: width as isize, y: 0 }, totals) };
    }
    let mut wide = Aligned([const { MaybeUninit::uninit() }; LANES * LANES]);
    let wide = filled(&mut wide.0[..width * LANES], L::lift(L::NEUTRAL));
    let groups = Axis { n: n / LANES, x: wide.len() as isize, y: 0 };
    let rest = Axis { n: n % LANES, x: width as isize, y: 0 };
    // SAFETY: `n / LANES` groups of `LANES` rows and the rest are the rows of `x`.
    unsafe {
        fold_columns::<T, L>(x, groups, wide);
        for row in wide.chunks_exact(width) {
            for (total, &sum) in totals.iter_mut().zip(row) {
                *total = L::join(*total, sum);
            }
        }
        fold_columns::<T, L>(x.add(groups.n * LANES * width), rest, totals);
    }
}

/// Folds columns that are not neighbours: eight at a time, so that their sums do not wait for one another.
///
/// # Safety
/// `x` is valid for the positions of `row`, and from each of them for as many elements, `stride` apart, as there
/// are totals.
#[inline(always)]
pub(super) unsafe fn fold_strided_columns<T: Element, L: Law<T>>(
    x: *const T,
    row: Axis,
    stride: isize,
    totals: &mut [L::Total],
) {
    if const { !T::IS_FLOAT } {
        for (j, total) in totals.iter_mut().enumerate() {
            // SAFETY: positions of the row, and `j` is below the number of totals.
            let at = |i: usize| unsafe { *x.offset(i as isize * row.x + j as isize * stride) };
            *total = (0..row.n).fold(*total, |sum, i| L::join(sum, L::lift(at(i))));
        }
        return;
    }
    let mut from = 0;
    while from < row.n {
        let to = row.n.min(from + LANES);
        // SAFETY: `i < row.n`, and `j` is below the number of totals.
        let at = |i: usize, j: usize| unsafe { *x.offset(i as isize * row.x + j as isize * stride) };
        let mut groups = totals.chunks_exact_mut(TREE);
        let mut j = 0;
        for group in &mut groups {
            let mut sums = [L::NEUTRAL; TREE];
            for i in from..to {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = L::pair(*sum, at(i, j + k));
                }
            }
            for (total, sum) in group.iter_mut().zip(sums) {
                *total = L::join(*total, L::lift(sum));
            }
            j += TREE;
        }
        for total in groups.into_remainder() {
            let sum = (from..to).fold(L::NEUTRAL, |sum, i| L::pair(sum, at(i, j)));
            *total = L::join(*total, L::lift(sum));
            j += 1;
        }
        from = to;
    }
}

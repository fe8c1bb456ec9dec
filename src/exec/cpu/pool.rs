//! The Pool class: sums and greatest elements of windows, and sums spread back over them.
//!
//! A row of the output is computed at once: for each element of the kernel the positions that see the input through
//! it are a range, found once for all planes, and the loop over that range has no branches.

use std::num::Wrapping;
use std::ops::{Add, Range};

use super::job::{self, Job};
use super::operand::{Destination, Operand};
use super::scratch::Scratch;
use super::staged::Staged;
use crate::exec::threads::{self, Shared};
use crate::exec::window::{Extents, Windows, count, positions};
use crate::exec::{PoolKind, Pooling};
use crate::tensor::DType;

/// A number that is pooled.
trait Number: Copy + PartialOrd + Add<Output = Self> + 'static {
    const ZERO: Self;
    const IS_FLOAT: bool;
}

/// Does a job over `T`: as fast as can be for floats, and with less code for integers.
///
/// # Safety
/// As for [`Job::run`].
unsafe fn run_job<T: Number>(job: impl Job) {
    // SAFETY: the caller's promise.
    unsafe { if T::IS_FLOAT { job::run(job) } else { job::run_plain(job) } }
}

macro_rules! numbers {
    ($($number:ty: $zero:expr, $is_float:literal;)*) => {$(
        impl Number for $number {
            const ZERO: Self = $zero;
            const IS_FLOAT: bool = $is_float;
        }
    )*};
}

numbers! {
    f32: 0.0, true;
    f64: 0.0, true;
    Wrapping<i64>: Wrapping(0), false;
    Wrapping<i32>: Wrapping(0), false;
    Wrapping<u8>: Wrapping(0), false;
}

/// All planes of a tensor: the last axes are the window's, the others are planes.
struct Planes<'a, T> {
    windows: &'a Windows,
    planes: usize,
    x: *const T,
    y: *mut T,
}

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(pooling: &Pooling, x: &Operand, y: &[Destination]) {
    let (n, dtype) = (y[0].spec.shape.numel(), y[0].spec.dtype.compute());
    // SAFETY: the caller's promise; the operand is whole and the outputs have room, all of this dtype but for the places.
    unsafe {
        let x = Staged::of(x).computable().gapless();
        let places = y.get(1).map(|places| places.ptr.cast());
        y[0].rounded_from(dtype, |to| match dtype {
            DType::F32 => typed::<f32>(pooling, n, x.ptr, to, places),
            DType::F64 => typed::<f64>(pooling, n, x.ptr, to, places),
            DType::I64 => typed::<Wrapping<i64>>(pooling, n, x.ptr, to, places),
            DType::I32 => typed::<Wrapping<i32>>(pooling, n, x.ptr, to, places),
            DType::U8 => typed::<Wrapping<u8>>(pooling, n, x.ptr, to, places),
            dtype => unreachable!("pooling of {dtype} is refused by infer"),
        });
    }
}

/// Does what a pooling asks for: sums of windows, their spread, or the greatest elements of windows and their places.
///
/// # Safety
/// `x` is the whole input, `y` and `places`, where there are any, the `n` elements of each output; none overlaps.
unsafe fn typed<T: Number>(pooling: &Pooling, n: usize, x: *const u8, y: *mut u8, places: Option<*mut i64>) {
    let windows = &pooling.windows;
    let each = count(if pooling.kind == PoolKind::Spread { windows.input } else { windows.output });
    let read = count(if pooling.kind == PoolKind::Spread { windows.output } else { windows.input });
    let work = each.max(read) * count(windows.kernel);
    // SAFETY: planes are written by one thread each.
    let shared = unsafe { Shared::new((x.cast::<T>(), y.cast::<T>(), places)) };
    threads::for_ranges(n / each.max(1), LEAST_WORK.div_ceil(work.max(1)), |planes| {
        let &(x, y, places) = shared.get();
        let (from, to) = (planes.start * read, planes.start * each);
        // SAFETY: the caller's promise.
        unsafe {
            let (x, y) = (x.add(from), y.add(to));
            let all = Planes { windows, planes: planes.len(), x, y };
            if let Some(places) = places {
                return run_job::<T>(Greatest { all, places: places.add(to) });
            }
            std::slice::from_raw_parts_mut(y, planes.len() * each).fill(T::ZERO);
            match pooling.kind {
                PoolKind::Spread => run_job::<T>(Spread(all)),
                _ => run_job::<T>(Sums(all)),
            }
        }
    });
}

/// The least elements of windows that a thread goes over: some 10 us.
const LEAST_WORK: usize = 1 << 15;

/// One row of the output and one element of the kernel, as far as it sees the input.
struct Sight {
    /// Number of the row.
    row: usize,
    /// Columns of the output that see something.
    columns: Range<usize>,
    /// Row-major number of what the first of them sees.
    first: usize,
}

/// What a row of the output sees through an element of the kernel.
fn sight(windows: &Windows, row: usize, position: Extents, element: Extents) -> Option<Sight> {
    let plane = windows.seen(0, position[0], element[0])?;
    let line = windows.seen(1, position[1], element[1])?;
    let (stride, before) = (windows.stride[2], windows.before[2]);
    let ahead = element[2] * windows.dilation[2];
    // Column p sees p * stride + ahead - before, which is inside.
    let first = before.saturating_sub(ahead).div_ceil(stride);
    let end = (windows.input[2] + before).saturating_sub(ahead).div_ceil(stride).min(windows.output[2]);
    let line = (plane * windows.input[1] + line) * windows.input[2];
    (first < end).then(|| Sight { row, columns: first..end, first: line + first * stride + ahead - before })
}

/// What the rows of the output see through each element of the kernel, row by row: the same in every plane.
fn sights(windows: &Windows) -> Scratch<Sight> {
    let mut sights = Scratch::with_room(windows.output[0] * windows.output[1] * count(windows.kernel));
    for (row, position) in positions([windows.output[0], windows.output[1], 1]).enumerate() {
        for element in positions(windows.kernel) {
            if let Some(sight) = sight(windows, row, position, element) {
                sights.push(sight);
            }
        }
    }
    sights
}

/// Adds up what every window sees.
struct Sums<'a, T>(Planes<'a, T>);

impl<T: Number> Job for Sums<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Planes { windows, planes, x, y } = self.0;
        let (stride, width, sights) = (windows.stride[2], windows.output[2], sights(windows));
        for plane in 0..planes {
            for sight in sights.iter() {
                let from = plane * count(windows.input) + sight.first;
                let to = plane * count(windows.output) + sight.row * width + sight.columns.start;
                for i in 0..sight.columns.len() {
                    // SAFETY: the tensors are whole, and the columns see the input.
                    unsafe { *y.add(to + i) = *y.add(to + i) + *x.add(from + i * stride) };
                }
            }
        }
    }
}

/// Adds every element to all that its window saw.
struct Spread<'a, T>(Planes<'a, T>);

impl<T: Number> Job for Spread<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Planes { windows, planes, x, y } = self.0;
        let (stride, width, sights) = (windows.stride[2], windows.output[2], sights(windows));
        for plane in 0..planes {
            for sight in sights.iter() {
                let from = plane * count(windows.output) + sight.row * width + sight.columns.start;
                let to = plane * count(windows.input) + sight.first;
                for i in 0..sight.columns.len() {
                    // SAFETY: as above.
                    unsafe { *y.add(to + i * stride) = *y.add(to + i * stride) + *x.add(from + i) };
                }
            }
        }
    }
}

/// Finds the greatest element that every window sees, the first of equal ones; NaN counts as greatest.
struct Greatest<'a, T> {
    all: Planes<'a, T>,
    places: *mut i64,
}

impl<T: Number> Job for Greatest<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        // The strides that nearly all poolings have are known to the compiler, which shuffles whole registers then.
        // SAFETY: the caller's promise.
        unsafe {
            match self.all.windows.stride[2] {
                1 => self.each_row::<1>(),
                2 => self.each_row::<2>(),
                _ => self.each_row::<ANY>(),
            }
        }
    }
}

/// As a stride that is known: any.
const ANY: usize = 0;

/// Windows that begin in one column after another, and the lines of the input that they see.
struct Lines<'a> {
    /// Row-major number of the first element of each line, in the order of the kernel.
    starts: &'a [usize],
    stride: usize,
    /// Elements of the kernel along a line.
    elements: Range<usize>,
    dilation: usize,
    before: usize,
}

impl<T: Number> Greatest<'_, T> {
    #[inline(always)]
    unsafe fn each_row<const STRIDE: usize>(self) {
        let Planes { windows, planes, x, y } = self.all;
        let (rows, width) = (windows.output[0] * windows.output[1], windows.output[2]);
        let (starts, ends) = lines(windows);
        let whole = whole(windows);
        for plane in 0..planes {
            let x = x.wrapping_add(plane * count(windows.input));
            let mut start = 0;
            for row in 0..rows {
                let to = plane * count(windows.output) + row * width;
                let lines = Lines {
                    starts: &starts[start..ends[row]],
                    stride: if STRIDE == ANY { windows.stride[2] } else { STRIDE },
                    elements: 0..windows.kernel[2],
                    dilation: windows.dilation[2],
                    before: windows.before[2],
                };
                start = ends[row];
                // SAFETY: the outputs have room for every row; windows in `whole` see nothing but the input, the others
                // are asked only for what they see of it.
                unsafe {
                    let (y, places) = (y.add(to), self.places.add(to));
                    let mut column = whole.start;
                    column = lines.chunks::<T, 8>(x, column..whole.end, y, places);
                    column = lines.chunks::<T, 4>(x, column..whole.end, y, places);
                    lines.chunks::<T, 1>(x, column..whole.end, y, places);
                    for column in (0..whole.start).chain(whole.end..width) {
                        let lines = Lines { elements: inside(windows, column), ..lines };
                        lines.chunks::<T, 1>(x, column..column + 1, y, places);
                    }
                }
            }
        }
    }
}

/// The lines of the input that the windows of each row of the output see, as the row-major numbers of their first elements;
/// and where the lines of each row end in this list.
fn lines(windows: &Windows) -> (Scratch<usize>, Scratch<usize>) {
    let rows = windows.output[0] * windows.output[1];
    let mut starts = Scratch::with_room(rows * windows.kernel[0] * windows.kernel[1]);
    let mut ends = Scratch::with_room(rows);
    for position in positions([windows.output[0], windows.output[1], 1]) {
        for element in positions([windows.kernel[0], windows.kernel[1], 1]) {
            let plane = windows.seen(0, position[0], element[0]);
            if let (Some(plane), Some(line)) = (plane, windows.seen(1, position[1], element[1])) {
                starts.push((plane * windows.input[1] + line) * windows.input[2]);
            }
        }
        ends.push(starts.len());
    }
    (starts, ends)
}

/// The columns of the output whose windows see no padding along a line.
fn whole(windows: &Windows) -> Range<usize> {
    let (stride, before) = (windows.stride[2], windows.before[2]);
    let reach = (windows.kernel[2] - 1) * windows.dilation[2];
    let start = before.div_ceil(stride).min(windows.output[2]);
    let end = (windows.input[2] + before).saturating_sub(reach).div_ceil(stride).min(windows.output[2]);
    start..end.max(start)
}

/// The elements of the kernel through which a column of the output sees the input: one range, but for nothing.
fn inside(windows: &Windows, column: usize) -> Range<usize> {
    let sees = |element: &usize| windows.seen(2, column, *element).is_some();
    let start = (0..windows.kernel[2]).find(sees).unwrap_or(0);
    start..(start..windows.kernel[2]).rfind(sees).map_or(start, |last| last + 1)
}

impl Lines<'_> {
    /// Writes the greatest element, and its number, for `N` columns at a time; yields the first column that is left.
    /// A row of at least `N` columns is done to its end, the last ones perhaps twice.
    ///
    /// # Safety
    /// The windows of these columns see the input `x` through all of `lines`; the outputs have room for them.
    #[inline(always)]
    unsafe fn chunks<T: Number, const N: usize>(
        &self,
        x: *const T,
        columns: Range<usize>,
        y: *mut T,
        places: *mut i64,
    ) -> usize {
        if columns.len() < N {
            return columns.start;
        }
        let last = columns.end - N;
        let mut column = columns.start;
        loop {
            // SAFETY: the caller's promise.
            unsafe {
                let (best, place) = self.greatest::<T, N>(x, column);
                for i in 0..N {
                    *y.add(column + i) = best[i];
                    *places.add(column + i) = i64::from(place[i]);
                }
            }
            if column == last {
                return columns.end;
            }
            column = last.min(column + N);
        }
    }

    /// The greatest elements that the windows of `N` columns see, and their row-major numbers.
    ///
    /// # Safety
    /// As for [`Lines::chunks`].
    #[inline(always)]
    unsafe fn greatest<T: Number, const N: usize>(&self, x: *const T, column: usize) -> ([T; N], [u32; N]) {
        let (mut best, mut place) = ([T::ZERO; N], [UNSEEN; N]);
        for &line in self.starts {
            for element in self.elements.clone() {
                let first = line + column * self.stride + element * self.dilation - self.before;
                let mut values = [T::ZERO; N];
                for (i, value) in values.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    *value = unsafe { *x.add(first + i * self.stride) };
                }
                for i in 0..N {
                    // A NaN is not equal to itself, and stays.
                    #[expect(clippy::eq_op, reason = "that is how a NaN is told")]
                    let is_nan = (values[i] != values[i]) & (best[i] == best[i]);
                    let wins = (values[i] > best[i]) | is_nan | (place[i] == UNSEEN);
                    best[i] = if wins { values[i] } else { best[i] };
                    place[i] = if wins { (first + i * self.stride) as u32 } else { place[i] };
                }
            }
        }
        (best, place)
    }
}

/// No place yet: planes have fewer elements.
const UNSEEN: u32 = u32::MAX;

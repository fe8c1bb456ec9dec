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
    let (x, y) = (x.cast::<T>(), y.cast::<T>());
    let all = Planes { windows, planes: n / each.max(1), x, y };
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(places) = places {
            return run_job::<T>(Greatest { all, places });
        }
        std::slice::from_raw_parts_mut(y, n).fill(T::ZERO);
        match pooling.kind {
            PoolKind::Spread => run_job::<T>(Spread(all)),
            _ => run_job::<T>(Sums(all)),
        }
    }
}

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

/// No place yet: planes have fewer elements.
const UNSEEN: u32 = u32::MAX;

/// Elements that are compared at once, so that there is no rest to compare one by one (a register of AVX2).
const LANES: usize = 8;

impl<T: Number> Job for Greatest<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let Planes { windows, planes, x, y } = self.all;
        let (rows, width) = (windows.output[0] * windows.output[1], windows.output[2]);
        let sights = sights(windows);
        let (mut best, mut places) =
            (Scratch::filled(width + LANES, T::ZERO), Scratch::filled(width + LANES, UNSEEN));
        let mut values = Scratch::filled(width + LANES, T::ZERO);
        for plane in 0..planes {
            let x = x.wrapping_add(plane * count(windows.input));
            let mut next = 0;
            for row in 0..rows {
                places.fill(UNSEEN);
                while let Some(sight) = sights.get(next).filter(|sight| sight.row == row) {
                    next += 1;
                    let (start, seen) = (sight.columns.start, sight.columns.len());
                    // Next to one another first: then the comparisons are SIMD code.
                    for (i, value) in values[..seen].iter_mut().enumerate() {
                        // SAFETY: the tensors are whole, and the columns see the input.
                        *value = unsafe { *x.add(sight.first + i * windows.stride[2]) };
                    }
                    // Behind the last column there is room for values that nobody asks for.
                    let compared =
                        if sight.columns.end == width { seen.next_multiple_of(LANES) } else { seen };
                    let columns = start..start + compared;
                    let (best, places) = (&mut best[columns.clone()], &mut places[columns]);
                    challenge(
                        best,
                        places,
                        &values[..compared],
                        sight.first as u32,
                        windows.stride[2] as u32,
                    );
                }
                let to = plane * count(windows.output) + row * width;
                for (i, (&best, &place)) in best[..width].iter().zip(places.iter()).enumerate() {
                    // SAFETY: the outputs have room for every row.
                    unsafe {
                        *y.add(to + i) = best;
                        *self.places.add(to + i) = i64::from(place);
                    }
                }
            }
        }
    }
}

/// Puts values, and their places, where they are greater than the best so far.
#[inline(always)]
fn challenge<T: Number>(best: &mut [T], places: &mut [u32], values: &[T], first: u32, stride: u32) {
    #[inline(always)]
    fn one<T: Number>(best: &mut T, place: &mut u32, value: T, seen: u32) {
        // A NaN is not equal to itself, and stays.
        #[expect(clippy::eq_op, reason = "that is how a NaN is told")]
        let is_nan = (value != value) & (*best == *best);
        let wins = (value > *best) | is_nan | (*place == UNSEEN);
        *best = if wins { value } else { *best };
        *place = if wins { seen } else { *place };
    }
    let seen = |i: usize| first.wrapping_add((i as u32).wrapping_mul(stride));
    let whole = values.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let (best, places) = (&mut best[at..at + LANES], &mut places[at..at + LANES]);
        let values = &values[at..at + LANES];
        for i in 0..LANES {
            one(&mut best[i], &mut places[i], values[i], seen(at + i));
        }
    }
    for i in whole..values.len() {
        one(&mut best[i], &mut places[i], values[i], seen(i));
    }
}

//! The two loops that convolutions spend their time in, one for each instruction set.
//!
//! Both keep a block of sums in registers and read numbers in place: no copy of the input for each element of the
//! kernel (im2col) is made. Products are added in an order that depends on nothing but the lists given, so AVX2 and
//! AVX-512 give the same bits.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};
use std::mem::MaybeUninit;

use crate::exec::cpu::isa::Isa;
use crate::exec::cpu::scratch::Scratch;
use crate::exec::cpu::vector::{PlainF32, PlainF64, Vector};

/// Sums of shifted numbers: `y[m][t] = sum over k of a[k][m] * b[offsets[k] + t]`, for the positions `t` of some rows.
pub(super) struct Shifted<'a, T> {
    /// Coefficients as [`pack`] laid them out.
    pub(super) a: &'a [T],
    /// How many `m` there are.
    pub(super) sums: usize,
    /// Numbers; so many as [`SLACK`] says may be read behind the last that is asked for.
    pub(super) b: *const T,
    /// One for each `k`.
    pub(super) offsets: &'a [usize],
    /// By increasing position, without overlap.
    pub(super) rows: &'a [Row],
    /// Positions of a row.
    pub(super) width: usize,
    pub(super) y: *mut T,
    /// From an element of `y` to the next of the same row.
    pub(super) step: usize,
    /// From a sum of `y` to the next at the same position.
    pub(super) stride: usize,
}

/// Positions that lie one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The first position.
    pub(super) from: usize,
    /// Where it goes in `y`, in elements.
    pub(super) to: usize,
    /// Elements of `y` behind the row that later rows write: a register may be stored whole across its end.
    pub(super) spare: usize,
}

/// Sums over positions: `total[m][j] += sum over t of x[offsets[m] + place(t)] * y[t][j]`.
pub(super) struct Outer<'a, T> {
    pub(super) x: *const T,
    /// One for each `m`.
    pub(super) offsets: &'a [usize],
    /// Stretches of positions, in the order of `y`.
    pub(super) stretches: &'a [Stretch],
    /// From the place of a position to that of the next of the stretch.
    pub(super) step: usize,
    /// `columns` numbers for each position.
    pub(super) y: *const T,
    pub(super) columns: usize,
    pub(super) total: *mut T,
}

/// Positions whose places are evenly apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// The place of the first.
    pub(super) place: usize,
    pub(super) len: usize,
}

/// A floating-point number that has the loops.
pub(super) trait Number: Copy + Default + Send + Sync + 'static {
    /// # Safety
    /// Offsets and positions lie in `b` and its slack, rows in `y`, which overlaps nothing; the CPU has the
    /// instructions, and `a` was packed for them.
    unsafe fn shifted(isa: Isa, job: &Shifted<'_, Self>);

    /// # Safety
    /// Offsets and places lie in `x`, `y` has the positions, `total` room for all sums and overlaps nothing; the CPU
    /// has the instructions.
    unsafe fn outer(isa: Isa, job: &Outer<'_, Self>);
}

/// Numbers that may be read behind the last one asked for: the widest tile of [`Shifted`], 8 registers of 16.
pub(super) const SLACK: usize = 128;

/// Sums that are computed at once: 8 x 3 registers of the 32 that AVX-512 has, 6 x 2 of AVX2's 16 (4 x 2 wait for their
/// sums: 5 % slower; LLVM spills 4 x 3: half as fast), 4 x 2 elsewhere.
const fn block(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 8,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => 6,
        _ => 4,
    }
}

/// How many sums a block with so many left has room for.
fn room(left: usize, block: usize) -> usize {
    if left > 4 { block } else { left.next_power_of_two() }
}

/// Lays out coefficients for [`Number::shifted`]: `[block][channel][element][m]`, the last block narrower, zeros where
/// sums lack. `at` yields that of a channel, an element and a sum.
pub(super) fn pack<T: Number>(
    isa: Isa,
    sums: usize,
    channels: usize,
    elements: &[usize],
    at: impl Fn(usize, usize, usize) -> T,
) -> Scratch<T> {
    let block = block(isa);
    let mut packed = Scratch::with_room((sums + block) * channels * elements.len());
    let mut first = 0;
    while first < sums {
        let room = room(sums - first, block);
        for channel in 0..channels {
            for &element in elements {
                let of_sum = |m| if m < sums { at(channel, element, m) } else { T::default() };
                packed.add(room, |i| of_sum(first + i));
            }
        }
        first += room;
    }
    packed
}

macro_rules! number {
    ($number:ty, $plain:ty, $avx2:ty, $avx512:ty) => {
        impl Number for $number {
            unsafe fn shifted(isa: Isa, job: &Shifted<'_, Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => shifted_avx512::<$avx512>(job),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => shifted_avx2::<$avx2>(job),
                        _ => shifted::<$plain, 4, 2, 2, 4>(job, block(isa)),
                    }
                }
            }

            unsafe fn outer(isa: Isa, job: &Outer<'_, Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => outer_avx512::<$avx512>(job),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => outer_avx2::<$avx2>(job),
                        _ => outer::<$plain, 4, 2>(job),
                    }
                }
            }
        }
    };
}

number!(f32, PlainF32, __m256, __m512);
number!(f64, PlainF64, __m256d, __m512d);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn shifted_avx512<X: Vector>(job: &Shifted<'_, X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { shifted::<X, 8, 3, 6, 8>(job, block(Isa::Avx512)) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn shifted_avx2<X: Vector>(job: &Shifted<'_, X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { shifted::<X, 6, 2, 2, 4>(job, block(Isa::Avx2)) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn outer_avx512<X: Vector>(job: &Outer<'_, X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { outer::<X, 6, 4>(job) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn outer_avx2<X: Vector>(job: &Outer<'_, X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { outer::<X, 6, 2>(job) }
}

/// Whole blocks of `M` sums, `V` registers of positions at a time, then what is left in narrower ones.
///
/// # Safety
/// As [`Number::shifted`].
#[inline(always)]
unsafe fn shifted<X: Vector, const M: usize, const V: usize, const V4: usize, const V2: usize>(
    job: &Shifted<'_, X::Number>,
    block: usize,
) {
    debug_assert_eq!(M, block);
    let whole = job.sums / M;
    let mut first = whole * M;
    // SAFETY: the caller's promise; the blocks are those that `pack` made.
    unsafe {
        if whole > 0 {
            sweep::<X, M, V>(job, 0, whole);
        }
        while first < job.sums {
            match room(job.sums - first, block) {
                4 => sweep::<X, 4, V4>(job, first, 1),
                2 => sweep::<X, 2, V2>(job, first, 1),
                1 => sweep::<X, 1, 8>(job, first, 1),
                _ => sweep::<X, M, V>(job, first, 1),
            }
            first += room(job.sums - first, block);
        }
    }
}

/// All positions of `blocks` blocks of sums. Tile by tile, so that the numbers of a tile stay in the nearest cache
/// while all blocks pass over them.
///
/// # Safety
/// As [`Number::shifted`].
#[inline(always)]
unsafe fn sweep<X: Vector, const M: usize, const V: usize>(
    job: &Shifted<'_, X::Number>,
    first: usize,
    blocks: usize,
) {
    let (tile, depth) = (V * X::LANES, job.offsets.len());
    let (mut row, mut start) = (0, 0);
    while let Some(next) = job.rows.get(row) {
        // Positions between rows are nobody's.
        start = next.from.max(start);
        let mut end = row;
        while job.rows.get(end).is_some_and(|row| row.from < start + tile) {
            end += 1;
        }
        for block in 0..blocks {
            let sum = first + block * M;
            // SAFETY: the caller's promise; the block begins there.
            unsafe {
                let a = job.a.as_ptr().add(sum * depth);
                let sums = sum_tile::<X, M, V>(a, job.b.add(start), job.offsets);
                // One register more, since a whole one may be read across the end.
                let mut lanes = MaybeUninit::<([[X; V]; M], X)>::uninit();
                lanes.write((sums, X::zero()));
                store_tile::<X, M, V>(job, lanes.as_ptr().cast(), sum, start, &job.rows[row..end]);
            }
        }
        start += tile;
        while job.rows.get(row).is_some_and(|row| row.from + job.width <= start) {
            row += 1;
        }
    }
}

/// The sums of a tile.
///
/// # Safety
/// As [`Number::shifted`]; `a` is a block of `M`.
#[inline(always)]
unsafe fn sum_tile<X: Vector, const M: usize, const V: usize>(
    mut a: *const X::Number,
    b: *const X::Number,
    offsets: &[usize],
) -> [[X; V]; M] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[X::zero(); V]; M];
        for &offset in offsets {
            let from = b.add(offset);
            let mut numbers = [X::zero(); V];
            for (v, number) in numbers.iter_mut().enumerate() {
                *number = X::load(from.add(v * X::LANES));
            }
            for (m, sums) in sums.iter_mut().enumerate() {
                let factor = X::splat(*a.add(m));
                for (sum, number) in sums.iter_mut().zip(numbers) {
                    *sum = number.mul_add(factor, *sum);
                }
            }
            a = a.add(M);
        }
        sums
    }
}

/// Copies the parts of a tile that belong to rows to their places.
///
/// # Safety
/// As [`Number::shifted`]; `lanes` is the tile that begins at position `start`.
#[inline(always)]
unsafe fn store_tile<X: Vector, const M: usize, const V: usize>(
    job: &Shifted<'_, X::Number>,
    lanes: *const X::Number,
    first: usize,
    start: usize,
    rows: &[Row],
) {
    let tile = V * X::LANES;
    let sums = M.min(job.sums - first);
    for row in rows {
        let from = row.from.max(start);
        let len = (row.from + job.width).min(start + tile) - from;
        for m in 0..sums {
            // SAFETY: the caller's promise.
            unsafe {
                let from_lanes = lanes.add(m * tile + (from - start));
                let to = job.y.add((first + m) * job.stride + row.to + (from - row.from) * job.step);
                if job.step == 1 {
                    let spare = row.from + job.width + row.spare - (from + len);
                    copy_lanes::<X>(from_lanes, to, len, spare);
                } else {
                    for i in 0..len {
                        *to.add(i * job.step) = *from_lanes.add(i);
                    }
                }
            }
        }
    }
}

/// # Safety
/// `len` numbers may be read and written, `spare` more written, and a register read that begins before the end.
#[inline(always)]
unsafe fn copy_lanes<X: Vector>(from: *const X::Number, to: *mut X::Number, len: usize, spare: usize) {
    let mut at = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while at < len && at + X::LANES <= len + spare {
            X::load(from.add(at)).store(to.add(at));
            at += X::LANES;
        }
        if at < len {
            let part = X::part(len - at);
            X::load_part(from.add(at), part).store_part(to.add(at), part);
        }
    }
}

/// Numbers of `y` that stay in the nearest cache while all `m` pass over them (16 KiB of f32).
const OUTER_NUMBERS: usize = 4096;

/// A few stretches at a time, in blocks of up to `M` sums times `V` registers of columns.
///
/// # Safety
/// As [`Number::outer`].
#[inline(always)]
unsafe fn outer<X: Vector, const M: usize, const V: usize>(job: &Outer<'_, X::Number>) {
    let (mut first, mut y) = (0, job.y);
    while first < job.stretches.len() {
        let (mut end, mut positions) = (first, 0);
        while end < job.stretches.len()
            && (end == first || (positions + job.stretches[end].len) * job.columns <= OUTER_NUMBERS)
        {
            positions += job.stretches[end].len;
            end += 1;
        }
        let part = Outer { stretches: &job.stretches[first..end], y, ..*job };
        let mut m = 0;
        // SAFETY: the caller's promise; so many sums are left.
        unsafe {
            while m + M <= job.offsets.len() {
                outer_columns::<X, M, V>(&part, m);
                m += M;
            }
            if M > 4 && m + 4 <= job.offsets.len() {
                outer_columns::<X, 4, V>(&part, m);
                m += 4;
            }
            if m + 2 <= job.offsets.len() {
                outer_columns::<X, 2, V>(&part, m);
                m += 2;
            }
            while m < job.offsets.len() {
                outer_columns::<X, 1, V>(&part, m);
                m += 1;
            }
            y = y.add(positions * job.columns);
        }
        first = end;
    }
}

/// All columns of `M` sums.
///
/// # Safety
/// As [`Number::outer`].
#[inline(always)]
unsafe fn outer_columns<X: Vector, const M: usize, const V: usize>(job: &Outer<'_, X::Number>, m: usize) {
    let mut column = 0;
    // SAFETY: the caller's promise; so many columns are left.
    unsafe {
        while column < job.columns {
            match (job.columns - column).div_ceil(X::LANES) {
                left if V >= 4 && left >= 4 => {
                    outer_block::<X, M, 4>(job, m, column);
                    column += 4 * X::LANES;
                }
                left if left >= 2 => {
                    outer_block::<X, M, 2>(job, m, column);
                    column += 2 * X::LANES;
                }
                _ => {
                    outer_block::<X, M, 1>(job, m, column);
                    column += X::LANES;
                }
            }
        }
    }
}

/// `M` sums of `V` registers of columns, the last of which may be a part.
///
/// # Safety
/// As [`Number::outer`].
#[inline(always)]
unsafe fn outer_block<X: Vector, const M: usize, const V: usize>(
    job: &Outer<'_, X::Number>,
    m: usize,
    column: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let part = X::part(job.columns - column - (V - 1) * X::LANES);
        let mut sums = [[X::zero(); V]; M];
        let mut y = job.y.add(column);
        for stretch in job.stretches {
            let mut x = [job.x; M];
            for (i, x) in x.iter_mut().enumerate() {
                *x = job.x.add(job.offsets[m + i] + stretch.place);
            }
            for t in 0..stretch.len {
                let mut numbers = [X::zero(); V];
                for (v, number) in numbers.iter_mut().enumerate() {
                    let from = y.add(v * X::LANES);
                    *number = if v + 1 < V { X::load(from) } else { X::load_part(from, part) };
                }
                for (x, sums) in x.iter().zip(&mut sums) {
                    let factor = X::splat(*x.add(t * job.step));
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum = number.mul_add(factor, *sum);
                    }
                }
                y = y.add(job.columns);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let total = job.total.add((m + i) * job.columns + column);
            for (v, sum) in sums.iter().enumerate() {
                let to = total.add(v * X::LANES);
                if v + 1 < V {
                    X::load(to).add(*sum).store(to);
                } else {
                    X::load_part(to, part).add(*sum).store_part(to, part);
                }
            }
        }
    }
}

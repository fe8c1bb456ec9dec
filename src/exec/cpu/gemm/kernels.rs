//! Products that read their operands in place: sums of rows, and dot products.
//!
//! Both compute a block of `c` at a time in registers. All is inlined into one function for each instruction
//! set, since only there the instructions of a [`Vector`] are instructions.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use super::{COMBINE_ROWS, Product, Ring, bytes};
use crate::exec::cpu::isa::Isa;
use crate::exec::cpu::vector::{PlainF32, PlainF64, Vector};

/// A floating-point number that has kernels.
pub(crate) trait Real: Ring {
    /// 1.
    const ONE: Self;
    /// The library's name of the type.
    #[cfg(target_arch = "x86_64")]
    const DTYPE: private_gemm_x86::DType;

    /// Computes a product by adding up rows of `b`.
    ///
    /// # Safety
    /// As [`Product::compute`]; the column strides of `b` and `c` are 1, and the CPU has the instructions.
    unsafe fn combine(isa: Isa, product: &Product<Self>);

    /// Computes a product by dot products.
    ///
    /// # Safety
    /// As [`Product::compute`]; the column stride of `a` and the row stride of `b` are 1, and the CPU has the
    /// instructions.
    unsafe fn dot(isa: Isa, product: &Product<Self>);
}

macro_rules! real {
    ($number:ty, $dtype:ident, $sums:literal, $plain:ty, $avx2:ty, $avx512:ty) => {
        impl Real for $number {
            const ONE: Self = 1.0;
            #[cfg(target_arch = "x86_64")]
            const DTYPE: private_gemm_x86::DType = private_gemm_x86::DType::$dtype;

            unsafe fn combine(isa: Isa, product: &Product<Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => combine_avx512::<$avx512>(product),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => combine_avx2::<$avx2>(product),
                        _ => combine_plain::<$plain>(product),
                    }
                }
            }

            unsafe fn dot(isa: Isa, product: &Product<Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => dot_avx512::<$avx512>(product),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => dot_avx2::<$avx2>(product),
                        _ => dot_plain::<$plain, { $sums / <$plain>::LANES }>(product),
                    }
                }
            }
        }
    };
}

real!(f32, F32, 16, PlainF32, __m256, __m512);
real!(f64, F64, 8, PlainF64, __m256d, __m512d);

// Blocks of `c` are as big as the registers allow. Sums of rows: 4 x 4 registers of the 32 that AVX-512 and
// NEON have; with 16 of them 4 x 2 (AVX2) or 2 x 4 (SSE2). LLVM spills 6 x 2 on AVX2: half as fast. Dot
// products: 4 x 4 or 1 x 8 with AVX-512, otherwise 1 x 4, since the 64 bytes of sums of each are 2 registers
// (AVX2) or 4 (NEON), or one by one (SSE2).

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn combine_avx512<X: Vector>(product: &Product<X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { combine::<X, true, 4>(product) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn combine_avx2<X: Vector>(product: &Product<X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { combine::<X, true, 2>(product) }
}

unsafe fn combine_plain<X: Vector>(product: &Product<X::Number>)
where
    X::Number: Vector<Number = X::Number>,
{
    let whole = product.cols / X::LANES * X::LANES;
    // SAFETY: the caller's promise; the columns of each part fill registers of its kind.
    unsafe {
        combine::<X, HAS_32_REGISTERS, 4>(&product.part(0..product.rows, 0..whole));
        combine::<X::Number, false, 4>(&product.part(0..product.rows, whole..product.cols));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn dot_avx512<X: Vector>(product: &Product<X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { dot::<X, 1, 4, 8>(product) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn dot_avx2<X: Vector>(product: &Product<X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { dot::<X, 2, 1, 4>(product) }
}

unsafe fn dot_plain<X: Vector, const PARTS: usize>(product: &Product<X::Number>) {
    // SAFETY: the caller's promise.
    unsafe { dot::<X, PARTS, 1, { if HAS_32_REGISTERS { 4 } else { 1 } }>(product) }
}

/// Whether every CPU of the target has as many.
const HAS_32_REGISTERS: bool = cfg!(target_arch = "aarch64");

// All measurements below: f32, one core of a Zen 4 with 32 KiB of L1 and 1 MiB of L2.

/// This much of `b` stays in the L1 cache while all rows of `a` pass over it.
const PANEL_BYTES: usize = 16 << 10;

/// Where `b` is greater and `c` has few rows, `b` is read in the order of memory, a few rows at a time, not
/// column by column (1 x 1024 x 1024: 53 us instead of 70; 1 x 4096 x 4096: 2.4 ms instead of 6.5).
const STREAM_BYTES: usize = 1 << 20;

/// That few (1 x 4096 x 4096: 2.9 ms for 4, 2.4 for 8, 4.3 for 16).
const STREAM_DEPTH: usize = 8;

/// Where rows of `a` have gaps, so many columns are used at a time: each of their cache lines serves several
/// blocks and has to stay until then (4096 x 4096 x 4, `a` transposed: 12.6 ms instead of 27).
const GAPS_DEPTH: usize = 128;

/// Adds up rows of `b`, for one block of `c` after the other. Blocks have 4 rows of up to `VECTORS` registers
/// if `TALL`, and 2 rows or 1 of up to 4 registers where no more are left.
///
/// # Safety
/// As [`Real::combine`]; unless [`Vector::MASKED`], the columns fill registers.
#[inline(always)]
unsafe fn combine<X: Vector, const TALL: bool, const VECTORS: usize>(product: &Product<X::Number>) {
    let Product { rows, cols, depth, a, .. } = *product;
    debug_assert!(X::MASKED || cols.is_multiple_of(X::LANES));
    let step = if rows <= COMBINE_ROWS && bytes::<X::Number>(depth, cols) > STREAM_BYTES {
        STREAM_DEPTH
    } else if a.col_stride != 1 && rows > 4 {
        GAPS_DEPTH
    } else {
        depth
    };
    let widest = 4 * X::LANES;
    let panel_cols =
        if cols > widest { (PANEL_BYTES / bytes::<X::Number>(step, widest)).max(1) * widest } else { widest };
    let mut start = 0;
    while start < depth {
        let depths = start..depth.min(start + step);
        let mut first = 0;
        while first < cols {
            let panel = first..cols.min(first + panel_cols);
            // SAFETY: the caller's promise; the ranges are inside the product.
            unsafe { combine_panel::<X, TALL, VECTORS>(product, &panel, &depths) };
            first = panel.end;
        }
        start = depths.end;
    }
}

/// All rows of a panel.
///
/// # Safety
/// As [`combine`].
#[inline(always)]
unsafe fn combine_panel<X: Vector, const TALL: bool, const VECTORS: usize>(
    product: &Product<X::Number>,
    panel: &Range<usize>,
    depths: &Range<usize>,
) {
    let rows = product.rows;
    let mut row = 0;
    // SAFETY: the caller's promise; so many rows are left.
    unsafe {
        while TALL && row + 4 <= rows {
            combine_rows::<X, 4, VECTORS>(product, row, panel, depths);
            row += 4;
        }
        if TALL && row + 3 == rows {
            combine_rows::<X, 3, VECTORS>(product, row, panel, depths);
            row += 3;
        }
        while row + 2 <= rows {
            combine_rows::<X, 2, 4>(product, row, panel, depths);
            row += 2;
        }
        if row < rows {
            combine_rows::<X, 1, 4>(product, row, panel, depths);
        }
    }
}

/// The blocks of `ROWS` rows from `row` on, in the columns of a panel.
///
/// # Safety
/// As [`combine`].
#[inline(always)]
unsafe fn combine_rows<X: Vector, const ROWS: usize, const VECTORS: usize>(
    product: &Product<X::Number>,
    row: usize,
    panel: &Range<usize>,
    depths: &Range<usize>,
) {
    let mut col = panel.start;
    while col < panel.end {
        let left = panel.end - col;
        let registers = left.div_ceil(X::LANES);
        // Evenly: 3 and 3 hide the latency of additions better than 4 and 2.
        let taken =
            if registers <= VECTORS { registers } else { registers.div_ceil(registers.div_ceil(VECTORS)) };
        // SAFETY: the caller's promise; the last block ends with the panel.
        unsafe {
            match taken {
                1 => combine_block::<X, ROWS, 1>(product, row, col, left, depths),
                2 => combine_block::<X, ROWS, 2>(product, row, col, left, depths),
                3 if VECTORS > 3 => combine_block::<X, ROWS, 3>(product, row, col, left, depths),
                _ => combine_block::<X, ROWS, VECTORS>(product, row, col, left, depths),
            }
        }
        col += taken * X::LANES;
    }
}

/// One block: `c[i, j] += a[i, k] * b[k, j]` for each `k` in `depths`, from 0 on if these are the first. Of
/// the `cols` columns that are left it takes as many as fill its registers.
///
/// # Safety
/// As [`combine`].
#[inline(always)]
unsafe fn combine_block<X: Vector, const ROWS: usize, const VECTORS: usize>(
    product: &Product<X::Number>,
    row: usize,
    col: usize,
    cols: usize,
    depths: &Range<usize>,
) {
    let Product { a, b, c, .. } = product;
    // SAFETY: the caller's promise; of the last register only the part inside the block is read or written.
    unsafe {
        let last = X::part(cols - (VECTORS - 1) * X::LANES);
        let mut sums = [[X::zero(); VECTORS]; ROWS];
        if depths.start > 0 {
            for (i, sums) in sums.iter_mut().enumerate() {
                *sums = load_line(c.at(row + i, col), last);
            }
        }
        let (mut x, mut y) = (a.at(row, depths.start), b.at(depths.start, col));
        for _ in depths.clone() {
            let line: [X; VECTORS] = load_line(y, last);
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = X::splat(*x.offset(i as isize * a.row_stride));
                for (sum, y) in sums.iter_mut().zip(&line) {
                    *sum = x.mul_add(*y, *sum);
                }
            }
            x = x.wrapping_offset(a.col_stride);
            y = y.wrapping_offset(b.row_stride);
        }
        for (i, sums) in sums.iter().enumerate() {
            let to = c.at(row + i, col);
            for (j, sum) in sums.iter().enumerate() {
                let to = to.add(j * X::LANES);
                if j + 1 < VECTORS || !X::MASKED { sum.store(to) } else { sum.store_part(to, last) }
            }
        }
    }
}

/// Consecutive registers, of which the last is a part.
#[inline(always)]
unsafe fn load_line<X: Vector, const VECTORS: usize>(from: *const X::Number, last: X::Part) -> [X; VECTORS] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut line = [X::zero(); VECTORS];
        for (j, x) in line.iter_mut().enumerate() {
            let from = from.add(j * X::LANES);
            *x = if j + 1 < VECTORS || !X::MASKED { X::load(from) } else { X::load_part(from, last) };
        }
        line
    }
}

/// Computes dot products: in blocks of `TALL x 4`, where fewer rows are left of `1 x WIDE`, `1 x 4` or one.
///
/// # Safety
/// As [`Real::dot`].
#[inline(always)]
unsafe fn dot<X: Vector, const PARTS: usize, const TALL: usize, const WIDE: usize>(
    product: &Product<X::Number>,
) {
    let Product { rows, cols, .. } = *product;
    let tall = if TALL > 1 && cols >= 4 { rows / TALL * TALL } else { 0 };
    // SAFETY: the caller's promise.
    unsafe {
        if tall > 0 {
            dot_rows::<X, PARTS, TALL, 4>(&product.part(0..tall, 0..cols));
        }
        if tall < rows {
            let rest = product.part(tall..rows, 0..cols);
            if cols >= WIDE {
                dot_rows::<X, PARTS, 1, WIDE>(&rest);
            } else if cols >= 4 {
                dot_rows::<X, PARTS, 1, 4>(&rest);
            } else {
                dot_rows::<X, PARTS, 1, 1>(&rest);
            }
        }
    }
}

/// Blocks of `ROWS x COLS` dot products, the last of which ends with the columns.
///
/// # Safety
/// As [`Real::dot`]; rows are a multiple of `ROWS` and columns at least `COLS`.
#[inline(always)]
unsafe fn dot_rows<X: Vector, const PARTS: usize, const ROWS: usize, const COLS: usize>(
    product: &Product<X::Number>,
) {
    debug_assert!(product.cols >= COLS && product.rows.is_multiple_of(ROWS));
    for col in (0..product.cols).step_by(COLS) {
        // Some dot products are computed twice, to the same result, rather than one by one.
        let col = col.min(product.cols - COLS);
        for row in (0..product.rows).step_by(ROWS) {
            // SAFETY: the caller's promise; the block is inside the product.
            unsafe { dot_block::<X, PARTS, ROWS, COLS>(product, row, col) };
        }
    }
}

/// One block: `c[i, j]` is the dot product of row `i` of `a` and column `j` of `b`.
///
/// # Safety
/// As [`dot_rows`].
#[inline(always)]
unsafe fn dot_block<X: Vector, const PARTS: usize, const ROWS: usize, const COLS: usize>(
    product: &Product<X::Number>,
    row: usize,
    col: usize,
) {
    let Product { depth, a, b, c, .. } = product;
    let whole = depth / (PARTS * X::LANES) * (PARTS * X::LANES);
    let (x, y) = (a.at(row, 0), b.at(0, col));
    // SAFETY: the caller's promise; a part ends where the depth ends, or is empty.
    unsafe {
        let mut sums = [[[X::zero(); COLS]; ROWS]; PARTS];
        for k in (0..whole).step_by(PARTS * X::LANES) {
            for (part, sums) in sums.iter_mut().enumerate() {
                let k = k + part * X::LANES;
                let ys = load_each::<X, COLS>(y.add(k), b.col_stride, None);
                let xs = load_each::<X, ROWS>(x.add(k), a.row_stride, None);
                add_products(sums, xs, ys);
            }
        }
        if whole < *depth {
            for (part, sums) in sums.iter_mut().enumerate() {
                let k = whole + part * X::LANES;
                let rest = Some(X::part(depth.saturating_sub(k)));
                let ys = load_each::<X, COLS>(y.wrapping_add(k), b.col_stride, rest);
                let xs = load_each::<X, ROWS>(x.wrapping_add(k), a.row_stride, rest);
                add_products(sums, xs, ys);
            }
        }
        for (i, sums) in fold(sums).iter().enumerate() {
            store_sums(sums, c.at(row + i, col), c.col_stride);
        }
    }
}

/// `sums[i][j] += xs[i] * ys[j]`.
#[inline(always)]
unsafe fn add_products<X: Vector, const ROWS: usize, const COLS: usize>(
    sums: &mut [[X; COLS]; ROWS],
    xs: [X; ROWS],
    ys: [X; COLS],
) {
    for (x, sums) in xs.iter().zip(sums) {
        for (y, sum) in ys.iter().zip(sums) {
            // SAFETY: arithmetic; the CPU has the instructions.
            *sum = unsafe { x.mul_add(*y, *sum) };
        }
    }
}

/// One register from each of `N` places, a stride apart; only a part of each if one is given.
#[inline(always)]
unsafe fn load_each<X: Vector, const N: usize>(
    from: *const X::Number,
    stride: isize,
    part: Option<X::Part>,
) -> [X; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut loaded = [X::zero(); N];
        for (i, x) in loaded.iter_mut().enumerate() {
            let from = from.wrapping_offset(i as isize * stride);
            *x = part.map_or_else(|| X::load(from), |part| X::load_part(from, part));
        }
        loaded
    }
}

/// The sums of all parts: part `i` and part `i + n / 2` are added while there are `n > 1`.
#[inline(always)]
unsafe fn fold<X: Vector, const PARTS: usize, const ROWS: usize, const COLS: usize>(
    mut sums: [[[X; COLS]; ROWS]; PARTS],
) -> [[X; COLS]; ROWS] {
    let mut n = PARTS / 2;
    while n > 0 {
        let (kept, added) = sums.split_at_mut(n);
        let added = added.as_flattened().as_flattened();
        for (sum, added) in kept.as_flattened_mut().as_flattened_mut().iter_mut().zip(added) {
            // SAFETY: arithmetic; the CPU has the instructions.
            *sum = unsafe { sum.add(*added) };
        }
        n /= 2;
    }
    sums[0]
}

/// Writes the sum of each register, a stride apart.
#[inline(always)]
unsafe fn store_sums<X: Vector, const N: usize>(sums: &[X; N], to: *mut X::Number, stride: isize) {
    let (fours, rest) = sums.as_chunks::<4>();
    // SAFETY: the caller's promise.
    unsafe {
        for (i, four) in fours.iter().enumerate() {
            let to = to.wrapping_offset(4 * i as isize * stride);
            if stride == 1 {
                X::store_sums(*four, to);
            } else {
                let mut numbers = [X::Number::default(); 4];
                X::store_sums(*four, numbers.as_mut_ptr());
                for (j, number) in numbers.into_iter().enumerate() {
                    to.wrapping_offset(j as isize * stride).write(number);
                }
            }
        }
        for (i, x) in rest.iter().enumerate() {
            to.wrapping_offset((4 * fours.len() + i) as isize * stride).write(x.sum());
        }
    }
}

//! The matrix product: `c = a b` for f32, f64 and integers, whatever the strides.
//!
//! Floating-point products are computed in one of three ways, chosen by [`Product::method`]:
//!
//! | [`Method`] | an element of `c` is | chosen for |
//! |---|---|---|
//! | `Combine` | a sum of numbers of `b`, each times one of `a`, row by row | few rows, or `b` in the cache |
//! | `Dot` | the dot product of two gap-free vectors | `b` transposed and few rows; narrow results |
//! | `Library` | what the library makes of packed copies of `a` and `b` | everything else |
//!
//! The library is `private-gemm-x86` on x86-64 and `gemm` elsewhere. To pack the operands costs more than it
//! saves where one of them is thin or all are small; `Combine` and `Dot` (in [`kernels`]) read them in place.
//!
//! **Numerics.** The bits of an element depend on its row of `a`, its column of `b` and the method; not on
//! the rows and columns computed with it, so that a product may be split over threads if all parts use the
//! method of the whole. Nor do they depend on the instruction set, except that x86-64 before AVX2 has no
//! fused multiply-add. `Combine` adds products in the order of `k`. `Dot` keeps 16 (f32) or 8 (f64) sums,
//! adds product `k` to sum `k mod 16` (`mod 8`), and then halves to halves. `private-gemm-x86` adds blocks of
//! 512 products, each in the order of `k`; `gemm` does not say what it does.
//!
//! Infinities and NaN are those of the formula: no product is left out because a factor is 0.

mod kernels;
mod library;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::isa::{Isa, isa};
use super::scratch::Scratch;
use super::transpose;
use crate::exec::threads::{self, Shared};
pub(crate) use kernels::Real;
use library::library;

/// A matrix that is read. Element `(i, j)` is at `ptr + i * row_stride + j * col_stride`, counted in
/// elements; strides may be any integers, 0 and negative ones included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mat<T> {
    /// Element `(0, 0)`.
    pub(crate) ptr: *const T,
    /// From an element to the one below.
    pub(crate) row_stride: isize,
    /// From an element to the one at its right.
    pub(crate) col_stride: isize,
}

/// A matrix that is written, laid out as [`Mat`]; no two elements share their place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatMut<T> {
    /// Element `(0, 0)`.
    pub(crate) ptr: *mut T,
    /// From an element to the one below.
    pub(crate) row_stride: isize,
    /// From an element to the one at its right.
    pub(crate) col_stride: isize,
}

/// The product `c = a b`: `a` is `rows x depth`, `b` is `depth x cols`, `c` is `rows x cols`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product<T> {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) depth: usize,
    pub(crate) a: Mat<T>,
    pub(crate) b: Mat<T>,
    pub(crate) c: MatMut<T>,
}

/// How a product is computed, which is to say in which order numbers are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Rows of `b` are added up, each times a number of `a`.
    Combine,
    /// Each element is a dot product.
    Dot,
    /// Operands are packed.
    Library,
}

/// A number that products are made of.
pub(crate) trait Ring: Copy + 'static {
    /// The sum of no products.
    const ZERO: Self;
    /// `self * factor + addend`: integers wrap, floating-point numbers are rounded twice.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
}

// All measurements below: one core of a Zen 4 with 1 MiB of L2, f32, against private-gemm-x86 0.1.22.

/// Up to this number of rows `b` is never packed, however big it is (4096 x 4096: 0.5 of the library's time
/// for 1 row, 0.65 for 4, 0.9 for 8, 1.2 for 32).
const COMBINE_ROWS: usize = 8;

/// Up to this size `b` is not packed, whatever the number of rows. With AVX-512 0.86-1.00 of the library's
/// time up to 1 MiB and up to 2.0 above (rows 4-1024, depth 128-2048, cols 64-2048); half of that leaves room
/// for `a`. With AVX2 0.97-1.06 for 16 KiB and 1.2-1.5 for 64. Not measured on other CPUs than x86-64.
const fn combine_bytes(isa: Isa) -> usize {
    if matches!(isa, Isa::Avx512) { 512 << 10 } else { 16 << 10 }
}

/// A dot product ends in a horizontal sum, which costs as much as this number of multiply-adds of registers
/// (1.1 ns for 16 numbers, 0.3 ns for each 16 more).
const DOT_SUM: usize = 4;

/// To close the gaps of a matrix costs as much as this number of multiply-adds of registers for each number.
const DOT_COPY: usize = 2;

/// Dot products pay if `depth >= 8 * rows`, since the library packs `b` once for all rows (rows 1-256, depth
/// 4-1024, cols 32-1024: at the limit 0.83-1.05 of its time, far above 0.1-0.5; at `depth = 4 * rows` 1.4).
const DOT_DEPTH_PER_ROW: usize = 8;

/// Up to this number of dot products the sums cost less than the library does before it begins (70 ns).
const DOT_FEW: usize = 64;

/// Dot products with more rows than this pay only with AVX-512, which has registers for 4 x 4 (AVX2: 0.4-1.1
/// of the library's time for 4 rows, 0.5-1.5 for 8).
const DOT_ROWS: usize = 4;

/// For each few columns of `b` dot products pass over all of `a`, which has to stay in the L2 cache
/// (1 MiB: 0.85 of the library's time, 8 MiB: 1.2).
const DOT_BYTES: usize = 1 << 20;

/// Copying up to this number of rows of `a` pays for dot products with at least twice as many columns.
const DOT_COPIED_ROWS: usize = 16;

/// From this stride of columns on, in bytes, a transposed `a` is copied to rows before the library packs it: it packs four
/// rows at a time, by which every line of a column is read four times, and with such strides from afar. Time with
/// and without the copy, of one core of a Zen 3 (f32, rows x depth x cols): 0.67 for 1024 x 1024 x 256, 0.70 for
/// 256 x 1024 x 1024, 0.63 for 1024 x 512 x 512, 0.90 for 512 x 128 x 256; 1.05-1.15 with strides of 400 and 800 bytes.
const PACKED_STRIDE: usize = 1 << 10;

/// The least depth and number of columns for that copy to pay.
const PACKED_DEPTH: usize = 128;
const PACKED_COLS: usize = 128;

/// The least multiply-adds of a part of a product that a thread of its own computes: some 20 us.
pub(super) const PART_WORK: usize = 1 << 20;

/// Parts begin at multiples of this number of rows or columns, so that no register is computed in pieces.
const PART_MULTIPLE: usize = 48;

/// Computes `c = a b` for an `m x k` and a `k x n` matrix; zeros if `k` is 0.
///
/// # Safety
/// Every element of `a` and `b` may be read, every one of `c` may be written and overlaps none of theirs.
pub(crate) unsafe fn gemm<T: Real>(m: usize, n: usize, k: usize, a: Mat<T>, b: Mat<T>, c: MatMut<T>) {
    if m == 0 || n == 0 {
        return;
    }
    let product = Product { rows: m, cols: n, depth: k, a, b, c };
    let method = product.method();
    let parts = product.parts(method);
    if parts == 1 {
        // SAFETY: the caller's promise.
        return unsafe { product.compute(method) };
    }
    // SAFETY: parts write elements of their own.
    let product = unsafe { Shared::new(product) };
    threads::for_each(parts, |part| {
        let product = product.get();
        let cut = |len: usize| {
            let at = |part: usize| (part * len / parts).next_multiple_of(PART_MULTIPLE).min(len);
            at(part)..at(part + 1)
        };
        let part = match product.rows > product.cols {
            true => product.part(cut(product.rows), 0..product.cols),
            false => product.part(0..product.rows, cut(product.cols)),
        };
        // SAFETY: the caller's promise.
        unsafe { part.compute(method) };
    });
}

/// Computes what [`gemm`] does in the plainest way, adding in the order of `k`: for integers, which wrap, and
/// as the oracle of the tests.
///
/// # Safety
/// As [`gemm`].
pub(crate) unsafe fn product_naive<T: Ring>(
    m: usize,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    c: MatMut<T>,
) {
    let product = Product { rows: m, cols: n, depth: k, a, b, c }.with_unit_strides();
    let Product { rows, cols, depth, a, b, c } = product.rows_in_order().unwrap_or(product);
    for i in 0..rows {
        // SAFETY: the caller's promise; i < rows, j < cols, p < depth.
        unsafe {
            for j in 0..cols {
                c.at(i, j).write(T::ZERO);
            }
            for p in 0..depth {
                let x = *a.at(i, p);
                if b.col_stride == 1 && c.col_stride == 1 {
                    // The loop below with known strides, of which LLVM makes SIMD code.
                    let (y, z) = (b.at(p, 0), c.at(i, 0));
                    for j in 0..cols {
                        *z.add(j) = x.mul_add(*y.add(j), *z.add(j));
                    }
                } else {
                    for j in 0..cols {
                        *c.at(i, j) = x.mul_add(*b.at(p, j), *c.at(i, j));
                    }
                }
            }
        }
    }
}

impl<T: Real> Product<T> {
    /// The fastest method.
    pub(crate) fn method(&self) -> Method {
        let isa = isa();
        let has_library = cfg!(not(target_arch = "x86_64")) || isa != Isa::Plain;
        let whole = self.with_unit_strides();
        if let Some(combine) = whole.rows_in_order() {
            if combine.is_narrow() {
                return Method::Dot;
            }
            if combine.rows <= COMBINE_ROWS || bytes::<T>(combine.depth, combine.cols) <= combine_bytes(isa) {
                return Method::Combine;
            }
            if !has_library {
                return Method::Combine;
            }
        }
        if whole.with_fewer_rows().suits_dot(isa) || !has_library { Method::Dot } else { Method::Library }
    }

    /// Into how many parts it is cut along its longer side: one for each thread, as each copies or packs what all of
    /// them read.
    fn parts(&self, method: Method) -> usize {
        let work = self.rows.saturating_mul(self.cols).saturating_mul(self.depth);
        // What `gemm` does is not known to be the same for a part.
        let same_for_parts = cfg!(target_arch = "x86_64") || method != Method::Library;
        if work < 2 * PART_WORK || !same_for_parts {
            return 1;
        }
        let most = (work / PART_WORK).min(self.rows.max(self.cols).div_ceil(PART_MULTIPLE));
        threads::threads().min(most)
    }

    /// Whether adding up rows of `b` leaves so many lanes of the registers idle that dot products are faster.
    fn is_narrow(&self) -> bool {
        let Self { rows, cols, depth, a, b, .. } = *self;
        let vectors_copied =
            if a.col_stride == 1 { 0 } else { rows } + if b.row_stride == 1 { 0 } else { cols };
        let dot = rows * cols * (depth / (64 / size_of::<T>()) + DOT_SUM);
        dot + vectors_copied * depth * DOT_COPY < rows * depth
    }

    /// Whether dot products are faster than the library, for no more rows than columns.
    fn suits_dot(&self, isa: Isa) -> bool {
        let Self { rows, cols, depth, a, b, .. } = *self;
        let a_is_ready =
            a.col_stride == 1 || rows == 1 || (rows <= DOT_COPIED_ROWS && cols >= 2 * DOT_COPIED_ROWS);
        let is_fast = rows <= DOT_ROWS || (isa == Isa::Avx512 && bytes::<T>(rows, depth) <= DOT_BYTES);
        let is_deep = is_fast && depth >= DOT_DEPTH_PER_ROW * rows;
        b.row_stride == 1 && a_is_ready && (is_deep || rows == 1 || rows * cols <= DOT_FEW)
    }

    /// Computes the product by a method: by [`Product::method`] of this product, or of one that this is a
    /// [`Product::part`] of.
    ///
    /// # Safety
    /// As [`gemm`].
    pub(crate) unsafe fn compute(&self, method: Method) {
        let product = self.with_unit_strides();
        let Self { rows, cols, depth, a, b, c } = product;
        if rows == 0 || cols == 0 {
            return;
        }
        // SAFETY: the caller's promise, for the same elements or their transposes.
        unsafe {
            match method {
                _ if depth == 0 => product_naive(rows, cols, depth, a, b, c),
                Method::Combine => {
                    let product = product.rows_in_order().expect("a part has the strides of the whole");
                    T::combine(isa(), &product);
                }
                Method::Dot => without_gaps(&product.with_fewer_rows(), |product| T::dot(isa(), product)),
                Method::Library => with_rows_of_a(&product, |product| library(product, isa())),
            }
        }
    }
}

impl<T: Copy> Product<T> {
    /// The part of the product that computes a range of rows and of columns of `c`.
    pub(crate) fn part(&self, rows: Range<usize>, cols: Range<usize>) -> Self {
        debug_assert!(rows.end <= self.rows && cols.end <= self.cols);
        Self {
            rows: rows.len(),
            cols: cols.len(),
            depth: self.depth,
            a: Mat { ptr: self.a.at(rows.start, 0), ..self.a },
            b: Mat { ptr: self.b.at(0, cols.start), ..self.b },
            c: MatMut { ptr: self.c.at(rows.start, cols.start), ..self.c },
        }
    }

    /// The same numbers as `c' = b' a'`, where `'` is transposition.
    fn transposed(&self) -> Self {
        let Self { rows, cols, depth, a, b, c } = *self;
        let c = MatMut { ptr: c.ptr, row_stride: c.col_stride, col_stride: c.row_stride };
        Self { rows: cols, cols: rows, depth, a: b.transposed(), b: a.transposed(), c }
    }

    /// The same product with stride 1 wherever there is nothing to step to.
    fn with_unit_strides(&self) -> Self {
        let mut product = *self;
        let Self { rows, cols, depth, a, b, c } = &mut product;
        for (extent, strides) in [
            (*rows, [&mut a.row_stride, &mut c.row_stride]),
            (*cols, [&mut b.col_stride, &mut c.col_stride]),
            (*depth, [&mut a.col_stride, &mut b.row_stride]),
        ] {
            if extent <= 1 {
                for stride in strides {
                    *stride = 1;
                }
            }
        }
        product
    }

    /// The product or its transpose, so that rows of `b` and `c` are gap-free; if both are, that with the
    /// longer rows.
    fn rows_in_order(&self) -> Option<Self> {
        let as_is = self.b.col_stride == 1 && self.c.col_stride == 1;
        let transposed = self.a.row_stride == 1 && self.c.row_stride == 1;
        match (as_is, transposed) {
            (true, true) if self.rows > self.cols => Some(self.transposed()),
            (true, _) => Some(*self),
            (false, true) => Some(self.transposed()),
            (false, false) => None,
        }
    }

    /// The product or its transpose, so that there are no more rows than columns.
    fn with_fewer_rows(&self) -> Self {
        if self.rows > self.cols { self.transposed() } else { *self }
    }
}

impl<T> Mat<T> {
    /// Where element `(row, col)` is.
    #[inline(always)]
    fn at(&self, row: usize, col: usize) -> *const T {
        self.ptr.wrapping_offset(row as isize * self.row_stride + col as isize * self.col_stride)
    }

    /// The matrix with rows for columns.
    fn transposed(&self) -> Self {
        Self { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }
}

impl<T> MatMut<T> {
    /// Where element `(row, col)` is.
    #[inline(always)]
    fn at(&self, row: usize, col: usize) -> *mut T {
        self.ptr.wrapping_offset(row as isize * self.row_stride + col as isize * self.col_stride)
    }
}

/// The size of a matrix.
fn bytes<T>(rows: usize, cols: usize) -> usize {
    rows.saturating_mul(cols).saturating_mul(size_of::<T>())
}

/// Calls `compute` with the product after copying `a` if its rows have gaps, and `b` if its columns have.
///
/// # Safety
/// As [`gemm`].
unsafe fn without_gaps<T: Real>(product: &Product<T>, compute: impl FnOnce(&Product<T>)) {
    let Product { rows, cols, depth, a, b, c } = *product;
    if a.col_stride == 1 && b.row_stride == 1 {
        return compute(product);
    }
    let copied = if a.col_stride == 1 { 0 } else { rows } + if b.row_stride == 1 { 0 } else { cols };
    let mut copies = Scratch::with_room(copied * depth);
    let to_a: *mut T = copies.ptr();
    let to_b = if a.col_stride == 1 { to_a } else { to_a.wrapping_add(rows * depth) };
    // SAFETY: there is room for both copies.
    let (a, b) = unsafe {
        (
            if a.col_stride == 1 { a } else { copy_rows(a, rows, depth, to_a) },
            if b.row_stride == 1 { b } else { copy_rows(b.transposed(), cols, depth, to_b).transposed() },
        )
    };
    compute(&Product { rows, cols, depth, a, b, c });
}

/// Calls `compute` with the product, after copying `a` if its columns are gap-free and so far apart that the library would
/// pack them slowly: [`PACKED_STRIDE`].
///
/// # Safety
/// As [`gemm`].
unsafe fn with_rows_of_a<T: Real>(product: &Product<T>, compute: impl FnOnce(&Product<T>)) {
    // The library packs what is to be `a` for a `c` in row-major order a few rows at a time.
    let product = if product.c.row_stride < product.c.col_stride { product.transposed() } else { *product };
    let Product { rows, cols, depth, a, .. } = product;
    let far = a.col_stride.unsigned_abs() * size_of::<T>() >= PACKED_STRIDE;
    if !(a.row_stride == 1 && far && depth >= PACKED_DEPTH && cols >= PACKED_COLS) {
        return compute(&product);
    }
    let mut copy = Scratch::with_room(rows * depth);
    let to: *mut T = copy.ptr();
    // SAFETY: there is room for the copy.
    unsafe { transpose::strided_matrix(a.ptr, a.col_stride, [depth, rows], to, depth as isize) };
    compute(&Product { a: Mat { ptr: to, row_stride: depth as isize, col_stride: 1 }, ..product });
}

/// A copy of a matrix, row after row.
///
/// # Safety
/// The `rows x cols` elements of `from` may be read, and as many at `to` written.
unsafe fn copy_rows<T: Copy>(from: Mat<T>, rows: usize, cols: usize, to: *mut T) -> Mat<T> {
    for i in 0..rows {
        for j in 0..cols {
            // SAFETY: the caller's promise.
            unsafe { to.add(i * cols + j).write(*from.at(i, j)) };
        }
    }
    Mat { ptr: to, row_stride: cols as isize, col_stride: 1 }
}

macro_rules! ring {
    ($zero:literal, |$x:ident, $y:ident, $z:ident| $mul_add:expr, $($number:ty),*) => {$(
        impl Ring for $number {
            const ZERO: Self = $zero;
            #[inline(always)]
            fn mul_add(self, $y: Self, $z: Self) -> Self {
                let $x = self;
                $mul_add
            }
        }
    )*};
}

ring!(0, |x, y, z| x.wrapping_mul(y).wrapping_add(z), i64, i32, u8);
ring!(0.0, |x, y, z| x * y + z, f64, f32);

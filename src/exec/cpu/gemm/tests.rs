//! Every method, instruction set and layout against the plain product in f64, up to the last byte of a page.

use super::*;
use crate::exec::cpu::isa::with_isa;

/// What the tests ask of a floating-point number.
trait Tested: Real + Default + PartialEq + std::fmt::Debug {
    const EPSILON: f64;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Tested for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        self.into()
    }
}

impl Tested for f64 {
    const EPSILON: f64 = f64::EPSILON;
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// Where the elements of a matrix are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    RowMajor,
    ColumnMajor,
    /// Gaps between all elements.
    Gaps,
    /// Row-major with rows and columns in reverse.
    Reversed,
    /// Column-major with columns in reverse.
    ReversedColumns,
    /// All rows are one row.
    OneRow,
    /// All columns are one column.
    OneColumn,
}

use Layout::*;

impl Layout {
    /// Offset of element (0, 0), strides and room needed for a matrix.
    fn place(self, rows: usize, cols: usize) -> (usize, isize, isize, usize) {
        let (m, n) = (rows as isize, cols as isize);
        match self {
            RowMajor => (0, n, 1, rows * cols),
            ColumnMajor => (0, 1, m, rows * cols),
            Gaps => (1, 2 * n + 3, 2, rows * (2 * cols + 3) + 1),
            Reversed => ((rows * cols).saturating_sub(1), -n, -1, rows * cols),
            ReversedColumns => (rows * cols.saturating_sub(1), 1, -m, rows * cols),
            OneRow => (0, 0, 1, cols),
            OneColumn => (0, 1, 0, rows),
        }
    }
}

/// A matrix with memory of its own.
struct Matrix<T> {
    data: Vec<T>,
    at: usize,
    row_stride: isize,
    col_stride: isize,
}

impl<T: Tested> Matrix<T> {
    /// Numbers in [-1, 1), others for another seed.
    fn random(layout: Layout, rows: usize, cols: usize, seed: u64) -> Self {
        let (at, row_stride, col_stride, room) = layout.place(rows, cols);
        let hash = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ (seed << 17)) >> 40;
        let data = (0..room).map(|i| T::of(hash(i) as f64 / (1 << 23) as f64 - 1.0)).collect();
        Self { data, at, row_stride, col_stride }
    }

    fn view(&self) -> Mat<T> {
        let ptr = self.data.as_ptr().wrapping_add(self.at);
        Mat { ptr, row_stride: self.row_stride, col_stride: self.col_stride }
    }

    fn view_mut(&mut self) -> MatMut<T> {
        let ptr = self.data.as_mut_ptr().wrapping_add(self.at);
        MatMut { ptr, row_stride: self.row_stride, col_stride: self.col_stride }
    }

    fn get(&self, row: usize, col: usize) -> T {
        self.data[self.index(row, col)]
    }

    fn index(&self, row: usize, col: usize) -> usize {
        let offset = row as isize * self.row_stride + col as isize * self.col_stride;
        self.at.checked_add_signed(offset).expect("inside the matrix")
    }
}

/// The methods that can compute a product on this thread's instruction set.
fn methods<T: Real>(product: &Product<T>) -> Vec<Method> {
    let mut methods = vec![Method::Dot];
    if product.with_unit_strides().rows_in_order().is_some() {
        methods.push(Method::Combine);
    }
    if isa() != Isa::Plain {
        methods.push(Method::Library);
    }
    methods
}

/// Runs the body once for each instruction set of this machine.
fn on_each_isa(mut body: impl FnMut(Isa)) {
    for isa in Isa::available() {
        with_isa(isa, || body(isa));
    }
}

/// Computes a product by every method on every instruction set and compares it with f64.
fn check<T: Tested>([m, k, n]: [usize; 3], layouts: [Layout; 3]) {
    let a = Matrix::<T>::random(layouts[0], m, k, 1);
    let b = Matrix::<T>::random(layouts[1], k, n, 2);
    let expected: Vec<(f64, f64)> = (0..m * n)
        .map(|at| {
            let products = (0..k).map(|p| a.get(at / n, p).wide() * b.get(p, at % n).wide());
            products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
        })
        .collect();
    let before = Matrix::<T>::random(layouts[2], m, n, 3);
    on_each_isa(|isa| {
        let mut c = Matrix { data: before.data.clone(), ..before };
        let product = Product { rows: m, cols: n, depth: k, a: a.view(), b: b.view(), c: c.view_mut() };
        for method in methods(&product) {
            c.data.copy_from_slice(&before.data);
            let product = Product { c: c.view_mut(), ..product };
            // SAFETY: the matrices have memory of their own for all their elements.
            unsafe { product.compute(method) };
            let mut untouched = vec![true; c.data.len()];
            for (at, (sum, size)) in expected.iter().enumerate() {
                let got = c.get(at / n, at % n).wide();
                let bound = T::EPSILON * (k as f64 + 2.0) * size;
                assert!(
                    (got - sum).abs() <= bound,
                    "{method:?} on {isa:?}, {m} x {k} x {n}, {layouts:?}, element {at}: {got}, not {sum}"
                );
                untouched[c.index(at / n, at % n)] = false;
            }
            let gaps = c.data.iter().zip(&before.data).zip(untouched).filter(|(_, untouched)| *untouched);
            assert!(gaps.map(|(pair, _)| pair).all(|(x, y)| x == y), "{method:?} on {isa:?} wrote into gaps");
        }
    });
}

const READ: [Layout; 7] = [RowMajor, ColumnMajor, Gaps, Reversed, ReversedColumns, OneRow, OneColumn];
const WRITTEN: [Layout; 4] = [RowMajor, ColumnMajor, Gaps, Reversed];

#[test]
fn small_products_are_right_in_every_layout() {
    for at in 0..6 * 6 * 6 {
        let extents = [at / 36, at / 6 % 6, at % 6];
        for a in READ {
            for b in READ {
                check::<f32>(extents, [a, b, WRITTEN[at % 4]]);
                check::<f64>(extents, [a, b, WRITTEN[at / 4 % 4]]);
            }
        }
    }
}

#[test]
fn products_of_odd_sizes_are_right() {
    for extents in [
        [1, 100, 50],
        [1, 17, 131],
        [3, 33, 19],
        [7, 65, 64],
        [6, 1, 70],
        [17, 16, 15],
        [29, 9, 33],
        [33, 40, 2],
        [50, 131, 1],
        [67, 24, 50],
        [13, 600, 5],
    ] {
        for a in READ {
            for b in READ {
                for c in WRITTEN {
                    check::<f32>(extents, [a, b, c]);
                    check::<f64>(extents, [a, b, c]);
                }
            }
        }
    }
}

#[test]
fn products_beyond_the_cache_are_right() {
    // More depth than the library's 512, more columns than a panel, and `b` streamed.
    for (extents, a, b) in [
        ([2, 1100, 300], RowMajor, RowMajor),
        ([5, 530, 530], ColumnMajor, RowMajor),
        ([70, 530, 70], ColumnMajor, RowMajor),
        ([70, 530, 70], RowMajor, ColumnMajor),
        // Columns so far apart that `a` is copied to rows, or `b` to columns for a transposed result.
        ([257, 140, 150], ColumnMajor, RowMajor),
        ([150, 140, 257], RowMajor, RowMajor),
    ] {
        for c in [RowMajor, ColumnMajor] {
            check::<f32>(extents, [a, b, c]);
            check::<f64>(extents, [a, b, c]);
        }
    }
}

#[test]
fn a_product_without_depth_is_zero() {
    let mut c = Matrix::<f32>::random(Gaps, 3, 4, 1);
    let nothing = Matrix::<f32>::random(RowMajor, 0, 0, 1);
    // SAFETY: nothing is read, and c has memory for its elements.
    unsafe { gemm(3, 4, 0, nothing.view(), nothing.view(), c.view_mut()) };
    assert!((0..12).all(|at| c.get(at / 4, at % 4) == 0.0));
}

#[test]
fn infinities_and_nan_are_those_of_the_formula() {
    let [m, k, n] = [5, 37, 21];
    let mut a = Matrix::<f32>::random(RowMajor, m, k, 1);
    a.data[..k].fill(0.0);
    a.data[k] = f32::INFINITY;
    for layout in [RowMajor, ColumnMajor] {
        let mut b = Matrix::<f32>::random(layout, k, n, 2);
        for (row, col, value) in [(36, 3, f32::INFINITY), (0, 4, f32::NAN), (7, 20, f32::NEG_INFINITY)] {
            let at = b.index(row, col);
            b.data[at] = value;
        }
        let mut expected = Matrix::<f32>::random(RowMajor, m, n, 3);
        // SAFETY: the matrices have memory of their own for all their elements.
        unsafe { product_naive(m, n, k, a.view(), b.view(), expected.view_mut()) };
        assert!(expected.get(0, 3).is_nan() && expected.get(2, 3).is_infinite());
        on_each_isa(|isa| {
            let mut c = Matrix::<f32>::random(RowMajor, m, n, 3);
            let product = Product { rows: m, cols: n, depth: k, a: a.view(), b: b.view(), c: c.view_mut() };
            for method in methods(&product) {
                // SAFETY: as above.
                unsafe { Product { c: c.view_mut(), ..product }.compute(method) };
                for (x, y) in c.data.iter().zip(&expected.data) {
                    let same =
                        if y.is_finite() { x.is_finite() } else { x == y || (x.is_nan() && y.is_nan()) };
                    assert!(same, "{method:?} on {isa:?}: {x}, not {y}");
                }
            }
        });
    }
}

/// All elements of a product computed in pieces by the method of the whole.
fn in_pieces<T: Tested>([m, k, n]: [usize; 3], b: Layout, method: Method, pieces: [usize; 2]) -> Vec<T> {
    let (a, b) = (Matrix::<T>::random(RowMajor, m, k, 1), Matrix::<T>::random(b, k, n, 2));
    let mut c = Matrix::<T>::random(RowMajor, m, n, 3);
    let whole = Product { rows: m, cols: n, depth: k, a: a.view(), b: b.view(), c: c.view_mut() };
    for row in (0..m).step_by(pieces[0]) {
        for col in (0..n).step_by(pieces[1]) {
            let piece = whole.part(row..m.min(row + pieces[0]), col..n.min(col + pieces[1]));
            // SAFETY: the matrices have memory of their own for all their elements.
            unsafe { piece.compute(method) };
        }
    }
    c.data
}

#[test]
fn splitting_a_product_changes_no_bit() {
    let extents @ [m, _, n] = [67, 1100, 83];
    on_each_isa(|isa| {
        for (layout, method) in [
            (RowMajor, Method::Combine),
            (ColumnMajor, Method::Dot),
            (RowMajor, Method::Library),
            (ColumnMajor, Method::Library),
        ] {
            if isa == Isa::Plain && method == Method::Library {
                continue;
            }
            let whole = in_pieces::<f32>(extents, layout, method, [m, n]);
            let wide = in_pieces::<f64>(extents, layout, method, [m, n]);
            for pieces in [[1, n], [m, 1], [5, 17], [33, 48]] {
                assert!(
                    whole == in_pieces(extents, layout, method, pieces),
                    "{method:?} on {isa:?}, {pieces:?}"
                );
                assert!(
                    wide == in_pieces(extents, layout, method, pieces),
                    "{method:?} on {isa:?}, {pieces:?}"
                );
            }
        }
    });
}

#[test]
fn isas_that_fuse_agree_bit_for_bit() {
    for (layout, method) in [(RowMajor, Method::Combine), (ColumnMajor, Method::Dot)] {
        let results: Vec<_> = Isa::available()
            .filter(|&isa| cfg!(not(target_arch = "x86_64")) || isa != Isa::Plain)
            .map(|isa| {
                with_isa(isa, || {
                    let extents = [9, 77, 21];
                    let whole = [9, 21];
                    (
                        in_pieces::<f32>(extents, layout, method, whole),
                        in_pieces::<f64>(extents, layout, method, whole),
                    )
                })
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{method:?}");
    }
}

#[test]
fn integers_wrap() {
    let (a, b) = ([200_u8, 100, 3, 4], [2_u8, 3, 5, 7]);
    let mut c = [0; 4];
    let mat = |ptr| Mat { ptr, row_stride: 2, col_stride: 1 };
    let to = MatMut { ptr: c.as_mut_ptr(), row_stride: 2, col_stride: 1 };
    // SAFETY: 2 x 2 matrices of four elements.
    unsafe { product_naive(2, 2, 2, mat(a.as_ptr()), mat(b.as_ptr()), to) };
    assert_eq!(c, [132, 20, 26, 37]);
}

/// The method chosen for a product of row-major matrices, or of one with `b` transposed.
fn chosen([m, k, n]: [usize; 3], b: Layout) -> Method {
    let mat = |layout: Layout, rows, cols| {
        let (_, row_stride, col_stride, _) = layout.place(rows, cols);
        Mat { ptr: std::ptr::null::<f32>(), row_stride, col_stride }
    };
    let c = MatMut { ptr: std::ptr::null_mut(), row_stride: n as isize, col_stride: 1 };
    Product { rows: m, cols: n, depth: k, a: mat(RowMajor, m, k), b: mat(b, k, n), c }.method()
}

#[test]
fn thin_products_are_not_packed() {
    on_each_isa(|isa| {
        assert_eq!(chosen([1, 100, 50], RowMajor), Method::Combine);
        assert_eq!(chosen([100, 1, 50], RowMajor), Method::Combine);
        assert_eq!(chosen([1, 50, 100], ColumnMajor), Method::Dot);
        assert_eq!(chosen([64, 64, 1], RowMajor), Method::Dot);
        assert_eq!(chosen([1000, 1000, 2], RowMajor), Method::Dot);
        let library =
            if isa == Isa::Plain && cfg!(target_arch = "x86_64") { Method::Dot } else { Method::Library };
        assert_eq!(chosen([1024, 16, 1024], ColumnMajor), library);
    });
}

/// Products that read or write beyond their matrices die of it.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod pages {
    use super::*;
    use crate::exec::cpu::fenced::Fenced;

    /// A matrix of ones at the beginning of the segment or at its end.
    fn ones<T: Tested>(fence: &Fenced, layout: Layout, rows: usize, cols: usize, at_end: bool) -> MatMut<T> {
        let (at, row_stride, col_stride, room) = layout.place(rows, cols);
        let first = fence.elements::<T>(room, at_end);
        for i in 0..room {
            // SAFETY: the segment has room for as many.
            unsafe { first.add(i).write(T::ONE) };
        }
        MatMut { ptr: first.wrapping_add(at), row_stride, col_stride }
    }

    fn check<T: Tested>(fences: &[Fenced; 3], [m, k, n]: [usize; 3], layouts: [Layout; 2], at_end: bool) {
        let read = |c: MatMut<T>| Mat {
            ptr: c.ptr.cast_const(),
            row_stride: c.row_stride,
            col_stride: c.col_stride,
        };
        let a = read(ones(&fences[0], layouts[0], m, k, at_end));
        let b = read(ones(&fences[1], layouts[1], k, n, at_end));
        on_each_isa(|isa| {
            let c = ones::<T>(&fences[2], RowMajor, m, n, at_end);
            let product = Product { rows: m, cols: n, depth: k, a, b, c };
            for method in methods(&product) {
                // SAFETY: three matrices in three mappings; c is initialised.
                let c = unsafe {
                    product.compute(method);
                    std::slice::from_raw_parts(c.ptr, m * n)
                };
                let expected = T::of(k as f64);
                assert!(
                    c.iter().all(|x| *x == expected),
                    "{method:?} on {isa:?}, {m} x {k} x {n}, {layouts:?}"
                );
            }
        });
    }

    #[test]
    fn products_stay_inside_their_matrices() {
        let fences = [Fenced::new(), Fenced::new(), Fenced::new()];
        let extents = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50, 63, 65, 90];
        for (at, &n) in extents.iter().enumerate() {
            for (i, &k) in extents.iter().enumerate() {
                for m in [1, 2, 3, 4, 5, 7, extents[(at + i) % extents.len()]] {
                    for layouts in [[RowMajor, RowMajor], [RowMajor, ColumnMajor], [ColumnMajor, RowMajor]] {
                        check::<f32>(&fences, [m, k, n], layouts, true);
                        check::<f64>(&fences, [m, k, n], layouts, true);
                        check::<f32>(&fences, [m, k, n], layouts, false);
                        check::<f64>(&fences, [m, k, n], layouts, false);
                    }
                }
            }
        }
    }
}

//! The Matrix class: factorisations and solves, one matrix of the leading axes after the other.
//!
//! | file | contents |
//! |---|---|
//! | `small` | matrices up to [`SMALL`], on the stack, with loops that LLVM makes SIMD code of |
//! | `large` | larger ones, by faer |
//! | `determinant` | determinants and adjugates of factored ones |
//!
//! Everything here works on elements that lie row-major without gaps.

mod determinant;
mod large;
mod small;
#[cfg(test)]
mod tests;

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::job::{self, Job};
use super::operand::{Destination, Operand};
use super::scratch::Scratch;
use super::staged::Staged;
use super::transpose;
use crate::error::Misfit;
use crate::exec::matrix::MatrixFunction;
use crate::ops::Triangular;
use crate::tensor::{DType, Element, Shape};
use determinant::{Adjugate, determinant};

/// Up to this length matrices are handled by code of our own: 1,000 inverses of 8 by 8 took 3.4 ms by faer, where most
/// of the time is that of calls and allocations.
const SMALL: usize = 32;

/// The numbers that matrices are made of.
trait Real:
    Element
    + faer::traits::RealField
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    const ZERO: Self;
    const ONE: Self;
    /// The least number with full precision.
    const LEAST: Self;

    fn is_nan(self) -> bool;
    fn magnitude(self) -> Self;
    fn root(self) -> Self;
    fn logarithm(self) -> Self;
}

macro_rules! reals {
    ($($real:ident)*) => {$(
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LEAST: Self = $real::MIN_POSITIVE;

            fn is_nan(self) -> bool {
                $real::is_nan(self)
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                $real::abs(self)
            }
            #[inline(always)]
            fn root(self) -> Self {
                $real::sqrt(self)
            }
            fn logarithm(self) -> Self {
                $real::ln(self)
            }
        }
    )*};
}

reals! { f32 f64 }

/// Why a matrix has no result: its pivot at this place is zero, or not positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BadPivot(usize);

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(
    function: MatrixFunction,
    x: &[Operand],
    y: &[Destination],
) -> Result<(), Box<Misfit>> {
    // SAFETY: the caller's promise.
    unsafe {
        match y[0].spec.dtype {
            DType::F32 => typed::<f32>(function, x, y),
            DType::F64 => typed::<f64>(function, x, y),
            dtype => unreachable!("matrices of {dtype} are refused by infer"),
        }
    }
}

/// # Safety
/// As for [`compute`], with elements of type `T`.
unsafe fn typed<T: Real>(
    function: MatrixFunction,
    x: &[Operand],
    y: &[Destination],
) -> Result<(), Box<Misfit>> {
    let n = order(&x[0].shape);
    // SAFETY: the caller's promise; `factors` is asked only where there are any.
    unsafe {
        let factors = || [&x[1], &x[2]].map(|x| Staged::of(x).gapless());
        match function {
            MatrixFunction::Lu => lu::<T>(&x[0], y, n),
            MatrixFunction::Inverse => return rewrite::<T>(&x[0], &y[0], &Inverse { n }, singular),
            MatrixFunction::Cholesky => return rewrite::<T>(&x[0], &y[0], &Cholesky { n }, indefinite),
            MatrixFunction::TriangularSolve(system) => {
                let matrices = Staged::of(&x[0]).gapless();
                let substitution = Substitution { matrices: matrices.elements::<T>(), n, system };
                return rewrite(&x[1], &y[0], &substitution, singular);
            }
            MatrixFunction::LuSolve { transposed } => {
                let [lu, rows] = factors();
                let solve = LuSolve { factored: Factored::<T>::new(&lu, &rows, n), transposed };
                return rewrite(&x[3], &y[0], &solve, singular);
            }
            MatrixFunction::Adjugate => {
                let [lu, rows] = factors();
                // What is rewritten is the factorisation.
                return rewrite(&lu, &y[0], &Adjugate(Factored::<T>::new(&lu, &rows, n)), singular);
            }
            MatrixFunction::Determinant(what) => {
                let [lu, rows] = factors();
                let factored = Factored::<T>::new(&lu, &rows, n);
                let parts = elements_mut::<T>(&y[0]);
                parts.iter_mut().enumerate().for_each(|(at, y)| *y = determinant(what, factored.at(at)));
            }
        }
    }
    Ok(())
}

/// The LU factorisations, and the order of their rows.
///
/// # Safety
/// As for [`compute`], with elements of type `T`.
unsafe fn lu<T: Real>(x: &Operand, y: &[Destination], n: usize) {
    if n == 0 {
        return;
    }
    // SAFETY: the caller's promise; the slices outlive the job.
    unsafe {
        transpose::copy(x, y[0].ptr);
        job::run(Factoring { lu: elements_mut::<T>(&y[0]), rows: elements_mut(&y[1]), n });
    }
}

/// The length of square matrices.
fn order(shape: &Shape) -> usize {
    shape.dim(shape.rank() - 1)
}

/// The places of an output.
///
/// # Safety
/// Nobody else sees them, and their dtype is that of `T`.
unsafe fn elements_mut<'a, T: Element>(y: &Destination) -> &'a mut [T] {
    debug_assert_eq!(y.spec.dtype, T::DTYPE);
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(y.ptr.cast(), y.spec.shape.numel()) }
}

/// What is done to the elements of one matrix, in place.
trait Rewrite<T> {
    /// Rewrites the elements of the matrix at this place of the batch. To be `#[inline(always)]` where its loops are
    /// worth wide vectors.
    fn one(&self, at: usize, matrix: &mut [T]) -> Result<(), BadPivot>;
}

/// All matrices of a batch, of `size` elements each.
struct Each<'a, T, R> {
    all: &'a mut [T],
    size: usize,
    rewrite: &'a R,
    /// The first matrix that could not be rewritten.
    bad: &'a mut Option<(usize, BadPivot)>,
}

impl<T, R: Rewrite<T>> Job for Each<'_, T, R> {
    #[inline(always)]
    unsafe fn run(self) {
        for (at, matrix) in self.all.chunks_exact_mut(self.size).enumerate() {
            if let Err(bad) = self.rewrite.one(at, matrix) {
                *self.bad = Some((at, bad));
                return;
            }
        }
    }
}

/// Copies `x` and rewrites its matrices; `refuse` tells, given its name and pivot, of the first that cannot be.
///
/// # Safety
/// As for [`compute`], with elements of type `T`.
unsafe fn rewrite<T: Real>(
    x: &Operand,
    y: &Destination,
    rewrite: &impl Rewrite<T>,
    refuse: fn(String, usize) -> Box<Misfit>,
) -> Result<(), Box<Misfit>> {
    let shape = y.spec.shape;
    let lead = shape.rank() - 2;
    let size = shape.dim(lead) * shape.dim(lead + 1);
    if size == 0 {
        return Ok(());
    }
    let mut bad = None;
    // SAFETY: the caller's promise; the slices outlive the job.
    unsafe {
        transpose::copy(x, y.ptr);
        job::run(Each { all: elements_mut::<T>(y), size, rewrite, bad: &mut bad });
    }
    match bad {
        None => Ok(()),
        Some((at, BadPivot(pivot))) => Err(refuse(named(at, &shape[..lead]), pivot)),
    }
}

/// The matrix at a place of the batch, by its index.
fn named(mut at: usize, lead: &[u32]) -> String {
    if lead.is_empty() {
        return "the matrix".to_owned();
    }
    let mut index = vec![0; lead.len()];
    for (index, &dim) in index.iter_mut().zip(lead).rev() {
        *index = at % dim as usize;
        at /= dim as usize;
    }
    format!("matrix {index:?} of the batch")
}

fn singular(matrix: String, pivot: usize) -> Box<Misfit> {
    Misfit::data(format!("{matrix} is singular: its pivot {pivot} is zero")).help(
        "rows that depend on one another have no inverse; `det` tells, and a multiple of the identity helps",
    )
}

fn indefinite(matrix: String, pivot: usize) -> Box<Misfit> {
    Misfit::data(format!("{matrix} is not positive definite: its pivot {pivot} is not positive")).help(
        "a covariance that is singular by rounding becomes definite with a small multiple of the identity",
    )
}

/// The inverse.
struct Inverse {
    n: usize,
}

impl<T: Real> Rewrite<T> for Inverse {
    #[inline(always)]
    fn one(&self, _: usize, matrix: &mut [T]) -> Result<(), BadPivot> {
        match self.n {
            0..=8 => small::invert::<T, 8>(matrix, self.n),
            9..=16 => small::invert::<T, 16>(matrix, self.n),
            17..=SMALL => small::invert::<T, SMALL>(matrix, self.n),
            _ => large::invert(matrix, self.n),
        }
    }
}

/// The lower triangle whose product with its transpose a symmetric matrix is.
struct Cholesky {
    n: usize,
}

impl<T: Real> Rewrite<T> for Cholesky {
    #[inline(always)]
    fn one(&self, _: usize, matrix: &mut [T]) -> Result<(), BadPivot> {
        match self.n {
            0..=8 => small::cholesky::<T, 8>(matrix, self.n),
            9..=16 => small::cholesky::<T, 16>(matrix, self.n),
            17..=SMALL => small::cholesky::<T, SMALL>(matrix, self.n),
            _ => large::cholesky(matrix, self.n),
        }
    }
}

/// LU factorisations, in place.
struct Factoring<'a, T> {
    lu: &'a mut [T],
    rows: &'a mut [i64],
    n: usize,
}

impl<T: Real> Job for Factoring<'_, T> {
    #[inline(always)]
    unsafe fn run(self) {
        let n = self.n;
        for (matrix, rows) in self.lu.chunks_exact_mut(n * n).zip(self.rows.chunks_exact_mut(n)) {
            match n {
                0..=8 => small::lu::<T, 8>(matrix, rows),
                9..=16 => small::lu::<T, 16>(matrix, rows),
                17..=SMALL => small::lu::<T, SMALL>(matrix, rows),
                _ => large::lu(matrix, rows),
            }
        }
    }
}

/// A triangle of a matrix whose rows and columns lie at these strides: the transpose has them exchanged.
#[derive(Clone, Copy)]
struct Triangle<'a, T> {
    matrix: &'a [T],
    n: usize,
    strides: [usize; 2],
    lower: bool,
    /// Whether the diagonal counts as ones.
    unit: bool,
}

impl<'a, T: Real> Triangle<'a, T> {
    fn new(matrix: &'a [T], n: usize, system: Triangular) -> Triangle<'a, T> {
        Triangle { matrix, n, strides: [n, 1], lower: system.is_lower(), unit: system.unit }
    }

    fn transposed(self) -> Triangle<'a, T> {
        Triangle { strides: [self.strides[1], self.strides[0]], lower: !self.lower, ..self }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> T {
        self.matrix[row * self.strides[0] + column * self.strides[1]]
    }

    /// Replaces `b`, whose rows are as many, by the solution of `T x = b`.
    #[inline(always)]
    fn solve(&self, b: &mut [T]) -> Result<(), BadPivot> {
        if !self.unit
            && let Some(pivot) = (0..self.n).find(|&k| self.at(k, k) == T::ZERO)
        {
            return Err(BadPivot(pivot));
        }
        if self.n <= SMALL {
            small::substitute(self, b)
        } else {
            large::substitute(self, b)
        }
        Ok(())
    }
}

/// The solution of triangular systems.
struct Substitution<'a, T> {
    matrices: &'a [T],
    n: usize,
    system: Triangular,
}

impl<T: Real> Rewrite<T> for Substitution<'_, T> {
    #[inline(always)]
    fn one(&self, at: usize, b: &mut [T]) -> Result<(), BadPivot> {
        let n = self.n;
        Triangle::new(&self.matrices[at * n * n..][..n * n], n, self.system).solve(b)
    }
}

/// LU factorisations of a batch, or of one matrix of it.
#[derive(Clone, Copy)]
struct Factored<'a, T> {
    lu: &'a [T],
    rows: &'a [i64],
    n: usize,
}

impl<'a, T: Real> Factored<'a, T> {
    fn new(lu: &'a Staged, rows: &'a Staged, n: usize) -> Factored<'a, T> {
        Factored { lu: lu.elements(), rows: rows.elements(), n }
    }

    #[inline(always)]
    fn at(self, at: usize) -> Factored<'a, T> {
        let n = self.n;
        Factored { lu: &self.lu[at * n * n..][..n * n], rows: &self.rows[at * n..][..n], n }
    }

    fn diagonal(self) -> impl DoubleEndedIterator<Item = T> {
        (0..self.n).map(move |k| self.lu[k * (self.n + 1)])
    }

    /// The determinant of the order of the rows: -1 if an odd number of exchanges makes it.
    fn sign(self) -> T {
        let mut seen = Scratch::filled(self.n, false);
        let mut sign = T::ONE;
        for start in 0..self.n {
            let mut at = self.rows[start] as usize;
            // Each further member of a cycle is an exchange.
            while !std::mem::replace(&mut seen[at], true) && at != start {
                sign = -sign;
                at = self.rows[at] as usize;
            }
        }
        sign
    }

    fn lower(self) -> Triangle<'a, T> {
        let Factored { lu: matrix, n, .. } = self;
        Triangle { matrix, n, strides: [n, 1], lower: true, unit: true }
    }

    fn upper(self) -> Triangle<'a, T> {
        Triangle { lower: false, unit: false, ..self.lower() }
    }

    /// Replaces `b` by the solution of `A x = b`, where `A[rows] = L U`, or of `A^T x = b`.
    #[inline(always)]
    fn solve(self, transposed: bool, b: &mut [T]) -> Result<(), BadPivot> {
        let columns = b.len() / self.n;
        let mut moved = Scratch::filled(b.len(), T::ZERO);
        if transposed {
            self.upper().transposed().solve(b)?;
            self.lower().transposed().solve(b)?;
            for (row, &to) in b.chunks_exact(columns).zip(self.rows) {
                moved[to as usize * columns..][..columns].copy_from_slice(row);
            }
            b.copy_from_slice(&moved);
            return Ok(());
        }
        for (row, &from) in moved.chunks_exact_mut(columns).zip(self.rows) {
            row.copy_from_slice(&b[from as usize * columns..][..columns]);
        }
        b.copy_from_slice(&moved);
        self.lower().solve(b)?;
        self.upper().solve(b)
    }
}

/// The solution of systems whose matrices are factored.
struct LuSolve<'a, T> {
    factored: Factored<'a, T>,
    transposed: bool,
}

impl<T: Real> Rewrite<T> for LuSolve<'_, T> {
    #[inline(always)]
    fn one(&self, at: usize, b: &mut [T]) -> Result<(), BadPivot> {
        self.factored.at(at).solve(self.transposed, b)
    }
}

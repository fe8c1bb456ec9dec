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
use super::operand::Operand;
use super::place::own_copy;
use super::{build, contiguous};
use crate::error::Misfit;
use crate::exec::matrix::MatrixFunction;
use crate::ops::Triangular;
use crate::tensor::{DType, Element, Shape, Spec, Tensor};
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

/// Computes a function of one output.
pub(super) fn run(function: MatrixFunction, x: &[&Tensor], spec: Spec) -> Result<Tensor, Box<Misfit>> {
    match spec.dtype {
        DType::F32 => typed::<f32>(function, x, spec),
        DType::F64 => typed::<f64>(function, x, spec),
        dtype => unreachable!("matrices of {dtype} are refused by infer"),
    }
}

/// Computes the LU factorisation, which has two outputs.
pub(super) fn lu(x: &Tensor, specs: &[Spec]) -> Vec<Tensor> {
    match specs[0].dtype {
        DType::F32 => factored::<f32>(x, specs),
        DType::F64 => factored::<f64>(x, specs),
        dtype => unreachable!("matrices of {dtype} are refused by infer"),
    }
}

fn factored<T: Real>(x: &Tensor, specs: &[Spec]) -> Vec<Tensor> {
    let n = order(&specs[0].shape);
    let lu = own_copy(x, specs[0], false);
    let rows = build(specs[1], |_| {});
    if n > 0 {
        // SAFETY: both blocks are ours alone.
        let (lu, rows) = unsafe { (elements_mut::<T>(&lu), elements_mut::<i64>(&rows)) };
        // SAFETY: the slices outlive the job.
        unsafe { job::run(Factoring { lu, rows, n }) };
    }
    vec![lu, rows]
}

fn typed<T: Real>(function: MatrixFunction, x: &[&Tensor], spec: Spec) -> Result<Tensor, Box<Misfit>> {
    let n = order(&x[0].spec().shape);
    match function {
        MatrixFunction::Inverse => rewritten::<T>(x[0], spec, &Inverse { n }, singular),
        MatrixFunction::Cholesky => rewritten::<T>(x[0], spec, &Cholesky { n }, indefinite),
        MatrixFunction::TriangularSolve(system) => {
            let matrices = contiguous(x[0]);
            let substitution = Substitution { matrices: elements::<T>(&matrices), n, system };
            rewritten(x[1], spec, &substitution, singular)
        }
        MatrixFunction::LuSolve { transposed } => {
            let (lu, rows) = (contiguous(x[1]), contiguous(x[2]));
            let solve = LuSolve { factored: Factored::new(&lu, &rows, n), transposed };
            rewritten::<T>(x[3], spec, &solve, singular)
        }
        MatrixFunction::Adjugate => {
            let (lu, rows) = (contiguous(x[1]), contiguous(x[2]));
            let adjugate = Adjugate(Factored::new(&lu, &rows, n));
            // What is rewritten is the factorisation.
            rewritten::<T>(&lu, spec, &adjugate, singular)
        }
        MatrixFunction::Determinant(what) => {
            let (lu, rows) = (contiguous(x[1]), contiguous(x[2]));
            let factored = Factored::<T>::new(&lu, &rows, n);
            let y = build(spec, |_| {});
            // SAFETY: the block is ours alone.
            let parts = unsafe { elements_mut::<T>(&y) };
            parts.iter_mut().enumerate().for_each(|(at, y)| *y = determinant(what, factored.at(at)));
            Ok(y)
        }
        MatrixFunction::Lu => unreachable!("has two outputs"),
    }
}

/// The length of square matrices.
fn order(shape: &Shape) -> usize {
    shape.dim(shape.rank() - 1)
}

/// The elements of a concrete tensor without gaps.
fn elements<T: Element>(x: &Tensor) -> &[T] {
    x.as_slice().expect("gap-free, and of the dtype that infer admits")
}

/// # Safety
/// Nobody else sees the tensor's memory, which has no gaps and is of this dtype.
#[expect(clippy::mut_from_ref, reason = "the tensor is a handle; its block is the caller's alone")]
unsafe fn elements_mut<T: Element>(y: &Tensor) -> &mut [T] {
    let operand = Operand::of(y);
    debug_assert!(operand.contiguous && operand.dtype == T::DTYPE);
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(operand.ptr.cast_mut().cast(), operand.numel()) }
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

/// A copy of `x` whose matrices are rewritten; `refuse` tells, given its name and pivot, of the first that cannot be.
fn rewritten<T: Real>(
    x: &Tensor,
    spec: Spec,
    rewrite: &impl Rewrite<T>,
    refuse: fn(String, usize) -> Box<Misfit>,
) -> Result<Tensor, Box<Misfit>> {
    let y = own_copy(x, spec, false);
    let lead = spec.shape.rank() - 2;
    let size = spec.shape.dim(lead) * spec.shape.dim(lead + 1);
    if size == 0 {
        return Ok(y);
    }
    let mut bad = None;
    // SAFETY: the copy is ours alone.
    let all = unsafe { elements_mut::<T>(&y) };
    // SAFETY: the slices outlive the job.
    unsafe { job::run(Each { all, size, rewrite, bad: &mut bad }) };
    match bad {
        None => Ok(y),
        Some((at, BadPivot(pivot))) => Err(refuse(named(at, &spec.shape[..lead]), pivot)),
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
    fn new(lu: &'a Tensor, rows: &'a Tensor, n: usize) -> Factored<'a, T> {
        Factored { lu: elements(lu), rows: elements(rows), n }
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
        let mut seen = vec![false; self.n];
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
        let mut moved = vec![T::ZERO; b.len()];
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

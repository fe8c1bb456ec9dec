//! Functions of whole matrices: factorisations, and what is computed with them.

use crate::ops::{Triangle, Triangular};

/// What is computed of each matrix in the last two axes of the inputs, in f32 or f64. Matrices are square.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum MatrixFunction {
    /// The factorisation with partial pivoting `x0[order] = L U`. Outputs: `U` with `L` below its diagonal, which
    /// is that of `L`, all ones, too; and the order of the rows (i64). Zero pivots are no error.
    Lu,
    /// `y` with `x0 y = x3`, or with the transpose of `x0`; `x1` and `x2` are the outputs of [`Self::Lu`].
    LuSolve { transposed: bool },
    /// The inverse of `x0`.
    Inverse,
    /// Of `x0`, whose LU factorisation is `x1` and `x2`.
    Determinant(Determinant),
    /// The transposed matrix of cofactors of `x0`, whose LU factorisation is `x1` and `x2`; singular or not.
    Adjugate,
    /// The lower triangle `y` with `y y^T = x0`, which is symmetric.
    Cholesky,
    /// `y` with `T y = x1`, where `T` is a triangle of `x0`.
    TriangularSolve(Triangular),
}

/// Which part of a determinant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Determinant {
    Value,
    /// -1, 0 or 1.
    Sign,
    /// The logarithm of the magnitude, minus infinity for 0.
    LogMagnitude,
}

impl Triangular {
    pub(crate) fn is_lower(self) -> bool {
        self.triangle == Triangle::Lower
    }
}

//! Systems of equations with a triangular matrix.

use super::System;
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::matrix::MatrixFunction;
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::pointwise::bind_repeated;
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{Spec, Tensor};

/// Which half of a square matrix, its diagonal included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
pub enum Triangle {
    /// On and below the diagonal.
    Lower,
    /// On and above the diagonal.
    Upper,
}

impl Triangle {
    /// The triangle with ones on its diagonal, whatever the matrix has there.
    pub fn unit_diagonal(self) -> Triangular {
        Triangular { triangle: self, unit: true }
    }

    /// The same half of the transpose is the other one.
    fn other(self) -> Triangle {
        match self {
            Triangle::Lower => Triangle::Upper,
            Triangle::Upper => Triangle::Lower,
        }
    }
}

/// A triangle of a matrix, and how its diagonal is read: what [`Tensor::solve_triangular`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
pub struct Triangular {
    pub(crate) triangle: Triangle,
    pub(crate) unit: bool,
}

impl From<Triangle> for Triangular {
    fn from(triangle: Triangle) -> Triangular {
        Triangular { triangle, unit: false }
    }
}

impl Triangular {
    /// The elements of square matrices that the triangle reads, zeros elsewhere.
    fn part_of(self, matrices: &Tensor) -> Tensor {
        let n = matrices.spec().shape.dim(matrices.spec().shape.rank() - 1) as i64;
        let (rows, columns) = (Tensor::arange(n).unsqueeze(1), Tensor::arange(n));
        let read = match (self.triangle, self.unit) {
            (Triangle::Lower, false) => rows.ge(&columns),
            (Triangle::Lower, true) => rows.gt(&columns),
            (Triangle::Upper, false) => rows.le(&columns),
            (Triangle::Upper, true) => rows.lt(&columns),
        };
        read.where_(matrices, 0.0)
    }
}

/// `y` with `T y = x1`, where `T` is a triangle of `x0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct TriangularSolve(Triangular);

/// `y` with `T y = b`, where `T` is a triangle of `a`; leading axes are equal.
#[track_caller]
pub(super) fn triangular_solution(a: &Tensor, b: &Tensor, system: Triangular) -> Tensor {
    bind(&TriangularSolve(system), &[a, b])
}

impl Primitive for TriangularSolve {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[1])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::TriangularSolve(self.0))
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        Some(Reads { outputs: needs.contains(0), ..Reads::inputs(InputSet::one(0)) })
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let moved = dx[0].map(|da| self.0.part_of(da).matmul(at.y()));
        let side = match (dx[1], moved) {
            (Some(db), Some(moved)) => db - moved,
            (Some(db), None) => db.clone(),
            (None, Some(moved)) => -moved,
            (None, None) => return,
        };
        dy[0] = Some(triangular_solution(at.x(0), &side, self.0));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        let transposed = Triangular { triangle: self.0.triangle.other(), ..self.0 };
        let db = triangular_solution(&at.x(0).t(), dy, transposed);
        if needs.contains(0) {
            dx[0] = Some(-self.0.part_of(&db.matmul(&at.y().t())));
        }
        if needs.contains(1) {
            dx[1] = Some(db);
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
impl Tensor {
    /// The solution `y` of `T y = b`, where `T` is a triangle of the square matrix `self`, or of each in the last two
    /// axes, in f32 or f64. The other elements are not read, nor is the diagonal if it counts as ones. Vectors,
    /// columns and leading axes of `b` are as for [`Tensor::solve`]. A system with the transpose is
    /// `a.t().solve_triangular(b, ..)` with the other triangle.
    ///
    /// A zero on the diagonal is an error.
    ///
    /// Gradient: `db = T^-T dy`, `dA` is the triangle of `-db y^T` (Giles 2008, 2.3.1), zero where it is not read.
    ///
    /// PyTorch: `torch.linalg.solve_triangular`. JAX: `jax.scipy.linalg.solve_triangular`.
    ///
    /// ```
    /// # use retrograd::{Tensor, Triangle};
    /// let (a, b) = (Tensor::from([[2.0, 9.0], [1.0, 1.0]]), Tensor::from([2.0, 4.0]));
    /// assert_eq!(a.solve_triangular(&b, Triangle::Lower).to_vec::<f64>()?, [1.0, 3.0]);
    /// assert_eq!(a.solve_triangular(&b, Triangle::Lower.unit_diagonal()).to_vec::<f64>()?, [2.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn solve_triangular(&self, b: &Tensor, triangle: impl Into<Triangular>) -> Tensor {
        match System::new("solve_triangular", self, b) {
            Ok(system) => {
                let y = triangular_solution(&system.matrices(self), &system.b, triangle.into());
                system.result(y)
            }
            Err(invalid) => invalid,
        }
    }
}

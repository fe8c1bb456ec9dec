//! The LU factorisation, and systems of equations solved with it.

use super::System;
use crate::autodiff::level::{bind, bind_many};
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::matrix::MatrixFunction;
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::pointwise::bind_repeated;
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{DType, Spec, Tensor};

/// `x0[rows] = L U`, as `L` and `U` in one matrix, and `rows`. A constant for every derivative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Lu;

impl Primitive for Lu {
    fn name(&self) -> &'static str {
        "lu"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        let rows = x[0].shape.without(x[0].shape.rank() - 1);
        Ok(vec![*x[0], Spec::new(rows, DType::I64)])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::Lu)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a constant has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a constant has no derivative")
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::Many(bind_many(self, x))
    }
}

/// A matrix with its factorisation: the first three inputs of what is computed with it.
pub(in crate::ops) struct Factored {
    matrix: Tensor,
    lu: Tensor,
    rows: Tensor,
}

impl Factored {
    /// Factors square matrices in f32 or f64.
    #[track_caller]
    pub(in crate::ops) fn of(matrix: &Tensor) -> Factored {
        let mut outputs = bind_many(&Lu, &[matrix]);
        let (rows, lu) = (outputs.pop().expect("the second of two"), outputs.pop().expect("the first"));
        Factored { matrix: matrix.clone(), lu, rows }
    }

    pub(in crate::ops) fn inputs(&self) -> [&Tensor; 3] {
        [&self.matrix, &self.lu, &self.rows]
    }
}

/// What is computed with a factorisation reads all of it.
pub(super) const FACTORED: InputSet = InputSet::one(0).union(InputSet::one(1)).union(InputSet::one(2));

/// The matrix and its factorisation among the inputs of a primitive.
pub(super) fn factored<'a>(at: &Residuals<'a>) -> [&'a Tensor; 3] {
    [at.x(0), at.x(1), at.x(2)]
}

/// `y` with `x0 y = x3`, or with `x0` transposed, where `x1` and `x2` are the factorisation of `x0`. A function of `x0`
/// and `x3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct LuSolve {
    pub(super) transposed: bool,
}

impl LuSolve {
    pub(super) fn apply(self, [a, lu, rows]: [&Tensor; 3], b: &Tensor) -> Tensor {
        bind(&self, &[a, lu, rows, b])
    }
}

impl Primitive for LuSolve {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[3])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::LuSolve { transposed: self.transposed })
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        Some(Reads { outputs: needs.contains(0), ..Reads::inputs(FACTORED) })
    }

    // From `A y = b` follows `dA y + A dy = db` (Giles 2008, 2.3.1).
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let moved = dx[0].map(|da| if self.transposed { da.t() } else { da.clone() }.matmul(at.y()));
        let side = match (dx[3], moved) {
            (Some(db), Some(moved)) => db - moved,
            (Some(db), None) => db.clone(),
            (None, Some(moved)) => -moved,
            (None, None) => return,
        };
        dy[0] = Some(self.apply(factored(at), &side));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        let db = LuSolve { transposed: !self.transposed }.apply(factored(at), dy);
        if needs.contains(0) {
            dx[0] = Some(match self.transposed {
                false => -db.matmul(&at.y().t()),
                true => -at.y().matmul(&db.t()),
            });
        }
        if needs.contains(3) {
            dx[3] = Some(db);
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
impl Tensor {
    /// The solution `y` of `A y = b`, where `self` is the square matrix `A`, or several in the last two axes, in f32 or
    /// f64. `b` is a vector if it has one axis, or if its shape is that of `A` without the last axis; otherwise a
    /// matrix, each column a right-hand side. Leading axes broadcast; a matrix that serves several right-hand sides is
    /// factored once, and once for value and gradient. By LU factorisation with partial pivoting.
    ///
    /// A singular matrix, one with a pivot of zero, is an error. One that is nearly singular is not: its solution is
    /// inaccurate.
    ///
    /// Gradient: `db = A^-T dy`, `dA = -db y^T` (Giles 2008, "Collected matrix derivative results for forward and
    /// reverse mode algorithmic differentiation", 2.3.1).
    ///
    /// PyTorch: `torch.linalg.solve`. JAX: `jnp.linalg.solve`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let a = Tensor::from([[3.0, 1.0], [1.0, 2.0]]);
    /// let y = a.solve(&Tensor::from([9.0, 8.0]));
    /// assert!(y.allclose(&Tensor::from([2.0, 3.0]), 1e-12, 0.0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn solve(&self, b: &Tensor) -> Tensor {
        let system = match System::new("solve", self, b) {
            Ok(system) => system,
            Err(invalid) => return invalid,
        };
        // Factored before it is repeated.
        let factored = Factored::of(self);
        let [a, lu, rows] = factored.inputs();
        let (a, lu) = (system.matrices(a), system.matrices(lu));
        let rows = system.repeated(rows, &[system.n as u32]);
        system.result(bind(&LuSolve { transposed: false }, &[&a, &lu, &rows, &system.b]))
    }
}

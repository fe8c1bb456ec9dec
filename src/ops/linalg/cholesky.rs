//! The Cholesky factorisation of symmetric, positive definite matrices, and what is solved with it.

use super::triangular::{Triangle, triangular_solution};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::matrix::MatrixFunction;
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{Spec, Tensor};

/// The lower triangle `y` with `y y^T = x0`, which is symmetric, and so are its tangents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Cholesky;

/// The lower triangle with half the diagonal: the part of a symmetric matrix whose sum with its transpose is the
/// matrix again.
fn lower_half(x: &Tensor) -> Tensor {
    let n = x.spec().shape.dim(x.spec().shape.rank() - 1) as i64;
    let (rows, columns) = (Tensor::arange(n).unsqueeze(1), Tensor::arange(n));
    let zero = Tensor::from(0.0).to_dtype(x.spec().dtype);
    rows.gt(&columns).where_(x, rows.eq(&columns).where_(x * 0.5, zero))
}

impl Primitive for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::Cholesky)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::OUTPUTS)
    }

    // Murray 2016, "Differentiation of the Cholesky decomposition", equations 8 and 10; `P` there is `lower_half`.
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let l = at.y();
        dy[0] = dx[0].map(|da| {
            let half_done = triangular_solution(l, da, Triangle::Lower.into());
            let inner = triangular_solution(l, &half_done.t(), Triangle::Lower.into());
            l.matmul(&lower_half(&inner))
        });
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let transpose = at.y().t();
        dx[0] = dy[0].map(|dy| {
            let inner = lower_half(&transpose.matmul(dy));
            let half_done = triangular_solution(&transpose, &inner, Triangle::Upper.into());
            triangular_solution(&transpose, &half_done.t(), Triangle::Upper.into()).t()
        });
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(self, x))
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
impl Tensor {
    /// The Cholesky factor of a symmetric, positive definite matrix, or of each in the last two axes, in f32 or f64: the
    /// lower triangle `y` with `y y^T = A`. What is factored is `(A + A^T) / 2`, so the gradient is symmetric.
    ///
    /// A matrix that is not positive definite, or has a NaN, is an error.
    ///
    /// Gradient: `dA = (S + S^T) / 2`, `S = y^-T P(y^T dy) y^-1`, where `P` takes the lower triangle with half the diagonal
    /// (Murray 2016, "Differentiation of the Cholesky decomposition").
    ///
    /// PyTorch: `torch.linalg.cholesky`. JAX: `jnp.linalg.cholesky`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let y = Tensor::from([[4.0, 2.0], [2.0, 5.0]]).cholesky();
    /// assert_eq!(y.to_vec::<f64>()?, [2.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky(&self) -> Tensor {
        match self.real_matrices("cholesky") {
            Ok(_) => bind(&Cholesky, &[&((self + self.t()) * 0.5)]),
            Err(invalid) => invalid,
        }
    }

    /// The upper Cholesky factor: the transpose of that of [`Tensor::cholesky`], so `y^T y = A`.
    ///
    /// Gradient: as of [`Tensor::cholesky`], with `dy` transposed.
    ///
    /// PyTorch: `torch.linalg.cholesky`. JAX: `jnp.linalg.cholesky`.
    #[track_caller]
    pub fn cholesky_upper(&self) -> Tensor {
        let lower = self.cholesky();
        if lower.error().is_some() { lower } else { lower.t() }
    }

    /// The solution `y` of `A y = b`, where `self` is `b` and `factor` a Cholesky factor of `A` in this triangle: two
    /// triangular systems. Vectors, columns and leading axes of `b` are as for [`Tensor::solve`].
    ///
    /// Gradient: of the triangular systems.
    ///
    /// PyTorch: `torch.cholesky_solve`. JAX: `jax.scipy.linalg.cho_solve`.
    ///
    /// ```
    /// # use retrograd::{Tensor, Triangle};
    /// let (a, b) = (Tensor::from([[4.0, 2.0], [2.0, 5.0]]), Tensor::from([8.0, 12.0]));
    /// let y = b.cholesky_solve(&a.cholesky(), Triangle::Lower);
    /// assert_eq!(a.matmul(&y).to_vec::<f64>()?, [8.0, 12.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky_solve(&self, factor: &Tensor, triangle: Triangle) -> Tensor {
        if let Err(invalid) = factor.real_matrices("cholesky_solve") {
            return invalid;
        }
        let transpose = factor.t();
        match triangle {
            Triangle::Lower => {
                let half_done = factor.solve_triangular(self, Triangle::Lower);
                transpose.solve_triangular(&half_done, Triangle::Upper)
            }
            Triangle::Upper => {
                let half_done = transpose.solve_triangular(self, Triangle::Lower);
                factor.solve_triangular(&half_done, Triangle::Upper)
            }
        }
    }

    /// The inverse of `A`, of which `self` is a Cholesky factor in this triangle.
    ///
    /// Gradient: of the triangular systems.
    ///
    /// PyTorch: `torch.cholesky_inverse`. JAX: none.
    #[track_caller]
    pub fn cholesky_inverse(&self, triangle: Triangle) -> Tensor {
        match self.real_matrices("cholesky_inverse") {
            Ok(shape) => self.identity_like(shape).cholesky_solve(self, triangle),
            Err(invalid) => invalid,
        }
    }
}

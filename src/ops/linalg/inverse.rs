//! The inverse of a matrix.

use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::matrix::MatrixFunction;
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{Spec, Tensor};

/// The inverse of each matrix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Inverse;

impl Primitive for Inverse {
    fn name(&self) -> &'static str {
        "inv"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::Inverse)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::OUTPUTS)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|da| -at.y().matmul(da).matmul(at.y()));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let transpose = at.y().t();
        dx[0] = dy[0].map(|dy| -transpose.matmul(dy).matmul(&transpose));
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(self, x))
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
impl Tensor {
    /// The inverse of a square matrix, or of each in the last two axes, in f32 or f64. For a system of equations
    /// [`Tensor::solve`] is faster and more accurate.
    ///
    /// A singular matrix, one with a pivot of zero, is an error. The inverse of one that is nearly singular is
    /// inaccurate.
    ///
    /// Gradient: `dA = -y^T dy y^T` (Giles 2008, "Collected matrix derivative results for forward and reverse mode
    /// algorithmic differentiation", 2.2.3).
    ///
    /// PyTorch: `torch.linalg.inv`. JAX: `jnp.linalg.inv`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let y = Tensor::from([[2.0, 0.0], [0.0, 4.0]]).inv();
    /// assert_eq!(y.to_vec::<f64>()?, [0.5, 0.0, 0.0, 0.25]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn inv(&self) -> Tensor {
        match self.real_matrices("inv") {
            Ok(_) => bind(&Inverse, &[self]),
            Err(invalid) => invalid,
        }
    }
}

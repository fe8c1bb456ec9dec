//! Determinants, their signs and logarithms.

use super::lu::{FACTORED, Factored, LuSolve, factored};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::matrix::{Determinant, MatrixFunction};
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::pointwise::bind_repeated;
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{AxisSet, Spec, Tensor};

/// A part of the determinant of `x0`, whose factorisation is `x1` and `x2`. A function of `x0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Det(Determinant);

impl Det {
    /// The gradient, a matrix for each number.
    fn slope(self, at: &Residuals<'_>) -> Tensor {
        let a = at.x(0);
        match self.0 {
            Determinant::Value if order(a.spec()) <= 3 => cofactors(a),
            Determinant::Value => bind(&Adjugate, &factored(at)).t(),
            // `A^-T` (Petersen and Pedersen, The Matrix Cookbook, 57).
            _ => LuSolve { transposed: true }.apply(factored(at), &a.identity_like(a.spec().shape)),
        }
    }
}

impl Primitive for Det {
    fn name(&self) -> &'static str {
        match self.0 {
            Determinant::Value => "det",
            Determinant::Sign => "slogdet_sign",
            Determinant::LogMagnitude => "slogdet_log",
        }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(x[0].with_shape(matrix_axes(x[0]).remove_from(&x[0].shape)))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::Determinant(self.0))
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        // The sign is constant but for where the determinant is zero.
        (self.0 != Determinant::Sign).then_some(Reads::inputs(FACTORED))
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|da| (da * self.slope(at)).sum_axes(matrix_axes(da.spec())));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        if needs.contains(0) {
            dx[0] = dy[0].map(|dy| spread(dy, at.x(0).spec()) * self.slope(at));
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }
}

fn order(x: &Spec) -> usize {
    x.shape.dim(x.shape.rank() - 1)
}

fn matrix_axes(x: &Spec) -> AxisSet {
    [x.shape.rank() - 2, x.shape.rank() - 1].into_iter().collect()
}

/// A number for each matrix, with the matrices' axes in place, of length 1.
fn spread(y: &Tensor, x: &Spec) -> Tensor {
    y.reshape(matrix_axes(x).keep_in(&x.shape))
}

/// The cofactors of matrices up to 3 by 3, as polynomials: so derivatives of any order are right, those of singular
/// matrices too.
fn cofactors(a: &Tensor) -> Tensor {
    match order(a.spec()) {
        0 => a.clone(),
        1 => a.ones_like(),
        2 => {
            let sign = Tensor::from([[1.0, -1.0], [-1.0, 1.0]]).to_dtype(a.spec().dtype);
            a.flip([-2, -1]) * sign
        }
        // With indices modulo 3 the signs of the cofactors are those of the minors' columns.
        _ => {
            let from = |axis: isize, start: usize| {
                move |x: &Tensor| {
                    Tensor::cat(&[x.narrow(axis, start, 3 - start), x.narrow(axis, 0, start)], axis)
                }
            };
            let (next, after) = (from(-2, 1)(a), from(-2, 2)(a));
            from(-1, 1)(&next) * from(-1, 2)(&after) - from(-1, 2)(&next) * from(-1, 1)(&after)
        }
    }
}

/// The transposed matrix of cofactors of `x0`, whose factorisation is `x1` and `x2`: `det(A) A^-1` where that exists,
/// and defined where it does not. A function of `x0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Adjugate;

impl Primitive for Adjugate {
    fn name(&self) -> &'static str {
        "adjugate"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Matrix(MatrixFunction::Adjugate)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: true, ..Reads::inputs(FACTORED) })
    }

    // Of `y = det(A) z`, `z = A^-1`: `dy = tr(y dA) z - y dA z`. A singular matrix has no `z`, which is an error.
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|da| {
            let (y, z) = (at.y(), inverse(at));
            let trace = (y.t() * da).sum_axes(matrix_axes(da.spec()));
            spread(&trace, da.spec()) * &z - y.matmul(da).matmul(&z)
        });
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        if !needs.contains(0) {
            return;
        }
        dx[0] = dy[0].map(|dy| {
            let (transpose, z) = (at.y().t(), inverse(at));
            let inner = (dy * &z).sum_axes(matrix_axes(dy.spec()));
            spread(&inner, dy.spec()) * &transpose - transpose.matmul(dy).matmul(&z.t())
        });
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }
}

fn inverse(at: &Residuals<'_>) -> Tensor {
    let a = at.x(0);
    LuSolve { transposed: false }.apply(factored(at), &a.identity_like(a.spec().shape))
}

#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
impl Tensor {
    /// The determinant of a square matrix, or of each in the last two axes, in f32 or f64; 1 of an empty matrix. That of
    /// a large matrix overflows easily: see [`Tensor::slogdet`].
    ///
    /// Gradient: `dA = dy` times the cofactors of `A`, which is `dy det(A) A^-T` and right for singular matrices too
    /// (Giles 2008, 2.2.4; Petersen and Pedersen, The Matrix Cookbook, 49). Second derivatives at a singular
    /// matrix exist up to 3 by 3; larger ones are an error there.
    ///
    /// PyTorch: `torch.linalg.det`. JAX: `jnp.linalg.det`.
    ///
    /// ```
    /// # use retrograd::{Tensor, grad_only};
    /// let singular = Tensor::from([[1.0, 2.0], [2.0, 4.0]]);
    /// let cofactors = grad_only(Tensor::det).call(&singular, ())?;
    /// assert_eq!(cofactors.to_vec::<f64>()?, [4.0, -2.0, -2.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn det(&self) -> Tensor {
        match self.real_matrices("det") {
            Ok(_) => bind(&Det(Determinant::Value), &Factored::of(self).inputs()),
            Err(invalid) => invalid,
        }
    }

    /// The sign of the determinant (-1, 0 or 1) and the logarithm of its magnitude, of a square matrix or each in the
    /// last two axes, in f32 or f64. They do not overflow where the determinant does. A singular matrix has sign 0 and
    /// logarithm minus infinity; to ask for its gradient is an error.
    ///
    /// Gradient: `dA = dy A^-T` of the logarithm (Giles 2008, 2.2.4), none of the sign.
    ///
    /// PyTorch: `torch.linalg.slogdet`. JAX: `jnp.linalg.slogdet`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (sign, log) = Tensor::from([[0.0, 2.0], [2.0, 0.0]]).slogdet();
    /// assert_eq!(sign.item::<f64>()?, -1.0);
    /// assert_eq!(log.item::<f64>()?, 2.0 * 2f64.ln());
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn slogdet(&self) -> (Tensor, Tensor) {
        match self.real_matrices("slogdet") {
            Ok(_) => {
                let factored = Factored::of(self);
                let part = factored.inputs();
                (bind(&Det(Determinant::Sign), &part), bind(&Det(Determinant::LogMagnitude), &part))
            }
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// The logarithm of the determinant of a square matrix, or of each in the last two axes, in f32 or f64: minus
    /// infinity of a singular one, NaN where the determinant is negative.
    ///
    /// Gradient: `dA = dy A^-T`, as of [`Tensor::slogdet`].
    ///
    /// PyTorch: `torch.logdet`. JAX: none.
    #[track_caller]
    pub fn logdet(&self) -> Tensor {
        if let Err(invalid) = self.real_matrices("logdet") {
            return invalid;
        }
        // The logarithm of the sign is 0, minus infinity or NaN.
        let (sign, log) = self.slogdet();
        log + sign.log()
    }
}

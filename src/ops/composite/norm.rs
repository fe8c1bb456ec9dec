//! Norms, distances and angles.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::reduce::IntoAxes;
use crate::tensor::Tensor;

/// A norm of matrices.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum MatrixNorm {
    /// The root of the sum of squares.
    Frobenius,
    /// The greatest sum of absolute values of a column.
    One,
    /// The least sum of absolute values of a column.
    LeastColumn,
    /// The greatest sum of absolute values of a row.
    Infinity,
    /// The least sum of absolute values of a row.
    LeastRow,
}

impl Tensor {
    /// The p-norm over one or several axes, which go: `(sum |x|^p)^(1/p)`; for `p` infinite the greatest absolute value,
    /// for `-infinity` the least, for 0 how many elements are not zero.
    ///
    /// Gradient: `dx = dy * sign(x) * (|x| / y)^(p - 1)`, 0 where `x` or `y` is 0; of the infinite norms an even share
    /// among the extreme elements; of the norm with `p = 0`, 0.
    ///
    /// PyTorch: `torch.linalg.vector_norm`. JAX: `jnp.linalg.vector_norm`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([3.0, -4.0]);
    /// assert_eq!(x.vector_norm(1.0, 0).item::<f64>()?, 7.0);
    /// assert_eq!(x.vector_norm(f64::INFINITY, 0).item::<f64>()?, 4.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn vector_norm(&self, p: f64, axes: impl IntoAxes) -> Tensor {
        self.norm_of_order("vector_norm", p, axes.as_axes())
    }

    /// The p-norm over one or several axes, which stay with length 1. See [`Tensor::vector_norm`].
    ///
    /// Gradient: `dx = dy * sign(x) * (|x| / y)^(p - 1)`, 0 where `x` or `y` is 0.
    ///
    /// PyTorch: `torch.linalg.vector_norm`. JAX: `jnp.linalg.vector_norm`.
    #[track_caller]
    pub fn vector_norm_keepdim(&self, p: f64, axes: impl IntoAxes) -> Tensor {
        self.norm_of_order("vector_norm_keepdim", p, axes.as_axes()).keeping(self, axes.as_axes())
    }

    #[track_caller]
    fn norm_of_order(&self, operation: &'static str, p: f64, axes: &[isize]) -> Tensor {
        let n = match self.count(operation, axes) {
            Ok(n) => n,
            Err(invalid) => return invalid,
        };
        if p.is_nan() {
            return misuse(operation, &[self], Misfit::shape("the order p is NaN"));
        }
        if n == 0 {
            if p < 0.0 {
                let message = format!("the norm of order {p} of no elements, of {}", self.spec().shape);
                return misuse(operation, &[self], Misfit::shape(message));
            }
            return self.sum_dim(axes);
        }
        if p == f64::INFINITY {
            return self.abs().amax_dim(axes);
        }
        if p == f64::NEG_INFINITY {
            return self.abs().amin_dim(axes);
        }
        if p == 0.0 {
            return self.ne(0.0).to_dtype(self.spec().dtype).sum_dim(axes);
        }
        if p == 1.0 {
            return self.abs().sum_dim(axes);
        }
        if p == 2.0 {
            return self.widened().square().sum_dim(axes).root().type_as(self);
        }
        self.widened().abs().power_off_zero(p).sum_dim(axes).power_off_zero(1.0 / p).type_as(self)
    }

    /// To the power of `p`, of elements that are not negative, with gradient 0 at 0, where a power may have an infinite
    /// slope.
    #[track_caller]
    fn power_off_zero(&self, p: f64) -> Tensor {
        let zero = self.eq(0.0);
        zero.where_(if p > 0.0 { 0.0 } else { f64::INFINITY }, zero.where_(1.0, self).pow(p))
    }

    /// A norm of the matrix in the last two axes, which go.
    ///
    /// Gradient: that of the sums, absolute values and extremes it is made of; of the Frobenius norm `dx = dy * x / y`, 0
    /// where `y` is 0.
    ///
    /// PyTorch: `torch.linalg.matrix_norm`. JAX: `jnp.linalg.matrix_norm`.
    #[track_caller]
    pub fn matrix_norm(&self, norm: MatrixNorm) -> Tensor {
        let axes = [-2, -1];
        if let Err(invalid) = self.count("matrix_norm", &axes) {
            return invalid;
        }
        // A column's sum goes over the axis -2, and leaves the columns last.
        let (over, greatest) = match norm {
            MatrixNorm::Frobenius => return self.widened().square().sum_dim(axes).root().type_as(self),
            MatrixNorm::One => (-2, true),
            MatrixNorm::LeastColumn => (-2, false),
            MatrixNorm::Infinity => (-1, true),
            MatrixNorm::LeastRow => (-1, false),
        };
        let sums = self.abs().sum_dim(over);
        if greatest { sums.amax_dim(-1) } else { sums.amin_dim(-1) }
    }

    /// Vectors along an axis, each divided by its p-norm, or by `eps` where the norm is less. PyTorch's default `eps` is
    /// 1e-12.
    ///
    /// Gradient: `dx = (dy - y * dn) / n` for the norm `n` and its share `dn`; `dy / eps` where `n < eps`.
    ///
    /// PyTorch: `F.normalize`. JAX: none.
    #[track_caller]
    pub fn normalize(&self, p: f64, axis: isize, eps: f64) -> Tensor {
        let norm = self.norm_of_order("normalize", p, &[axis]);
        if norm.error().is_some() {
            return norm;
        }
        (self.widened() / norm.widened().keeping(self, &[axis]).maximum(eps)).type_as(self)
    }

    /// The cosine of the angle between vectors along an axis, which goes; shapes broadcast. Norms below `eps` (PyTorch's
    /// default is 1e-8) count as `eps`.
    ///
    /// Gradient: of the product and the norms, 0 from a norm below `eps`.
    ///
    /// PyTorch: `F.cosine_similarity`. JAX: none.
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, axis: isize, eps: f64) -> Tensor {
        let product = self.widened() * other.widened();
        if product.error().is_some() {
            return product;
        }
        let shape = product.spec().shape;
        let (a, b) = (self.widened().broadcast_to(shape), other.widened().broadcast_to(shape));
        let a = a.norm_of_order("cosine_similarity", 2.0, &[axis]);
        if a.error().is_some() {
            return a;
        }
        let b = b.norm_of_order("cosine_similarity", 2.0, &[axis]);
        (product.sum_dim(axis) / (a.maximum(eps) * b.maximum(eps))).type_as(self)
    }

    /// The p-norm of `self - other + eps` along the last axis, which goes; shapes broadcast. PyTorch's default `eps` is
    /// 1e-6, which keeps the gradient finite at equal vectors; here it is also finite (0) with 0.
    ///
    /// Gradient: that of [`Tensor::vector_norm`] at the difference.
    ///
    /// PyTorch: `F.pairwise_distance`. JAX: none.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64) -> Tensor {
        let difference = self - other;
        if difference.error().is_some() {
            return difference;
        }
        (difference + eps).norm_of_order("pairwise_distance", p, &[-1])
    }

    /// The p-norm distances between all rows of `[.., m, d]` and all rows of `[.., n, d]`: `[.., m, n]`. Leading axes
    /// broadcast. All `m * n * d` differences are formed.
    ///
    /// Gradient: that of [`Tensor::vector_norm`] at the differences, 0 between equal rows.
    ///
    /// PyTorch: `torch.cdist`. JAX: none.
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Tensor {
        if self.error().is_none() && other.error().is_none() {
            let (a, b) = (self.spec().shape, other.spec().shape);
            if a.rank() < 2 || b.rank() < 2 || a[a.rank() - 1] != b[b.rank() - 1] {
                let misfit = Misfit::shape(format!("rows of {a} and of {b}"));
                let misfit = misfit.help("takes two matrices whose last axes are equal");
                return misuse("cdist", &[self, other], misfit);
            }
        }
        let difference = self.unsqueeze(-2) - other.unsqueeze(-3);
        if difference.error().is_some() {
            return difference;
        }
        difference.norm_of_order("cdist", p, &[-1])
    }
}

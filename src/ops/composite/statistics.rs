//! Means, variances, norms, softmax and its like.

use crate::autodiff::level::misuse;
use crate::ops::pointwise::Domain;
use crate::ops::reduce::IntoAxes;
use crate::tensor::Tensor;

impl Tensor {
    /// The mean of all elements. Gradient: `dy / n`, repeated.
    ///
    /// PyTorch: `torch.mean`. JAX: `jnp.mean`.
    #[track_caller]
    pub fn mean(&self) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        match self.count("mean", &axes) {
            Ok(n) => (self.widened().sum() / n as f64).type_as(self),
            Err(invalid) => invalid,
        }
    }

    /// The mean over one or several axes, which go. Gradient: `dy / n`, repeated.
    ///
    /// PyTorch: `torch.mean(dim=..)`. JAX: `jnp.mean(axis=..)`.
    #[track_caller]
    pub fn mean_dim(&self, axes: impl IntoAxes) -> Tensor {
        self.mean_over("mean_dim", axes.as_axes())
    }

    #[track_caller]
    fn mean_over(&self, operation: &'static str, axes: &[isize]) -> Tensor {
        match self.count(operation, axes) {
            Ok(n) => (self.widened().sum_dim(axes) / n as f64).type_as(self),
            Err(invalid) => invalid,
        }
    }

    /// The mean over one or several axes, which stay with length 1. Gradient: `dy / n`, repeated.
    ///
    /// PyTorch: `torch.mean(dim=.., keepdim=True)`. JAX: `jnp.mean(axis=.., keepdims=True)`.
    #[track_caller]
    pub fn mean_keepdim(&self, axes: impl IntoAxes) -> Tensor {
        self.mean_over("mean_keepdim", axes.as_axes()).keeping(self, axes.as_axes())
    }

    /// The variance over one or several axes, which go: squared deviations from the mean, divided by
    /// `n - correction` (1: unbiased, as PyTorch's default; 0: as NumPy's), by 0 where that is negative.
    /// Gradient: `dx = dy * 2 * (x - mean) / (n - correction)`.
    ///
    /// PyTorch: `torch.var(dim=..)`. JAX: `jnp.var(axis=..)`.
    #[track_caller]
    pub fn var_dim(&self, axes: impl IntoAxes, correction: usize) -> Tensor {
        self.var_over("var_dim", axes.as_axes(), correction)
    }

    #[track_caller]
    fn var_over(&self, operation: &'static str, axes: &[isize], correction: usize) -> Tensor {
        self.wide_var_over(operation, axes, correction).type_as(self)
    }

    #[track_caller]
    fn std_over(&self, operation: &'static str, axes: &[isize], correction: usize) -> Tensor {
        self.wide_var_over(operation, axes, correction).root().type_as(self)
    }

    /// The variance in the dtype that it is computed in, which may hold the square of what the tensor's holds.
    #[track_caller]
    fn wide_var_over(&self, operation: &'static str, axes: &[isize], correction: usize) -> Tensor {
        match self.count(operation, axes) {
            Ok(n) => {
                let x = self.widened();
                let squares = (&x - x.mean_keepdim(axes)).square().sum_dim(axes);
                squares / (n as f64 - correction as f64).max(0.0)
            }
            Err(invalid) => invalid,
        }
    }

    /// The variance of all elements. See [`Tensor::var_dim`].
    ///
    /// Gradient: `dx = dy * 2 * (x - mean) / (n - correction)`.
    /// PyTorch: `torch.var`. JAX: `jnp.var`.
    #[track_caller]
    pub fn var(&self, correction: usize) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        self.var_over("var", &axes, correction)
    }

    /// The variance over one or several axes, which stay with length 1. See [`Tensor::var_dim`].
    ///
    /// Gradient: `dx = dy * 2 * (x - mean) / (n - correction)`.
    ///
    /// PyTorch: `torch.var(dim=.., keepdim=True)`. JAX: `jnp.var(axis=.., keepdims=True)`.
    #[track_caller]
    pub fn var_keepdim(&self, axes: impl IntoAxes, correction: usize) -> Tensor {
        self.var_over("var_keepdim", axes.as_axes(), correction).keeping(self, axes.as_axes())
    }

    /// The variance and the mean over one or several axes, which go. See [`Tensor::var_dim`].
    ///
    /// Gradient: that of [`Tensor::var_dim`] and [`Tensor::mean_dim`].
    ///
    /// PyTorch: `torch.var_mean`. JAX: none.
    #[track_caller]
    pub fn var_mean(&self, axes: impl IntoAxes, correction: usize) -> (Tensor, Tensor) {
        let axes = axes.as_axes();
        (self.var_over("var_mean", axes, correction), self.mean_over("var_mean", axes))
    }

    /// The standard deviation over one or several axes, which go: the root of [`Tensor::var_dim`].
    ///
    /// Gradient: `dx = dy * (x - mean) / ((n - correction) * y)`, 0 where all elements are equal (as PyTorch's; JAX has
    /// NaN).
    ///
    /// PyTorch: `torch.std`. JAX: `jnp.std`.
    #[track_caller]
    pub fn std_dim(&self, axes: impl IntoAxes, correction: usize) -> Tensor {
        self.std_over("std_dim", axes.as_axes(), correction)
    }

    /// The standard deviation of all elements. See [`Tensor::std_dim`].
    ///
    /// Gradient: `dx = dy * (x - mean) / ((n - correction) * y)`, 0 where all elements are equal.
    ///
    /// PyTorch: `torch.std`. JAX: `jnp.std`.
    #[track_caller]
    pub fn std(&self, correction: usize) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        self.std_over("std", &axes, correction)
    }

    /// The standard deviation over one or several axes, which stay with length 1. See [`Tensor::std_dim`].
    ///
    /// Gradient: `dx = dy * (x - mean) / ((n - correction) * y)`, 0 where all elements are equal.
    ///
    /// PyTorch: `torch.std`. JAX: `jnp.std`.
    #[track_caller]
    pub fn std_keepdim(&self, axes: impl IntoAxes, correction: usize) -> Tensor {
        self.std_over("std_keepdim", axes.as_axes(), correction).keeping(self, axes.as_axes())
    }

    /// The standard deviation and the mean over one or several axes, which go. See [`Tensor::std_dim`].
    ///
    /// Gradient: that of [`Tensor::std_dim`] and [`Tensor::mean_dim`].
    ///
    /// PyTorch: `torch.std_mean`. JAX: none.
    #[track_caller]
    pub fn std_mean(&self, axes: impl IntoAxes, correction: usize) -> (Tensor, Tensor) {
        let axes = axes.as_axes();
        (self.std_over("std_mean", axes, correction), self.mean_over("std_mean", axes))
    }

    /// The covariances of variables, the rows of this matrix `[variables, observations]`: products of deviations from
    /// the mean, summed and divided by `n - correction` (PyTorch's default is 1). Of a vector, its variance.
    ///
    /// Gradient: `dx = (dy + dy^T) (x - mean) / (n - correction)`, less its mean.
    ///
    /// PyTorch: `torch.cov`. JAX: `jnp.cov`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]);
    /// assert_eq!(x.cov(1).to_vec::<f64>()?, [1.0, -1.0, -1.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cov(&self, correction: usize) -> Tensor {
        self.covariance("cov", correction)
    }

    #[track_caller]
    fn covariance(&self, operation: &'static str, correction: usize) -> Tensor {
        let n = match self.count(operation, &[-1]) {
            Ok(n) => n,
            Err(invalid) => return invalid,
        };
        let shape = self.spec().shape;
        if shape.rank() > 2 {
            return self.refuse_shape(operation, format!("takes a matrix or a vector, got shape {shape}"));
        }
        let x = self.widened();
        let deviation = &x - x.mean_keepdim(-1);
        let products = match shape.rank() {
            1 => deviation.dot(&deviation),
            _ => deviation.matmul(&deviation.t()),
        };
        (products / (n as f64 - correction as f64).max(0.0)).type_as(self)
    }

    /// The correlation coefficients of variables, the rows of this matrix `[variables, observations]`: covariances divided
    /// by both standard deviations, between -1 and 1. Of a vector, 1. NaN for a variable without spread.
    ///
    /// Gradient: that of [`Tensor::cov`] and of the standard deviations.
    ///
    /// PyTorch: `torch.corrcoef`. JAX: `jnp.corrcoef`.
    #[track_caller]
    pub fn corrcoef(&self) -> Tensor {
        let x = self.widened();
        let products = x.covariance("corrcoef", 0);
        if products.error().is_some() {
            return products;
        }
        let spread = x.std_dim(-1, 0);
        let spreads = if x.spec().shape.rank() == 1 { spread.square() } else { spread.outer(&spread) };
        (products / spreads).clamp(-1.0, 1.0).type_as(self)
    }

    /// The root, with gradient 0 at 0: it is taken of 1 there, so that no infinite slope meets the zero.
    #[track_caller]
    pub(super) fn root(&self) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let zero = self.eq(0.0);
        zero.where_(0.0, zero.where_(1.0, self).sqrt())
    }

    /// How many elements of a floating-point tensor go into each result of a reduction over the axes.
    #[track_caller]
    pub(super) fn count(&self, operation: &'static str, axes: &[isize]) -> Result<usize, Tensor> {
        let axes = self.axes_or(operation, axes)?;
        if self.error().is_some() {
            return Err(self.clone());
        }
        // A mean of integers would be divided as integers are: refused, as in PyTorch.
        if let Err(misfit) = Domain::Floats.check(self.spec().dtype) {
            return Err(misuse(operation, &[self], misfit));
        }
        Ok(axes.iter().map(|axis| self.spec().shape.dim(axis)).product())
    }

    /// The greatest element over the axes, as a constant: what keeps an exponential in range. Where it is not
    /// finite, 0, so that infinities do not become NaN by being subtracted from themselves.
    #[track_caller]
    fn ceiling(&self, axes: &[isize]) -> Tensor {
        let greatest = crate::ops::stopped(&self.amax_keepdim(axes));
        greatest.isfinite().where_(&greatest, 0.0)
    }

    /// `log(sum(exp(x)))` over one or several axes, which go, without overflow. Gradient: `dy * softmax(x)`.
    ///
    /// PyTorch: `torch.logsumexp`. JAX: `jax.nn.logsumexp`.
    #[track_caller]
    pub fn logsumexp(&self, axes: impl IntoAxes) -> Tensor {
        let axes = axes.as_axes();
        let log = self.logsumexp_over("logsumexp", axes);
        match self.axes_or("logsumexp", axes) {
            Ok(set) if log.error().is_none() => log.reshape(set.remove_from(&self.spec().shape)),
            _ => log,
        }
    }

    /// `log(sum(exp(x)))` over one or several axes, which stay with length 1, without overflow.
    ///
    /// Gradient: `dy * softmax(x)`.
    ///
    /// PyTorch: `torch.logsumexp`. JAX: `jax.nn.logsumexp`.
    #[track_caller]
    pub fn logsumexp_keepdim(&self, axes: impl IntoAxes) -> Tensor {
        self.logsumexp_over("logsumexp_keepdim", axes.as_axes())
    }

    #[track_caller]
    fn logsumexp_over(&self, operation: &'static str, axes: &[isize]) -> Tensor {
        match self.count(operation, axes) {
            Ok(0) => self.exp().sum_keepdim(axes).log(),
            Ok(_) => {
                let x = self.widened();
                let ceiling = x.ceiling(axes);
                ((&x - &ceiling).exp().sum_keepdim(axes).log() + ceiling).type_as(self)
            }
            Err(invalid) => invalid,
        }
    }

    /// `exp(x) / sum(exp(x))` along an axis, without overflow. Gradient: `dx = y * (dy - sum(dy * y))`.
    ///
    /// PyTorch: `torch.softmax`. JAX: `jax.nn.softmax`.
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        match self.count("softmax", &[axis]) {
            Ok(0) => self.clone(),
            Ok(_) => {
                let x = self.widened();
                let powers = (&x - x.ceiling(&[axis])).exp();
                let total = powers.sum_keepdim(axis);
                (powers / total).type_as(self)
            }
            Err(invalid) => invalid,
        }
    }

    /// `log(softmax(x))` along an axis, without overflow. Gradient: `dx = dy - softmax(x) * sum(dy)`.
    ///
    /// PyTorch: `torch.log_softmax`. JAX: `jax.nn.log_softmax`.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        match self.count("log_softmax", &[axis]) {
            Ok(0) => self.clone(),
            Ok(_) => {
                let x = self.widened();
                let shifted = &x - x.ceiling(&[axis]);
                let log = shifted.exp().sum_keepdim(axis).log();
                (shifted - log).type_as(self)
            }
            Err(invalid) => invalid,
        }
    }

    /// The Euclidean norm of all elements. Gradient: `dx = dy * x / y`, 0 at 0.
    ///
    /// PyTorch: `torch.linalg.vector_norm`. JAX: `jnp.linalg.norm`.
    #[track_caller]
    pub fn norm(&self) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        self.norm_over("norm", &axes)
    }

    /// The Euclidean norm over one or several axes, which go. Gradient: `dx = dy * x / y`, 0 where `y` is 0.
    ///
    /// PyTorch: `torch.linalg.vector_norm(dim=..)`. JAX: `jnp.linalg.norm(axis=..)`.
    #[track_caller]
    pub fn norm_dim(&self, axes: impl IntoAxes) -> Tensor {
        self.norm_over("norm_dim", axes.as_axes())
    }

    #[track_caller]
    fn norm_over(&self, operation: &'static str, axes: &[isize]) -> Tensor {
        if let Err(invalid) = self.count(operation, axes) {
            return invalid;
        }
        self.widened().square().sum_dim(axes).root().type_as(self)
    }
}

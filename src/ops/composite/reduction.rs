//! Reductions made of others: extremes with positions, counts, sums and means without NaN.

use crate::ops::Order;
use crate::ops::reduce::IntoAxes;
use crate::tensor::Tensor;

impl Tensor {
    /// The greatest element along an axis, which goes, and where (i64) it is: the first of equal ones, or the first NaN.
    ///
    /// Gradient: `dy` goes to that element. ([`Tensor::amax_dim`] shares it among equal ones.)
    ///
    /// PyTorch: `torch.max`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (values, indices) = Tensor::from([[1.0, 7.0], [5.0, 5.0]]).max_dim(1);
    /// assert_eq!(values.to_vec::<f64>()?, [7.0, 5.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn max_dim(&self, axis: isize) -> (Tensor, Tensor) {
        self.first_element("max_dim", axis, Order::Descending)
    }

    /// The least element along an axis, which goes, and where (i64) it is: the first of equal ones, or the first NaN.
    ///
    /// Gradient: `dy` goes to that element. ([`Tensor::amin_dim`] shares it among equal ones.)
    ///
    /// PyTorch: `torch.min`. JAX: none.
    #[track_caller]
    pub fn min_dim(&self, axis: isize) -> (Tensor, Tensor) {
        self.first_element("min_dim", axis, Order::Ascending)
    }

    /// The first element of an order along an axis, but NaN before all, and its position.
    #[track_caller]
    fn first_element(&self, operation: &'static str, axis: isize, order: Order) -> (Tensor, Tensor) {
        let at = match self.axis_or(operation, axis) {
            Ok(at) => at,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let indices = match order {
            Order::Descending => self.argmax(axis),
            Order::Ascending => self.argmin(axis),
        };
        if indices.error().is_some() {
            return (indices.clone(), indices);
        }
        let kept = indices.reshape(self.spec().shape.with_dim(at, 1));
        (self.gather(axis, &kept).squeeze_axis(at), indices)
    }

    /// The least and the greatest element of all.
    ///
    /// Gradient: that of [`Tensor::amin`] and [`Tensor::amax`].
    ///
    /// PyTorch: `torch.aminmax`. JAX: none.
    #[track_caller]
    pub fn aminmax(&self) -> (Tensor, Tensor) {
        (self.amin(), self.amax())
    }

    /// The least and the greatest element over one or several axes, which go.
    ///
    /// Gradient: that of [`Tensor::amin_dim`] and [`Tensor::amax_dim`].
    ///
    /// PyTorch: `torch.aminmax`. JAX: none.
    #[track_caller]
    pub fn aminmax_dim(&self, axes: impl IntoAxes) -> (Tensor, Tensor) {
        (self.amin_dim(axes.as_axes()), self.amax_dim(axes.as_axes()))
    }

    /// How many elements (i64) are not zero; NaN is not. No gradient.
    ///
    /// PyTorch: `torch.count_nonzero`. JAX: `jnp.count_nonzero`.
    #[track_caller]
    pub fn count_nonzero(&self) -> Tensor {
        self.ne(0).sum()
    }

    /// How many elements (i64) are not zero, over one or several axes, which go; NaN is not. No gradient.
    ///
    /// PyTorch: `torch.count_nonzero`. JAX: `jnp.count_nonzero`.
    #[track_caller]
    pub fn count_nonzero_dim(&self, axes: impl IntoAxes) -> Tensor {
        match self.axes_or("count_nonzero_dim", axes.as_axes()) {
            Ok(_) => self.ne(0).sum_dim(axes),
            Err(invalid) => invalid,
        }
    }

    /// With 0 where it is NaN.
    #[track_caller]
    fn without_nan(&self) -> Tensor {
        if self.error().is_some() || !self.spec().dtype.is_float() {
            return self.clone();
        }
        self.isnan().where_(0.0, self)
    }

    /// The sum of all elements that are not NaN, 0 if there is none. Integers and bool are summed as i64.
    ///
    /// Gradient: `dy` where an element is not NaN, 0 elsewhere.
    ///
    /// PyTorch: `torch.nansum`. JAX: `jnp.nansum`.
    #[track_caller]
    pub fn nansum(&self) -> Tensor {
        self.without_nan().sum()
    }

    /// The sum over one or several axes, which go, of all elements that are not NaN, 0 if there is none.
    ///
    /// Gradient: `dy` where an element is not NaN, 0 elsewhere.
    ///
    /// PyTorch: `torch.nansum`. JAX: `jnp.nansum`.
    #[track_caller]
    pub fn nansum_dim(&self, axes: impl IntoAxes) -> Tensor {
        match self.axes_or("nansum_dim", axes.as_axes()) {
            Ok(_) => self.without_nan().sum_dim(axes),
            Err(invalid) => invalid,
        }
    }

    /// The mean of all elements that are not NaN, NaN if there is none.
    ///
    /// Gradient: `dy / count` where an element is not NaN, 0 elsewhere.
    ///
    /// PyTorch: `torch.nanmean`. JAX: `jnp.nanmean`.
    #[track_caller]
    pub fn nanmean(&self) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        self.nanmean_over("nanmean", &axes)
    }

    /// The mean over one or several axes, which go, of all elements that are not NaN, NaN if there is none.
    ///
    /// Gradient: `dy / count` where an element is not NaN, 0 elsewhere.
    ///
    /// PyTorch: `torch.nanmean`. JAX: `jnp.nanmean`.
    #[track_caller]
    pub fn nanmean_dim(&self, axes: impl IntoAxes) -> Tensor {
        self.nanmean_over("nanmean_dim", axes.as_axes())
    }

    #[track_caller]
    fn nanmean_over(&self, operation: &'static str, axes: &[isize]) -> Tensor {
        match self.count(operation, axes) {
            Ok(_) => {
                let sum = self.without_nan().widened().sum_dim(axes);
                let count = self.isnan().logical_not().sum_dim(axes).type_as(&sum);
                (sum / count).type_as(self)
            }
            Err(invalid) => invalid,
        }
    }
}

//! Axes that come and go, and new shapes.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::movement::{completed, too_many_axes};
use crate::ops::reduce::IntoAxes;
use crate::tensor::{IntoShape, Shape, Tensor};

impl Tensor {
    /// With a new axis of length 1 before `axis`; -1 makes it the last. Gradient: `dy` without it.
    ///
    /// PyTorch: `torch.unsqueeze`. JAX: `jnp.expand_dims`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3]).unsqueeze(1).shape(), [2, 1, 3]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        let rank = shape.rank() as isize;
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        if !(0..=rank).contains(&at) {
            return self.refuse_shape("unsqueeze", format!("no place {axis} for a new axis in {shape}"));
        }
        match shape.with_axis(at as usize, 1) {
            Some(shape) => self.reshape(shape),
            None => misuse("unsqueeze", &[self], too_many_axes()),
        }
    }

    /// Without an axis, whose length is 1. Gradient: `dy` with it.
    ///
    /// PyTorch: `torch.squeeze`. JAX: `jnp.squeeze`.
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Tensor {
        match self.axis_or("squeeze", axis) {
            Ok(axis) if self.spec().shape[axis] == 1 => self.squeeze_axis(axis),
            Ok(axis) => {
                let shape = self.spec().shape;
                self.refuse_shape(
                    "squeeze",
                    format!("axis {axis} of {shape} has length {}, not 1", shape[axis]),
                )
            }
            Err(invalid) => invalid,
        }
    }

    /// All axes from `start` to `end`, both included, as one. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.flatten`. JAX: `jax.lax.collapse`.
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Tensor {
        match (self.axis_or("flatten", start), self.axis_or("flatten", end)) {
            (Ok(start), Ok(end)) if start <= end => {
                let dims = self.spec().shape.to_vec();
                let merged = dims[start..=end].iter().product();
                let shape: Vec<usize> = dims[..start]
                    .iter()
                    .copied()
                    .chain([merged])
                    .chain(dims[end + 1..].iter().copied())
                    .collect();
                self.reshape(shape)
            }
            (Ok(start), Ok(end)) => {
                self.refuse_shape("flatten", format!("axis {start} comes after axis {end}"))
            }
            (Err(invalid), _) | (_, Err(invalid)) => invalid,
        }
    }

    /// Tensors of one shape along a new axis. Gradient: each gets its part of `dy`.
    ///
    /// PyTorch: `torch.stack`. JAX: `jnp.stack`.
    #[track_caller]
    pub fn stack(tensors: &[Tensor], axis: isize) -> Tensor {
        let Some(first) = tensors.first() else {
            return misuse("stack", &[], Misfit::shape("needs at least one tensor"));
        };
        let shape = first.spec().shape;
        if let Some(other) = tensors.iter().find(|x| x.error().is_none() && x.spec().shape != shape)
            && first.error().is_none()
        {
            let message = format!("shapes {shape} and {} differ", other.spec().shape);
            return misuse("stack", &[first, other], Misfit::shape(message));
        }
        // A negative axis counts from the end of the result, as in `unsqueeze`: the new axis is there for `cat`.
        let mut parts = Vec::with_capacity(tensors.len());
        for x in tensors {
            parts.push(x.unsqueeze(axis));
        }
        Tensor::cat(&parts, axis)
    }

    /// Without the axes whose length is 1. Gradient: `dy` with them.
    ///
    /// PyTorch: `torch.squeeze`. JAX: `jnp.squeeze`.
    #[track_caller]
    pub fn squeeze_all(&self) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        self.reshape(Shape::of(&shape.iter().copied().filter(|&dim| dim != 1).collect::<Vec<_>>()))
    }

    /// All elements in row-major order, as a vector. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.ravel`. JAX: `jnp.ravel`.
    #[track_caller]
    pub fn ravel(&self) -> Tensor {
        if self.error().is_some() { self.clone() } else { self.reshape([self.spec().shape.numel()]) }
    }

    /// With several axes in place of one, of the given lengths (one may be [`INFER`](crate::INFER)): the inverse of
    /// [`Tensor::flatten`]. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.unflatten`. JAX: none.
    ///
    /// ```
    /// # use retrograd::{INFER, Tensor};
    /// assert_eq!(Tensor::zeros([2, 6]).unflatten(1, [INFER, 2]).shape(), [2, 3, 2]);
    /// ```
    #[track_caller]
    pub fn unflatten(&self, axis: isize, lengths: impl IntoShape) -> Tensor {
        let axis = match self.axis_or("unflatten", axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        let (shape, lengths) = (self.spec().shape, lengths.into_shape());
        match lengths.and_then(|axes| completed(axes, Shape::of(&shape[axis..=axis])).map_err(|m| m.message))
        {
            Ok(axes) => {
                self.reshape([&shape.to_vec()[..axis], &axes.to_vec(), &shape.to_vec()[axis + 1..]].concat())
            }
            Err(message) => self.refuse_shape("unflatten", message),
        }
    }

    /// The shape of another tensor for the same elements in row-major order. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.Tensor.reshape_as`. JAX: none.
    #[track_caller]
    pub fn reshape_as(&self, other: &Tensor) -> Tensor {
        match other.error() {
            Some(_) => other.clone(),
            None => self.reshape(other.spec().shape),
        }
    }

    /// [`Tensor::reshape_as`] under PyTorch's other name. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.Tensor.view_as`. JAX: none.
    #[track_caller]
    pub fn view_as(&self, other: &Tensor) -> Tensor {
        self.reshape_as(other)
    }

    /// The tensor repeated, without copying, along new leading axes and axes of length 1: [`Tensor::broadcast_to`] where
    /// -1 keeps an axis' length.
    ///
    /// Gradient: summed over the repeated axes.
    ///
    /// PyTorch: `torch.Tensor.expand`. JAX: `jnp.broadcast_to`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::zeros([3, 1]).expand([2, -1, 4]).shape(), [2, 3, 4]);
    /// ```
    #[track_caller]
    pub fn expand(&self, lengths: impl IntoAxes) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let (shape, lengths) = (self.spec().shape, lengths.as_axes());
        let lead = lengths.len().checked_sub(shape.rank());
        let length = |(i, &length): (usize, &isize)| match (length, lead) {
            (-1, Some(lead)) if i >= lead => Some(shape.dim(i - lead)),
            _ => usize::try_from(length).ok(),
        };
        match lengths.iter().enumerate().map(length).collect::<Option<Vec<usize>>>() {
            Some(dims) => self.broadcast_to(dims),
            None => {
                let message = format!("{lengths:?} are no lengths for shape {shape}");
                let help = "-1 keeps the length of an axis that is there";
                misuse("expand", &[self], Misfit::shape(message).help(help))
            }
        }
    }

    /// The tensor repeated, without copying, to the shape of another. Gradient: summed over the repeated axes.
    ///
    /// PyTorch: `torch.Tensor.expand_as`. JAX: `jnp.broadcast_to`.
    #[track_caller]
    pub fn expand_as(&self, other: &Tensor) -> Tensor {
        match other.error() {
            Some(_) => other.clone(),
            None => self.broadcast_to(other.spec().shape),
        }
    }

    /// One position of an axis, which goes; a negative one counts from the end. Gradient: zero elsewhere.
    ///
    /// PyTorch: `torch.select`. JAX: `lax.index_in_dim`.
    #[track_caller]
    pub fn select(&self, axis: isize, index: isize) -> Tensor {
        let at = match self.axis_or("select", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        let length = self.spec().shape.dim(at);
        let position = if index < 0 { index.checked_add_unsigned(length) } else { Some(index) };
        match position.and_then(|position| usize::try_from(position).ok()).filter(|&p| p < length) {
            Some(position) => self.narrow(at as isize, position, 1).squeeze_axis(at),
            None => self.refuse_shape(
                "select",
                format!("index {index} is out of range for axis {axis}, which has length {length}"),
            ),
        }
    }

    /// The tensor, or a number as a vector of length 1. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.atleast_1d`. JAX: `jnp.atleast_1d`.
    #[track_caller]
    pub fn atleast_1d(&self) -> Tensor {
        if self.error().is_none() && self.spec().shape.rank() == 0 { self.reshape([1]) } else { self.clone() }
    }

    /// The tensor, or a number or vector as a matrix of one row. Gradient: `dy` under the old shape.
    ///
    /// PyTorch: `torch.atleast_2d`. JAX: `jnp.atleast_2d`.
    #[track_caller]
    pub fn atleast_2d(&self) -> Tensor {
        let x = self.atleast_1d();
        if x.rank_or_zero() == 1 { x.unsqueeze(0) } else { x }
    }

    /// The tensor, or one of lower rank as `[1, n, 1]` (a vector) or `[m, n, 1]` (a matrix). Gradient: `dy` under the old
    /// shape.
    ///
    /// PyTorch: `torch.atleast_3d`. JAX: `jnp.atleast_3d`.
    #[track_caller]
    pub fn atleast_3d(&self) -> Tensor {
        let x = self.atleast_2d();
        if x.rank_or_zero() == 2 { x.unsqueeze(2) } else { x }
    }
}

//! Everyday names for moving elements.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::movement::too_many_axes;
use crate::tensor::Tensor;

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

    /// Parts of the given lengths, one after the other along an axis; lengths add up to the axis'.
    /// Gradient: the parts' cotangents, put together.
    ///
    /// PyTorch: `torch.split`. JAX: `jnp.split`.
    ///
    /// Where that cannot be, the parts are invalid tensors.
    #[track_caller]
    pub fn split<const N: usize>(&self, lengths: [usize; N], axis: isize) -> [Tensor; N] {
        let at = match self.axis_or("split", axis) {
            Ok(at) => at,
            Err(invalid) => return [(); N].map(|()| invalid.clone()),
        };
        let have = self.spec().shape.dim(at);
        if lengths.iter().fold(0, |sum: usize, &length| sum.saturating_add(length)) != have {
            let message = format!("lengths {lengths:?} do not add up to {have}, the length of axis {axis}");
            let invalid = self.refuse_shape("split", message);
            return [(); N].map(|()| invalid.clone());
        }
        let mut start = 0;
        lengths.map(|length| {
            let part = self.narrow(axis, start, length);
            start += length;
            part
        })
    }

    /// `n` parts of equal length along an axis, the last one shorter if it does not divide.
    /// Gradient: the parts' cotangents, put together.
    ///
    /// PyTorch: `torch.chunk`. JAX: none.
    #[track_caller]
    pub fn chunk(&self, n: usize, axis: isize) -> Vec<Tensor> {
        let have = match self.axis_or("chunk", axis) {
            Ok(at) => self.spec().shape.dim(at),
            Err(invalid) => return vec![invalid],
        };
        if n == 0 {
            return vec![self.refuse_shape("chunk", "cannot make 0 parts".to_owned())];
        }
        let length = have.div_ceil(n).max(1);
        (0..have.div_ceil(length))
            .map(|i| self.narrow(axis, i * length, length.min(have - i * length)))
            .collect()
    }
}

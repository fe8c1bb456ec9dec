//! Pooling to a given size, whatever the input's, and its reverse. Made of other operations.

use super::options::{IntoPerAxis, PerAxis, Pool};
use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::pointwise::Domain;
use crate::tensor::{Shape, Tensor};

/// Where window `i` of `outputs` lies on an axis of `inputs`: as even as can be, without gaps.
fn window(i: usize, inputs: usize, outputs: usize) -> std::ops::Range<usize> {
    i * inputs / outputs..((i + 1) * inputs).div_ceil(outputs)
}

impl Tensor {
    /// The lengths asked for and those there are, of the last `rank` axes.
    fn adaptive_lengths(&self, rank: usize, size: &PerAxis) -> Result<Vec<(usize, usize)>, Box<Misfit>> {
        let shape = self.spec().shape;
        if shape.rank() < rank {
            let message = format!("the input {shape} has {} axes, the window {rank}", shape.rank());
            return Err(Misfit::shape(message));
        }
        let own = shape.to_vec()[shape.rank() - rank..].to_vec();
        if own.contains(&0) {
            return Err(Misfit::shape(format!("the input {shape} is empty")));
        }
        Ok(own.into_iter().zip(size.positive("size", rank)?).collect())
    }

    #[track_caller]
    fn adaptive_averaged(&self, operation: &'static str, rank: usize, size: &PerAxis) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let checked =
            Domain::Floats.check(self.spec().dtype).and_then(|()| self.adaptive_lengths(rank, size));
        let lengths = match checked {
            Ok(lengths) => lengths,
            Err(misfit) => return misuse(operation, &[self], misfit),
        };
        let lead = self.spec().shape.rank() - rank;
        // One axis after the other: a mean over a box is a mean of means.
        lengths.iter().enumerate().fold(self.clone(), |x, (i, &(inputs, outputs))| {
            let axis = (lead + i) as isize;
            if inputs == outputs {
                return x;
            }
            if inputs % outputs == 0 {
                let shape = x.spec().shape.with_dim(lead + i, outputs);
                if let Some(parted) = shape.with_axis(lead + i + 1, inputs / outputs) {
                    return x.reshape(parted).mean_dim(axis + 1);
                }
            }
            let mut means = vec![0.0; inputs * outputs];
            for i in 0..outputs {
                let window = window(i, inputs, outputs);
                let share = 1.0 / window.len() as f64;
                window.for_each(|at| means[at * outputs + i] = share);
            }
            let means = Tensor::from_vec(means, [inputs, outputs]).to_dtype(x.spec().dtype);
            x.movedim(axis, -1).matmul(&means).movedim(-1, axis)
        })
    }

    #[track_caller]
    fn adaptive_maximum(&self, operation: &'static str, rank: usize, size: &PerAxis) -> (Tensor, Tensor) {
        if self.error().is_some() {
            return (self.clone(), self.clone());
        }
        let lengths = match self.adaptive_lengths(rank, size) {
            Ok(lengths) => lengths,
            Err(misfit) => {
                let invalid = misuse(operation, &[self], misfit);
                return (invalid.clone(), invalid);
            }
        };
        let even = lengths.iter().all(|&(inputs, outputs)| inputs.is_multiple_of(outputs));
        if even {
            let kernel: Vec<usize> = lengths.iter().map(|&(inputs, outputs)| inputs / outputs).collect();
            return self.max_pooled(operation, rank, &Pool::new(kernel));
        }
        // Windows of equal length: those that are shorter see their last position again, which never wins.
        let lead = self.spec().shape.rank() - rank;
        let (mut x, mut kernel, mut places) = (self.clone(), Vec::new(), vec![0]);
        for (i, &(inputs, outputs)) in lengths.iter().enumerate() {
            let longest = (0..outputs).map(|i| window(i, inputs, outputs).len()).max().unwrap_or(1);
            let seen: Vec<i64> = (0..outputs)
                .flat_map(|i| {
                    let window = window(i, inputs, outputs);
                    (0..longest).map(move |k| (window.start + k).min(window.end - 1) as i64)
                })
                .collect();
            places = places.iter().flat_map(|at| seen.iter().map(move |s| at * inputs as i64 + s)).collect();
            x = x.index_select((lead + i) as isize, &Tensor::from_vec(seen, [outputs * longest]));
            kernel.push(longest);
        }
        let (values, indices) = x.max_pooled(operation, rank, &Pool::new(kernel));
        let count = places.len();
        (values, Tensor::from_vec(places, [count]).index_select(0, &indices))
    }

    /// The reverse of a max-pooling: zeros of lengths `size` in the last axes, with each element of this tensor at the
    /// place that `indices` (i64, of this tensor's shape) name: the row-major numbers that
    /// [`Tensor::max_pool2d_with_indices`] and its like yield. Of several elements for one place the last stays.
    ///
    /// # Errors
    /// The result is invalid if the shapes differ, or if a number is out of range.
    ///
    /// Gradient: `dy` at the places (zero for an element that was overwritten).
    ///
    /// PyTorch: `torch.nn.functional.max_unpool2d`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 5.0, 2.0, 3.0]]);
    /// let (values, indices) = x.max_pool1d_with_indices(2);
    /// assert_eq!(values.max_unpool(&indices, [4]).to_vec::<f64>()?, [0.0, 5.0, 0.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn max_unpool(&self, indices: &Tensor, size: impl IntoPerAxis) -> Tensor {
        if let Some(invalid) = [self, indices].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let PerAxis::Each(size) = size.into_per_axis() else {
            let misfit =
                Misfit::shape("the size is one length for each axis that was pooled, for example [28, 28]");
            return misuse("max_unpool", &[self, indices], misfit);
        };
        let shape = self.spec().shape;
        if shape != indices.spec().shape || shape.rank() < size.len() {
            let message = format!(
                "values of shape {shape} and indices of shape {} for {} axes of the size",
                indices.spec().shape,
                size.len()
            );
            return misuse("max_unpool", &[self, indices], Misfit::shape(message));
        }
        let lead = Shape::of(&shape[..shape.rank() - size.len()]);
        let result: Vec<usize> = lead.to_vec().into_iter().chain(size.iter().copied()).collect();
        let result = match Shape::checked(&result) {
            Ok(result) => result,
            Err(message) => return misuse("max_unpool", &[self, indices], Misfit::shape(message)),
        };
        let flat =
            |x: &Tensor, n: usize| x.reshape(lead.concat(&[n as u32]).expect("no more axes than before"));
        let each = shape[lead.rank()..].iter().map(|&n| n as usize).product();
        let zeros = Tensor::splat(self.spec().with_shape(result), 0.into());
        let zeros = flat(&zeros, size.iter().product());
        zeros.scatter(-1, &flat(indices, each), flat(self, each)).reshape(result)
    }
}

macro_rules! adaptive_pools {
    ($($(#[doc = $doc:literal])* $name:ident -> $result:ty => |$x:ident, $size:ident| $body:expr;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(&self, size: impl IntoPerAxis) -> $result {
                let ($x, $size) = (self, size.into_per_axis());
                $body
            }
        )*}
    };
}

adaptive_pools! {
    /// Means over the last axis, cut into `size` windows, as even as can be: window `i` of `n` positions is
    /// `floor(i * n / size)..ceil((i + 1) * n / size)`.
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_avg_pool1d`. JAX: none.
    adaptive_avg_pool1d -> Tensor => |x, size| x.adaptive_averaged("adaptive_avg_pool1d", 1, &size);

    /// The greatest elements over the last axis, cut into windows as [`Tensor::adaptive_avg_pool1d`] does.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool1d`. JAX: none.
    adaptive_max_pool1d -> Tensor => |x, size| x.adaptive_maximum("adaptive_max_pool1d", 1, &size).0;

    /// Values as of [`Tensor::adaptive_max_pool1d`], and the row-major number (i64) of each among the last axis of the
    /// input.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool1d(return_indices=True)`. JAX: none.
    adaptive_max_pool1d_with_indices -> (Tensor, Tensor) => |x, size| {
        x.adaptive_maximum("adaptive_max_pool1d_with_indices", 1, &size)
    };

    /// Means over the last two axes, cut into `size` windows each, as even as can be: window `i` of `n` positions is
    /// `floor(i * n / size)..ceil((i + 1) * n / size)`.
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_avg_pool2d`. JAX: none.
    adaptive_avg_pool2d -> Tensor => |x, size| x.adaptive_averaged("adaptive_avg_pool2d", 2, &size);

    /// The greatest elements over the last two axes, cut into windows as [`Tensor::adaptive_avg_pool2d`] does.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool2d`. JAX: none.
    adaptive_max_pool2d -> Tensor => |x, size| x.adaptive_maximum("adaptive_max_pool2d", 2, &size).0;

    /// Values as of [`Tensor::adaptive_max_pool2d`], and the row-major number (i64) of each among the last two axes of the
    /// input.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool2d(return_indices=True)`. JAX: none.
    adaptive_max_pool2d_with_indices -> (Tensor, Tensor) => |x, size| {
        x.adaptive_maximum("adaptive_max_pool2d_with_indices", 2, &size)
    };

    /// Means over the last three axes, cut into `size` windows each, as even as can be: window `i` of `n` positions is
    /// `floor(i * n / size)..ceil((i + 1) * n / size)`.
    ///
    /// Gradient: `dy / n` at all elements of the window.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_avg_pool3d`. JAX: none.
    adaptive_avg_pool3d -> Tensor => |x, size| x.adaptive_averaged("adaptive_avg_pool3d", 3, &size);

    /// The greatest elements over the last three axes, cut into windows as [`Tensor::adaptive_avg_pool3d`] does.
    ///
    /// Gradient: `dy` at the greatest element, the first of equal ones.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool3d`. JAX: none.
    adaptive_max_pool3d -> Tensor => |x, size| x.adaptive_maximum("adaptive_max_pool3d", 3, &size).0;

    /// Values as of [`Tensor::adaptive_max_pool3d`], and the row-major number (i64) of each among the last three axes of the
    /// input.
    ///
    /// Gradient: of the values, `dy` at the greatest element; none of the numbers.
    ///
    /// PyTorch: `torch.nn.functional.adaptive_max_pool3d(return_indices=True)`. JAX: none.
    adaptive_max_pool3d_with_indices -> (Tensor, Tensor) => |x, size| {
        x.adaptive_maximum("adaptive_max_pool3d_with_indices", 3, &size)
    };
}

//! What every window sees as a column, and columns added up to an image. Made of other operations.

use super::options::{IntoPerAxis, Pool, Rounding};
use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::exec::Region;
use crate::exec::window::{Extents, Windows, count, positions};
use crate::tensor::{Shape, Tensor};

/// The windows of a pool over the axes after the first two, and the lengths of the padded input.
fn windows(lengths: &[usize], pool: &Pool) -> Result<(Windows, Vec<usize>), Box<Misfit>> {
    let rank = lengths.len();
    if rank == 0 || rank > 3 {
        return Err(Misfit::shape(format!("windows have one to three axes, got {rank}"))
            .help("the axes are [batch, channels, ..]"));
    }
    let kernel = pool.kernel.positive("kernel", rank)?;
    let windows = pool.sliding().each(rank)?.over(lengths, &kernel, Rounding::Down)?;
    // As far as windows see, and as far as the input reaches.
    let padded = |axis: usize| {
        let reach = (windows.output[axis] - 1) * windows.stride[axis]
            + (windows.kernel[axis] - 1) * windows.dilation[axis]
            + 1;
        reach.max(windows.before[axis] + windows.input[axis])
    };
    Ok((windows, (3 - rank..3).map(padded).collect()))
}

/// What all windows of the padded input see through one element.
fn region(windows: &Windows, element: Extents) -> Region {
    let axes = 3 - windows.rank..3;
    let start = axes.clone().map(|axis| (element[axis] * windows.dilation[axis]) as i64);
    let step = axes.map(|axis| windows.stride[axis] as i64);
    Region {
        start: [0, 0].into_iter().chain(start).collect(),
        step: [1, 1].into_iter().chain(step).collect(),
    }
}

/// Images, channels and some lengths as a shape.
fn image(images: usize, channels: usize, lengths: &[usize]) -> Result<Shape, Box<Misfit>> {
    let dims: Vec<usize> = [images, channels].into_iter().chain(lengths.iter().copied()).collect();
    Shape::checked(&dims).map_err(Misfit::shape)
}

impl Tensor {
    /// What every window of an image `[n, c, ..]` sees, as a column: `[n, c * kernel, windows]`, zeros for padding.
    /// The product of a weight's rows with the columns is a convolution.
    ///
    /// # Errors
    /// The result is invalid if there are not one to three axes after the first two, or if the kernel is longer than
    /// the padded input.
    ///
    /// Gradient: columns added up ([`Tensor::col2im`]).
    ///
    /// PyTorch: `torch.nn.functional.unfold`. JAX: `jax.lax.conv_general_dilated_patches`.
    ///
    /// ```
    /// # use retrograd::{Pool, Tensor};
    /// let x = Tensor::from([1.0, 2.0, 3.0]).reshape([1, 1, 3]);
    /// let columns = x.im2col(Pool::new(2).stride(1));
    /// assert_eq!(columns.shape(), [1, 2, 2]);
    /// assert_eq!(columns.to_vec::<f64>()?, [1.0, 2.0, 2.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn im2col(&self, pool: impl Into<Pool>) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let dims = self.spec().shape.to_vec();
        let (images, channels) = (dims.first().copied().unwrap_or(1), dims.get(1).copied().unwrap_or(1));
        let fit = || {
            let (windows, padded) = windows(dims.get(2..).unwrap_or(&[]), &pool.into())?;
            let rows = channels.saturating_mul(count(windows.kernel));
            let columns = image(images, rows, &[count(windows.output)])?;
            Ok((windows, image(images, channels, &padded)?, columns))
        };
        let (windows, padded, columns) = match fit() {
            Ok(fit) => fit,
            Err(misfit) => return misuse("im2col", &[self], misfit),
        };
        let before = windows.own(&windows.before);
        let start: Vec<i64> = [0, 0].into_iter().chain(before.iter().map(|&n| n as i64)).collect();
        let x = if padded == self.spec().shape {
            self.clone()
        } else {
            let step = vec![1; start.len()];
            self.placed_in_zeros(padded, Region { start, step })
        };
        let seen = windows.own(&windows.output).iter().enumerate();
        let seen = seen.fold(padded, |shape, (i, &n)| shape.with_dim(2 + i, n));
        let parts: Vec<Tensor> = positions(windows.kernel)
            .map(|element| x.slice_region(region(&windows, element), seen).unsqueeze(2))
            .collect();
        Tensor::cat(&parts, 2).reshape(columns)
    }

    /// Columns `[n, c * kernel, windows]` added up to an image `[n, c, ..]` with the lengths `size`: the transpose of
    /// [`Tensor::im2col`] with the same pool.
    ///
    /// # Errors
    /// The result is invalid if there are not as many columns as windows on an image of that size, or if the rows
    /// do not divide by the kernel.
    ///
    /// Gradient: `dx = dy.im2col(pool)`.
    ///
    /// PyTorch: `torch.nn.functional.fold`. JAX: none.
    #[track_caller]
    pub fn col2im(&self, size: impl IntoPerAxis, pool: impl Into<Pool>) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let (shape, pool) = (self.spec().shape, pool.into());
        let fit = || {
            if shape.rank() != 3 {
                let message = format!("the input {shape} has {} axes, expected 3", shape.rank());
                return Err(Misfit::shape(message).help("[batch, channels * kernel, windows]"));
            }
            let super::PerAxis::Each(lengths) = size.into_per_axis() else {
                return Err(Misfit::shape("the size is one length for each axis, for example [28, 28]"));
            };
            let (windows, padded) = windows(&lengths, &pool)?;
            let (kernel, columns) = (count(windows.kernel), count(windows.output));
            if shape.dim(2) != columns || !shape.dim(1).is_multiple_of(kernel) {
                let message = format!(
                    "the input {shape} for {columns} windows of {kernel} elements on {lengths:?}: expected \
                     [.., channels * {kernel}, {columns}]"
                );
                return Err(Misfit::shape(message));
            }
            let channels = shape.dim(1) / kernel;
            let padded = image(shape.dim(0), channels, &padded)?;
            let each = [shape.dim(0), channels, kernel].into_iter();
            let each: Vec<usize> = each.chain(windows.own(&windows.output).iter().copied()).collect();
            Ok((windows, padded, image(shape.dim(0), channels, &lengths)?, each))
        };
        let (windows, padded, result, each) = match fit() {
            Ok(fit) => fit,
            Err(misfit) => return misuse("col2im", &[self], misfit),
        };
        let columns = self.reshape(each);
        let parts = positions(windows.kernel).enumerate().map(|(k, element)| {
            columns.narrow(2, k, 1).squeeze(2).placed_in_zeros(padded, region(&windows, element))
        });
        let sum = parts.reduce(|sum, part| sum + part).expect("a kernel has an element");
        let before = windows.own(&windows.before).iter().map(|&n| n as i64);
        let start = [0, 0].into_iter().chain(before).collect();
        if padded == result {
            sum
        } else {
            sum.slice_region(Region { start, step: vec![1; result.rank()] }, result)
        }
    }
}

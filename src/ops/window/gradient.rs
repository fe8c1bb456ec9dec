//! The gradients of convolutions, as operations of their own: what layers with hand-written derivatives are made of.

use super::options::{Conv, IntoPerAxis, PerAxis};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{ConvRole, Convolution};
use crate::tensor::{Shape, Tensor};

/// Lengths of the axes that a window slides over.
fn lengths(images: &Shape) -> Vec<usize> {
    images.to_vec()[2..].to_vec()
}

/// A tensor of a convolution's gradient with its first two axes.
fn with_batch(rank: usize, what: &str, x: &Tensor) -> Result<Tensor, Box<Misfit>> {
    let shape = x.spec().shape;
    match shape.rank() {
        n if n == rank + 2 => Ok(x.clone()),
        n if n == rank + 1 => Ok(x.unsqueeze(0)),
        n => {
            let message = format!("the {what} {shape} has {n} axes, expected {} or {}", rank + 2, rank + 1);
            Err(Misfit::shape(message).help("[batch, channels, ..], or [channels, ..]"))
        }
    }
}

impl Tensor {
    /// The gradient of a convolution's weight, given the input (this tensor) and the output's gradient.
    #[track_caller]
    fn weight_gradient(
        &self,
        operation: &'static str,
        rank: usize,
        dy: &Tensor,
        kernel: &PerAxis,
        options: &Conv,
    ) -> Tensor {
        if let Some(invalid) = [self, dy].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let fit = || {
            let (x, dy) = (with_batch(rank, "input", self)?, with_batch(rank, "gradient", dy)?);
            let (a, b, groups) = (x.spec().shape, dy.spec().shape, options.groups);
            if a.dim(0) != b.dim(0) {
                return Err(Misfit::shape(format!("the input {a} and the gradient {b} differ in axis 0")));
            }
            if groups == 0 || !a.dim(1).is_multiple_of(groups) || !b.dim(1).is_multiple_of(groups) {
                let message = format!("groups {groups} does not divide the channels of {a} and of {b}");
                return Err(Misfit::shape(message));
            }
            let kernel = kernel.positive("kernel", rank)?;
            let windows = options.sliding.each(rank)?.between(&lengths(&a), &kernel, &lengths(&b))?;
            Ok((Convolution { role: ConvRole::Weight, windows, groups }, x, dy))
        };
        match fit() {
            Ok((convolution, x, dy)) => bind(&convolution, &[&x, &dy]),
            Err(misfit) => misuse(operation, &[self, dy], misfit),
        }
    }

    /// The gradient of a convolution's input, given the output's (this tensor) and the weight.
    #[track_caller]
    fn input_gradient(
        &self,
        operation: &'static str,
        rank: usize,
        weight: &Tensor,
        size: &PerAxis,
        options: &Conv,
    ) -> Tensor {
        if let Some(invalid) = [self, weight].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let fit = || {
            let dy = with_batch(rank, "gradient", self)?;
            let size = size.positive("size", rank)?;
            let (b, w, groups) = (dy.spec().shape, weight.spec().shape, options.groups);
            if w.rank() != rank + 2 || b.dim(1) != w.dim(0) || groups == 0 || !w.dim(0).is_multiple_of(groups)
            {
                let of_groups = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
                let message =
                    format!("the weight {w} does not yield the channels of the gradient {b}{of_groups}");
                return Err(Misfit::shape(message).help("the weight's axes are [out, in / groups, ..]"));
            }
            let windows = options.sliding.each(rank)?.between(&size, &lengths(&w), &lengths(&b))?;
            Ok((Convolution { role: ConvRole::Input, windows, groups }, dy))
        };
        match fit() {
            Ok((convolution, dy)) => {
                let dx = bind(&convolution, &[&dy, weight]);
                if self.spec().shape.rank() == rank + 1 { dx.squeeze(0) } else { dx }
            }
            Err(misfit) => misuse(operation, &[self, weight], misfit),
        }
    }
}

macro_rules! gradients {
    ($($(#[doc = $doc:literal])* $name:ident($other:ident, $lengths:ident) $gradient:ident $rank:literal;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(&self, $other: &Tensor, $lengths: impl IntoPerAxis, options: Conv) -> Tensor {
                self.$gradient(stringify!($name), $rank, $other, &$lengths.into_per_axis(), &options)
            }
        )*}
    };
}

gradients! {
    /// The gradient of the input of [`Tensor::conv1d`]; see [`Tensor::conv2d_input`].
    ///
    /// Gradient: that of a transposed convolution.
    ///
    /// PyTorch: `torch.nn.grad.conv1d_input`. JAX: none.
    conv1d_input(weight, size) input_gradient 1;

    /// The gradient of the weight of [`Tensor::conv1d`]; see [`Tensor::conv2d_weight`].
    ///
    /// Gradient: `dx = dy.conv1d_input(dw)`, that of `dy` is `x.conv1d(dw)`.
    ///
    /// PyTorch: `torch.nn.grad.conv1d_weight`. JAX: none.
    conv1d_weight(dy, kernel) weight_gradient 1;

    /// The gradient of the input of [`Tensor::conv2d`] with the same options, of lengths `size`, given that of its
    /// output (this tensor) and the weight: a transposed convolution that knows the length of its result, with any
    /// padding. A bias has no part in it.
    ///
    /// # Errors
    /// The result is invalid if the weight does not yield this tensor's channels, or if a convolution of such an input
    /// has fewer positions than this tensor.
    ///
    /// Gradient: that of a transposed convolution.
    ///
    /// PyTorch: `torch.nn.grad.conv2d_input`. JAX: none.
    ///
    /// ```
    /// # use retrograd::{Conv, Padding, Tensor};
    /// let (x, w) = (Tensor::randn([8, 3, 9, 9]), Tensor::randn([16, 3, 3, 3]));
    /// let options = || Conv::new().stride(2).padding(Padding::Same);
    /// let dy = x.conv2d(&w, options()).ones_like();
    /// assert_eq!(dy.conv2d_input(&w, [9, 9], options()).shape(), [8, 3, 9, 9]);
    /// ```
    conv2d_input(weight, size) input_gradient 2;

    /// The gradient of the weight of [`Tensor::conv2d`] with the same options, of kernel lengths `kernel`, given the
    /// input (this tensor) and the gradient of the output: the correlation of the two. A bias has no part in it.
    ///
    /// # Errors
    /// The result is invalid if batches differ, if groups do not divide the channels, or if a convolution with such a
    /// kernel has fewer positions than `dy`.
    ///
    /// Gradient: `dx = dy.conv2d_input(dw)`, that of `dy` is `x.conv2d(dw)`.
    ///
    /// PyTorch: `torch.nn.grad.conv2d_weight`. JAX: none.
    ///
    /// ```
    /// # use retrograd::{Conv, Tensor};
    /// let (x, w) = (Tensor::randn([8, 3, 9, 9]), Tensor::randn([16, 3, 5, 3]));
    /// let dy = x.conv2d(&w, Conv::new().stride(2)).ones_like();
    /// assert_eq!(x.conv2d_weight(&dy, [5, 3], Conv::new().stride(2)).shape(), [16, 3, 5, 3]);
    /// ```
    conv2d_weight(dy, kernel) weight_gradient 2;

    /// The gradient of the input of [`Tensor::conv3d`]; see [`Tensor::conv2d_input`].
    ///
    /// Gradient: that of a transposed convolution.
    ///
    /// PyTorch: `torch.nn.grad.conv3d_input`. JAX: none.
    conv3d_input(weight, size) input_gradient 3;

    /// The gradient of the weight of [`Tensor::conv3d`]; see [`Tensor::conv2d_weight`].
    ///
    /// Gradient: `dx = dy.conv3d_input(dw)`, that of `dy` is `x.conv3d(dw)`.
    ///
    /// PyTorch: `torch.nn.grad.conv3d_weight`. JAX: none.
    conv3d_weight(dy, kernel) weight_gradient 3;
}

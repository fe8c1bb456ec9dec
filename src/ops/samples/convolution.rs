//! Rows of convolution, pooling and resampling.

use super::{Sample, normal, rough, row};
use crate::tensor::Tensor;
use crate::{Conv, Padding, Pool, Resampling};

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [convolutions(), transposed(), gradients(), pools(), adaptive_pools(), images()]
        .into_iter()
        .flatten()
        .collect()
}

fn convolutions() -> Vec<Sample> {
    let images = || vec![normal(1, &[2, 2, 5, 6]), normal(2, &[3, 2, 2, 3])];
    vec![
        row("conv1d", vec![normal(1, &[2, 3, 7]), normal(2, &[4, 3, 3])], |x| {
            x[0].conv1d(&x[1], Conv::new())
        }),
        row("conv1d", vec![normal(1, &[3, 7]), normal(2, &[4, 3, 2])], |x| {
            x[0].conv1d(&x[1], Conv::new().stride(2).padding(1))
        }),
        row("conv2d", images(), |x| x[0].conv2d(&x[1], Conv::new())),
        row("conv2d", images(), |x| x[0].conv2d(&x[1], Conv::new().stride([2, 1]).padding([1, 2]))),
        row("conv2d", images(), |x| x[0].conv2d(&x[1], Conv::new().dilation(2).padding([(0, 1), (2, 0)]))),
        // A stride beyond the kernel: some of the input is seen by no window.
        row("conv2d", images(), |x| x[0].conv2d(&x[1], Conv::new().stride([3, 4]))),
        row("conv2d", images(), |x| {
            x[0].conv2d(&x[1], Conv::new().stride(3).dilation(2).padding(Padding::Same))
        }),
        row("conv2d", vec![normal(1, &[2, 4, 3, 3]), normal(2, &[6, 2, 2, 2])], |x| {
            x[0].conv2d(&x[1], Conv::new().groups(2))
        }),
        row("conv2d", vec![normal(1, &[1, 3, 4, 4]), normal(2, &[3, 1, 3, 3])], |x| {
            x[0].conv2d(&x[1], Conv::new().groups(3).padding(1))
        }),
        row("conv2d", vec![normal(1, &[2, 1, 3, 3]), normal(2, &[2, 1, 2, 2]), normal(3, &[2])], |x| {
            x[0].conv2d(&x[1], Conv::new().bias(&x[2]))
        }),
        row("conv2d", vec![normal(1, &[0, 1, 3, 3]), normal(2, &[2, 1, 2, 2])], |x| {
            x[0].conv2d(&x[1], Conv::new())
        }),
        row("conv3d", vec![normal(1, &[1, 2, 3, 4, 3]), normal(2, &[2, 2, 2, 1, 2])], |x| {
            x[0].conv3d(&x[1], Conv::new().stride([1, 2, 1]).padding([1, 0, 1]))
        }),
    ]
}

fn transposed() -> Vec<Sample> {
    let images = || vec![normal(1, &[2, 3, 2, 3]), normal(2, &[3, 2, 2, 3])];
    vec![
        row("conv_transpose1d", vec![normal(1, &[2, 3, 4]), normal(2, &[3, 2, 3])], |x| {
            x[0].conv_transpose1d(&x[1], Conv::new().stride(2).padding(1).output_padding(1))
        }),
        row("conv_transpose2d", images(), |x| x[0].conv_transpose2d(&x[1], Conv::new())),
        row("conv_transpose2d", images(), |x| {
            x[0].conv_transpose2d(&x[1], Conv::new().stride([3, 2]).dilation([1, 2]).padding([0, 1]))
        }),
        row(
            "conv_transpose2d",
            vec![normal(1, &[1, 4, 3, 2]), normal(2, &[4, 1, 2, 2]), normal(3, &[2])],
            |x| x[0].conv_transpose2d(&x[1], Conv::new().groups(2).bias(&x[2])),
        ),
        row("conv_transpose3d", vec![normal(1, &[1, 1, 2, 2, 2]), normal(2, &[1, 2, 2, 1, 2])], |x| {
            x[0].conv_transpose3d(&x[1], Conv::new().stride(2))
        }),
    ]
}

fn gradients() -> Vec<Sample> {
    let images = || vec![normal(1, &[2, 2, 5, 6]), normal(2, &[2, 3, 3, 2])];
    vec![
        row("conv1d_weight", vec![normal(1, &[2, 3, 7]), normal(2, &[2, 4, 5])], |x| {
            x[0].conv1d_weight(&x[1], 3, Conv::new())
        }),
        // Fewer positions than there are windows, as a transposed convolution with output padding has them.
        row("conv1d_weight", vec![normal(1, &[3, 7]), normal(2, &[4, 3])], |x| {
            x[0].conv1d_weight(&x[1], 2, Conv::new().dilation(3))
        }),
        row("conv2d_weight", images(), |x| {
            x[0].conv2d_weight(&x[1], [2, 3], Conv::new().stride(2).padding([1, 0]))
        }),
        row("conv2d_weight", vec![normal(1, &[2, 4, 3, 3]), normal(2, &[2, 6, 3, 3])], |x| {
            x[0].conv2d_weight(&x[1], 3, Conv::new().groups(2).padding(Padding::Same))
        }),
        row("conv3d_weight", vec![normal(1, &[1, 2, 3, 4, 3]), normal(2, &[1, 2, 2, 2, 3])], |x| {
            x[0].conv3d_weight(&x[1], [2, 1, 1], Conv::new().stride([1, 2, 1]))
        }),
        row("conv1d_input", vec![normal(1, &[4, 3]), normal(2, &[4, 3, 2])], |x| {
            x[0].conv1d_input(&x[1], 7, Conv::new().stride(2))
        }),
        row("conv2d_input", vec![normal(1, &[2, 3, 3, 2]), normal(2, &[3, 2, 2, 3])], |x| {
            x[0].conv2d_input(&x[1], [5, 6], Conv::new().stride([2, 3]).padding(Padding::Same))
        }),
        row("conv2d_input", vec![normal(1, &[1, 4, 2, 2]), normal(2, &[4, 1, 2, 2])], |x| {
            x[0].conv2d_input(&x[1], 3, Conv::new().groups(2))
        }),
        row("conv3d_input", vec![normal(1, &[1, 2, 2, 3, 2]), normal(2, &[2, 1, 2, 1, 2])], |x| {
            x[0].conv3d_input(&x[1], 3, Conv::new())
        }),
        row("avg_pool1d_input", vec![normal(4, &[3, 3])], |x| x[0].avg_pool1d_input(7, 2)),
        row("avg_pool2d_input", vec![normal(4, &[2, 3, 4])], |x| {
            x[0].avg_pool2d_input([5, 6], Pool::new(3).stride(2).padding(1).exclude_padding().ceil_mode())
        }),
        row("avg_pool3d_input", vec![normal(4, &[1, 1, 1, 2])], |x| {
            x[0].avg_pool3d_input([2, 3, 4], Pool::new(2).divisor(3.0))
        }),
    ]
}

fn pools() -> Vec<Sample> {
    let image = || vec![normal(4, &[2, 2, 5, 6])];
    let ties = || vec![Tensor::from([[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]])];
    vec![
        row("max_pool1d", vec![normal(4, &[3, 7])], |x| x[0].max_pool1d(2)),
        rough("max_pool1d", ties(), |x| x[0].max_pool1d(Pool::new(3).stride(2))),
        row("max_pool2d", image(), |x| x[0].max_pool2d([2, 3])),
        row("max_pool2d", image(), |x| x[0].max_pool2d(Pool::new(3).stride(2).padding(1).ceil_mode())),
        row("max_pool2d", image(), |x| x[0].max_pool2d(Pool::new(2).stride(1).dilation([3, 2]))),
        row("max_pool3d", vec![normal(4, &[1, 2, 3, 4, 4])], |x| x[0].max_pool3d(Pool::new(2).stride(1))),
        row("max_pool1d_with_indices", vec![normal(4, &[3, 7])], |x| both(x[0].max_pool1d_with_indices(3))),
        row("max_pool2d_with_indices", image(), |x| both(x[0].max_pool2d_with_indices(2))),
        row("max_pool3d_with_indices", vec![normal(4, &[1, 2, 3, 4])], |x| {
            both(x[0].max_pool3d_with_indices(2))
        }),
        row("max_unpool", image(), |x| {
            let (values, indices) = x[0].max_pool2d_with_indices(2);
            values.max_unpool(&indices, [5, 6])
        }),
        row("avg_pool1d", vec![normal(4, &[3, 7])], |x| x[0].avg_pool1d(Pool::new(3).stride(2).padding(1))),
        row("avg_pool2d", image(), |x| x[0].avg_pool2d(2)),
        row("avg_pool2d", image(), |x| {
            x[0].avg_pool2d(Pool::new(3).stride(2).padding(1).exclude_padding().ceil_mode())
        }),
        row("avg_pool3d", vec![normal(4, &[1, 2, 3, 4])], |x| x[0].avg_pool3d(Pool::new(2).divisor(3.0))),
        row("lp_pool1d", vec![normal(4, &[3, 7])], |x| x[0].lp_pool1d(2.0, 2)),
        row("lp_pool2d", image(), |x| x[0].lp_pool2d(3.0, Pool::new(2).stride(1))),
        row("lp_pool3d", vec![normal(4, &[1, 2, 3, 4])], |x| x[0].lp_pool3d(f64::INFINITY, 2)),
        rough("lp_pool2d", vec![Tensor::zeros([2, 2]).f64()], |x| x[0].lp_pool2d(2.0, 2)),
    ]
}

fn adaptive_pools() -> Vec<Sample> {
    let image = || vec![normal(5, &[2, 5, 6])];
    let volume = || vec![normal(5, &[2, 3, 4, 5])];
    vec![
        row("adaptive_avg_pool1d", vec![normal(5, &[2, 7])], |x| x[0].adaptive_avg_pool1d(3)),
        row("adaptive_avg_pool2d", image(), |x| x[0].adaptive_avg_pool2d([3, 2])),
        row("adaptive_avg_pool3d", volume(), |x| x[0].adaptive_avg_pool3d([3, 2, 7])),
        row("adaptive_max_pool1d", vec![normal(5, &[2, 6])], |x| x[0].adaptive_max_pool1d(3)),
        row("adaptive_max_pool2d", image(), |x| x[0].adaptive_max_pool2d([3, 4])),
        row("adaptive_max_pool3d", volume(), |x| x[0].adaptive_max_pool3d([2, 4, 2])),
        row("adaptive_max_pool1d_with_indices", vec![normal(5, &[2, 7])], |x| {
            both(x[0].adaptive_max_pool1d_with_indices(3))
        }),
        row("adaptive_max_pool2d_with_indices", image(), |x| {
            both(x[0].adaptive_max_pool2d_with_indices([3, 2]))
        }),
        row("adaptive_max_pool3d_with_indices", volume(), |x| {
            both(x[0].adaptive_max_pool3d_with_indices([2, 2, 2]))
        }),
    ]
}

fn images() -> Vec<Sample> {
    let image = || vec![normal(6, &[2, 2, 3, 4])];
    vec![
        row("im2col", image(), |x| x[0].im2col(Pool::new(2).stride(1).padding([1, 0]))),
        row("im2col", vec![normal(6, &[2, 1, 6])], |x| x[0].im2col(Pool::new(2).stride(3).dilation(2))),
        row("col2im", vec![normal(6, &[2, 8, 6])], |x| x[0].col2im([3, 4], Pool::new(2).stride(1))),
        row("col2im", vec![normal(6, &[2, 8, 6])], |x| {
            x[0].col2im([2, 4], Pool::new(2).stride([2, 1]).padding([(1, 2), (0, 0)]))
        }),
        row("interpolate", image(), |x| x[0].interpolate([5, 3], Resampling::Linear)),
        row("interpolate", image(), |x| x[0].interpolate([2, 7], Resampling::LinearAligned)),
        row("interpolate", image(), |x| x[0].interpolate([5, 2], Resampling::Cubic)),
        row("interpolate", image(), |x| x[0].interpolate([1, 6], Resampling::CubicAligned)),
        row("interpolate", image(), |x| x[0].interpolate([5, 2], Resampling::Nearest)),
        row("interpolate", image(), |x| x[0].interpolate([5, 2], Resampling::NearestExact)),
        row("upsample", image(), |x| x[0].upsample(2, Resampling::Nearest)),
        row("upsample", vec![normal(6, &[1, 2, 3])], |x| x[0].upsample(3, Resampling::Linear)),
    ]
}

/// Values and places in one tensor.
fn both((values, places): (Tensor, Tensor)) -> Tensor {
    match values.error() {
        Some(_) => values,
        None => Tensor::stack(&[values.clone(), places.to_dtype(values.dtype())], 0),
    }
}

//! Rows of convolution, pooling and resampling.

use super::{Sample, normal, row};
use crate::Conv;
use crate::ops::window::Padding;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    [convolutions(), transposed()].into_iter().flatten().collect()
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

//! Convolution, pooling, patches and resolution.

use retrograd::{Conv, Padding, Pool, Resampling, Tensor};

use crate::{f32s, f64s, i64s, said};

#[test]
fn shapes_of_convolutions() {
    let (x, w) = (f32s(&[2, 3, 8, 8]), f32s(&[4, 3, 3, 3]));
    table! {
        f32s(&[8, 8]).conv2d(&w, Conv::new()) =>
            "conv2d: the input [8, 8] has 2 axes, expected 4 or 3 | operands: f32[8, 8], f32[4, 3, 3, 3] | \
             help: [batch, channels, ..], or [channels, ..]";
        x.conv2d(&f32s(&[4, 3, 3]), Conv::new()) =>
            "conv2d: the weight has shape [4, 3, 3], expected 4 axes: [out_channels, in_channels / groups, ..] | \
             operands: f32[2, 3, 8, 8], f32[4, 3, 3]";
        x.conv_transpose2d(&f32s(&[4, 3, 3]), Conv::new()) =>
            "conv_transpose2d: the weight has shape [4, 3, 3], expected 4 axes: \
             [in_channels, out_channels / groups, ..] | operands: f32[2, 3, 8, 8], f32[4, 3, 3]";
        f32s(&[2, 5, 8, 8]).conv2d(&w, Conv::new()) =>
            "conv2d: the input [2, 5, 8, 8] has 5 channels, the weight [4, 3, 3, 3] takes 3 | \
             operands: f32[2, 5, 8, 8], f32[4, 3, 3, 3] | help: the axes are [batch, channels, ..]";
        x.conv2d(&w, Conv::new().groups(2)) =>
            "conv2d: the input [2, 3, 8, 8] has 3 channels, the weight [4, 3, 3, 3] takes 6 in 2 groups | \
             operands: f32[2, 3, 8, 8], f32[4, 3, 3, 3] | help: the axes are [batch, channels, ..]";
        x.conv2d(&w, Conv::new().groups(3)) =>
            "conv2d: groups 3 does not divide the weight's 4 channels, [4, 3, 3, 3] | \
             operands: f32[2, 3, 8, 8], f32[4, 3, 3, 3]";
        x.conv2d(&w, Conv::new().bias(&f32s(&[3]))) =>
            "conv2d: the bias has shape [3], expected [4] | \
             operands: f32[2, 3, 8, 8], f32[4, 3, 3, 3], f32[3]";
        x.conv2d(&f32s(&[4, 3, 9, 3]), Conv::new()) =>
            "conv2d: the kernel [9, 3] reaches over 9 positions of axis 0 of the window, the padded input [8, 8] has \
             8 | operands: f32[2, 3, 8, 8], f32[4, 3, 9, 3] | help: use a smaller kernel or dilation, or more padding";
        x.conv2d(&f32s(&[4, 3, 0, 3]), Conv::new()) =>
            "conv2d: the kernel [0, 3] is empty | operands: f32[2, 3, 8, 8], f32[4, 3, 0, 3]";
        x.conv2d(&f64s(&[4, 3, 3, 3]), Conv::new()) =>
            "conv2d: dtypes f32 and f64 do not mix | operands: f32[2, 3, 8, 8], f64[4, 3, 3, 3] | \
             help: convert one of them, for example with `.f64()`";
        x.bool().conv2d(&w.bool(), Conv::new()) =>
            "conv: bool has no arithmetic | operands: bool[2, 3, 8, 8], bool[4, 3, 3, 3] | help: convert with \
             `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
    }
}

#[test]
fn options_of_convolutions() {
    let (x, w) = (f32s(&[2, 3, 8, 8]), f32s(&[4, 3, 3, 3]));
    let operands = "operands: f32[2, 3, 8, 8], f32[4, 3, 3, 3]";
    let y = f32s(&[2, 4, 6, 6]);
    let transposed = "operands: f32[2, 4, 6, 6], f32[4, 3, 3, 3]";
    table! {
        x.conv2d(&w, Conv::new().stride([1, 0])) =>
            format!("conv2d: stride [1, 0] contains 0, must be at least 1 | {operands}");
        x.conv2d(&w, Conv::new().dilation(0)) =>
            format!("conv2d: dilation [0, 0] contains 0, must be at least 1 | {operands}");
        x.conv2d(&w, Conv::new().stride([1, 2, 3])) =>
            format!("conv2d: stride [1, 2, 3] for 2 axes | {operands} | help: give one number, or 2");
        x.conv2d(&w, Conv::new().padding([1])) =>
            format!("conv2d: padding [1] for 2 axes | {operands} | help: give one number, or 2");
        x.conv2d(&w, Conv::new().padding([(1, 1)])) =>
            format!("conv2d: padding [(1, 1)] for 2 axes | {operands} | help: give one number, or 2 numbers or pairs");
        x.conv2d(&w, Conv::new().padding(usize::MAX)) =>
            format!("conv2d: stride, dilation and padding are at most 2147483648, got {} | {operands}", usize::MAX);
        x.conv2d(&w, Conv::new().output_padding(1)) =>
            format!("conv2d: output_padding [1, 1] is for transposed convolutions | {operands}");
        y.conv_transpose2d(&w, Conv::new().output_padding(1)) =>
            format!("conv_transpose2d: output_padding 1 is not below stride 1 of axis 0 | {transposed} | \
                     help: more would be padding of zeros: see `pad`");
        y.conv_transpose2d(&w, Conv::new().padding(4)) =>
            format!("conv_transpose2d: nothing is left of axis 0 of the result: it has 8 positions, of which padding \
                     8 go | {transposed}");
        y.conv_transpose2d(&w, Conv::new().padding(Padding::Same)) =>
            format!("conv_transpose2d: padding `Same` is not defined for a transposed convolution | {transposed} | \
                     help: give the numbers of the convolution that it transposes, and `output_padding`");
    }
}

#[test]
fn gradients_of_convolutions_and_pools() {
    let (x, w, dy) = (f32s(&[2, 3, 8, 8]), f32s(&[4, 3, 3, 3]), f32s(&[2, 4, 6, 6]));
    let (of_weight, of_input) =
        ("operands: f32[2, 3, 8, 8], f32[2, 4, 6, 6]", "operands: f32[2, 4, 6, 6], f32[4, 3, 3, 3]");
    table! {
        x.conv2d_weight(&f32s(&[4, 6]), 3, Conv::new()) =>
            "conv2d_weight: the gradient [4, 6] has 2 axes, expected 4 or 3 | operands: f32[2, 3, 8, 8], f32[4, 6] | \
             help: [batch, channels, ..], or [channels, ..]";
        x.conv2d_weight(&f32s(&[1, 4, 6, 6]), 3, Conv::new()) =>
            "conv2d_weight: the input [2, 3, 8, 8] and the gradient [1, 4, 6, 6] differ in axis 0 | \
             operands: f32[2, 3, 8, 8], f32[1, 4, 6, 6]";
        x.conv2d_weight(&dy, 3, Conv::new().groups(2)) =>
            format!("conv2d_weight: groups 2 does not divide the channels of [2, 3, 8, 8] and of [2, 4, 6, 6] | {of_weight}");
        x.conv2d_weight(&dy, 4, Conv::new()) =>
            format!("conv2d_weight: a kernel [4, 4] on an input [8, 8] has [5, 5] positions, the gradient has [6, 6] | \
                     {of_weight} | help: give the options of the convolution itself");
        dy.conv2d_input(&w, [8, usize::MAX], Conv::new()) =>
            format!("conv2d_input: lengths are at most 2147483648, got {} | {of_input}", usize::MAX);
        dy.conv2d_input(&f32s(&[3, 4, 3, 3]), 8, Conv::new()) =>
            "conv2d_input: the weight [3, 4, 3, 3] does not yield the channels of the gradient [2, 4, 6, 6] | \
             operands: f32[2, 4, 6, 6], f32[3, 4, 3, 3] | help: the weight's axes are [out, in / groups, ..]";
        dy.avg_pool2d_input([8, 8], 2) =>
            "avg_pool2d_input: an input of lengths [8, 8] has [4, 4] windows, the gradient has [6, 6] | \
             operands: f32[2, 4, 6, 6] | help: give the pool itself, and the lengths of its input";
    }
}

#[test]
fn pools() {
    let x = f32s(&[3, 6, 6]);
    let operand = "operands: f32[3, 6, 6]";
    table! {
        f32s(&[3]).max_pool2d(2) =>
            "max_pool2d: the input [3] has 1 axes, the window 2 | operands: f32[3]";
        x.max_pool2d(0) => format!("max_pool2d: kernel [0, 0] contains 0, must be at least 1 | {operand}");
        x.avg_pool2d([2, 2, 2]) =>
            format!("avg_pool2d: kernel [2, 2, 2] for 2 axes | {operand} | help: give one number, or 2");
        x.max_pool2d(7) =>
            format!("max_pool2d: the kernel [7, 7] reaches over 7 positions of axis 0 of the window, the padded input \
                     [6, 6] has 6 | {operand} | help: use a smaller kernel or dilation, or more padding");
        x.max_pool2d(Pool::new(2).padding([0, 2])) =>
            format!("max_pool2d: padding of axis 1 is more than half of the kernel [2, 2] | {operand} | \
                     help: a window may see nothing but padding: pad the input itself, see `pad`");
        x.lp_pool2d(0.0, 2) => format!("lp_pool2d: p is 0, must be positive | {operand}");
        x.i64().avg_pool2d(2) =>
            "avg_pool2d: needs a floating-point tensor, got i64 | operands: i64[3, 6, 6] | \
             help: convert with `.f32()` or `.f64()`";
        x.adaptive_avg_pool2d([2, 0]) =>
            format!("adaptive_avg_pool2d: size [2, 0] contains 0, must be at least 1 | {operand}");
        f32s(&[3, 0]).adaptive_max_pool1d(2) =>
            "adaptive_max_pool1d: the input [3, 0] is empty | operands: f32[3, 0]";
        x.max_unpool(&i64s(&[3, 6, 6]), 36) =>
            "max_unpool: the size is one length for each axis that was pooled, for example [28, 28] | \
             operands: f32[3, 6, 6], i64[3, 6, 6]";
        x.max_unpool(&i64s(&[3, 6]), [9, 9]) =>
            "max_unpool: values of shape [3, 6, 6] and indices of shape [3, 6] for 2 axes of the size | \
             operands: f32[3, 6, 6], i64[3, 6]";
    }
    let outside = x.max_unpool(&(i64s(&[3, 6, 6]) + 81), [9, 9]);
    assert!(said(&outside).contains("index 81 (element 0 of the index) is out of range for an axis of 81"));
}

#[test]
fn patches_and_resolution() {
    let x = f32s(&[2, 3, 6, 6]);
    let operand = "operands: f32[2, 3, 6, 6]";
    table! {
        f32s(&[2, 3]).im2col(2) =>
            "im2col: windows have one to three axes, got 0 | operands: f32[2, 3] | \
             help: the axes are [batch, channels, ..]";
        x.col2im([3, 3], 2) =>
            format!("col2im: the input [2, 3, 6, 6] has 4 axes, expected 3 | {operand} | \
                     help: [batch, channels * kernel, windows]");
        f32s(&[2, 8, 5]).col2im([4, 4], 2) =>
            "col2im: the input [2, 8, 5] for 4 windows of 4 elements on [4, 4]: expected [.., channels * 4, 4] | \
             operands: f32[2, 8, 5]";
        f32s(&[2, 8, 4]).col2im(4, 2) =>
            "col2im: the size is one length for each axis, for example [28, 28] | operands: f32[2, 8, 4]";
        f32s(&[2, 3]).interpolate(4, Resampling::Nearest) =>
            "interpolate: the input [2, 3] has 2 axes | operands: f32[2, 3] | \
             help: an image is [batch, channels, ..], with an axis or more";
        x.interpolate([4, 0], Resampling::Nearest) =>
            format!("interpolate: size [4, 0] contains 0, must be at least 1 | {operand}");
        x.upsample(usize::MAX, Resampling::Nearest) =>
            format!("upsample: a length of {} times 6 is too great | {operand}", usize::MAX);
        x.i64().upsample(2, Resampling::Linear) =>
            "upsample: needs a floating-point tensor, got i64 | operands: i64[2, 3, 6, 6] | \
             help: convert with `.f32()` or `.f64()`";
        Tensor::zeros([2, 3, 0]).upsample(2, Resampling::Nearest) =>
            "upsample: the input [2, 3, 0] is empty | operands: f32[2, 3, 0]";
    }
}

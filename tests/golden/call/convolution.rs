//! Rows of convolution, pooling and resampling: `convolution.py`.

use retrograd::{Conv, Padding, Pool, Resampling, Tensor};

use super::Row::{General, Several};
use super::{Attrs, Row};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("conv1d", General(|x, a| x[0].conv1d(&x[1], conv(x, a)))),
    ("conv2d", General(|x, a| x[0].conv2d(&x[1], conv(x, a)))),
    ("conv3d", General(|x, a| x[0].conv3d(&x[1], conv(x, a)))),
    ("conv_transpose1d", General(|x, a| x[0].conv_transpose1d(&x[1], conv(x, a)))),
    ("conv_transpose2d", General(|x, a| x[0].conv_transpose2d(&x[1], conv(x, a)))),
    ("conv_transpose3d", General(|x, a| x[0].conv_transpose3d(&x[1], conv(x, a)))),
    ("max_pool1d", General(|x, a| x[0].max_pool1d(pool(a)))),
    ("max_pool2d", General(|x, a| x[0].max_pool2d(pool(a)))),
    ("max_pool3d", General(|x, a| x[0].max_pool3d(pool(a)))),
    ("max_pool1d_with_indices", Several(|x, a| both(x[0].max_pool1d_with_indices(pool(a))))),
    ("max_pool2d_with_indices", Several(|x, a| both(x[0].max_pool2d_with_indices(pool(a))))),
    ("max_pool3d_with_indices", Several(|x, a| both(x[0].max_pool3d_with_indices(pool(a))))),
    ("avg_pool1d", General(|x, a| x[0].avg_pool1d(pool(a)))),
    ("avg_pool2d", General(|x, a| x[0].avg_pool2d(pool(a)))),
    ("avg_pool3d", General(|x, a| x[0].avg_pool3d(pool(a)))),
    ("lp_pool1d", General(|x, a| x[0].lp_pool1d(a.number("p"), pool(a)))),
    ("lp_pool2d", General(|x, a| x[0].lp_pool2d(a.number("p"), pool(a)))),
    ("lp_pool3d", General(|x, a| x[0].lp_pool3d(a.number("p"), pool(a)))),
    ("adaptive_avg_pool1d", General(|x, a| x[0].adaptive_avg_pool1d(a.sizes("size")))),
    ("adaptive_avg_pool2d", General(|x, a| x[0].adaptive_avg_pool2d(a.sizes("size")))),
    ("adaptive_avg_pool3d", General(|x, a| x[0].adaptive_avg_pool3d(a.sizes("size")))),
    ("adaptive_max_pool1d", General(|x, a| x[0].adaptive_max_pool1d(a.sizes("size")))),
    ("adaptive_max_pool2d", General(|x, a| x[0].adaptive_max_pool2d(a.sizes("size")))),
    ("adaptive_max_pool3d", General(|x, a| x[0].adaptive_max_pool3d(a.sizes("size")))),
    (
        "adaptive_max_pool1d_with_indices",
        Several(|x, a| both(x[0].adaptive_max_pool1d_with_indices(a.sizes("size")))),
    ),
    (
        "adaptive_max_pool2d_with_indices",
        Several(|x, a| both(x[0].adaptive_max_pool2d_with_indices(a.sizes("size")))),
    ),
    (
        "adaptive_max_pool3d_with_indices",
        Several(|x, a| both(x[0].adaptive_max_pool3d_with_indices(a.sizes("size")))),
    ),
    ("max_unpool", General(|x, a| x[0].max_unpool(&x[1], a.sizes("size")))),
    ("im2col", General(|x, a| x[0].im2col(pool(a)))),
    ("col2im", General(|x, a| x[0].col2im(a.sizes("size"), pool(a)))),
    ("interpolate", General(|x, a| x[0].interpolate(a.sizes("size"), mode(a)))),
    ("upsample", General(|x, a| x[0].upsample(a.sizes("factor"), mode(a)))),
];

fn both((values, indices): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![values, indices]
}

/// The options in the attributes, and a third input as the bias.
fn conv(x: &[Tensor], a: &Attrs) -> Conv {
    let mut conv = Conv::new().groups(a.get("groups").unwrap_or(1));
    if let Some(bias) = x.get(2) {
        conv = conv.bias(bias);
    }
    if a.flag("same") {
        conv = conv.padding(Padding::Same);
    } else if let Some(padding) = a.get::<Vec<(usize, usize)>>("padding") {
        conv = conv.padding(Padding::Uneven(padding));
    }
    if let Some(stride) = a.get::<Vec<usize>>("stride") {
        conv = conv.stride(stride);
    }
    if let Some(dilation) = a.get::<Vec<usize>>("dilation") {
        conv = conv.dilation(dilation);
    }
    match a.get::<Vec<usize>>("output_padding") {
        Some(more) => conv.output_padding(more),
        None => conv,
    }
}

fn pool(a: &Attrs) -> Pool {
    let mut pool = Pool::new(a.sizes("kernel"));
    if let Some(stride) = a.get::<Vec<usize>>("stride") {
        pool = pool.stride(stride);
    }
    if let Some(padding) = a.get::<Vec<usize>>("padding") {
        pool = pool.padding(padding);
    }
    if let Some(dilation) = a.get::<Vec<usize>>("dilation") {
        pool = pool.dilation(dilation);
    }
    if let Some(divisor) = a.get("divisor") {
        pool = pool.divisor(divisor);
    }
    if a.flag("ceil") {
        pool = pool.ceil_mode();
    }
    if a.flag("exclude") { pool.exclude_padding() } else { pool }
}

fn mode(a: &Attrs) -> Resampling {
    match a.need::<String>("mode").as_str() {
        "nearest" => Resampling::Nearest,
        "nearest_exact" => Resampling::NearestExact,
        "linear" => Resampling::Linear,
        "cubic" => Resampling::Cubic,
        "cubic_aligned" => Resampling::CubicAligned,
        _ => Resampling::LinearAligned,
    }
}

//! Windows with odd options on odd tensors.

use retrograd::{Conv, Padding, PerAxis, Pool, Resampling, Tensor};

use crate::{Binary, Unary};

/// Options that fit nothing, or little.
fn pools() -> Vec<Pool> {
    vec![
        Pool::new(1),
        Pool::new(2).stride(1).padding(1).ceil_mode(),
        Pool::new(0),
        Pool::new([2, 1]).stride(0),
        Pool::new(3).dilation(usize::MAX),
        Pool::new(usize::MAX).stride(usize::MAX),
        Pool::new(2).padding([usize::MAX, 1]),
        Pool::new(2).padding([(1, 0), (0, 1)]).exclude_padding(),
        Pool::new(3).padding(Padding::Same).divisor(0.0),
        Pool::new(vec![1; 9]),
    ]
}

fn each(call: impl Fn(Pool) -> Tensor) -> Vec<Tensor> {
    pools().into_iter().map(call).collect()
}

pub(crate) const UNARY: &[(&str, Unary)] = &[
    ("max_pool1d", |x| each(|pool| x.max_pool1d(pool))),
    ("max_pool2d", |x| each(|pool| x.max_pool2d_with_indices(pool).0)),
    ("max_pool3d", |x| each(|pool| x.max_pool3d_with_indices(pool).1)),
    ("avg_pool1d", |x| each(|pool| x.avg_pool1d(pool))),
    ("avg_pool2d", |x| each(|pool| x.avg_pool2d(pool))),
    ("avg_pool_input", |x| {
        let sizes = [PerAxis::All(4), PerAxis::All(0), PerAxis::All(usize::MAX), PerAxis::Each(vec![2, 3])];
        sizes.into_iter().flat_map(|size| each(|pool| x.avg_pool2d_input(size.clone(), pool))).collect()
    }),
    ("lp_pool2d", |x| each(|pool| x.lp_pool2d(2.0, pool))),
    ("lp_pool", |x| [0.0, -1.0, f64::NAN, f64::INFINITY, 0.5].map(|p| x.lp_pool1d(p, 2)).into()),
    ("adaptive", |x| {
        vec![x.adaptive_avg_pool1d(3), x.adaptive_avg_pool2d([2, 0]), x.adaptive_max_pool2d([1, 2])]
    }),
    ("adaptive with indices", |x| {
        let (values, indices) = x.adaptive_max_pool1d_with_indices(2);
        vec![values.max_unpool(&indices, [2]), values.max_unpool(&indices, 4), indices]
    }),
    ("im2col", |x| each(|pool| x.im2col(pool))),
    ("col2im", |x| each(|pool| x.col2im([2, 2], pool))),
    ("interpolate", |x| {
        [
            Resampling::Nearest,
            Resampling::NearestExact,
            Resampling::Linear,
            Resampling::LinearAligned,
            Resampling::Cubic,
            Resampling::CubicAligned,
        ]
        .into_iter()
        .flat_map(|mode| [x.interpolate(5, mode), x.interpolate([0], mode), x.interpolate([2, 1], mode)])
        .collect()
    }),
    ("upsample", |x| [1, 3, 0, usize::MAX].map(|factor| x.upsample(factor, Resampling::Linear)).into()),
];

/// Options that fit nothing, or little.
fn convolutions(bias: &Tensor) -> Vec<Conv> {
    vec![
        Conv::new(),
        Conv::new().padding(Padding::Same).stride(2),
        Conv::new().padding(2).dilation(2).bias(bias),
        Conv::new().stride(0),
        Conv::new().groups(0),
        Conv::new().groups(3).stride(usize::MAX).output_padding(1),
        Conv::new().padding(usize::MAX),
        Conv::new().padding([(1, 0), (0, 3)]).output_padding(usize::MAX),
        Conv::new().dilation([usize::MAX, 1]),
    ]
}

pub(crate) const BINARY: &[(&str, Binary)] = &[
    ("conv1d", |a, b| convolutions(b).into_iter().map(|conv| a.conv1d(b, conv)).collect()),
    ("conv2d", |a, b| convolutions(a).into_iter().map(|conv| a.conv2d(b, conv)).collect()),
    ("conv3d", |a, b| convolutions(b).into_iter().map(|conv| a.conv3d(b, conv)).collect()),
    ("conv_transpose1d", |a, b| {
        convolutions(b).into_iter().map(|conv| a.conv_transpose1d(b, conv)).collect()
    }),
    ("conv_transpose2d", |a, b| {
        convolutions(a).into_iter().map(|conv| a.conv_transpose2d(b, conv)).collect()
    }),
    ("conv_weight", |a, b| {
        let kernel = |conv| [a.conv1d_weight(b, 2, conv), a.conv2d_weight(b, [usize::MAX, 1], Conv::new())];
        convolutions(a).into_iter().flat_map(kernel).collect()
    }),
    ("conv_input", |a, b| {
        let size = |conv| [a.conv2d_input(b, 4, conv), a.conv1d_input(b, usize::MAX, Conv::new())];
        convolutions(a).into_iter().flat_map(size).collect()
    }),
    ("max_unpool", |a, b| vec![a.max_unpool(b, [3]), a.max_unpool(&b.i64(), [2, 2]), a.max_unpool(b, 1)]),
];

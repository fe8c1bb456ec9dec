//! Values, gradients and parameters are PyTorch's.

use crate::nn::*;
use crate::rows::{Held, Row, hold_all};

fn activation(row: &Row) -> Option<Held> {
    let number = |option: &str, default: f64| row.number(option).unwrap_or(default);
    let dim = || row.whole("dim").unwrap_or(-1);
    Some(match row.layer.as_str() {
        "Tanh" => row.hold(&Tanh),
        "Sigmoid" => row.hold(&Sigmoid),
        "ReLU" => row.hold(&Relu),
        "LeakyReLU" => row.hold(&LeakyRelu::new().negative_slope(number("negative_slope", 0.01))),
        "ELU" => row.hold(&Elu::new().alpha(number("alpha", 1.0))),
        "CELU" => row.hold(&Celu::new().alpha(number("alpha", 1.0))),
        "SELU" => row.hold(&Selu),
        "GELU" if row.text("approximate") == Some("tanh") => {
            row.hold(&Gelu::new().approximate(GeluForm::Tanh))
        }
        "GELU" => row.hold(&Gelu::new()),
        "SiLU" => row.hold(&Silu),
        "Mish" => row.hold(&Mish),
        "Softplus" => {
            row.hold(&Softplus::new().beta(number("beta", 1.0)).threshold(number("threshold", 20.0)))
        }
        "Softsign" => row.hold(&Softsign),
        "Hardtanh" => {
            row.hold(&Hardtanh::new().min_val(number("min_val", -1.0)).max_val(number("max_val", 1.0)))
        }
        "ReLU6" => row.hold(&Relu6),
        "Hardsigmoid" => row.hold(&Hardsigmoid),
        "Hardswish" => row.hold(&Hardswish),
        "LogSigmoid" => row.hold(&LogSigmoid),
        "Softshrink" => row.hold(&Softshrink::new().lambd(number("lambd", 0.5))),
        "Hardshrink" => row.hold(&Hardshrink::new().lambd(number("lambd", 0.5))),
        "Tanhshrink" => row.hold(&Tanhshrink),
        "Threshold" => {
            row.hold(&Threshold::new().threshold(number("threshold", 0.0)).value(number("value", 0.0)))
        }
        "PReLU" => row.hold(&Prelu::new().num_parameters(number("num_parameters", 1.0) as usize)),
        "Softmax" => row.hold(&Softmax::new(dim())),
        "LogSoftmax" => row.hold(&LogSoftmax::new(dim())),
        "Softmin" => row.hold(&Softmin::new(dim())),
        "Softmax2d" => row.hold(&Softmax2d),
        "GLU" => row.hold(&Glu::new(dim())),
        other => panic!("{other} is no layer here"),
    })
}

#[test]
fn activation_functions_are_those_of_pytorch() {
    assert_eq!(hold_all("activation", activation), 83);
}

fn reshaping(row: &Row) -> Option<Held> {
    Some(match row.layer.as_str() {
        "Flatten" => {
            let (start, end) = (row.whole("start_dim").unwrap_or(1), row.whole("end_dim").unwrap_or(-1));
            row.hold(&Flatten::new().start_dim(start).end_dim(end))
        }
        "Unflatten" => {
            let lengths = row.config["unflattened_size"].as_array()?;
            let length = |n: &serde_json::Value| n.as_u64().map_or(retrograd::INFER, |n| n as usize);
            let lengths: Vec<usize> = lengths.iter().map(length).collect();
            row.hold(&Unflatten::new(row.whole("dim")?, lengths))
        }
        _ => return None,
    })
}

#[test]
fn reshaping_is_that_of_pytorch() {
    assert_eq!(hold_all("linear", reshaping), 7);
}

/// Pairs in the axes' own order: PyTorch's lists begin with the last axis.
fn around<const N: usize>(row: &Row) -> [(usize, usize); N] {
    match row.config["padding"].as_array() {
        Some(all) => {
            let n = |i: usize| all[i].as_u64().expect("a length") as usize;
            std::array::from_fn(|axis| (n(2 * (N - 1 - axis)), n(2 * (N - 1 - axis) + 1)))
        }
        None => {
            [(
                row.whole("padding").expect("a length") as usize,
                row.whole("padding").expect("a length") as usize,
            ); N]
        }
    }
}

fn padding(row: &Row) -> Option<Held> {
    let value = row.number("value").unwrap_or(0.0);
    Some(match row.layer.as_str() {
        "ZeroPad2d" => row.hold(&Pad2d::zeros(around(row))),
        "ConstantPad1d" => row.hold(&Pad1d::constant(around(row), value)),
        "ConstantPad2d" => row.hold(&Pad2d::constant(around(row), value)),
        "ReflectionPad1d" => row.hold(&Pad1d::reflect(around(row))),
        "ReflectionPad2d" => row.hold(&Pad2d::reflect(around(row))),
        "ReplicationPad1d" => row.hold(&Pad1d::replicate(around(row))),
        "ReplicationPad2d" => row.hold(&Pad2d::replicate(around(row))),
        "CircularPad2d" => row.hold(&Pad2d::circular(around(row))),
        _ => return None,
    })
}

#[test]
fn padding_is_that_of_pytorch() {
    assert_eq!(hold_all("resampling", padding), 8);
}

fn convolution<const N: usize>(row: &Row) -> Convolution<N> {
    let channels = |option| row.whole(option).expect("a number of channels") as usize;
    let each = |option, default| row.lengths::<N>(option).unwrap_or([default; N]);
    let padding = match row.text("padding") {
        Some("same") => retrograd::Padding::Same,
        Some(_) => retrograd::Padding::VALID,
        None => retrograd::IntoPadding::into_padding(each("padding", 0)),
    };
    let mode = match row.text("padding_mode") {
        Some("reflect") => PaddingMode::Reflect,
        Some("replicate") => PaddingMode::Replicate,
        Some("circular") => PaddingMode::Circular,
        _ => PaddingMode::Zeros,
    };
    Convolution::new(channels("in_channels"), channels("out_channels"), each("kernel_size", 1))
        .stride(each("stride", 1))
        .padding(padding)
        .dilation(each("dilation", 1))
        .groups(row.whole("groups").unwrap_or(1) as usize)
        .bias(row.flag("bias").unwrap_or(true))
        .padding_mode(mode)
}

#[test]
fn convolutions_are_those_of_pytorch() {
    let layer = |row: &Row| match row.layer.as_str() {
        "Conv1d" => Some(row.hold(&convolution::<1>(row))),
        "Conv2d" => Some(row.hold(&convolution::<2>(row))),
        _ => Some(row.hold(&convolution::<3>(row))),
    };
    assert_eq!(hold_all("convolution", layer), 22);
}

fn transposed<const N: usize>(row: &Row) -> TransposedConvolution<N> {
    let channels = |option| row.whole(option).expect("a number of channels") as usize;
    let each = |option, default| row.lengths::<N>(option).unwrap_or([default; N]);
    TransposedConvolution::new(channels("in_channels"), channels("out_channels"), each("kernel_size", 1))
        .stride(each("stride", 1))
        .padding(each("padding", 0))
        .output_padding(each("output_padding", 0))
        .dilation(each("dilation", 1))
        .groups(row.whole("groups").unwrap_or(1) as usize)
        .bias(row.flag("bias").unwrap_or(true))
}

#[test]
fn transposed_convolutions_are_those_of_pytorch() {
    let layer = |row: &Row| match row.layer.as_str() {
        "ConvTranspose1d" => Some(row.hold(&transposed::<1>(row))),
        "ConvTranspose2d" => Some(row.hold(&transposed::<2>(row))),
        _ => Some(row.hold(&transposed::<3>(row))),
    };
    assert_eq!(hold_all("transposed", layer), 11);
}

fn max_pool<const N: usize>(row: &Row) -> Held {
    let kernel = row.lengths::<N>("kernel_size").expect("a kernel");
    let pool = MaxPool::new(kernel)
        .stride(row.lengths("stride").unwrap_or(kernel))
        .padding(row.lengths::<N>("padding").unwrap_or([0; N]))
        .dilation(row.lengths("dilation").unwrap_or([1; N]))
        .ceil_mode(row.flag("ceil_mode").unwrap_or(false));
    match row.flag("return_indices") {
        Some(true) => row.hold(&pool.with_indices()),
        _ => row.hold(&pool),
    }
}

fn avg_pool<const N: usize>(row: &Row) -> Held {
    let kernel = row.lengths::<N>("kernel_size").expect("a kernel");
    let pool = AvgPool::new(kernel)
        .stride(row.lengths("stride").unwrap_or(kernel))
        .padding(row.lengths::<N>("padding").unwrap_or([0; N]))
        .ceil_mode(row.flag("ceil_mode").unwrap_or(false))
        .count_include_pad(row.flag("count_include_pad").unwrap_or(true));
    row.hold(&row.number("divisor_override").into_iter().fold(pool, AvgPool::divisor_override))
}

fn lp_pool<const N: usize>(row: &Row) -> Held {
    row.hold(&LpPool::<N>::new(2.0, row.lengths("kernel_size").expect("a kernel")))
}

fn adaptive<const N: usize>(row: &Row) -> [Option<usize>; N] {
    row.each::<N>("output_size").expect("a size").map(|length| length.map(|n| n as usize))
}

#[test]
fn pooling_is_that_of_pytorch() {
    let layer = |row: &Row| {
        Some(match row.layer.as_str() {
            "MaxPool1d" => max_pool::<1>(row),
            "MaxPool2d" => max_pool::<2>(row),
            "MaxPool3d" => max_pool::<3>(row),
            "AvgPool1d" => avg_pool::<1>(row),
            "AvgPool2d" => avg_pool::<2>(row),
            "AvgPool3d" => avg_pool::<3>(row),
            "AdaptiveAvgPool1d" => row.hold(&AdaptiveAvgPool1d::new(adaptive(row))),
            "AdaptiveAvgPool2d" => row.hold(&AdaptiveAvgPool2d::new(adaptive(row))),
            "AdaptiveAvgPool3d" => row.hold(&AdaptiveAvgPool3d::new(adaptive(row))),
            "AdaptiveMaxPool1d" => row.hold(&AdaptiveMaxPool1d::new(adaptive(row))),
            "AdaptiveMaxPool2d" => row.hold(&AdaptiveMaxPool2d::new(adaptive(row))),
            "AdaptiveMaxPool3d" => row.hold(&AdaptiveMaxPool3d::new(adaptive(row))),
            // PyTorch takes powers of x, not of |x|: the same for an even order.
            "LPPool1d" if row.number("norm_type") == Some(2.0) => lp_pool::<1>(row),
            "LPPool2d" if row.number("norm_type") == Some(2.0) => lp_pool::<2>(row),
            "LPPool2d" => return None,
            "MaxUnpool1d" => row.hold_two(&MaxUnpool1d::new(row.lengths("kernel_size")?)),
            "MaxUnpool2d" => row.hold_two(&MaxUnpool2d::new(row.lengths("kernel_size")?)),
            other => panic!("{other} is no layer here"),
        })
    };
    assert_eq!(hold_all("pooling", layer), 54);
}

fn resampled(row: &Row) -> Option<Held> {
    use retrograd::Resampling;
    let mode = match (row.text("mode"), row.flag("align_corners")) {
        (Some("nearest") | None, _) => Resampling::Nearest,
        (Some("bicubic"), Some(true)) => Resampling::CubicAligned,
        (Some("bicubic"), _) => Resampling::Cubic,
        (_, Some(true)) => Resampling::LinearAligned,
        _ => Resampling::Linear,
    };
    let layer = match (row.number("scale_factor"), row.config.get("size").and_then(|size| size.as_array())) {
        (Some(factor), _) => Upsample::by(factor),
        (None, Some(size)) => {
            Upsample::to(size.iter().map(|n| n.as_u64().expect("a length") as usize).collect::<Vec<_>>())
        }
        _ => return None,
    };
    Some(match row.layer.as_str() {
        "Upsample" | "UpsamplingNearest2d" => row.hold(&layer.mode(mode)),
        "UpsamplingBilinear2d" => row.hold(&layer.mode(Resampling::LinearAligned)),
        _ => return None,
    })
}

fn patches(row: &Row) -> Option<Held> {
    let lengths = |option| row.lengths::<2>(option);
    let kernel = lengths("kernel_size")?;
    let each = |option, default| lengths(option).unwrap_or([default; 2]);
    let [stride, padding, dilation] = [each("stride", 1), each("padding", 0), each("dilation", 1)];
    Some(match row.layer.as_str() {
        "Unfold" => row.hold(&Unfold::new(kernel).stride(stride).padding(padding).dilation(dilation)),
        "Fold" => row.hold(&Fold::new(lengths("output_size")?, kernel).stride(stride).padding(padding)),
        _ => return None,
    })
}

#[test]
fn columns_are_those_of_pytorch() {
    assert_eq!(hold_all("resampling", patches), 3);
}

#[test]
fn resampling_is_that_of_pytorch() {
    assert_eq!(hold_all("resampling", resampled), 35);
    let pixels = |row: &Row| match row.layer.as_str() {
        "PixelShuffle" => Some(row.hold(&PixelShuffle::new(row.whole("upscale_factor")? as usize))),
        "PixelUnshuffle" => Some(row.hold(&PixelUnshuffle::new(row.whole("downscale_factor")? as usize))),
        _ => None,
    };
    assert_eq!(hold_all("resampling", pixels), 2);
}

fn pairs(row: &Row) -> Option<Held> {
    let size = |option: &str| row.whole(option).map(|n| n as usize);
    Some(match row.layer.as_str() {
        "Bilinear" => {
            let layer = Bilinear::new(size("in1_features")?, size("in2_features")?, size("out_features")?);
            row.hold_two(&layer.bias(row.flag("bias").unwrap_or(true)))
        }
        "Embedding" => {
            let layer = Embedding::new(size("num_embeddings")?, size("embedding_dim")?)
                .scale_grad_by_freq(row.flag("scale_grad_by_freq").unwrap_or(false));
            row.hold(&row.whole("padding_idx").into_iter().fold(layer, Embedding::padding_idx))
        }
        "EmbeddingBag" => {
            let mode = match row.text("mode")? {
                "sum" => BagMode::Sum,
                "max" => BagMode::Max,
                _ => BagMode::Mean,
            };
            let layer = EmbeddingBag::new(size("num_embeddings")?, size("embedding_dim")?).mode(mode);
            let layer = row.whole("padding_idx").into_iter().fold(layer, EmbeddingBag::padding_idx);
            let input = BagInput::new(&row.input(0));
            row.hold_at(&layer, &BagInput { offsets: row.inputs.get(1).map(|_| row.input(1)), ..input })
        }
        "CosineSimilarity" => row.hold_two(
            &CosineSimilarity::new()
                .dim(row.whole("dim").unwrap_or(1))
                .eps(row.number("eps").unwrap_or(1e-8)),
        ),
        "PairwiseDistance" => row.hold_two(
            &PairwiseDistance::new()
                .p(row.number("p").unwrap_or(2.0))
                .eps(row.number("eps").unwrap_or(1e-6))
                .keepdim(row.flag("keepdim").unwrap_or(false)),
        ),
        _ => return None,
    })
}

#[test]
fn tables_products_and_distances_are_those_of_pytorch() {
    assert_eq!(hold_all("linear", pairs), 24);
}

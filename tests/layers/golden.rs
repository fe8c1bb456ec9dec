//! Values, gradients and parameters are PyTorch's.

use crate::nn::*;
use crate::rows::{Family, Held, Row, hold_all};
use retrograd::Tensor;

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
        _ => return None,
    })
}

#[test]
fn activation_functions_are_those_of_pytorch() {
    assert_eq!(hold_all("activation", &[&activation], &[]), 83);
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
        "ZeroPad1d" => row.hold(&Pad1d::zeros(around(row))),
        "ZeroPad2d" => row.hold(&Pad2d::zeros(around(row))),
        "ZeroPad3d" => row.hold(&Pad3d::zeros(around(row))),
        "ConstantPad1d" => row.hold(&Pad1d::constant(around(row), value)),
        "ConstantPad2d" => row.hold(&Pad2d::constant(around(row), value)),
        "ConstantPad3d" => row.hold(&Pad3d::constant(around(row), value)),
        "ReflectionPad1d" => row.hold(&Pad1d::reflect(around(row))),
        "ReflectionPad2d" => row.hold(&Pad2d::reflect(around(row))),
        "ReflectionPad3d" => row.hold(&Pad3d::reflect(around(row))),
        "ReplicationPad1d" => row.hold(&Pad1d::replicate(around(row))),
        "ReplicationPad2d" => row.hold(&Pad2d::replicate(around(row))),
        "ReplicationPad3d" => row.hold(&Pad3d::replicate(around(row))),
        "CircularPad1d" => row.hold(&Pad1d::circular(around(row))),
        "CircularPad2d" => row.hold(&Pad2d::circular(around(row))),
        "CircularPad3d" => row.hold(&Pad3d::circular(around(row))),
        _ => return None,
    })
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
        "Conv3d" => Some(row.hold(&convolution::<3>(row))),
        _ => None,
    };
    assert_eq!(hold_all("convolution", &[&layer], &[]), 22);
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
        "ConvTranspose3d" => Some(row.hold(&transposed::<3>(row))),
        _ => None,
    };
    assert_eq!(hold_all("transposed", &[&layer], &[]), 11);
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
    let kernel = row.lengths::<N>("kernel_size").expect("a kernel");
    let pool = LpPool::new(row.number("norm_type").expect("an order"), kernel);
    row.hold(&pool.stride(row.lengths("stride").unwrap_or(kernel)))
}

fn adaptive<const N: usize>(row: &Row) -> [Option<usize>; N] {
    row.each::<N>("output_size").expect("a size").map(|length| length.map(|n| n as usize))
}

/// The operations with the numbers of the maxima, which the layers do not yield.
fn numbered(row: &Row) -> Option<Held> {
    let size = row.whole("output_size").filter(|_| row.flag("return_indices") == Some(true))? as usize;
    Some(match row.layer.as_str() {
        "AdaptiveMaxPool1d" => {
            row.hold(&AutoModule::new("AdaptiveMaxPool1d", (), move |(): &(), x: &Tensor| {
                x.adaptive_max_pool1d_with_indices(size)
            }))
        }
        "AdaptiveMaxPool2d" => {
            row.hold(&AutoModule::new("AdaptiveMaxPool2d", (), move |(): &(), x: &Tensor| {
                x.adaptive_max_pool2d_with_indices(size)
            }))
        }
        _ => return None,
    })
}

fn pooling(row: &Row) -> Option<Held> {
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
        // PyTorch takes powers of x, not of |x|: the inputs are above zero.
        "LPPool1d" => lp_pool::<1>(row),
        "LPPool2d" => lp_pool::<2>(row),
        "LPPool3d" => lp_pool::<3>(row),
        "MaxUnpool1d" => row.hold_two(&MaxUnpool1d::new(row.lengths("kernel_size")?)),
        "MaxUnpool2d" => row.hold_two(&MaxUnpool2d::new(row.lengths("kernel_size")?)),
        "MaxUnpool3d" => row.hold_two(&MaxUnpool3d::new(row.lengths("kernel_size")?)),
        _ => return None,
    })
}

#[test]
fn pooling_is_that_of_pytorch() {
    let reason =
        "PyTorch takes a window that ends outside for a whole one: the mean of its powers times the kernel";
    let left_out = [("LPPool2d, stride, ceil_mode", reason)];
    assert_eq!(hold_all("pooling", &[&numbered, &pooling], &left_out), 58);
}

fn resampled(row: &Row) -> Option<Held> {
    use retrograd::Resampling;
    let mode = match (row.text("mode"), row.flag("align_corners")) {
        (Some("nearest") | None, _) => Resampling::Nearest,
        (Some("nearest-exact"), _) => Resampling::NearestExact,
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

fn pixels(row: &Row) -> Option<Held> {
    Some(match row.layer.as_str() {
        "PixelShuffle" => row.hold(&PixelShuffle::new(row.whole("upscale_factor")? as usize)),
        "PixelUnshuffle" => row.hold(&PixelUnshuffle::new(row.whole("downscale_factor")? as usize)),
        _ => return None,
    })
}

#[test]
fn padding_columns_and_resampling_are_those_of_pytorch() {
    let families: [Family<'_>; 4] = [&padding, &patches, &resampled, &pixels];
    assert_eq!(hold_all("resampling", &families, &[]), 64);
}

/// Layers that draw in training.
fn drawing(row: &Row) -> Option<Held> {
    let p = || row.number("p").expect("a probability");
    Some(match row.layer.as_str() {
        "Dropout" => row.hold(&Dropout::new(p())),
        "Dropout1d" => row.hold(&Dropout1d::new(p())),
        "Dropout2d" => row.hold(&Dropout2d::new(p())),
        "Dropout3d" => row.hold(&Dropout3d::new(p())),
        "AlphaDropout" => row.hold(&AlphaDropout::new(p())),
        "RReLU" => {
            let (lower, upper) = (row.number("lower"), row.number("upper"));
            let layer = Rrelu::new().lower(lower.unwrap_or(1.0 / 8.0));
            row.hold(&layer.upper(upper.unwrap_or(1.0 / 3.0)))
        }
        _ => return None,
    })
}

#[test]
fn what_draws_in_training_is_in_use_what_it_is_in_pytorch() {
    assert_eq!(hold_all("evaluation", &[&drawing], &[]), 8);
}

/// The options that layers of encoders and decoders have in common.
macro_rules! with_options {
    ($layer:ident, $options:expr) => {{
        let options: &serde_json::Map<String, serde_json::Value> = $options;
        let size = |option: &str| options[option].as_u64().expect("a size") as usize;
        let flag = |option: &str| options.get(option).and_then(serde_json::Value::as_bool).unwrap_or(false);
        let gelu = options.get("activation").and_then(serde_json::Value::as_str) == Some("gelu");
        $layer::new(size("d_model"), size("nhead"))
            .dim_feedforward(size("dim_feedforward"))
            .dropout(options["dropout"].as_f64().expect("a probability"))
            .norm_first(flag("norm_first"))
            .batch_first(flag("batch_first"))
            .activation(if gelu { TransformerActivation::Gelu } else { TransformerActivation::Relu })
    }};
}

fn stack(row: &Row) -> Option<Held> {
    let (options, layers) = (row.config.get("layer")?.as_object()?, row.whole("num_layers")? as usize);
    let norm = row.flag("norm").unwrap_or(false);
    Some(match row.layer.as_str() {
        "TransformerEncoder" => {
            let layer = with_options!(TransformerEncoderLayer, options);
            let mut input = EncoderInput::new(&row.input_named("src")?);
            input.src_mask = row.input_named("mask");
            input.src_key_padding_mask = row.input_named("src_key_padding_mask");
            row.hold_at(&TransformerEncoder::new(layer, layers).norm(norm), &input)
        }
        "TransformerDecoder" => {
            let layer = with_options!(TransformerDecoderLayer, options);
            let mut input = DecoderInput::new(&row.input_named("tgt")?, &row.input_named("memory")?);
            input.tgt_mask = row.input_named("tgt_mask");
            input.memory_key_padding_mask = row.input_named("memory_key_padding_mask");
            row.hold_at(&TransformerDecoder::new(layer, layers).norm(norm), &input)
        }
        _ => return None,
    })
}

#[test]
fn stacks_of_transformer_layers_are_those_of_pytorch() {
    assert_eq!(hold_all("stacks", &[&stack], &[]), 7);
}

fn linear(row: &Row) -> Option<Held> {
    let size = |option: &str| row.whole(option).map(|n| n as usize);
    if row.layer != "Linear" {
        return None;
    }
    let layer = Linear::new(size("in_features")?, size("out_features")?);
    Some(row.hold(&layer.bias(row.flag("bias").unwrap_or(true))))
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
fn reshaping_tables_products_and_distances_are_those_of_pytorch() {
    assert_eq!(hold_all("linear", &[&linear, &reshaping, &pairs], &[]), 37);
}

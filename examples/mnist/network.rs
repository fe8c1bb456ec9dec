//! The networks: what they learn, and how scores come of images. Only functions; their gradients are derived.

use retrograd::{Conv, INFER, IntoShape, Rng, Tensor, Tree};

use crate::digits::PIXELS;
use crate::idx::SIDE;

/// Digits.
pub(crate) const CLASSES: usize = 10;
/// Values between one layer of [`Model::Mlp`] and the next, the pixels first, a score for each digit last.
const WIDTHS: [usize; 4] = [PIXELS, 256, 128, CLASSES];
/// Channels of the images and behind each convolution of [`Model::Cnn`].
const CHANNELS: [usize; 3] = [1, 16, 32];
/// Height and width of its kernels.
const KERNEL: usize = 5;
/// What is left of an image behind its convolutions: each pooling halves both sides.
const FEATURES: usize = CHANNELS[2] * (SIDE / 4) * (SIDE / 4);
/// Values between its last two layers.
const HIDDEN: usize = 128;
/// How many of these are dropped in training, so that none is relied on.
const DROPPED: f64 = 0.5;

/// Which network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Model {
    /// One layer: logistic regression.
    Logistic,
    /// Three layers.
    Mlp,
    /// Two convolutions with pooling, and two layers behind them.
    Cnn,
}

/// A product and a sum, `w` of shape `[inputs, outputs]`; of a convolution `[outputs, inputs, 5, 5]`.
#[derive(Clone, Debug, Tree)]
pub(crate) struct Layer {
    w: Tensor,
    b: Tensor,
}

/// What is learned, and so what the gradient consists of.
#[derive(Clone, Debug, Tree)]
pub(crate) enum Network {
    Logistic(Layer),
    Mlp([Layer; 3]),
    Cnn { convolutions: [Layer; 2], layers: [Layer; 2] },
}

impl Layer {
    fn full(inputs: usize, outputs: usize, rng: &mut Rng) -> Layer {
        Layer { w: spread(rng, inputs, [inputs, outputs]), b: Tensor::zeros([outputs]) }
    }

    fn convolution(inputs: usize, outputs: usize, rng: &mut Rng) -> Layer {
        let w = spread(rng, inputs * KERNEL * KERNEL, [outputs, inputs, KERNEL, KERNEL]);
        Layer { w, b: Tensor::zeros([outputs]) }
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.w) + &self.b
    }

    /// Of images `[n, inputs, height, width]`, whose sides it halves: convolution, relu, maxima of squares of four.
    fn halve(&self, images: &Tensor) -> Tensor {
        let same_size = Conv::new().padding(KERNEL / 2).bias(&self.b);
        images.conv2d(&self.w, same_size).relu().max_pool2d(2)
    }
}

/// Weights of variance `2 / inputs`, which keeps the variance of what passes through relus (He et al. 2015).
fn spread(rng: &mut Rng, inputs: usize, shape: impl IntoShape) -> Tensor {
    rng.normal(shape, 0.0, (2.0 / inputs as f64).sqrt())
}

impl Network {
    /// New weights; biases are zero.
    pub(crate) fn new(model: Model, rng: &mut Rng) -> Network {
        match model {
            Model::Logistic => Network::Logistic(Layer::full(PIXELS, CLASSES, rng)),
            Model::Mlp => Network::Mlp([0, 1, 2].map(|i| Layer::full(WIDTHS[i], WIDTHS[i + 1], rng))),
            Model::Cnn => Network::Cnn {
                convolutions: [0, 1].map(|i| Layer::convolution(CHANNELS[i], CHANNELS[i + 1], rng)),
                layers: [Layer::full(FEATURES, HIDDEN, rng), Layer::full(HIDDEN, CLASSES, rng)],
            },
        }
    }

    /// A score for each class, `[n, 10]`, of images `[n, 784]`. In training there is a generator that says what is
    /// dropped.
    pub(crate) fn scores(&self, images: &Tensor, training: Option<&mut Rng>) -> Tensor {
        match self {
            Network::Logistic(layer) => layer.apply(images),
            Network::Mlp([first, second, last]) => {
                let hidden = first.apply(images).relu();
                let hidden = second.apply(&hidden).relu();
                last.apply(&hidden)
            }
            Network::Cnn { convolutions: [first, second], layers: [hidden, last] } => {
                let images = images.reshape([INFER, CHANNELS[0], SIDE, SIDE]);
                let features = second.halve(&first.halve(&images)).flatten(1, -1);
                let hidden = hidden.apply(&features).relu();
                last.apply(&match training {
                    Some(rng) => rng.dropout(&hidden, DROPPED),
                    None => hidden,
                })
            }
        }
    }
}

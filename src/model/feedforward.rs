//! Networks of layers one after the other: fully connected, convolutional, and both.

use super::options::{Activation, Init, begun};
use retrograd::nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, Ctx, Dropout, Instance, Linear, MaxPool2d, Reshape, Sequential,
    SpatialDropout, functionalize_with_state,
};
use retrograd::tree::AnyTree;
use retrograd::{Error, Result, Rng, Tensor};

/// Parameters, or state: an element for each layer, in order.
pub type Layers = Vec<AnyTree>;

/// The entry of layer `i`, none behind the end; of a list of one the only one, whichever layer it is. So for all options that
/// are lists.
fn of_layer<T: Copy>(each: &[T], i: usize) -> Option<T> {
    if each.len() == 1 { each.first().copied() } else { each.get(i).copied() }
}

/// Options of [`neural_network`].
#[derive(Clone, Debug)]
pub struct NeuralNetwork {
    inputs: usize,
    hidden: Vec<usize>,
    batch_normalization: bool,
    dropouts: Vec<f64>,
    activation: Option<Activation>,
    classifier: bool,
    init: Init,
}

impl NeuralNetwork {
    /// Layers of these widths, the last one the output's, with relus between and behind them.
    pub fn new(inputs: usize, hidden: impl Into<Vec<usize>>) -> NeuralNetwork {
        NeuralNetwork {
            inputs,
            hidden: hidden.into(),
            batch_normalization: false,
            dropouts: Vec::new(),
            activation: Some(Activation::Relu),
            classifier: false,
            init: Init::Default,
        }
    }

    /// What follows each layer; `None` for nothing.
    pub fn activation(mut self, activation: impl Into<Option<Activation>>) -> NeuralNetwork {
        self.activation = activation.into();
        self
    }

    /// Whether each layer's sums are normalised over the batch.
    pub fn batch_normalization(mut self, normalize: bool) -> NeuralNetwork {
        self.batch_normalization = normalize;
        self
    }

    /// With what probability an input of a layer is dropped in training: a number for each layer, or one for all. Layers
    /// behind the end of a list have 0.
    pub fn dropout(mut self, probabilities: impl Into<Vec<f64>>) -> NeuralNetwork {
        self.dropouts = probabilities.into();
        self
    }

    /// Whether the last layer has neither activation nor normalisation: scores of classes.
    pub fn classifier(mut self, classifier: bool) -> NeuralNetwork {
        self.classifier = classifier;
        self
    }

    /// How weights begin; biases are zero unless it is [`Init::Default`].
    pub fn init(mut self, init: Init) -> NeuralNetwork {
        self.init = init;
        self
    }

    /// The AlexNet of ImageNet from its last convolution on: 4096, 4096 and 1000.
    pub fn alexnet() -> NeuralNetwork {
        let network = NeuralNetwork::new(0, [4096, 4096, 1000]).batch_normalization(true);
        network.dropout([0.5, 0.5, 0.0]).classifier(true)
    }

    /// The network's layers behind those of `net`: each example is made a vector of `inputs` first.
    pub fn layers(&self, net: Sequential) -> Sequential {
        let mut net = net.add(Reshape::new([self.inputs]));
        let mut inputs = self.inputs;
        for (i, &width) in self.hidden.iter().enumerate() {
            let scores = self.classifier && i + 1 == self.hidden.len();
            if let Some(p) = of_layer(&self.dropouts, i).filter(|&p| p > 0.0) {
                net = net.add(Dropout::new(p));
            }
            net = begun(net, Linear::new(inputs, width), self.init);
            if self.batch_normalization && !scores {
                net = net.add(BatchNorm1d::new(width));
            }
            if let Some(activation) = self.activation.filter(|_| !scores) {
                net = activation.onto(net);
            }
            inputs = width;
        }
        net
    }
}

/// Options of [`spatial_network`].
///
/// What can differ from layer to layer is a list: an entry for each layer, or one for all. Layers behind the end of a list of
/// several have the default.
#[derive(Clone, Debug)]
pub struct SpatialNetwork {
    inputs: usize,
    hidden: Vec<usize>,
    kernels: Vec<usize>,
    paddings: Vec<usize>,
    strides: Vec<usize>,
    poolings: Vec<(usize, usize)>,
    batch_normalization: bool,
    dropouts: Vec<f64>,
    activation: Option<Activation>,
    init: Init,
}

impl SpatialNetwork {
    /// Convolutions from so many channels to these, one after the other, with kernels of 5 by 5, padding that keeps the
    /// size, and relus; no pooling.
    pub fn new(inputs: usize, hidden: impl Into<Vec<usize>>) -> SpatialNetwork {
        SpatialNetwork {
            inputs,
            hidden: hidden.into(),
            kernels: vec![5],
            paddings: Vec::new(),
            strides: Vec::new(),
            poolings: Vec::new(),
            batch_normalization: false,
            dropouts: Vec::new(),
            activation: Some(Activation::Relu),
            init: Init::Default,
        }
    }

    /// Height and width of kernels: a number for each layer, or one for all; by default 5.
    pub fn kernel_size(mut self, sizes: impl Into<Vec<usize>>) -> SpatialNetwork {
        self.kernels = sizes.into();
        self
    }

    /// Zeros around the input: a number for each layer, or one for all; by default `(kernel - 1) / 2`.
    pub fn padding(mut self, paddings: impl Into<Vec<usize>>) -> SpatialNetwork {
        self.paddings = paddings.into();
        self
    }

    /// Strides of convolutions: a number for each layer, or one for all; by default 1, so `[4, 1]` is Torch's
    /// `inputStride = 4`, which is of the first layer alone.
    pub fn stride(mut self, strides: impl Into<Vec<usize>>) -> SpatialNetwork {
        self.strides = strides.into();
        self
    }

    /// The side of the maximum that is taken behind layers, which is its stride too: a number for each layer, or one for all;
    /// by default 1, which is none.
    pub fn poolings(mut self, sides: impl Into<Vec<usize>>) -> SpatialNetwork {
        self.poolings = sides.into().into_iter().map(|side| (side, side)).collect();
        self
    }

    /// The same with strides of their own: side and stride for each layer, or one pair for all. A side of 1 is none, whatever
    /// its stride.
    pub fn strided_poolings(mut self, sides_and_strides: impl Into<Vec<(usize, usize)>>) -> SpatialNetwork {
        self.poolings = sides_and_strides.into();
        self
    }

    /// What follows each convolution; `None` for nothing.
    pub fn activation(mut self, activation: impl Into<Option<Activation>>) -> SpatialNetwork {
        self.activation = activation.into();
        self
    }

    /// Whether each channel is normalised over the batch.
    pub fn batch_normalization(mut self, normalize: bool) -> SpatialNetwork {
        self.batch_normalization = normalize;
        self
    }

    /// With what probability a channel of a layer's input is dropped in training: a number for each layer, or one for
    /// all; by default 0.
    pub fn dropout(mut self, probabilities: impl Into<Vec<f64>>) -> SpatialNetwork {
        self.dropouts = probabilities.into();
        self
    }

    /// How weights begin; biases are zero unless it is [`Init::Default`].
    pub fn init(mut self, init: Init) -> SpatialNetwork {
        self.init = init;
        self
    }

    /// The convolutions of the AlexNet of ImageNet (Krizhevsky 2014, <https://arxiv.org/abs/1404.5997>), with batch
    /// normalisation, for images `[3, 224, 224]`.
    pub fn alexnet() -> SpatialNetwork {
        SpatialNetwork::new(3, [64, 192, 384, 256, 256])
            .kernel_size([11, 5, 3, 3, 3])
            .padding([2, 2, 1, 1, 1])
            .stride([4, 1])
            .strided_poolings([(3, 2), (3, 2), (1, 1), (1, 1), (3, 2)])
            .batch_normalization(true)
    }

    /// The network's layers behind those of `net`.
    pub fn layers(&self, mut net: Sequential) -> Sequential {
        let mut inputs = self.inputs;
        for (i, &channels) in self.hidden.iter().enumerate() {
            if let Some(p) = of_layer(&self.dropouts, i).filter(|&p| p > 0.0) {
                net = net.add(SpatialDropout::<2>::new(p));
            }
            let kernel = of_layer(&self.kernels, i).unwrap_or(5);
            let padding = of_layer(&self.paddings, i).unwrap_or(kernel.saturating_sub(1) / 2);
            let stride = of_layer(&self.strides, i).unwrap_or(1);
            let convolution = Conv2d::new(inputs, channels, kernel).stride(stride).padding(padding);
            net = begun(net, convolution, self.init);
            if self.batch_normalization {
                net = net.add(BatchNorm2d::new(channels));
            }
            if let Some(activation) = self.activation {
                net = activation.onto(net);
            }
            if let Some((side, stride)) = of_layer(&self.poolings, i).filter(|&(side, _)| side > 1) {
                net = net.add(MaxPool2d::new(side).stride(stride));
            }
            inputs = channels;
        }
        net
    }
}

/// A fully connected network: `f(params, state, x, ctx)` yields output and next state, as those of
/// [`functionalize_with_state`], with its first parameters and state.
///
/// `x` is `[batch, ..]` with `inputs` numbers an example; the output is `[batch, width]`. The state are the running
/// statistics of batch normalisation, where there is one; the context says whether they are followed and where dropout
/// draws from.
///
/// Torch: `autograd.model.NeuralNetwork`.
///
/// ```
/// use retrograd::model::{Layers, NeuralNetwork, neural_network};
/// use retrograd::nn::Ctx;
/// use retrograd::{Rng, Tensor, grad};
/// let options = NeuralNetwork::new(784, [256, 10]).dropout([0.5]).classifier(true);
/// let (f, params, state) = neural_network(&options, &mut Rng::seed(1));
/// let loss = |p: &Layers, x: &Tensor, classes: &Tensor| {
///     f(p, &state, x, &mut Ctx::train(Rng::seed(2))).0.cross_entropy(classes)
/// };
/// let (x, classes) = (Rng::seed(3).rand([8, 1, 28, 28]), Tensor::from([0i64, 1, 2, 3, 4, 5, 6, 7]));
/// let (gradient, loss) = grad(loss).call(&params, (&x, &classes))?;
/// assert!((loss.item::<f32>()? - 10f32.ln()).abs() < 1.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn neural_network(
    options: &NeuralNetwork,
    rng: &mut Rng,
) -> (
    impl Fn(&Layers, &Layers, &Tensor, &mut Ctx) -> (Tensor, Layers) + Clone + Send + Sync + 'static + use<>,
    Layers,
    Layers,
) {
    functionalize_with_state(options.layers(Sequential::new()), rng)
}

/// A convolutional network, as [`neural_network`]: `x` is `[batch, channels, height, width]`, and so is the output.
///
/// Torch: `autograd.model.SpatialNetwork`.
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn spatial_network(
    options: &SpatialNetwork,
    rng: &mut Rng,
) -> (
    impl Fn(&Layers, &Layers, &Tensor, &mut Ctx) -> (Tensor, Layers) + Clone + Send + Sync + 'static + use<>,
    Layers,
    Layers,
) {
    functionalize_with_state(options.layers(Sequential::new()), rng)
}

/// Convolutions and fully connected layers behind them, as [`neural_network`], for images `[channels, height, width]`. The
/// number of inputs of `head` is that of the convolutions' outputs, whatever it says.
///
/// Torch: `autograd.model.AlexNet`; with [`SpatialNetwork::alexnet`] and [`NeuralNetwork::alexnet`] it is the network of that
/// name.
///
/// # Errors
/// If the images are too small for the convolutions.
///
/// ```
/// use retrograd::model::{NeuralNetwork, SpatialNetwork, alexnet};
/// use retrograd::nn::Ctx;
/// use retrograd::{Rng, Tensor};
/// let body = SpatialNetwork::new(3, [16, 32]).poolings([2, 2]);
/// let head = NeuralNetwork::new(0, [100, 10]).classifier(true);
/// let (f, params, state) = alexnet([3, 32, 32], &body, &head, &mut Rng::seed(1))?;
/// let (scores, _) = f(&params, &state, &Tensor::ones([2, 3, 32, 32]), &mut Ctx::eval());
/// assert_eq!(scores.shape(), [2, 10]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[expect(clippy::type_complexity, reason = "a function and two values: a name would hide what it takes")]
pub fn alexnet(
    image: [usize; 3],
    body: &SpatialNetwork,
    head: &NeuralNetwork,
    rng: &mut Rng,
) -> Result<(
    impl Fn(&Layers, &Layers, &Tensor, &mut Ctx) -> (Tensor, Layers) + Clone + Send + Sync + 'static + use<>,
    Layers,
    Layers,
)> {
    let body = SpatialNetwork { inputs: image[0], ..body.clone() }.layers(Sequential::new());
    // What comes out of the convolutions is found by trying them.
    let [channels, height, width] = image;
    let mut tried = Instance::new(body.clone(), Rng::seed(0));
    tried.eval();
    let example = Tensor::zeros([1, channels, height, width]);
    let y = tried.forward(&example).map_err(|error| error.context("alexnet, convolutions of an image"))?;
    if y.numel() == 0 {
        let message = format!("alexnet: nothing of an image {image:?} is left behind the convolutions");
        return Err(Error::msg(message).help("take a larger image, or fewer poolings and strides"));
    }
    let head = NeuralNetwork { inputs: y.numel(), ..head.clone() };
    Ok(functionalize_with_state(head.layers(body), rng))
}

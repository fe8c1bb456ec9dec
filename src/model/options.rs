//! What networks are made to order with.

use std::fmt;
use std::sync::Arc;

use retrograd::nn::init::{self, Fan, Nonlinearity};
use retrograd::nn::{
    AutoModule, Ctx, Elu, Gelu, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid, LogSoftmax, Mish,
    Module, Prelu, Relu, Relu6, Selu, Sequential, Sigmoid, Silu, Softmax, Softplus, Softsign, Tanh,
};
use retrograd::{Rng, Tensor, tree};

/// How weights begin.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Init {
    /// Uniform, keeping the variance of values and gradients (Glorot and Bengio 2010).
    Xavier,
    /// Normal, keeping the variance through relus (He et al. 2015).
    He,
    /// Orthogonal rows or columns (Saxe et al. 2014).
    Orthogonal,
    /// Uniform within this bound.
    Uniform(f64),
    /// The layer's own way, which is PyTorch's.
    Default,
}

impl Init {
    /// A weight of shape `[outputs, inputs, ..]`, in f32. [`Init::Default`] is uniform within `1 / sqrt(inputs)`.
    pub fn weight(self, rng: &mut Rng, shape: &[usize]) -> Tensor {
        match self {
            Init::Xavier => init::xavier_uniform(rng, shape, 1.0),
            Init::He => init::kaiming_normal(rng, shape, Fan::In, Nonlinearity::Relu),
            Init::Orthogonal => init::orthogonal(rng, shape, 1.0),
            Init::Uniform(bound) => init::uniform(rng, shape, -bound, bound),
            Init::Default => {
                let inputs: usize = shape.iter().skip(1).product();
                let bound = 1.0 / (inputs.max(1) as f64).sqrt();
                init::uniform(rng, shape, -bound, bound)
            }
        }
    }
}

/// A layer whose weights begin in a given way, and its biases at zero.
struct Begun<M> {
    layer: Arc<M>,
    init: Init,
}

impl<M: Module> fmt::Debug for Begun<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}

impl<M: Module> Module for Begun<M> {
    type Params = M::Params;
    type State = M::State;
    type Input = M::Input;
    type Output = M::Output;
    type Saved = M::Saved;

    fn name(&self) -> &'static str {
        self.layer.name()
    }

    fn params(&self, rng: &mut Rng) -> M::Params {
        tree::map(&self.layer.params(rng), |leaf| match leaf.rank() {
            0 | 1 => leaf.zeros_like(),
            _ => self.init.weight(rng, &leaf.shape().to_vec()),
        })
    }

    fn state(&self) -> M::State {
        self.layer.state()
    }

    fn forward(
        &self,
        params: &M::Params,
        state: &M::State,
        input: &M::Input,
        ctx: &mut Ctx,
    ) -> (M::Output, M::Saved, M::State) {
        self.layer.forward(params, state, input, ctx)
    }

    fn backward(&self, params: &M::Params, saved: &M::Saved, dy: &M::Output) -> (M::Params, M::Input) {
        self.layer.backward(params, saved, dy)
    }

    fn backward_params(&self, params: &M::Params, saved: &M::Saved, dy: &M::Output) -> M::Params {
        self.layer.backward_params(params, saved, dy)
    }

    fn backward_input(&self, params: &M::Params, saved: &M::Saved, dy: &M::Output) -> M::Input {
        self.layer.backward_input(params, saved, dy)
    }

    fn is_foreign(&self) -> bool {
        self.layer.is_foreign()
    }

    fn apply(
        this: &Arc<Self>,
        params: &M::Params,
        state: &M::State,
        input: &M::Input,
        ctx: &mut Ctx,
    ) -> (M::Output, M::State) {
        M::apply(&this.layer, params, state, input, ctx)
    }
}

/// The network with a layer more, whose weights begin so.
pub(super) fn begun<X, M: Module<Input = Tensor>>(
    net: Sequential<X>,
    layer: M,
    init: Init,
) -> Sequential<X, M::Output> {
    match init {
        Init::Default => net.add(layer),
        init => net.add(Begun { layer: Arc::new(layer), init }),
    }
}

/// An elementwise function between layers, one along the last axis, or your own.
///
/// ```
/// use retrograd::model::{Activation, NeuralNetwork, neural_network};
/// use retrograd::nn::Ctx;
/// use retrograd::{Rng, Tensor};
/// let options = NeuralNetwork::new(3, [8, 2]).activation(Activation::function(|x| x.sin() + x));
/// let (f, params, state) = neural_network(&options, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([4, 3]), &mut Ctx::eval()).0.shape(), [4, 2]);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x`, or this times `x` below zero.
    LeakyRelu(f64),
    /// `x`, or `exp(x) - 1` below zero.
    Elu,
    /// The self-normalising one.
    Selu,
    /// `x Phi(x)`.
    Gelu,
    /// `x sigmoid(x)`.
    Silu,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x` between -1 and 1.
    HardTanh,
    /// Shares of 1 along the last axis.
    Softmax,
    /// Their logarithms.
    LogSoftmax,
    /// `x` between 0 and 6.
    Relu6,
    /// `(x + 3) / 6` between 0 and 1.
    HardSigmoid,
    /// `x` times that.
    HardSwish,
    /// `x tanh(log(1 + exp(x)))`.
    Mish,
    /// `log(1 / (1 + exp(-x)))`.
    LogSigmoid,
    /// `x`, or below zero `x` times a slope that each layer learns, first 0.25.
    Prelu,
    /// A function of your own, whose gradient is derived: see [`Activation::function`].
    Function(ActivationFunction),
}

/// A function of your own between layers; made by [`Activation::function`].
#[derive(Clone, Copy, Debug)]
pub struct ActivationFunction(fn(&Tensor) -> Tensor);

/// Of the same function: whether they have one address, which two functions of the same code may have too.
impl PartialEq for ActivationFunction {
    fn eq(&self, other: &ActivationFunction) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Activation {
    /// A function of your own, which captures nothing; its output goes into the next layer as it is. What has parameters or
    /// captures is a layer, to be [added](Sequential::add) to the network that [`NeuralNetwork::layers`] yields.
    ///
    /// [`NeuralNetwork::layers`]: super::NeuralNetwork::layers
    pub fn function(f: fn(&Tensor) -> Tensor) -> Activation {
        Activation::Function(ActivationFunction(f))
    }

    /// The network with this behind it.
    pub fn onto<X>(self, net: Sequential<X>) -> Sequential<X> {
        match self {
            Activation::Relu => net.add(Relu),
            Activation::Tanh => net.add(Tanh),
            Activation::Sigmoid => net.add(Sigmoid),
            Activation::LeakyRelu(slope) => net.add(LeakyRelu::new().negative_slope(slope)),
            Activation::Elu => net.add(Elu::default()),
            Activation::Selu => net.add(Selu),
            Activation::Gelu => net.add(Gelu::default()),
            Activation::Silu => net.add(Silu),
            Activation::Softplus => net.add(Softplus::default()),
            Activation::Softsign => net.add(Softsign),
            Activation::HardTanh => net.add(Hardtanh::default()),
            Activation::Softmax => net.add(Softmax::new(-1)),
            Activation::LogSoftmax => net.add(LogSoftmax::new(-1)),
            Activation::Relu6 => net.add(Relu6),
            Activation::HardSigmoid => net.add(Hardsigmoid),
            Activation::HardSwish => net.add(Hardswish),
            Activation::Mish => net.add(Mish),
            Activation::LogSigmoid => net.add(LogSigmoid),
            Activation::Prelu => net.add(Prelu::new()),
            Activation::Function(ActivationFunction(f)) => {
                net.add(AutoModule::new("Activation", (), move |(): &(), x: &Tensor| f(x)))
            }
        }
    }
}

/// Which outputs of a recurrent network are returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Output {
    /// That of the last step, `[batch, hidden]`.
    #[default]
    Last,
    /// Those of all steps, `[batch, steps, hidden]`.
    All,
}

/// Options of recurrent networks.
#[derive(Clone, Debug)]
pub struct Recurrent {
    pub(super) inputs: usize,
    pub(super) hidden: usize,
    pub(super) output: Output,
    pub(super) init: Init,
    pub(super) normalized: Option<usize>,
}

impl Recurrent {
    /// Vectors of `inputs` numbers in each step, and a state of `hidden`; the last output is returned.
    pub fn new(inputs: usize, hidden: usize) -> Recurrent {
        Recurrent { inputs, hidden, output: Output::Last, init: Init::Xavier, normalized: None }
    }

    /// Which outputs are returned.
    pub fn output(mut self, output: Output) -> Recurrent {
        self.output = output;
        self
    }

    /// How weights begin; Xavier by default. Biases begin at zero.
    pub fn init(mut self, init: Init) -> Recurrent {
        self.init = init;
        self
    }

    /// Normalises sums and cells of [`recurrent_lstm_network`](super::recurrent_lstm_network) over the batch, with
    /// statistics of their own for each of the first `steps` steps (Torch's `maxBatchNormalizationLayers`); later steps
    /// share the last ones (Cooijmans et al. 2017, <https://arxiv.org/abs/1603.09025>). Other networks have no use for it.
    pub fn batch_normalization(mut self, steps: usize) -> Recurrent {
        self.normalized = Some(steps.max(1));
        self
    }

    /// A weight `[rows, columns]` which multiplies from the right, for sums of `gates` groups of columns, each begun on
    /// its own.
    pub(super) fn weight(&self, rng: &mut Rng, rows: usize, columns: usize, gates: usize) -> Tensor {
        let part = |_| self.init.weight(rng, &[columns / gates, rows]).t();
        Tensor::cat(&(0..gates).map(part).collect::<Vec<_>>(), 1)
    }
}

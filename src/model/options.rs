//! What networks are made to order with.

use retrograd::nn::init::{self, Fan, Nonlinearity};
use retrograd::{Rng, Tensor};

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

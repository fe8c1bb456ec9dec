//! Products with a matrix.

use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, Tree};

/// `y = x W^T + b`, over the last axis of `x`.
///
/// Weight `[outputs, inputs]`, bias `[outputs]` (none with `.bias(false)`); first values uniform within
/// `1 / sqrt(inputs)`. Input `[.., inputs]`, output `[.., outputs]`.
///
/// Gradient: `dW = dy^T x`, `db = dy` summed over all axes but the last, `dx = dy W`.
///
/// PyTorch: `torch.nn.Linear`. Torch: `nn.Linear`.
///
/// ```
/// use retrograd::nn::{Linear, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(Linear::new(3, 2).bias(false), &mut Rng::seed(1));
/// assert_eq!(f(&params, &Tensor::ones([5, 3])).shape(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    inputs: usize,
    outputs: usize,
    bias: bool,
}

/// Parameters of [`Linear`].
#[derive(Clone, Debug, Tree)]
pub struct LinearParams {
    /// `[outputs, inputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A layer between vectors of these lengths, with a bias.
    pub fn new(inputs: usize, outputs: usize) -> Linear {
        Linear { inputs, outputs, bias: true }
    }

    /// Whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Linear {
        self.bias = bias;
        self
    }
}

/// All axes but the last as one.
fn rows(x: &Tensor) -> Tensor {
    match x.shape().rank() {
        0 | 1 => x.unsqueeze(0),
        _ => x.flatten(0, -2),
    }
}

impl Module for Linear {
    type Params = LinearParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn params(&self, rng: &mut Rng) -> LinearParams {
        let bound = 1.0 / (self.inputs.max(1) as f64).sqrt();
        let weight = rng.uniform([self.outputs, self.inputs], -bound, bound);
        let bias = self.bias.then(|| rng.uniform([self.outputs], -bound, bound));
        LinearParams { weight, bias }
    }

    fn state(&self) {}

    fn forward(&self, p: &LinearParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        let y = x.matmul(&p.weight.t());
        let y = match &p.bias {
            Some(bias) => y + bias,
            None => y,
        };
        (y, x.clone(), ())
    }

    fn backward(&self, p: &LinearParams, x: &Tensor, dy: &Tensor) -> (LinearParams, Tensor) {
        (self.backward_params(p, x, dy), self.backward_input(p, x, dy))
    }

    fn backward_params(&self, p: &LinearParams, x: &Tensor, dy: &Tensor) -> LinearParams {
        let (x, dy) = (rows(x), rows(dy));
        LinearParams { weight: dy.t().matmul(&x), bias: p.bias.as_ref().map(|_| dy.sum_dim(0)) }
    }

    fn backward_input(&self, p: &LinearParams, _: &Tensor, dy: &Tensor) -> Tensor {
        dy.matmul(&p.weight)
    }
}

//! Products of two vectors with a matrix between them.

use super::stateless::shape_of;
use retrograd::nn::{Ctx, Module};
use retrograd::{Error, Rng, Tensor, Tree};

/// `y[o] = x1^T W[o] x2 + b[o]`, over the last axes of a pair of inputs.
///
/// Weight `[outputs, inputs1, inputs2]`, bias `[outputs]` (none with `.bias(false)`); first values uniform within
/// `1 / sqrt(inputs1)`. Inputs `[.., inputs1]` and `[.., inputs2]` with the same leading axes, output `[.., outputs]`.
///
/// Gradient: `dW[o] = sum of dy[o] x1 x2^T`, `db = dy` summed over all axes but the last, `dx1 = sum of dy[o] W[o] x2`,
/// `dx2 = sum of dy[o] W[o]^T x1`; the inputs are kept.
///
/// PyTorch: `torch.nn.Bilinear`. Torch: `nn.Bilinear`.
///
/// ```
/// use retrograd::nn::{Bilinear, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(Bilinear::new(3, 2, 4), &mut Rng::seed(1));
/// assert_eq!(f(&params, &(Tensor::ones([5, 3]), Tensor::ones([5, 2]))).shape(), [5, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Bilinear {
    inputs: [usize; 2],
    outputs: usize,
    bias: bool,
}

/// Parameters of [`Bilinear`].
#[derive(Clone, Debug, Tree)]
pub struct BilinearParams {
    /// `[outputs, inputs1, inputs2]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Bilinear {
    /// A layer from vectors of the first two lengths to the third, with a bias.
    pub fn new(in1_features: usize, in2_features: usize, out_features: usize) -> Bilinear {
        Bilinear { inputs: [in1_features, in2_features], outputs: out_features, bias: true }
    }

    /// Whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Bilinear {
        self.bias = bias;
        self
    }

    /// Both inputs as rows, or why they do not fit.
    fn rows(&self, x1: &Tensor, x2: &Tensor) -> Result<[Tensor; 2], Tensor> {
        if let Some(invalid) = [x1, x2].into_iter().find(|x| x.error().is_some()) {
            return Err(invalid.clone());
        }
        let [a, b] = [x1, x2].map(|x| x.shape().to_vec());
        let [n, m] = self.inputs;
        match (a.split_last(), b.split_last()) {
            (Some((&i, lead)), Some((&j, other))) if i == n && j == m && lead == other => {
                let rows: usize = lead.iter().product();
                Ok([x1.reshape([rows, n]), x2.reshape([rows, m])])
            }
            _ => {
                let message = format!(
                    "Bilinear: inputs {a:?} and {b:?}, expected [.., {n}] and [.., {m}] of one batch"
                );
                Err(Tensor::invalid(Error::msg(message)))
            }
        }
    }
}

/// All products of an element of a row of `a` with one of the same row of `b`: `[n, i * j]`.
fn crossed(a: &Tensor, b: &Tensor) -> Tensor {
    (a.unsqueeze(2) * b.unsqueeze(1)).flatten(1, 2)
}

impl Module for Bilinear {
    type Params = BilinearParams;
    type State = ();
    type Input = (Tensor, Tensor);
    type Output = Tensor;
    type Saved = (Tensor, Tensor);

    fn params(&self, rng: &mut Rng) -> BilinearParams {
        let [n, m] = self.inputs;
        let bound = 1.0 / (n.max(1) as f64).sqrt();
        let weight = rng.uniform([self.outputs, n, m], -bound, bound);
        BilinearParams { weight, bias: self.bias.then(|| rng.uniform([self.outputs], -bound, bound)) }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &BilinearParams,
        _: &(),
        (x1, x2): &Self::Input,
        _: &mut Ctx,
    ) -> (Tensor, Self::Saved, ()) {
        let y = match self.rows(x1, x2) {
            Err(invalid) => invalid,
            Ok([a, b]) => {
                let ([n, m], rows) = (self.inputs, a.shape().to_vec()[0]);
                // [rows, inputs1] times [inputs1, outputs * inputs2].
                let halves = a.matmul(&p.weight.movedim(1, 0).reshape([n, self.outputs * m]));
                let y = (halves.reshape([rows, self.outputs, m]) * b.unsqueeze(1)).sum_dim(-1);
                let lead = &x1.shape().to_vec()[..x1.shape().rank() - 1];
                y.reshape([lead, &[self.outputs]].concat())
            }
        };
        let y = match &p.bias {
            Some(bias) => y + bias,
            None => y,
        };
        (y, (x1.clone(), x2.clone()), ())
    }

    fn backward(
        &self,
        p: &BilinearParams,
        saved: &Self::Saved,
        dy: &Tensor,
    ) -> (BilinearParams, Self::Input) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &BilinearParams, (x1, x2): &Self::Saved, dy: &Tensor) -> BilinearParams {
        let dy = dy.reshape([shape_of(dy).numel() / self.outputs.max(1), self.outputs]);
        let weight = match self.rows(x1, x2) {
            Err(invalid) => invalid,
            Ok([a, b]) => crossed(&dy, &a).t().matmul(&b).reshape_as(&p.weight),
        };
        BilinearParams { weight, bias: p.bias.as_ref().map(|_| dy.sum_dim(0)) }
    }

    fn backward_input(&self, p: &BilinearParams, (x1, x2): &Self::Saved, dy: &Tensor) -> Self::Input {
        let dy = dy.reshape([shape_of(dy).numel() / self.outputs.max(1), self.outputs]);
        match self.rows(x1, x2) {
            Err(invalid) => (invalid.clone(), invalid),
            Ok([a, b]) => {
                let dx1 = crossed(&dy, &b).matmul(&p.weight.movedim(2, 1).flatten(0, 1));
                let dx2 = crossed(&dy, &a).matmul(&p.weight.flatten(0, 1));
                (dx1.reshape_as(x1), dx2.reshape_as(x2))
            }
        }
    }
}

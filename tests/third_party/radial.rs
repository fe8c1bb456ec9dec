//! What a crate of somebody else's may look like: layers and a criterion with gradients of their own, written against the
//! public interface only.

use retrograd::nn::{Criterion, Ctx, Module};
use retrograd::{Error, ErrorKind, Rng, Tensor, Tree, stop_gradient};

/// Radial basis functions: `y[k] = exp(-scale[k] |x - centre[k]|^2)`, over the last axis of `x [batch, inputs]`.
#[derive(Clone, Debug)]
pub(crate) struct Radial {
    pub(crate) inputs: usize,
    pub(crate) functions: usize,
}

#[derive(Clone, Debug, Tree)]
pub(crate) struct RadialParams {
    /// `[functions, inputs]`.
    pub(crate) centres: Tensor,
    /// `[functions]`.
    pub(crate) scales: Tensor,
}

#[derive(Clone, Debug, Tree)]
pub(crate) struct RadialSaved {
    /// `x - centre`, `[batch, functions, inputs]`.
    off: Tensor,
    /// `|x - centre|^2`, `[batch, functions]`.
    squared: Tensor,
    y: Tensor,
}

impl Module for Radial {
    type Params = RadialParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = RadialSaved;

    fn params(&self, rng: &mut Rng) -> RadialParams {
        RadialParams {
            centres: rng.randn([self.functions, self.inputs]),
            scales: Tensor::ones([self.functions]) * 0.5,
        }
    }

    fn state(&self) {}

    fn forward(&self, p: &RadialParams, (): &(), x: &Tensor, _: &mut Ctx) -> (Tensor, RadialSaved, ()) {
        let x = match x.error() {
            None if x.rank() != 2 || x.shape()[1] as usize != self.inputs => {
                let message = format!("an input `[batch, {}]`, got shape {}", self.inputs, x.shape());
                Error::new(ErrorKind::Shape, message).refuse("radial", &[x])
            }
            _ => x.clone(),
        };
        let off = x.unsqueeze(1) - &p.centres;
        let squared = off.square().sum_dim(-1);
        let y = (-&squared * &p.scales).exp();
        (y.clone(), RadialSaved { off, squared, y }, ())
    }

    fn backward(&self, p: &RadialParams, saved: &RadialSaved, dy: &Tensor) -> (RadialParams, Tensor) {
        let pulled = dy * &saved.y;
        let scales = -(&pulled * &saved.squared).sum_dim(0);
        let towards = (pulled * &p.scales * 2.0).unsqueeze(-1) * &saved.off;
        (RadialParams { centres: towards.sum_dim(0), scales }, -towards.sum_dim(1))
    }
}

/// Features less a running mean, which follows the batches in training.
#[derive(Clone, Debug)]
pub(crate) struct Centred {
    pub(crate) features: usize,
}

impl Module for Centred {
    type Params = ();
    type State = Tensor;
    type Input = Tensor;
    type Output = Tensor;
    type Saved = ();

    fn params(&self, _: &mut Rng) {}

    fn state(&self) -> Tensor {
        Tensor::zeros([self.features])
    }

    fn forward(&self, (): &(), mean: &Tensor, x: &Tensor, ctx: &mut Ctx) -> (Tensor, (), Tensor) {
        let next = match ctx.is_train() {
            true => mean * 0.9 + stop_gradient(x).mean_dim(0) * 0.1,
            false => mean.clone(),
        };
        (x - mean, (), next)
    }

    fn backward(&self, (): &(), (): &(), dy: &Tensor) -> ((), Tensor) {
        ((), dy.clone())
    }
}

/// The pinball loss, least at a quantile: the mean of `q (y - x)` where `x` is below the target `y`, else `(1 - q) (x - y)`.
#[derive(Clone, Debug)]
pub(crate) struct Pinball {
    pub(crate) quantile: f64,
}

impl Criterion for Pinball {
    type Input = Tensor;
    type Target = Tensor;
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let above = x - y;
        let slope = above.lt(0.0).where_(-self.quantile, 1.0 - self.quantile).to_dtype(x.dtype());
        ((above * &slope).mean(), slope)
    }

    fn backward(&self, slope: &Tensor, dl: &Tensor) -> Tensor {
        slope * dl / slope.numel() as f64
    }
}

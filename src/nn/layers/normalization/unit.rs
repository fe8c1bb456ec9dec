//! Vectors of length one.

use super::parts::NormSaved;
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor};

/// Each vector along the last axis divided by its p-norm: `y = x / (sum |x|^p + eps)^(1/p)`; for an infinite p,
/// `y = x / (max |x| + eps)`.
///
/// Input `[.., n]`, output the same. No parameters.
///
/// Gradient: with `s = sum(dy * y)`, `dx = (dy - s * sign(y) * |y|^(p - 1)) / norm`; for an infinite p, where the
/// second term is that of the first greatest element alone, `dx = (dy - s * sign(y) at it) / norm`.
///
/// PyTorch: `torch.nn.functional.normalize`, which holds the norm above eps instead. Torch: `nn.Normalize`.
///
/// ```
/// use retrograd::nn::{Normalize, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, _) = functionalize(Normalize::new(2.0), &mut Rng::seed(1));
/// let y = f(&(), &Tensor::from([3.0, 4.0]));
/// assert!(y.allclose(&Tensor::from([0.6, 0.8]), 1e-9, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Normalize {
    p: f64,
    eps: f64,
}

impl Normalize {
    /// By the p-norm, `p` above 0 and possibly infinite; eps 1e-10.
    pub fn new(p: f64) -> Normalize {
        Normalize { p, eps: 1e-10 }
    }

    /// What is added to the sum of powers, which for an infinite p is the maximum.
    pub fn eps(mut self, eps: f64) -> Normalize {
        self.eps = eps;
        self
    }

    /// The norm's derivative at `x`, where `y = x / norm` is `n * 1`: `sign(y) * |y|^(p - 1)`.
    fn slope(&self, y: &Tensor) -> Tensor {
        match self.p {
            1.0 => y.sign(),
            2.0 => y.clone(),
            p if p.is_infinite() => {
                let greatest = y.abs().argmax(-1).unsqueeze(-1);
                let positions = Tensor::arange(y.size(-1) as i64);
                greatest.eq(positions).where_(y.sign(), 0.0)
            }
            p => y.sign() * y.abs().pow(p - 1.0),
        }
    }
}

impl Module for Normalize {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// Of the values as they come out, and one over their norm.
    type Saved = NormSaved;

    fn params(&self, _: &mut Rng) {}

    fn state(&self) {}

    fn forward(&self, (): &(), (): &(), x: &Tensor, _: &mut Ctx) -> (Tensor, NormSaved, ()) {
        let (like, x) = (x, &x.widened());
        let norm = match self.p {
            2.0 => (x.square().sum_keepdim(-1) + self.eps).sqrt(),
            1.0 => x.abs().sum_keepdim(-1) + self.eps,
            p if p.is_infinite() => x.abs().amax_keepdim(-1) + self.eps,
            p => (x.abs().pow(p).sum_keepdim(-1) + self.eps).pow(1.0 / p),
        };
        let inv_std = norm.reciprocal();
        let y = (x * &inv_std).type_as(like);
        (y.clone(), NormSaved { normalised: y, inv_std, own_moments: true }, ())
    }

    fn backward(&self, (): &(), saved: &NormSaved, dy: &Tensor) -> ((), Tensor) {
        let NormSaved { normalised: y, inv_std, .. } = saved;
        if y.error().is_some() {
            return ((), y.clone());
        }
        let (like, dy, y) = (dy, dy.widened(), y.widened());
        let along = (&dy * &y).sum_keepdim(-1);
        ((), ((dy - along * self.slope(&y)) * inv_std).type_as(like))
    }
}

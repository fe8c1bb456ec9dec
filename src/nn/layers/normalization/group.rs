//! Normalisation of groups of channels.

use super::parts::{NormParams, NormSaved, along_channels, fitting, pull_standardised, rank_or, standardise};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor};

/// The channels in `groups` equal parts, each part of each example normalised over its channels and positions:
/// `y = (x - mean) / sqrt(var + eps) * weight + bias`, where scale and offset are the channels'.
///
/// Input `[n, channels, ..]`, output the same. Parameters [`NormParams`] of shape `[channels]`, first ones and zeros;
/// none with `.affine(false)`.
///
/// Gradient: with `g = dy * weight`, `n` for the normalised values and means over a group,
/// `dx = (g - mean(g) - n * mean(g * n)) / std`; `dweight = dy * n` and `dbias = dy`, summed over all axes but the
/// channels'.
///
/// PyTorch: `torch.nn.GroupNorm`. Torch: none. Source: Wu and He, "Group Normalization", 2018.
///
/// # Errors
/// As invalid outputs: an input of another number of channels, or a number of groups that does not divide it.
///
/// ```
/// use retrograd::nn::{GroupNorm, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(GroupNorm::new(2, 4), &mut Rng::seed(1));
/// let y = f(&params, &Tensor::from([[1f32, 3.0, 10.0, 30.0]]));
/// assert!(y.allclose(&Tensor::from([[-1f32, 1.0, -1.0, 1.0]]), 1e-4, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupNorm {
    groups: usize,
    channels: usize,
    eps: f64,
    affine: bool,
}

impl GroupNorm {
    /// So many groups of so many channels in all: eps 1e-5, with scale and offset.
    pub fn new(groups: usize, channels: usize) -> GroupNorm {
        GroupNorm { groups, channels, eps: 1e-5, affine: true }
    }

    /// What is added to the variance.
    pub fn eps(mut self, eps: f64) -> GroupNorm {
        self.eps = eps;
        self
    }

    /// Whether there are scale and offset.
    pub fn affine(mut self, affine: bool) -> GroupNorm {
        self.affine = affine;
        self
    }

    fn checked(&self, x: &Tensor) -> Tensor {
        let divides = self.groups > 0 && self.channels.is_multiple_of(self.groups);
        let fits = |shape: &[usize]| divides && shape.len() >= 2 && shape[1] == self.channels;
        fitting(x, self.name(), fits, || match divides {
            true => format!("[n, {}, ..]", self.channels),
            false => {
                format!("cut into {} groups, which do not divide {} channels", self.groups, self.channels)
            }
        })
    }

    /// `[n, groups, elements]`.
    fn grouped(&self, x: &Tensor) -> Tensor {
        if x.error().is_some() {
            return x.clone();
        }
        let shape = x.shape().to_vec();
        let elements = shape[1..].iter().product::<usize>() / self.groups;
        x.reshape([shape[0], self.groups, elements])
    }
}

/// Back in the shape of an input.
fn like(grouped: &Tensor, x: &Tensor) -> Tensor {
    if x.error().is_some() { x.clone() } else { grouped.reshape_as(x) }
}

impl Module for GroupNorm {
    type Params = NormParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// `inv_std` is `[n, groups, 1]`.
    type Saved = NormSaved;

    fn params(&self, _: &mut Rng) -> NormParams {
        NormParams::new([self.channels], self.affine, self.affine)
    }

    fn state(&self) {}

    fn forward(&self, p: &NormParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, NormSaved, ()) {
        let x = self.checked(x);
        let own = standardise(&self.grouped(&x), &[-1], self.eps);
        let normalised = like(&own.values, &x);
        let rank = rank_or(&x, 2);
        let y = p.apply(&normalised, |vector| along_channels(vector, rank - 2));
        (y, NormSaved { normalised, inv_std: own.inv_std, own_moments: true }, ())
    }

    fn backward(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> (NormParams, Tensor) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> NormParams {
        let axes: Vec<isize> = (0..rank_or(dy, 2) as isize).filter(|&axis| axis != 1).collect();
        p.gradients(&saved.normalised, dy, &axes)
    }

    fn backward_input(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> Tensor {
        let rank = rank_or(dy, 2);
        let dn = p.pull(dy, |weight| along_channels(weight, rank - 2));
        let normalised = self.grouped(&saved.normalised);
        like(&pull_standardised(&normalised, &saved.inv_std, &[-1], &self.grouped(&dn)), dy)
    }
}

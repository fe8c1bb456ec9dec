//! Normalisation of each channel of each example.

use super::RunningStats;
use super::parts::{
    NormParams, NormSaved, Standardised, along_channels, fitting, normalised_by, pull_normalised,
    pull_standardised, rank_or, standardise,
};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor};

/// Each channel of each example normalised over its positions: `y = (x - mean) / sqrt(var + eps) * weight + bias`.
///
/// Input `[n, channels, ..]` with `D` axes for positions, or one example without the first axis; output the same.
/// With `.affine(true)`, parameters [`NormParams`] of shape `[channels]`, first ones and zeros. With
/// `.track_running_stats(true)` the state follows means and unbiased variances, averaged over the batch, with
/// `.momentum(0.1)`, and evaluation takes those of the state. PyTorch's defaults have neither.
///
/// Gradient: as that of [`BatchNorm`](super::BatchNorm), with means over the positions.
///
/// PyTorch: `torch.nn.InstanceNorm1d`, `InstanceNorm2d`, `InstanceNorm3d`. Torch: `nn.InstanceNormalization`. Source:
/// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016.
///
/// # Errors
/// As invalid outputs: an input of another rank or number of channels, and a single position, where moments are of
/// the input.
///
/// ```
/// use retrograd::nn::{InstanceNorm1d, functionalize_with_state, Ctx};
/// use retrograd::{Rng, Tensor};
/// let (f, params, state) = functionalize_with_state(InstanceNorm1d::new(1), &mut Rng::seed(1));
/// let (y, _) = f(&params, &state, &Tensor::from([[[1f32, 3.0]], [[10.0, 30.0]]]), &mut Ctx::eval());
/// let expected = Tensor::from([[[-1f32, 1.0]], [[-1.0, 1.0]]]);
/// assert!(y.allclose(&expected, 1e-4, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InstanceNorm<const D: usize> {
    channels: usize,
    eps: f64,
    momentum: f64,
    affine: bool,
    track_running_stats: bool,
}

/// Of signals `[n, channels, length]`: see [`InstanceNorm`].
pub type InstanceNorm1d = InstanceNorm<1>;
/// Of images `[n, channels, height, width]`: see [`InstanceNorm`].
pub type InstanceNorm2d = InstanceNorm<2>;
/// Of volumes `[n, channels, depth, height, width]`: see [`InstanceNorm`].
pub type InstanceNorm3d = InstanceNorm<3>;

impl<const D: usize> InstanceNorm<D> {
    /// For so many channels: eps 1e-5, momentum 0.1, without parameters and running statistics.
    pub fn new(channels: usize) -> Self {
        InstanceNorm { channels, eps: 1e-5, momentum: 0.1, affine: false, track_running_stats: false }
    }

    /// What is added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// How far the running statistics go toward those of a batch.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Whether there are scale and offset.
    pub fn affine(mut self, affine: bool) -> Self {
        self.affine = affine;
        self
    }

    /// Whether there are running statistics.
    pub fn track_running_stats(mut self, track: bool) -> Self {
        self.track_running_stats = track;
        self
    }

    fn checked(&self, x: &Tensor, own_moments: bool) -> Tensor {
        let fits = |shape: &[usize]| {
            (shape.len() == D + 2 || shape.len() == D + 1) && shape[shape.len() - D - 1] == self.channels
        };
        let needs =
            || format!("[n, {c}, ..] or [{c}, ..] with {D} axes after the channels", c = self.channels);
        let x = fitting(x, self.name(), fits, needs);
        let enough =
            |shape: &[usize]| !own_moments || shape[shape.len() - D..].iter().product::<usize>() != 1;
        fitting(&x, self.name(), enough, || {
            "of more than one position a channel, since the variance of one is none".to_owned()
        })
    }

    /// The axes of positions.
    fn positions(&self) -> Vec<isize> {
        (1..=D as isize).map(|axis| -axis).collect()
    }

    /// The state after a batch, given means and variances with axes of length 1 for positions.
    fn followed(&self, stats: &RunningStats, x: &Tensor, mean: &Tensor, variance: &Tensor) -> RunningStats {
        // Nothing is learned of no elements, whose mean is NaN.
        if x.error().is_some() || x.numel() == 0 {
            return stats.clone();
        }
        let positions: usize = x.shape().to_vec()[x.rank() - D..].iter().product();
        let unbiased = variance * (positions as f64 / (positions as f64 - 1.0));
        let over_batch = |x: &Tensor| x.reshape([retrograd::INFER, self.channels]).mean_dim(0);
        let next = stats.followed(&over_batch(mean), &over_batch(&unbiased), Some(self.momentum));
        // PyTorch's instance normalisation does not count.
        RunningStats { num_batches_tracked: stats.num_batches_tracked.clone(), ..next }
    }
}

impl<const D: usize> Module for InstanceNorm<D> {
    type Params = NormParams;
    type State = Option<RunningStats>;
    type Input = Tensor;
    type Output = Tensor;
    type Saved = NormSaved;

    fn name(&self) -> &'static str {
        match D {
            1 => "InstanceNorm1d",
            2 => "InstanceNorm2d",
            3 => "InstanceNorm3d",
            _ => "InstanceNorm",
        }
    }

    fn params(&self, _: &mut Rng) -> NormParams {
        NormParams::new([self.channels], self.affine, self.affine)
    }

    fn state(&self) -> Option<RunningStats> {
        self.track_running_stats.then(|| RunningStats::new(self.channels))
    }

    fn forward(
        &self,
        p: &NormParams,
        state: &Option<RunningStats>,
        x: &Tensor,
        ctx: &mut Ctx,
    ) -> (Tensor, NormSaved, Option<RunningStats>) {
        let learned = state.as_ref().filter(|_| !ctx.is_train());
        let x = self.checked(x, learned.is_none());
        let aligned = |vector: &Tensor| along_channels(vector, D);
        let (normalised, inv_std, next) = match learned {
            Some(stats) => {
                let (mean, variance) = (aligned(&stats.running_mean), aligned(&stats.running_var));
                let (values, inv_std) = normalised_by(&x, &mean, &variance, self.eps);
                (values, inv_std, state.clone())
            }
            None => {
                let own = standardise(&x, &self.positions(), self.eps);
                let Standardised { values, inv_std, mean, variance } = own;
                let next = state.as_ref().map(|stats| self.followed(stats, &x, &mean, &variance));
                (values, inv_std, next)
            }
        };
        let y = p.apply(&normalised, aligned);
        (y, NormSaved { normalised, inv_std, own_moments: learned.is_none() }, next)
    }

    fn backward(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> (NormParams, Tensor) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> NormParams {
        let mut repeated = self.positions();
        if rank_or(dy, D + 1) == D + 2 {
            repeated.push(0);
        }
        p.gradients(&saved.normalised, dy, &repeated)
    }

    fn backward_input(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> Tensor {
        let NormSaved { normalised, inv_std, own_moments } = saved;
        let dn = p.pull(dy, |weight| along_channels(weight, D));
        match own_moments {
            true => pull_standardised(normalised, inv_std, &self.positions(), &dn),
            false => pull_normalised(inv_std, &dn),
        }
    }
}

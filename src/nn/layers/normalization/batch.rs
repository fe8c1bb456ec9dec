//! Normalisation over a batch.

use super::RunningStats;
use super::parts::{
    NormParams, NormSaved, Standardised, along_channels, fitting, normalised_by, pull_normalised,
    pull_standardised, rank_or, standardise,
};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor};

/// Each channel normalised over the batch and all positions: `y = (x - mean) / sqrt(var + eps) * weight + bias`.
///
/// Input `[n, channels, ..]` with `D` axes for positions (for `BatchNorm1d` they may be absent), output the same.
/// Parameters [`NormParams`] of shape `[channels]`, first ones and zeros; none with `.affine(false)`.
///
/// In training mean and variance are those of the batch (the variance biased), and the state follows them (the
/// variance unbiased): `running = (1 - momentum) * running + momentum * batch`, or averages over all batches for
/// `.momentum(None)`. In evaluation they are those of the state. With `.track_running_stats(false)` there is no state,
/// and they are always the batch's.
///
/// Gradient: with `n` for the normalised values and means over the batch and all positions, in training
/// `dx = weight / std * (dy - mean(dy) - n * mean(dy * n))`, in evaluation `dx = weight / std * dy`;
/// `dweight = sum(dy * n)`, `dbias = sum(dy)`.
///
/// PyTorch: `torch.nn.BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`. Torch: `nn.BatchNormalization`,
/// `nn.SpatialBatchNormalization`, `nn.VolumetricBatchNormalization`. Formula: Ioffe and Szegedy, "Batch
/// Normalization", 2015.
///
/// # Errors
/// As invalid outputs: an input of another rank or number of channels, and in training a single value a channel,
/// which has no variance.
///
/// ```
/// use retrograd::nn::{BatchNorm2d, Ctx, functionalize_with_state};
/// use retrograd::{Rng, Tensor};
/// let (f, params, state) = functionalize_with_state(BatchNorm2d::new(3), &mut Rng::seed(1));
/// let x = Tensor::randn([8, 3, 4, 4]) + 5.0;
/// let (y, state) = f(&params, &state, &x, &mut Ctx::train(Rng::seed(2)));
/// assert!(y.mean().item::<f32>()?.abs() < 1e-5);
/// let followed = state.as_ref().map(|stats| stats.running_mean.mean().item::<f32>());
/// assert!((followed.unwrap()? - 0.5).abs() < 0.1); // a tenth of the way from 0 to 5
/// let (_, unchanged) = f(&params, &state, &x, &mut Ctx::eval());
/// assert_eq!(unchanged.unwrap().num_batches_tracked.item::<i64>()?, 1);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm<const D: usize> {
    channels: usize,
    eps: f64,
    momentum: Option<f64>,
    affine: bool,
    track_running_stats: bool,
}

/// Of vectors `[n, channels]` or signals `[n, channels, length]`: see [`BatchNorm`].
pub type BatchNorm1d = BatchNorm<1>;
/// Of images `[n, channels, height, width]`: see [`BatchNorm`].
pub type BatchNorm2d = BatchNorm<2>;
/// Of volumes `[n, channels, depth, height, width]`: see [`BatchNorm`].
pub type BatchNorm3d = BatchNorm<3>;

impl<const D: usize> BatchNorm<D> {
    /// For so many channels: eps 1e-5, momentum 0.1, with parameters and running statistics.
    pub fn new(channels: usize) -> Self {
        BatchNorm { channels, eps: 1e-5, momentum: Some(0.1), affine: true, track_running_stats: true }
    }

    /// What is added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// How far the running statistics go toward those of a batch; `None` makes them averages over all batches.
    pub fn momentum(mut self, momentum: impl Into<Option<f64>>) -> Self {
        self.momentum = momentum.into();
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
            let positions = shape.len() == D + 2 || D == 1 && shape.len() == 2;
            positions && shape[1] == self.channels
        };
        let needs = || match D {
            1 => format!("[n, {c}] or [n, {c}, length]", c = self.channels),
            _ => format!("[n, {}, ..] with {} axes", self.channels, D + 2),
        };
        let x = fitting(x, self.name(), fits, needs);
        let enough = |shape: &[usize]| !own_moments || shape.iter().product::<usize>() != self.channels;
        fitting(&x, self.name(), enough, || {
            "of more than one value a channel, since the variance of one is none".to_owned()
        })
    }
}

/// All axes but the channels'.
fn all_but_channels(rank: usize) -> Vec<isize> {
    (0..rank as isize).filter(|&axis| axis != 1).collect()
}

impl<const D: usize> Module for BatchNorm<D> {
    type Params = NormParams;
    type State = Option<RunningStats>;
    type Input = Tensor;
    type Output = Tensor;
    type Saved = NormSaved;

    fn name(&self) -> &'static str {
        match D {
            1 => "BatchNorm1d",
            2 => "BatchNorm2d",
            3 => "BatchNorm3d",
            _ => "BatchNorm",
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
        let rank = rank_or(&x, D + 2);
        let aligned = |vector: &Tensor| along_channels(vector, rank - 2);
        let (normalised, inv_std, next) = match learned {
            Some(stats) => {
                let (mean, variance) = (aligned(&stats.running_mean), aligned(&stats.running_var));
                let (values, inv_std) = normalised_by(&x, &mean, &variance, self.eps);
                (values, inv_std, state.clone())
            }
            None => {
                let axes = all_but_channels(rank);
                let Standardised { values, inv_std, mean, variance } = standardise(&x, &axes, self.eps);
                let count = if x.error().is_some() { 2 } else { x.numel() / self.channels.max(1) };
                let unbiased = variance * (count as f64 / (count as f64 - 1.0));
                let vector = |x: &Tensor| x.reshape([self.channels]);
                // Nothing is learned of no examples, whose mean is NaN.
                let learns = ctx.is_train() && count > 0;
                let next = state.as_ref().map(|stats| match learns {
                    true => stats.followed(&vector(&mean), &vector(&unbiased), self.momentum),
                    false => stats.clone(),
                });
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
        p.gradients(&saved.normalised, dy, &all_but_channels(rank_or(dy, D + 2)))
    }

    fn backward_input(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> Tensor {
        let NormSaved { normalised, inv_std, own_moments } = saved;
        let rank = rank_or(dy, D + 2);
        let dn = p.pull(dy, |weight| along_channels(weight, rank - 2));
        match own_moments {
            true => pull_standardised(normalised, inv_std, &all_but_channels(rank), &dn),
            false => pull_normalised(inv_std, &dn),
        }
    }
}

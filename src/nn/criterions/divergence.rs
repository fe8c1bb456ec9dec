//! Divergences and likelihoods of distributions.

use super::pairs::target_like;
use retrograd::nn::{Criterion, Reduction};
use retrograd::{Error, ErrorKind, Tensor};

/// How many numbers become one divergence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum KlReduction {
    /// A number for each element.
    None,
    /// Their mean, which is no divergence.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum over the length of the first axis: the mean divergence of a batch.
    BatchMean,
}

/// The Kullback-Leibler divergence of log-probabilities `x` from probabilities `y`: `y (log y - x)`, 0 where `y` is 0;
/// of two tensors of one shape.
///
/// With `log_target`, targets are log-probabilities: `exp(y) (y - x)`. Torch's `nn.DistKLDivCriterion` is the default.
///
/// Gradient: `dx = -y dl`, or `-exp(y) dl`; over the number of elements for the mean, over the length of the first axis
/// for the batch's.
///
/// PyTorch: `torch.nn.KLDivLoss`. Torch: `nn.DistKLDivCriterion`.
///
/// ```
/// use retrograd::nn::{KlDivLoss, KlReduction, criterion_function};
/// use retrograd::Tensor;
/// let loss = criterion_function(KlDivLoss { reduction: KlReduction::BatchMean, ..Default::default() });
/// let p = Tensor::from([[0.5, 0.5], [0.25, 0.75]]);
/// assert_eq!(loss(&p.log(), &p).item::<f64>()?, 0.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KlDivLoss {
    /// Mean by default, as PyTorch's and Torch's.
    pub reduction: KlReduction,
    /// Whether targets are logarithms; not by default.
    pub log_target: bool,
}

/// [`KlDivLoss`] by Torch's name.
pub type DistKLDivCriterion = KlDivLoss;

impl KlDivLoss {
    /// What the sum is divided by.
    fn denominator(&self, like: &Tensor) -> f64 {
        match self.reduction {
            _ if like.error().is_some() => 1.0,
            KlReduction::None | KlReduction::Sum => 1.0,
            KlReduction::Mean => like.numel() as f64,
            KlReduction::BatchMean if like.rank() == 0 => 1.0,
            KlReduction::BatchMean => like.size(0) as f64,
        }
    }
}

impl Criterion for KlDivLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// The probabilities of the target.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let y = target_like(self.name(), x, y);
        let (p, each) = match self.log_target {
            true => {
                let p = y.exp();
                (p.clone(), p * (y - x))
            }
            false => (y.clone(), y.xlogy(&y) - &y * x),
        };
        let loss = match self.reduction {
            KlReduction::None => each,
            _ => (each.widened().sum() / self.denominator(&p)).type_as(&each),
        };
        (loss, p)
    }

    fn backward(&self, p: &Tensor, dl: &Tensor) -> Tensor {
        p * (dl.widened() / -self.denominator(p)).type_as(dl)
    }
}

/// The negative log-likelihood of counts `y` under a Poisson distribution of rate `exp(x)`: `exp(x) - y x`; without
/// `log_input`, of rate `x`: `x - y log(x + eps)`. Of two tensors of one shape.
///
/// What does not depend on the rate is left out; with `full`, Stirling's approximation `y log y - y + log(2 pi y) / 2` of
/// it is added for counts above 1.
///
/// Gradient: `dx = (exp(x) - y) dl`, or `(1 - y / (x + eps)) dl`; over the number of elements for the mean.
///
/// PyTorch: `torch.nn.PoissonNLLLoss`. Torch: none.
#[derive(Clone, Debug)]
pub struct PoissonNllLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// Whether inputs are logarithms of rates, as by default.
    pub log_input: bool,
    /// Whether Stirling's approximation is added; not by default.
    pub full: bool,
    /// What is added to a rate, 1e-8 by default.
    pub eps: f64,
}

impl Default for PoissonNllLoss {
    fn default() -> PoissonNllLoss {
        PoissonNllLoss { reduction: Reduction::Mean, log_input: true, full: false, eps: 1e-8 }
    }
}

/// `log(y!)` approximately, for counts above 1; 0 for others.
fn stirling(y: &Tensor) -> Tensor {
    let many = y.gt(1.0);
    // The others are replaced first: a logarithm of 0 in a branch not taken would make NaN of its gradient.
    let y = many.where_(y, 2.0);
    let log = &y * y.log() - &y + (&y * (2.0 * std::f64::consts::PI)).log() * 0.5;
    many.where_(log, 0.0)
}

impl Criterion for PoissonNllLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// The logarithm of the rate, or the rate, and the target.
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let mut each = match self.log_input {
            true => x.exp() - &y * x,
            false => x - &y * (x + self.eps).log(),
        };
        if self.full {
            each += stirling(&y);
        }
        (self.reduction.apply(&each), (x.clone(), y))
    }

    fn backward(&self, (x, y): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        let slope = match self.log_input {
            true => x.exp() - y,
            false => 1.0 - y / (x + self.eps),
        };
        slope * self.reduction.spread(dl.clone(), x)
    }
}

/// The negative log-likelihood of targets `y` under normal distributions of means `x` and variances `v`:
/// `(log v + (x - y)^2 / v) / 2`, with `full` and `log(2 pi) / 2`.
///
/// The input is means and variances: variances of the means' shape, of length 1 in the last axis, or without that axis.
/// A variance is held at `eps` or above; the gradient is taken at what it is held at, but goes to the variance all the
/// same, as PyTorch's.
///
/// Gradient: `dx = (x - y) / v dl`, `dv = (1 / v - (x - y)^2 / v^2) / 2 dl`, over the number of elements for the mean.
///
/// PyTorch: `torch.nn.GaussianNLLLoss`. Torch: none. Source: Nix and Weigend, "Estimating the mean and variance of the
/// target probability distribution", 1994.
#[derive(Clone, Debug)]
pub struct GaussianNllLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// Whether the constant is added; not by default.
    pub full: bool,
    /// The least variance, 1e-6 by default.
    pub eps: f64,
}

impl Default for GaussianNllLoss {
    fn default() -> GaussianNllLoss {
        GaussianNllLoss { reduction: Reduction::Mean, full: false, eps: 1e-6 }
    }
}

/// Variances that broadcast to means, or what is wrong with them.
fn beside(mean: &Tensor, variance: &Tensor) -> Tensor {
    if mean.error().is_some() || variance.error().is_some() {
        return variance.clone();
    }
    let (x, v) = (mean.shape().to_vec(), variance.shape().to_vec());
    let without_last = &x[..x.len().saturating_sub(1)];
    match () {
        () if x == v || v.len() == x.len() && v.ends_with(&[1]) && v.starts_with(without_last) => {
            variance.clone()
        }
        () if v == without_last => variance.unsqueeze(-1),
        () => {
            let message = format!(
                "variances are to have the means' shape {}, or that with 1 for the last axis or \
                 without it, got {}",
                mean.shape(),
                variance.shape()
            );
            Error::new(ErrorKind::Shape, message).refuse("GaussianNllLoss", &[mean, variance])
        }
    }
}

impl Criterion for GaussianNllLoss {
    /// Means and variances.
    type Input = (Tensor, Tensor);
    type Target = Tensor;
    /// `x - y`, the variances as they were held, and as they were given.
    type Saved = (Tensor, Tensor, Tensor);

    fn forward(&self, (x, variance): &(Tensor, Tensor), y: &Tensor) -> (Tensor, Self::Saved) {
        let off = x - target_like(self.name(), x, y);
        let held = beside(x, variance).clamp_min(self.eps);
        let mut each = (held.log() + off.square() / &held) * 0.5;
        if self.full {
            each += (2.0 * std::f64::consts::PI).ln() * 0.5;
        }
        (self.reduction.apply(&each), (off, held, variance.clone()))
    }

    fn backward(&self, (off, held, variance): &Self::Saved, dl: &Tensor) -> (Tensor, Tensor) {
        let dl = self.reduction.spread(dl.clone(), off);
        let far = off / held;
        let dv = (held.reciprocal() - far.square()) * (&dl * 0.5);
        let repeated = [off, held, &dv].iter().all(|x| x.error().is_none()) && held.shape() != off.shape();
        let dv = if repeated { dv.sum_keepdim(-1) } else { dv };
        let dv = if variance.error().is_some() { dv } else { dv.reshape_as(variance) };
        (far * dl, dv)
    }
}

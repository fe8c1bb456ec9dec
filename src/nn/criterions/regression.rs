//! Distances of numbers.

use super::pairs::{target_like, weight_for};
use retrograd::Tensor;
use retrograd::nn::{Criterion, Reduction};

/// `|x - y|`, of two tensors of one shape.
///
/// Gradient: `dx = sign(x - y) dl`, 0 where they are equal; over the number of elements for the mean.
///
/// PyTorch: `torch.nn.L1Loss`. Torch: `nn.AbsCriterion`.
///
/// ```
/// use retrograd::nn::{L1Loss, criterion_function};
/// use retrograd::Tensor;
/// let loss = criterion_function(L1Loss::default());
/// assert_eq!(loss(&Tensor::from([1.0, 5.0]), &Tensor::from([2.0, 2.0])).item::<f64>()?, 2.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct L1Loss {
    /// Mean by default.
    pub reduction: Reduction,
}

impl Criterion for L1Loss {
    type Input = Tensor;
    type Target = Tensor;
    /// `x - y`.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let off = x - target_like(self.name(), x, y);
        (self.reduction.apply(&off.abs()), off)
    }

    fn backward(&self, off: &Tensor, dl: &Tensor) -> Tensor {
        off.sign() * self.reduction.spread(dl.clone(), off)
    }
}

/// Huber's loss, of two tensors of one shape: with `d = x - y`, `d^2 / 2` where `|d| <= delta`, else
/// `delta (|d| - delta / 2)`.
///
/// Gradient: `dx = dl d` held between `-delta` and `delta`; over the number of elements for the mean.
///
/// PyTorch: `torch.nn.HuberLoss`. Torch: none. Source: Huber, "Robust Estimation of a Location Parameter", 1964.
///
/// ```
/// use retrograd::nn::{HuberLoss, Reduction, criterion_function};
/// use retrograd::Tensor;
/// let loss = criterion_function(HuberLoss { delta: 1.0, reduction: Reduction::None });
/// let each = loss(&Tensor::from([0.5, 3.0]), &Tensor::from([0.0, 0.0]));
/// assert_eq!(each.to_vec::<f64>()?, [0.125, 2.5]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HuberLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// Where squares become lines, above 0; 1 by default.
    pub delta: f64,
}

impl Default for HuberLoss {
    fn default() -> HuberLoss {
        HuberLoss { reduction: Reduction::Mean, delta: 1.0 }
    }
}

/// With `c` for `d` held between the bounds, both pieces of Huber's loss are `c (d - c / 2)`: nothing is squared that is
/// large, and the second derivative is right at 0 too.
fn huber(d: &Tensor, delta: f64) -> Tensor {
    let c = d.clamp(-delta, delta);
    &c * (d - &c * 0.5)
}

impl Criterion for HuberLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// `x - y`.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let off = x - target_like(self.name(), x, y);
        (self.reduction.apply(&huber(&off, self.delta)), off)
    }

    fn backward(&self, off: &Tensor, dl: &Tensor) -> Tensor {
        off.clamp(-self.delta, self.delta) * self.reduction.spread(dl.clone(), off)
    }
}

/// [`HuberLoss`] over `beta`, whose lines have slope 1: with `d = x - y`, `d^2 / (2 beta)` where `|d| <= beta`, else
/// `|d| - beta / 2`. For `beta` 0 it is [`L1Loss`].
///
/// Gradient: `dx = dl d / beta` held between -1 and 1; over the number of elements for the mean.
///
/// PyTorch: `torch.nn.SmoothL1Loss`. Torch: `nn.SmoothL1Criterion`. Source: Girshick, "Fast R-CNN", 2015, equation 3.
#[derive(Clone, Debug)]
pub struct SmoothL1Loss {
    /// Mean by default.
    pub reduction: Reduction,
    /// Where squares become lines, at least 0; 1 by default.
    pub beta: f64,
}

impl Default for SmoothL1Loss {
    fn default() -> SmoothL1Loss {
        SmoothL1Loss { reduction: Reduction::Mean, beta: 1.0 }
    }
}

impl Criterion for SmoothL1Loss {
    type Input = Tensor;
    type Target = Tensor;
    /// `x - y`.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let off = x - target_like(self.name(), x, y);
        let each = match self.beta {
            0.0 => off.abs(),
            beta => huber(&off, beta) / beta,
        };
        (self.reduction.apply(&each), off)
    }

    fn backward(&self, off: &Tensor, dl: &Tensor) -> Tensor {
        let slope = match self.beta {
            0.0 => off.sign(),
            beta => off.clamp(-beta, beta) / beta,
        };
        slope * self.reduction.spread(dl.clone(), off)
    }
}

/// `weight (x - y)^2`, of two tensors of one shape and weights that broadcast to it.
///
/// Gradient: `dx = 2 weight (x - y) dl`, over the number of elements for the mean.
///
/// PyTorch: none. Torch: `nn.WeightedMSECriterion`, which multiplies the target instead of the square.
#[derive(Clone, Debug)]
pub struct WeightedMseLoss {
    /// Mean by default: the sum over the number of elements, whatever the weights.
    pub reduction: Reduction,
    /// What each square is multiplied by.
    pub weight: Tensor,
}

impl WeightedMseLoss {
    /// The mean with these weights.
    pub fn new(weight: Tensor) -> WeightedMseLoss {
        WeightedMseLoss { reduction: Reduction::Mean, weight }
    }
}

impl Criterion for WeightedMseLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// `x - y`.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let off = x - target_like(self.name(), x, y);
        (self.reduction.apply(&(off.square() * weight_for(&off, &self.weight))), off)
    }

    fn backward(&self, off: &Tensor, dl: &Tensor) -> Tensor {
        off * weight_for(off, &self.weight) * self.reduction.spread(dl * 2.0, off)
    }
}

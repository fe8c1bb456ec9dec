//! Probabilities of yes or no.

use super::pairs::{target_like, weight_for};
use retrograd::Tensor;
use retrograd::nn::{Criterion, Reduction};

/// Logarithms are held at this or more, as PyTorch's are.
const LEAST_LOGARITHM: f64 = -100.0;

/// `p (1 - p)` is held at this or more in the gradient, as PyTorch's is.
const LEAST_VARIANCE: f64 = 1e-12;

fn weighed(each: Tensor, weight: &Option<Tensor>) -> Tensor {
    match weight {
        Some(weight) => {
            let weight = weight_for(&each, weight);
            each * weight
        }
        None => each,
    }
}

/// The binary cross-entropy of probabilities: `-weight (y log p + (1 - y) log(1 - p))`, of two tensors of one shape.
///
/// Targets are probabilities too, or bools or integers 0 and 1. Logarithms are held above -100.
/// [`BceWithLogitsLoss`] is more accurate where probabilities come from a sigmoid.
///
/// Gradient: `dp = weight (p - y) / (p (1 - p)) dl`, with the denominator held above 1e-12; over the number of elements
/// for the mean.
///
/// PyTorch: `torch.nn.BCELoss`. Torch: `nn.BCECriterion`.
#[derive(Clone, Debug, Default)]
pub struct BceLoss {
    /// Mean by default: the sum over the number of elements, whatever the weights.
    pub reduction: Reduction,
    /// What each loss is multiplied by; it broadcasts to their shape. None by default.
    pub weight: Option<Tensor>,
}

impl Criterion for BceLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// Probabilities and targets.
    type Saved = (Tensor, Tensor);

    fn forward(&self, p: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), p, y);
        let (log_p, log_q) = (p.log().clamp_min(LEAST_LOGARITHM), (-p).log1p().clamp_min(LEAST_LOGARITHM));
        let each = -(&y * log_p + (1.0 - &y) * log_q);
        (self.reduction.apply(&weighed(each, &self.weight)), (p.clone(), y))
    }

    fn backward(&self, (p, y): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        let slope = (p - y) / (p * (1.0 - p)).clamp_min(LEAST_VARIANCE);
        weighed(slope, &self.weight) * self.reduction.spread(dl.clone(), p)
    }
}

/// The binary cross-entropy of scores (logits) with a probability for each, with `p = sigmoid(x)`:
/// `-weight (pos_weight y log p + (1 - y) log(1 - p))`, of two tensors of one shape.
///
/// Computed from the scores, so finite for scores of any size. Targets may be bools or integers 0 and 1.
///
/// Gradient: `dx = weight ((1 - y) p - pos_weight y (1 - p)) dl`, which is `(p - y) dl` without weights; over the number
/// of elements for the mean.
///
/// PyTorch: `torch.nn.BCEWithLogitsLoss`. Torch: `nn.Sigmoid` and `nn.BCECriterion`.
///
/// ```
/// use retrograd::nn::{BceWithLogitsLoss, criterion_function};
/// use retrograd::{Tensor, grad};
/// let loss = criterion_function(BceWithLogitsLoss::default());
/// let (dx, _) = grad(move |x: &Tensor, y: &Tensor| loss(x, y))
///     .call(&Tensor::from([0.0, 0.0]), &Tensor::from([true, false]))?;
/// assert_eq!(dx.to_vec::<f64>()?, [-0.25, 0.25]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BceWithLogitsLoss {
    /// Mean by default: the sum over the number of elements, whatever the weights.
    pub reduction: Reduction,
    /// What each loss is multiplied by; it broadcasts to their shape. None by default.
    pub weight: Option<Tensor>,
    /// What the part of `y` is multiplied by, so that rare positives count; it broadcasts. None by default.
    pub pos_weight: Option<Tensor>,
}

impl Criterion for BceWithLogitsLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// Scores, weighed targets and what targets lack to 1.
    type Saved = (Tensor, Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let no = 1.0 - &y;
        let yes = weighed(y, &self.pos_weight);
        // Not `softplus(x) - y x`, which cancels where the score is far on the right side.
        let each = &yes * (-x).softplus() + &no * x.softplus();
        (self.reduction.apply(&weighed(each, &self.weight)), (x.clone(), yes, no))
    }

    fn backward(&self, (x, yes, no): &(Tensor, Tensor, Tensor), dl: &Tensor) -> Tensor {
        let slope = no * x.sigmoid() - yes * (-x).sigmoid();
        weighed(slope, &self.weight) * self.reduction.spread(dl.clone(), x)
    }
}

/// `log(1 + exp(-y x))`, of two tensors of one shape, the targets -1 and 1.
///
/// Finite for scores of any size.
///
/// Gradient: `dx = -y sigmoid(-y x) dl`, over the number of elements for the mean.
///
/// PyTorch: `torch.nn.SoftMarginLoss`. Torch: `nn.SoftMarginCriterion`.
#[derive(Clone, Debug, Default)]
pub struct SoftMarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
}

impl Criterion for SoftMarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// `-y` and `-y x`.
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let sign = -target_like(self.name(), x, y);
        let against = x * &sign;
        (self.reduction.apply(&against.softplus()), (sign, against))
    }

    fn backward(&self, (sign, against): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        sign * against.sigmoid() * self.reduction.spread(dl.clone(), against)
    }
}

/// The binary cross-entropy of a row's scores, averaged over its classes, each of which is there (1) or not (0):
/// `-mean over c of weight[c] (y[c] log p[c] + (1 - y[c]) log(1 - p[c]))` with `p = sigmoid(x)`.
///
/// Scores and targets `[.., classes]`, weights `[classes]`; a loss for each row.
///
/// Gradient: `dx = weight (p - y) dl / classes`, over the number of rows for the mean.
///
/// PyTorch: `torch.nn.MultiLabelSoftMarginLoss`. Torch: `nn.MultiLabelSoftMarginCriterion`.
#[derive(Clone, Debug, Default)]
pub struct MultiLabelSoftMarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// A weight for each class. None by default.
    pub weight: Option<Tensor>,
}

impl Criterion for MultiLabelSoftMarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// Scores, targets and the losses of rows.
    type Saved = (Tensor, Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let each = &y * (-x).softplus() + (1.0 - &y) * x.softplus();
        let rows = weighed(each, &self.weight).mean_dim(-1);
        (self.reduction.apply(&rows), (x.clone(), y, rows))
    }

    fn backward(&self, (x, y, rows): &(Tensor, Tensor, Tensor), dl: &Tensor) -> Tensor {
        let dl = self.reduction.spread(dl.clone(), rows);
        let of_rows = if self.reduction == Reduction::None { dl.unsqueeze(-1) } else { dl };
        let classes = if x.error().is_some() { 1 } else { x.size(-1) };
        weighed(x.sigmoid() - y, &self.weight) * of_rows / classes as f64
    }
}

//! Losses that end where a margin is kept.

use super::pairs::{fitting, from_the_first, of_one_shape, target_like, weight_for};
use retrograd::nn::{Criterion, Reduction};
use retrograd::{Error, ErrorKind, Tensor};

/// `max(0, margin - y (a - b))`: the first of two numbers ranks above the second where `y` is 1, below it where -1. All
/// of one shape.
///
/// Gradient: `da = -y dl` and `db = y dl` where the margin is not kept, else 0; over the number of elements for the mean.
///
/// PyTorch: `torch.nn.MarginRankingLoss`. Torch: `nn.MarginRankingCriterion`.
#[derive(Clone, Debug, Default)]
pub struct MarginRankingLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// How far apart they are to be; 0 by default.
    pub margin: f64,
}

/// One where the hinge is open, of the hinge's dtype.
fn open(hinge: &Tensor) -> Tensor {
    // The sign of what relu leaves.
    hinge.relu().sign()
}

impl Criterion for MarginRankingLoss {
    /// The two that are ranked.
    type Input = (Tensor, Tensor);
    type Target = Tensor;
    /// What is missing to the margin, and the target.
    type Saved = (Tensor, Tensor);

    fn forward(&self, (a, b): &(Tensor, Tensor), y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), a, y);
        let missing = self.margin - &y * (a - target_like(self.name(), a, b));
        (self.reduction.apply(&missing.relu()), (missing, y))
    }

    fn backward(&self, (missing, y): &(Tensor, Tensor), dl: &Tensor) -> (Tensor, Tensor) {
        let db = y * open(missing) * self.reduction.spread(dl.clone(), missing);
        (-&db, db)
    }
}

/// `x` where `y` is 1, `max(0, margin - x)` where it is -1: of distances, small between what is alike. Of two tensors of
/// one shape.
///
/// Gradient: `dx = dl` where `y` is 1, `-dl` where it is -1 and the margin is not kept, else 0; over the number of
/// elements for the mean.
///
/// PyTorch: `torch.nn.HingeEmbeddingLoss`. Torch: `nn.HingeEmbeddingCriterion`.
#[derive(Clone, Debug)]
pub struct HingeEmbeddingLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// How far apart the others are to be; 1 by default.
    pub margin: f64,
}

impl Default for HingeEmbeddingLoss {
    fn default() -> HingeEmbeddingLoss {
        HingeEmbeddingLoss { reduction: Reduction::Mean, margin: 1.0 }
    }
}

impl Criterion for HingeEmbeddingLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// What is missing to the margin, and the target.
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let missing = self.margin - x;
        // As PyTorch has it, a target that is neither adds both.
        let each = y.ne(-1.0).where_(x, 0.0) + y.ne(1.0).where_(missing.relu(), 0.0);
        (self.reduction.apply(&each), (missing, y))
    }

    fn backward(&self, (missing, y): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        let slope = y.ne(-1.0).where_(y.ones_like(), 0.0) - y.ne(1.0).where_(open(missing), 0.0);
        slope * self.reduction.spread(dl.clone(), missing)
    }
}

/// `max(0, margin - y x)`, of two tensors of one shape, the targets -1 and 1: the hinge of support vector machines.
///
/// Gradient: `dx = -y dl` where the margin is not kept, else 0; over the number of elements for the mean.
///
/// PyTorch: none. Torch: `nn.MarginCriterion`.
///
/// ```
/// use retrograd::nn::{MarginLoss, criterion_function};
/// use retrograd::{Tensor, grad};
/// let loss = criterion_function(MarginLoss::default());
/// let d = grad(|x: &Tensor| loss(x, &Tensor::from([1.0, 1.0, -1.0, -1.0])));
/// let (dx, value) = d.call(&Tensor::from([3.0, 0.5, 0.5, -3.0]), ())?;
/// assert_eq!((value.item::<f64>()?, dx.to_vec::<f64>()?), (0.5, vec![0.0, -0.25, 0.25, 0.0]));
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// How far on the right side of 0 a score is to be; 1 by default.
    pub margin: f64,
}

impl Default for MarginLoss {
    fn default() -> MarginLoss {
        MarginLoss { reduction: Reduction::Mean, margin: 1.0 }
    }
}

impl Criterion for MarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// What is missing to the margin, and the target.
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let missing = self.margin - &y * x;
        (self.reduction.apply(&missing.relu()), (missing, y))
    }

    fn backward(&self, (missing, y): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        -(y * open(missing)) * self.reduction.spread(dl.clone(), missing)
    }
}

/// `mean over j of weight[y] max(0, margin - x[y] + x[j])^p`, where `j` is every class but the right one `y` and the mean
/// is over the number of all classes.
///
/// Scores `[n, classes]` or `[classes]`, class numbers (integers) `[n]` or `[]`, weights `[classes]`; a loss for each
/// row.
///
/// Gradient: with `m` for the parts of which the power is taken, `dx[j] = p weight[y] m[j]^(p - 1) dl / classes` where
/// `m[j]` is above 0, `dx[y]` the negative of their sum; over the number of rows for the mean.
///
/// PyTorch: `torch.nn.MultiMarginLoss`. Torch: `nn.MultiMarginCriterion`.
#[derive(Clone, Debug)]
pub struct MultiMarginLoss {
    /// Mean by default, over the number of rows whatever the weights.
    pub reduction: Reduction,
    /// The power, 1 (by default) or 2.
    pub p: MarginPower,
    /// How far the right class is to be above all others; 1 by default.
    pub margin: f64,
    /// A weight for each class. None by default.
    pub weight: Option<Tensor>,
}

/// The power of a hinge in [`MultiMarginLoss`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MarginPower {
    /// The hinge itself.
    #[default]
    One,
    /// Its square.
    Two,
}

impl Default for MultiMarginLoss {
    fn default() -> MultiMarginLoss {
        MultiMarginLoss { reduction: Reduction::Mean, p: MarginPower::One, margin: 1.0, weight: None }
    }
}

/// The cotangents of rows beside their elements.
fn of_rows(reduction: Reduction, dl: &Tensor, rows: &Tensor) -> Tensor {
    let dl = reduction.spread(dl.clone(), rows);
    if reduction == Reduction::None { dl.unsqueeze(-1) } else { dl }
}

/// Class numbers of rows with a last axis of length 1, or what is wrong with them.
fn classes_of(criterion: &'static str, x: &Tensor, y: &Tensor) -> Tensor {
    if let Some(invalid) = [x, y].into_iter().find(|x| x.error().is_some()) {
        return invalid.clone();
    }
    let (shape, got) = (x.shape().to_vec(), y.shape().to_vec());
    let rows = matches!(shape.len(), 1 | 2) && got == shape[..shape.len() - 1];
    if !rows || y.dtype().is_float() {
        let message = format!(
            "for scores [n, classes] or [classes] of shape {}, a class number for each row is needed, \
             got {} {}",
            x.shape(),
            y.dtype(),
            y.shape()
        );
        return Error::new(ErrorKind::Shape, message).refuse(criterion, &[x, y]);
    }
    from_the_first(&y.i64(), shape[shape.len() - 1]).unsqueeze(-1)
}

impl Criterion for MultiMarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// What is missing to the margin, 0 at the right class; the classes `[.., 1]`; weights of the rows over the number of
    /// classes `[.., 1]`; the losses of rows.
    type Saved = (Tensor, Tensor, Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Self::Saved) {
        let y = classes_of(self.name(), x, y);
        let own = x.gather(-1, &y);
        let count = if x.error().is_some() { 1 } else { x.size(-1) };
        let is_own = y.eq(Tensor::arange(count as i64));
        let missing = is_own.where_(0.0, (x - &own + self.margin).relu());
        let weight = match &self.weight {
            Some(weight) => weight_for(x, weight).take(&y) / count as f64,
            None => own.full_like(1.0 / count as f64),
        };
        let power = if self.p == MarginPower::One { missing.clone() } else { missing.square() };
        let rows = (power * &weight).sum_dim(-1);
        (self.reduction.apply(&rows), (missing, y, weight, rows))
    }

    fn backward(&self, (missing, y, weight, rows): &Self::Saved, dl: &Tensor) -> Tensor {
        let slope = match self.p {
            MarginPower::One => missing.sign(),
            MarginPower::Two => missing * 2.0,
        };
        let others = slope * (weight * of_rows(self.reduction, dl, rows));
        let own = -others.sum_keepdim(-1);
        others.scatter_add(-1, y, &own)
    }
}

/// `mean over i and j of max(0, 1 - x[i] + x[j])`, where `i` is every class of the row and `j` every other one, and the
/// mean is over the number of all classes.
///
/// Scores `[n, classes]` or `[classes]`; targets of the same shape, integers, the classes of each row and after them -1:
/// what comes after the first -1 is not read. A loss for each row.
///
/// Gradient: for each pair where the margin is not kept, `dx[i] = -dl / classes` and `dx[j] = dl / classes`; over the
/// number of rows for the mean.
///
/// PyTorch: `torch.nn.MultiLabelMarginLoss`. Torch: `nn.MultiLabelMarginCriterion`.
#[derive(Clone, Debug, Default)]
pub struct MultiLabelMarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
}

impl MultiLabelMarginLoss {
    /// How often each class is among the row's: `[.., classes]`.
    fn counts(&self, x: &Tensor, y: &Tensor) -> Tensor {
        let y = of_one_shape(self.name(), x, y).i64();
        let ended = y.lt(0).i64().cumsum(-1).gt(0);
        let number = ended.where_(0, &y);
        let one = ended.where_(0.0, x.ones_like());
        x.zeros_like().scatter_add(-1, &number, &one)
    }
}

impl Criterion for MultiLabelMarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// What is missing to the margin for each pair `[.., i, j]`; how often a pair counts, over the number of classes; the
    /// losses of rows.
    type Saved = (Tensor, Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Self::Saved) {
        let x = fitting(
            x,
            self.name(),
            |shape| matches!(shape.len(), 1 | 2),
            || "[n, classes] or [classes]".to_owned(),
        );
        let counts = self.counts(&x, y);
        let others = counts.eq(0.0).where_(counts.ones_like(), 0.0);
        let classes = if x.error().is_some() { 1 } else { x.size(-1) };
        let pairs = counts.unsqueeze(-1) * others.unsqueeze(-2) / classes as f64;
        let missing = 1.0 - x.unsqueeze(-1) + x.unsqueeze(-2);
        let rows = (missing.relu() * &pairs).sum_dim([-2, -1]);
        (self.reduction.apply(&rows), (missing, pairs, rows))
    }

    fn backward(&self, (missing, pairs, rows): &Self::Saved, dl: &Tensor) -> Tensor {
        let slope = open(missing) * pairs;
        (slope.sum_dim(-2) - slope.sum_dim(-1)) * of_rows(self.reduction, dl, rows)
    }
}

//! Likelihoods of classes.

use super::pairs::{from_the_first, weight_for};
use retrograd::nn::{Criterion, Reduction};
use retrograd::{Error, ErrorKind, Tensor, Tree};

/// The class number that PyTorch leaves out unless told otherwise.
const IGNORED: i64 = -100;

/// Right classes, made ready to be looked up in scores.
#[derive(Clone, Debug, Tree)]
pub struct Classes {
    /// Class numbers, with an axis of length 1 for the classes; 0 for examples that are left out.
    pub number: Tensor,
    /// The weight of each example, without that axis; 0 for examples that are left out.
    pub weight: Tensor,
    /// Where examples count, without that axis.
    pub counts: Tensor,
}

/// The axis of classes: 1, or of one example's scores 0.
fn class_axis(scores: &Tensor) -> isize {
    if scores.error().is_none() && scores.rank() == 1 { 0 } else { 1 }
}

/// As many axes of length 1 after the classes' as the scores have.
fn along_classes(vector: &Tensor, scores: &Tensor) -> Tensor {
    let after = if scores.error().is_some() { 0 } else { scores.rank().saturating_sub(2) };
    (0..after).fold(weight_for(scores, vector), |vector, _| vector.unsqueeze(-1))
}

/// The length of that axis; 1 where there is none.
fn classes_in(scores: &Tensor) -> usize {
    if scores.error().is_some() || scores.rank() == 0 { 1 } else { scores.size(class_axis(scores)) }
}

/// Whether this is a tensor of probabilities, rather than of class numbers.
fn is_distribution(target: &Tensor) -> bool {
    target.error().is_none() && target.dtype().is_float()
}

impl Classes {
    /// The target of a criterion over `scores`, `[n, classes, ..]` or `[classes]`.
    fn of(
        criterion: &'static str,
        scores: &Tensor,
        target: &Tensor,
        ignored: i64,
        weight: &Option<Tensor>,
    ) -> Classes {
        let target = checked(criterion, scores, target);
        let counts = target.ne(ignored);
        let number = from_the_first(&counts.where_(&target, 0), classes_in(scores));
        let weight = match weight {
            Some(weight) => counts.where_(weight_for(scores, weight).take(&number), 0.0),
            None if scores.error().is_some() => scores.clone(),
            None => counts.to_dtype(scores.dtype()),
        };
        Classes { number: number.unsqueeze(class_axis(scores)), weight, counts }
    }

    /// The elements of the right classes, times the weights; 0 of examples that are left out, whatever theirs are.
    fn picked(&self, scores: &Tensor) -> Tensor {
        let axis = class_axis(scores);
        self.counts.where_(scores.gather(axis, &self.number).squeeze(axis) * &self.weight, 0.0)
    }

    /// One loss of those of the examples: the mean is weighted.
    fn reduced(&self, reduction: Reduction, each: &Tensor) -> Tensor {
        match reduction {
            Reduction::None => each.clone(),
            Reduction::Sum => each.sum(),
            Reduction::Mean => (each.widened().sum() / self.total()).type_as(each),
        }
    }

    /// The cotangent of each example's loss, given that of the whole; 0 of examples that are left out, even where all
    /// are and the mean is NaN.
    fn spread(&self, reduction: Reduction, dl: &Tensor) -> Tensor {
        let dl = match reduction {
            Reduction::None | Reduction::Sum => dl.clone(),
            Reduction::Mean => (dl.widened() / self.total()).type_as(dl),
        };
        self.counts.where_(dl, 0.0)
    }

    /// What a mean is divided by: the sum of weights, in f32 where they have 16 bits.
    fn total(&self) -> Tensor {
        self.weight.widened().sum()
    }

    /// Zeros like the scores, with what belongs to an example added at its class.
    fn scattered(&self, like: &Tensor, each: &Tensor) -> Tensor {
        let axis = class_axis(like);
        like.zeros_like().scatter_add(axis, &self.number, &each.unsqueeze(axis))
    }
}

/// Class numbers for scores, or what is wrong with them.
fn checked(criterion: &'static str, scores: &Tensor, target: &Tensor) -> Tensor {
    if let Some(invalid) = [scores, target].into_iter().find(|x| x.error().is_some()) {
        return invalid.clone();
    }
    let (shape, got) = (scores.shape().to_vec(), target.shape().to_vec());
    let mut expected = shape.clone();
    if !shape.is_empty() {
        expected.remove(class_axis(scores) as usize);
    }
    if shape.is_empty() || target.dtype().is_float() || got != expected {
        let message = format!(
            "for scores [n, classes, ..] or [classes] of shape {}, class numbers of shape {expected:?} \
             are needed, got {} {}",
            scores.shape(),
            target.dtype(),
            target.shape()
        );
        return Error::new(ErrorKind::Shape, message).refuse(criterion, &[scores, target]);
    }
    target.i64()
}

/// `-weight[y] x[y]`: the negative log-likelihood of the right class, given log-probabilities.
///
/// Log-probabilities `[n, classes, ..]` or `[classes]`, class numbers (integers) of that shape without the classes. The
/// mean is weighted: the sum over the weights' sum (NaN if all examples are left out, as PyTorch's).
///
/// Gradient: `dx = -weight[y] dl` at the right class, over the weights' sum for the mean; 0 elsewhere.
///
/// PyTorch: `torch.nn.NLLLoss`. Torch: `nn.ClassNLLCriterion`, `nn.SpatialClassNLLCriterion`.
///
/// # Errors
/// As an invalid tensor: a target of another shape, or of floats; a class number that is none, as an error of the data.
#[derive(Clone, Debug)]
pub struct NllLoss {
    /// Mean by default, weighted where there are weights.
    pub reduction: Reduction,
    /// A weight for each class `[classes]`. None by default.
    pub weight: Option<Tensor>,
    /// The target of examples that are left out; -100 by default.
    pub ignore_index: i64,
}

impl Default for NllLoss {
    fn default() -> NllLoss {
        NllLoss { reduction: Reduction::Mean, weight: None, ignore_index: IGNORED }
    }
}

impl Criterion for NllLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// A tensor of the scores' shape, and the classes.
    type Saved = (Tensor, Classes);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Classes)) {
        let classes = Classes::of(self.name(), x, y, self.ignore_index, &self.weight);
        let each = -classes.picked(x);
        (classes.reduced(self.reduction, &each), (x.zeros_like(), classes))
    }

    fn backward(&self, (like, classes): &(Tensor, Classes), dl: &Tensor) -> Tensor {
        let each = -classes.spread(self.reduction, dl) * &classes.weight;
        classes.scattered(like, &each)
    }
}

/// The cross-entropy of scores with classes, `-weight[y] log softmax(x)[y]`, or with probabilities `p`,
/// `-sum over c of weight[c] p[c] log softmax(x)[c]`.
///
/// Scores `[n, classes, ..]` or `[classes]`. The target's dtype says what it is: class numbers (integers) of that shape
/// without the classes, or probabilities (floats) of that shape. With label smoothing a part of the target is spread
/// evenly over all classes: `p = (1 - label_smoothing) p + label_smoothing / classes`. The mean over class numbers is
/// weighted: the sum over the sum of the right classes' weights (NaN if all examples are left out, as PyTorch's); over
/// probabilities it is over the number of examples.
///
/// Gradient: with `q = weight p`, `dx = (softmax(x) sum(q) - q) dl`, over the denominator of the mean.
///
/// PyTorch: `torch.nn.CrossEntropyLoss`. Torch: `nn.CrossEntropyCriterion`, `nn.SpatialCrossEntropyCriterion`.
///
/// # Errors
/// As an invalid tensor: a target of another shape; a class number that is none, as an error of the data.
///
/// ```
/// use retrograd::nn::{CrossEntropyLoss, criterion_function};
/// use retrograd::Tensor;
/// let loss = criterion_function(CrossEntropyLoss::default());
/// let scores = Tensor::from([[0.0, 0.0], [0.0, 0.0]]);
/// let by_number = loss(&scores, &Tensor::from([1i64, 0]));
/// let by_probability = loss(&scores, &Tensor::from([[0.0, 1.0], [1.0, 0.0]]));
/// assert_eq!(by_number.item::<f64>()?, 2f64.ln());
/// assert_eq!(by_probability.item::<f64>()?, 2f64.ln());
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossEntropyLoss {
    /// Mean by default, weighted where there are weights.
    pub reduction: Reduction,
    /// A weight for each class `[classes]`. None by default.
    pub weight: Option<Tensor>,
    /// The class number of examples that are left out; -100 by default.
    pub ignore_index: i64,
    /// The part of the target that is spread over all classes, from 0 (by default) to 1.
    pub label_smoothing: f64,
}

impl Default for CrossEntropyLoss {
    fn default() -> CrossEntropyLoss {
        CrossEntropyLoss {
            reduction: Reduction::Mean,
            weight: None,
            ignore_index: IGNORED,
            label_smoothing: 0.0,
        }
    }
}

/// What [`CrossEntropyLoss`] keeps for its `backward`: log-probabilities, and the target.
#[derive(Clone, Debug, Tree)]
pub enum CrossEntropySaved {
    /// Of class numbers.
    Classes(Tensor, Classes),
    /// Of probabilities, which are weighed and smoothed.
    Probabilities(Tensor, Tensor),
}

impl CrossEntropyLoss {
    /// What smoothing adds to a target: a part of the classes' weights, over their number; it broadcasts to the scores.
    fn evenly(&self, scores: &Tensor) -> Tensor {
        if scores.error().is_some() {
            return scores.clone();
        }
        let part = self.label_smoothing / scores.size(class_axis(scores)) as f64;
        match &self.weight {
            Some(weight) => along_classes(weight, scores) * part,
            None => scores.full_like(part),
        }
    }

    fn with_classes(&self, log_p: Tensor, y: &Tensor) -> (Tensor, CrossEntropySaved) {
        let classes = Classes::of(self.name(), &log_p, y, self.ignore_index, &self.weight);
        let mut each = -classes.picked(&log_p);
        if self.label_smoothing > 0.0 {
            let even = -(&log_p * self.evenly(&log_p)).sum_dim(class_axis(&log_p));
            each = each * (1.0 - self.label_smoothing) + classes.counts.where_(even, 0.0);
        }
        (classes.reduced(self.reduction, &each), CrossEntropySaved::Classes(log_p, classes))
    }

    fn pull_classes(&self, log_p: &Tensor, classes: &Classes, dl: &Tensor) -> Tensor {
        let axis = class_axis(log_p);
        let dl = classes.spread(self.reduction, dl);
        let own = &classes.weight * (1.0 - self.label_smoothing) * &dl;
        if self.label_smoothing == 0.0 {
            return log_p.exp() * own.unsqueeze(axis) - classes.scattered(log_p, &own);
        }
        let even = self.evenly(log_p) * log_p.ones_like();
        let total = own.unsqueeze(axis) + dl.unsqueeze(axis) * even.sum_keepdim(axis);
        log_p.exp() * total - classes.scattered(log_p, &own) - even * dl.unsqueeze(axis)
    }

    fn with_probabilities(&self, log_p: Tensor, p: &Tensor) -> (Tensor, CrossEntropySaved) {
        let p = super::pairs::target_like(self.name(), &log_p, p);
        let mut q = match &self.weight {
            Some(weight) => p * along_classes(weight, &log_p),
            None => p,
        };
        if self.label_smoothing > 0.0 {
            q = q * (1.0 - self.label_smoothing) + self.evenly(&log_p);
        }
        let each = -(&q * &log_p).sum_dim(class_axis(&log_p));
        (self.reduction.apply(&each), CrossEntropySaved::Probabilities(log_p, q))
    }
}

impl Criterion for CrossEntropyLoss {
    type Input = Tensor;
    type Target = Tensor;
    type Saved = CrossEntropySaved;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, CrossEntropySaved) {
        let log_p = x.log_softmax(class_axis(x));
        match is_distribution(y) {
            true => self.with_probabilities(log_p, y),
            false => self.with_classes(log_p, y),
        }
    }

    fn backward(&self, saved: &CrossEntropySaved, dl: &Tensor) -> Tensor {
        match saved {
            CrossEntropySaved::Classes(log_p, classes) => self.pull_classes(log_p, classes, dl),
            CrossEntropySaved::Probabilities(log_p, q) => {
                let axis = class_axis(log_p);
                let total = q.sum_keepdim(axis);
                let slope = log_p.exp() * &total - q;
                let dl = self.reduction.spread(dl.clone(), &total);
                slope * if self.reduction == Reduction::None { dl.unsqueeze(axis) } else { dl }
            }
        }
    }
}

//! Losses of a network's output, as functions that Torch's autograd had (`autograd.loss`).
//!
//! Each adds up over all examples and classes, and those that take a network's raw output return what it predicts
//! besides, so that `|p, x, y| loss::cross_entropy(&net(p, x), y)` is a function that [`grad`](crate::grad) takes: the
//! gradient is that of the loss, and the prediction comes back with it. [`each`] has the same losses before they are
//! added up, to be weighted or averaged: `loss::each::huber(&x, &y, 1.0).mean()`.
//!
//! | loss | of | the target | returns |
//! |---|---|---|---|
//! | [`cross_entropy`] | scores of classes | class numbers, or rows of probabilities | loss, log-probabilities |
//! | [`binary_entropy`] | scores (logits) | a probability for each | loss, probabilities |
//! | [`least_squares`] | numbers | numbers | loss, the numbers |
//! | [`huber`] | numbers | numbers | loss, the numbers |
//! | [`margin`] | scores | class numbers, or 0 and 1 for each | loss, the scores |
//! | [`log_multinomial`] | log-probabilities | class numbers, or rows of probabilities | loss |
//! | [`log_bce`] | probabilities | a probability for each | loss |
//!
//! What is compared has one shape (nothing broadcasts, since a target of shape `[n, 1]` beside outputs of shape `[n]`
//! is a mistake that would go unseen) and one dtype, any floating-point one; targets may be integers or bool too. Axes
//! before the classes are examples, as many as there are. Targets are differentiated like any argument.
//!
//! ```
//! use retrograd::{Tensor, grad, loss};
//!
//! let network = |w: &Tensor, x: &Tensor, class: &Tensor| loss::cross_entropy(&x.matmul(w), class);
//! let (w, x) = (Tensor::zeros([2, 3]), Tensor::from([[1f32, 2.0]]));
//! let (dw, (loss, prediction)) = grad(network).call(&w, (&x, &Tensor::from([2i64])))?;
//! assert!((loss.item::<f64>()? - 3f64.ln()).abs() < 1e-6);
//! assert_eq!(prediction.shape().to_vec(), [1, 3]);
//! assert!(dw.at((1, 2)).item::<f32>()? < 0.0); // more of the right class
//! # Ok::<(), retrograd::Error>(())
//! ```

pub mod each;
mod target;

use retrograd::Tensor;

/// The cross-entropy of scores `[.., classes]` with a target, and the log-probabilities that the scores stand for:
/// `-sum(target * log_softmax(scores))`, `log_softmax(scores)`.
///
/// The target is class numbers (integers) `[..]`, where negative ones count from the last class, or a probability for
/// each score. Finite for scores of any size. A class of score -inf that has no share in the target adds nothing.
///
/// Gradient: `dscores = dy * (softmax(scores) * t - target)`, where `t` is the sum of a row of the target, 1 for class
/// numbers; `dtarget = -dy * log_softmax(scores)`.
///
/// Torch: `autograd.loss.crossEntropy`. PyTorch: `torch.nn.functional.cross_entropy(reduction="sum")`, whose classes
/// are in axis 1. [`Tensor::cross_entropy`] is the mean over class numbers.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let scores = Tensor::from([[0.0, 0.0], [1e4, -1e4]]);
/// let (by_number, log_p) = loss::cross_entropy(&scores, &Tensor::from([1i64, 0]));
/// let (by_rows, _) = loss::cross_entropy(&scores, &Tensor::from([[0.0, 1.0], [1.0, 0.0]]));
/// assert_eq!(by_number.item::<f64>()?, 2f64.ln());
/// assert_eq!(by_rows.item::<f64>()?, 2f64.ln());
/// assert_eq!(log_p.at((1, 1)).item::<f64>()?, -2e4);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy(scores: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
    match each::with_log_probabilities(scores, target) {
        Ok((losses, log_probabilities)) => (losses.sum(), log_probabilities),
        Err(invalid) => (invalid.clone(), invalid),
    }
}

/// The binary cross-entropy of scores (logits) of any shape with a probability for each, and the probabilities
/// `p = sigmoid(scores)`: `-sum(target * log(p) + (1 - target) * log(1 - p))`, `p`.
///
/// Computed from the scores, not from `p`, so finite for scores of any size, and exact where `p` rounds to 0 or 1.
/// (Torch's moved `p` away from both by 1e-6.) The target may be bool or integers.
///
/// Gradient: `dscores = dy * (p - target)`, `dtarget = -dy * scores`.
///
/// Torch: `autograd.loss.binaryCrossEntropy`. PyTorch:
/// `torch.nn.functional.binary_cross_entropy_with_logits(reduction="sum")`.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let (loss, p) = loss::binary_entropy(&Tensor::from([0.0, 1e4]), &Tensor::from([true, false]));
/// assert_eq!(loss.item::<f64>()?, 1e4 + 2f64.ln());
/// assert_eq!(p.to_vec::<f64>()?, [0.5, 1.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn binary_entropy(scores: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
    let losses = each::binary_entropy(scores, target);
    match losses.error() {
        None => (losses.sum(), scores.sigmoid()),
        Some(_) => (losses.clone(), losses),
    }
}

/// The sum of the squared differences of two tensors of one shape, and the first of them, as the prediction:
/// `sum((output - target)^2)`, `output`.
///
/// Gradient: `doutput = 2 * dy * (output - target)`, `dtarget = -doutput`.
///
/// Torch: `autograd.loss.leastSquares`. PyTorch: `torch.nn.functional.mse_loss(reduction="sum")`.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let (loss, _) = loss::least_squares(&Tensor::from([1.0, 5.0]), &Tensor::from([3.0, 4.0]));
/// assert_eq!(loss.item::<f64>()?, 5.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn least_squares(output: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
    beside(each::least_squares(output, target), output)
}

/// The sum of Huber's loss of the differences `d` of two tensors of one shape, and the first of them, as the
/// prediction: `d^2 / 2` where `|d| <= delta`, `delta * (|d| - delta / 2)` elsewhere.
///
/// Squares near zero and lines far out: outliers count less than with [`least_squares`].
///
/// Gradient: `doutput = dy * clamp(d, -delta, delta)`, `dtarget = -doutput`.
///
/// Source: Huber, "Robust Estimation of a Location Parameter" (1964). PyTorch:
/// `torch.nn.functional.huber_loss(reduction="sum")`.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit, or `delta` is not above 0.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let (loss, _) = loss::huber(&Tensor::from([0.5, 4.0]), &Tensor::from([0.0, 0.0]), 1.0);
/// assert_eq!(loss.item::<f64>()?, 0.125 + 3.5);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn huber(output: &Tensor, target: &Tensor, delta: f64) -> (Tensor, Tensor) {
    beside(each::huber(output, target, delta), output)
}

/// How far scores `[.., n]` are from putting what belongs above what does not, by a margin, and the scores, as the
/// prediction: the sum of `max(0, margin - scores[i] + scores[j])` over all pairs of an `i` of target 1 and a `j` of
/// target 0, in each row.
///
/// The target is 0 or 1 for each score (others take no part), or the one number `i` (integers `[..]`) for each row:
/// then it is the multi-class hinge loss. It takes memory for `n^2` numbers a row in the first case. Torch's compared
/// the elements of all rows with each other: [`Tensor::ravel`] both for that. Its `margin` was 1 if not given.
///
/// Gradient: for each pair with `margin - scores[i] + scores[j] > 0`, `-dy` to `scores[i]` and `dy` to `scores[j]`;
/// zero at the kink. None for the target.
///
/// Torch: `autograd.loss.margin`. PyTorch: for numbers, `n` times `torch.nn.functional.multi_margin_loss`.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let scores = Tensor::from([2.0, 0.5, 1.5]);
/// let (ranking, _) = loss::margin(&scores, &Tensor::from([1, 1, 0]), 1.0);
/// assert_eq!(ranking.item::<f64>()?, 0.5 + 2.0);
/// let (class, _) = loss::margin(&scores, &Tensor::from(0i64), 1.0);
/// assert_eq!(class.item::<f64>()?, 0.5);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn margin(scores: &Tensor, target: &Tensor, margin: f64) -> (Tensor, Tensor) {
    beside(each::margin(scores, target, margin), scores)
}

/// The negative log-likelihood of a target under log-probabilities `[.., classes]`:
/// `-sum(target * log_probabilities)`.
///
/// The target is class numbers (integers) `[..]`, where negative ones count from the last class, or a probability for
/// each. A log-probability of -inf that has no share in the target adds nothing.
///
/// Gradient: `dlog_probabilities = -dy * target`, `dtarget = -dy * log_probabilities`.
///
/// Torch: `autograd.loss.logMultinomialLoss`. PyTorch: for numbers, `torch.nn.functional.nll_loss(reduction="sum")`.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let log_p = Tensor::from([[0.25, 0.75]]).log();
/// assert_eq!(loss::log_multinomial(&log_p, &Tensor::from([0i64])).item::<f64>()?, 4f64.ln());
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn log_multinomial(log_probabilities: &Tensor, target: &Tensor) -> Tensor {
    each::log_multinomial(log_probabilities, target).sum()
}

/// The binary cross-entropy of probabilities of any shape with a target for each:
/// `-sum(target * log(p) + (1 - target) * log(1 - p))`.
///
/// `epsilon` moves the probabilities into `[epsilon, 1 - epsilon]` first, by `p * (1 - 2 epsilon) + epsilon`; 0 takes
/// them as they are. Either way logarithms are held at -100 or more, so that a sure mistake costs 100, not infinity. Of
/// scores, [`binary_entropy`] is exact where this one can only hold.
///
/// Gradient: `dp = dy * (p - target) / (p * (1 - p))`, without the part of a logarithm that is held;
/// `dtarget = dy * (log(1 - p) - log(p))`.
///
/// Torch: `autograd.loss.logBCELoss`, whose third argument was added to the probabilities. PyTorch:
/// `torch.nn.functional.binary_cross_entropy(reduction="sum")`, which holds logarithms at -100 too.
///
/// # Errors
/// As an invalid tensor, if shapes or dtypes do not fit, or `epsilon` is not from 0 on and below 1/2. Probabilities
/// below 0 or above 1 give NaN.
///
/// ```
/// use retrograd::{Tensor, loss};
///
/// let p = Tensor::from([0.5, 1.0]);
/// assert_eq!(loss::log_bce(&p, &Tensor::from([1, 1]), 0.0).item::<f64>()?, 2f64.ln());
/// assert_eq!(loss::log_bce(&p, &Tensor::from([1, 0]), 0.0).item::<f64>()?, 2f64.ln() + 100.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn log_bce(probabilities: &Tensor, target: &Tensor, epsilon: f64) -> Tensor {
    each::log_bce(probabilities, target, epsilon).sum()
}

/// Losses added up, beside the prediction, which is invalid if they are.
#[track_caller]
fn beside(losses: Tensor, prediction: &Tensor) -> (Tensor, Tensor) {
    match losses.error() {
        None => (losses.sum(), prediction.clone()),
        Some(_) => (losses.clone(), losses),
    }
}

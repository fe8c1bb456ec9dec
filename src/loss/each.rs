//! The losses of [`loss`](super) before they are added up: one for each example, or for each element.
//!
//! Shapes, dtypes, targets, gradients and errors are as there. An average over the examples, as PyTorch has it by
//! default, is `.mean()` of these.
//!
//! ```
//! use retrograd::{Tensor, loss};
//!
//! let (scores, classes) = (Tensor::randn([5, 3]), Tensor::from([0i64, 2, 1, 1, 0]));
//! let weight = Tensor::from([1f32, 1.0, 2.0]).index_select(0, &classes);
//! let mean = (loss::each::cross_entropy(&scores, &classes) * &weight).sum() / weight.sum();
//! assert!(mean.item::<f32>()? > 0.0);
//! # Ok::<(), retrograd::Error>(())
//! ```

use retrograd::{Error, ErrorKind, Tensor};

use super::target::{Target, elements};

/// Cross-entropies `[..]` of scores `[.., classes]`: [`super::cross_entropy`] of each row.
#[track_caller]
pub fn cross_entropy(scores: &Tensor, target: &Tensor) -> Tensor {
    match with_log_probabilities(scores, target) {
        Ok((losses, _)) => losses,
        Err(invalid) => invalid,
    }
}

/// The cross-entropies of the rows, and the log-probabilities.
#[track_caller]
pub(super) fn with_log_probabilities(scores: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor), Tensor> {
    let target = Target::of("cross_entropy", scores, target)?;
    let log_probabilities = scores.log_softmax(-1);
    Ok((target.surprise(&log_probabilities), log_probabilities))
}

/// Negative log-likelihoods `[..]` under log-probabilities `[.., classes]`: [`super::log_multinomial`] of each row.
#[track_caller]
pub fn log_multinomial(log_probabilities: &Tensor, target: &Tensor) -> Tensor {
    match Target::of("log_multinomial", log_probabilities, target) {
        Ok(target) => target.surprise(log_probabilities),
        Err(invalid) => invalid,
    }
}

/// The binary cross-entropy of each score: [`super::binary_entropy`] before the sum.
#[track_caller]
pub fn binary_entropy(scores: &Tensor, target: &Tensor) -> Tensor {
    let target = match elements("binary_entropy", scores, target) {
        Ok(target) => target,
        Err(invalid) => return invalid,
    };
    // Not `softplus(x) - target * x`, which cancels where the score is far on the right side.
    &target * (-scores).softplus() + (1.0 - &target) * scores.softplus()
}

/// Logarithms of probabilities are held at this or more, as in PyTorch's `BCELoss`.
const LEAST_LOGARITHM: f64 = -100.0;

/// The binary cross-entropy of each probability: [`super::log_bce`] before the sum.
#[track_caller]
pub fn log_bce(probabilities: &Tensor, target: &Tensor, epsilon: f64) -> Tensor {
    let target = match elements("log_bce", probabilities, target) {
        Ok(target) => target,
        Err(invalid) => return invalid,
    };
    if !(0.0..0.5).contains(&epsilon) {
        let message = format!("epsilon is from 0 on and below 0.5, got {epsilon}");
        let help = "0 takes the probabilities as they are";
        return Error::new(ErrorKind::Other, message).help(help).refuse("log_bce", &[probabilities, &target]);
    }
    let p = match epsilon {
        0.0 => probabilities.clone(),
        _ => probabilities * (1.0 - 2.0 * epsilon) + epsilon,
    };
    // What is held is replaced before the logarithm, whose infinite slope would make NaN of a zero cotangent. NaN and
    // what is no probability pass by both conditions.
    let none = p.ge(0.0).logical_and(p.le(LEAST_LOGARITHM.exp()));
    let sure = p.eq(1.0);
    let log_p = none.where_(LEAST_LOGARITHM, none.where_(1.0, &p).log());
    let log_q = sure.where_(LEAST_LOGARITHM, (-sure.where_(0.0, &p)).log1p());
    -(&target * log_p + (1.0 - &target) * log_q)
}

/// The square of each difference: [`super::least_squares`] before the sum.
#[track_caller]
pub fn least_squares(output: &Tensor, target: &Tensor) -> Tensor {
    match elements("least_squares", output, target) {
        Ok(target) => (output - target).square(),
        Err(invalid) => invalid,
    }
}

/// Huber's loss of each difference: [`super::huber`] before the sum.
#[track_caller]
pub fn huber(output: &Tensor, target: &Tensor, delta: f64) -> Tensor {
    let target = match elements("huber", output, target) {
        Ok(target) => target,
        Err(invalid) => return invalid,
    };
    // NaN is not above 0 either.
    if delta.is_nan() || delta <= 0.0 {
        let message = format!("delta, where squares become lines, is above 0, got {delta}");
        return Error::new(ErrorKind::Other, message).refuse("huber", &[output, &target]);
    }
    let d = output - target;
    // With `c` for `d` held between the deltas, both pieces are `c * (d - c / 2)`: nothing is squared that is large,
    // and the second derivative is right at 0 too, where that of a formula in `|d|` is lost.
    let c = d.clamp(-delta, delta);
    &c * (d - &c * 0.5)
}

/// What each row of scores `[.., n]` lacks to the margin: [`super::margin`] of each row, `[..]`.
#[track_caller]
pub fn margin(scores: &Tensor, target: &Tensor, margin: f64) -> Tensor {
    match Target::of("margin", scores, target) {
        Ok(Target::Numbers(numbers)) => {
            let own = numbers.unsqueeze(-1);
            let hinge = (scores - scores.gather(-1, &own) + margin).relu();
            // A number that counts from the end names the same class.
            let places = Tensor::arange(scores.size(-1) as i64);
            let negative = own.lt(0);
            let own = negative.where_(&own + scores.size(-1) as i64, &own);
            own.eq(places).where_(0.0, hinge).sum_dim(-1)
        }
        Ok(Target::Rows(rows)) => {
            let hinge = (margin - scores.unsqueeze(-1) + scores.unsqueeze(-2)).relu();
            let pairs = rows.eq(1.0).unsqueeze(-1).logical_and(rows.eq(0.0).unsqueeze(-2));
            pairs.where_(hinge, 0.0).sum_dim([-2, -1])
        }
        Err(invalid) => invalid,
    }
}

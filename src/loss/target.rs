//! What a target may be beside an output: class numbers, or a number for each element.

use retrograd::{Error, ErrorKind, Tensor};

/// The target of scores `[.., classes]`.
#[derive(Debug)]
pub(super) enum Target {
    /// A class number (i64) for each row: `[..]`.
    Numbers(Tensor),
    /// A number for each score, in the scores' dtype: `[.., classes]`.
    Rows(Tensor),
}

impl Target {
    /// Tells which it is by its rank; the error is an invalid tensor.
    #[track_caller]
    pub(super) fn of(operation: &'static str, scores: &Tensor, target: &Tensor) -> Result<Target, Tensor> {
        usable(operation, scores, target)?;
        let (shape, dtype) = (scores.shape(), target.dtype());
        let Some((_, leading)) = shape.split_last() else {
            let error = Error::new(ErrorKind::Shape, "scores have an axis of classes, got a number");
            return Err(error.refuse(operation, &[scores, target]));
        };
        if target.shape() == shape {
            return elements(operation, scores, target).map(Target::Rows);
        }
        let leading = format!("[{}]", leading.iter().map(u32::to_string).collect::<Vec<_>>().join(", "));
        if target.rank() + 1 != shape.rank() || !shape.starts_with(&target.shape()) {
            let message = format!("scores of shape {shape} and a target of shape {}", target.shape());
            let help = format!("the target is class numbers {leading}, or a number for each score, {shape}");
            return Err(Error::new(ErrorKind::Shape, message)
                .help(help)
                .refuse(operation, &[scores, target]));
        }
        if !dtype.is_int() {
            let message =
                format!("a target of shape {leading} is class numbers, which are integers, got {dtype}");
            let help = format!("convert with `.i64()`; a number for each score would have the shape {shape}");
            return Err(Error::new(ErrorKind::DType, message)
                .help(help)
                .refuse(operation, &[scores, target]));
        }
        Ok(Target::Numbers(target.i64()))
    }

    /// `-sum(target * log_probabilities)` over the classes.
    #[track_caller]
    pub(super) fn surprise(&self, log_probabilities: &Tensor) -> Tensor {
        match self {
            Target::Numbers(numbers) => -log_probabilities.gather(-1, &numbers.unsqueeze(-1)).squeeze(-1),
            Target::Rows(rows) => {
                // A class that cannot be and is not: 0 * log(0) = 0.
                let impossible = log_probabilities.isneginf().logical_and(rows.eq(0.0));
                -(rows * impossible.where_(0.0, log_probabilities)).sum_dim(-1)
            }
        }
    }
}

/// A target with a number for each element of an output, in its dtype; the error is an invalid tensor.
#[track_caller]
pub(super) fn elements(operation: &'static str, output: &Tensor, target: &Tensor) -> Result<Tensor, Tensor> {
    usable(operation, output, target)?;
    let (shape, dtype) = (output.shape(), output.dtype());
    if target.shape() != shape {
        let message = format!("an output of shape {shape} and a target of shape {}", target.shape());
        let error = Error::new(ErrorKind::Shape, message);
        let help = "both have one shape, nothing is repeated; see `reshape`, `unsqueeze`, `expand`";
        return Err(error.help(help).refuse(operation, &[output, target]));
    }
    match target.dtype() {
        same if same == dtype => Ok(target.clone()),
        other if other.is_float() => {
            let message = format!("an output of dtype {dtype} and a target of dtype {other}");
            let help = format!("convert one of them, for example the target with `.{dtype}()`");
            Err(Error::new(ErrorKind::DType, message).help(help).refuse(operation, &[output, target]))
        }
        _ => Ok(target.to_dtype(dtype)),
    }
}

/// Refuses what is invalid and outputs that are not floating-point.
#[track_caller]
fn usable(operation: &'static str, output: &Tensor, target: &Tensor) -> Result<(), Tensor> {
    if let Some(invalid) = [output, target].into_iter().find(|x| x.error().is_some()) {
        return Err(invalid.clone());
    }
    if output.dtype().is_float() {
        return Ok(());
    }
    let message = format!("outputs are floating-point numbers, got {}", output.dtype());
    let error = Error::new(ErrorKind::DType, message).help("convert with `.f32()`");
    Err(error.refuse(operation, &[output, target]))
}

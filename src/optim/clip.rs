//! Gradients held within bounds, and means of parameters over time.

use std::panic::Location;

use retrograd::{DType, Error, Result, Tensor, Tree, tree};

use super::optimizer::located;
use super::schedule::given;
use super::settings::{Range, within};
use super::state::{leaves_like, of_leaf, spec, valid, with_leaves};

/// The gradients, all scaled by one factor so that the Euclidean norm of all their elements is at most `max_norm`, and
/// the norm that they had.
///
/// The factor is `min(1, max_norm / (norm + 1e-6))`. Leaves of f16 and bf16 are squared and summed in f32; the norm has
/// the widest dtype of all. Integer leaves do not count. A norm that is NaN makes all gradients NaN, as in PyTorch.
///
/// PyTorch: `torch.nn.utils.clip_grad_norm_`.
///
/// ```
/// use retrograd::Tensor;
/// use retrograd::optim::clip_norm;
///
/// let grads = (Tensor::from([3.0, 0.0]), Tensor::from([[4.0]]));
/// let (clipped, norm) = clip_norm(&grads, 1.0)?;
/// assert_eq!(norm.item::<f64>()?, 5.0);
/// assert!(clipped.0.allclose(&Tensor::from([0.6, 0.0]), 1e-6, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// A gradient that is invalid, or a `max_norm` below 0.
#[track_caller]
pub fn clip_norm<P: Tree>(grads: &P, max_norm: f64) -> Result<(P, Tensor)> {
    let at = Location::caller();
    let leaves = checked("clip_norm", grads, "max_norm", max_norm, at)?;
    let floats: Vec<&Tensor> = leaves.iter().filter(|x| x.dtype().is_float()).collect();
    let norm = norm(&floats);
    let factor = shrinking(&norm, max_norm);
    let clipped = tree::map(grads, |x| {
        if !x.dtype().is_float() {
            return x.clone();
        }
        let wide = x.widened();
        (&wide * factor.type_as(&wide)).type_as(x)
    });
    Ok((clipped, norm))
}

/// The Euclidean norm of all elements of floating-point tensors, in the widest of their dtypes.
pub(super) fn norm(floats: &[&Tensor]) -> Tensor {
    let widest = if floats.iter().any(|x| x.dtype() == DType::F64) { DType::F64 } else { DType::F32 };
    let squares = |x: &&Tensor| x.widened().square().sum().to_dtype(widest);
    let sum = floats.iter().map(squares).reduce(|a, b| a + b);
    sum.unwrap_or_else(|| Tensor::zeros([])).sqrt()
}

/// What gradients of that norm are multiplied by, so that it is at most `max_norm`. PyTorch's 1e-6 keeps it finite.
pub(super) fn shrinking(norm: &Tensor, max_norm: f64) -> Tensor {
    (max_norm / (norm + 1e-6)).minimum(1.0)
}

/// The gradients with every element held between `-clip_value` and `clip_value`; NaN stays NaN.
///
/// PyTorch: `torch.nn.utils.clip_grad_value_`.
///
/// ```
/// use retrograd::Tensor;
/// use retrograd::optim::clip_value;
///
/// let clipped = clip_value(&Tensor::from([3.0, -0.5, -2.0]), 1.0)?;
/// assert_eq!(clipped.to_vec::<f64>()?, [1.0, -0.5, -1.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// A gradient that is invalid, or a `clip_value` below 0.
#[track_caller]
pub fn clip_value<P: Tree>(grads: &P, clip_value: f64) -> Result<P> {
    checked("clip_value", grads, "clip_value", clip_value, Location::caller())?;
    Ok(tree::map(grads, |x| if x.dtype().is_float() { x.clamp(-clip_value, clip_value) } else { x.clone() }))
}

fn checked<P: Tree>(
    operation: &str,
    grads: &P,
    setting: &str,
    value: f64,
    at: &Location<'_>,
) -> Result<Vec<Tensor>> {
    let leaves = tree::leaves(grads);
    let checked = within(setting, value, Range::NonNegative);
    let checked = checked.and_then(|()| valid(grads, &leaves, "the gradient"));
    checked.map_err(|e| located(at, Error::msg(format!("{operation}: {e}"))))?;
    Ok(leaves)
}

/// The exponential moving average one step on: `decay * average + (1 - decay) * latest` in every leaf, which keeps the
/// average's dtype. Integer and bool leaves are the latest.
///
/// `decay` is a number or a tensor of rank 0, which may follow the count of steps in a compiled function. Averages kept
/// in f32 or f64 ([`tree::cast`](crate::tree::cast)) of parameters in f16 or bf16 lose nothing.
///
/// PyTorch: `torch.optim.swa_utils.get_ema_multi_avg_fn`.
///
/// ```
/// use retrograd::Tensor;
/// use retrograd::optim::ema;
///
/// let average = ema(&[Tensor::from([1.0])], &[Tensor::from([2.0])], 0.75)?;
/// assert_eq!(average[0].to_vec::<f64>()?, [1.25]);
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// Trees that differ in structure or shapes, and leaves that are invalid.
#[track_caller]
pub fn ema<P: Tree>(average: &P, latest: &P, decay: impl Into<Tensor>) -> Result<P> {
    let at = Location::caller();
    averaged(average, latest, &decay.into()).map_err(|e| located(at, Error::msg(format!("ema: {e}"))))
}

fn averaged<P: Tree>(average: &P, latest: &P, decay: &Tensor) -> Result<P> {
    given(decay).map_err(|e| Error::msg(format!("`decay` {e}")))?;
    let old = tree::leaves(average);
    valid(average, &old, "the average")?;
    let new = leaves_like(average, latest, "the latest tree")?;
    valid(latest, &new, "the latest value")?;
    // In f64, so that 1 - decay is rounded once.
    let decay = decay.f64();
    let rest = 1.0 - &decay;
    let mut means = Vec::with_capacity(old.len());
    for (at, (old, new)) in old.iter().zip(&new).enumerate() {
        if old.shape() != new.shape() || old.dtype().is_float() != new.dtype().is_float() {
            let (of, old, new) = (of_leaf(average, at), spec(old), spec(new));
            return Err(Error::msg(format!("the average{of} is {old}, the latest value {new}")));
        }
        if !old.dtype().is_float() {
            means.push(new.clone());
            continue;
        }
        let wide = old.widened();
        let share = |x: &Tensor, factor: &Tensor| x.type_as(&wide) * factor.type_as(&wide);
        means.push((share(old, &decay) + share(new, &rest)).type_as(old));
    }
    Ok(with_leaves(average, means))
}

//! Inputs and targets that fit each other.

use retrograd::{Error, ErrorKind, Tensor};

/// The target as a tensor that can stand beside the input: of its shape, since nothing broadcasts (a target `[n, 1]`
/// beside an input `[n]` is a mistake that would go unseen), and of its dtype where it has integers or bools.
pub(super) fn target_like(criterion: &'static str, x: &Tensor, y: &Tensor) -> Tensor {
    if let Some(invalid) = [x, y].into_iter().find(|x| x.error().is_some()) {
        return invalid.clone();
    }
    if x.shape() != y.shape() {
        let message = format!("input and target are to have one shape, got {} and {}", x.shape(), y.shape());
        return Error::new(ErrorKind::Shape, message).refuse(criterion, &[x, y]);
    }
    in_dtype_of(x, y)
}

/// Integers and bools as numbers of the input's dtype.
pub(super) fn in_dtype_of(x: &Tensor, y: &Tensor) -> Tensor {
    let exact = x.error().is_none() && y.error().is_none() && !y.dtype().is_float();
    if exact { y.to_dtype(x.dtype()) } else { y.clone() }
}

/// A criterion's own weights in the input's dtype.
pub(super) fn weight_for(x: &Tensor, weight: &Tensor) -> Tensor {
    if x.error().is_some() { x.clone() } else { weight.to_dtype(x.dtype()) }
}

/// The tensor, or, if `fits` does not hold for its shape, an invalid one that says what the criterion needs.
pub(super) fn fitting(
    x: &Tensor,
    criterion: &'static str,
    fits: impl FnOnce(&[usize]) -> bool,
    needs: impl FnOnce() -> String,
) -> Tensor {
    if x.error().is_some() || fits(&x.shape().to_vec()) {
        return x.clone();
    }
    let message = format!("the input is to be {}, got shape {}", needs(), x.shape());
    Error::new(ErrorKind::Shape, message).refuse(criterion, &[x])
}

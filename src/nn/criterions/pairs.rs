//! Inputs and targets that fit each other.

use retrograd::{Error, ErrorKind, Tensor};

/// The target, if it has the input's shape: nothing broadcasts, since a target `[n, 1]` beside an input `[n]` is a mistake
/// that would go unseen.
pub(super) fn of_one_shape(criterion: &'static str, x: &Tensor, y: &Tensor) -> Tensor {
    if let Some(invalid) = [x, y].into_iter().find(|x| x.error().is_some()) {
        return invalid.clone();
    }
    if x.shape() != y.shape() {
        let message = format!("input and target are to have one shape, got {} and {}", x.shape(), y.shape());
        return Error::new(ErrorKind::Shape, message).refuse(criterion, &[x, y]);
    }
    y.clone()
}

/// The target as a tensor that can stand beside the input: of its shape, and of its dtype where it has integers or bools.
pub(super) fn target_like(criterion: &'static str, x: &Tensor, y: &Tensor) -> Tensor {
    in_dtype_of(x, &of_one_shape(criterion, x, y))
}

/// Integers and bools as numbers of the input's dtype.
pub(super) fn in_dtype_of(x: &Tensor, y: &Tensor) -> Tensor {
    let exact = x.error().is_none() && y.error().is_none() && !y.dtype().is_float();
    if exact { y.to_dtype(x.dtype()) } else { y.clone() }
}

/// Class numbers of which no negative one names a class: indexing would count it from the last, a label of -1 is a
/// mistake. It is moved out of range, so that whatever looks it up refuses it.
pub(super) fn from_the_first(numbers: &Tensor, classes: usize) -> Tensor {
    numbers.lt(0).where_(numbers - classes as i64, numbers)
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

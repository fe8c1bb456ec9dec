//! Activation functions along an axis.

use super::super::stateless::{Function, functions};
use retrograd::Tensor;

/// Exponentials along an axis, divided by their sum; a negative axis counts from the end.
///
/// Gradient: `dx = y (dy - sum of dy y)`; the output is kept.
///
/// PyTorch: `torch.nn.Softmax`. Torch: `nn.SoftMax`.
///
/// ```
/// use retrograd::nn::{Softmax, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (softmax, ()) = functionalize(Softmax::new(-1), &mut Rng::seed(0));
/// let y = softmax(&(), &Tensor::from([[0.0, 0.0], [0.0, 3f64.ln()]]));
/// assert!(y.allclose(&Tensor::from([[0.5, 0.5], [0.25, 0.75]]), 1e-12, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Softmax(isize);

/// The logarithm of [`Softmax`], without overflow.
///
/// Gradient: `dx = dy - exp(y) sum of dy`; the output is kept.
///
/// PyTorch: `torch.nn.LogSoftmax`. Torch: `nn.LogSoftMax`.
#[derive(Clone, Debug)]
pub struct LogSoftmax(isize);

/// [`Softmax`] of `-x`.
///
/// Gradient: `dx = y (sum of dy y - dy)`; the output is kept.
///
/// PyTorch: `torch.nn.Softmin`. Torch: `nn.SoftMin`.
#[derive(Clone, Debug)]
pub struct Softmin(isize);

/// [`Softmax`] over the channels of images `[.., channels, height, width]`.
///
/// Gradient: as [`Softmax`]'s.
///
/// PyTorch: `torch.nn.Softmax2d`. Torch: `nn.SpatialSoftMax`.
#[derive(Clone, Debug, Default)]
pub struct Softmax2d;

/// The first half along an axis times the sigmoid of the second half.
///
/// Gradient: with `a` for the first half and `s` for the sigmoid, `da = dy s` and `db = dy a s (1 - s)`; `a` and `s`
/// are kept. Source: Dauphin and others, arXiv:1612.08083.
///
/// PyTorch: `torch.nn.GLU`. Torch: `nn.GatedLinearUnit`.
#[derive(Clone, Debug)]
pub struct Glu(isize);

/// A constructor that takes the axis.
macro_rules! along {
    ($($layer:ident)*) => {$(
        impl $layer {
            /// Along this axis.
            pub fn new(dim: isize) -> $layer {
                $layer(dim)
            }
        }
    )*};
}

along! { Softmax LogSoftmax Softmin Glu }

/// Over the last axis, PyTorch's default.
impl Default for Glu {
    fn default() -> Glu {
        Glu(-1)
    }
}

fn softmax_pull(y: &Tensor, dy: &Tensor, axis: isize) -> Tensor {
    y * (dy - (dy * y).sum_keepdim(axis))
}

impl Function for Softmax {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.softmax(self.0);
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        softmax_pull(y, dy, self.0)
    }
}

impl Function for Softmax2d {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.softmax(-3);
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        softmax_pull(y, dy, -3)
    }
}

impl Function for Softmin {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = (-x).softmax(self.0);
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        y * ((dy * y).sum_keepdim(self.0) - dy)
    }
}

impl Function for LogSoftmax {
    type Saved = Tensor;
    fn value(&self, x: &Tensor) -> (Tensor, Tensor) {
        let y = x.log_softmax(self.0);
        (y.clone(), y)
    }
    fn pull(&self, y: &Tensor, dy: &Tensor) -> Tensor {
        dy - y.exp() * dy.sum_keepdim(self.0)
    }
}

impl Function for Glu {
    type Saved = (Tensor, Tensor);
    fn value(&self, x: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        if x.error().is_some() {
            return (x.clone(), (x.clone(), x.clone()));
        }
        let shape = x.shape();
        let at = if self.0 < 0 { self.0 + shape.rank() as isize } else { self.0 };
        let length = usize::try_from(at).ok().and_then(|at| shape.get(at)).map(|&length| length as usize);
        match length {
            Some(length) if length % 2 == 0 => {
                let (a, b) = (x.narrow(at, 0, length / 2), x.narrow(at, length / 2, length / 2));
                let s = b.sigmoid();
                (&a * &s, (a, s))
            }
            _ => {
                // It says what does not fit.
                let invalid = x.glu(self.0);
                (invalid.clone(), (invalid.clone(), invalid))
            }
        }
    }
    fn pull(&self, (a, s): &(Tensor, Tensor), dy: &Tensor) -> Tensor {
        let da = dy * s;
        let db = &da * a * (1.0 - s);
        Tensor::cat(&[da, db], self.0)
    }
}

functions! { Softmax, LogSoftmax, Softmin, Softmax2d, Glu }

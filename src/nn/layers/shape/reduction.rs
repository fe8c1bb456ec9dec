//! Layers that take an axis away.

use super::super::stateless::{Function, functions, shape_of};
use super::movement::length_of;
use retrograd::tree::Static;
use retrograd::{Shape, Tensor};

/// The sum over an axis, which goes; a negative one counts from the end.
///
/// Gradient: `dy` at every position of the axis; the input's shape is kept.
///
/// PyTorch: `torch.sum`. Torch: `nn.Sum`.
#[derive(Clone, Debug)]
pub struct Sum(isize);

/// The mean over an axis, which goes; a negative one counts from the end.
///
/// Gradient: `dy / n` at every position of the axis; the input's shape is kept.
///
/// PyTorch: `torch.mean`. Torch: `nn.Mean`.
#[derive(Clone, Debug)]
pub struct Mean(isize);

/// The greatest element along an axis, which goes; NaN if there is one. A negative axis counts from the end.
///
/// Gradient: `dy` at the greatest element, the first of equal ones, 0 elsewhere; its position is kept.
///
/// PyTorch: `torch.max`. Torch: `nn.Max`.
#[derive(Clone, Debug)]
pub struct Max(isize);

/// The least element along an axis, which goes; NaN if there is one. A negative axis counts from the end.
///
/// Gradient: `dy` at the least element, the first of equal ones, 0 elsewhere; its position is kept.
///
/// PyTorch: `torch.min`. Torch: `nn.Min`.
#[derive(Clone, Debug)]
pub struct Min(isize);

/// A constructor that takes the axis.
macro_rules! along {
    ($($layer:ident)*) => {$(
        impl $layer {
            /// Over this axis.
            pub fn new(dim: isize) -> $layer {
                $layer(dim)
            }
        }
    )*};
}

along! { Sum Mean Max Min }

impl Function for Sum {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        (x.sum_dim(self.0), Static(shape_of(x)))
    }
    fn pull(&self, shape: &Static<Shape>, dy: &Tensor) -> Tensor {
        dy.unsqueeze(self.0).broadcast_to(shape.0)
    }
}

impl Function for Mean {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        (x.mean_dim(self.0), Static(shape_of(x)))
    }
    fn pull(&self, Static(shape): &Static<Shape>, dy: &Tensor) -> Tensor {
        let count = length_of(shape, self.0) as f64;
        (dy / count).unsqueeze(self.0).broadcast_to(shape)
    }
}

/// `dy` at positions of an axis that is not there, in zeros of a shape that has it.
fn at_positions(positions: &Tensor, shape: &Shape, dim: isize, dy: &Tensor) -> Tensor {
    let zeros = Tensor::zeros(shape).to_dtype(dy.dtype());
    zeros.scatter_add(dim, &positions.unsqueeze(dim), &dy.unsqueeze(dim))
}

/// Layers that take one element along an axis; their position is kept.
macro_rules! extremes {
    ($($layer:ident $value:ident)*) => {$(
        impl Function for $layer {
            type Saved = (Tensor, Static<Shape>);
            fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
                let (y, positions) = x.$value(self.0);
                (y, (positions, Static(shape_of(x))))
            }
            fn pull(&self, (positions, shape): &Self::Saved, dy: &Tensor) -> Tensor {
                at_positions(positions, &shape.0, self.0, dy)
            }
        }
    )*};
}

extremes! { Max max_dim Min min_dim }

functions! { Sum, Mean, Max, Min }

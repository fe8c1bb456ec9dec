//! Axes exchanged, parts taken, copies made.

use super::super::stateless::{Function, functions, shape_of};
use retrograd::tree::Static;
use retrograd::{Shape, Tensor};

/// Pairs of axes exchanged, one pair after the other; negative ones count from the end.
///
/// Gradient: the pairs exchanged back, the last one first.
///
/// PyTorch: `torch.transpose`. Torch: `nn.Transpose`.
///
/// ```
/// use retrograd::nn::{Transpose, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (turn, ()) = functionalize(Transpose::new([(0, 1), (1, 2)]), &mut Rng::seed(0));
/// assert_eq!(turn(&(), &Tensor::zeros([2, 3, 4])).shape(), [3, 4, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Transpose(Vec<(isize, isize)>);

/// The axes in another order.
///
/// Gradient: `dy` with its axes in the order of the input.
///
/// PyTorch: `torch.permute`. Torch: `nn.Transpose`.
#[derive(Clone, Debug)]
pub struct Permute(Vec<isize>);

/// A stretch of an axis: `length` positions from `offset` on.
///
/// Gradient: `dy` there, 0 elsewhere; the input's shape is kept.
///
/// PyTorch: `torch.narrow`. Torch: `nn.Narrow`.
#[derive(Clone, Debug)]
pub struct Narrow {
    dim: isize,
    offset: usize,
    length: usize,
}

/// One position of an axis, which goes; negative numbers count from the end.
///
/// Gradient: `dy` there, 0 elsewhere; the input's shape is kept.
///
/// PyTorch: `torch.select`. Torch: `nn.Select`.
#[derive(Clone, Debug)]
pub struct Select {
    dim: isize,
    index: isize,
}

/// Copies of the input along a new axis.
///
/// Gradient: `dx` is the sum of `dy` over the new axis.
///
/// PyTorch: `torch.Tensor.expand`. Torch: `nn.Replicate`.
#[derive(Clone, Debug)]
pub struct Replicate {
    copies: usize,
    dim: isize,
}

impl Transpose {
    /// These pairs exchanged.
    pub fn new(pairs: impl Into<Vec<(isize, isize)>>) -> Transpose {
        Transpose(pairs.into())
    }
}

impl Permute {
    /// The axes in this order.
    pub fn new(order: impl Into<Vec<isize>>) -> Permute {
        Permute(order.into())
    }
}

impl Narrow {
    /// So many positions of an axis from an offset on.
    pub fn new(dim: isize, offset: usize, length: usize) -> Narrow {
        Narrow { dim, offset, length }
    }
}

impl Select {
    /// This position of an axis.
    pub fn new(dim: isize, index: isize) -> Select {
        Select { dim, index }
    }
}

impl Replicate {
    /// So many copies along a new first axis.
    pub fn new(copies: usize) -> Replicate {
        Replicate { copies, dim: 0 }
    }

    /// Along a new axis before this one; -1 makes it the last.
    pub fn dim(mut self, dim: isize) -> Replicate {
        self.dim = dim;
        self
    }
}

impl Function for Transpose {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (self.0.iter().fold(x.clone(), |x, &(a, b)| x.transpose(a, b)), ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        self.0.iter().rev().fold(dy.clone(), |dy, &(a, b)| dy.transpose(a, b))
    }
}

impl Function for Permute {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (x.permute(&self.0), ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        let rank = self.0.len() as isize;
        let mut back = vec![0; self.0.len()];
        for (to, &from) in self.0.iter().enumerate() {
            back[from.rem_euclid(rank) as usize] = to as isize;
        }
        dy.permute(&back)
    }
}

/// The number of an axis of a shape, from the front.
pub(super) fn axis_of(shape: &Shape, dim: isize) -> usize {
    if dim < 0 { shape.rank().saturating_add_signed(dim) } else { dim as usize }
}

/// The length of an axis; 0 if there is none, which the forward computation has refused.
pub(super) fn length_of(shape: &Shape, dim: isize) -> usize {
    shape.get(axis_of(shape, dim)).map_or(0, |&length| length as usize)
}

/// `dy` in a tensor of zeros of this shape, from `offset` on along an axis.
fn in_zeros(dy: &Tensor, shape: &Shape, dim: isize, offset: usize, length: usize) -> Tensor {
    let mut around = vec![(0, 0); shape.rank()];
    let behind = length_of(shape, dim).saturating_sub(offset + length);
    if let Some(own) = around.get_mut(axis_of(shape, dim)) {
        *own = (offset, behind);
    }
    dy.pad(around, 0.0)
}

impl Function for Narrow {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        (x.narrow(self.dim, self.offset, self.length), Static(shape_of(x)))
    }
    fn pull(&self, shape: &Static<Shape>, dy: &Tensor) -> Tensor {
        in_zeros(dy, &shape.0, self.dim, self.offset, self.length)
    }
}

impl Function for Select {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        (x.select(self.dim, self.index), Static(shape_of(x)))
    }
    fn pull(&self, Static(shape): &Static<Shape>, dy: &Tensor) -> Tensor {
        let length = length_of(shape, self.dim);
        let at = if self.index < 0 { length.saturating_add_signed(self.index) } else { self.index as usize };
        in_zeros(&dy.unsqueeze(self.dim), shape, self.dim, at, 1)
    }
}

impl Function for Replicate {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        let y = x.unsqueeze(self.dim);
        let mut dims = shape_of(&y).to_vec();
        if let Some(length) = dims.get_mut(axis_of(&shape_of(&y), self.dim)) {
            *length = self.copies;
        }
        (y.broadcast_to(dims), ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        dy.sum_dim(self.dim)
    }
}

functions! { Transpose, Permute, Narrow, Select, Replicate }

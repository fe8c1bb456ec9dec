//! Layers that put something around their input.

use super::super::stateless::{Function, functions, shape_of};
use super::movement::{axis_of, length_of};
use retrograd::tree::Static;
use retrograd::{PadMode, Shape, Tensor};

/// What is put around a tensor.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Number(f64),
    Own(PadMode),
}

/// The last `N` axes with something around them.
///
/// Padding is a number for all sides, or a pair (before, after) for each axis in the axes' own order; PyTorch's lists
/// begin with the last axis. Leading axes, such as batch and channels, stay.
///
/// Gradient: `dy` without the padding, and what was repeated gets its copies' gradient too.
///
/// PyTorch: `torch.nn.ZeroPad2d`, `ConstantPad2d`, `ReflectionPad2d`, `ReplicationPad2d`, `CircularPad2d` and their
/// like of one and three axes. Torch: `nn.SpatialZeroPadding`, `nn.SpatialReflectionPadding`,
/// `nn.SpatialReplicationPadding`.
///
/// ```
/// use retrograd::nn::{Pad1d, Pad2d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let mut rng = Rng::seed(0);
/// let (pad, ()) = functionalize(Pad2d::zeros([(0, 1), (2, 2)]), &mut rng);
/// assert_eq!(pad(&(), &Tensor::ones([8, 3, 4, 4])).shape(), [8, 3, 5, 8]);
/// let (pad, ()) = functionalize(Pad1d::reflect(1), &mut rng);
/// assert_eq!(pad(&(), &Tensor::from([[1.0, 2.0, 3.0]])).to_vec::<f64>()?, [2.0, 1.0, 2.0, 3.0, 2.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pad<const N: usize> {
    around: [(usize, usize); N],
    fill: Fill,
}

/// [`Pad`] of the last axis.
pub type Pad1d = Pad<1>;
/// [`Pad`] of the last two axes.
pub type Pad2d = Pad<2>;
/// [`Pad`] of the last three axes.
pub type Pad3d = Pad<3>;

/// What can be given as padding: a number, or a pair (before, after) for each axis.
pub trait Around<const N: usize> {
    /// The pairs.
    fn around(self) -> [(usize, usize); N];
}

impl<const N: usize> Around<N> for usize {
    fn around(self) -> [(usize, usize); N] {
        [(self, self); N]
    }
}

impl<const N: usize> Around<N> for [(usize, usize); N] {
    fn around(self) -> [(usize, usize); N] {
        self
    }
}

impl<const N: usize> Pad<N> {
    fn new(padding: impl Around<N>, fill: Fill) -> Pad<N> {
        const { assert!(N >= 1 && N <= 3, "one to three axes are padded") }
        Pad { around: padding.around(), fill }
    }

    /// Zeros around it.
    pub fn zeros(padding: impl Around<N>) -> Pad<N> {
        Pad::constant(padding, 0.0)
    }

    /// A number around it.
    pub fn constant(padding: impl Around<N>, value: f64) -> Pad<N> {
        Pad::new(padding, Fill::Number(value))
    }

    /// The elements in reverse order, the first and last one not repeated.
    pub fn reflect(padding: impl Around<N>) -> Pad<N> {
        Pad::new(padding, Fill::Own(PadMode::Reflect))
    }

    /// The first and the last element.
    pub fn replicate(padding: impl Around<N>) -> Pad<N> {
        Pad::new(padding, Fill::Own(PadMode::Replicate))
    }

    /// The elements from the other end.
    pub fn circular(padding: impl Around<N>) -> Pad<N> {
        Pad::new(padding, Fill::Own(PadMode::Circular))
    }
}

/// One axis with positions before it (a negative number) or behind it, with a number there.
///
/// Gradient: `dy` without them.
///
/// PyTorch: `torch.nn.functional.pad`. Torch: `nn.Padding`.
#[derive(Clone, Debug)]
pub struct Padding {
    dim: isize,
    pad: isize,
    value: f64,
}

impl Padding {
    /// So many zeros behind an axis; before it, if the number is negative.
    pub fn new(dim: isize, pad: isize) -> Padding {
        Padding { dim, pad, value: 0.0 }
    }

    /// The number there, 0 by default.
    pub fn value(mut self, value: f64) -> Padding {
        self.value = value;
        self
    }

    fn around(&self, shape: &Shape) -> Vec<(usize, usize)> {
        let mut around = vec![(0, 0); shape.rank()];
        if let Some(own) = around.get_mut(axis_of(shape, self.dim)) {
            *own = if self.pad < 0 { (self.pad.unsigned_abs(), 0) } else { (0, self.pad.unsigned_abs()) };
        }
        around
    }
}

/// Pairs for the last axes of a tensor, with none for those before.
fn of_last(shape: &Shape, around: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let lead = shape.rank().saturating_sub(around.len());
    std::iter::repeat_n((0, 0), lead).chain(around.iter().copied()).collect()
}

/// The last axes with elements of the tensor's own around them.
pub(crate) fn padded(x: &Tensor, around: &[(usize, usize)], mode: PadMode) -> Tensor {
    x.pad_with(of_last(&shape_of(x), around), mode)
}

/// The position among `0..n` that an extended axis repeats at `at`.
fn source(mode: PadMode, at: i64, n: i64) -> i64 {
    match mode {
        PadMode::Replicate => at.clamp(0, n - 1),
        PadMode::Circular => at.rem_euclid(n),
        PadMode::Reflect if n == 1 => 0,
        PadMode::Reflect => {
            let there_and_back = at.rem_euclid(2 * (n - 1));
            there_and_back.min(2 * (n - 1) - there_and_back)
        }
    }
}

/// The gradient of [`padded`]: that of the padding is added to that of the elements it repeats.
pub(crate) fn unpadded(dy: &Tensor, around: &[(usize, usize)], mode: PadMode) -> Tensor {
    let shape = shape_of(dy);
    let pads = of_last(&shape, around).into_iter().enumerate().filter(|(_, pads)| *pads != (0, 0));
    pads.fold(dy.clone(), |dy, (axis, (before, after))| {
        let (at, padded) = (axis as isize, length_of(&shape, axis as isize));
        let n = padded.saturating_sub(before + after);
        let edge = |range: std::ops::Range<i64>| {
            Tensor::from(range.map(|at| source(mode, at, n as i64)).collect::<Vec<i64>>())
        };
        // Only the edges are scattered; the middle is taken as a whole.
        let middle = dy.narrow(at, before, n);
        let head = middle.index_add(at, &edge(-(before as i64)..0), &dy.narrow(at, 0, before));
        head.index_add(at, &edge(n as i64..(n + after) as i64), &dy.narrow(at, before + n, after))
    })
}

/// `dy` without what is around it.
fn inner(dy: &Tensor, around: &[(usize, usize)]) -> Tensor {
    let shape = shape_of(dy);
    let pads = around.iter().enumerate().filter(|(_, pads)| **pads != (0, 0));
    pads.fold(dy.clone(), |dy, (axis, &(before, after))| {
        dy.narrow(axis as isize, before, length_of(&shape, axis as isize).saturating_sub(before + after))
    })
}

impl<const N: usize> Function for Pad<N> {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        let y = match self.fill {
            Fill::Number(value) => x.pad(of_last(&shape_of(x), &self.around), value),
            Fill::Own(mode) => padded(x, &self.around, mode),
        };
        (y, ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        match self.fill {
            Fill::Number(_) => inner(dy, &of_last(&shape_of(dy), &self.around)),
            Fill::Own(mode) => unpadded(dy, &self.around, mode),
        }
    }
}

impl Function for Padding {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        let shape = shape_of(x);
        (x.pad(self.around(&shape), self.value), Static(shape))
    }
    fn pull(&self, shape: &Static<Shape>, dy: &Tensor) -> Tensor {
        inner(dy, &self.around(&shape.0))
    }
}

functions! { Padding }
functions! { Pad<N> ["Pad1d", "Pad2d", "Pad3d"] }

//! The same elements in another shape.

use super::super::stateless::{Function, functions, shape_of};
use retrograd::tree::Static;
use retrograd::{Error, IntoShape, Shape, Tensor};

/// The input itself.
///
/// Gradient: `dx = dy`.
///
/// PyTorch: `torch.nn.Identity`. Torch: `nn.Identity`.
#[derive(Clone, Debug, Default)]
pub struct Identity;

/// Several axes as one: by default all but the first, that of the batch.
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.nn.Flatten`. Torch: none.
///
/// ```
/// use retrograd::nn::{Flatten, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (flatten, ()) = functionalize(Flatten::new(), &mut Rng::seed(0));
/// assert_eq!(flatten(&(), &Tensor::zeros([8, 3, 4, 4])).shape(), [8, 48]);
/// ```
#[derive(Clone, Debug)]
pub struct Flatten {
    start_dim: isize,
    end_dim: isize,
}

/// Several axes in place of one. One of their lengths may be [`INFER`](retrograd::INFER).
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.nn.Unflatten`. Torch: none.
#[derive(Clone, Debug)]
pub struct Unflatten {
    dim: isize,
    lengths: Lengths,
}

/// Every example in another shape; the first axis, that of the batch, stays. One length may be
/// [`INFER`](retrograd::INFER).
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.nn.Unflatten(1, ..)` of flat examples. Torch: `nn.Reshape`.
///
/// ```
/// use retrograd::nn::{Reshape, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (reshape, ()) = functionalize(Reshape::new([3, 4]), &mut Rng::seed(0));
/// assert_eq!(reshape(&(), &Tensor::zeros([8, 2, 6])).shape(), [8, 3, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Reshape(Lengths);

/// The whole input in another shape, the batch's axis included. One length may be [`INFER`](retrograd::INFER).
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.Tensor.view`. Torch: `nn.View`.
#[derive(Clone, Debug)]
pub struct View(Lengths);

/// Without axes of length 1: without all of them, or without one.
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.squeeze`. Torch: `nn.Squeeze`.
#[derive(Clone, Debug, Default)]
pub struct Squeeze(Option<isize>);

/// With a new axis of length 1 before another; -1 makes it the last.
///
/// Gradient: `dy` in the input's shape; the shape is kept.
///
/// PyTorch: `torch.unsqueeze`. Torch: `nn.Unsqueeze`.
#[derive(Clone, Debug)]
pub struct Unsqueeze(isize);

/// Lengths of axes, or why there are none.
type Lengths = Result<Shape, String>;

impl Flatten {
    /// All axes but the first as one.
    pub fn new() -> Flatten {
        Flatten { start_dim: 1, end_dim: -1 }
    }

    /// The first axis that becomes part of the one.
    pub fn start_dim(mut self, axis: isize) -> Flatten {
        self.start_dim = axis;
        self
    }

    /// The last axis that becomes part of the one.
    pub fn end_dim(mut self, axis: isize) -> Flatten {
        self.end_dim = axis;
        self
    }
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten::new()
    }
}

impl Unflatten {
    /// Axes of these lengths in place of an axis.
    pub fn new(dim: isize, lengths: impl IntoShape) -> Unflatten {
        Unflatten { dim, lengths: lengths.into_shape() }
    }
}

impl Reshape {
    /// Examples of this shape.
    pub fn new(lengths: impl IntoShape) -> Reshape {
        Reshape(lengths.into_shape())
    }
}

impl View {
    /// Of this shape.
    pub fn new(lengths: impl IntoShape) -> View {
        View(lengths.into_shape())
    }
}

impl Squeeze {
    /// Without all axes of length 1.
    pub fn new() -> Squeeze {
        Squeeze(None)
    }

    /// Without this axis alone, whose length is 1.
    pub fn dim(self, axis: isize) -> Squeeze {
        Squeeze(Some(axis))
    }
}

impl Unsqueeze {
    /// A new axis before this one.
    pub fn new(dim: isize) -> Unsqueeze {
        Unsqueeze(dim)
    }
}

/// What a layer does with lengths, unless they are none.
fn with_lengths(layer: &str, lengths: &Lengths, f: impl FnOnce(Shape) -> Tensor) -> Tensor {
    match lengths {
        Ok(lengths) => f(*lengths),
        Err(message) => Tensor::invalid(Error::msg(format!("{layer}: {message}"))),
    }
}

impl Function for Identity {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (x.clone(), ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        dy.clone()
    }
}

/// Layers that only reshape: their gradients are reshaped back.
macro_rules! reshapes {
    ($($layer:ident |$own:ident, $x:ident| $value:expr;)*) => {$(
        impl Function for $layer {
            type Saved = Static<Shape>;
            fn value(&self, $x: &Tensor) -> (Tensor, Static<Shape>) {
                let $own = self;
                ($value, Static(shape_of($x)))
            }
            fn pull(&self, shape: &Static<Shape>, dy: &Tensor) -> Tensor {
                dy.reshape(shape.0)
            }
        }
    )*};
}

reshapes! {
    Flatten |own, x| x.flatten(own.start_dim, own.end_dim);
    Unflatten |own, x| with_lengths("Unflatten", &own.lengths, |lengths| x.unflatten(own.dim, lengths));
    View |own, x| with_lengths("View", &own.0, |lengths| x.reshape(lengths));
    Reshape |own, x| with_lengths("Reshape", &own.0, |lengths| {
        let batch: Vec<usize> = shape_of(x).to_vec().into_iter().take(1).collect();
        x.reshape([batch, lengths.to_vec()].concat())
    });
    Squeeze |own, x| match own.0 {
        Some(axis) => x.squeeze(axis),
        None => x.squeeze_all(),
    };
    Unsqueeze |own, x| x.unsqueeze(own.0);
}

functions! { Identity, Flatten, Unflatten, View, Reshape, Squeeze, Unsqueeze }

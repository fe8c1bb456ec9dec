//! Numbers that are learned, added to the input or multiplied with it.

use super::stateless::shape_of;
use retrograd::nn::{Ctx, Module};
use retrograd::{Error, IntoShape, Rng, Shape, Tensor, Tree};

/// `y = weight x`, with one number that is learned.
///
/// Weight `[1]`, first uniform within 1.
///
/// Gradient: `dx = weight dy`, `dweight` the sum of `dy x`; the input is kept.
///
/// PyTorch: none. Torch: `nn.Mul`.
#[derive(Clone, Debug, Default)]
pub struct Mul;

/// `y = x + bias`, with one number that is learned, or one for each feature.
///
/// Bias `[features]` along the last axes, or `[1]`; first uniform within `1 / sqrt(features)`.
///
/// Gradient: `dx = dy`, `dbias` the sum of `dy` over the axes that it does not have.
///
/// PyTorch: none. Torch: `nn.Add`.
#[derive(Clone, Debug)]
pub struct Add(usize);

/// `y = x weight`, element by element, with a weight of a shape that broadcasts with the input's.
///
/// Weight of the shape given; first uniform within `1 / sqrt(n)` for its `n` elements.
///
/// Gradient: `dx = weight dy`, `dweight` the sum of `dy x` over the axes along which the weight is repeated; the input
/// is kept.
///
/// PyTorch: none. Torch: `nn.CMul`.
///
/// ```
/// use retrograd::nn::{CMul, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (scaled, params) = functionalize(CMul::new([3, 1]), &mut Rng::seed(0));
/// assert_eq!(scaled(&params, &Tensor::ones([8, 3, 5])).shape(), [8, 3, 5]);
/// ```
#[derive(Clone, Debug)]
pub struct CMul(Lengths);

/// `y = x + bias`, element by element, with a bias of a shape that broadcasts with the input's.
///
/// Bias of the shape given; first uniform within `1 / sqrt(n)` for its `n` elements.
///
/// Gradient: `dx = dy`, `dbias` the sum of `dy` over the axes along which the bias is repeated.
///
/// PyTorch: none. Torch: `nn.CAdd`.
#[derive(Clone, Debug)]
pub struct CAdd(Lengths);

/// A shape, or why it is none.
type Lengths = Result<Shape, String>;

/// Parameters of [`Mul`] and [`CMul`].
#[derive(Clone, Debug, Tree)]
pub struct ScaleParams {
    /// What is multiplied with.
    pub weight: Tensor,
}

/// Parameters of [`Add`] and [`CAdd`].
#[derive(Clone, Debug, Tree)]
pub struct ShiftParams {
    /// What is added.
    pub bias: Tensor,
}

impl Add {
    /// A number for each of so many features; with 1, one for all.
    pub fn new(features: usize) -> Add {
        Add(features)
    }
}

impl CMul {
    /// A weight of this shape.
    pub fn new(shape: impl IntoShape) -> CMul {
        CMul(shape.into_shape())
    }
}

impl CAdd {
    /// A bias of this shape.
    pub fn new(shape: impl IntoShape) -> CAdd {
        CAdd(shape.into_shape())
    }
}

/// Uniform within `1 / sqrt(n)`, for `n` elements.
fn first(rng: &mut Rng, layer: &str, shape: &Lengths) -> Tensor {
    match shape {
        Ok(shape) => {
            let bound = 1.0 / (shape.numel().max(1) as f64).sqrt();
            rng.uniform(shape, -bound, bound)
        }
        Err(message) => Tensor::invalid(Error::msg(format!("{layer}: {message}"))),
    }
}

/// The sum over the axes along which a tensor of shape `own` was repeated to the shape of `dy`.
pub(super) fn summed_to(dy: &Tensor, own: Shape) -> Tensor {
    let shape = shape_of(dy);
    let lead = shape.rank().saturating_sub(own.rank());
    let repeated = |&axis: &usize| axis < lead || (own[axis - lead] == 1 && shape[axis] != 1);
    let axes: Vec<isize> = (0..shape.rank()).filter(repeated).map(|axis| axis as isize).collect();
    let sum = if axes.is_empty() { dy.clone() } else { dy.sum_dim(axes) };
    sum.reshape(own)
}

/// Layers that multiply with a weight.
macro_rules! scales {
    ($($layer:ident |$own:ident| $shape:expr;)*) => {$(
        impl Module for $layer {
            type Params = ScaleParams;
            type State = ();
            type Input = Tensor;
            type Output = Tensor;
            type Saved = Tensor;

            fn params(&self, rng: &mut Rng) -> ScaleParams {
                let $own = self;
                ScaleParams { weight: first(rng, stringify!($layer), &$shape) }
            }
            fn state(&self) {}
            fn forward(&self, p: &ScaleParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
                (x * &p.weight, x.clone(), ())
            }
            fn backward(&self, p: &ScaleParams, x: &Tensor, dy: &Tensor) -> (ScaleParams, Tensor) {
                (self.backward_params(p, x, dy), self.backward_input(p, x, dy))
            }
            fn backward_params(&self, p: &ScaleParams, x: &Tensor, dy: &Tensor) -> ScaleParams {
                ScaleParams { weight: summed_to(&(dy * x), shape_of(&p.weight)) }
            }
            fn backward_input(&self, p: &ScaleParams, x: &Tensor, dy: &Tensor) -> Tensor {
                summed_to(&(dy * &p.weight), shape_of(x))
            }
        }
    )*};
}

/// Layers that add a bias.
macro_rules! shifts {
    ($($layer:ident |$own:ident| $shape:expr;)*) => {$(
        impl Module for $layer {
            type Params = ShiftParams;
            type State = ();
            type Input = Tensor;
            type Output = Tensor;
            type Saved = retrograd::tree::Static<Shape>;

            fn params(&self, rng: &mut Rng) -> ShiftParams {
                let $own = self;
                ShiftParams { bias: first(rng, stringify!($layer), &$shape) }
            }
            fn state(&self) {}
            fn forward(&self, p: &ShiftParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Self::Saved, ()) {
                (x + &p.bias, retrograd::tree::Static(shape_of(x)), ())
            }
            fn backward(&self, p: &ShiftParams, x: &Self::Saved, dy: &Tensor) -> (ShiftParams, Tensor) {
                (self.backward_params(p, x, dy), self.backward_input(p, x, dy))
            }
            fn backward_params(&self, p: &ShiftParams, _: &Self::Saved, dy: &Tensor) -> ShiftParams {
                ShiftParams { bias: summed_to(dy, shape_of(&p.bias)) }
            }
            fn backward_input(&self, _: &ShiftParams, x: &Self::Saved, dy: &Tensor) -> Tensor {
                summed_to(dy, x.0)
            }
        }
    )*};
}

scales! {
    Mul |_own| 1usize.into_shape();
    CMul |own| own.0;
}

shifts! {
    Add |own| own.0.into_shape();
    CAdd |own| own.0;
}

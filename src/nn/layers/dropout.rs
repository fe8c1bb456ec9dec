//! Layers that drop some of their input in training.

use retrograd::nn::{Ctx, Module};
use retrograd::{Error, Rng, Tensor};

/// In training, 0 in place of each element with probability `p`, and the others times `1 / (1 - p)`; otherwise the
/// input itself.
///
/// Gradient: `dx = dy` times 0 or `1 / (1 - p)`; these factors are kept. Source: Srivastava and others, "Dropout: a
/// simple way to prevent neural networks from overfitting", 2014.
///
/// PyTorch: `torch.nn.Dropout`. Torch: `nn.Dropout`.
///
/// ```
/// use retrograd::nn::{Ctx, Dropout, functionalize_with_state};
/// use retrograd::{Rng, Tensor};
/// let (dropout, ..) = functionalize_with_state(Dropout::new(0.5), &mut Rng::seed(0));
/// let x = Tensor::ones([1000]);
/// let (y, ()) = dropout(&(), &(), &x, &mut Ctx::train(Rng::seed(1)));
/// assert!((y.mean().item::<f64>()? - 1.0).abs() < 0.1);
/// let (y, ()) = dropout(&(), &(), &x, &mut Ctx::eval());
/// assert_eq!(y.to_vec::<f32>()?, [1.0; 1000]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dropout(f64);

/// As [`Dropout`], of whole channels: of an input `[batch, channels, ..]`, or one without the batch's axis, the last
/// `N` axes stay or go together.
///
/// Gradient: `dx = dy` times 0 or `1 / (1 - p)`; a factor for each channel is kept. Source: Tompson and others,
/// arXiv:1411.4280.
///
/// PyTorch: `torch.nn.Dropout1d`, `Dropout2d`, `Dropout3d`. Torch: `nn.SpatialDropout`, `nn.VolumetricDropout`.
#[derive(Clone, Debug)]
pub struct SpatialDropout<const N: usize>(f64);

/// [`SpatialDropout`] of signals.
pub type Dropout1d = SpatialDropout<1>;
/// [`SpatialDropout`] of images.
pub type Dropout2d = SpatialDropout<2>;
/// [`SpatialDropout`] of volumes.
pub type Dropout3d = SpatialDropout<3>;

/// Dropout that keeps mean 0 and variance 1, after a [`Selu`](super::Selu): in training, each element becomes that
/// function's limit at minus infinity with probability `p`, and all are scaled and shifted.
///
/// With `m` for the limit -1.7580.., `y = a x + c` where an element stays and `a m + c` where it goes, for
/// `a = 1 / sqrt((1 - p) (1 + p m^2))` and `c = -a m p`; at `p = 1`, 0.
///
/// Gradient: `dx = a dy` where the element stayed, else 0; these factors are kept. Source: Klambauer and others,
/// arXiv:1706.02515.
///
/// PyTorch: `torch.nn.AlphaDropout`. Torch: none.
#[derive(Clone, Debug)]
pub struct AlphaDropout(f64);

impl Dropout {
    /// Drops an element with this probability.
    pub fn new(p: f64) -> Dropout {
        Dropout(p)
    }
}

impl<const N: usize> SpatialDropout<N> {
    /// Drops a channel with this probability.
    pub fn new(p: f64) -> SpatialDropout<N> {
        const { assert!(N >= 1 && N <= 3, "channels have one to three axes") }
        SpatialDropout(p)
    }
}

impl AlphaDropout {
    /// Drops an element with this probability.
    pub fn new(p: f64) -> AlphaDropout {
        AlphaDropout(p)
    }
}

/// PyTorch's default probability.
const HALF: f64 = 0.5;

impl Default for Dropout {
    fn default() -> Dropout {
        Dropout(HALF)
    }
}

impl<const N: usize> Default for SpatialDropout<N> {
    fn default() -> SpatialDropout<N> {
        SpatialDropout::new(HALF)
    }
}

impl Default for AlphaDropout {
    fn default() -> AlphaDropout {
        AlphaDropout(HALF)
    }
}

/// 1 where an element of `x` stays and 0 where it goes, or why that cannot be; the last `own` axes go together.
fn kept(layer: &str, x: &Tensor, own: usize, p: f64, rng: &mut Rng) -> Tensor {
    if x.error().is_some() {
        return x.clone();
    }
    if !(0.0..=1.0).contains(&p) {
        return Tensor::invalid(Error::msg(format!("{layer}: p is a probability from 0 to 1, got {p}")));
    }
    if !x.dtype().is_float() {
        let message = format!("{layer}: the input is of floats, got {}", x.dtype());
        return Tensor::invalid(Error::msg(message));
    }
    let mut dims = x.shape().to_vec();
    if own > 0 && dims.len() <= own {
        let (shape, rank) = (x.shape(), dims.len());
        let axes = format!("{} or {}: [batch, channels, ..], or [channels, ..]", own + 2, own + 1);
        let message = format!("{layer}: the input {shape} has {rank} axes, expected {axes}");
        return Tensor::invalid(Error::msg(message));
    }
    dims.iter_mut().rev().take(own).for_each(|length| *length = 1);
    rng.rand(dims).ge(p).to_dtype(x.dtype())
}

/// What the elements that stay are multiplied with, so that the mean stays.
fn scale(p: f64) -> f64 {
    // Where all are dropped, no infinite factor must meet the zeros.
    if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 }
}

/// Layers whose output is the input times factors that are drawn in training, or the input itself.
macro_rules! factored {
    ($([$($axes:tt)*] $layer:ty, $name:expr, $own:expr;)*) => {$(
        impl<$($axes)*> Module for $layer {
            type Params = ();
            type State = ();
            type Input = Tensor;
            type Output = Tensor;
            /// None if nothing was dropped.
            type Saved = Option<Tensor>;

            fn name(&self) -> &'static str {
                $name
            }
            fn params(&self, _: &mut Rng) {}
            fn state(&self) {}
            fn forward(&self, _: &(), _: &(), x: &Tensor, ctx: &mut Ctx) -> (Tensor, Option<Tensor>, ()) {
                if !ctx.is_train() || self.0 == 0.0 {
                    return (x.clone(), None, ());
                }
                let factors = kept($name, x, $own, self.0, &mut ctx.rng) * scale(self.0);
                (x * &factors, Some(factors), ())
            }
            fn backward(&self, _: &(), factors: &Option<Tensor>, dy: &Tensor) -> ((), Tensor) {
                ((), factors.as_ref().map_or_else(|| dy.clone(), |factors| dy * factors))
            }
            fn backward_params(&self, _: &(), _: &Option<Tensor>, _: &Tensor) {}
        }
    )*};
}

factored! {
    [] Dropout, "Dropout", 0;
    [const N: usize] SpatialDropout<N>, ["Dropout1d", "Dropout2d", "Dropout3d"][N - 1], N;
}

/// The limit of [`Selu`](super::Selu) at minus infinity.
const LIMIT: f64 = -1.758_099_340_847_376_6;

impl Module for AlphaDropout {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// None if nothing was dropped.
    type Saved = Option<Tensor>;

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), x: &Tensor, ctx: &mut Ctx) -> (Tensor, Option<Tensor>, ()) {
        let p = self.0;
        if !ctx.is_train() || p == 0.0 {
            return (x.clone(), None, ());
        }
        let kept = kept("AlphaDropout", x, 0, p, &mut ctx.rng);
        let a = if p < 1.0 { 1.0 / ((1.0 - p) * (1.0 + p * LIMIT * LIMIT)).sqrt() } else { 0.0 };
        let factors = &kept * a;
        // `a m (1 - kept) + c`, with `c = -a m p`.
        let shift = (kept * -1.0 + (1.0 - p)) * (a * LIMIT);
        (x * &factors + shift, Some(factors), ())
    }

    fn backward(&self, _: &(), factors: &Option<Tensor>, dy: &Tensor) -> ((), Tensor) {
        ((), factors.as_ref().map_or_else(|| dy.clone(), |factors| dy * factors))
    }

    fn backward_params(&self, _: &(), _: &Option<Tensor>, _: &Tensor) {}
}

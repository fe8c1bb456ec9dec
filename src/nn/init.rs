//! Initial values of parameters, in f32 (see [`tree::cast`](crate::tree::cast)), each from an explicit generator: the
//! same seed gives the same numbers.
//!
//! Weights are `[out, in, ..kernel]`, as PyTorch's are; [`fans`] counts what an output adds up. Which to take: the
//! spread of activations stays the same from layer to layer with [`kaiming_normal`] before [`relu`](crate::Tensor::relu)
//! and its kind, [`xavier_uniform`] before `tanh` and `sigmoid`, [`lecun_normal`] before `selu`; [`orthogonal`] suits
//! what is multiplied many times, as in recurrent layers.
//!
//! | PyTorch (`torch.nn.init`) | here |
//! |---|---|
//! | `uniform_`, `normal_`, `trunc_normal_` | [`uniform`], [`normal`], [`truncated_normal`] |
//! | `xavier_uniform_`, `xavier_normal_` | [`xavier_uniform`], [`xavier_normal`] |
//! | `kaiming_uniform_`, `kaiming_normal_` | [`kaiming_uniform`], [`kaiming_normal`] |
//! | `orthogonal_`, `sparse_` | [`orthogonal`], [`sparse`] |
//! | `eye_`, `dirac_` | [`eye`], [`dirac`] |
//! | `constant_`, `zeros_`, `ones_` | [`Tensor::full`], [`Tensor::zeros`], [`Tensor::ones`] |
//! | `calculate_gain` | [`calculate_gain`] |
//! | none (Flax: `lecun_normal`, `lecun_uniform`) | [`lecun_normal`], [`lecun_uniform`] |
//!
//! What cannot be made is an invalid tensor, which carries its error to where a value is asked for.
//!
//! ```
//! use retrograd::nn::init::{self, Fan, Nonlinearity};
//! use retrograd::{Rng, Tensor};
//!
//! let mut rng = Rng::seed(1);
//! let weight = init::kaiming_normal(&mut rng, [64, 3, 5, 5], Fan::In, Nonlinearity::Relu);
//! let spread = weight.std(1).item::<f64>()?;
//! assert!((spread - (2.0 / 75.0f64).sqrt()).abs() < 0.01);
//! let bias = Tensor::zeros([64]);
//! # let _ = bias;
//! # Ok::<(), retrograd::Error>(())
//! ```

mod orthogonal;
mod pattern;
mod scale;

pub use orthogonal::orthogonal;
pub use pattern::{dirac, eye, sparse};
pub use scale::{Fan, Fans, Nonlinearity, calculate_gain, fans};

use retrograd::{Error, ErrorKind, IntoShape, Rng, Tensor};

/// Numbers uniform in `[low, high)`.
///
/// PyTorch: `torch.nn.init.uniform_`.
///
/// # Errors
/// As an invalid tensor, if `low` is above `high` or either is not finite.
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let x = init::uniform(&mut Rng::seed(0), [100], -0.5, 0.5);
/// assert!(x.abs().amax().item::<f32>()? <= 0.5);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn uniform(rng: &mut Rng, shape: impl IntoShape, low: f64, high: f64) -> Tensor {
    if low <= high && low.is_finite() && high.is_finite() {
        return rng.uniform(shape, low, high);
    }
    refused("uniform", ErrorKind::Other, format!("bounds are finite and in order, got {low} and {high}"))
}

/// Normally distributed numbers of a mean and a standard deviation.
///
/// PyTorch: `torch.nn.init.normal_`.
///
/// # Errors
/// As an invalid tensor, if `std` is negative or either is not finite.
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let x = init::normal(&mut Rng::seed(0), [1000], 0.0, 0.02);
/// assert!((x.std(1).item::<f64>()? - 0.02).abs() < 0.002);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn normal(rng: &mut Rng, shape: impl IntoShape, mean: f64, std: f64) -> Tensor {
    if std >= 0.0 && std.is_finite() && mean.is_finite() {
        return rng.normal(shape, mean, std);
    }
    refused(
        "normal",
        ErrorKind::Other,
        format!("mean and std are finite, std 0 or more, got {mean} and {std}"),
    )
}

/// A normal distribution within bounds: what [`truncated_normal`] draws from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truncation {
    /// Mean of the whole distribution.
    pub mean: f64,
    /// Standard deviation of the whole distribution; that of what is within the bounds is less.
    pub std: f64,
    /// The least number (not counted in standard deviations); may be infinite.
    pub low: f64,
    /// The greatest number.
    pub high: f64,
}

impl Default for Truncation {
    /// The standard normal distribution between -2 and 2.
    fn default() -> Truncation {
        Truncation { mean: 0.0, std: 1.0, low: -2.0, high: 2.0 }
    }
}

/// Below this many standard deviations a normal distribution's probability, 6e-300, leaves f64's normal numbers.
const DEEPEST_SCORE: f64 = -37.0;

/// Normally distributed numbers of which those outside of bounds were never drawn.
///
/// By the inverse of the distribution function, in f64. Of a range beyond 37 standard deviations, where f64 has no
/// probabilities left, the nearer bound is given: nearly all of it is within 0.03 of them from there.
///
/// PyTorch: `torch.nn.init.trunc_normal_`. JAX: `jax.nn.initializers.truncated_normal`.
///
/// # Errors
/// As an invalid tensor, if `std` is not above 0, `low` not below `high`, or one of them NaN.
///
/// ```
/// use retrograd::Rng;
/// use retrograd::nn::init::{self, Truncation};
///
/// let range = Truncation { std: 0.02, low: -0.04, high: 0.04, ..Truncation::default() };
/// let x = init::truncated_normal(&mut Rng::seed(0), [1000], range);
/// assert!(x.abs().amax().item::<f32>()? <= 0.04);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn truncated_normal(rng: &mut Rng, shape: impl IntoShape, range: Truncation) -> Tensor {
    let Truncation { mean, std, low, high } = range;
    if !(std > 0.0 && std.is_finite() && mean.is_finite() && low < high) {
        let message = format!("std is above 0 and low below high, got {range:?}");
        return refused("truncated_normal", ErrorKind::Other, message);
    }
    let (low_score, high_score) = ((low - mean) / std, (high - mean) / std);
    // Only the lower tail's probabilities keep their digits: a range above the mean is drawn mirrored.
    let mirrored = low_score > 0.0;
    let (from, to) = if mirrored { (-high_score, -low_score) } else { (low_score, high_score) };
    if to < DEEPEST_SCORE {
        let nearer = if mirrored { low } else { high };
        return (rng.rand(shape) * 0.0 + nearer).f32();
    }
    let (least, most) = (Tensor::from(from).ndtr(), Tensor::from(to).ndtr());
    // From the middle of the 2^-24 wide steps of an f32 draw, so that neither 0 nor 1 is reached.
    let unit = rng.rand(shape).f64() + 0.5f64.powi(25);
    let score = (unit * (most - &least) + least).ndtri();
    let score = if mirrored { -score } else { score };
    (score * std + mean).clamp(low, high).f32()
}

/// Glorot's uniform numbers: between `-a` and `a` with `a = gain * sqrt(6 / (fan_in + fan_out))`.
///
/// Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
/// PyTorch: `torch.nn.init.xavier_uniform_`.
///
/// # Errors
/// As an invalid tensor, if the shape has no fans (see [`fans`]) or the gain is negative or not finite.
///
/// ```
/// use retrograd::nn::init::{self, Nonlinearity};
/// use retrograd::Rng;
///
/// let weight = init::xavier_uniform(&mut Rng::seed(0), [3, 3], init::calculate_gain(Nonlinearity::Tanh));
/// assert!(weight.abs().amax().item::<f32>()? <= 5.0 / 3.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn xavier_uniform(rng: &mut Rng, shape: impl IntoShape, gain: f64) -> Tensor {
    match scale::xavier(shape, gain) {
        // A uniform distribution's standard deviation is its half width over the root of 3.
        Ok((shape, std)) => rng.uniform(shape, -std * 3f64.sqrt(), std * 3f64.sqrt()),
        Err(error) => error.refuse("xavier_uniform", &[]),
    }
}

/// Glorot's normal numbers: mean 0, standard deviation `gain * sqrt(2 / (fan_in + fan_out))`.
///
/// Source and errors as of [`xavier_uniform`]. PyTorch: `torch.nn.init.xavier_normal_`.
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let weight = init::xavier_normal(&mut Rng::seed(0), [30, 50], 1.0);
/// assert!((weight.std(1).item::<f64>()? - (2.0f64 / 80.0).sqrt()).abs() < 0.01);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn xavier_normal(rng: &mut Rng, shape: impl IntoShape, gain: f64) -> Tensor {
    match scale::xavier(shape, gain) {
        Ok((shape, std)) => rng.normal(shape, 0.0, std),
        Err(error) => error.refuse("xavier_normal", &[]),
    }
}

/// He's uniform numbers: between `-a` and `a` with `a = gain * sqrt(3 / fan)`, where the gain is that of the
/// nonlinearity that follows.
///
/// [`Fan::In`] keeps the spread of what flows forward, [`Fan::Out`] that of the gradient.
///
/// Source: He and others, "Delving deep into rectifiers" (2015). PyTorch: `torch.nn.init.kaiming_uniform_`, by default
/// for [`Fan::In`] and `LeakyRelu(0.0)`; its own layers take `LeakyRelu(5f64.sqrt())`.
///
/// # Errors
/// As an invalid tensor, if the shape has no fans (see [`fans`]) or the slope is not finite.
///
/// ```
/// use retrograd::Rng;
/// use retrograd::nn::init::{self, Fan, Nonlinearity};
///
/// let weight = init::kaiming_uniform(&mut Rng::seed(0), [8, 6], Fan::In, Nonlinearity::Relu);
/// assert!(weight.abs().amax().item::<f32>()? <= 1.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn kaiming_uniform(rng: &mut Rng, shape: impl IntoShape, fan: Fan, nonlinearity: Nonlinearity) -> Tensor {
    match scale::kaiming(shape, fan, nonlinearity) {
        Ok((shape, std)) => rng.uniform(shape, -std * 3f64.sqrt(), std * 3f64.sqrt()),
        Err(error) => error.refuse("kaiming_uniform", &[]),
    }
}

/// He's normal numbers: mean 0, standard deviation `gain / sqrt(fan)`.
///
/// Source and errors as of [`kaiming_uniform`]. PyTorch: `torch.nn.init.kaiming_normal_`.
///
/// ```
/// use retrograd::Rng;
/// use retrograd::nn::init::{self, Fan, Nonlinearity};
///
/// let weight = init::kaiming_normal(&mut Rng::seed(0), [50, 50], Fan::Out, Nonlinearity::Relu);
/// assert!((weight.std(1).item::<f64>()? - 0.2).abs() < 0.01);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn kaiming_normal(rng: &mut Rng, shape: impl IntoShape, fan: Fan, nonlinearity: Nonlinearity) -> Tensor {
    match scale::kaiming(shape, fan, nonlinearity) {
        Ok((shape, std)) => rng.normal(shape, 0.0, std),
        Err(error) => error.refuse("kaiming_normal", &[]),
    }
}

/// LeCun's uniform numbers: mean 0, variance `1 / fan_in`.
///
/// Source and errors as of [`lecun_normal`]. JAX: `jax.nn.initializers.lecun_uniform`.
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let weight = init::lecun_uniform(&mut Rng::seed(0), [8, 3]);
/// assert!(weight.abs().amax().item::<f32>()? <= 1.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn lecun_uniform(rng: &mut Rng, shape: impl IntoShape) -> Tensor {
    match scale::kaiming(shape, Fan::In, Nonlinearity::Linear) {
        Ok((shape, std)) => rng.uniform(shape, -std * 3f64.sqrt(), std * 3f64.sqrt()),
        Err(error) => error.refuse("lecun_uniform", &[]),
    }
}

/// The standard deviation of a standard normal distribution truncated at -2 and 2: `sqrt(1 - 4 f(2) / P)` for its
/// density `f` and the probability `P` of the range.
const STD_WITHIN_TWO: f64 = 0.879_625_661_034_239_8;

/// LeCun's normal numbers: mean 0, variance `1 / fan_in`, none beyond 2.27 standard deviations (the distribution is one
/// that was cut at 2 of its own).
///
/// Source: LeCun and others, "Efficient BackProp" (1998); Klambauer and others, "Self-normalizing neural networks"
/// (2017), for `selu`. JAX: `jax.nn.initializers.lecun_normal`, which cuts at the same place.
///
/// # Errors
/// As an invalid tensor, if the shape has no fans (see [`fans`]).
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let weight = init::lecun_normal(&mut Rng::seed(0), [50, 25]);
/// assert!((weight.std(1).item::<f64>()? - 0.2).abs() < 0.01);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn lecun_normal(rng: &mut Rng, shape: impl IntoShape) -> Tensor {
    match scale::kaiming(shape, Fan::In, Nonlinearity::Linear) {
        Ok((shape, std)) => {
            let std = std / STD_WITHIN_TWO;
            truncated_normal(rng, shape, Truncation { mean: 0.0, std, low: -2.0 * std, high: 2.0 * std })
        }
        Err(error) => error.refuse("lecun_normal", &[]),
    }
}

/// An invalid tensor.
#[track_caller]
fn refused(operation: &'static str, kind: ErrorKind, message: String) -> Tensor {
    Error::new(kind, message).refuse(operation, &[])
}

//! How large weights are: fans, gains, and the standard deviations made of them.

use retrograd::{Error, ErrorKind, IntoShape, Result, Shape};

/// How many numbers an element of a layer's output is made of, and how many an element of its input goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Inputs of an output: the input channels (of a group) times the elements of the kernel.
    pub fan_in: usize,
    /// Outputs of an input: the output channels times the elements of the kernel.
    pub fan_out: usize,
}

/// Which of the [`Fans`] is kept from changing the scale. PyTorch: `mode="fan_in"`, `mode="fan_out"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fan {
    /// That of the inputs: activations keep their spread.
    #[default]
    In,
    /// That of the outputs: gradients keep theirs.
    Out,
}

/// What follows a layer, by the names of PyTorch's `calculate_gain`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Nonlinearity {
    /// Nothing.
    #[default]
    Linear,
    /// [`sigmoid`](crate::Tensor::sigmoid).
    Sigmoid,
    /// [`tanh`](crate::Tensor::tanh).
    Tanh,
    /// [`relu`](crate::Tensor::relu).
    Relu,
    /// [`leaky_relu`](crate::Tensor::leaky_relu) of this slope (PyTorch's default: 0.01).
    LeakyRelu(f64),
    /// [`selu`](crate::Tensor::selu).
    Selu,
}

/// By how much weights are larger for what a nonlinearity takes away: 1 for none and `sigmoid`, 5/3 for `tanh`,
/// `sqrt(2)` for `relu`, `sqrt(2 / (1 + slope^2))` for `leaky_relu`, 3/4 for `selu`.
///
/// PyTorch: `torch.nn.init.calculate_gain`.
///
/// ```
/// use retrograd::nn::init::{Nonlinearity, calculate_gain};
///
/// assert_eq!(calculate_gain(Nonlinearity::Relu), 2f64.sqrt());
/// assert_eq!(calculate_gain(Nonlinearity::LeakyRelu(1.0)), 1.0);
/// ```
pub fn calculate_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::Relu => 2f64.sqrt(),
        Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::Selu => 0.75,
    }
}

/// The fans of a weight `[out, in, ..kernel]`.
///
/// Of a convolution in groups, `in` is what one group has, as in its weight. PyTorch:
/// `torch.nn.init._calculate_fan_in_and_fan_out`.
///
/// # Errors
/// If the shape has fewer than two axes.
///
/// ```
/// use retrograd::nn::init::{Fans, fans};
///
/// assert_eq!(fans([10, 20])?, Fans { fan_in: 20, fan_out: 10 });
/// assert_eq!(fans([16, 3, 5, 5])?, Fans { fan_in: 75, fan_out: 400 });
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn fans(shape: impl IntoShape) -> Result<Fans> {
    shaped(shape).map(|(_, fans)| fans)
}

fn shaped(shape: impl IntoShape) -> Result<(Shape, Fans)> {
    let shape = shape.into_shape().map_err(|message| Error::new(ErrorKind::Shape, message))?;
    let [out, channels, ref kernel @ ..] = shape.to_vec()[..] else {
        let message = format!("fans are those of weights [out, in, ..kernel], got {shape}");
        let help = "biases and scales have none: see `uniform`, `Tensor::zeros`, `Tensor::ones`";
        return Err(Error::new(ErrorKind::Shape, message).help(help));
    };
    let kernel: usize = kernel.iter().product();
    Ok((shape, Fans { fan_in: channels * kernel, fan_out: out * kernel }))
}

/// The standard deviation of Glorot's initial values.
pub(super) fn xavier(shape: impl IntoShape, gain: f64) -> Result<(Shape, f64)> {
    let (shape, Fans { fan_in, fan_out }) = shaped(shape)?;
    if !(gain >= 0.0 && gain.is_finite()) {
        return Err(Error::new(ErrorKind::Other, format!("a gain is finite and 0 or more, got {gain}")));
    }
    Ok((shape, gain * (2.0 / count(fan_in + fan_out)).sqrt()))
}

/// The standard deviation of He's initial values.
pub(super) fn kaiming(shape: impl IntoShape, fan: Fan, nonlinearity: Nonlinearity) -> Result<(Shape, f64)> {
    let (shape, Fans { fan_in, fan_out }) = shaped(shape)?;
    let gain = calculate_gain(nonlinearity);
    // The gain of a slope is NaN or vanishes only where the slope is not finite.
    if gain.is_nan() || gain == 0.0 {
        return Err(Error::new(ErrorKind::Other, format!("a slope is finite, got {nonlinearity:?}")));
    }
    let fan = match fan {
        Fan::In => fan_in,
        Fan::Out => fan_out,
    };
    Ok((shape, gain / count(fan).sqrt()))
}

/// A fan as a number; a weight without elements has one of 0, which divides nothing.
fn count(fan: usize) -> f64 {
    fan.max(1) as f64
}

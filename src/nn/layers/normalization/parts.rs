//! What the normalisations have in common: moments, scale and offset.

use retrograd::{Error, ErrorKind, IntoShape, Tensor, Tree};

/// Parameters of a normalisation: what its normalised values are multiplied by, and what is added to them.
///
/// For each channel `[channels]`, or for each element `normalized_shape`; `None` where the layer has no such parameter.
#[derive(Clone, Debug, Tree)]
pub struct NormParams {
    /// The scale; first ones.
    pub weight: Option<Tensor>,
    /// The offset; first zeros.
    pub bias: Option<Tensor>,
}

/// What a normalisation keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct NormSaved {
    /// The normalised values, before scale and offset.
    pub normalised: Tensor,
    /// One over the standard deviation (for `RmsNorm`, over the root of the mean square), of the shape that broadcasts.
    pub inv_std: Tensor,
    /// Whether mean and variance are of these values, so that they have a derivative, or were learned before.
    #[tree(static)]
    pub own_moments: bool,
}

/// A number for each channel, with axes of length 1 for those that come after the channels'.
pub(super) fn along_channels(vector: &Tensor, axes_after: usize) -> Tensor {
    (0..axes_after).fold(vector.clone(), |vector, _| vector.unsqueeze(-1))
}

impl NormParams {
    /// Ones and zeros of this shape, where they are wanted.
    pub(super) fn new(shape: impl IntoShape + Copy, weight: bool, bias: bool) -> NormParams {
        NormParams { weight: weight.then(|| Tensor::ones(shape)), bias: bias.then(|| Tensor::zeros(shape)) }
    }

    /// Normalised values scaled and moved. `aligned` gives a parameter the axes that make it broadcast.
    pub(super) fn apply(&self, normalised: &Tensor, aligned: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let scaled = match &self.weight {
            Some(weight) => normalised * aligned(weight),
            None => normalised.clone(),
        };
        match &self.bias {
            Some(bias) => scaled + aligned(bias),
            None => scaled,
        }
    }

    /// The cotangent of the normalised values.
    pub(super) fn pull(&self, dy: &Tensor, aligned: impl Fn(&Tensor) -> Tensor) -> Tensor {
        match &self.weight {
            Some(weight) => dy * aligned(weight),
            None => dy.clone(),
        }
    }

    /// The parameters' gradients: sums over the axes along which they are repeated.
    pub(super) fn gradients(&self, normalised: &Tensor, dy: &Tensor, repeated: &[isize]) -> NormParams {
        NormParams {
            weight: self.weight.as_ref().map(|_| (dy * normalised).sum_dim(repeated)),
            bias: self.bias.as_ref().map(|_| dy.sum_dim(repeated)),
        }
    }
}

/// Values less their mean, over their standard deviation, with what that takes; all with axes of length 1 where it was
/// taken.
pub(super) struct Standardised {
    pub(super) values: Tensor,
    pub(super) inv_std: Tensor,
    pub(super) mean: Tensor,
    /// The squared deviations' mean.
    pub(super) variance: Tensor,
}

/// `(x - mean) / sqrt(var + eps)`, where mean and (biased) variance are over `axes`. Of 16-bit floats, whose squares
/// they may not hold, moments are f32.
pub(super) fn standardise(x: &Tensor, axes: &[isize], eps: f64) -> Standardised {
    let wide = x.widened();
    let mean = wide.mean_keepdim(axes);
    let deviation = wide - &mean;
    let variance = deviation.square().mean_keepdim(axes);
    let inv_std = (&variance + eps).rsqrt();
    Standardised { values: (deviation * &inv_std).type_as(x), inv_std, mean, variance }
}

/// The cotangent of `x`, given that of `y = standardise(x)`:
/// `dx = (dy - mean(dy) - y mean(dy y)) / std` (Ioffe and Szegedy, 2015, section 3, with the sums put together).
pub(super) fn pull_standardised(y: &Tensor, inv_std: &Tensor, axes: &[isize], dy: &Tensor) -> Tensor {
    let (g, y) = (dy.widened(), y.widened());
    ((&g - g.mean_keepdim(axes) - &y * (&g * &y).mean_keepdim(axes)) * inv_std).type_as(dy)
}

/// Values normalised by moments that were learned before, and one over their standard deviation. The moments have the
/// dtype of the values, or are f32 beside 16-bit floats.
pub(super) fn normalised_by(x: &Tensor, mean: &Tensor, variance: &Tensor, eps: f64) -> (Tensor, Tensor) {
    let inv_std = (variance.widened() + eps).rsqrt();
    (((x.widened() - mean.widened()) * &inv_std).type_as(x), inv_std)
}

/// The cotangent of `x`, given that of what [`normalised_by`] makes of it.
pub(super) fn pull_normalised(inv_std: &Tensor, dy: &Tensor) -> Tensor {
    (dy.widened() * inv_std).type_as(dy)
}

/// The tensor, or, if `fits` does not hold for its shape, an invalid one that says what the layer needs.
pub(super) fn fitting(
    x: &Tensor,
    layer: &'static str,
    fits: impl FnOnce(&[usize]) -> bool,
    needs: impl FnOnce() -> String,
) -> Tensor {
    if x.error().is_some() || fits(&x.shape().to_vec()) {
        return x.clone();
    }
    let message = format!("the input is to be {}, got shape {}", needs(), x.shape());
    Error::new(ErrorKind::Shape, message).refuse(layer, &[x])
}

/// The number of axes; of an invalid tensor, on which no operation depends on it, `otherwise`.
pub(super) fn rank_or(x: &Tensor, otherwise: usize) -> usize {
    if x.error().is_some() { otherwise } else { x.rank() }
}

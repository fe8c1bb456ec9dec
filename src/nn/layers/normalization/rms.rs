//! Normalisation by the root of the mean square.

use super::layer::{all_but_last, ending_with, last, lengths};
use super::parts::{NormParams, NormSaved};
use retrograd::nn::{Ctx, Module};
use retrograd::{DType, IntoShape, Rng, Tensor};

/// The last axes divided by the root of their mean square: `y = x / sqrt(mean(x^2) + eps) * weight`.
///
/// Input `[.., normalized_shape]`, output the same. The parameter is the scale of [`NormParams`], of shape
/// `normalized_shape`, first ones; none with `.elementwise_affine(false)`. Unless `.eps(..)` says otherwise, eps is
/// the dtype's machine epsilon.
///
/// Gradient: with `n` for the normalised values and `g = dy * weight`, `dx = (g - n * mean(g * n)) / rms`;
/// `dweight = dy * n`, summed over the leading axes.
///
/// PyTorch: `torch.nn.RMSNorm`. Torch: none. Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
///
/// # Errors
/// As invalid outputs, if the input does not end with `normalized_shape`.
///
/// ```
/// use retrograd::nn::{RmsNorm, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(RmsNorm::new(2), &mut Rng::seed(1));
/// let y = f(&params, &Tensor::from([3f32, 4.0]));
/// assert!(y.allclose(&(Tensor::from([3f32, 4.0]) / 12.5f64.sqrt()), 1e-5, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RmsNorm {
    normalized_shape: Vec<usize>,
    eps: Option<f64>,
    elementwise_affine: bool,
}

impl RmsNorm {
    /// Over the last axes, which have these lengths (one number or several), with a scale.
    pub fn new(normalized_shape: impl IntoShape) -> RmsNorm {
        RmsNorm { normalized_shape: lengths(normalized_shape), eps: None, elementwise_affine: true }
    }

    /// What is added to the mean square; `None` is the dtype's machine epsilon.
    pub fn eps(mut self, eps: impl Into<Option<f64>>) -> RmsNorm {
        self.eps = eps.into();
        self
    }

    /// Whether there is a scale.
    pub fn elementwise_affine(mut self, affine: bool) -> RmsNorm {
        self.elementwise_affine = affine;
        self
    }
}

/// The distance from 1 to the next number.
fn machine_epsilon(x: &Tensor) -> f64 {
    let dtype = if x.error().is_some() { DType::F32 } else { x.dtype() };
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}

impl Module for RmsNorm {
    type Params = NormParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = NormSaved;

    fn params(&self, _: &mut Rng) -> NormParams {
        NormParams::new(&self.normalized_shape[..], self.elementwise_affine, false)
    }

    fn state(&self) {}

    fn forward(&self, p: &NormParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, NormSaved, ()) {
        let x = ending_with(x, self.name(), &self.normalized_shape);
        let eps = self.eps.unwrap_or_else(|| machine_epsilon(&x));
        let wide = x.widened();
        let mean_square = wide.square().mean_keepdim(last(self.normalized_shape.len()));
        let inv_std = (mean_square + eps).rsqrt();
        let normalised = (wide * &inv_std).type_as(&x);
        let y = p.apply(&normalised, Tensor::clone);
        (y, NormSaved { normalised, inv_std, own_moments: true }, ())
    }

    fn backward(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> (NormParams, Tensor) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> NormParams {
        p.gradients(&saved.normalised, dy, &all_but_last(dy, self.normalized_shape.len()))
    }

    fn backward_input(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> Tensor {
        let NormSaved { normalised, inv_std, .. } = saved;
        let (dn, normalised) = (p.pull(dy, Tensor::clone).widened(), normalised.widened());
        let along = (&dn * &normalised).mean_keepdim(last(self.normalized_shape.len()));
        ((dn - normalised * along) * inv_std).type_as(dy)
    }
}

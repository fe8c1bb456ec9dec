//! Normalisation of each example over its features.

use super::parts::{NormParams, NormSaved, fitting, pull_standardised, rank_or, standardise};
use retrograd::nn::{Ctx, Module};
use retrograd::{IntoShape, Rng, Tensor};

/// The last axes normalised: `y = (x - mean) / sqrt(var + eps) * weight + bias`, with moments over all of
/// `normalized_shape` (the variance biased).
///
/// Input `[.., normalized_shape]`, output the same. Parameters [`NormParams`] of shape `normalized_shape`, first ones
/// and zeros; none with `.elementwise_affine(false)`, no offset with `.bias(false)`.
///
/// Gradient: with `n` for the normalised values and `g = dy * weight`,
/// `dx = (g - mean(g) - n * mean(g * n)) / std`; `dweight = dy * n` and `dbias = dy`, summed over the leading axes.
///
/// PyTorch: `torch.nn.LayerNorm`. Torch: none. Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
///
/// # Errors
/// As invalid outputs, if the input does not end with `normalized_shape`.
///
/// ```
/// use retrograd::nn::{LayerNorm, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(LayerNorm::new(2), &mut Rng::seed(1));
/// let y = f(&params, &Tensor::from([[1f32, 3.0], [10.0, 30.0]]));
/// assert!(y.allclose(&Tensor::from([[-1f32, 1.0], [-1.0, 1.0]]), 1e-4, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm {
    normalized_shape: Vec<usize>,
    eps: f64,
    elementwise_affine: bool,
    bias: bool,
}

impl LayerNorm {
    /// Over the last axes, which have these lengths (one number or several): eps 1e-5, with scale and offset.
    pub fn new(normalized_shape: impl IntoShape) -> LayerNorm {
        let normalized_shape = lengths(normalized_shape);
        LayerNorm { normalized_shape, eps: 1e-5, elementwise_affine: true, bias: true }
    }

    /// What is added to the variance.
    pub fn eps(mut self, eps: f64) -> LayerNorm {
        self.eps = eps;
        self
    }

    /// Whether there are scale and offset.
    pub fn elementwise_affine(mut self, affine: bool) -> LayerNorm {
        self.elementwise_affine = affine;
        self
    }

    /// Whether there is an offset, where there is a scale.
    pub fn bias(mut self, bias: bool) -> LayerNorm {
        self.bias = bias;
        self
    }
}

/// The lengths of the axes to normalise. What is no shape has none, which every input is refused for.
pub(super) fn lengths(shape: impl IntoShape) -> Vec<usize> {
    shape.into_shape().map(|shape| shape.to_vec()).unwrap_or_default()
}

/// The input, if it ends with these lengths.
pub(super) fn ending_with(x: &Tensor, layer: &'static str, lengths: &[usize]) -> Tensor {
    let fits = |shape: &[usize]| !lengths.is_empty() && shape.ends_with(lengths);
    let dims: Vec<String> = lengths.iter().map(usize::to_string).collect();
    let needs = || match lengths {
        [] => "normalised over at least one axis".to_owned(),
        _ => format!("[.., {}]", dims.join(", ")),
    };
    fitting(x, layer, fits, needs)
}

/// So many last axes.
pub(super) fn last(count: usize) -> Vec<isize> {
    (1..=count as isize).map(|axis| -axis).collect()
}

/// The axes before those.
pub(super) fn all_but_last(x: &Tensor, count: usize) -> Vec<isize> {
    (0..(rank_or(x, count) - count) as isize).collect()
}

impl Module for LayerNorm {
    type Params = NormParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = NormSaved;

    fn params(&self, _: &mut Rng) -> NormParams {
        let affine = self.elementwise_affine;
        NormParams::new(&self.normalized_shape[..], affine, affine && self.bias)
    }

    fn state(&self) {}

    fn forward(&self, p: &NormParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, NormSaved, ()) {
        let x = ending_with(x, self.name(), &self.normalized_shape);
        let own = standardise(&x, &last(self.normalized_shape.len()), self.eps);
        let y = p.apply(&own.values, Tensor::clone);
        (y, NormSaved { normalised: own.values, inv_std: own.inv_std, own_moments: true }, ())
    }

    fn backward(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> (NormParams, Tensor) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> NormParams {
        p.gradients(&saved.normalised, dy, &all_but_last(dy, self.normalized_shape.len()))
    }

    fn backward_input(&self, p: &NormParams, saved: &NormSaved, dy: &Tensor) -> Tensor {
        let axes = last(self.normalized_shape.len());
        pull_standardised(&saved.normalised, &saved.inv_std, &axes, &p.pull(dy, Tensor::clone))
    }
}

//! Normalisation across neighbouring channels.

use super::parts::{fitting, rank_or};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, Tree};

/// Each element over a power of what neighbouring channels have at its position:
/// `y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta`.
///
/// The window of channel `c` is `c - size / 2 ..= c + (size - 1) / 2`; channels outside count as zeros. Input
/// `[n, channels, ..]` with at least one more axis, output the same. No parameters.
///
/// Gradient: with `d` for the number in parentheses,
/// `dx = dy * d^-beta - 2 * alpha * beta / size * x * (sum of dy * y / d over the channels whose windows have it)`.
///
/// PyTorch: `torch.nn.LocalResponseNorm`. Torch: `nn.SpatialCrossMapLRN`. Source: Krizhevsky, Sutskever and Hinton,
/// "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3.
///
/// # Errors
/// As invalid outputs, for an input of fewer than three axes and a window of no channels.
///
/// ```
/// use retrograd::nn::{LocalResponseNorm, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, _) = functionalize(LocalResponseNorm::new(3).alpha(3.0).beta(1.0), &mut Rng::seed(1));
/// let y = f(&(), &Tensor::from([[[1.0], [2.0], [2.0]]]));
/// assert_eq!(y.to_vec::<f64>()?, [1.0 / 6.0, 2.0 / 10.0, 2.0 / 9.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
}

/// [`LocalResponseNorm`] by Torch's name.
pub type SpatialCrossMapLRN = LocalResponseNorm;

/// What [`LocalResponseNorm`] keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct ResponseSaved {
    /// The input.
    pub x: Tensor,
    /// What is taken to the power `beta`.
    pub scale: Tensor,
}

impl LocalResponseNorm {
    /// Across so many channels: alpha 1e-4, beta 0.75, k 1.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }

    /// The factor of the squares' mean.
    pub fn alpha(mut self, alpha: f64) -> LocalResponseNorm {
        self.alpha = alpha;
        self
    }

    /// The exponent.
    pub fn beta(mut self, beta: f64) -> LocalResponseNorm {
        self.beta = beta;
        self
    }

    /// What is added to the squares.
    pub fn k(mut self, k: f64) -> LocalResponseNorm {
        self.k = k;
        self
    }

    /// Sums over windows of channels that reach so far back and forth.
    fn windows(&self, x: &Tensor, reach: (usize, usize)) -> Tensor {
        let mut padding = vec![(0, 0); rank_or(x, 3)];
        padding[1] = reach;
        x.pad(padding, 0.0).unfold(1, self.size, 1).sum_dim(-1)
    }
}

impl Module for LocalResponseNorm {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = ResponseSaved;

    fn params(&self, _: &mut Rng) {}

    fn state(&self) {}

    fn forward(&self, (): &(), (): &(), x: &Tensor, _: &mut Ctx) -> (Tensor, ResponseSaved, ()) {
        let fits = |shape: &[usize]| shape.len() >= 3 && self.size > 0;
        let x = fitting(x, self.name(), fits, || match self.size {
            0 => "seen through windows of at least one channel".to_owned(),
            _ => "[n, channels, ..] with at least three axes".to_owned(),
        });
        let wide = x.widened();
        let squares = self.windows(&wide.square(), (self.size / 2, self.size.saturating_sub(1) / 2));
        let scale = squares * (self.alpha / self.size as f64) + self.k;
        let y = (wide * scale.pow(-self.beta)).type_as(&x);
        (y, ResponseSaved { x, scale }, ())
    }

    fn backward(&self, (): &(), saved: &ResponseSaved, dy: &Tensor) -> ((), Tensor) {
        let ResponseSaved { x, scale } = saved;
        let (like, dy, x) = (dy, dy.widened(), &x.widened());
        let direct = dy * scale.pow(-self.beta);
        // The transposed windows reach forth as far as the windows reach back.
        let reach = (self.size.saturating_sub(1) / 2, self.size / 2);
        let of_others = self.windows(&(&direct * x / scale), reach);
        let dx = direct - x * of_others * (2.0 * self.alpha * self.beta / self.size as f64);
        ((), dx.type_as(like))
    }
}

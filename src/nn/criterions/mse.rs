//! Squared differences.

use super::pairs::target_like;
use retrograd::Tensor;
use retrograd::nn::{Criterion, Reduction};

/// `(x - y)^2`, of two tensors of one shape.
///
/// Gradient: `dx = 2 (x - y) dl`, over the number of elements for the mean.
///
/// PyTorch: `torch.nn.MSELoss`. Torch: `nn.MSECriterion`.
#[derive(Clone, Debug, Default)]
pub struct MseLoss {
    /// Mean by default.
    pub reduction: Reduction,
}

impl Criterion for MseLoss {
    type Input = Tensor;
    type Target = Tensor;
    type Saved = Tensor;

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let off = x - target_like(self.name(), x, y);
        (self.reduction.apply(&off.square()), off)
    }

    fn backward(&self, off: &Tensor, dl: &Tensor) -> Tensor {
        off * self.reduction.spread(dl * 2.0, off)
    }
}

//! The margin of scores of two classes.

use super::pairs::target_like;
use retrograd::Tensor;
use retrograd::nn::{Criterion, Reduction};

/// `max(0, margin - y x)`, of two tensors of one shape, the targets -1 and 1: the hinge of support vector machines.
///
/// Gradient: `dx = -y dl` where the margin is not kept, else 0; over the number of elements for the mean.
///
/// PyTorch: none. Torch: `nn.MarginCriterion`.
///
/// ```
/// use retrograd::nn::{MarginLoss, criterion_function};
/// use retrograd::{Tensor, grad};
/// let loss = criterion_function(MarginLoss::default());
/// let d = grad(|x: &Tensor| loss(x, &Tensor::from([1.0, 1.0, -1.0, -1.0])));
/// let (dx, value) = d.call(&Tensor::from([3.0, 0.5, 0.5, -3.0]), ())?;
/// assert_eq!((value.item::<f64>()?, dx.to_vec::<f64>()?), (0.5, vec![0.0, -0.25, 0.25, 0.0]));
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// How far on the right side of 0 a score is to be; 1 by default.
    pub margin: f64,
}

impl Default for MarginLoss {
    fn default() -> MarginLoss {
        MarginLoss { reduction: Reduction::Mean, margin: 1.0 }
    }
}

impl Criterion for MarginLoss {
    type Input = Tensor;
    type Target = Tensor;
    /// What is missing to the margin, and the target.
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor, y: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let y = target_like(self.name(), x, y);
        let missing = self.margin - &y * x;
        (self.reduction.apply(&missing.relu()), (missing, y))
    }

    fn backward(&self, (missing, y): &(Tensor, Tensor), dl: &Tensor) -> Tensor {
        // The sign of what relu leaves is 1 where the hinge is open, 0 elsewhere.
        -(y * missing.relu().sign()) * self.reduction.spread(dl.clone(), missing)
    }
}

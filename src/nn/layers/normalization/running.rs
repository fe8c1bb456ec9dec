//! Moments that are followed from batch to batch.

use retrograd::{Tensor, Tree};

/// State of [`BatchNorm`](super::BatchNorm) and [`InstanceNorm`](super::InstanceNorm): the moments that are followed
/// in training and taken in evaluation. The names are those of PyTorch's buffers.
#[derive(Clone, Debug, Tree)]
pub struct RunningStats {
    /// `[channels]`; first zeros.
    pub running_mean: Tensor,
    /// Unbiased variances `[channels]`; first ones.
    pub running_var: Tensor,
    /// How many batches were followed, i64.
    pub num_batches_tracked: Tensor,
}

impl RunningStats {
    pub(super) fn new(channels: usize) -> RunningStats {
        RunningStats {
            running_mean: Tensor::zeros([channels]),
            running_var: Tensor::ones([channels]),
            num_batches_tracked: Tensor::from(0i64),
        }
    }

    /// One batch more. With a momentum, moments go that part of the way to those of the batch; without, they become
    /// the averages over all batches.
    pub(super) fn followed(&self, mean: &Tensor, variance: &Tensor, momentum: Option<f64>) -> RunningStats {
        let batches = &self.num_batches_tracked + 1;
        let part = match momentum {
            Some(part) => self.running_mean.widened().full_like(part),
            None => batches.type_as(&self.running_mean.widened()).reciprocal(),
        };
        let toward = |old: &Tensor, new: &Tensor| {
            let wide = old.widened();
            (&wide + (new - &wide) * &part).type_as(old)
        };
        RunningStats {
            running_mean: toward(&self.running_mean, mean),
            running_var: toward(&self.running_var, variance),
            num_batches_tracked: batches,
        }
    }
}

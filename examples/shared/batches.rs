//! In what order examples are seen.

use retrograd::{Rng, Tensor};

/// Batches of examples, in another order in each epoch. The order is a function of seed and epoch, so that training
/// goes on from any step as if it had never stopped.
#[derive(Debug)]
pub(crate) struct Batches {
    seed: u64,
    count: usize,
    batch: usize,
    /// An epoch and its order; none before the first batch.
    order: Option<(usize, Tensor)>,
}

impl Batches {
    /// Batches of `batch` of `count` examples, both more than 0.
    pub(crate) fn new(seed: u64, count: usize, batch: usize) -> Batches {
        Batches { seed, count, batch, order: None }
    }

    /// Steps in which each example is seen once; the last batch of an epoch may be smaller.
    pub(crate) fn an_epoch(&self) -> usize {
        self.count.div_ceil(self.batch)
    }

    /// The places of the examples of a step, i64; steps are counted from 0.
    pub(crate) fn at(&mut self, step: usize) -> Tensor {
        let (epoch, place) = (step / self.an_epoch(), step % self.an_epoch());
        let order = match &self.order {
            Some((of, order)) if *of == epoch => order.clone(),
            _ => self.of_epoch(epoch),
        };
        self.order = Some((epoch, order.clone()));
        let first = place * self.batch;
        order.narrow(0, first, self.batch.min(self.count - first))
    }

    fn of_epoch(&self, epoch: usize) -> Tensor {
        // Spread by the golden ratio, so that the epochs of one seed are not those of the next.
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch as u64);
        Rng::seed(seed).randperm(self.count)
    }
}

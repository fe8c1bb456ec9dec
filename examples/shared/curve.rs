//! The loss of a run, as a picture.

use crate::chart::{Chart, Curve};

/// Losses of steps, which are counted from 1, over the epochs of `an_epoch` steps: every batch thin, the mean of each
/// epoch bold, at the middle of its steps.
pub(crate) fn curve(losses: &[(usize, f32)], an_epoch: usize) -> Chart {
    let at = |&(step, loss): &(usize, f32)| (step as f64 / an_epoch as f64, f64::from(loss));
    let means = losses.chunk_by(|(a, _), (b, _)| (a - 1) / an_epoch == (b - 1) / an_epoch).map(|epoch| {
        let sums = epoch.iter().map(at).fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sums.0 / epoch.len() as f64, sums.1 / epoch.len() as f64)
    });
    let curves = vec![
        Curve { name: "each batch", points: losses.iter().map(at).collect(), width: 1 },
        Curve { name: "mean of each epoch", points: means.collect(), width: 2 },
    ];
    Chart { title: "Training loss", axes: ["epoch", "cross-entropy"], curves }
}

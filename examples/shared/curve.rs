//! The loss of a run, as a picture.

use crate::chart::{Chart, Curve};

/// Losses over the epochs: every batch thin, the mean of each epoch bold, at the epoch's middle. Of a run that was
/// resumed without its losses, `losses` are the last ones of `steps`; an epoch has `an_epoch` of these.
pub(crate) fn curve(losses: &[f32], steps: usize, an_epoch: usize) -> Chart {
    let before = steps - losses.len();
    let at = |step: usize| (before + step) as f64 / an_epoch as f64;
    let each = losses.iter().enumerate().map(|(step, &loss)| (at(step), f64::from(loss)));
    // From the back, where epochs are whole.
    let means = losses.rchunks(an_epoch).rev().scan(0, |step, epoch| {
        let mean = epoch.iter().map(|&loss| f64::from(loss)).sum::<f64>() / epoch.len() as f64;
        let middle = at(*step) + 0.5 * epoch.len() as f64 / an_epoch as f64;
        *step += epoch.len();
        Some((middle, mean))
    });
    let curves = vec![
        Curve { name: "each batch", points: each.collect(), width: 1 },
        Curve { name: "mean of each epoch", points: means.collect(), width: 2 },
    ];
    Chart { title: "Training loss", axes: ["epoch", "cross-entropy"], curves }
}

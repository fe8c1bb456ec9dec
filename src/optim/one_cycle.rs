//! The one-cycle schedule: up, and down to almost nothing.

use retrograd::{Error, Result, Tensor};

use super::schedule::half_cosine;
use super::settings::{Range, within};

/// One cycle: from `max_lr / div_factor` up to `max_lr` and down to `max_lr / div_factor / final_div_factor`.
///
/// PyTorch: `OneCycleLR`, without its cycle of momentum; Smith and Topin, *Super-convergence* (2018). It stays at its
/// last rate after `total_steps`, where PyTorch's is an error.
///
/// ```
/// use retrograd::optim::{OneCycle, Schedule, Sgd};
///
/// let rate: Schedule = OneCycle::new(1.0, 100).pct_start(0.5).into();
/// assert!((rate.value(0)? - 1.0 / 25.0).abs() < 1e-12);
/// assert_eq!(rate.value(49)?, 1.0);
/// let sgd = Sgd::new(OneCycle::new(1.0, 100)).momentum(0.9);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OneCycle {
    /// The greatest rate.
    pub max_lr: f64,
    /// How many steps there are.
    pub total_steps: u64,
    /// The part of them in which the rate rises.
    pub pct_start: f64,
    /// The curve.
    pub anneal_strategy: Anneal,
    /// The greatest rate over the first.
    pub div_factor: f64,
    /// The first rate over the last.
    pub final_div_factor: f64,
    /// Whether the rate falls back to the first in as many steps as it rose, and then further.
    pub three_phase: bool,
}

/// How a rate goes from one value to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Anneal {
    /// Along half a cosine.
    #[default]
    Cos,
    /// In equal steps.
    Linear,
}

impl OneCycle {
    /// PyTorch's defaults: 0.3 of the steps to rise, cosines, the first rate a 25th of the greatest and the last
    /// 10,000 times smaller than the first, two phases.
    pub fn new(max_lr: f64, total_steps: u64) -> OneCycle {
        OneCycle {
            max_lr,
            total_steps,
            pct_start: 0.3,
            anneal_strategy: Anneal::Cos,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }

    /// The part of the steps in which the rate rises.
    #[must_use]
    pub fn pct_start(mut self, pct_start: f64) -> OneCycle {
        self.pct_start = pct_start;
        self
    }

    /// The curve.
    #[must_use]
    pub fn anneal_strategy(mut self, anneal_strategy: Anneal) -> OneCycle {
        self.anneal_strategy = anneal_strategy;
        self
    }

    /// The greatest rate over the first.
    #[must_use]
    pub fn div_factor(mut self, div_factor: f64) -> OneCycle {
        self.div_factor = div_factor;
        self
    }

    /// The first rate over the last.
    #[must_use]
    pub fn final_div_factor(mut self, final_div_factor: f64) -> OneCycle {
        self.final_div_factor = final_div_factor;
        self
    }

    /// Whether the rate falls back to the first in as many steps as it rose, and then further.
    #[must_use]
    pub fn three_phase(mut self, three_phase: bool) -> OneCycle {
        self.three_phase = three_phase;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let checks = [
            within("max_lr", self.max_lr, Range::NonNegative),
            within("total_steps", self.total_steps as f64, Range::Positive),
            within("pct_start", self.pct_start, Range::Unit),
            within("div_factor", self.div_factor, Range::Positive),
            within("final_div_factor", self.final_div_factor, Range::Positive),
        ];
        let checks: Result<()> = checks.into_iter().collect();
        checks.map_err(|e| Error::msg(format!("schedule `OneCycle`: {e}")))
    }

    /// The last step of each phase, and the rates that it goes from and to.
    fn phases(&self) -> Vec<(f64, f64, f64)> {
        let (total, high) = (self.total_steps as f64, self.max_lr);
        let first = high / self.div_factor;
        let last = first / self.final_div_factor;
        let rise = (self.pct_start * total - 1.0, first, high);
        if self.three_phase {
            return vec![rise, (2.0 * self.pct_start * total - 2.0, high, first), (total - 1.0, first, last)];
        }
        vec![rise, (total - 1.0, high, last)]
    }

    pub(super) fn rate(&self, t: &Tensor) -> Tensor {
        let phases = self.phases();
        let begins = [0.0].into_iter().chain(phases.iter().map(|(end, ..)| *end));
        let mut curves = phases.iter().zip(begins).map(|(&(end, from, to), begin)| {
            // A phase of no length is passed at once.
            let part = if end > begin { (t - begin) / (end - begin) } else { t.ones_like() };
            let part = part.clamp(0.0, 1.0);
            let curve = match self.anneal_strategy {
                Anneal::Cos => half_cosine(from, to, &part),
                Anneal::Linear => part * (to - from) + from,
            };
            (end, curve)
        });
        let first = curves.next().map_or_else(|| t.full_like(self.max_lr), |(_, curve)| curve);
        let mut end = phases.first().map_or(0.0, |(end, ..)| *end);
        curves.fold(first, |earlier, (next_end, curve)| {
            let chosen = t.le(end).where_(earlier, curve);
            end = next_end;
            chosen
        })
    }
}

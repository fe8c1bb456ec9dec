//! Learning rates as functions of the step.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use retrograd::{Error, Result, Tensor};

use super::one_cycle::OneCycle;
use super::settings::{Range, within};
use super::state::spec;

/// A learning rate as a function of the number of steps made so far.
///
/// Every optimizer takes one in the place of a number. It is computed from the step count in the state, so a compiled
/// training step follows it without being compiled again. One step here is what one call of PyTorch's
/// `scheduler.step()` is there.
///
/// | | rate at step `t`, counted from 0 | PyTorch |
/// |---|---|---|
/// | [`Schedule::constant`], or a number | `lr` | |
/// | [`Schedule::step`] | `lr gamma^floor(t / step_size)` | `StepLR` |
/// | [`Schedule::multi_step`] | `lr gamma^(how many milestones are reached)` | `MultiStepLR` |
/// | [`Schedule::exponential`] | `lr gamma^t` | `ExponentialLR` |
/// | [`Schedule::inverse_time`] | `lr / (1 + decay t)` | |
/// | [`Schedule::linear`] | `lr` times a factor that goes from one value to another | `LinearLR` |
/// | [`Schedule::warmup`] | from `lr / (steps + 1)` up to `lr` | `LinearLR` |
/// | [`Schedule::polynomial`] | `lr (1 - t / total_iters)^power`, then 0 | `PolynomialLR` |
/// | [`Schedule::cosine`] | half a cosine from `lr` to `eta_min` | `CosineAnnealingLR` |
/// | [`Schedule::cosine_warm_restarts`] | the same, again and again | `CosineAnnealingWarmRestarts` |
/// | [`OneCycle`] | up, and down to almost nothing | `OneCycleLR` |
/// | [`Schedule::function`], or a tensor | what you compute | `LambdaLR` |
/// | [`Schedule::then`] | one after the other | `SequentialLR` |
///
/// ```
/// use retrograd::Tensor;
/// use retrograd::optim::{Adam, Schedule};
///
/// let rate = Schedule::warmup(0.1, 4).then(Schedule::cosine(0.1, 10, 0.0));
/// assert!((rate.value(0)? - 0.02).abs() < 1e-12);
/// assert_eq!(rate.value(4)?, 0.1);
/// assert_eq!(rate.value(9)?, 0.05);
/// let curve = rate.at(&Tensor::arange(15)); // All values, for a plot.
/// assert_eq!(curve.shape(), [15]);
/// let adam = Adam::new(rate);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule {
    kind: Kind,
    /// For how many steps it holds; none: for ever.
    length: Option<u64>,
}

#[derive(Clone)]
enum Kind {
    Constant(f64),
    Given(Tensor),
    Step { lr: f64, step_size: u64, gamma: f64 },
    MultiStep { lr: f64, milestones: Vec<u64>, gamma: f64 },
    Exponential { lr: f64, gamma: f64 },
    InverseTime { lr: f64, decay: f64 },
    Linear { lr: f64, factors: (f64, f64), total: u64 },
    Polynomial { lr: f64, total: u64, power: f64 },
    Cosine { lr: f64, t_max: u64, eta_min: f64 },
    Restarts { lr: f64, t_0: u64, t_mult: u64, eta_min: f64 },
    OneCycle(OneCycle),
    Scaled(Arc<Schedule>, f64),
    Then(Arc<Schedule>, Arc<Schedule>),
    Function(Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>),
}

/// The name of a setting, its value, and where that may lie.
type Setting = (&'static str, f64, Range);

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Constant(lr) => write!(f, "{lr}"),
            Kind::Given(tensor) => write!(f, "{tensor:?}"),
            Kind::OneCycle(cycle) => write!(f, "{cycle:?}"),
            Kind::Scaled(schedule, factor) => write!(f, "{schedule:?} * {factor}"),
            Kind::Then(first, next) => write!(f, "{first:?}, then {next:?}"),
            Kind::Function(_) => f.write_str("a function of the step"),
            formula => {
                let (name, settings) = formula.settings();
                let values: Vec<String> = settings.iter().map(|(_, value, _)| value.to_string()).collect();
                write!(f, "{name}({})", values.join(", "))
            }
        }
    }
}

impl Kind {
    /// The name and the settings of a formula; those that are no formula have none.
    fn settings(&self) -> (&'static str, Vec<Setting>) {
        use Range::{NonNegative, Positive};
        let lr = |lr: &f64| ("lr", *lr, NonNegative);
        let gamma = |gamma: &f64| ("gamma", *gamma, NonNegative);
        let steps = |name, steps: &u64, range| (name, *steps as f64, range);
        let eta_min = |eta: &f64| ("eta_min", *eta, NonNegative);
        match self {
            Kind::Step { lr: rate, step_size, gamma: factor } => {
                ("step", vec![lr(rate), steps("step_size", step_size, Positive), gamma(factor)])
            }
            Kind::MultiStep { lr: rate, milestones, gamma: factor } => {
                let milestones = milestones.iter().map(|at| steps("milestones", at, NonNegative));
                ("multi_step", [lr(rate)].into_iter().chain(milestones).chain([gamma(factor)]).collect())
            }
            Kind::Exponential { lr: rate, gamma: factor } => ("exponential", vec![lr(rate), gamma(factor)]),
            Kind::InverseTime { lr: rate, decay } => {
                ("inverse_time", vec![lr(rate), ("decay", *decay, NonNegative)])
            }
            Kind::Linear { lr: rate, factors: (from, to), total } => {
                let factors = [("start_factor", *from, NonNegative), ("end_factor", *to, NonNegative)];
                ("linear", vec![lr(rate), factors[0], factors[1], steps("total_iters", total, NonNegative)])
            }
            Kind::Polynomial { lr: rate, total, power } => {
                let total = steps("total_iters", total, NonNegative);
                ("polynomial", vec![lr(rate), total, ("power", *power, NonNegative)])
            }
            Kind::Cosine { lr: rate, t_max, eta_min: least } => {
                ("cosine", vec![lr(rate), steps("t_max", t_max, Positive), eta_min(least)])
            }
            Kind::Restarts { lr: rate, t_0, t_mult, eta_min: least } => {
                let cycles = [steps("t_0", t_0, Positive), steps("t_mult", t_mult, Positive)];
                ("cosine_warm_restarts", vec![lr(rate), cycles[0], cycles[1], eta_min(least)])
            }
            _ => ("", Vec::new()),
        }
    }
}

impl From<f64> for Schedule {
    fn from(lr: f64) -> Schedule {
        Schedule::constant(lr)
    }
}

/// A rate that is a tensor of rank 0, so that a compiled step may take it as an argument.
impl From<Tensor> for Schedule {
    fn from(lr: Tensor) -> Schedule {
        Schedule::of(Kind::Given(lr), None)
    }
}

impl From<&Tensor> for Schedule {
    fn from(lr: &Tensor) -> Schedule {
        lr.clone().into()
    }
}

impl From<OneCycle> for Schedule {
    fn from(cycle: OneCycle) -> Schedule {
        let length = cycle.total_steps;
        Schedule::of(Kind::OneCycle(cycle), Some(length))
    }
}

impl Schedule {
    fn of(kind: Kind, length: Option<u64>) -> Schedule {
        Schedule { kind, length }
    }

    /// The same rate in every step.
    pub fn constant(lr: f64) -> Schedule {
        Schedule::of(Kind::Constant(lr), None)
    }

    /// The rate times `gamma` after every `step_size` steps. PyTorch: `StepLR`, whose default `gamma` is 0.1.
    pub fn step(lr: f64, step_size: u64, gamma: f64) -> Schedule {
        Schedule::of(Kind::Step { lr, step_size, gamma }, None)
    }

    /// The rate times `gamma` at each of the milestones, in any order. PyTorch: `MultiStepLR`.
    pub fn multi_step(lr: f64, milestones: impl Into<Vec<u64>>, gamma: f64) -> Schedule {
        Schedule::of(Kind::MultiStep { lr, milestones: milestones.into(), gamma }, None)
    }

    /// The rate times `gamma` after every step. PyTorch: `ExponentialLR`.
    pub fn exponential(lr: f64, gamma: f64) -> Schedule {
        Schedule::of(Kind::Exponential { lr, gamma }, None)
    }

    /// `lr / (1 + decay t)`: the learning-rate decay of Torch's `sgd`.
    pub fn inverse_time(lr: f64, decay: f64) -> Schedule {
        Schedule::of(Kind::InverseTime { lr, decay }, None)
    }

    /// `lr` times a factor that goes from `start_factor` to `end_factor` in `total_iters` equal steps, and stays there.
    /// PyTorch: `LinearLR`.
    pub fn linear(lr: f64, start_factor: f64, end_factor: f64, total_iters: u64) -> Schedule {
        let factors = (start_factor, end_factor);
        Schedule::of(Kind::Linear { lr, factors, total: total_iters }, Some(total_iters))
    }

    /// From `lr / (steps + 1)` in equal steps up to `lr`, which is reached after `steps` of them, and stays.
    pub fn warmup(lr: f64, steps: u64) -> Schedule {
        Schedule::linear(lr, 1.0 / (steps as f64 + 1.0), 1.0, steps)
    }

    /// `lr (1 - t / total_iters)^power`, and 0 from there on. PyTorch: `PolynomialLR`.
    pub fn polynomial(lr: f64, total_iters: u64, power: f64) -> Schedule {
        Schedule::of(Kind::Polynomial { lr, total: total_iters, power }, Some(total_iters))
    }

    /// Half a cosine from `lr` at step 0 to `eta_min` at step `t_max`. It goes up again from there, as PyTorch's
    /// `CosineAnnealingLR` does; `.then(eta_min)` keeps it down.
    pub fn cosine(lr: f64, t_max: u64, eta_min: f64) -> Schedule {
        Schedule::of(Kind::Cosine { lr, t_max, eta_min }, Some(t_max))
    }

    /// Half a cosine from `lr` towards `eta_min` in `t_0` steps, which begins anew, each time `t_mult` times longer.
    /// PyTorch: `CosineAnnealingWarmRestarts`.
    pub fn cosine_warm_restarts(lr: f64, t_0: u64, t_mult: u64, eta_min: f64) -> Schedule {
        Schedule::of(Kind::Restarts { lr, t_0, t_mult, eta_min }, None)
    }

    /// A rate that you compute from the count of steps made so far, which is an f64 tensor; it is to be made of tensor
    /// operations, so that it can be compiled. PyTorch: `LambdaLR`.
    ///
    /// ```
    /// use retrograd::optim::Schedule;
    /// // Attention is all you need, section 5.3.
    /// let noam = Schedule::function(|t| {
    ///     let t = t + 1.0;
    ///     t.rsqrt().minimum(t * 4000f64.powf(-1.5)) / 512f64.sqrt()
    /// });
    /// assert!(noam.value(3999)? > noam.value(0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    pub fn function(f: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Schedule {
        Schedule::of(Kind::Function(Arc::new(f)), None)
    }

    /// Holds for so many steps, whatever its own length: after that may come what [`Schedule::then`] says.
    #[must_use]
    pub fn lasting(mut self, steps: u64) -> Schedule {
        self.length = Some(steps);
        self
    }

    /// This schedule, and after it another, whose step 0 is when this one ends. A schedule that has no end is given one
    /// by [`Schedule::lasting`]. PyTorch: `SequentialLR`.
    #[must_use]
    pub fn then(self, next: impl Into<Schedule>) -> Schedule {
        let next = next.into();
        let length = self.length.zip(next.length).map(|(a, b)| a.saturating_add(b));
        Schedule::of(Kind::Then(Arc::new(self), Arc::new(next)), length)
    }

    /// All rates times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Schedule {
        let length = self.length;
        Schedule::of(Kind::Scaled(Arc::new(self), factor), length)
    }

    /// The rate after `done` steps: an f64 tensor of the shape of `done`, which holds whole numbers of any dtype. Wrong
    /// settings are told by [`Schedule::check`], not here.
    pub fn at(&self, done: &Tensor) -> Tensor {
        self.rate(&done.f64())
    }

    /// The rate after `done` steps as a number.
    ///
    /// # Errors
    /// If a setting is out of its range, or what a function computes is no number.
    pub fn value(&self, done: u64) -> Result<f64> {
        self.check()?;
        self.at(&Tensor::from(done as f64)).item()
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// That one is out of its range, or that a schedule without an end is followed by another.
    pub fn check(&self) -> Result<()> {
        match &self.kind {
            Kind::Constant(lr) => within("lr", *lr, Range::NonNegative),
            Kind::Given(lr) => given(lr).map_err(|e| Error::msg(format!("`lr` {e}"))),
            Kind::Function(_) => Ok(()),
            Kind::OneCycle(cycle) => cycle.check(),
            Kind::Scaled(schedule, factor) => {
                within("factor", *factor, Range::NonNegative)?;
                schedule.check()
            }
            Kind::Then(first, _) if first.length.is_none() => Err(Error::msg(format!(
                "schedule: {first:?} has no end, so nothing can follow it; say how long it holds with `.lasting(steps)`"
            ))),
            Kind::Then(first, next) => first.check().and_then(|()| next.check()),
            formula => {
                let (name, settings) = formula.settings();
                let mut checks =
                    settings.into_iter().map(|(setting, value, range)| within(setting, value, range));
                checks.try_for_each(|check| check.map_err(|e| Error::msg(format!("schedule `{name}`: {e}"))))
            }
        }
    }

    /// The rate at `t`, an f64 tensor.
    fn rate(&self, t: &Tensor) -> Tensor {
        match &self.kind {
            Kind::Constant(lr) => t.full_like(*lr),
            Kind::Given(lr) => t.zeros_like() + lr.f64(),
            Kind::Function(f) => f(t).f64(),
            Kind::Step { lr, step_size, gamma } => {
                t.full_like(*gamma).pow((t / *step_size as f64).floor()) * *lr
            }
            Kind::MultiStep { lr, milestones, gamma } => {
                let reached = milestones.iter().fold(t.zeros_like(), |sum, &m| sum + t.ge(m as f64).f64());
                t.full_like(*gamma).pow(reached) * *lr
            }
            Kind::Exponential { lr, gamma } => t.full_like(*gamma).pow(t) * *lr,
            Kind::InverseTime { lr, decay } => *lr / (t * *decay + 1.0),
            Kind::Linear { lr, factors: (from, to), total } => (part(t, *total) * (to - from) + *from) * *lr,
            Kind::Polynomial { lr, total, power } => (1.0 - part(t, *total)).pow(*power) * *lr,
            Kind::Cosine { lr, t_max, eta_min } => half_cosine(*lr, *eta_min, &(t / *t_max as f64)),
            Kind::Restarts { lr, t_0, t_mult, eta_min } => {
                half_cosine(*lr, *eta_min, &since_restart(t, *t_0 as f64, *t_mult as f64))
            }
            Kind::OneCycle(cycle) => cycle.rate(t),
            Kind::Scaled(schedule, factor) => schedule.rate(t) * *factor,
            Kind::Then(first, next) => {
                let length = first.length.unwrap_or(u64::MAX) as f64;
                t.lt(length).where_(first.rate(t), next.rate(&(t - length).maximum(0.0)))
            }
        }
    }
}

/// How much of `total` steps is made, at most 1.
fn part(t: &Tensor, total: u64) -> Tensor {
    if total == 0 { t.ones_like() } else { t.minimum(total as f64) / total as f64 }
}

/// From `high` at 0 to `low` at 1.
pub(super) fn half_cosine(high: f64, low: f64, part: &Tensor) -> Tensor {
    ((part * PI).cos() + 1.0) * ((high - low) / 2.0) + low
}

/// Which part of its cycle is over: cycle `n` has `t_0 t_mult^n` steps.
fn since_restart(t: &Tensor, t_0: f64, t_mult: f64) -> Tensor {
    if t_mult <= 1.0 {
        return (t - (t / t_0).floor() * t_0) / t_0;
    }
    // Whole numbers, which a power meets only to its rounding.
    let length = |n: &Tensor| n.full_like(t_mult).pow(n).round() * t_0;
    let begin = |n: &Tensor| (length(n) - t_0) / (t_mult - 1.0);
    // A logarithm finds the cycle to one, comparisons with the beginnings exactly.
    let guess = ((t * ((t_mult - 1.0) / t_0) + 1.0).log() / t_mult.ln()).floor();
    let guess = &guess + t.ge(begin(&(&guess + 1.0))).f64();
    let n = &guess - t.lt(begin(&guess)).f64();
    (t - begin(&n)) / length(&n)
}

/// Refuses a tensor that is no floating-point number of rank 0.
pub(super) fn given(number: &Tensor) -> Result<()> {
    if let Some(error) = number.error() {
        return Err(error.clone());
    }
    if number.rank() != 0 || !number.dtype().is_float() {
        return Err(Error::msg(format!(
            "is {}, and must be a floating-point number of rank 0",
            spec(number)
        )));
    }
    Ok(())
}

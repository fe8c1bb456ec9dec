//! What an optimizer does to one leaf: the contract between the formulas and what is common to all of them.

use std::fmt::Debug;

use retrograd::{Error, Result, Tensor, Tree};

/// The formula of a first-order optimizer: how one leaf of the parameters moves, given its gradient.
///
/// Implement it for settings of your own and they are an [`Optimizer`](super::Optimizer): state, structure checks,
/// dtypes, parameter groups and compiled steps come with that.
///
/// What changes from step to step is a tensor, never a number of Rust, so that a compiled step is compiled once: the
/// rate and what else depends on the count of steps are computed in [`Rule::numbers`] from the [`Moment`].
///
/// ```
/// use retrograd::{Result, Tensor};
/// use retrograd::optim::{Leaf, Moment, Optimizer, Rule};
///
/// /// Follows the sign of the gradient.
/// #[derive(Clone, Debug)]
/// struct SignDescent {
///     lr: f64,
/// }
///
/// impl Rule for SignDescent {
///     type Numbers = ();
///     fn name(&self) -> &'static str {
///         "sign descent"
///     }
///     fn numbers(&self, _: &Moment) {}
///     fn update(&self, leaf: &mut Leaf, (): &()) -> Result<Tensor> {
///         Ok(&leaf.param - leaf.grad.sign() * self.lr)
///     }
/// }
///
/// let (p, g) = (Tensor::from([1.0, 2.0]), Tensor::from([0.3, -5.0]));
/// let rule = SignDescent { lr: 0.5 };
/// let (p, _) = rule.step(&p, &g, &rule.init(&p)?)?;
/// assert_eq!(p.to_vec::<f64>()?, [0.5, 2.5]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub trait Rule: Clone + Debug + Send + Sync + 'static {
    /// The numbers of a step that leaves share: f64 tensors of rank 0, as a tree such as an array. A leaf sees them in the
    /// dtype that it is computed in.
    type Numbers: Tree;

    /// For errors.
    fn name(&self) -> &'static str;

    /// Refuses settings that make no sense; called in each `init` and `step`.
    ///
    /// # Errors
    /// That a setting is out of its range.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The names of what is remembered of each leaf from step to step; by default nothing.
    fn slots(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What a slot holds before the first step of a leaf, in the leaf's shape or of rank 0, and in its dtype; by default
    /// zeros.
    fn initial(&self, slot: &str, param: &Tensor) -> Tensor {
        let _ = slot;
        param.zeros_like()
    }

    /// The numbers of this step; asked again for each leaf that was frozen in some of the steps before.
    fn numbers(&self, now: &Moment) -> Self::Numbers;

    /// The new parameter. What the slots shall hold from now on is put into them by [`Leaf::keep`].
    ///
    /// # Errors
    /// That there is no such slot.
    fn update(&self, leaf: &mut Leaf, n: &Self::Numbers) -> Result<Tensor>;
}

/// The moment of a step: how many were made before it, by the optimizer and by the leaf.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Steps made before this one, whatever was frozen in them; schedules follow it: i64, rank 0.
    pub done: Tensor,
    /// The number of this step, counted from 1 as papers do, without those in which the leaf was frozen: f64, rank 0.
    pub t: Tensor,
}

impl Moment {
    pub(super) fn after(done: &Tensor) -> Moment {
        Moment { done: done.clone(), t: (done + 1).f64() }
    }

    /// The same moment for a leaf that made only so many steps.
    pub(super) fn of_leaf(&self, made: &Tensor) -> Moment {
        Moment { done: self.done.clone(), t: (made + 1).f64() }
    }

    /// `1 - decay^t`: what an exponential mean that began at zero has seen of its weights, by which it is divided to be
    /// one (Kingma and Ba, *Adam*, section 3).
    pub fn bias_correction(&self, decay: f64) -> Tensor {
        1.0 - self.power(decay)
    }

    /// `base^t`, f64.
    pub fn power(&self, base: f64) -> Tensor {
        Tensor::from(base).pow(&self.t)
    }
}

/// One leaf in a step: parameter, gradient, and what is remembered of it.
///
/// All are in one dtype: f16 and bf16 leaves are computed in f32, and so are their slots kept.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The parameter.
    pub param: Tensor,
    /// Its gradient, of the same shape and dtype.
    pub grad: Tensor,
    pub(super) slots: Vec<(&'static str, Tensor)>,
}

impl Leaf {
    /// What a slot holds.
    ///
    /// # Errors
    /// If [`Rule::slots`] does not name it.
    pub fn slot(&self, name: &str) -> Result<Tensor> {
        match self.slots.iter().find(|(own, _)| *own == name) {
            Some((_, held)) => Ok(held.clone()),
            None => Err(self.missing(name)),
        }
    }

    /// Puts a value into a slot.
    ///
    /// # Errors
    /// If [`Rule::slots`] does not name it.
    pub fn keep(&mut self, name: &str, value: &Tensor) -> Result<()> {
        match self.slots.iter_mut().find(|(own, _)| *own == name) {
            Some((_, held)) => *held = value.clone(),
            None => return Err(self.missing(name)),
        }
        Ok(())
    }

    /// `decay * slot + (1 - decay) * value`, the exponential mean of what it is given, which is kept.
    ///
    /// # Errors
    /// If [`Rule::slots`] does not name the slot.
    pub fn keep_mean(&mut self, name: &str, value: &Tensor, decay: f64) -> Result<Tensor> {
        let mean = self.slot(name)?.lerp(value, 1.0 - decay);
        self.keep(name, &mean)?;
        Ok(mean)
    }

    /// The gradient of what is minimised: negated to maximise, and with `weight_decay` times the parameter added, the
    /// gradient of `weight_decay / 2 * |param|^2`.
    pub fn descent(&self, maximize: bool, weight_decay: f64) -> Tensor {
        let grad = if maximize { -&self.grad } else { self.grad.clone() };
        if weight_decay == 0.0 { grad } else { grad + &self.param * weight_decay }
    }

    fn missing(&self, name: &str) -> Error {
        let own: Vec<&str> = self.slots.iter().map(|(own, _)| *own).collect();
        let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
        Error::msg(format!("there is no slot `{name}` (there is: {own}); name it in `Rule::slots`"))
    }
}

//! What all first-order optimizers share: a pure step from parameters, gradients and state to the next.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::Location;

use retrograd::{DType, Error, Result, Tensor, Tree, tree};

use super::clip;
use super::counts::Counts;
use super::groups::Groups;
use super::rule::{Leaf, Moment, Rule};
use super::settings::{Range, within};
use super::state::{State, is_nothing, leaves_like, nothing, of_leaf, spec, valid, with_leaves};

/// A first-order optimizer: settings such as [`Adam`](super::Adam), or [`Groups`] of them.
///
/// A step is a pure function: it takes parameters, gradients and state, and yields the next parameters and state. So
/// it can be compiled together with the gradient, differentiated (learned rates), or undone by keeping what was.
///
/// ```
/// use retrograd::optim::{Adam, Optimizer, State};
/// use retrograd::{Fallback, Result, Tensor, grad, jit};
///
/// type Params = (Tensor, Tensor);
/// let gradient = grad(|p: &Params, x: &Tensor| (x.matmul(&p.0) + &p.1 - 1.0).square().mean());
/// let adam = Adam::new(0.1);
/// // Forward, backward and update as one program.
/// let rule = adam.clone();
/// let step = jit(move |p: &(Params, State<Params>), x: &Tensor| -> Result<((Params, State<Params>), Tensor)> {
///     let (g, loss) = gradient.call(&p.0, x)?;
///     Ok((rule.step(&p.0, &g, &p.1)?, loss))
/// })
/// .fallback(Fallback::Error);
///
/// let params = (Tensor::zeros([3, 1]), Tensor::zeros([1]));
/// let (mut p, x) = ((params.clone(), adam.init(&params)?), Tensor::ones([4, 3]));
/// for _ in 0..100 {
///     (p, _) = step.call_owned(p, &x)?;
/// }
/// let (_, loss) = step.call(&p, &x)?;
/// assert!(loss.item::<f32>()? < 1e-3);
/// assert_eq!((step.stats().misses, step.stats().hits), (1, 100)); // Compiled once.
/// # Ok::<(), retrograd::Error>(())
/// ```
pub trait Optimizer: Clone + Debug + Send + Sync + 'static {
    /// The settings of a leaf.
    type Rule: Rule;

    /// Which settings each leaf has. `count` is the number of leaves, `paths` makes their paths.
    ///
    /// # Errors
    /// If a group has no leaf.
    #[doc(hidden)]
    fn assign(&self, count: usize, paths: &dyn Fn() -> Vec<String>) -> Result<Assignment<Self::Rule>>;

    /// The state before the first step.
    ///
    /// # Errors
    /// A setting out of its range, a parameter that is invalid, or a group without a leaf.
    #[track_caller]
    fn init<P: Tree>(&self, params: &P) -> Result<State<P>> {
        let at = Location::caller();
        let leaves = tree::leaves(params);
        let assigned = self.assign(leaves.len(), &|| tree::paths(params)).map_err(|e| located(at, e))?;
        let name = assigned.name();
        let checked = valid(params, &leaves, "the parameter").and_then(|()| assigned.check());
        checked.map_err(|e| of_optimizer(name, at, e))?;
        let slots = assigned.slots().into_iter().map(|slot| {
            let initial = |(i, x): (usize, &Tensor)| match assigned.rule(i, x) {
                Some((_, rule)) if rule.slots().contains(&slot) => rule.initial(slot, &x.widened()),
                _ => nothing(),
            };
            (slot.to_owned(), with_leaves(params, leaves.iter().enumerate().map(initial).collect()))
        });
        let (step, slots) = (Tensor::from(0i64), slots.collect());
        let counts = Counts::default().with_resting(&assigned.rests(&leaves), &step);
        Ok(State { step, slots, leaf_steps: counts.into_tree(params) })
    }

    /// The parameters and the state after one more step.
    ///
    /// Integer and bool leaves stay what they are, and so do those of a frozen group. A leaf that thaws goes on as if the
    /// steps in which it was frozen had not been; one that was frozen from the beginning begins then.
    ///
    /// # Errors
    /// A setting out of its range, gradients or a state that do not fit the parameters, or a group without a leaf.
    #[track_caller]
    fn step<P: Tree>(&self, params: &P, grads: &P, state: &State<P>) -> Result<(P, State<P>)> {
        let at = Location::caller();
        let count = tree::leaf_count(params);
        let assigned = self.assign(count, &|| tree::paths(params)).map_err(|e| located(at, e))?;
        assigned.step(params, grads, state).map_err(|e| of_optimizer(assigned.name(), at, e))
    }

    /// These settings, changed by `change` for the leaves whose path matches `pattern`; see [`Groups`].
    ///
    /// ```
    /// use retrograd::optim::{AdamW, Optimizer};
    /// let adam = AdamW::new(1e-3).group("b", |adam| adam.weight_decay(0.0)).freeze("layers[0]");
    /// ```
    #[must_use]
    fn group<F>(self, pattern: &str, change: F) -> Groups<Self::Rule>
    where
        F: Fn(Self::Rule) -> Self::Rule + Send + Sync + 'static;

    /// These settings, with the leaves whose path matches `pattern` left as they are; see [`Groups`].
    #[must_use]
    fn freeze(self, pattern: &str) -> Groups<Self::Rule>;

    /// These settings, with the gradients of all leaves that move clipped to a common norm before each step, as by
    /// [`clip_norm`](super::clip_norm).
    ///
    /// ```
    /// use retrograd::Tensor;
    /// use retrograd::optim::{Optimizer, Sgd};
    /// let sgd = Sgd::new(1.0).clip_norm(0.5);
    /// let x = Tensor::from([1.0, 1.0]);
    /// let (x, _) = sgd.step(&x, &Tensor::from([30.0, 40.0]), &sgd.init(&x)?)?;
    /// assert!(x.allclose(&Tensor::from([0.7, 0.6]), 1e-6, 0.0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[must_use]
    fn clip_norm(self, max_norm: f64) -> Groups<Self::Rule>;
}

impl<R: Rule> Optimizer for R {
    type Rule = R;

    fn assign(&self, count: usize, _: &dyn Fn() -> Vec<String>) -> Result<Assignment<R>> {
        Ok(Assignment { rules: vec![self.clone()], of: vec![Some(0); count], max_norm: None })
    }

    fn group<F>(self, pattern: &str, change: F) -> Groups<R>
    where
        F: Fn(R) -> R + Send + Sync + 'static,
    {
        Groups::of(self).group(pattern, change)
    }

    fn freeze(self, pattern: &str) -> Groups<R> {
        Groups::of(self).freeze(pattern)
    }

    fn clip_norm(self, max_norm: f64) -> Groups<R> {
        Groups::of(self).clip_norm(max_norm)
    }
}

/// The settings there are, and which each leaf has.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Assignment<R> {
    /// Never empty: the first are those of leaves that no pattern matches.
    pub(super) rules: Vec<R>,
    /// For each leaf a position in `rules`; none if it is frozen.
    pub(super) of: Vec<Option<usize>>,
    /// What the gradients of all leaves that move are clipped to.
    pub(super) max_norm: Option<f64>,
}

impl<R: Rule> Assignment<R> {
    fn name(&self) -> &'static str {
        self.rules.first().map_or("optimizer", Rule::name)
    }

    fn check(&self) -> Result<()> {
        self.max_norm.map_or(Ok(()), |norm| within("max_norm", norm, Range::NonNegative))?;
        self.rules.iter().try_for_each(Rule::check)
    }

    /// The names of all slots that any of the settings need.
    fn slots(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.rules.iter().flat_map(Rule::slots).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The settings of leaf `i`, which is `x`, with their number; none if it does not move.
    fn rule(&self, i: usize, x: &Tensor) -> Option<(usize, &R)> {
        let number = self.of.get(i).copied().flatten().filter(|_| x.dtype().is_float())?;
        Some((number, self.rules.get(number)?))
    }

    /// Which leaves would move if they were not frozen.
    fn rests(&self, leaves: &[Tensor]) -> Vec<bool> {
        let rests = |(i, x): (usize, &Tensor)| x.dtype().is_float() && self.rule(i, x).is_none();
        leaves.iter().enumerate().map(rests).collect()
    }

    /// What gradients are multiplied by to be clipped.
    fn clipping(&self, leaves: &[Tensor], grads: &[Tensor]) -> Option<Tensor> {
        let moving = leaves.iter().zip(grads).enumerate().filter(|(i, (x, _))| self.rule(*i, x).is_some());
        let moving: Vec<&Tensor> = moving.map(|(_, (_, grad))| grad).collect();
        self.max_norm.map(|max_norm| clip::shrinking(&clip::norm(&moving), max_norm))
    }

    fn step<P: Tree>(&self, params: &P, grads: &P, state: &State<P>) -> Result<(P, State<P>)> {
        self.check()?;
        let names = self.slots();
        if !state.slots.keys().eq(&names) {
            return Err(other_slots(&names, &state.slots));
        }
        let (leaves, grads) = fitting(params, grads)?;
        let held = state.slots.iter().map(|(name, slot)| fitting_slot(params, &leaves, name, slot));
        let mut slots = held.collect::<Result<Vec<_>>>()?;
        let counts = Counts::held(params, state.leaf_steps.as_ref())?;
        let mut counts = counts.with_resting(&self.rests(&leaves), &state.step);
        let now = Moment::after(&state.step);
        let mut numbers = Numbers::new(&self.rules, &now);
        let factor = self.clipping(&leaves, &grads);
        let mut moved = Vec::with_capacity(leaves.len());
        for (i, (param, grad)) in leaves.iter().zip(&grads).enumerate() {
            let Some((number, rule)) = self.rule(i, param) else {
                moved.push(param.clone());
                continue;
            };
            // Squares of small gradients vanish in f16, small changes in bf16.
            let wide = param.widened();
            let dtype = wide.dtype();
            let own =
                names.iter().zip(&slots).map(|(name, slot)| (*name, begun(rule, name, &slot[i], &wide)));
            let own = own.collect();
            let grad = match &factor {
                Some(factor) => grad.to_dtype(dtype) * factor.to_dtype(dtype),
                None => grad.to_dtype(dtype),
            };
            let mut leaf = Leaf { param: wide, grad, slots: own };
            let late;
            let n = match counts.of(i) {
                Some(made) => {
                    late = tree::cast(&rule.numbers(&now.of_leaf(made)), dtype);
                    &late
                }
                None => numbers.of(number, dtype),
            };
            let new = rule.update(&mut leaf, n)?.to_dtype(param.dtype());
            counts.advance(i);
            if new.error().is_none() && new.shape() != param.shape() {
                let (of, new, old) = (of_leaf(params, i), spec(&new), spec(param));
                return Err(Error::msg(format!("the new value{of} is {new}, the parameter {old}")));
            }
            moved.push(new);
            for (slot, (_, held)) in slots.iter_mut().zip(leaf.slots) {
                slot[i] = held;
            }
        }
        valid(params, &moved, "the new value")?;
        let named = state.slots.iter().zip(slots);
        let slots = named.map(|((name, old), new)| (name.clone(), with_leaves(old, new))).collect();
        let (step, leaf_steps) = (&state.step + 1, counts.into_tree(params));
        Ok((with_leaves(params, moved), State { step, slots, leaf_steps }))
    }
}

/// Leaves of parameters and gradients, which agree in structure, shapes and dtypes.
fn fitting<P: Tree>(params: &P, grads: &P) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let leaves = tree::leaves(params);
    valid(params, &leaves, "the parameter")?;
    let grads = leaves_like(params, grads, "the gradients")?;
    valid(params, &grads, "the gradient")?;
    // What is no float does not move, whatever its gradient.
    let misfit = |(_, (x, g)): &(usize, (&Tensor, &Tensor))| {
        x.dtype().is_float() && (x.shape() != g.shape() || x.dtype() != g.dtype())
    };
    if let Some((at, (x, g))) = leaves.iter().zip(&grads).enumerate().find(misfit) {
        let (of, x, g) = (of_leaf(params, at), spec(x), spec(g));
        return Err(Error::msg(format!("the gradient{of} is {g}, the parameter {x}")));
    }
    Ok((leaves, grads))
}

/// Leaves of a slot, each of which has its parameter's shape or is one number.
fn fitting_slot<P: Tree>(params: &P, leaves: &[Tensor], name: &str, slot: &P) -> Result<Vec<Tensor>> {
    let what = format!("the slot `{name}`");
    let held = leaves_like(params, slot, &what)?;
    valid(params, &held, &what)?;
    let misfit = |(x, s): (&Tensor, &Tensor)| s.rank() != 0 && s.shape() != x.shape();
    if let Some(at) = leaves.iter().zip(&held).position(misfit) {
        let (of, x, s) = (of_leaf(params, at), spec(&leaves[at]), spec(&held[at]));
        return Err(Error::msg(format!("{what}{of} is {s}, the parameter {x}")));
    }
    Ok(held)
}

/// What a slot holds, or shall begin with where it holds nothing: a leaf that moves for the first time.
fn begun(rule: &impl Rule, slot: &str, held: &Tensor, param: &Tensor) -> Tensor {
    match is_nothing(held) && rule.slots().contains(&slot) {
        true => rule.initial(slot, param),
        false => held.clone(),
    }
}

/// The numbers of a step, computed once for all leaves of a group and dtype that made as many steps as the state.
struct Numbers<R: Rule> {
    exact: Vec<R::Numbers>,
    cast: BTreeMap<(usize, DType), R::Numbers>,
}

impl<R: Rule> Numbers<R> {
    fn new(rules: &[R], now: &Moment) -> Numbers<R> {
        Numbers { exact: rules.iter().map(|rule| rule.numbers(now)).collect(), cast: BTreeMap::new() }
    }

    fn of(&mut self, rule: usize, dtype: DType) -> &R::Numbers {
        let exact = &self.exact[rule];
        self.cast.entry((rule, dtype)).or_insert_with(|| tree::cast(exact, dtype))
    }
}

fn other_slots<P>(needed: &[&str], held: &BTreeMap<String, P>) -> Error {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let held = list(held.keys().map(String::as_str).collect());
    let needed = list(needed.to_vec());
    Error::msg(format!(
        "the state is one of other settings: its slots are {held}, these settings need {needed}\n  help: make it by `init` of the same settings"
    ))
}

/// Says which optimizer it was, and where it was called.
fn of_optimizer(name: &str, at: &Location<'_>, error: Error) -> Error {
    located(at, Error::msg(format!("{name}: {error}")))
}

pub(super) fn located(at: &Location<'_>, error: Error) -> Error {
    Error::msg(format!("{error}\n  at {}:{}:{}", at.file(), at.line(), at.column()))
}

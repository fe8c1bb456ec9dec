//! L-BFGS: Newton's direction from the last few changes of the gradient.

use retrograd::{Error, Loss, Result, Tensor, Tree};

use super::line_search::{Point, Wolfe};
use super::minimizer::{Minimized, Minimizer};
use super::objective::{Evaluated, Objective, greatest, inner, number};
use super::settings::{Range, settings, within};

settings! {
    /// L-BFGS: the direction of Newton's method, made of the last changes of the parameters and of the gradient, for
    /// functions that are the same in each evaluation (whole batches).
    ///
    /// One step makes up to `max_iter` iterations, each with one evaluation, or with the several that a line search
    /// takes. What it does is what PyTorch does, iterate by iterate, with one exception: a line search that has used up its
    /// evaluations never ends at a NaN, as PyTorch's may.
    ///
    /// PyTorch: `torch.optim.LBFGS`; Nocedal and Wright, *Numerical optimization* (2006), algorithms 7.4 and 7.5.
    ///
    /// ```
    /// use retrograd::{Tensor, grad};
    /// use retrograd::optim::{Lbfgs, LineSearch, Minimizer};
    ///
    /// let rosenbrock = grad(|x: &Tensor| {
    ///     let (x, y) = (x.at(0), x.at(1));
    ///     (1.0 - &x).square() + (y - x.square()).square() * 100.0
    /// });
    /// let lbfgs = Lbfgs::new(1.0).max_iter(50).line_search_fn(Some(LineSearch::StrongWolfe));
    /// let x = Tensor::from([-1.2, 1.0]);
    /// let found = lbfgs.minimize(&x, &lbfgs.start(&x)?, |x| rosenbrock.call(x, ()))?;
    /// assert!(found.params.allclose(&Tensor::from([1.0, 1.0]), 1e-3, 0.0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    Lbfgs(1.0) {
        /// Iterations in a step.
        max_iter: usize = 20,
        /// Evaluations in a step; none: 5/4 of the iterations. What is left of them bounds a line search, as in PyTorch. So
        /// with `max_iter` 1 set this too: by default nothing is left then, a step that is too long is not shortened, and
        /// where the first one leads up the parameters stay.
        max_eval: Option<usize> = None,
        /// It ends where no element of the gradient is greater.
        tolerance_grad: f64 = 1e-7,
        /// It ends where neither parameters nor value change by more.
        tolerance_change: f64 = 1e-9,
        /// How many changes are remembered.
        history_size: usize = 100,
        /// How the length of a step is found; none: it is the learning rate.
        line_search_fn: Option<LineSearch> = None,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

/// How the length of a step is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LineSearch {
    /// By a search for one that meets the strong Wolfe conditions, with `c1 = 1e-4` and `c2 = 0.9`.
    StrongWolfe,
}

/// What [`Lbfgs`] remembers: a tree, to be saved and resumed from.
#[derive(Clone, Debug, Tree)]
pub struct LbfgsState {
    /// How many steps were made: i64, rank 0.
    pub step: Tensor,
    /// How many iterations: i64, rank 0.
    pub n_iter: Tensor,
    /// How often the function was evaluated: i64, rank 0.
    pub func_evals: Tensor,
    /// Nothing before the first iteration.
    pub memory: Option<LbfgsMemory>,
}

/// The last iteration, and the changes remembered.
#[derive(Clone, Debug, Tree)]
pub struct LbfgsMemory {
    /// The last direction.
    pub d: Tensor,
    /// How far it was followed: f64, rank 0.
    pub t: Tensor,
    /// Changes of the gradient, the oldest first.
    pub old_dirs: Vec<Tensor>,
    /// Changes of the parameters.
    pub old_stps: Vec<Tensor>,
    /// One over the inner product of the two: f64, rank 0.
    pub ro: Vec<Tensor>,
    /// The first guess of the inverse Hessian, a multiple of the identity: f64, rank 0.
    pub h_diag: Tensor,
    /// The gradient before the last iteration.
    pub prev_flat_grad: Tensor,
    /// The value there: f64, rank 0.
    pub prev_loss: Tensor,
}

impl LbfgsMemory {
    fn first(at: &Evaluated) -> LbfgsMemory {
        LbfgsMemory {
            d: -&at.gradient,
            t: Tensor::from(0.0),
            old_dirs: Vec::new(),
            old_stps: Vec::new(),
            ro: Vec::new(),
            h_diag: Tensor::from(1.0),
            prev_flat_grad: at.gradient.clone(),
            prev_loss: Tensor::from(at.value),
        }
    }

    /// The memory with the change that led to a new gradient, and the direction from there.
    fn next(mut self, at: &Evaluated, history_size: usize) -> Result<LbfgsMemory> {
        let y = &at.gradient - &self.prev_flat_grad;
        let s = &self.d * number(&self.t)?;
        let ys = inner(&y, &s)?;
        // Below this the Hessian would lose its positive definiteness to rounding; PyTorch's bound.
        if ys > 1e-10 {
            if self.ro.len() >= history_size {
                for oldest in [&mut self.old_dirs, &mut self.old_stps, &mut self.ro] {
                    drop(oldest.remove(0));
                }
            }
            self.h_diag = Tensor::from(ys / inner(&y, &y)?);
            self.old_dirs.push(y);
            self.old_stps.push(s);
            self.ro.push(Tensor::from(1.0 / ys));
        }
        self.d = self.direction(&at.gradient)?;
        self.prev_flat_grad = at.gradient.clone();
        self.prev_loss = Tensor::from(at.value);
        Ok(self)
    }

    /// The inverse Hessian times the gradient, negated: the recursion of two loops.
    fn direction(&self, gradient: &Tensor) -> Result<Tensor> {
        let mut q = -gradient;
        let changes: Vec<_> = self.old_dirs.iter().zip(&self.old_stps).zip(&self.ro).collect();
        let mut shares = Vec::with_capacity(changes.len());
        for ((y, s), ro) in changes.iter().rev() {
            let share = inner(s, &q)? * number(ro)?;
            q -= *y * share;
            shares.push(share);
        }
        let mut r = q * number(&self.h_diag)?;
        for (((y, s), ro), share) in changes.iter().zip(shares.iter().rev()) {
            let back = inner(y, &r)? * number(ro)?;
            r += *s * (share - back);
        }
        Ok(r)
    }
}

impl Lbfgs {
    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("max_iter", self.max_iter as f64, Range::Positive)?;
        within("history_size", self.history_size as f64, Range::Positive)?;
        within("tolerance_grad", self.tolerance_grad, Range::NonNegative)?;
        within("tolerance_change", self.tolerance_change, Range::NonNegative)
    }

    fn evaluations(&self) -> usize {
        self.max_eval.unwrap_or(self.max_iter * 5 / 4).max(1)
    }

    /// The point to go to, and how often the function was evaluated for it, at most `left` times.
    fn moved(
        &self,
        start: &Point,
        d: &Tensor,
        length: f64,
        left: usize,
        last: bool,
        mut at: impl FnMut(f64) -> Result<Point>,
    ) -> Result<(Point, usize)> {
        match self.line_search_fn {
            Some(LineSearch::StrongWolfe) => {
                let (tolerance_change, greatest) = (self.tolerance_change, greatest(d)?);
                let wolfe = Wolfe { c1: 1e-4, c2: 0.9, tolerance_change, greatest, max_iter: left };
                wolfe.search(start, length, at)
            }
            // In a step's last iteration nobody asks for the value: the next step begins with it.
            None if last => Ok((Point { t: length, ..start.clone() }, 0)),
            None => Ok((at(length)?, 1)),
        }
    }
}

impl Minimizer for Lbfgs {
    type State = LbfgsState;

    fn name(&self) -> &'static str {
        "lbfgs"
    }

    fn start<P: Tree>(&self, _: &P) -> Result<LbfgsState> {
        self.check().map_err(|e| Error::msg(format!("lbfgs: {e}")))?;
        let zero = || Tensor::from(0i64);
        Ok(LbfgsState { step: zero(), n_iter: zero(), func_evals: zero(), memory: None })
    }

    fn run<P, V, F>(&self, params: &P, state: &LbfgsState, f: F) -> Result<Minimized<P, V, LbfgsState>>
    where
        P: Tree,
        V: Loss<Parts = V>,
        F: FnMut(&P) -> Result<(P, V)>,
    {
        self.check()?;
        let mut objective = Objective::new(params, self.maximize, f)?;
        objective.fits(state.memory.as_ref().map(|memory| &memory.d))?;
        let lr = number(&self.lr.at(&state.step))?;
        let mut n_iter = state.n_iter.item::<i64>()?;
        let (mut at, first) = objective.at_tree(params)?;
        let (mut x, mut memory, mut evals) = (objective.start(), state.memory.clone(), 1);
        let mut done = greatest(&at.gradient)? <= self.tolerance_grad;
        for n in 1..=self.max_iter {
            if done {
                break;
            }
            n_iter += 1;
            let (mut now, length) = match memory.take() {
                Some(memory) => (memory.next(&at, self.history_size)?, lr),
                None => {
                    let sum = number(&at.gradient.abs().sum())?;
                    (LbfgsMemory::first(&at), (1.0 / sum).min(1.0) * lr)
                }
            };
            let slope = inner(&at.gradient, &now.d)?;
            now.t = Tensor::from(length);
            done = slope.is_nan() || slope > -self.tolerance_change;
            if !done {
                let (before, last) = (at.value, n == self.max_iter);
                let start = Point { t: 0.0, value: at.value, gradient: at.gradient, slope };
                let (point, more) =
                    self.moved(&start, &now.d, length, self.evaluations() - evals, last, |t| {
                        let Evaluated { value, gradient } = objective.at(&(&x + &now.d * t))?;
                        let slope = inner(&gradient, &now.d)?;
                        Ok(Point { t, value, gradient, slope })
                    })?;
                let change = &now.d * point.t;
                now.t = Tensor::from(point.t);
                evals += more;
                done = evals >= self.evaluations()
                    || greatest(&point.gradient)? <= self.tolerance_grad
                    || greatest(&change)? <= self.tolerance_change
                    || (point.value - before).abs() < self.tolerance_change;
                x += change;
                at = Evaluated { value: point.value, gradient: point.gradient };
            }
            memory = Some(now);
        }
        let func_evals = &state.func_evals + evals as i64;
        let state = LbfgsState { step: &state.step + 1, n_iter: Tensor::from(n_iter), func_evals, memory };
        Ok(Minimized { params: objective.tree(&x), state, gradient: first.0, output: first.1 })
    }
}

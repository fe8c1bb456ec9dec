//! Nonlinear conjugate gradients.

use retrograd::{Error, Loss, Result, Tensor, Tree};

use super::line_search::{Point, Wolfe};
use super::minimizer::{Minimized, Minimizer};
use super::objective::{Evaluated, Objective, greatest, inner, number};
use super::settings::{Range, settings, within};

settings! {
    /// Nonlinear conjugate gradients: each direction is the gradient's, made conjugate to the last one, for functions that
    /// are the same in each evaluation (whole batches). It remembers three vectors, where [`Lbfgs`](super::Lbfgs)
    /// remembers hundreds.
    ///
    /// `d = -g + beta d` with `beta = max(0, g (g - g_prev) / (g_prev g_prev))`, Polak and Ribiere's, which begins anew
    /// where the gradient has turned; also after as many iterations as there are elements, and where `d` does not
    /// descend. Along `d` a step is searched that meets the strong Wolfe conditions. One step makes up to `max_iter`
    /// iterations.
    ///
    /// Nocedal and Wright, *Numerical optimization* (2006), section 5.2; Torch: `optim.cg`; PyTorch has none.
    ///
    /// ```
    /// use retrograd::{Tensor, grad};
    /// use retrograd::optim::{ConjugateGradient, Minimizer};
    ///
    /// let a = Tensor::from([[4.0, 1.0], [1.0, 3.0]]);
    /// let bowl = grad(|x: &Tensor, a: &Tensor| x.dot(&a.mv(x)) * 0.5 - x.sum());
    /// let cg = ConjugateGradient::default();
    /// let x = Tensor::from([2.0, 1.0]);
    /// let found = cg.minimize(&x, &cg.start(&x)?, |x| bowl.call(x, &a))?;
    /// assert!(a.mv(&found.params).allclose(&Tensor::from([1.0, 1.0]), 1e-6, 0.0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    ConjugateGradient(1.0) {
        /// Iterations in a step.
        max_iter: usize = 20,
        /// Evaluations in a step; none: five times the iterations.
        max_eval: Option<usize> = None,
        /// It ends where no element of the gradient is greater.
        tolerance_grad: f64 = 1e-7,
        /// It ends where neither parameters nor value change by more.
        tolerance_change: f64 = 1e-9,
        /// The constants of the strong Wolfe conditions: of the promised decrease, the part that must be there, and of
        /// the slope, the part that may be left. The smaller the second, the more exact the search.
        wolfe: (f64, f64) = (1e-4, 0.1),
        /// After how many iterations it begins anew with the gradient's direction; none: after as many as there are
        /// elements.
        restart: Option<usize> = None,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

/// What [`ConjugateGradient`] remembers: a tree, to be saved and resumed from.
#[derive(Clone, Debug, Tree)]
pub struct ConjugateState {
    /// How many steps were made: i64, rank 0.
    pub step: Tensor,
    /// How many iterations: i64, rank 0.
    pub n_iter: Tensor,
    /// How often the function was evaluated: i64, rank 0.
    pub func_evals: Tensor,
    /// Nothing before the first iteration.
    pub memory: Option<ConjugateMemory>,
}

/// The last iteration.
#[derive(Clone, Debug, Tree)]
pub struct ConjugateMemory {
    /// The direction.
    pub d: Tensor,
    /// How far it was followed: f64, rank 0.
    pub t: Tensor,
    /// The slope along it where it began: f64, rank 0.
    pub slope: Tensor,
    /// The gradient where it began.
    pub prev_flat_grad: Tensor,
    /// How many iterations there were since the gradient's own direction was taken: i64, rank 0.
    pub since_restart: Tensor,
}

impl ConjugateMemory {
    /// Along the gradient, where the first length tried changes all elements together by at most `lr`.
    fn first(at: &Evaluated, lr: f64) -> Result<ConjugateMemory> {
        let sum = number(&at.gradient.abs().sum())?;
        ConjugateMemory::steepest(at, (1.0 / sum).min(1.0) * lr)
    }

    fn steepest(at: &Evaluated, length: f64) -> Result<ConjugateMemory> {
        Ok(ConjugateMemory {
            d: -&at.gradient,
            t: Tensor::from(length),
            slope: Tensor::from(-inner(&at.gradient, &at.gradient)?),
            prev_flat_grad: at.gradient.clone(),
            since_restart: Tensor::from(0i64),
        })
    }

    /// The direction after this one, with the length to try first.
    fn next(&self, at: &Evaluated, restart: usize) -> Result<ConjugateMemory> {
        let (g, before) = (&at.gradient, &self.prev_flat_grad);
        let since = self.since_restart.item::<i64>()? + 1;
        let beta = inner(g, &(g - before))? / inner(before, before)?;
        let d = &self.d * beta.max(0.0) - g;
        let slope = inner(g, &d)?;
        let (slope_before, t) = (number(&self.slope)?, number(&self.t)?);
        // The first-order change is what it was in the last iteration: Nocedal and Wright, (3.60).
        let length = |slope: f64| if t > 0.0 { (t * slope_before / slope).min(t * 100.0) } else { 1.0 };
        if since as usize >= restart || beta <= 0.0 || !(slope < 0.0 && beta.is_finite()) {
            let steepest = ConjugateMemory::steepest(at, 0.0)?;
            let t = Tensor::from(length(number(&steepest.slope)?));
            return Ok(ConjugateMemory { t, ..steepest });
        }
        Ok(ConjugateMemory {
            d,
            t: Tensor::from(length(slope)),
            slope: Tensor::from(slope),
            prev_flat_grad: g.clone(),
            since_restart: Tensor::from(since),
        })
    }
}

impl ConjugateGradient {
    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("max_iter", self.max_iter as f64, Range::Positive)?;
        within("tolerance_grad", self.tolerance_grad, Range::NonNegative)?;
        within("tolerance_change", self.tolerance_change, Range::NonNegative)?;
        within("wolfe.0", self.wolfe.0, Range::Decay)?;
        within("wolfe.1", self.wolfe.1, Range::Decay)?;
        if self.wolfe.0 >= self.wolfe.1 {
            let (c1, c2) = self.wolfe;
            return Err(Error::msg(format!(
                "`wolfe` is {c1} and {c2}, and the first must be the smaller one"
            )));
        }
        Ok(())
    }

    /// What a step along `d` has to meet, after so many evaluations.
    fn conditions(&self, d: &Tensor, evals: usize) -> Result<Wolfe> {
        let ((c1, c2), tolerance_change) = (self.wolfe, self.tolerance_change);
        // The search evaluates once before it changes the step.
        let max_iter = self.evaluations().saturating_sub(evals + 1);
        Ok(Wolfe { c1, c2, tolerance_change, greatest: greatest(d)?, max_iter })
    }

    fn evaluations(&self) -> usize {
        self.max_eval.unwrap_or(self.max_iter * 5).max(1)
    }
}

impl Minimizer for ConjugateGradient {
    type State = ConjugateState;

    fn name(&self) -> &'static str {
        "conjugate gradient"
    }

    fn start<P: Tree>(&self, _: &P) -> Result<ConjugateState> {
        self.check().map_err(|e| Error::msg(format!("{}: {e}", self.name())))?;
        let zero = || Tensor::from(0i64);
        Ok(ConjugateState { step: zero(), n_iter: zero(), func_evals: zero(), memory: None })
    }

    fn run<P, V, F>(
        &self,
        params: &P,
        state: &ConjugateState,
        function: F,
    ) -> Result<Minimized<P, V, ConjugateState>>
    where
        P: Tree,
        V: Loss<Parts = V>,
        F: FnMut(&P) -> Result<(P, V)>,
    {
        self.check()?;
        let mut objective = Objective::new(params, self.maximize, function)?;
        objective.fits(state.memory.as_ref().map(|memory| &memory.d))?;
        let (mut at, first) = objective.at_tree(params)?;
        let (mut x, mut memory, mut evals, mut n_iter) = (objective.start(), state.memory.clone(), 1, 0);
        let lr = number(&self.lr.at(&state.step))?;
        let restart = self.restart.unwrap_or_else(|| x.numel()).max(1);
        while n_iter < self.max_iter && evals < self.evaluations() {
            if greatest(&at.gradient)? <= self.tolerance_grad {
                break;
            }
            n_iter += 1;
            let mut now = match &memory {
                Some(memory) => memory.next(&at, restart)?,
                None => ConjugateMemory::first(&at, lr)?,
            };
            let slope = number(&now.slope)?;
            let wolfe = self.conditions(&now.d, evals)?;
            let start = Point { t: 0.0, value: at.value, gradient: at.gradient, slope };
            let (found, more) = wolfe.search(&start, number(&now.t)?, |t| {
                let Evaluated { value, gradient } = objective.at(&(&x + &now.d * t))?;
                let slope = inner(&gradient, &now.d)?;
                Ok(Point { t, value, gradient, slope })
            })?;
            evals += more;
            let change = &now.d * found.t;
            let small = greatest(&change)? <= self.tolerance_change
                || (found.value - start.value).abs() < self.tolerance_change;
            x += change;
            now.t = Tensor::from(found.t);
            at = Evaluated { value: found.value, gradient: found.gradient };
            memory = Some(now);
            if small {
                break;
            }
        }
        let state = ConjugateState {
            step: &state.step + 1,
            n_iter: &state.n_iter + n_iter as i64,
            func_evals: &state.func_evals + evals as i64,
            memory,
        };
        Ok(Minimized { params: objective.tree(&x), state, gradient: first.0, output: first.1 })
    }
}

//! Steps along the gradient and means of it: SGD, its averaged form, and Lion.

use retrograd::{Result, Tensor};

use super::rule::{Leaf, Moment, Rule};
use super::settings::{Range, decays, settings, within};

settings! {
    /// Stochastic gradient descent, with momentum.
    ///
    /// `g = grad + weight_decay x`; `buf = momentum buf + (1 - dampening) g`, at first `buf = g`; then
    /// `x = x - lr buf`, or with Nesterov's momentum `x = x - lr (g + momentum buf)`. With `lr_decay` the rate of step
    /// `t` is `lr / (1 + (t - 1) lr_decay)`, as in Torch.
    ///
    /// PyTorch: `torch.optim.SGD`; Sutskever et al., *On the importance of initialization and momentum in deep
    /// learning* (2013).
    ///
    /// ```
    /// use retrograd::Tensor;
    /// use retrograd::optim::{Optimizer, Sgd};
    ///
    /// let sgd = Sgd::new(0.1).momentum(0.5);
    /// let (x, g) = (Tensor::from([1.0]), Tensor::from([2.0]));
    /// let (x, state) = sgd.step(&x, &g, &sgd.init(&x)?)?; // 1 - 0.1 * 2
    /// let (x, _) = sgd.step(&x, &g, &state)?; // 0.8 - 0.1 * (0.5 * 2 + 2)
    /// assert!(x.allclose(&Tensor::from([0.5]), 1e-12, 0.0)?);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    Sgd(1e-3) {
        /// How much of the running sum of gradients is kept in each step; 0 is plain gradient descent.
        momentum: f64 = 0.0,
        /// By how much a gradient is damped before it is added to that sum.
        dampening: f64 = 0.0,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// Whether the gradient is taken, in effect, where momentum leads; needs momentum and no dampening.
        nesterov: bool = false,
        /// How fast the rate falls with the count of steps, those in which a leaf was frozen among them.
        lr_decay: f64 = 0.0,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Sgd {
    type Numbers = [Tensor; 2];

    fn name(&self) -> &'static str {
        "sgd"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("momentum", self.momentum, Range::NonNegative)?;
        within("dampening", self.dampening, Range::Unit)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)?;
        within("lr_decay", self.lr_decay, Range::NonNegative)?;
        if self.nesterov {
            within("momentum", self.momentum, Range::Positive)?;
            if self.dampening != 0.0 {
                let dampening = self.dampening;
                return Err(retrograd::Error::msg(format!(
                    "`dampening` is {dampening}, and must be 0 where `nesterov` is set"
                )));
            }
        }
        Ok(())
    }

    fn slots(&self) -> Vec<&'static str> {
        if self.momentum == 0.0 { Vec::new() } else { vec!["momentum_buffer"] }
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 2] {
        // The first gradient is taken whole.
        let share = now.t.eq(1.0).where_(Tensor::from(1.0), Tensor::from(1.0 - self.dampening));
        [decayed(self.lr.at(&now.done), self.lr_decay, || now.done.f64()), share]
    }

    fn update(&self, leaf: &mut Leaf, [lr, share]: &[Tensor; 2]) -> Result<Tensor> {
        let mut g = leaf.descent(self.maximize, self.weight_decay);
        if self.momentum != 0.0 {
            let fresh = if self.dampening == 0.0 { g.clone() } else { &g * share };
            let sum = leaf.slot("momentum_buffer")? * self.momentum + fresh;
            leaf.keep("momentum_buffer", &sum)?;
            g = if self.nesterov { g + sum * self.momentum } else { sum };
        }
        Ok(&leaf.param - g * lr)
    }
}

/// `lr / (1 + n decay)` after `n` steps.
pub(super) fn decayed(lr: Tensor, decay: f64, n: impl FnOnce() -> Tensor) -> Tensor {
    if decay == 0.0 { lr } else { lr / (n() * decay + 1.0) }
}

settings! {
    /// Averaged stochastic gradient descent: the slot `ax` holds the mean of the parameters from step `t0` on.
    ///
    /// With `eta = lr / (1 + lambd lr (t - 1))^alpha`: `x = (1 - lambd eta) x - eta g`, and
    /// `ax = ax + (x - ax) / max(1, t - 1 - t0)`.
    ///
    /// PyTorch: `torch.optim.ASGD`; Polyak and Juditsky, *Acceleration of stochastic approximation by averaging*
    /// (1992). Where the rate is a schedule, `eta` follows it in the same step, in PyTorch one step later.
    Asgd(1e-2) {
        /// The decay of the parameters.
        lambd: f64 = 1e-4,
        /// The power with which `eta` falls.
        alpha: f64 = 0.75,
        /// The step at which averaging begins.
        t0: f64 = 1e6,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Asgd {
    type Numbers = [Tensor; 2];

    fn name(&self) -> &'static str {
        "asgd"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("lambd", self.lambd, Range::NonNegative)?;
        within("alpha", self.alpha, Range::NonNegative)?;
        within("t0", self.t0, Range::NonNegative)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["ax"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 2] {
        let (lr, before) = (self.lr.at(&now.done), &now.t - 1.0);
        let slowed = (&lr * self.lambd * &before + 1.0).pow(self.alpha);
        [lr / slowed, 1.0 / (before - self.t0).maximum(1.0)]
    }

    fn update(&self, leaf: &mut Leaf, [eta, mu]: &[Tensor; 2]) -> Result<Tensor> {
        let g = leaf.descent(self.maximize, self.weight_decay);
        let x = &leaf.param * (1.0 - eta * self.lambd) - g * eta;
        let mean = leaf.slot("ax")?;
        let mean = mu.eq(1.0).where_(&x, &mean + (&x - &mean) * mu);
        leaf.keep("ax", &mean)?;
        Ok(x)
    }
}

settings! {
    /// Lion: the sign of a mean of gradients.
    ///
    /// `x = x - lr (sign(beta1 m + (1 - beta1) g) + weight_decay x)`, then `m = beta2 m + (1 - beta2) g`.
    ///
    /// Chen et al., *Symbolic discovery of optimization algorithms* (2023), algorithm 2; PyTorch has none. Its rates are
    /// three to ten times smaller than AdamW's, weight decays as much greater.
    Lion(1e-4) {
        /// What the update keeps of the mean, and what the mean keeps of itself.
        betas: (f64, f64) = (0.9, 0.99),
        /// The decay of the parameters, times the rate.
        weight_decay: f64 = 0.0,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Lion {
    type Numbers = [Tensor; 1];

    fn name(&self) -> &'static str {
        "lion"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        decays(self.betas)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["exp_avg"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 1] {
        [self.lr.at(&now.done)]
    }

    fn update(&self, leaf: &mut Leaf, [lr]: &[Tensor; 1]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = leaf.descent(self.maximize, 0.0);
        let direction = (leaf.slot("exp_avg")? * beta1 + &g * (1.0 - beta1)).sign();
        drop(leaf.keep_mean("exp_avg", &g, beta2)?);
        let decay = &leaf.param * self.weight_decay;
        Ok(&leaf.param - (direction + decay) * lr)
    }
}

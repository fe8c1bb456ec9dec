//! Rates for each element from what its gradient has been: Adagrad, Adadelta, RMSprop, Rprop; and for each leaf: LAMB.

use retrograd::{Error, Result, Tensor};

use super::adam;
use super::momentum::decayed;
use super::rule::{Leaf, Moment, Rule};
use super::settings::{Range, settings, within};

settings! {
    /// Adagrad: `sum = sum + g^2`, `x = x - lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps)`.
    ///
    /// PyTorch: `torch.optim.Adagrad`; Duchi et al., *Adaptive subgradient methods* (2011).
    Adagrad(1e-2) {
        /// How fast the rate falls with the count of steps.
        lr_decay: f64 = 0.0,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// What the sum of squares begins with.
        initial_accumulator_value: f64 = 0.0,
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-10,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Adagrad {
    type Numbers = [Tensor; 1];

    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("lr_decay", self.lr_decay, Range::NonNegative)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)?;
        within("initial_accumulator_value", self.initial_accumulator_value, Range::NonNegative)?;
        within("eps", self.eps, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["sum"]
    }

    fn initial(&self, _: &str, param: &Tensor) -> Tensor {
        param.full_like(self.initial_accumulator_value)
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 1] {
        [decayed(self.lr.at(&now.done), self.lr_decay, || &now.t - 1.0)]
    }

    fn update(&self, leaf: &mut Leaf, [lr]: &[Tensor; 1]) -> Result<Tensor> {
        let g = leaf.descent(self.maximize, self.weight_decay);
        let sum = leaf.slot("sum")? + g.square();
        leaf.keep("sum", &sum)?;
        Ok(&leaf.param - g * lr / (sum.sqrt() + self.eps))
    }
}

settings! {
    /// Adadelta: steps in the units of the parameter.
    ///
    /// `s = rho s + (1 - rho) g^2`, `d = sqrt(u + eps) / sqrt(s + eps) g`, `u = rho u + (1 - rho) d^2`,
    /// `x = x - lr d`.
    ///
    /// PyTorch: `torch.optim.Adadelta`; Zeiler, *ADADELTA: an adaptive learning rate method* (2012).
    Adadelta(1.0) {
        /// What the mean squares keep of themselves.
        rho: f64 = 0.9,
        /// Added under the roots.
        eps: f64 = 1e-6,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Adadelta {
    type Numbers = [Tensor; 1];

    fn name(&self) -> &'static str {
        "adadelta"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("rho", self.rho, Range::Unit)?;
        within("eps", self.eps, Range::NonNegative)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["acc_delta", "square_avg"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 1] {
        [self.lr.at(&now.done)]
    }

    fn update(&self, leaf: &mut Leaf, [lr]: &[Tensor; 1]) -> Result<Tensor> {
        let g = leaf.descent(self.maximize, self.weight_decay);
        let squares = leaf.keep_mean("square_avg", &g.square(), self.rho)?;
        let past = leaf.slot("acc_delta")?;
        let delta = (past + self.eps).sqrt() / (squares + self.eps).sqrt() * g;
        drop(leaf.keep_mean("acc_delta", &delta.square(), self.rho)?);
        Ok(&leaf.param - delta * lr)
    }
}

settings! {
    /// RMSprop: the gradient over the root of its running mean square.
    ///
    /// `s = alpha s + (1 - alpha) g^2`, `x = x - lr g / (sqrt(s) + eps)`; with `centered` the mean `a` of the gradient
    /// makes it `sqrt(max(0, s - a^2)) + eps`; with momentum that quotient is added to `buf = momentum buf + ..`.
    ///
    /// Where the gradient hardly changes, the difference `s - a^2` is one of equal numbers, and rounding may leave it below
    /// zero. It counts as zero then, where PyTorch's step is NaN; a greater `eps` bounds the step, which is `lr g / eps`.
    ///
    /// PyTorch: `torch.optim.RMSprop`; Hinton, *Neural networks for machine learning*, lecture 6; centred: Graves,
    /// *Generating sequences with recurrent neural networks* (2013).
    RmsProp(1e-2) {
        /// What the means keep of themselves.
        alpha: f64 = 0.99,
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// How much of the running sum of steps is kept.
        momentum: f64 = 0.0,
        /// Whether the variance takes the place of the mean square.
        centered: bool = false,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for RmsProp {
    type Numbers = [Tensor; 1];

    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        within("alpha", self.alpha, Range::Unit)?;
        within("eps", self.eps, Range::NonNegative)?;
        within("weight_decay", self.weight_decay, Range::NonNegative)?;
        within("momentum", self.momentum, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        let optional = [("grad_avg", self.centered), ("momentum_buffer", self.momentum > 0.0)];
        let used = optional.into_iter().filter_map(|(slot, used)| used.then_some(slot));
        used.chain(["square_avg"]).collect()
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 1] {
        [self.lr.at(&now.done)]
    }

    fn update(&self, leaf: &mut Leaf, [lr]: &[Tensor; 1]) -> Result<Tensor> {
        let g = leaf.descent(self.maximize, self.weight_decay);
        let mut squares = leaf.keep_mean("square_avg", &g.square(), self.alpha)?;
        if self.centered {
            let variance = squares - leaf.keep_mean("grad_avg", &g, self.alpha)?.square();
            squares = variance.maximum(0.0);
        }
        let mut step = g / (squares.sqrt() + self.eps);
        if self.momentum > 0.0 {
            step = leaf.slot("momentum_buffer")? * self.momentum + step;
            leaf.keep("momentum_buffer", &step)?;
        }
        Ok(&leaf.param - step * lr)
    }
}

settings! {
    /// Rprop: each element has a step size, which grows as long as its gradient keeps its sign, and of the gradient only
    /// the sign counts. For whole batches: a noisy gradient changes sign too often.
    ///
    /// PyTorch: `torch.optim.Rprop`; Riedmiller and Braun, *A direct adaptive method for faster backpropagation learning*
    /// (1993). The rate is the first step size.
    Rprop(1e-2) {
        /// The factors of the step size after a change of sign, and without one.
        etas: (f64, f64) = (0.5, 1.2),
        /// The least and the greatest step size.
        step_sizes: (f64, f64) = (1e-6, 50.0),
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Rprop {
    type Numbers = ();

    fn name(&self) -> &'static str {
        "rprop"
    }

    fn check(&self) -> Result<()> {
        self.lr.check()?;
        let (minus, plus) = self.etas;
        within("etas.0", minus, Range::Positive)?;
        within("etas.1", plus, Range::Positive)?;
        if !(minus < 1.0 && 1.0 < plus) {
            return Err(Error::msg(format!("`etas` are {minus} and {plus}, and must be below and above 1")));
        }
        let (least, greatest) = self.step_sizes;
        within("step_sizes.0", least, Range::NonNegative)?;
        within("step_sizes.1", greatest, Range::NonNegative)?;
        if least > greatest {
            return Err(Error::msg(format!("`step_sizes` are {least} and {greatest}: the least is first")));
        }
        Ok(())
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["prev", "step_size"]
    }

    fn initial(&self, slot: &str, param: &Tensor) -> Tensor {
        let zeros = param.zeros_like();
        if slot != "step_size" {
            return zeros;
        }
        zeros + self.lr.at(&Tensor::from(0i64)).to_dtype(param.dtype())
    }

    fn numbers(&self, _: &Moment) {}

    fn update(&self, leaf: &mut Leaf, (): &()) -> Result<Tensor> {
        let g = leaf.descent(self.maximize, 0.0);
        let (minus, plus) = self.etas;
        let (least, greatest) = self.step_sizes;
        let agreement = &g * leaf.slot("prev")?;
        let turned = agreement.lt(0.0);
        let same = agreement.gt(0.0).where_(g.full_like(plus), g.full_like(1.0));
        let size = leaf.slot("step_size")? * turned.where_(g.full_like(minus), same);
        let size = size.clamp(least, greatest);
        leaf.keep("step_size", &size)?;
        // After a change of sign the element rests for one step, which counts as no agreement in the next.
        let g = turned.where_(0.0, g);
        leaf.keep("prev", &g)?;
        Ok(&leaf.param - g.sign() * size)
    }
}

settings! {
    /// LAMB: Adam's step, scaled for each leaf to the leaf's own norm, for large batches.
    ///
    /// `r = m / (sqrt(v) + eps) + weight_decay x` with `m` and `v` those of Adam, corrected; then
    /// `x = x - lr |x| / |r| r`, and `x - lr r` where either norm is zero.
    ///
    /// You et al., *Large batch optimization for deep learning: training BERT in 76 minutes* (2019), algorithm 2, with
    /// the norm itself for its function phi; PyTorch has none.
    Lamb(1e-3) {
        /// What the means of the gradient and of its square keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-6,
        /// The factor of the parameter that is added to the step.
        weight_decay: f64 = 1e-2,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Lamb {
    /// `lr`, `1 - beta1^t`, `1 - beta2^t`.
    type Numbers = [Tensor; 3];

    fn name(&self) -> &'static str {
        "lamb"
    }

    fn check(&self) -> Result<()> {
        adam::check(&self.lr, self.betas, self.eps, self.weight_decay)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_avg_sq"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 3] {
        let (beta1, beta2) = self.betas;
        [self.lr.at(&now.done), now.bias_correction(beta1), now.bias_correction(beta2)]
    }

    fn update(&self, leaf: &mut Leaf, [lr, first, second]: &[Tensor; 3]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = leaf.descent(self.maximize, 0.0);
        let m = leaf.keep_mean("exp_avg", &g, beta1)? / first;
        let v = leaf.keep_mean("exp_avg_sq", &g.square(), beta2)? / second;
        let x = &leaf.param;
        let step = m / (v.sqrt() + self.eps) + x * self.weight_decay;
        let (own, moved) = (x.norm(), step.norm());
        let both = own.gt(0.0).logical_and(moved.gt(0.0));
        let trust = both.where_(&own / both.where_(moved, 1.0), 1.0);
        Ok(x - step * (trust * lr))
    }
}

//! Adam and those that follow it: running means of the gradient and of its square.

use retrograd::{Result, Tensor};

use super::rule::{Leaf, Moment, Rule};
use super::schedule::Schedule;
use super::settings::{Range, decays, settings, within};

settings! {
    /// Adam: steps of a size that does not depend on the gradient's.
    ///
    /// `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`, and with both corrected for their beginning at
    /// zero `x = x - lr m / (sqrt(v) + eps)`; with `amsgrad` the greatest `v` so far takes its place.
    ///
    /// PyTorch: `torch.optim.Adam`; Kingma and Ba, *Adam: a method for stochastic optimization* (2014), algorithm 1.
    ///
    /// ```
    /// use retrograd::Tensor;
    /// use retrograd::optim::{Adam, Optimizer};
    ///
    /// let adam = Adam::new(0.1).betas((0.9, 0.99));
    /// let (x, g) = (Tensor::from([1.0, 1.0]), Tensor::from([1e-3, -1e3]));
    /// let (x, _) = adam.step(&x, &g, &adam.init(&x)?)?;
    /// assert!(x.allclose(&Tensor::from([0.9, 1.1]), 1e-5, 0.0)?); // The first step is the rate, whatever the gradient.
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    Adam(1e-3) {
        /// What the means of the gradient and of its square keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// Whether the greatest mean square so far is used (Reddi et al., *On the convergence of Adam and beyond*, 2018).
        amsgrad: bool = false,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

settings! {
    /// [`Adam`] whose weight decay is not part of the gradient: `x = (1 - lr weight_decay) x` in each step.
    ///
    /// PyTorch: `torch.optim.AdamW`; Loshchilov and Hutter, *Decoupled weight decay regularization* (2017).
    AdamW(1e-3) {
        /// What the means of the gradient and of its square keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The decay of the parameters, times the rate.
        weight_decay: f64 = 1e-2,
        /// Whether the greatest mean square so far is used.
        amsgrad: bool = false,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

/// What Adam, NAdam, RAdam and Adamax hold their settings to.
pub(super) fn check(lr: &Schedule, betas: (f64, f64), eps: f64, weight_decay: f64) -> Result<()> {
    lr.check()?;
    decays(betas)?;
    within("eps", eps, Range::NonNegative)?;
    within("weight_decay", weight_decay, Range::NonNegative)
}

impl Rule for Adam {
    /// `lr / (1 - beta1^t)` and `sqrt(1 - beta2^t)`.
    type Numbers = [Tensor; 2];

    fn name(&self) -> &'static str {
        "adam"
    }

    fn check(&self) -> Result<()> {
        check(&self.lr, self.betas, self.eps, self.weight_decay)
    }

    fn slots(&self) -> Vec<&'static str> {
        adam_slots(self.amsgrad)
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 2] {
        let (beta1, beta2) = self.betas;
        [self.lr.at(&now.done) / now.bias_correction(beta1), now.bias_correction(beta2).sqrt()]
    }

    fn update(&self, leaf: &mut Leaf, [step_size, root]: &[Tensor; 2]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = leaf.descent(self.maximize, self.weight_decay);
        let m = leaf.keep_mean("exp_avg", &g, beta1)?;
        let mut v = leaf.keep_mean("exp_avg_sq", &g.square(), beta2)?;
        if self.amsgrad {
            v = leaf.slot("max_exp_avg_sq")?.maximum(v);
            leaf.keep("max_exp_avg_sq", &v)?;
        }
        Ok(&leaf.param - m * step_size / (v.sqrt() / root + self.eps))
    }
}

fn adam_slots(amsgrad: bool) -> Vec<&'static str> {
    let all = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];
    all[..if amsgrad { 3 } else { 2 }].to_vec()
}

impl AdamW {
    /// The same without weight decay, which is all that Adam does otherwise.
    fn coupled(&self) -> Adam {
        Adam {
            lr: self.lr.clone(),
            betas: self.betas,
            eps: self.eps,
            weight_decay: 0.0,
            amsgrad: self.amsgrad,
            maximize: self.maximize,
        }
    }
}

impl Rule for AdamW {
    /// Adam's, and `1 - lr weight_decay`.
    type Numbers = ([Tensor; 2], Tensor);

    fn name(&self) -> &'static str {
        "adamw"
    }

    fn check(&self) -> Result<()> {
        check(&self.lr, self.betas, self.eps, self.weight_decay)
    }

    fn slots(&self) -> Vec<&'static str> {
        adam_slots(self.amsgrad)
    }

    fn numbers(&self, now: &Moment) -> ([Tensor; 2], Tensor) {
        (self.coupled().numbers(now), 1.0 - self.lr.at(&now.done) * self.weight_decay)
    }

    fn update(&self, leaf: &mut Leaf, (adam, kept): &([Tensor; 2], Tensor)) -> Result<Tensor> {
        if self.weight_decay != 0.0 {
            leaf.param = &leaf.param * kept;
        }
        self.coupled().update(leaf, adam)
    }
}

settings! {
    /// Adamax: Adam with a decaying maximum of the gradient in place of its mean square.
    ///
    /// `u = max(beta2 u, |g| + eps)`, `x = x - lr / (1 - beta1^t) m / u`.
    ///
    /// PyTorch: `torch.optim.Adamax`; Kingma and Ba, *Adam* (2014), algorithm 2.
    Adamax(2e-3) {
        /// What the mean of the gradient and its maximum keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the gradient's size, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The factor of the parameter that is added to its gradient.
        weight_decay: f64 = 0.0,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for Adamax {
    type Numbers = [Tensor; 1];

    fn name(&self) -> &'static str {
        "adamax"
    }

    fn check(&self) -> Result<()> {
        check(&self.lr, self.betas, self.eps, self.weight_decay)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_inf"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 1] {
        [self.lr.at(&now.done) / now.bias_correction(self.betas.0)]
    }

    fn update(&self, leaf: &mut Leaf, [step_size]: &[Tensor; 1]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = leaf.descent(self.maximize, self.weight_decay);
        let m = leaf.keep_mean("exp_avg", &g, beta1)?;
        let u = (leaf.slot("exp_inf")? * beta2).maximum(g.abs() + self.eps);
        leaf.keep("exp_inf", &u)?;
        Ok(&leaf.param - m * step_size / u)
    }
}

settings! {
    /// NAdam: Adam with Nesterov's momentum.
    ///
    /// With `mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)` and the product `P_t` of all of them so far,
    /// `x = x - lr ((1 - mu_t) / (1 - P_t) g + mu_{t+1} / (1 - P_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps)`.
    ///
    /// PyTorch: `torch.optim.NAdam`; Dozat, *Incorporating Nesterov momentum into Adam* (2016).
    NAdam(2e-3) {
        /// What the means of the gradient and of its square keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The factor of the parameter that is added to its gradient, or its decay, times the rate.
        weight_decay: f64 = 0.0,
        /// How fast momentum rises to `beta1`.
        momentum_decay: f64 = 4e-3,
        /// Whether weight decay is that of [`AdamW`].
        decoupled_weight_decay: bool = false,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for NAdam {
    /// `lr`, `mu_t`, `mu_{t+1}`, `1 - beta2^t`.
    type Numbers = [Tensor; 4];

    fn name(&self) -> &'static str {
        "nadam"
    }

    fn check(&self) -> Result<()> {
        check(&self.lr, self.betas, self.eps, self.weight_decay)?;
        within("momentum_decay", self.momentum_decay, Range::NonNegative)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_avg_sq", "mu_product"]
    }

    fn initial(&self, slot: &str, param: &Tensor) -> Tensor {
        if slot == "mu_product" { Tensor::ones([]).to_dtype(param.dtype()) } else { param.zeros_like() }
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 4] {
        let (beta1, beta2) = self.betas;
        let mu = |t: Tensor| (1.0 - Tensor::from(0.96).pow(t * self.momentum_decay) * 0.5) * beta1;
        let lr = self.lr.at(&now.done);
        [lr, mu(now.t.clone()), mu(&now.t + 1.0), now.bias_correction(beta2)]
    }

    fn update(&self, leaf: &mut Leaf, [lr, mu, mu_next, correction]: &[Tensor; 4]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = decayed(leaf, self.weight_decay, self.decoupled_weight_decay, self.maximize, lr);
        let product = leaf.slot("mu_product")? * mu;
        leaf.keep("mu_product", &product)?;
        let m = leaf.keep_mean("exp_avg", &g, beta1)?;
        let v = leaf.keep_mean("exp_avg_sq", &g.square(), beta2)?;
        let fresh = (1.0 - mu) * lr / (1.0 - &product);
        let past = mu_next * lr / (1.0 - product * mu_next);
        Ok(&leaf.param - (g * fresh + m * past) / ((v / correction).sqrt() + self.eps))
    }
}

settings! {
    /// RAdam: Adam whose first steps do without the mean square, as long as that has seen too little.
    ///
    /// With `rho_inf = 2 / (1 - beta2) - 1` and `rho = rho_inf - 2 t beta2^t / (1 - beta2^t)`: where `rho > 5`, Adam's
    /// step times `sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))`, else `x - lr m`, with `m`
    /// corrected.
    ///
    /// PyTorch: `torch.optim.RAdam`; Liu et al., *On the variance of the adaptive learning rate and beyond* (2019).
    RAdam(1e-3) {
        /// What the means of the gradient and of its square keep of themselves.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the root, so that nothing is divided by zero.
        eps: f64 = 1e-8,
        /// The factor of the parameter that is added to its gradient, or its decay, times the rate.
        weight_decay: f64 = 0.0,
        /// Whether weight decay is that of [`AdamW`].
        decoupled_weight_decay: bool = false,
        /// Whether to ascend.
        maximize: bool = false,
    }
}

impl Rule for RAdam {
    /// `lr`, `lr / (1 - beta1^t)`, the rectification times `sqrt(1 - beta2^t)`, and whether `rho > 5`.
    type Numbers = [Tensor; 4];

    fn name(&self) -> &'static str {
        "radam"
    }

    fn check(&self) -> Result<()> {
        check(&self.lr, self.betas, self.eps, self.weight_decay)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["exp_avg", "exp_avg_sq"]
    }

    fn numbers(&self, now: &Moment) -> [Tensor; 4] {
        let (beta1, beta2) = self.betas;
        let (lr, correction) = (self.lr.at(&now.done), now.bias_correction(beta2));
        let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
        let rho = rho_inf - &now.t * now.power(beta2) * 2.0 / &correction;
        let square = (&rho - 4.0) * (&rho - 2.0) * rho_inf / (&rho * ((rho_inf - 4.0) * (rho_inf - 2.0)));
        // Below 4 it may be negative; there it is not used.
        let rectified = square.maximum(0.0).sqrt() * correction.sqrt();
        let step_size = &lr / now.bias_correction(beta1);
        [lr, step_size, rectified, rho.gt(5.0)]
    }

    fn update(&self, leaf: &mut Leaf, [lr, step_size, rectified, adaptive]: &[Tensor; 4]) -> Result<Tensor> {
        let (beta1, beta2) = self.betas;
        let g = decayed(leaf, self.weight_decay, self.decoupled_weight_decay, self.maximize, lr);
        let m = leaf.keep_mean("exp_avg", &g, beta1)?;
        let v = leaf.keep_mean("exp_avg_sq", &g.square(), beta2)?;
        let scale = rectified / (v.sqrt() + self.eps);
        Ok(&leaf.param - m * step_size * adaptive.where_(scale, 1.0))
    }
}

/// The gradient with weight decay in it, or the parameter decayed.
fn decayed(leaf: &mut Leaf, weight_decay: f64, decoupled: bool, maximize: bool, lr: &Tensor) -> Tensor {
    if weight_decay != 0.0 && decoupled {
        leaf.param = &leaf.param * (1.0 - lr * weight_decay);
        return leaf.descent(maximize, 0.0);
    }
    leaf.descent(maximize, weight_decay)
}

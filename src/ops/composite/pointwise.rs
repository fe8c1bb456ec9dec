//! Elementwise functions made of choices between others.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::arithmetic::IntoOperand;
use crate::tensor::Tensor;

impl Tensor {
    /// `x` where it is above `low`, a number or tensor, else `low`; broadcasting. NaN stays NaN.
    ///
    /// Gradient: `dx = dy` strictly above, else 0, as [`clamp`](Tensor::clamp)'s; a bound that is a tensor gets the rest.
    ///
    /// PyTorch: `torch.clamp_min`. JAX: `jnp.clip`.
    #[track_caller]
    pub fn clamp_min(&self, low: impl IntoOperand) -> Tensor {
        let low = low.operand_for(self, "clamp_min");
        let low: &Tensor = &low;
        self.le(low).where_(low, self)
    }

    /// `x` where it is below `high`, a number or tensor, else `high`; broadcasting. NaN stays NaN.
    ///
    /// Gradient: `dx = dy` strictly below, else 0, as [`clamp`](Tensor::clamp)'s; a bound that is a tensor gets the rest.
    ///
    /// PyTorch: `torch.clamp_max`. JAX: `jnp.clip`.
    #[track_caller]
    pub fn clamp_max(&self, high: impl IntoOperand) -> Tensor {
        let high = high.operand_for(self, "clamp_max");
        let high: &Tensor = &high;
        self.ge(high).where_(high, self)
    }

    /// `self` to the power of a tensor or number, in f64 whatever the dtypes; broadcasting. See [`Tensor::pow`].
    ///
    /// Gradient: as `pow`'s, cast back.
    ///
    /// PyTorch: `torch.float_power`. JAX: `jnp.float_power`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([2i64, 4]).float_power(-1).to_vec::<f64>()?, [0.5, 0.25]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn float_power(&self, exponent: impl IntoOperand) -> Tensor {
        let base = self.f64();
        let exponent = exponent.operand_for(&base, "float_power").f64();
        base.pow(exponent)
    }

    /// [`logit`](Tensor::logit) of `x` held between `eps` and `1 - eps`, so that it is finite.
    ///
    /// Gradient: `dx = dy / (x * (1 - x))` strictly between those, else 0.
    ///
    /// PyTorch: `torch.logit`. JAX: none.
    #[track_caller]
    pub fn logit_eps(&self, eps: f64) -> Tensor {
        self.clamp(eps, 1.0 - eps).logit()
    }

    /// `log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` is above `threshold` (PyTorch's is 20).
    ///
    /// Gradient: `dx = dy * sigmoid(beta * x)`, `dy` above the threshold.
    ///
    /// PyTorch: `torch.nn.functional.softplus`. JAX: none.
    #[track_caller]
    pub fn softplus_beta(&self, beta: f64, threshold: f64) -> Tensor {
        let scaled = self * beta;
        scaled.gt(threshold).where_(self, scaled.softplus() / beta)
    }

    /// `x` where it is above `threshold`, else `value`; NaN stays NaN.
    ///
    /// Gradient: `dx = dy` where `x > threshold`, else 0.
    ///
    /// PyTorch: `torch.nn.functional.threshold`. JAX: none.
    #[track_caller]
    pub fn threshold(&self, threshold: f64, value: f64) -> Tensor {
        self.le(threshold).where_(value, self)
    }

    /// `x` where `|x| > lambda`, else 0; NaN stays NaN.
    ///
    /// Gradient: `dx = dy` where `|x| > lambda`, else 0.
    ///
    /// PyTorch: `torch.nn.functional.hardshrink`. JAX: none.
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Tensor {
        self.abs().le(lambda).where_(0.0, self)
    }

    /// `x` nearer to 0 by `lambda`, and 0 where `|x| <= lambda`; NaN stays NaN. The proximal operator of the 1-norm.
    ///
    /// Gradient: `dx = dy` where `|x| > lambda`, else 0.
    ///
    /// PyTorch: `torch.nn.functional.softshrink`. JAX: none.
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Tensor {
        self.abs().le(lambda).where_(0.0, self - self.sign() * lambda)
    }

    /// `x - tanh(x)`; near 0, where both are nearly equal, to the rounding of `x`.
    ///
    /// Gradient: `dx = dy * tanh(x)^2`.
    ///
    /// PyTorch: `torch.nn.functional.tanhshrink`. JAX: none.
    #[track_caller]
    pub fn tanhshrink(&self) -> Tensor {
        self - self.tanh()
    }

    /// `x` where positive, `slope * x` elsewhere, with a slope that is learned: one number, or one for each channel, the
    /// positions along axis 1.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else `slope * dy` (also at 0); `dslope` is the sum of `dy * x` where `x <= 0`.
    /// Source: He and others, arXiv:1502.01852.
    ///
    /// PyTorch: `torch.nn.functional.prelu`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[-1.0, -1.0], [2.0, -3.0]]);
    /// let y = x.prelu(&Tensor::from([0.5, 0.25]));
    /// assert_eq!(y.to_vec::<f64>()?, [-0.5, -0.25, 2.0, -0.75]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn prelu(&self, slope: &Tensor) -> Tensor {
        if self.error().is_some() || slope.error().is_some() {
            return misuse("prelu", &[self, slope], Misfit::shape("an operand is invalid"));
        }
        let (shape, slopes) = (self.spec().shape, slope.spec().shape);
        let channels = if shape.rank() < 2 { 1 } else { shape.dim(1) };
        let slope = match slopes.rank() {
            0 | 1 if slopes.numel() == 1 => slope.reshape(()),
            1 if slopes.dim(0) == channels => {
                let mut along = vec![1; shape.rank() - 1];
                along[0] = channels;
                slope.reshape(along)
            }
            _ => {
                let message = format!("slopes of shape {slopes} for {channels} channels of {shape}");
                let misfit = Misfit::shape(message)
                    .help("one slope, or a vector with one for each position of axis 1");
                return misuse("prelu", &[self, slope], misfit);
            }
        };
        self.gt(0.0).where_(self, self * slope)
    }

    /// The first half along an axis times the sigmoid of the second half.
    ///
    /// Gradient: of its parts. Source: Dauphin and others, arXiv:1612.08083.
    ///
    /// PyTorch: `torch.nn.functional.glu`. JAX: `jax.nn.glu`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([3.0, 0.0]).glu(-1).to_vec::<f64>()?, [1.5]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn glu(&self, axis: isize) -> Tensor {
        let at = match self.axis_or("glu", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        let length = self.spec().shape.dim(at);
        if length % 2 == 1 {
            let message =
                format!("axis {axis} of {} has {length} positions, an odd number", self.spec().shape);
            return misuse(
                "glu",
                &[self],
                Misfit::shape(message).help("its halves are the values and their gates"),
            );
        }
        let [values, gates] = self.split([length / 2, length / 2], axis);
        values * gates.sigmoid()
    }
}

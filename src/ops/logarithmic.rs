//! Logarithms of sums, and products with logarithms.

use std::f64::consts::{LN_2, LOG2_E};

use super::arithmetic::{BOTH, IntoOperand, X1, binary, scalars};
use super::operands::InputSet;
use super::pointwise::{Map, Parameter, laws};
use super::primitive::Reads;
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::tensor::Tensor;

/// `a - b`; 0 where they are equal, two infinities included.
#[inline(always)]
fn distance<S: Scalar>(a: S, b: S) -> S {
    S::select(a.eq(b), S::literal(0.0), a - b)
}

scalars! {
    Logaddexp [a, b] S => a.max(b) + (-distance(a, b).abs()).exp().log1p();
    Logaddexp2 [a, b] S => a.max(b) + (-distance(a, b).abs()).exp2().log1p() * S::literal(LOG2_E);
    Xlogy [x, y] S => product_with(x, y, y.log());
    Xlog1py [x, y] S => product_with(x, y, y.log1p());
}

/// `x log`, 0 where `x` is, whatever the logarithm of `y`; NaN where `y` is.
#[inline(always)]
fn product_with<S: Scalar>(x: S, y: S, log: S) -> S {
    let zero = S::literal(0.0);
    S::select(y.is_nan(), y, S::select(x.eq(zero), zero, x * log))
}

/// The share of the first summand, times a cotangent: `v / (1 + base^(b - a))`, half where both are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ShareOfSum {
    /// The logarithm of the base.
    rate: Parameter,
}

impl Pointwise<3> for ShareOfSum {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [a, b, v]: [S; 3]) -> S {
        v * (distance(a, b) * self.rate.literal()).sigmoid()
    }
}

impl ShareOfSum {
    /// `v` times the share of one of the operands.
    #[track_caller]
    fn of(rate: f64, input: usize, operands: [&Tensor; 2], v: &Tensor) -> Tensor {
        let share = Map(ShareOfSum { rate: rate.into() });
        bind(&share, &[operands[input], operands[1 - input], v])
    }
}

const ALL: Reads = Reads::inputs(InputSet::one(0).union(InputSet::one(1)).union(InputSet::one(2)));

laws! {
    Logaddexp[2] "logaddexp" Floats, |_| BOTH,
        |_op, input, at, v| Some(ShareOfSum::of(1.0, input, [at.x(0), at.x(1)], v));
    Logaddexp2[2] "logaddexp2" Floats, |_| BOTH,
        |_op, input, at, v| Some(ShareOfSum::of(LN_2, input, [at.x(0), at.x(1)], v));
    ShareOfSum[3] "logaddexp_pull" Floats, |input| if input == 2 { BOTH } else { ALL }, |op, input, at, v| {
        let (a, b) = (at.x(0), at.x(1));
        Some(match input {
            2 => bind(&Map(*op), &[a, b, v]),
            _ => {
                let share = bind(&Map(*op), &[a, b, &v.ones_like()]);
                let rate = if input == 0 { op.rate.value() } else { -op.rate.value() };
                v * at.x(2) * &share * (1.0 - &share) * rate
            }
        })
    };
    Xlogy[2] "xlogy" Floats, |input| if input == 0 { X1 } else { BOTH }, |_op, input, at, v| {
        Some(if input == 0 { v * at.x(1).log() } else { v * at.x(0) / at.x(1) })
    };
    Xlog1py[2] "xlog1py" Floats, |input| if input == 0 { X1 } else { BOTH }, |_op, input, at, v| {
        Some(if input == 0 { v * at.x(1).log1p() } else { v * at.x(0) / (at.x(1) + 1.0) })
    };
}

impl Tensor {
    /// `log(exp(x) + exp(other))` without overflow; broadcasting. What adds probabilities given by their logarithms.
    ///
    /// Gradient: `dx = dy * exp(x - y)`, and the same for `other`; half to each where they are equal, -inf included.
    ///
    /// PyTorch: `torch.logaddexp`. JAX: `jnp.logaddexp`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1000.0, f64::NEG_INFINITY]);
    /// assert_eq!(x.logaddexp(f64::NEG_INFINITY).to_vec::<f64>()?, [1000.0, f64::NEG_INFINITY]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logaddexp(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Logaddexp), self, &other.operand_for(self, "logaddexp"), InputSet::NONE)
    }

    /// `log2(2^x + 2^other)` without overflow; broadcasting.
    ///
    /// Gradient: `dx = dy * 2^(x - y)`, and the same for `other`; half to each where they are equal, -inf included.
    ///
    /// PyTorch: `torch.logaddexp2`. JAX: `jnp.logaddexp2`.
    #[track_caller]
    pub fn logaddexp2(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Logaddexp2), self, &other.operand_for(self, "logaddexp2"), InputSet::NONE)
    }

    /// `x * log(y)`, 0 where `x` is 0 (unless `y` is NaN): the terms of an entropy; broadcasting.
    ///
    /// Gradient: `dx = dv * log(y)`, `dy = dv * x / y`.
    ///
    /// PyTorch: `torch.xlogy`. JAX: `jax.scipy.special.xlogy`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let p = Tensor::from([0.0, 1.0]);
    /// assert_eq!(p.xlogy(&p).to_vec::<f64>()?, [0.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn xlogy(&self, y: impl IntoOperand) -> Tensor {
        binary(&Map(Xlogy), self, &y.operand_for(self, "xlogy"), InputSet::NONE)
    }

    /// `x * log(1 + y)`, 0 where `x` is 0 (unless `y` is NaN); broadcasting.
    ///
    /// Gradient: `dx = dv * log(1 + y)`, `dy = dv * x / (1 + y)`.
    ///
    /// PyTorch: `torch.special.xlog1py`. JAX: `jax.scipy.special.xlog1py`.
    #[track_caller]
    pub fn xlog1py(&self, y: impl IntoOperand) -> Tensor {
        binary(&Map(Xlog1py), self, &y.operand_for(self, "xlog1py"), InputSet::NONE)
    }
}

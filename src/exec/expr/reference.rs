//! Evaluation, slow and obvious: the oracle of every other way to compute an expression.
//!
//! Nothing here is shared with the fast kernels: elementary functions are the standard library's, in
//! f64, and those that it lacks are in `special`.

#[cfg(any(test, feature = "samples"))]
use std::num::Wrapping;
use std::ops::{Add, Div, Mul, Neg, Sub};

#[cfg(any(test, feature = "samples"))]
use super::Expr;
use super::special;
use crate::exec::math::num::Float;
use crate::exec::scalar::{Scalar, refused};

/// A floating-point number whose functions are computed in f64 and rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<T>(pub(crate) T);

#[cfg(any(test, feature = "samples"))]
impl Expr {
    /// Its value in f64.
    pub(crate) fn eval_f64(&self, inputs: &[f64]) -> f64 {
        self.replay(&inputs.iter().copied().map(Reference).collect::<Vec<_>>()).0
    }

    /// Its value in f32: each node is rounded.
    pub(crate) fn eval_f32(&self, inputs: &[f32]) -> f32 {
        self.replay(&inputs.iter().copied().map(Reference).collect::<Vec<_>>()).0
    }

    /// Its value in i64.
    pub(crate) fn eval_i64(&self, inputs: &[i64]) -> i64 {
        self.replay(&inputs.iter().copied().map(Wrapping).collect::<Vec<_>>()).0
    }

    /// Its value in i32.
    pub(crate) fn eval_i32(&self, inputs: &[i32]) -> i32 {
        self.replay(&inputs.iter().copied().map(Wrapping).collect::<Vec<_>>()).0
    }

    /// Its value in u8.
    pub(crate) fn eval_u8(&self, inputs: &[u8]) -> u8 {
        self.replay(&inputs.iter().copied().map(Wrapping).collect::<Vec<_>>()).0
    }
}

impl<T: Float> Reference<T> {
    fn by(self, function: impl FnOnce(f64) -> f64) -> Self {
        Reference(T::rounded(function(self.0.widened())))
    }
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

macro_rules! operator {
    ($($operator:ident $name:ident),*) => {$(
        impl<T: Float> $operator for Reference<T> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                Reference(self.0.$name(other.0))
            }
        }
    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);

impl<T: Float> Neg for Reference<T> {
    type Output = Self;
    fn neg(self) -> Self {
        Reference(-self.0)
    }
}

macro_rules! by {
    ($($name:ident $function:expr),*) => {$(
        fn $name(self) -> Self {
            self.by($function)
        }
    )*};
}

impl<T: Float> Scalar for Reference<T> {
    type Mask = bool;

    fn literal(value: f64) -> Self {
        Reference(T::rounded(value))
    }
    fn lt(self, other: Self) -> bool {
        self.0 < other.0
    }
    fn le(self, other: Self) -> bool {
        self.0 <= other.0
    }
    fn eq(self, other: Self) -> bool {
        self.0 == other.0
    }
    fn ne(self, other: Self) -> bool {
        self.0 != other.0
    }
    fn select(mask: bool, then: Self, otherwise: Self) -> Self {
        if mask { then } else { otherwise }
    }
    fn sign(self) -> Self {
        self.by(|x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        })
    }
    fn min(self, other: Self) -> Self {
        if self.is_nan() || self.lt(other) { self } else { other }
    }
    fn max(self, other: Self) -> Self {
        if self.is_nan() || self.gt(other) { self } else { other }
    }
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Reference(self.0.mul_add(factor.0, addend.0))
    }
    fn copysign(self, sign: Self) -> Self {
        Reference(self.0.copysign(sign.0))
    }
    fn rem(self, divisor: Self) -> Self {
        Reference(self.0.remainder(divisor.0))
    }
    fn pow(self, exponent: Self) -> Self {
        self.by(|x| x.powf(exponent.0.widened()))
    }
    fn atan2(self, x: Self) -> Self {
        self.by(|y| y.atan2(x.0.widened()))
    }
    by!(abs f64::abs, floor f64::floor, ceil f64::ceil, round f64::round_ties_even, trunc f64::trunc);
    by!(recip f64::recip, sqrt f64::sqrt, exp f64::exp, expm1 f64::exp_m1, log f64::ln, log1p f64::ln_1p);
    by!(exp2 f64::exp2, log2 f64::log2, log10 f64::log10, cbrt f64::cbrt);
    by!(sin f64::sin, cos f64::cos, tan f64::tan, tanh f64::tanh, sigmoid sigmoid, erf special::erf);
    by!(erfc special::erfc, erfcx special::erfcx, erfinv special::erfinv);
    by!(lgamma special::lgamma, digamma special::digamma);
    refused!("floats": bit_and(other), bit_or(other), bit_xor(other), shl(count), shr(count));
}

//! Evaluation, slow and obvious: the oracle of every other way to compute an expression.
//!
//! Nothing here is shared with the fast kernels: elementary functions are the standard library's, in
//! f64, and `erf` is its series.

use std::num::Wrapping;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Expr;
use crate::exec::math::num::Float;
use crate::exec::scalar::Scalar;

/// A floating-point number whose functions are computed in f64 and rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<T>(pub(crate) T);

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

/// The error function by `2/sqrt(pi) exp(-x^2) sum(2^n x^(2n+1) / (2n+1)!!)`, whose terms have one
/// sign, so that nothing cancels (Abramowitz and Stegun 7.1.6).
fn erf(x: f64) -> f64 {
    // NaN takes the second way.
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    // At 6 the terms grow up to n = 36 and have vanished at 200.
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
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
    fn pow(self, exponent: Self) -> Self {
        self.by(|x| x.powf(exponent.0.widened()))
    }
    by!(abs f64::abs, floor f64::floor, ceil f64::ceil, round f64::round_ties_even, trunc f64::trunc);
    by!(recip f64::recip, sqrt f64::sqrt, exp f64::exp, expm1 f64::exp_m1, log f64::ln, log1p f64::ln_1p);
    by!(sin f64::sin, cos f64::cos, tan f64::tan, tanh f64::tanh, sigmoid sigmoid, erf erf);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of erf in 50-digit arithmetic; tolerance 4e-15, the rounding of `exp(-x^2)` and of the sum.
    #[test]
    fn the_series_is_the_error_function() {
        let table = [
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.5, 0.999_999_256_901_627_7),
            (5.9, 1.0),
            (7.0, 1.0),
        ];
        for (x, y) in table {
            assert!((erf(x) - y).abs() <= 4e-15 * y, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
    }
}

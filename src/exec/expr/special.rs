//! Special functions, slow and obvious: what the reference evaluates instead of the kernels.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// The error function by `2/sqrt(pi) exp(-x^2) sum(2^n x^(2n+1) / (2n+1)!!)`, whose terms have one
/// sign, so that nothing cancels (Abramowitz and Stegun 7.1.6).
pub(super) fn erf(x: f64) -> f64 {
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
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// `exp(x^2) erfc(x)` from 2 on: the continued fraction `1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ..))))` over
/// `sqrt(pi)` (Abramowitz and Stegun 7.1.14).
fn erfcx_of_great(x: f64) -> f64 {
    let rest = (1..200).rev().fold(0.0, |rest, n| f64::from(n) / 2.0 / (x + rest));
    FRAC_2_SQRT_PI / 2.0 / (x + rest)
}

/// `exp(-x^2)`, the square in two parts, of which the first is exact.
fn exp_minus_square(x: f64) -> f64 {
    let head = (x * 16.0).trunc() / 16.0;
    (-head * head).exp() * (-(x - head) * (x + head)).exp()
}

/// The complement of the error function.
pub(super) fn erfc(x: f64) -> f64 {
    if x > 2.0 {
        return if x > 30.0 { 0.0 } else { exp_minus_square(x) * erfcx_of_great(x) };
    }
    1.0 - erf(x)
}

/// `exp(x^2) erfc(x)`.
pub(super) fn erfcx(x: f64) -> f64 {
    if x > 2.0 { erfcx_of_great(x) } else { (1.0 - erf(x)) / exp_minus_square(x) }
}

/// The inverse of the error function, by Newton's method on `erf` or, far out, on the logarithm of `erfc`.
pub(super) fn erfinv(x: f64) -> f64 {
    let a = x.abs();
    // Exact, since `a` is at least 1/2 where it counts.
    let above = 1.0 - a;
    if above <= 0.0 || above.is_nan() {
        return if above == 0.0 { x * f64::INFINITY } else { f64::NAN };
    }
    let mut y = if a < 0.9 { a } else { (-above.ln()).sqrt() };
    for _ in 0..40 {
        let slope = FRAC_2_SQRT_PI * exp_minus_square(y);
        let step = if a < 0.9 { (erf(y) - a) / slope } else { -(erfc(y) / above).ln() * erfc(y) / slope };
        y -= step;
        if step.abs() <= 1e-16 * y {
            break;
        }
    }
    y.copysign(x)
}

/// Whether the gamma function has a pole at `x`.
fn is_pole(x: f64) -> bool {
    x <= 0.0 && x == x.floor()
}

/// Stirling's series: the coefficients `B(2k) / (2k (2k - 1))` of `1 / x^(2k - 1)` (Abramowitz and Stegun 6.1.40).
const STIRLING: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];

/// The logarithm of the absolute value of the gamma function.
pub(super) fn lgamma(x: f64) -> f64 {
    if x.is_infinite() || is_pole(x) {
        return f64::INFINITY;
    }
    if x < 0.0 {
        return (PI / sin_of_pi(x).abs()).ln() - lgamma(1.0 - x);
    }
    if x < 20.0 {
        return lgamma(x + 1.0) - x.ln();
    }
    let series: f64 = (0..).zip(STIRLING).map(|(k, b)| b / x.powi(2 * k + 1)).sum();
    (x - 0.5) * (x.ln() - 1.0) + 0.5 * (2.0 * PI).ln() - 0.5 + series
}

/// The derivative of `lgamma`.
pub(super) fn digamma(x: f64) -> f64 {
    if is_pole(x) {
        return f64::NAN;
    }
    if x < 0.0 {
        return digamma(1.0 - x) - PI * sin_of_pi(0.5 - x) / sin_of_pi(x);
    }
    if x < 20.0 {
        return digamma(x + 1.0) - 1.0 / x;
    }
    let series: f64 = (0..).zip(STIRLING).map(|(k, b)| f64::from(2 * k + 1) * b / x.powi(2 * k + 2)).sum();
    x.ln() - 0.5 / x - series
}

/// `sin(pi x)`, the multiple of pi taken exactly.
fn sin_of_pi(x: f64) -> f64 {
    let turns = x.round();
    let sign = if turns % 2.0 == 0.0 { 1.0 } else { -1.0 };
    sign * (PI * (x - turns)).sin()
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

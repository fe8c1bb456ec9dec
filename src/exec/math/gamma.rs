//! The logarithm of the gamma function, and its derivative.
//!
//! Both are Stirling's series from 8 on (`digamma` in f32: 4). Below it the functional equation `gamma(x + 1) = x gamma(x)` leads to where
//! there is a polynomial (`lgamma`) or the series (`digamma`); at negative numbers the reflection formula leads to
//! positive ones.

use super::log::{log, log_positive};
use super::trig::{cos_near, sin_near};
use super::{Real, polynomial};
use crate::exec::scalar::Mask;

/// From here on Stirling's series is used.
const LARGE: f64 = 8.0;

/// Sine and cosine of pi times the distance of `x` from the nearest integral number; NaN for infinities.
#[inline(always)]
fn sin_and_cos_of_pi<R: Real>(x: R) -> (R, R) {
    let turn = (x - x.round()).abs();
    let near = turn.le(R::literal(0.25));
    let angle = R::literal(std::f64::consts::PI) * R::select(near, turn, R::literal(0.5) - turn);
    let square = angle * angle;
    let (sin, cos) = (sin_near(angle, square), cos_near(square));
    (R::select(near, sin, cos), R::select(near, cos, sin))
}

/// `lgamma(x)` for `x > 0`.
///
/// Below 8 `x` is moved by an integral number to `z` between 1.5 and 2.5, where `lgamma` is `(z - 2) p(z - 2)`: so
/// the zeros at 1 and 2 are met exactly.
#[inline(always)]
fn lgamma_positive<R: Real>(x: R) -> R {
    let one = R::literal(1.0);
    // The factor and the distance of z from 2, which is a difference of two near numbers.
    let (mut factor, mut distance) = (one, x - R::literal(2.0));
    let mut step = 1.0;
    while step < 7.0 {
        let more = x.gt(R::literal(step + 1.5));
        factor = R::select(more, factor * (x - R::literal(step)), factor);
        distance = R::select(more, x - R::literal(step + 2.0), distance);
        step += 1.0;
    }
    let [least, less] = [0.5, 1.5].map(|bound| x.lt(R::literal(bound)));
    factor = R::select(less, R::select(least, x * (x + one), x), factor);
    distance = R::select(less, R::select(least, x, x - one), distance);

    let large = x.ge(R::literal(LARGE));
    let log = log(R::select(large, x, factor));
    let small = distance.mul_add(polynomial(distance, R::FORMAT.lgamma), R::select(less, -log, log));
    let half = R::literal(0.5);
    let series = polynomial((x * x).recip(), R::FORMAT.stirling) / x;
    // (x - 1/2) log(x) - x + log(2 pi) / 2, arranged so that nothing overflows before the result.
    let stirling = (x - half).mul_add(log - one, R::literal(0.418_938_533_204_672_7) + series);
    R::select(large, stirling, small)
}

/// The logarithm of the absolute value of the gamma function.
#[inline(always)]
pub(crate) fn lgamma<R: Real>(x: R) -> R {
    let negative = x.lt(R::literal(0.0));
    let y = lgamma_positive(R::select(negative, R::literal(1.0) - x, x));
    // gamma(x) gamma(1 - x) = pi / sin(pi x)
    let (sin, _) = sin_and_cos_of_pi(x);
    let reflected = R::literal(1.144_729_885_849_400_2) - log(sin) - y;
    let finite = R::select(negative, reflected, y);
    let infinity = R::literal(f64::INFINITY);
    let pole = negative.and(sin.eq(R::literal(0.0)));
    R::select(pole.or(x.abs().eq(infinity)), infinity, finite)
}

/// `digamma(x)` for `x > 0`.
#[inline(always)]
fn digamma_positive<R: Real>(x: R) -> R {
    let large = R::FORMAT.digamma_series;
    let small = x.lt(R::literal(large));
    // numerator / denominator = 1/x + 1/(x + 1) + ..
    let (mut numerator, mut denominator) = (R::literal(1.0), x);
    let mut step = 1.0;
    while step < large {
        let factor = x + R::literal(step);
        numerator = numerator.mul_add(factor, denominator);
        denominator = denominator * factor;
        step += 1.0;
    }
    let moved = R::select(small, x + R::literal(large), x);
    let reciprocal = moved.recip();
    let square = reciprocal * reciprocal;
    let rest = square.mul_add(polynomial(square, R::FORMAT.digamma), R::literal(0.5) * reciprocal);
    let sum = R::select(small, numerator / denominator, R::literal(0.0));
    let y = log_positive(moved) - rest - sum;
    R::select(x.lt(R::literal(f64::INFINITY)), y, x)
}

/// The derivative of `lgamma`.
#[inline(always)]
pub(crate) fn digamma<R: Real>(x: R) -> R {
    let zero = R::literal(0.0);
    let negative = x.lt(zero);
    let y = digamma_positive(R::select(negative, R::literal(1.0) - x, x));
    // digamma(1 - x) - digamma(x) = pi / tan(pi x)
    let (sin, cos) = sin_and_cos_of_pi(x);
    let above = (x - x.round()).ge(zero);
    let cotangent = R::literal(std::f64::consts::PI) * (R::select(above, cos, -cos) / sin);
    let pole = x.le(zero).and(sin.eq(zero));
    let finite = R::select(negative, y - cotangent, y);
    R::select(pole, R::literal(f64::NAN), finite)
}

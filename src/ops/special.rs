//! Error functions, the normal distribution, gamma functions.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, SQRT_2};

use super::Reads;
use super::arithmetic::{BOTH, X0, scalars};
use super::pointwise::{Map, Parameter, laws};
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::{Mask, Scalar};
use crate::tensor::Tensor;

/// `1 / sqrt(2 pi)`.
const NORMAL: f64 = 0.398_942_280_401_432_7;

scalars! {
    Erf [x] S => x.erf();
    ErfPull [x, v] S => v * (S::literal(FRAC_2_SQRT_PI) * (-(x * x)).exp());
    Erfc [x] S => x.erfc();
    Erfcx [x] S => x.erfcx();
    Erfinv [x] S => x.erfinv();
    Ndtr [x] S => S::literal(0.5) * (x * S::literal(-FRAC_1_SQRT_2)).erfc();
    NdtrPull [x, v] S => v * (S::literal(NORMAL) * (S::literal(-0.5) * x * x).exp());
    LogNdtr [x] S => log_ndtr(x);
    Ndtri [x] S => ndtri(x);
    Lgamma [x] S => x.lgamma();
    Digamma [x] S => x.digamma();
    Logit [x] S => logit(x);
}

/// By the scaled complement below -1, since the probability itself vanishes from -38 on.
#[inline(always)]
fn log_ndtr<S: Scalar>(x: S) -> S {
    let half = S::literal(0.5);
    let a = x * S::literal(FRAC_1_SQRT_2);
    let below = (half * (-a).erfcx()).log() - half * x * x;
    let above = (-half * a.erfc()).log1p();
    S::select(x.lt(S::literal(-1.0)), below, above)
}

/// By `erfinv` in the middle; in the tails by Newton's method on the logarithm of the probability, from its asymptotic
/// series. Of the logarithm three steps are enough: it is nearly a parabola.
#[inline(always)]
fn ndtri<S: Scalar>(p: S) -> S {
    let [zero, half, one] = [0.0, 0.5, 1.0].map(S::literal);
    let upper = p.gt(half);
    let tail = S::select(upper, one - p, p);
    // erfc(y) = 2 tail
    let log = (tail + tail).log();
    let mut y = (-log - half * (-log * S::literal(PI)).log()).sqrt();
    let mut step = 0;
    while step < 3 {
        let scaled = y.erfcx();
        let excess = scaled.log() - y * y - log;
        y = y + excess * scaled * S::literal(1.0 / FRAC_2_SQRT_PI);
        step += 1;
    }
    let middle = tail.gt(S::literal(0.02));
    let y = S::select(middle, (one - (tail + tail)).erfinv(), y);
    let y = S::select(tail.eq(zero), S::literal(f64::INFINITY), y);
    let y = S::select(upper, y, -y) * S::literal(SQRT_2);
    S::select(tail.lt(zero), S::literal(f64::NAN), y)
}

/// `log(x / (1 - x))` from the smaller of `x` and `1 - x`, so that it is accurate at 0, 1/2 and 1.
#[inline(always)]
fn logit<S: Scalar>(x: S) -> S {
    let [half, one] = [0.5, 1.0].map(S::literal);
    let upper = x.gt(half);
    let small = S::select(upper, one - x, x);
    let y = ((one - (small + small)) / small).log1p();
    S::select(upper, y, -y)
}

/// The derivative of `digamma` of some order, from the first on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Polygamma {
    order: u32,
    /// Coefficients of the polynomial in `cot(pi x)` that the derivative of `pi cot(pi x)` is.
    reflection: [Parameter; Polygamma::TERMS],
}

/// `B(2j) / (2j)!`, of the Euler-Maclaurin formula.
const EULER_MACLAURIN: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3617.0 / 10_670_622_842_880_000.0,
];

impl Polygamma {
    /// Of the polynomial in the cotangent; orders with more have no value at negative numbers.
    const TERMS: usize = 18;
    /// Terms of the series that are added one by one.
    const SUMMED: u32 = 10;

    fn of(order: u32) -> Polygamma {
        // P(0) = c and P(n + 1) = -(1 + c^2) P(n)', each times pi.
        let mut polynomial = [0.0; Polygamma::TERMS];
        polynomial[1] = PI;
        for _ in 0..order.min(Polygamma::TERMS as u32) {
            let mut next = [0.0; Polygamma::TERMS];
            for power in 1..Polygamma::TERMS {
                let slope = -PI * power as f64 * polynomial[power];
                next[power - 1] += slope;
                if power + 1 < Polygamma::TERMS {
                    next[power + 1] += slope;
                }
            }
            polynomial = next;
        }
        if order as usize + 2 > Polygamma::TERMS {
            polynomial = [f64::NAN; Polygamma::TERMS];
        }
        Polygamma { order, reflection: polynomial.map(Parameter::from) }
    }

    /// `sum over k of 1 / (x + k)^(order + 1)`, for `x > 0`.
    #[inline(always)]
    fn zeta<S: Scalar>(self, x: S) -> S {
        let s = f64::from(self.order) + 1.0;
        let mut sum = S::literal(0.0);
        for k in 0..Polygamma::SUMMED {
            sum = sum + whole_power((x + S::literal(f64::from(k))).recip(), self.order.saturating_add(1));
        }
        let rest = (x + S::literal(f64::from(Polygamma::SUMMED))).recip();
        let power = whole_power(rest, self.order);
        let mut series = S::literal(1.0 / (s - 1.0)) + S::literal(0.5) * rest;
        let (mut rising, mut odd) = (s, rest * rest);
        for (j, b) in EULER_MACLAURIN.into_iter().enumerate() {
            series = series + S::literal(b * rising) * odd;
            let next = s + 2.0 * j as f64 + 1.0;
            rising *= next * (next + 1.0);
            odd = odd * rest * rest;
        }
        sum + power * series
    }
}

/// `x` to the power of a whole number.
#[inline(always)]
fn whole_power<S: Scalar>(x: S, mut exponent: u32) -> S {
    let (mut power, mut square) = (S::literal(1.0), x);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power * square;
        }
        exponent >>= 1;
        if exponent > 0 {
            square = square * square;
        }
    }
    power
}

impl Pointwise<1> for Polygamma {
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x]: [S; 1]) -> S {
        let [zero, one] = [0.0, 1.0].map(S::literal);
        let even = self.order.is_multiple_of(2);
        let factorial: f64 = (1..=self.order.min(171)).map(f64::from).product();
        let scale = S::literal(if even { -factorial } else { factorial });
        let negative = x.lt(zero);
        let y = scale * self.zeta(S::select(negative, one - x, x));
        // The order-th derivative of digamma(1 - x) - digamma(x) = pi cot(pi x).
        let turn = (x - x.round()) * S::literal(PI);
        let cotangent = turn.cos() / turn.sin();
        let polynomial = self.reflection.iter().rev().map(|c| c.literal::<S>());
        let curve = polynomial.reduce(|sum, c| sum.mul_add(cotangent, c)).unwrap_or(zero);
        let mirrored = if even { y } else { -y };
        let y = S::select(negative, mirrored - curve, y);
        let pole = x.le(zero).and(turn.eq(zero));
        S::select(pole, scale * S::literal(f64::INFINITY), y)
    }
}

laws! {
    Erf[1] "erf" Floats, |_| X0, |_op, _, at, v| Some(bind(&Map(ErfPull), &[at.x(0), v]));
    ErfPull[2] "erf_pull" Floats, |input| if input == 1 { X0 } else { BOTH }, |_op, input, at, v| {
        let x = at.x(0);
        let pulled = |v: &Tensor| bind(&Map(ErfPull), &[x, v]);
        Some(if input == 1 { pulled(v) } else { pulled(&(v * at.x(1))) * x * -2.0 })
    };
    Erfc[1] "erfc" Floats, |_| X0, |_op, _, at, v| Some(-bind(&Map(ErfPull), &[at.x(0), v]));
    Erfcx[1] "erfcx" Floats, |_| Reads { outputs: true, ..X0 },
        |_op, _, at, v| Some(v * (at.x(0) * at.y() * 2.0 - FRAC_2_SQRT_PI));
    Erfinv[1] "erfinv" Floats, |_| Reads::OUTPUTS,
        |_op, _, at, v| Some(v * at.y().square().exp() * (1.0 / FRAC_2_SQRT_PI));
    Ndtr[1] "ndtr" Floats, |_| X0, |_op, _, at, v| Some(bind(&Map(NdtrPull), &[at.x(0), v]));
    NdtrPull[2] "ndtr_pull" Floats, |input| if input == 1 { X0 } else { BOTH }, |_op, input, at, v| {
        let x = at.x(0);
        let pulled = |v: &Tensor| bind(&Map(NdtrPull), &[x, v]);
        Some(if input == 1 { pulled(v) } else { -(pulled(&(v * at.x(1))) * x) })
    };
    LogNdtr[1] "log_ndtr" Floats, |_| X0,
        |_op, _, at, v| Some(v * (2.0 * NORMAL) / (at.x(0) * -FRAC_1_SQRT_2).erfcx());
    Ndtri[1] "ndtri" Floats, |_| Reads::OUTPUTS,
        |_op, _, at, v| Some(v * (at.y().square() * 0.5).exp() * (1.0 / NORMAL));
    Lgamma[1] "lgamma" Floats, |_| X0, |_op, _, at, v| Some(v * at.x(0).digamma());
    Digamma[1] "digamma" Floats, |_| X0, |_op, _, at, v| Some(v * at.x(0).polygamma(1));
    Polygamma[1] "polygamma" Floats, |_| X0,
        |op, _, at, v| Some(v * at.x(0).polygamma(op.order.saturating_add(1)));
    Logit[1] "logit" Floats, |_| X0, |_op, _, at, v| Some(v / (at.x(0) * (1.0 - at.x(0))));
}

impl Tensor {
    /// The error function, within 2 ULP.
    ///
    /// Gradient: `dx = dy * 2 / sqrt(pi) * exp(-x^2)`.
    ///
    /// PyTorch: `torch.erf`. JAX: `jax.scipy.special.erf`.
    #[track_caller]
    pub fn erf(&self) -> Tensor {
        bind(&Map(Erf), &[self])
    }

    /// `1 - erf(x)`, accurate however small.
    ///
    /// Gradient: `dx = -dy * 2 / sqrt(pi) * exp(-x^2)`.
    ///
    /// PyTorch: `torch.erfc`. JAX: `jax.scipy.special.erfc`.
    #[track_caller]
    pub fn erfc(&self) -> Tensor {
        bind(&Map(Erfc), &[self])
    }

    /// `exp(x^2) * erfc(x)`, where `erfc(x)` vanishes too.
    ///
    /// Gradient: `dx = dy * (2 x y - 2 / sqrt(pi))`.
    ///
    /// PyTorch: `torch.special.erfcx`. JAX: `jax.scipy.special.erfcx`.
    #[track_caller]
    pub fn erfcx(&self) -> Tensor {
        bind(&Map(Erfcx), &[self])
    }

    /// The number whose error function each element is; infinite at -1 and 1, NaN beyond.
    ///
    /// Gradient: `dx = dy * sqrt(pi) / 2 * exp(y^2)`.
    ///
    /// PyTorch: `torch.erfinv`. JAX: `jax.scipy.special.erfinv`.
    #[track_caller]
    pub fn erfinv(&self) -> Tensor {
        bind(&Map(Erfinv), &[self])
    }

    /// The normal distribution function: the probability that a standard normal number is not above `x`. Accurate
    /// however small.
    ///
    /// Gradient: `dx = dy * exp(-x^2 / 2) / sqrt(2 pi)`.
    ///
    /// PyTorch: `torch.special.ndtr`. JAX: `jax.scipy.special.ndtr`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (spot, strike, rate, volatility) = (Tensor::from(100.0), 95.0, 0.02, 0.3);
    /// let d1 = (&spot / strike).log() / volatility + (rate / volatility + volatility / 2.0);
    /// let call = &spot * d1.ndtr() - (d1 - volatility).ndtr() * strike * f64::exp(-rate);
    /// assert!((call.item::<f64>()? - 15.275).abs() < 1e-3); // Black and Scholes, one year
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn ndtr(&self) -> Tensor {
        bind(&Map(Ndtr), &[self])
    }

    /// The logarithm of [`ndtr`](Tensor::ndtr), where that vanishes too.
    ///
    /// Gradient: `dx = dy * exp(-x^2 / 2) / sqrt(2 pi) / ndtr(x)`.
    ///
    /// PyTorch: `torch.special.log_ndtr`. JAX: `jax.scipy.special.log_ndtr`.
    #[track_caller]
    pub fn log_ndtr(&self) -> Tensor {
        bind(&Map(LogNdtr), &[self])
    }

    /// The inverse of [`ndtr`](Tensor::ndtr), the quantile of the normal distribution, for probabilities however small;
    /// -inf at 0, inf at 1, NaN beyond.
    ///
    /// Gradient: `dx = dy * sqrt(2 pi) * exp(y^2 / 2)`.
    ///
    /// PyTorch: `torch.special.ndtri`. JAX: `jax.scipy.special.ndtri`.
    #[track_caller]
    pub fn ndtri(&self) -> Tensor {
        bind(&Map(Ndtri), &[self])
    }

    /// The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ..
    ///
    /// Gradient: `dx = dy * digamma(x)`.
    ///
    /// PyTorch: `torch.lgamma`. JAX: `jax.scipy.special.gammaln`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let factorial = (Tensor::from(5.0) + 1.0).lgamma().exp();
    /// assert!((factorial.item::<f64>()? - 120.0).abs() < 1e-10);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn lgamma(&self) -> Tensor {
        bind(&Map(Lgamma), &[self])
    }

    /// The derivative of [`lgamma`](Tensor::lgamma); NaN at 0, -1, -2, ..
    ///
    /// Gradient: `dx = dy * polygamma(1, x)`.
    ///
    /// PyTorch: `torch.digamma`. JAX: `jax.scipy.special.digamma`.
    #[track_caller]
    pub fn digamma(&self) -> Tensor {
        bind(&Map(Digamma), &[self])
    }

    /// The derivative of [`digamma`](Tensor::digamma) of the given order, itself for 0. Infinite at 0, -1, -2, .., with
    /// the sign of what is above; at other negative numbers NaN from order 17 on.
    ///
    /// Gradient: `dx = dy * polygamma(order + 1, x)`.
    ///
    /// PyTorch: `torch.polygamma`. JAX: `jax.scipy.special.polygamma`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let y = Tensor::from(1.0).polygamma(1).item::<f64>()?;
    /// assert!((y - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-14);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn polygamma(&self, order: u32) -> Tensor {
        if order == 0 { self.digamma() } else { bind(&Map(Polygamma::of(order)), &[self]) }
    }

    /// `log(x / (1 - x))`, the inverse of the sigmoid; -inf at 0, inf at 1, NaN beyond.
    ///
    /// Gradient: `dx = dy / (x * (1 - x))`.
    ///
    /// PyTorch: `torch.logit`. JAX: `jax.scipy.special.logit`.
    #[track_caller]
    pub fn logit(&self) -> Tensor {
        bind(&Map(Logit), &[self])
    }
}

//! The exact solution of Burgers' equation.

use std::f64::consts::PI;

/// Below this the integrals need more points.
pub(crate) const LEAST_VISCOSITY: f64 = 0.003;

/// Half the range of the integrals in standard units, beyond which `exp(-z^2)` is lost beside the rest, and the number of
/// points there: enough for the least viscosity.
const RANGE: f64 = 14.0;
const POINTS: usize = 1400;

/// `u(x, t)` where `u_t + u u_x = v u_xx`, `u(x, 0) = -sin(pi x)` and `u(-1, t) = u(1, t) = 0`, by the transformation of Cole
/// and Hopf (Basdevant et al. 1986, "Spectral and finite difference solutions of the Burgers equation"):
///
/// `u = -integral(sin(pi (x - h)) f(x - h) g(h)) / integral(f(x - h) g(h))` over all `h`, with
/// `f(y) = exp(-cos(pi y) / (2 pi v))` and `g(h) = exp(-h^2 / (4 v t))`.
pub(crate) fn burgers(x: f64, t: f64, viscosity: f64) -> f64 {
    let scale = 2.0 * (viscosity * t).sqrt();
    let (mut above, mut below) = (0.0, 0.0);
    for i in 0..=POINTS {
        let z = RANGE * (2.0 * i as f64 / POINTS as f64 - 1.0);
        let y = PI * (x - scale * z);
        // Less the greatest value of the first term, so that nothing overflows.
        let weight = (-(1.0 + y.cos()) / (2.0 * PI * viscosity) - z * z).exp();
        above += y.sin() * weight;
        below += weight;
    }
    // Without any weight left, as at the ends where f is least: the sine is 0 there.
    if below > 0.0 { -above / below } else { 0.0 }
}

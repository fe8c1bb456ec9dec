//! The cube root.

use super::exp::exp_normal;
use super::log::log_positive;
use super::{Real, exact_product, with_sign};
use crate::exec::scalar::Mask;

/// The cube root. Error below 1 ULP; exact for cubes.
///
/// `exp(log(x) / 3)`, good but for a few bits, and a step of Newton's method with an exact residual.
#[inline(always)]
pub(crate) fn cbrt<R: Real>(x: R) -> R {
    let a = x.abs();
    let one = R::literal(1.0);
    // Exactly, so that the cube neither overflows nor has bits below the least number.
    let great = a.gt(one);
    let scaled = a * R::select(great, R::literal(0.125), R::literal(2.0_f64.powi(108)));
    let root = exp_normal(log_positive(scaled) * R::literal(1.0 / 3.0));
    let (square, square_low) = exact_product(root, root);
    let (cube, cube_low) = exact_product(square, root);
    let residual = (cube - scaled) + (cube_low + square_low * root);
    let root = root - residual / (square * R::literal(3.0));
    let y = root * R::select(great, R::literal(2.0), R::literal(2.0_f64.powi(-36)));
    let regular = a.gt(R::literal(0.0)).and(a.lt(R::literal(f64::INFINITY)));
    R::select(regular, with_sign(y, x), x)
}

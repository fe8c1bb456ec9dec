//! The arc tangent of a quotient, from which the inverse trigonometric functions are made.

use super::{Real, polynomial, sign_bit, with_sign};
use crate::exec::scalar::Mask;

/// The angle of the point `(x, y)`, with the special cases of C's Annex F. Error below 3 ULP.
///
/// `atan(z) = z + z^3 p(z^2)` for the smaller of `|y|` and `|x|` over the greater; what it is of the other quotient
/// and of the other side is pi/2 and pi less that.
#[inline(always)]
pub(crate) fn atan2<R: Real>(y: R, x: R) -> R {
    let [zero, one] = [0.0, 1.0].map(R::literal);
    let (a, b) = (y.abs(), x.abs());
    let steep = b.lt(a);
    let (small, great) = (R::select(steep, b, a), R::select(steep, a, b));
    // Two zeros are one direction and two infinities the diagonal, where the quotient is NaN.
    let equal = R::select(great.eq(zero), zero, one);
    let z = R::select(small.eq(great), equal, small / great);
    let square = z * z;
    let angle = (z * square).mul_add(polynomial(square, R::FORMAT.atan), z);

    let [half_pi, half_pi_low, _] = R::FORMAT.half_pi.map(R::literal);
    let angle = R::select(steep, (half_pi - angle) + half_pi_low, angle);
    let turned = (half_pi + half_pi - angle) + (half_pi_low + half_pi_low);
    let angle = R::select(R::is_zero(sign_bit(x)).not(), turned, angle);
    with_sign(R::select(x.is_nan(), x.abs(), angle), y)
}

//! Sine, cosine and tangent.
//!
//! An angle is `n pi/2 + r` with `|r| <= pi/4`, and its functions are those of `r` up to sign and
//! exchange. Up to [`Format::far`](super::Format::far) `r` is found by subtracting `n` times pi/2 in
//! three words, after Cody and Waite; beyond it, by multiplying with the digits of 2/pi that
//! matter, after Payne and Hanek, which is slow and not for SIMD: a loop notes that it met such an
//! angle and is run again (`watch`).

use super::coefficients::DOUBLE;
use super::{Bits, Real, exact_product, polynomial, sign_bit};

/// `x - n c`, rounded once; exact where the result needs no more bits than there are.
#[inline(always)]
fn subtract_product<R: Real>(x: R, n: R, c: R) -> R {
    if R::FUSED {
        return (-n).mul_add(c, x);
    }
    let (product, error) = exact_product(n, c);
    (x - product) - error
}

/// `(n, r)` such that `x = n pi/2 + r`, for `0 <= x <= far`; `r` within 1 ULP.
///
/// The first difference is exact: it is at most 0.8, and a multiple of the last place of pi/2 or of
/// that of `x`. So cancellation costs nothing until the second word, and no angle of either format
/// lies so near a multiple of pi/2 that three words would not do.
#[inline(always)]
pub(crate) fn quadrant<R: Real>(x: R) -> (R::Bits, R) {
    let magic = R::literal(R::FORMAT.magic);
    let shifted = x.mul_add(R::literal(std::f64::consts::FRAC_2_PI), magic);
    let n = shifted - magic;
    let [c0, c1, c2] = R::FORMAT.half_pi.map(R::literal);
    let r = subtract_product(x, n, c0);
    let r = subtract_product(r, n, c1);
    let r = n.mul_add(-c2, r);
    (shifted.to_bits(), r)
}

/// The sine of `|r| <= 0.8`.
#[inline(always)]
pub(super) fn sin_near<R: Real>(r: R, square: R) -> R {
    (r * square).mul_add(polynomial(square, R::FORMAT.sin), r)
}

/// The cosine of `r`, `r^2 <= 0.64`.
#[inline(always)]
pub(super) fn cos_near<R: Real>(square: R) -> R {
    let parabola = square.mul_add(R::literal(-0.5), R::literal(1.0));
    (square * square).mul_add(polynomial(square, R::FORMAT.cos), parabola)
}

/// Whether `n` is even.
#[inline(always)]
fn is_even<R: Real>(n: R::Bits) -> R::Mask {
    R::is_zero(n & R::Bits::literal(1))
}

/// Bit 1 of `n` in the place of the sign: the half turn.
#[inline(always)]
fn half_turn<R: Real>(n: R::Bits) -> R::Bits {
    (n & R::Bits::literal(2)) << (R::FORMAT.width - 2)
}

/// The sine. Error below 2 ULP.
#[inline(always)]
pub(crate) fn sin<R: Real>(x: R) -> R {
    let (n, r) = x.abs().quadrant();
    let square = r * r;
    let y = R::select(is_even::<R>(n), sin_near(r, square), cos_near(square));
    R::from_bits(y.to_bits() ^ half_turn::<R>(n) ^ sign_bit(x))
}

/// The cosine. Error below 2 ULP.
#[inline(always)]
pub(crate) fn cos<R: Real>(x: R) -> R {
    let (n, r) = x.abs().quadrant();
    let square = r * r;
    let y = R::select(is_even::<R>(n), cos_near(square), sin_near(r, square));
    R::from_bits(y.to_bits() ^ half_turn::<R>(n + R::Bits::literal(1)))
}

/// The tangent. Error below 4 ULP.
#[inline(always)]
pub(crate) fn tan<R: Real>(x: R) -> R {
    let (n, r) = x.abs().quadrant();
    let square = r * r;
    let (sin, cos) = (sin_near(r, square), cos_near(square));
    let even = is_even::<R>(n);
    let y = R::select(even, sin, -cos) / R::select(even, cos, sin);
    R::from_bits(y.to_bits() ^ sign_bit(x))
}

/// 64 zeros, then the binary digits of 2/pi, so that bit `p` from the left weighs `2^(63 - p)`.
///
/// Computed in 450-digit arithmetic; as many as the greatest f64 needs.
static TWO_OVER_PI: [u64; 21] = [
    0x0000_0000_0000_0000,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
];

/// `(n, r)` such that `x = n pi/2 + r` up to whole turns, for `x >= 2^17`; `n <= 4`, `r` within 1 ULP.
///
/// With `x = m 2^e`, digits of 2/pi that weigh `2^(2-e)` or more add multiples of 4 to the product
/// and nothing else. So 192 digits from there on times `m`, modulo `2^192`, are two bits of `n` and
/// 190 bits of `r / (pi/2)`. No f64 is nearer than `2^-62` to a multiple of pi/2: enough remain.
#[cold]
#[inline(never)]
pub(super) fn quadrant_far(x: f64) -> (u64, f64) {
    if !x.is_finite() {
        return (0, f64::NAN);
    }
    debug_assert!(x >= 131_072.0, "the digits before 2/pi's first are not in the table");
    let m = (x.to_bits() & ((1 << 52) - 1)) | (1 << 52);
    // e is the exponent field less 1075, and the first digit that matters weighs 2^(1-e).
    let first = (x.to_bits() >> 52) as usize + 62 - 1075;
    let digits = |word: usize| {
        let at = first + 64 * word;
        let pair = u128::from(TWO_OVER_PI[at / 64]) << 64 | u128::from(TWO_OVER_PI[at / 64 + 1]);
        (pair << (at % 64) >> 64) as u64
    };
    let low = u128::from(m) * u128::from(digits(2));
    let middle = u128::from(m) * u128::from(digits(1)) + (low >> 64);
    let high = m.wrapping_mul(digits(0)).wrapping_add((middle >> 64) as u64);
    let n = high >> 62;

    // The fraction in 128 + 64 bits; one half or more of it belongs to the next quadrant.
    let mut head =
        (u128::from(high) << 64 | (middle & u128::from(u64::MAX))) << 2 | (low as u64 >> 62) as u128;
    let mut tail = (low as u64) << 2;
    let negative = head >> 127 == 1;
    if negative {
        tail = tail.wrapping_neg();
        head = (!head).wrapping_add(u128::from(tail == 0));
    }
    let zeros = head.leading_zeros();
    let head = head << zeros | (u128::from(tail) << zeros) >> 64;
    // The first 106 bits as two exact numbers, times pi/2 in two words.
    let unit = |bits: u32| f64::from_bits(u64::from(1023 - bits - zeros) << 52);
    let a = (head >> 75) as f64 * unit(53);
    let b = ((head >> 22) as u64 & ((1 << 53) - 1)) as f64 * unit(106);
    let [c0, c1, _] = DOUBLE.half_pi;
    let product = a * c0;
    let r = product + (a.mul_add(c0, -product) + (a * c1 + b * c0));
    if negative { (n + 1, -r) } else { (n, r) }
}

//! The Random class: numbers that depend on a key and their place alone.
//!
//! The generator is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011):
//! ten rounds of a keyed bijection turn a counter of four words into four random words, a *block*. The key is the
//! seed; two words of the counter are the draw's, two the block's number.
//!
//! Element `i` of a draw comes from lane `i % 16` of group `i / W`, whose 16 blocks are numbered from `i / W * 16` on.
//! A group of f32 has `W = 64` elements, element `16 w + lane` being made of word `w`; one of f64 has `W = 32`, each
//! made of two words. So a group fills vectors without shuffling, and an element depends on seed, counter and `i` alone.
//!
//! Multiply-add is never fused here, so a draw has the same bits on every machine.

use super::cast::cast;
use super::job::{self, Job};
use super::scratch::Scratch;
use crate::exec::math::num::Num;
use crate::exec::math::{self, Bits, Real};
use crate::ops::Distribution;
use crate::tensor::DType;

/// Blocks made at a time.
const LANES: usize = 16;

/// The words of 16 blocks: `words[w][lane]`.
type Words = [[u32; LANES]; 4];

/// Fills `y` with a draw of `n` elements from the key `[seed, counter]`.
///
/// Uniform numbers are multiples of 2^-24 (f32), 2^-53 (f64), 2^-11 (f16) or 2^-8 (bf16) in [0, 1). Normal ones reach
/// 7.4 (f32) and 8.5 (f64) standard deviations.
///
/// # Safety
/// `y` has room for `n` elements of `dtype` and is aligned for them.
pub(crate) unsafe fn draw(distribution: Distribution, dtype: DType, key: [i64; 2], n: usize, y: *mut u8) {
    use Distribution::{Normal, Permutation, Uniform};
    // SAFETY: the caller's promise, at the type that the dtype names.
    unsafe {
        match (distribution, dtype) {
            (Uniform, DType::F32) => fill::<UniformF32<24>, _>(key, 0, y.cast(), n),
            (Normal, DType::F32) => fill::<NormalF32, _>(key, 0, y.cast(), n),
            (Uniform, DType::F64) => fill::<UniformF64, _>(key, 0, y.cast(), n),
            (Normal, DType::F64) => fill::<NormalF64, _>(key, 0, y.cast(), n),
            // As many bits as the type has: more would round up to 1.
            (Uniform, DType::F16) => fill_narrow::<UniformF32<11>>(key, dtype, y, n),
            (Uniform, DType::BF16) => fill_narrow::<UniformF32<8>>(key, dtype, y, n),
            (Normal, DType::F16 | DType::BF16) => fill_narrow::<NormalF32>(key, dtype, y, n),
            (Permutation, DType::I64) => permute(key, y.cast(), n),
            _ => unreachable!("infer admits no such draw"),
        }
    }
}

/// Fills `y` with `0..n` ordered by random 64-bit numbers, so that every order is as likely.
///
/// # Safety
/// `y` has room for `n` elements.
unsafe fn permute(key: [i64; 2], y: *mut i64, n: usize) {
    let number = |i: i64| {
        let [low, high, ..] = bits(key, i as u64);
        (u64::from(high) << 32 | u64::from(low), i)
    };
    let mut order: Scratch<(u64, i64)> = (0..n as i64).map(number).collect();
    order.sort_unstable();
    for (i, &(_, element)) in order.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { y.add(i).write(element) };
    }
}

/// Block `index` of the key's random bits.
fn bits(key: [i64; 2], index: u64) -> [u32; 4] {
    let ([seed_low, seed_high], [low, high]) = (halves(key[0] as u64), halves(key[1] as u64));
    let [index_low, index_high] = halves(index);
    philox([index_low, index_high, low, high], [seed_low, seed_high])
}

/// How a group of `W` elements is made of its words. (A trait, since functions passed as values are not always inlined,
/// and then not compiled for wide vectors.)
trait Group<const W: usize> {
    type Element: Copy;
    fn make(words: &Words) -> [Self::Element; W];
}

/// Multiples of `2^-BITS` in [0, 1), one for each word.
struct UniformF32<const BITS: u32>;
/// Multiples of 2^-53 in [0, 1), one for each two words.
struct UniformF64;
/// Normal numbers, two for each two words.
struct NormalF32;
/// Normal numbers, two for each four words.
struct NormalF64;

/// Fills `y` with `n` elements from group `group` on.
///
/// # Safety
/// `y` has room for `n` elements.
unsafe fn fill<G: Group<W>, const W: usize>(key: [i64; 2], group: u64, y: *mut G::Element, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { job::run(Fill::<G, W> { key, group, y, n }) }
}

/// Fills `y` with `n` elements of a 16-bit dtype, made as f32 in a buffer.
///
/// # Safety
/// `y` has room for `n` elements of `dtype`.
unsafe fn fill_narrow<G: Group<{ 4 * LANES }, Element = f32>>(
    key: [i64; 2],
    dtype: DType,
    y: *mut u8,
    n: usize,
) {
    /// Groups in the buffer, which takes 4 KiB.
    const GROUPS: usize = 16;
    let mut wide = [0f32; GROUPS * 4 * LANES];
    for done in (0..n).step_by(wide.len()) {
        let count = wide.len().min(n - done);
        // SAFETY: `count` elements fit the buffer, and remain of `y`.
        unsafe {
            fill::<G, _>(key, (done / (4 * LANES)) as u64, wide.as_mut_ptr(), count);
            cast(DType::F32, wide.as_ptr().cast(), dtype, y.add(done * dtype.size()), count);
        }
    }
}

/// A draw of `n` elements, a group at a time.
struct Fill<G: Group<W>, const W: usize> {
    key: [i64; 2],
    group: u64,
    y: *mut G::Element,
    n: usize,
}

impl<G: Group<W>, const W: usize> Job for Fill<G, W> {
    #[inline(always)]
    unsafe fn run(self) {
        let (mut group, mut done) = (self.group, 0);
        while done < self.n {
            let elements = G::make(&words(self.key, group));
            let count = W.min(self.n - done);
            // SAFETY: the job's promise: `y` has room for `n` elements.
            unsafe { std::ptr::copy_nonoverlapping(elements.as_ptr(), self.y.add(done), count) };
            group += 1;
            done += count;
        }
    }
}

/// The random words of a group.
#[inline(always)]
fn words(key: [i64; 2], group: u64) -> Words {
    let ([seed_low, seed_high], [low, high]) = (halves(key[0] as u64), halves(key[1] as u64));
    // The lanes' numbers differ in the lower word only, as `LANES` divides 2^32.
    let [first, index_high] = halves(group * LANES as u64);
    let mut words = [[0; LANES]; 4];
    for lane in 0..LANES {
        let block = philox([first + lane as u32, index_high, low, high], [seed_low, seed_high]);
        for (words, word) in words.iter_mut().zip(block) {
            words[lane] = word;
        }
    }
    words
}

/// Lower and upper word.
#[inline(always)]
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Philox 4x32-10. The constants are those of the paper.
#[inline(always)]
fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..10 {
        let [low_a, high_a] = halves(u64::from(a) * 0xd251_1f53);
        let [low_c, high_c] = halves(u64::from(c) * 0xcd9e_8d57);
        (a, b, c, d) = (high_c ^ b ^ k, low_c, high_a ^ d ^ l, low_a);
        k = k.wrapping_add(0x9e37_79b9);
        l = l.wrapping_add(0xbb67_ae85);
    }
    [a, b, c, d]
}

impl<const BITS: u32> Group<{ 4 * LANES }> for UniformF32<BITS> {
    type Element = f32;

    #[inline(always)]
    fn make(words: &Words) -> [f32; 4 * LANES] {
        let mut y = [0.0; 4 * LANES];
        for (y, &word) in y.iter_mut().zip(words.as_flattened()) {
            // By way of i32: only that converts in one instruction everywhere.
            *y = (word >> (32 - BITS)) as i32 as f32 * (1.0 / (1u32 << BITS) as f32);
        }
        y
    }
}

/// 53 random bits, as an integral number.
#[inline(always)]
fn bits_53(low: u32, high: u32) -> f64 {
    f64::from((high >> 5) as i32) * 67_108_864.0 + f64::from((low >> 6) as i32)
}

impl Group<{ 2 * LANES }> for UniformF64 {
    type Element = f64;

    #[inline(always)]
    fn make(words: &Words) -> [f64; 2 * LANES] {
        let mut y = [0.0; 2 * LANES];
        for lane in 0..LANES {
            y[lane] = bits_53(words[0][lane], words[1][lane]) * UNIT_53;
            y[LANES + lane] = bits_53(words[2][lane], words[3][lane]) * UNIT_53;
        }
        y
    }
}

/// 2^-53.
const UNIT_53: f64 = f64::EPSILON / 2.0;

impl Group<{ 4 * LANES }> for NormalF32 {
    type Element = f32;

    #[inline(always)]
    fn make(words: &Words) -> [f32; 4 * LANES] {
        let mut y = [0.0; 4 * LANES];
        for (pair, y) in y.as_chunks_mut::<{ 2 * LANES }>().0.iter_mut().enumerate() {
            let (of_radius, of_angle) = (&words[2 * pair], &words[2 * pair + 1]);
            for lane in 0..LANES {
                let (a, b) = (of_radius[lane], of_angle[lane]);
                // Odd multiples of 2^-40, of 39 random bits: 31 of one word and 8 of the other.
                let tail = ((b & 0xff) as i32 as f32 + 0.5) * (1.0 / (1u64 << 39) as f32);
                let u = (a >> 1) as i32 as f32 * (1.0 / (1u32 << 31) as f32) + tail;
                // The other 24 bits are the angle, in the middle of its interval: no sine is exactly 0.
                let angle = b & !0xff | 0x80;
                let r = (angle << 2) as i32 as f32 * EIGHTH as f32;
                let (cos, sin) = normal_pair(Num::<f32, false, false>(u), angle, Num(r));
                (y[lane], y[LANES + lane]) = (cos.0, sin.0);
            }
        }
        y
    }
}

impl Group<{ 2 * LANES }> for NormalF64 {
    type Element = f64;

    #[inline(always)]
    fn make(words: &Words) -> [f64; 2 * LANES] {
        let mut y = [0.0; 2 * LANES];
        for lane in 0..LANES {
            let (low, high, below, angle) = (words[0][lane], words[1][lane], words[2][lane], words[3][lane]);
            let u = (bits_53(low, high) + 0.5) * UNIT_53;
            let below = f64::from((below >> 1) as i32) * (1.0 / (1u32 << 29) as f64);
            let r = (f64::from((angle << 2) as i32) + below) * EIGHTH;
            let (cos, sin) = normal_pair(Num::<f64, false, false>(u), angle, Num(r));
            (y[lane], y[LANES + lane]) = (cos.0, sin.0);
        }
        y
    }
}

/// An angle word shifted left by two is, as i32, the signed distance from the nearest quarter turn: 2^31 is 1/8 turn.
const EIGHTH: f64 = std::f64::consts::FRAC_PI_4 / (1u64 << 31) as f64;

/// Box and Muller's two independent normal numbers of a uniform one, `0 < u <= 1`, and an angle: its nearest quarter
/// turn is that of the word `angle` (as a share of 2^32), and `r` the distance from there.
#[inline(always)]
fn normal_pair<R: Real>(u: R, angle: u32, r: R) -> (R, R) {
    let radius = (math::log(u) * R::literal(-2.0)).sqrt();
    let quarter = R::Bits::literal(u64::from(angle.wrapping_add(1 << 29) >> 30));
    let square = r * r;
    let sin = r + r * square * polynomial(square, R::FORMAT.sin);
    let cos =
        R::literal(1.0) - R::literal(0.5) * square + square * square * polynomial(square, R::FORMAT.cos);
    let one = R::Bits::literal(1);
    let even = R::is_zero(quarter & one);
    let half_turn = |quarter: R::Bits| (quarter & R::Bits::literal(2)) << (R::FORMAT.width - 2);
    let signed = |x: R, quarter| R::from_bits(x.to_bits() ^ half_turn(quarter)) * radius;
    (signed(R::select(even, cos, sin), quarter + one), signed(R::select(even, sin, cos), quarter))
}

/// The value of `sum(coefficients[i] x^i)`.
#[inline(always)]
fn polynomial<R: Real>(x: R, coefficients: &'static [f64]) -> R {
    let mut i = coefficients.len() - 1;
    let mut sum = R::literal(coefficients[i]);
    while i > 0 {
        i -= 1;
        sum = sum * x + R::literal(coefficients[i]);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cpu::isa::{Isa, with_isa};
    use crate::tensor::Element;

    fn drawn<T: Element + Default>(distribution: Distribution, key: [i64; 2], n: usize) -> Vec<T> {
        let mut y = vec![T::default(); n];
        // SAFETY: `y` has room for `n` elements.
        unsafe { draw(distribution, T::DTYPE, key, n, y.as_mut_ptr().cast()) };
        y
    }

    fn numbers<T: Element + Default>(distribution: Distribution, key: [i64; 2], n: usize) -> Vec<f64> {
        drawn::<T>(distribution, key, n).iter().map(|y| y.to_number().as_f64()).collect()
    }

    #[test]
    fn the_generator_has_its_known_answers() {
        // kat_vectors of Random123, the authors' library: philox4x32 10.
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let known = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ];
        for (counter, key, block) in known {
            assert_eq!(philox(counter, key), block);
        }
        let key = [0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e];
        assert_eq!(bits(key, 0x85a3_08d3_243f_6a88), known[2].2);
    }

    /// Largest distance between the share of `x` below a number and `cdf` there, times the root of the count:
    /// above 1.95 with probability 1/1000 (Kolmogorov and Smirnov).
    fn distance(mut x: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        x.sort_by(f64::total_cmp);
        let n = x.len() as f64;
        let gap =
            |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs());
        x.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
    }

    /// The normal distribution function, by the series of its integral near 0 and a continued fraction further out.
    fn normal_cdf(x: f64) -> f64 {
        let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        if x.abs() < 4.0 {
            let (mut term, mut sum) = (x, x);
            for k in 1..80 {
                term *= x * x / (2 * k + 1) as f64;
                sum += term;
            }
            return 0.5 + sum * density;
        }
        let fraction = (1..60).rev().fold(x.abs(), |below, k| x.abs() + k as f64 / below);
        if x < 0.0 { density / fraction } else { 1.0 - density / fraction }
    }

    fn check_normal(x: Vec<f64>) {
        let n = x.len() as f64;
        let moment = |k| x.iter().map(|x| x.powi(k)).sum::<f64>() / n;
        // Five standard errors of each moment of the normal distribution.
        for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = (moment(k) - expected).abs();
            assert!(error < 5.0 * f64::sqrt(variance / n), "moment {k} is off by {error}");
        }
        let beyond = x.iter().filter(|x| x.abs() > 4.0).count() as f64 / n;
        assert!((beyond / 6.334e-5 - 1.0).abs() < 0.4, "{beyond} lie beyond 4");
        assert!(distance(x, normal_cdf) < 1.95);
    }

    #[test]
    fn normal_draws_are_normally_distributed() {
        check_normal(numbers::<f32>(Distribution::Normal, [1, 2], 2_000_000));
        check_normal(numbers::<f64>(Distribution::Normal, [3, 4], 2_000_000));
        // Neighbours are independent: sums of two, over the root of 2, are normal again.
        let x = numbers::<f32>(Distribution::Normal, [5, 0], 2_000_000);
        for apart in [1, 16, 32, 64] {
            let sums = x.windows(apart + 1).step_by(2 * apart + 2);
            let sums = sums.map(|pair| (pair[0] + pair[apart]) * std::f64::consts::FRAC_1_SQRT_2);
            assert!(distance(sums.collect(), normal_cdf) < 1.95);
        }
    }

    #[test]
    fn the_least_and_greatest_words_make_tails_and_no_infinities() {
        for word in [0, 1, 255, 256, u32::MAX - 255, u32::MAX] {
            for angle in [0, 128, 1 << 29, (1 << 29) - 1, 1 << 30, 1 << 31, u32::MAX] {
                let words = [[word; LANES], [angle; LANES], [word; LANES], [angle; LANES]];
                assert!(NormalF32::make(&words).iter().all(|y| y.is_finite() && y.abs() < 7.5));
                assert!(NormalF64::make(&words).iter().all(|y| y.is_finite() && y.abs() < 8.7));
            }
        }
        let far = NormalF32::make(&[[0; LANES]; 4])[0];
        assert!(far > 7.4, "{far}");
    }

    #[test]
    fn uniform_draws_are_uniformly_distributed_below_one() {
        let check = |x: Vec<f64>| {
            assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
            assert!(distance(x, |x| x) < 1.95);
        };
        check(numbers::<f32>(Distribution::Uniform, [7, 0], 1_000_000));
        check(numbers::<f64>(Distribution::Uniform, [7, 1], 1_000_000));
        // The 16-bit types are too coarse for the test of a continuous distribution at this size.
        check(numbers::<half::f16>(Distribution::Uniform, [7, 2], 10_000));
        check(numbers::<half::bf16>(Distribution::Uniform, [7, 3], 1_000));
        assert_eq!(UniformF32::<24>::make(&[[u32::MAX; LANES]; 4])[0], 1.0 - f32::EPSILON / 2.0);
        assert_eq!(UniformF64::make(&[[u32::MAX; LANES]; 4])[0], 1.0 - f64::EPSILON / 2.0);
    }

    #[test]
    fn an_element_depends_on_key_and_place_alone() {
        fn check<T: Element + Default>() {
            for distribution in [Distribution::Normal, Distribution::Uniform] {
                let all: Vec<T> = drawn(distribution, [-1, i64::MIN], 3000);
                for n in [0, 1, 15, 16, 63, 64, 65, 1024, 1025, 2999] {
                    assert_eq!(drawn::<T>(distribution, [-1, i64::MIN], n), all[..n]);
                }
                for isa in Isa::available() {
                    assert_eq!(with_isa(isa, || drawn::<T>(distribution, [-1, i64::MIN], 3000)), all);
                }
                assert_ne!(drawn::<T>(distribution, [-1, i64::MIN + 1], 3000), all);
                assert_ne!(drawn::<T>(distribution, [-2, i64::MIN], 3000), all);
            }
        }
        check::<f32>();
        check::<f64>();
        check::<half::f16>();
        check::<half::bf16>();
    }

    #[test]
    fn elements_come_from_the_documented_words() {
        let key = [11, 22];
        let y = drawn::<f32>(Distribution::Uniform, key, 200);
        let z = drawn::<f64>(Distribution::Uniform, key, 200);
        for i in 0..200 {
            let word = bits(key, (i / 64 * 16 + i % 16) as u64)[i % 64 / 16];
            assert_eq!(y[i], (word >> 8) as f32 / 16_777_216.0);
            let block = bits(key, (i / 32 * 16 + i % 16) as u64);
            let half = 2 * (i % 32 / 16);
            let expected = (u64::from(block[half + 1] >> 5) << 26 | u64::from(block[half] >> 6)) as f64;
            assert_eq!(z[i], expected / 2f64.powi(53));
        }
    }
}

//! One SIMD register of numbers, as matrix products and convolutions need it: with partial loads and stores, and horizontal sums.
//!
//! Intrinsics rather than loops over arrays, of whose partial loads and horizontal sums LLVM made scalar code
//! (dot products of 32 x 32 x 32 f32 with AVX-512: 3.6 us; 1.0 us like this).

#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "nearly every body is one intrinsic under the contract of its function"
)]

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// A register that holds [`Vector::LANES`] numbers.
///
/// # Safety
/// Every function requires that the CPU has the instructions of the register. To be fast they must be inlined
/// into a function that enables these (`#[target_feature]`).
pub(in crate::exec::cpu) trait Vector: Copy {
    /// What a lane holds.
    type Number: Copy + Default;
    /// Which lanes a partial load or store touches: the first ones.
    type Part: Copy;
    /// Numbers in a register.
    const LANES: usize;
    /// Whether a part is loaded as fast as all lanes.
    const MASKED: bool;

    /// The first `lanes` lanes; all of them if there are fewer.
    unsafe fn part(lanes: usize) -> Self::Part;
    /// 0 in every lane.
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self::splat(Self::Number::default())
    }
    /// `x` in every lane.
    unsafe fn splat(x: Self::Number) -> Self;
    /// The numbers from `from` on; no alignment is asked for.
    unsafe fn load(from: *const Self::Number) -> Self;
    /// The numbers of a part, 0 in the other lanes, whose memory is not touched.
    unsafe fn load_part(from: *const Self::Number, part: Self::Part) -> Self;
    /// Writes all lanes.
    unsafe fn store(self, to: *mut Self::Number);
    /// Writes the lanes of a part; other memory is not touched.
    unsafe fn store_part(self, to: *mut Self::Number, part: Self::Part);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once where the instruction exists.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The sum of the lanes: lane `i` and lane `i + n / 2` are added while there are `n > 1`.
    unsafe fn sum(self) -> Self::Number;
    /// Writes [`Vector::sum`] of each of four.
    unsafe fn store_sums(four: [Self; 4], to: *mut Self::Number);
}

// The registers that every CPU of the target has, `PlainF32` and `PlainF64`.
#[cfg(target_arch = "aarch64")]
pub(in crate::exec::cpu) type PlainF32 = float32x4_t;
#[cfg(target_arch = "aarch64")]
pub(in crate::exec::cpu) type PlainF64 = float64x2_t;
#[cfg(target_arch = "x86_64")]
pub(in crate::exec::cpu) type PlainF32 = __m128;
#[cfg(target_arch = "x86_64")]
pub(in crate::exec::cpu) type PlainF64 = __m128d;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(in crate::exec::cpu) type PlainF32 = f32;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(in crate::exec::cpu) type PlainF64 = f64;

/// The mask of `n` lanes of 32 bits begins at `8 - n`.
#[cfg(target_arch = "x86_64")]
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// What every register has an intrinsic for.
macro_rules! register {
    ($number:ty, $lanes:literal, [$splat:ident $load:ident $store:ident $add:ident]) => {
        type Number = $number;
        const LANES: usize = $lanes;
        #[inline(always)]
        unsafe fn splat(x: $number) -> Self {
            $splat(x)
        }
        #[inline(always)]
        unsafe fn load(from: *const $number) -> Self {
            $load(from)
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut $number) {
            $store(to, self)
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            $add(self, other)
        }
    };
}

/// A fused multiply-add.
#[cfg(target_arch = "x86_64")]
macro_rules! fused {
    ($mul_add:ident) => {
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            $mul_add(self, factor, addend)
        }
    };
}

/// Registers that load a part as fast as the whole.
#[cfg(target_arch = "x86_64")]
macro_rules! masked {
    ($part:ty) => {
        type Part = $part;
        const MASKED: bool = true;
    };
}

/// Registers that load and store a part number by number.
macro_rules! unmasked {
    () => {
        type Part = usize;
        const MASKED: bool = false;
        #[inline(always)]
        unsafe fn part(lanes: usize) -> usize {
            lanes.min(Self::LANES)
        }
        #[inline(always)]
        unsafe fn load_part(from: *const Self::Number, part: usize) -> Self {
            if part == Self::LANES {
                return Self::load(from);
            }
            let mut lanes = [0.0; Self::LANES];
            for (i, lane) in lanes.iter_mut().enumerate() {
                *lane = if i < part { *from.add(i) } else { 0.0 };
            }
            Self::load(lanes.as_ptr())
        }
        #[inline(always)]
        unsafe fn store_part(self, to: *mut Self::Number, part: usize) {
            let mut lanes = [0.0; Self::LANES];
            self.store(lanes.as_mut_ptr());
            to.copy_from_nonoverlapping(lanes.as_ptr(), part);
        }
    };
}

/// Four sums, one after the other.
macro_rules! each_sum {
    () => {
        #[inline(always)]
        unsafe fn store_sums(four: [Self; 4], to: *mut Self::Number) {
            for (i, x) in four.iter().enumerate() {
                *to.add(i) = x.sum();
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m512 {
    register!(f32, 16, [_mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps]);
    masked!(__mmask16);
    fused!(_mm512_fmadd_ps);
    #[inline(always)]
    unsafe fn part(lanes: usize) -> __mmask16 {
        ((1_u32 << lanes.min(16)) - 1) as __mmask16
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, part: __mmask16) -> Self {
        _mm512_maskz_loadu_ps(part, from)
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, part: __mmask16) {
        _mm512_mask_storeu_ps(to, part, self)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        _mm256_add_ps(_mm512_castps512_ps256(self), _mm512_extractf32x8_ps::<1>(self)).sum()
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f32) {
        let ab = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
        let cd = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d));
        // A quarter of the register for each of the four.
        let s = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd));
        let s = _mm512_add_ps(s, _mm512_permute_ps::<0b01_00_11_10>(s));
        let s = _mm512_add_ps(s, _mm512_permute_ps::<0b10_11_00_01>(s));
        let firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        _mm_storeu_ps(to, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, s)));
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m512d {
    register!(f64, 8, [_mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd]);
    masked!(__mmask8);
    fused!(_mm512_fmadd_pd);
    #[inline(always)]
    unsafe fn part(lanes: usize) -> __mmask8 {
        ((1_u32 << lanes.min(8)) - 1) as __mmask8
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f64, part: __mmask8) -> Self {
        _mm512_maskz_loadu_pd(part, from)
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, part: __mmask8) {
        _mm512_mask_storeu_pd(to, part, self)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f64 {
        _mm256_add_pd(_mm512_castpd512_pd256(self), _mm512_extractf64x4_pd::<1>(self)).sum()
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f64) {
        let ab = _mm512_add_pd(_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0xee>(a, b));
        let cd = _mm512_add_pd(_mm512_shuffle_f64x2::<0x44>(c, d), _mm512_shuffle_f64x2::<0xee>(c, d));
        let s = _mm512_add_pd(_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab, cd));
        let s = _mm512_add_pd(s, _mm512_permute_pd::<0b0101_0101>(s));
        let firsts = _mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0);
        _mm256_storeu_pd(to, _mm512_castpd512_pd256(_mm512_permutexvar_pd(firsts, s)));
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m256 {
    register!(f32, 8, [_mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps]);
    masked!((__m256i, usize));
    fused!(_mm256_fmadd_ps);
    #[inline(always)]
    unsafe fn part(lanes: usize) -> Self::Part {
        let lanes = lanes.min(8);
        (_mm256_loadu_si256(MASKS.as_ptr().add(8 - lanes).cast()), lanes)
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, (mask, _): Self::Part) -> Self {
        _mm256_maskload_ps(from, mask)
    }
    // Not by maskstore, which takes AMD's CPUs tens of cycles.
    #[inline(always)]
    unsafe fn store_part(self, mut to: *mut f32, (_, lanes): Self::Part) {
        if lanes == 8 {
            return self.store(to);
        }
        let mut rest = _mm256_castps256_ps128(self);
        if lanes & 4 != 0 {
            rest.store(to);
            to = to.add(4);
            rest = _mm256_extractf128_ps::<1>(self);
        }
        if lanes & 2 != 0 {
            _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
            to = to.add(2);
            rest = _mm_movehl_ps(rest, rest);
        }
        if lanes & 1 != 0 {
            _mm_store_ss(to, rest);
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        _mm_add_ps(_mm256_castps256_ps128(self), _mm256_extractf128_ps::<1>(self)).sum()
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f32) {
        let half = |x: Self| _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        __m128::store_sums([half(a), half(b), half(c), half(d)], to);
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m256d {
    register!(f64, 4, [_mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd]);
    masked!((__m256i, usize));
    fused!(_mm256_fmadd_pd);
    #[inline(always)]
    unsafe fn part(lanes: usize) -> Self::Part {
        let lanes = lanes.min(4);
        (_mm256_loadu_si256(MASKS.as_ptr().add(8 - 2 * lanes).cast()), lanes)
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f64, (mask, _): Self::Part) -> Self {
        _mm256_maskload_pd(from, mask)
    }
    #[inline(always)]
    unsafe fn store_part(self, mut to: *mut f64, (_, lanes): Self::Part) {
        if lanes == 4 {
            return self.store(to);
        }
        let mut rest = _mm256_castpd256_pd128(self);
        if lanes & 2 != 0 {
            rest.store(to);
            to = to.add(2);
            rest = _mm256_extractf128_pd::<1>(self);
        }
        if lanes & 1 != 0 {
            _mm_store_sd(to, rest);
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f64 {
        _mm_add_pd(_mm256_castpd256_pd128(self), _mm256_extractf128_pd::<1>(self)).sum()
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f64) {
        let half = |x: Self| _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        __m128d::store_sums([half(a), half(b), half(c), half(d)], to);
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m128 {
    register!(f32, 4, [_mm_set1_ps _mm_loadu_ps _mm_storeu_ps _mm_add_ps]);
    unmasked!();
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        _mm_add_ps(_mm_mul_ps(self, factor), addend)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let s = _mm_add_ps(self, _mm_movehl_ps(self, self));
        _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps::<0b01>(s, s)))
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f32) {
        let ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(to, _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)));
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m128d {
    register!(f64, 2, [_mm_set1_pd _mm_loadu_pd _mm_storeu_pd _mm_add_pd]);
    unmasked!();
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        _mm_add_pd(_mm_mul_pd(self, factor), addend)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f64 {
        _mm_cvtsd_f64(_mm_add_sd(self, _mm_unpackhi_pd(self, self)))
    }
    #[inline(always)]
    unsafe fn store_sums([a, b, c, d]: [Self; 4], to: *mut f64) {
        _mm_storeu_pd(to, _mm_add_pd(_mm_unpacklo_pd(a, b), _mm_unpackhi_pd(a, b)));
        _mm_storeu_pd(to.add(2), _mm_add_pd(_mm_unpacklo_pd(c, d), _mm_unpackhi_pd(c, d)));
    }
}

#[cfg(target_arch = "aarch64")]
impl Vector for float32x4_t {
    register!(f32, 4, [vdupq_n_f32 vld1q_f32 vst1q_f32 vaddq_f32]);
    unmasked!();
    each_sum!();
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        vfmaq_f32(addend, self, factor)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        vpadds_f32(vadd_f32(vget_low_f32(self), vget_high_f32(self)))
    }
}

#[cfg(target_arch = "aarch64")]
impl Vector for float64x2_t {
    register!(f64, 2, [vdupq_n_f64 vld1q_f64 vst1q_f64 vaddq_f64]);
    unmasked!();
    each_sum!();
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        vfmaq_f64(addend, self, factor)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f64 {
        vpaddd_f64(self)
    }
}

/// Whether `mul_add` is an instruction of every CPU of the target; elsewhere it would call a slow function.
const FUSED: bool = cfg!(target_arch = "aarch64");

macro_rules! scalar {
    ($number:ident) => {
        /// A register of one: what is left of a row, and CPUs of which nothing is known.
        impl Vector for $number {
            type Number = $number;
            const LANES: usize = 1;
            unmasked!();
            each_sum!();
            #[inline(always)]
            unsafe fn splat(x: $number) -> Self {
                x
            }
            #[inline(always)]
            unsafe fn load(from: *const $number) -> Self {
                *from
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                *to = self;
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                if FUSED { $number::mul_add(self, factor, addend) } else { self * factor + addend }
            }
            #[inline(always)]
            unsafe fn sum(self) -> $number {
                self
            }
        }
    };
}

scalar!(f32);
scalar!(f64);

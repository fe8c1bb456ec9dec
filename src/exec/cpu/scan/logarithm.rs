//! Running `log(sum(exp(x)))`.
//!
//! Kept are the greatest element so far, `m`, and `r`, the sum of `exp(x - m)` over all others, so that nothing
//! overflows and `y = m + log1p(r)` loses nothing where the others are small. A greater element turns `r` into
//! `(r + 1) * exp(m - x)`. Computed in f64 a block at a time: exponentials and logarithms of a block are SIMD loops,
//! and what is left between them is a product and a sum for each element.

use super::Walked;
use crate::exec::cpu::job::{self, Job};
use crate::exec::cpu::reduce::law::Element;
use crate::exec::math::num::Num;
use crate::exec::math::{exp, log1p};

/// f32 or f64.
pub(super) trait Float: Element<Wide = f64> {}
impl Float for f32 {}
impl Float for f64 {}

/// Elements computed together: four buffers of f64 take 8 KiB.
const BLOCK: usize = 256;

/// A number without fused multiply-add, whose bits are the same on every instruction set.
type Exact = Num<f64, false, false>;

/// # Safety
/// `x` is an input and `y` an output of the elements that `walked` describes.
pub(super) unsafe fn run<T: Float>(walked: &Walked, x: *const T, y: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { job::run(Lines { walked, x, y }) }
}

struct Lines<'a, T> {
    walked: &'a Walked,
    x: *const T,
    y: *mut T,
}

impl<T: Float> Job for Lines<'_, T> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        let Lines { walked, x, y } = self;
        let (n, inner) = (walked.around.n, walked.around.inner);
        for line in 0..walked.around.outer * inner {
            let start = line / inner * n * inner + line % inner;
            let at = |i: usize| start + walked.place(i) * inner;
            let (mut greatest, mut others) = (f64::NEG_INFINITY, 0.0);
            for from in (0..n).step_by(BLOCK) {
                let count = BLOCK.min(n - from);
                let mut block = [f64::NEG_INFINITY; BLOCK];
                for (i, slot) in block[..count].iter_mut().enumerate() {
                    // SAFETY: the job's promise: `from + i < n`.
                    *slot = unsafe { *x.add(at(from + i)) }.widen();
                }
                (greatest, others) = scan_block(&mut block[..count], greatest, others);
                for (i, &sum) in block[..count].iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { *y.add(at(from + i)) = T::round(sum) };
                }
            }
        }
    }
}

/// Turns at most [`BLOCK`] elements into their running results; yields `m` and `r` after them.
#[inline(always)]
fn scan_block(x: &mut [f64], mut greatest: f64, mut others: f64) -> (f64, f64) {
    let (mut top, mut former) = ([0.0; BLOCK], [0.0; BLOCK]);
    let (mut fade, mut term) = ([0.0; BLOCK], [0.0; BLOCK]);
    let n = x.len();
    for i in 0..n {
        let rises = x[i] > greatest;
        // A new greatest element is none of the others; the former one becomes one of them.
        former[i] = if rises { 1.0 } else { 0.0 };
        fade[i] = if rises { greatest - x[i] } else { 0.0 };
        // Infinities of one sign are equally great, though their difference is NaN.
        let below = if x[i] == greatest { 0.0 } else { x[i] - greatest };
        term[i] = if rises { f64::NEG_INFINITY } else { below };
        greatest = if rises { x[i] } else { greatest };
        top[i] = greatest;
    }
    for i in 0..n {
        fade[i] = exp::<Exact>(Num(fade[i])).0;
        term[i] = exp::<Exact>(Num(term[i])).0;
    }
    for i in 0..n {
        others = (others + former[i]) * fade[i] + term[i];
        x[i] = others;
    }
    for i in 0..n {
        x[i] = top[i] + log1p::<Exact>(Num(x[i])).0;
    }
    (greatest, others)
}

//! Loops that LLVM makes SIMD code of, compiled once for each instruction set and chosen at run time.

use super::isa::{Isa, isa};

/// Work over plain numbers whose loops are worth wide vectors.
///
/// The same source is compiled two or three times and never fuses or reorders arithmetic, so that all yield the same
/// bits.
pub(crate) trait Job {
    /// Whether it is worth compiling for AVX-512 besides AVX2: not if it is seldom asked for or waits for memory.
    const WIDE: bool = true;

    /// Does the work. To be `#[inline(always)]`, and so everything with a loop that it calls: a function that is
    /// not inlined, a closure among them, is compiled without the wider vectors.
    ///
    /// # Safety
    /// What the job was made of is still valid.
    unsafe fn run(self);
}

/// Does `job` with the widest vectors of this machine.
///
/// # Safety
/// As for [`Job::run`].
#[inline]
pub(crate) unsafe fn run<J: Job>(job: J) {
    // SAFETY: the caller's promise; `isa` yields what the machine has.
    unsafe {
        match isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if const { J::WIDE } => avx512(job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx2 => avx2(job),
            _ => run_plain(job),
        }
    }
}

/// # Safety
/// As for [`Job::run`], and the machine has AVX-512 F, DQ, BW and VL.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
unsafe fn avx512<J: Job>(job: J) {
    // SAFETY: the caller's promise.
    unsafe { job.run() }
}

/// # Safety
/// As for [`Job::run`], and the machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2<J: Job>(job: J) {
    // SAFETY: the caller's promise.
    unsafe { job.run() }
}

/// Does `job` with the instructions that every machine has: for work that is seldom asked for.
///
/// # Safety
/// As for [`Job::run`].
#[inline(never)]
pub(crate) unsafe fn run_plain<J: Job>(job: J) {
    // SAFETY: the caller's promise.
    unsafe { job.run() }
}

//! The library's matrix product, for operands that pay for packing.

use super::{Product, Real};
use crate::exec::cpu::isa::Isa;

/// Computes a product with `private-gemm-x86`, of which faer's products are made.
///
/// Its packing buffers are the thread's: address space of twice the L3 cache, of which as much becomes memory
/// as the greatest product needs.
///
/// # Safety
/// As [`Product::compute`]; no extent is 0 and the CPU has AVX2 and FMA at least.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn library<T: Real>(product: &Product<T>, isa: Isa) {
    use private_gemm_x86::{Accum, DstKind, IType, InstrSet};

    debug_assert_ne!(isa, Isa::Plain);
    let Product { rows, cols, depth, a, b, c } = *product;
    let set = if isa == Isa::Avx512 { InstrSet::Avx512 } else { InstrSet::Avx256 };
    let (one, none) = (T::ONE, std::ptr::null());
    // SAFETY: the caller's promise; there are no index lists and no diagonal, and alpha is a T.
    unsafe {
        private_gemm_x86::gemm(
            T::DTYPE,
            IType::U64,
            set,
            rows,
            cols,
            depth,
            c.ptr.cast(),
            c.row_stride,
            c.col_stride,
            none,
            none,
            DstKind::Full,
            Accum::Replace,
            a.ptr.cast(),
            a.row_stride,
            a.col_stride,
            false,
            none,
            0,
            b.ptr.cast(),
            b.row_stride,
            b.col_stride,
            false,
            (&raw const one).cast(),
            1,
        );
        clear_upper_halves();
    }
}

/// Ends the use of AVX registers: the library leaves their upper halves dirty, and on Intel's CPUs every SSE
/// instruction has to wait for these.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn clear_upper_halves() {
    std::arch::x86_64::_mm256_zeroupper();
}

/// Computes a product with `gemm`.
///
/// # Safety
/// As [`Product::compute`].
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn library<T: Real>(product: &Product<T>, _: Isa) {
    let Product { rows, cols, depth, a, b, c } = *product;
    // SAFETY: the caller's promise; c is not read.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            depth,
            c.ptr,
            c.col_stride,
            c.row_stride,
            false,
            a.ptr,
            a.col_stride,
            a.row_stride,
            b.ptr,
            b.col_stride,
            b.row_stride,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

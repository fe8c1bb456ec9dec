//! Operands as a kernel wants them: gap-free, or in the dtype that arithmetic runs in. What is not so already is copied
//! to memory of the pool, which is given back with the stage.

use std::ops::Deref;

use super::operand::{self, Destination, Operand};
use super::{cast, transpose};
use crate::tensor::{DType, Element, Storage};

/// An operand, where it is or in memory of its own.
pub(super) struct Staged {
    operand: Operand,
    /// Keeps the elements, if they are not where they were.
    _memory: Option<Storage>,
}

impl Staged {
    /// The operand where it is.
    ///
    /// # Safety
    /// Its elements are valid, and nobody writes them as long as the stage lives.
    pub(super) unsafe fn of(x: &Operand) -> Staged {
        Staged { operand: *x, _memory: None }
    }

    /// Row-major without gaps.
    pub(super) fn gapless(self) -> Staged {
        if self.contiguous {
            return self;
        }
        let memory = Storage::with_bytes(self.spec().bytes());
        // SAFETY: the elements are valid (the promise of `of`), and the new block has room for them.
        unsafe { transpose::copy(&self.operand, memory.data()) };
        Staged { operand: Operand::dense(memory.data(), &self.spec()), _memory: Some(memory) }
    }

    /// In another dtype; repeated still if it is one element repeated, gap-free otherwise.
    pub(super) fn in_dtype(self, dtype: DType) -> Staged {
        if self.dtype == dtype {
            return self;
        }
        let spec = self.spec().with_dtype(dtype);
        let repeated = self.is_repeated() && self.numel() > 0;
        let memory = Storage::with_bytes(if repeated { dtype.size() } else { spec.bytes() });
        // SAFETY: the elements are valid (the promise of `of`), and the new block has room for the result.
        let operand = unsafe {
            if repeated {
                cast::cast(self.dtype, self.ptr, dtype, memory.data(), 1);
                Operand::strided(memory.data(), &spec, self.strides)
            } else {
                cast_to(&self.operand, &Destination { ptr: memory.data(), spec });
                Operand::dense(memory.data(), &spec)
            }
        };
        Staged { operand, _memory: Some(memory) }
    }

    /// In the dtype that arithmetic runs in.
    pub(super) fn computable(self) -> Staged {
        let dtype = self.dtype.compute();
        self.in_dtype(dtype)
    }

    /// The elements of a gap-free stage.
    pub(super) fn elements<T: Element>(&self) -> &[T] {
        assert!(self.contiguous && self.dtype == T::DTYPE, "gap-free, and of the dtype that infer admits");
        // SAFETY: valid elements of this type (the promise of `of`).
        unsafe { std::slice::from_raw_parts(self.ptr.cast(), self.numel()) }
    }
}

impl Deref for Staged {
    type Target = Operand;

    fn deref(&self) -> &Operand {
        &self.operand
    }
}

/// Writes an operand's elements in the destination's dtype.
///
/// # Safety
/// The operand is valid, and the destination has room for as many elements and does not overlap it.
pub(super) unsafe fn cast_to(x: &Operand, y: &Destination) {
    let dtype = y.spec.dtype;
    // SAFETY: the caller's promise.
    unsafe {
        if x.is_repeated() && !x.contiguous && x.numel() > 0 {
            return operand::copy(&Staged::of(x).in_dtype(dtype), y.ptr);
        }
        let x = Staged::of(x).gapless();
        cast::cast(x.dtype, x.ptr, dtype, y.ptr, x.numel());
    }
}

impl Destination {
    /// Has `fill` write the elements in `dtype`, at their place or, if the destination's is another, in memory of their
    /// own, from which they are rounded.
    ///
    /// # Safety
    /// The destination has room, and `fill` writes all of its elements.
    pub(super) unsafe fn rounded_from(&self, dtype: DType, fill: impl FnOnce(*mut u8)) {
        if dtype == self.spec.dtype {
            return fill(self.ptr);
        }
        let n = self.spec.shape.numel();
        let wide = Storage::with_bytes(n * dtype.size());
        fill(wide.data());
        // SAFETY: the caller's promise; the block has `n` elements of `dtype`.
        unsafe { cast::cast(dtype, wide.data(), self.spec.dtype, self.ptr, n) }
    }
}

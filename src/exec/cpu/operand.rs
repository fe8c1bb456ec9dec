//! How kernels see a concrete tensor: elements under strides, and tiles of them staged without gaps.

use crate::tensor::{Array, DType, MAX_RANK, Shape, Spec, Strides, Tensor};

/// Elements that a kernel reads. Valid as long as the memory it was made of.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    pub(crate) ptr: *const u8,
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// In elements; all zero for a splat.
    pub(crate) strides: Strides,
    /// Whether the elements lie row-major without gaps.
    pub(crate) contiguous: bool,
}

impl Operand {
    #[inline]
    pub(crate) fn new(array: &Array, spec: &Spec) -> Operand {
        Operand {
            ptr: array.ptr(spec.dtype),
            dtype: spec.dtype,
            shape: spec.shape,
            strides: array.strides(&spec.shape),
            contiguous: array.is_contiguous(),
        }
    }

    /// The operand of a concrete tensor.
    #[inline]
    pub(crate) fn of(x: &Tensor) -> Operand {
        Operand::new(x.concrete().expect("kernels run on concrete tensors"), x.spec())
    }

    /// Elements that lie so many apart along each axis: any numbers, 0 where one is repeated.
    pub(crate) fn strided(ptr: *const u8, spec: &Spec, strides: Strides) -> Operand {
        let contiguous = is_row_major(&spec.shape, &strides);
        Operand { ptr, dtype: spec.dtype, shape: spec.shape, strides, contiguous }
    }

    /// Elements that lie row-major without gaps.
    pub(crate) fn dense(ptr: *const u8, spec: &Spec) -> Operand {
        Operand { ptr, dtype: spec.dtype, shape: spec.shape, strides: spec.shape.strides(), contiguous: true }
    }

    pub(crate) fn numel(&self) -> usize {
        self.shape.numel()
    }

    pub(crate) fn spec(&self) -> Spec {
        Spec::new(self.shape, self.dtype)
    }

    /// Whether there is but one element in memory, for all places.
    pub(crate) fn is_repeated(&self) -> bool {
        self.shape.iter().zip(&self.strides).all(|(&dim, &stride)| stride == 0 || dim == 1)
    }
}

/// Memory that a kernel writes an output to: row-major, without gaps, aligned for the dtype.
#[derive(Clone, Copy)]
pub(crate) struct Destination {
    pub(crate) ptr: *mut u8,
    pub(crate) spec: Spec,
}

impl Destination {
    /// Whether the output is to take the place of an operand that is read: both begin in the same place. (Then the
    /// operand has no gaps and as many bytes; see [`compute`](super::compute).)
    pub(crate) fn overwrites(&self, x: &Operand) -> bool {
        let same = self.ptr.cast_const() == x.ptr;
        debug_assert!(
            !same || self.spec.bytes() == 0 || x.contiguous && x.spec().bytes() == self.spec.bytes()
        );
        same
    }
}

/// Whether the strides are those of elements without gaps; axes of length 1 do not matter.
pub(crate) fn is_row_major(shape: &Shape, strides: &Strides) -> bool {
    let mut step = 1;
    (0..shape.rank()).rev().all(|axis| {
        let even = shape[axis] == 1 || strides[axis] == step;
        step *= shape[axis] as isize;
        even
    }) || shape.numel() == 0
}

/// Axes of an operand with those merged that lie evenly behind one another, so that the last is as long as can be.
pub(crate) struct Runs {
    /// `(length, stride)`, outermost first; never empty.
    axes: [(usize, isize); MAX_RANK],
    len: usize,
}

impl Runs {
    pub(crate) fn new(shape: &[u32], strides: &Strides) -> Runs {
        let mut runs = Runs { axes: [(1, 0); MAX_RANK], len: 0 };
        for (&dim, &stride) in shape.iter().zip(strides) {
            let dim = dim as usize;
            if dim == 1 {
                continue;
            }
            match runs.axes[..runs.len].last_mut() {
                Some((length, outer)) if *outer == stride * dim as isize => {
                    *length *= dim;
                    *outer = stride;
                }
                _ => {
                    runs.axes[runs.len] = (dim, stride);
                    runs.len += 1;
                }
            }
        }
        runs.len = runs.len.max(1);
        runs
    }

    /// `(length, stride)` of each merged axis.
    pub(crate) fn axes(&self) -> &[(usize, isize)] {
        &self.axes[..self.len]
    }
}

/// A reader of an operand's elements in row-major order, a stretch at a time.
pub(crate) struct Reader {
    runs: Runs,
    ptr: *const u8,
    size: usize,
    /// Position along each merged axis.
    at: [usize; MAX_RANK],
    /// Elements from `ptr` to the current position, by strides.
    offset: isize,
}

impl Reader {
    pub(crate) fn new(x: &Operand) -> Reader {
        let runs = Runs::new(&x.shape, &x.strides);
        Reader { runs, ptr: x.ptr, size: x.dtype.size(), at: [0; MAX_RANK], offset: 0 }
    }

    /// Goes to the element with this row-major number, which the operand has.
    pub(crate) fn seek(&mut self, mut number: usize) {
        self.offset = 0;
        for axis in (0..self.runs.len).rev() {
            let (length, stride) = self.runs.axes[axis];
            // The outermost axis takes what is left.
            self.at[axis] = if axis == 0 { number } else { number % length };
            number /= length;
            self.offset += self.at[axis] as isize * stride;
        }
    }

    /// Copies the next `n` elements to `to`, without gaps.
    ///
    /// # Safety
    /// The operand has `n` more elements, and `to` has room for them.
    pub(crate) unsafe fn read(&mut self, mut to: *mut u8, mut n: usize) {
        let last = self.runs.len - 1;
        let (length, stride) = self.runs.axes[last];
        while n > 0 {
            let count = n.min(length - self.at[last]);
            // SAFETY: `count` elements remain in this run of the operand, and at `to`.
            unsafe {
                let from = self.ptr.offset(self.offset * self.size as isize);
                copy_run(from, stride, to, count, self.size);
                to = to.add(count * self.size);
            }
            n -= count;
            self.at[last] += count;
            self.offset += count as isize * stride;
            if self.at[last] == length {
                self.carry(last);
            }
        }
    }

    /// Moves on to the next run after axis `last` came to its end.
    fn carry(&mut self, mut axis: usize) {
        loop {
            let (length, stride) = self.runs.axes[axis];
            self.at[axis] = 0;
            self.offset -= length as isize * stride;
            if axis == 0 {
                return;
            }
            axis -= 1;
            self.at[axis] += 1;
            self.offset += self.runs.axes[axis].1;
            if self.at[axis] < self.runs.axes[axis].0 {
                return;
            }
        }
    }
}

/// Copies `n` elements of `size` bytes, `stride` elements apart, to consecutive places.
///
/// # Safety
/// All `n` elements at `from` and places at `to` are valid and do not overlap.
unsafe fn copy_run(from: *const u8, stride: isize, to: *mut u8, n: usize, size: usize) {
    /// # Safety
    /// As `copy_run`.
    unsafe fn gather<T: Copy>(from: *const u8, stride: isize, to: *mut u8, n: usize) {
        let (from, to) = (from.cast::<T>(), to.cast::<T>());
        // SAFETY: the caller's promise; elements are aligned to their size within 64-aligned blocks.
        unsafe {
            if stride == 0 {
                let value = *from;
                std::slice::from_raw_parts_mut(to, n).fill(value);
                return;
            }
            for i in 0..n {
                *to.add(i) = *from.offset(i as isize * stride);
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match (stride, size) {
            (1, _) => std::ptr::copy_nonoverlapping(from, to, n * size),
            (_, 1) => gather::<u8>(from, stride, to, n),
            (_, 2) => gather::<u16>(from, stride, to, n),
            (_, 4) => gather::<u32>(from, stride, to, n),
            _ => gather::<u64>(from, stride, to, n),
        }
    }
}

/// Copies an operand to consecutive places in row-major order.
///
/// # Safety
/// `to` has room for all elements and does not overlap the operand.
pub(crate) unsafe fn copy(x: &Operand, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        if x.contiguous {
            std::ptr::copy_nonoverlapping(x.ptr, to, x.numel() * x.dtype.size());
        } else if x.numel() > 0 {
            Reader::new(x).read(to, x.numel());
        }
    }
}

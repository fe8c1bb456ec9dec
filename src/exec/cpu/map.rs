//! The Map class: elementwise arithmetic over operands of any layout.
//!
//! Bodies run on gap-free elements. Operands that are not so (strided, broadcast, 16-bit floats, or memory that
//! the output overwrites) are staged a tile at a time in a buffer that stays in the first-level cache.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::operand::{Destination, Operand, Reader};
use super::{cast, with_operands};
use crate::error::Misfit;
use crate::exec::Body;
use crate::exec::threads::{self, Shared};
use crate::ops::InputSet;
use crate::tensor::{Array, Bits, DType, Spec, Storage, Tensor};

/// Elements of a tile: three operands of f64 take 12 KiB of a 32 KiB first-level cache.
const TILE: usize = 512;
/// The most operands a body has.
const MAX_OPERANDS: usize = 4;
/// Below this many bytes a new block from the pool costs less than staging the input that would be overwritten
/// (bench `chain`).
const REUSED_BYTES: usize = 32 << 10;
/// The least elements that a thread of its own computes: some 10 us.
pub(super) const SHARED: usize = 1 << 15;

/// Computes a body on tensors; splats yield a splat, and the memory of `dying` inputs may be overwritten.
pub(super) fn run(
    body: &dyn Body,
    x: &[&Tensor],
    spec: &Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    let last = x[x.len() - 1];
    let domain = last.spec().dtype;
    if body.divides() && domain.is_int() {
        // SAFETY: the operand of a tensor that is here.
        unsafe { refuse_zero_divisor(&Operand::of(last))? };
    }
    let reused = if dying.is_empty() { None } else { reusable(body, x, spec, dying) };
    let computes_as_is = domain.compute() == domain || body.moves();
    if reused.is_none() && computes_as_is {
        let mut pointers = [std::ptr::null(); MAX_OPERANDS];
        let (mut direct, mut splats) = (0, 0);
        for (pointer, x) in pointers.iter_mut().zip(x) {
            let array = concrete(x);
            *pointer = array.ptr(x.spec().dtype).cast_const();
            direct += usize::from(array.is_contiguous());
            splats += usize::from(array.splat().is_some());
        }
        let pointers = &pointers[..x.len()];
        if direct == x.len() && spec.shape.numel() < 2 * SHARED {
            // The usual case, without a description of each operand (bench `overhead`).
            let storage = Storage::with_bytes(spec.bytes());
            // SAFETY: every operand has as many elements as the output, without gaps, and the output is new memory.
            unsafe { body.tile(domain, pointers, storage.data(), spec.shape.numel()) };
            return Ok(Tensor::from_storage(*spec, storage));
        }
        if splats == x.len() {
            // One number each: the result is one number again. `y` has room for one element of any dtype.
            let mut y = Bits([0; 8]);
            // SAFETY: every splat has one element.
            unsafe { body.tile(domain, pointers, y.0.as_mut_ptr(), 1) };
            return Ok(Tensor::splat_bits(*spec, y));
        }
    }
    let storage = reused.unwrap_or_else(|| Storage::with_bytes(spec.bytes()));
    let y = Destination { ptr: storage.data(), spec: *spec };
    // SAFETY: the block has room for the output and is new, or seen by the one input that begins and ends with it.
    with_operands(x, |x| unsafe { compute_unchecked(body, x, &y) });
    Ok(Tensor::from_storage(*spec, storage))
}

/// Computes a body, where the output lies at an operand's place from a copy of each of its tiles.
///
/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(body: &dyn Body, x: &[Operand], y: &Destination) -> Result<(), Box<Misfit>> {
    let last = &x[x.len() - 1];
    // SAFETY: the caller's promise.
    unsafe {
        if body.divides() && last.dtype.is_int() {
            refuse_zero_divisor(last)?;
        }
        compute_unchecked(body, x, y);
    }
    Ok(())
}

/// # Safety
/// As for [`compute`](super::compute); no divisor is zero.
unsafe fn compute_unchecked(body: &dyn Body, x: &[Operand], y: &Destination) {
    let domain = x[x.len() - 1].dtype;
    let job = Job { body, x, domain, y };
    let n = y.spec.shape.numel();
    if n == 0 {
        return;
    }
    let mut pointers = [std::ptr::null(); MAX_OPERANDS];
    for (pointer, x) in pointers.iter_mut().zip(x) {
        *pointer = x.ptr;
    }
    let in_place = !job.converts() && x.iter().all(|x| x.contiguous && !y.overwrites(x));
    // SAFETY: elements are written by one thread each, which has read what lies there.
    let shared = unsafe { Shared::new((&job, pointers)) };
    threads::for_ranges(n, SHARED, |range| {
        let (job, mut pointers) = *shared.get();
        // SAFETY: the caller's promise; all of it has the elements of the range.
        unsafe {
            if in_place {
                for (pointer, x) in pointers.iter_mut().zip(job.x) {
                    *pointer = pointer.add(range.start * x.dtype.size());
                }
                let y = job.y.ptr.add(range.start * job.y.spec.dtype.size());
                job.body.tile(job.domain, &pointers[..job.x.len()], y, range.len());
            } else {
                job.run_tiles(range);
            }
        }
    });
}

#[inline]
fn concrete(x: &Tensor) -> &Array {
    x.concrete().expect("kernels run on concrete tensors")
}

/// Memory of an input that the output may take.
fn reusable(body: &dyn Body, x: &[&Tensor], spec: &Spec, dying: InputSet) -> Option<Storage> {
    let bytes = spec.bytes();
    if bytes < REUSED_BYTES || body.moves() {
        return None;
    }
    x.iter().enumerate().find_map(|(i, x)| {
        let fits = dying.contains(i) && x.is_unique() && x.spec().dtype == spec.dtype;
        // The caller drops the input next, so the handle taken here is soon the only one.
        fits.then(|| concrete(x).reusable(bytes).cloned()).flatten()
    })
}

/// # Safety
/// The operand is valid.
unsafe fn refuse_zero_divisor(x: &Operand) -> Result<(), Box<Misfit>> {
    /// # Safety
    /// There are `n` elements.
    unsafe fn zero_at<T: Default + PartialEq>(x: *const u8, n: usize) -> Option<usize> {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(x.cast::<T>(), n) }.iter().position(|x| *x == T::default())
    }
    let mut stage = Stage::EMPTY;
    let mut reader = Reader::new(x);
    for done in (0..x.numel()).step_by(TILE) {
        let count = TILE.min(x.numel() - done);
        // SAFETY: so many elements remain, and a stage has room for them.
        let zero = unsafe {
            reader.read(stage.ptr(), count);
            match x.dtype.size() {
                1 => zero_at::<u8>(stage.ptr(), count),
                4 => zero_at::<u32>(stage.ptr(), count),
                _ => zero_at::<u64>(stage.ptr(), count),
            }
        };
        if let Some(at) = zero {
            let message = format!("integer division by zero at element {}", done + at);
            return Err(Misfit::data(message)
                .help("convert to a floating-point dtype, or replace the zeros with `where_`"));
        }
    }
    Ok(())
}

struct Job<'a> {
    body: &'a dyn Body,
    x: &'a [Operand],
    /// The dtype of the last operand, which the body computes in (16-bit floats: in f32).
    domain: DType,
    y: &'a Destination,
}

/// A buffer of one tile.
#[repr(align(64))]
struct Stage([MaybeUninit<u8>; TILE * 8]);

impl Stage {
    const EMPTY: Stage = Stage([MaybeUninit::uninit(); TILE * 8]);

    fn ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

/// How the tiles of an operand are had.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack of one call")]
enum Feed {
    /// They lie where they are.
    Direct(*const u8),
    /// The stage holds the one number.
    Constant,
    /// Read through strides, or from memory that is overwritten.
    Read(Reader),
}

impl Job<'_> {
    /// Whether 16-bit floats are to be converted.
    fn converts(&self) -> bool {
        self.domain.compute() != self.domain && !self.body.moves()
    }

    /// How a range of an operand's elements is had; the stage holds the one that is repeated.
    fn feed(&self, x: &Operand, range: &Range<usize>, stage: &mut Stage) -> Feed {
        let converted = self.converts() && x.dtype == self.domain;
        let read = || {
            let mut reader = Reader::new(x);
            reader.seek(range.start);
            Feed::Read(reader)
        };
        if self.y.overwrites(x) {
            return read();
        }
        if x.contiguous && !converted {
            return Feed::Direct(x.ptr);
        }
        if !x.is_repeated() {
            return read();
        }
        let (mut one, mut size) = (Bits([0; 8]), x.dtype.size());
        // SAFETY: the one element is there.
        unsafe { std::ptr::copy_nonoverlapping(x.ptr, one.0.as_mut_ptr(), size) };
        if converted {
            let dtype = x.dtype.compute();
            (one, size) = (dtype.bits(x.dtype.number(&one)), dtype.size());
        }
        // SAFETY: a stage has room for a tile of any dtype.
        unsafe { fill(one, size, stage.ptr(), range.len().min(TILE)) };
        Feed::Constant
    }

    /// Computes a range of the elements, a tile at a time.
    ///
    /// # Safety
    /// As for [`compute`](super::compute).
    #[inline(never)]
    unsafe fn run_tiles(&self, range: Range<usize>) {
        let mut stages = [const { Stage::EMPTY }; MAX_OPERANDS];
        let mut raw = Stage::EMPTY;
        let mut feeds = [const { Feed::Constant }; MAX_OPERANDS];
        for (i, x) in self.x.iter().enumerate() {
            feeds[i] = self.feed(x, &range, &mut stages[i]);
        }
        let mut x = [std::ptr::null::<u8>(); MAX_OPERANDS];
        let mut done = range.start;
        while done < range.end {
            let count = TILE.min(range.end - done);
            for i in 0..self.x.len() {
                let dtype = self.x[i].dtype;
                // SAFETY: `count` more elements remain of each operand and fit a stage.
                x[i] = unsafe {
                    match &mut feeds[i] {
                        Feed::Direct(start) => start.add(done * dtype.size()),
                        Feed::Constant => stages[i].ptr(),
                        Feed::Read(reader) => self.stage(reader, dtype, count, &mut stages[i], &mut raw),
                    }
                };
            }
            // SAFETY: inputs are staged or disjoint from the output; `count` outputs remain from `done`. A tile of an
            // operand that is overwritten was read before, and has the bytes of the output's.
            unsafe {
                let y = self.y.ptr.add(done * self.y.spec.dtype.size());
                self.finish(&x[..self.x.len()], y, count, &mut raw);
            }
            done += count;
        }
    }

    /// The next `count` elements of an operand, as the body wants them.
    ///
    /// # Safety
    /// As many remain, and `count` is at most `TILE`.
    unsafe fn stage(
        &self,
        reader: &mut Reader,
        dtype: DType,
        count: usize,
        stage: &mut Stage,
        raw: &mut Stage,
    ) -> *const u8 {
        // SAFETY: the caller's promise; stages hold `TILE` elements of any dtype.
        unsafe {
            if self.converts() && dtype == self.domain {
                reader.read(raw.ptr(), count);
                cast::cast(dtype, raw.ptr(), dtype.compute(), stage.ptr(), count);
            } else {
                reader.read(stage.ptr(), count);
            }
        }
        stage.ptr()
    }

    /// Runs the body on staged inputs.
    ///
    /// # Safety
    /// Inputs have `count` elements and `y` room for as many.
    unsafe fn finish(&self, x: &[*const u8], y: *mut u8, count: usize, raw: &mut Stage) {
        let domain = if self.body.moves() { self.domain } else { self.domain.compute() };
        // SAFETY: the caller's promise.
        unsafe {
            if self.converts() && self.y.spec.dtype == self.domain {
                self.body.tile(domain, x, raw.ptr(), count);
                cast::cast(domain, raw.ptr(), self.domain, y, count);
            } else {
                self.body.tile(domain, x, y, count);
            }
        }
    }
}

/// Writes one element, of `size` bytes, `n` times.
///
/// # Safety
/// `to` has room for as many and is aligned for the element.
pub(super) unsafe fn fill(one: Bits, size: usize, to: *mut u8, n: usize) {
    let word = u64::from_ne_bytes(one.0);
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => std::slice::from_raw_parts_mut(to, n).fill(one.0[0]),
            2 => std::slice::from_raw_parts_mut(to.cast::<u16>(), n).fill(*(&raw const word).cast()),
            4 => std::slice::from_raw_parts_mut(to.cast::<u32>(), n).fill(*(&raw const word).cast()),
            _ => std::slice::from_raw_parts_mut(to.cast::<u64>(), n).fill(word),
        }
    }
}

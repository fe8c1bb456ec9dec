//! The Map class: elementwise arithmetic over operands of any layout.
//!
//! Bodies run on gap-free elements. Operands that are not so (strided, broadcast, 16-bit floats, or memory that
//! the output overwrites) are staged a tile at a time in a buffer that stays in the first-level cache.

use std::mem::MaybeUninit;

use super::operand::{Operand, Reader};
use super::{build, cast};
use crate::error::Misfit;
use crate::exec::Body;
use crate::ops::InputSet;
use crate::tensor::{Array, Bits, DType, Spec, Storage, Tensor};

/// Elements of a tile: three operands of f64 take 12 KiB of a 32 KiB first-level cache.
const TILE: usize = 512;
/// The most operands a body has.
const MAX_OPERANDS: usize = 4;
/// Below this many bytes a new block from the pool costs less than staging the input that would be overwritten
/// (bench `chain`).
const REUSED_BYTES: usize = 32 << 10;

pub(super) fn run(
    body: &dyn Body,
    x: &[&Tensor],
    spec: &Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    let domain = x[x.len() - 1].spec().dtype;
    if body.divides() && domain.is_int() {
        refuse_zero_divisor(x[x.len() - 1])?;
    }
    let job = Job { body, x, domain, output: spec.dtype };
    let n = spec.shape.numel();
    let reused = if dying.is_empty() { None } else { job.reusable(spec, dying) };
    if let Some((i, storage)) = reused {
        // SAFETY: the storage is as large as the output and seen by input `i` alone, which is staged.
        unsafe { job.run_tiles(storage.data(), n, Some(i)) };
        return Ok(Tensor::from_storage(*spec, storage));
    }
    if job.converts() {
        // SAFETY: the new block has room for the output and overlaps no input.
        return Ok(build(*spec, |y| unsafe { job.run_tiles(y, n, None) }));
    }
    let mut pointers = [std::ptr::null(); MAX_OPERANDS];
    let (mut direct, mut splats) = (0, 0);
    for (pointer, x) in pointers.iter_mut().zip(x) {
        let array = concrete(x);
        *pointer = array.ptr(x.spec().dtype).cast_const();
        direct += usize::from(array.is_contiguous());
        splats += usize::from(array.splat().is_some());
    }
    let pointers = &pointers[..x.len()];
    if direct == x.len() {
        // SAFETY: every operand has `n` elements without gaps, the output is new memory.
        return Ok(build(*spec, |y| unsafe { body.tile(domain, pointers, y, n) }));
    }
    if splats == x.len() {
        // One number each: the result is one number again. `y` has room for one element of any dtype.
        let mut y = Bits([0; 8]);
        // SAFETY: every splat has one element.
        unsafe { body.tile(domain, pointers, y.0.as_mut_ptr(), 1) };
        return Ok(Tensor::splat_bits(*spec, y));
    }
    // SAFETY: as above.
    Ok(build(*spec, |y| unsafe { job.run_tiles(y, n, None) }))
}

#[inline]
fn concrete(x: &Tensor) -> &Array {
    x.concrete().expect("kernels run on concrete tensors")
}

fn refuse_zero_divisor(x: &Tensor) -> Result<(), Box<Misfit>> {
    let zero = x.to_vec_of_numbers().iter().position(|v| v.as_i64() == 0);
    match zero {
        Some(at) => Err(Misfit::data(format!("integer division by zero at element {at}"))
            .help("convert to a floating-point dtype, or replace the zeros with `where_`")),
        None => Ok(()),
    }
}

struct Job<'a> {
    body: &'a dyn Body,
    x: &'a [&'a Tensor],
    /// The dtype of the last operand, which the body computes in (16-bit floats: in f32).
    domain: DType,
    output: DType,
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

    /// An input whose memory the output may take.
    fn reusable(&self, spec: &Spec, dying: InputSet) -> Option<(usize, Storage)> {
        let bytes = spec.bytes();
        if bytes < REUSED_BYTES || self.body.moves() {
            return None;
        }
        self.x.iter().enumerate().find_map(|(i, x)| {
            let fits = dying.contains(i) && x.is_unique() && x.spec().dtype == spec.dtype;
            // The caller drops the input next, so the handle taken here is soon the only one.
            fits.then(|| concrete(x).reusable(bytes).cloned()).flatten().map(|storage| (i, storage))
        })
    }

    fn feed(&self, i: usize, n: usize, overwritten: bool, stage: &mut Stage) -> Feed {
        let (array, spec) = (concrete(self.x[i]), self.x[i].spec());
        let converted = self.converts() && spec.dtype == self.domain;
        if let Some(bits) = array.splat() {
            let dtype = if converted { spec.dtype.compute() } else { spec.dtype };
            let one = dtype.bits(spec.dtype.number(bits));
            // SAFETY: a stage has room for a tile of any dtype.
            unsafe { fill(one, dtype.size(), stage.ptr(), n.min(TILE)) };
            return Feed::Constant;
        }
        if array.is_contiguous() && !overwritten && !converted {
            return Feed::Direct(array.ptr(spec.dtype));
        }
        Feed::Read(Reader::new(&Operand::new(array, spec)))
    }

    /// # Safety
    /// `y` has room for `n` output elements and overlaps no operand but the overwritten one, exactly.
    #[inline(never)]
    unsafe fn run_tiles(&self, y: *mut u8, n: usize, overwritten: Option<usize>) {
        let mut stages = [const { Stage::EMPTY }; MAX_OPERANDS];
        let mut raw = Stage::EMPTY;
        let mut feeds = [const { Feed::Constant }; MAX_OPERANDS];
        for i in 0..self.x.len() {
            feeds[i] = self.feed(i, n, overwritten == Some(i), &mut stages[i]);
        }
        let mut x = [std::ptr::null::<u8>(); MAX_OPERANDS];
        let mut done = 0;
        while done < n {
            let count = TILE.min(n - done);
            for i in 0..self.x.len() {
                let dtype = self.x[i].spec().dtype;
                // SAFETY: `count` more elements remain of each operand and fit a stage.
                x[i] = unsafe {
                    match &mut feeds[i] {
                        Feed::Direct(start) => start.add(done * dtype.size()),
                        Feed::Constant => stages[i].ptr(),
                        Feed::Read(reader) => self.stage(reader, dtype, count, &mut stages[i], &mut raw),
                    }
                };
            }
            // SAFETY: inputs are staged or disjoint from the output; `count` outputs remain from `done`.
            unsafe { self.finish(&x[..self.x.len()], y.add(done * self.output.size()), count, &mut raw) };
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
            if self.converts() && self.output == self.domain {
                self.body.tile(domain, x, raw.ptr(), count);
                cast::cast(domain, raw.ptr(), self.output, y, count);
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

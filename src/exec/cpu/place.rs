//! The Place class: tensors written into regions of a base.

use super::operand::{self, Destination, Operand, Reader, Runs};
use super::scratch::Scratch;
use super::transpose;
use crate::exec::{Base, Region};
use crate::tensor::{MAX_RANK, Strides};

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(base: Base, regions: &[Region], x: &[Operand], y: &Destination) {
    // SAFETY: the caller's promise.
    unsafe {
        let parts = match base {
            Base::Fill(number) => {
                let one = y.spec.dtype.bits(number);
                // Regions that cover everything (cat) need no fill.
                let covered: usize = x.iter().map(Operand::numel).sum();
                if covered != y.spec.shape.numel() {
                    operand::copy(&Operand::strided(one.as_ptr(), &y.spec, Strides::default()), y.ptr);
                }
                x
            }
            Base::First => {
                copy_unless_there(&x[0], y);
                &x[1..]
            }
        };
        for (part, region) in parts.iter().zip(regions) {
            write(part, y, region);
        }
    }
}

/// Copies an operand to where the output is to be made of it, unless it lies there already.
///
/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn copy_unless_there(x: &Operand, y: &Destination) {
    if !y.overwrites(x) {
        // SAFETY: the caller's promise.
        unsafe { transpose::copy(x, y.ptr) }
    }
}

/// Copies all elements of `part` to its region of `y`.
///
/// # Safety
/// The part is valid, and its region lies within `y`, which does not overlap it.
unsafe fn write(part: &Operand, y: &Destination, region: &Region) {
    if part.numel() == 0 {
        return;
    }
    let rank = part.shape.rank();
    let size = y.spec.dtype.size();
    let whole = y.spec.shape.strides();
    let mut strides = Strides::default();
    let mut offset = 0;
    for (axis, stride) in strides.iter_mut().enumerate().take(rank) {
        *stride = whole[axis] * region.step[axis] as isize;
        offset += whole[axis] * region.start[axis] as isize;
    }
    let runs = Runs::new(&part.shape, &strides);
    let (length, stride) = *runs.axes().last().expect("never empty");
    let outer = &runs.axes()[..runs.axes().len() - 1];
    let mut reader = Reader::new(part);
    let mut at = [0; MAX_RANK];
    let mut run = (stride != 1).then(|| Scratch::filled(length * size, 0u8));
    loop {
        let start: isize = at.iter().zip(outer).map(|(&i, &(_, s))| i as isize * s).sum();
        // SAFETY: the caller's promise; `part` has as many elements as the region.
        unsafe {
            let to = y.ptr.offset((offset + start) * size as isize);
            match &mut run {
                None => reader.read(to, length),
                Some(run) => {
                    reader.read(run.ptr(), length);
                    for (i, element) in run.chunks_exact(size).enumerate() {
                        let to = to.offset(i as isize * stride * size as isize);
                        std::ptr::copy_nonoverlapping(element.as_ptr(), to, size);
                    }
                }
            }
        }
        if !step(&mut at[..outer.len()], outer) {
            return;
        }
    }
}

/// Moves on to the next position; false after the last.
fn step(at: &mut [usize], axes: &[(usize, isize)]) -> bool {
    for axis in (0..at.len()).rev() {
        at[axis] += 1;
        if at[axis] < axes[axis].0 {
            return true;
        }
        at[axis] = 0;
    }
    false
}

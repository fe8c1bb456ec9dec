//! The Place class: tensors written into regions of a base.

use super::operand::{self, Destination, Operand, Reader, Runs};
use super::scratch::Scratch;
use super::transpose;
use crate::exec::{Base, Regions};
use crate::tensor::{MAX_RANK, Strides};

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(base: Base, regions: Regions<'_>, x: &[Operand], y: &Destination) {
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
        let whole = y.spec.shape.strides();
        match regions {
            Regions::One(region) => {
                let (mut offset, mut strides) = (0, Strides::default());
                for axis in 0..y.spec.shape.rank() {
                    strides[axis] = whole[axis] * region.step[axis] as isize;
                    offset += whole[axis] * region.start[axis] as isize;
                }
                write(&parts[0], y, offset, &strides);
            }
            Regions::Joined(axis) => {
                let mut start = 0;
                for part in parts {
                    write(part, y, whole[axis] * start, &whole);
                    start += part.shape.dim(axis) as isize;
                }
            }
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

/// Copies all elements of `part` to where `y` has them under these strides, the first at the offset.
///
/// # Safety
/// The part is valid, and where it goes lies within `y`, which does not overlap it.
unsafe fn write(part: &Operand, y: &Destination, offset: isize, strides: &Strides) {
    if part.numel() == 0 {
        return;
    }
    let size = y.spec.dtype.size();
    let runs = Runs::new(&part.shape, strides);
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

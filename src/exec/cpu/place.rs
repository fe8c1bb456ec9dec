//! The Place class: tensors written into regions of a base.

use super::operand::{Operand, Reader, Runs};
use super::{build, contiguous};
use crate::exec::{Base, Region};
use crate::ops::InputSet;
use crate::tensor::{Spec, Storage, Tensor};

pub(super) fn run(base: Base, regions: &[Region], x: &[&Tensor], spec: Spec, dying: InputSet) -> Tensor {
    let (y, parts) = match base {
        Base::Fill(number) => {
            let filled = Tensor::splat(spec, number);
            // Regions that cover everything (cat) need no fill.
            let covered: usize = x.iter().map(|x| x.spec().shape.numel()).sum();
            let y = if covered == spec.shape.numel() { build(spec, |_| {}) } else { contiguous(&filled) };
            (y, x)
        }
        Base::First => (own_copy(x[0], spec, dying.contains(0)), &x[1..]),
    };
    for (part, region) in parts.iter().zip(regions) {
        let to = Operand::of(&y);
        write(&Operand::of(part), &to, region);
    }
    y
}

/// A copy of `x` that may be written, in its own memory where that is allowed.
pub(super) fn own_copy(x: &Tensor, spec: Spec, dying: bool) -> Tensor {
    let storage: Option<Storage> = (dying && x.is_unique())
        .then(|| x.concrete().and_then(|array| array.reusable(spec.bytes())).cloned())
        .flatten();
    match storage {
        Some(storage) => Tensor::from_storage(spec, storage),
        // SAFETY: the new block has room for all elements.
        None => build(spec, |to| unsafe { super::transpose::copy(&Operand::of(x), to) }),
    }
}

/// Copies all elements of `part` to its region of `y`.
fn write(part: &Operand, y: &Operand, region: &Region) {
    if part.numel() == 0 {
        return;
    }
    let rank = part.shape.rank();
    let size = y.dtype.size();
    let mut strides = crate::tensor::Strides::default();
    let mut offset = 0;
    for (axis, stride) in strides.iter_mut().enumerate().take(rank) {
        *stride = y.strides[axis] * region.step[axis] as isize;
        offset += y.strides[axis] * region.start[axis] as isize;
    }
    let runs = Runs::new(&part.shape, &strides);
    let (length, stride) = *runs.axes().last().expect("never empty");
    let outer = &runs.axes()[..runs.axes().len() - 1];
    let mut reader = Reader::new(part);
    let mut at = vec![0; outer.len()];
    let mut run = vec![0u8; if stride == 1 { 0 } else { length * size }];
    loop {
        let start: isize = at.iter().zip(outer).map(|(&i, &(_, s))| i as isize * s).sum();
        // SAFETY: a region lies within `y`, which this function's caller alone may write, and `part` has
        // as many elements as the region; `y` is not the memory of `part`.
        unsafe {
            let to = y.ptr.cast_mut().offset((offset + start) * size as isize);
            if stride == 1 {
                reader.read(to, length);
            } else {
                reader.read(run.as_mut_ptr(), length);
                for (i, element) in run.chunks_exact(size).enumerate() {
                    let to = to.offset(i as isize * stride * size as isize);
                    std::ptr::copy_nonoverlapping(element.as_ptr(), to, size);
                }
            }
        }
        if !step(&mut at, outer) {
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

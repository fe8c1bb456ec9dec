//! The View class: new strides over the same memory.

use super::operand::{Destination, Operand, is_row_major};
use super::{contiguous, transpose};
use crate::exec::{Region, View};
use crate::tensor::{Array, Data, Repr, Shape, Spec, Strides, Tensor};

/// Where a view of elements under strides finds its own: so many elements after the first one, under other strides.
/// `None` for a reshape that takes a copy in row-major order.
pub(crate) fn layout(
    view: &View<'_>,
    from: &Shape,
    strides: &Strides,
    to: &Shape,
) -> Option<(isize, Strides)> {
    if to.numel() == 0 {
        // The first element of nothing may lie outside.
        return Some((0, to.strides()));
    }
    match view {
        View::Reshape => reshaped(from, strides, to).map(|strides| (0, strides)),
        View::Permute(order) => {
            Some((0, std::array::from_fn(|i| if i < from.rank() { strides[order[i] as usize] } else { 0 })))
        }
        View::Broadcast => Some((0, repeated(from, strides, to))),
        View::Slice(region) => Some(sliced(strides, region, to)),
        View::Windows(axis, step) => {
            let mut windows = *strides;
            windows[*axis] *= *step as isize;
            windows[from.rank()] = strides[*axis];
            Some((0, windows))
        }
    }
}

/// A tensor over the same memory, or over a copy where there is no view.
pub(super) fn run(view: &View<'_>, x: &Tensor, spec: Spec) -> Tensor {
    let array = x.concrete().expect("kernels run on concrete tensors");
    if let Data::Splat(bits) = &array.data {
        return Tensor::splat_bits(spec, *bits);
    }
    let from = &x.spec().shape;
    match layout(view, from, &array.strides(from), &spec.shape) {
        Some((offset, strides)) => over(array, spec, offset, strides),
        None => run(view, &contiguous(x), spec),
    }
}

/// Copies the elements that a view shows.
///
/// # Safety
/// The operand is valid, the destination has room for them and does not overlap it.
pub(super) unsafe fn copy(view: &View<'_>, x: &Operand, y: &Destination) {
    let seen = match layout(view, &x.shape, &x.strides, &y.spec.shape) {
        Some((offset, strides)) => {
            let ptr = x.ptr.wrapping_offset(offset * x.dtype.size() as isize);
            Operand::strided(ptr, &y.spec, strides)
        }
        // A reshape keeps the order.
        None => *x,
    };
    // SAFETY: the caller's promise; a view shows elements of the operand.
    unsafe { transpose::copy(&seen, y.ptr) }
}

/// A tensor over the same memory, `offset` elements further on.
fn over(array: &Array, spec: Spec, offset: isize, strides: Strides) -> Tensor {
    let Data::Block(storage) = &array.data else { unreachable!("splats have no strides") };
    let strides = (!is_row_major(&spec.shape, &strides)).then(|| Box::new(strides));
    let offset = (array.offset as isize + offset) as usize;
    let array = Array { data: Data::Block(storage.clone()), offset, strides };
    Tensor::from_parts(spec, Repr::Concrete(array))
}

fn repeated(from: &Shape, strides: &Strides, to: &Shape) -> Strides {
    let lead = to.rank() - from.rank();
    let mut repeated = Strides::default();
    for axis in 0..from.rank() {
        if from[axis] == to[lead + axis] {
            repeated[lead + axis] = strides[axis];
        }
    }
    repeated
}

fn sliced(strides: &Strides, region: &Region, shape: &Shape) -> (isize, Strides) {
    let mut steps = Strides::default();
    let mut offset = 0;
    for axis in 0..shape.rank() {
        offset += region.start[axis] as isize * strides[axis];
        steps[axis] = region.step[axis] as isize * strides[axis];
    }
    (offset, steps)
}

/// Strides of the same elements, in the same order, under another shape; none where that takes a copy. There is at
/// least one element.
///
/// Axes of either shape are gone through in step: each group of `from` axes with as many elements as a group of
/// `to` axes must lie evenly.
fn reshaped(from: &Shape, strides: &Strides, to: &Shape) -> Option<Strides> {
    let mut result = Strides::default();
    let kept: Vec<(usize, isize)> =
        (0..from.rank()).filter(|&a| from[a] != 1).map(|a| (from.dim(a), strides[a])).collect();
    let (mut i, mut j) = (0, 0);
    while i < kept.len() {
        let (start_i, start_j) = (i, j);
        let (mut have, mut want) = (kept[i].0, to.dim(j));
        while have != want {
            if have < want {
                i += 1;
                have *= kept[i].0;
            } else {
                j += 1;
                want *= to.dim(j);
            }
        }
        let group = &kept[start_i..=i];
        if group.windows(2).any(|pair| pair[0].1 != pair[1].1 * pair[1].0 as isize) {
            return None;
        }
        let mut step = group[group.len() - 1].1;
        for axis in (start_j..=j).rev() {
            result[axis] = step;
            step *= to.dim(axis) as isize;
        }
        i += 1;
        j += 1;
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[usize]) -> Shape {
        Shape::checked(dims).expect("valid")
    }

    #[test]
    fn reshaping_a_gapless_tensor_never_copies() {
        for (from, to) in [(vec![6], vec![2, 3]), (vec![2, 3, 4], vec![6, 4]), (vec![4, 1], vec![1, 2, 1, 2])]
        {
            let (from, to) = (shape(&from), shape(&to));
            let strides = reshaped(&from, &from.strides(), &to).expect("a view");
            assert!(is_row_major(&to, &strides), "{from} {to}");
        }
    }

    #[test]
    fn splitting_a_transposed_axis_is_a_view_and_merging_one_is_a_copy() {
        // [3, 4] transposed: shape [4, 3], strides [1, 4].
        let mut strides = Strides::default();
        strides[..2].copy_from_slice(&[1, 4]);
        let split = reshaped(&shape(&[4, 3]), &strides, &shape(&[2, 2, 3])).expect("a view");
        assert_eq!(split[..3], [2, 1, 4]);
        assert!(reshaped(&shape(&[4, 3]), &strides, &shape(&[12])).is_none());
    }
}

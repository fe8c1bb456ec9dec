//! The Gather and Scatter classes: reading and adding at computed positions along one axis.
//!
//! With the axis in the middle a tensor is `[outer, n, inner]`. Slices move whole `inner` stretches; elements are
//! the same with one index for each of them.

use super::operand::Operand;
use super::place::own_copy;
use super::{build, cast_tensor, computable, contiguous};
use crate::error::Misfit;
use crate::exec::Indexing;
use crate::ops::InputSet;
use crate::tensor::{DType, Shape, Spec, Tensor};

/// Lengths around an axis.
pub(super) struct Around {
    pub(super) outer: usize,
    pub(super) n: usize,
    pub(super) inner: usize,
}

impl Around {
    pub(super) fn new(shape: &Shape, axis: usize) -> Around {
        let product = |dims: &[u32]| dims.iter().map(|&d| d as usize).product();
        Around { outer: product(&shape[..axis]), n: shape.dim(axis), inner: product(&shape[axis + 1..]) }
    }
}

/// Indices in `0..n`, row-major; negative ones count from the end.
fn positions(index: &Tensor, n: usize) -> Result<Vec<usize>, Box<Misfit>> {
    let index = contiguous(&cast_tensor_to_i64(index));
    let values = index.as_slice::<i64>().expect("converted to i64");
    let position = |(at, &value): (usize, &i64)| {
        let position = if value < 0 { value + n as i64 } else { value };
        usize::try_from(position).ok().filter(|&p| p < n).ok_or_else(|| {
            Misfit::data(format!(
                "index {value} (element {at} of the index) is out of range for an axis of {n}"
            ))
        })
    };
    values.iter().enumerate().map(position).collect()
}

fn cast_tensor_to_i64(index: &Tensor) -> Tensor {
    if index.spec().dtype == DType::I64 {
        return index.clone();
    }
    cast_tensor(index, index.spec().with_dtype(DType::I64))
}

/// Goes through all stretches: `f(stretch of the indexed tensor, stretch of the other, length)`, as offsets in
/// elements.
fn for_each_stretch(
    what: Indexing,
    around: &Around,
    positions: &[usize],
    mut f: impl FnMut(usize, usize, usize),
) {
    let Around { outer, n, inner } = *around;
    match what {
        Indexing::Slices => {
            for o in 0..outer {
                for (i, &p) in positions.iter().enumerate() {
                    f((o * n + p) * inner, (o * positions.len() + i) * inner, inner);
                }
            }
        }
        Indexing::Elements => {
            let m = positions.len() / (outer * inner).max(1);
            for o in 0..outer {
                for i in 0..m {
                    for j in 0..inner {
                        let at = (o * m + i) * inner + j;
                        f((o * n + positions[at]) * inner + j, at, 1);
                    }
                }
            }
        }
    }
}

pub(super) fn gather(
    what: Indexing,
    axis: usize,
    x: &Tensor,
    index: &Tensor,
    spec: Spec,
) -> Result<Tensor, Box<Misfit>> {
    let around = Around::new(&x.spec().shape, axis);
    let positions = positions(index, around.n)?;
    if let Some(bits) = x.concrete().and_then(|array| array.splat()) {
        return Ok(Tensor::splat_bits(spec, *bits));
    }
    let x = contiguous(x);
    let (from, size) = (Operand::of(&x).ptr, spec.dtype.size());
    Ok(build(spec, |to| {
        for_each_stretch(what, &around, &positions, |source, target, length| {
            // SAFETY: positions were checked against the axis, the output has a stretch for each.
            unsafe {
                std::ptr::copy_nonoverlapping(from.add(source * size), to.add(target * size), length * size);
            }
        });
    }))
}

pub(super) fn scatter(
    what: Indexing,
    axis: usize,
    x: &[&Tensor],
    spec: Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    let around = Around::new(&spec.shape, axis);
    let positions = positions(x[1], around.n)?;
    let wide = spec.with_dtype(spec.dtype.compute());
    let source = contiguous(&computable(x[2]));
    let y =
        if wide == spec { own_copy(x[0], spec, dying.contains(0)) } else { contiguous(&computable(x[0])) };
    // SAFETY: `y` is a copy that nobody else sees (a conversion makes one, and so does `own_copy`).
    unsafe {
        let (to, from) = (Operand::of(&y).ptr.cast_mut(), Operand::of(&source).ptr);
        match wide.dtype {
            DType::F32 => {
                add_stretches(what, &around, &positions, to.cast::<f32>(), from.cast(), |a, b| a + b)
            }
            DType::F64 => {
                add_stretches(what, &around, &positions, to.cast::<f64>(), from.cast(), |a, b| a + b)
            }
            DType::I64 => add_stretches(what, &around, &positions, to.cast(), from.cast(), i64::wrapping_add),
            DType::I32 => add_stretches(what, &around, &positions, to.cast(), from.cast(), i32::wrapping_add),
            DType::U8 => add_stretches(what, &around, &positions, to.cast(), from.cast(), u8::wrapping_add),
            _ => add_stretches(what, &around, &positions, to, from, |a: u8, b| a | b),
        }
    }
    Ok(if wide == spec { y } else { cast_tensor(&y, spec) })
}

/// # Safety
/// `to` and `from` are whole tensors that the positions fit, and do not overlap.
unsafe fn add_stretches<T: Copy>(
    what: Indexing,
    around: &Around,
    positions: &[usize],
    to: *mut T,
    from: *const T,
    add: impl Fn(T, T) -> T,
) {
    for_each_stretch(what, around, positions, |target, source, length| {
        // SAFETY: the caller's promise.
        let (to, from) = unsafe {
            (
                std::slice::from_raw_parts_mut(to.add(target), length),
                std::slice::from_raw_parts(from.add(source), length),
            )
        };
        for (to, &from) in to.iter_mut().zip(from) {
            *to = add(*to, from);
        }
    });
}

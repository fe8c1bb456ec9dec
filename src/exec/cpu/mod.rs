//! The CPU backend: one function for each kernel class.

pub(crate) mod cast;
mod conv;
mod dot;
#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod fenced;
pub(crate) mod fused;
mod gemm;
mod indexed;
pub(crate) mod isa;
mod job;
pub(crate) mod lanes;
mod map;
#[cfg(feature = "linalg")]
mod matrix;
pub(crate) mod operand;
mod place;
mod pool;
pub(crate) mod random;
mod reduce;
mod scan;
mod search;
mod sort;
mod transpose;
mod vector;
mod view;

use super::{Fold, Kernel, Opaque};
use crate::error::Misfit;
use crate::ops::InputSet;
use crate::tensor::{DType, Spec, Storage, Tensor};
use operand::Operand;

/// Computes a kernel of one output on concrete inputs. The memory of `dying` inputs may be overwritten.
pub(crate) fn run(
    kernel: &Kernel<'_>,
    x: &[&Tensor],
    spec: &Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    match kernel {
        Kernel::Map(body) => map::run(*body, x, spec, dying),
        Kernel::View(view) => Ok(view::run(view, x[0], *spec)),
        Kernel::Cast => Ok(cast_tensor(x[0], *spec)),
        Kernel::Reduce(fold, axes) => Ok(run_reduce(*fold, *axes, x[0], *spec)),
        Kernel::Scan(scan) => Ok(scan::run(*scan, x, *spec)),
        Kernel::Search(side) => Ok(search::run(*side, x[0], x[1], *spec)),
        Kernel::Sort(_) => unreachable!("{kernel:?} has two outputs"),
        Kernel::Place(base, regions) => Ok(place::run(*base, regions, x, *spec, dying)),
        Kernel::Gather(what, axis) => indexed::gather(*what, *axis, x[0], x[1], *spec),
        Kernel::Scatter(what, axis, combine) => indexed::scatter(*what, *axis, *combine, x, *spec, dying),
        Kernel::Dot => Ok(dot::run(x[0], x[1], *spec)),
        Kernel::Conv(conv) => Ok(conv::run(conv, x[0], x[1], *spec)),
        Kernel::Pool(pooling) => Ok(pool::run(pooling, x[0], *spec)),
        #[cfg(feature = "linalg")]
        Kernel::Matrix(function) => matrix::run(*function, x, *spec),
        Kernel::Random(distribution) => Ok(run_random(*distribution, x[0], *spec)),
        Kernel::Fused(fused) => Ok(fused::run_on_tensors(fused, x, &[*spec]).swap_remove(0)),
        Kernel::Opaque(opaque) => run_opaque(*opaque, x).map(|mut y| y.swap_remove(0)),
    }
}

/// Computes a kernel of several outputs on concrete inputs.
pub(crate) fn run_many(
    kernel: &Kernel<'_>,
    x: &[&Tensor],
    specs: &[Spec],
) -> Result<Vec<Tensor>, Box<Misfit>> {
    match kernel {
        Kernel::Pool(pooling) => Ok(pool::run_max(pooling, x[0], specs)),
        #[cfg(feature = "linalg")]
        Kernel::Matrix(_) => Ok(matrix::lu(x[0], specs)),
        Kernel::Scan(scan) => Ok(scan::run_extreme(*scan, x[0], specs)),
        Kernel::Sort(sorting) => Ok(sort::run(*sorting, x[0], specs)),
        Kernel::Fused(fused) => Ok(fused::run_on_tensors(fused, x, specs)),
        _ => unreachable!("{kernel:?} has one output"),
    }
}

/// Runs an operation's own code.
pub(crate) fn run_opaque(opaque: &dyn Opaque, x: &[&Tensor]) -> Result<Vec<Tensor>, Box<Misfit>> {
    let y = opaque.run(x).map_err(Misfit::caused)?;
    match y.iter().find_map(Tensor::error) {
        Some(error) => Err(Misfit::caused(error.clone())),
        None => Ok(y),
    }
}

/// A tensor whose elements `fill` writes, row-major without gaps.
#[inline(always)]
pub(crate) fn build(spec: Spec, fill: impl FnOnce(*mut u8)) -> Tensor {
    let storage = Storage::with_bytes(spec.bytes());
    fill(storage.data());
    Tensor::from_storage(spec, storage)
}

/// `x` itself, or its elements copied to memory of their own, row-major without gaps.
pub(crate) fn contiguous(x: &Tensor) -> Tensor {
    let array = x.concrete().expect("kernels run on concrete tensors");
    if array.is_contiguous() {
        return x.clone();
    }
    let from = Operand::of(x);
    // SAFETY: the new block has room for all elements.
    build(*x.spec(), |to| unsafe { transpose::copy(&from, to) })
}

/// The elements in another dtype.
fn cast_tensor(x: &Tensor, spec: Spec) -> Tensor {
    let from = x.spec().dtype;
    if let Some(bits) = x.concrete().and_then(|array| array.splat()) {
        return Tensor::splat(spec, from.number(bits));
    }
    let x = contiguous(x);
    let n = spec.shape.numel();
    // SAFETY: `x` has `n` elements without gaps and the new block has room for as many.
    build(spec, |to| unsafe { cast::cast(from, Operand::of(&x).ptr, spec.dtype, to, n) })
}

/// The elements in the dtype that arithmetic runs in.
fn computable(x: &Tensor) -> Tensor {
    let dtype = x.spec().dtype;
    if dtype.compute() == dtype { x.clone() } else { cast_tensor(x, x.spec().with_dtype(dtype.compute())) }
}

fn run_reduce(fold: Fold, axes: crate::tensor::AxisSet, x: &Tensor, spec: Spec) -> Tensor {
    let wide = computable(x);
    let result = match fold {
        Fold::ArgMax | Fold::ArgMin => DType::I64,
        _ => wide.spec().dtype,
    };
    let operand = Operand::of(&wide);
    // SAFETY: the new block has room for the kept axes.
    let y = build(spec.with_dtype(result), |y| unsafe { reduce::reduce(fold, axes, &operand, y) });
    if result == spec.dtype { y } else { cast_tensor(&y, spec) }
}

fn run_random(distribution: crate::ops::Distribution, key: &Tensor, spec: Spec) -> Tensor {
    let keys = contiguous(key);
    let keys = keys.as_slice::<i64>().expect("infer admits i64 keys only");
    let each = spec.shape.numel() / (keys.len() / 2).max(1);
    let size = spec.dtype.size();
    build(spec, |to| {
        for (i, key) in keys.chunks_exact(2).enumerate() {
            // SAFETY: the block has room for `each` elements a key.
            unsafe {
                random::draw(distribution, spec.dtype, [key[0], key[1]], each, to.add(i * each * size));
            }
        }
    })
}

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
#[cfg(target_arch = "x86_64")]
mod jit;
mod job;
pub(crate) mod lanes;
mod map;
#[cfg(feature = "linalg")]
mod matrix;
pub(crate) mod operand;
mod place;
mod pool;
pub(crate) mod program;
pub(crate) mod random;
mod reduce;
mod scan;
mod scratch;
mod search;
mod sort;
mod staged;
#[cfg(test)]
mod tests;
mod transpose;
mod vector;
pub(crate) mod view;

use super::{Base, Fold, Kernel, Opaque};
use crate::error::Misfit;
use crate::ops::{Distribution, InputSet};
use crate::tensor::{AxisSet, DType, Spec, Storage, Tensor};
use operand::{Destination, Operand};
use staged::{Staged, cast_to};

/// Computes a kernel: the one body of the work, for tensors and for programs, whose memory is planned.
///
/// Operands may have any strides; what a class wants without gaps is copied first, to memory of the pool, as far as it
/// is not so already. Nothing is allocated in the steady state beside that, but by `Opaque` kernels.
///
/// On an error destinations hold anything.
///
/// # Safety
/// Operands and destinations are as many as the kernel's inputs and outputs, of the specs it was lowered and inferred
/// for. Operands are valid, destinations have room and overlap neither one another nor an operand. With one exception: the
/// output of a `Map`, a `Place` over its first input or a `Scatter` may begin exactly where an operand begins (for `Place`
/// and `Scatter`: the first one) that has no gaps and as many bytes: it is then made in place. For a `Map` the two also
/// have elements of the same size, and any number of operands may be so.
pub(crate) unsafe fn compute(
    kernel: &Kernel<'_>,
    x: &[Operand],
    y: &[Destination],
) -> Result<(), Box<Misfit>> {
    // SAFETY: the caller's promise.
    unsafe {
        match kernel {
            Kernel::Map(body) => return map::compute(*body, x, &y[0]),
            Kernel::Cast => cast_to(&x[0], &y[0]),
            Kernel::Reduce(fold, axes) => reduce_to(*fold, *axes, &x[0], &y[0]),
            Kernel::Scan(scan) => scan::compute(*scan, x, y),
            Kernel::Search(side) => search::compute(*side, &x[0], &x[1], &y[0]),
            Kernel::Sort(sorting) => sort::compute(*sorting, &x[0], y),
            Kernel::View(view) => view::copy(view, &x[0], &y[0]),
            Kernel::Place(base, regions) => place::compute(*base, *regions, x, &y[0]),
            Kernel::Gather(what, axis) => return indexed::gather(*what, *axis, x, &y[0]),
            Kernel::Scatter(what, axis, combine) => {
                return indexed::scatter(*what, *axis, *combine, x, &y[0]);
            }
            Kernel::Dot => dot::compute(x, &y[0]),
            Kernel::Conv(conv) => conv::compute(conv, x, &y[0]),
            Kernel::Pool(pooling) => pool::compute(pooling, &x[0], y),
            #[cfg(feature = "linalg")]
            Kernel::Matrix(function) => return matrix::compute(*function, x, y),
            Kernel::Random(distribution) => draw_to(*distribution, &x[0], &y[0]),
            Kernel::Fused(fused) => fused::run(fused, x, y),
            Kernel::Opaque(opaque) => return opaque_to(*opaque, x, y),
        }
    }
    Ok(())
}

/// Computes a kernel of one output on concrete inputs. The memory of `dying` inputs may be overwritten.
pub(crate) fn run(
    kernel: &Kernel<'_>,
    x: &[&Tensor],
    spec: &Spec,
    dying: InputSet,
) -> Result<Tensor, Box<Misfit>> {
    match kernel {
        Kernel::Map(body) => return map::run(*body, x, spec, dying),
        Kernel::View(view) => return Ok(view::run(view, x[0], *spec)),
        Kernel::Opaque(opaque) => return run_opaque(*opaque, x).map(|mut y| y.swap_remove(0)),
        _ => {}
    }
    if let Some(y) = repeated(kernel, x, spec)? {
        return Ok(y);
    }
    let overwritten = match kernel {
        Kernel::Place(Base::First, _) | Kernel::Scatter(..) if dying.contains(0) => own_block(x[0], spec),
        _ => None,
    };
    let storage = overwritten.unwrap_or_else(|| Storage::with_bytes(spec.bytes()));
    let y = Destination { ptr: storage.data(), spec: *spec };
    // SAFETY: the block has room for the output, and is new or the first input's alone.
    with_operands(x, |x| unsafe { compute(kernel, x, &[y]) })?;
    Ok(Tensor::from_storage(*spec, storage))
}

/// Computes a kernel of several outputs on concrete inputs.
pub(crate) fn run_many(
    kernel: &Kernel<'_>,
    x: &[&Tensor],
    specs: &[Spec],
) -> Result<Vec<Tensor>, Box<Misfit>> {
    let blocks: Vec<Storage> = specs.iter().map(|spec| Storage::with_bytes(spec.bytes())).collect();
    let destination = |(block, &spec): (&Storage, &Spec)| Destination { ptr: block.data(), spec };
    let y: Vec<Destination> = blocks.iter().zip(specs).map(destination).collect();
    // SAFETY: the blocks are new and have room for the outputs.
    with_operands(x, |x| unsafe { compute(kernel, x, &y) })?;
    Ok(specs.iter().zip(blocks).map(|(&spec, block)| Tensor::from_storage(spec, block)).collect())
}

/// Runs an operation's own code.
pub(crate) fn run_opaque(opaque: &dyn Opaque, x: &[&Tensor]) -> Result<Vec<Tensor>, Box<Misfit>> {
    let y = opaque.run(x).map_err(Misfit::caused)?;
    match y.iter().find_map(Tensor::error) {
        Some(error) => Err(Misfit::caused(error.clone())),
        None => Ok(y),
    }
}

/// What `f` yields for the operands of concrete tensors; no list is allocated for the usual few.
fn with_operands<R>(x: &[&Tensor], f: impl FnOnce(&[Operand]) -> R) -> R {
    match *x {
        [a] => f(&[Operand::of(a)]),
        [a, b] => f(&[Operand::of(a), Operand::of(b)]),
        [a, b, c] => f(&[Operand::of(a), Operand::of(b), Operand::of(c)]),
        _ => f(&x.iter().map(|x| Operand::of(x)).collect::<Vec<_>>()),
    }
}

/// The result where it is one number for all elements, since the input is, and takes no memory.
fn repeated(kernel: &Kernel<'_>, x: &[&Tensor], spec: &Spec) -> Result<Option<Tensor>, Box<Misfit>> {
    let Some(bits) = x[0].concrete().and_then(|array| array.splat()) else { return Ok(None) };
    match kernel {
        Kernel::Cast => Ok(Some(Tensor::splat(*spec, x[0].spec().dtype.number(bits)))),
        Kernel::Gather(_, axis) => {
            // SAFETY: the operand of a tensor that is here.
            unsafe { indexed::positions(&Operand::of(x[1]), x[0].spec().shape.dim(*axis))? };
            Ok(Some(Tensor::splat_bits(*spec, *bits)))
        }
        _ => Ok(None),
    }
}

/// The memory of an input that nobody else sees, where an output of this spec may be made of it.
fn own_block(x: &Tensor, spec: &Spec) -> Option<Storage> {
    let array = x.concrete().expect("kernels run on concrete tensors");
    x.is_unique().then(|| array.reusable(spec.bytes()).cloned()).flatten()
}

/// The elements of `new` in the memory of `old`, which has as many bytes, if nobody else sees that; otherwise `new`.
pub(crate) fn written_over(old: &Tensor, new: &Tensor) -> Tensor {
    let (Some(from), Some(to)) = (new.concrete(), old.concrete()) else { return new.clone() };
    // A program may have written it there already: then the two handles are on one block.
    let spec = new.spec();
    if from.ptr(spec.dtype) == to.ptr(spec.dtype) {
        return new.clone();
    }
    match own_block(old, spec) {
        None => new.clone(),
        Some(storage) => {
            // SAFETY: the block has room for all elements, and nobody else sees it.
            unsafe { transpose::copy(&Operand::of(new), storage.data()) };
            Tensor::from_storage(*spec, storage)
        }
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

/// # Safety
/// As for [`compute`].
unsafe fn reduce_to(fold: Fold, axes: AxisSet, x: &Operand, y: &Destination) {
    // SAFETY: the caller's promise.
    unsafe {
        let x = Staged::of(x).computable();
        let dtype = match fold {
            Fold::ArgMax | Fold::ArgMin => DType::I64,
            _ => x.dtype,
        };
        y.rounded_from(dtype, |to| reduce::reduce(fold, axes, &x, to));
    }
}

/// # Safety
/// As for [`compute`].
unsafe fn draw_to(distribution: Distribution, key: &Operand, y: &Destination) {
    // SAFETY: the caller's promise.
    let keys = unsafe { Staged::of(key) }.gapless();
    let keys = keys.elements::<i64>();
    let Spec { shape, dtype } = y.spec;
    let each = shape.numel() / (keys.len() / 2).max(1);
    for (i, key) in keys.chunks_exact(2).enumerate() {
        // SAFETY: the destination has room for `each` elements a key.
        unsafe {
            let to = y.ptr.add(i * each * dtype.size());
            random::draw(distribution, dtype, [key[0], key[1]], each, to);
        }
    }
}

/// Runs an operation's own code on copies of the operands.
///
/// # Safety
/// As for [`compute`].
unsafe fn opaque_to(opaque: &dyn Opaque, x: &[Operand], y: &[Destination]) -> Result<(), Box<Misfit>> {
    // SAFETY: the caller's promise; the new blocks have room for the copies.
    let copied = |x: &Operand| build(x.spec(), |to| unsafe { transpose::copy(x, to) });
    let x: Vec<Tensor> = x.iter().map(copied).collect();
    let results = run_opaque(opaque, &x.iter().collect::<Vec<_>>())?;
    let specs = || results.iter().map(|result| *result.spec());
    if !specs().eq(y.iter().map(|y| y.spec)) {
        let expected: Vec<Spec> = y.iter().map(|y| y.spec).collect();
        return Err(Misfit::shape(format!(
            "yields {:?} now, expected {expected:?} as when it was compiled",
            specs().collect::<Vec<_>>()
        ))
        .help("shapes and dtypes of its outputs may depend on those of its inputs alone"));
    }
    for (result, y) in results.iter().zip(y) {
        // SAFETY: the caller's promise: room for so many elements of this dtype.
        unsafe { transpose::copy(&Operand::of(result), y.ptr) };
    }
    Ok(())
}

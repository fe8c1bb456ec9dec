//! The Conv class: convolution, and the two products that are its transposes.
//!
//! | role | computed from | as |
//! |---|---|---|
//! | `Output` | input, weight | sums of shifted planes of the input ([`kernels::Shifted`]) |
//! | `Input` | output, weight | the same of the padded output, one pass for each residue of the stride |
//! | `Weight` | input, output | outer products summed over positions ([`kernels::Outer`]) |
//!
//! **Numerics.** An element of an output or input is summed in the order of channels, then of kernel elements; one
//! of a weight over blocks of positions that depend on the shapes alone.

mod kernels;
mod naive;
mod plan;
mod planes;
#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests;

use std::ops::Range;

use super::isa::isa;
use super::operand::{Destination, Operand};
use super::scratch::Scratch;
use super::staged::Staged;
use super::transpose;
use crate::exec::threads::{self, Shared};
use crate::exec::window::{Extents, Windows, count, positions};
use crate::exec::{ConvRole, Convolution};
use crate::tensor::{DType, Shape};
use kernels::{Number, Outer, SLACK, Shifted, Stretch, pack};
use plan::{Pass, Plan};
use planes::{Axis, Planes};

/// Images and channels.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    images: usize,
    /// Output channels.
    outputs: usize,
    /// Input channels of a group.
    depth: usize,
    groups: usize,
}

impl Sizes {
    fn inputs(&self) -> usize {
        self.depth * self.groups
    }

    fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }
}

/// # Safety
/// As for [`compute`](super::compute).
pub(super) unsafe fn compute(conv: &Convolution, x: &[Operand], y: &Destination) {
    let dtype = y.spec.dtype.compute();
    // SAFETY: the caller's promise; the operands are whole, the destination has room for the result.
    unsafe {
        let staged = [&x[0], &x[1]].map(|x| Staged::of(x).computable().gapless());
        let sizes = sizes(conv, &staged[0].shape, &staged[1].shape);
        let [a, b] = staged.each_ref().map(|x| x.ptr);
        y.rounded_from(dtype, |to| match dtype {
            DType::F32 => convolve::<f32>(conv, &sizes, a.cast(), b.cast(), to.cast()),
            DType::F64 => convolve::<f64>(conv, &sizes, a.cast(), b.cast(), to.cast()),
            DType::I64 => naive::convolve::<i64>(conv, &sizes, a.cast(), b.cast(), to.cast()),
            DType::I32 => naive::convolve::<i32>(conv, &sizes, a.cast(), b.cast(), to.cast()),
            DType::U8 => naive::convolve::<u8>(conv, &sizes, a, b, to),
            dtype => unreachable!("a convolution of {dtype} is refused by infer"),
        });
    }
}

fn sizes(conv: &Convolution, a: &Shape, b: &Shape) -> Sizes {
    let groups = conv.groups;
    match conv.role {
        ConvRole::Output | ConvRole::Input => {
            Sizes { images: a.dim(0), outputs: b.dim(0), depth: b.dim(1), groups }
        }
        ConvRole::Weight => Sizes { images: a.dim(0), outputs: b.dim(1), depth: a.dim(1) / groups, groups },
    }
}

/// # Safety
/// `a` and `b` are the inputs of the role, `y` has room for the output and overlaps neither.
unsafe fn convolve<T: Number>(conv: &Convolution, sizes: &Sizes, a: *const T, b: *const T, y: *mut T) {
    // SAFETY: the caller's promise.
    unsafe {
        match conv.role {
            ConvRole::Output => slide(&Plan::output(&conv.windows, sizes), sizes, a, b, y),
            ConvRole::Input => slide(&Plan::input(&conv.windows, sizes), sizes, a, b, y),
            ConvRole::Weight => weigh(&conv.windows, sizes, a, b, y),
        }
    }
}

/// Runs the passes of a plan on every group and image.
///
/// # Safety
/// As [`convolve`].
unsafe fn slide<T: Number>(plan: &Plan, sizes: &Sizes, source: *const T, weight: *const T, y: *mut T) {
    let Plan { planes, read, computed, .. } = plan;
    let image_stride = sizes.groups * computed * plan.target;
    if plan.gaps {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(y, sizes.images * image_stride) }.fill(T::default());
    }
    let offsets: Scratch<Scratch<usize>> =
        plan.passes.iter().map(|pass| pass.offsets(planes, *read)).collect();
    let taps: usize = plan.passes.iter().map(|pass| pass.elements.len()).sum();
    let work = planes.images * planes.plane() * computed * read * taps.max(1);
    // SAFETY: images are written by one thread each.
    let shared = unsafe { Shared::new((source, weight, y)) };
    let some_images = |group: usize, packed: &[Scratch<T>], parts: Range<usize>| {
        let &(source, _, y) = shared.get();
        let mut scratch = Scratch::filled(planes.room(*read) + SLACK, T::default());
        for first in parts.map(|part| part * planes.images) {
            let images = planes.images.min(sizes.images - first);
            // Channels that are whole planes are copied too: read in place, from beyond the second-level cache, they
            // take 6 % longer (16 -> 32 channels of 28 x 28).
            for (image, channel) in (0..images).flat_map(|i| (0..*read).map(move |c| (i, c))) {
                let at = ((first + image) * sizes.groups + group) * read + channel;
                // SAFETY: the caller's promise; the scratch has room for all channels.
                unsafe {
                    let to = scratch.as_mut_ptr().add(channel * planes.channel());
                    planes.fill(image, source.add(at * plan.source), to);
                }
            }
            for (pass, (a, offsets)) in plan.passes.iter().zip(packed.iter().zip(offsets.iter())) {
                let rows = pass.rows_of(images, planes.plane(), image_stride);
                let job = Shifted {
                    a,
                    sums: *computed,
                    b: scratch.as_ptr(),
                    offsets,
                    rows: &rows,
                    width: pass.width,
                    y: y.wrapping_add((first * sizes.groups + group) * computed * plan.target),
                    step: pass.step,
                    stride: plan.target,
                };
                // SAFETY: the caller's promise; the plan's places lie in the scratch, its rows in the result.
                unsafe { T::shifted(isa(), &job) };
            }
        }
    };
    let parts = sizes.images.div_ceil(planes.images);
    threads::for_ranges(sizes.groups, PART_WORK.div_ceil((work * parts).max(1)), |groups| {
        let &(_, weight, _) = shared.get();
        for group in groups {
            // SAFETY: the caller's promise.
            let pack = |pass| unsafe { pack_weight(plan, pass, sizes, group, weight) };
            let packed: Scratch<Scratch<T>> = plan.passes.iter().map(pack).collect();
            threads::for_ranges(parts, PART_WORK.div_ceil(work.max(1)), |parts| {
                some_images(group, &packed, parts)
            });
        }
    });
}

/// The part of the weight that a pass of a group needs.
///
/// # Safety
/// `weight` is the whole weight.
unsafe fn pack_weight<T: Number>(
    plan: &Plan,
    pass: &Pass,
    sizes: &Sizes,
    group: usize,
    weight: *const T,
) -> Scratch<T> {
    let at = |channel: usize, element: usize, m: usize| {
        let (o, c) = if plan.transposed { (channel, m) } else { (m, channel) };
        let o = group * sizes.group_outputs() + o;
        // SAFETY: the caller's promise; the weight has the channels and the element.
        unsafe { *weight.add((o * sizes.depth + c) * plan.kernel + element) }
    };
    pack(isa(), plan.computed, plan.read, &pass.elements, at)
}

/// Positions of a stretch: a block of them stays in the nearest cache with a few dozen channels.
const STRETCH: usize = 64;

/// The weight: for every group its outer products, summed over positions and images.
///
/// # Safety
/// As [`convolve`].
unsafe fn weigh<T: Number>(windows: &Windows, sizes: &Sizes, x: *const T, y: *const T, w: *mut T) {
    let Windows { input, kernel, output, stride, dilation, before, .. } = *windows;
    let axes = std::array::from_fn(|axis| Axis {
        starts: [-(before[axis] as isize)].into_iter().collect(),
        stride: 1,
        len: (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1,
        source: input[axis],
        shared: 0,
    });
    let planes = Planes::new(axes, 1, 1);
    let (depth, columns, outputs) = (sizes.depth, sizes.group_outputs(), count(output));
    let scaled = |position: Extents, by: Extents| std::array::from_fn(|axis| position[axis] * by[axis]);
    let offsets: Scratch<usize> = (0..depth)
        .flat_map(|c| positions(kernel).map(move |element| (c, element)))
        .map(|(c, element)| c * planes.channel() + planes.shift(scaled(element, dilation)))
        .collect();
    let stretches: Scratch<Stretch> = positions([output[0], output[1], output[2].div_ceil(STRETCH)])
        .map(|[plane, row, part]| {
            let column = part * STRETCH;
            let place = planes.shift(scaled([plane, row, column], stride));
            Stretch { place, len: STRETCH.min(output[2] - column) }
        })
        .collect();
    let kernel = count(kernel);
    // SAFETY: sums are written by one thread each.
    let shared = unsafe { Shared::new((x, y, w)) };
    let some = |group: usize, sums: Range<usize>| {
        let &(x, y, w) = shared.get();
        let channels = sums.start / kernel..sums.end.div_ceil(kernel);
        let room = if planes.is_whole() { 0 } else { planes.room(depth) };
        let mut scratch = Scratch::filled(room, T::default());
        let mut turned = Scratch::filled(outputs * columns, T::default());
        let mut total = Scratch::filled(sums.len() * columns, T::default());
        for image in 0..sizes.images {
            // SAFETY: the caller's promise; channels and places are those of the tensors and of the scratch.
            unsafe {
                let x = x.add((image * sizes.groups + group) * depth * count(input));
                if !planes.is_whole() {
                    for channel in channels.clone() {
                        let to = scratch.as_mut_ptr().add(channel * planes.channel());
                        planes.fill(0, x.add(channel * count(input)), to);
                    }
                }
                let y = y.add((image * sizes.groups + group) * columns * outputs);
                transpose::matrix(y, columns, outputs, turned.as_mut_ptr());
                let job = Outer {
                    x: if planes.is_whole() { x } else { scratch.as_ptr() },
                    offsets: &offsets[sums.clone()],
                    stretches: &stretches,
                    step: stride[2],
                    y: turned.as_ptr(),
                    columns,
                    total: total.as_mut_ptr(),
                };
                T::outer(isa(), &job);
            }
        }
        // SAFETY: the caller's promise: column after column, of which these are some sums.
        unsafe {
            let to = w.add(group * columns * offsets.len() + sums.start);
            let shape = [sums.len(), columns];
            transpose::strided_matrix(total.as_ptr(), columns as isize, shape, to, offsets.len() as isize);
        }
    };
    let work = sizes.images * outputs * columns * offsets.len();
    threads::for_ranges(sizes.groups, PART_WORK.div_ceil(work.max(1)), |groups| {
        // One part for each thread, as all of them turn `y`; one alone where groups are shared.
        let parts = threads::threads().min(work / PART_WORK).min(offsets.len().div_ceil(SUMS)).max(1);
        let cut = |part: usize| (part * offsets.len() / parts).next_multiple_of(SUMS).min(offsets.len());
        for group in groups {
            threads::for_each(parts, |part| some(group, cut(part)..cut(part + 1)));
        }
    });
}

/// The sums of a weight that are kept in registers together: threads take multiples of them.
const SUMS: usize = 6;

/// The least multiply-adds that a thread does: some 20 us.
const PART_WORK: usize = 1 << 20;

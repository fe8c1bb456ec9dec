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
mod planes;
#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests;

use super::isa::isa;
use super::operand::Operand;
use super::{build, cast_tensor, computable, contiguous, transpose};
use crate::exec::window::{MAX_AXES, PerAxis, Windows, count, positions};
use crate::exec::{ConvRole, Convolution};
use crate::tensor::{DType, Shape, Spec, Tensor};
use kernels::{Number, Outer, Row, SLACK, Shifted, Stretch, pack};
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

pub(super) fn run(conv: &Convolution, a: &Tensor, b: &Tensor, spec: Spec) -> Tensor {
    let (a, b) = (contiguous(&computable(a)), contiguous(&computable(b)));
    let wide = spec.with_dtype(spec.dtype.compute());
    let sizes = sizes(conv, &a.spec().shape, &b.spec().shape);
    let (x, y) = (Operand::of(&a).ptr, Operand::of(&b).ptr);
    let result = build(wide, |to| {
        // SAFETY: the operands are whole, the new block has room for the result.
        unsafe {
            match wide.dtype {
                DType::F32 => convolve::<f32>(conv, &sizes, x.cast(), y.cast(), to.cast()),
                DType::F64 => convolve::<f64>(conv, &sizes, x.cast(), y.cast(), to.cast()),
                dtype => {
                    std::ptr::write_bytes(to, 0, wide.bytes());
                    match dtype {
                        DType::I64 => naive::convolve::<i64>(conv, &sizes, x.cast(), y.cast(), to.cast()),
                        DType::I32 => naive::convolve::<i32>(conv, &sizes, x.cast(), y.cast(), to.cast()),
                        DType::U8 => naive::convolve::<u8>(conv, &sizes, x, y, to),
                        _ => unreachable!("a convolution of {dtype} is refused by infer"),
                    }
                }
            }
        }
    });
    if wide == spec { result } else { cast_tensor(&result, spec) }
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

/// A convolution as passes over planes: each computes some positions of all channels of the result.
struct Plan {
    planes: Planes,
    passes: Vec<Pass>,
    /// Channels of a group that are read and that are computed.
    read: usize,
    computed: usize,
    /// Elements of a channel that is read and of one that is computed.
    source: usize,
    target: usize,
    /// Elements of the kernel.
    kernel: usize,
    /// Whether some elements are in no pass, and zero.
    gaps: bool,
    /// Whether the weight's first axis is that of the channels read.
    transposed: bool,
}

/// Positions of the result that see the same elements of the kernel, at the same distances.
struct Pass {
    /// Row-major numbers of the elements.
    elements: Vec<usize>,
    /// Where each of them sees position 0, in the planes of a channel.
    places: Vec<usize>,
    /// Rows of an image: the first position, and where it goes in a channel of the result.
    rows: Vec<Row>,
    width: usize,
    step: usize,
}

/// Planes hold about so many elements a channel at once, in as many images as that takes: several tiles.
const POSITIONS: usize = 512;

impl Plan {
    /// Every output position sees every element of the kernel.
    fn output(windows: &Windows, sizes: &Sizes) -> Plan {
        let Windows { kernel, output, stride, dilation, before, .. } = *windows;
        let reach = |axis: usize, k: usize| k * dilation[axis];
        let residues: [Vec<usize>; MAX_AXES] = std::array::from_fn(|axis| {
            let mut residues: Vec<usize> = (0..kernel[axis]).map(|k| reach(axis, k) % stride[axis]).collect();
            residues.sort_unstable();
            residues.dedup();
            residues
        });
        let axes = std::array::from_fn(|axis| Axis {
            starts: residues[axis].iter().map(|&r| r as isize - before[axis] as isize).collect(),
            stride: stride[axis],
            len: output[axis] + reach(axis, kernel[axis] - 1) / stride[axis],
            source: windows.input[axis],
        });
        let planes = Planes::new(axes, sizes.images);
        let place = |element: PerAxis| {
            let kind = std::array::from_fn(|axis| {
                let residue = reach(axis, element[axis]) % stride[axis];
                residues[axis].iter().position(|&r| r == residue).expect("its own residue is among them")
            });
            let distance = std::array::from_fn(|axis| reach(axis, element[axis]) / stride[axis]);
            planes.start(kind) + planes.shift(distance)
        };
        let pass = Pass {
            elements: (0..count(kernel)).collect(),
            places: positions(kernel).map(place).collect(),
            rows: rows(&planes, output, |row| row, output),
            width: output[2],
            step: 1,
        };
        Plan {
            passes: vec![pass],
            read: sizes.depth,
            computed: sizes.group_outputs(),
            source: count(windows.input),
            target: count(output),
            kernel: count(kernel),
            gaps: false,
            transposed: false,
            planes,
        }
    }

    /// Input positions of one residue of the stride see every so many elements of the kernel.
    fn input(windows: &Windows, sizes: &Sizes) -> Plan {
        let sights: [Sight; MAX_AXES] = std::array::from_fn(|axis| Sight::new(windows, axis));
        let axes = std::array::from_fn(|axis| sights[axis].axis(windows.output[axis]));
        let planes = Planes::new(axes, sizes.images);
        let mut passes = Vec::new();
        for residue in positions(std::array::from_fn(|axis| sights[axis].residues.len())) {
            let own: [&Residue; MAX_AXES] = std::array::from_fn(|axis| &sights[axis].residues[residue[axis]]);
            let counts: PerAxis = std::array::from_fn(|axis| own[axis].count);
            let taps: PerAxis = std::array::from_fn(|axis| own[axis].taps.len());
            let (mut elements, mut places) = (Vec::new(), Vec::new());
            for tap in positions(taps) {
                let tap: [&Tap; MAX_AXES] = std::array::from_fn(|axis| &own[axis].taps[tap[axis]]);
                let kernel = windows.kernel;
                elements.push((0..MAX_AXES).fold(0, |flat, axis| flat * kernel[axis] + tap[axis].element));
                places.push(planes.shift(std::array::from_fn(|axis| tap[axis].place as usize)));
            }
            let target = |position: PerAxis| {
                std::array::from_fn(|axis| own[axis].first + position[axis] * windows.stride[axis])
            };
            let rows = rows(&planes, counts, target, windows.input);
            passes.push(Pass { elements, places, rows, width: counts[2], step: windows.stride[2] });
        }
        let covered: usize = passes.iter().map(|pass| pass.rows.len() * pass.width).sum();
        Plan {
            read: sizes.group_outputs(),
            computed: sizes.depth,
            source: count(windows.output),
            target: count(windows.input),
            kernel: count(windows.kernel),
            gaps: covered < count(windows.input),
            transposed: true,
            planes,
            passes,
        }
    }
}

impl Planes {
    fn new(axes: [Axis; MAX_AXES], images: usize) -> Planes {
        let mut planes = Planes { axes, images: 1 };
        planes.images = POSITIONS.div_ceil(planes.plane().max(1)).clamp(1, images.max(1));
        planes
    }
}

/// The rows of one image: where they begin in its plane, and in a channel of the result, of which `target` yields the
/// position.
fn rows(planes: &Planes, shape: PerAxis, target: impl Fn(PerAxis) -> PerAxis, result: PerAxis) -> Vec<Row> {
    if shape[2] == 0 {
        return Vec::new();
    }
    let row = |position: PerAxis| {
        let target = target(position);
        let to = (0..MAX_AXES).fold(0, |flat, axis| flat * result[axis] + target[axis]);
        Row { from: planes.shift(position), to }
    };
    positions([shape[0], shape[1], 1]).map(row).collect()
}

/// What the positions of an axis of the input see of the output.
struct Sight {
    /// Those that see something.
    residues: Vec<Residue>,
    /// The lowest output position that is seen, maybe before the first.
    lowest: isize,
    /// How many are seen from there on.
    len: usize,
}

/// Input positions `first`, `first + stride`, ..
struct Residue {
    first: usize,
    count: usize,
    taps: Vec<Tap>,
}

/// An element of the kernel, and where the first position of a residue sees the output through it: at first as an
/// output position, then as a place in the plane of those that are seen.
struct Tap {
    element: usize,
    place: isize,
}

impl Sight {
    fn new(windows: &Windows, axis: usize) -> Sight {
        let (stride, before) = (windows.stride[axis] as isize, windows.before[axis] as isize);
        let mut residues: Vec<Residue> = Vec::new();
        for element in 0..windows.kernel[axis] {
            // Input position h sees output position (h - ahead) / stride, where that is whole.
            let ahead = (element * windows.dilation[axis]) as isize - before;
            let first = ahead.rem_euclid(stride);
            let tap = Tap { element, place: (first - ahead) / stride };
            let first = first as usize;
            if let Some(residue) = residues.iter_mut().find(|residue| residue.first == first) {
                residue.taps.push(tap);
            } else if first < windows.input[axis] {
                let count = (windows.input[axis] - first).div_ceil(windows.stride[axis]);
                residues.push(Residue { first, count, taps: vec![tap] });
            }
        }
        let seen = || residues.iter().flat_map(|residue| residue.taps.iter().map(move |tap| (residue, tap)));
        let lowest = seen().map(|(_, tap)| tap.place).min().unwrap_or(0);
        let end = seen().map(|(residue, tap)| tap.place + residue.count as isize).max().unwrap_or(0);
        for tap in residues.iter_mut().flat_map(|residue| &mut residue.taps) {
            tap.place -= lowest;
        }
        Sight { residues, lowest, len: (end - lowest) as usize }
    }

    fn axis(&self, source: usize) -> Axis {
        Axis { starts: vec![self.lowest], stride: 1, len: self.len, source }
    }
}

/// Runs the passes of a plan on every group and image.
///
/// # Safety
/// As [`convolve`].
unsafe fn slide<T: Number>(plan: &Plan, sizes: &Sizes, source: *const T, weight: *const T, y: *mut T) {
    let Plan { planes, read, computed, .. } = plan;
    if plan.gaps {
        let all = sizes.images * sizes.groups * computed * plan.target;
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(y, all) }.fill(T::default());
    }
    let isa = isa();
    let mut scratch = vec![T::default(); read * planes.channel() + SLACK];
    for group in 0..sizes.groups {
        let packed: Vec<(Vec<T>, Vec<usize>)> = plan
            .passes
            .iter()
            .map(|pass| {
                let at = |k: usize, m: usize| {
                    let (channel, element) =
                        (k / pass.elements.len(), pass.elements[k % pass.elements.len()]);
                    let (o, c) = if plan.transposed { (channel, m) } else { (m, channel) };
                    let o = group * sizes.group_outputs() + o;
                    // SAFETY: the caller's promise; the weight has the channels and the element.
                    unsafe { *weight.add((o * sizes.depth + c) * plan.kernel + element) }
                };
                let depth = read * pass.elements.len();
                let offsets = (0..*read).flat_map(|channel| {
                    pass.places.iter().map(move |place| channel * planes.channel() + place)
                });
                (pack(isa, *computed, depth, at), offsets.collect())
            })
            .collect();
        for first in (0..sizes.images).step_by(planes.images) {
            let images = planes.images.min(sizes.images - first);
            // SAFETY: the caller's promise; channels, planes and rows are those of the tensors and of the scratch.
            unsafe {
                for channel in 0..*read {
                    let to = scratch.as_mut_ptr().add(channel * planes.channel());
                    for image in 0..images {
                        let at = ((first + image) * sizes.groups + group) * read + channel;
                        planes.fill(image, source.add(at * plan.source), to);
                    }
                }
                for (pass, (a, offsets)) in plan.passes.iter().zip(&packed) {
                    let image_stride = sizes.groups * computed * plan.target;
                    let at = |image: usize, row: &Row| Row {
                        from: image * planes.plane() + row.from,
                        to: image * image_stride + row.to,
                    };
                    let rows: Vec<Row> = (0..images)
                        .flat_map(|image| pass.rows.iter().map(move |row| at(image, row)))
                        .collect();
                    let job = Shifted {
                        a,
                        sums: *computed,
                        b: scratch.as_ptr(),
                        offsets,
                        rows: &rows,
                        width: pass.width,
                        y: y.add((first * sizes.groups + group) * computed * plan.target),
                        step: pass.step,
                        stride: plan.target,
                    };
                    T::shifted(isa, &job);
                }
            }
        }
    }
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
        starts: vec![-(before[axis] as isize)],
        stride: 1,
        len: (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1,
        source: input[axis],
    });
    let planes = Planes::new(axes, 1);
    let (depth, columns, outputs) = (sizes.depth, sizes.group_outputs(), count(output));
    let scaled = |position: PerAxis, by: PerAxis| std::array::from_fn(|axis| position[axis] * by[axis]);
    let offsets: Vec<usize> = (0..depth)
        .flat_map(|c| positions(kernel).map(move |element| (c, element)))
        .map(|(c, element)| c * planes.channel() + planes.shift(scaled(element, dilation)))
        .collect();
    let stretches: Vec<Stretch> = positions([output[0], output[1], output[2].div_ceil(STRETCH)])
        .map(|[plane, row, part]| {
            let column = part * STRETCH;
            let place = planes.shift(scaled([plane, row, column], stride));
            Stretch { place, len: STRETCH.min(output[2] - column) }
        })
        .collect();
    let isa = isa();
    let mut scratch = vec![T::default(); depth * planes.channel()];
    let mut turned = vec![T::default(); outputs * columns];
    let mut total = vec![T::default(); offsets.len() * columns];
    for group in 0..sizes.groups {
        total.fill(T::default());
        for image in 0..sizes.images {
            // SAFETY: the caller's promise; channels and places are those of the tensors and of the scratch.
            unsafe {
                for channel in 0..depth {
                    let at = (image * sizes.groups + group) * depth + channel;
                    let to = scratch.as_mut_ptr().add(channel * planes.channel());
                    planes.fill(0, x.add(at * count(input)), to);
                }
                let y = y.add((image * sizes.groups + group) * columns * outputs);
                transpose::matrix(y, columns, outputs, turned.as_mut_ptr());
                let job = Outer {
                    x: scratch.as_ptr(),
                    offsets: &offsets,
                    stretches: &stretches,
                    step: stride[2],
                    y: turned.as_ptr(),
                    columns,
                    total: total.as_mut_ptr(),
                };
                T::outer(isa, &job);
            }
        }
        // SAFETY: the caller's promise.
        unsafe {
            transpose::matrix(total.as_ptr(), offsets.len(), columns, w.add(group * columns * offsets.len()))
        };
    }
}

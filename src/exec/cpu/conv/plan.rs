//! A convolution as sums of shifted planes: which planes there are, and which elements of the kernel see them where.

use super::Sizes;
use super::kernels::Row;
use super::planes::{Axis, Planes};
use crate::exec::cpu::scratch::Scratch;
use crate::exec::window::{Extents, MAX_AXES, Windows, count, positions};

/// A convolution as passes over planes: each computes some positions of all channels of the result.
pub(super) struct Plan {
    pub(super) planes: Planes,
    pub(super) passes: Scratch<Pass>,
    /// Channels of a group that are read and that are computed.
    pub(super) read: usize,
    pub(super) computed: usize,
    /// Elements of a channel that is read and of one that is computed.
    pub(super) source: usize,
    pub(super) target: usize,
    /// Elements of the kernel.
    pub(super) kernel: usize,
    /// Whether some elements are in no pass, and zero.
    pub(super) gaps: bool,
    /// Whether the weight's first axis is that of the channels read.
    pub(super) transposed: bool,
}

/// Positions of the result that see the same elements of the kernel, at the same distances.
pub(super) struct Pass {
    /// Row-major numbers of the elements.
    pub(super) elements: Scratch<usize>,
    /// Where each of them sees position 0, in the planes of a channel.
    pub(super) places: Scratch<usize>,
    /// Rows of an image: the first position, and where it goes in a channel of the result.
    pub(super) rows: Scratch<Row>,
    pub(super) width: usize,
    pub(super) step: usize,
}

impl Plan {
    /// Every output position sees every element of the kernel.
    pub(super) fn output(windows: &Windows, sizes: &Sizes) -> Plan {
        let Windows { kernel, output, stride, dilation, before, .. } = *windows;
        let reach = |axis: usize, k: usize| k * dilation[axis];
        let residues: [Scratch<usize>; MAX_AXES] = std::array::from_fn(|axis| {
            let of = |k| reach(axis, k) % stride[axis];
            let own = (0..stride[axis]).filter(|&residue| (0..kernel[axis]).any(|k| of(k) == residue));
            own.collect()
        });
        let axes = std::array::from_fn(|axis| Axis {
            starts: residues[axis].iter().map(|&r| r as isize - before[axis] as isize).collect(),
            stride: stride[axis],
            len: output[axis] + reach(axis, kernel[axis] - 1) / stride[axis],
            source: windows.input[axis],
            shared: 0,
        });
        let planes = Planes::new(axes, output[2], sizes.images);
        let place = |element: Extents| {
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
            passes: [pass].into_iter().collect(),
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
    pub(super) fn input(windows: &Windows, sizes: &Sizes) -> Plan {
        let sights: [Sight; MAX_AXES] = std::array::from_fn(|axis| Sight::new(windows, axis));
        let axes = std::array::from_fn(|axis| sights[axis].axis(windows.output[axis]));
        let width = sights[2].residues.iter().map(|residue| residue.count).max().unwrap_or(0);
        let planes = Planes::new(axes, width, sizes.images);
        let mut passes = Scratch::with_room(0);
        for residue in positions(std::array::from_fn(|axis| sights[axis].residues.len())) {
            let own: [&Residue; MAX_AXES] = std::array::from_fn(|axis| &sights[axis].residues[residue[axis]]);
            let counts: Extents = std::array::from_fn(|axis| own[axis].count);
            let taps: Extents = std::array::from_fn(|axis| own[axis].taps.len());
            let (mut elements, mut places) = (Scratch::with_room(0), Scratch::with_room(0));
            for tap in positions(taps) {
                let tap: [&Tap; MAX_AXES] = std::array::from_fn(|axis| &own[axis].taps[tap[axis]]);
                let kernel = windows.kernel;
                elements.push((0..MAX_AXES).fold(0, |flat, axis| flat * kernel[axis] + tap[axis].element));
                places.push(planes.shift(std::array::from_fn(|axis| tap[axis].place as usize)));
            }
            let target = |position: Extents| {
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

impl Pass {
    /// Where each element of the kernel sees position 0 of each of `channels` channels.
    pub(super) fn offsets(&self, planes: &Planes, channels: usize) -> Scratch<usize> {
        let of_channel =
            |channel: usize| self.places.iter().map(move |place| channel * planes.channel() + place);
        (0..channels).flat_map(of_channel).collect()
    }

    /// The rows of so many images, `plane` positions apart and `stride` elements of the result.
    pub(super) fn rows_of(&self, images: usize, plane: usize, stride: usize) -> Scratch<Row> {
        let of_image = |image: usize| {
            self.rows.iter().map(move |row| Row {
                from: image * plane + row.from,
                to: image * stride + row.to,
                ..*row
            })
        };
        (0..images).flat_map(of_image).collect()
    }
}

/// The rows of one image: where they begin in its plane, and in a channel of the result, of which `target` yields the
/// position.
fn rows(
    planes: &Planes,
    shape: Extents,
    target: impl Fn(Extents) -> Extents,
    result: Extents,
) -> Scratch<Row> {
    if shape[2] == 0 {
        return Scratch::with_room(0);
    }
    let row = |position: Extents| {
        let target = target(position);
        let to = (0..MAX_AXES).fold(0, |flat, axis| flat * result[axis] + target[axis]);
        let spare = if shape == result { count(result) - (to + result[2]) } else { 0 };
        Row { from: planes.shift(position), to, spare }
    };
    positions([shape[0], shape[1], 1]).map(row).collect()
}

/// What the positions of an axis of the input see of the output.
struct Sight {
    /// Those that see something.
    residues: Scratch<Residue>,
    /// The lowest output position that is seen, maybe before the first.
    lowest: isize,
    /// How many are seen from there on.
    len: usize,
}

/// Input positions `first`, `first + stride`, ..
struct Residue {
    first: usize,
    count: usize,
    taps: Scratch<Tap>,
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
        let mut residues: Scratch<Residue> = Scratch::with_room(0);
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
                residues.push(Residue { first, count, taps: [tap].into_iter().collect() });
            }
        }
        let seen = || residues.iter().flat_map(|residue| residue.taps.iter().map(move |tap| (residue, tap)));
        let lowest = seen().map(|(_, tap)| tap.place).min().unwrap_or(0);
        let end = seen().map(|(residue, tap)| tap.place + residue.count as isize).max().unwrap_or(0);
        for tap in residues.iter_mut().flat_map(|residue| residue.taps.iter_mut()) {
            tap.place -= lowest;
        }
        Sight { residues, lowest, len: (end - lowest) as usize }
    }

    fn axis(&self, source: usize) -> Axis {
        Axis { starts: [self.lowest].into_iter().collect(), stride: 1, len: self.len, source, shared: 0 }
    }
}

//! Channels laid out so that every element of a kernel is a constant shift.
//!
//! Along an axis of stride `s` the positions that one element of the kernel sees are every `s`-th. A plane holds those
//! of one residue, padding included, so that they lie one behind the other: then an element of the kernel sees the
//! plane of its residue, shifted by its distance. With stride 1 there is one plane, the padded channel.

use crate::exec::cpu::scratch::Scratch;
use crate::exec::window::{Extents, MAX_AXES, count, positions};

/// How planes are cut out of an axis: element `u` of plane `r` is position `starts[r] + u * stride`, zero outside.
pub(super) struct Axis {
    pub(super) starts: Scratch<isize>,
    pub(super) stride: usize,
    /// Elements of a plane.
    pub(super) len: usize,
    /// Positions of the axis.
    pub(super) source: usize,
    /// Zeros at the end of a plane that are those at the beginning of the next one.
    pub(super) shared: usize,
}

/// Layout of `channels` channels of `images` images: `[channel][plane][image][element]`.
pub(super) struct Planes {
    pub(super) axes: [Axis; MAX_AXES],
    pub(super) images: usize,
}

/// Planes hold about so many elements a channel at once, in as many images as that takes: several tiles.
const POSITIONS: usize = 512;

impl Planes {
    /// Planes of whose rows the first `width` elements are apart.
    pub(super) fn new([planes, rows, columns]: [Axis; MAX_AXES], width: usize, images: usize) -> Planes {
        let axes = [planes, rows, columns.sharing(width)];
        let mut planes = Planes { axes, images: 1 };
        planes.images = POSITIONS.div_ceil(planes.plane().max(1)).clamp(1, images.max(1));
        planes
    }

    /// Elements from the beginning of one plane of an axis to that of the next.
    fn lengths(&self) -> Extents {
        std::array::from_fn(|axis| self.axes[axis].len - self.axes[axis].shared)
    }

    fn kinds(&self) -> Extents {
        std::array::from_fn(|axis| self.axes[axis].starts.len())
    }

    /// Elements of one plane of one image.
    pub(super) fn plane(&self) -> usize {
        count(self.lengths())
    }

    /// Elements of a channel.
    pub(super) fn channel(&self) -> usize {
        count(self.kinds()) * self.images * self.plane()
    }

    /// From an element to that at a distance, within a plane.
    pub(super) fn shift(&self, distance: Extents) -> usize {
        let lengths = self.lengths();
        (0..MAX_AXES).fold(0, |shift, axis| shift * lengths[axis] + distance[axis])
    }

    /// Where the first image's plane of a kind begins within a channel.
    pub(super) fn start(&self, kind: Extents) -> usize {
        let kinds = self.kinds();
        let kind = (0..MAX_AXES).fold(0, |at, axis| at * kinds[axis] + kind[axis]);
        kind * self.images * self.plane()
    }

    /// Whether the one plane of a channel is the channel itself, without padding.
    pub(super) fn is_whole(&self) -> bool {
        self.axes.iter().all(|axis| *axis.starts == [0] && axis.stride == 1 && axis.len == axis.source)
    }

    /// Elements of so many channels, the zeros behind the last one included.
    pub(super) fn room(&self, channels: usize) -> usize {
        channels * self.channel() + self.axes[MAX_AXES - 1].shared
    }

    /// Writes the planes of a channel of an image. Places without a position are left alone: they are the same ones
    /// for all images and channels, and zero from the start.
    ///
    /// # Safety
    /// `from` is the channel, `to` the channel's planes.
    pub(super) unsafe fn fill<T: Copy>(&self, image: usize, from: *const T, to: *mut T) {
        let [planes, rows, columns] = &self.axes;
        if self.is_whole() {
            // SAFETY: the caller's promise: the one plane is the channel.
            return unsafe {
                std::ptr::copy_nonoverlapping(from, to.add(image * self.plane()), self.plane());
            };
        }
        let [_, height, width] = self.lengths();
        for kind in positions(self.kinds()) {
            let start = self.start(kind) + image * self.plane();
            let (first_plane, end_plane) = planes.inside(kind[0]);
            let (first_row, end_row) = rows.inside(kind[1]);
            let (first, end) = columns.inside(kind[2]);
            let from = from.wrapping_offset(columns.position(kind[2], first));
            for plane in first_plane..end_plane {
                for row in first_row..end_row {
                    let seen =
                        planes.position(kind[0], plane) * rows.source as isize + rows.position(kind[1], row);
                    // SAFETY: the caller's promise: the elements lie on their axes, and the planes have room for them.
                    unsafe {
                        let from = from.wrapping_offset(seen * columns.source as isize);
                        let to = to.add(start + (plane * height + row) * width + first);
                        copy_row(from, columns.stride, to, end - first);
                    }
                }
            }
        }
    }
}

impl Axis {
    /// Lets the planes share their padding, as far as the first `width` elements stay apart: an axis of 26 positions
    /// with two zeros before and behind has planes 28 elements apart, all of which are positions of a result of 28.
    fn sharing(self, width: usize) -> Axis {
        let zeros = |kind: usize| {
            let (first, end) = self.inside(kind);
            first.min(self.len - end)
        };
        let shared = (0..self.starts.len()).map(zeros).min().unwrap_or(0).min(self.len - width);
        Axis { shared, ..self }
    }

    /// The position of an element of a plane, which may lie outside.
    fn position(&self, kind: usize, element: usize) -> isize {
        self.starts[kind] + (element * self.stride) as isize
    }

    /// The elements `first..end` of a plane that have a position.
    fn inside(&self, kind: usize) -> (usize, usize) {
        let start = self.starts[kind];
        let first = ((-start).max(0) as usize).div_ceil(self.stride).min(self.len);
        let inside = (self.source as isize - start).max(0) as usize;
        (first, inside.div_ceil(self.stride).min(self.len).max(first))
    }
}

/// Copies every so many of some numbers; a few dozen as a rule, too few to call `memcpy` for.
///
/// # Safety
/// `from` has them, `to` has room for them, and the two do not overlap.
#[inline(always)]
unsafe fn copy_row<T: Copy>(from: *const T, stride: usize, to: *mut T, len: usize) {
    const PART: usize = 8;
    // SAFETY: the caller's promise; the last part lies within the row.
    unsafe {
        if stride > 1 || len < PART {
            for i in 0..len {
                *to.add(i) = *from.add(i * stride);
            }
            return;
        }
        let copy = |at: usize| {
            let part = from.add(at).cast::<[T; PART]>().read_unaligned();
            to.add(at).cast::<[T; PART]>().write_unaligned(part);
        };
        (0..len - PART).step_by(PART).for_each(copy);
        copy(len - PART);
    }
}

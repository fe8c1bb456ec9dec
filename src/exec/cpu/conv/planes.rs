//! Channels laid out so that every element of a kernel is a constant shift.
//!
//! Along an axis of stride `s` the positions that one element of the kernel sees are every `s`-th. A plane holds those
//! of one residue, padding included, so that they lie one behind the other: then an element of the kernel sees the
//! plane of its residue, shifted by its distance. With stride 1 there is one plane, the padded channel.

use crate::exec::window::{Extents, MAX_AXES, count, positions};

/// How planes are cut out of an axis: element `u` of plane `r` is position `starts[r] + u * stride`, zero outside.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) starts: Vec<isize>,
    pub(super) stride: usize,
    /// Elements of a plane.
    pub(super) len: usize,
    /// Positions of the axis.
    pub(super) source: usize,
}

/// Layout of `channels` channels of `images` images: `[channel][plane][image][element]`.
pub(super) struct Planes {
    pub(super) axes: [Axis; MAX_AXES],
    pub(super) images: usize,
}

/// Planes hold about so many elements a channel at once, in as many images as that takes: several tiles.
const POSITIONS: usize = 512;

impl Planes {
    pub(super) fn new(axes: [Axis; MAX_AXES], images: usize) -> Planes {
        let mut planes = Planes { axes, images: 1 };
        planes.images = POSITIONS.div_ceil(planes.plane().max(1)).clamp(1, images.max(1));
        planes
    }

    fn lengths(&self) -> Extents {
        std::array::from_fn(|axis| self.axes[axis].len)
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

    /// Writes the planes of a channel of an image. Places without a position are left alone: they are the same ones
    /// for all images and channels, and zero from the start.
    ///
    /// # Safety
    /// `from` is the channel, `to` the channel's planes.
    pub(super) unsafe fn fill<T: Copy>(&self, image: usize, from: *const T, to: *mut T) {
        let [planes, rows, columns] = &self.axes;
        if self.axes.iter().all(Axis::is_whole) {
            // SAFETY: the caller's promise: the one plane is the channel.
            return unsafe {
                std::ptr::copy_nonoverlapping(from, to.add(image * self.plane()), self.plane());
            };
        }
        for kind in positions(self.kinds()) {
            let start = self.start(kind) + image * self.plane();
            for (plane, row) in (0..planes.len).flat_map(|plane| (0..rows.len).map(move |row| (plane, row))) {
                let seen = planes.position(kind[0], plane).zip(rows.position(kind[1], row));
                if let Some((seen_plane, seen_row)) = seen {
                    let at = (seen_plane * rows.source + seen_row) * columns.source;
                    let place = start + (plane * rows.len + row) * columns.len;
                    // SAFETY: the caller's promise: the row lies in the channel, and the planes have room for it.
                    unsafe { columns.fill(kind[2], from.add(at), to.add(place)) };
                }
            }
        }
    }
}

impl Axis {
    /// Whether its one plane is all of it, without padding.
    fn is_whole(&self) -> bool {
        self.starts == [0] && self.stride == 1 && self.len == self.source
    }

    /// The position of an element of a plane, unless it lies outside.
    fn position(&self, kind: usize, element: usize) -> Option<usize> {
        let position = self.starts[kind] + (element * self.stride) as isize;
        usize::try_from(position).ok().filter(|&position| position < self.source)
    }

    /// Writes those elements of a row of a plane that have a position.
    ///
    /// # Safety
    /// `from` has the positions of the axis, `to` room for the elements of a plane.
    unsafe fn fill<T: Copy>(&self, kind: usize, from: *const T, to: *mut T) {
        let (start, stride) = (self.starts[kind], self.stride as isize);
        // Elements `first..end` are inside.
        let first = ((-start).max(0) as usize).div_ceil(self.stride).min(self.len);
        let inside = (self.source as isize - start).max(0) as usize;
        let end = inside.div_ceil(self.stride).min(self.len).max(first);
        // SAFETY: as computed, all of these positions lie on the axis.
        unsafe {
            if stride == 1 {
                let from = from.offset(start + first as isize);
                std::ptr::copy_nonoverlapping(from, to.add(first), end - first);
            } else {
                for u in first..end {
                    *to.add(u) = *from.offset(start + u as isize * stride);
                }
            }
        }
    }
}

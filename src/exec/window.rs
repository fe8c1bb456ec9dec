//! Windows that slide over the last axes of a tensor: the geometry of convolution and pooling.

/// The most axes that a window has.
pub(crate) const MAX_AXES: usize = 3;

/// A number for each axis of a window. Where a window has fewer axes, they are the last, and those before them
/// have length 1.
pub(crate) type Extents = [usize; MAX_AXES];

/// Where windows lie: output position `p` of an axis sees, through element `k` of the kernel, input position
/// `p * stride + k * dilation - before`. Positions outside of the input are padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Windows {
    /// How many axes there are.
    pub(crate) rank: usize,
    pub(crate) input: Extents,
    pub(crate) kernel: Extents,
    pub(crate) output: Extents,
    pub(crate) stride: Extents,
    pub(crate) dilation: Extents,
    /// Padding before the first position.
    pub(crate) before: Extents,
}

impl Windows {
    /// The input position that an output position sees through an element of the kernel, unless it is padding.
    #[inline]
    pub(crate) fn seen(&self, axis: usize, output: usize, element: usize) -> Option<usize> {
        let position = output * self.stride[axis] + element * self.dilation[axis];
        position.checked_sub(self.before[axis]).filter(|&at| at < self.input[axis])
    }

    /// Row-major number of the input element that an output position sees through an element of the kernel.
    pub(crate) fn seen_flat(&self, output: Extents, element: Extents) -> Option<usize> {
        let mut flat = 0;
        for axis in 0..MAX_AXES {
            flat = flat * self.input[axis] + self.seen(axis, output[axis], element[axis])?;
        }
        Some(flat)
    }

    /// The lengths of an array of one of its shapes, without the axes that it does not have.
    pub(crate) fn own<'a>(&self, lengths: &'a Extents) -> &'a [usize] {
        &lengths[MAX_AXES - self.rank..]
    }
}

/// All positions of a shape, in row-major order.
pub(crate) fn positions(shape: Extents) -> impl Iterator<Item = Extents> + Clone {
    let [planes, rows, columns] = shape;
    (0..planes).flat_map(move |plane| {
        (0..rows).flat_map(move |row| (0..columns).map(move |column| [plane, row, column]))
    })
}

/// Product of the lengths.
pub(crate) fn count(shape: Extents) -> usize {
    shape.iter().product()
}

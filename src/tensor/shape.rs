//! Shapes and specs: what is known of a tensor without its values.

use std::fmt;

use super::DType;

/// The most axes a tensor may have. Two more than a batched 3-d convolution's patches need.
pub const MAX_RANK: usize = 8;

/// The most elements a tensor may have (a zero-length axis counted as 1): their bytes, up to 8 each, and offsets among
/// them fit an `isize`.
const MAX_ELEMENTS: u64 = 1 << 59;

/// The lengths of a tensor's axes, outermost first; dereferences to `[u32]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// `dims[rank..]` is all zero, so that comparing whole arrays compares shapes.
    dims: [u32; MAX_RANK],
    rank: u32,
}

impl Shape {
    /// The shape of a single number: no axes.
    pub const SCALAR: Shape = Shape { dims: [0; MAX_RANK], rank: 0 };

    /// A shape from axis lengths, or the reason why there is none: too many axes, an axis over 2^32 - 1,
    /// or more than `MAX_ELEMENTS`.
    pub(crate) fn checked(dims: &[usize]) -> Result<Shape, String> {
        if dims.len() > MAX_RANK {
            return Err(format!("a tensor has at most {MAX_RANK} axes, got {}: {dims:?}", dims.len()));
        }
        let mut shape = Shape { dims: [0; MAX_RANK], rank: dims.len() as u32 };
        for (axis, &dim) in dims.iter().enumerate() {
            shape.dims[axis] = u32::try_from(dim)
                .map_err(|_| format!("axis {axis} of {dims:?} is longer than {}", u32::MAX))?;
        }
        shape.countable().ok_or_else(|| format!("{dims:?} has too many elements"))
    }

    /// The shape, unless it has more elements than bytes could be counted.
    pub(crate) fn countable(self) -> Option<Shape> {
        let count = self.iter().fold(1u64, |count, &dim| count.saturating_mul(dim.max(1).into()));
        (count <= MAX_ELEMENTS).then_some(self)
    }

    /// A shape whose axes come from other valid shapes; panics where [`Shape::checked`] would refuse.
    pub(crate) fn of(dims: &[u32]) -> Shape {
        let mut shape = Shape { dims: [0; MAX_RANK], rank: dims.len() as u32 };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// Number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Number of elements: the product of the axes, 1 for a number.
    #[inline]
    pub fn numel(&self) -> usize {
        self.iter().map(|&d| d as usize).product()
    }

    /// Axis lengths as `usize`.
    pub fn to_vec(&self) -> Vec<usize> {
        self.iter().map(|&d| d as usize).collect()
    }

    /// Length of `axis`.
    #[inline]
    pub(crate) fn dim(&self, axis: usize) -> usize {
        self[axis] as usize
    }

    pub(crate) fn with_dim(mut self, axis: usize, dim: usize) -> Shape {
        self.dims[..self.rank as usize][axis] = dim as u32;
        self
    }

    pub(crate) fn without(self, axis: usize) -> Shape {
        let mut dims = [0; MAX_RANK];
        let kept = self.iter().enumerate().filter(|&(a, _)| a != axis);
        for (slot, (_, &dim)) in dims.iter_mut().zip(kept) {
            *slot = dim;
        }
        Shape { dims, rank: self.rank - 1 }
    }

    /// The shape with an axis inserted before `axis`; `None` where it would have too many axes or elements.
    pub(crate) fn with_axis(self, axis: usize, dim: usize) -> Option<Shape> {
        if self.rank() == MAX_RANK {
            return None;
        }
        let mut dims = [0; MAX_RANK];
        dims[..axis].copy_from_slice(&self[..axis]);
        dims[axis] = dim as u32;
        dims[axis + 1..self.rank() + 1].copy_from_slice(&self[axis..]);
        Shape { dims, rank: self.rank + 1 }.countable()
    }

    /// `self` followed by `other`; `None` where it would have too many axes or elements.
    pub(crate) fn concat(self, other: &[u32]) -> Option<Shape> {
        if self.rank() + other.len() > MAX_RANK {
            return None;
        }
        let mut shape = self;
        shape.dims[self.rank()..self.rank() + other.len()].copy_from_slice(other);
        shape.rank += other.len() as u32;
        shape.countable()
    }

    /// NumPy's broadcasting of two shapes, aligned at the last axis; `None` where they do not fit.
    pub(crate) fn broadcast(self, other: Shape) -> Option<Shape> {
        let (mut long, short) = if self.rank >= other.rank { (self, other) } else { (other, self) };
        let lead = long.rank() - short.rank();
        for (axis, &dim) in short.iter().enumerate() {
            match (long.dims[lead + axis], dim) {
                (a, b) if a == b || b == 1 => {}
                (1, b) => long.dims[lead + axis] = b,
                _ => return None,
            }
        }
        long.countable()
    }

    /// Row-major strides in elements.
    pub(crate) fn strides(&self) -> Strides {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self.dims[axis] as isize;
        }
        strides
    }

    /// `axis` counted from the end when negative; `None` outside `-rank..rank`.
    pub(crate) fn axis(&self, axis: isize) -> Option<usize> {
        let rank = self.rank() as isize;
        let at = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&at).then_some(at as usize)
    }
}

/// Elements to step for one more along each axis.
pub(crate) type Strides = [isize; MAX_RANK];

impl std::ops::Deref for Shape {
    type Target = [u32];
    #[inline]
    fn deref(&self) -> &[u32] {
        &self.dims[..self.rank as usize]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.rank() == N && self.iter().zip(other).all(|(&a, &b)| a as usize == b)
    }
}

/// What can be asked for as a shape: arrays, slices and vectors of lengths, a [`Shape`], `()` for a number.
pub trait IntoShape {
    /// The shape, or the reason why it is none.
    fn into_shape(self) -> Result<Shape, String>;
}

impl IntoShape for Shape {
    fn into_shape(self) -> Result<Shape, String> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    fn into_shape(self) -> Result<Shape, String> {
        Ok(*self)
    }
}

impl IntoShape for () {
    fn into_shape(self) -> Result<Shape, String> {
        Ok(Shape::SCALAR)
    }
}

impl IntoShape for usize {
    fn into_shape(self) -> Result<Shape, String> {
        Shape::checked(&[self])
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Result<Shape, String> {
        Shape::checked(&self)
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Result<Shape, String> {
        Shape::checked(self)
    }
}

impl IntoShape for &[usize] {
    fn into_shape(self) -> Result<Shape, String> {
        Shape::checked(self)
    }
}

impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Result<Shape, String> {
        Shape::checked(&self)
    }
}

/// Shape and dtype: all that a shape rule may know of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Spec {
    /// Axis lengths.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// A spec of the given shape and dtype.
    #[inline]
    pub fn new(shape: Shape, dtype: DType) -> Spec {
        Spec { shape, dtype }
    }

    pub(crate) fn with_shape(self, shape: Shape) -> Spec {
        Spec { shape, ..self }
    }

    pub(crate) fn with_dtype(self, dtype: DType) -> Spec {
        Spec { dtype, ..self }
    }

    /// Bytes of the elements, stored without gaps.
    pub(crate) fn bytes(&self) -> usize {
        self.shape.numel() * self.dtype.size()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of axes, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct AxisSet(u8);

impl AxisSet {
    pub(crate) fn all(rank: usize) -> AxisSet {
        AxisSet(((1u32 << rank) - 1) as u8)
    }

    pub(crate) fn one(axis: usize) -> AxisSet {
        AxisSet(1 << axis)
    }

    pub(crate) fn contains(self, axis: usize) -> bool {
        self.0 >> axis & 1 == 1
    }

    pub(crate) fn insert(&mut self, axis: usize) -> bool {
        let fresh = !self.contains(axis);
        self.0 |= 1 << axis;
        fresh
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = usize> {
        (0..MAX_RANK).filter(move |&axis| self.contains(axis))
    }

    /// The same axes after one was inserted before `axis`.
    pub(crate) fn shifted_past(self, axis: usize) -> AxisSet {
        let below = self.0 & ((1u16 << axis) - 1) as u8;
        AxisSet(below | ((self.0 & !((1u16 << axis) - 1) as u8) << 1))
    }

    /// The shape without these axes.
    pub(crate) fn remove_from(self, shape: &Shape) -> Shape {
        self.iter().rev().fold(*shape, Shape::without)
    }

    /// The shape with these axes of length 1.
    pub(crate) fn keep_in(self, shape: &Shape) -> Shape {
        self.iter().fold(*shape, |shape, axis| shape.with_dim(axis, 1))
    }
}

impl FromIterator<usize> for AxisSet {
    fn from_iter<I: IntoIterator<Item = usize>>(axes: I) -> AxisSet {
        axes.into_iter().fold(AxisSet::default(), |mut set, axis| {
            set.insert(axis);
            set
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[usize]) -> Shape {
        Shape::checked(dims).expect("valid")
    }

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(shape(&[2, 1, 3]).broadcast(shape(&[4, 1])), Some(shape(&[2, 4, 3])));
        assert_eq!(shape(&[3]).broadcast(shape(&[2, 3])), Some(shape(&[2, 3])));
        assert_eq!(shape(&[0]).broadcast(shape(&[1])), Some(shape(&[0])));
        assert_eq!(shape(&[2]).broadcast(shape(&[3])), None);
    }

    #[test]
    fn axes_are_edited_in_place() {
        assert_eq!(shape(&[2, 3, 4]).without(1), shape(&[2, 4]));
        assert_eq!(shape(&[2, 4]).with_axis(2, 5), Some(shape(&[2, 4, 5])));
        assert_eq!(shape(&[1; MAX_RANK]).with_axis(0, 5), None);
        assert_eq!(shape(&[2, 4]).axis(-1), Some(1));
        assert_eq!(shape(&[2, 4]).axis(2), None);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(Shape::checked(&[1; 9]).is_err());
        assert!(Shape::checked(&[1 << 33]).is_err());
        assert!(Shape::checked(&[1 << 31, 1 << 31, 1 << 31]).is_err());
    }

    #[test]
    fn a_set_of_axes_shifts_past_an_insertion() {
        let set: AxisSet = [0, 2].into_iter().collect();
        assert_eq!(set.shifted_past(1), [0, 3].into_iter().collect());
        assert_eq!(set.shifted_past(0), [1, 3].into_iter().collect());
        assert_eq!(set.remove_from(&shape(&[2, 3, 4])), shape(&[3]));
        assert_eq!(set.keep_in(&shape(&[2, 3, 4])), shape(&[1, 3, 1]));
    }
}

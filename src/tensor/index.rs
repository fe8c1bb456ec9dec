//! Reading parts of a tensor: what an index is, and [`Tensor::at`].
//!
//! An index is resolved once against a shape, into a [`Selection`]. `at` reads through it, `set` and `with`
//! (`assign.rs`) write through it, and both only by way of primitives, so that derivatives, batches and traces of
//! any order come for free.

mod selection;

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::Tensor;
use crate::autodiff::level::misuse;
pub(crate) use selection::{Picks, Selection};

/// Whatever a part of a tensor can be named by: one [`IndexItem`] or what converts to it, a tuple of up to eight
/// of them, or an array, slice or vector of `IndexItem`s put together at run time.
///
/// | item | stands for |
/// |---|---|
/// | an integer | one position, whose axis goes; negative ones count from the end |
/// | a range: `2..5`, `..=3`, `-2..`, `..` | these positions; negative bounds count from the end |
/// | [`step`]`(range, k)`, [`Slice::new`] | every `k`-th of them, backward if `k` is negative |
/// | [`Ellipsis`] | as many whole axes as the other items leave; at the end unless given |
/// | [`NewAxis`] | a new axis of length 1 |
/// | an integer tensor (i64, i32) | the positions in it, in its shape; several broadcast together |
/// | a bool tensor | the positions where it holds, along one axis in place of the mask's |
///
/// The meaning is NumPy's throughout. In particular ranges are cut to the axis, as `x[2:100]` is, while integers
/// out of range are errors; and where integer tensors (or masks) stand side by side, their common shape takes the
/// place of their axes, else it comes first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no index",
    label = "expected integers, ranges, `step(range, k)`, `NewAxis`, `Ellipsis`, integer or bool tensors",
    note = "several of them make a tuple: `x.at((1, .., 2..5, -1))`; at run time, a `Vec<IndexItem>`"
)]
pub trait Index {
    /// An array or slice of items.
    #[doc(hidden)]
    type Items: AsRef<[IndexItem]>;
    /// The items, one for each part of the index.
    #[doc(hidden)]
    fn into_items(self) -> Self::Items;
}

/// One part of an [`Index`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IndexItem {
    /// One position of an axis, which goes.
    At(i64),
    /// Evenly spaced positions of an axis.
    Slice(Slice),
    /// A new axis of length 1.
    NewAxis,
    /// As many whole axes as the other items leave.
    Ellipsis,
    /// Positions (i64, i32), or a mask (bool) over as many axes as it has.
    Tensor(Tensor),
}

/// In an index: as many whole axes as the other items leave.
///
/// ```
/// # use retrograd::{Ellipsis, Tensor};
/// let x = Tensor::arange(24).reshape([2, 3, 4]);
/// assert_eq!(x.at((Ellipsis, 0)).shape(), [2, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ellipsis;

/// In an index: a new axis of length 1.
///
/// ```
/// # use retrograd::{NewAxis, Tensor};
/// assert_eq!(Tensor::arange(3).at((.., NewAxis)).shape(), [3, 1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAxis;

/// Evenly spaced positions of an axis: a range, and a step from one to the next ([`step`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    start: Option<i64>,
    end: Bound<i64>,
    step: i64,
}

/// Every `by`-th position of a range; with a negative step backward from its start, as in NumPy.
///
/// ```
/// # use retrograd::{step, Tensor};
/// let x = Tensor::arange(10);
/// assert_eq!(x.at(step(1..8, 3)).to_vec::<i64>()?, [1, 4, 7]);
/// assert_eq!(x.at(step(7.., -3)).to_vec::<i64>()?, [7, 4, 1]);
/// assert_eq!(x.at(step(.., -1)).to_vec::<i64>()?[..3], [9, 8, 7]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn step(range: impl Into<Slice>, by: isize) -> Slice {
    Slice { step: by as i64, ..range.into() }
}

impl Slice {
    /// Positions from `start` on in steps of `step`, as long as they have not reached `end`: Python's
    /// `slice(start, end, step)`. A bound that is missing is the end of the axis on that side.
    ///
    /// The same as `step(start..end, step)`, for ranges that clippy takes for empty (`reversed_empty_ranges`):
    /// literals that descend, or whose end is counted from the end of the axis.
    ///
    /// ```
    /// # use retrograd::{Slice, Tensor};
    /// let x = Tensor::arange(10);
    /// assert_eq!(x.at(Slice::new(Some(7), Some(1), -3)).to_vec::<i64>()?, [7, 4]);
    /// assert_eq!(x.at(Slice::new(Some(1), Some(-6), 1)).to_vec::<i64>()?, [1, 2, 3]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    pub fn new(start: Option<isize>, end: Option<isize>, step: isize) -> Slice {
        let end = end.map_or(Bound::Unbounded, |end| Bound::Excluded(end as i64));
        Slice { start: start.map(|start| start as i64), end, step: step as i64 }
    }

    /// First position and number of positions on an axis of length `n`, cut to it.
    fn on_axis(&self, n: usize) -> (i64, usize) {
        let n = n as i64;
        let forward = self.step > 0;
        let from_end = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
        // Where a walk may begin and where it has left the axis: 0..=n forward, n - 1 down to -1 backward.
        let (low, high) = if forward { (0, n) } else { (-1, n - 1) };
        let start = self.start.map_or(if forward { low } else { high }, from_end).clamp(low, high);
        let stop = match self.end {
            Bound::Excluded(at) => from_end(at),
            Bound::Included(at) => from_end(at).saturating_add(self.step.signum()),
            Bound::Unbounded => {
                if forward {
                    high
                } else {
                    low
                }
            }
        };
        let distance = (stop.clamp(low, high) - start) * self.step.signum();
        (start, if distance <= 0 { 0 } else { (distance as u64).div_ceil(self.step.unsigned_abs()) as usize })
    }
}

/// Integer types that positions are written in.
pub trait Position: Copy + sealed::Sealed {
    #[doc(hidden)]
    fn to_i64(self) -> i64;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! items {
    ($([$($generics:tt)*] $t:ty: $x:ident => $item:expr;)*) => {$(
        impl $($generics)* From<$t> for IndexItem {
            fn from($x: $t) -> IndexItem {
                $item
            }
        }
        impl $($generics)* Index for $t {
            type Items = [IndexItem; 1];
            fn into_items(self) -> [IndexItem; 1] {
                [self.into()]
            }
        }
    )*};
}

macro_rules! positions {
    ($($t:ty)*) => {$(
        impl sealed::Sealed for $t {}
        impl Position for $t {
            fn to_i64(self) -> i64 {
                // Only a usize can be too large, and then it is out of range for any axis.
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
        items! { [] $t: x => IndexItem::At(x.to_i64()); }
    )*};
}

macro_rules! ranges {
    ($([$($generics:tt)*] $t:ty: $x:ident => $start:expr, $end:expr;)*) => {$(
        impl $($generics)* From<$t> for Slice {
            fn from($x: $t) -> Slice {
                Slice { start: $start, end: $end, step: 1 }
            }
        }
        items! { [$($generics)*] $t: x => IndexItem::Slice(x.into()); }
    )*};
}

positions! { usize isize i64 i32 }

ranges! {
    [] RangeFull: _x => None, Bound::Unbounded;
    [<T: Position>] Range<T>: x => Some(x.start.to_i64()), Bound::Excluded(x.end.to_i64());
    [<T: Position>] RangeInclusive<T>: x => Some(x.start().to_i64()), Bound::Included(x.end().to_i64());
    [<T: Position>] RangeFrom<T>: x => Some(x.start.to_i64()), Bound::Unbounded;
    [<T: Position>] RangeTo<T>: x => None, Bound::Excluded(x.end.to_i64());
    [<T: Position>] RangeToInclusive<T>: x => None, Bound::Included(x.end.to_i64());
}

items! {
    [] Slice: x => IndexItem::Slice(x);
    [] NewAxis: _x => IndexItem::NewAxis;
    [] Ellipsis: _x => IndexItem::Ellipsis;
    [] Tensor: x => IndexItem::Tensor(x);
    [] &Tensor: x => IndexItem::Tensor(x.clone());
}

macro_rules! lists {
    ($([$($generics:tt)*] $t:ty;)*) => {$(
        impl $($generics)* Index for $t {
            type Items = $t;
            fn into_items(self) -> $t {
                self
            }
        }
    )*};
}

lists! {
    [] Vec<IndexItem>;
    [<'a>] &'a [IndexItem];
    [<'a>] &'a Vec<IndexItem>;
    [<const N: usize>] [IndexItem; N];
}

impl Index for IndexItem {
    type Items = [IndexItem; 1];
    fn into_items(self) -> [IndexItem; 1] {
        [self]
    }
}

impl Index for () {
    type Items = [IndexItem; 0];
    fn into_items(self) -> [IndexItem; 0] {
        []
    }
}

macro_rules! tuples {
    ($(($($item:ident)*))*) => {$(
        impl<$($item: Into<IndexItem>),*> Index for ($($item,)*) {
            type Items = [IndexItem; [$(stringify!($item)),*].len()];
            #[expect(non_snake_case, reason = "values are named as their types")]
            fn into_items(self) -> Self::Items {
                let ($($item,)*) = self;
                [$($item.into()),*]
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

impl Tensor {
    /// The part that an index names, by NumPy's rules ([`Index`] lists what there is).
    ///
    /// Integers and ranges make a view, without copying. Integer tensors and masks copy what they pick; a mask must
    /// have a value, so it does not work inside `vmap` (use [`Tensor::where_`]).
    ///
    /// Gradient: zero outside the part; added up where a position is picked more than once.
    ///
    /// PyTorch: `x[..]`. JAX: `x[..]`.
    ///
    /// # Errors
    /// The result is invalid if an integer is out of range, if there are more items than axes, if a mask's shape is
    /// not that of its axes, or if index tensors do not broadcast. (Ranges are cut to the axis instead.)
    ///
    /// ```
    /// # use retrograd::{step, NewAxis, Tensor};
    /// let x = Tensor::arange(24).reshape([2, 3, 4]);
    /// assert_eq!(x.at((1, .., 2..5)).shape(), [3, 2]);
    /// assert_eq!(x.at((0, 1, -1)).item::<i64>()?, 7);
    /// assert_eq!(x.at((.., NewAxis, step(.., 2))).shape(), [2, 1, 2, 4]);
    /// // Integer tensors broadcast together: elements (0, 3) and (2, 1) of each matrix.
    /// let (rows, columns) = (Tensor::from([0i64, 2]), Tensor::from([3i64, 1]));
    /// assert_eq!(x.at((.., rows, columns)).to_vec::<i64>()?, [3, 9, 15, 21]);
    /// assert_eq!(x.at(x.gt(20)).to_vec::<i64>()?, [21, 22, 23]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn at(&self, index: impl Index) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let items = index.into_items();
        match Selection::new(&self.spec().shape, items.as_ref()) {
            Ok(selection) => selection.read(self),
            Err(misfit) => misuse("at", &operands(self, items.as_ref()), misfit),
        }
    }
}

/// All tensors of an indexing operation: what an error tells of.
pub(crate) fn operands<'a>(x: &'a Tensor, items: &'a [IndexItem]) -> Vec<&'a Tensor> {
    let indices =
        items.iter().filter_map(|item| if let IndexItem::Tensor(index) = item { Some(index) } else { None });
    std::iter::once(x).chain(indices).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "they are walked backward, or counted from the end")]
    fn slices_walk_an_axis_as_numpy_does() {
        // (slice, length of the axis) and what `range(*slice(..).indices(n))` gives in Python: start, count.
        let rows: [(Slice, usize, (i64, usize)); 16] = [
            ((..).into(), 5, (0, 5)),
            ((1..4).into(), 5, (1, 3)),
            ((1..=4).into(), 5, (1, 4)),
            ((-3..-1).into(), 5, (2, 2)),
            ((..=-1).into(), 5, (0, 5)),
            ((2..100).into(), 5, (2, 3)),
            ((7..9).into(), 5, (5, 0)),
            ((-100..2).into(), 5, (0, 2)),
            ((4..1).into(), 5, (4, 0)),
            (step(.., -1), 5, (4, 5)),
            (step(4..1, -2), 5, (4, 2)),
            (step(100..-100, -3), 5, (4, 2)),
            (step(3..=0, -1), 5, (3, 4)),
            (step(.., 2), 5, (0, 3)),
            (step(.., -1), 0, (-1, 0)),
            ((..i64::MAX).into(), 0, (0, 0)),
        ];
        for (slice, n, expected) in rows {
            assert_eq!(slice.on_axis(n), expected, "{slice:?} on {n}");
        }
        assert_eq!(step(i64::MIN..=i64::MAX, isize::MAX).on_axis(5), (0, 1));
        assert_eq!(step(.., isize::MIN).on_axis(5), (4, 1));
    }
}

//! Which axes a reduction walks, in an order that suits the memory.

use crate::exec::cpu::operand::Operand;
use crate::tensor::{AxisSet, MAX_RANK};

/// `n` positions, so many elements apart in the input and in the output (there 0 for a reduced axis).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Axis {
    pub(super) n: usize,
    pub(super) x: isize,
    pub(super) y: isize,
}

/// Axes by increasing stride of the input, merged where they lie evenly behind one another.
pub(super) struct Axes {
    list: [Axis; MAX_RANK],
    len: usize,
}

/// A single position.
const ONE: Axis = Axis { n: 1, x: 0, y: 0 };

impl Axes {
    const NONE: Axes = Axes { list: [ONE; MAX_RANK], len: 0 };

    /// Innermost first.
    pub(super) fn all(&self) -> &[Axis] {
        &self.list[..self.len]
    }

    /// The axis of the least stride, one of a single position if there is none.
    pub(super) fn inner(&self) -> Axis {
        self.list[0]
    }

    /// All but the inner one.
    pub(super) fn outer(&self) -> &[Axis] {
        self.all().get(1..).unwrap_or(&[])
    }

    /// Adds an axis that comes outside of the others, or where its stride belongs.
    fn insert(&mut self, axis: Axis) {
        if self.len > 0 && self.list[self.len - 1].merge(axis) {
            return;
        }
        let at = self.all().iter().rposition(|other| other.x <= axis.x).map_or(0, |before| before + 1);
        self.list.copy_within(at..self.len, at + 1);
        self.list[at] = axis;
        self.len += 1;
    }

    /// Merges neighbours that were not when they were added.
    fn merge(&mut self) {
        let mut merged = 0;
        for i in 1..self.len {
            let axis = self.list[i];
            if !self.list[merged].merge(axis) {
                merged += 1;
                self.list[merged] = axis;
            }
        }
        self.len = self.len.min(merged + 1);
    }
}

impl Axis {
    /// Takes up an axis that lies evenly outside of this one; false if `outer` does not.
    fn merge(&mut self, outer: Axis) -> bool {
        let evenly = outer.x == self.x * self.n as isize && outer.y == self.y * self.n as isize;
        if evenly {
            self.n *= outer.n;
        }
        evenly
    }
}

/// The axes of a reduction. Strides of the input are not negative, but for a reduced axis whose direction counts.
pub(super) struct Layout {
    pub(super) kept: Axes,
    pub(super) reduced: Axes,
    /// Elements from the operand's pointer to the first that is walked.
    pub(super) x: isize,
    /// The same for the output.
    pub(super) y: isize,
    /// How often each element counts, by reduced axes that repeat it.
    pub(super) times: usize,
}

/// What matters of a reduced axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Matters {
    /// Which elements it has, in any order and however often.
    Elements,
    /// Also how often, as a number: repetitions are counted in `times`.
    Count,
    /// Each of them, in its place.
    Sequence,
}

impl Layout {
    pub(super) fn new(axes: AxisSet, x: &Operand, matters: Matters) -> Layout {
        let mut layout = Layout { kept: Axes::NONE, reduced: Axes::NONE, x: 0, y: 0, times: 1 };
        let mut step = 1;
        for i in (0..x.shape.rank()).rev() {
            let reduced = axes.contains(i);
            let mut axis = Axis { n: x.shape.dim(i), x: x.strides[i], y: if reduced { 0 } else { step } };
            if !reduced {
                step *= axis.n as isize;
            }
            if axis.n == 1 {
                continue;
            }
            if reduced && axis.x == 0 && matters != Matters::Sequence {
                layout.times *= if matters == Matters::Count { axis.n } else { 1 };
                continue;
            }
            if axis.x < 0 && !(reduced && matters == Matters::Sequence) {
                let last = axis.n as isize - 1;
                layout.x += last * axis.x;
                layout.y += last * axis.y;
                (axis.x, axis.y) = (-axis.x, -axis.y);
            }
            if reduced { layout.reduced.insert(axis) } else { layout.kept.insert(axis) }
        }
        layout.kept.merge();
        layout.reduced.merge();
        layout
    }
}

/// All positions of some axes, as offsets `(x, y)` in elements; one, `(0, 0)`, of no axes.
pub(super) struct Walk<'a> {
    outer: &'a [Axis],
    inner: Axis,
    /// Positions behind along each outer axis.
    at: [usize; MAX_RANK],
    /// Positions that remain along the inner axis; 0 at the end.
    left: usize,
    x: isize,
    y: isize,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn new(axes: &'a [Axis]) -> Walk<'a> {
        let (inner, outer) = axes.split_first().unwrap_or((&ONE, &[]));
        Walk { outer, inner: *inner, at: [0; MAX_RANK], left: inner.n, x: 0, y: 0 }
    }

    /// Moves on along the outer axes, after the inner one came to its end.
    #[inline(never)]
    fn carry(&mut self) {
        let mut ended = self.inner;
        for (axis, at) in self.outer.iter().zip(&mut self.at) {
            // Back to the start of the axis within, and a step along this one.
            self.x += axis.x - (ended.n as isize - 1) * ended.x;
            self.y += axis.y - (ended.n as isize - 1) * ended.y;
            *at += 1;
            if *at < axis.n {
                self.left = self.inner.n;
                return;
            }
            *at = 0;
            (self.x, self.y) = (self.x - axis.x, self.y - axis.y);
            ended = *axis;
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = (isize, isize);

    #[inline(always)]
    fn next(&mut self) -> Option<(isize, isize)> {
        if self.left == 0 {
            return None;
        }
        let position = (self.x, self.y);
        self.left -= 1;
        if self.left > 0 {
            self.x += self.inner.x;
            self.y += self.inner.y;
        } else if !self.outer.is_empty() {
            self.carry();
        }
        Some(position)
    }
}

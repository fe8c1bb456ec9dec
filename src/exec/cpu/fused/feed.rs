//! How the tiles of an operand are had: in place, staged once, or staged each time.

use std::ops::Range;

use super::{Program, Running, TILE, Tile};
use crate::exec::cpu::operand::{Operand, Reader, Runs};
use crate::exec::cpu::reduce::tiled;
use crate::exec::fused::Extent;

/// How the space is cut into tiles.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) rows: usize,
    pub(super) inner: usize,
    /// Rows of a tile; 1 if a row takes several.
    pub(super) block: usize,
    /// The most elements of a tile of a row that takes several, a multiple of [`tiled::CHUNK`].
    pub(super) step: usize,
    /// Of all of it the rows, and the elements of each row, that are gone over here: from, to.
    pub(super) own_rows: [usize; 2],
    pub(super) own_inner: [usize; 2],
}

impl Cut {
    pub(super) fn new(program: &Program, x: &[Operand]) -> Cut {
        let space = program.space;
        if !program.flat {
            return Cut::of(space.rows, space.inner, program.block);
        }
        // A row that repeats is read in place, or staged once, if tiles are cut where it begins.
        let repeats = |x: &Operand| if x.contiguous { None } else { repeated_row(x) };
        match x.iter().find_map(repeats) {
            None => Cut::of(1, space.len(), 1),
            Some(inner) => {
                let rows = space.len() / inner;
                Cut::of(rows, inner, (TILE / inner).clamp(1, rows))
            }
        }
    }

    fn of(rows: usize, inner: usize, block: usize) -> Cut {
        let parts = inner.div_ceil(TILE);
        let step = inner.div_ceil(parts).next_multiple_of(tiled::CHUNK).min(TILE);
        Cut { rows, inner, block, step, own_rows: [0, rows], own_inner: [0, inner] }
    }

    /// Elements that are not cut any further: some rows, or, where there is but one, a tile of it.
    pub(super) fn unit(&self) -> usize {
        if self.rows > 1 { self.block * self.inner } else { self.step }
    }

    /// How many units there are.
    pub(super) fn units(&self) -> usize {
        (self.rows * self.inner).div_ceil(self.unit())
    }

    /// The number of the unit that a tile is.
    pub(super) fn number(&self, tile: &Tile) -> usize {
        if self.rows > 1 { tile.row / self.block } else { tile.start.div_ceil(self.step) }
    }

    /// A range of the units.
    pub(super) fn part(&self, units: Range<usize>) -> Cut {
        if self.rows > 1 {
            let own = [units.start, units.end].map(|unit| self.rows.min(unit * self.block));
            return Cut { own_rows: own, ..*self };
        }
        // As a row is cut into tiles, of which the last is not too short.
        let start = |unit: usize| match self.inner.saturating_sub(unit * self.step) {
            0 => self.inner,
            left if unit > 0 && left < tiled::SHORTEST => unit * self.step - tiled::CHUNK,
            _ => unit * self.step,
        };
        Cut { own_inner: [start(units.start), start(units.end)], ..*self }
    }
}

/// The length of a gap-free row that an operand repeats for all rows.
fn repeated_row(x: &Operand) -> Option<usize> {
    match Runs::new(&x.shape, &x.strides).axes() {
        [(_, 0), (inner, 1)] => Some(*inner),
        _ => None,
    }
}

/// How the tiles of an operand are had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// They lie one behind the other.
    InPlace,
    /// All tiles are alike, and staged, or there is only one number.
    Fixed,
    /// Every row is the same one, which lies in place.
    SameRow,
    /// Staged tile by tile.
    Read,
}

impl Running<'_> {
    /// Finds out how operand `number` is fed, and stages it if that is done once.
    ///
    /// # Safety
    /// The operand is valid.
    pub(super) unsafe fn feed(&self, number: usize) -> Feed {
        let (x, input) = (&self.x[number], &self.program.inputs[number]);
        debug_assert_eq!(x.numel(), self.program.space.count(input.extent), "operand {number}");
        let Cut { rows, inner, block, .. } = self.cut;
        if input.extent == Extent::One {
            return Feed::Fixed;
        }
        if x.contiguous {
            return Feed::InPlace;
        }
        let same = match Runs::new(&x.shape, &x.strides).axes() {
            [(_, 1)] => return Feed::InPlace,
            [(_, 0)] => match input.extent {
                Extent::Rows => block.min(rows),
                _ => self.program.tile.min(rows * inner),
            },
            [(_, 0), (n, 1)] if *n == inner && input.extent == Extent::Elements => {
                if block == 1 {
                    return Feed::SameRow;
                }
                block.min(rows) * inner
            }
            _ => return Feed::Read,
        };
        // SAFETY: the operand has so many elements, and the stage has room for a tile.
        unsafe { self.stage(number, 0, same) };
        Feed::Fixed
    }

    /// Copies `count` elements from the one with row-major number `from` on to the operand's stage.
    ///
    /// # Safety
    /// They exist, and are no more than a tile.
    unsafe fn stage(&self, number: usize, from: usize, count: usize) {
        debug_assert!(count <= self.program.tile);
        let input = &self.program.inputs[number];
        let mut reader = Reader::new(&self.x[number]);
        reader.seek(from);
        // SAFETY: the caller's promise; the stage is inside of the scratch memory.
        unsafe {
            let stage = self.scratch.add(input.stage);
            reader.read(stage, count);
            self.set(input.place, stage);
        }
    }

    /// Has the tile of an operand's elements.
    ///
    /// # Safety
    /// The tile lies in the space.
    pub(super) unsafe fn feed_tile(&self, number: usize, tile: &Tile) {
        let (x, input) = (&self.x[number], &self.program.inputs[number]);
        if input.extent != Extent::Elements {
            return;
        }
        let size = input.dtype.size();
        let at = tile.row * self.cut.inner + tile.start;
        // SAFETY: the operand has the tile's elements.
        unsafe {
            match self.feeds[number] {
                Feed::Fixed => {}
                Feed::InPlace => self.set(input.place, x.ptr.add(at * size).cast_mut()),
                Feed::SameRow => self.set(input.place, x.ptr.add(tile.start * size).cast_mut()),
                Feed::Read => self.stage(number, at, tile.rows * tile.len),
            }
        }
    }

    /// Has the numbers of a block's rows, and points the outputs of rows at theirs.
    ///
    /// # Safety
    /// The rows exist.
    pub(super) unsafe fn move_rows(&self, tile: &Tile) {
        for (number, input) in self.program.inputs.iter().enumerate() {
            if input.extent != Extent::Rows {
                continue;
            }
            // SAFETY: the operand has a number for each row.
            unsafe {
                match self.feeds[number] {
                    Feed::InPlace => {
                        let ptr = self.x[number].ptr.add(tile.row * input.dtype.size());
                        self.set(input.place, ptr.cast_mut());
                    }
                    Feed::Read => self.stage(number, tile.row, tile.rows),
                    Feed::Fixed | Feed::SameRow => {}
                }
            }
        }
        for (number, output) in self.program.outputs.iter().enumerate() {
            if let (Extent::Rows, Some(place)) = (output.extent, output.place) {
                // SAFETY: the destination has room for a number for each row.
                unsafe { self.set(place, self.y[number].ptr.add(tile.row * output.dtype.size())) };
            }
        }
    }
}

//! The Fused class: many operations and folds in one go over memory.
//!
//! | file | contents |
//! |---|---|
//! | `lower` | steps as lines over registers, in phases |
//! | `program` | lines as instructions over places: which memory they are |
//! | `feed` | how the tiles of an operand are had |
//! | `native` | lines that are compiled to machine code together, on x86-64 |
//! | `turns` | columns folded by several threads |
//!
//! The space is gone over in tiles whose intermediate values stay in the first-level cache. An instruction is one
//! call of an operation's own SIMD loop over a tile, or a loop that was compiled for several of them. Where rows are short, a tile is several whole rows, so that the
//! cost of a call (some 10 ns) is shared; where they are longer than a tile, each phase goes over the row in tiles.

mod feed;
mod lower;
#[cfg(not(target_arch = "x86_64"))]
#[path = "interpreted.rs"]
mod native;
#[cfg(target_arch = "x86_64")]
mod native;
mod program;
#[cfg(test)]
mod tests;
mod turns;

use super::cast;
use super::map::fill;
use super::operand::{Destination, Operand};
use super::reduce::tiled;
use crate::exec::Fold;
use crate::exec::fused::{Extent, Fused};
use crate::exec::threads::{self, Shared};
use crate::tensor::{DType, Storage};
use feed::{Cut, Feed};
use lower::Arithmetic;
pub(crate) use program::Program;
use program::{Columns, Home, Instruction, Phase, Seen};
use turns::Turns;

/// The most operands that the arithmetic of a step has.
pub(crate) const MAX_OPERANDS: usize = 4;
/// The most operands that a kernel has.
pub(crate) const MAX_INPUTS: usize = 32;
/// Elements of a tile. Measured in f32 on AVX2 with 32 KiB of first-level cache, in two runs beside other work:
/// Black-Scholes with its gradient takes 20.1, 18.8, 18.4 ns an element (256, 512, 1024), then 13.3, 13.0, 14.6 (1024,
/// 2048, 4096); layer norm over rows of 256 takes 1.45, 1.07, 0.96, then 0.95, 0.88, 0.95. Elements of f64 take twice
/// the room.
const TILE: usize = 1024;
/// Bytes of the totals that a row is folded into.
const TOTALS_BYTES: usize = tiled::ROW_TOTALS * 8;

/// What an instruction does with a tile.
enum Run {
    Map(Arithmetic, DType),
    Cast(DType, DType),
    /// Elements of so many bytes to another place.
    Copy(usize),
    /// A number of so many bytes for each element of its row.
    Spread(usize),
    /// Folds a row. The totals are used where the row is longer than a tile.
    FoldRow {
        fold: Fold,
        dtype: DType,
        totals: usize,
    },
    /// Folds everything.
    FoldAll {
        fold: Fold,
        dtype: DType,
        totals: usize,
    },
}

/// Runs a fused kernel: operands in the order of its inputs, destinations in that of its outputs, row-major without
/// gaps.
///
/// # Safety
/// Operands are valid, of the kernel's dtypes, and have as many elements as their extent; each destination has room
/// for its output. Destinations overlap neither one another nor operands, but that one may lie exactly over an operand
/// as [`Fused::may_overwrite`] says.
pub(crate) unsafe fn run(fused: &Fused, x: &[Operand], y: &[Destination]) {
    let program = fused.program();
    debug_assert_eq!(program.inputs.len(), x.len());
    debug_assert_eq!(program.outputs.len(), y.len());
    let cut = Cut::new(program, x);
    let least = SHARED.div_ceil(program.instructions.len() * cut.unit());
    // SAFETY: the caller's promise; tiles of outputs are written by one thread each.
    unsafe {
        match program.sharing(&cut) {
            Some(sharing) if cut.units() >= 2 * least && threads::threads() > 1 => match sharing {
                Sharing::Freely => {
                    let shared = Shared::new((program, x, y, cut));
                    threads::for_ranges(cut.units(), least, |units| {
                        let (program, x, y, cut) = *shared.get();
                        Running::new(program, x, y, cut.part(units)).all_rows();
                    });
                }
                Sharing::InTurn => {
                    // Whole groups of rows, or, where everything is folded, a tile.
                    let each = match program.whole.is_empty() {
                        true => (least * cut.block).next_multiple_of(program.group()) / cut.block,
                        false => 1,
                    };
                    turns::run(program, x, y, cut, each);
                }
            },
            _ => {
                let run = Running::new(program, x, y, cut);
                run.begin_folds();
                run.all_rows();
                run.end();
            }
        }
    }
}

/// How threads may share the work of a kernel.
enum Sharing {
    /// In any order.
    Freely,
    /// What is folded over rows is handed on from one to the next.
    InTurn,
}

impl Program {
    /// How threads may share the work, if they may and it pays.
    fn sharing(&self, cut: &Cut) -> Option<Sharing> {
        /// The least instructions for which the tiles of a sum of everything are handed on: an estimate, since to do so
        /// takes as long as a few simple ones. Black-Scholes, with 40, takes 0.57 of the time with two threads.
        const LEAST: usize = 16;
        let tiles_are_whole = self.flat || cut.inner <= cut.step;
        match (self.whole.is_empty(), self.columns.is_empty()) {
            (true, true) if cut.rows > 1 || self.flat => Some(Sharing::Freely),
            (true, false) => Some(Sharing::InTurn),
            (false, true)
                if self.phases.len() == 1 && tiles_are_whole && self.instructions.len() >= LEAST =>
            {
                Some(Sharing::InTurn)
            }
            _ => None,
        }
    }
}

/// The least elements, times instructions, that a thread of its own computes: some 10 us.
const SHARED: usize = 1 << 16;

/// A fused kernel under way, or what a thread does of it.
struct Running<'a> {
    program: &'a Program,
    kernels: &'a native::Kernels,
    cut: Cut,
    x: &'a [Operand],
    y: &'a [Destination],
    feeds: [Feed; MAX_INPUTS],
    /// Outputs whose tiles are copied to the destination when all of it has been read; a bit each.
    spilled: u64,
    scratch: *mut u8,
    /// Where each place is now.
    table: *mut *mut u8,
    /// The scratch memory that has the totals of folds over rows: another thread's, where several fold into them in turn.
    totals: *mut u8,
    turns: Option<&'a Turns>,
    /// What all of these lie in.
    _block: Storage,
}

/// A tile: some whole rows, or part of one.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    rows: usize,
    /// First position in the row, and how many.
    start: usize,
    len: usize,
}

impl<'a> Running<'a> {
    /// Makes it ready: points the places that do not move at their memory.
    ///
    /// # Safety
    /// As for [`run`], as long as this is used.
    unsafe fn new(program: &'a Program, x: &'a [Operand], y: &'a [Destination], cut: Cut) -> Running<'a> {
        let table_at = program.scratch_bytes;
        let block = Storage::with_bytes(table_at + program.places.len() * size_of::<*mut u8>());
        let mut run = Running {
            program,
            kernels: program.native.kernels(program),
            cut,
            x,
            y,
            feeds: [Feed::InPlace; MAX_INPUTS],
            spilled: 0,
            scratch: block.data(),
            // SAFETY: the block has room for the table behind the scratch memory, at a multiple of a cache line.
            table: unsafe { block.data().add(table_at).cast() },
            totals: block.data(),
            turns: None,
            _block: block,
        };
        // SAFETY: the caller's promise.
        unsafe { run.place() };
        run
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn place(&mut self) {
        let program = self.program;
        // SAFETY: offsets are inside of the scratch memory and the constants; operands are as `run` promises.
        unsafe {
            for (at, home) in program.places.iter().enumerate() {
                *self.table.add(at) = match *home {
                    Home::Scratch(offset) => self.scratch.add(offset),
                    Home::Constant(offset) => program.constants.data().add(offset),
                    Home::Output(number) => self.y[number].ptr,
                    Home::Operand(number) => self.x[number].ptr.cast_mut(),
                    Home::Kept(..) | Home::ColumnRows(..) => std::ptr::null_mut(),
                };
            }
            for (number, input) in program.inputs.iter().enumerate() {
                debug_assert_eq!(self.x[number].dtype, input.dtype);
                self.feeds[number] = self.feed(number);
            }
        }
        for (number, output) in program.outputs.iter().enumerate() {
            let over = |i: &usize| std::ptr::eq(self.x[*i].ptr, self.y[number].ptr);
            if output.extent != Extent::Elements {
                continue;
            }
            for input in (0..self.x.len()).filter(over) {
                debug_assert!(program.may_overwrite(input, number), "output {number} over operand {input}");
                let too_early = program.made_too_early(self.kernels, input, number);
                self.spilled |= u64::from(too_early) << number;
            }
        }
    }

    /// Begins the folds over rows.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn begin_folds(&self) {
        // SAFETY: offsets are inside of the scratch memory, which has room for the totals.
        unsafe {
            for fold in &self.program.whole {
                tiled::begin(fold.fold, fold.dtype, self.totals.add(fold.totals), tiled::ROW_TOTALS);
            }
            for column in &self.program.columns {
                let totals = self.totals.add(column.totals);
                tiled::begin(column.fold, column.dtype, totals, self.cut.inner);
            }
        }
    }

    /// Goes over its rows, all or some.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn all_rows(&self) {
        let Cut { own_rows: [mut row, end], inner, block, .. } = self.cut;
        while row < end {
            let count = block.min(end - row);
            let whole = Tile { row, rows: count, start: 0, len: inner };
            // SAFETY: the rows exist.
            unsafe {
                self.move_rows(&whole);
                for phase in &self.program.phases {
                    self.phase(phase, &whole);
                }
                if !self.program.columns.is_empty() {
                    self.fold_columns(row + count);
                }
            }
            row += count;
        }
    }

    /// Goes over a block of rows once.
    ///
    /// # Safety
    /// As for [`run`]; the rows exist.
    unsafe fn phase(&self, phase: &Phase, whole: &Tile) {
        let Cut { inner, step, own_inner: [first, end], .. } = self.cut;
        let in_one = inner <= step;
        // SAFETY: the tiles lie in the space.
        unsafe {
            self.instructions(phase.head.clone(), whole.rows, |at| {
                let instruction = &self.program.instructions[at];
                match instruction.run {
                    Run::Spread(size) => self.spread(instruction, size, whole.rows, inner.min(step)),
                    _ => self.compute(instruction, whole.rows),
                }
            });
            if phase.body.is_empty() {
                return;
            }
            if in_one {
                self.tile(phase, whole, true);
                return;
            }
            for fold in &phase.folds {
                tiled::begin(fold.fold, fold.dtype, self.scratch.add(fold.totals), tiled::ROW_TOTALS);
            }
            let mut start = first;
            while start < end {
                let len = part(end - start, step);
                self.tile(phase, &Tile { start, len, ..*whole }, false);
                start += len;
            }
            for fold in &phase.folds {
                tiled::finish(fold.fold, fold.dtype, self.scratch.add(fold.totals), self.at(fold.y));
            }
        }
    }

    /// Runs the body of a phase over a tile.
    ///
    /// # Safety
    /// As for [`run`]; the tile lies in the space.
    unsafe fn tile(&self, phase: &Phase, tile: &Tile, in_one: bool) {
        let n = tile.rows * tile.len;
        // SAFETY: the caller's promise.
        unsafe {
            for &(number, seen) in &phase.reads {
                if !(in_one && seen == Seen::Again) {
                    self.feed_tile(number, tile);
                }
            }
            for &place in &phase.moves {
                self.move_along(phase, place, tile);
            }
            let mut turn = None;
            self.instructions(phase.body.clone(), n, |at| {
                let instruction = &self.program.instructions[at];
                match instruction.run {
                    Run::FoldRow { fold, dtype, .. } if in_one => {
                        let (x, y) = (self.at(instruction.x[0]), self.at(instruction.y));
                        tiled::rows(fold, dtype, x, [tile.rows, tile.len], y);
                    }
                    Run::FoldRow { fold, dtype, totals } => {
                        let totals = self.scratch.add(totals * TOTALS_BYTES);
                        tiled::add(fold, dtype, self.at(instruction.x[0]), n, totals);
                    }
                    Run::FoldAll { fold, dtype, totals } => {
                        // Kept to the end of the tile, for other folds of it.
                        turn = turn.take().or_else(|| Some(self.turns?.wait_for(self.cut.number(tile))));
                        let totals = self.totals.add(totals * TOTALS_BYTES);
                        tiled::add(fold, dtype, self.at(instruction.x[0]), n, totals);
                    }
                    _ => self.compute(instruction, n),
                }
            });
            if self.spilled != 0 {
                self.copy_spilled(phase, tile);
            }
        }
    }

    #[inline(always)]
    fn at(&self, place: u16) -> *mut u8 {
        debug_assert!((place as usize) < self.program.places.len());
        // SAFETY: the table has an entry for each place, written by `begin`.
        unsafe { *self.table.add(place as usize) }
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn set(&self, place: u16, to: *mut u8) {
        debug_assert!((place as usize) < self.program.places.len());
        // SAFETY: the table has an entry for each place.
        unsafe { *self.table.add(place as usize) = to }
    }

    /// Runs an elementwise instruction on `n` elements.
    ///
    /// # Safety
    /// Its places have as many.
    #[inline(always)]
    unsafe fn compute(&self, instruction: &Instruction, n: usize) {
        let y = self.at(instruction.y);
        // SAFETY: the caller's promise; the output's place is none of the inputs'.
        unsafe {
            match &instruction.run {
                Run::Map(arithmetic, dtype) => {
                    let x = instruction.x.map(|place| self.at(place).cast_const());
                    arithmetic.body().tile(*dtype, &x[..instruction.count as usize], y, n);
                }
                Run::Cast(from, to) => cast::cast(*from, self.at(instruction.x[0]), *to, y, n),
                Run::Copy(size) => std::ptr::copy_nonoverlapping(self.at(instruction.x[0]), y, n * size),
                Run::Spread(_) | Run::FoldRow { .. } | Run::FoldAll { .. } => {
                    unreachable!("not elementwise")
                }
            }
        }
    }

    /// Repeats a number of each row `len` times.
    ///
    /// # Safety
    /// The instruction's places have `rows` numbers and room for the elements.
    unsafe fn spread(&self, instruction: &Instruction, size: usize, rows: usize, len: usize) {
        /// # Safety
        /// As above, for elements of type `T`.
        unsafe fn typed<T: Copy>(x: *const u8, y: *mut u8, rows: usize, len: usize) {
            for row in 0..rows {
                // SAFETY: the caller's promise.
                unsafe {
                    let value = *x.cast::<T>().add(row);
                    std::slice::from_raw_parts_mut(y.cast::<T>().add(row * len), len).fill(value);
                }
            }
        }
        let (x, y) = (self.at(instruction.x[0]), self.at(instruction.y));
        // SAFETY: the caller's promise.
        unsafe {
            match size {
                1 => typed::<u8>(x, y, rows, len),
                2 => typed::<u16>(x, y, rows, len),
                4 => typed::<u32>(x, y, rows, len),
                _ => typed::<u64>(x, y, rows, len),
            }
        }
    }

    /// Points a place of elements at its tile.
    ///
    /// # Safety
    /// The tile lies in the space.
    unsafe fn move_along(&self, phase: &Phase, place: u16, tile: &Tile) {
        let inner = self.cut.inner;
        // SAFETY: outputs and kept rows have room for the tile.
        unsafe {
            let to = match self.program.places[place as usize] {
                Home::Output(number) => {
                    let output = &self.program.outputs[number];
                    if self.spilled >> number & 1 == 1 && phase.made.contains(&number) {
                        self.scratch.add(output.spill)
                    } else {
                        self.y[number].ptr.add((tile.row * inner + tile.start) * output.dtype.size())
                    }
                }
                Home::Kept(offset, size) => self.scratch.add(offset + tile.start * size),
                Home::ColumnRows(offset, size) => {
                    let row = tile.row % self.program.group();
                    self.scratch.add(offset + (row * inner + tile.start) * size)
                }
                Home::Scratch(_) | Home::Constant(_) | Home::Operand(_) => unreachable!("does not move"),
            };
            self.set(place, to);
        }
    }

    /// Copies a tile of the outputs that could not be written where they belong.
    ///
    /// # Safety
    /// The tile lies in the space and has just been computed.
    #[cold]
    unsafe fn copy_spilled(&self, phase: &Phase, tile: &Tile) {
        for &number in phase.made.iter().filter(|&number| self.spilled >> number & 1 == 1) {
            let output = &self.program.outputs[number];
            let size = output.dtype.size();
            let at = (tile.row * self.cut.inner + tile.start) * size;
            // SAFETY: the spilled tile and its place in the destination, which is elsewhere.
            unsafe {
                let from = self.scratch.add(output.spill);
                std::ptr::copy_nonoverlapping(from, self.y[number].ptr.add(at), tile.rows * tile.len * size);
            }
        }
    }

    /// Folds the columns of the rows before `end`, when there is a group of them.
    ///
    /// # Safety
    /// The rows before `end` have been computed.
    unsafe fn fold_columns(&self, end: usize) {
        let (group, inner) = (self.program.group(), self.cut.inner);
        if !end.is_multiple_of(group) && end != self.cut.rows {
            return;
        }
        let start = (end - 1) / group * group;
        let _turn = self.turns.map(|turns| turns.wait_for(start / group));
        for column in &self.program.columns {
            let size = column.dtype.size();
            // SAFETY: the rows of the group lie behind one another.
            unsafe {
                let x = match self.program.places[column.x as usize] {
                    Home::Output(number) => self.y[number].ptr.add(start * inner * size),
                    Home::ColumnRows(offset, _) => self.scratch.add(offset),
                    _ => unreachable!("columns are folded from memory that keeps rows"),
                };
                let totals = self.totals.add(column.totals);
                tiled::add_rows(column.fold, column.dtype, x, [end - start, inner], totals);
            }
        }
    }

    /// Writes what is known only when all rows have been seen.
    ///
    /// # Safety
    /// As for [`run`]; all rows have been computed.
    unsafe fn end(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            for fold in &self.program.whole {
                tiled::finish(fold.fold, fold.dtype, self.totals.add(fold.totals), self.at(fold.y));
            }
            for instruction in &self.program.instructions[self.program.tail.clone()] {
                self.compute(instruction, 1);
            }
            for column in &self.program.columns {
                self.finish_columns(column);
            }
        }
    }

    /// # Safety
    /// All rows have been folded.
    unsafe fn finish_columns(&self, column: &Columns) {
        /// Columns converted at a time.
        const PART: usize = 64;
        let (n, y) = (self.cut.inner, self.y[column.output].ptr);
        let dtype = self.program.outputs[column.output].dtype;
        // SAFETY: the totals and the destination have `n` columns; the buffer has room for any dtype.
        unsafe {
            let totals = self.totals.add(column.totals);
            if dtype == column.dtype {
                return tiled::finish_columns(column.fold, column.dtype, totals, n, y);
            }
            let mut buffer = [0u64; PART];
            let buffer = buffer.as_mut_ptr().cast::<u8>();
            for start in (0..n).step_by(PART) {
                let count = PART.min(n - start);
                tiled::finish_columns(column.fold, column.dtype, totals.add(start * 8), count, buffer);
                cast::cast(column.dtype, buffer, dtype, y.add(start * dtype.size()), count);
            }
        }
    }
}

/// How long the next tile of a row is that has `left` elements left: so that folds are of whole chunks, and the last
/// tile is not too short (see [`tiled`]).
fn part(left: usize, step: usize) -> usize {
    match left {
        _ if left <= step => left,
        _ if left < step + tiled::SHORTEST => step - tiled::CHUNK,
        _ => step,
    }
}

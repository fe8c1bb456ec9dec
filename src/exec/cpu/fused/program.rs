//! What a fused kernel needs to run: instructions over places, and which memory the places are.

use std::ops::Range;

use super::lower::{Code, Line, Reg, Source, When};
use super::native::{self, Native};
use super::{MAX_OPERANDS, Run, TILE, TOTALS_BYTES, fill};
use crate::exec::Fold;
use crate::exec::cpu::reduce::tiled;
use crate::exec::fused::{Extent, Space, Step, Value};
use crate::tensor::{DType, Storage};

/// A fused kernel, ready to run.
pub(crate) struct Program {
    pub(super) space: Space,
    /// Whether rows mean nothing, so that the space may be cut as the operands' strides suggest.
    pub(super) flat: bool,
    /// Rows that are computed together; 1 if a row is longer than a tile.
    pub(super) block: usize,
    /// The most elements of a tile.
    pub(super) tile: usize,
    pub(super) instructions: Vec<Instruction>,
    pub(super) phases: Vec<Phase>,
    pub(super) tail: Range<usize>,
    pub(super) places: Vec<Home>,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<Output>,
    pub(super) columns: Vec<Columns>,
    pub(super) constants: Storage,
    /// Folds of everything: their results are written before the tail.
    pub(super) whole: Vec<RunningFold>,
    pub(super) scratch_bytes: usize,
    pub(super) native: Native,
}

/// One call of a loop over a tile.
pub(super) struct Instruction {
    pub(super) run: Run,
    /// Places.
    pub(super) x: [u16; MAX_OPERANDS],
    pub(super) count: u8,
    pub(super) y: u16,
}

/// What goes over a block of rows once.
pub(super) struct Phase {
    pub(super) head: Range<usize>,
    pub(super) body: Range<usize>,
    pub(super) folds: Vec<RunningFold>,
    /// Operands with elements that the body reads, and whether an earlier phase has read them.
    pub(super) reads: Vec<(usize, Seen)>,
    /// Places whose memory goes along with the tiles.
    pub(super) moves: Vec<u16>,
    /// Outputs with elements that the body makes.
    pub(super) made: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Again,
}

/// A fold under way.
#[derive(Clone, Copy)]
pub(super) struct RunningFold {
    pub(super) fold: Fold,
    pub(super) dtype: DType,
    /// Offset of its totals in the scratch memory.
    pub(super) totals: usize,
    /// The place of the result.
    pub(super) y: u16,
}

/// The memory of a place.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// Offset in the scratch memory.
    Scratch(usize),
    /// Offset in the constants.
    Constant(usize),
    Operand(usize),
    Output(usize),
    /// A row, or the rows of a block, kept from phase to phase: offset, and size of an element.
    Kept(usize, usize),
    /// Rows kept until their columns are folded: offset, and size of an element.
    ColumnRows(usize, usize),
}

pub(super) struct Input {
    pub(super) extent: Extent,
    pub(super) dtype: DType,
    pub(super) place: u16,
    /// Where elements that do not lie as they are wanted are staged: offset in the scratch memory.
    pub(super) stage: usize,
    /// The last instruction that reads it, and the phase of that.
    last_read: (usize, usize),
}

pub(super) struct Output {
    pub(super) extent: Extent,
    pub(super) dtype: DType,
    /// None for columns.
    pub(super) place: Option<u16>,
    /// Where its tiles go first if the destination is still read: offset in the scratch memory.
    pub(super) spill: usize,
    /// The instruction that makes it, and the phase of that.
    made: (usize, usize),
}

/// A fold over rows.
pub(super) struct Columns {
    pub(super) fold: Fold,
    /// The dtype of what is folded.
    pub(super) dtype: DType,
    pub(super) x: u16,
    pub(super) output: usize,
    /// Offset of the totals in the scratch memory.
    pub(super) totals: usize,
}

impl Program {
    pub(crate) fn new(space: Space, steps: &[Step], outputs: &[Value]) -> Program {
        let code = Code::new(steps, outputs);
        let flat = !steps.iter().any(|step| matches!(step.extent, Extent::Rows | Extent::Columns));
        let block = block_rows(space, flat, !code.columns.is_empty());
        let tile = if flat { TILE.min(space.len()) } else { TILE.min(block * space.inner) };
        Placing::new(space, block, tile, &code).finish(code, steps, outputs, flat)
    }

    /// See [`crate::exec::fused::Fused::may_overwrite`].
    pub(crate) fn may_overwrite(&self, input: usize, output: usize) -> bool {
        let (x, y) = (&self.inputs[input], &self.outputs[output]);
        let alike = x.extent == Extent::Elements && y.extent == Extent::Elements;
        alike && x.dtype.size() == y.dtype.size() && x.last_read.1 <= y.made.1
    }

    /// Whether output `output` is made before the last read of operand `input`.
    pub(super) fn made_too_early(&self, kernels: &native::Kernels, input: usize, output: usize) -> bool {
        self.native.made_too_early(kernels, self.outputs[output].made.0, self.inputs[input].last_read.0)
    }

    /// Rows whose columns are folded at a time.
    pub(super) fn group(&self) -> usize {
        self.block.max(tiled::GROUP)
    }
}

/// How many rows are computed together: as many as a tile holds, and, where columns are folded, a multiple or a part
/// of the rows that are folded at a time.
fn block_rows(space: Space, flat: bool, columns: bool) -> usize {
    let fit = (TILE / space.inner).clamp(1, space.rows);
    match fit {
        _ if flat => 1,
        _ if !columns => fit,
        fit if fit >= tiled::GROUP => fit / tiled::GROUP * tiled::GROUP,
        fit => 1 << fit.ilog2(),
    }
}

/// Hands out memory: offsets that are multiples of a cache line.
#[derive(Default)]
struct Bytes(usize);

impl Bytes {
    fn take(&mut self, bytes: usize) -> usize {
        let at = self.0;
        self.0 += bytes.next_multiple_of(64);
        at
    }
}

struct Placing {
    space: Space,
    block: usize,
    tile: usize,
    homes: Vec<Home>,
    /// The dtype of each of them.
    dtypes: Vec<DType>,
    /// The place of each register.
    place: Vec<Option<u16>>,
    scratch: Bytes,
    /// Lines that may be computed together.
    groups: Vec<Range<usize>>,
}

impl Placing {
    fn new(space: Space, block: usize, tile: usize, code: &Code) -> Placing {
        let mut scratch = Bytes::default();
        // At the beginning: instructions count them from there.
        scratch.take(code.totals * TOTALS_BYTES);
        let place = vec![None; code.registers.len()];
        let (homes, dtypes, groups) = (Vec::new(), Vec::new(), native::groups(code));
        let mut placing = Placing { space, block, tile, homes, dtypes, place, scratch, groups };
        placing.place_fixed(code);
        placing.place_slots(code);
        placing
    }

    fn put(&mut self, code: &Code, reg: Reg, home: Home) {
        self.homes.push(home);
        self.dtypes.push(code.registers[reg].dtype);
        let place = u16::try_from(self.homes.len() - 1).expect("a group of steps is bounded");
        self.place[reg] = Some(place);
    }

    /// Places of operands, constants, outputs, and of what is kept for longer than a tile.
    fn place_fixed(&mut self, code: &Code) {
        let mut constants = Bytes::default();
        for (reg, register) in code.registers.iter().enumerate() {
            match register.source {
                Source::Operand(number) => self.put(code, reg, Home::Operand(number)),
                Source::Constant(_) => {
                    let offset = constants.take(self.tile * register.dtype.size());
                    self.put(code, reg, Home::Constant(offset));
                }
                Source::Line => {}
            }
        }
        for (number, reg) in code.outputs.iter().enumerate() {
            if let Some(reg) = *reg {
                self.put(code, reg, Home::Output(number));
            }
        }
        for column in &code.columns {
            if self.place[column.x].is_none() {
                let size = code.registers[column.x].dtype.size();
                let rows = self.block.max(tiled::GROUP);
                let offset = self.scratch.take(rows * self.space.inner * size);
                self.put(code, column.x, Home::ColumnRows(offset, size));
            }
        }
        for line in code.lines.iter().filter(|line| line.when == When::Body) {
            for &x in &line.x {
                let made = code.lines.iter().find(|made| made.y == x);
                let crosses = made.is_some_and(|made| made.when == When::Body && made.phase < line.phase);
                if crosses && code.registers[x].extent == Extent::Elements && self.place[x].is_none() {
                    let size = code.registers[x].dtype.size();
                    let offset = self.scratch.take(self.block * self.space.inner * size);
                    self.put(code, x, Home::Kept(offset, size));
                }
            }
        }
    }

    /// Places of all others: slots of a tile each, which are used again when what they hold is not read any more.
    fn place_slots(&mut self, code: &Code) {
        let size = code.registers.iter().map(|register| register.dtype.size()).max().unwrap_or(1);
        let last_reads = last_reads(code, &self.groups);
        let mut free: Vec<usize> = Vec::new();
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for (at, line) in code.lines.iter().enumerate() {
            if self.place[line.y].is_none() {
                let offset = free.pop().unwrap_or_else(|| self.scratch.take(self.tile * size));
                self.put(code, line.y, Home::Scratch(offset));
                ends.push((last_reads[line.y].max(at), offset));
            }
            // After the output was placed, which may not lie over an input.
            ends.retain(|&(end, offset)| {
                if end == at {
                    free.push(offset);
                }
                end != at
            });
        }
    }

    fn at(&self, reg: Reg) -> u16 {
        self.place[reg].expect("every register has been placed")
    }

    fn instruction(&self, line: Line) -> Instruction {
        let mut x = [0; MAX_OPERANDS];
        for (slot, &reg) in x.iter_mut().zip(&line.x) {
            *slot = self.at(reg);
        }
        Instruction { count: line.x.len() as u8, x, y: self.at(line.y), run: line.run }
    }

    fn running(&self, line: &Line) -> Option<RunningFold> {
        match line.run {
            Run::FoldRow { fold, dtype, totals } | Run::FoldAll { fold, dtype, totals } => {
                let totals = totals * TOTALS_BYTES;
                Some(RunningFold { fold, dtype, totals, y: self.at(line.y) })
            }
            _ => None,
        }
    }

    fn phases(&self, code: &Code) -> Vec<Phase> {
        let count = code.lines.iter().filter(|line| line.when != When::Tail).map(|line| line.phase + 1).max();
        let mut seen = vec![Seen::First; code.registers.len()];
        (0..count.unwrap_or(0)).map(|phase| self.phase(code, phase, &mut seen)).collect()
    }

    fn phase(&self, code: &Code, phase: usize, seen: &mut [Seen]) -> Phase {
        let range = |when: When| {
            let here = |line: &Line| line.when == when && line.phase == phase;
            let start = code.lines.iter().position(here).unwrap_or(0);
            start..start + code.lines.iter().filter(|line| here(line)).count()
        };
        let (head, body) = (range(When::Head), range(When::Body));
        let lines = &code.lines[body.clone()];
        let fold_rows = lines.iter().filter(|line| matches!(line.run, Run::FoldRow { .. }));
        let folds = fold_rows.filter_map(|line| self.running(line)).collect();
        let (mut reads, mut moves, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            for &reg in line.x.iter().chain([&line.y]) {
                let place = self.at(reg);
                match self.homes[place as usize] {
                    Home::Operand(number) if reads.iter().all(|(read, _)| *read != number) => {
                        reads.push((number, std::mem::replace(&mut seen[reg], Seen::Again)));
                    }
                    Home::Output(number)
                        if reg == line.y && code.registers[reg].extent == Extent::Elements =>
                    {
                        made.push(number);
                    }
                    _ => {}
                }
                let elements = code.registers[reg].extent == Extent::Elements;
                let home = self.homes[place as usize];
                let moving = matches!(home, Home::Output(_) | Home::Kept(..) | Home::ColumnRows(..));
                if elements && moving && !moves.contains(&place) {
                    moves.push(place);
                }
            }
        }
        Phase { head, body, folds, reads, moves, made }
    }

    fn inputs(&mut self, code: &Code) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (reg, register) in code.registers.iter().enumerate() {
            let Source::Operand(_) = register.source else { continue };
            let last = code.lines.iter().enumerate().rfind(|(_, line)| line.x.contains(&reg));
            inputs.push(Input {
                extent: register.extent,
                dtype: register.dtype,
                place: self.at(reg),
                stage: self.scratch.take(self.tile * register.dtype.size()),
                last_read: last.map_or((0, 0), |(at, line)| (at, line.phase)),
            });
        }
        inputs
    }

    fn outputs(&mut self, code: &Code, steps: &[Step], outputs: &[Value]) -> Vec<Output> {
        let output = |(value, reg): (&Value, &Option<Reg>)| {
            let step = &steps[value.index()];
            let made = code.lines.iter().enumerate().find(|(_, line)| Some(line.y) == *reg);
            let elements = step.extent == Extent::Elements;
            Output {
                extent: step.extent,
                dtype: step.dtype,
                place: reg.map(|reg| self.at(reg)),
                spill: if elements { self.scratch.take(self.tile * step.dtype.size()) } else { 0 },
                made: made.map_or((0, 0), |(at, line)| (at, line.phase)),
            }
        };
        outputs.iter().zip(&code.outputs).map(output).collect()
    }

    fn columns(&mut self, code: &Code) -> Vec<Columns> {
        let columns = code.columns.iter().map(|column| Columns {
            fold: column.fold,
            dtype: code.registers[column.x].dtype,
            x: self.at(column.x),
            output: column.output,
            totals: self.scratch.take(self.space.inner * 8),
        });
        columns.collect()
    }

    fn finish(mut self, code: Code, steps: &[Step], outputs: &[Value], flat: bool) -> Program {
        let phases = self.phases(&code);
        let fold_all = code.lines.iter().filter(|line| matches!(line.run, Run::FoldAll { .. }));
        let whole = fold_all.filter_map(|line| self.running(line)).collect();
        let (inputs, outputs) = (self.inputs(&code), self.outputs(&code, steps, outputs));
        let columns = self.columns(&code);
        let constants = constants(&code, &self);
        let tail = code.lines.iter().filter(|line| line.when != When::Tail).count()..code.lines.len();
        Program {
            space: self.space,
            flat,
            block: self.block,
            tile: self.tile,
            instructions: code.lines.into_iter().map(|line| self.instruction(line)).collect(),
            phases,
            tail,
            inputs,
            outputs,
            columns,
            constants,
            whole,
            scratch_bytes: self.scratch.0,
            places: self.homes,
            native: Native::new(self.groups, self.dtypes),
        }
    }
}

/// The line up to which each register must be kept. What a group has from before is kept until all of it is done, since
/// the order in it is not that of the lines, and since a kernel may leave it to the interpreter.
fn last_reads(code: &Code, groups: &[Range<usize>]) -> Vec<usize> {
    let end_of = |phase: usize| {
        code.lines.iter().rposition(|line| line.when != When::Tail && line.phase <= phase).unwrap_or(0)
    };
    let mut last = vec![0; code.registers.len()];
    let mut lasts = vec![false; code.registers.len()];
    let mut made = vec![None; code.registers.len()];
    for (at, line) in code.lines.iter().enumerate() {
        made[line.y] = Some(at);
        // What is made once for a row is read by all tiles of the row.
        lasts[line.y] = line.when != When::Body || code.registers[line.y].extent != Extent::Elements;
    }
    for (at, line) in code.lines.iter().enumerate() {
        let group = groups.iter().find(|group| group.contains(&at));
        for &x in &line.x {
            let from_before = |group: &&Range<usize>| made[x].is_none_or(|made| made < group.start);
            let at = group.filter(from_before).map_or(at, |group| group.end - 1);
            let until = match line.when {
                When::Tail => code.lines.len(),
                _ if lasts[x] => end_of(line.phase),
                _ => at,
            };
            last[x] = last[x].max(until);
        }
    }
    last
}

/// Tiles of the constants.
fn constants(code: &Code, placing: &Placing) -> Storage {
    let tiles = code.registers.iter().enumerate().filter_map(|(reg, register)| {
        let Source::Constant(bits) = register.source else { return None };
        let Home::Constant(offset) = placing.homes[placing.at(reg) as usize] else { return None };
        Some((offset, register.dtype.size(), bits))
    });
    let tiles: Vec<_> = tiles.collect();
    let bytes = tiles.iter().map(|(offset, size, _)| offset + placing.tile * size).max().unwrap_or(0);
    let constants = Storage::with_bytes(bytes);
    for (offset, size, bits) in tiles {
        // SAFETY: the tile lies within the block just made, at an offset that is a multiple of a cache line.
        unsafe { fill(bits, size, constants.data().add(offset), placing.tile) };
    }
    constants
}

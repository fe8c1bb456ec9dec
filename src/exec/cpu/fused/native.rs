//! Lines that are compiled to machine code together: one loop over a tile, intermediate values in registers.
//!
//! A group is a run of lines of one phase on floats of one type, and the truth values between them. What it writes is
//! what is read outside of it. Everything else stays with the interpreter, and so do groups that cannot be compiled
//! here, and the tiles of a group where an element needs what only the interpreter can do.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::lower::{Code, Line, When};
use super::program::{Home, Program};
use super::{Run, Running};
use crate::exec::cpu::jit::{Graph, Kernel, Lane, Recording, Value, Width, width};
use crate::tensor::{Bits, DType};

/// The lines that are worth compiling: a single one is such a loop already.
const LEAST: usize = 2;

/// The groups of a program, and their kernels once they have been wanted.
pub(super) struct Native {
    /// Ranges of instructions, in order.
    groups: Vec<Range<usize>>,
    /// Of each place.
    dtypes: Vec<DType>,
    avx2: OnceLock<Box<Kernels>>,
    avx512: OnceLock<Box<Kernels>>,
}

/// The kernel of each group, where there is one.
pub(super) type Kernels = [Option<Arc<Kernel>>];

/// What lines compute on: floats of a type, or truth values alone, which go with any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Floats(Lane),
    Truth,
}

impl On {
    fn of(dtype: DType) -> Option<On> {
        match dtype {
            DType::F32 => Some(On::Floats(Lane::F32)),
            DType::F64 => Some(On::Floats(Lane::F64)),
            DType::Bool => Some(On::Truth),
            _ => None,
        }
    }

    /// What both together compute on, if that is one type.
    fn with(self, other: On) -> Option<On> {
        match (self, other) {
            (On::Truth, on) | (on, On::Truth) => Some(on),
            _ => (self == other).then_some(self),
        }
    }
}

/// What a line computes on, if it can be compiled.
fn on(code: &Code, line: &Line) -> Option<On> {
    if !matches!(line.run, Run::Map(..) | Run::Cast(..) | Run::Copy(_)) {
        return None;
    }
    let registers = line.x.iter().chain([&line.y]);
    registers.map(|&reg| On::of(code.registers[reg].dtype)).try_fold(On::Truth, |all, on| all.with(on?))
}

/// The order of lines that may run in any, in which those that are compiled together stand together: as they come, but
/// what does not belong to a group goes before it where it can. Folds, which nothing waits for, go last.
pub(super) fn order(code: &Code, lines: Range<usize>) -> Vec<usize> {
    let mut waits = vec![false; code.registers.len()];
    lines.clone().for_each(|at| waits[code.lines[at].y] = true);
    let mut left: Vec<usize> = lines.collect();
    let mut order = Vec::with_capacity(left.len());
    let mut open: Option<On> = None;
    while !left.is_empty() {
        let find = |fits: &dyn Fn(&Line, Option<On>) -> bool| {
            left.iter().position(|&at| {
                let line = &code.lines[at];
                line.x.iter().all(|&x| !waits[x]) && fits(line, on(code, line))
            })
        };
        let next = match open {
            Some(before) => find(&|_, on| on.and_then(|on| before.with(on)).is_some()),
            None => find(&|line, on| on.is_none() && !line.folds())
                .or_else(|| find(&|_, on| on.is_some()))
                .or_else(|| find(&|_, _| true)),
        };
        let Some(next) = next else {
            open = None;
            continue;
        };
        let at = left.remove(next);
        let line = &code.lines[at];
        waits[line.y] = false;
        open = on(code, line).map(|on| open.and_then(|before| before.with(on)).unwrap_or(on));
        order.push(at);
    }
    order
}

/// The groups of lines.
pub(super) fn groups(code: &Code) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(Range<usize>, On)> = None;
    for (at, line) in code.lines.iter().enumerate() {
        let on = on(code, line);
        let goes_on = open.as_ref().and_then(|(range, before)| {
            let first = &code.lines[range.start];
            (first.phase == line.phase && first.when == line.when).then_some(())?;
            before.with(on?)
        });
        match (&mut open, goes_on) {
            (Some((range, before)), Some(both)) => (range.end, *before) = (at + 1, both),
            _ => {
                groups.extend(open.take().map(|(range, _)| range));
                open = on.map(|on| (at..at + 1, on));
            }
        }
    }
    groups.extend(open.map(|(range, _)| range));
    groups.retain(|range| range.len() >= LEAST && code.lines[range.start].when != When::Tail);
    groups
}

impl Native {
    pub(super) fn new(groups: Vec<Range<usize>>, dtypes: Vec<DType>) -> Native {
        Native { groups, dtypes, avx2: OnceLock::new(), avx512: OnceLock::new() }
    }

    /// The kernels of the groups for this machine, compiled when they are wanted first; none if they are not to be.
    pub(super) fn kernels(&self, program: &Program) -> &Kernels {
        if self.groups.is_empty() {
            return &[];
        }
        let Some(width) = width() else { return &[] };
        let kernels = match width {
            Width::Avx2 => &self.avx2,
            Width::Avx512 => &self.avx512,
        };
        kernels.get_or_init(|| {
            self.groups.iter().map(|group| Kernel::of(self.record(program, group), width)).collect()
        })
    }

    /// The group that an instruction is in.
    fn group(&self, instruction: usize) -> Option<usize> {
        let group = self.groups.partition_point(|group| group.end <= instruction);
        self.groups.get(group).is_some_and(|group| group.start <= instruction).then_some(group)
    }

    /// Whether an output that `made` makes is written before `read`, the last one to read the operand whose place it
    /// takes, is done with that.
    ///
    /// A kernel reads an element of everything before it writes one; but where it may have to leave a tile to the
    /// interpreter, what it reads must remain.
    pub(super) fn made_too_early(&self, kernels: &Kernels, made: usize, read: usize) -> bool {
        let group = self.group(made).filter(|&group| kernels.get(group).is_some_and(Option::is_some));
        match group {
            Some(group) if kernels[group].as_ref().is_some_and(|kernel| kernel.may_leave()) => {
                self.groups[group].start <= read
            }
            Some(group) => self.groups[group].end <= read,
            None => made <= read,
        }
    }

    /// What a group computes.
    fn record(&self, program: &Program, group: &Range<usize>) -> Graph {
        let instructions = &program.instructions[group.clone()];
        let of = |place: u16| self.dtypes[place as usize];
        let is_double = |place: &u16| of(*place) == DType::F64;
        let double = instructions.iter().any(|i| i.x[..i.count as usize].iter().chain([&i.y]).any(is_double));
        let recording = Recording::new(if double { Lane::F64 } else { Lane::F32 });
        let mut values: Vec<Option<Value<'_>>> = vec![None; program.places.len()];
        for instruction in instructions {
            let read = |&place: &u16| {
                values[place as usize].unwrap_or_else(|| match (program.places[place as usize], of(place)) {
                    (Home::Constant(offset), dtype) => recording.constant(constant(program, offset, dtype)),
                    (_, DType::Bool) => recording.truth(place),
                    _ => recording.input(place),
                })
            };
            let x: Vec<Value<'_>> = instruction.x[..instruction.count as usize].iter().map(read).collect();
            let y = match &instruction.run {
                Run::Map(arithmetic, _) => recording.evaluate(&arithmetic.body().expr(), &x),
                Run::Cast(_, DType::Bool) => recording.is_true(x[0]),
                Run::Cast(..) | Run::Copy(_) => x[0],
                _ => unreachable!("a group is of elementwise lines"),
            };
            values[instruction.y as usize] = Some(y);
        }
        let written = self.written(program, group).map(|place| {
            let value = values[place as usize].expect("the group makes it");
            if of(place) == DType::Bool {
                recording.truth_at(place, value)
            } else {
                recording.number_at(place, value)
            }
        });
        let written: Vec<_> = written.collect();
        recording.finish(written)
    }

    /// The places of a group that are read outside of it.
    fn written<'a>(&self, program: &'a Program, group: &'a Range<usize>) -> impl Iterator<Item = u16> + 'a {
        let made = program.instructions[group.clone()].iter().map(|instruction| instruction.y);
        made.filter(move |&place| {
            let reads = |i: &super::Instruction| i.x[..i.count as usize].contains(&place);
            let (before, after) = (&program.instructions[..group.start], &program.instructions[group.end..]);
            !matches!(program.places[place as usize], Home::Scratch(_))
                || before.iter().chain(after).any(reads)
        })
    }
}

/// The number in a tile of constants.
fn constant(program: &Program, offset: usize, dtype: DType) -> f64 {
    let mut bits = Bits([0; 8]);
    // SAFETY: a tile of constants has at least one element.
    unsafe {
        let from = program.constants.data().add(offset);
        std::ptr::copy_nonoverlapping(from, bits.0.as_mut_ptr(), dtype.size());
    }
    dtype.number(&bits.0).as_f64()
}

/// What a group reads and makes, as the interpreter has it. Kept for the next tile, so that checking allocates nothing.
#[cfg(debug_assertions)]
#[derive(Default)]
struct Check {
    places: Vec<Kept>,
    memory: Vec<u64>,
}

/// A place, with its part of the memory.
#[cfg(debug_assertions)]
struct Kept {
    place: u16,
    is_made: bool,
    /// In words of the memory.
    offset: usize,
    /// What the place points at.
    before: *mut u8,
}

#[cfg(debug_assertions)]
thread_local! {
    static CHECK: std::cell::Cell<Check> = const { std::cell::Cell::new(Check { places: Vec::new(), memory: Vec::new() }) };
}

impl Running<'_> {
    /// Runs instructions on `n` elements: groups as their kernels, others by `one`.
    ///
    /// # Safety
    /// The places of the instructions have as many.
    #[inline(always)]
    pub(super) unsafe fn instructions(&self, range: Range<usize>, n: usize, mut one: impl FnMut(usize)) {
        if self.kernels.is_empty() {
            return range.for_each(one);
        }
        let native = &self.program.native;
        let mut at = range.start;
        let mut group = native.groups.partition_point(|group| group.end <= at);
        while at < range.end {
            let next = native.groups.get(group).filter(|next| next.start == at);
            match next.and_then(|next| Some((next, self.kernels[group].as_ref()?))) {
                Some((range, kernel)) => {
                    // SAFETY: the caller's promise.
                    unsafe { self.run_group(range, kernel, n) };
                    at = range.end;
                    group += 1;
                }
                None => {
                    one(at);
                    at += 1;
                    group += usize::from(native.groups.get(group).is_some_and(|group| group.end == at));
                }
            }
        }
    }

    /// # Safety
    /// The places of the group have `n` elements.
    unsafe fn run_group(&self, group: &Range<usize>, kernel: &Kernel, n: usize) {
        #[cfg(debug_assertions)]
        // SAFETY: the caller's promise.
        let expected = unsafe { self.interpreted(group, n) };
        // SAFETY: the caller's promise; the kernel was compiled for this machine, an output lies over an input as
        // `made_too_early` allows.
        let done = unsafe { kernel.run(self.table.cast_const(), n) };
        if !done {
            // SAFETY: as above; such a kernel does not overwrite what it reads.
            unsafe { self.interpret(group, n) };
        }
        #[cfg(debug_assertions)]
        {
            for kept in expected.places.iter().filter(|kept| kept.is_made) {
                // SAFETY: the group has just written the place.
                unsafe { self.compare(kept.place, expected.memory[kept.offset..].as_ptr().cast(), n) };
            }
            CHECK.set(expected);
        }
    }

    /// # Safety
    /// The places of the group have `n` elements.
    #[cold]
    unsafe fn interpret(&self, group: &Range<usize>, n: usize) {
        for instruction in &self.program.instructions[group.clone()] {
            // SAFETY: the caller's promise.
            unsafe { self.compute(instruction, n) };
        }
    }

    /// What the interpreter makes of a group, in memory of its own.
    ///
    /// # Safety
    /// The places of the group have `n` elements.
    #[cfg(debug_assertions)]
    unsafe fn interpreted(&self, group: &Range<usize>, n: usize) -> Check {
        let native = &self.program.native;
        let instructions = &self.program.instructions[group.clone()];
        let words = |place: u16| (n * native.dtypes[place as usize].size()).div_ceil(8);
        let mut check = CHECK.take();
        check.places.clear();
        let mut offset = 0;
        let mut keep = |place: u16, is_made: bool| {
            if check.places.iter().all(|kept| kept.place != place) {
                check.places.push(Kept { place, is_made, offset, before: self.at(place) });
                offset += words(place);
            }
        };
        native.written(self.program, group).for_each(|place| keep(place, true));
        for place in instructions.iter().flat_map(|i| &i.x[..i.count as usize]) {
            if instructions.iter().all(|i| i.y != *place) {
                keep(*place, false);
            }
        }
        check.memory.resize(offset.max(check.memory.len()), 0);
        for kept in &check.places {
            let bytes = n * native.dtypes[kept.place as usize].size();
            let own = check.memory[kept.offset..].as_mut_ptr().cast::<u8>();
            // SAFETY: the place has `n` elements, and its part of the memory room for them; the place is pointed back
            // below.
            unsafe {
                if !kept.is_made {
                    std::ptr::copy_nonoverlapping(kept.before, own, bytes);
                }
                self.set(kept.place, own);
            }
        }
        // SAFETY: the caller's promise, and what was made above.
        unsafe {
            self.interpret(group, n);
            check.places.iter().for_each(|kept| self.set(kept.place, kept.before));
        }
        check
    }

    /// Panics if a place differs from what was expected; a NaN is any.
    ///
    /// # Safety
    /// Both have `n` elements.
    #[cfg(debug_assertions)]
    unsafe fn compare(&self, place: u16, expected: *const u8, n: usize) {
        let dtype = self.program.native.dtypes[place as usize];
        let size = dtype.size();
        // SAFETY: the caller's promise.
        let [got, expected] = [self.at(place).cast_const(), expected]
            .map(|p| unsafe { std::slice::from_raw_parts(p, n * size) });
        for (i, (got, expected)) in got.chunks(size).zip(expected.chunks(size)).enumerate() {
            let numbers = [got, expected].map(|bytes| dtype.number(bytes).as_f64());
            let same = got == expected || numbers.iter().all(|number| number.is_nan());
            assert!(same, "element {i} of {n} is {} in machine code, not {}", numbers[0], numbers[1]);
        }
    }
}

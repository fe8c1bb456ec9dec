//! A graph as a function in machine code.
//!
//! `function(table, n) -> u64`: `table` holds the address of each place; elements `0..n` of the inputs are read and of
//! the outputs written, nothing else. It yields 1, with some outputs written, if an element needs what the graph does
//! not have, else 0.
//!
//! | register | holds |
//! |---|---|
//! | `rdi`, `rsi` | the arguments |
//! | `rax` | the first element of what is computed now |
//! | `rdx` | the constants |
//! | `rcx`, `r8` to `r11`, `rbx` | addresses of the first places |
//! | `r14` | the address of another place |
//! | `r15` | in the tail: how many elements are left, at most a vector |
//! | `r12`, `r13` | in the tail: a counter, and bytes |
//! | `k7` or `ymm15` | in the tail: which elements there are |

use super::allocate::{Inst, Line, Registers, Source, allocate};
use super::encode::{Code, Condition, Evex, Form, Gpr, Jump, Length, Memory, Rm};
use super::graph::{Graph, Lane, Op, Relation};

/// Bytes of the largest frame that is asked for: more would be a very large kernel.
const MAX_FRAME: usize = 1 << 16;
const PAGE: i32 = 4096;
/// Addresses of places are in these.
const POINTERS: [Gpr; 6] = [Gpr::Rcx, Gpr::R8, Gpr::R9, Gpr::R10, Gpr::R11, Gpr::Rbx];
const SAVED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// In front of the constants: for AVX-512 masks of 0, 1, .. elements, two bytes each; for AVX2 half a table of ones and
/// half of zeros. And bytes that are 1.
const MASKS: i32 = -128;
const ONES: i32 = -64;
const TABLES: usize = 128;

/// The mask register of the tail, and the vector that stands for it.
const TAIL_MASK: u8 = 7;
const TAIL_VECTOR: u8 = 15;

/// Which instructions a kernel is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Width {
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ, BW, VL.
    Avx512,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::Avx2 => 32,
            Width::Avx512 => 64,
        }
    }

    fn registers(self) -> Registers {
        match self {
            Width::Avx2 => Registers { vectors: TAIL_VECTOR, masks: 0 },
            Width::Avx512 => Registers { vectors: 32, masks: TAIL_MASK - 1 },
        }
    }
}

/// The code of a graph, followed by its constants; none if it is too large.
pub(super) fn emit(graph: &Graph, width: Width) -> Option<Vec<u8>> {
    let single = allocate(graph, width.registers(), 1);
    // Two vectors at a time, so that one does not wait for the results of the other, if that costs few moves.
    let few = |line: &Line| line.moves <= graph.nodes.len() / 8;
    let double = few(&single).then(|| allocate(graph, width.registers(), 2)).filter(few);
    let (main, streams) = double.as_ref().map_or((&single, 1), |line| (line, 2));
    let frame = usize::from(single.slots.max(main.slots)) * width.bytes();
    if frame > MAX_FRAME {
        return None;
    }
    let mut emitter = Emitter::new(graph, width);
    emitter.function(main, &single, streams, frame as i32);
    Some(emitter.code.bytes)
}

struct Emitter {
    code: Code,
    width: Width,
    lane: Lane,
    /// Places whose addresses are in [`POINTERS`].
    places: Vec<u16>,
    constants: Vec<u64>,
    /// Whether the code at hand computes less than a vector.
    tail: bool,
    leave: Vec<Jump>,
}

impl Emitter {
    fn new(graph: &Graph, width: Width) -> Emitter {
        let mut places = Vec::new();
        let inputs = graph.nodes.iter().filter_map(|node| match node.op {
            Op::Input(place) | Op::Truth(place) => Some(place),
            _ => None,
        });
        for place in inputs.chain(graph.outputs.iter().map(|output| output.place)) {
            if places.len() < POINTERS.len() && !places.contains(&place) {
                places.push(place);
            }
        }
        let code = Code::default();
        Emitter {
            code,
            width,
            lane: graph.lane,
            places,
            constants: Vec::new(),
            tail: false,
            leave: Vec::new(),
        }
    }

    /// Elements of a vector.
    fn lanes(&self) -> usize {
        self.width.bytes() / self.lane.bytes()
    }

    fn function(&mut self, main: &Line, single: &Line, streams: i32, frame: i32) {
        self.code.push(Gpr::Rbp);
        self.code.copy(Gpr::Rbp, Gpr::Rsp);
        SAVED.iter().for_each(|&reg| self.code.push(reg));
        // A stack grows page by page.
        for page in 1..=frame / PAGE {
            self.code.store(Gpr::Rax, Memory::at(Gpr::Rsp, -page * PAGE));
        }
        self.code.subtract_immediate(Gpr::Rsp, frame);
        self.code.and_immediate(Gpr::Rsp, -64);
        let constants = self.code.address_in_code(Gpr::Rdx);
        for (at, &reg) in (0..self.places.len()).zip(&POINTERS) {
            self.code.load(reg, Memory::at(Gpr::Rdi, i32::from(self.places[at]) * 8));
        }
        self.code.set(Gpr::Rax, 0);

        let step = streams * self.lanes() as i32;
        let next = Memory::at(Gpr::Rax, step);
        self.code.address(Gpr::R15, next);
        self.code.compare(Gpr::R15, Gpr::Rsi);
        let too_few = self.code.jump_if(Condition::Greater);
        self.code.align();
        let again = self.code.here();
        self.line(main);
        self.code.add_immediate(Gpr::Rax, step);
        self.code.address(Gpr::R15, next);
        self.code.compare(Gpr::R15, Gpr::Rsi);
        let more = self.code.jump_if(Condition::LessOrEqual);
        self.code.aim(more, again);
        self.code.land(too_few);
        self.tail(single);

        // The result is in `rax`, and `rdx` is not needed any more.
        self.code.set(Gpr::Rdx, 0);
        let end = self.code.jump();
        for jump in std::mem::take(&mut self.leave) {
            self.code.land(jump);
        }
        self.code.set(Gpr::Rdx, 1);
        self.code.land(end);
        self.code.zero_upper();
        self.code.copy(Gpr::Rax, Gpr::Rdx);
        self.code.address(Gpr::Rsp, Memory::at(Gpr::Rbp, -8 * SAVED.len() as i32));
        SAVED.iter().rev().for_each(|&reg| self.code.pop(reg));
        self.code.pop(Gpr::Rbp);
        self.code.ret();
        self.pool(constants);
    }

    /// Computes what is left, a vector or less at a time.
    fn tail(&mut self, single: &Line) {
        let lanes = self.lanes() as i32;
        let again = self.code.here();
        self.code.copy(Gpr::R15, Gpr::Rsi);
        self.code.subtract(Gpr::R15, Gpr::Rax);
        let some = self.code.jump_if(Condition::Greater);
        let done = self.code.jump();
        self.code.land(some);
        self.code.compare_immediate(Gpr::R15, lanes);
        let fits = self.code.jump_if(Condition::LessOrEqual);
        self.code.set(Gpr::R15, lanes as u32);
        self.code.land(fits);
        match self.width {
            Width::Avx512 => {
                let mask = Memory { base: Gpr::Rdx, index: Gpr::R15, scale: 1, offset: MASKS };
                self.code.vex(KMOV_LOAD, Length::Xmm, TAIL_MASK, 0, Rm::Memory(mask));
            }
            Width::Avx2 => {
                // The window on the table that begins with as many ones.
                self.code.copy(Gpr::R12, Gpr::R15);
                self.code.shift_left(Gpr::R12, self.lane.bytes().ilog2() as u8);
                self.code.copy(Gpr::R14, Gpr::Rdx);
                self.code.subtract(Gpr::R14, Gpr::R12);
                let window = Rm::Memory(Memory::at(Gpr::R14, MASKS + 32));
                self.code.vex(self.float(0x10), Length::Ymm, TAIL_VECTOR, 0, window);
            }
        }
        self.tail = true;
        self.line(single);
        self.code.add_immediate(Gpr::Rax, lanes);
        let more = self.code.jump();
        self.code.aim(more, again);
        self.code.land(done);
    }

    /// Tables and constants.
    fn pool(&mut self, address: Jump) {
        self.code.bytes.resize(self.code.bytes.len().next_multiple_of(64), 0);
        let start = self.code.here();
        let (lanes, wide) = (self.lanes(), self.width == Width::Avx512);
        if wide {
            let masks = (0..=lanes as u32).flat_map(|count| (((1_u32 << count) - 1) as u16).to_le_bytes());
            self.code.bytes.extend(masks);
        } else {
            self.code.bytes.extend([0xff; 32]);
        }
        self.code.bytes.resize(start + (TABLES as i32 + ONES) as usize, 0);
        self.code.bytes.extend([1; 16]);
        self.code.bytes.resize(start + TABLES, 0);
        self.code.aim(address, start + TABLES);
        let repeats = if wide { 1 } else { lanes };
        for bits in std::mem::take(&mut self.constants) {
            for _ in 0..repeats {
                self.code.bytes.extend(&bits.to_le_bytes()[..self.lane.bytes()]);
            }
        }
    }

    fn line(&mut self, line: &Line) {
        line.insts.iter().for_each(|inst| self.inst(*inst));
    }

    /// An arithmetic instruction on floats.
    fn float(&self, opcode: u8) -> Form {
        let double = self.lane == Lane::F64;
        Form { map: 1, prefix: u8::from(double), opcode, w: double }
    }

    /// An instruction of the 0F38 or 0F3A maps on elements of either width.
    fn sized(&self, map: u8, prefix: u8, [single, double]: [u8; 2]) -> Form {
        let w = self.lane == Lane::F64;
        Form { map, prefix, opcode: if w { double } else { single }, w }
    }

    /// Where a constant is.
    fn constant(&mut self, bits: u64) -> Memory {
        let at = self.constants.iter().position(|&known| known == bits).unwrap_or_else(|| {
            self.constants.push(bits);
            self.constants.len() - 1
        });
        let size = if self.width == Width::Avx512 { self.lane.bytes() } else { 32 };
        Memory::at(Gpr::Rdx, (at * size) as i32)
    }

    fn slot(&self, slot: u16) -> Memory {
        Memory::at(Gpr::Rsp, i32::from(slot) * self.width.bytes() as i32)
    }

    /// The address of a vector of a place, whose elements have so many bytes.
    fn memory(&mut self, place: u16, stream: u8, bytes: usize) -> Memory {
        let base = match self.places.iter().position(|&known| known == place) {
            Some(at) => POINTERS[at],
            None => {
                self.code.load(Gpr::R14, Memory::at(Gpr::Rdi, i32::from(place) * 8));
                Gpr::R14
            }
        };
        let offset = i32::from(stream) * (self.lanes() * bytes) as i32;
        Memory { base, index: Gpr::Rax, scale: bytes.ilog2() as u8, offset }
    }

    /// An instruction on whole vectors, `to` and `x` being registers; where `mask` is not 0, elements out of it become
    /// 0.
    fn masked(&mut self, form: Form, to: u8, x: u8, y: Source, mask: u8) {
        let plain = Evex { mask, zeroing: mask != 0, broadcast: false, unit: 64 };
        let (rm, evex) = match y {
            Source::Reg(y) => (Rm::Reg(y), plain),
            Source::Slot(slot) => (Rm::Memory(self.slot(slot)), plain),
            Source::Const(bits) => {
                let unit = self.lane.bytes() as i32;
                (Rm::Memory(self.constant(bits)), Evex { broadcast: true, unit, ..plain })
            }
        };
        match self.width {
            Width::Avx512 => self.code.evex(form, Length::Zmm, to, x, rm, evex),
            Width::Avx2 => {
                // Only multiply-add has forms that differ in this bit.
                let w = form.w && form.map == 2;
                self.code.vex(Form { w, ..form }, Length::Ymm, to, x, rm);
            }
        }
    }

    fn vector(&mut self, form: Form, to: u8, x: u8, y: Source) {
        self.masked(form, to, x, y, 0);
    }

    fn inst(&mut self, inst: Inst) {
        let wide = self.width == Width::Avx512;
        match inst {
            Inst::Load { to, place, stream } => self.transfer(to, place, stream, false),
            Inst::Store { from, place, stream } => self.transfer(from, place, stream, true),
            Inst::LoadTruth { to, place, stream, scratch } if wide => {
                self.load_truth_wide(to, place, stream, scratch);
            }
            Inst::LoadTruth { to, place, stream, .. } => self.load_truth(to, place, stream),
            Inst::StoreTruth { from, place, stream, scratch } if wide => {
                self.store_truth_wide(from, place, stream, scratch);
            }
            Inst::StoreTruth { from, place, stream, scratch } => {
                self.store_truth(from, place, stream, scratch)
            }
            Inst::LoadConst { to, bits } => self.load_constant(to, bits, 0),
            Inst::Save { from, slot, truth: true } => {
                self.code.vex(KMOV_STORE, Length::Xmm, from, 0, Rm::Memory(self.slot(slot)));
            }
            Inst::Restore { to, slot, truth: true } => {
                self.code.vex(KMOV_LOAD, Length::Xmm, to, 0, Rm::Memory(self.slot(slot)));
            }
            Inst::Save { from, slot, .. } => self.vector(self.float(0x11), from, 0, Source::Slot(slot)),
            Inst::Restore { to, slot, .. } => self.vector(self.float(0x10), to, 0, Source::Slot(slot)),
            Inst::Copy { to, from } => self.vector(self.float(0x28), to, 0, Source::Reg(from)),
            Inst::Binary { op, to, x, y } => self.vector(self.binary(op), to, x, y),
            Inst::Unary { op, to, x } => self.unary(op, to, x),
            Inst::MulAdd { form, product, addend, to, x, y } => {
                let opcode = form as u8 + 2 * u8::from(addend) + 4 * u8::from(product);
                self.vector(self.sized(2, 1, [opcode; 2]), to, x, y);
            }
            Inst::Compare { relation, swapped, to, x, y } => {
                self.vector(self.float(0xc2), to, x, y);
                self.code.bytes.push(predicate(relation, swapped));
            }
            Inst::Disjoint { to, x, y } if wide => self.vector(self.sized(2, 2, [0x27; 2]), to, x, y),
            Inst::Disjoint { to, x, y } => {
                self.vector(self.float(0x54), to, x, y);
                let equal = match self.lane {
                    Lane::F32 => Form { map: 1, prefix: 1, opcode: 0x76, w: false },
                    Lane::F64 => Form { map: 2, prefix: 1, opcode: 0x29, w: false },
                };
                self.vector(equal, to, to, Source::Const(0));
            }
            Inst::Logic { op, to, x, y } if wide => {
                let opcode = match op {
                    Op::Both => 0x41,
                    Op::Either => 0x45,
                    _ => 0x47,
                };
                self.code.vex(Form { opcode, ..KMOV_LOAD }, Length::Ymm, to, x, Rm::Reg(y));
            }
            Inst::Logic { op, to, x, y } => {
                let opcode = match op {
                    Op::Both => 0x54,
                    Op::Either => 0x56,
                    _ => 0x57,
                };
                self.vector(self.float(opcode), to, x, Source::Reg(y));
            }
            Inst::Not { to, x } if wide => {
                self.code.vex(Form { opcode: 0x44, ..KMOV_LOAD }, Length::Xmm, to, 0, Rm::Reg(x));
            }
            Inst::Not { to, x } => {
                self.vector(self.float(0x57), to, x, Source::Const(self.lane.mask()));
            }
            Inst::Blend { to, mask, x, then } => self.blend(to, mask, x, then),
            Inst::Keep { to, mask, then } if wide => match then {
                Source::Const(bits) => self.load_constant(to, bits, mask),
                Source::Reg(_) => self.masked(self.float(0x28), to, 0, then, mask),
                Source::Slot(_) => self.masked(self.float(0x10), to, 0, then, mask),
            },
            Inst::Keep { to, mask, then } => self.vector(self.float(0x54), to, mask, then),
            Inst::LeaveIf { mask } => self.leave_if(mask),
        }
    }

    fn load_constant(&mut self, to: u8, bits: u64, mask: u8) {
        let memory = Rm::Memory(self.constant(bits));
        match self.width {
            Width::Avx512 => {
                let form = self.sized(2, 1, [0x18, 0x19]);
                let unit = self.lane.bytes() as i32;
                let evex = Evex { mask, zeroing: mask != 0, broadcast: false, unit };
                self.code.evex(form, Length::Zmm, to, 0, memory, evex);
            }
            Width::Avx2 => {
                self.code.vex(Form { w: false, ..self.float(0x10) }, Length::Ymm, to, 0, memory);
            }
        }
    }

    /// Loads or stores numbers.
    fn transfer(&mut self, reg: u8, place: u16, stream: u8, stores: bool) {
        let rm = Rm::Memory(self.memory(place, stream, self.lane.bytes()));
        let whole = Form { w: false, ..self.float(0x10 + u8::from(stores)) };
        match self.width {
            Width::Avx512 => {
                let mask = if self.tail { TAIL_MASK } else { 0 };
                let evex = Evex { mask, zeroing: self.tail && !stores, broadcast: false, unit: 64 };
                self.code.evex(Form { w: self.lane == Lane::F64, ..whole }, Length::Zmm, reg, 0, rm, evex);
            }
            Width::Avx2 if self.tail => {
                let opcode = 0x2c + 2 * u8::from(stores);
                let form = Form { w: false, ..self.sized(2, 1, [opcode, opcode + 1]) };
                self.code.vex(form, Length::Ymm, reg, TAIL_VECTOR, rm);
            }
            Width::Avx2 => self.code.vex(whole, Length::Ymm, reg, 0, rm),
        }
    }

    /// The form that moves as many bytes as a vector has elements, and their number; in the tail those that there are.
    fn bytes_wide(&self, stores: bool) -> (Form, Evex) {
        let opcode = if stores { 0x7f } else { 0x6f };
        let all = Form { map: 1, prefix: 3, opcode, w: false };
        let mask = if self.tail { TAIL_MASK } else { 0 };
        let evex = Evex { mask, zeroing: self.tail && !stores, broadcast: false, unit: 16 };
        match self.lane {
            Lane::F64 if !self.tail => {
                let (prefix, opcode) = if stores { (1, 0xd6) } else { (2, 0x7e) };
                (Form { map: 1, prefix, opcode, w: true }, Evex { unit: 8, ..evex })
            }
            _ => (all, evex),
        }
    }

    fn load_truth_wide(&mut self, to: u8, place: u16, stream: u8, scratch: u8) {
        let rm = Rm::Memory(self.memory(place, stream, 1));
        let (form, evex) = self.bytes_wide(false);
        self.code.evex(form, Length::Xmm, scratch, 0, rm, evex);
        let test = Form { map: 2, prefix: 1, opcode: 0x26, w: false };
        let evex = Evex { mask: 0, zeroing: false, broadcast: false, unit: 16 };
        self.code.evex(test, Length::Xmm, to, scratch, Rm::Reg(scratch), evex);
    }

    fn store_truth_wide(&mut self, from: u8, place: u16, stream: u8, scratch: u8) {
        let ones = Rm::Memory(Memory::at(Gpr::Rdx, ONES));
        let all = Form { map: 1, prefix: 3, opcode: 0x6f, w: false };
        let evex = Evex { mask: from, zeroing: true, broadcast: false, unit: 16 };
        self.code.evex(all, Length::Xmm, scratch, 0, ones, evex);
        let rm = Rm::Memory(self.memory(place, stream, 1));
        let (form, evex) = self.bytes_wide(true);
        self.code.evex(form, Length::Xmm, scratch, 0, rm, evex);
    }

    fn load_truth(&mut self, to: u8, place: u16, stream: u8) {
        let mut from = self.memory(place, stream, 1);
        let (widen, above) = match self.lane {
            Lane::F32 => (0x31, Form { map: 1, prefix: 1, opcode: 0x66, w: false }),
            Lane::F64 => (0x32, Form { map: 2, prefix: 1, opcode: 0x37, w: false }),
        };
        let widen = Form { map: 2, prefix: 1, opcode: widen, w: false };
        let mut rm = Rm::Memory(from);
        if self.tail {
            // Byte by byte, from the last one.
            self.code.address(Gpr::R14, from);
            self.code.copy(Gpr::R12, Gpr::R15);
            self.code.set(Gpr::R13, 0);
            let again = self.code.here();
            self.code.shift_left(Gpr::R13, 8);
            from = Memory { base: Gpr::R14, index: Gpr::R12, scale: 0, offset: -1 };
            self.code.load_byte(Gpr::R13, from);
            self.code.decrement(Gpr::R12);
            let more = self.code.jump_if(Condition::NotZero);
            self.code.aim(more, again);
            let to_vector = Form { map: 1, prefix: 1, opcode: 0x6e, w: true };
            self.code.vex(to_vector, Length::Xmm, to, 0, Rm::Reg(Gpr::R13 as u8));
            rm = Rm::Reg(to);
        }
        self.code.vex(widen, Length::Ymm, to, 0, rm);
        self.vector(above, to, to, Source::Const(0));
    }

    fn store_truth(&mut self, from: u8, place: u16, stream: u8, scratch: u8) {
        let half = Form { map: 3, prefix: 1, opcode: 0x39, w: false };
        self.code.vex(half, Length::Ymm, from, 0, Rm::Reg(scratch));
        self.code.bytes.push(1);
        let words = Form { map: 1, prefix: 1, opcode: 0x6b, w: false };
        if self.lane == Lane::F64 {
            // The lower half of each element.
            let shuffle = Form { map: 1, prefix: 0, opcode: 0xc6, w: false };
            self.code.vex(shuffle, Length::Xmm, scratch, from, Rm::Reg(scratch));
            self.code.bytes.push(0x88);
            self.code.vex(words, Length::Xmm, scratch, scratch, Rm::Reg(scratch));
        } else {
            self.code.vex(words, Length::Xmm, scratch, from, Rm::Reg(scratch));
        }
        self.code.vex(Form { opcode: 0x63, ..words }, Length::Xmm, scratch, scratch, Rm::Reg(scratch));
        let ones = Rm::Memory(Memory::at(Gpr::Rdx, ONES));
        self.code.vex(Form { opcode: 0xdb, ..words }, Length::Xmm, scratch, scratch, ones);

        let to = self.memory(place, stream, 1);
        if !self.tail {
            let opcode = if self.lane == Lane::F64 { 0x7e } else { 0xd6 };
            self.code.vex(Form { opcode, ..words }, Length::Xmm, scratch, 0, Rm::Memory(to));
            return;
        }
        let to_bytes = Form { opcode: 0x7e, w: true, ..words };
        self.code.vex(to_bytes, Length::Xmm, scratch, 0, Rm::Reg(Gpr::R13 as u8));
        self.code.address(Gpr::R14, to);
        self.code.copy(Gpr::R12, Gpr::R15);
        let again = self.code.here();
        self.code.store_byte(Gpr::R13, Memory::at(Gpr::R14, 0));
        self.code.shift_right(Gpr::R13, 8);
        self.code.address(Gpr::R14, Memory::at(Gpr::R14, 1));
        self.code.decrement(Gpr::R12);
        let more = self.code.jump_if(Condition::NotZero);
        self.code.aim(more, again);
    }

    fn binary(&self, op: Op) -> Form {
        let integer = |opcodes| Form { map: 1, ..self.sized(1, 1, opcodes) };
        match op {
            Op::Add => self.float(0x58),
            Op::Mul => self.float(0x59),
            Op::Sub => self.float(0x5c),
            Op::Min => self.float(0x5d),
            Op::Div => self.float(0x5e),
            Op::Max => self.float(0x5f),
            Op::And => self.float(0x54),
            Op::Or => self.float(0x56),
            Op::Xor => self.float(0x57),
            Op::AddInt => integer([0xfe, 0xd4]),
            Op::SubInt => integer([0xfa, 0xfb]),
            _ => unreachable!("{op:?} has an instruction of its own"),
        }
    }

    fn unary(&mut self, op: Op, to: u8, x: Source) {
        match op {
            Op::Sqrt => self.vector(self.float(0x51), to, 0, x),
            Op::Round(to_which) => {
                self.vector(self.sized(3, 1, [0x08, 0x09]), to, 0, x);
                // Without a note that it was inexact.
                self.code.bytes.push(8 | to_which as u8);
            }
            Op::ShiftLeft(count) | Op::ShiftRight(count) => {
                let form = self.sized(1, 1, [0x72, 0x73]);
                let direction = if matches!(op, Op::ShiftLeft(_)) { 6 } else { 2 };
                self.vector(form, direction, to, x);
                self.code.bytes.push(count);
            }
            _ => unreachable!("{op:?} is none of one operand"),
        }
    }

    fn blend(&mut self, to: u8, mask: u8, x: u8, then: Source) {
        match self.width {
            Width::Avx512 => {
                let form = self.sized(2, 1, [0x65; 2]);
                let (rm, broadcast, unit) = match then {
                    Source::Reg(reg) => (Rm::Reg(reg), false, 64),
                    Source::Slot(slot) => (Rm::Memory(self.slot(slot)), false, 64),
                    Source::Const(bits) => (Rm::Memory(self.constant(bits)), true, self.lane.bytes() as i32),
                };
                let evex = Evex { mask, zeroing: false, broadcast, unit };
                self.code.evex(form, Length::Zmm, to, x, rm, evex);
            }
            Width::Avx2 => {
                self.vector(self.sized(3, 1, [0x4a, 0x4b]), to, x, then);
                self.code.bytes.push(mask << 4);
            }
        }
    }

    fn leave_if(&mut self, mask: u8) {
        match self.width {
            Width::Avx512 => {
                let mut tested = mask;
                if self.tail {
                    tested = 0;
                    let and = Form { opcode: 0x41, ..KMOV_LOAD };
                    self.code.vex(and, Length::Ymm, tested, mask, Rm::Reg(TAIL_MASK));
                }
                let prefix = u8::from(self.lane == Lane::F64);
                let test = Form { prefix, opcode: 0x98, ..KMOV_LOAD };
                self.code.vex(test, Length::Xmm, tested, 0, Rm::Reg(tested));
            }
            Width::Avx2 => {
                let form = Form { w: false, ..self.sized(2, 1, [0x0e, 0x0f]) };
                let with = if self.tail { TAIL_VECTOR } else { mask };
                self.code.vex(form, Length::Ymm, mask, 0, Rm::Reg(with));
            }
        }
        let jump = self.code.jump_if(Condition::NotZero);
        self.leave.push(jump);
    }
}

/// `kmovw` to a mask register; the others have its map and prefix.
const KMOV_LOAD: Form = Form { map: 1, prefix: 0, opcode: 0x90, w: false };
const KMOV_STORE: Form = Form { opcode: 0x91, ..KMOV_LOAD };

/// The machine's number of a relation.
fn predicate(relation: Relation, swapped: bool) -> u8 {
    match (relation, swapped) {
        (Relation::Eq, _) => 0x00,
        (Relation::Ne, _) => 0x04,
        (Relation::Lt, false) => 0x11,
        (Relation::Le, false) => 0x12,
        (Relation::NotLt, false) => 0x15,
        (Relation::NotLe, false) => 0x16,
        (Relation::Lt, true) => 0x1e,
        (Relation::Le, true) => 0x1d,
        (Relation::NotLt, true) => 0x1a,
        (Relation::NotLe, true) => 0x19,
    }
}

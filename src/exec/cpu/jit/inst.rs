//! Each instruction as bytes, for both widths.

use super::emit::{Emitter, ONES, POINTERS, TAIL_MASK, TAIL_VECTOR, Width};
use super::encode::{Condition, Evex, Form, Gpr, Length, Memory, Rm};
use super::line::{Inst, Source};
use super::op::{Lane, Op, Relation};

impl Emitter {
    /// An arithmetic instruction on floats.
    pub(super) fn float(&self, opcode: u8) -> Form {
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

    pub(super) fn inst(&mut self, inst: Inst) {
        match inst {
            Inst::Load { to, place, stream } => self.transfer(to, place, stream, false),
            Inst::Store { from, place, stream } => self.transfer(from, place, stream, true),
            Inst::LoadTruth { to, place, stream, scratch } => match self.width {
                Width::Avx2 => self.load_truth(to, place, stream),
                Width::Avx512 => self.load_truth_wide(to, place, stream, scratch),
            },
            Inst::StoreTruth { from, place, stream, scratch } => match self.width {
                Width::Avx2 => self.store_truth(from, place, stream, scratch),
                Width::Avx512 => self.store_truth_wide(from, place, stream, scratch),
            },
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
            Inst::Disjoint { to, x, y } => self.disjoint(to, x, y),
            Inst::Logic { op, to, x, y } => self.logic(op, to, x, y),
            Inst::Not { to, x } => match self.width {
                Width::Avx2 => self.vector(self.float(0x57), to, x, Source::Const(self.lane.mask())),
                Width::Avx512 => {
                    self.code.vex(Form { opcode: 0x44, ..KMOV_LOAD }, Length::Xmm, to, 0, Rm::Reg(x));
                }
            },
            Inst::Blend { to, mask, x, then } => self.blend(to, mask, x, then),
            Inst::Keep { to, mask, then } => self.keep(to, mask, then),
            Inst::LeaveIf { mask } => self.leave_if(mask),
        }
    }

    fn disjoint(&mut self, to: u8, x: u8, y: Source) {
        if self.width == Width::Avx512 {
            return self.vector(self.sized(2, 2, [0x27; 2]), to, x, y);
        }
        self.vector(self.float(0x54), to, x, y);
        let equal = match self.lane {
            Lane::F32 => Form { map: 1, prefix: 1, opcode: 0x76, w: false },
            Lane::F64 => Form { map: 2, prefix: 1, opcode: 0x29, w: false },
        };
        self.vector(equal, to, to, Source::Const(0));
    }

    fn logic(&mut self, op: Op, to: u8, x: u8, y: u8) {
        let [narrow, wide] = match op {
            Op::Both => [0x54, 0x41],
            Op::Either => [0x56, 0x45],
            _ => [0x57, 0x47],
        };
        match self.width {
            Width::Avx2 => self.vector(self.float(narrow), to, x, Source::Reg(y)),
            Width::Avx512 => {
                self.code.vex(Form { opcode: wide, ..KMOV_LOAD }, Length::Ymm, to, x, Rm::Reg(y));
            }
        }
    }

    fn keep(&mut self, to: u8, mask: u8, then: Source) {
        match (self.width, then) {
            (Width::Avx2, _) => self.vector(self.float(0x54), to, mask, then),
            (Width::Avx512, Source::Const(bits)) => self.load_constant(to, bits, mask),
            (Width::Avx512, Source::Reg(_)) => self.masked(self.float(0x28), to, 0, then, mask),
            (Width::Avx512, Source::Slot(_)) => self.masked(self.float(0x10), to, 0, then, mask),
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
pub(super) const KMOV_LOAD: Form = Form { map: 1, prefix: 0, opcode: 0x90, w: false };
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

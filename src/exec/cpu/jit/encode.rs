//! Instructions as bytes: those of AVX2 and AVX-512 that kernels need, and a few around them.

/// A register for addresses and counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Gpr {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rbx = 3,
    Rsp = 4,
    Rbp = 5,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = 14,
    R15 = 15,
}

/// `base + index * 2^scale + offset`; no index if it is `Rsp`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) base: Gpr,
    pub(super) index: Gpr,
    pub(super) scale: u8,
    pub(super) offset: i32,
}

impl Memory {
    pub(super) fn at(base: Gpr, offset: i32) -> Memory {
        Memory { base, index: Gpr::Rsp, scale: 0, offset }
    }
}

/// The operand that may be in memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rm {
    Reg(u8),
    Memory(Memory),
}

/// The length of a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Length {
    Xmm = 0,
    Ymm = 1,
    Zmm = 2,
}

/// What an instruction is, but for its operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Opcode map: 1 is 0F, 2 is 0F38, 3 is 0F3A.
    pub(super) map: u8,
    /// 1 is 66, 2 is F3, 3 is F2.
    pub(super) prefix: u8,
    pub(super) opcode: u8,
    pub(super) w: bool,
}

/// What the encoding of AVX-512 has beside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evex {
    /// The mask register; 0 is none.
    pub(super) mask: u8,
    /// Whether elements that are masked out become 0.
    pub(super) zeroing: bool,
    /// Whether memory holds one element for all.
    pub(super) broadcast: bool,
    /// Offsets that are multiples of so many bytes take one byte.
    pub(super) unit: i32,
}

/// A condition of a jump, as its opcode has it.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Condition {
    NotZero = 0x5,
    LessOrEqual = 0xe,
    Greater = 0xf,
}

/// A jump, or an address, whose target is not known yet.
#[must_use]
pub(super) struct Jump(usize);

/// Instructions so far.
#[derive(Default)]
pub(super) struct Code {
    pub(super) bytes: Vec<u8>,
}

impl Code {
    /// The operand bytes: reg, and register or memory, whose offset may be a multiple of `unit`.
    fn operands(&mut self, reg: u8, rm: Rm, unit: i32) {
        let reg = (reg & 7) << 3;
        let memory = match rm {
            Rm::Reg(rm) => return self.bytes.push(0xc0 | reg | rm & 7),
            Rm::Memory(memory) => memory,
        };
        let base = memory.base as u8 & 7;
        let short = memory.offset % unit == 0 && i8::try_from(memory.offset / unit).is_ok();
        // With base rbp or r13 there is no form without offset.
        let mode = match short {
            true if memory.offset == 0 && base != 5 => 0x00,
            true => 0x40,
            false => 0x80,
        };
        if memory.index != Gpr::Rsp || base == 4 {
            self.bytes.push(mode | reg | 4);
            self.bytes.push(memory.scale << 6 | (memory.index as u8 & 7) << 3 | base);
        } else {
            self.bytes.push(mode | reg | base);
        }
        match mode {
            0x40 => self.bytes.push((memory.offset / unit) as u8),
            0x80 => self.bytes.extend(memory.offset.to_le_bytes()),
            _ => {}
        }
    }

    /// Bits 3 of index and base, inverted, in their places in a prefix; of a register bits 4 and 3.
    fn extension(rm: Rm) -> u8 {
        let (x, b) = match rm {
            Rm::Reg(reg) => (reg >> 4 & 1, reg >> 3 & 1),
            Rm::Memory(memory) => (memory.index as u8 >> 3, memory.base as u8 >> 3),
        };
        (x ^ 1) << 6 | (b ^ 1) << 5
    }

    /// An instruction of AVX2, or on mask registers. `v` is the second operand, 0 if there is none.
    pub(super) fn vex(&mut self, form: Form, length: Length, reg: u8, v: u8, rm: Rm) {
        debug_assert!(reg < 16 && v < 16 && length != Length::Zmm);
        let r = (reg >> 3 ^ 1) << 7;
        let extension = Code::extension(rm);
        let tail = (v ^ 15) << 3 | (length as u8) << 2 | form.prefix;
        if form.map == 1 && !form.w && extension == 0x60 {
            self.bytes.extend([0xc5, r | tail]);
        } else {
            self.bytes.extend([0xc4, r | extension | form.map, u8::from(form.w) << 7 | tail]);
        }
        self.bytes.push(form.opcode);
        self.operands(reg, rm, 1);
    }

    /// An instruction of AVX-512. `v` is the second operand, 0 if there is none.
    pub(super) fn evex(&mut self, form: Form, length: Length, reg: u8, v: u8, rm: Rm, evex: Evex) {
        debug_assert!(reg < 32 && v < 32 && evex.mask < 8);
        let r = (reg >> 3 & 1 ^ 1) << 7 | (reg >> 4 ^ 1) << 4;
        let zeroing = u8::from(evex.zeroing) << 7;
        let broadcast = u8::from(evex.broadcast) << 4;
        self.bytes.extend([
            0x62,
            r | Code::extension(rm) | form.map,
            u8::from(form.w) << 7 | (v & 15 ^ 15) << 3 | 4 | form.prefix,
            zeroing | (length as u8) << 5 | broadcast | (v >> 4 ^ 1) << 3 | evex.mask,
            form.opcode,
        ]);
        self.operands(reg, rm, evex.unit);
    }

    /// An instruction on 64-bit registers.
    fn scalar(&mut self, opcode: &[u8], reg: u8, rm: Rm) {
        let extension = Code::extension(rm) ^ 0x60;
        self.bytes.push(0x48 | (reg >> 3) << 2 | extension >> 5 & 3);
        self.bytes.extend(opcode);
        self.operands(reg, rm, 1);
    }

    pub(super) fn load(&mut self, to: Gpr, from: Memory) {
        self.scalar(&[0x8b], to as u8, Rm::Memory(from));
    }

    /// Writes 8 bytes.
    pub(super) fn store(&mut self, from: Gpr, to: Memory) {
        self.scalar(&[0x89], from as u8, Rm::Memory(to));
    }

    /// Replaces the lowest byte.
    pub(super) fn load_byte(&mut self, to: Gpr, from: Memory) {
        self.scalar(&[0x8a], to as u8, Rm::Memory(from));
    }

    pub(super) fn store_byte(&mut self, from: Gpr, to: Memory) {
        self.scalar(&[0x88], from as u8, Rm::Memory(to));
    }

    /// The address itself.
    pub(super) fn address(&mut self, to: Gpr, of: Memory) {
        self.scalar(&[0x8d], to as u8, Rm::Memory(of));
    }

    /// An address in the code, which [`aim`](Code::aim) will tell.
    pub(super) fn address_in_code(&mut self, to: Gpr) -> Jump {
        self.bytes.extend([0x48 | (to as u8 >> 3) << 2, 0x8d, (to as u8 & 7) << 3 | 5, 0, 0, 0, 0]);
        Jump(self.bytes.len())
    }

    pub(super) fn copy(&mut self, to: Gpr, from: Gpr) {
        self.scalar(&[0x89], from as u8, Rm::Reg(to as u8));
    }

    /// Sets a register to a small number.
    pub(super) fn set(&mut self, to: Gpr, value: u32) {
        if to as u8 >= 8 {
            self.bytes.push(0x41);
        }
        self.bytes.push(0xb8 | to as u8 & 7);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(super) fn subtract(&mut self, from: Gpr, what: Gpr) {
        self.scalar(&[0x29], what as u8, Rm::Reg(from as u8));
    }

    pub(super) fn compare(&mut self, a: Gpr, b: Gpr) {
        self.scalar(&[0x39], b as u8, Rm::Reg(a as u8));
    }

    fn immediate(&mut self, operation: u8, reg: Gpr, value: i32) {
        self.scalar(&[0x81], operation, Rm::Reg(reg as u8));
        self.bytes.extend(value.to_le_bytes());
    }

    pub(super) fn add_immediate(&mut self, to: Gpr, value: i32) {
        self.immediate(0, to, value);
    }

    pub(super) fn subtract_immediate(&mut self, from: Gpr, value: i32) {
        self.immediate(5, from, value);
    }

    pub(super) fn and_immediate(&mut self, to: Gpr, value: i32) {
        self.immediate(4, to, value);
    }

    pub(super) fn compare_immediate(&mut self, a: Gpr, value: i32) {
        self.immediate(7, a, value);
    }

    pub(super) fn shift_left(&mut self, reg: Gpr, count: u8) {
        self.scalar(&[0xc1], 4, Rm::Reg(reg as u8));
        self.bytes.push(count);
    }

    pub(super) fn shift_right(&mut self, reg: Gpr, count: u8) {
        self.scalar(&[0xc1], 5, Rm::Reg(reg as u8));
        self.bytes.push(count);
    }

    pub(super) fn decrement(&mut self, reg: Gpr) {
        self.scalar(&[0xff], 1, Rm::Reg(reg as u8));
    }

    pub(super) fn push(&mut self, reg: Gpr) {
        self.bytes.extend([0x40 | reg as u8 >> 3, 0x50 | reg as u8 & 7]);
    }

    pub(super) fn pop(&mut self, reg: Gpr) {
        self.bytes.extend([0x40 | reg as u8 >> 3, 0x58 | reg as u8 & 7]);
    }

    /// Forgets the upper parts of vectors, which slow down older code.
    pub(super) fn zero_upper(&mut self) {
        self.bytes.extend([0xc5, 0xf8, 0x77]);
    }

    pub(super) fn ret(&mut self) {
        self.bytes.push(0xc3);
    }

    /// Jumps to where [`land`](Code::land) will say, if the condition holds.
    pub(super) fn jump_if(&mut self, condition: Condition) -> Jump {
        self.bytes.extend([0x0f, 0x80 | condition as u8, 0, 0, 0, 0]);
        Jump(self.bytes.len())
    }

    pub(super) fn jump(&mut self) -> Jump {
        self.bytes.extend([0xe9, 0, 0, 0, 0]);
        Jump(self.bytes.len())
    }

    /// Jumps lead here.
    pub(super) fn land(&mut self, jump: Jump) {
        let here = self.bytes.len();
        self.aim(jump, here);
    }

    /// Where the next instruction will be.
    pub(super) fn here(&self) -> usize {
        self.bytes.len()
    }

    /// The jump leads to `target`.
    pub(super) fn aim(&mut self, Jump(end): Jump, target: usize) {
        let offset = (target as i64 - end as i64) as i32;
        self.bytes[end - 4..end].copy_from_slice(&offset.to_le_bytes());
    }

    /// Begins a loop at a multiple of 32 bytes.
    pub(super) fn align(&mut self) {
        while !self.bytes.len().is_multiple_of(32) {
            self.bytes.push(0x90);
        }
    }
}

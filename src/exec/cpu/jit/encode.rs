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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(write: impl FnOnce(&mut Code)) -> Vec<u8> {
        let mut code = Code::default();
        write(&mut code);
        code.bytes
    }

    fn form(map: u8, prefix: u8, opcode: u8, w: bool) -> Form {
        Form { map, prefix, opcode, w }
    }

    /// `base + rax * 2^scale + offset`.
    fn indexed(base: Gpr, scale: u8, offset: i32) -> Rm {
        Rm::Memory(Memory { base, index: Gpr::Rax, scale, offset })
    }

    // What LLVM's assembler makes of the instruction in the comment.

    #[test]
    fn instructions_of_avx2_are_those_of_an_assembler() {
        let vex = |form, reg, v, rm| bytes(|code| code.vex(form, Length::Ymm, reg, v, rm));
        // vaddps ymm1, ymm2, ymm3
        assert_eq!(vex(form(1, 0, 0x58, false), 1, 2, Rm::Reg(3)), [0xc5, 0xec, 0x58, 0xcb]);
        // vaddpd ymm9, ymm10, [rdx + 32]
        let near = Rm::Memory(Memory::at(Gpr::Rdx, 32));
        assert_eq!(vex(form(1, 1, 0x58, false), 9, 10, near), [0xc5, 0x2d, 0x58, 0x4a, 0x20]);
        // vmulps ymm12, ymm1, ymm13
        assert_eq!(vex(form(1, 0, 0x59, false), 12, 1, Rm::Reg(13)), [0xc4, 0x41, 0x74, 0x59, 0xe5]);
        // vfmadd213pd ymm1, ymm2, [rsp + 64]
        let slot = Rm::Memory(Memory::at(Gpr::Rsp, 64));
        let expected = [0xc4, 0xe2, 0xed, 0xa8, 0x4c, 0x24, 0x40];
        assert_eq!(vex(form(2, 1, 0xa8, true), 1, 2, slot), expected);
        // vmaskmovps [r8 + rax * 4], ymm15, ymm9
        let expected = [0xc4, 0x42, 0x05, 0x2e, 0x0c, 0x80];
        assert_eq!(vex(form(2, 1, 0x2e, false), 9, 15, indexed(Gpr::R8, 2, 0)), expected);
        // vpsrlq ymm3, ymm12, 52, but for its last byte
        assert_eq!(vex(form(1, 1, 0x73, false), 2, 3, Rm::Reg(12)), [0xc4, 0xc1, 0x65, 0x73, 0xd4]);
        // vextracti128 xmm9, ymm3, 1, but for its last byte
        assert_eq!(vex(form(3, 1, 0x39, false), 3, 0, Rm::Reg(9)), [0xc4, 0xc3, 0x7d, 0x39, 0xd9]);
        // kandw k1, k2, k3
        assert_eq!(vex(form(1, 0, 0x41, false), 1, 2, Rm::Reg(3)), [0xc5, 0xec, 0x41, 0xcb]);
        // vmovq r13, xmm9
        let moved = bytes(|code| code.vex(form(1, 1, 0x7e, true), Length::Xmm, 9, 0, Rm::Reg(13)));
        assert_eq!(moved, [0xc4, 0x41, 0xf9, 0x7e, 0xcd]);
    }

    #[test]
    fn instructions_of_avx512_are_those_of_an_assembler() {
        let plain = Evex { mask: 0, zeroing: false, broadcast: false, unit: 64 };
        let evex = |form, reg, v, rm, evex| bytes(|code| code.evex(form, Length::Zmm, reg, v, rm, evex));
        // vaddps zmm17, zmm2, zmm30
        let expected = [0x62, 0x81, 0x6c, 0x48, 0x58, 0xce];
        assert_eq!(evex(form(1, 0, 0x58, false), 17, 2, Rm::Reg(30), plain), expected);
        // vmulpd zmm1, zmm20, [rdx + 8] to all
        let all = Evex { broadcast: true, unit: 8, ..plain };
        let expected = [0x62, 0xf1, 0xdd, 0x50, 0x59, 0x4a, 0x01];
        assert_eq!(evex(form(1, 1, 0x59, true), 1, 20, Rm::Memory(Memory::at(Gpr::Rdx, 8)), all), expected);
        // vmulps zmm1, zmm20, [rdx + 1024] to all
        let far = Rm::Memory(Memory::at(Gpr::Rdx, 1024));
        let expected = [0x62, 0xf1, 0x5c, 0x50, 0x59, 0x8a, 0x00, 0x04, 0x00, 0x00];
        assert_eq!(evex(form(1, 0, 0x59, false), 1, 20, far, Evex { unit: 4, ..all }), expected);
        // vmovups [r9 + rax * 4 + 64] where k7, zmm31
        let masked = Evex { mask: 7, ..plain };
        let expected = [0x62, 0x41, 0x7c, 0x4f, 0x11, 0x7c, 0x81, 0x01];
        assert_eq!(evex(form(1, 0, 0x11, false), 31, 0, indexed(Gpr::R9, 2, 64), masked), expected);
        // vmovups zmm8, [rbx + rax * 4] where k7, else 0
        let zeroing = Evex { zeroing: true, ..masked };
        let expected = [0x62, 0x71, 0x7c, 0xcf, 0x10, 0x04, 0x83];
        assert_eq!(evex(form(1, 0, 0x10, false), 8, 0, indexed(Gpr::Rbx, 2, 0), zeroing), expected);
        // vptestnmd k1, zmm5, [rdx + 4] to all
        let expected = [0x62, 0xf2, 0x56, 0x58, 0x27, 0x4a, 0x01];
        let memory = Rm::Memory(Memory::at(Gpr::Rdx, 4));
        assert_eq!(evex(form(2, 2, 0x27, false), 1, 5, memory, Evex { unit: 4, ..all }), expected);
        // kmovw k7, [rdx + r15 * 2 - 128]
        let mask = Memory { base: Gpr::Rdx, index: Gpr::R15, scale: 1, offset: -128 };
        let moved = bytes(|code| code.vex(form(1, 0, 0x90, false), Length::Xmm, 7, 0, Rm::Memory(mask)));
        assert_eq!(moved, [0xc4, 0xa1, 0x78, 0x90, 0x7c, 0x7a, 0x80]);
    }

    #[test]
    fn other_instructions_are_those_of_an_assembler() {
        // mov r14, [rdi + 1000]
        let loaded = bytes(|code| code.load(Gpr::R14, Memory::at(Gpr::Rdi, 1000)));
        assert_eq!(loaded, [0x4c, 0x8b, 0xb7, 0xe8, 0x03, 0x00, 0x00]);
        // lea rsp, [rbp - 40]
        let address = bytes(|code| code.address(Gpr::Rsp, Memory::at(Gpr::Rbp, -40)));
        assert_eq!(address, [0x48, 0x8d, 0x65, 0xd8]);
        // mov r13b, [r14 + r12 - 1]
        let last = Memory { base: Gpr::R14, index: Gpr::R12, scale: 0, offset: -1 };
        // With a bit that means nothing for a byte.
        assert_eq!(bytes(|code| code.load_byte(Gpr::R13, last)), [0x4f, 0x8a, 0x6c, 0x26, 0xff]);
        // shl r13, 8
        assert_eq!(bytes(|code| code.shift_left(Gpr::R13, 8)), [0x49, 0xc1, 0xe5, 0x08]);
        let forth_and_back = bytes(|code| {
            let forth = code.jump_if(Condition::NotZero);
            code.ret();
            code.land(forth);
            let back = code.jump();
            code.aim(back, 0);
        });
        assert_eq!(forth_and_back, [0x0f, 0x85, 1, 0, 0, 0, 0xc3, 0xe9, 0xf4, 0xff, 0xff, 0xff]);
    }
}

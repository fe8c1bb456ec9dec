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

use super::allocate::allocate;
use super::encode::{Code, Condition, Gpr, Jump, Length, Memory, Rm};
use super::graph::Graph;
use super::inst::KMOV_LOAD;
use super::line::{Line, Registers};
use super::op::{Lane, Op};

/// Bytes of the largest frame that is asked for: more would be a very large kernel.
const MAX_FRAME: usize = 1 << 16;
const PAGE: i32 = 4096;
/// Addresses of places are in these.
pub(super) const POINTERS: [Gpr; 6] = [Gpr::Rcx, Gpr::R8, Gpr::R9, Gpr::R10, Gpr::R11, Gpr::Rbx];
const SAVED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// In front of the constants: for AVX-512 masks of 0, 1, .. elements, two bytes each; for AVX2 half a table of ones and
/// half of zeros. And bytes that are 1.
const MASKS: i32 = -128;
pub(super) const ONES: i32 = -64;
const TABLES: usize = 128;

/// The mask register of the tail, and the vector that stands for it.
pub(super) const TAIL_MASK: u8 = 7;
pub(super) const TAIL_VECTOR: u8 = 15;

/// Which instructions a kernel is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Width {
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ, BW, VL.
    Avx512,
}

impl Width {
    pub(super) fn bytes(self) -> usize {
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

pub(super) struct Emitter {
    pub(super) code: Code,
    pub(super) width: Width,
    pub(super) lane: Lane,
    /// Places whose addresses are in [`POINTERS`].
    pub(super) places: Vec<u16>,
    pub(super) constants: Vec<u64>,
    /// Whether the code at hand computes less than a vector.
    pub(super) tail: bool,
    pub(super) leave: Vec<Jump>,
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
    pub(super) fn lanes(&self) -> usize {
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
}

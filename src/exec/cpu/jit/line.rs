//! Instructions on registers, before they are bytes.

use super::op::{Op, Relation};

/// How many registers there are.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pub(super) vectors: u8,
    /// Those that hold truth values, from 1 on; none if vectors do.
    pub(super) masks: u8,
}

/// The operand that may be in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Reg(u8),
    /// A number that all elements have.
    Const(u64),
    /// What was saved in a slot.
    Slot(u16),
}

/// Which operand of `a b + c` is overwritten, by the order in which the machine names the other two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Overwrites {
    /// A factor; `x` is the addend and `y` the other factor.
    Factor132 = 0x98,
    /// A factor; `x` is the other one and `y` the addend.
    Factor213 = 0xa8,
    /// The addend; `x` and `y` are the factors.
    Addend231 = 0xb8,
}

/// An instruction on registers. `stream` says of which of the vectors that are computed together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inst {
    Load {
        to: u8,
        place: u16,
        stream: u8,
    },
    LoadTruth {
        to: u8,
        place: u16,
        stream: u8,
        scratch: u8,
    },
    LoadConst {
        to: u8,
        bits: u64,
    },
    Store {
        from: u8,
        place: u16,
        stream: u8,
    },
    StoreTruth {
        from: u8,
        place: u16,
        stream: u8,
        scratch: u8,
    },
    Save {
        from: u8,
        slot: u16,
        truth: bool,
    },
    Restore {
        to: u8,
        slot: u16,
        truth: bool,
    },
    Copy {
        to: u8,
        from: u8,
    },
    /// `Add` to `SubInt`.
    Binary {
        op: Op,
        to: u8,
        x: u8,
        y: Source,
    },
    /// Shifts, roundings, the root.
    Unary {
        op: Op,
        to: u8,
        x: Source,
    },
    /// Overwrites `to`.
    MulAdd {
        form: Overwrites,
        product: bool,
        addend: bool,
        to: u8,
        x: u8,
        y: Source,
    },
    /// Of `y` and `x` if `swapped`.
    Compare {
        relation: Relation,
        swapped: bool,
        to: u8,
        x: u8,
        y: Source,
    },
    Disjoint {
        to: u8,
        x: u8,
        y: Source,
    },
    /// `Both`, `Either`, `OneOf`.
    Logic {
        op: Op,
        to: u8,
        x: u8,
        y: u8,
    },
    Not {
        to: u8,
        x: u8,
    },
    /// `then` where the mask holds, else `x`.
    Blend {
        to: u8,
        mask: u8,
        x: u8,
        then: Source,
    },
    /// `then` where the mask holds, else 0.
    Keep {
        to: u8,
        mask: u8,
        then: Source,
    },
    /// Ends the kernel if the mask holds anywhere.
    LeaveIf {
        mask: u8,
    },
}

/// A straight line of instructions.
pub(super) struct Line {
    pub(super) insts: Vec<Inst>,
    /// Vectors that are saved at once at most.
    pub(super) slots: u16,
    /// How many values were saved or loaded again.
    pub(super) moves: usize,
}

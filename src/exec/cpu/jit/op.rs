//! What the machine can do with a number, and how wide numbers are.

/// What numbers are: all of a graph are of one type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Lane {
    F32,
    F64,
}

impl Lane {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Lane::F32 => 4,
            Lane::F64 => 8,
        }
    }

    /// The representation of `value`, rounded.
    pub(super) fn bits(self, value: f64) -> u64 {
        match self {
            Lane::F32 => u64::from((value as f32).to_bits()),
            Lane::F64 => value.to_bits(),
        }
    }

    /// The representation of minus zero.
    pub(super) fn sign(self) -> u64 {
        self.bits(-0.0)
    }

    /// All bits of a number.
    pub(super) fn mask(self) -> u64 {
        match self {
            Lane::F32 => u64::from(u32::MAX),
            Lane::F64 => u64::MAX,
        }
    }
}

/// An operation. Numbers are also integers as wide: their representation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Op {
    /// The number at a place.
    Input(u16),
    /// The truth value at a place, which is a byte.
    Truth(u16),
    /// A number with this representation.
    Const(u64),
    Add,
    Sub,
    Mul,
    Div,
    /// `a < b ? a : b`, as the machine has it.
    Min,
    /// `a > b ? a : b`.
    Max,
    And,
    Or,
    Xor,
    AddInt,
    SubInt,
    ShiftLeft(u8),
    ShiftRight(u8),
    Sqrt,
    Round(Rounding),
    /// `a b + c`, rounded once; negative: the product, the addend.
    MulAdd(bool, bool),
    Compare(Relation),
    /// Whether `a & b` has no bit.
    Disjoint,
    Both,
    Either,
    OneOf,
    Not,
    /// `b` where `a` holds, else `c`.
    Select,
}

/// Which integral number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(super) enum Rounding {
    Even = 0,
    Floor = 1,
    Ceil = 2,
    Trunc = 3,
}

/// A relation of two numbers; `Not` ones hold for NaN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Relation {
    Lt,
    Le,
    Eq,
    Ne,
    NotLt,
    NotLe,
}

impl Relation {
    pub(super) fn opposite(self) -> Relation {
        match self {
            Relation::Lt => Relation::NotLt,
            Relation::Le => Relation::NotLe,
            Relation::Eq => Relation::Ne,
            Relation::Ne => Relation::Eq,
            Relation::NotLt => Relation::Lt,
            Relation::NotLe => Relation::Le,
        }
    }
}

impl Op {
    /// How many operands it has.
    pub(super) fn arity(self) -> usize {
        match self {
            Op::Input(_) | Op::Truth(_) | Op::Const(_) => 0,
            Op::ShiftLeft(_) | Op::ShiftRight(_) | Op::Sqrt | Op::Round(_) | Op::Not => 1,
            Op::MulAdd(..) | Op::Select => 3,
            _ => 2,
        }
    }

    /// Whether it yields a truth value.
    pub(super) fn is_truth(self) -> bool {
        matches!(
            self,
            Op::Truth(_) | Op::Compare(_) | Op::Disjoint | Op::Both | Op::Either | Op::OneOf | Op::Not
        )
    }

    /// Whether operands may be exchanged.
    pub(super) fn commutes(self) -> bool {
        matches!(
            self,
            Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor | Op::AddInt | Op::Disjoint | Op::MulAdd(..)
        ) || matches!(self, Op::Both | Op::Either | Op::OneOf)
            || matches!(self, Op::Compare(Relation::Eq | Relation::Ne))
    }

    /// Its value for known operands.
    pub(super) fn fold(self, lane: Lane, [a, b, c]: [u64; 3]) -> u64 {
        macro_rules! float {
            ($float:ident, $bits:ident) => {{
                let number = |x: u64| $float::from_bits(x as $bits);
                let (x, y, z) = (number(a), number(b), number(c));
                let same = |y: $float| u64::from(y.to_bits());
                match self {
                    Op::Add => same(x + y),
                    Op::Sub => same(x - y),
                    Op::Mul => same(x * y),
                    Op::Div => same(x / y),
                    Op::Min => same(if x < y { x } else { y }),
                    Op::Max => same(if x > y { x } else { y }),
                    Op::Sqrt => same(x.sqrt()),
                    Op::Round(Rounding::Even) => same(x.round_ties_even()),
                    Op::Round(Rounding::Floor) => same(x.floor()),
                    Op::Round(Rounding::Ceil) => same(x.ceil()),
                    Op::Round(Rounding::Trunc) => same(x.trunc()),
                    Op::MulAdd(product, addend) => {
                        same(if product { -x } else { x }.mul_add(y, if addend { -z } else { z }))
                    }
                    Op::Compare(Relation::Lt) => u64::from(x < y),
                    Op::Compare(Relation::Le) => u64::from(x <= y),
                    Op::Compare(Relation::Eq) => u64::from(x == y),
                    Op::Compare(Relation::Ne) => u64::from(x != y),
                    Op::Compare(Relation::NotLt) => 1 - u64::from(x < y),
                    Op::Compare(Relation::NotLe) => 1 - u64::from(x <= y),
                    _ => unreachable!("{self:?} is not arithmetic"),
                }
            }};
        }
        match self {
            Op::And => a & b,
            Op::Or => a | b,
            Op::Xor => a ^ b,
            Op::AddInt => a.wrapping_add(b) & lane.mask(),
            Op::SubInt => a.wrapping_sub(b) & lane.mask(),
            Op::ShiftLeft(count) => a << count & lane.mask(),
            Op::ShiftRight(count) => a >> count,
            Op::Disjoint => u64::from(a & b == 0),
            Op::Both => a & b,
            Op::Either => a | b,
            Op::OneOf => a ^ b,
            Op::Not => 1 - a,
            Op::Select => {
                if a == 1 {
                    b
                } else {
                    c
                }
            }
            _ => match lane {
                Lane::F32 => float!(f32, u32),
                Lane::F64 => float!(f64, u64),
            },
        }
    }
}

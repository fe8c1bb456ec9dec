//! The scalar that records machine operations, so that an expression and the mathematics in it become a graph.

use std::marker::PhantomData;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Shl, Shr, Sub};

use super::graph::{Arena, Graph, Output, Word};
use super::op::{Lane, Op, Relation, Rounding};
use super::simplify::{apply, apply_one, apply_two};
use crate::exec::expr::Expr;
use crate::exec::math::num::{Float, Num};
use crate::exec::math::{self, Bits, Format, Real};
use crate::exec::scalar::{Mask, Scalar};

/// The float that a recording stands for.
pub(super) trait Recorded: Float {
    const LANE: Lane;
    fn word(self) -> u64;
    fn of_word(word: u64) -> Self;
}

impl Recorded for f32 {
    const LANE: Lane = Lane::F32;
    fn word(self) -> u64 {
        u64::from(self.to_bits())
    }
    fn of_word(word: u64) -> f32 {
        f32::from_bits(word as u32)
    }
}

impl Recorded for f64 {
    const LANE: Lane = Lane::F64;
    fn word(self) -> u64 {
        self.to_bits()
    }
    fn of_word(word: u64) -> f64 {
        f64::from_bits(word)
    }
}

/// Numbers at places, and arithmetic on them, on the way to a kernel. A truth value is the number 1 or 0.
pub(crate) struct Recording {
    arena: Arena,
    lane: Lane,
}

/// A value of a [`Recording`].
#[derive(Clone, Copy)]
pub(crate) struct Value<'a>(Word<'a>);

impl Recording {
    pub(crate) fn new(lane: Lane) -> Recording {
        Recording { arena: Arena::new(lane), lane }
    }

    /// The number at a place.
    pub(crate) fn input(&self, place: u16) -> Value<'_> {
        Value(self.arena.input(place))
    }

    /// The truth value at a place, which is the byte 0 or 1.
    pub(crate) fn truth(&self, place: u16) -> Value<'_> {
        self.number(self.arena.truth(place))
    }

    pub(crate) fn constant(&self, value: f64) -> Value<'_> {
        Value(Word::literal(self.lane.bits(value)))
    }

    /// Whether a number is not 0: as the truth value, 1 or 0.
    pub(crate) fn is_true<'a>(&'a self, x: Value<'a>) -> Value<'a> {
        self.number(self.decide(x))
    }

    /// What `expr` yields.
    pub(crate) fn evaluate<'a>(&'a self, expr: &Expr, x: &[Value<'a>]) -> Value<'a> {
        fn replay<'a, T: Recorded>(expr: &Expr, x: &[Value<'a>]) -> Value<'a> {
            let x: Vec<Rec<'a, T>> = x.iter().map(|x| Rec(x.0, PhantomData)).collect();
            Value(expr.replay(&x).0)
        }
        match self.lane {
            Lane::F32 => replay::<f32>(expr, x),
            Lane::F64 => replay::<f64>(expr, x),
        }
    }

    /// The node of a number that is to be written.
    pub(crate) fn number_at(&self, place: u16, x: Value<'_>) -> Written {
        Written(Output { place, value: self.arena.id(x.0) })
    }

    /// The node of a truth value that is to be written.
    pub(crate) fn truth_at<'a>(&'a self, place: u16, x: Value<'a>) -> Written {
        Written(Output { place, value: self.arena.truth_id(self.decide(x)) })
    }

    pub(crate) fn finish(self, outputs: impl IntoIterator<Item = Written>) -> Graph {
        self.arena.finish(outputs.into_iter().map(|written| written.0).collect())
    }

    fn number<'a>(&'a self, mask: Word<'a>) -> Value<'a> {
        let [one, zero] = [1.0, 0.0].map(|x| Word::literal(self.lane.bits(x)));
        Value(apply(self.lane, Op::Select, [mask, one, zero]))
    }

    fn decide<'a>(&'a self, x: Value<'a>) -> Word<'a> {
        apply_two(self.lane, Op::Compare(Relation::Ne), x.0, Word::literal(0))
    }
}

/// What a kernel writes.
pub(crate) struct Written(Output);

/// A number of a recording.
struct Rec<'a, T>(Word<'a>, PhantomData<T>);

/// A number's representation.
struct RecBits<'a, T>(Word<'a>, PhantomData<T>);

/// A truth value of a recording.
struct RecMask<'a, T>(Word<'a>, PhantomData<T>);

macro_rules! copies {
    ($($name:ident),*) => {$(
        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T> Copy for $name<'_, T> {}
    )*};
}

copies!(Rec, RecBits, RecMask);

impl<'a, T: Recorded> Rec<'a, T> {
    fn known(value: T) -> Self {
        Rec(Word::literal(value.word()), PhantomData)
    }

    fn unary(self, op: Op) -> Self {
        Rec(apply_one(T::LANE, op, self.0), PhantomData)
    }

    fn binary(self, op: Op, other: Word<'a>) -> Self {
        Rec(apply_two(T::LANE, op, self.0, other), PhantomData)
    }

    fn compare(self, relation: Relation, other: Self) -> RecMask<'a, T> {
        RecMask(apply_two(T::LANE, Op::Compare(relation), self.0, other.0), PhantomData)
    }

    /// A truth value as bool has it: of numbers that are 1 or 0.
    fn logic(self, op: Op, other: Self) -> Self {
        let zero = Self::literal(0.0);
        let mask = apply_two(T::LANE, op, self.ne(zero).0, other.ne(zero).0);
        Self::select(RecMask(mask, PhantomData), Self::literal(1.0), zero)
    }

    /// The function `f` of an angle, with a note where that is too great for it; `exact` of a known one.
    fn of_angle(
        self,
        f: impl FnOnce(Self) -> Self,
        exact: impl FnOnce(Num<T, true, true>) -> Num<T, true, true>,
    ) -> Self {
        if let Some(word) = self.0.known() {
            return Self::known(exact(Num(T::of_word(word))).0);
        }
        self.0.note_far(self.abs().gt(Self::literal(T::FORMAT.far)).0);
        f(self)
    }
}

macro_rules! operator {
    ($($operator:ident $name:ident $op:ident),*) => {$(
        impl<T: Recorded> $operator for Rec<'_, T> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                self.binary(Op::$op, other.0)
            }
        }
    )*};
}

operator!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl<T: Recorded> Neg for Rec<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.binary(Op::Xor, Word::literal(T::LANE.sign()))
    }
}

macro_rules! of_bits {
    ($($operator:ident $name:ident $op:ident),*) => {$(
        impl<T: Recorded> $operator for RecBits<'_, T> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                RecBits(apply_two(T::LANE, Op::$op, self.0, other.0), PhantomData)
            }
        }
    )*};
}

of_bits!(Add add AddInt, Sub sub SubInt, BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor);

macro_rules! shift {
    ($($operator:ident $name:ident $op:ident),*) => {$(
        impl<T: Recorded> $operator<usize> for RecBits<'_, T> {
            type Output = Self;
            fn $name(self, count: usize) -> Self {
                RecBits(apply_one(T::LANE, Op::$op(count as u8), self.0), PhantomData)
            }
        }
    )*};
}

shift!(Shl shl ShiftLeft, Shr shr ShiftRight);

impl<T: Recorded> Bits for RecBits<'_, T> {
    fn literal(value: u64) -> Self {
        RecBits(Word::literal(value & T::LANE.mask()), PhantomData)
    }
}

impl<T: Recorded> Mask for RecMask<'_, T> {
    fn and(self, other: Self) -> Self {
        RecMask(apply_two(T::LANE, Op::Both, self.0, other.0), PhantomData)
    }
    fn or(self, other: Self) -> Self {
        RecMask(apply_two(T::LANE, Op::Either, self.0, other.0), PhantomData)
    }
    fn xor(self, other: Self) -> Self {
        RecMask(apply_two(T::LANE, Op::OneOf, self.0, other.0), PhantomData)
    }
    fn not(self) -> Self {
        RecMask(apply_one(T::LANE, Op::Not, self.0), PhantomData)
    }
}

macro_rules! rounding {
    ($($name:ident $to:ident),*) => {$(
        fn $name(self) -> Self {
            self.unary(Op::Round(Rounding::$to))
        }
    )*};
}

macro_rules! compare {
    ($($name:ident $relation:ident),*) => {$(
        fn $name(self, other: Self) -> RecMask<'a, T> {
            self.compare(Relation::$relation, other)
        }
    )*};
}

macro_rules! kernel {
    ($($name:ident($($argument:ident),*)),*) => {$(
        fn $name(self $(, $argument: Self)*) -> Self {
            math::$name(self $(, $argument)*)
        }
    )*};
}

macro_rules! of_angle {
    ($($name:ident),*) => {$(
        fn $name(self) -> Self {
            self.of_angle(math::$name, Scalar::$name)
        }
    )*};
}

/// As `Num<T, true, false>` has it, step by step.
impl<'a, T: Recorded> Scalar for Rec<'a, T> {
    type Mask = RecMask<'a, T>;

    fn literal(value: f64) -> Self {
        Rec(Word::literal(T::LANE.bits(value)), PhantomData)
    }
    compare!(lt Lt, le Le, eq Eq, ne Ne);
    fn select(mask: RecMask<'a, T>, then: Self, otherwise: Self) -> Self {
        Rec(apply(T::LANE, Op::Select, [mask.0, then.0, otherwise.0]), PhantomData)
    }
    fn abs(self) -> Self {
        self.binary(Op::And, Word::literal(T::LANE.mask() ^ T::LANE.sign()))
    }
    fn sign(self) -> Self {
        let (zero, unit) = (Self::literal(0.0), Self::literal(1.0).copysign(self));
        Self::select(self.lt(zero).or(zero.lt(self)), unit, self)
    }
    rounding!(floor Floor, ceil Ceil, round Even, trunc Trunc);
    fn min(self, other: Self) -> Self {
        Self::select(self.lt(other).or(self.is_nan()), self, other)
    }
    fn max(self, other: Self) -> Self {
        Self::select(other.lt(self).or(self.is_nan()), self, other)
    }
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Rec(apply(T::LANE, Op::MulAdd(false, false), [self.0, factor.0, addend.0]), PhantomData)
    }
    fn recip(self) -> Self {
        Self::literal(1.0) / self
    }
    fn sqrt(self) -> Self {
        self.unary(Op::Sqrt)
    }
    fn copysign(self, sign: Self) -> Self {
        let sign = sign.binary(Op::And, Word::literal(T::LANE.sign()));
        self.abs().binary(Op::Or, sign.0)
    }
    fn rem(self, divisor: Self) -> Self {
        if let (Some(x), Some(y)) = (self.0.known(), divisor.0.known()) {
            return Self::known(T::of_word(x).remainder(T::of_word(y)));
        }
        let quotient = self / divisor;
        let far = quotient.abs().lt(Self::literal(T::FORMAT.integral)).not();
        self.0.or(divisor.0).note_far(far.0);
        let quotient = quotient.trunc();
        let left = (-quotient).mul_add(divisor, self);
        let step = divisor.copysign(self);
        let zero = Self::literal(0.0);
        let crossed = left.lt(zero).and(zero.lt(self)).or(zero.lt(left).and(self.lt(zero)));
        let left = Self::select(crossed, left + step, left);
        Self::select(quotient.eq(zero), self, left.copysign(self))
    }
    of_angle!(sin, cos, tan);
    kernel!(exp(), expm1(), exp2(), log(), log1p(), log2(), log10(), cbrt(), tanh(), sigmoid());
    kernel!(erf(), erfc(), erfcx(), erfinv(), lgamma(), digamma(), pow(exponent), atan2(x));
    fn bit_and(self, other: Self) -> Self {
        self.logic(Op::Both, other)
    }
    fn bit_or(self, other: Self) -> Self {
        self.logic(Op::Either, other)
    }
    fn bit_xor(self, other: Self) -> Self {
        self.logic(Op::OneOf, other)
    }
    crate::exec::scalar::refused!("floats": shl(count), shr(count));
}

impl<'a, T: Recorded> Real for Rec<'a, T> {
    type Bits = RecBits<'a, T>;
    const FORMAT: Format = T::FORMAT;
    const FUSED: bool = true;

    fn to_bits(self) -> RecBits<'a, T> {
        RecBits(self.0, PhantomData)
    }
    fn from_bits(bits: RecBits<'a, T>) -> Self {
        Rec(bits.0, PhantomData)
    }
    fn is_zero(bits: RecBits<'a, T>) -> RecMask<'a, T> {
        RecMask(apply_two(T::LANE, Op::Disjoint, bits.0, bits.0), PhantomData)
    }
    fn quadrant(self) -> (RecBits<'a, T>, Self) {
        math::trig::quadrant(self)
    }
}

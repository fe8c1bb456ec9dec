//! The arithmetic of a kernel, as a graph of what the machine can do in one instruction or two.
//!
//! Equal nodes are one; what is computed from constants alone is a constant; and a few patterns that the mathematics
//! is written in are replaced by what the machine has for them, with the same bits.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};

/// A node's place in a graph.
pub(super) type Id = u32;

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
    fn opposite(self) -> Relation {
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

/// An operation and what it is applied to; unused operands are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) args: [Id; 3],
}

impl Node {
    pub(super) fn operands(&self) -> &[Id] {
        &self.args[..self.op.arity()]
    }
}

/// A value to be written to a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Output {
    pub(super) place: u16,
    /// A truth value is written as a byte.
    pub(super) value: Id,
}

/// What a kernel computes for one element.
///
/// Invariants: operands are earlier nodes; every node is needed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Graph {
    pub(super) lane: Lane,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<Output>,
    /// Where this holds, the outputs are not to be trusted.
    pub(super) far: Option<Id>,
}

/// A value of a recording, or a constant, which belongs to none: the bits of a number, or 1 or 0.
///
/// Two words of plain integers, so that it is passed in registers.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    arena: Option<&'a Arena>,
    word: u64,
}

/// A graph under construction.
pub(super) struct Arena {
    lane: Lane,
    nodes: RefCell<Vec<Node>>,
    /// Places of nodes by their hash, open addressing; 0 is empty, else one more than the place.
    table: RefCell<Vec<u32>>,
    far: Cell<Option<Id>>,
}

impl<'a> Word<'a> {
    pub(super) fn literal(word: u64) -> Word<'a> {
        Word { arena: None, word }
    }

    /// Where there is no operand.
    pub(super) const NONE: Word<'static> = Word { arena: None, word: 0 };

    /// Where `mask` holds, what is made of this is not to be trusted.
    pub(super) fn note_far(self, mask: Word<'_>) {
        if let Some(arena) = self.arena {
            arena.note_far(mask);
        }
    }

    /// This if it belongs to a recording, else `other`.
    pub(super) fn or(self, other: Word<'a>) -> Word<'a> {
        if self.arena.is_some() { self } else { other }
    }

    /// The bits, if they are known.
    pub(super) fn known(self) -> Option<u64> {
        if self.arena.is_none() { Some(self.word) } else { None }
    }

    fn node(self) -> Option<Node> {
        self.arena.map(|arena| arena.nodes.borrow()[self.word as usize])
    }

    /// An operand of the node that this is.
    fn operand(self, node: &Node, i: usize) -> Word<'a> {
        let Some(arena) = self.arena else { unreachable!("it is a node") };
        arena.word(node.args[i])
    }

    fn same(self, other: Word<'_>) -> bool {
        self.arena.is_some() == other.arena.is_some() && self.word == other.word
    }
}

impl Arena {
    pub(super) fn new(lane: Lane) -> Arena {
        Arena {
            lane,
            nodes: RefCell::new(Vec::with_capacity(256)),
            table: RefCell::new(vec![0; 1024]),
            far: Cell::new(None),
        }
    }

    pub(super) fn input(&self, place: u16) -> Word<'_> {
        self.push(Op::Input(place), [0; 3])
    }

    pub(super) fn truth(&self, place: u16) -> Word<'_> {
        self.push(Op::Truth(place), [0; 3])
    }

    /// The value of a node; of a constant its bits.
    fn word(&self, id: Id) -> Word<'_> {
        match self.nodes.borrow()[id as usize].op {
            Op::Const(bits) => Word::literal(bits),
            _ => Word { arena: Some(self), word: u64::from(id) },
        }
    }

    /// The node of a number.
    pub(super) fn id(&self, word: Word<'_>) -> Id {
        match word.arena {
            Some(arena) => {
                debug_assert!(std::ptr::eq(arena, self), "two recordings were mixed");
                word.word as Id
            }
            None => self.push(Op::Const(word.word), [0; 3]).word as Id,
        }
    }

    /// The node of a truth value.
    pub(super) fn truth_id(&self, word: Word<'_>) -> Id {
        match word.known() {
            None => self.id(word),
            Some(truth) => {
                let bits = self.id(Word::literal(if truth == 1 { 0 } else { self.lane.mask() }));
                self.push(Op::Disjoint, [bits, bits, 0]).word as Id
            }
        }
    }

    /// Where `mask` holds, results are not to be trusted.
    fn note_far(&self, mask: Word<'_>) {
        if mask.known() == Some(0) {
            return;
        }
        let mask = self.truth_id(mask);
        let all = match self.far.get() {
            Some(far) if far != mask => self.push(Op::Either, [far, mask, 0]).word as Id,
            _ => mask,
        };
        self.far.set(Some(all));
    }

    fn push(&self, op: Op, args: [Id; 3]) -> Word<'_> {
        let node = Node { op, args };
        let (mut nodes, mut table) = (self.nodes.borrow_mut(), self.table.borrow_mut());
        if table.len() < 2 * nodes.len() {
            table.clear();
            table.resize(4 * nodes.len(), 0);
            for (at, node) in nodes.iter().enumerate() {
                let slot = slot(&table, &nodes, node);
                table[slot] = at as u32 + 1;
            }
        }
        let slot = slot(&table, &nodes, &node);
        if table[slot] == 0 {
            nodes.push(node);
            table[slot] = nodes.len() as u32;
        }
        Word { arena: Some(self), word: u64::from(table[slot] - 1) }
    }

    /// The graph of what `outputs` need.
    pub(super) fn finish(self, outputs: Vec<Output>) -> Graph {
        let all = self.nodes.into_inner();
        let mut needed = vec![false; all.len()];
        let far = self.far.get();
        outputs.iter().map(|output| output.value).chain(far).for_each(|id| needed[id as usize] = true);
        for at in (0..all.len()).rev() {
            if needed[at] {
                all[at].operands().iter().for_each(|&id| needed[id as usize] = true);
            }
        }
        let mut name = vec![0; all.len()];
        let mut nodes = Vec::with_capacity(all.len());
        for (at, node) in all.iter().enumerate().filter(|&(at, _)| needed[at]) {
            name[at] = nodes.len() as Id;
            let mut node = *node;
            for arg in &mut node.args[..node.op.arity()] {
                *arg = name[*arg as usize];
            }
            nodes.push(node);
        }
        let rename = |output: Output| Output { value: name[output.value as usize], ..output };
        Graph {
            lane: self.lane,
            nodes,
            outputs: outputs.into_iter().map(rename).collect(),
            far: far.map(|far| name[far as usize]),
        }
    }
}

/// Where `node` is in the table, or would be.
fn slot(table: &[u32], nodes: &[Node], node: &Node) -> usize {
    let mut hasher = Multiply(0);
    node.hash(&mut hasher);
    let mut at = hasher.finish() as usize % table.len();
    while table[at] != 0 && nodes[table[at] as usize - 1] != *node {
        at = (at + 1) % table.len();
    }
    at
}

/// A quick hash, for keys that nobody chooses.
#[derive(Default)]
pub(super) struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        // Tables look at the lowest bits, which products mix least.
        self.0 ^ self.0 >> 32
    }
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}

/// `op` of `args`, of numbers of `lane`.
#[inline(never)]
pub(super) fn apply<'a>(lane: Lane, op: Op, args: [Word<'a>; 3]) -> Word<'a> {
    let Some(arena) = args.iter().find_map(|arg| arg.arena) else {
        return Word::literal(op.fold(lane, args.map(|arg| arg.word)));
    };
    if let Some(simpler) = simplify(lane, op, args) {
        return simpler;
    }
    let arity = op.arity();
    let mut ids = [0; 3];
    for (id, arg) in ids.iter_mut().zip(&args[..arity]) {
        *id = arena.id(*arg);
    }
    // One order for both, a constant second: instructions read their last operand from memory.
    if op.commutes() && (args[0].known().is_some() || (args[1].known().is_none() && ids[0] > ids[1])) {
        ids.swap(0, 1);
    }
    arena.push(op, ids)
}

/// The number whose negation this is, if it is one.
fn negated<'a>(lane: Lane, x: Word<'a>) -> Option<Word<'a>> {
    let node = x.node()?;
    (node.op == Op::Xor && x.operand(&node, 1).known() == Some(lane.sign())).then(|| x.operand(&node, 0))
}

/// What has the same value as `op` of `args` and takes less.
fn simplify<'a>(lane: Lane, op: Op, [a, b, c]: [Word<'a>; 3]) -> Option<Word<'a>> {
    let none = Word::NONE;
    let again = |op: Op, args: [Word<'a>; 3]| Some(apply(lane, op, args));
    match op {
        Op::Add => match (negated(lane, a), negated(lane, b)) {
            (_, Some(b)) => again(Op::Sub, [a, b, none]),
            (Some(a), _) => again(Op::Sub, [b, a, none]),
            _ => None,
        },
        Op::Sub => again(Op::Add, [a, negated(lane, b)?, none]),
        Op::Xor => {
            let node = a.node().filter(|node| node.op == Op::Xor)?;
            let bits = b.known()? ^ a.operand(&node, 1).known()?;
            let inner = a.operand(&node, 0);
            if bits == 0 { Some(inner) } else { again(Op::Xor, [inner, Word::literal(bits), none]) }
        }
        Op::MulAdd(product, addend) => {
            if let Some(a) = negated(lane, a) {
                return again(Op::MulAdd(!product, addend), [a, b, c]);
            }
            if let Some(b) = negated(lane, b) {
                return again(Op::MulAdd(!product, addend), [a, b, c]);
            }
            again(Op::MulAdd(product, !addend), [a, b, negated(lane, c)?])
        }
        Op::Compare(_) => {
            // Of one of two constants it is known on both sides.
            let bound = b.known()?;
            let node = a.node().filter(|node| node.op == Op::Select)?;
            let (x, y) = (a.operand(&node, 1).known()?, a.operand(&node, 2).known()?);
            let mask = a.operand(&node, 0);
            match [x, y].map(|side| op.fold(lane, [side, bound, 0])) {
                [1, 0] => Some(mask),
                [0, 1] => again(Op::Not, [mask, none, none]),
                [truth, _] => Some(Word::literal(truth)),
            }
        }
        Op::Disjoint if a.same(b) => {
            let node = a.node().filter(|node| node.op == Op::And)?;
            again(Op::Disjoint, [a.operand(&node, 0), a.operand(&node, 1), none])
        }
        Op::Both | Op::Either | Op::OneOf => {
            let (known, other) = match (a.known(), b.known()) {
                (Some(known), _) => (known, b),
                (_, Some(known)) => (known, a),
                _ => return (a.same(b) && op != Op::OneOf).then_some(a),
            };
            match (op, known) {
                (Op::Both, 0) | (Op::Either, 1) => Some(Word::literal(known)),
                (Op::OneOf, 1) => again(Op::Not, [other, none, none]),
                _ => Some(other),
            }
        }
        Op::Not => {
            let node = a.node()?;
            match node.op {
                Op::Not => Some(a.operand(&node, 0)),
                Op::Compare(relation) => {
                    let relation = Op::Compare(relation.opposite());
                    again(relation, [a.operand(&node, 0), a.operand(&node, 1), none])
                }
                _ => None,
            }
        }
        Op::Select => select(lane, a, b, c),
        _ => None,
    }
}

/// `then` where `mask` holds, as something simpler.
fn select<'a>(lane: Lane, mask: Word<'a>, then: Word<'a>, otherwise: Word<'a>) -> Option<Word<'a>> {
    if let Some(truth) = mask.known() {
        return Some(if truth == 1 { then } else { otherwise });
    }
    if then.same(otherwise) {
        return Some(then);
    }
    let none = Word::NONE;
    let node = mask.node()?;
    let sides = |node: &Node, of: Word<'a>| (of.operand(node, 0), of.operand(node, 1));
    match node.op {
        Op::Not => Some(apply(lane, Op::Select, [mask.operand(&node, 0), otherwise, then])),
        Op::Compare(Relation::Lt) => {
            let (x, y) = sides(&node, mask);
            if x.same(then) && y.same(otherwise) {
                return Some(apply(lane, Op::Min, [x, y, none]));
            }
            (y.same(then) && x.same(otherwise)).then(|| apply(lane, Op::Max, [y, x, none]))
        }
        // `x < y or x is NaN` in front of x and y: the NaN alone needs the choice.
        Op::Either => {
            let (p, q) = sides(&node, mask);
            let (p_node, q_node) = (p.node()?, q.node()?);
            let is_nan = |of: Word<'a>, node: &Node| {
                node.op == Op::Compare(Relation::Ne) && node.args[0] == node.args[1] && {
                    of.operand(node, 0).same(then)
                }
            };
            let (order, order_node, nan) = match (is_nan(p, &p_node), is_nan(q, &q_node)) {
                (false, true) => (p, p_node, q),
                (true, false) => (q, q_node, p),
                _ => return None,
            };
            if order_node.op != Op::Compare(Relation::Lt) {
                return None;
            }
            let (x, y) = sides(&order_node, order);
            let least = x.same(then) && y.same(otherwise);
            let greatest = y.same(then) && x.same(otherwise);
            if !least && !greatest {
                return None;
            }
            let op = if least { Op::Min } else { Op::Max };
            let chosen = apply(lane, op, [then, otherwise, none]);
            Some(apply(lane, Op::Select, [nan, then, chosen]))
        }
        _ => None,
    }
}

//! The arithmetic of a kernel, as a graph of what the machine can do in one instruction or two.
//!
//! Equal nodes are one.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};

use super::op::{Lane, Op};

/// A node's place in a graph.
pub(super) type Id = u32;
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
    pub(super) arena: Option<&'a Arena>,
    pub(super) word: u64,
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

    pub(super) fn node(self) -> Option<Node> {
        self.arena.map(|arena| arena.nodes.borrow()[self.word as usize])
    }

    /// An operand of the node that this is.
    pub(super) fn operand(self, node: &Node, i: usize) -> Word<'a> {
        let Some(arena) = self.arena else { unreachable!("it is a node") };
        arena.word(node.args[i])
    }

    pub(super) fn same(self, other: Word<'_>) -> bool {
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

    pub(super) fn push(&self, op: Op, args: [Id; 3]) -> Word<'_> {
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

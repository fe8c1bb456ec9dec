//! Registers for the values of a graph: the one whose next use is farthest gives way (Belady).
//!
//! The graph is a straight line, so next uses are known. Constants are read from memory where an instruction can, and
//! never saved; a number of an operand is loaded again as long as nothing has been written, since outputs may lie over
//! operands: of what is computed in one go, everything is loaded before anything is written.

use super::graph::{Graph, Id, Node};
use super::line::{Inst, Line, Overwrites, Registers, Source};
use super::op::Op;

const NEVER: u32 = u32::MAX;
const NOWHERE: u8 = u8::MAX;
const NO_SLOT: u16 = u16::MAX;
const NO_VALUE: u32 = u32::MAX;

#[derive(Clone, Copy)]
enum What {
    Compute(Id),
    /// Has an operand loaded.
    Touch(Id),
    /// Writes an output.
    Store(usize),
    LeaveIf(Id),
}

/// In which order values are computed and written.
fn order(graph: &Graph) -> Vec<What> {
    let is_leaf = |id: Id| matches!(graph.nodes[id as usize].op, Op::Input(_) | Op::Truth(_));
    let mut seen = vec![false; graph.nodes.len()];
    let mut all_loaded = 0;
    for (at, node) in graph.nodes.iter().enumerate() {
        for &id in node.operands() {
            if is_leaf(id) && !std::mem::replace(&mut seen[id as usize], true) {
                all_loaded = at;
            }
        }
    }
    let mut order = Vec::with_capacity(graph.nodes.len() + 2 * graph.outputs.len());
    let mut written = vec![false; graph.outputs.len()];
    let touched: Vec<Id> =
        graph.outputs.iter().map(|y| y.value).filter(|&id| !seen[id as usize] && is_leaf(id)).collect();
    for (at, node) in graph.nodes.iter().enumerate() {
        if node.op.arity() > 0 {
            order.push(What::Compute(at as Id));
        }
        if graph.far == Some(at as Id) {
            order.push(What::LeaveIf(at as Id));
        }
        if at < all_loaded || !touched.is_empty() {
            continue;
        }
        for (output, y) in graph.outputs.iter().enumerate().filter(|(_, y)| y.value as usize <= at) {
            if !std::mem::replace(&mut written[output], true) {
                debug_assert!(y.value as usize <= at);
                order.push(What::Store(output));
            }
        }
    }
    order.extend(touched.into_iter().map(What::Touch));
    order.extend((0..written.len()).filter(|&output| !written[output]).map(What::Store));
    order
}

struct Allocator<'a> {
    graph: &'a Graph,
    registers: Registers,
    /// Streams are 2 to this power.
    log_streams: u32,
    /// When each value is used: `uses[starts[v]..starts[v + 1]]`, in order.
    uses: Vec<u32>,
    starts: Vec<u32>,
    /// How many uses of each value are past.
    past: Vec<u32>,
    /// The register and the slot of each value.
    reg: Vec<u8>,
    slot: Vec<u16>,
    /// The values that registers hold.
    vectors: [u32; 32],
    masks: [u32; 8],
    /// Registers that hold nothing; a bit each.
    free: u32,
    free_masks: u32,
    /// Registers that the current instruction uses.
    pinned: u32,
    pinned_masks: u32,
    free_slots: Vec<u16>,
    slots: u16,
    /// Slots that are free when the current instruction has been made.
    freed: Vec<u16>,
    first_store: u32,
    insts: Vec<Inst>,
    moves: usize,
}

/// The instructions that compute a graph, for `streams` vectors together.
pub(super) fn allocate(graph: &Graph, registers: Registers, streams: u8) -> Line {
    let order = order(graph);
    let count = graph.nodes.len() * usize::from(streams);
    let mut allocator = Allocator {
        graph,
        registers,
        log_streams: streams.ilog2(),
        uses: Vec::new(),
        starts: vec![0; count + 1],
        past: vec![0; count],
        reg: vec![NOWHERE; count],
        slot: vec![NO_SLOT; count],
        vectors: [NO_VALUE; 32],
        masks: [NO_VALUE; 8],
        free: (u64::MAX >> (64 - registers.vectors)) as u32,
        free_masks: (1 << registers.masks) - 1 << 1,
        pinned: 0,
        pinned_masks: 0,
        free_slots: Vec::new(),
        slots: 0,
        freed: Vec::new(),
        first_store: NEVER,
        insts: Vec::with_capacity(2 * count),
        moves: 0,
    };
    allocator.find_uses(&order);
    let mut now = 0;
    for &what in &order {
        for stream in 0..streams {
            allocator.event(what, stream, now);
            now += 1;
        }
    }
    Line { insts: allocator.insts, slots: allocator.slots, moves: allocator.moves }
}

impl Allocator<'_> {
    fn node(&self, value: u32) -> Node {
        self.graph.nodes[(value >> self.log_streams) as usize]
    }

    /// A node's value in a stream. Constants are the same in all.
    fn value(&self, id: Id, stream: u8) -> u32 {
        let shared = matches!(self.graph.nodes[id as usize].op, Op::Const(_));
        id << self.log_streams | if shared { 0 } else { u32::from(stream) }
    }

    fn operands(&self, what: What, stream: u8) -> ([u32; 3], usize) {
        let mut values = [0; 3];
        let ids: &[Id] = match what {
            What::Compute(id) => self.graph.nodes[id as usize].operands(),
            What::Touch(id) | What::LeaveIf(id) => &[id],
            What::Store(output) => &[self.graph.outputs[output].value],
        };
        for (value, &id) in values.iter_mut().zip(ids) {
            *value = self.value(id, stream);
        }
        (values, ids.len())
    }

    fn find_uses(&mut self, order: &[What]) {
        let streams = 1 << self.log_streams;
        let events = || order.iter().flat_map(|&what| (0..streams).map(move |stream| (what, stream)));
        for (now, (what, stream)) in events().enumerate() {
            let (values, count) = self.operands(what, stream);
            values[..count].iter().for_each(|&value| self.starts[value as usize + 1] += 1);
            if matches!(what, What::Store(_)) {
                self.first_store = self.first_store.min(now as u32);
            }
        }
        for value in 1..self.starts.len() {
            self.starts[value] += self.starts[value - 1];
        }
        self.uses = vec![0; self.starts[self.starts.len() - 1] as usize];
        let mut next = self.starts.clone();
        for (now, (what, stream)) in events().enumerate() {
            let (values, count) = self.operands(what, stream);
            for &value in &values[..count] {
                self.uses[next[value as usize] as usize] = now as u32;
                next[value as usize] += 1;
            }
        }
    }

    /// When a value is used next after the current instruction.
    fn next_use(&self, value: u32) -> u32 {
        let at = self.starts[value as usize] + self.past[value as usize];
        if at < self.starts[value as usize + 1] { self.uses[at as usize] } else { NEVER }
    }

    fn is_mask(&self, value: u32) -> bool {
        self.registers.masks > 0 && self.node(value).op.is_truth()
    }

    fn event(&mut self, what: What, stream: u8, now: u32) {
        (self.pinned, self.pinned_masks) = (0, 0);
        let (values, count) = self.operands(what, stream);
        for &value in &values[..count] {
            while self.next_use(value) <= now {
                self.past[value as usize] += 1;
            }
            if self.reg[value as usize] != NOWHERE {
                self.pin(value);
            }
        }
        match what {
            What::Compute(id) => self.compute(self.graph.nodes[id as usize], values, self.value(id, stream)),
            What::Touch(_) => {
                self.register(values[0]);
            }
            What::LeaveIf(_) => {
                let mask = self.register(values[0]);
                self.insts.push(Inst::LeaveIf { mask });
            }
            What::Store(output) => {
                let place = self.graph.outputs[output].place;
                let from = self.register(values[0]);
                let inst = if self.node(values[0]).op.is_truth() {
                    Inst::StoreTruth { from, place, stream, scratch: self.take(false) }
                } else {
                    Inst::Store { from, place, stream }
                };
                self.insts.push(inst);
            }
        }
        values[..count].iter().for_each(|&value| self.release(value));
        self.free_slots.append(&mut self.freed);
    }

    fn pin(&mut self, value: u32) {
        let bit = 1 << self.reg[value as usize];
        if self.is_mask(value) {
            self.pinned_masks |= bit;
        } else {
            self.pinned |= bit;
        }
    }

    /// Frees what a value has if it is not used again.
    fn release(&mut self, value: u32) {
        if self.next_use(value) != NEVER {
            return;
        }
        self.drop_register(value);
        let slot = std::mem::replace(&mut self.slot[value as usize], NO_SLOT);
        if slot != NO_SLOT {
            self.freed.push(slot);
        }
    }

    fn drop_register(&mut self, value: u32) {
        let reg = std::mem::replace(&mut self.reg[value as usize], NOWHERE);
        if reg == NOWHERE {
            return;
        }
        if self.is_mask(value) {
            self.masks[reg as usize] = NO_VALUE;
            self.free_masks |= 1 << reg;
        } else {
            self.vectors[reg as usize] = NO_VALUE;
            self.free |= 1 << reg;
        }
    }

    /// Gives a register to a value.
    fn hold(&mut self, value: u32, reg: u8) {
        self.reg[value as usize] = reg;
        if self.is_mask(value) {
            self.masks[reg as usize] = value;
            self.free_masks &= !(1 << reg);
        } else {
            self.vectors[reg as usize] = value;
            self.free &= !(1 << reg);
        }
        self.pin(value);
    }

    /// Whether a value need not be saved when it gives way.
    fn is_kept_elsewhere(&self, value: u32) -> bool {
        match self.node(value).op {
            Op::Const(_) => true,
            Op::Input(_) | Op::Truth(_) => {
                self.slot[value as usize] != NO_SLOT || self.next_use(value) < self.first_store
            }
            _ => self.slot[value as usize] != NO_SLOT,
        }
    }

    /// A register that nothing needs now; the value in it gives way.
    fn take(&mut self, mask: bool) -> u8 {
        let (range, holders, pinned) = if mask {
            (1..self.registers.masks + 1, &self.masks[..], self.pinned_masks)
        } else {
            (0..self.registers.vectors, &self.vectors[..], self.pinned)
        };
        let usable = |reg: &u8| pinned >> reg & 1 == 0;
        let free = (if mask { self.free_masks } else { self.free }) & !pinned;
        let reg = if free != 0 {
            free.trailing_zeros() as u8
        } else {
            // To save one costs a store beside the load.
            let cost = |reg: &u8| {
                let value = holders[*reg as usize];
                u64::from(self.next_use(value)) * if self.is_kept_elsewhere(value) { 2 } else { 1 }
            };
            let farthest = range.filter(usable).max_by_key(cost);
            farthest.expect("an instruction uses fewer registers than there are")
        };
        if mask {
            self.pinned_masks |= 1 << reg;
        } else {
            self.pinned |= 1 << reg;
        }
        let value = if mask { self.masks[reg as usize] } else { self.vectors[reg as usize] };
        if value != NO_VALUE {
            if !self.is_kept_elsewhere(value) {
                let slot = self.free_slots.pop().unwrap_or_else(|| {
                    self.slots += 1;
                    self.slots - 1
                });
                self.slot[value as usize] = slot;
                self.insts.push(Inst::Save { from: reg, slot, truth: mask });
                self.moves += 1;
            }
            self.drop_register(value);
        }
        reg
    }

    /// Has a value in a register.
    fn register(&mut self, value: u32) -> u8 {
        if self.reg[value as usize] != NOWHERE {
            return self.reg[value as usize];
        }
        let truth = self.is_mask(value);
        let to = self.take(truth);
        let stream = (value & ((1 << self.log_streams) - 1)) as u8;
        let slot = self.slot[value as usize];
        let inst = match self.node(value).op {
            Op::Const(bits) => Inst::LoadConst { to, bits },
            _ if slot != NO_SLOT => {
                self.moves += 1;
                Inst::Restore { to, slot, truth }
            }
            Op::Input(place) => Inst::Load { to, place, stream },
            Op::Truth(place) => {
                // Where vectors hold truth values, it is widened in place.
                let scratch = if truth { self.take(false) } else { to };
                Inst::LoadTruth { to, place, stream, scratch }
            }
            _ => unreachable!("a computed value is in a register or saved"),
        };
        self.insts.push(inst);
        self.hold(value, to);
        to
    }

    /// Whether an instruction can read a value where it is, so that it needs no register.
    fn is_in_memory(&self, value: u32) -> bool {
        let saved = self.slot[value as usize] != NO_SLOT && self.next_use(value) == NEVER;
        self.reg[value as usize] == NOWHERE && (saved || matches!(self.node(value).op, Op::Const(_)))
    }

    fn source(&mut self, value: u32) -> Source {
        if !self.is_in_memory(value) {
            return Source::Reg(self.register(value));
        }
        match self.node(value).op {
            Op::Const(bits) => Source::Const(bits),
            _ => Source::Slot(self.slot[value as usize]),
        }
    }

    /// A register for the result of an instruction that has read `operands`.
    fn result(&mut self, operands: &[u32], mask: bool) -> u8 {
        for &operand in operands {
            if self.next_use(operand) == NEVER && self.reg[operand as usize] != NOWHERE {
                let bit = 1 << self.reg[operand as usize];
                if self.is_mask(operand) {
                    self.pinned_masks &= !bit;
                } else {
                    self.pinned &= !bit;
                }
                self.release(operand);
            }
        }
        self.take(mask)
    }

    fn compute(&mut self, node: Node, [mut a, mut b, c]: [u32; 3], value: u32) {
        let to_mask = self.is_mask(value);
        let inst = match node.op {
            Op::MulAdd(product, addend) => return self.mul_add([a, b, c], [product, addend], value),
            Op::Select => return self.select([a, b, c], value),
            Op::Not => {
                let x = self.register(a);
                Inst::Not { to: self.result(&[a], to_mask), x }
            }
            Op::Both | Op::Either | Op::OneOf => {
                let (x, y) = (self.register(a), self.register(b));
                Inst::Logic { op: node.op, to: self.result(&[a, b], to_mask), x, y }
            }
            Op::Sqrt | Op::Round(_) | Op::ShiftLeft(_) | Op::ShiftRight(_) => {
                let x = match node.op {
                    // With vectors of 256 bits, shifts read registers only.
                    Op::ShiftLeft(_) | Op::ShiftRight(_) if self.registers.masks == 0 => {
                        Source::Reg(self.register(a))
                    }
                    _ => self.source(a),
                };
                Inst::Unary { op: node.op, to: self.result(&[a], false), x }
            }
            _ => {
                let compares = matches!(node.op, Op::Compare(_));
                let swapped =
                    self.is_in_memory(a) && !self.is_in_memory(b) && (compares || node.op.commutes());
                if swapped {
                    (a, b) = (b, a);
                }
                let x = self.register(a);
                let y = self.source(b);
                let to = self.result(&[a, b], to_mask);
                match node.op {
                    Op::Compare(relation) => Inst::Compare { relation, swapped, to, x, y },
                    Op::Disjoint => Inst::Disjoint { to, x, y },
                    op => Inst::Binary { op, to, x, y },
                }
            }
        };
        self.finish(inst, value);
    }

    fn finish(&mut self, inst: Inst, value: u32) {
        let to = match inst {
            Inst::Binary { to, .. } | Inst::Unary { to, .. } | Inst::MulAdd { to, .. } => to,
            Inst::Compare { to, .. } | Inst::Disjoint { to, .. } | Inst::Logic { to, .. } => to,
            Inst::Not { to, .. } | Inst::Blend { to, .. } | Inst::Keep { to, .. } => to,
            _ => unreachable!("{inst:?} computes nothing"),
        };
        self.insts.push(inst);
        self.hold(value, to);
    }

    fn mul_add(&mut self, [mut a, mut b, c]: [u32; 3], [product, addend]: [bool; 2], value: u32) {
        if self.is_in_memory(a) && !self.is_in_memory(b) {
            (a, b) = (b, a);
        }
        // At most one is read from memory: the addend, or a factor.
        let x = self.register(a);
        let (form, overwritten, other, y) = if self.is_in_memory(c) {
            let other = self.register(b);
            let (form, y) = (Overwrites::Factor213, self.source(c));
            if self.next_use(a) == NEVER || self.next_use(b) != NEVER {
                (form, a, other, y)
            } else {
                (form, b, x, y)
            }
        } else {
            let z = self.register(c);
            let y = self.source(b);
            match y {
                _ if self.next_use(c) == NEVER => (Overwrites::Addend231, c, x, y),
                _ if self.next_use(a) == NEVER => (Overwrites::Factor132, a, z, y),
                Source::Reg(_) if self.next_use(b) == NEVER => (Overwrites::Factor132, b, z, Source::Reg(x)),
                _ => (Overwrites::Addend231, c, x, y),
            }
        };
        let from = self.reg[overwritten as usize];
        let to = if self.next_use(overwritten) == NEVER {
            // It gives its register to the result.
            from
        } else {
            let to = self.take(false);
            self.insts.push(Inst::Copy { to, from });
            to
        };
        [a, b, c].into_iter().for_each(|operand| self.release(operand));
        self.finish(Inst::MulAdd { form, product, addend, to, x: other, y }, value);
    }

    fn select(&mut self, [mask, then, otherwise]: [u32; 3], value: u32) {
        let holds = self.register(mask);
        let operands = [mask, then, otherwise];
        let inst = if self.node(otherwise).op == Op::Const(0) {
            let then = self.source(then);
            Inst::Keep { to: self.result(&operands, false), mask: holds, then }
        } else {
            let x = self.register(otherwise);
            let then = self.source(then);
            Inst::Blend { to: self.result(&operands, false), mask: holds, x, then }
        };
        self.finish(inst, value);
    }
}

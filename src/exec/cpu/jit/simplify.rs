//! Nodes are made here: constants folded, patterns replaced by what the machine has for them, with the same bits.

use super::graph::{Node, Word};
use super::op::{Lane, Op, Relation};

/// [`apply`] to one operand. Functions of their own, whose operands are in registers: the mathematics is thousands of
/// such calls.
#[inline(never)]
pub(super) fn apply_one<'a>(lane: Lane, op: Op, a: Word<'a>) -> Word<'a> {
    apply(lane, op, [a, Word::NONE, Word::NONE])
}

/// [`apply`] to two operands.
#[inline(never)]
pub(super) fn apply_two<'a>(lane: Lane, op: Op, a: Word<'a>, b: Word<'a>) -> Word<'a> {
    apply(lane, op, [a, b, Word::NONE])
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

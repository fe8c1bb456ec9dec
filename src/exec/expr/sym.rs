//! The scalar that records.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{BinaryOp, CompareOp, Expr, LogicOp, Node, NodeId, Reference, UnaryOp};
use crate::exec::scalar::{Mask, Scalar};

/// The nodes recorded so far.
#[derive(Debug)]
pub(crate) struct Arena {
    nodes: RefCell<Vec<Node>>,
}

impl Arena {
    /// The symbol of `node`; of an equal one, if there is.
    fn push(&self, node: Node) -> Sym<'_> {
        let mut nodes = self.nodes.borrow_mut();
        // Bodies have some dozen nodes: searching them is cheaper than hashing.
        let at = nodes.iter().position(|known| *known == node).unwrap_or_else(|| {
            nodes.push(node);
            nodes.len() - 1
        });
        Sym::Node(self, NodeId(at as u32))
    }
}

/// A number that is not known yet: a [`Scalar`] whose arithmetic is recorded.
///
/// A literal belongs to no recording, since [`Scalar::literal`] has no receiver; what is computed
/// from literals alone is one, computed in f64.
#[derive(Clone, Copy)]
pub(crate) enum Sym<'a> {
    /// A constant.
    Lit(f64),
    /// A value of the recording.
    Node(&'a Arena, NodeId),
}

/// A truth value that is not known yet; a known one is the literal 1 or 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymMask<'a>(pub(super) Sym<'a>);

/// See [`Expr::record`].
pub(super) fn record(inputs: usize, body: impl for<'a> FnOnce(&[Sym<'a>]) -> Sym<'a>) -> Expr {
    assert!(inputs <= 256, "an expression has at most 256 inputs, not {inputs}");
    let arena = Arena { nodes: RefCell::new(Vec::new()) };
    let x: Vec<Sym<'_>> = (0..inputs).map(|input| arena.push(Node::Input(input as u8))).collect();
    let output = body(&x).id(&arena);
    Expr::of(inputs, &arena.nodes.borrow(), output)
}

impl fmt::Debug for Sym<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sym::Lit(value) => write!(f, "{value:?}"),
            Sym::Node(arena, id) => write!(f, "{:?}", arena.nodes.borrow()[id.index()]),
        }
    }
}

impl<'a> Sym<'a> {
    /// The node that this is in `arena`.
    fn id(self, arena: &Arena) -> NodeId {
        match self {
            Sym::Node(own, id) => {
                debug_assert!(std::ptr::eq(own, arena), "symbols of two recordings were mixed");
                id
            }
            Sym::Lit(value) => match arena.push(Node::Literal(value.to_bits())) {
                Sym::Node(_, id) => id,
                Sym::Lit(_) => unreachable!("pushing yields a node"),
            },
        }
    }

    /// `node` of the ids of `operands`, or, if they all are literals, `fold` of their values.
    fn record<const N: usize>(
        operands: [Sym<'a>; N],
        node: impl FnOnce([NodeId; N]) -> Node,
        fold: impl FnOnce([Reference<f64>; N]) -> f64,
    ) -> Sym<'a> {
        let arena = operands.iter().find_map(|operand| match operand {
            Sym::Node(arena, _) => Some(*arena),
            Sym::Lit(_) => None,
        });
        match arena {
            Some(arena) => arena.push(node(operands.map(|operand| operand.id(arena)))),
            None => Sym::Lit(fold(operands.map(|operand| match operand {
                Sym::Lit(value) => Reference(value),
                Sym::Node(..) => unreachable!("a node has an arena"),
            }))),
        }
    }

    fn unary(self, op: UnaryOp) -> Self {
        Sym::record([self], |[x]| Node::Unary(op, x), |[x]| op.apply(x).0)
    }

    fn binary(self, op: BinaryOp, other: Self) -> Self {
        Sym::record([self, other], |[x, y]| Node::Binary(op, x, y), |[x, y]| op.apply(x, y).0)
    }

    fn compare(self, op: CompareOp, other: Self) -> SymMask<'a> {
        let truth = |[x, y]: [Reference<f64>; 2]| f64::from(op.apply(x, y));
        SymMask(Sym::record([self, other], |[x, y]| Node::Compare(op, x, y), truth))
    }
}

impl SymMask<'_> {
    fn logic(self, op: LogicOp, other: Self) -> Self {
        let truth = |[p, q]: [Reference<f64>; 2]| f64::from(op.apply(p.0 != 0.0, q.0 != 0.0));
        SymMask(Sym::record([self.0, other.0], |[p, q]| Node::Logic(op, p, q), truth))
    }
}

impl Mask for SymMask<'_> {
    fn and(self, other: Self) -> Self {
        self.logic(LogicOp::And, other)
    }
    fn or(self, other: Self) -> Self {
        self.logic(LogicOp::Or, other)
    }
    fn xor(self, other: Self) -> Self {
        self.logic(LogicOp::Xor, other)
    }
    fn not(self) -> Self {
        SymMask(Sym::record([self.0], |[p]| Node::Not(p), |[p]| f64::from(p.0 == 0.0)))
    }
}

macro_rules! operator {
    ($($operator:ident $name:ident),*) => {$(
        impl $operator for Sym<'_> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                self.binary(BinaryOp::$operator, other)
            }
        }
    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Sym<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(UnaryOp::Neg)
    }
}

macro_rules! unary {
    ($($name:ident $op:ident),*) => {$(
        fn $name(self) -> Self {
            self.unary(UnaryOp::$op)
        }
    )*};
}

macro_rules! binary {
    ($($name:ident $op:ident),*) => {$(
        fn $name(self, other: Self) -> Self {
            self.binary(BinaryOp::$op, other)
        }
    )*};
}

macro_rules! compare {
    ($($name:ident $op:ident),*) => {$(
        fn $name(self, other: Self) -> SymMask<'a> {
            self.compare(CompareOp::$op, other)
        }
    )*};
}

impl<'a> Scalar for Sym<'a> {
    type Mask = SymMask<'a>;

    fn literal(value: f64) -> Self {
        Sym::Lit(value)
    }
    fn select(mask: SymMask<'a>, then: Self, otherwise: Self) -> Self {
        match mask.0 {
            Sym::Lit(truth) => {
                if truth != 0.0 {
                    then
                } else {
                    otherwise
                }
            }
            unknown => Sym::record(
                [unknown, then, otherwise],
                |[p, x, y]| Node::Select(p, x, y),
                |_| unreachable!("the mask is a node"),
            ),
        }
    }
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let fold = |[x, y, z]: [Reference<f64>; 3]| x.mul_add(y, z).0;
        Sym::record([self, factor, addend], |[x, y, z]| Node::MulAdd(x, y, z), fold)
    }
    compare!(lt Lt, le Le, eq Eq, ne Ne);
    binary!(min Min, max Max, copysign Copysign, rem Rem, pow Pow, atan2 Atan2);
    binary!(bit_and BitAnd, bit_or BitOr, bit_xor BitXor, shl Shl, shr Shr);
    unary!(abs Abs, sign Sign, floor Floor, ceil Ceil, round Round, trunc Trunc, recip Recip, sqrt Sqrt);
    unary!(exp Exp, expm1 Expm1, log Log, log1p Log1p, sin Sin, cos Cos, tan Tan, tanh Tanh);
    unary!(exp2 Exp2, log2 Log2, log10 Log10, cbrt Cbrt, sigmoid Sigmoid, erf Erf, erfc Erfc, erfcx Erfcx);
    unary!(erfinv Erfinv, lgamma Lgamma, digamma Digamma);
}

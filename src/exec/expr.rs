//! The symbolic form of a pointwise operation: what fusion, the JIT and the GPU backends compile.
//!
//! An [`Expr`] is recorded by running the operation's one generic body at [`Sym`]; the elementary
//! functions (`exp`, `tanh`, `erf`, ..) are single nodes of it. [`Expr::replay`] runs it at any other
//! [`Scalar`]: at numbers to evaluate it, at `Sym` again to splice it into a greater one.

mod reference;
mod special;
mod sym;

use std::fmt;

use super::scalar::{Mask, Scalar};
pub(crate) use reference::Reference;
pub(crate) use sym::{Sym, SymMask};

/// The place of a node in [`Expr::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// As an index into [`Expr::nodes`].
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One value of an expression. Operands are earlier nodes; `Compare`, `Logic` and `Not` yield truth
/// values, the others numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// The element of an input.
    Input(u8),
    /// A constant: the bits of an f64, to be rounded to the type computed with.
    Literal(u64),
    /// A function of one number.
    Unary(UnaryOp, NodeId),
    /// A function of two numbers.
    Binary(BinaryOp, NodeId, NodeId),
    /// First times second plus third, fused.
    MulAdd(NodeId, NodeId, NodeId),
    /// A relation of two numbers.
    Compare(CompareOp, NodeId, NodeId),
    /// A combination of two truth values.
    Logic(LogicOp, NodeId, NodeId),
    /// The opposite truth value.
    Not(NodeId),
    /// The second where the first, a truth value, holds; else the third.
    Select(NodeId, NodeId, NodeId),
}

/// Functions of one number: each is the [`Scalar`] method of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UnaryOp {
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Trunc,
    Recip,
    Sqrt,
    Exp,
    Expm1,
    Exp2,
    Log,
    Log1p,
    Log2,
    Log10,
    Cbrt,
    Sin,
    Cos,
    Tan,
    Tanh,
    Sigmoid,
    Erf,
    Erfc,
    Erfcx,
    Erfinv,
    Lgamma,
    Digamma,
}

/// Functions of two numbers: each is the operator or [`Scalar`] method of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Copysign,
    Rem,
    Pow,
    Atan2,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
}

/// Relations of two numbers; `>` and `>=` are recorded with their operands exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CompareOp {
    Lt,
    Le,
    Eq,
    Ne,
}

/// Combinations of two truth values: each is the [`Mask`] method of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogicOp {
    And,
    Or,
    Xor,
}

impl Node {
    /// The nodes this one reads, in order.
    pub(crate) fn operands(&self) -> impl Iterator<Item = NodeId> {
        let [a, b, c] = match *self {
            Node::Input(_) | Node::Literal(_) => [None; 3],
            Node::Unary(_, a) | Node::Not(a) => [Some(a), None, None],
            Node::Binary(_, a, b) | Node::Compare(_, a, b) | Node::Logic(_, a, b) => [Some(a), Some(b), None],
            Node::MulAdd(a, b, c) | Node::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        [a, b, c].into_iter().flatten()
    }

    /// The same node with its operands renamed.
    fn renamed(self, name: impl Fn(NodeId) -> NodeId) -> Node {
        match self {
            Node::Input(_) | Node::Literal(_) => self,
            Node::Unary(op, a) => Node::Unary(op, name(a)),
            Node::Binary(op, a, b) => Node::Binary(op, name(a), name(b)),
            Node::MulAdd(a, b, c) => Node::MulAdd(name(a), name(b), name(c)),
            Node::Compare(op, a, b) => Node::Compare(op, name(a), name(b)),
            Node::Logic(op, a, b) => Node::Logic(op, name(a), name(b)),
            Node::Not(a) => Node::Not(name(a)),
            Node::Select(mask, a, b) => Node::Select(name(mask), name(a), name(b)),
        }
    }
}

/// A pointwise function of some inputs, as a list of nodes without repetition or dead weight.
///
/// Invariants: operands of `nodes[i]` are before `i`; no two nodes are equal; every node is needed
/// for the last one, which is the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Expr {
    inputs: usize,
    nodes: Box<[Node]>,
}

/// What a node evaluates to.
#[derive(Clone, Copy)]
enum Value<S: Scalar> {
    Number(S),
    Truth(S::Mask),
}

impl<S: Scalar> Value<S> {
    fn number(self) -> S {
        match self {
            Value::Number(number) => number,
            Value::Truth(_) => unreachable!("recording types numbers and truth values apart"),
        }
    }

    fn truth(self) -> S::Mask {
        match self {
            Value::Truth(mask) => mask,
            Value::Number(_) => unreachable!("recording types numbers and truth values apart"),
        }
    }
}

impl Expr {
    /// What `body` computes from `inputs` numbers.
    pub(crate) fn record(inputs: usize, body: impl for<'a> FnOnce(&[Sym<'a>]) -> Sym<'a>) -> Expr {
        sym::record(inputs, body)
    }

    /// What `body` decides from `inputs` numbers; the result is a truth value.
    pub(crate) fn record_mask(inputs: usize, body: impl for<'a> FnOnce(&[Sym<'a>]) -> SymMask<'a>) -> Expr {
        sym::record(inputs, |x| body(x).0)
    }

    /// The part of `nodes` that `output` needs.
    fn of(inputs: usize, nodes: &[Node], output: NodeId) -> Expr {
        let mut needed = vec![false; nodes.len()];
        needed[output.index()] = true;
        for at in (0..=output.index()).rev() {
            if needed[at] {
                nodes[at].operands().for_each(|operand| needed[operand.index()] = true);
            }
        }
        let mut place = vec![NodeId(0); nodes.len()];
        let mut kept = Vec::new();
        for (at, node) in nodes.iter().enumerate().filter(|&(at, _)| needed[at]) {
            place[at] = NodeId(kept.len() as u32);
            kept.push(node.renamed(|operand| place[operand.index()]));
        }
        Expr { inputs, nodes: kept.into() }
    }

    /// Whether the result is a truth value.
    #[cfg(test)]
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.nodes.last(), Some(Node::Compare(..) | Node::Logic(..) | Node::Not(_)))
    }

    /// The number it computes from `inputs`; a truth value becomes 1 or 0.
    pub(crate) fn replay<S: Scalar>(&self, inputs: &[S]) -> S {
        match self.run(inputs) {
            Value::Number(number) => number,
            Value::Truth(mask) => S::select(mask, S::literal(1.0), S::literal(0.0)),
        }
    }

    fn run<S: Scalar>(&self, inputs: &[S]) -> Value<S> {
        assert_eq!(inputs.len(), self.inputs, "inputs of\n{self}");
        let mut values: Vec<Value<S>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let number = |id: NodeId| values[id.index()].number();
            let truth = |id: NodeId| values[id.index()].truth();
            let value = match *node {
                Node::Input(input) => Value::Number(inputs[usize::from(input)]),
                Node::Literal(bits) => Value::Number(S::literal(f64::from_bits(bits))),
                Node::Unary(op, x) => Value::Number(op.apply(number(x))),
                Node::Binary(op, x, y) => Value::Number(op.apply(number(x), number(y))),
                Node::MulAdd(x, y, z) => Value::Number(number(x).mul_add(number(y), number(z))),
                Node::Compare(op, x, y) => Value::Truth(op.apply(number(x), number(y))),
                Node::Logic(op, p, q) => Value::Truth(op.apply(truth(p), truth(q))),
                Node::Not(p) => Value::Truth(truth(p).not()),
                Node::Select(p, x, y) => Value::Number(S::select(truth(p), number(x), number(y))),
            };
            values.push(value);
        }
        values.pop().expect("an expression has a result")
    }
}

impl UnaryOp {
    /// Its value at `x`.
    pub(crate) fn apply<S: Scalar>(self, x: S) -> S {
        match self {
            UnaryOp::Neg => -x,
            UnaryOp::Abs => x.abs(),
            UnaryOp::Sign => x.sign(),
            UnaryOp::Floor => x.floor(),
            UnaryOp::Ceil => x.ceil(),
            UnaryOp::Round => x.round(),
            UnaryOp::Trunc => x.trunc(),
            UnaryOp::Recip => x.recip(),
            UnaryOp::Sqrt => x.sqrt(),
            UnaryOp::Exp => x.exp(),
            UnaryOp::Expm1 => x.expm1(),
            UnaryOp::Exp2 => x.exp2(),
            UnaryOp::Log => x.log(),
            UnaryOp::Log1p => x.log1p(),
            UnaryOp::Log2 => x.log2(),
            UnaryOp::Log10 => x.log10(),
            UnaryOp::Cbrt => x.cbrt(),
            UnaryOp::Sin => x.sin(),
            UnaryOp::Cos => x.cos(),
            UnaryOp::Tan => x.tan(),
            UnaryOp::Tanh => x.tanh(),
            UnaryOp::Sigmoid => x.sigmoid(),
            UnaryOp::Erf => x.erf(),
            UnaryOp::Erfc => x.erfc(),
            UnaryOp::Erfcx => x.erfcx(),
            UnaryOp::Erfinv => x.erfinv(),
            UnaryOp::Lgamma => x.lgamma(),
            UnaryOp::Digamma => x.digamma(),
        }
    }
}

impl BinaryOp {
    /// Its value at `(x, y)`.
    pub(crate) fn apply<S: Scalar>(self, x: S, y: S) -> S {
        match self {
            BinaryOp::Add => x + y,
            BinaryOp::Sub => x - y,
            BinaryOp::Mul => x * y,
            BinaryOp::Div => x / y,
            BinaryOp::Min => x.min(y),
            BinaryOp::Max => x.max(y),
            BinaryOp::Copysign => x.copysign(y),
            BinaryOp::Rem => x.rem(y),
            BinaryOp::Pow => x.pow(y),
            BinaryOp::Atan2 => x.atan2(y),
            BinaryOp::BitAnd => x.bit_and(y),
            BinaryOp::BitOr => x.bit_or(y),
            BinaryOp::BitXor => x.bit_xor(y),
            BinaryOp::Shl => x.shl(y),
            BinaryOp::Shr => x.shr(y),
        }
    }
}

impl CompareOp {
    /// Whether it holds between `x` and `y`.
    pub(crate) fn apply<S: Scalar>(self, x: S, y: S) -> S::Mask {
        match self {
            CompareOp::Lt => x.lt(y),
            CompareOp::Le => x.le(y),
            CompareOp::Eq => x.eq(y),
            CompareOp::Ne => x.ne(y),
        }
    }
}

impl LogicOp {
    /// Its value at `(p, q)`.
    pub(crate) fn apply<M: Mask>(self, p: M, q: M) -> M {
        match self {
            LogicOp::And => p.and(q),
            LogicOp::Or => p.or(q),
            LogicOp::Xor => p.xor(q),
        }
    }
}

/// Readable code, an operation a line: `v0 = x0 * x1`. The last line is the result.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = Vec::with_capacity(self.nodes.len());
        let mut lines = 0;
        for node in &self.nodes {
            let name = |id: NodeId| names[id.index()].as_str();
            let text = match *node {
                Node::Input(input) => format!("x{input}"),
                Node::Literal(bits) => format!("{:?}", f64::from_bits(bits)),
                Node::Unary(UnaryOp::Neg, x) => format!("-{}", name(x)),
                Node::Unary(op, x) => format!("{}({})", lowercase(op), name(x)),
                Node::Binary(op, x, y) => match op.symbol() {
                    Some(symbol) => format!("{} {symbol} {}", name(x), name(y)),
                    None => format!("{}({}, {})", lowercase(op), name(x), name(y)),
                },
                Node::MulAdd(x, y, z) => format!("mul_add({}, {}, {})", name(x), name(y), name(z)),
                Node::Compare(op, x, y) => format!("{} {} {}", name(x), op.symbol(), name(y)),
                Node::Logic(op, p, q) => format!("{} {} {}", name(p), lowercase(op), name(q)),
                Node::Not(p) => format!("not {}", name(p)),
                Node::Select(p, x, y) => format!("select({}, {}, {})", name(p), name(x), name(y)),
            };
            if matches!(node, Node::Input(_) | Node::Literal(_)) {
                names.push(text);
                continue;
            }
            writeln!(f, "v{lines} = {text}")?;
            names.push(format!("v{lines}"));
            lines += 1;
        }
        // An expression that computes nothing is its only node.
        if lines == 0 { writeln!(f, "{}", names[0]) } else { Ok(()) }
    }
}

fn lowercase(op: impl fmt::Debug) -> String {
    format!("{op:?}").to_lowercase()
}

impl BinaryOp {
    fn symbol(self) -> Option<&'static str> {
        match self {
            BinaryOp::Add => Some("+"),
            BinaryOp::Sub => Some("-"),
            BinaryOp::Mul => Some("*"),
            BinaryOp::Div => Some("/"),
            BinaryOp::Rem => Some("%"),
            BinaryOp::BitAnd => Some("&"),
            BinaryOp::BitOr => Some("|"),
            BinaryOp::BitXor => Some("^"),
            BinaryOp::Shl => Some("<<"),
            BinaryOp::Shr => Some(">>"),
            BinaryOp::Min | BinaryOp::Max | BinaryOp::Copysign | BinaryOp::Pow | BinaryOp::Atan2 => None,
        }
    }
}

impl CompareOp {
    fn symbol(self) -> &'static str {
        match self {
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Eq => "==",
            CompareOp::Ne => "!=",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softplus<S: Scalar>(x: S) -> S {
        x.max(S::literal(0.0)) + (-x.abs()).exp().log1p()
    }

    #[test]
    fn an_expression_prints_as_code() {
        let expr = Expr::record(1, |x| softplus(x[0]));
        let code = "v0 = max(x0, 0.0)\nv1 = abs(x0)\nv2 = -v1\nv3 = exp(v2)\nv4 = log1p(v3)\nv5 = v0 + v4\n";
        assert_eq!(expr.to_string(), code);

        let test = Expr::record_mask(2, |x| x[0].gt(x[1]).and(x[0].is_nan().not()));
        assert_eq!(test.to_string(), "v0 = x1 < x0\nv1 = x0 != x0\nv2 = not v1\nv3 = v0 and v2\n");
        assert_eq!((test.is_test(), expr.is_test()), (true, false));

        assert_eq!(Expr::record(2, |x| x[1]).to_string(), "x1\n");
        assert_eq!(Expr::record(0, |_| Sym::literal(0.5)).to_string(), "0.5\n");
    }

    #[test]
    fn equal_nodes_are_one_and_dead_ones_are_dropped() {
        let expr = Expr::record(2, |x| {
            let _dead = x[0].exp() * x[1].tanh();
            x[1].sin() * x[1].sin()
        });
        assert_eq!(expr.to_string(), "v0 = sin(x1)\nv1 = v0 * v0\n");
        let square = Expr::record(2, |x| {
            let sine = x[1].sin();
            sine * sine
        });
        assert_eq!(expr, square);
    }

    #[test]
    fn arithmetic_of_literals_alone_is_folded() {
        let expr = Expr::record(1, |x| x[0] * (Sym::literal(2.0) / Sym::literal(8.0)).sqrt());
        assert_eq!(expr.to_string(), "v0 = x0 * 0.5\n");
        let expr = Expr::record(1, |x| {
            let one = Sym::literal(1.0);
            Sym::select(one.lt(Sym::literal(2.0)).xor(one.is_nan()), x[0], one)
        });
        assert_eq!(expr.to_string(), "x0\n");
    }

    #[test]
    fn an_expression_evaluates_in_every_type() {
        let expr = Expr::record(2, |x| {
            let quotient = x[0].mul_add(Sym::literal(3.0), -x[1]) / x[1];
            Sym::select(x[0].le(x[1]), quotient.abs(), quotient.floor())
        });
        assert_eq!(expr.eval_f64(&[7.0, 2.0]), 9.0);
        assert_eq!(expr.eval_f32(&[1.0, 2.0]), 0.5);
        assert_eq!(expr.eval_i64(&[7, 2]), 9);
        assert_eq!(expr.eval_i32(&[-7, 2]), 11);
        // 3 * 100 - 50 = 250 although 300 does not fit.
        assert_eq!(expr.eval_u8(&[100, 50]), 5);

        let test = Expr::record_mask(1, |x| x[0].ge(Sym::literal(0.0)));
        assert_eq!([1.0, -1.0, f64::NAN].map(|x| test.eval_f64(&[x])), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn replaying_at_symbols_splices() {
        let inner = Expr::record(1, |x| softplus(x[0]));
        let outer = Expr::record(2, |x| inner.replay(&[x[0] * x[1]]) - x[1]);
        assert!(outer.to_string().starts_with("v0 = x0 * x1\nv1 = max(v0, 0.0)\n"));
        assert_eq!(outer.eval_f64(&[2.0, 0.25]), inner.eval_f64(&[0.5]) - 0.25);
    }
}

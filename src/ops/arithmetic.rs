//! Sums, products, powers and their like, and Rust's operators on tensors.

use std::any::Any;
use std::borrow::Cow;
use std::ops::{Add as StdAdd, Div as StdDiv, Mul as StdMul, Neg as StdNeg, Sub as StdSub};

use super::operands::InputSet;
use super::pointwise::{Domain, Elementwise, Map};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::{bind, bind_dying, misuse};
use crate::error::Misfit;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::graph::{Seen, Value};
use crate::tensor::{DType, Number, Tensor};

pub(super) const X0: Reads = Reads::inputs(InputSet::one(0));
pub(super) const X1: Reads = Reads::inputs(InputSet::one(1));
pub(super) const BOTH: Reads = Reads::inputs(InputSet::one(0).union(InputSet::one(1)));

/// Arithmetic by name; what is marked `@FAR true` takes an angle or a remainder (see [`Pointwise::FAR`]).
macro_rules! scalars {
    ($($op:ident [$($x:ident),*] $s:ident $(@FAR $far:literal)? => $value:expr;)*) => {$(
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) struct $op;
        impl Pointwise<{ [$(stringify!($x)),*].len() }> for $op {
            const FAR: bool = false $(|| $far)?;
            #[inline(always)]
            fn scalar<$s: Scalar>(&self, [$($x),*]: [$s; [$(stringify!($x)),*].len()]) -> $s {
                $value
            }
        }
    )*};
}
pub(super) use scalars;

scalars! {
    Add [a, b] S => a + b;
    Sub [a, b] S => a - b;
    Mul [a, b] S => a * b;
    Div [a, b] S => a / b;
    Neg [a] S => -a;
    Pow [a, b] S => a.pow(b);
    Min [a, b] S => a.min(b);
    Max [a, b] S => a.max(b);
    Abs [a] S => a.abs();
    Sign [a] S => a.sign();
    Floor [a] S => a.floor();
}

impl Elementwise<2> for Add {
    const NAME: &'static str = "add";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        Reads::NOTHING
    }
    fn scaled(&self, _: usize, _: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(v.clone())
    }
    /// `x + -0 = x` (0 would turn -0 into 0); `a + -b = a - b`.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let (a, b) = (x[0], x[1]);
        if b.is(-0.0) {
            return Some(a.into());
        }
        if a.is(-0.0) {
            return Some(b.into());
        }
        let less = |a: Seen<'_>, b: Seen<'_>| Value::made(&Map(Sub), [a.into(), b.into()]);
        negated(b).map(|b| less(a, b)).or_else(|| negated(a).map(|a| less(b, a)))
    }
}

impl Elementwise<2> for Sub {
    const NAME: &'static str = "sub";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        Reads::NOTHING
    }
    fn scaled(&self, input: usize, _: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(if input == 0 { v.clone() } else { -v })
    }
    /// `x - 0 = x`; `-0 - x = -x`; `a - -b = a + b`.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let (a, b) = (x[0], x[1]);
        if b.is(0.0) {
            return Some(a.into());
        }
        if a.is(-0.0) {
            return Some(Value::made(&Map(Neg), [b.into()]));
        }
        negated(b).map(|b| Value::made(&Map(Add), [a.into(), b.into()]))
    }
}

impl Elementwise<2> for Mul {
    const NAME: &'static str = "mul";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, input: usize) -> Reads {
        if input == 0 { X1 } else { X0 }
    }
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(v * at.x(1 - input))
    }
    /// `x * 1 = x`; `x * -1 = -x`; `-a * -b = a * b`. Never `x * 0`, which is NaN at an infinity.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        for (x, factor) in [(x[0], x[1]), (x[1], x[0])] {
            if factor.is(1.0) {
                return Some(x.into());
            }
            if factor.is(-1.0) && x.spec().dtype.is_float() {
                return Some(Value::made(&Map(Neg), [x.into()]));
            }
        }
        let (a, b) = (negated(x[0])?, negated(x[1])?);
        Some(Value::made(&Map(Mul), [a.into(), b.into()]))
    }
}

impl Elementwise<2> for Div {
    const NAME: &'static str = "div";
    const DOMAIN: Domain = Domain::Numbers;
    const DIVIDES: bool = true;
    fn reads(&self, input: usize) -> Reads {
        if input == 0 { X1 } else { Reads { outputs: true, ..X1 } }
    }
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(if input == 0 { v / at.x(1) } else { -(v * at.y() / at.x(1)) })
    }
    /// `x / 1 = x`; of floats `x / -1 = -x`, `-a / -b = a / b`, and `x / 2^k = x * 2^-k`.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let (a, b) = (x[0], x[1]);
        if b.is(1.0) {
            return Some(a.into());
        }
        if !a.spec().dtype.is_float() {
            return None;
        }
        if b.is(-1.0) {
            return Some(Value::made(&Map(Neg), [a.into()]));
        }
        if let Some(reciprocal) = exact_reciprocal(b) {
            return Some(Value::made(&Map(Mul), [a.into(), Value::Splat(*b.spec(), reciprocal)]));
        }
        let (a, b) = (negated(a)?, negated(b)?);
        Some(Value::made(&Map(Div), [a.into(), b.into()]))
    }
}

impl Elementwise<1> for Neg {
    const NAME: &'static str = "neg";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        Reads::NOTHING
    }
    fn scaled(&self, _: usize, _: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(-v)
    }
    /// `-(-x) = x`.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        negated(x[0]).map(Value::from)
    }
}

impl Elementwise<2> for Pow {
    const NAME: &'static str = "pow";
    const DOMAIN: Domain = Domain::Floats;
    fn reads(&self, input: usize) -> Reads {
        if input == 0 { BOTH } else { Reads { outputs: true, ..BOTH } }
    }
    /// d/da = b a^(b-1), zero at b = 0 for every a (JAX gives NaN at a = 0); d/db = a^b log a, zero at a = 0.
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        let (a, b) = (at.x(0), at.x(1));
        Some(if input == 0 {
            let no_power = b.eq(0.0);
            let slope = b * a.pow(no_power.where_(1.0, &(b - 1.0)));
            v * no_power.where_(0.0, &slope)
        } else {
            let zero = a.eq(0.0);
            v * at.y() * zero.where_(1.0, a).log()
        })
    }
}

/// Share of the gradient that a picked element gets: all of it, half at a tie, else nothing.
pub(super) fn share(at: &Residuals<'_>, input: usize, v: &Tensor) -> Tensor {
    let (mine, other) = (at.x(input), at.x(1 - input));
    mine.eq(at.y()).where_(other.eq(at.y()).where_(v * 0.5, v), 0.0)
}

impl Elementwise<2> for Min {
    const NAME: &'static str = "minimum";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        Reads { outputs: true, ..BOTH }
    }
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(share(at, input, v))
    }
    /// Of one value it is that.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        (x[0] == x[1]).then(|| x[0].into())
    }
}

impl Elementwise<2> for Max {
    const NAME: &'static str = "maximum";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        Reads { outputs: true, ..BOTH }
    }
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(share(at, input, v))
    }
    /// Of one value it is that.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        (x[0] == x[1]).then(|| x[0].into())
    }
}

impl Elementwise<1> for Abs {
    const NAME: &'static str = "abs";
    const DOMAIN: Domain = Domain::Numbers;
    fn reads(&self, _: usize) -> Reads {
        X0
    }
    fn scaled(&self, _: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
        Some(v * at.x(0).sign())
    }
    /// `||x|| = |x|`; `|-x| = |x|`, but of bytes, which have no sign.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if x[0].made_by::<Map<Abs, 1>>().is_some() {
            return Some(x[0].into());
        }
        let x = negated(x[0]).filter(|x| x.spec().dtype != DType::U8)?;
        Some(Value::made(&Map(Abs), [x.into()]))
    }
}

/// `x`, if the value is `-x`.
fn negated(value: Seen<'_>) -> Option<Seen<'_>> {
    value.made_by::<Map<Neg, 1>>().map(|neg| neg.x(0))
}

/// `1 / x`, if all of `x` is one power of two whose reciprocal is a normal number too: dividing and multiplying then
/// round the same quotient.
fn exact_reciprocal(x: Seen<'_>) -> Option<Number> {
    /// Powers up to this are normal numbers of f32 and f64, and so are their reciprocals.
    const GREATEST: f64 = (1u64 << 63) as f64;
    let divisor = x.splat().filter(|_| matches!(x.spec().dtype, DType::F32 | DType::F64))?.as_f64();
    let is_power = divisor.to_bits() << 12 == 0 && (1.0 / GREATEST..=GREATEST).contains(&divisor.abs());
    is_power.then(|| Number::Float(1.0 / divisor))
}

/// `x^1`, `x^2`, `x^3` and `x^-1` by products and quotients: within rounding of the power, at the infinities, NaN and
/// both zeros what the power is.
pub(crate) fn short_power(op: &dyn Primitive, x: &[Seen<'_>]) -> Option<Value> {
    let op: &dyn Any = op;
    op.downcast_ref::<Map<Pow, 2>>()?;
    let (base, exponent) = (x[0], x[1]);
    let value = || Value::from(base);
    let square = || Value::made(&Map(Mul), [value(), value()]);
    match exponent.splat()?.as_f64() {
        1.0 => Some(value()),
        2.0 => Some(square()),
        3.0 => Some(Value::made(&Map(Mul), [square(), value()])),
        -1.0 => Some(Value::made(&Map(Div), [Value::Splat(*base.spec(), 1.0.into()), value()])),
        _ => None,
    }
}

macro_rules! piecewise_constant {
    ($($op:ident $name:literal;)*) => {$(
        impl Elementwise<1> for $op {
            const NAME: &'static str = $name;
            const DOMAIN: Domain = Domain::Numbers;
            fn reads(&self, _: usize) -> Reads {
                Reads::NOTHING
            }
            fn scaled(&self, _: usize, _: &Residuals<'_>, _: &Tensor) -> Option<Tensor> {
                None
            }
        }
    )*};
}

piecewise_constant! {
    Sign "sign";
    Floor "floor";
}

/// What can stand beside a tensor in an operation: a tensor, or a Rust number, which takes the tensor's dtype.
pub trait IntoOperand {
    /// Whether it is a tensor passed by value, whose memory may be reused.
    #[doc(hidden)]
    const DIES: bool = false;

    /// The tensor to operate with; a number becomes one of `like`'s dtype.
    #[doc(hidden)]
    #[track_caller]
    fn operand_for(&self, like: &Tensor, operation: &'static str) -> Cow<'_, Tensor>;

    /// The tensor, unless it is a number.
    #[doc(hidden)]
    fn as_tensor(&self) -> Option<&Tensor> {
        None
    }
}

impl IntoOperand for Tensor {
    const DIES: bool = true;
    fn operand_for(&self, _: &Tensor, _: &'static str) -> Cow<'_, Tensor> {
        Cow::Borrowed(self)
    }
    fn as_tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl IntoOperand for &Tensor {
    fn operand_for(&self, _: &Tensor, _: &'static str) -> Cow<'_, Tensor> {
        Cow::Borrowed(self)
    }
    fn as_tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

/// `number` as a tensor of `like`'s spec, or the error that it does not fit.
#[track_caller]
pub(crate) fn number_operand(number: Number, like: &Tensor, operation: &'static str) -> Tensor {
    if like.error().is_some() {
        return like.clone();
    }
    let dtype = like.spec().dtype;
    if !number.fits(dtype) {
        let message = format!("the number {} is no {dtype}", number.as_f64());
        let help = "convert the tensor first, for example with `.f32()`";
        return misuse(operation, &[like], Misfit::dtype(message).help(help));
    }
    Tensor::splat(*like.spec(), number)
}

/// Both tensors at their common shape; none where they have it already, or have none.
pub(crate) fn broadcast_pair(a: &Tensor, b: &Tensor) -> Option<(Tensor, Tensor)> {
    let (sa, sb) = (a.spec().shape, b.spec().shape);
    if sa == sb || a.error().is_some() || b.error().is_some() {
        return None;
    }
    let shape = sa.broadcast(sb)?;
    Some((a.broadcast_shape(shape), b.broadcast_shape(shape)))
}

/// Applies a binary primitive to operands that may need broadcasting; `dying` ones are the caller's to drop.
#[inline]
#[track_caller]
pub(crate) fn binary(op: &dyn Primitive, a: &Tensor, b: &Tensor, dying: InputSet) -> Tensor {
    if a.spec().shape == b.spec().shape {
        return bind_dying(op, &[a, b], dying);
    }
    match broadcast_pair(a, b) {
        // A broadcast view shares its memory with the original, so nothing of it may be overwritten; one that
        // has the shape already is the same node, with a second handle.
        Some((a, b)) => bind(op, &[&a, &b]),
        None => bind(op, &[a, b]),
    }
}

pub(super) const FIRST: InputSet = InputSet::one(0);
const SECOND: InputSet = InputSet::one(1);

pub(super) const fn second_if(dies: bool) -> InputSet {
    if dies { SECOND } else { InputSet::NONE }
}

// One implementation for everything on the right, so that `(x * 2.0).sum()` needs no annotation: with one for
// each number type the compiler would not know which `2.0` is meant before it looks for `sum`.
macro_rules! operators {
    ($($(#[$doc:meta])* $method:ident $trait:ident $assign_trait:ident $assign:ident $op:ident;)*) => {$(
        impl<T: IntoOperand> $trait<T> for Tensor {
            type Output = Tensor;
            $(#[$doc])*
            #[inline]
            #[track_caller]
            fn $method(self, other: T) -> Tensor {
                let b = other.operand_for(&self, stringify!($method));
                binary(&Map($op), &self, &b, FIRST.union(second_if(T::DIES)))
            }
        }
        impl<T: IntoOperand> $trait<T> for &Tensor {
            type Output = Tensor;
            #[inline]
            #[track_caller]
            fn $method(self, other: T) -> Tensor {
                let b = other.operand_for(self, stringify!($method));
                binary(&Map($op), self, &b, second_if(T::DIES))
            }
        }
        impl<T: IntoOperand> std::ops::$assign_trait<T> for Tensor {
            #[track_caller]
            fn $assign(&mut self, other: T) {
                // Taken by value, so that the memory is reused when nobody else sees it.
                *self = std::mem::replace(self, Tensor::hollow()).$method(other);
            }
        }
    )*};
}
pub(super) use operators;

// Of the float and the integer types only those that a literal is without annotation, for the same reason.
macro_rules! number_on_the_left {
    ($trait:ident $method:ident $op:ident: $($number:ty)*) => {$(
        impl $trait<Tensor> for $number {
            type Output = Tensor;
            #[inline]
            #[track_caller]
            fn $method(self, x: Tensor) -> Tensor {
                let other = number_operand(self.into(), &x, stringify!($method));
                bind_dying(&Map($op), &[&other, &x], SECOND)
            }
        }
        impl $trait<&Tensor> for $number {
            type Output = Tensor;
            #[inline]
            #[track_caller]
            fn $method(self, x: &Tensor) -> Tensor {
                bind(&Map($op), &[&number_operand(self.into(), x, stringify!($method)), x])
            }
        }
    )*};
}

operators! {
    /// `a + b`, elementwise, broadcasting. Integers wrap.
    ///
    /// Gradient: `da = dy`, `db = dy`.
    ///
    /// PyTorch: `torch.add`. JAX: `jnp.add`.
    add StdAdd AddAssign add_assign Add;
    /// `a - b`, elementwise, broadcasting. Integers wrap.
    ///
    /// Gradient: `da = dy`, `db = -dy`.
    ///
    /// PyTorch: `torch.sub`. JAX: `jnp.subtract`.
    sub StdSub SubAssign sub_assign Sub;
    /// `a * b`, elementwise, broadcasting. Integers wrap.
    ///
    /// Gradient: `da = dy * b`, `db = dy * a`.
    ///
    /// PyTorch: `torch.mul`. JAX: `jnp.multiply`.
    mul StdMul MulAssign mul_assign Mul;
    /// `a / b`, elementwise, broadcasting. Integers drop the fraction; one divided by zero is an error.
    ///
    /// Gradient: `da = dy / b`, `db = -dy * y / b`.
    ///
    /// PyTorch: `torch.div`. JAX: `jnp.divide`.
    div StdDiv DivAssign div_assign Div;
}

number_on_the_left! { StdAdd add Add: f64 i32 }
number_on_the_left! { StdSub sub Sub: f64 i32 }
number_on_the_left! { StdMul mul Mul: f64 i32 }
number_on_the_left! { StdDiv div Div: f64 i32 }

impl StdNeg for Tensor {
    type Output = Tensor;
    /// `-a`, elementwise. Integers wrap.
    ///
    /// Gradient: `da = -dy`.
    ///
    /// PyTorch: `torch.neg`. JAX: `jnp.negative`.
    #[track_caller]
    fn neg(self) -> Tensor {
        bind_dying(&Map(Neg), &[&self], FIRST)
    }
}

impl StdNeg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        bind(&Map(Neg), &[self])
    }
}

impl Tensor {
    /// `self` to the power of a tensor or number, elementwise, broadcasting.
    ///
    /// Gradient: `da = dy * b * a^(b-1)` (0 where `b` is 0), `db = dy * a^b * log(a)` (0 where `a` is 0).
    ///
    /// PyTorch: `torch.pow`. JAX: `jnp.power`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([2.0, 3.0]).pow(2.0).to_vec::<f64>()?, [4.0, 9.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn pow(&self, exponent: impl IntoOperand) -> Tensor {
        binary(&Map(Pow), self, &exponent.operand_for(self, "pow"), InputSet::NONE)
    }

    /// The smaller of two, elementwise, broadcasting; NaN if either is.
    ///
    /// Gradient: goes to the smaller one, half to each where they are equal.
    ///
    /// PyTorch: `torch.minimum`. JAX: `jnp.minimum`.
    #[track_caller]
    pub fn minimum(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Min), self, &other.operand_for(self, "minimum"), InputSet::NONE)
    }

    /// The greater of two, elementwise, broadcasting; NaN if either is.
    ///
    /// Gradient: goes to the greater one, half to each where they are equal.
    ///
    /// PyTorch: `torch.maximum`. JAX: `jnp.maximum`.
    #[track_caller]
    pub fn maximum(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Max), self, &other.operand_for(self, "maximum"), InputSet::NONE)
    }

    /// The absolute value. Gradient: `dx = dy * sign(x)`, 0 at 0 (as PyTorch's).
    ///
    /// PyTorch: `torch.abs`. JAX: `jnp.abs`.
    #[track_caller]
    pub fn abs(&self) -> Tensor {
        bind(&Map(Abs), &[self])
    }

    /// -1, 0 or 1; NaN stays NaN. Gradient: 0.
    ///
    /// PyTorch: `torch.sign`. JAX: `jnp.sign`.
    #[track_caller]
    pub fn sign(&self) -> Tensor {
        bind(&Map(Sign), &[self])
    }

    /// The greatest whole number not above each element. Gradient: 0.
    ///
    /// PyTorch: `torch.floor`. JAX: `jnp.floor`.
    #[track_caller]
    pub fn floor(&self) -> Tensor {
        bind(&Map(Floor), &[self])
    }

    /// The square. Gradient: `dx = 2 * x * dy`.
    ///
    /// PyTorch: `torch.square`. JAX: `jnp.square`.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        self * self
    }
}

macro_rules! number_operand_impls {
    ($($number:ty)*) => {$(
        impl IntoOperand for $number {
            #[track_caller]
            fn operand_for(&self, like: &Tensor, operation: &'static str) -> Cow<'_, Tensor> {
                Cow::Owned(number_operand((*self).into(), like, operation))
            }
        }
    )*};
}

number_operand_impls! { f64 f32 i32 i64 usize u8 bool }

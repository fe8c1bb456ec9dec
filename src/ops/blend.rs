//! Sums of a tensor and a product or quotient of two others, in one pass over memory.

use super::Reads;
use super::arithmetic::IntoOperand;
use super::operands::InputSet;
use super::pointwise::{Map, Parameter, laws};
use super::primitive::Primitive;
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::tensor::Tensor;

/// `a + w (b - a)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Lerp;

/// `x + factor a b`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Addcmul {
    factor: Parameter,
}

/// `x + factor a / b`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Addcdiv {
    factor: Parameter,
}

impl Pointwise<3> for Lerp {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [a, b, w]: [S; 3]) -> S {
        let rise = b - a;
        // From the nearer end, so that it is exact at both.
        let from_b = b - rise * (S::literal(1.0) - w);
        S::select(w.abs().lt(S::literal(0.5)), a + w * rise, from_b)
    }
}

impl Pointwise<3> for Addcmul {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x, a, b]: [S; 3]) -> S {
        x + self.factor.literal::<S>() * a * b
    }
}

impl Pointwise<3> for Addcdiv {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x, a, b]: [S; 3]) -> S {
        x + self.factor.literal::<S>() * (a / b)
    }
}

const fn inputs(first: usize, second: usize) -> Reads {
    Reads::inputs(InputSet::one(first).union(InputSet::one(second)))
}

laws! {
    Lerp[3] "lerp" Floats, |input| if input == 2 { inputs(0, 1) } else { inputs(2, 2) }, |_op, input, at, v| {
        Some(match input {
            0 => v * (1.0 - at.x(2)),
            1 => v * at.x(2),
            _ => v * (at.x(1) - at.x(0)),
        })
    };
    Addcmul[3] "addcmul" Floats, |input| if input == 0 { Reads::NOTHING } else { inputs(3 - input, 3 - input) },
        |op, input, at, v| Some(if input == 0 { v.clone() } else { v * at.x(3 - input) * op.factor.value() });
    Addcdiv[3] "addcdiv" Floats, |input| match input {
        0 => Reads::NOTHING,
        1 => inputs(2, 2),
        _ => inputs(1, 2),
    }, |op, input, at, v| {
        Some(match input {
            0 => v.clone(),
            1 => v / at.x(2) * op.factor.value(),
            _ => v * at.x(1) / at.x(2).square() * -op.factor.value(),
        })
    };
}

/// Applies a primitive to three operands that may need broadcasting.
#[track_caller]
fn ternary(op: &dyn Primitive, operands: [&Tensor; 3]) -> Tensor {
    if let Some(invalid) = operands.iter().find(|x| x.error().is_some()) {
        return (*invalid).clone();
    }
    let [a, b, c] = operands.map(|x| x.spec().shape);
    if a == b && b == c {
        return bind(op, &operands);
    }
    match a.broadcast(b).and_then(|shape| shape.broadcast(c)) {
        Some(shape) => {
            let [a, b, c] = operands.map(|x| x.broadcast_shape(shape));
            bind(op, &[&a, &b, &c])
        }
        None => {
            misuse(op.name(), &operands, Misfit::shape(format!("shapes {a}, {b} and {c} do not broadcast")))
        }
    }
}

impl Tensor {
    /// `self + weight * (end - self)`: `self` at weight 0 and `end` at 1, exactly; broadcasting.
    ///
    /// Gradient: `dself = dy * (1 - weight)`, `dend = dy * weight`, `dweight = dy * (end - self)`.
    ///
    /// PyTorch: `torch.lerp`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let y = Tensor::from([0.0, 10.0]).lerp(Tensor::from([1.0, 20.0]), 0.25);
    /// assert_eq!(y.to_vec::<f64>()?, [0.25, 12.5]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn lerp(&self, end: impl IntoOperand, weight: impl IntoOperand) -> Tensor {
        let (end, weight) = (end.operand_for(self, "lerp"), weight.operand_for(self, "lerp"));
        ternary(&Map(Lerp), [self, &end, &weight])
    }

    /// `self + factor * a * b`; broadcasting.
    ///
    /// Gradient: `dself = dy`, `da = dy * factor * b`, `db = dy * factor * a`.
    ///
    /// PyTorch: `torch.addcmul`. JAX: none.
    #[track_caller]
    pub fn addcmul(&self, a: impl IntoOperand, b: impl IntoOperand, factor: f64) -> Tensor {
        let (a, b) = (a.operand_for(self, "addcmul"), b.operand_for(self, "addcmul"));
        ternary(&Map(Addcmul { factor: factor.into() }), [self, &a, &b])
    }

    /// `self + factor * a / b`; broadcasting. The step of Adam, with `factor` the negative learning rate.
    ///
    /// Gradient: `dself = dy`, `da = dy * factor / b`, `db = -dy * factor * a / b^2`.
    ///
    /// PyTorch: `torch.addcdiv`. JAX: none.
    #[track_caller]
    pub fn addcdiv(&self, a: impl IntoOperand, b: impl IntoOperand, factor: f64) -> Tensor {
        let (a, b) = (a.operand_for(self, "addcdiv"), b.operand_for(self, "addcdiv"));
        ternary(&Map(Addcdiv { factor: factor.into() }), [self, &a, &b])
    }
}

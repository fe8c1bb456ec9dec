//! Bits of integers and truth values, and Rust's operators for them.

use std::ops::{
    BitAnd as StdAnd, BitOr as StdOr, BitXor as StdXor, Not as StdNot, Shl as StdShl, Shr as StdShr,
};

use super::arithmetic::{FIRST, IntoOperand, binary, operators, scalars, second_if};
use super::operands::InputSet;
use super::pointwise::{Map, laws};
use super::primitive::Reads;
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::tensor::{DType, Tensor};

scalars! {
    And [a, b] S => a.bit_and(b);
    Or [a, b] S => a.bit_or(b);
    Xor [a, b] S => a.bit_xor(b);
    // Two's complement: `!a = -a - 1`.
    Not [a] S => S::literal(-1.0) - a;
    Shl [a, b] S => a.shl(b);
    Shr [a, b] S => a.shr(b);
}

laws! {
    And[2] "bitwise_and" Bits, |_| Reads::NOTHING, |_op, _, _, _| None;
    Or[2] "bitwise_or" Bits, |_| Reads::NOTHING, |_op, _, _, _| None;
    Xor[2] "bitwise_xor" Bits, |_| Reads::NOTHING, |_op, _, _, _| None;
    Not[1] "bitwise_not" Integers, |_| Reads::NOTHING, |_op, _, _, _| None;
    Shl[2] "bitwise_left_shift" Integers, |_| Reads::NOTHING, |_op, _, _, _| None;
    Shr[2] "bitwise_right_shift" Integers, |_| Reads::NOTHING, |_op, _, _, _| None;
}

operators! {
    bitand StdAnd BitAndAssign bitand_assign And;
    bitor StdOr BitOrAssign bitor_assign Or;
    bitxor StdXor BitXorAssign bitxor_assign Xor;
    shl StdShl ShlAssign shl_assign Shl;
    shr StdShr ShrAssign shr_assign Shr;
}

impl StdNot for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        self.bitwise_not()
    }
}

impl StdNot for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        self.bitwise_not()
    }
}

impl Tensor {
    /// The bits that both have, of integers or bools; broadcasting. Also `x & y`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_and`. JAX: `jnp.bitwise_and`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, 2.0, 3.0]);
    /// assert_eq!((x.gt(1.0) & !x.gt(2.0)).to_vec::<bool>()?, [false, true, false]);
    /// assert_eq!((Tensor::from([6i64]) & 3).to_vec::<i64>()?, [2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn bitwise_and(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(And), self, &other.operand_for(self, "bitwise_and"), InputSet::NONE)
    }

    /// The bits that either has, of integers or bools; broadcasting. Also `x | y`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_or`. JAX: `jnp.bitwise_or`.
    #[track_caller]
    pub fn bitwise_or(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Or), self, &other.operand_for(self, "bitwise_or"), InputSet::NONE)
    }

    /// The bits that exactly one has, of integers or bools; broadcasting. Also `x ^ y`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_xor`. JAX: `jnp.bitwise_xor`.
    #[track_caller]
    pub fn bitwise_xor(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Xor), self, &other.operand_for(self, "bitwise_xor"), InputSet::NONE)
    }

    /// Every bit turned, of integers; of bools, the opposite. Also `!x`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_not`. JAX: `jnp.bitwise_not`.
    #[track_caller]
    pub fn bitwise_not(&self) -> Tensor {
        if self.error().is_none() && self.spec().dtype == DType::Bool {
            return self.logical_not();
        }
        bind(&Map(Not), &[self])
    }

    /// Integers with their bits moved up by `count`, zeros moved in; 0 where `count` is negative or not less than the
    /// number of bits; broadcasting. Also `x << count`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_left_shift`. JAX: `jnp.left_shift`.
    #[track_caller]
    pub fn bitwise_left_shift(&self, count: impl IntoOperand) -> Tensor {
        binary(&Map(Shl), self, &count.operand_for(self, "bitwise_left_shift"), InputSet::NONE)
    }

    /// Integers with their bits moved down by `count`, the sign moved in: divided by `2^count` and rounded down; 0 or
    /// -1 where `count` is negative or not less than the number of bits; broadcasting. Also `x >> count`.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.bitwise_right_shift`. JAX: `jnp.right_shift`.
    #[track_caller]
    pub fn bitwise_right_shift(&self, count: impl IntoOperand) -> Tensor {
        binary(&Map(Shr), self, &count.operand_for(self, "bitwise_right_shift"), InputSet::NONE)
    }
}

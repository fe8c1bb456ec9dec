//! Rounding, division with remainder, signs, and what stands in for NaN and infinities.

use super::arithmetic::{BOTH, IntoOperand, X0, binary, scalars, share};
use super::operands::InputSet;
use super::pointwise::{Domain, Elementwise, Map, Parameter, laws};
use super::primitive::{Reads, Residuals};
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::{Mask, Scalar};
use crate::tensor::{DType, Tensor};

scalars! {
    Ceil [x] S => x.ceil();
    Round [x] S => x.round();
    Trunc [x] S => x.trunc();
    Frac [x] S => x - x.trunc();
    Fmod [a, b] S @FAR true => a.rem(b);
    Remainder [a, b] S @FAR true => floored(a, b).0;
    FloorDivide [a, b] S @FAR true => floored(a, b).1;
    Heaviside [x, value] S => heaviside(x, value);
    Copysign [a, b] S => a.copysign(b);
    Fmax [a, b] S => S::select(a.is_nan(), b, S::select(b.is_nan(), a, a.max(b)));
    Fmin [a, b] S => S::select(a.is_nan(), b, S::select(b.is_nan(), a, a.min(b)));
}

/// `a - q b` and `q`, the quotient rounded down; the first is exact but for its last addition.
#[inline(always)]
fn floored<S: Scalar>(a: S, b: S) -> (S, S) {
    let [zero, one] = [0.0, 1.0].map(S::literal);
    let left = a.rem(b);
    let opposite = left.ne(zero).and(left.lt(zero).xor(b.lt(zero)));
    // The quotient of an exact multiple is integral but for its rounding. By 0 it is what division says.
    let multiple = ((a - left) / b).round();
    let quotient = S::select(b.eq(zero), a / b, S::select(opposite, multiple - one, multiple));
    (S::select(opposite, left + b, left), quotient)
}

#[inline(always)]
fn heaviside<S: Scalar>(x: S, value: S) -> S {
    let [zero, one] = [0.0, 1.0].map(S::literal);
    let step = S::select(x.gt(zero), one, S::select(x.lt(zero), zero, value));
    S::select(x.is_nan(), x, step)
}

/// NaN and the infinities replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Replace {
    nan: Parameter,
    posinf: Parameter,
    neginf: Parameter,
}

impl Pointwise<1> for Replace {
    const FAR: bool = false;
    #[inline(always)]
    fn scalar<S: Scalar>(&self, [x]: [S; 1]) -> S {
        let infinity = S::literal(f64::INFINITY);
        let y = S::select(x.eq(infinity), self.posinf.literal(), x);
        let y = S::select(x.eq(-infinity), self.neginf.literal(), y);
        S::select(x.is_nan(), self.nan.literal(), y)
    }
}

laws! {
    Ceil[1] "ceil" Numbers, |_| Reads::NOTHING, |_op, _, _, _| None;
    Round[1] "round" Numbers, |_| Reads::NOTHING, |_op, _, _, _| None;
    Trunc[1] "trunc" Numbers, |_| Reads::NOTHING, |_op, _, _, _| None;
    Frac[1] "frac" Numbers, |_| Reads::NOTHING, |_op, _, _, v| Some(v.clone());
    Heaviside[2] "heaviside" Numbers, |input| if input == 0 { Reads::NOTHING } else { X0 },
        |_op, input, at, v| (input == 1).then(|| at.x(0).eq(0.0).where_(v, 0.0));
    Copysign[2] "copysign" Floats, |input| if input == 0 { BOTH } else { Reads::NOTHING },
        |_op, input, at, v| (input == 0).then(|| {
            at.x(0).signbit().logical_xor(at.x(1).signbit()).where_(-v, v)
        });
    Fmax[2] "fmax" Numbers, |_| Reads { outputs: true, ..BOTH }, |_op, input, at, v| Some(share(at, input, v));
    Fmin[2] "fmin" Numbers, |_| Reads { outputs: true, ..BOTH }, |_op, input, at, v| Some(share(at, input, v));
    Replace[1] "nan_to_num" Floats, |_| X0, |_op, _, at, v| Some(at.x(0).isfinite().where_(v, 0.0));
}

/// What is left by a division: `a - q b` with an integral `q`, which is `(a - y) / b` but for its rounding.
macro_rules! remainders {
    ($($op:ident $name:literal;)*) => {$(
        impl Elementwise<2> for $op {
            const NAME: &'static str = $name;
            const DOMAIN: Domain = Domain::Numbers;
            const DIVIDES: bool = true;
            fn reads(&self, input: usize) -> Reads {
                if input == 0 { Reads::NOTHING } else { Reads { outputs: true, ..BOTH } }
            }
            fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor> {
                Some(if input == 0 { v.clone() } else { -(v * ((at.x(0) - at.y()) / at.x(1)).round()) })
            }
        }
    )*};
}

remainders! {
    Fmod "fmod";
    Remainder "remainder";
}

impl Elementwise<2> for FloorDivide {
    const NAME: &'static str = "floor_divide";
    const DOMAIN: Domain = Domain::Numbers;
    const DIVIDES: bool = true;
    fn reads(&self, _: usize) -> Reads {
        Reads::NOTHING
    }
    fn scaled(&self, _: usize, _: &Residuals<'_>, _: &Tensor) -> Option<Tensor> {
        None
    }
}

/// What [`Tensor::nan_to_num`] puts in the place of NaN and infinities.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct NanToNum {
    /// In the place of NaN; 0 by default.
    pub nan: f64,
    /// In the place of infinity; by default the greatest number of the dtype.
    pub posinf: Option<f64>,
    /// In the place of negative infinity; by default the least number of the dtype.
    pub neginf: Option<f64>,
}

impl Tensor {
    /// The least whole number not below each element.
    ///
    /// Gradient: 0.
    ///
    /// PyTorch: `torch.ceil`. JAX: `jnp.ceil`.
    #[track_caller]
    pub fn ceil(&self) -> Tensor {
        bind(&Map(Ceil), &[self])
    }

    /// The nearest whole number, the even one of two.
    ///
    /// Gradient: 0.
    ///
    /// PyTorch: `torch.round`. JAX: `jnp.round`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([0.5, 1.5, -2.6]).round().to_vec::<f64>()?, [0.0, 2.0, -3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn round(&self) -> Tensor {
        bind(&Map(Round), &[self])
    }

    /// The whole part: rounded toward 0.
    ///
    /// Gradient: 0.
    ///
    /// PyTorch: `torch.trunc`. JAX: `jnp.trunc`.
    #[track_caller]
    pub fn trunc(&self) -> Tensor {
        bind(&Map(Trunc), &[self])
    }

    /// What is left of the whole part, with the sign of the element; NaN for infinities.
    ///
    /// Gradient: `dx = dy`.
    ///
    /// PyTorch: `torch.frac`. JAX: none.
    #[track_caller]
    pub fn frac(&self) -> Tensor {
        bind(&Map(Frac), &[self])
    }

    /// What a division rounded toward 0 leaves, with the sign of `self`, exact: C's `fmod`, Rust's `%`; broadcasting.
    /// NaN by a floating-point 0; an integer one is an error.
    ///
    /// Gradient: `dself = dy`, `dother = -dy * trunc(self / other)`.
    ///
    /// PyTorch: `torch.fmod`. JAX: `jnp.fmod`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([7.5, -7.5]);
    /// assert_eq!(x.fmod(2.0).to_vec::<f64>()?, [1.5, -1.5]);
    /// assert_eq!(x.remainder(2.0).to_vec::<f64>()?, [1.5, 0.5]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn fmod(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Fmod), self, &other.operand_for(self, "fmod"), InputSet::NONE)
    }

    /// What a division rounded down leaves, with the sign of `other`: Python's `%`; broadcasting. NaN by a
    /// floating-point 0; an integer one is an error.
    ///
    /// Gradient: `dself = dy`, `dother = -dy * floor(self / other)`.
    ///
    /// PyTorch: `torch.remainder`. JAX: `jnp.remainder`.
    #[track_caller]
    pub fn remainder(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Remainder), self, &other.operand_for(self, "remainder"), InputSet::NONE)
    }

    /// The quotient rounded down, of integers too: Python's `//`; broadcasting. By a floating-point 0 it is the
    /// quotient, an infinity or NaN; an integer one is an error.
    ///
    /// Gradient: 0.
    ///
    /// PyTorch: `torch.floor_divide`. JAX: `jnp.floor_divide`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([7i64, -7]).floor_divide(2).to_vec::<i64>()?, [3, -4]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn floor_divide(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(FloorDivide), self, &other.operand_for(self, "floor_divide"), InputSet::NONE)
    }

    /// 0 for negative elements, 1 for positive ones, `value` for zeros; broadcasting. NaN stays NaN.
    ///
    /// Gradient: of `value`, `dvalue = dy` where `self` is 0; of `self`, 0.
    ///
    /// PyTorch: `torch.heaviside`. JAX: `jnp.heaviside`.
    #[track_caller]
    pub fn heaviside(&self, value: impl IntoOperand) -> Tensor {
        binary(&Map(Heaviside), self, &value.operand_for(self, "heaviside"), InputSet::NONE)
    }

    /// The absolute value with the sign of `other`, that of a zero and of a NaN included; broadcasting.
    ///
    /// Gradient: `dself = dy` where the signs are the same, else `-dy`; of `other`, 0.
    ///
    /// PyTorch: `torch.copysign`. JAX: `jnp.copysign`.
    #[track_caller]
    pub fn copysign(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Copysign), self, &other.operand_for(self, "copysign"), InputSet::NONE)
    }

    /// The greater of two, elementwise, broadcasting; the other one where one is NaN. See [`Tensor::maximum`].
    ///
    /// Gradient: goes to the greater one, half to each where they are equal, none to NaN.
    ///
    /// PyTorch: `torch.fmax`. JAX: `jnp.fmax`.
    #[track_caller]
    pub fn fmax(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Fmax), self, &other.operand_for(self, "fmax"), InputSet::NONE)
    }

    /// The smaller of two, elementwise, broadcasting; the other one where one is NaN. See [`Tensor::minimum`].
    ///
    /// Gradient: goes to the smaller one, half to each where they are equal, none to NaN.
    ///
    /// PyTorch: `torch.fmin`. JAX: `jnp.fmin`.
    #[track_caller]
    pub fn fmin(&self, other: impl IntoOperand) -> Tensor {
        binary(&Map(Fmin), self, &other.operand_for(self, "fmin"), InputSet::NONE)
    }

    /// Numbers in the place of NaN and infinities. Integers and bools have none and stay as they are.
    ///
    /// Gradient: `dx = dy` where `x` is finite, else 0.
    ///
    /// PyTorch: `torch.nan_to_num`. JAX: `jnp.nan_to_num`.
    ///
    /// ```
    /// # use retrograd::{NanToNum, Tensor};
    /// let x = Tensor::from([f64::NAN, f64::INFINITY, 1.5]);
    /// let y = x.nan_to_num(NanToNum { posinf: Some(9.0), ..Default::default() });
    /// assert_eq!(y.to_vec::<f64>()?, [0.0, 9.0, 1.5]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn nan_to_num(&self, by: NanToNum) -> Tensor {
        if self.error().is_some() || !self.spec().dtype.is_float() {
            return self.clone();
        }
        let greatest = greatest_number(self.spec().dtype);
        let posinf = by.posinf.unwrap_or(greatest).into();
        let neginf = by.neginf.unwrap_or(-greatest).into();
        bind(&Map(Replace { nan: by.nan.into(), posinf, neginf }), &[self])
    }
}

/// The greatest finite number of a floating-point dtype.
fn greatest_number(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        // Eight bits of mantissa, the implicit one among them.
        DType::BF16 => f64::from(f32::from_bits(0x7f7f_0000)),
        DType::F32 => f64::from(f32::MAX),
        _ => f64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_number_of_a_dtype_is_finite_and_the_next_is_not() {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let limits = Tensor::from([f64::INFINITY, f64::NEG_INFINITY]).to_dtype(dtype);
            let y = limits.nan_to_num(NanToNum::default()).to_vec::<f64>().unwrap();
            let greatest = greatest_number(dtype);
            assert_eq!(y, [greatest, -greatest], "{dtype}");
            let beyond = Tensor::from(greatest * (1.0 + 0.003)).to_dtype(dtype).item::<f64>().unwrap();
            assert_eq!(beyond, f64::INFINITY, "{dtype}");
        }
    }
}

//! Element types.

use std::fmt;

use crate::exec::cpu::cast;

pub use half::{bf16, f16};

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
// As wide as an axis, so that a `Spec` has no padding and is copied in whole words: with bytes at its end, loads
// overlapped earlier stores and stalled (a fifth of the time of bench `chain`).
#[repr(u32)]
pub enum DType {
    /// 32-bit floating point, the default.
    F32,
    /// 64-bit floating point.
    F64,
    /// IEEE half precision: stored in 16 bits, computed in f32.
    F16,
    /// bfloat16: stored in 16 bits, computed in f32.
    BF16,
    /// 64-bit signed integer; arithmetic wraps.
    I64,
    /// 32-bit signed integer; arithmetic wraps.
    I32,
    /// 8-bit unsigned integer; arithmetic wraps.
    U8,
    /// Truth value, stored as one byte, 0 or 1.
    Bool,
}

impl DType {
    /// Every dtype, in declaration order.
    pub const ALL: [DType; 8] =
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U8, DType::Bool];

    /// Bytes an element takes.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether elements are floating point; only these are differentiated.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// Whether elements are integers (bool is not).
    pub const fn is_int(self) -> bool {
        matches!(self, DType::I64 | DType::I32 | DType::U8)
    }

    /// The dtype that arithmetic on this one is carried out in: f32 for the 16-bit floats, itself otherwise.
    pub(crate) const fn compute(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }

    /// The name in Rust: `f32`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I64 => "i64",
            DType::I32 => "i32",
            DType::U8 => "u8",
            DType::Bool => "bool",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that can be a tensor's element. Sealed: the list is [`DType`]'s.
pub trait Element:
    Copy + Send + Sync + fmt::Debug + PartialEq + PartialOrd + 'static + sealed::Sealed
{
    /// The dtype of tensors with such elements.
    const DTYPE: DType;
    /// The nearest value as a number.
    fn to_number(self) -> Number;
    /// The nearest element to a number: rounds floats, truncates toward zero and saturates for integers.
    fn from_number(number: Number) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

/// A single number on its way into or out of a tensor, wide enough for every dtype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A floating-point value.
    Float(f64),
    /// An integer or truth value.
    Int(i64),
}

impl Number {
    /// The value as f64, rounded if it is an integer beyond 2^53.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Float(v) => v,
            Number::Int(v) => v as f64,
        }
    }

    /// The value as i64; floats truncate toward zero and saturate.
    pub fn as_i64(self) -> i64 {
        match self {
            Number::Float(v) => v as i64,
            Number::Int(v) => v,
        }
    }

    /// Whether the value is a whole number that `dtype` can hold without loss (always true for floats).
    pub(crate) fn fits(self, dtype: DType) -> bool {
        let whole = match self {
            Number::Float(v) if v.fract() == 0.0 && v.abs() < 9.2e18 => v as i64,
            Number::Float(_) => return dtype.is_float(),
            Number::Int(v) => v,
        };
        match dtype {
            DType::I32 => i32::try_from(whole).is_ok(),
            DType::U8 => u8::try_from(whole).is_ok(),
            DType::Bool => whole == 0 || whole == 1,
            _ => true,
        }
    }
}

/// One element of any dtype as native bytes, aligned for it: how a number is kept without a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(align(8))]
pub(crate) struct Bits(pub(crate) [u8; 8]);

impl std::ops::Deref for Bits {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DType {
    /// The bytes of `number` as an element of this dtype, zero-padded.
    pub(crate) fn bits(self, number: Number) -> Bits {
        fn pack<T: Element, const N: usize>(number: Number, bytes: fn(T) -> [u8; N]) -> Bits {
            let mut bits = Bits([0; 8]);
            bits.0[..N].copy_from_slice(&bytes(T::from_number(number)));
            bits
        }
        match self {
            DType::F32 => pack(number, f32::to_ne_bytes),
            DType::F64 => pack(number, f64::to_ne_bytes),
            DType::F16 => pack(number, f16::to_ne_bytes),
            DType::BF16 => pack(number, bf16::to_ne_bytes),
            DType::I64 => pack(number, i64::to_ne_bytes),
            DType::I32 => pack(number, i32::to_ne_bytes),
            DType::U8 => pack(number, u8::to_ne_bytes),
            DType::Bool => pack(number, |v: bool| [u8::from(v)]),
        }
    }

    /// The number in the first bytes of `bits`.
    pub(crate) fn number(self, bits: &[u8]) -> Number {
        fn head<const N: usize>(bits: &[u8]) -> [u8; N] {
            let mut head = [0; N];
            head.copy_from_slice(&bits[..N]);
            head
        }
        match self {
            DType::F32 => f32::from_ne_bytes(head(bits)).to_number(),
            DType::F64 => f64::from_ne_bytes(head(bits)).to_number(),
            DType::F16 => f16::from_ne_bytes(head(bits)).to_number(),
            DType::BF16 => bf16::from_ne_bytes(head(bits)).to_number(),
            DType::I64 => i64::from_ne_bytes(head(bits)).to_number(),
            DType::I32 => i32::from_ne_bytes(head(bits)).to_number(),
            DType::U8 | DType::Bool => Number::Int(i64::from(bits[0])),
        }
    }
}

macro_rules! elements {
    ($($t:ty, $dtype:ident, $to:expr, $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn to_number(self) -> Number {
                ($to)(self)
            }
            fn from_number(number: Number) -> $t {
                ($from)(number)
            }
        }
        impl From<$t> for Number {
            fn from(value: $t) -> Number {
                value.to_number()
            }
        }
    )*};
}

elements! {
    f32, F32, |v| Number::Float(f64::from(v)), |n: Number| n.as_f64() as f32;
    f64, F64, Number::Float, Number::as_f64;
    f16, F16, |v: f16| Number::Float(v.to_f64()), |n: Number| cast::to_f16(n.as_f64());
    bf16, BF16, |v: bf16| Number::Float(v.to_f64()), |n: Number| cast::to_bf16(n.as_f64());
    i64, I64, Number::Int, Number::as_i64;
    i32, I32, |v| Number::Int(i64::from(v)), |n: Number| match n { Number::Float(v) => v as i32, Number::Int(v) => v as i32 };
    u8, U8, |v| Number::Int(i64::from(v)), |n: Number| match n { Number::Float(v) => v as u8, Number::Int(v) => v as u8 };
    bool, Bool, |v| Number::Int(i64::from(v)), |n: Number| n.as_f64() != 0.0;
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::Int(value as i64)
    }
}

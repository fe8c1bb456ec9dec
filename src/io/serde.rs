//! `Serialize` and `Deserialize`, feature `serde`: a tensor as its dtype, shape and elements.
//!
//! Formats for people (JSON, TOML) get the elements as numbers, and as strings what JSON has no number for; others get
//! them as bytes, little-endian. Elements come to the bit out of both, but for the bits of a NaN out of numbers.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Unexpected, Visitor};
use serde::ser::{self, SerializeSeq as _, SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};

use crate::autodiff::level::value_of;
use crate::tensor::{DType, Element, MAX_RANK, Number, Rng, Shape, Spec, Tensor, bf16, f16};
use crate::tree::{self, Value};

/// A format may claim any number of elements: room is made for so many, and for more as they come.
const ROOM: usize = 1 << 12;
/// Lists and maps within each other, the limit of `serde_json`; formats without one would overflow the stack.
const DEPTH: usize = 128;

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lengths of at most {MAX_RANK} axes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut dims = Vec::new();
        while let Some(dim) = seq.next_element::<u32>()? {
            if dims.len() == MAX_RANK {
                return Err(de::Error::invalid_length(MAX_RANK + 1, &self));
            }
            dims.push(dim as usize);
        }
        Shape::checked(&dims).map_err(de::Error::custom)
    }
}

/// Fails for an invalid tensor, and for one without a value (inside `vmap`, or in a trace), with its error.
impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `serde` does not know the caller's line, so the error names none.
        let elements = value_of(self).and_then(|x| x.elements("serialize")).map_err(ser::Error::custom)?;
        let spec = *self.spec();
        let mut parts = serializer.serialize_struct("Tensor", 3)?;
        parts.serialize_field("dtype", &spec.dtype)?;
        parts.serialize_field("shape", &spec.shape)?;
        parts.serialize_field("data", &Data { dtype: spec.dtype, bytes: elements.little_endian() })?;
        parts.end()
    }
}

/// Elements on their way out.
struct Data<'a> {
    dtype: DType,
    bytes: Cow<'a, [u8]>,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.bytes);
        }
        // f16 and bf16 are written with the digits that tell them apart as f32.
        match self.dtype {
            DType::F32 => self.numbers(serializer, |x| Float(f32::from_le_bytes(x))),
            DType::F64 => self.numbers(serializer, |x| Float(f64::from_le_bytes(x))),
            DType::F16 => self.numbers(serializer, |x| Float(f16::from_le_bytes(x).to_f32())),
            DType::BF16 => self.numbers(serializer, |x| Float(bf16::from_le_bytes(x).to_f32())),
            DType::I64 => self.numbers(serializer, i64::from_le_bytes),
            DType::I32 => self.numbers(serializer, i32::from_le_bytes),
            DType::U8 => self.numbers(serializer, u8::from_le_bytes),
            DType::Bool => self.numbers(serializer, |[x]: [u8; 1]| x != 0),
        }
    }
}

impl Data<'_> {
    fn numbers<S: Serializer, T: Serialize, const N: usize>(
        &self,
        serializer: S,
        element: impl Fn([u8; N]) -> T,
    ) -> Result<S::Ok, S::Error> {
        let (elements, _) = self.bytes.as_chunks::<N>();
        let mut seq = serializer.serialize_seq(Some(elements.len()))?;
        for bytes in elements {
            seq.serialize_element(&element(*bytes))?;
        }
        seq.end()
    }
}

/// A number that JSON may have no word for; `NaN`, `inf` and `-inf` are Rust's.
struct Float<T>(T);

impl<T: Serialize + Copy + Into<f64> + fmt::Display> Serialize for Float<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && !self.0.into().is_finite() {
            return serializer.collect_str(&self.0);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tensor, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Tensor")]
        struct Parts {
            dtype: DType,
            shape: Shape,
            data: Elements,
        }
        let Parts { dtype, shape, data } = Parts::deserialize(deserializer)?;
        data.tensor(Spec::new(shape, dtype)).map_err(de::Error::custom)
    }
}

/// Elements on their way in, before their dtype is known: fields may come in any order.
enum Elements {
    Bytes(Vec<u8>),
    Numbers(Vec<Number>),
}

impl Elements {
    fn tensor(self, spec: Spec) -> Result<Tensor, String> {
        match self {
            Elements::Bytes(bytes) => {
                if bytes.len() != spec.bytes() {
                    return Err(format!("{spec} takes {} bytes, got {}", spec.bytes(), bytes.len()));
                }
                let tensor = Tensor::from_little_endian(spec, |to| {
                    to.copy_from_slice(&bytes);
                    Ok(())
                });
                tensor.map_err(|error| error.to_string())
            }
            Elements::Numbers(numbers) => {
                if numbers.len() != spec.shape.numel() {
                    return Err(format!("{spec} has {} elements, got {}", spec.shape.numel(), numbers.len()));
                }
                if let Some(at) = numbers.iter().position(|number| !number.fits(spec.dtype)) {
                    return Err(format!("element {at} of a tensor of {} is {:?}", spec.dtype, numbers[at]));
                }
                Ok(typed(&numbers, spec))
            }
        }
    }
}

fn typed(numbers: &[Number], spec: Spec) -> Tensor {
    fn elements<T: Element>(numbers: &[Number], shape: Shape) -> Tensor {
        Tensor::from_vec(numbers.iter().map(|&number| T::from_number(number)).collect::<Vec<T>>(), shape)
    }
    let shape = spec.shape;
    match spec.dtype {
        DType::F32 => elements::<f32>(numbers, shape),
        DType::F64 => elements::<f64>(numbers, shape),
        DType::F16 => elements::<f16>(numbers, shape),
        DType::BF16 => elements::<bf16>(numbers, shape),
        DType::I64 => elements::<i64>(numbers, shape),
        DType::I32 => elements::<i32>(numbers, shape),
        DType::U8 => elements::<u8>(numbers, shape),
        DType::Bool => elements::<bool>(numbers, shape),
    }
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Elements, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_seq(ElementsVisitor)
        } else {
            deserializer.deserialize_byte_buf(ElementsVisitor)
        }
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the elements of a tensor: a list of numbers, or bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Elements, E> {
        Ok(Elements::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Elements, E> {
        Ok(Elements::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements, A::Error> {
        let mut numbers = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(ROOM));
        while let Some(Scalar(number)) = seq.next_element()? {
            numbers.push(number);
        }
        Ok(Elements::Numbers(numbers))
    }
}

/// A number, a truth value, or the name of what JSON has no number for.
struct Scalar(Number);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct ScalarVisitor;
        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a truth value, \"NaN\", \"inf\" or \"-inf\"")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Number::Int(value.into())))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Number::Int(value)))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                // Beyond i64 it can only be meant for floats.
                Ok(Scalar(i64::try_from(value).map_or(Number::Float(value as f64), Number::Int)))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Number::Float(value)))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
                match value {
                    "NaN" => Ok(Scalar(Number::Float(f64::NAN))),
                    "inf" => Ok(Scalar(Number::Float(f64::INFINITY))),
                    "-inf" => Ok(Scalar(Number::Float(f64::NEG_INFINITY))),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A tree that is built at run time, each part with a word that tells what it is: `{"number": 3.0}`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Tensor(x) => serializer.serialize_newtype_variant("Value", 0, "tensor", x),
            Value::Number(x) => serializer.serialize_newtype_variant("Value", 1, "number", &Float(*x)),
            Value::List(parts) => serializer.serialize_newtype_variant("Value", 2, "list", parts),
            Value::Map(parts) => serializer.serialize_newtype_variant("Value", 3, "map", parts),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Value", rename_all = "lowercase")]
        enum Parts {
            Tensor(Tensor),
            Number(#[serde(deserialize_with = "number")] f64),
            List(Vec<Value>),
            Map(BTreeMap<String, Value>),
        }
        let _deeper = Deeper::enter().ok_or_else(|| {
            de::Error::custom(format!("lists and maps lie more than {DEPTH} deep within each other"))
        })?;
        Ok(match Parts::deserialize(deserializer)? {
            Parts::Tensor(x) => Value::Tensor(x),
            Parts::Number(x) => Value::Number(x),
            Parts::List(parts) => Value::List(parts),
            Parts::Map(parts) => Value::Map(parts),
        })
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        return Scalar::deserialize(deserializer).map(|Scalar(number)| number.as_f64());
    }
    f64::deserialize(deserializer)
}

thread_local! {
    static NESTED: Cell<usize> = const { Cell::new(0) };
}

/// One list or map more, as long as it lives.
struct Deeper;

impl Deeper {
    fn enter() -> Option<Deeper> {
        let depth = NESTED.get();
        (depth < DEPTH).then(|| {
            NESTED.set(depth + 1);
            Deeper
        })
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        NESTED.set(NESTED.get() - 1);
    }
}

/// The seed and the counter of a generator, or of each of those that [`Rng::split`] made.
impl Serialize for Rng {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = tree::leaves(self);
        serializer.serialize_newtype_struct("Rng", &key[0])
    }
}

impl<'de> Deserialize<'de> for Rng {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rng, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Rng")]
        struct Key(Tensor);
        let Key(key) = Key::deserialize(deserializer)?;
        let spec = *key.spec();
        if spec.dtype != DType::I64 || spec.shape.last() != Some(&2) {
            return Err(de::Error::custom(format!("the key of a generator is i64[.., 2], got {spec}")));
        }
        Ok(tree::map(&Rng::seed(0), |_| key.clone()))
    }
}

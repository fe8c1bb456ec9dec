//! A tree whose structure a program decides.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use super::{Tree, Visitor, Walker};
use crate::tensor::Tensor;

/// A tree built at run time: parameters whose structure a program decides.
///
/// ```
/// # use retrograd::{tree, Tensor, tree::Value};
/// let params = Value::from([("w", Tensor::ones([2]).into()), ("n", Value::Number(3.0))]);
/// assert_eq!(tree::paths(&params), [r#"["w"]"#]);
/// ```
#[derive(Clone)]
pub enum Value {
    /// A leaf.
    Tensor(Tensor),
    /// A number that is not differentiated.
    Number(f64),
    /// Parts in order.
    List(Vec<Value>),
    /// Parts by name, in the order of the names.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The part of that name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(parts) => parts.get(name),
            _ => None,
        }
    }

    /// The tensor, if this is a leaf.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(tensor)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Value {
    fn from(parts: [(&str, Value); N]) -> Value {
        Value::Map(parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect())
    }
}

impl Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Tensor(tensor) => tensor.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::List(parts) => parts.fmt(f),
            Value::Map(parts) => parts.fmt(f),
        }
    }
}

impl Tree for Value {
    fn walk(&self, walker: &mut dyn Walker) -> Value {
        match self {
            Value::Tensor(tensor) => Value::Tensor(walker.leaf(tensor)),
            Value::Number(number) => Value::Number(*number),
            Value::List(parts) => Value::List(parts.walk(walker)),
            Value::Map(parts) => Value::Map(parts.walk(walker)),
        }
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        match self {
            Value::Tensor(tensor) => visitor.leaf(tensor),
            Value::Number(number) => visitor.fixed(number),
            Value::List(parts) => parts.visit(visitor),
            Value::Map(parts) => parts.visit(visitor),
        }
    }
}

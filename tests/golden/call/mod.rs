//! How the functions of the golden files are called: a row each, a table for each family of them.

mod contraction;
mod convolution;
mod indexing;
#[cfg(feature = "linalg")]
mod linalg;
mod ordering;
mod pointwise;
mod trunk;

use retrograd::{DType, Ellipsis, IndexItem, NewAxis, Slice, Tensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::read::Kind;

/// Every family's cases, and the table that says how they are called.
pub(crate) const FAMILIES: &[(&str, Table)] = &[
    (include_str!("../cases/functions.json"), trunk::TABLE),
    (include_str!("../cases/pointwise.json"), pointwise::TABLE),
    (include_str!("../cases/ordering.json"), ordering::TABLE),
    (include_str!("../cases/indexing.json"), indexing::TABLE),
    (include_str!("../cases/contraction.json"), contraction::TABLE),
    (include_str!("../cases/convolution.json"), convolution::TABLE),
    #[cfg(feature = "linalg")]
    (include_str!("../cases/linalg.json"), linalg::TABLE),
];

/// Functions by name.
pub(crate) type Table = &'static [(&'static str, Row)];

/// How a function is called.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    Unary(fn(&Tensor) -> Tensor),
    Binary(fn(&Tensor, &Tensor) -> Tensor),
    General(fn(&[Tensor], &Attrs) -> Tensor),
    Several(fn(&[Tensor], &Attrs) -> Vec<Tensor>),
}

use Row::{Binary, General, Several, Unary};

impl Row {
    pub(crate) fn outputs(self, x: &[Tensor], attrs: &Attrs) -> Vec<Tensor> {
        match self {
            Unary(f) => vec![f(&x[0])],
            Binary(f) => vec![f(&x[0], &x[1])],
            General(f) => vec![f(x, attrs)],
            Several(f) => f(x, attrs),
        }
    }
}

/// What a function takes beside tensors, by name; each row reads its own.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attrs(serde_json::Map<String, serde_json::Value>);

/// One part of an index; tensors are inputs of the function, in their order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    Position(isize),
    Slice(Option<isize>, Option<isize>, isize),
    NewAxis,
    Ellipsis,
    Tensor,
}

impl Attrs {
    /// The attribute, if it is there and not null.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.0.get(name)?;
        let wrong = |e| panic!("attribute {name} is {value}: {e}");
        serde_json::from_value::<Option<T>>(value.clone()).unwrap_or_else(wrong)
    }

    /// The attribute, which must be there.
    pub(crate) fn need<T: DeserializeOwned>(&self, name: &str) -> T {
        self.get(name).unwrap_or_else(|| panic!("no attribute {name} in {:?}", self.0))
    }

    pub(crate) fn axis(&self) -> isize {
        self.need("axis")
    }

    pub(crate) fn axes(&self) -> Option<Vec<isize>> {
        self.get("axes")
    }

    pub(crate) fn named_axes(&self) -> Vec<isize> {
        self.need("axes")
    }

    pub(crate) fn size(&self, name: &str) -> usize {
        self.need(name)
    }

    pub(crate) fn sizes(&self, name: &str) -> Vec<usize> {
        self.need(name)
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.need(name)
    }

    /// Whether it is there and true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).unwrap_or(false)
    }

    pub(crate) fn dtype(&self, name: &str) -> DType {
        self.need::<Kind>(name).dtype()
    }

    pub(crate) fn pair(&self) -> [isize; 2] {
        array(&self.named_axes())
    }

    pub(crate) fn slices(&self) -> Vec<IndexItem> {
        type Bounds = (Option<isize>, Option<isize>, Option<isize>);
        let slice = |(start, end, step): Bounds| Slice::new(start, end, step.unwrap_or(1)).into();
        self.need::<Vec<Bounds>>("slices").into_iter().map(slice).collect()
    }

    pub(crate) fn index(&self, tensors: &[Tensor]) -> Vec<IndexItem> {
        let mut tensors = tensors.iter();
        let item = |item: Item| match item {
            Item::Position(at) => at.into(),
            Item::Slice(start, end, step) => Slice::new(start, end, step).into(),
            Item::NewAxis => NewAxis.into(),
            Item::Ellipsis => Ellipsis.into(),
            Item::Tensor => tensors.next().expect("an input for each tensor of the index").into(),
        };
        self.need::<Vec<Item>>("index").into_iter().map(item).collect()
    }
}

/// The slice as an array of a length known to the compiler.
pub(crate) fn array<T: Copy, const N: usize>(values: &[T]) -> [T; N] {
    values.try_into().unwrap_or_else(|_| panic!("{} values, want {N}", values.len()))
}

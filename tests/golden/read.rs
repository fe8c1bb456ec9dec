//! Reads golden tensors and compares with them.

use std::fmt;

use retrograd::{DType, Tensor};
use serde::Deserialize;

/// A number of the golden files: what JSON lacks is a string.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(String),
}

impl Number {
    fn value(&self) -> f64 {
        match self {
            Number::Finite(x) => *x,
            Number::Named(name) => name.parse().unwrap_or_else(|_| panic!("{name:?} is no number")),
        }
    }
}

/// The elements of a tensor in row-major order.
#[derive(Debug, Deserialize, Clone)]
#[serde(transparent)]
pub(crate) struct Values(Vec<Number>);

impl Values {
    pub(crate) fn to_vec(&self) -> Vec<f64> {
        self.0.iter().map(Number::value).collect()
    }
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    F64,
    F32,
    I64,
    Bool,
}

impl Kind {
    pub(crate) fn dtype(self) -> DType {
        match self {
            Kind::F64 => DType::F64,
            Kind::F32 => DType::F32,
            Kind::I64 => DType::I64,
            Kind::Bool => DType::Bool,
        }
    }
}

/// A tensor as the files write it.
#[derive(Debug, Deserialize, Clone)]
pub(crate) struct Stored {
    pub(crate) shape: Vec<usize>,
    #[serde(default)]
    pub(crate) dtype: Kind,
    pub(crate) data: Values,
}

impl Stored {
    pub(crate) fn tensor(&self) -> Tensor {
        self.with(&self.data)
    }

    /// A tensor of this shape and dtype with other elements: a tangent, a cotangent.
    pub(crate) fn with(&self, data: &Values) -> Tensor {
        let x = data.to_vec();
        let shape = &self.shape[..];
        match self.dtype {
            Kind::F64 => Tensor::from_vec(x, shape),
            Kind::F32 => Tensor::from_vec(x.iter().map(|&x| x as f32).collect::<Vec<_>>(), shape),
            Kind::I64 => Tensor::from_vec(x.iter().map(|&x| x as i64).collect::<Vec<_>>(), shape),
            Kind::Bool => Tensor::from_vec(x.iter().map(|&x| x != 0.0).collect::<Vec<_>>(), shape),
        }
    }
}

/// How far a result may be from the golden one: the larger of two bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) relative: f64,
    pub(crate) absolute: f64,
}

impl Tolerance {
    /// Two f64 implementations of the same mathematics.
    pub(crate) const F64: Tolerance = Tolerance { relative: 1e-10, absolute: 1e-12 };
    pub(crate) const EXACT: Tolerance = Tolerance { relative: 0.0, absolute: 0.0 };
    /// Two f32 implementations, some hundred roundings of 6e-8 apart.
    pub(crate) const F32: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };

    pub(crate) fn of(kind: Kind) -> Tolerance {
        match kind {
            Kind::F64 => Tolerance::F64,
            Kind::F32 => Tolerance::F32,
            Kind::I64 | Kind::Bool => Tolerance::EXACT,
        }
    }

    /// By how many times the bound `got` misses `want`; at most 1 is a pass.
    fn excess(self, got: f64, want: f64) -> f64 {
        if got == want || (got.is_nan() && want.is_nan()) {
            return 0.0;
        }
        if !got.is_finite() || !want.is_finite() {
            return f64::INFINITY;
        }
        (got - want).abs() / self.absolute.max(self.relative * want.abs())
    }
}

/// The worst of the elements that differ.
#[derive(Debug)]
pub(crate) struct Mismatch {
    at: usize,
    got: f64,
    want: f64,
    wrong: usize,
    of: usize,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { at, got, want, wrong, of } = self;
        write!(f, "{wrong} of {of} elements differ, most at {at}: got {got:e}, want {want:e}")
    }
}

/// Says in a line how a tensor differs from the golden one, whose shape and dtype are those of `like`.
pub(crate) fn compare(
    got: &Tensor,
    like: &Stored,
    want: &Values,
    tolerance: Tolerance,
) -> Result<(), String> {
    let elements = got.to_vec::<f64>().map_err(|e| e.to_string())?;
    if got.shape().to_vec() != like.shape || got.dtype() != like.dtype.dtype() {
        return Err(format!("is {} {}, want {:?} {:?}", got.shape(), got.dtype(), like.shape, like.dtype));
    }
    let want = want.to_vec();
    let (mut worst, mut at, mut wrong) = (0.0, 0, 0);
    for (i, (&got, &want)) in elements.iter().zip(&want).enumerate() {
        let excess = tolerance.excess(got, want);
        wrong += usize::from(excess > 1.0);
        if excess > worst {
            (worst, at) = (excess, i);
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    Err(Mismatch { at, got: elements[at], want: want[at], wrong, of: want.len() }.to_string())
}

//! The values of a random program, and how an operation picks its operands among them.

use retrograd::{DType, Tensor};

/// Elements and axes of the largest value.
pub(crate) const LARGEST: usize = 4096;
pub(crate) const MOST_AXES: usize = 5;

#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) x: Tensor,
    /// Whether every pass keeps its bits.
    pub(crate) exact: bool,
    /// What its elements are at most, if it is a float and finite.
    pub(crate) bound: f64,
}

impl Value {
    /// A value made of this one alone.
    pub(crate) fn after(&self, x: Tensor, bound: f64) -> Value {
        Value { x, exact: self.exact, bound }
    }

    /// A value made of this one and another.
    pub(crate) fn with(&self, other: &Value, x: Tensor, bound: f64) -> Value {
        Value { x, exact: self.exact && other.exact, bound }
    }

    /// The same, if a pass may add it up in another order.
    pub(crate) fn rounded(self) -> Value {
        let exact = !self.x.dtype().is_float();
        Value { exact, ..self }
    }

    pub(crate) fn is_float(&self) -> bool {
        self.x.dtype().is_float()
    }

    pub(crate) fn count(&self) -> f64 {
        self.x.numel() as f64
    }

    /// The value in a dtype, if roundings stay what they are: what is not exact may fall on either side of a number
    /// of few digits.
    fn cast(&self, dtype: DType) -> Option<Value> {
        let fits = self.x.dtype() == dtype || self.exact || dtype != DType::F16;
        fits.then(|| self.after(self.x.to_dtype(dtype), self.bound))
    }
}

/// The values there are, and numbers to choose by.
pub(crate) struct Picks<'a> {
    pub(crate) values: &'a [Value],
    pub(crate) numbers: [usize; 4],
    /// Whether f16 may be used.
    pub(crate) half: bool,
}

pub(crate) fn dims(x: &Tensor) -> Vec<usize> {
    x.shape().iter().map(|&n| n as usize).collect()
}

/// The shape that two shapes broadcast to.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let both = |axis: usize| match (dim(a, axis), dim(b, axis)) {
        (1, n) | (n, 1) => Some(n),
        (m, n) => (m == n).then_some(n),
    };
    (0..rank).map(both).collect()
}

impl Picks<'_> {
    pub(crate) fn number(&self, at: usize) -> usize {
        self.numbers[at]
    }

    /// An axis of `x`, which has some.
    pub(crate) fn axis(&self, x: &Tensor) -> isize {
        (self.number(1) % x.rank()) as isize
            - if self.number(2).is_multiple_of(2) { 0 } else { x.rank() as isize }
    }

    /// One of the values that fit, by a number; as often as not one of the last, so that programs get deep.
    fn one(&self, at: usize, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let fitting: Vec<&Value> = self.values.iter().rev().filter(|value| fits(value)).collect();
        let among = if self.number(at).is_multiple_of(2) { fitting.len().min(3) } else { fitting.len() };
        (among > 0).then(|| fitting[self.number(at) / 2 % among].clone())
    }

    pub(crate) fn some_float(&self) -> Option<Value> {
        self.one(0, Value::is_float)
    }

    pub(crate) fn some_exact_float(&self) -> Option<Value> {
        self.one(0, |value| value.is_float() && value.exact)
    }

    pub(crate) fn some_integer(&self) -> Option<Value> {
        self.one(1, |value| value.x.dtype().is_int())
    }

    pub(crate) fn some_truth(&self) -> Option<Value> {
        self.one(2, |value| value.x.dtype() == DType::Bool)
    }

    pub(crate) fn float(&self, f: impl Fn(&Tensor) -> Tensor, bound: impl Fn(f64) -> f64) -> Option<Value> {
        self.some_float().map(|a| a.after(f(&a.x), bound(a.bound)))
    }

    pub(crate) fn exact_float(
        &self,
        f: impl Fn(&Tensor) -> Tensor,
        bound: impl Fn(f64) -> f64,
    ) -> Option<Value> {
        self.some_exact_float().map(|a| a.after(f(&a.x), bound(a.bound)))
    }

    /// A value, and another of its dtype that broadcasts with it.
    fn pair(&self, fits: impl Fn(&Value) -> bool) -> Option<(Value, Value)> {
        let a = self.one(0, &fits)?;
        let beside = |b: &Value| {
            broadcast(&dims(&a.x), &dims(&b.x))
                .is_some_and(|shape| shape.iter().product::<usize>() <= LARGEST)
        };
        let b = self.one(1, |b| fits(b) && beside(b) && b.cast(a.x.dtype()).is_some())?;
        let b = b.cast(a.x.dtype())?;
        Some((a, b))
    }

    pub(crate) fn two_floats(&self) -> Option<(Value, Value)> {
        self.pair(Value::is_float)
    }

    pub(crate) fn floats(
        &self,
        f: impl Fn(&Tensor, &Tensor) -> Tensor,
        bound: impl Fn(f64, f64) -> f64,
    ) -> Option<Value> {
        self.two_floats().map(|(a, b)| a.with(&b, f(&a.x, &b.x), bound(a.bound, b.bound)))
    }

    pub(crate) fn exact_floats(
        &self,
        f: impl Fn(&Tensor, &Tensor) -> Tensor,
        bound: impl Fn(f64, f64) -> f64,
    ) -> Option<Value> {
        let (a, b) = self.pair(|value| value.is_float() && value.exact)?;
        Some(a.with(&b, f(&a.x, &b.x), bound(a.bound, b.bound)))
    }

    pub(crate) fn integers(&self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Option<Value> {
        let (a, b) = self.pair(|value| value.x.dtype().is_int())?;
        Some(a.with(&b, f(&a.x, &b.x), 0.0))
    }

    pub(crate) fn truths(&self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Option<Value> {
        let (a, b) = self.pair(|value| value.x.dtype() == DType::Bool)?;
        Some(a.with(&b, f(&a.x, &b.x), 0.0))
    }

    /// What is added up in an order that passes may change; the bound is that of `n` elements.
    pub(crate) fn folded(
        &self,
        f: impl Fn(&Tensor) -> Tensor,
        bound: impl Fn(f64, f64) -> f64,
    ) -> Option<Value> {
        let a = self.one(0, |value| value.is_float() && value.x.rank() > 0)?;
        Some(a.after(f(&a.x), bound(a.bound, a.count().max(1.0))).rounded())
    }

    /// What chooses among elements, of which there are some.
    pub(crate) fn extreme(&self, f: impl Fn(&Tensor) -> Tensor) -> Option<Value> {
        let a = self
            .one(0, |value| value.is_float() && value.exact && value.x.rank() > 0 && value.x.numel() > 0)?;
        Some(a.after(f(&a.x), a.bound))
    }

    /// What arranges elements of any dtype otherwise.
    pub(crate) fn moved(&self, f: impl Fn(&Tensor) -> Option<Tensor>) -> Option<Value> {
        let a = self.one(0, |_| true)?;
        Some(a.after(f(&a.x)?, a.bound))
    }

    /// What joins two values of one shape and dtype.
    pub(crate) fn joined(&self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Option<Value> {
        let a = self.one(0, |value| value.x.rank() > 0)?;
        let alike = |b: &Value| b.x.shape() == a.x.shape() && b.x.dtype() == a.x.dtype();
        let b = self.one(1, alike)?;
        Some(a.with(&b, f(&a.x, &b.x), a.bound.max(b.bound)))
    }

    /// A product of matrices, of the first two values whose shapes fit.
    pub(crate) fn product(&self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Option<Value> {
        let a = self.one(0, |value| value.is_float() && value.x.rank() >= 2)?;
        let n = self.values.len();
        let others = (0..n).map(|i| &self.values[(i + self.number(1)) % n]);
        let fitting = others.filter(|b| b.is_float() && b.x.rank() >= 2).find_map(|b| {
            let b = b.cast(a.x.dtype())?;
            let y = f(&a.x, &b.x);
            y.error().is_none().then(|| a.with(&b, y, a.bound * b.bound * a.count().max(1.0)))
        });
        fitting.map(Value::rounded)
    }

    /// So many numbers of `0..n`: computed from integers that there are, or counted.
    pub(crate) fn positions(&self, n: usize, count: usize) -> Tensor {
        let enough = self.one(3, |value| value.x.dtype().is_int() && value.x.numel() >= count);
        let numbers = match enough {
            Some(numbers) => numbers.x.reshape([numbers.x.numel()]).narrow(0, 0, count).i64(),
            None => Tensor::arange(count as i64) * 5,
        };
        numbers.remainder(n as i64)
    }
}

//! Making tensors.

use super::{DType, Element, IntoShape, Number, Shape, Spec, Tensor};
use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::exec::cpu::build;
use crate::ops::number_operand;

pub use super::rng::manual_seed;

impl Tensor {
    /// Elements of `values` in row-major order.
    ///
    /// PyTorch: `torch.tensor`. JAX: `jnp.array`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.shape(), [2, 2]);
    /// ```
    #[track_caller]
    pub fn from_slice<T: Element>(values: &[T], shape: impl IntoShape) -> Tensor {
        let shape = match shape.into_shape() {
            Ok(shape) => shape,
            Err(message) => return misuse("from_slice", &[], Misfit::shape(message)),
        };
        if shape.numel() != values.len() {
            let message = format!("{} values do not fill shape {shape} ({})", values.len(), shape.numel());
            return misuse("from_slice", &[], Misfit::shape(message));
        }
        build(Spec::new(shape, T::DTYPE), |to| {
            // SAFETY: the block has room for as many elements, and is aligned for any of them.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), to.cast(), values.len()) };
        })
    }

    /// Elements of a vector, in row-major order. See [`Tensor::from_slice`].
    ///
    /// PyTorch: `torch.tensor`. JAX: `jnp.array`.
    #[track_caller]
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl IntoShape) -> Tensor {
        Tensor::from_slice(&values, shape)
    }

    /// `value` everywhere, in f32 (`.f64()` and its like convert). Takes no memory until written.
    ///
    /// PyTorch: `torch.full`. JAX: `jnp.full`.
    #[track_caller]
    pub fn full(shape: impl IntoShape, value: impl Into<Number>) -> Tensor {
        match shape.into_shape() {
            Ok(shape) => Tensor::splat(Spec::new(shape, DType::F32), value.into()),
            Err(message) => misuse("full", &[], Misfit::shape(message)),
        }
    }

    /// Zeros in f32. Takes no memory until written.
    ///
    /// PyTorch: `torch.zeros`. JAX: `jnp.zeros`.
    #[track_caller]
    pub fn zeros(shape: impl IntoShape) -> Tensor {
        Tensor::full(shape, 0)
    }

    /// Ones in f32. Takes no memory until written.
    ///
    /// PyTorch: `torch.ones`. JAX: `jnp.ones`.
    #[track_caller]
    pub fn ones(shape: impl IntoShape) -> Tensor {
        Tensor::full(shape, 1)
    }

    /// Zeros of this tensor's shape and dtype.
    ///
    /// PyTorch: `torch.zeros_like`. JAX: `jnp.zeros_like`.
    #[track_caller]
    pub fn zeros_like(&self) -> Tensor {
        self.full_like(0)
    }

    /// Ones of this tensor's shape and dtype.
    ///
    /// PyTorch: `torch.ones_like`. JAX: `jnp.ones_like`.
    #[track_caller]
    pub fn ones_like(&self) -> Tensor {
        self.full_like(1)
    }

    /// `value` in this tensor's shape and dtype.
    ///
    /// PyTorch: `torch.full_like`. JAX: `jnp.full_like`.
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Number>) -> Tensor {
        number_operand(value.into(), self, "full_like")
    }

    /// The identity matrix of the given size, in f32.
    ///
    /// PyTorch: `torch.eye`. JAX: `jnp.eye`.
    #[track_caller]
    pub fn eye(n: usize) -> Tensor {
        if let Err(message) = Shape::checked(&[n, n]) {
            return misuse("eye", &[], Misfit::shape(message));
        }
        let mut values = vec![0.0f32; n * n];
        values.iter_mut().step_by(n + 1).for_each(|one| *one = 1.0);
        Tensor::from_vec(values, [n, n])
    }

    /// `0, 1, .., end - 1` as i64.
    ///
    /// PyTorch: `torch.arange`. JAX: `jnp.arange`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::arange(3).to_vec::<i64>()?, [0, 1, 2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn arange(end: i64) -> Tensor {
        if let Err(message) = Shape::checked(&[end.max(0) as usize]) {
            return misuse("arange", &[], Misfit::shape(message));
        }
        let values: Vec<i64> = (0..end.max(0)).collect();
        let n = values.len();
        Tensor::from_vec(values, [n])
    }

    /// `start, start + step, ..` as long as it has not reached `end`, in f64 if they are not whole, else i64.
    ///
    /// PyTorch: `torch.arange(start, end, step)`. JAX: `jnp.arange(start, stop, step)`.
    #[track_caller]
    pub fn arange_step(start: impl Into<Number>, end: impl Into<Number>, step: impl Into<Number>) -> Tensor {
        let (start, end, step) = (start.into(), end.into(), step.into());
        let whole = [start, end, step].iter().all(|n| matches!(n, Number::Int(_)));
        let (from, to, by) = (start.as_f64(), end.as_f64(), step.as_f64());
        if by == 0.0 || !(from.is_finite() && to.is_finite() && by.is_finite()) {
            let message = format!("from {from} to {to} there is no finite way in steps of {by}");
            return misuse("arange_step", &[], Misfit::kind(crate::error::ErrorKind::Data, message));
        }
        let n = ((to - from) / by).ceil().max(0.0) as usize;
        if let Err(message) = Shape::checked(&[n]) {
            return misuse("arange_step", &[], Misfit::shape(message));
        }
        if whole {
            let values = (0..n as i64).map(|i| start.as_i64() + i * step.as_i64()).collect();
            return Tensor::from_vec::<i64>(values, [n]);
        }
        Tensor::from_vec::<f64>((0..n).map(|i| from + i as f64 * by).collect(), [n])
    }

    /// `n` numbers evenly spaced from `start` to `end`, both included, in f32.
    ///
    /// PyTorch: `torch.linspace`. JAX: `jnp.linspace`.
    #[track_caller]
    pub fn linspace(start: f64, end: f64, n: usize) -> Tensor {
        if let Err(message) = Shape::checked(&[n]) {
            return misuse("linspace", &[], Misfit::shape(message));
        }
        Tensor::from_vec(spaced(start, end, n).map(|value| value as f32).collect(), [n])
    }

    /// `n` powers of `base`, with exponents evenly spaced from `start` to `end`, both included, in f32.
    ///
    /// PyTorch: `torch.logspace`. JAX: `jnp.logspace`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::logspace(0.0, 2.0, 3, 10.0).to_vec::<f32>()?, [1.0, 10.0, 100.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logspace(start: f64, end: f64, n: usize, base: f64) -> Tensor {
        match Shape::checked(&[n]) {
            Ok(_) => Tensor::from_vec(
                spaced(start, end, n).map(|exponent| base.powf(exponent) as f32).collect(),
                [n],
            ),
            Err(message) => misuse("logspace", &[], Misfit::shape(message)),
        }
    }
}

/// `n` numbers evenly spaced from `start` to `end`.
fn spaced(start: f64, end: f64, n: usize) -> impl Iterator<Item = f64> {
    let step = if n > 1 { (end - start) / (n - 1) as f64 } else { 0.0 };
    // The last one is `end` itself, whatever the rounding.
    (0..n).map(move |i| if i + 1 == n && n > 1 { end } else { start + i as f64 * step })
}

/// What nested arrays are made of: numbers, or arrays of such.
pub trait IntoTensor {
    /// The number type at the bottom.
    type Element: Element;
    /// Appends the numbers in row-major order.
    #[doc(hidden)]
    fn append(&self, to: &mut Vec<Self::Element>);
    /// Appends the lengths of the axes.
    #[doc(hidden)]
    fn dims(to: &mut Vec<usize>);
}

impl<T: IntoTensor, const N: usize> IntoTensor for [T; N] {
    type Element = T::Element;
    fn append(&self, to: &mut Vec<T::Element>) {
        self.iter().for_each(|part| part.append(to));
    }
    fn dims(to: &mut Vec<usize>) {
        to.push(N);
        T::dims(to);
    }
}

#[track_caller]
fn of_parts<T: IntoTensor>(parts: &[T]) -> Tensor {
    let mut values = Vec::new();
    parts.iter().for_each(|part| part.append(&mut values));
    let mut dims = vec![parts.len()];
    T::dims(&mut dims);
    Tensor::from_slice(&values, dims)
}

impl<T: IntoTensor, const N: usize> From<[T; N]> for Tensor {
    #[track_caller]
    fn from(parts: [T; N]) -> Tensor {
        of_parts(&parts)
    }
}

impl<T: IntoTensor> From<&[T]> for Tensor {
    #[track_caller]
    fn from(parts: &[T]) -> Tensor {
        of_parts(parts)
    }
}

impl<T: IntoTensor> From<Vec<T>> for Tensor {
    #[track_caller]
    fn from(parts: Vec<T>) -> Tensor {
        of_parts(&parts)
    }
}

impl<T: IntoTensor> From<&Vec<T>> for Tensor {
    #[track_caller]
    fn from(parts: &Vec<T>) -> Tensor {
        of_parts(parts)
    }
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl IntoTensor for $t {
            type Element = $t;
            fn append(&self, to: &mut Vec<$t>) {
                to.push(*self);
            }
            fn dims(_: &mut Vec<usize>) {}
        }

        impl From<$t> for Tensor {
            fn from(value: $t) -> Tensor {
                Tensor::splat(Spec::new(Shape::SCALAR, <$t as Element>::DTYPE), value.into())
            }
        }
    )*};
}

numbers! { f32 f64 super::f16 super::bf16 i64 i32 u8 bool }

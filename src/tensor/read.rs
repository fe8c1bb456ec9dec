//! Asking a tensor for what it is and for its values.

use std::sync::OnceLock;

use super::{Element, Number, Shape, Spec, Tensor};
use crate::autodiff::function::raise;
use crate::autodiff::level::{origin, value_of};
use crate::error::{Error, Misfit, Result};
use crate::exec::cpu;
use crate::tensor::DType;

impl Tensor {
    /// Axis lengths.
    ///
    /// PyTorch: `torch.Tensor.shape`. JAX: `x.shape`.
    ///
    /// # Panics
    /// Unwinds with the tensor's error if it is invalid; [`crate::Grad::call`] and its like turn that into `Err`.
    #[track_caller]
    pub fn shape(&self) -> Shape {
        self.valid_spec().shape
    }

    /// Element type.
    ///
    /// PyTorch: `torch.Tensor.dtype`. JAX: `x.dtype`.
    ///
    /// # Panics
    /// As [`Tensor::shape`].
    #[track_caller]
    pub fn dtype(&self) -> DType {
        self.valid_spec().dtype
    }

    /// Length of an axis; a negative one counts from the end.
    ///
    /// PyTorch: `torch.Tensor.size`. JAX: `x.shape[axis]`.
    ///
    /// # Panics
    /// As [`Tensor::shape`], and if there is no such axis.
    #[track_caller]
    pub fn size(&self, axis: isize) -> usize {
        let shape = self.shape();
        match shape.axis(axis) {
            Some(axis) => shape.dim(axis),
            None => panic!("size: axis {axis} of a tensor with {} axes, {shape}", shape.rank()),
        }
    }

    /// Number of axes.
    ///
    /// PyTorch: `torch.Tensor.dim`. JAX: `x.ndim`.
    ///
    /// # Panics
    /// As [`Tensor::shape`].
    #[track_caller]
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// Number of elements.
    ///
    /// PyTorch: `torch.Tensor.numel`. JAX: `x.size`.
    ///
    /// # Panics
    /// As [`Tensor::shape`].
    #[track_caller]
    pub fn numel(&self) -> usize {
        self.shape().numel()
    }

    #[track_caller]
    fn valid_spec(&self) -> Spec {
        match self.error() {
            None => *self.spec(),
            Some(error) => raise(error.clone()),
        }
    }

    /// The one element as `T`, converted if the dtype is another: a tensor of one element, whatever its rank.
    ///
    /// PyTorch: `torch.Tensor.item`. JAX: `x.item()`.
    ///
    /// # Errors
    /// If there is not exactly one element, the tensor is invalid, or it has no value (inside `vmap`, or in a
    /// trace).
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let loss = Tensor::from([3.0, 4.0]).square().sum();
    /// assert_eq!(loss.item::<f64>()?, 25.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T> {
        let x = self.value("item")?;
        if x.spec().shape.numel() != 1 {
            let shape = x.spec().shape;
            let misfit = Misfit::shape(format!("shape {shape} has {} elements, not one", shape.numel()));
            let misfit = misfit.help("see `to_vec`, or reduce it, as with `sum`");
            return Err(misfit.at("item", vec![*x.spec()], origin()));
        }
        let dtype = x.spec().dtype;
        let ptr = cpu::operand::Operand::of(&x).ptr;
        // SAFETY: the element is there, `size` bytes of it.
        let bytes = unsafe { std::slice::from_raw_parts(ptr, dtype.size()) };
        Ok(T::from_number(dtype.number(bytes)))
    }

    /// All elements in row-major order, converted to `T` if the dtype is another.
    ///
    /// PyTorch: `torch.Tensor.tolist`. JAX: `x.tolist()`.
    ///
    /// # Errors
    /// If the tensor is invalid or has no value (inside `vmap`, or in a trace).
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let x = self.value("to_vec")?.to_dtype(T::DTYPE);
        let x = cpu::contiguous(&x);
        Ok(x.as_slice::<T>().expect("concrete, gap-free and of this dtype").to_vec())
    }

    /// The concrete tensor behind this one, or the error that says who asked for it.
    #[track_caller]
    pub(super) fn value(&self, operation: &'static str) -> Result<Tensor> {
        let asked_at = origin();
        value_of(self).map_err(|error| match self.error() {
            Some(_) => error,
            None => error.of_operation(operation, Vec::new(), asked_at),
        })
    }

    /// The elements where they lie: if the dtype is `T`'s, the tensor is concrete, and there are no gaps.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let array = self.concrete()?;
        if self.spec().dtype != T::DTYPE || !array.is_contiguous() {
            return None;
        }
        let ptr = array.ptr(T::DTYPE).cast::<T>();
        // SAFETY: a contiguous tensor has `numel` written elements of its dtype, aligned to 64 bytes, or after an
        // offset of whole elements; they do not change while the tensor is borrowed. Bool bytes are 0 or 1.
        Some(unsafe { std::slice::from_raw_parts(ptr, self.spec().shape.numel()) })
    }

    /// The bytes of the elements where they lie: if the tensor is concrete and there are no gaps.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        let array = self.concrete().filter(|array| array.is_contiguous())?;
        // SAFETY: a contiguous tensor has `bytes` written bytes of elements, which do not change while it is borrowed.
        Some(unsafe { std::slice::from_raw_parts(array.ptr(self.spec().dtype), self.spec().bytes()) })
    }

    /// The slices along the first axis, one after the other.
    ///
    /// # Panics
    /// As [`Tensor::shape`], and if the tensor is a single number.
    #[track_caller]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Tensor> + DoubleEndedIterator + '_ {
        let shape = self.shape();
        assert!(shape.rank() > 0, "iter: a single number has no axis to go along");
        (0..shape.dim(0)).map(|i| self.narrow(0, i, 1).squeeze_axis(0))
    }

    /// Every element as a number; for checks and printing of concrete tensors.
    pub(crate) fn to_vec_of_numbers(&self) -> Vec<Number> {
        let x = cpu::contiguous(self);
        let dtype = x.spec().dtype;
        let operand = cpu::operand::Operand::of(&x);
        // SAFETY: gap-free elements.
        let bytes = unsafe { std::slice::from_raw_parts(operand.ptr, x.spec().bytes()) };
        bytes.chunks_exact(dtype.size()).map(|element| dtype.number(element)).collect()
    }

    /// Whether shapes are equal and all elements are: `|a - b| <= absolute + relative * |b|`. NaN is close to NaN.
    ///
    /// PyTorch: `torch.allclose`. JAX: `jnp.allclose`.
    ///
    /// # Errors
    /// If either has no value.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, relative: f64, absolute: f64) -> Result<bool> {
        let (a, b) = (self.value("allclose")?, other.value("allclose")?);
        if a.spec().shape != b.spec().shape {
            return Ok(false);
        }
        let close = |(a, b): (Number, Number)| {
            let (a, b) = (a.as_f64(), b.as_f64());
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs()
        };
        Ok(a.to_vec_of_numbers().into_iter().zip(b.to_vec_of_numbers()).all(close))
    }

    /// Whether the elements are concrete and lie row-major without gaps.
    ///
    /// PyTorch: `torch.Tensor.is_contiguous`. JAX: none.
    pub fn is_contiguous(&self) -> bool {
        self.concrete().is_some_and(|array| array.is_contiguous())
    }

    /// A valueless stand-in: always the same tensor, a zero.
    pub(crate) fn hollow() -> Tensor {
        static HOLLOW: OnceLock<Tensor> = OnceLock::new();
        HOLLOW.get_or_init(|| Tensor::splat(Spec::new(Shape::SCALAR, DType::F32), Number::Int(0))).clone()
    }

    /// The number that all elements are, if the tensor is a splat.
    pub(crate) fn splat_number(&self) -> Option<Number> {
        let bits = self.concrete()?.splat()?;
        Some(self.spec().dtype.number(bits))
    }
}

impl TryFrom<&Tensor> for f64 {
    type Error = Error;
    fn try_from(x: &Tensor) -> Result<f64> {
        x.item()
    }
}

impl TryFrom<&Tensor> for f32 {
    type Error = Error;
    fn try_from(x: &Tensor) -> Result<f32> {
        x.item()
    }
}

//! Order: sorting, the greatest few, medians.

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use super::scan::bind_pair;
use crate::autodiff::level::{bind_many, misuse};
use crate::error::Misfit;
use crate::exec::{Kernel, Sorting};
use crate::tensor::{DType, Number, Spec, Tensor};

/// Which way elements are ordered. NaN counts as greatest, and -0 equals 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Places of the stable order of the last axis: values and positions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Sort(Sorting);

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let shape = x[0].shape;
        Ok(x[0].with_shape(shape.with_dim(shape.rank() - 1, self.0.len)))
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        let values = self.infer(x)?;
        Ok(vec![values, values.with_dtype(DType::I64)])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Sort(self.0)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::OUTPUTS)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|dx| dx.gather(-1, at.output(1)));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let zeros = Tensor::splat(*at.spec(0), Number::Int(0));
        dx[0] = dy[0].map(|dy| zeros.scatter_add(-1, at.output(1), dy));
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::Many(bind_many(self, x))
    }
}

impl Tensor {
    /// The places `start..start + len` of the order along an axis: values and positions. They must exist.
    #[track_caller]
    pub(crate) fn places(&self, axis: usize, order: Order, start: usize, len: usize) -> (Tensor, Tensor) {
        let (last, axis) = (-1, axis as isize);
        let (values, at) = bind_pair(&Sort(Sorting { order, start, len }), &self.movedim(axis, last));
        (values.movedim(last, axis), at.movedim(last, axis))
    }

    /// The elements along an axis in order, and where (i64) each was. The sort is stable: equal elements keep their order,
    /// in either direction. NaN counts as greatest, -0 equals 0; bool is sorted too.
    ///
    /// Gradient: `dx[indices[i]] = dy[i]`.
    ///
    /// PyTorch: `torch.sort`. JAX: `jnp.sort`.
    ///
    /// ```
    /// # use retrograd::{Order, Tensor};
    /// let (values, indices) = Tensor::from([2.0, f64::NAN, -1.0]).sort(0, Order::Ascending);
    /// assert_eq!(values.to_vec::<f64>()?[..2], [-1.0, 2.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [2, 0, 1]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(&self, axis: isize, order: Order) -> (Tensor, Tensor) {
        match self.axis_or("sort", axis) {
            Ok(axis) => self.places(axis, order, 0, self.spec().shape.dim(axis)),
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// Where (i64) the elements along an axis are, in order: the indices of [`Tensor::sort`], which is stable. No
    /// gradient.
    ///
    /// PyTorch: `torch.argsort`. JAX: `jnp.argsort`.
    #[track_caller]
    pub fn argsort(&self, axis: isize, order: Order) -> Tensor {
        match self.axis_or("argsort", axis) {
            Ok(axis) => self.places(axis, order, 0, self.spec().shape.dim(axis)).1,
            Err(invalid) => invalid,
        }
    }

    /// The elements along the first axis, the least first. See [`Tensor::sort`].
    ///
    /// Gradient: `dx[indices[i]] = dy[i]`.
    ///
    /// PyTorch: `torch.msort`. JAX: none.
    #[track_caller]
    pub fn msort(&self) -> Tensor {
        match self.axis_or("msort", 0) {
            Ok(axis) => self.places(axis, Order::Ascending, 0, self.spec().shape.dim(axis)).0,
            Err(invalid) => invalid,
        }
    }

    /// The first `k` elements along an axis in the given order, and where (i64) they are: with [`Order::Descending`] the
    /// greatest `k`, the greatest first. Of equal elements the earlier ones are taken, and come first. NaN counts as
    /// greatest.
    ///
    /// Gradient: `dx[indices[i]] = dy[i]`, 0 for the others.
    ///
    /// PyTorch: `torch.topk`. JAX: `lax.top_k`.
    ///
    /// ```
    /// # use retrograd::{Order, Tensor};
    /// let (values, indices) = Tensor::from([3.0, 9.0, 5.0]).topk(2, 0, Order::Descending);
    /// assert_eq!(values.to_vec::<f64>()?, [9.0, 5.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn topk(&self, k: usize, axis: isize, order: Order) -> (Tensor, Tensor) {
        let axis = match self.axis_or("topk", axis) {
            Ok(axis) => axis,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let shape = self.spec().shape;
        if k > shape.dim(axis) {
            let message = format!("k is {k}, axis {axis} of {shape} has {} elements", shape[axis]);
            let invalid = misuse("topk", &[self], Misfit::shape(message));
            return (invalid.clone(), invalid);
        }
        self.places(axis, order, 0, k)
    }

    /// The `k`-th least element along an axis, which goes, and where (i64) it is; `k` counts from 1. NaN counts as
    /// greatest; of equal elements the earlier ones come first.
    ///
    /// Gradient: `dy` goes to that element.
    ///
    /// PyTorch: `torch.kthvalue`. JAX: none.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, axis: isize) -> (Tensor, Tensor) {
        let axis = match self.axis_or("kthvalue", axis) {
            Ok(axis) => axis,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let shape = self.spec().shape;
        if k == 0 || k > shape.dim(axis) {
            let message = format!("k is {k}, axis {axis} of {shape} has {} elements", shape[axis]);
            let invalid = misuse("kthvalue", &[self], Misfit::shape(message).help("k counts from 1"));
            return (invalid.clone(), invalid);
        }
        self.place(axis, k - 1)
    }

    /// The element at one place of the ascending order along an axis, which goes, and its position.
    #[track_caller]
    fn place(&self, axis: usize, place: usize) -> (Tensor, Tensor) {
        let (value, at) = self.places(axis, Order::Ascending, place, 1);
        (value.squeeze_axis(axis), at.squeeze_axis(axis))
    }

    /// The median along an axis, which goes, and where (i64) it is: of an even number of elements the lower one of the two
    /// in the middle ([`Tensor::quantile`] takes their mean). NaN, at the place of the first, if there is one.
    ///
    /// Gradient: `dy` goes to that element.
    ///
    /// PyTorch: `torch.median`. JAX: none.
    #[track_caller]
    pub fn median(&self, axis: isize) -> (Tensor, Tensor) {
        let axis = match self.axis_or("median", axis) {
            Ok(axis) => axis,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let shape = self.spec().shape;
        if shape[axis] == 0 {
            let invalid = self.refuse_shape("median", format!("axis {axis} of {shape} is empty"));
            return (invalid.clone(), invalid);
        }
        let (value, at) = self.place(axis, (shape.dim(axis) - 1) / 2);
        if !self.spec().dtype.is_float() {
            return (value, at);
        }
        // NaN is greatest: it is the maximum, if there is one.
        let (greatest, first) = self.max_dim(axis as isize);
        let nan = greatest.isnan();
        (nan.where_(greatest, value), nan.where_(first, at))
    }
}

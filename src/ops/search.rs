//! Where elements go in sorted rows.

use super::operands::{InputSet, Outputs};
use super::pointwise::{bind_repeated, mixed_dtypes};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::tensor::{DType, Spec, Tensor};

/// Where an element goes among equal ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// Before them.
    Left,
    /// After them.
    Right,
}

/// For each element of `x1` its place in the row of `x0`; one row for all, or one for each row of `x1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct SearchSorted(Side);

impl Primitive for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let (sorted, values) = (x[0].shape, x[1].shape);
        if x[0].dtype != x[1].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[1].dtype));
        }
        let beside =
            |shape: crate::tensor::Shape| shape.rank().checked_sub(1).map(|last| shape.without(last));
        if sorted.rank() == 0 || sorted.rank() > 1 && beside(sorted) != beside(values) {
            return Err(Misfit::shape(format!("sorted rows of shape {sorted} for values of shape {values}"))
                .help("one row serves all values; several rows have the values' axes beside the last"));
        }
        Ok(x[1].with_dtype(DType::I64))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Search(self.0)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a position has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a position has no derivative")
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        let one_row = x[0].spec().shape.rank() == 1 + usize::from(batched.contains(0));
        if !one_row {
            return Outputs::One(bind_repeated(self, x, batched, size));
        }
        if !batched.contains(0) {
            return Outputs::One(bind(self, x));
        }
        // A row for each example: its values become one row too.
        let values = if batched.contains(1) { x[1].clone() } else { x[1].repeated(size) };
        let shape = values.spec().shape;
        let each = shape.without(0).numel();
        Outputs::One(bind(self, &[x[0], &values.reshape([size, each])]).reshape(shape))
    }
}

impl Tensor {
    /// Where (i64) each of `values` goes in this sorted tensor so that it stays sorted: how many elements come before it,
    /// with [`Side::Right`] equal ones too. One row `[n]` serves all values; rows `[.., n]` serve values `[.., m]`. NaN
    /// counts as greatest. Of rows that are not sorted the result means nothing. No gradient.
    ///
    /// PyTorch: `torch.searchsorted`. JAX: `jnp.searchsorted`.
    ///
    /// ```
    /// # use retrograd::{Side, Tensor};
    /// let edges = Tensor::from([1.0, 3.0, 5.0]);
    /// let places = edges.searchsorted(&Tensor::from([0.0, 3.0, 9.0]), Side::Left);
    /// assert_eq!(places.to_vec::<i64>()?, [0, 1, 3]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, side: Side) -> Tensor {
        bind(&SearchSorted(side), &[self, values])
    }

    /// The number (i64) of the bucket that each element is in: how many of the sorted boundaries `[n]` lie below it, with
    /// [`Side::Right`] also those equal to it. No gradient.
    ///
    /// PyTorch: `torch.bucketize`. JAX: `jnp.digitize`.
    #[track_caller]
    pub fn bucketize(&self, boundaries: &Tensor, side: Side) -> Tensor {
        if self.error().is_none() && boundaries.error().is_none() && boundaries.spec().shape.rank() != 1 {
            let message = format!("boundaries are a vector, got shape {}", boundaries.spec().shape);
            return crate::autodiff::level::misuse("bucketize", &[self, boundaries], Misfit::shape(message));
        }
        bind(&SearchSorted(side), &[boundaries, self])
    }
}

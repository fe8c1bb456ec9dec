//! Reading at computed positions.

use super::linear::{Linear, LinearMap};
use super::movement::too_many_axes;
use super::operands::InputSet;
use super::pointwise::bind_repeated;
use super::primitive::Residuals;
use super::scatter::Scatter;
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Combine, Indexing, Kernel, Region};
use crate::tensor::{DType, Number, Shape, Spec, Tensor};

/// The input that is the index.
pub(super) const INDEX: InputSet = InputSet::one(1);

pub(super) fn check_index(index: &Spec) -> Result<(), Box<Misfit>> {
    if matches!(index.dtype, DType::I64 | DType::I32) {
        return Ok(());
    }
    Err(Misfit::dtype(format!("an index is i64 or i32, got {}", index.dtype)).help("convert with `.i64()`"))
}

/// The shape of `x` with an axis replaced by the index's.
pub(super) fn selected(x: &Shape, axis: usize, index: &Shape) -> Result<Shape, Box<Misfit>> {
    let head = Shape::of(&x[..axis]);
    head.concat(index).and_then(|shape| shape.concat(&x[axis + 1..])).ok_or_else(too_many_axes)
}

pub(super) fn check_alike_beside(axis: usize, x: &Shape, index: &Shape) -> Result<(), Box<Misfit>> {
    if x.rank() == index.rank() && x.with_dim(axis, 0) == index.with_dim(axis, 0) {
        return Ok(());
    }
    Err(Misfit::shape(format!("shape {x} and index shape {index} differ beside axis {axis}"))
        .help("the index has the tensor's rank; see `index_select` for whole slices"))
}

/// `x0` at the positions `x1` of an axis: slices or elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Gather {
    what: Indexing,
    axis: usize,
}

impl Linear for Gather {
    const NAME: &'static str = "gather";
    const CONSTANTS: InputSet = INDEX;

    fn name(&self) -> &'static str {
        if self.what == Indexing::Slices { "index_select" } else { Self::NAME }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        check_index(x[1])?;
        let shape = match self.what {
            Indexing::Slices => selected(&x[0].shape, self.axis, &x[1].shape)?,
            Indexing::Elements => {
                check_alike_beside(self.axis, &x[0].shape, &x[1].shape)?;
                x[1].shape
            }
        };
        Ok(x[0].with_shape(shape))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Gather(self.what, self.axis)
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let zeros = Tensor::splat(*at.spec(0), Number::Int(0));
        Scatter { what: self.what, axis: self.axis, combine: Combine::Add }.bound(&[&zeros, at.x(1), dy])
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        let below = Gather { axis: self.axis + 1, ..*self };
        if self.what == Indexing::Elements {
            return bind_repeated(&LinearMap(below), x, batched, size);
        }
        if !batched.contains(1) {
            return bind(&LinearMap(below), x);
        }
        if !batched.contains(0) {
            return bind(&LinearMap(*self), x).movedim(self.axis as isize, 0);
        }
        let joined = Joined::new(x[0], x[1], self.axis, size);
        let slices = bind(&LinearMap(Gather { axis: 0, ..*self }), &[&joined.all, &joined.index]);
        // [size, index.., rest..]: the index's axes go to where the axis was.
        let index_rank = x[1].spec().shape.rank() - 1;
        (0..self.axis).fold(slices, |y, i| y.movedim((1 + index_rank + i) as isize, 1 + i as isize))
    }
}

/// All examples' slices in one axis, and indices into it.
pub(super) struct Joined {
    /// `[size * n, rest..]`.
    pub(super) all: Tensor,
    pub(super) index: Tensor,
    /// `[size, n, rest..]`.
    pub(super) moved: Shape,
}

impl Joined {
    pub(super) fn new(x: &Tensor, index: &Tensor, axis: usize, size: usize) -> Joined {
        let moved = x.movedim(axis as isize + 1, 1);
        let shape = moved.spec().shape;
        let n = shape.dim(1);
        let all = moved.reshape(shape.without(0).with_dim(0, size * n));
        // An index out of range must not reach into another example: it becomes one out of range of all.
        let index = index.i64();
        let wrapped = index.lt(0).where_(&index + n, &index);
        let inside = wrapped.ge(0).logical_and(wrapped.lt(n));
        let mut column = vec![1; index.spec().shape.rank()];
        column[0] = size;
        let start = (Tensor::arange(size as i64) * n).reshape(column);
        let index = inside.where_(wrapped + start, size * n);
        Joined { all, index, moved: shape }
    }
}

/// The corner of a tensor that an index with smaller lengths beside the axis stands for (PyTorch's rule); none where
/// that is the whole tensor, or the index does not fit.
fn corner(x: &Shape, axis: usize, index: &Shape) -> Option<Shape> {
    let part = (x.rank() == index.rank()).then(|| index.with_dim(axis, x.dim(axis)))?;
    let fits = part.iter().zip(&**x).all(|(part, whole)| part <= whole);
    (fits && part != *x).then_some(part)
}

impl Tensor {
    /// Slices of this tensor across `axis`, at the positions in `index` (i64 or i32; negative ones count from the
    /// end). The index's axes take the axis' place.
    ///
    /// Gradient: added up at the positions ([`Tensor::index_add`]).
    ///
    /// PyTorch: `torch.index_select`. JAX: `jnp.take`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let rows = Tensor::from([[1.0], [2.0], [3.0]]).index_select(0, &Tensor::from([2i64, 0]));
    /// assert_eq!(rows.to_vec::<f64>()?, [3.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(&self, axis: isize, index: &Tensor) -> Tensor {
        match self.axis_or("index_select", axis) {
            Ok(axis) => self.read_at(Indexing::Slices, axis, index),
            Err(invalid) => invalid,
        }
    }

    /// Elements of this tensor: `y[i][j] = x[index[i][j]][j]` for axis 0. The index has the tensor's rank; where it
    /// is shorter beside the axis, only the tensor's first positions there are read. (To broadcast instead, see
    /// [`Tensor::take_along_axis`].)
    ///
    /// Gradient: added up at the positions ([`Tensor::scatter_add`]).
    ///
    /// PyTorch: `torch.gather`. JAX: `jnp.take_along_axis`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.gather(1, &Tensor::from([[1i64], [0]])).to_vec::<f64>()?, [2.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(&self, axis: isize, index: &Tensor) -> Tensor {
        match self.axis_or("gather", axis) {
            Ok(axis) => self.corner_beside(axis, index).read_at(Indexing::Elements, axis, index),
            Err(invalid) => invalid,
        }
    }

    /// Elements of this tensor at the positions in `index` along an axis, as [`Tensor::gather`]; beside the axis
    /// tensor and index broadcast.
    ///
    /// Gradient: added up at the positions.
    ///
    /// PyTorch: `torch.take_along_dim`. JAX: `jnp.take_along_axis`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// let y = x.take_along_axis(&Tensor::from([[2i64, 0]]), 1);
    /// assert_eq!(y.to_vec::<f64>()?, [3.0, 1.0, 6.0, 4.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn take_along_axis(&self, index: &Tensor, axis: isize) -> Tensor {
        let axis = match self.axis_or("take_along_axis", axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        if index.error().is_some() {
            return index.clone();
        }
        let (x, i) = (self.spec().shape, index.spec().shape);
        let beside = (x.rank() == i.rank()).then(|| x.with_dim(axis, 1).broadcast(i.with_dim(axis, 1)));
        let Some(beside) = beside.flatten() else {
            let message = format!("shape {x} and index shape {i} do not broadcast beside axis {axis}");
            let misfit = Misfit::shape(message).help("the index has the tensor's rank");
            return misuse("take_along_axis", &[self, index], misfit);
        };
        match (beside.with_dim(axis, x.dim(axis)).countable(), beside.with_dim(axis, i.dim(axis)).countable())
        {
            (Some(x), Some(i)) => {
                let (x, i) = (self.broadcast_shape(x), index.broadcast_shape(i));
                x.read_at(Indexing::Elements, axis, &i)
            }
            _ => misuse("take_along_axis", &[self, index], too_many_axes()),
        }
    }

    /// What an index reads along an axis.
    #[track_caller]
    pub(super) fn read_at(&self, what: Indexing, axis: usize, index: &Tensor) -> Tensor {
        bind(&LinearMap(Gather { what, axis }), &[self, index])
    }

    /// This tensor, or its corner that an index with smaller lengths beside the axis stands for.
    #[track_caller]
    pub(super) fn corner_beside(&self, axis: usize, index: &Tensor) -> Tensor {
        if self.error().is_some() || index.error().is_some() {
            return self.clone();
        }
        match corner(&self.spec().shape, axis, &index.spec().shape) {
            Some(part) => self.slice_region(Region::corner(part.rank()), part),
            None => self.clone(),
        }
    }
}

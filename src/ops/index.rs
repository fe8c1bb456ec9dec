//! Reading and adding at computed positions.

use super::linear::{Linear, LinearMap};
use super::movement::too_many_axes;
use super::operands::InputSet;
use super::pointwise::{bind_repeated, mixed_dtypes};
use super::primitive::Residuals;
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::{Indexing, Kernel};
use crate::tensor::{DType, Number, Shape, Spec, Tensor};

const INDEX: InputSet = InputSet::one(1);

fn check_index(index: &Spec) -> Result<(), Box<Misfit>> {
    if matches!(index.dtype, DType::I64 | DType::I32) {
        return Ok(());
    }
    Err(Misfit::dtype(format!("an index is i64 or i32, got {}", index.dtype)).help("convert with `.i64()`"))
}

/// The shape of `x` with an axis replaced by the index's.
fn selected(x: &Shape, axis: usize, index: &Shape) -> Result<Shape, Box<Misfit>> {
    let head = Shape::of(&x[..axis]);
    head.concat(index).and_then(|shape| shape.concat(&x[axis + 1..])).ok_or_else(too_many_axes)
}

fn check_alike_beside(axis: usize, x: &Shape, index: &Shape) -> Result<(), Box<Misfit>> {
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
        bind(&LinearMap(Scatter { what: self.what, axis: self.axis }), &[&zeros, at.x(1), dy])
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

/// `x0` with `x2` added at the positions `x1` of an axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Scatter {
    what: Indexing,
    axis: usize,
}

impl Linear for Scatter {
    const NAME: &'static str = "scatter_add";
    const CONSTANTS: InputSet = INDEX;

    fn name(&self) -> &'static str {
        if self.what == Indexing::Slices { "index_add" } else { Self::NAME }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        check_index(x[1])?;
        if x[0].dtype != x[2].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[2].dtype));
        }
        let expected = match self.what {
            Indexing::Slices => selected(&x[0].shape, self.axis, &x[1].shape)?,
            Indexing::Elements => {
                check_alike_beside(self.axis, &x[0].shape, &x[1].shape)?;
                x[1].shape
            }
        };
        if x[2].shape != expected {
            return Err(Misfit::shape(format!("the source has shape {}, expected {expected}", x[2].shape)));
        }
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scatter(self.what, self.axis)
    }

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        if input == 0 {
            return dy.clone();
        }
        bind(&LinearMap(Gather { what: self.what, axis: self.axis }), &[dy, at.x(1)])
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        let below = Scatter { axis: self.axis + 1, ..*self };
        if self.what == Indexing::Elements {
            return bind_repeated(&LinearMap(below), x, batched, size);
        }
        let repeated = |i: usize| if batched.contains(i) { x[i].clone() } else { x[i].repeated(size) };
        if !batched.contains(1) {
            return bind(&LinearMap(below), &[&repeated(0), x[1], &repeated(2)]);
        }
        let base = repeated(0);
        let joined = Joined::new(&base, x[1], self.axis, size);
        let index_rank = x[1].spec().shape.rank() - 1;
        let source = (0..self.axis)
            .rev()
            .fold(repeated(2), |y, i| y.movedim(1 + i as isize, (self.axis + index_rank) as isize));
        let sums = bind(&LinearMap(Scatter { axis: 0, ..*self }), &[&joined.all, &joined.index, &source]);
        sums.reshape(joined.moved).movedim(1, self.axis as isize + 1)
    }
}

/// All examples' slices in one axis, and indices into it.
struct Joined {
    /// `[size * n, rest..]`.
    all: Tensor,
    index: Tensor,
    /// `[size, n, rest..]`.
    moved: Shape,
}

impl Joined {
    fn new(x: &Tensor, index: &Tensor, axis: usize, size: usize) -> Joined {
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
        self.gathered("index_select", Indexing::Slices, axis, index)
    }

    /// Elements of this tensor: `y[i][j] = x[index[i][j]][j]` for axis 0. The index has the tensor's shape beside
    /// the axis.
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
        self.gathered("gather", Indexing::Elements, axis, index)
    }

    /// This tensor with the slices of `source` added at the positions in `index` of an axis; a position may come
    /// up more than once. Gradient: `dy` for this tensor, `dy.index_select(axis, index)` for the source.
    ///
    /// PyTorch: `torch.index_add`. JAX: `x.at[index].add(source)`.
    #[track_caller]
    pub fn index_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("index_add", Indexing::Slices, axis, index, source)
    }

    /// This tensor with the elements of `source` added: `x[index[i][j]][j] += source[i][j]` for axis 0.
    /// Gradient: `dy` for this tensor, `dy.gather(axis, index)` for the source.
    ///
    /// PyTorch: `torch.scatter_add`. JAX: `x.at[index].add(source)`.
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("scatter_add", Indexing::Elements, axis, index, source)
    }

    #[track_caller]
    fn gathered(&self, operation: &'static str, what: Indexing, axis: isize, index: &Tensor) -> Tensor {
        match self.axis_or(operation, axis) {
            Ok(axis) => bind(&LinearMap(Gather { what, axis }), &[self, index]),
            Err(invalid) => invalid,
        }
    }

    #[track_caller]
    fn scattered(
        &self,
        operation: &'static str,
        what: Indexing,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
    ) -> Tensor {
        match self.axis_or(operation, axis) {
            Ok(axis) => bind(&LinearMap(Scatter { what, axis }), &[self, index, source]),
            Err(invalid) => invalid,
        }
    }
}

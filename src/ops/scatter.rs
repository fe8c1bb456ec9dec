//! Combining at computed positions: sums and replacements, which are linear. (The others: `scatter_reduce.rs`.)

use std::any::Any;

use super::arithmetic::{Add, IntoOperand, Mul, Neg, Sub};
use super::index::{INDEX, Joined, check_alike_beside, check_index, selected};
use super::linear::{Linear, LinearMap};
use super::movement::Broadcast;
use super::operands::InputSet;
use super::pointwise::{Map, mixed_dtypes};
use super::predicate::{Eq2, Lt, Mapped};
use super::primitive::{Primitive, Residuals};
use super::scatter_reduce::Folded;
use super::select::{Cast, Where};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Combine, Indexing, Kernel, Region};
use crate::graph::{Seen, Value};
use crate::tensor::{DType, Number, Shape, Spec, Tensor};

/// `x0` with `x2` combined into it at the positions `x1` of an axis. Sums and replacements are linear.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Scatter {
    pub(super) what: Indexing,
    pub(super) axis: usize,
    pub(super) combine: Combine,
}

impl Scatter {
    /// The same positions, combined in another way.
    pub(super) fn with(self, combine: Combine) -> Scatter {
        Scatter { combine, ..self }
    }

    pub(super) fn check(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
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

    #[track_caller]
    pub(super) fn bound(self, x: &[&Tensor]) -> Tensor {
        match self.combine {
            Combine::Add | Combine::Replace => bind(&LinearMap(self), x),
            Combine::Mul | Combine::Max | Combine::Min => bind(&Folded(self), x),
        }
    }

    pub(super) fn batched(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        let below = Scatter { axis: self.axis + 1, ..*self };
        let repeated = |i: usize| if batched.contains(i) { x[i].clone() } else { x[i].repeated(size) };
        if self.what == Indexing::Elements {
            return below.bound(&[&repeated(0), &repeated(1), &repeated(2)]);
        }
        if !batched.contains(1) {
            return below.bound(&[&repeated(0), x[1], &repeated(2)]);
        }
        let base = repeated(0);
        let joined = Joined::new(&base, x[1], self.axis, size);
        let index_rank = x[1].spec().shape.rank() - 1;
        let source = (0..self.axis)
            .rev()
            .fold(repeated(2), |y, i| y.movedim(1 + i as isize, (self.axis + index_rank) as isize));
        let sums = Scatter { axis: 0, ..*self }.bound(&[&joined.all, &joined.index, &source]);
        sums.reshape(joined.moved).movedim(1, self.axis as isize + 1)
    }

    /// Where the source's element is the last one for its place: only that stays there. Broadcasts to the source.
    fn stays(&self, index: &Tensor, x: &Spec) -> Tensor {
        let places = index.spec().shape;
        let numbers = Tensor::arange(places.numel() as i64).reshape(places);
        let (table, axis) = match self.what {
            Indexing::Elements => (x.shape, self.axis),
            // Whole slices stay or go.
            Indexing::Slices => (Shape::of(&x.shape[self.axis..=self.axis]), 0),
        };
        let none = Tensor::splat(Spec::new(table, DType::I64), Number::Int(-1));
        let last =
            Scatter { axis, what: self.what, combine: Combine::Replace }.bound(&[&none, index, &numbers]);
        let stays = last.read_at(self.what, axis, index).eq(numbers);
        match self.what {
            Indexing::Elements => stays,
            Indexing::Slices => {
                let after = x.shape.rank() - self.axis - 1;
                let column = [places.to_vec(), vec![1; after]].concat();
                stays.reshape(column)
            }
        }
    }
}

impl Linear for Scatter {
    const NAME: &'static str = "scatter";
    const CONSTANTS: InputSet = INDEX;
    const READS_SPECS: bool = true;

    fn name(&self) -> &'static str {
        match (self.what, self.combine) {
            (Indexing::Slices, Combine::Replace) => "index_copy",
            (Indexing::Slices, _) => "index_add",
            (Indexing::Elements, Combine::Replace) => Self::NAME,
            (Indexing::Elements, _) => "scatter_add",
        }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        self.check(x)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scatter(self.what, self.axis, self.combine)
    }

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        match (self.combine, input) {
            (Combine::Add, 0) => dy.clone(),
            (_, 0) => self.bound(&[dy, at.x(1), &Tensor::splat(*at.spec(2), Number::Int(0))]),
            (Combine::Add, _) => dy.read_at(self.what, self.axis, at.x(1)),
            (_, _) => {
                let read = dy.read_at(self.what, self.axis, at.x(1));
                self.stays(at.x(1), at.spec(0)).where_(read, 0.0)
            }
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        self.batched(x, batched, size)
    }
}

/// `p + s * scatter_add(zeros, index, g)` as `scatter_add(p, index, s * g)`, and with `-` that of `-s * g`; `s` is one
/// number for all elements, known or not. Within rounding.
///
/// Only of what nobody else reads, and of no more elements than `p` has: more would be more work than the sum, and add up
/// at the magnitude of `p`. Not of 16-bit floats, whose sums need more bits than they have.
pub(crate) fn scattered_into(op: &dyn Primitive, x: &[Seen<'_>]) -> Option<Value> {
    let op: &dyn Any = op;
    let (sums, differences) = (op.is::<Map<Add, 2>>(), op.is::<Map<Sub, 2>>());
    if !(sums || differences) || !matches!(x[0].spec().dtype, DType::F32 | DType::F64) {
        return None;
    }
    let sign = if differences { Sign::Minus } else { Sign::Plus };
    into_base(x[0], x[1], sign).or_else(|| if sums { into_base(x[1], x[0], sign) } else { None })
}

/// `scatter_add(zeros, index, v)` with one element a row along the axis, by comparing positions with the index. Bit for bit:
/// what is added to 0 is never -0. The index must be known to be in range.
///
/// Positions are compared in the dtype of `v`, so that one vector register holds as many of them as of elements.
pub(crate) fn placed_by_comparison(x: &[Seen<'_>], axis: usize) -> Option<Value> {
    let (zeros, index, source) = (x[0], x[1], x[2]);
    let (table, of_index) = (*zeros.spec(), *index.spec());
    /// Every position up to this is a number of f32.
    const EXACT: usize = 1 << 24;
    let places = table.shape.dim(axis);
    if !matches!(table.dtype, DType::F32 | DType::F64) || places > EXACT || !zeros.is(0.0) {
        return None;
    }
    let wide = |value: Value| Value::made(&LinearMap(Broadcast(table.shape)), [value]);
    let zero = Value::Splat(of_index, Number::Int(0));
    let below = Value::made(&Mapped(Lt), [index.into(), zero]);
    let from_end = Value::made(&Map(Add), [index.into(), Value::Splat(of_index, Number::from(places))]);
    let counted = Value::made(&LinearMap(Where), [below, from_end, index.into()]);
    let counted = Value::made(&LinearMap(Cast(table.dtype)), [counted]);
    let along = (0..table.shape.rank())
        .fold(table.shape, |shape, other| if other == axis { shape } else { shape.with_dim(other, 1) });
    let positions = Value::Constant(Tensor::arange(places as i64).to_dtype(table.dtype).reshape(along));
    let here = Value::made(&Mapped(Eq2), [wide(positions), wide(counted)]);
    let positive = Value::Splat(*source.spec(), Number::Int(0));
    let added = Value::made(&Map(Add), [source.into(), positive]);
    Some(Value::made(&LinearMap(Where), [here, wide(added), zeros.into()]))
}

/// The sign of what is scattered.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Plus,
    Minus,
}

/// [`scattered_into`] of a base and one of the forms of an update.
fn into_base(base: Seen<'_>, update: Seen<'_>, sign: Sign) -> Option<Value> {
    if !update.is_read_once() {
        return None;
    }
    let (scattered, factor) = match update.made_by::<Map<Mul, 2>>() {
        None => (update, None),
        Some(product) => [(0, 1), (1, 0)].into_iter().find_map(|(scattered, factor)| {
            let scattered = product.x(scattered);
            (scattered.is_read_once() && scattered.made_by::<LinearMap<Scatter>>().is_some())
                .then_some((scattered, Some(product.x(factor))))
        })?,
    };
    let scatter = scattered.made_by::<LinearMap<Scatter>>()?;
    let (zeros, index, source) = (scatter.x(0), scatter.x(1), scatter.x(2));
    let fits = scatter.op.0.combine == Combine::Add
        && (zeros.is(0.0) || zeros.is(-0.0))
        && source.spec().shape.numel() <= base.spec().shape.numel();
    let source = fits.then(|| scaled(source, factor, sign)).flatten()?;
    Some(Value::made(&LinearMap(scatter.op.0), [base.into(), index.into(), source]))
}

/// `source` times a factor that is one number for all elements.
fn scaled(source: Seen<'_>, factor: Option<Seen<'_>>, sign: Sign) -> Option<Value> {
    let signed = |value: Value| match sign {
        Sign::Plus => value,
        Sign::Minus => Value::made(&Map(Neg), [value]),
    };
    let Some(factor) = factor else { return Some(signed(source.into())) };
    if let Some(number) = factor.splat() {
        let number = if sign == Sign::Minus { Number::Float(-number.as_f64()) } else { number };
        return Some(Value::made(&Map(Mul), [source.into(), Value::Splat(*source.spec(), number)]));
    }
    let number = factor.made_by::<LinearMap<Broadcast>>().map(|broadcast| broadcast.x(0));
    let number = number.filter(|number| number.spec().shape.rank() == 0)?;
    let factor = Value::made(&LinearMap(Broadcast(source.spec().shape)), [number.into()]);
    Some(signed(Value::made(&Map(Mul), [source.into(), factor])))
}

impl Tensor {
    /// This tensor with the slices of `source` added at the positions in `index` of an axis; a position may come
    /// up more than once.
    ///
    /// Gradient: `dy` for this tensor, `dy.index_select(axis, index)` for the source.
    ///
    /// PyTorch: `torch.index_add`. JAX: `x.at[..].add`.
    #[track_caller]
    pub fn index_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("index_add", Indexing::Slices, Combine::Add, axis, index, source)
    }

    /// This tensor with the slices of `source` in place of those at the positions in `index` of an axis. Where a
    /// position comes up more than once, the last slice stays.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the source `dy.index_select(axis, index)`, 0 for
    /// slices that were overwritten.
    ///
    /// PyTorch: `torch.index_copy`. JAX: `x.at[..].set`.
    #[track_caller]
    pub fn index_copy(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("index_copy", Indexing::Slices, Combine::Replace, axis, index, source)
    }

    /// This tensor with a number (or tensor of rank 0) at the positions in `index` of an axis.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the value the sum of `dy` there.
    ///
    /// PyTorch: `torch.index_fill`. JAX: `x.at[..].set`.
    #[track_caller]
    pub fn index_fill(&self, axis: isize, index: &Tensor, value: impl IntoOperand) -> Tensor {
        let at = match self.axis_or("index_fill", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        if let Some(rank) =
            value.as_tensor().filter(|value| value.error().is_none()).map(|v| v.spec().shape.rank())
            && rank > 0
        {
            let message = format!("the value is a number or a tensor of rank 0, got rank {rank}");
            return misuse("index_fill", &[self, index], Misfit::shape(message).help("see `index_copy`"));
        }
        if index.error().is_some() {
            return index.clone();
        }
        let part = match selected(&self.spec().shape, at, &index.spec().shape) {
            Ok(shape) => Tensor::splat(self.spec().with_shape(shape), Number::Int(0)),
            Err(misfit) => return misuse("index_fill", &[self, index], misfit),
        };
        let value = value.operand_for(&part, "index_fill").broadcast_shape(part.spec().shape);
        self.scattered("index_fill", Indexing::Slices, Combine::Replace, axis, index, &value)
    }

    /// This tensor with the elements of `source` added: `x[index[i][j]][j] += source[i][j]` for axis 0. Index and
    /// source have the same shape, of the tensor's rank; where they are shorter beside the axis, only the first
    /// positions there are added to.
    ///
    /// Gradient: `dy` for this tensor, `dy.gather(axis, index)` for the source.
    ///
    /// PyTorch: `torch.scatter_add`. JAX: `x.at[..].add`.
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("scatter_add", Indexing::Elements, Combine::Add, axis, index, source)
    }

    /// This tensor with the elements of `source` put in: `x[index[i][j]][j] = source[i][j]` for axis 0. Index and
    /// source have the same shape, of the tensor's rank; where they are shorter beside the axis, only the first
    /// positions there are written. A number stands for a source of it. Where several elements go to one place, the last
    /// in row-major order stays.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the source `dy.gather(axis, index)`, 0 for elements
    /// that were overwritten.
    ///
    /// PyTorch: `torch.scatter`. JAX: `x.at[..].set`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (x, i) = (Tensor::zeros([2, 3]), Tensor::from([[2i64], [0]]));
    /// assert_eq!(x.scatter(1, &i, 1.0).to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter(&self, axis: isize, index: &Tensor, source: impl IntoOperand) -> Tensor {
        if self.error().is_some() || index.error().is_some() {
            return if self.error().is_some() { self.clone() } else { index.clone() };
        }
        let like = Tensor::splat(self.spec().with_shape(index.spec().shape), Number::Int(0));
        let source = source.operand_for(&like, "scatter");
        self.scattered("scatter", Indexing::Elements, Combine::Replace, axis, index, &source)
    }

    #[track_caller]
    fn scattered(
        &self,
        operation: &'static str,
        what: Indexing,
        combine: Combine,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
    ) -> Tensor {
        let axis = match self.axis_or(operation, axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        let scatter = Scatter { what, axis, combine };
        match what {
            Indexing::Slices => scatter.bound(&[self, index, source]),
            Indexing::Elements => {
                let part = self.corner_beside(axis, index);
                self.around(scatter.bound(&[&part, index, source]))
            }
        }
    }

    /// This tensor with a corner of it replaced.
    #[track_caller]
    pub(super) fn around(&self, corner: Tensor) -> Tensor {
        if corner.error().is_some() || corner.spec().shape == self.spec().shape {
            return corner;
        }
        self.with_region(Region::corner(self.spec().shape.rank()), &corner)
    }
}

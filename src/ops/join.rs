//! Putting tensors into larger ones: pad, cat, update.

use super::dot::Dot;
use super::linear::{Linear, LinearMap};
use super::movement::{Permute, Reshape, too_many_axes};
use super::operands::InputSet;
use super::pointwise::mixed_dtypes;
use super::primitive::Residuals;
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Base, Kernel, Region, Regions};
use crate::graph::{Seen, Value};
use crate::tensor::{Number, Shape, Spec, Tensor};

/// Zeros of the given shape with the input written into a region.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    region: Region,
    shape: Shape,
}

impl Linear for Place {
    const NAME: &'static str = "place";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(x[0].with_shape(self.shape))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Place(Base::Fill(Number::Int(0)), Regions::One(&self.region))
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        dy.slice_region(self.region.clone(), at.spec(0).shape)
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, size: usize) -> Tensor {
        match self.shape.with_axis(0, size) {
            Some(shape) => bind(&LinearMap(Place { region: self.region.with_whole_axis(), shape }), x),
            None => misuse(Self::NAME, x, too_many_axes()),
        }
    }
}

/// The inputs one after the other along an axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Cat {
    axis: usize,
}

impl Linear for Cat {
    const NAME: &'static str = "cat";
    const READS_SPECS: bool = true;

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let first = *x[0];
        let mut total = 0;
        for spec in x {
            if spec.dtype != first.dtype {
                return Err(mixed_dtypes(first.dtype, spec.dtype));
            }
            let (a, b) = (first.shape, spec.shape);
            if a.rank() != b.rank() || a.with_dim(self.axis, 0) != b.with_dim(self.axis, 0) {
                return Err(Misfit::shape(format!("shapes {a} and {b} differ beside axis {}", self.axis)));
            }
            total += b.dim(self.axis);
        }
        let mut dims = first.shape.to_vec();
        dims[self.axis] = total;
        Ok(first.with_shape(Shape::checked(&dims).map_err(Misfit::shape)?))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Place(Base::Fill(Number::Int(0)), Regions::Joined(self.axis))
    }

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        let start: usize = (0..input).map(|i| at.spec(i).shape.dim(self.axis)).sum();
        dy.narrow(self.axis as isize, start, at.spec(input).shape.dim(self.axis))
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        super::pointwise::bind_repeated(&LinearMap(Cat { axis: self.axis + 1 }), x, batched, size)
    }
}

/// Values one after the other along an axis. Of values that are permuted alike it is made before they are, so that rows
/// are copied as they lie.
pub(super) fn cat_of(parts: &[Seen<'_>], axis: usize) -> Value {
    let permuted =
        parts.first().and_then(|part| part.made_by::<LinearMap<Permute>>()).map(|permuted| permuted.op);
    let sources = permuted.and_then(|op| {
        let source = |part: &Seen<'_>| {
            part.made_by::<LinearMap<Permute>>().filter(|p| p.op == op).map(|p| p.x(0).into())
        };
        parts.iter().map(source).collect::<Option<Vec<Value>>>()
    });
    match (permuted, sources) {
        (Some(op), Some(sources)) => {
            let cat = Value::made(&LinearMap(Cat { axis: op.0.source(axis) }), sources);
            Value::made(op, [cat])
        }
        _ => {
            let parts: Vec<Value> = parts.iter().copied().map(Value::from).collect();
            Value::made(&LinearMap(Cat { axis }), parts)
        }
    }
}

/// A part of a larger tensor: where it begins along the axis that it does not fill.
#[derive(Clone, Copy)]
struct Part<'g> {
    start: usize,
    x: Seen<'g>,
}

/// The sum of parts written into zeros at different places, joined; gaps between them are zeros. None if they overlap, or
/// are not whole but for one axis, the same for all.
pub(super) fn joined(sums: &[Seen<'_>]) -> Option<Value> {
    let spec = sums.first().filter(|_| sums.len() > 1)?.spec();
    let places = || sums.iter().filter_map(|sum| sum.made_by::<LinearMap<Place>>());
    let short = |part: Seen<'_>, axis: &usize| part.spec().shape[*axis] != spec.shape[*axis];
    let axis = (0..spec.shape.rank()).find(|axis| places().any(|place| short(place.x(0), axis)))?;
    let mut parts = Vec::with_capacity(sums.len());
    for place in places() {
        let (region, x) = (&place.op.0.region, place.x(0));
        let whole = (0..spec.shape.rank()).all(|other| other == axis || !short(x, &other));
        if !whole || region.step.iter().any(|&step| step != 1) {
            return None;
        }
        parts.push(Part { start: usize::try_from(region.start[axis]).ok()?, x });
    }
    parts.sort_by_key(|part| part.start);
    if let Some(product) = one_product_of_rows(spec, axis, &parts) {
        return Some(product);
    }
    let zeros = |len: usize| Value::Splat(spec.with_shape(spec.shape.with_dim(axis, len)), Number::Int(0));
    let (mut values, mut end) = (Vec::with_capacity(parts.len()), 0);
    for part in &parts {
        let gap = part.start.checked_sub(end)?;
        if gap > 0 {
            values.push(zeros(gap));
        }
        values.push(part.x.into());
        end = part.start + part.x.spec().shape.dim(axis);
    }
    if end < spec.shape.dim(axis) {
        values.push(zeros(spec.shape.dim(axis) - end));
    }
    Some(Value::made(&LinearMap(Cat { axis }), values))
}

/// Matrices stacked along an axis that are products with the same right operand, as one product of all their rows.
fn one_product_of_rows(spec: &Spec, axis: usize, parts: &[Part<'_>]) -> Option<Value> {
    let filled = spec.shape.rank() == 3 && axis < 2 && parts.len() == spec.shape.dim(axis);
    if !filled || parts.iter().enumerate().any(|(at, part)| part.start != at) {
        return None;
    }
    let matrix = spec.shape.without(axis);
    let operands = parts.iter().map(|part| product_behind(part.x, matrix)).collect::<Option<Vec<_>>>()?;
    let right = operands[0][1];
    if operands.iter().any(|pair| pair[1] != right) {
        return None;
    }
    let rows: Vec<Seen<'_>> = operands.iter().map(|pair| pair[0]).collect();
    let product = Value::made(&Dot, [cat_of(&rows, 0), right.into()]);
    let stacked = Shape::of(&[parts.len() as u32, matrix[0], matrix[1]]);
    let stacked = Value::made(&LinearMap(Reshape(stacked)), [product]);
    let order = if axis == 0 { [0, 1, 2] } else { [1, 0, 2] };
    Some(Value::made(&LinearMap(Permute::new(order)), [stacked]))
}

/// The operands of a product of this shape, if that and nothing else is what the value shows under another shape.
fn product_behind<'g>(value: Seen<'g>, shape: Shape) -> Option<[Seen<'g>; 2]> {
    let product = value.made_by::<LinearMap<Reshape>>().filter(|_| value.is_read_once())?.x(0);
    let alone = product.is_read_once() && product.spec().shape == shape;
    product.made_by::<Dot>().filter(|_| alone).map(|dot| [dot.x(0), dot.x(1)])
}

/// `x0` with a region of it replaced by `x1`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Update(Region);

impl Linear for Update {
    const NAME: &'static str = "update";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if x[0].dtype != x[1].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[1].dtype));
        }
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Place(Base::First, Regions::One(&self.0))
    }

    const READS_SPECS: bool = true;

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        let value = at.spec(1);
        if input == 1 {
            return dy.slice_region(self.0.clone(), value.shape);
        }
        dy.with_region(self.0.clone(), &Tensor::splat(*value, 0.0.into()))
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        super::pointwise::bind_repeated(&LinearMap(Update(self.0.with_whole_axis())), x, batched, size)
    }
}

impl Tensor {
    /// Zeros of the given shape with this tensor in a region of it.
    #[track_caller]
    pub(crate) fn placed_in_zeros(&self, shape: Shape, region: Region) -> Tensor {
        bind(&LinearMap(Place { region, shape }), &[self])
    }

    /// This tensor with a region replaced by `value`, which has the region's shape.
    #[track_caller]
    pub(crate) fn with_region(&self, region: Region, value: &Tensor) -> Tensor {
        bind(&LinearMap(Update(region)), &[self, value])
    }

    /// As [`Tensor::with_region`]; this tensor's memory is reused when nobody else sees it.
    #[track_caller]
    pub(crate) fn into_with_region(self, region: Region, value: &Tensor) -> Tensor {
        crate::autodiff::level::bind_dying(&LinearMap(Update(region)), &[&self, value], InputSet::one(0))
    }

    /// The tensor with `value` around it: `padding` is how many positions to add before and after each axis. Other ways
    /// to fill them: [`Tensor::pad_with`].
    ///
    /// Gradient: the part of `dy` where the tensor lies.
    ///
    /// PyTorch: `torch.nn.functional.pad`. JAX: `jnp.pad`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, 2.0]).pad([(1, 2)], 0.0);
    /// assert_eq!(x.to_vec::<f64>()?, [0.0, 1.0, 2.0, 0.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, padding: impl AsRef<[(usize, usize)]>, value: impl Into<Number>) -> Tensor {
        let (padding, value) = (padding.as_ref(), value.into());
        let shape = match self.padded_shape("pad", padding) {
            Ok(shape) => shape,
            Err(invalid) => return invalid,
        };
        let spec = *self.spec();
        if !value.fits(spec.dtype) {
            let message = format!("the number {} is no {}", value.as_f64(), spec.dtype);
            return misuse("pad", &[self], Misfit::dtype(message));
        }
        let start = padding.iter().map(|&(before, _)| before as i64).collect();
        let region = Region { start, step: vec![1; padding.len()] };
        if value.as_f64() == 0.0 {
            return self.placed_in_zeros(shape, region);
        }
        Tensor::splat(spec.with_shape(shape), value).with_region(region, self)
    }

    /// The shape with positions added before and after each axis.
    #[track_caller]
    pub(super) fn padded_shape(
        &self,
        operation: &'static str,
        padding: &[(usize, usize)],
    ) -> Result<Shape, Tensor> {
        if self.error().is_some() {
            return Err(self.clone());
        }
        let shape = self.spec().shape;
        if padding.len() != shape.rank() {
            let message = format!("padding for {} axes of a tensor with {}", padding.len(), shape.rank());
            let misfit = Misfit::shape(message).help("give one (before, after) pair an axis");
            return Err(misuse(operation, &[self], misfit));
        }
        let dims: Vec<usize> = padding
            .iter()
            .zip(&*shape)
            .map(|(&(before, after), &dim)| before.saturating_add(dim as usize).saturating_add(after))
            .collect();
        match Shape::checked(&dims) {
            Ok(shape) => Ok(shape),
            Err(message) => Err(misuse(operation, &[self], Misfit::shape(message))),
        }
    }

    /// Tensors one after the other along an axis; they have equal lengths along all others. Numbers (tensors of rank 0)
    /// may stand among vectors, or alone: each is a vector of length 1.
    ///
    /// Gradient: each gets its part of `dy`.
    ///
    /// PyTorch: `torch.cat`. JAX: `jnp.concatenate`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, b) = (Tensor::from([1.0]), Tensor::from([2.0, 3.0]));
    /// assert_eq!(Tensor::cat(&[a, b.clone()], 0).to_vec::<f64>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!(Tensor::cat(&[b.sum(), b], 0).to_vec::<f64>()?, [5.0, 2.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cat(tensors: &[Tensor], axis: isize) -> Tensor {
        let Some(first) = tensors.first() else {
            return misuse("cat", &[], Misfit::shape("needs at least one tensor"));
        };
        let refs: Vec<&Tensor> = tensors.iter().collect();
        if let Some(invalid) = refs.iter().find(|x| x.error().is_some()) {
            return (*invalid).clone();
        }
        let ranks = || refs.iter().map(|x| x.spec().shape.rank());
        if ranks().any(|rank| rank == 0) && ranks().all(|rank| rank < 2) {
            let mut vectors = Vec::with_capacity(refs.len());
            for x in tensors {
                vectors.push(if x.spec().shape.rank() == 0 { x.reshape([1]) } else { x.clone() });
            }
            return Tensor::cat(&vectors, axis);
        }
        match first.axis_or("cat", axis) {
            Ok(axis) => bind(&LinearMap(Cat { axis }), &refs),
            Err(invalid) => invalid,
        }
    }
}

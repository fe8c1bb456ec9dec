//! Moving elements without arithmetic: reshape, permute, broadcast, slice. All are views where strides allow it.

use super::linear::{Linear, LinearMap};
use super::operands::InputSet;
use super::primitive::Residuals;
use super::reduce::IntoAxes;
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Kernel, Region, View};
use crate::graph::{Seen, Value};
use crate::tensor::{AxisSet, IntoShape, MAX_RANK, Shape, Spec, Tensor};

/// The elements in row-major order under another shape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Reshape(pub(super) Shape);

impl Linear for Reshape {
    const NAME: &'static str = "reshape";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if x[0].shape.numel() != self.0.numel() {
            let (from, to) = (x[0].shape, self.0);
            let message = format!("{} elements of {from} do not fill {to} ({})", from.numel(), to.numel());
            return Err(Misfit::shape(message));
        }
        Ok(x[0].with_shape(self.0))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Reshape)
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        dy.reshape(at.spec(0).shape)
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, size: usize) -> Tensor {
        match self.0.with_axis(0, size) {
            Some(shape) => bind(&LinearMap(Reshape(shape)), x),
            None => misuse(Self::NAME, x, too_many_axes()),
        }
    }

    /// To the shape that is there already it is nothing; of another reshape it is one.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if x[0].spec().shape == self.0 {
            return Some(x[0].into());
        }
        let inner = x[0].made_by::<LinearMap<Reshape>>()?;
        Some(Value::made(&LinearMap(*self), [inner.x(0).into()]))
    }
}

impl Reshape {
    /// Whether it only puts axes of length 1 before those of `x`.
    fn only_leads(&self, x: Seen<'_>) -> bool {
        let from = x.spec().shape;
        let lead = self.0.rank().checked_sub(from.rank());
        lead.is_some_and(|lead| self.0[..lead].iter().all(|&dim| dim == 1) && self.0[lead..] == *from)
    }
}

/// The refusal of a result with more than `MAX_RANK` axes, or beyond all memory.
pub(crate) fn too_many_axes() -> Box<Misfit> {
    Misfit::shape(format!(
        "the result would have more than {MAX_RANK} axes (vmap adds one), or too many elements"
    ))
}

/// Axis `i` of the result is axis `order[i]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Permute {
    /// Entries past the rank are their own index.
    order: [u8; MAX_RANK],
}

impl Permute {
    /// Where axis `i` of the result comes from.
    pub(super) fn source(&self, axis: usize) -> usize {
        self.order[axis].into()
    }

    pub(super) fn new(order: impl IntoIterator<Item = usize>) -> Permute {
        let mut permute = Permute { order: std::array::from_fn(|i| i as u8) };
        for (slot, axis) in permute.order.iter_mut().zip(order) {
            *slot = axis as u8;
        }
        permute
    }
}

impl Linear for Permute {
    const NAME: &'static str = "permute";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let mut dims = [0; MAX_RANK];
        let rank = x[0].shape.rank();
        for (dim, &axis) in dims.iter_mut().zip(&self.order[..rank]) {
            *dim = x[0].shape[axis as usize];
        }
        Ok(x[0].with_shape(Shape::of(&dims[..rank])))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Permute(&self.order))
    }

    fn transpose(&self, _: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let mut inverse = Permute::new([]);
        for (to, &from) in self.order.iter().enumerate() {
            inverse.order[from as usize] = to as u8;
        }
        bind(&LinearMap(inverse), &[dy])
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        let rest = self.order[..MAX_RANK - 1].iter().map(|&axis| axis as usize + 1);
        bind(&LinearMap(Permute::new(std::iter::once(0).chain(rest))), x)
    }

    /// The order that is there already is no permutation; one of another is one.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if *self == Permute::new([]) {
            return Some(x[0].into());
        }
        let inner = x[0].made_by::<LinearMap<Permute>>()?;
        let order = self.order.map(|axis| usize::from(inner.op.0.order[usize::from(axis)]));
        Some(Value::made(&LinearMap(Permute::new(order)), [inner.x(0).into()]))
    }
}

/// The tensor repeated along new leading axes and axes of length 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Broadcast(pub(super) Shape);

impl Linear for Broadcast {
    const NAME: &'static str = "broadcast_to";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if x[0].shape.broadcast(self.0) != Some(self.0) {
            return Err(Misfit::shape(format!("shape {} does not broadcast to {}", x[0].shape, self.0)));
        }
        Ok(x[0].with_shape(self.0))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Broadcast)
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let shape = at.spec(0).shape;
        let lead = self.0.rank() - shape.rank();
        let repeated: AxisSet =
            (0..self.0.rank()).filter(|&a| a < lead || shape[a - lead] != self.0[a]).collect();
        dy.sum_axes(repeated).reshape(shape)
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, size: usize) -> Tensor {
        let Some(shape) = self.0.with_axis(0, size) else { return misuse(Self::NAME, x, too_many_axes()) };
        // The example's axes align at the last: axes of length 1 between it and the batch axis.
        let own = x[0].spec().shape;
        let gap = shape.rank() - own.rank();
        let aligned =
            (0..gap).fold(own, |aligned, _| aligned.with_axis(1, 1).expect("not more than `shape` has"));
        bind(&LinearMap(Broadcast(shape)), &[&x[0].reshape(aligned)])
    }

    /// To the shape that is there already it is nothing; of another broadcast, or of new leading axes, it is one.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if x[0].spec().shape == self.0 {
            return Some(x[0].into());
        }
        let broadcast = x[0].made_by::<LinearMap<Broadcast>>().map(|inner| inner.x(0));
        let reshape =
            || x[0].made_by::<LinearMap<Reshape>>().filter(|inner| inner.op.0.only_leads(inner.x(0)));
        let source = broadcast.or_else(|| reshape().map(|inner| inner.x(0)))?;
        Some(Value::made(&LinearMap(*self), [source.into()]))
    }
}

/// A regular grid of positions: `start + i * step` along each axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Slice {
    region: Region,
    shape: Shape,
}

impl Linear for Slice {
    const NAME: &'static str = "slice";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(x[0].with_shape(self.shape))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Slice(&self.region))
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        dy.placed_in_zeros(at.spec(0).shape, self.region.clone())
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, size: usize) -> Tensor {
        let shape = self.shape.with_axis(0, size).expect("the input has the axis too");
        bind(&LinearMap(Slice { region: self.region.with_whole_axis(), shape }), x)
    }

    /// All positions in order are the tensor itself; a grid of a grid is one.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if x[0].spec().shape == self.shape && self.region == Region::corner(self.shape.rank()) {
            return Some(x[0].into());
        }
        let inner = x[0].made_by::<LinearMap<Slice>>()?;
        let slice = Slice { region: self.region.within(&inner.op.0.region), shape: self.shape };
        Some(Value::made(&LinearMap(slice), [inner.x(0).into()]))
    }
}

impl Region {
    /// The same region of each example: all positions of a new first axis.
    pub(crate) fn with_whole_axis(&self) -> Region {
        let mut region = self.clone();
        region.start.insert(0, 0);
        region.step.insert(0, 1);
        region
    }

    /// These positions of another region, as positions of what that is a region of.
    fn within(&self, outer: &Region) -> Region {
        let axes = || self.start.iter().zip(&self.step).zip(outer.start.iter().zip(&outer.step));
        Region {
            start: axes().map(|((start, _), (outer, step))| outer + start * step).collect(),
            step: axes().map(|((_, step), (_, outer))| step * outer).collect(),
        }
    }

    /// The first positions of each axis.
    pub(crate) fn corner(rank: usize) -> Region {
        Region { start: vec![0; rank], step: vec![1; rank] }
    }
}

impl Tensor {
    /// The elements in row-major order under another shape with as many elements. One axis may be given as
    /// [`INFER`], its length is what remains.
    ///
    /// Gradient: `dx = dy.reshape(x.shape())`.
    ///
    /// PyTorch: `torch.reshape`. JAX: `jnp.reshape`.
    ///
    /// ```
    /// # use retrograd::{Tensor, INFER};
    /// let x = Tensor::arange(6).reshape([2, INFER]);
    /// assert_eq!(x.shape(), [2, 3]);
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Tensor {
        let shape = match shape.into_shape() {
            Ok(shape) => shape,
            Err(message) => return misuse("reshape", &[self], Misfit::shape(message)),
        };
        if self.error().is_some() || self.spec().shape == shape {
            return self.clone();
        }
        match completed(shape, self.spec().shape) {
            Ok(shape) => bind(&LinearMap(Reshape(shape)), &[self]),
            Err(misfit) => misuse("reshape", &[self], misfit),
        }
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]`; negative axes count from the end.
    ///
    /// Gradient: the inverse order.
    ///
    /// PyTorch: `torch.permute`. JAX: `jnp.transpose`.
    #[track_caller]
    pub fn permute(&self, order: impl IntoAxes) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let (shape, order) = (self.spec().shape, order.as_axes());
        let axes: Vec<usize> = order.iter().filter_map(|&axis| shape.axis(axis)).collect();
        let distinct: AxisSet = axes.iter().copied().collect();
        let rank = shape.rank();
        if axes.len() != rank || order.len() != rank || distinct != AxisSet::all(rank) {
            let message = format!("{order:?} is no order of the {rank} axes of {shape}");
            return misuse("permute", &[self], Misfit::shape(message).help("name every axis once"));
        }
        bind(&LinearMap(Permute::new(axes)), &[self])
    }

    /// Two axes exchanged; negative axes count from the end. Gradient: the same exchange.
    ///
    /// PyTorch: `torch.transpose`. JAX: `jnp.swapaxes`.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor {
        let (a, b) = match (self.axis_or("transpose", a), self.axis_or("transpose", b)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(invalid), _) | (_, Err(invalid)) => return invalid,
        };
        let mut permute = Permute::new([]);
        permute.order.swap(a, b);
        bind(&LinearMap(permute), &[self])
    }

    /// The last two axes exchanged: the transpose of a matrix, or of a batch of them. Gradient: the same exchange.
    ///
    /// PyTorch: `torch.Tensor.mT`. JAX: `jnp.matrix_transpose`.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        self.transpose(-2, -1)
    }

    /// An axis moved to another place, the others keeping their order. Gradient: moved back.
    ///
    /// PyTorch: `torch.movedim`. JAX: `jnp.moveaxis`.
    #[track_caller]
    pub fn movedim(&self, from: isize, to: isize) -> Tensor {
        let (from, to) = match (self.axis_or("movedim", from), self.axis_or("movedim", to)) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(invalid), _) | (_, Err(invalid)) => return invalid,
        };
        if from == to {
            return self.clone();
        }
        let mut order: Vec<usize> = (0..self.spec().shape.rank()).collect();
        let axis = order.remove(from);
        order.insert(to, axis);
        bind(&LinearMap(Permute::new(order)), &[self])
    }

    /// The tensor repeated, without copying, to a shape that it broadcasts to (NumPy's rules).
    ///
    /// Gradient: summed over the repeated axes.
    ///
    /// PyTorch: `torch.broadcast_to`. JAX: `jnp.broadcast_to`.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Tensor {
        match shape.into_shape() {
            Ok(shape) => self.broadcast_shape(shape),
            Err(message) => misuse("broadcast_to", &[self], Misfit::shape(message)),
        }
    }

    #[track_caller]
    pub(crate) fn broadcast_shape(&self, shape: Shape) -> Tensor {
        if self.error().is_some() || self.spec().shape == shape {
            return self.clone();
        }
        bind(&LinearMap(Broadcast(shape)), &[self])
    }

    /// `size` copies along a new first axis, without copying.
    pub(crate) fn repeated(&self, size: usize) -> Tensor {
        match self.spec().shape.with_axis(0, size) {
            Some(shape) => self.broadcast_shape(shape),
            None => misuse("vmap", &[self], too_many_axes()),
        }
    }

    /// The positions `region` of a grid with the given shape; the caller has checked that they exist.
    #[track_caller]
    pub(crate) fn slice_region(&self, region: Region, shape: Shape) -> Tensor {
        bind(&LinearMap(Slice { region, shape }), &[self])
    }

    /// The elements in reverse order along the axes. Gradient: reversed back.
    ///
    /// PyTorch: `torch.flip`. JAX: `jnp.flip`.
    #[track_caller]
    pub fn flip(&self, axes: impl IntoAxes) -> Tensor {
        let axes = match self.axes_or("flip", axes.as_axes()) {
            Ok(axes) => axes,
            Err(invalid) => return invalid,
        };
        let shape = self.spec().shape;
        let backward = |axis: usize| axes.contains(axis);
        let start =
            (0..shape.rank()).map(|a| if backward(a) { i64::from(shape[a]) - 1 } else { 0 }).collect();
        let step = (0..shape.rank()).map(|a| if backward(a) { -1 } else { 1 }).collect();
        self.slice_region(Region { start, step }, shape)
    }

    /// `len` positions of an axis from `start` on. Gradient: zero elsewhere.
    ///
    /// PyTorch: `torch.narrow`. JAX: `jax.lax.slice_in_dim`.
    #[track_caller]
    pub fn narrow(&self, axis: isize, start: usize, len: usize) -> Tensor {
        let axis = match self.axis_or("narrow", axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        let shape = self.spec().shape;
        let end = start.saturating_add(len);
        if end > shape.dim(axis) {
            let message = format!("positions {start}..{end} of axis {axis}, which has {}", shape[axis]);
            return misuse("narrow", &[self], Misfit::shape(message));
        }
        let mut region = Region { start: vec![0; shape.rank()], step: vec![1; shape.rank()] };
        region.start[axis] = start as i64;
        self.slice_region(region, shape.with_dim(axis, len))
    }

    /// `axis` as an index, or the invalid tensor that says it is out of range.
    #[track_caller]
    pub(crate) fn axis_or(&self, operation: &'static str, axis: isize) -> Result<usize, Tensor> {
        if self.error().is_some() {
            return Err(self.clone());
        }
        let shape = self.spec().shape;
        match shape.axis(axis) {
            Some(axis) => Ok(axis),
            None => {
                let message = format!("axis {axis} of a tensor with {} axes, {shape}", shape.rank());
                Err(misuse(operation, &[self], Misfit::shape(message)))
            }
        }
    }

    /// Distinct axes as a set.
    #[track_caller]
    pub(crate) fn axes_or(&self, operation: &'static str, axes: &[isize]) -> Result<AxisSet, Tensor> {
        let mut set = AxisSet::default();
        for &axis in axes {
            if !set.insert(self.axis_or(operation, axis)?) {
                let message = format!("axis {axis} is named twice in {axes:?}");
                return Err(misuse(operation, &[self], Misfit::shape(message)));
            }
        }
        Ok(set)
    }
}

/// A length in [`Tensor::reshape`] that follows from the others.
pub const INFER: usize = u32::MAX as usize;

/// `shape` with an [`INFER`]red length filled in.
pub(crate) fn completed(shape: Shape, from: Shape) -> Result<Shape, Box<Misfit>> {
    let unknown: Vec<usize> = (0..shape.rank()).filter(|&axis| shape.dim(axis) == INFER).collect();
    match unknown[..] {
        [] => Ok(shape),
        [axis] => {
            let known: usize = shape.without(axis).numel();
            if known == 0 || !from.numel().is_multiple_of(known) {
                let message = format!("{} elements of {from} do not divide by {known}", from.numel());
                return Err(Misfit::shape(message));
            }
            Ok(shape.with_dim(axis, from.numel() / known))
        }
        _ => Err(Misfit::shape("only one length can be inferred")),
    }
}

impl Tensor {
    /// Axes in the order given, which names each once.
    #[track_caller]
    pub(crate) fn permute_axes(&self, order: &[usize]) -> Tensor {
        bind(&LinearMap(Permute::new(order.iter().copied())), &[self])
    }

    /// Without an axis whose length is 1.
    #[track_caller]
    pub(crate) fn squeeze_axis(&self, axis: usize) -> Tensor {
        if self.error().is_some() { self.clone() } else { self.reshape(self.spec().shape.without(axis)) }
    }
}

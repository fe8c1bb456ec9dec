//! Reductions over any axes: sum, product, extremes and their positions.

use super::linear::{Linear, LinearMap};
use super::movement::Reshape;
use super::operands::{InputSet, Outputs};
use super::pointwise::Domain;
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Fold, Kernel};
use crate::graph::{Seen, Value};
use crate::tensor::{AxisSet, DType, Shape, Spec, Tensor};

/// Axes, or other numbers of which there is one an axis: one (`-1`) or several (`[0, 2]`, a slice, a vector). Negative
/// axes count from the end.
pub trait IntoAxes {
    /// The axes as given.
    #[doc(hidden)]
    fn as_axes(&self) -> &[isize];
}

impl IntoAxes for isize {
    fn as_axes(&self) -> &[isize] {
        std::slice::from_ref(self)
    }
}

impl<const N: usize> IntoAxes for [isize; N] {
    fn as_axes(&self) -> &[isize] {
        self
    }
}

impl IntoAxes for &[isize] {
    fn as_axes(&self) -> &[isize] {
        self
    }
}

impl IntoAxes for Vec<isize> {
    fn as_axes(&self) -> &[isize] {
        self
    }
}

impl IntoAxes for &Vec<isize> {
    fn as_axes(&self) -> &[isize] {
        self
    }
}

/// The sum over axes, which go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Sum(AxisSet);

impl Linear for Sum {
    const NAME: &'static str = "sum";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        Ok(x[0].with_shape(self.0.remove_from(&x[0].shape)))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Reduce(Fold::Sum, self.0)
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let shape = at.spec(0).shape;
        dy.reshape(self.0.keep_in(&shape)).broadcast_shape(shape)
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        bind(&LinearMap(Sum(self.0.shifted_past(0))), x)
    }
}

/// Product, greatest or least element over axes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Reduce {
    fold: Fold,
    axes: AxisSet,
}

impl Reduce {
    /// A value of the output's shape, repeated along the reduced axes.
    fn spread(&self, y: &Tensor, x: &Spec) -> Tensor {
        y.reshape(self.axes.keep_in(&x.shape)).broadcast_shape(x.shape)
    }

    /// `dy/dx` of each element: the product of all others, or an even share among the extreme elements.
    fn slope(&self, at: &Residuals<'_>) -> Tensor {
        let x = at.x(0);
        if self.fold == Fold::Prod {
            return products_of_others(x, self.axes);
        }
        let hit = x.eq(self.spread(at.y(), x.spec())).to_dtype(x.spec().dtype);
        let hits = bind(&LinearMap(Sum(self.axes)), &[&hit]);
        &hit / self.spread(&hits, x.spec())
    }
}

impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        match self.fold {
            Fold::Prod => "prod",
            Fold::Max => "amax",
            _ => "amin",
        }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        if self.fold != Fold::Prod {
            refuse_empty(x[0], self.axes)?;
        }
        Ok(x[0].with_shape(self.axes.remove_from(&x[0].shape)))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Reduce(self.fold, self.axes)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: self.fold != Fold::Prod, ..Reads::inputs(InputSet::one(0)) })
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|dx| bind(&LinearMap(Sum(self.axes)), &[&(dx * self.slope(at))]));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        dx[0] = dy[0].map(|dy| self.spread(dy, at.x(0).spec()) * self.slope(at));
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(&Reduce { axes: self.axes.shifted_past(0), ..*self }, x))
    }

    /// Of one element it is that element. (A sum is not: 0 + -0 is 0.)
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let shape = x[0].spec().shape;
        let single = self.axes.iter().all(|axis| shape[axis] == 1);
        single.then(|| Value::made(&LinearMap(Reshape(self.axes.remove_from(&shape))), [x[0].into()]))
    }
}

/// For each element the product of all others along the axes, without dividing, so zeros are no special case:
/// in pairs, the others of `a` are `b` and the others of the pair `ab`.
fn products_of_others(x: &Tensor, axes: AxisSet) -> Tensor {
    /// Of a matrix, along its rows.
    fn along_rows(x: &Tensor) -> Tensor {
        let (rows, n) = (x.spec().shape.dim(0), x.spec().shape.dim(1));
        if n <= 1 {
            return Tensor::splat(*x.spec(), 1.0.into());
        }
        let even = if n % 2 == 0 {
            x.clone()
        } else {
            let one = Tensor::splat(x.spec().with_shape(Shape::of(&[rows as u32, 1])), 1.0.into());
            Tensor::cat(&[x.clone(), one], -1)
        };
        let pairs = even.reshape([rows, n.div_ceil(2), 2]);
        let (a, b) = (pairs.narrow(-1, 0, 1), pairs.narrow(-1, 1, 1));
        let others = along_rows(&(&a * &b).squeeze_axis(2)).unsqueeze(-1);
        let both = Tensor::cat(&[&others * b, others * a], -1);
        both.reshape(even.spec().shape).narrow(-1, 0, n)
    }
    let shape = x.spec().shape;
    let kept = (0..shape.rank()).filter(|&axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter()).collect();
    let moved = x.permute_axes(&order);
    let rows = axes.remove_from(&shape).numel();
    let n: usize = axes.iter().map(|axis| shape.dim(axis)).product();
    let others = along_rows(&moved.reshape([rows, n])).reshape(moved.spec().shape);
    let mut back = vec![0; order.len()];
    for (to, &from) in order.iter().enumerate() {
        back[from] = to;
    }
    others.permute_axes(&back)
}

fn refuse_empty(x: &Spec, axes: AxisSet) -> Result<(), Box<Misfit>> {
    match axes.iter().find(|&axis| x.shape[axis] == 0) {
        Some(axis) => {
            Err(Misfit::shape(format!("axis {axis} of {} is empty, nothing is its extreme", x.shape)))
        }
        None => Ok(()),
    }
}

/// Position (i64) of the first greatest or least element along an axis, which goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ArgReduce {
    fold: Fold,
    axis: usize,
}

impl Primitive for ArgReduce {
    fn name(&self) -> &'static str {
        if self.fold == Fold::ArgMax { "argmax" } else { "argmin" }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        refuse_empty(x[0], AxisSet::one(self.axis))?;
        Ok(Spec::new(x[0].shape.without(self.axis), DType::I64))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Reduce(self.fold, AxisSet::one(self.axis))
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

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(&ArgReduce { axis: self.axis + 1, ..*self }, x))
    }
}

/// Whether any, or all, of truth values are true, over axes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Truth {
    /// `Max` for any, `Min` for all.
    fold: Fold,
    axes: AxisSet,
}

impl Primitive for Truth {
    fn name(&self) -> &'static str {
        if self.fold == Fold::Max { "any" } else { "all" }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        debug_assert_eq!(x[0].dtype, DType::Bool, "the methods compare with 0 first");
        Ok(x[0].with_shape(self.axes.remove_from(&x[0].shape)))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Reduce(self.fold, self.axes)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a truth value has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a truth value has no derivative")
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(&Truth { axes: self.axes.shifted_past(0), ..*self }, x))
    }
}

impl Tensor {
    /// The sum over a set of axes, which go. Integers and bool are summed as i64.
    #[track_caller]
    pub(crate) fn sum_axes(&self, axes: AxisSet) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        if !self.spec().dtype.is_float() && self.spec().dtype != DType::I64 {
            return self.i64().sum_axes(axes);
        }
        // Axes of length 1 go without arithmetic.
        let shape = self.spec().shape;
        if axes.iter().all(|axis| shape[axis] == 1) {
            return self.reshape(axes.remove_from(&shape));
        }
        bind(&LinearMap(Sum(axes)), &[self])
    }

    #[track_caller]
    fn reduced(&self, operation: &'static str, fold: Fold, axes: Option<&[isize]>) -> Tensor {
        let axes = match axes {
            None => AxisSet::all(self.rank_or_zero()),
            Some(axes) => match self.axes_or(operation, axes) {
                Ok(axes) => axes,
                Err(invalid) => return invalid,
            },
        };
        if fold == Fold::Sum { self.sum_axes(axes) } else { bind(&Reduce { fold, axes }, &[self]) }
    }

    /// This reduced tensor with the axes that went back in place, of length 1.
    #[track_caller]
    pub(crate) fn keeping(self, of: &Tensor, axes: &[isize]) -> Tensor {
        if self.error().is_some() {
            return self;
        }
        match of.axes_or("keepdim", axes) {
            Ok(axes) => self.reshape(axes.keep_in(&of.spec().shape)),
            Err(invalid) => invalid,
        }
    }

    pub(crate) fn rank_or_zero(&self) -> usize {
        if self.error().is_some() { 0 } else { self.spec().shape.rank() }
    }

    /// The position (i64) of the first greatest element along an axis, which goes; NaN counts as greatest.
    /// No gradient.
    ///
    /// PyTorch: `torch.argmax`. JAX: `jnp.argmax`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 3.0], [5.0, 2.0]]);
    /// assert_eq!(x.argmax(-1).to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        match self.axis_or("argmax", axis) {
            Ok(axis) => bind(&ArgReduce { fold: Fold::ArgMax, axis }, &[self]),
            Err(invalid) => invalid,
        }
    }

    /// The position (i64) of the first least element along an axis, which goes; NaN counts as least. No gradient.
    ///
    /// PyTorch: `torch.argmin`. JAX: `jnp.argmin`.
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        match self.axis_or("argmin", axis) {
            Ok(axis) => bind(&ArgReduce { fold: Fold::ArgMin, axis }, &[self]),
            Err(invalid) => invalid,
        }
    }

    /// Reports a wrong reduction before it is bound.
    #[track_caller]
    pub(crate) fn refuse_shape(&self, operation: &'static str, message: String) -> Tensor {
        misuse(operation, &[self], Misfit::shape(message))
    }
}

macro_rules! reductions {
    ($($fold:ident:
        $(#[$of_all:meta])* $all:ident(); $(#[$of_dim:meta])* $dim:ident(axes);
        $(#[$of_keepdim:meta])* $keepdim:ident(axes);
    )*) => {
        impl Tensor {$(
            $(#[$of_all])*
            #[track_caller]
            pub fn $all(&self) -> Tensor {
                self.reduced(stringify!($all), Fold::$fold, None)
            }

            $(#[$of_dim])*
            #[track_caller]
            pub fn $dim(&self, axes: impl IntoAxes) -> Tensor {
                self.reduced(stringify!($dim), Fold::$fold, Some(axes.as_axes()))
            }

            $(#[$of_keepdim])*
            #[track_caller]
            pub fn $keepdim(&self, axes: impl IntoAxes) -> Tensor {
                self.reduced(stringify!($keepdim), Fold::$fold, Some(axes.as_axes())).keeping(self, axes.as_axes())
            }
        )*}
    };
}

reductions! {
    Sum:
    /// The sum over all axes. Integers and bool are summed as i64.
    ///
    /// Gradient: `dy`, repeated.
    ///
    /// PyTorch: `torch.sum`. JAX: `jnp.sum`.
    sum();
    /// The sum over one or several axes, which go. Integers and bool are summed as i64.
    ///
    /// Gradient: `dy`, repeated.
    ///
    /// PyTorch: `torch.sum(dim=..)`. JAX: `jnp.sum(axis=..)`.
    sum_dim(axes);
    /// The sum over one or several axes, which stay with length 1. Integers and bool are summed as i64.
    ///
    /// Gradient: `dy`, repeated.
    ///
    /// PyTorch: `torch.sum(dim=.., keepdim=True)`. JAX: `jnp.sum(axis=.., keepdims=True)`.
    sum_keepdim(axes);
    Prod:
    /// The product over all axes.
    ///
    /// Gradient: `dy` times the product of the other elements, zeros included.
    ///
    /// PyTorch: `torch.prod`. JAX: `jnp.prod`.
    prod();
    /// The product over one or several axes, which go.
    ///
    /// Gradient: `dy` times the product of the other elements, zeros included.
    ///
    /// PyTorch: `torch.prod(dim=..)`. JAX: `jnp.prod(axis=..)`.
    prod_dim(axes);
    /// The product over one or several axes, which stay with length 1.
    ///
    /// Gradient: `dy` times the product of the other elements, zeros included.
    ///
    /// PyTorch: `torch.prod(dim=.., keepdim=True)`. JAX: `jnp.prod(axis=.., keepdims=True)`.
    prod_keepdim(axes);
    Max:
    /// The greatest element over all axes. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the greatest.
    ///
    /// PyTorch: `torch.amax`. JAX: `jnp.max`.
    amax();
    /// The greatest element over one or several axes, which go. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the greatest.
    ///
    /// PyTorch: `torch.amax(dim=..)`. JAX: `jnp.max(axis=..)`.
    amax_dim(axes);
    /// The greatest element over one or several axes, which stay with length 1. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the greatest.
    ///
    /// PyTorch: `torch.amax(dim=.., keepdim=True)`. JAX: `jnp.max(axis=.., keepdims=True)`.
    amax_keepdim(axes);
    Min:
    /// The least element over all axes. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the least.
    ///
    /// PyTorch: `torch.amin`. JAX: `jnp.min`.
    amin();
    /// The least element over one or several axes, which go. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the least.
    ///
    /// PyTorch: `torch.amin(dim=..)`. JAX: `jnp.min(axis=..)`.
    amin_dim(axes);
    /// The least element over one or several axes, which stay with length 1. NaN if there is one.
    ///
    /// Gradient: `dy`, shared evenly among the least.
    ///
    /// PyTorch: `torch.amin(dim=.., keepdim=True)`. JAX: `jnp.min(axis=.., keepdims=True)`.
    amin_keepdim(axes);
}

impl Tensor {
    /// `fold` (`Max` for any, `Min` for all) of whether elements are nonzero.
    #[track_caller]
    fn truth(&self, operation: &'static str, fold: Fold, axes: Option<&[isize]>) -> Tensor {
        let axes = match axes {
            None => AxisSet::all(self.rank_or_zero()),
            Some(axes) => match self.axes_or(operation, axes) {
                Ok(axes) => axes,
                Err(invalid) => return invalid,
            },
        };
        if self.error().is_some() {
            return self.clone();
        }
        let spec = self.spec();
        if axes.iter().any(|axis| spec.shape[axis] == 0) {
            // Of nothing none is true, and all are. (As a number, "all" of no bytes would be 255.)
            let of_nothing = spec.with_shape(axes.remove_from(&spec.shape)).with_dtype(DType::Bool);
            return Tensor::splat(of_nothing, (fold == Fold::Min).into());
        }
        let truth = if spec.dtype == DType::Bool { self.clone() } else { self.ne(0) };
        bind(&Truth { fold, axes }, &[&truth])
    }
}

macro_rules! truths {
    ($($fold:ident $all:ident $dim:ident $keepdim:ident $what:literal $of_nothing:literal;)*) => {
        impl Tensor {$(
            #[doc = concat!("Whether ", $what, " nonzero (or true), over all axes; bool, ", $of_nothing,
                " for no elements. NaN is not zero. No gradient.\n\nPyTorch: `torch.", stringify!($all),
                "`. JAX: `jnp.", stringify!($all), "`.")]
            #[track_caller]
            pub fn $all(&self) -> Tensor {
                self.truth(stringify!($all), Fold::$fold, None)
            }

            #[doc = concat!("Whether ", $what, " nonzero (or true), over one or several axes, which go; bool, ",
                $of_nothing, " for no elements. NaN is not zero. No gradient.\n\nPyTorch: `torch.",
                stringify!($all), "`. JAX: `jnp.", stringify!($all), "`.")]
            #[track_caller]
            pub fn $dim(&self, axes: impl IntoAxes) -> Tensor {
                self.truth(stringify!($dim), Fold::$fold, Some(axes.as_axes()))
            }

            #[doc = concat!("Whether ", $what, " nonzero (or true), over one or several axes, which stay with length 1; ",
                "bool, ", $of_nothing, " for no elements. NaN is not zero. No gradient.\n\nPyTorch: `torch.",
                stringify!($all), "`. JAX: `jnp.", stringify!($all), "`.")]
            #[track_caller]
            pub fn $keepdim(&self, axes: impl IntoAxes) -> Tensor {
                self.truth(stringify!($keepdim), Fold::$fold, Some(axes.as_axes())).keeping(self, axes.as_axes())
            }
        )*}
    };
}

truths! {
    Max any any_dim any_keepdim "any element is" "false";
    Min all all_dim all_keepdim "all elements are" "true";
}

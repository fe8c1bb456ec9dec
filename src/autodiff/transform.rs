//! The transforms beside `grad`: vjp, jvp, vmap, jacobian, hessian, hvp.

use std::fmt;
use std::marker::PhantomData;

use super::batch::Batch;
use super::dual::Dual;
use super::function::{Argument, Arguments, Function, Loss, Output, guarded};
use super::grad::{GradOnly, Taped, Unreached, differentiable, gathered, grad_only};
use super::tape::{Recording, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::tree::{self, Key, Tree, Walker};
use crate::tensor::{Spec, Tensor};

/// The value of a function of any output, and the way back: a pull-back from output cotangents to the gradient
/// with respect to the first argument.
///
/// ```
/// use retrograd::{Tensor, vjp};
/// let (y, pull) = vjp(|x: &Tensor| x.square()).call(&Tensor::from([1.0, 2.0]), ())?;
/// let gradient = pull.call(&Tensor::from([10.0, 1.0]))?;
/// assert_eq!(gradient.to_vec::<f64>()?, [20.0, 4.0]);
/// assert_eq!(y.to_vec::<f64>()?, [1.0, 4.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn vjp<F, P, X, R>(f: F) -> Vjp<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Output,
{
    Vjp(f, PhantomData)
}

/// The value of a function and its derivative along a tangent of the first argument.
///
/// ```
/// use retrograd::{Tensor, jvp};
/// let (x, dx) = (Tensor::from(3.0), Tensor::from(1.0));
/// let (y, dy) = jvp(|x: &Tensor| x.square()).call(&x, &dx, ())?;
/// assert_eq!((y.item::<f64>()?, dy.item::<f64>()?), (9.0, 6.0));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn jvp<F, P, X, R>(f: F) -> Jvp<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Output,
{
    Jvp(f, PhantomData)
}

/// A function of one example, applied to many at once: every leaf of every argument has an extra axis, the first
/// unless [`Vmap::in_axes`] says otherwise, and so has every output.
///
/// ```
/// use retrograd::{Tensor, vmap};
/// let (a, b) = (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([[1.0, 1.0], [2.0, 2.0]]));
/// let dots = vmap(|a: &Tensor, b: &Tensor| a.dot(b)).call(&a, &b)?;
/// assert_eq!(dots.to_vec::<f64>()?, [3.0, 14.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn vmap<F, P, X, R>(f: F) -> Vmap<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Output,
{
    Vmap { f, in_axes: Vec::new(), out_axis: 0, signature: PhantomData }
}

/// The Jacobian of a function with one tensor as output: for each leaf of the first argument a tensor of shape
/// `output shape + leaf shape`.
///
/// Computed in reverse mode, or in forward mode where the argument has fewer elements than the output.
///
/// ```
/// use retrograd::{Tensor, jacobian};
/// let j = jacobian(|x: &Tensor| x.square()).call(&Tensor::from([1.0, 2.0]), ())?;
/// assert_eq!(j.to_vec::<f64>()?, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn jacobian<F, P, X, R>(f: F) -> Jacobian<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Output<Value = Tensor>,
{
    Jacobian { f, mode: None, signature: PhantomData }
}

/// The Hessian of a scalar function of a tree: for each leaf of the gradient (in order), its Jacobian with respect
/// to the whole argument. [`hessian`] is the same for a single tensor.
///
/// ```
/// use retrograd::{Tensor, hessian_blocks};
/// let p = (Tensor::from(2.0), Tensor::from(3.0));
/// let h = hessian_blocks(|p: &(Tensor, Tensor)| p.0.square() * &p.1).call(&p, ())?;
/// assert_eq!((h[0].0.item::<f64>()?, h[0].1.item::<f64>()?), (6.0, 4.0));
/// assert_eq!((h[1].0.item::<f64>()?, h[1].1.item::<f64>()?), (4.0, 0.0));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn hessian_blocks<F, P, X, R>(f: F) -> HessianBlocks<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Loss,
{
    HessianBlocks(grad_only(f))
}

/// The Hessian of a scalar function of one tensor: a tensor of its shape twice. Forward over reverse.
///
/// ```
/// use retrograd::{Tensor, hessian};
/// let h = hessian(|x: &Tensor| x.pow(3.0).sum()).call(&Tensor::from([1.0, 2.0]), ())?;
/// assert_eq!(h.to_vec::<f64>()?, [6.0, 0.0, 0.0, 12.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn hessian<F, X, R>(f: F) -> Hessian<F, X, R>
where
    F: Function<Tensor, X, R>,
    X: Arguments,
    R: Loss,
{
    Hessian(hessian_blocks(f))
}

/// The Hessian of a scalar function times a vector, without the Hessian: forward over reverse, a few times the
/// cost of the gradient.
///
/// ```
/// use retrograd::{Tensor, hvp};
/// let (x, v) = (Tensor::from([1.0, 2.0]), Tensor::from([1.0, 0.0]));
/// let hv = hvp(|x: &Tensor| x.pow(3.0).sum()).call(&x, &v, ())?;
/// assert_eq!(hv.to_vec::<f64>()?, [6.0, 0.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn hvp<F, P, X, R>(f: F) -> Hvp<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Loss,
{
    Hvp(grad_only(f))
}

type Signature<P, X, R> = PhantomData<fn(P, X) -> R>;

/// A function with its pull-back; made by [`vjp`].
pub struct Vjp<F, P, X, R>(F, Signature<P, X, R>);

/// A function with its directional derivative; made by [`jvp`].
pub struct Jvp<F, P, X, R>(F, Signature<P, X, R>);

/// A function of many examples; made by [`vmap`].
pub struct Vmap<F, P, X, R> {
    f: F,
    /// One for each argument, or empty: all 0.
    in_axes: Vec<Option<isize>>,
    out_axis: isize,
    signature: Signature<P, X, R>,
}

/// A Jacobian; made by [`jacobian`].
pub struct Jacobian<F, P, X, R> {
    f: F,
    mode: Option<Mode>,
    signature: Signature<P, X, R>,
}

/// A Hessian by leaves; made by [`hessian_blocks`].
pub struct HessianBlocks<F, P, X, R>(GradOnly<F, P, X, R>);

/// A Hessian; made by [`hessian`].
pub struct Hessian<F, X, R>(HessianBlocks<F, Tensor, X, R>);

/// A Hessian-vector product; made by [`hvp`].
pub struct Hvp<F, P, X, R>(GradOnly<F, P, X, R>);

/// How a Jacobian is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A column at a time: cheap for few inputs.
    Forward,
    /// A row at a time: cheap for few outputs.
    Reverse,
}

macro_rules! debug_by_name {
    ($($type:ident<$($part:ident),*>;)*) => {$(
        impl<F, $($part),*> fmt::Debug for $type<F, $($part),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), std::any::type_name::<F>())
            }
        }
    )*};
}

debug_by_name! {
    Vjp<P, X, R>;
    Jvp<P, X, R>;
    Vmap<P, X, R>;
    Jacobian<P, X, R>;
    HessianBlocks<P, X, R>;
    Hessian<X, R>;
    Hvp<P, X, R>;
}

impl<F, P, X, R> Vjp<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    /// What the function returned, and the pull-back.
    ///
    /// # Errors
    /// As [`crate::Grad::call`], but for the loss.
    #[expect(
        clippy::type_complexity,
        reason = "a pair of two named things reads better than a name for the pair"
    )]
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<(R::Value, Pullback<P, R::Value>)> {
        tree::check_valid("argument 0", p)?;
        X::check(x)?;
        let taped = Taped::run(p, |p| self.0.apply(p, x))?;
        let output = taped.primal_output()?;
        let outputs =
            tree::leaves(&taped.output).iter().map(|y| (taped.tape.slot_of(y), *y.spec())).collect();
        let pullback = Pullback {
            paths: tree::paths(&taped.output),
            recording: taped.tape.close(),
            leaves: taped.leaves,
            outputs,
            argument: tree::map(p, Tensor::zeros_like),
            signature: PhantomData,
        };
        Ok((output, pullback))
    }
}

/// From cotangents of an output to those of an argument; made by [`Vjp::call`]. May be called any number of
/// times, from several threads.
pub struct Pullback<P, O> {
    recording: Recording,
    leaves: Vec<Slot>,
    /// Slot and spec of each leaf of the output; no slot where it does not depend on the argument.
    outputs: Vec<(Option<Slot>, Spec)>,
    /// Path of each leaf of the output.
    paths: Vec<String>,
    /// The argument's structure and specs.
    argument: P,
    signature: PhantomData<fn(O)>,
}

impl<P, O> fmt::Debug for Pullback<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pullback {{ outputs: {:?} }}", self.outputs.iter().map(|o| o.1).collect::<Vec<_>>())
    }
}

impl<P: Tree, O: Tree> Pullback<P, O> {
    /// The cotangent of the argument, given that of the output, whose leaves have the output's shapes and dtypes
    /// (those of integer outputs are ignored).
    ///
    /// # Errors
    /// If a leaf is invalid or has another shape or dtype, or a derivative does not exist.
    pub fn call(&self, cotangent: &O) -> Result<P> {
        tree::check_valid("cotangent", cotangent)?;
        tree::same_path_lists(&self.paths, &tree::paths(cotangent))
            .map_err(|error| error.context("cotangent"))?;
        let mut seeds = Vec::new();
        for (at, (leaf, (slot, spec))) in tree::leaves(cotangent).into_iter().zip(&self.outputs).enumerate() {
            if !spec.dtype.is_float() {
                continue;
            }
            if leaf.spec() != spec {
                let place = tree::join("cotangent", &self.paths[at]);
                let message = format!("{place} is {}, the output is {spec}", leaf.spec());
                return Err(Error::plain(ErrorKind::Shape, message));
            }
            seeds.extend(slot.map(|slot| (slot, leaf)));
        }
        gathered(&self.argument, self.recording.pull(seeds, &self.leaves), Unreached::Zero)
    }
}

impl<F, P, X, R> Jvp<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    /// What the function returned, and its tangent along `tangent`, whose leaves have the argument's shapes and
    /// dtypes. Outputs that are not floating point have zero tangents.
    ///
    /// # Errors
    /// As [`Vjp::call`].
    pub fn call(&self, p: &P, tangent: &P, x: X::Refs<'_>) -> Result<(R::Value, R::Value)> {
        tree::check_valid("argument 0", p)?;
        tree::check_valid("tangent", tangent)?;
        X::check(x)?;
        differentiable(p)?;
        check_tangent(p, tangent)?;
        let dual = Dual::open();
        let lifted = tree::zip(p, tangent, |x, dx| dual.lift(x.clone(), dx.clone()));
        let output = guarded(|| self.0.apply(&lifted, x));
        dual.close();
        let output = output?;
        let primal = tree::map(&output, |y| dual.parts(y).0);
        let tangent = tree::map(&output, |y| dual.parts(y).1.unwrap_or_else(|| y.zeros_like()));
        tree::check_valid("output", &primal)?;
        tree::check_valid("output tangent", &tangent)?;
        Ok((primal, tangent))
    }
}

fn check_tangent<P: Tree>(p: &P, tangent: &P) -> Result<()> {
    tree::same_paths(p, tangent).map_err(|error| error.context("tangent"))?;
    let (primals, tangents) = (tree::leaves(p), tree::leaves(tangent));
    match primals.iter().zip(&tangents).position(|(x, dx)| x.spec() != dx.spec()) {
        None => Ok(()),
        Some(at) => {
            let place = tree::join("tangent", &tree::paths(p)[at]);
            let message =
                format!("{place} is {}, the argument is {}", tangents[at].spec(), primals[at].spec());
            Err(Error::plain(ErrorKind::Shape, message))
        }
    }
}

impl<F, P, X, R> Vmap<F, P, X, R> {
    /// The axis of each argument along which its examples lie; `None` for an argument that all examples share.
    ///
    /// ```
    /// use retrograd::{Tensor, vmap};
    /// let (x, a) = (Tensor::from([1.0, 2.0]), Tensor::from(10.0));
    /// let y = vmap(|x: &Tensor, a: &Tensor| x * a).in_axes([Some(0), None]).call(&x, &a)?;
    /// assert_eq!(y.to_vec::<f64>()?, [10.0, 20.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[must_use]
    pub fn in_axes<const N: usize>(mut self, axes: [Option<isize>; N]) -> Self {
        self.in_axes = axes.to_vec();
        self
    }

    /// The axis of every output along which the examples lie.
    #[must_use]
    pub fn out_axis(mut self, axis: isize) -> Self {
        self.out_axis = axis;
        self
    }
}

impl<F, P, X, R> Vmap<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    /// The outputs of all examples.
    ///
    /// # Errors
    /// If arguments disagree in the number of examples, none has any, or the function fails; a value asked for
    /// inside (`item`, a branch) is an error too, since it would be one for all examples.
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<R::Value> {
        tree::check_valid("argument 0", p)?;
        X::check(x)?;
        if !self.in_axes.is_empty() && self.in_axes.len() != X::COUNT + 1 {
            let message =
                format!("vmap: in_axes has {} entries for {} arguments", self.in_axes.len(), X::COUNT + 1);
            return Err(Error::plain(ErrorKind::Shape, message));
        }
        let mut measure =
            Lift { in_axes: &self.in_axes, at: Vec::new(), size: None, level: None, error: None };
        walk_all::<P, X>(p, x, &mut measure);
        if let Some(error) = measure.error {
            return Err(error);
        }
        let Some(size) = measure.size else {
            let message = "vmap: no argument has examples: every in_axes is None, or there are no leaves";
            return Err(Error::plain(ErrorKind::Shape, message));
        };
        let level = Batch::open(size);
        let mut lift = Lift { level: Some(level.clone()), ..measure };
        let (p, x) = walk_all::<P, X>(p, x, &mut lift);
        let output = guarded(|| self.f.apply(&p, x.refs()));
        level.close();
        let output = tree::map(&output?, |y| self.placed(level.all_of(y)));
        tree::check_valid("output", &output).map(|()| output)
    }

    /// All examples' values of an output, with their axis where `out_axis` says.
    fn placed(&self, all: Tensor) -> Tensor {
        if all.error().is_some() || all.spec().shape.axis(self.out_axis).is_some() {
            return all.movedim(0, self.out_axis);
        }
        let (axis, shape) = (self.out_axis, all.spec().shape);
        let message = format!(
            "vmap: no place {axis} for the examples' axis in an output of shape {}",
            shape.without(0)
        );
        Tensor::invalid(Error::plain(ErrorKind::Shape, message).help("see `out_axis`"))
    }
}

fn walk_all<P: Tree, X: Arguments>(p: &P, x: X::Refs<'_>, walker: &mut dyn Walker) -> (P, X) {
    walker.enter(Key::Index(0));
    let p = p.walk(walker);
    walker.leave();
    (p, X::walk(x, walker))
}

/// Measures the number of examples, or lifts arguments to a level.
struct Lift<'a> {
    in_axes: &'a [Option<isize>],
    /// The keys from the function to the leaf; the first is the argument's number.
    at: Vec<usize>,
    size: Option<usize>,
    level: Option<std::sync::Arc<Batch>>,
    error: Option<Error>,
}

impl Walker for Lift<'_> {
    fn leaf(&mut self, leaf: &Tensor) -> Tensor {
        let argument = self.at[0];
        let Some(axis) = self.in_axes.get(argument).copied().unwrap_or(Some(0)) else { return leaf.clone() };
        let shape = leaf.spec().shape;
        let Some(axis) = shape.axis(axis) else {
            let message =
                format!("vmap: argument {argument} has a leaf of shape {shape} without axis {axis}");
            let error = Error::plain(ErrorKind::Shape, message)
                .help("share it between examples: `None` in `in_axes`");
            self.error.get_or_insert(error);
            return leaf.clone();
        };
        let size = *self.size.get_or_insert(shape.dim(axis));
        if size != shape.dim(axis) {
            let message = format!(
                "vmap: argument {argument} has {} examples along axis {axis} of {shape}, others have {size}",
                shape.dim(axis)
            );
            self.error.get_or_insert(Error::plain(ErrorKind::Shape, message));
        }
        match &self.level {
            Some(level) => level.lift(leaf.movedim(axis as isize, 0)),
            None => leaf.clone(),
        }
    }

    fn enter(&mut self, key: Key<'_>) {
        self.at.push(if let Key::Index(i) = key { i } else { 0 });
    }

    fn leave(&mut self) {
        self.at.pop();
    }
}

impl<F, P, X, R> Jacobian<F, P, X, R> {
    /// Fixes how it is computed.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }
}

impl<F, P, X, R> Jacobian<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output<Value = Tensor>,
{
    /// The Jacobian at `p`.
    ///
    /// # Errors
    /// As [`Vjp::call`].
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<P> {
        let f = |p: &P| self.f.apply(p, x).open();
        let forward = || {
            let columns = forward_columns(&f, p)?;
            Ok(block(p, &columns.iter().collect::<Vec<_>>()))
        };
        if self.mode == Some(Mode::Forward) {
            return forward().and_then(valid);
        }
        let (y, pull) = vjp(f).call(p, ())?;
        let inputs: usize = tree::leaves(p).iter().map(Tensor::numel).sum();
        if self.mode.is_none() && inputs < y.numel() {
            return forward().and_then(valid);
        }
        let n = y.numel();
        let basis = Tensor::eye(n)
            .to_dtype(y.dtype())
            .reshape(std::iter::once(n).chain(y.shape().to_vec()).collect::<Vec<_>>());
        let rows = vmap(|dy: &Tensor| pull.call(dy)).call(&basis, ())?;
        valid(tree::zip(&rows, p, |rows, leaf| {
            let shape = y.shape().to_vec().into_iter().chain(leaf.shape().to_vec());
            rows.reshape(shape.collect::<Vec<_>>())
        }))
    }
}

/// A Jacobian whose blocks are valid: their shapes may have had too many axes.
fn valid<P: Tree>(jacobian: P) -> Result<P> {
    tree::check_valid("jacobian", &jacobian).map(|()| jacobian)
}

/// The outputs' tangents along every element of every leaf of `p`: for each leaf, a first axis of its elements.
fn forward_columns<P, O, F>(f: &F, p: &P) -> Result<Vec<O>>
where
    P: Tree,
    O: Tree,
    F: Fn(&P) -> Result<O>,
{
    let leaves = tree::leaves(p);
    let mut columns = Vec::with_capacity(leaves.len());
    for (at, leaf) in leaves.iter().enumerate() {
        let (n, shape) = (leaf.numel(), leaf.shape());
        let basis = Tensor::eye(n).to_dtype(leaf.dtype());
        let along = |direction: &Tensor| {
            let mut i = 0;
            let tangent = tree::map(p, |leaf| {
                i += 1;
                if i - 1 == at { direction.reshape(shape) } else { leaf.zeros_like() }
            });
            jvp(f).call(p, &tangent, ()).map(|(_, dy)| dy)
        };
        columns.push(vmap(along).call(&basis, ())?);
    }
    Ok(columns)
}

/// The derivative of one output leaf by every leaf of the argument, from its columns, one for each of those.
fn block<P: Tree>(p: &P, columns: &[&Tensor]) -> P {
    let mut column = columns.iter();
    tree::map(p, |leaf| {
        let all = column.next().expect("one column a leaf");
        let moved = all.movedim(0, -1);
        let shape = all.shape().to_vec().into_iter().skip(1).chain(leaf.shape().to_vec());
        moved.reshape(shape.collect::<Vec<_>>())
    })
}

impl<F, P, X, R> HessianBlocks<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, 0, Item = P>,
    R: Loss,
{
    /// The blocks at `p`: `blocks[i]` is the derivative of leaf `i` of the gradient.
    ///
    /// # Errors
    /// As [`crate::Grad::call`].
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<Vec<P>> {
        let columns = forward_columns(&|p: &P| self.0.call(p, x), p)?;
        let columns: Vec<Vec<Tensor>> = columns.iter().map(tree::leaves).collect();
        let outputs = columns.first().map_or(0, Vec::len);
        let of_output =
            |i: usize| valid(block(p, &columns.iter().map(|column| &column[i]).collect::<Vec<_>>()));
        (0..outputs).map(of_output).collect()
    }
}

impl<F, X, R> Hessian<F, X, R>
where
    F: Function<Tensor, X, R>,
    X: Argument<Tensor, 0, Item = Tensor>,
    R: Loss,
{
    /// The Hessian at `x`.
    ///
    /// # Errors
    /// As [`crate::Grad::call`].
    pub fn call(&self, p: &Tensor, x: X::Refs<'_>) -> Result<Tensor> {
        self.0.call(p, x).map(|mut blocks| blocks.swap_remove(0))
    }
}

impl<F, P, X, R> Hvp<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, 0, Item = P>,
    R: Loss,
{
    /// The Hessian at `p` times `v`, which has the structure, shapes and dtypes of `p`.
    ///
    /// # Errors
    /// As [`Jvp::call`].
    pub fn call(&self, p: &P, v: &P, x: X::Refs<'_>) -> Result<P> {
        jvp(|p: &P| self.0.call(p, x)).call(p, v, ()).map(|(_, hv)| hv)
    }
}

/// `x` as a constant: no derivative passes, in either direction.
///
/// ```
/// use retrograd::{Tensor, grad, stop_gradient};
/// let d = grad(|x: &Tensor| x * stop_gradient(x));
/// assert_eq!(d.call(&Tensor::from(3.0), ())?.0.item::<f64>()?, 3.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn stop_gradient(x: &Tensor) -> Tensor {
    crate::ops::stopped(x)
}

//! `vjp` and `jvp`: the two modes of differentiation as functions of any output.

use std::fmt;
use std::marker::PhantomData;

use super::dual::Dual;
use super::function::{Arguments, Function, Output, guarded};
use super::grad::{Taped, Unreached, differentiable, gathered};
use super::tape::{Recording, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::tree::{self, Tree};
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

pub(super) type Signature<P, X, R> = PhantomData<fn(P, X) -> R>;

/// A function with its pull-back; made by [`vjp`].
pub struct Vjp<F, P, X, R>(F, Signature<P, X, R>);

/// A function with its directional derivative; made by [`jvp`].
pub struct Jvp<F, P, X, R>(F, Signature<P, X, R>);

macro_rules! debug_by_name {
    ($($type:ident<$($part:ident),*>;)*) => {$(
        impl<F, $($part),*> std::fmt::Debug for $type<F, $($part),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), std::any::type_name::<F>())
            }
        }
    )*};
}
pub(super) use debug_by_name;

debug_by_name! {
    Vjp<P, X, R>;
    Jvp<P, X, R>;
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

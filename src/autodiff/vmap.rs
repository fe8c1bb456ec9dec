//! `vmap`: a function of one example, applied to many at once.

use std::marker::PhantomData;

use super::batch::Batch;
use super::function::{Arguments, Function, Output, guarded};
use super::transform::{Signature, debug_by_name};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Key, Tree, Walker};

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

/// A function of many examples; made by [`vmap`].
pub struct Vmap<F, P, X, R> {
    f: F,
    /// One for each argument, or empty: all 0.
    in_axes: Vec<Option<isize>>,
    out_axis: isize,
    signature: Signature<P, X, R>,
}

debug_by_name! {
    Vmap<P, X, R>;
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

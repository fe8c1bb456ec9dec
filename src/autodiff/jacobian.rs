//! Jacobians, Hessians and products with them: `vjp`, `jvp` and `vmap` put together.

use std::marker::PhantomData;

use super::function::{Argument, Arguments, Function, Loss, Output};
use super::grad::{GradOnly, grad_only};
use super::transform::{Signature, debug_by_name, jvp, vjp};
use super::vmap::vmap;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Tree};

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

debug_by_name! {
    Jacobian<P, X, R>;
    HessianBlocks<P, X, R>;
    Hessian<X, R>;
    Hvp<P, X, R>;
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
    /// As [`crate::Vjp::call`].
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
    /// As [`crate::Jvp::call`].
    pub fn call(&self, p: &P, v: &P, x: X::Refs<'_>) -> Result<P> {
        jvp(|p: &P| self.0.call(p, x)).call(p, v, ()).map(|(_, hv)| hv)
    }
}

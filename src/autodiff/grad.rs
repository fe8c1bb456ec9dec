//! `grad`: the derivative of a scalar function with respect to a tree.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::function::{Argument, Function, Loss, guarded};
use super::optimized::{Optimized, options};
use super::tape::{Slot, Tape};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::cpu;
use crate::graph::{Lent, Stats};
use crate::tensor::tree::{self, Tree};
use crate::tensor::{Spec, Tensor};

/// The gradient of `f` with respect to its first argument.
///
/// `f` is a function or closure of one to five references to trees; it returns a scalar loss, a tuple that begins
/// with it, or a `Result` of either. [`Grad::call`] yields the gradient, which has the type of the argument, and
/// what `f` returned. Nothing is compiled or cached: control flow is Rust's, and gradients nest to any order.
///
/// ```
/// use retrograd::{Tensor, grad};
///
/// let d = grad(|x: &Tensor| x.square().sum());
/// let (gradient, loss) = d.call(&Tensor::from([1.0, 2.0]), ())?;
/// assert_eq!(gradient.to_vec::<f64>()?, [2.0, 4.0]);
/// assert_eq!(loss.item::<f64>()?, 5.0);
///
/// // The second derivative is the gradient of a gradient.
/// let dd = grad(|x: &Tensor| grad(|x: &Tensor| x.pow(3.0)).call(x, ()).map(|(dx, _)| dx));
/// assert_eq!(dd.call(&Tensor::from(2.0), ())?.0.item::<f64>()?, 12.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn grad<F, P, X, R>(f: F) -> Grad<F, P, X, R>
where
    F: Function<P, X, R>,
    X: super::function::Arguments,
    R: Loss,
{
    let optimized = OPTIMIZE.load(Ordering::Relaxed).then(Optimized::default);
    Grad { f, unreached: Unreached::Zero, missed: Mutex::default(), optimized, signature: PhantomData }
}

/// Whether gradients made from now on are optimized, as if by [`Grad::optimize`], which still decides for each. It is
/// meant for the `main` of a program: one line, and every training loop in it is compiled.
///
/// ```no_run
/// retrograd::optimize_by_default(true);
/// ```
pub fn optimize_by_default(optimize: bool) {
    OPTIMIZE.store(optimize, Ordering::Relaxed);
}

static OPTIMIZE: AtomicBool = AtomicBool::new(false);

/// As [`grad`], but calling yields the gradient alone.
///
/// ```
/// use retrograd::{Tensor, grad_only};
/// let d = grad_only(|x: &Tensor, a: &Tensor| (x * a).sum());
/// let gradient = d.call(&Tensor::from([1.0, 2.0]), &Tensor::from([3.0, 4.0]))?;
/// assert_eq!(gradient.to_vec::<f64>()?, [3.0, 4.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn grad_only<F, P, X, R>(f: F) -> GradOnly<F, P, X, R>
where
    F: Function<P, X, R>,
    X: super::function::Arguments,
    R: Loss,
{
    GradOnly(grad(f))
}

/// The gradient of a function; made by [`grad`].
pub struct Grad<F, P, X, R, const N: usize = 0> {
    f: F,
    unreached: Unreached,
    /// Paths of leaves that a loss did not depend on.
    missed: Mutex<Vec<String>>,
    /// None: every call runs directly.
    optimized: Option<Optimized<P, X>>,
    signature: PhantomData<fn(P, X) -> R>,
}

/// The gradient of a function, without its value; made by [`grad_only`].
#[derive(Debug)]
pub struct GradOnly<F, P, X, R, const N: usize = 0>(Grad<F, P, X, R, N>);

/// What becomes of a leaf that the loss does not depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unreached {
    /// Its gradient is zero.
    #[default]
    Zero,
    /// `call` fails, naming the leaf.
    Error,
}

impl<F, P, X, R, const N: usize> fmt::Debug for Grad<F, P, X, R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Grad {{ f: {}, argument: {N}, unreached: {:?}, optimized: {} }}",
            std::any::type_name::<F>(),
            self.unreached,
            self.optimized.is_some()
        )
    }
}

impl<F, P, X, R, const N: usize> Grad<F, P, X, R, N> {
    /// Differentiates with respect to argument number `M` instead; the first has number 0.
    ///
    /// ```
    /// use retrograd::{Tensor, grad};
    /// let d = grad(|x: &Tensor, y: &Tensor| x * y.square()).argument::<1>();
    /// assert_eq!(d.call(&Tensor::from(5.0), &Tensor::from(3.0))?.0.item::<f64>()?, 30.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    pub fn argument<const M: usize>(self) -> Grad<F, P, X, R, M>
    where
        X: Argument<P, M>,
    {
        let optimized = self.optimized.map(Optimized::emptied);
        Grad {
            f: self.f,
            unreached: self.unreached,
            missed: Mutex::default(),
            optimized,
            signature: PhantomData,
        }
    }

    /// Decides what becomes of a leaf that the loss does not depend on.
    #[must_use]
    pub fn unreached(mut self, policy: Unreached) -> Self {
        self.unreached = policy;
        self
    }

    /// Whether function and gradient are compiled, as by [`crate::jit`]: the first call with arguments of some
    /// structure, shapes and dtypes traces them, later ones run the program. Results stay what they are.
    ///
    /// ```
    /// use retrograd::{Tensor, grad};
    /// let d = grad(|x: &Tensor| x.tanh().square().sum()).optimize(true);
    /// let x = Tensor::from([0.0, 0.5]);
    /// let (gradient, _) = d.call(&x, ())?;
    /// let (again, _) = d.call(&x, ())?;
    /// assert!(gradient.allclose(&again, 0.0, 0.0)?);
    /// assert_eq!(d.stats().hits, 1);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[must_use]
    pub fn optimize(mut self, optimize: bool) -> Self {
        self.optimized = optimize.then(Optimized::default);
        self
    }

    /// What became of the calls of an optimized function so far, and, of any, which leaves the loss does not depend on.
    ///
    /// ```
    /// use retrograd::{Tensor, grad};
    /// let d = grad(|p: &[Tensor; 2]| p[0].square().sum());
    /// d.call(&[Tensor::from(1.0), Tensor::from(2.0)], ())?;
    /// assert_eq!(d.stats().unreached, ["[1]"]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        let mut stats = self.optimized.as_ref().map(Optimized::stats).unwrap_or_default();
        stats.unreached.clone_from(&self.missed.lock().unwrap_or_else(PoisonError::into_inner));
        stats
    }

    fn programs(&mut self) -> &mut Optimized<P, X> {
        self.optimized.get_or_insert_default()
    }
}

options!(Grad<F, P, X, R, N>, GradOnly<F, P, X, R, N>);

impl<F, P, X, R, const N: usize> Grad<F, P, X, R, N>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, N>,
    R: Loss,
{
    /// The gradient, and what the function returned.
    ///
    /// # Errors
    /// An operation that could not work, invalid inputs (named by path), a loss that is not a floating-point
    /// scalar, an integer leaf where a gradient is asked for, or whatever the function itself returns.
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<(X::Item, R::Parts)> {
        self.call_lent(p, x, Lent::NOTHING)
    }

    /// As [`Grad::call`], and puts the gradient into `gradient`: into the memory of its tensors where shape and dtype fit
    /// and nobody else has a handle on them, so that the gradient lies in the same place in every call. Otherwise the
    /// tensors are replaced. Yields what the function returned. On an error `gradient` is what it was, or holds anything.
    ///
    /// ```
    /// use retrograd::{Tensor, grad, tree};
    ///
    /// let d = grad(|p: &[Tensor; 2]| (&p[0] * &p[1]).sum());
    /// let p = [Tensor::from([1.0, 2.0]), Tensor::from([3.0, 4.0])];
    /// let mut gradient = tree::map(&p, Tensor::zeros_like);
    /// for _ in 0..2 {
    ///     let loss = d.call_into(&p, (), &mut gradient)?;
    ///     assert_eq!(loss.item::<f64>()?, 11.0);
    ///     assert_eq!(gradient[0].to_vec::<f64>()?, [3.0, 4.0]);
    /// }
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Grad::call`].
    pub fn call_into(&self, p: &P, x: X::Refs<'_>, gradient: &mut X::Item) -> Result<R::Parts> {
        let old = tree::leaf_refs(gradient);
        let (new, parts) = self.call_lent(p, x, Lent { replaced: &old, ..Lent::NOTHING })?;
        let mut old = old.into_iter();
        let stable =
            tree::map(&new, |new| old.next().map_or_else(|| new.clone(), |old| written_over(old, new)));
        *gradient = stable;
        Ok(parts)
    }

    fn call_lent(&self, p: &P, x: X::Refs<'_>, lent: Lent<'_>) -> Result<(X::Item, R::Parts)> {
        match &self.optimized {
            Some(programs) => programs.call(p, x, lent, |p, x| self.directly(p, x)),
            None => self.directly(p, x),
        }
    }

    /// The program for these arguments as readable code: each operation with its place in memory and the line that it
    /// comes from. It is compiled if it is not yet, and not run. Empty if the function is not optimized.
    ///
    /// # Errors
    /// As [`Grad::call`].
    pub fn show_code(&self, p: &P, x: X::Refs<'_>) -> Result<String> {
        match &self.optimized {
            Some(programs) => programs.code(p, x, |p, x| self.directly(p, x)),
            None => Ok(String::new()),
        }
    }

    fn directly(&self, p: &P, x: X::Refs<'_>) -> Result<(X::Item, R::Parts)> {
        tree::check_valid("argument 0", p)?;
        X::check(x)?;
        let item = X::get(p, X::shortened(x));
        let taped = Taped::run(item, |item| {
            let (p, x) = X::replace(p, X::shortened(x), item);
            self.f.apply(p, x)
        })?;
        let loss = R::loss(&taped.output);
        check_loss(loss)?;
        let seed = taped.tape.slot_of(loss).map(|slot| (slot, taped.tape.primal_of(loss).ones_like()));
        let output = taped.primal_output()?;
        let cotangents = taped.tape.close().pull_once(seed.into_iter().collect(), &taped.leaves);
        if cotangents.iter().any(Option::is_none) {
            self.note_missed(item, &cotangents);
        }
        Ok((gathered(item, cotangents, self.unreached)?, output))
    }
}

impl<F, P, X, R, const N: usize> Grad<F, P, X, R, N> {
    #[cold]
    fn note_missed<T: Tree>(&self, item: &T, cotangents: &[Option<Tensor>]) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, cotangent) in tree::paths(item).into_iter().zip(cotangents) {
            if cotangent.is_none() && !missed.contains(&path) {
                missed.push(path);
            }
        }
    }
}

impl<F, P, X, R, const N: usize> GradOnly<F, P, X, R, N>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Argument<P, N>,
    R: Loss,
{
    /// The gradient.
    ///
    /// # Errors
    /// As [`Grad::call`].
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<X::Item> {
        self.0.call(p, x).map(|(gradient, _)| gradient)
    }

    /// As [`Grad::call_into`].
    ///
    /// # Errors
    /// As [`Grad::call`].
    pub fn call_into(&self, p: &P, x: X::Refs<'_>, gradient: &mut X::Item) -> Result<()> {
        self.0.call_into(p, x, gradient).map(drop)
    }

    /// As [`Grad::show_code`].
    ///
    /// # Errors
    /// As [`Grad::call`].
    pub fn show_code(&self, p: &P, x: X::Refs<'_>) -> Result<String> {
        self.0.show_code(p, x)
    }
}

impl<F, P, X, R, const N: usize> GradOnly<F, P, X, R, N> {
    /// As [`Grad::argument`].
    pub fn argument<const M: usize>(self) -> GradOnly<F, P, X, R, M>
    where
        X: Argument<P, M>,
    {
        GradOnly(self.0.argument())
    }

    /// As [`Grad::unreached`].
    #[must_use]
    pub fn unreached(self, policy: Unreached) -> Self {
        GradOnly(self.0.unreached(policy))
    }

    /// As [`Grad::optimize`].
    #[must_use]
    pub fn optimize(self, optimize: bool) -> Self {
        GradOnly(self.0.optimize(optimize))
    }

    /// As [`Grad::stats`].
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    fn programs(&mut self) -> &mut Optimized<P, X> {
        self.0.programs()
    }
}

/// A function that ran on a tape.
pub(crate) struct Taped<O> {
    pub(crate) tape: Arc<Tape>,
    /// The slot of each leaf of the argument.
    pub(crate) leaves: Vec<Slot>,
    /// What the function returned, on the tape.
    pub(crate) output: O,
}

impl<O: Tree> Taped<O> {
    /// Runs `f` on `item` with all its leaves on a new tape.
    pub(crate) fn run<T, R>(item: &T, f: impl FnOnce(&T) -> R) -> Result<Taped<O>>
    where
        T: Tree,
        R: super::function::Output<Value = O>,
    {
        differentiable(item)?;
        let tape = Tape::open();
        let mut leaves = Vec::new();
        let lifted = tree::map(item, |leaf| {
            let (lifted, slot) = tape.watch(leaf);
            leaves.push(slot);
            lifted
        });
        // However the function ends, what it leaves behind is off the tape.
        let output = guarded(|| f(&lifted)).inspect_err(|_| drop(tape.close()))?;
        Ok(Taped { tape, leaves, output })
    }

    /// The output off the tape, all of its leaves valid.
    pub(crate) fn primal_output(&self) -> Result<O> {
        let output = tree::map(&self.output, |leaf| self.tape.primal_of(leaf));
        tree::check_valid("output", &output).map(|()| output)
    }
}

/// The elements of `new` in the memory of `old`, if that is of the same spec and nobody else sees it.
fn written_over(old: &Tensor, new: &Tensor) -> Tensor {
    if old.spec() == new.spec() { cpu::written_over(old, new) } else { new.clone() }
}

/// Refuses integer and bool leaves by path.
pub(crate) fn differentiable<T: Tree>(item: &T) -> Result<()> {
    let leaves = tree::leaves(item);
    match leaves.iter().position(|leaf| !leaf.spec().dtype.is_float()) {
        None => Ok(()),
        Some(at) => {
            let place = tree::join("argument", &tree::paths(item)[at]);
            let message =
                format!("{place} is {}: only floating-point tensors have a gradient", leaves[at].spec());
            Err(Error::plain(ErrorKind::Derivative, message)
                .help("pass it as another argument, or mark the field `#[tree(static)]`"))
        }
    }
}

fn check_loss(loss: &Tensor) -> Result<()> {
    if let Some(error) = loss.error() {
        return Err(error.clone());
    }
    let Spec { shape, dtype } = *loss.spec();
    if shape.numel() != 1 {
        return Err(Error::plain(
            ErrorKind::Shape,
            format!("grad: the loss has shape {shape}, not one element"),
        )
        .help("reduce it, as with `sum` or `mean`; for other outputs use `vjp` or `jacobian`"));
    }
    if !dtype.is_float() {
        let message = format!("grad: the loss is {dtype}, which has no gradient");
        return Err(Error::plain(ErrorKind::DType, message));
    }
    Ok(())
}

/// Cotangents as a tree; a missing one is zero, if `policy` allows it.
pub(crate) fn gathered<T: Tree>(item: &T, cotangents: Vec<Option<Tensor>>, policy: Unreached) -> Result<T> {
    if policy == Unreached::Error
        && let Some(at) = cotangents.iter().position(Option::is_none)
    {
        let place = tree::join("argument", &tree::paths(item)[at]);
        return Err(Error::plain(ErrorKind::Derivative, format!("the loss does not depend on {place}"))
            .help("use it, or allow a zero gradient with `Unreached::Zero`"));
    }
    let mut cotangents = cotangents.into_iter();
    let gradient = tree::map(item, |leaf| cotangents.next().flatten().unwrap_or_else(|| leaf.zeros_like()));
    tree::check_valid("gradient", &gradient).map(|()| gradient)
}

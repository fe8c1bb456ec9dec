//! `jit`: a function compiled.

use std::fmt;
use std::marker::PhantomData;

use super::function::{Arguments, Function, Output, guarded};
use super::optimized::{Optimized, options};
use crate::error::Result;
use crate::graph::{Lent, Stats};
use crate::tensor::tree::{self, Tree};

/// `f`, compiled: the first call with arguments of some structure, shapes and dtypes traces the function and compiles
/// what it did; later ones run the program. The function stays as it is, and so do its results.
///
/// What can be compiled is what depends on the arguments alone. A function that asks for the value of a tensor
/// ([`crate::Tensor::item`], a comparison in an `if`), or that does not do the same in every call, runs directly:
/// [`Jit::stats`] say so, and [`crate::Fallback::Error`] makes it an error. What is captured and changes later is seen when a
/// signature is called for the second time, and in every `n`-th call under [`Jit::audit`]; pass as an argument what
/// changes.
///
/// ```
/// use retrograd::{Tensor, jit};
///
/// let softplus = jit(|x: &Tensor| x.exp().log1p());
/// for _ in 0..3 {
///     let y = softplus.call(&Tensor::from([0.0, 1.0]), ())?;
///     assert!(y.allclose(&Tensor::from([0.6931471805599453, 1.3132616875182228]), 1e-12, 0.0)?);
/// }
/// assert_eq!((softplus.stats().misses, softplus.stats().hits), (1, 2));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn jit<F, P, X, R>(f: F) -> Jit<F, P, X, R>
where
    F: Function<P, X, R>,
    X: Arguments,
    R: Output,
{
    Jit { f, programs: Optimized::default(), signature: PhantomData }
}

/// A compiled function; made by [`jit`].
pub struct Jit<F, P, X, R> {
    f: F,
    programs: Optimized<P, X>,
    signature: PhantomData<fn(P, X) -> R>,
}

impl<F, P, X, R> fmt::Debug for Jit<F, P, X, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jit({})", std::any::type_name::<F>())
    }
}

impl<F, P, X, R> Jit<F, P, X, R>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    /// What the function returns.
    ///
    /// # Errors
    /// As the function: an operation that could not work, invalid inputs (named by path), or whatever it returns; and
    /// under [`crate::Fallback::Error`] that it cannot be compiled.
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<R::Value> {
        self.programs.call(p, x, Lent::NOTHING, |p, x| self.directly(p, x))
    }

    /// As [`Jit::call`], and gives the first argument away: results may be written over those of its tensors that nobody
    /// else has a handle on, so that a step needs no second copy of what it updates. A tensor with a second handle (a clone
    /// that is kept, a view, the same tensor twice in `p`) stays what it is, and so does all of `p` where the function
    /// runs directly.
    ///
    /// ```
    /// use retrograd::{Tensor, jit};
    ///
    /// let step = jit(|p: &Tensor, g: &Tensor| p - g * 0.5);
    /// let (mut p, g) = (Tensor::from([1.0, 2.0]), Tensor::from([2.0, 2.0]));
    /// let before = p.clone();
    /// for _ in 0..3 {
    ///     p = step.call_owned(p, &g)?;
    /// }
    /// assert_eq!(p.to_vec::<f64>()?, [-2.0, -1.0]);
    /// assert_eq!(before.to_vec::<f64>()?, [1.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Jit::call`].
    pub fn call_owned(&self, p: P, x: X::Refs<'_>) -> Result<R::Value> {
        self.programs.call(&p, x, Lent { first: true, ..Lent::NOTHING }, |p, x| self.directly(p, x))
    }

    /// The program for these arguments as readable code: each operation with its place in memory and the line that it
    /// comes from. It is compiled if it is not yet, and not run.
    ///
    /// # Errors
    /// As [`Jit::call`].
    pub fn show_code(&self, p: &P, x: X::Refs<'_>) -> Result<String> {
        self.programs.code(p, x, |p, x| self.directly(p, x))
    }

    fn directly(&self, p: &P, x: X::Refs<'_>) -> Result<R::Value> {
        tree::check_valid("argument 0", p)?;
        X::check(X::shortened(x))?;
        let output = guarded(|| self.f.apply(p, x))?;
        tree::check_valid("output", &output).map(|()| output)
    }
}

impl<F, P, X, R> Jit<F, P, X, R> {
    /// What became of the calls so far.
    pub fn stats(&self) -> Stats {
        self.programs.stats()
    }

    fn programs(&mut self) -> &mut Optimized<P, X> {
        &mut self.programs
    }
}

options!(Jit<F, P, X, R>);

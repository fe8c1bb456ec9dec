//! `jit`: a function compiled; and what it shares with `grad(f).optimize(true)`.

use std::fmt;
use std::marker::PhantomData;

use super::function::{Arguments, Function, Output, guarded, replaced, visit_all};
use crate::error::Result;
use crate::graph::{Cache, Fallback, Options, Stats};
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Tree};

/// `f`, compiled: the first call with arguments of some structure, shapes and dtypes traces the function and compiles
/// what it did; later ones run the program. The function stays as it is, and so do its results.
///
/// What can be compiled is what depends on the arguments alone. A function that asks for the value of a tensor
/// ([`Tensor::item`], a comparison in an `if`), or that does not do the same in every call, runs directly:
/// [`Jit::stats`] say so, and [`Fallback::Error`] makes it an error. What is captured and changes later is seen when a
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
    Jit { f, cache: Cache::with(Options::default()), signature: PhantomData }
}

/// A compiled function; made by [`jit`].
pub struct Jit<F, P, X, R> {
    f: F,
    cache: Cache,
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
    /// under [`Fallback::Error`] that it cannot be compiled.
    pub fn call(&self, p: &P, x: X::Refs<'_>) -> Result<R::Value> {
        run_optimized::<P, X, _>(&self.cache, p, x, |p, x| self.directly(p, x))
    }

    /// The program for these arguments as readable code: each operation with its place in memory and the line that it
    /// comes from. It is compiled if it is not yet, and not run.
    ///
    /// # Errors
    /// As [`Jit::call`].
    pub fn show_code(&self, p: &P, x: X::Refs<'_>) -> Result<String> {
        code::<P, X, _>(&self.cache, p, x, |p, x| self.directly(p, x))
    }

    fn directly(&self, p: &P, x: X::Refs<'_>) -> Result<R::Value> {
        tree::check_valid("argument 0", p)?;
        X::check(X::shortened(x))?;
        let output = guarded(|| self.f.apply(p, x))?;
        tree::check_valid("output", &output).map(|()| output)
    }
}

impl<F, P, X, R> Jit<F, P, X, R> {
    /// What happens where the function cannot be compiled.
    #[must_use]
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.cache.options.fallback = fallback;
        self
    }

    /// In every `n`-th call of a signature the function is traced again, and runs directly from then on if it did
    /// something else than before. 0: only in the second call.
    #[must_use]
    pub fn audit(mut self, n: usize) -> Self {
        self.cache.options.audit = n;
        self
    }

    /// What became of the calls so far.
    pub fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

/// What a function yields for these arguments: by a program of the cache, or by `direct` where there is none.
pub(super) fn run_optimized<P: Tree, X: Arguments, O: Tree>(
    cache: &Cache,
    p: &P,
    x: X::Refs<'_>,
    direct: impl Fn(&P, X::Refs<'_>) -> Result<O>,
) -> Result<O> {
    cache.call(&|visitor| visit_all::<P, X>(p, x, visitor), &|leaves| on::<P, X, O, _>(leaves, p, x, &direct))
}

/// The code of the program for these arguments.
pub(super) fn code<P: Tree, X: Arguments, O: Tree>(
    cache: &Cache,
    p: &P,
    x: X::Refs<'_>,
    direct: impl Fn(&P, X::Refs<'_>) -> Result<O>,
) -> Result<String> {
    cache.code(&|visitor| visit_all::<P, X>(p, x, visitor), &|leaves| on::<P, X, O, _>(leaves, p, x, &direct))
}

/// What `direct` yields for the arguments, or for arguments with these leaves.
fn on<P: Tree, X: Arguments, O, F: Fn(&P, X::Refs<'_>) -> Result<O>>(
    leaves: Option<&[Tensor]>,
    p: &P,
    x: X::Refs<'_>,
    direct: &F,
) -> Result<O> {
    let Some(leaves) = leaves else { return direct(p, X::shortened(x)) };
    let mut leaves = leaves.iter().cloned();
    let (p, x) = replaced::<P, X>(p, x, &mut |leaf| leaves.next().unwrap_or_else(|| leaf.clone()));
    direct(&p, x.refs())
}

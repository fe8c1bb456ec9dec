//! What `jit` and `grad(f).optimize(true)` share: the programs of a function, and what a user says about them.

use super::function::{Arguments, Function, guarded, replaced, visit_all};
use crate::error::Result;
use crate::graph::{Cache, Call, Lent, Options, Stats, Visit, Wanted};
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Fixed, Key, Static, Tree, Visitor};

/// The programs of a function of `P` and `X`, and when one serves.
pub(super) struct Optimized<P, X> {
    cache: Cache,
    key: Option<Box<dyn KeyOf<P, X>>>,
}

/// What a program depends on beside structure and specs of the arguments, by the user's own function.
trait KeyOf<P, X>: Send + Sync {
    fn key(&self, p: &P, x: X::Refs<'_>) -> Result<Box<dyn Fixed>>
    where
        X: Arguments;
}

/// The user's function, and the type of what it returns.
struct UserKey<G, S>(G, std::marker::PhantomData<fn() -> S>);

impl<G, P: Tree, X: Arguments, S> KeyOf<P, X> for UserKey<G, S>
where
    G: Function<P, X, S> + Send + Sync,
    S: Fixed + Clone,
{
    fn key(&self, p: &P, x: X::Refs<'_>) -> Result<Box<dyn Fixed>> {
        match guarded(|| Static(self.0.apply(p, X::shortened(x)))) {
            Ok(Static(key)) => Ok(Box::new(key)),
            Err(error) => {
                // An invalid argument is reported as everywhere, by its path.
                tree::check_valid("argument 0", p)?;
                X::check(x)?;
                Err(error)
            }
        }
    }
}

// A panic in the user's function leaves nothing half done: it is called before anything is changed.
impl<P, X> std::panic::RefUnwindSafe for Optimized<P, X> {}
impl<P, X> std::panic::UnwindSafe for Optimized<P, X> {}

impl<P, X> Default for Optimized<P, X> {
    fn default() -> Self {
        Optimized { cache: Cache::with(Options::default()), key: None }
    }
}

impl<P, X> Optimized<P, X> {
    /// The same options, and no programs.
    pub(super) fn emptied(self) -> Self {
        Optimized { cache: Cache::with(self.cache.options), key: self.key }
    }

    pub(super) fn options(&mut self) -> &mut Options {
        &mut self.cache.options
    }

    /// What becomes of graphs. Programs that were made otherwise go.
    pub(super) fn wanted(&mut self) -> &mut Wanted {
        self.cache = Cache::with(self.cache.options);
        &mut self.cache.options.wanted
    }

    pub(super) fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

impl<P: Tree, X: Arguments> Optimized<P, X> {
    pub(super) fn set_key<G, S>(&mut self, key: G)
    where
        G: Function<P, X, S> + Send + Sync + 'static,
        S: Fixed + Clone,
    {
        self.key = Some(Box::new(UserKey(key, std::marker::PhantomData)));
    }

    /// What a function yields for these arguments: by a program, or by `direct` where there is none.
    pub(super) fn call<O: Tree>(
        &self,
        p: &P,
        x: X::Refs<'_>,
        lent: Lent<'_>,
        direct: impl Fn(&P, X::Refs<'_>) -> Result<O>,
    ) -> Result<O> {
        self.shown(p, X::shortened(x), |visit| {
            self.cache.call(Call { visit, run: &|leaves| on::<P, X, O, _>(leaves, p, x, &direct), lent })
        })
    }

    /// The code of the program for these arguments.
    pub(super) fn code<O: Tree>(
        &self,
        p: &P,
        x: X::Refs<'_>,
        direct: impl Fn(&P, X::Refs<'_>) -> Result<O>,
    ) -> Result<String> {
        self.shown(p, X::shortened(x), |visit| {
            let run = &|leaves: Option<&[Tensor]>| on::<P, X, O, _>(leaves, p, x, &direct);
            self.cache.code(Call { visit, run, lent: Lent::NOTHING })
        })
    }

    /// What `f` makes of that which tells one program from another.
    fn shown<'a, R>(
        &self,
        p: &'a P,
        x: X::Refs<'a>,
        f: impl FnOnce(Visit<'_, 'a>) -> Result<R>,
    ) -> Result<R> {
        let Some(key) = &self.key else { return f(&|visitor| visit_all::<P, X>(p, x, visitor)) };
        let key = key.key(p, X::shortened(x))?;
        f(&|visitor: &mut dyn Visitor<'a>| {
            visit_all::<P, X>(p, x, visitor);
            visitor.enter(Key::Field("signature"));
            visitor.fixed(&*key);
            visitor.leave();
        })
    }
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

/// The options of compiled functions, as methods of each type that has `fn programs(&mut self) -> &mut Optimized<P, X>`.
macro_rules! options {
    ($($type:ident<F, P, X, R $(, $n:ident)?>),*) => {$(
        impl<F, P, X, R $(, const $n: usize)?> $type<F, P, X, R $(, $n)?> {
            /// What happens where the function cannot be compiled. Optimizes a gradient.
            #[must_use]
            pub fn fallback(mut self, fallback: crate::graph::Fallback) -> Self {
                self.programs().options().fallback = fallback;
                self
            }

            /// In every `n`-th call of a signature the function is traced again, and runs directly from then on if it did
            /// something else than before. 0: only in the second call. Optimizes a gradient.
            #[must_use]
            pub fn audit(mut self, n: usize) -> Self {
                self.programs().options().audit = n;
                self
            }

            /// Whether elementwise operations and sums are computed together, in one pass over memory; they are unless
            /// this says no, and results are the same to within rounding. For finding out what a kernel costs. Optimizes a
            /// gradient.
            #[must_use]
            pub fn fuse(mut self, fuse: bool) -> Self {
                self.programs().wanted().fused = fuse;
                self
            }

            /// Whether less memory is worth more arithmetic: elementwise values are computed again where they are read
            /// late, as in a backward pass, instead of being kept until then, as far as the program needs less memory for
            /// it ([`Stats::arena`](crate::Stats::arena)). Results are the same. Optimizes a gradient.
            ///
            /// ```
            /// use retrograd::{Tensor, grad};
            ///
            /// let loss = |w: &Vec<Tensor>, x: &Tensor| w.iter().fold(x.clone(), |x, w| x.matmul(w).gelu()).square().sum();
            /// let (plain, small) = (grad(loss).optimize(true), grad(loss).reduce_footprint(true));
            /// let (w, x) = (vec![Tensor::ones([8, 8]) * 0.1; 4], Tensor::ones([64, 8]));
            /// let (a, b) = (plain.call(&w, &x)?, small.call(&w, &x)?);
            /// assert_eq!(a.0[0].to_vec::<f32>()?, b.0[0].to_vec::<f32>()?);
            /// assert!(small.stats().arena < plain.stats().arena);
            /// # Ok::<(), retrograd::Error>(())
            /// ```
            #[must_use]
            pub fn reduce_footprint(mut self, reduce: bool) -> Self {
                self.programs().wanted().small = reduce;
                self
            }

            /// What a program depends on besides structure, static values, shapes and dtypes of the arguments: `key` is
            /// called with them in every call, and programs are kept apart by what it returns. It can only tell apart
            /// more, never less. Use it where the function reads something of the arguments that it does not compute
            /// with. Optimizes a gradient.
            ///
            /// ```
            /// use std::sync::atomic::{AtomicUsize, Ordering};
            /// use retrograd::{Tensor, jit};
            ///
            /// static DEPTH: AtomicUsize = AtomicUsize::new(1);
            /// let depth = || DEPTH.load(Ordering::Relaxed);
            /// let f = jit(move |x: &Tensor| (0..depth()).fold(x.clone(), |x, _| &x * &x)).signature(move |_: &Tensor| depth());
            /// let x = Tensor::from(2.0);
            /// for (depth, y) in [(1, 4.0), (1, 4.0), (2, 16.0), (1, 4.0)] {
            ///     DEPTH.store(depth, Ordering::Relaxed);
            ///     assert_eq!(f.call(&x, ())?.item::<f64>()?, y);
            /// }
            /// assert_eq!((f.stats().misses, f.stats().direct), (2, 0));
            /// # Ok::<(), retrograd::Error>(())
            /// ```
            #[must_use]
            pub fn signature<G, S>(mut self, key: G) -> Self
            where
                P: crate::tensor::tree::Tree,
                X: crate::autodiff::Arguments,
                G: crate::autodiff::Function<P, X, S> + Send + Sync + 'static,
                S: crate::tensor::tree::Fixed + Clone,
            {
                self.programs().set_key(key);
                self
            }
        }
    )*};
}
pub(super) use options;

//! Torch's way of optimizing: an object that owns the parameters and steps them in place.

use std::fmt;
use std::sync::Arc;

use retrograd::{Arguments, Fallback, Function, Grad, Jit, Loss, Result, Stats, Tree, jit};

use super::minimizer::{Minimized, Minimizer};
use super::optimizer::Optimizer;
use super::state::State;

/// A training loop's step: gradient, optimizer, parameters and state in one. Made by [`sgd`](super::sgd()),
/// [`adam`](super::adam()) and their like, or for any optimizer by [`Steps::new`].
///
/// ```
/// use retrograd::{Tensor, grad, optim};
/// use retrograd::optim::Sgd;
///
/// let loss = |w: &Tensor, x: &Tensor, y: &Tensor| (x.matmul(w) - y).square().mean();
/// let mut step = optim::sgd(grad(loss), Sgd::new(0.1).momentum(0.9), Tensor::zeros([2, 1]))?.optimize(true);
/// let (x, y) = (Tensor::from([[1f32, 2.0], [3.0, 4.0]]), Tensor::from([[5f32], [11.0]]));
/// for _ in 0..200 {
///     let (_grads, loss) = step.call((&x, &y))?;
///     assert!(loss.item::<f32>()?.is_finite());
/// }
/// assert!(step.params().allclose(&Tensor::from([[1f32], [2.0]]), 1e-2, 1e-2)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct Steps<F, P, X, R: Loss, O> {
    whole: Arc<Whole<F, P, X, R, O>>,
    params: P,
    state: State<P>,
    compiled: Option<Compiled<F, P, X, R, O>>,
}

/// What a whole step takes first, and what it yields: parameters and state.
type Carried<P> = (P, State<P>);
/// And beside that the gradient, and what the function returned.
type Yielded<P, R> = (Carried<P>, (P, <R as Loss>::Parts));
type Compiled<F, P, X, R, O> = Jit<Shared<F, P, X, R, O>, Carried<P>, X, Result<Yielded<P, R>>>;

/// Gradient and optimizer.
struct Whole<F, P, X, R, O> {
    gradient: Grad<F, P, X, R>,
    optimizer: O,
}

impl<F, P, X, R, O> Whole<F, P, X, R, O>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Loss,
    O: Optimizer,
{
    #[track_caller]
    fn step(&self, params: &P, state: &State<P>, x: X::Refs<'_>) -> Result<Yielded<P, R>> {
        let (grads, output) = self.gradient.call(params, x)?;
        Ok((self.optimizer.step(params, &grads, state)?, (grads, output)))
    }
}

/// The whole step as a function that can be compiled.
struct Shared<F, P, X, R, O>(Arc<Whole<F, P, X, R, O>>);

impl<F, P, X, R, O> Function<Carried<P>, X, Result<Yielded<P, R>>> for Shared<F, P, X, R, O>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Loss,
    O: Optimizer,
{
    fn apply(&self, carried: &Carried<P>, x: X::Refs<'_>) -> Result<Yielded<P, R>> {
        self.0.step(&carried.0, &carried.1, x)
    }
}

impl<F, P: fmt::Debug, X, R: Loss, O: fmt::Debug> fmt::Debug for Steps<F, P, X, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("gradient", &self.whole.gradient)
            .field("optimizer", &self.whole.optimizer)
            .field("params", &self.params)
            .field("state", &self.state)
            .field("optimized", &self.compiled.is_some())
            .finish()
    }
}

impl<F, P, X, R, O> Steps<F, P, X, R, O>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Loss,
    O: Optimizer,
{
    /// Steps of an optimizer along the gradients of a function, from the given parameters on.
    ///
    /// # Errors
    /// As [`Optimizer::init`].
    #[track_caller]
    pub fn new(gradient: Grad<F, P, X, R>, optimizer: O, params: P) -> Result<Self> {
        let state = optimizer.init(&params)?;
        Ok(Steps { whole: Arc::new(Whole { gradient, optimizer }), params, state, compiled: None })
    }

    /// One step: gradient and loss at the parameters as they are, then the parameters moved. Yields what the `call` of the
    /// gradient does. After an error parameters and state are what they were.
    ///
    /// # Errors
    /// As [`Grad::call`] and [`Optimizer::step`].
    #[track_caller]
    pub fn call(&mut self, x: X::Refs<'_>) -> Result<(P, R::Parts)> {
        let yielded = match &self.compiled {
            None => self.whole.step(&self.params, &self.state, x)?,
            Some(compiled) => {
                // Handles on the same tensors. They are not given away (`call_owned`): after an error they are needed.
                let carried = (handles(&self.params), handles(&self.state));
                compiled.call(&carried, x)?
            }
        };
        let ((params, state), gradient) = yielded;
        (self.params, self.state) = (params, state);
        Ok(gradient)
    }

    /// Whether forward, backward and update are compiled as one program; see [`jit`]. Results stay what they are.
    #[must_use]
    pub fn optimize(mut self, optimize: bool) -> Self {
        self.compiled = optimize.then(|| jit(Shared(self.whole.clone())));
        self
    }

    /// What happens where the step cannot be compiled; see [`Fallback`]. It is compiled from now on.
    #[must_use]
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        let compiled = self.compiled.take().unwrap_or_else(|| jit(Shared(self.whole.clone())));
        self.compiled = Some(compiled.fallback(fallback));
        self
    }

    /// What became of the calls of the compiled step, or of the gradient where the step is not compiled.
    pub fn stats(&self) -> Stats {
        self.compiled.as_ref().map_or_else(|| self.whole.gradient.stats(), Jit::stats)
    }

    /// The parameters as they are.
    pub fn params(&self) -> &P {
        &self.params
    }

    /// The state of the optimizer, to be saved with the parameters.
    pub fn state(&self) -> &State<P> {
        &self.state
    }

    /// Goes on from parameters and a state, such as were saved.
    ///
    /// # Errors
    /// If they do not fit each other, or the settings. Nothing changes then.
    #[track_caller]
    pub fn resume(&mut self, params: P, state: State<P>) -> Result<()> {
        // A step along no gradient finds whatever there is to find.
        let none =
            retrograd::tree::map(&params, |x| if x.error().is_none() { x.zeros_like() } else { x.clone() });
        self.whole.optimizer.step(&params, &none, &state)?;
        (self.params, self.state) = (params, state);
        Ok(())
    }

    /// Parameters and state.
    pub fn into_parts(self) -> (P, State<P>) {
        (self.params, self.state)
    }
}

/// The same tensors in a second tree.
fn handles<T: Tree>(tree: &T) -> T {
    retrograd::tree::copy(tree)
}

/// The steps of a [`Minimizer`], which evaluates the gradient several times in each: gradient, method, parameters and
/// state in one. Made by [`lbfgs`](super::lbfgs()) and [`cg`](super::cg()).
///
/// ```
/// use retrograd::{Tensor, grad, optim};
/// use retrograd::optim::ConjugateGradient;
///
/// let bowl = |x: &Tensor, scale: &Tensor| ((x - 1.0).square() * scale).sum();
/// let mut step = optim::cg(grad(bowl), ConjugateGradient::default(), Tensor::from([4.0, -2.0]))?;
/// let scale = Tensor::from([1.0, 30.0]);
/// let (_grads, before) = step.call(&scale)?;
/// assert_eq!(before.item::<f64>()?, 279.0);
/// assert!(step.params().allclose(&Tensor::from([1.0, 1.0]), 1e-6, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct Searches<F, P, X, R, M: Minimizer> {
    gradient: Grad<F, P, X, R>,
    minimizer: M,
    params: P,
    state: M::State,
}

impl<F, P: fmt::Debug, X, R, M: Minimizer> fmt::Debug for Searches<F, P, X, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searches")
            .field("gradient", &self.gradient)
            .field("minimizer", &self.minimizer)
            .field("params", &self.params)
            .field("state", &self.state)
            .finish()
    }
}

impl<F, P, X, R, M> Searches<F, P, X, R, M>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Loss,
    R::Parts: Loss<Parts = R::Parts>,
    M: Minimizer,
{
    /// Steps of a method along the gradients of a function, from the given parameters on.
    ///
    /// # Errors
    /// As [`Minimizer::start`].
    pub fn new(gradient: Grad<F, P, X, R>, minimizer: M, params: P) -> Result<Self> {
        let state = minimizer.start(&params)?;
        Ok(Searches { gradient, minimizer, params, state })
    }

    /// One step, which evaluates the gradient at these arguments as often as it needs. Yields gradient and loss at the
    /// parameters before it. After an error parameters and state are what they were.
    ///
    /// # Errors
    /// As [`Grad::call`] and [`Minimizer::minimize`].
    #[track_caller]
    pub fn call(&mut self, x: X::Refs<'_>) -> Result<(P, R::Parts)> {
        let function = |p: &P| self.gradient.call(p, X::shortened(x));
        let Minimized { params, state, gradient, output } =
            self.minimizer.minimize(&self.params, &self.state, function)?;
        (self.params, self.state) = (params, state);
        Ok((gradient, output))
    }

    /// The parameters as they are.
    pub fn params(&self) -> &P {
        &self.params
    }

    /// The state of the method, to be saved with the parameters.
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// Goes on from parameters and a state, such as were saved.
    pub fn resume(&mut self, params: P, state: M::State) {
        (self.params, self.state) = (params, state);
    }

    /// Parameters and state.
    pub fn into_parts(self) -> (P, M::State) {
        (self.params, self.state)
    }
}

/// Torch's functions, by name.
macro_rules! wrappers {
    ($($function:ident $rule:ident;)*) => {$(
        #[doc = concat!("Steps by [`", stringify!($rule), "`](super::", stringify!($rule), ") along the gradients of a")]
        /// function, from `params` on; `config` are settings, or groups of them.
        ///
        /// # Errors
        /// As [`Optimizer::init`].
        #[track_caller]
        pub fn $function<F, P, X, R, O>(df: Grad<F, P, X, R>, config: O, params: P) -> Result<Steps<F, P, X, R, O>>
        where
            F: Function<P, X, R>,
            P: Tree,
            X: Arguments,
            R: Loss,
            O: Optimizer<Rule = super::$rule>,
        {
            Steps::new(df, config, params)
        }
    )*};
}

wrappers! {
    sgd Sgd;
    asgd Asgd;
    lion Lion;
    adam Adam;
    adamw AdamW;
    adamax Adamax;
    nadam NAdam;
    radam RAdam;
    adagrad Adagrad;
    adadelta Adadelta;
    rmsprop RmsProp;
    rprop Rprop;
    lamb Lamb;
}

/// Functions for the methods that search.
macro_rules! searches {
    ($($function:ident $method:ident;)*) => {$(
        #[doc = concat!("Steps by [`", stringify!($method), "`](super::", stringify!($method), ") along the gradients of")]
        /// a function, from `params` on.
        ///
        /// # Errors
        /// As [`Minimizer::start`].
        pub fn $function<F, P, X, R>(
            df: Grad<F, P, X, R>,
            config: super::$method,
            params: P,
        ) -> Result<Searches<F, P, X, R, super::$method>>
        where
            F: Function<P, X, R>,
            P: Tree,
            X: Arguments,
            R: Loss,
            R::Parts: Loss<Parts = R::Parts>,
        {
            Searches::new(df, config, params)
        }
    )*};
}

searches! {
    lbfgs Lbfgs;
    cg ConjugateGradient;
}

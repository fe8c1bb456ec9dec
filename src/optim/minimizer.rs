//! What methods share that evaluate the function several times in a step.

use std::fmt::Debug;
use std::panic::Location;

use retrograd::{Error, Loss, Result, Tree};

use super::optimizer::located;

/// A method that evaluates the function as often as it needs in a step: [`Lbfgs`](super::Lbfgs),
/// [`ConjugateGradient`](super::ConjugateGradient).
///
/// A step is a pure function of parameters, state and the function, which has to give the same in each evaluation. It
/// looks at values, so it is not compiled itself; the gradient that it calls may be.
pub trait Minimizer: Clone + Debug + Send + Sync + 'static {
    /// What is remembered from step to step.
    type State: Tree + Clone + Debug;

    /// For errors.
    fn name(&self) -> &'static str;

    /// The state before the first step.
    ///
    /// # Errors
    /// A setting out of its range.
    fn start<P: Tree>(&self, params: &P) -> Result<Self::State>;

    /// What [`Minimizer::minimize`] does, its errors without the method's name and the caller's line.
    ///
    /// # Errors
    /// As [`Minimizer::minimize`].
    #[doc(hidden)]
    fn run<P, V, F>(
        &self,
        params: &P,
        state: &Self::State,
        function: F,
    ) -> Result<Minimized<P, V, Self::State>>
    where
        P: Tree,
        V: Loss<Parts = V>,
        F: FnMut(&P) -> Result<(P, V)>;

    /// One step. `function` yields gradient and loss (or a tuple that begins with it), as the `call` of a
    /// [`grad`](crate::grad) does.
    ///
    /// # Errors
    /// A setting out of its range, gradients that do not fit the parameters, or what the function returns.
    #[track_caller]
    fn minimize<P, V, F>(
        &self,
        params: &P,
        state: &Self::State,
        function: F,
    ) -> Result<Minimized<P, V, Self::State>>
    where
        P: Tree,
        V: Loss<Parts = V>,
        F: FnMut(&P) -> Result<(P, V)>,
    {
        let at = Location::caller();
        let (mut function, mut failed) = (function, None);
        let noted = |p: &P| function(p).inspect_err(|error| failed = Some(error.clone()));
        let found = self.run(params, state, noted);
        // What the function says is passed on as it is: it has a line of its own.
        found.map_err(|e| failed.unwrap_or_else(|| located(at, Error::msg(format!("{}: {e}", self.name())))))
    }
}

/// What a step of a [`Minimizer`] yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Minimized<P, V, S> {
    /// The parameters after it.
    pub params: P,
    /// The state after it.
    pub state: S,
    /// The gradient at the parameters before it.
    pub gradient: P,
    /// What the function gave there: the loss, or a tuple that begins with it.
    pub output: V,
}

//! Layers without parameters and state.

use std::fmt::Debug;
use std::sync::Arc;

use super::module::{Ctx, Module, short_name};
use retrograd::{Rng, Tree};

/// A layer that has neither parameters nor state and draws nothing, such as an activation: every one is a
/// [`Module`].
pub trait Stateless: Debug + Send + Sync + 'static {
    /// What goes in.
    type Input: Tree;
    /// What comes out.
    type Output: Tree;
    /// What `backward` needs of `forward`.
    type Saved: Tree;

    /// For errors and listings: by default the name of the type.
    fn name(&self) -> &'static str {
        short_name(std::any::type_name::<Self>())
    }

    /// Output, and what `backward` needs.
    fn forward(&self, input: &Self::Input) -> (Self::Output, Self::Saved);

    /// The gradient of the input, given that of the output.
    fn backward(&self, saved: &Self::Saved, grad_output: &Self::Output) -> Self::Input;

    /// As [`Module::is_foreign`].
    fn is_foreign(&self) -> bool {
        false
    }
}

impl<L: Stateless> Module for L {
    type Params = ();
    type State = ();
    type Input = <L as Stateless>::Input;
    type Output = <L as Stateless>::Output;
    type Saved = <L as Stateless>::Saved;

    fn name(&self) -> &'static str {
        Stateless::name(self)
    }

    fn params(&self, _: &mut Rng) {}

    fn state(&self) {}

    fn forward(
        &self,
        (): &(),
        (): &(),
        input: &<L as Stateless>::Input,
        _: &mut Ctx,
    ) -> (<L as Stateless>::Output, <L as Stateless>::Saved, ()) {
        let (output, saved) = Stateless::forward(self, input);
        (output, saved, ())
    }

    fn backward(
        &self,
        (): &(),
        saved: &<L as Stateless>::Saved,
        grad_output: &<L as Stateless>::Output,
    ) -> ((), <L as Stateless>::Input) {
        ((), Stateless::backward(self, saved, grad_output))
    }

    fn is_foreign(&self) -> bool {
        Stateless::is_foreign(self)
    }
}

/// A layer without parameters and state as a function `f(input)` that transforms differentiate; its gradient is the
/// layer's own. What does other things in training, as dropout, does here what it does in use.
///
/// ```
/// use retrograd::nn::{CAddTable, Tanh, function};
/// use retrograd::{Tensor, grad};
/// let sum = function(CAddTable);
/// let d = grad(|x: &Vec<Tensor>| sum(x).square());
/// let (dx, _) = d.call(&vec![Tensor::from(1.0), Tensor::from(2.0)], ())?;
/// assert_eq!(dx[1].item::<f64>()?, 6.0);
/// assert_eq!(function(Tanh)(&Tensor::from(0.0)).item::<f64>()?, 0.0);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn function<L>(layer: L) -> impl Fn(&L::Input) -> L::Output + Clone + Send + Sync + 'static
where
    L: Module<Params = (), State = ()>,
{
    let layer = Arc::new(layer);
    move |input: &L::Input| super::apply(&layer, &(), &(), input, &mut Ctx::eval()).0
}

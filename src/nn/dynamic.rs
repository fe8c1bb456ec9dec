//! Layers of different types behind one.

use std::fmt::Debug;
use std::sync::Arc;

use super::module::{Ctx, Module};
use retrograd::tree::AnyTree;
use retrograd::{Rng, Tree};

/// A layer of which the types of parameters, input and so on are not known: what containers hold. Every
/// [`Module`] in an `Arc` is one.
///
/// # Panics
/// Each method unwinds with an error, which `call` of a transform returns as `Err`, if a tree is of another type than
/// the layer's.
pub trait DynModule: Debug + Send + Sync + 'static {
    /// As [`Module::name`].
    fn name(&self) -> &'static str;
    /// As [`Module::params`].
    fn params(&self, rng: &mut Rng) -> AnyTree;
    /// As [`Module::state`].
    fn state(&self) -> AnyTree;
    /// As [`Module::forward`].
    fn forward(&self, params: &AnyTree, state: &AnyTree, input: &AnyTree, ctx: &mut Ctx) -> Forward;
    /// As [`Module::backward`].
    fn backward(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> (AnyTree, AnyTree);
    /// As [`Module::backward_params`].
    fn backward_params(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> AnyTree;
    /// As [`Module::backward_input`].
    fn backward_input(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> AnyTree;
    /// As [`Module::is_foreign`].
    fn is_foreign(&self) -> bool;
    /// As [`Module::apply`].
    #[track_caller]
    fn apply(&self, params: &AnyTree, state: &AnyTree, input: &AnyTree, ctx: &mut Ctx) -> (AnyTree, AnyTree);
}

/// Output, what `backward` needs, and the next state.
pub type Forward = (AnyTree, AnyTree, AnyTree);

/// What was to be of a layer's type.
#[track_caller]
fn part<'a, T: Tree>(layer: &str, what: &str, tree: &'a AnyTree) -> &'a T {
    match tree.get() {
        Ok(tree) => tree,
        Err(error) => error.context(format!("{layer}, {what}")).raise(),
    }
}

impl<M: Module> DynModule for Arc<M> {
    fn name(&self) -> &'static str {
        M::name(self)
    }

    fn params(&self, rng: &mut Rng) -> AnyTree {
        AnyTree::new(M::params(self, rng))
    }

    fn state(&self) -> AnyTree {
        AnyTree::new(M::state(self))
    }

    fn forward(&self, params: &AnyTree, state: &AnyTree, input: &AnyTree, ctx: &mut Ctx) -> Forward {
        let name = M::name(self);
        let (params, state) = (part(name, "parameters", params), part(name, "state", state));
        let (output, saved, next) = M::forward(self, params, state, part(name, "input", input), ctx);
        (AnyTree::new(output), AnyTree::new(saved), AnyTree::new(next))
    }

    fn backward(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> (AnyTree, AnyTree) {
        let name = M::name(self);
        let (params, saved) = (part(name, "parameters", params), part(name, "saved values", saved));
        let (dp, dx) = M::backward(self, params, saved, part(name, "gradient", grad_output));
        (AnyTree::new(dp), AnyTree::new(dx))
    }

    fn backward_params(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> AnyTree {
        let name = M::name(self);
        let (params, saved) = (part(name, "parameters", params), part(name, "saved values", saved));
        AnyTree::new(M::backward_params(self, params, saved, part(name, "gradient", grad_output)))
    }

    fn backward_input(&self, params: &AnyTree, saved: &AnyTree, grad_output: &AnyTree) -> AnyTree {
        let name = M::name(self);
        let (params, saved) = (part(name, "parameters", params), part(name, "saved values", saved));
        AnyTree::new(M::backward_input(self, params, saved, part(name, "gradient", grad_output)))
    }

    fn is_foreign(&self) -> bool {
        M::is_foreign(self)
    }

    fn apply(&self, params: &AnyTree, state: &AnyTree, input: &AnyTree, ctx: &mut Ctx) -> (AnyTree, AnyTree) {
        let name = M::name(self);
        let (params, state) = (part(name, "parameters", params), part(name, "state", state));
        let (output, next) = M::apply(self, params, state, part(name, "input", input), ctx);
        (AnyTree::new(output), AnyTree::new(next))
    }
}

//! Layers as functions that transforms differentiate.

use std::sync::Arc;

use super::module::{Ctx, Mode, Module};
use crate::autodiff::custom::{Rules, add_cotangents, apply_rules};
use crate::ops::InputSet;
use retrograd::{Result, Rng, Tensor, stop_gradient, tree};

/// A layer as a function `f(params, input)`, and its first parameters. The function is used inside `grad` like any
/// other; its gradient is the layer's own.
///
/// It runs in training mode, with draws that follow [`manual_seed`](crate::manual_seed). A layer that has state, or
/// of which both modes are needed, is for [`functionalize_with_state`].
///
/// ```
/// use retrograd::{Rng, Tensor, jacobian, nn};
/// let (f, params) = nn::functionalize(nn::Linear::new(3, 2), &mut Rng::seed(1));
/// let of_input = jacobian(|x: &Tensor| f(&params, x));
/// assert_eq!(of_input.call(&Tensor::ones([3]), ())?.shape(), [2, 3]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn functionalize<M>(
    module: M,
    rng: &mut Rng,
) -> (impl Fn(&M::Params, &M::Input) -> M::Output + Clone + Send + Sync + 'static + use<M>, M::Params)
where
    M: Module<State = ()>,
{
    let params = module.params(rng);
    let module = Arc::new(module);
    let function = move |params: &M::Params, input: &M::Input| {
        let mut ctx = Ctx::train(Rng::from_global());
        M::apply(&module, params, &(), input, &mut ctx).0
    };
    (function, params)
}

/// A layer as a function `f(params, state, input, ctx) -> (output, next state)`, its first parameters and its first
/// state. The context says whether the network learns, and where random numbers come from.
///
/// ```
/// use retrograd::nn::{Ctx, Linear, functionalize_with_state};
/// use retrograd::{Rng, Tensor};
/// let (f, params, state) = functionalize_with_state(Linear::new(3, 2), &mut Rng::seed(1));
/// let (y, _) = f(&params, &state, &Tensor::ones([4, 3]), &mut Ctx::eval());
/// assert_eq!(y.shape(), [4, 2]);
/// ```
#[expect(clippy::type_complexity, reason = "a function and two values: a name would hide what it takes")]
pub fn functionalize_with_state<M: Module>(
    module: M,
    rng: &mut Rng,
) -> (
    impl Fn(&M::Params, &M::State, &M::Input, &mut Ctx) -> (M::Output, M::State)
    + Clone
    + Send
    + Sync
    + 'static
    + use<M>,
    M::Params,
    M::State,
) {
    let (params, state) = (module.params(rng), module.state());
    let module = Arc::new(module);
    let function = move |params: &M::Params, state: &M::State, input: &M::Input, ctx: &mut Ctx| {
        M::apply(&module, params, state, input, ctx)
    };
    (function, params, state)
}

/// Applies a layer so that its gradient is its own `backward`: what [`Module::apply`] does unless a layer says
/// otherwise.
#[track_caller]
pub fn apply<M: Module>(
    module: &Arc<M>,
    params: &M::Params,
    state: &M::State,
    input: &M::Input,
    ctx: &mut Ctx,
) -> (M::Output, M::State) {
    let rules = Layer { module: module.clone(), mode: ctx.mode };
    let argument = (tree::copy(params), tree::copy(state), tree::copy(input), ctx.rng.clone());
    let (output, state, rng) = apply_rules(rules, &argument);
    ctx.rng = rng;
    (output, tree::map(&state, stop_gradient))
}

/// A layer in one mode, as a function with its own derivative.
struct Layer<M> {
    module: Arc<M>,
    mode: Mode,
}

impl<M: Module> Rules for Layer<M> {
    type Argument = (M::Params, M::State, M::Input, Rng);
    type Output = (M::Output, M::State, Rng);
    /// The parameters too: `backward` is given them.
    type Saved = (M::Params, M::Saved, M::State, Rng);

    fn name(&self) -> &'static str {
        self.module.name()
    }

    fn is_made_of_operations(&self) -> bool {
        !self.module.is_foreign()
    }

    fn forward(&self, (params, state, input, rng): &Self::Argument) -> (Self::Output, Self::Saved) {
        let mut ctx = Ctx { mode: self.mode, rng: rng.clone() };
        let (output, saved, next) = self.module.forward(params, state, input, &mut ctx);
        ((output, next, ctx.rng), (tree::copy(params), saved, tree::copy(state), rng.clone()))
    }

    fn backward(
        &self,
        (params, saved, state, _): &Self::Saved,
        (dy, _, _): &Self::Output,
        needs: InputSet,
        (_, _, input, _): &Self::Argument,
    ) -> Result<Vec<Option<Tensor>>> {
        let (own, still) = (tree::leaf_count(params), tree::leaf_count(state));
        let of_input = own + still..own + still + tree::leaf_count(input);
        let (wants_params, wants_input) = (needs.meets(0..own), needs.meets(of_input.clone()));
        let (dp, dx) = match (wants_params, wants_input) {
            (true, true) => {
                let (dp, dx) = self.module.backward(params, saved, dy);
                (Some(dp), Some(dx))
            }
            (true, false) => (Some(self.module.backward_params(params, saved, dy)), None),
            (false, _) => (None, Some(self.module.backward_input(params, saved, dy))),
        };
        let name = self.module.name();
        // State and generator have none.
        let mut all = Vec::with_capacity(of_input.end + 1);
        if let Some(dp) = dp {
            add_cotangents(&mut all, name, &dp, params)?;
        }
        all.resize(of_input.start, None);
        if let Some(dx) = dx {
            add_cotangents(&mut all, name, &dx, input)?;
        }
        all.resize(of_input.end + 1, None);
        Ok(all)
    }
}

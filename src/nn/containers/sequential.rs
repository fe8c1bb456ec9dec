//! One layer after the other.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use retrograd::nn::{Ctx, DynModule, Module};
use retrograd::tree::AnyTree;
use retrograd::{Rng, Tensor, Tree, tree};

/// Layers one after the other, from input `X` to output `Y`; the compiler holds each to what comes out of the one
/// before.
///
/// Parameters, state and saved values are lists with an element for each layer, so paths are `[0].weight`, `[0].bias`,
/// ...; `params[0].get::<LinearParams>()` is a layer's own.
///
/// PyTorch: `torch.nn.Sequential`. Torch: `nn.Sequential`.
///
/// ```
/// use retrograd::nn::{Linear, LinearParams, Sequential, functionalize_with_state, Ctx};
/// use retrograd::{Rng, Tensor, tree};
/// let mut net = Sequential::new().add(Linear::new(3, 8));
/// for _ in 0..2 {
///     net = net.add(Linear::new(8, 8));
/// }
/// let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
/// assert_eq!(tree::paths(&params)[4..], ["[2].weight", "[2].bias"]);
/// let (y, _) = f(&params, &state, &Tensor::ones([4, 3]), &mut Ctx::eval());
/// assert_eq!(y.shape(), [4, 8]);
/// assert_eq!(params[0].get::<LinearParams>()?.weight.shape(), [8, 3]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct Sequential<X = Tensor, Y = Tensor> {
    layers: Vec<Arc<dyn DynModule>>,
    signature: PhantomData<fn(X) -> Y>,
}

impl<X> Sequential<X, X> {
    /// No layers: the identity.
    pub fn new() -> Sequential<X, X> {
        Sequential { layers: Vec::new(), signature: PhantomData }
    }
}

impl<X> Default for Sequential<X, X> {
    fn default() -> Sequential<X, X> {
        Sequential::new()
    }
}

impl<X, Y> Sequential<X, Y> {
    /// The same with one layer more.
    #[expect(clippy::should_implement_trait, reason = "Torch's name; nothing is summed")]
    pub fn add<M: Module<Input = Y>>(mut self, layer: M) -> Sequential<X, M::Output> {
        self.layers.push(Arc::new(Arc::new(layer)));
        Sequential { layers: self.layers, signature: PhantomData }
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers.
    pub fn layers(&self) -> &[Arc<dyn DynModule>] {
        &self.layers
    }
}

impl<X, Y> Clone for Sequential<X, Y> {
    fn clone(&self) -> Self {
        Sequential { layers: self.layers.clone(), signature: PhantomData }
    }
}

impl<X, Y> fmt::Debug for Sequential<X, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sequential ")?;
        f.debug_list().entries(&self.layers).finish()
    }
}

/// Lists with an element for each layer.
type Parts = Vec<AnyTree>;

impl<X: Tree, Y: Tree> Sequential<X, Y> {
    /// Gradients of the parameters of the layers from `first` on, and of what went into that layer; the layers before
    /// have no parameters.
    fn backward_to(&self, first: usize, params: &Parts, saved: &Parts, dy: AnyTree) -> (Parts, AnyTree) {
        let mut grads: Parts = params[..first].to_vec();
        let mut dx = dy;
        let mut later = Vec::new();
        for i in (first..self.layers.len()).rev() {
            let (dp, d) = self.layers[i].backward(&params[i], &saved[i], &dx);
            later.push(dp);
            dx = d;
        }
        grads.extend(later.into_iter().rev());
        (grads, dx)
    }
}

impl<X: Tree, Y: Tree> Module for Sequential<X, Y> {
    type Params = Parts;
    type State = Parts;
    type Input = X;
    type Output = Y;
    type Saved = Parts;

    fn params(&self, rng: &mut Rng) -> Parts {
        self.layers.iter().map(|layer| layer.params(rng)).collect()
    }

    fn state(&self) -> Parts {
        self.layers.iter().map(|layer| layer.state()).collect()
    }

    fn forward(&self, params: &Parts, state: &Parts, input: &X, ctx: &mut Ctx) -> (Y, Parts, Parts) {
        super::same_length("Sequential", &self.layers, params, state);
        let mut x = AnyTree::new(tree::copy(input));
        let (mut saved, mut next) = (Vec::new(), Vec::new());
        for ((layer, params), state) in self.layers.iter().zip(params).zip(state) {
            let (y, kept, changed) = layer.forward(params, state, &x, ctx);
            saved.push(kept);
            next.push(changed);
            x = y;
        }
        (opened(x), saved, next)
    }

    fn backward(&self, params: &Parts, saved: &Parts, dy: &Y) -> (Parts, X) {
        let (grads, dx) = self.backward_to(0, params, saved, AnyTree::new(tree::copy(dy)));
        (grads, opened(dx))
    }

    fn backward_params(&self, params: &Parts, saved: &Parts, dy: &Y) -> Parts {
        let Some(first) = params.iter().position(|params| tree::leaf_count(params) > 0) else {
            return params.clone();
        };
        let dy = AnyTree::new(tree::copy(dy));
        let (mut grads, dx) = self.backward_to(first + 1, params, saved, dy);
        grads[first] = self.layers[first].backward_params(&params[first], &saved[first], &dx);
        grads
    }

    fn backward_input(&self, params: &Parts, saved: &Parts, dy: &Y) -> X {
        let mut dx = AnyTree::new(tree::copy(dy));
        for ((layer, params), saved) in self.layers.iter().zip(params).zip(saved).rev() {
            dx = layer.backward_input(params, saved, &dx);
        }
        opened(dx)
    }

    fn is_foreign(&self) -> bool {
        self.layers.iter().any(|layer| layer.is_foreign())
    }

    /// Each layer is a function with its own derivative.
    fn apply(this: &Arc<Self>, params: &Parts, state: &Parts, input: &X, ctx: &mut Ctx) -> (Y, Parts) {
        super::same_length("Sequential", &this.layers, params, state);
        let mut x = AnyTree::new(tree::copy(input));
        let mut next = Vec::new();
        for ((layer, params), state) in this.layers.iter().zip(params).zip(state) {
            let (y, changed) = layer.apply(params, state, &x, ctx);
            next.push(changed);
            x = y;
        }
        (opened(x), next)
    }
}

/// What the last layer returned: its type was checked when the layer was added.
fn opened<T: Tree>(x: AnyTree) -> T {
    x.take().unwrap_or_else(|error| error.context("Sequential").raise())
}

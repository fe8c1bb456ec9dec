//! What transformers are made of: parts whose result is added to what went into them, and normalised.

use super::multihead::{AttentionWeights, MultiheadAttention};
use retrograd::nn::{Ctx, LayerNorm, Linear, LinearParams, Module, NormParams, NormSaved};
use retrograd::{Rng, Tensor, Tree};

/// The function between the linear layers of a transformer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TransformerActivation {
    /// `max(0, x)`, with derivative 0 at 0.
    #[default]
    Relu,
    /// The Gaussian error linear unit, in its exact form.
    Gelu,
}

impl TransformerActivation {
    fn value(self, x: &Tensor) -> Tensor {
        match self {
            TransformerActivation::Relu => x.relu(),
            TransformerActivation::Gelu => x.gelu(),
        }
    }

    fn slope(self, x: &Tensor) -> Tensor {
        match self {
            TransformerActivation::Relu => x.relu().sign(),
            TransformerActivation::Gelu => {
                let below = ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
                let density = (x.square() * -0.5).exp() / (2.0 * std::f64::consts::PI).sqrt();
                below + x * density
            }
        }
    }
}

/// What the layers of encoders and decoders have in common.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) size: usize,
    pub(super) heads: usize,
    pub(super) feedforward: usize,
    pub(super) dropout: f64,
    pub(super) activation: TransformerActivation,
    pub(super) eps: f64,
    pub(super) bias: bool,
    pub(super) batch_first: bool,
    pub(super) norm_first: bool,
    pub(super) causal: bool,
}

/// What a part keeps that is added to what went into it.
#[derive(Clone, Debug, Tree)]
pub struct ResidualSaved<S> {
    /// Of the part itself.
    pub part: S,
    /// Of the normalisation.
    pub norm: NormSaved,
    /// What the part's result was multiplied by; none without dropout.
    pub dropped: Option<Tensor>,
}

/// What the linear layers keep.
#[derive(Clone, Debug, Tree)]
pub struct FeedSaved {
    /// What went in.
    pub x: Tensor,
    /// What came out of the first one.
    pub h: Tensor,
    /// What went into the second one.
    pub f: Tensor,
    /// What the function's result was multiplied by; none without dropout.
    pub dropped: Option<Tensor>,
}

/// The options of a layer with a [`Block`].
macro_rules! block_options {
    ($layer:ident { $($(#[$doc:meta])* $option:ident ($field:ident): $type:ty),* $(,)? }) => {
        impl $layer {
            /// For sequences of vectors of this size, with so many heads, which divide it: 2048 in between, dropout 0.1.
            pub fn new(d_model: usize, nhead: usize) -> $layer {
                $layer { block: Block::new(d_model, nhead) }
            }
            $(
                $(#[$doc])*
                pub fn $option(mut self, $option: $type) -> $layer {
                    self.block.$field = $option;
                    self
                }
            )*
        }
    };
    ($layer:ident) => {
        block_options! { $layer {
            /// The size between the linear layers.
            dim_feedforward (feedforward): usize,
            /// The part that is put to zero in training.
            dropout (dropout): f64,
            /// The function between the linear layers.
            activation (activation): TransformerActivation,
            /// What the normalisations add to the variance.
            layer_norm_eps (eps): f64,
            /// Whether the parts have biases.
            bias (bias): bool,
            /// Whether the first axis is that of examples.
            batch_first (batch_first): bool,
            /// Whether parts are normalised before instead of after.
            norm_first (norm_first): bool,
            /// Whether nothing in the sequence may look at what comes after it.
            causal (causal): bool,
        } }
    };
}
pub(super) use block_options;

/// What dropout let through.
fn through(dy: &Tensor, dropped: &Option<Tensor>) -> Tensor {
    match dropped {
        Some(dropped) => dy * dropped,
        None => dy.clone(),
    }
}

impl Block {
    pub(super) fn new(size: usize, heads: usize) -> Block {
        Block {
            size,
            heads,
            feedforward: 2048,
            dropout: 0.1,
            activation: TransformerActivation::Relu,
            eps: 1e-5,
            bias: true,
            batch_first: false,
            norm_first: false,
            causal: false,
        }
    }

    /// Attention of a sequence to itself or, with `causal` false, to another.
    pub(super) fn attention(&self, causal: bool) -> MultiheadAttention {
        MultiheadAttention::new(self.size, self.heads)
            .weights(AttentionWeights::None)
            .dropout(self.dropout)
            .bias(self.bias)
            .batch_first(self.batch_first)
            .causal(causal)
    }

    pub(super) fn norm(&self) -> LayerNorm {
        LayerNorm::new(self.size).eps(self.eps).bias(self.bias)
    }

    pub(super) fn norm_params(&self, rng: &mut Rng) -> NormParams {
        self.norm().params(rng)
    }

    fn linears(&self) -> [Linear; 2] {
        [Linear::new(self.size, self.feedforward), Linear::new(self.feedforward, self.size)]
            .map(|linear| linear.bias(self.bias))
    }

    pub(super) fn linear_params(&self, rng: &mut Rng) -> [LinearParams; 2] {
        self.linears().map(|linear| linear.params(rng))
    }

    fn drop(&self, x: Tensor, ctx: &mut Ctx) -> (Tensor, Option<Tensor>) {
        if !ctx.is_train() || self.dropout == 0.0 {
            return (x, None);
        }
        let dropped = ctx.rng.dropout(&x.ones_like(), self.dropout);
        (x * &dropped, Some(dropped))
    }

    /// `norm(x + part(x))`, or `x + part(norm(x))`, where a part of the result is dropped.
    pub(super) fn around<S>(
        &self,
        norm: &NormParams,
        x: &Tensor,
        ctx: &mut Ctx,
        part: impl FnOnce(&Tensor, &mut Ctx) -> (Tensor, S),
    ) -> (Tensor, ResidualSaved<S>) {
        if self.norm_first {
            let (n, kept, ()) = self.norm().forward(norm, &(), x, ctx);
            let (y, part) = part(&n, ctx);
            let (y, dropped) = self.drop(y, ctx);
            return (x + y, ResidualSaved { part, norm: kept, dropped });
        }
        let (y, part) = part(x, ctx);
        let (y, dropped) = self.drop(y, ctx);
        let (y, kept, ()) = self.norm().forward(norm, &(), &(x + y), ctx);
        (y, ResidualSaved { part, norm: kept, dropped })
    }

    /// What `pull` yields of the part, and the gradients of the normalisation's parameters and of `x`.
    pub(super) fn pull_around<S, P>(
        &self,
        norm: &NormParams,
        saved: &ResidualSaved<S>,
        dy: &Tensor,
        pull: impl FnOnce(&S, &Tensor) -> (P, Tensor),
    ) -> (P, NormParams, Tensor) {
        if self.norm_first {
            let (of_part, dn) = pull(&saved.part, &through(dy, &saved.dropped));
            let (of_norm, dx) = self.norm().backward(norm, &saved.norm, &dn);
            return (of_part, of_norm, dy + dx);
        }
        let (of_norm, dsum) = self.norm().backward(norm, &saved.norm, dy);
        let (of_part, dx) = pull(&saved.part, &through(&dsum, &saved.dropped));
        (of_part, of_norm, dsum + dx)
    }

    /// The linear layers.
    pub(super) fn feed(
        &self,
        [p1, p2]: [&LinearParams; 2],
        x: &Tensor,
        ctx: &mut Ctx,
    ) -> (Tensor, FeedSaved) {
        let [first, second] = self.linears();
        let (h, ..) = first.forward(p1, &(), x, ctx);
        let (f, dropped) = self.drop(self.activation.value(&h), ctx);
        let (y, ..) = second.forward(p2, &(), &f, ctx);
        (y, FeedSaved { x: x.clone(), h, f, dropped })
    }

    pub(super) fn pull_feed(
        &self,
        [p1, p2]: [&LinearParams; 2],
        saved: &FeedSaved,
        dy: &Tensor,
    ) -> ([LinearParams; 2], Tensor) {
        let [first, second] = self.linears();
        let (dp2, df) = second.backward(p2, &saved.f, dy);
        let dh = through(&df, &saved.dropped) * self.activation.slope(&saved.h);
        let (dp1, dx) = first.backward(p1, &saved.x, &dh);
        ([dp1, dp2], dx)
    }
}

/// The sum of the gradients of what every layer was given.
pub(super) fn added(sum: Option<Tensor>, more: Option<Tensor>) -> Option<Tensor> {
    match (sum, more) {
        (Some(sum), Some(more)) if more.error().is_none() && more.dtype().is_float() => Some(sum + more),
        (sum, more) => sum.or(more),
    }
}

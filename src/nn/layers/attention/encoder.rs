//! Transformer encoders: attention and two linear layers, again and again.

use super::input::AttentionInput;
use super::multihead::{AttentionSaved, AttentionWeights, MultiheadAttention};
use super::params::AttentionParams;
use retrograd::nn::{Ctx, LayerNorm, Linear, LinearParams, Module, NormParams, NormSaved};
use retrograd::{Rng, Tensor, Tree};

/// The input of [`TransformerEncoderLayer`] and [`TransformerEncoder`].
#[derive(Clone, Debug, Tree)]
pub struct EncoderInput {
    /// The sequence: `[length, n, size]`, `[n, length, size]` for a layer that has the batch first, or without `n`.
    pub src: Tensor,
    /// As [`AttentionInput::attn_mask`].
    pub src_mask: Option<Tensor>,
    /// As [`AttentionInput::key_padding_mask`].
    pub src_key_padding_mask: Option<Tensor>,
}

impl EncoderInput {
    /// A sequence without masks.
    pub fn new(src: &Tensor) -> EncoderInput {
        EncoderInput { src: src.clone(), src_mask: None, src_key_padding_mask: None }
    }
}

/// The function between the linear layers of a [`TransformerEncoderLayer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Activation {
    /// `max(0, x)`, with derivative 0 at 0.
    #[default]
    Relu,
    /// The Gaussian error linear unit, in its exact form.
    Gelu,
}

impl Activation {
    fn value(self, x: &Tensor) -> Tensor {
        match self {
            Activation::Relu => x.relu(),
            Activation::Gelu => x.gelu(),
        }
    }

    fn slope(self, x: &Tensor) -> Tensor {
        match self {
            Activation::Relu => x.relu().sign(),
            Activation::Gelu => {
                let below = ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
                let density = (x.square() * -0.5).exp() / (2.0 * std::f64::consts::PI).sqrt();
                below + x * density
            }
        }
    }
}

/// Attention of a sequence to itself and two linear layers with a function between, each added to what went in and
/// normalised: `a = norm1(x + attention(x))`, `y = norm2(a + linear2(f(linear1(a))))`; with `.norm_first(true)`
/// `a = x + attention(norm1(x))`, `y = a + linear2(f(linear1(norm2(a))))`.
///
/// The input is an [`EncoderInput`], the output of the sequence's shape. In training `.dropout(p)` (0.1 unless told) puts
/// a part to zero: of the attention's weights, of both results before they are added, and after the function.
///
/// Gradient: those of the parts, from the last to the first.
///
/// PyTorch: `torch.nn.TransformerEncoderLayer`. Torch: none. Source: Vaswani et al., "Attention Is All You Need", 2017;
/// for the order of `norm_first`, Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020.
///
/// ```
/// use retrograd::nn::{EncoderInput, TransformerEncoderLayer, functionalize};
/// use retrograd::{Rng, Tensor};
/// let layer = TransformerEncoderLayer::new(8, 2).dim_feedforward(16).batch_first(true).causal(true);
/// let (f, params) = functionalize(layer, &mut Rng::seed(1));
/// assert_eq!(f(&params, &EncoderInput::new(&Tensor::randn([4, 5, 8]))).shape(), [4, 5, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct TransformerEncoderLayer {
    attention: MultiheadAttention,
    size: usize,
    feedforward: usize,
    dropout: f64,
    activation: Activation,
    eps: f64,
    bias: bool,
    norm_first: bool,
}

/// Parameters of [`TransformerEncoderLayer`], with PyTorch's names.
#[derive(Clone, Debug, Tree)]
pub struct EncoderLayerParams {
    /// Attention.
    pub self_attn: AttentionParams,
    /// `[dim_feedforward, size]` and its bias.
    pub linear1: LinearParams,
    /// `[size, dim_feedforward]` and its bias.
    pub linear2: LinearParams,
    /// After or before attention.
    pub norm1: NormParams,
    /// After or before the linear layers.
    pub norm2: NormParams,
}

/// What [`TransformerEncoderLayer`] keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct EncoderLayerSaved {
    /// Of attention.
    pub attention: AttentionSaved,
    /// Of the normalisations.
    pub norms: [NormSaved; 2],
    /// What went into the linear layers, the first one's output, and what went into the second.
    pub hidden: [Tensor; 3],
    /// What was multiplied by: the attention's result, the function's, the linear layers'; none without dropout.
    pub dropped: [Option<Tensor>; 3],
}

impl TransformerEncoderLayer {
    /// For sequences of vectors of this size, with so many heads: 2048 in between, dropout 0.1.
    pub fn new(d_model: usize, nhead: usize) -> TransformerEncoderLayer {
        TransformerEncoderLayer {
            attention: MultiheadAttention::new(d_model, nhead).weights(AttentionWeights::None).dropout(0.1),
            size: d_model,
            feedforward: 2048,
            dropout: 0.1,
            activation: Activation::Relu,
            eps: 1e-5,
            bias: true,
            norm_first: false,
        }
    }

    /// The size between the linear layers.
    pub fn dim_feedforward(mut self, size: usize) -> TransformerEncoderLayer {
        self.feedforward = size;
        self
    }

    /// The part that is put to zero in training.
    pub fn dropout(mut self, p: f64) -> TransformerEncoderLayer {
        self.dropout = p;
        self.attention = self.attention.dropout(p);
        self
    }

    /// The function between the linear layers.
    pub fn activation(mut self, activation: Activation) -> TransformerEncoderLayer {
        self.activation = activation;
        self
    }

    /// What the normalisations add to the variance.
    pub fn layer_norm_eps(mut self, eps: f64) -> TransformerEncoderLayer {
        self.eps = eps;
        self
    }

    /// Whether the parts have biases.
    pub fn bias(mut self, bias: bool) -> TransformerEncoderLayer {
        self.bias = bias;
        self.attention = self.attention.bias(bias);
        self
    }

    /// Whether the first axis is that of examples.
    pub fn batch_first(mut self, batch_first: bool) -> TransformerEncoderLayer {
        self.attention = self.attention.batch_first(batch_first);
        self
    }

    /// Whether nothing may look at what comes after it.
    pub fn causal(mut self, causal: bool) -> TransformerEncoderLayer {
        self.attention = self.attention.causal(causal);
        self
    }

    /// Whether parts are normalised before instead of after.
    pub fn norm_first(mut self, norm_first: bool) -> TransformerEncoderLayer {
        self.norm_first = norm_first;
        self
    }

    fn norm(&self) -> LayerNorm {
        LayerNorm::new(self.size).eps(self.eps).bias(self.bias)
    }

    fn linears(&self) -> [Linear; 2] {
        [Linear::new(self.size, self.feedforward), Linear::new(self.feedforward, self.size)]
            .map(|linear| linear.bias(self.bias))
    }

    fn drop(&self, x: Tensor, ctx: &mut Ctx) -> (Tensor, Option<Tensor>) {
        if !ctx.is_train() || self.dropout == 0.0 {
            return (x, None);
        }
        let mask = ctx.rng.dropout(&x.ones_like(), self.dropout);
        (x * &mask, Some(mask))
    }

    fn attend(
        &self,
        p: &AttentionParams,
        x: &Tensor,
        input: &EncoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, AttentionSaved, Option<Tensor>) {
        let mut own = AttentionInput::of_self(x);
        own.attn_mask = input.src_mask.clone();
        own.key_padding_mask = input.src_key_padding_mask.clone();
        let ((y, _), saved, ()) = self.attention.forward(p, &(), &own, ctx);
        let (y, dropped) = self.drop(y, ctx);
        (y, saved, dropped)
    }

    /// The linear layers: their result, inputs and first output, and what was dropped.
    fn feed(
        &self,
        p: &EncoderLayerParams,
        x: &Tensor,
        ctx: &mut Ctx,
    ) -> (Tensor, [Tensor; 3], [Option<Tensor>; 2]) {
        let [first, second] = self.linears();
        let (h, ..) = first.forward(&p.linear1, &(), x, ctx);
        let (f, one) = self.drop(self.activation.value(&h), ctx);
        let (y, ..) = second.forward(&p.linear2, &(), &f, ctx);
        let (y, two) = self.drop(y, ctx);
        (y, [x.clone(), h, f], [one, two])
    }

    /// Gradients of the linear layers, and of what went into them.
    fn pull_feed(
        &self,
        p: &EncoderLayerParams,
        saved: &EncoderLayerSaved,
        dy: &Tensor,
    ) -> ([LinearParams; 2], Tensor) {
        let [first, second] = self.linears();
        let [x, h, f] = &saved.hidden;
        let (dp2, df) = second.backward(&p.linear2, f, &times(dy, &saved.dropped[2]));
        let dh = times(&df, &saved.dropped[1]) * self.activation.slope(h);
        let (dp1, dx) = first.backward(&p.linear1, x, &dh);
        ([dp1, dp2], dx)
    }

    /// Gradients of attention, of what went into it, and of the masks.
    fn pull_attention(
        &self,
        p: &EncoderLayerParams,
        saved: &EncoderLayerSaved,
        dy: &Tensor,
    ) -> (AttentionParams, EncoderInput) {
        let dy = (times(dy, &saved.dropped[0]), None);
        let (dp, dx) = self.attention.backward(&p.self_attn, &saved.attention, &dy);
        let src = dx.query + dx.key + dx.value;
        (dp, EncoderInput { src, src_mask: dx.attn_mask, src_key_padding_mask: dx.key_padding_mask })
    }
}

/// What dropout let through.
fn times(dy: &Tensor, mask: &Option<Tensor>) -> Tensor {
    match mask {
        Some(mask) => dy * mask,
        None => dy.clone(),
    }
}

impl Module for TransformerEncoderLayer {
    type Params = EncoderLayerParams;
    type State = ();
    type Input = EncoderInput;
    type Output = Tensor;
    type Saved = EncoderLayerSaved;

    fn params(&self, rng: &mut Rng) -> EncoderLayerParams {
        let [first, second] = self.linears();
        EncoderLayerParams {
            self_attn: self.attention.params(rng),
            linear1: first.params(rng),
            linear2: second.params(rng),
            norm1: self.norm().params(rng),
            norm2: self.norm().params(rng),
        }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &EncoderLayerParams,
        (): &(),
        input: &EncoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, EncoderLayerSaved, ()) {
        let (norm, x) = (self.norm(), &input.src);
        if self.norm_first {
            let (n, norm1, ()) = norm.forward(&p.norm1, &(), x, ctx);
            let (taken, attention, zero) = self.attend(&p.self_attn, &n, input, ctx);
            let a = x + taken;
            let (n, norm2, ()) = norm.forward(&p.norm2, &(), &a, ctx);
            let (fed, hidden, [one, two]) = self.feed(p, &n, ctx);
            let (norms, dropped) = ([norm1, norm2], [zero, one, two]);
            return (a + fed, EncoderLayerSaved { attention, norms, hidden, dropped }, ());
        }
        let (taken, attention, zero) = self.attend(&p.self_attn, x, input, ctx);
        let (a, norm1, ()) = norm.forward(&p.norm1, &(), &(x + taken), ctx);
        let (fed, hidden, [one, two]) = self.feed(p, &a, ctx);
        let (y, norm2, ()) = norm.forward(&p.norm2, &(), &(a + fed), ctx);
        let (norms, dropped) = ([norm1, norm2], [zero, one, two]);
        (y, EncoderLayerSaved { attention, norms, hidden, dropped }, ())
    }

    fn backward(
        &self,
        p: &EncoderLayerParams,
        saved: &EncoderLayerSaved,
        dy: &Tensor,
    ) -> (EncoderLayerParams, EncoderInput) {
        let norm = self.norm();
        let [saved1, saved2] = &saved.norms;
        if self.norm_first {
            let ([linear1, linear2], dn) = self.pull_feed(p, saved, dy);
            let (norm2, da) = norm.backward(&p.norm2, saved2, &dn);
            let da = da + dy;
            let (self_attn, dx) = self.pull_attention(p, saved, &da);
            let (norm1, through) = norm.backward(&p.norm1, saved1, &dx.src);
            let dp = EncoderLayerParams { self_attn, linear1, linear2, norm1, norm2 };
            return (dp, EncoderInput { src: da + through, ..dx });
        }
        let (norm2, dsum) = norm.backward(&p.norm2, saved2, dy);
        let ([linear1, linear2], da) = self.pull_feed(p, saved, &dsum);
        let (norm1, dsum) = norm.backward(&p.norm1, saved1, &(da + dsum));
        let (self_attn, dx) = self.pull_attention(p, saved, &dsum);
        let dp = EncoderLayerParams { self_attn, linear1, linear2, norm1, norm2 };
        (dp, EncoderInput { src: dsum + dx.src, ..dx })
    }
}

/// Several [`TransformerEncoderLayer`]s, one after the other, under the same masks; with `.norm(true)` a [`LayerNorm`]
/// at the end, as layers need that normalise first.
///
/// Gradient: those of the layers, from the last to the first.
///
/// PyTorch: `torch.nn.TransformerEncoder`. Torch: none.
///
/// ```
/// use retrograd::nn::{EncoderInput, TransformerEncoder, TransformerEncoderLayer, functionalize};
/// use retrograd::{Rng, Tensor, tree};
/// let layer = TransformerEncoderLayer::new(8, 2).dim_feedforward(16).norm_first(true);
/// let (f, params) = functionalize(TransformerEncoder::new(layer, 3).norm(true), &mut Rng::seed(1));
/// assert!(tree::paths(&params).contains(&"layers[2].self_attn.out_proj.weight".to_owned()));
/// assert_eq!(f(&params, &EncoderInput::new(&Tensor::randn([5, 4, 8]))).shape(), [5, 4, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layer: TransformerEncoderLayer,
    layers: usize,
    norm: bool,
}

/// Parameters of [`TransformerEncoder`], with PyTorch's names.
#[derive(Clone, Debug, Tree)]
pub struct EncoderParams {
    /// Of each layer.
    pub layers: Vec<EncoderLayerParams>,
    /// Of the normalisation at the end.
    pub norm: Option<NormParams>,
}

impl TransformerEncoder {
    /// So many layers with the same options, each with parameters of its own.
    pub fn new(layer: TransformerEncoderLayer, num_layers: usize) -> TransformerEncoder {
        TransformerEncoder { layer, layers: num_layers, norm: false }
    }

    /// Whether there is a normalisation at the end.
    pub fn norm(mut self, norm: bool) -> TransformerEncoder {
        self.norm = norm;
        self
    }
}

/// The sum of the gradients of a mask that every layer was given.
fn added(sum: Option<Tensor>, more: Option<Tensor>) -> Option<Tensor> {
    match (sum, more) {
        (Some(sum), Some(more)) if more.error().is_none() && more.dtype().is_float() => Some(sum + more),
        (sum, more) => sum.or(more),
    }
}

impl Module for TransformerEncoder {
    type Params = EncoderParams;
    type State = ();
    type Input = EncoderInput;
    type Output = Tensor;
    /// Of each layer and of the normalisation, and the input.
    type Saved = (Vec<EncoderLayerSaved>, Option<NormSaved>, EncoderInput);

    fn params(&self, rng: &mut Rng) -> EncoderParams {
        let layers = (0..self.layers).map(|_| self.layer.params(rng)).collect();
        EncoderParams { layers, norm: self.norm.then(|| self.layer.norm().params(rng)) }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &EncoderParams,
        (): &(),
        input: &EncoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, Self::Saved, ()) {
        let mut x = input.clone();
        let mut saved = Vec::new();
        for p in &p.layers {
            let (y, kept, ()) = self.layer.forward(p, &(), &x, ctx);
            x.src = y;
            saved.push(kept);
        }
        let (y, norm) = match &p.norm {
            Some(p) => {
                let (y, kept, ()) = self.layer.norm().forward(p, &(), &x.src, ctx);
                (y, Some(kept))
            }
            None => (x.src, None),
        };
        (y, (saved, norm, input.clone()), ())
    }

    fn backward(
        &self,
        p: &EncoderParams,
        (saved, kept, input): &Self::Saved,
        dy: &Tensor,
    ) -> (EncoderParams, EncoderInput) {
        let (norm, dy) = match (&p.norm, kept) {
            (Some(p), Some(kept)) => {
                let (dp, dx) = self.layer.norm().backward(p, kept, dy);
                (Some(dp), dx)
            }
            _ => (None, dy.clone()),
        };
        let mut dx = EncoderInput::new(&dy);
        let mut layers = Vec::new();
        for (p, saved) in p.layers.iter().zip(saved).rev() {
            let (dp, d) = self.layer.backward(p, saved, &dx.src);
            layers.push(dp);
            dx = EncoderInput {
                src: d.src,
                src_mask: added(dx.src_mask, d.src_mask),
                src_key_padding_mask: added(dx.src_key_padding_mask, d.src_key_padding_mask),
            };
        }
        layers.reverse();
        let zeros = |mask: &Option<Tensor>| mask.as_ref().map(Tensor::zeros_like);
        dx.src_mask = dx.src_mask.or_else(|| zeros(&input.src_mask));
        dx.src_key_padding_mask =
            dx.src_key_padding_mask.or_else(|| zeros(&input.src_key_padding_mask));
        (EncoderParams { layers, norm }, dx)
    }
}

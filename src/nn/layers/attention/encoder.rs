//! Transformer encoders: attention and two linear layers, again and again.

use super::input::AttentionInput;
use super::multihead::AttentionSaved;
use super::params::AttentionParams;
use super::residual::{Block, FeedSaved, ResidualSaved, TransformerActivation, added, block_options};
use retrograd::nn::{Ctx, LayerNorm, LinearParams, Module, NormParams, NormSaved};
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
    block: Block,
}

block_options! { TransformerEncoderLayer }

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

/// What [`TransformerEncoderLayer`] keeps for its `backward`: of attention, and of the linear layers.
pub type EncoderLayerSaved = (ResidualSaved<AttentionSaved>, ResidualSaved<FeedSaved>);

impl Module for TransformerEncoderLayer {
    type Params = EncoderLayerParams;
    type State = ();
    type Input = EncoderInput;
    type Output = Tensor;
    type Saved = EncoderLayerSaved;

    fn params(&self, rng: &mut Rng) -> EncoderLayerParams {
        let block = &self.block;
        let self_attn = block.attention(block.causal).params(rng);
        let [linear1, linear2] = block.linear_params(rng);
        let [norm1, norm2] = [0, 1].map(|_| block.norm_params(rng));
        EncoderLayerParams { self_attn, linear1, linear2, norm1, norm2 }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &EncoderLayerParams,
        (): &(),
        input: &EncoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, EncoderLayerSaved, ()) {
        let block = &self.block;
        let (a, attention) = block.around(&p.norm1, &input.src, ctx, |x, ctx| {
            let mut own = AttentionInput::of_self(x);
            own.attn_mask = input.src_mask.clone();
            own.key_padding_mask = input.src_key_padding_mask.clone();
            let ((y, _), saved, ()) = block.attention(block.causal).forward(&p.self_attn, &(), &own, ctx);
            (y, saved)
        });
        let (y, fed) = block.around(&p.norm2, &a, ctx, |x, ctx| block.feed([&p.linear1, &p.linear2], x, ctx));
        (y, (attention, fed), ())
    }

    fn backward(
        &self,
        p: &EncoderLayerParams,
        (attention, fed): &EncoderLayerSaved,
        dy: &Tensor,
    ) -> (EncoderLayerParams, EncoderInput) {
        let block = &self.block;
        let ([linear1, linear2], norm2, da) = block
            .pull_around(&p.norm2, fed, dy, |saved, dy| block.pull_feed([&p.linear1, &p.linear2], saved, dy));
        let ((self_attn, masks), norm1, src) = block.pull_around(&p.norm1, attention, &da, |saved, dy| {
            let attention = block.attention(block.causal);
            let (dp, dx) = attention.backward(&p.self_attn, saved, &(dy.clone(), None));
            ((dp, [dx.attn_mask, dx.key_padding_mask]), dx.query + dx.key + dx.value)
        });
        let [src_mask, src_key_padding_mask] = masks;
        let dp = EncoderLayerParams { self_attn, linear1, linear2, norm1, norm2 };
        (dp, EncoderInput { src, src_mask, src_key_padding_mask })
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

    fn last(&self) -> LayerNorm {
        self.layer.block.norm()
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
        EncoderParams { layers, norm: self.norm.then(|| self.last().params(rng)) }
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
                let (y, kept, ()) = self.last().forward(p, &(), &x.src, ctx);
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
                let (dp, dx) = self.last().backward(p, kept, dy);
                (Some(dp), dx)
            }
            _ => (None, dy.clone()),
        };
        let zeros = |mask: &Option<Tensor>| mask.as_ref().map(Tensor::zeros_like);
        let mut dx = EncoderInput {
            src: dy,
            src_mask: zeros(&input.src_mask),
            src_key_padding_mask: zeros(&input.src_key_padding_mask),
        };
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
        (EncoderParams { layers, norm }, dx)
    }
}

//! Transformer decoders: attention to oneself and to another sequence, and two linear layers.

use super::input::AttentionInput;
use super::multihead::AttentionSaved;
use super::params::AttentionParams;
use super::residual::{Block, FeedSaved, ResidualSaved, TransformerActivation, added, block_options};
use retrograd::nn::{Ctx, LayerNorm, LinearParams, Module, NormParams, NormSaved};
use retrograd::{Rng, Tensor, Tree};

/// The input of [`TransformerDecoderLayer`] and [`TransformerDecoder`].
#[derive(Clone, Debug, Tree)]
pub struct DecoderInput {
    /// The sequence: `[length, n, size]`, `[n, length, size]` for a layer that has the batch first, or without `n`.
    pub tgt: Tensor,
    /// The sequence it looks at, such as what an encoder made, of a length of its own.
    pub memory: Tensor,
    /// As [`AttentionInput::attn_mask`], of the sequence.
    pub tgt_mask: Option<Tensor>,
    /// As [`AttentionInput::attn_mask`], of the sequence and the memory.
    pub memory_mask: Option<Tensor>,
    /// As [`AttentionInput::key_padding_mask`], of the sequence.
    pub tgt_key_padding_mask: Option<Tensor>,
    /// As [`AttentionInput::key_padding_mask`], of the memory.
    pub memory_key_padding_mask: Option<Tensor>,
}

impl DecoderInput {
    /// A sequence and what it looks at, without masks.
    pub fn new(tgt: &Tensor, memory: &Tensor) -> DecoderInput {
        DecoderInput {
            tgt: tgt.clone(),
            memory: memory.clone(),
            tgt_mask: None,
            memory_mask: None,
            tgt_key_padding_mask: None,
            memory_key_padding_mask: None,
        }
    }
}

/// Attention of a sequence to itself, attention to another one, and two linear layers with a function between, each added
/// to what went in and normalised: `a = norm1(x + attention(x))`, `b = norm2(a + attention(a, memory))`,
/// `y = norm3(b + linear2(f(linear1(b))))`; with `.norm_first(true)` what goes in is normalised instead of the sums.
///
/// The input is a [`DecoderInput`], the output of the sequence's shape. In training `.dropout(p)` (0.1 unless told) puts
/// a part to zero: of the attention's weights, of all results before they are added, and after the function.
/// `.causal(true)` is for the sequence, not for the memory.
///
/// Gradient: those of the parts, from the last to the first.
///
/// PyTorch: `torch.nn.TransformerDecoderLayer`. Torch: none. Source: Vaswani et al., "Attention Is All You Need", 2017.
///
/// ```
/// use retrograd::nn::{DecoderInput, TransformerDecoderLayer, functionalize};
/// use retrograd::{Rng, Tensor};
/// let layer = TransformerDecoderLayer::new(8, 2).dim_feedforward(16).batch_first(true).causal(true);
/// let (f, params) = functionalize(layer, &mut Rng::seed(1));
/// let input = DecoderInput::new(&Tensor::randn([4, 5, 8]), &Tensor::randn([4, 7, 8]));
/// assert_eq!(f(&params, &input).shape(), [4, 5, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct TransformerDecoderLayer {
    block: Block,
}

block_options! { TransformerDecoderLayer }

/// Parameters of [`TransformerDecoderLayer`], with PyTorch's names.
#[derive(Clone, Debug, Tree)]
pub struct DecoderLayerParams {
    /// Attention to the sequence itself.
    pub self_attn: AttentionParams,
    /// Attention to the memory.
    pub multihead_attn: AttentionParams,
    /// `[dim_feedforward, size]` and its bias.
    pub linear1: LinearParams,
    /// `[size, dim_feedforward]` and its bias.
    pub linear2: LinearParams,
    /// After or before attention to the sequence.
    pub norm1: NormParams,
    /// After or before attention to the memory.
    pub norm2: NormParams,
    /// After or before the linear layers.
    pub norm3: NormParams,
}

/// What [`TransformerDecoderLayer`] keeps for its `backward`: of attention to the sequence and to the memory, and of the
/// linear layers.
pub type DecoderLayerSaved =
    (ResidualSaved<AttentionSaved>, ResidualSaved<AttentionSaved>, ResidualSaved<FeedSaved>);

impl Module for TransformerDecoderLayer {
    type Params = DecoderLayerParams;
    type State = ();
    type Input = DecoderInput;
    type Output = Tensor;
    type Saved = DecoderLayerSaved;

    fn params(&self, rng: &mut Rng) -> DecoderLayerParams {
        let block = &self.block;
        let [self_attn, multihead_attn] = [0, 1].map(|_| block.attention(false).params(rng));
        let [linear1, linear2] = block.linear_params(rng);
        let [norm1, norm2, norm3] = [0, 1, 2].map(|_| block.norm_params(rng));
        DecoderLayerParams { self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3 }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &DecoderLayerParams,
        (): &(),
        input: &DecoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, DecoderLayerSaved, ()) {
        let block = &self.block;
        let (a, own) = block.around(&p.norm1, &input.tgt, ctx, |x, ctx| {
            let mut own = AttentionInput::of_self(x);
            own.attn_mask = input.tgt_mask.clone();
            own.key_padding_mask = input.tgt_key_padding_mask.clone();
            let ((y, _), saved, ()) = block.attention(block.causal).forward(&p.self_attn, &(), &own, ctx);
            (y, saved)
        });
        let (b, other) = block.around(&p.norm2, &a, ctx, |x, ctx| {
            let mut other = AttentionInput::new(x, &input.memory, &input.memory);
            other.attn_mask = input.memory_mask.clone();
            other.key_padding_mask = input.memory_key_padding_mask.clone();
            let ((y, _), saved, ()) = block.attention(false).forward(&p.multihead_attn, &(), &other, ctx);
            (y, saved)
        });
        let (y, fed) = block.around(&p.norm3, &b, ctx, |x, ctx| block.feed([&p.linear1, &p.linear2], x, ctx));
        (y, (own, other, fed), ())
    }

    fn backward(
        &self,
        p: &DecoderLayerParams,
        (own, other, fed): &DecoderLayerSaved,
        dy: &Tensor,
    ) -> (DecoderLayerParams, DecoderInput) {
        let block = &self.block;
        let ([linear1, linear2], norm3, db) = block
            .pull_around(&p.norm3, fed, dy, |saved, dy| block.pull_feed([&p.linear1, &p.linear2], saved, dy));
        let ((multihead_attn, of_memory), norm2, da) =
            block.pull_around(&p.norm2, other, &db, |saved, dy| {
                let dy = (dy.clone(), None);
                let (dp, dx) = block.attention(false).backward(&p.multihead_attn, saved, &dy);
                ((dp, (dx.key + dx.value, dx.attn_mask, dx.key_padding_mask)), dx.query)
            });
        let ((self_attn, masks), norm1, tgt) = block.pull_around(&p.norm1, own, &da, |saved, dy| {
            let dy = (dy.clone(), None);
            let (dp, dx) = block.attention(block.causal).backward(&p.self_attn, saved, &dy);
            ((dp, (dx.attn_mask, dx.key_padding_mask)), dx.query + dx.key + dx.value)
        });
        let (memory, memory_mask, memory_key_padding_mask) = of_memory;
        let (tgt_mask, tgt_key_padding_mask) = masks;
        let dp = DecoderLayerParams { self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3 };
        let dx = DecoderInput {
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
        };
        (dp, dx)
    }
}

/// Several [`TransformerDecoderLayer`]s, one after the other, that look at the same memory under the same masks; with
/// `.norm(true)` a [`LayerNorm`] at the end, as layers need that normalise first.
///
/// Gradient: those of the layers, from the last to the first; the memory's is their sum.
///
/// PyTorch: `torch.nn.TransformerDecoder`. Torch: none.
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    layer: TransformerDecoderLayer,
    layers: usize,
    norm: bool,
}

/// Parameters of [`TransformerDecoder`], with PyTorch's names.
#[derive(Clone, Debug, Tree)]
pub struct DecoderParams {
    /// Of each layer.
    pub layers: Vec<DecoderLayerParams>,
    /// Of the normalisation at the end.
    pub norm: Option<NormParams>,
}

impl TransformerDecoder {
    /// So many layers with the same options, each with parameters of its own.
    pub fn new(layer: TransformerDecoderLayer, num_layers: usize) -> TransformerDecoder {
        TransformerDecoder { layer, layers: num_layers, norm: false }
    }

    /// Whether there is a normalisation at the end.
    pub fn norm(mut self, norm: bool) -> TransformerDecoder {
        self.norm = norm;
        self
    }

    fn last(&self) -> LayerNorm {
        self.layer.block.norm()
    }
}

impl Module for TransformerDecoder {
    type Params = DecoderParams;
    type State = ();
    type Input = DecoderInput;
    type Output = Tensor;
    /// Of each layer and of the normalisation, and the input.
    type Saved = (Vec<DecoderLayerSaved>, Option<NormSaved>, DecoderInput);

    fn params(&self, rng: &mut Rng) -> DecoderParams {
        let layers = (0..self.layers).map(|_| self.layer.params(rng)).collect();
        DecoderParams { layers, norm: self.norm.then(|| self.last().params(rng)) }
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &DecoderParams,
        (): &(),
        input: &DecoderInput,
        ctx: &mut Ctx,
    ) -> (Tensor, Self::Saved, ()) {
        let mut x = input.clone();
        let mut saved = Vec::new();
        for p in &p.layers {
            let (y, kept, ()) = self.layer.forward(p, &(), &x, ctx);
            x.tgt = y;
            saved.push(kept);
        }
        let (y, norm) = match &p.norm {
            Some(p) => {
                let (y, kept, ()) = self.last().forward(p, &(), &x.tgt, ctx);
                (y, Some(kept))
            }
            None => (x.tgt, None),
        };
        (y, (saved, norm, input.clone()), ())
    }

    fn backward(
        &self,
        p: &DecoderParams,
        (saved, kept, input): &Self::Saved,
        dy: &Tensor,
    ) -> (DecoderParams, DecoderInput) {
        let (norm, dy) = match (&p.norm, kept) {
            (Some(p), Some(kept)) => {
                let (dp, dx) = self.last().backward(p, kept, dy);
                (Some(dp), dx)
            }
            _ => (None, dy.clone()),
        };
        let mut dx = retrograd::tree::map(input, Tensor::zeros_like);
        dx.tgt = dy;
        let mut layers = Vec::new();
        for (p, saved) in p.layers.iter().zip(saved).rev() {
            let (dp, d) = self.layer.backward(p, saved, &dx.tgt);
            layers.push(dp);
            dx = DecoderInput {
                tgt: d.tgt,
                memory: dx.memory + d.memory,
                tgt_mask: added(dx.tgt_mask, d.tgt_mask),
                memory_mask: added(dx.memory_mask, d.memory_mask),
                tgt_key_padding_mask: added(dx.tgt_key_padding_mask, d.tgt_key_padding_mask),
                memory_key_padding_mask: added(dx.memory_key_padding_mask, d.memory_key_padding_mask),
            };
        }
        layers.reverse();
        (DecoderParams { layers, norm }, dx)
    }
}

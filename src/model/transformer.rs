//! A transformer that predicts the next token of a sequence.

use std::sync::Arc;

use retrograd::nn::{
    Ctx, Dropout, Embedding, EmbeddingParams, EncoderInput, EncoderParams, Linear, LinearParams, Module,
    TransformerActivation, TransformerEncoder, TransformerEncoderLayer, init,
};
use retrograd::{Error, ErrorKind, Rng, Tensor, Tree};

/// Options of [`transformer`].
#[derive(Clone, Debug)]
pub struct Transformer {
    tokens: usize,
    context: usize,
    width: usize,
    heads: usize,
    layers: usize,
    feedforward: Option<usize>,
    dropout: f64,
    bias: bool,
}

impl Transformer {
    /// For sequences of at most `context` of so many tokens: vectors of 128, 4 heads, 4 layers, no dropout.
    pub fn new(tokens: usize, context: usize) -> Transformer {
        Transformer {
            tokens,
            context,
            width: 128,
            heads: 4,
            layers: 4,
            feedforward: None,
            dropout: 0.0,
            bias: true,
        }
    }

    /// The size of the vectors that tokens become, a multiple of the number of heads.
    pub fn width(mut self, width: usize) -> Transformer {
        self.width = width;
        self
    }

    /// How many heads attend in each layer.
    pub fn heads(mut self, heads: usize) -> Transformer {
        self.heads = heads;
        self
    }

    /// How many layers there are.
    pub fn layers(mut self, layers: usize) -> Transformer {
        self.layers = layers;
        self
    }

    /// The size between a layer's linear parts; four times the width unless told.
    pub fn feedforward(mut self, width: usize) -> Transformer {
        self.feedforward = Some(width);
        self
    }

    /// The part of attention, of results and of embeddings that is put to zero in training.
    pub fn dropout(mut self, p: f64) -> Transformer {
        self.dropout = p;
        self
    }

    /// Whether linear parts and normalisations have biases.
    pub fn bias(mut self, bias: bool) -> Transformer {
        self.bias = bias;
        self
    }

    fn blocks(&self) -> TransformerEncoder {
        let block = TransformerEncoderLayer::new(self.width, self.heads)
            .dim_feedforward(self.feedforward.unwrap_or(4 * self.width))
            .dropout(self.dropout)
            .activation(TransformerActivation::Gelu)
            .bias(self.bias)
            .batch_first(true)
            .norm_first(true)
            .causal(true);
        TransformerEncoder::new(block, self.layers).norm(true)
    }
}

/// Parameters of [`transformer`].
#[derive(Clone, Debug, Tree)]
pub struct TransformerParams {
    /// `[tokens, width]`.
    pub embedding: EmbeddingParams,
    /// What is added at each place, `[context, width]`.
    pub position: Tensor,
    /// Layers, and a normalisation behind the last.
    pub blocks: EncoderParams,
    /// `[tokens, width]` and a bias.
    pub head: LinearParams,
}

/// Deviation of the first embeddings (Radford et al. 2019, GPT-2).
const EMBEDDING: f64 = 0.02;

/// A transformer, and its first parameters: `f(params, tokens, ctx)` yields for every place of sequences
/// `[batch, steps]` (integers, at most `context` steps) a score for each token to be the next, `[batch, steps, tokens]`. Nothing
/// looks ahead.
///
/// Embeddings of tokens and of positions are summed; layers normalise before attention and before the linear parts, with
/// the exact Gelu between (Radford et al. 2019, GPT-2).
///
/// # Errors
/// As an invalid tensor, if the tokens have another shape, are no integers, or none of the network's.
///
/// ```
/// use retrograd::model::{Transformer, TransformerParams, transformer};
/// use retrograd::nn::Ctx;
/// use retrograd::{Rng, Tensor, grad};
/// let options = Transformer::new(30, 16).width(32).heads(2).layers(2);
/// let (f, params) = transformer(&options, &mut Rng::seed(1));
/// let text = Rng::seed(2).randint(0, 30, [4, 9]);
/// let (x, y) = (text.narrow(1, 0, 8), text.narrow(1, 1, 8));
/// let loss = |p: &TransformerParams, x: &Tensor, y: &Tensor| f(p, x, &mut Ctx::eval()).cross_entropy(y);
/// let (_, loss) = grad(loss).call(&params, (&x, &y))?;
/// assert!((loss.item::<f32>()? - 30f32.ln()).abs() < 0.5);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn transformer(
    options: &Transformer,
    rng: &mut Rng,
) -> (
    impl Fn(&TransformerParams, &Tensor, &mut Ctx) -> Tensor + Clone + Send + Sync + 'static + use<>,
    TransformerParams,
) {
    let Transformer { tokens, context, width, .. } = *options;
    let embedding = Arc::new(Embedding::new(tokens, width));
    let dropout = Arc::new(Dropout::new(options.dropout));
    let blocks = Arc::new(options.blocks());
    let head = Arc::new(Linear::new(width, tokens).bias(options.bias));
    let params = TransformerParams {
        embedding: EmbeddingParams { weight: init::normal(rng, [tokens, width], 0.0, EMBEDDING) },
        position: init::normal(rng, [context, width], 0.0, EMBEDDING),
        blocks: blocks.params(rng),
        head: head.params(rng),
    };
    let f = move |p: &TransformerParams, text: &Tensor, ctx: &mut Ctx| {
        if text.error().is_some() {
            return text.clone();
        }
        if text.rank() != 2 || text.size(1) > context {
            let message =
                format!("tokens `[batch, steps]` of at most {context} steps, got shape {}", text.shape());
            return Error::new(ErrorKind::Shape, message).refuse("transformer", &[text]);
        }
        let steps = text.size(1);
        let (words, ()) = Embedding::apply(&embedding, &p.embedding, &(), text, ctx);
        let placed = words + p.position.narrow(0, 0, steps);
        let (x, ()) = Dropout::apply(&dropout, &(), &(), &placed, ctx);
        let (x, ()) = TransformerEncoder::apply(&blocks, &p.blocks, &(), &EncoderInput::new(&x), ctx);
        Linear::apply(&head, &p.head, &(), &x, ctx).0
    };
    (f, params)
}

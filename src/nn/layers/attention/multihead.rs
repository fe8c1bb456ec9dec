//! Attention with several heads.

use super::input::AttentionInput;
use super::params::{AttentionParams, Sizes};
use super::product::{AttentionKept, Mask, Pulled, attend, pull};
use retrograd::nn::{Ctx, LinearParams, Module};
use retrograd::{Error, ErrorKind, Rng, Tensor, Tree, tree};

/// For each query a mean of values, weighed by how much the query says to the keys, by several heads side by side:
/// `softmax(q k^T / sqrt(d) + mask) v` of each head, then a projection.
///
/// The input is an [`AttentionInput`]: queries, keys and values `[length, n, embed_dim]` (`[n, length, embed_dim]` with
/// `.batch_first(true)`; without `n` for a single sequence), and masks. The output is what was taken, of the queries'
/// shape, and the weights as [`AttentionWeights`] says. A query that may look nowhere takes zeros (PyTorch's NaN).
/// Parameters: [`AttentionParams`].
///
/// Gradient: with `w` for the weights and `a` for what a head takes, `dv = w^T da`, `dw = da v^T`,
/// `ds = w (dw - sum(w dw))` of the scores, `dq = ds k / sqrt(d)`, `dk = ds^T q / sqrt(d)`; those of the projections as
/// of [`Linear`](retrograd::nn::Linear).
///
/// PyTorch: `torch.nn.MultiheadAttention`. Torch: none. Source: Vaswani et al., "Attention Is All You Need", 2017.
///
/// # Errors
/// As invalid outputs: heads that do not divide `embed_dim`, and inputs or masks of other shapes.
///
/// ```
/// use retrograd::nn::{AttentionInput, MultiheadAttention, functionalize};
/// use retrograd::{Rng, Tensor};
/// let layer = MultiheadAttention::new(8, 2).batch_first(true).causal(true);
/// let (f, params) = functionalize(layer, &mut Rng::seed(1));
/// let (y, weights) = f(&params, &AttentionInput::of_self(&Tensor::randn([4, 5, 8])));
/// assert_eq!(y.shape(), [4, 5, 8]);
/// let weights = weights.unwrap();
/// assert_eq!(weights.at((0, 0, 1)).item::<f32>()?, 0.0); // the first may not look at the second
/// assert!(weights.sum_dim(-1).allclose(&Tensor::ones([4, 5]), 1e-5, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    embed: usize,
    heads: usize,
    key: usize,
    value: usize,
    dropout: f64,
    bias: bool,
    bias_kv: bool,
    zero_attn: bool,
    batch_first: bool,
    causal: bool,
    weights: AttentionWeights,
}

/// Which weights [`MultiheadAttention`] returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AttentionWeights {
    /// None.
    None,
    /// The mean over the heads: `[n, queries, keys]`.
    #[default]
    Averaged,
    /// Those of each head: `[n, heads, queries, keys]`.
    EachHead,
}

/// What [`MultiheadAttention`] keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct AttentionSaved {
    /// Queries, keys and values as they were given, with the batch first.
    pub inputs: [Tensor; 3],
    /// What the heads keep.
    pub kept: AttentionKept,
    /// What the heads took, side by side: `[n, queries, embed_dim]`.
    pub taken: Tensor,
    /// The masks as they were given.
    pub masks: [Option<Tensor>; 2],
    /// Whether there was an axis of examples.
    #[tree(static)]
    pub batched: bool,
}

impl MultiheadAttention {
    /// Of vectors of size `embed_dim`, by so many heads, which divide it: with biases, without dropout.
    pub fn new(embed_dim: usize, num_heads: usize) -> MultiheadAttention {
        MultiheadAttention {
            embed: embed_dim,
            heads: num_heads,
            key: embed_dim,
            value: embed_dim,
            dropout: 0.0,
            bias: true,
            bias_kv: false,
            zero_attn: false,
            batch_first: false,
            causal: false,
            weights: AttentionWeights::Averaged,
        }
    }

    /// The part of the weights that is put to zero in training.
    pub fn dropout(mut self, p: f64) -> MultiheadAttention {
        self.dropout = p;
        self
    }

    /// Whether the projections have biases.
    pub fn bias(mut self, bias: bool) -> MultiheadAttention {
        self.bias = bias;
        self
    }

    /// Whether there is a key and a value more, which are learned.
    pub fn add_bias_kv(mut self, add: bool) -> MultiheadAttention {
        self.bias_kv = add;
        self
    }

    /// Whether there is a key and a value of zeros more.
    pub fn add_zero_attn(mut self, add: bool) -> MultiheadAttention {
        self.zero_attn = add;
        self
    }

    /// The size of keys.
    pub fn kdim(mut self, size: usize) -> MultiheadAttention {
        self.key = size;
        self
    }

    /// The size of values.
    pub fn vdim(mut self, size: usize) -> MultiheadAttention {
        self.value = size;
        self
    }

    /// Whether the first axis is that of examples.
    pub fn batch_first(mut self, batch_first: bool) -> MultiheadAttention {
        self.batch_first = batch_first;
        self
    }

    /// Whether no query may look at what comes after it.
    pub fn causal(mut self, causal: bool) -> MultiheadAttention {
        self.causal = causal;
        self
    }

    /// Which weights are returned.
    pub fn weights(mut self, weights: AttentionWeights) -> MultiheadAttention {
        self.weights = weights;
        self
    }

    /// `[n, length, ..]` of an input.
    fn examples_first(&self, x: &Tensor, batched: bool) -> Tensor {
        match (batched, self.batch_first) {
            (false, _) => x.unsqueeze(0),
            (true, true) => x.clone(),
            (true, false) => x.transpose(0, 1),
        }
    }

    /// As the inputs are.
    fn back(&self, x: &Tensor, batched: bool) -> Tensor {
        if batched { self.examples_first(x, true) } else { x.squeeze(0) }
    }

    /// `[n, heads, length, d]` of `[n, length, embed_dim]`.
    fn split(&self, x: &Tensor) -> Tensor {
        if x.error().is_some() {
            return x.clone();
        }
        let (n, length) = (x.size(0), x.size(1));
        x.reshape([n, length, self.heads, self.embed / self.heads]).transpose(1, 2)
    }

    fn merged(&self, x: &Tensor) -> Tensor {
        x.transpose(1, 2).flatten(2, 3)
    }

    /// Why the input is refused, as an invalid tensor.
    fn misfit(&self, input: &AttentionInput) -> Option<Tensor> {
        if let Some(invalid) = tree::leaves(input).iter().find(|x| x.error().is_some()) {
            return Some(invalid.clone());
        }
        let shapes = [&input.query, &input.key, &input.value].map(|x| x.shape().to_vec());
        let refuse = |message: String| {
            let operands = [&input.query, &input.key, &input.value];
            Some(Error::new(ErrorKind::Shape, message).refuse("MultiheadAttention", &operands))
        };
        if self.heads == 0 || !self.embed.is_multiple_of(self.heads) {
            return refuse(format!("{} heads do not divide embed_dim {}", self.heads, self.embed));
        }
        let sizes = [self.embed, self.key, self.value];
        let rank = shapes[0].len();
        let fits = |(shape, size): (&Vec<usize>, &usize)| shape.len() == rank && shape[rank - 1] == *size;
        let names = if self.batch_first { "[n, length, size]" } else { "[length, n, size]" };
        if !matches!(rank, 2 | 3) || !shapes.iter().zip(&sizes).all(fits) {
            let [q, k, v] = sizes;
            return refuse(format!(
                "queries, keys and values are to be {names}, or all without n, of sizes {q}, {k} and {v}, got \
                 {shapes:?}"
            ));
        }
        let batch = usize::from(!self.batch_first);
        let examples = |shape: &[usize]| if rank == 3 { shape[batch] } else { 1 };
        let alike = shapes[1][..rank - 1] == shapes[2][..rank - 1];
        if !alike || examples(&shapes[0]) != examples(&shapes[1]) {
            return refuse(format!(
                "there are to be as many keys as values, and as many examples of both as of queries, got {shapes:?} \
                 as {names}"
            ));
        }
        let length = |shape: &[usize]| shape[if rank == 3 { 1 - batch } else { 0 }];
        let (n, queries, keys) = (examples(&shapes[0]), length(&shapes[0]), length(&shapes[1]));
        let padding = if rank == 3 { vec![n, keys] } else { vec![keys] };
        let given = [&input.key_padding_mask, &input.attn_mask];
        let shape = |mask: &Option<Tensor>| mask.as_ref().map(|mask| mask.shape().to_vec());
        if shape(given[0]).is_some_and(|shape| shape != padding) {
            return refuse(format!("the key padding mask is to be {padding:?}, got {:?}", shape(given[0])?));
        }
        let (one, each) = (vec![queries, keys], vec![n * self.heads, queries, keys]);
        if shape(given[1]).is_some_and(|shape| shape != one && shape != each) {
            let got = shape(given[1])?;
            return refuse(format!("the attention mask is to be {one:?} or {each:?}, got {got:?}"));
        }
        None
    }

    /// How many keys there are beside those given.
    fn more_keys(&self) -> usize {
        usize::from(self.bias_kv) + usize::from(self.zero_attn)
    }

    /// What the masks do to the scores of `queries` and `keys`.
    fn mask(&self, input: &AttentionInput, n: usize, queries: usize, keys: usize) -> Mask {
        let of_keys = input.key_padding_mask.as_ref().map(|mask| mask.reshape([n, 1, 1, keys]));
        let of_pairs = input.attn_mask.as_ref().map(|mask| match mask.rank() {
            2 => mask.clone(),
            _ => mask.reshape([n, self.heads, queries, keys]),
        });
        let later =
            self.causal.then(|| Tensor::arange(keys as i64).gt(Tensor::arange(queries as i64).unsqueeze(-1)));
        let mut mask = Mask::default();
        for part in [of_keys, of_pairs, later].into_iter().flatten() {
            // The keys more are never hidden.
            let part = match self.more_keys() {
                0 => part,
                more => {
                    let mut shape = part.shape().to_vec();
                    shape[part.rank() - 1] = more;
                    Tensor::cat(&[part.clone(), Tensor::zeros(shape).to_dtype(part.dtype())], -1)
                }
            };
            if part.dtype().is_float() {
                mask.added = Some(mask.added.map_or(part.clone(), |added| added + part));
            } else {
                let part = part.bool();
                mask.hidden = Some(mask.hidden.map_or(part.clone(), |hidden| hidden.logical_or(part)));
            }
        }
        mask
    }

    /// Keys or values `[n, keys, embed_dim]` with those that are added.
    fn with_more(&self, x: Tensor, learned: &Option<Tensor>) -> Tensor {
        if x.error().is_some() || self.more_keys() == 0 {
            return x;
        }
        let n = x.size(0);
        let mut parts = vec![x.clone()];
        parts.extend(learned.as_ref().map(|row| row.broadcast_to([n, 1, self.embed])));
        if self.zero_attn {
            parts.push(Tensor::zeros([n, 1, self.embed]).to_dtype(x.dtype()));
        }
        Tensor::cat(&parts, 1)
    }

    /// The cotangents of what was projected, one row an element, without the keys more; those of these; of the scores;
    /// and of what the heads took.
    fn pulled(&self, p: &AttentionParams, saved: &AttentionSaved, dy: &Pair) -> Inner {
        let dout = self.examples_first(&dy.0, saved.batched);
        let da = self.split(&dout.matmul(&p.out_proj.weight));
        let dused = dy.1.as_ref().map(|dw| {
            let dw = if saved.batched { dw.clone() } else { dw.unsqueeze(0) };
            match self.weights {
                AttentionWeights::EachHead => dw,
                _ => dw.unsqueeze(1) / self.heads as f64,
            }
        });
        let Pulled { q, k, v, scores } = pull(&saved.kept, &da, dused);
        let [q, k, v] = [q, k, v].map(|d| self.merged(&d));
        let keys = if saved.inputs[1].error().is_some() { 0 } else { saved.inputs[1].size(1) };
        // The learned key is the first of those that were added.
        let own = |d: &Tensor| d.narrow(1, keys, 1).sum_keepdim(0);
        let learned = match p.bias_k.is_some() {
            true => [Some(own(&k)), Some(own(&v))],
            false => [None, None],
        };
        let given = |d: Tensor| if self.more_keys() == 0 { d } else { d.narrow(1, 0, keys) };
        Inner { projected: [q, given(k), given(v)], learned, scores, dout }
    }

    fn of_params(&self, p: &AttentionParams, saved: &AttentionSaved, inner: &Inner) -> AttentionParams {
        let rows = |x: &Tensor| x.flatten(0, 1);
        let dout = rows(&inner.dout);
        let out_proj = LinearParams {
            weight: dout.t().matmul(&rows(&saved.taken)),
            bias: p.out_proj.bias.as_ref().map(|_| dout.sum_dim(0)),
        };
        let d = [0, 1, 2].map(|part| rows(&inner.projected[part]));
        p.gradients([0, 1, 2].map(|part| rows(&saved.inputs[part])), &d, inner.learned.clone(), out_proj)
    }

    fn of_input(&self, p: &AttentionParams, saved: &AttentionSaved, inner: &Inner) -> AttentionInput {
        let [query, key, value] = [0, 1, 2].map(|part| {
            let dx = inner.projected[part].matmul(&p.weight(part, self.embed));
            self.back(&dx, saved.batched)
        });
        let scores = match self.more_keys() {
            0 => inner.scores.clone(),
            more if inner.scores.error().is_none() => {
                inner.scores.narrow(-1, 0, inner.scores.size(-1) - more)
            }
            _ => inner.scores.clone(),
        };
        // Numbers were added to the scores; of what is no number there is no derivative.
        let of_mask = |mask: &Option<Tensor>, axes: [isize; 2]| {
            mask.as_ref().map(|mask| match mask.error() {
                None if mask.dtype().is_float() && mask.rank() == 3 => scores.reshape_as(mask),
                None if mask.dtype().is_float() => scores.sum_dim(axes).reshape_as(mask),
                _ => mask.zeros_like(),
            })
        };
        let [padding, pairs] = &saved.masks;
        let (key_padding_mask, attn_mask) = (of_mask(padding, [1, 2]), of_mask(pairs, [0, 1]));
        AttentionInput { query, key, value, key_padding_mask, attn_mask }
    }
}

/// What was taken, and weights.
type Pair = (Tensor, Option<Tensor>);

/// Cotangents on the way from the output to parameters and input.
struct Inner {
    projected: [Tensor; 3],
    learned: [Option<Tensor>; 2],
    scores: Tensor,
    dout: Tensor,
}

impl Module for MultiheadAttention {
    type Params = AttentionParams;
    type State = ();
    type Input = AttentionInput;
    type Output = (Tensor, Option<Tensor>);
    type Saved = AttentionSaved;

    fn params(&self, rng: &mut Rng) -> AttentionParams {
        let MultiheadAttention { embed, key, value, bias, bias_kv, .. } = *self;
        AttentionParams::new(rng, Sizes { embed, key, value, bias, bias_kv })
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &AttentionParams,
        (): &(),
        input: &AttentionInput,
        ctx: &mut Ctx,
    ) -> (Self::Output, AttentionSaved, ()) {
        let misfit = self.misfit(input);
        let batched = misfit.is_some() || input.query.rank() == 3;
        let inputs = [&input.query, &input.key, &input.value].map(|x| match &misfit {
            Some(invalid) => invalid.clone(),
            None => self.examples_first(x, batched),
        });
        let mask = match &misfit {
            Some(_) => Mask::default(),
            None => self.mask(input, inputs[0].size(0), inputs[0].size(1), inputs[1].size(1)),
        };
        let [q, k, v] = [0, 1, 2].map(|part| p.projected(part, &inputs[part], self.embed));
        let (k, v) = (self.with_more(k, &p.bias_k), self.with_more(v, &p.bias_v));
        let dropped = |weights: &Tensor| {
            let drops = ctx.is_train() && self.dropout > 0.0;
            drops.then(|| ctx.rng.dropout(&weights.ones_like(), self.dropout))
        };
        let (taken, used, kept) = attend(&self.split(&q), self.split(&k), self.split(&v), &mask, dropped);
        let taken = self.merged(&taken);
        let y = taken.matmul(&p.out_proj.weight.t());
        let y = match &p.out_proj.bias {
            Some(bias) => y + bias,
            None => y,
        };
        let used = match self.weights {
            AttentionWeights::None => None,
            AttentionWeights::Averaged => Some(used.mean_dim(1)),
            AttentionWeights::EachHead => Some(used),
        };
        let used = used.map(|used| if batched { used } else { used.squeeze(0) });
        let masks = [input.key_padding_mask.clone(), input.attn_mask.clone()];
        ((self.back(&y, batched), used), AttentionSaved { inputs, kept, taken, masks, batched }, ())
    }

    fn backward(
        &self,
        p: &AttentionParams,
        saved: &AttentionSaved,
        dy: &Self::Output,
    ) -> (AttentionParams, AttentionInput) {
        let inner = self.pulled(p, saved, dy);
        (self.of_params(p, saved, &inner), self.of_input(p, saved, &inner))
    }

    fn backward_params(&self, p: &AttentionParams, saved: &AttentionSaved, dy: &Pair) -> AttentionParams {
        self.of_params(p, saved, &self.pulled(p, saved, dy))
    }

    fn backward_input(&self, p: &AttentionParams, saved: &AttentionSaved, dy: &Pair) -> AttentionInput {
        self.of_input(p, saved, &self.pulled(p, saved, dy))
    }
}

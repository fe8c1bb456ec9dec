//! What attention is given.

use retrograd::{Tensor, Tree};

/// The input of [`MultiheadAttention`](super::MultiheadAttention).
///
/// ```
/// use retrograd::nn::AttentionInput;
/// use retrograd::Tensor;
/// let x = Tensor::randn([7, 2, 8]);
/// let of_itself = AttentionInput::of_self(&x);
/// let memory = Tensor::randn([5, 2, 8]);
/// let of_another = AttentionInput::new(&x, &memory, &memory);
/// let padding = Tensor::from([[false, false, false, true, true], [false; 5]]);
/// let padded = of_another.key_padding_mask(padding);
/// # assert!(of_itself.attn_mask.is_none() && padded.key_padding_mask.is_some());
/// ```
#[derive(Clone, Debug, Tree)]
pub struct AttentionInput {
    /// Who asks: `[queries, n, embed_dim]`, `[n, queries, embed_dim]` for a layer that has the batch first, or without
    /// `n`.
    pub query: Tensor,
    /// What is asked: `[keys, n, kdim]`, or as the queries.
    pub key: Tensor,
    /// What is taken: `[keys, n, vdim]`, or as the queries.
    pub value: Tensor,
    /// Keys that are none: bool `[n, keys]` (or `[keys]`), true where there is nothing to look at; numbers are added to
    /// the scores.
    pub key_padding_mask: Option<Tensor>,
    /// Pairs that are none: bool `[queries, keys]` or `[n * heads, queries, keys]`, true where a query may not look;
    /// numbers are added to the scores.
    pub attn_mask: Option<Tensor>,
}

impl AttentionInput {
    /// These queries, keys and values, without masks.
    pub fn new(query: &Tensor, key: &Tensor, value: &Tensor) -> AttentionInput {
        let (query, key, value) = (query.clone(), key.clone(), value.clone());
        AttentionInput { query, key, value, key_padding_mask: None, attn_mask: None }
    }

    /// A sequence that looks at itself.
    pub fn of_self(x: &Tensor) -> AttentionInput {
        AttentionInput::new(x, x, x)
    }

    /// The same with keys that are none.
    pub fn key_padding_mask(mut self, mask: Tensor) -> AttentionInput {
        self.key_padding_mask = Some(mask);
        self
    }

    /// The same with pairs that are none.
    pub fn attn_mask(mut self, mask: Tensor) -> AttentionInput {
        self.attn_mask = Some(mask);
        self
    }
}

//! Scaled dot products: what each query takes of each value.

use retrograd::{DType, Tensor, Tree};

/// What attention keeps for its derivative; heads are a second axis, `[n, heads, ..]`.
#[derive(Clone, Debug, Tree)]
pub struct AttentionKept {
    /// Queries over the root of their length: `[n, heads, queries, d]`.
    pub q: Tensor,
    /// Keys: `[n, heads, keys, d]`.
    pub k: Tensor,
    /// Values: `[n, heads, keys, d]`.
    pub v: Tensor,
    /// How much each query takes of each value, `[n, heads, queries, keys]`: softmax of the scores.
    pub weights: Tensor,
    /// What they were multiplied by in training; none without dropout.
    pub dropped: Option<Tensor>,
}

/// What scores are changed by: broadcasts to `[n, heads, queries, keys]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask {
    /// Where a query may not look.
    pub(super) hidden: Option<Tensor>,
    /// What is added.
    pub(super) added: Option<Tensor>,
}

impl Mask {
    /// Where a query may not look, be it that minus infinity is added.
    fn all_hidden(&self) -> Option<Tensor> {
        match (&self.hidden, self.added.as_ref().map(Tensor::isneginf)) {
            (Some(hidden), Some(added)) => Some(hidden.logical_or(added)),
            (hidden, added) => hidden.clone().or(added),
        }
    }
}

/// A score whose exponential is zero beside any other's, and which is finite: the rows of queries that may look nowhere
/// are not NaN.
fn lowest(scores: &Tensor) -> f64 {
    let narrow = scores.error().is_none() && scores.dtype() == DType::F16;
    if narrow { -6e4 } else { -3e38 }
}

/// Values weighed by `softmax(q k^T / sqrt(d) + mask)`, the weights as they were used, and what is kept. `dropped` makes
/// what the weights are multiplied by of their like.
pub(super) fn attend(
    q: &Tensor,
    k: Tensor,
    v: Tensor,
    mask: &Mask,
    dropped: impl FnOnce(&Tensor) -> Option<Tensor>,
) -> (Tensor, Tensor, AttentionKept) {
    let d = if q.error().is_some() { 1 } else { q.size(-1) };
    let q = q / (d as f64).sqrt();
    let mut scores = q.matmul(&k.t());
    if let Some(added) = &mask.added {
        scores += added;
    }
    let weights = match &mask.all_hidden() {
        // Again after the softmax, for queries that may look nowhere: they take nothing.
        Some(hidden) => hidden.where_(0.0, hidden.where_(lowest(&scores), &scores).softmax(-1)),
        None => scores.softmax(-1),
    };
    let dropped = dropped(&weights);
    let used = match &dropped {
        Some(dropped) => &weights * dropped,
        None => weights.clone(),
    };
    (used.matmul(&v), used, AttentionKept { q, k, v, weights, dropped })
}

/// Cotangents of queries, keys, values and scores.
pub(super) struct Pulled {
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    pub(super) scores: Tensor,
}

/// With `w` for the weights and `a` for what was taken: `dv = w^T da`, `dw = da v^T`, `ds = w (dw - sum(w dw))`,
/// `dq = ds k / sqrt(d)`, `dk = ds^T q / sqrt(d)`. `dused` is the cotangent of the weights as they were returned.
pub(super) fn pull(kept: &AttentionKept, da: &Tensor, dused: Option<Tensor>) -> Pulled {
    let AttentionKept { q, k, v, weights, dropped } = kept;
    let mut dw = da.matmul(&v.t());
    if let Some(dused) = dused {
        dw += dused;
    }
    let (used, dw) = match dropped {
        Some(dropped) => (weights * dropped, dw * dropped),
        None => (weights.clone(), dw),
    };
    let scores = weights * (&dw - (&dw * weights).sum_keepdim(-1));
    let d = if q.error().is_some() { 1 } else { q.size(-1) };
    Pulled {
        q: scores.matmul(k) / (d as f64).sqrt(),
        k: scores.t().matmul(q),
        v: used.t().matmul(da),
        scores,
    }
}

//! Parameters of attention.

use retrograd::nn::LinearParams;
use retrograd::{Error, Rng, Tensor, Tree};

/// Parameters of [`MultiheadAttention`](super::MultiheadAttention), with PyTorch's names, shapes and first values:
/// projections by Glorot's uniform distribution, biases zeros.
#[derive(Clone, Debug, Tree)]
pub struct AttentionParams {
    /// What makes queries, keys and values, one below the other: `[3 * embed_dim, embed_dim]`; none where keys or values
    /// have a size of their own.
    pub in_proj_weight: Option<Tensor>,
    /// `[embed_dim, embed_dim]`, where there is no `in_proj_weight`.
    pub q_proj_weight: Option<Tensor>,
    /// `[embed_dim, kdim]`, where there is no `in_proj_weight`.
    pub k_proj_weight: Option<Tensor>,
    /// `[embed_dim, vdim]`, where there is no `in_proj_weight`.
    pub v_proj_weight: Option<Tensor>,
    /// `[3 * embed_dim]`; none with `.bias(false)`.
    pub in_proj_bias: Option<Tensor>,
    /// A key more, `[1, 1, embed_dim]`, with `.add_bias_kv(true)`; first normal with variance `1 / embed_dim`.
    pub bias_k: Option<Tensor>,
    /// The value that belongs to it.
    pub bias_v: Option<Tensor>,
    /// What the heads' results go through, `[embed_dim, embed_dim]`, first as a `Linear`'s; its bias first zeros.
    pub out_proj: LinearParams,
}

/// Sizes of the parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) embed: usize,
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) bias: bool,
    pub(super) bias_kv: bool,
}

/// Glorot's uniform distribution.
fn glorot(rng: &mut Rng, rows: usize, columns: usize) -> Tensor {
    let bound = (6.0 / (rows + columns).max(1) as f64).sqrt();
    rng.uniform([rows, columns], -bound, bound)
}

impl AttentionParams {
    pub(super) fn new(rng: &mut Rng, sizes: Sizes) -> AttentionParams {
        let Sizes { embed, key, value, bias, bias_kv } = sizes;
        let joint = key == embed && value == embed;
        let root = 1.0 / (embed.max(1) as f64).sqrt();
        AttentionParams {
            in_proj_weight: joint.then(|| glorot(rng, 3 * embed, embed)),
            q_proj_weight: (!joint).then(|| glorot(rng, embed, embed)),
            k_proj_weight: (!joint).then(|| glorot(rng, embed, key)),
            v_proj_weight: (!joint).then(|| glorot(rng, embed, value)),
            in_proj_bias: bias.then(|| Tensor::zeros([3 * embed])),
            bias_k: bias_kv.then(|| rng.normal([1, 1, embed], 0.0, root)),
            bias_v: bias_kv.then(|| rng.normal([1, 1, embed], 0.0, root)),
            out_proj: LinearParams {
                weight: rng.uniform([embed, embed], -root, root),
                bias: bias.then(|| Tensor::zeros([embed])),
            },
        }
    }

    /// The weights of queries (0), keys (1) or values (2).
    pub(super) fn weight(&self, part: usize, embed: usize) -> Tensor {
        let own = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight][part];
        match (&self.in_proj_weight, own) {
            (Some(joint), _) => joint.narrow(0, part * embed, embed),
            (None, Some(own)) => own.clone(),
            (None, None) => {
                let message =
                    "MultiheadAttention: parameters have neither in_proj_weight nor q_, k_ and v_proj_weight";
                Tensor::invalid(Error::msg(message))
            }
        }
    }

    /// What makes queries, keys or values of inputs.
    pub(super) fn projected(&self, part: usize, x: &Tensor, embed: usize) -> Tensor {
        let y = x.matmul(&self.weight(part, embed).t());
        match &self.in_proj_bias {
            Some(bias) => y + bias.narrow(0, part * embed, embed),
            None => y,
        }
    }

    /// Gradients, given the three inputs and the cotangents of what was made of them, all with one row an element; those
    /// of the key and value more; and that of the last projection.
    pub(super) fn gradients(
        &self,
        x: [Tensor; 3],
        d: &[Tensor; 3],
        [bias_k, bias_v]: [Option<Tensor>; 2],
        out_proj: LinearParams,
    ) -> AttentionParams {
        let products: Vec<Tensor> = d.iter().zip(&x).map(|(d, x)| d.t().matmul(x)).collect();
        let own = |like: &Option<Tensor>, part: usize| like.as_ref().map(|_| products[part].clone());
        AttentionParams {
            in_proj_weight: self.in_proj_weight.as_ref().map(|_| Tensor::cat(&products, 0)),
            q_proj_weight: own(&self.q_proj_weight, 0),
            k_proj_weight: own(&self.k_proj_weight, 1),
            v_proj_weight: own(&self.v_proj_weight, 2),
            in_proj_bias: self
                .in_proj_bias
                .as_ref()
                .map(|_| Tensor::cat(&d.iter().map(|d| d.sum_dim(0)).collect::<Vec<_>>(), 0)),
            bias_k,
            bias_v,
            out_proj,
        }
    }
}

//! Parameters of recurrent layers, and their products.

use retrograd::{Rng, Tensor, Tree};

/// Parameters of one direction of one recurrent layer. With `g` gates (1 for `Rnn`, 4 for `Lstm`, 3 for `Gru`), first all
/// uniform within `1 / sqrt(hidden)`.
#[derive(Clone, Debug, Tree)]
pub struct RecurrentParams {
    /// What the input says: `[g * hidden, input]`.
    pub weight_ih: Tensor,
    /// What the hidden state says: `[g * hidden, hidden]`, or `[g * hidden, proj_size]`.
    pub weight_hh: Tensor,
    /// `[g * hidden]`; none with `.bias(false)`.
    pub bias_ih: Option<Tensor>,
    /// `[g * hidden]`; none with `.bias(false)`.
    pub bias_hh: Option<Tensor>,
    /// The projection of an `Lstm`'s hidden state: `[proj_size, hidden]`; none without.
    pub weight_hr: Option<Tensor>,
}

/// Sizes of the parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) input: usize,
    pub(super) hidden: usize,
    pub(super) gates: usize,
    pub(super) projected: Option<usize>,
    pub(super) bias: bool,
}

impl RecurrentParams {
    pub(super) fn new(rng: &mut Rng, sizes: Sizes) -> RecurrentParams {
        let Sizes { input, hidden, gates, projected, bias } = sizes;
        let bound = 1.0 / (hidden.max(1) as f64).sqrt();
        let rows = gates * hidden;
        let out = projected.unwrap_or(hidden);
        RecurrentParams {
            weight_ih: rng.uniform([rows, input], -bound, bound),
            weight_hh: rng.uniform([rows, out], -bound, bound),
            bias_ih: bias.then(|| rng.uniform([rows], -bound, bound)),
            bias_hh: bias.then(|| rng.uniform([rows], -bound, bound)),
            weight_hr: projected.map(|size| rng.uniform([size, hidden], -bound, bound)),
        }
    }

    /// What inputs `[.., input]` say to the gates.
    pub(super) fn of_input(&self, x: &Tensor) -> Tensor {
        moved(x.matmul(&self.weight_ih.t()), &self.bias_ih)
    }

    /// What a hidden state says to the gates.
    pub(super) fn of_hidden(&self, h: &Tensor) -> Tensor {
        moved(h.matmul(&self.weight_hh.t()), &self.bias_hh)
    }

    /// Gradients, given matrices of one row a step and example: inputs, hidden states before, and cotangents of what both
    /// said; and for a projection what went in and the cotangent of what came out.
    pub(super) fn gradients(
        &self,
        [x, h]: [&Tensor; 2],
        [of_input, of_hidden]: [&Tensor; 2],
        projection: Option<[Tensor; 2]>,
    ) -> RecurrentParams {
        RecurrentParams {
            weight_ih: of_input.t().matmul(x),
            weight_hh: of_hidden.t().matmul(h),
            bias_ih: self.bias_ih.as_ref().map(|_| of_input.sum_dim(0)),
            bias_hh: self.bias_hh.as_ref().map(|_| of_hidden.sum_dim(0)),
            weight_hr: projection.map(|[inner, dh]| dh.t().matmul(&inner)),
        }
    }
}

fn moved(x: Tensor, bias: &Option<Tensor>) -> Tensor {
    match bias {
        Some(bias) => x + bias,
        None => x,
    }
}

/// All axes but the last as one.
pub(super) fn rows(x: &Tensor) -> Tensor {
    match x.error() {
        Some(_) => x.clone(),
        None if x.rank() < 2 => x.unsqueeze(0),
        None => x.flatten(0, -2),
    }
}

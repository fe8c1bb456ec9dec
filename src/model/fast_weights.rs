//! A recurrent network with fast weights.

use super::options::Recurrent;
use super::recurrent::{RecurrentParams, Sizes, chosen, step};
use retrograd::{Rng, Tensor, Tree};

/// Options of [`recurrent_fw_network`] beside those of every recurrent network.
#[derive(Clone, Debug)]
pub struct FastWeights {
    recurrent: Recurrent,
    decay: f64,
    rate: f64,
    steps: usize,
    layer_norm: bool,
}

impl FastWeights {
    /// Decay 0.9, rate 0.5, one inner step, with layer normalisation.
    pub fn new(recurrent: Recurrent) -> FastWeights {
        FastWeights { recurrent, decay: 0.9, rate: 0.5, steps: 1, layer_norm: true }
    }

    /// What remains of the fast weights in a step; Torch's `lambda`.
    pub fn decay(mut self, decay: f64) -> FastWeights {
        self.decay = decay;
        self
    }

    /// How much of the last state they take up; Torch's `eta`. The square of a normalised state grows with its length: of long
    /// ones the memory outweighs what is read, unless the rate is about `0.5 / hidden`.
    pub fn rate(mut self, rate: f64) -> FastWeights {
        self.rate = rate;
        self
    }

    /// How often a state is led through them after the first time; Torch's `S`.
    pub fn steps(mut self, steps: usize) -> FastWeights {
        self.steps = steps;
        self
    }

    /// Whether the sums of each inner step are normalised.
    pub fn layer_norm(mut self, layer_norm: bool) -> FastWeights {
        self.layer_norm = layer_norm;
        self
    }
}

/// What a network with fast weights remembers from step to step.
#[derive(Clone, Debug, Tree)]
pub struct FastState {
    /// `[batch, hidden]`.
    pub h: Tensor,
    /// The fast weights, `[batch, hidden, hidden]`.
    pub a: Tensor,
}

impl Sizes {
    /// Sequences with the batch's axis, and the state before them; or why one of them or the parameters are refused.
    fn begin_fast(
        self,
        p: &RecurrentParams,
        x: &Tensor,
        previous: &Option<FastState>,
    ) -> Result<(Tensor, FastState), Tensor> {
        self.weight("the weight `w`", &p.w, self.hidden)?;
        let x = self.sequences(x)?;
        let Some(state) = previous else {
            let a = Tensor::zeros([x.size(0), self.hidden, self.hidden]).to_dtype(x.dtype());
            let h = self.zeros(&x);
            return Ok((x, FastState { h, a }));
        };
        self.state("the state `h`", &state.h, &x, 2)?;
        self.state("the fast weights `a`", &state.a, &x, 3)?;
        Ok((x, state.clone()))
    }
}

/// Added to the variance in layer normalisation.
const EPS: f64 = 1e-5;

/// Each row less its mean, over its standard deviation.
fn normalised(h: &Tensor) -> Tensor {
    let off = h - h.mean_keepdim(-1);
    &off / (off.square().mean_keepdim(-1) + EPS).sqrt()
}

/// A recurrent network that attends to its recent past by fast weights `A`, and its first parameters:
/// `f(params, x, previous state)` yields output and state, as [`recurrent_network`](super::recurrent_network).
///
/// `A[t] = decay A[t-1] + rate h[t-1] h[t-1]^T`; from `s = 0` on, `steps + 1` times,
/// `s = relu(norm([x[t], h[t-1]] w + b + A[t] s))`, and the last is `h[t]` (Ba et al. 2016,
/// <https://arxiv.org/abs/1610.06258>).
///
/// Torch: `autograd.model.RecurrentFWNetwork`.
///
/// ```
/// use retrograd::model::{FastWeights, Recurrent, recurrent_fw_network};
/// use retrograd::Rng;
/// let (f, params) = recurrent_fw_network(&FastWeights::new(Recurrent::new(3, 5)), &mut Rng::seed(1));
/// let (y, state) = f(&params, &Rng::seed(2).randn([4, 7, 3]), &None);
/// assert_eq!((y.shape().to_vec(), state.a.shape().to_vec()), (vec![4, 5], vec![4, 5, 5]));
/// ```
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn recurrent_fw_network(
    options: &FastWeights,
    rng: &mut Rng,
) -> (
    impl Fn(&RecurrentParams, &Tensor, &Option<FastState>) -> (Tensor, FastState)
    + Clone
    + Send
    + Sync
    + 'static
    + use<>,
    RecurrentParams,
) {
    let params = RecurrentParams::new(&options.recurrent, rng);
    let FastWeights { recurrent, decay, rate, steps, layer_norm } = options.clone();
    let Recurrent { inputs, hidden, output, .. } = recurrent;
    let sizes = Sizes { network: "recurrent_fw_network", inputs, hidden };
    let f = move |p: &RecurrentParams, x: &Tensor, previous: &Option<FastState>| {
        let (x, mut state) = match sizes.begin_fast(p, x, previous) {
            Ok(begun) => begun,
            Err(invalid) => return (invalid.clone(), FastState { h: invalid.clone(), a: invalid }),
        };
        let (from_input, w) = sizes.input_part(&x, &p.w);
        let from_input = from_input + &p.b;
        let mut outputs = Vec::new();
        for t in 0..x.size(1) {
            let last = state.h.unsqueeze(2);
            state.a = &state.a * decay + last.matmul(&last.t()) * rate;
            let sums = step(&from_input, t) + state.h.matmul(&w);
            let mut h = sums.zeros_like();
            for _ in 0..=steps {
                let inner = &sums + state.a.matmul(&h.unsqueeze(2)).squeeze(2);
                h = if layer_norm { normalised(&inner) } else { inner }.relu();
            }
            state.h = h;
            outputs.push(state.h.clone());
        }
        (chosen(&outputs, output), state)
    };
    (f, params)
}

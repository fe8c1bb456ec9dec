//! Recurrent networks: a plain one, LSTM and GRU, over sequences.

use std::sync::Arc;

use super::options::{Output, Recurrent};
use retrograd::nn::{BatchNorm1d, Ctx, Mode, Module, NormParams, RunningStats};
use retrograd::{Error, ErrorKind, Rng, Tensor, Tree, tree};

/// How large a recurrent network is, and what it is called: what its arguments are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) network: &'static str,
    pub(super) inputs: usize,
    pub(super) hidden: usize,
}

impl Sizes {
    /// Sequences `[batch, steps, inputs]` of at least one step, where one without the first axis is a batch of one; or, as an
    /// invalid tensor, why `x` is none.
    pub(super) fn sequences(self, x: &Tensor) -> Result<Tensor, Tensor> {
        if x.error().is_some() {
            return Err(x.clone());
        }
        let (lengths, inputs) = (x.shape().to_vec(), self.inputs);
        let refuse = |message: String, help: &'static str| {
            Err(Error::new(ErrorKind::Shape, message).help(help).refuse(self.network, &[x]))
        };
        if !matches!(lengths.len(), 2 | 3) || lengths.last() != Some(&inputs) {
            let message = format!(
                "the input is to be [batch, steps, {inputs}] or [steps, {inputs}], got shape {}",
                x.shape()
            );
            return refuse(
                message,
                "one step of a batch is `x.unsqueeze(1)`, of one sequence `x.unsqueeze(0)`",
            );
        }
        if lengths[lengths.len() - 2] == 0 {
            let message = format!("the input is to have at least one step, got shape {}", x.shape());
            return refuse(message, "a sequence of no steps has no last output");
        }
        Ok(if lengths.len() == 2 { x.unsqueeze(0) } else { x.clone() })
    }

    /// Refuses a weight that has not a row for each number of input and state, and so many columns.
    pub(super) fn weight(self, name: &str, w: &Tensor, columns: usize) -> Result<(), Tensor> {
        let expected = [self.inputs + self.hidden, columns];
        self.fits(w, &expected, [name, "parameters are those that came with the network"])
    }

    /// Refuses a part of a state that is not `[batch, hidden, ..]` beside the sequences `x`, the further axes of length
    /// `hidden` too.
    pub(super) fn state(self, name: &str, part: &Tensor, x: &Tensor, axes: usize) -> Result<(), Tensor> {
        let mut expected = vec![self.hidden; axes];
        expected[0] = x.size(0);
        self.fits(
            part,
            &expected,
            [name, "a state is of as many sequences as the input; `None` begins new ones"],
        )
    }

    fn fits(self, got: &Tensor, expected: &[usize], [name, help]: [&str; 2]) -> Result<(), Tensor> {
        if got.error().is_some() {
            return Err(got.clone());
        }
        if got.shape().to_vec() == expected {
            return Ok(());
        }
        let message = format!("{name} is to have shape {expected:?}, got {}", got.shape());
        Err(Error::new(ErrorKind::Shape, message).help(help.to_owned()).refuse(self.network, &[got]))
    }

    /// A state of zeros `[batch, hidden]`, for sequences that passed.
    pub(super) fn zeros(self, x: &Tensor) -> Tensor {
        Tensor::zeros([x.size(0), self.hidden]).to_dtype(x.dtype())
    }

    /// A weight of rows for the input, then for the state, taken apart; and what the input makes of it in all steps,
    /// `[batch, steps, columns]`, in one product.
    pub(super) fn input_part(self, x: &Tensor, w: &Tensor) -> (Tensor, Tensor) {
        (x.matmul(&w.narrow(0, 0, self.inputs)), w.narrow(0, self.inputs, self.hidden))
    }
}

/// The outputs that are asked for, of those of all steps, of which there is one or more.
pub(super) fn chosen(outputs: &[Tensor], output: Output) -> Tensor {
    match (output, outputs.last()) {
        (Output::Last, Some(last)) => last.clone(),
        _ => Tensor::stack(outputs, 1),
    }
}

/// What step `t` is of, `[batch, columns]`.
pub(super) fn step(x: &Tensor, t: usize) -> Tensor {
    x.select(1, t as isize)
}

/// Parameters of [`recurrent_network`] and of [`recurrent_fw_network`](super::recurrent_fw_network).
#[derive(Clone, Debug, Tree)]
pub struct RecurrentParams {
    /// `[inputs + hidden, hidden]`: rows for the input, then for the state.
    pub w: Tensor,
    /// `[hidden]`.
    pub b: Tensor,
}

impl RecurrentParams {
    pub(super) fn new(options: &Recurrent, rng: &mut Rng) -> RecurrentParams {
        let Recurrent { inputs, hidden, .. } = *options;
        RecurrentParams { w: options.weight(rng, inputs + hidden, hidden, 1), b: Tensor::zeros([hidden]) }
    }
}

/// What a network remembers from step to step.
#[derive(Clone, Debug, Tree)]
pub struct Hidden {
    /// `[batch, hidden]`.
    pub h: Tensor,
}

impl Sizes {
    /// Sequences with the batch's axis, and the state before them; or why either is refused.
    fn begin(self, x: &Tensor, previous: &Option<Hidden>) -> Result<(Tensor, Tensor), Tensor> {
        let x = self.sequences(x)?;
        let h = match previous {
            Some(Hidden { h }) => {
                self.state("the state `h`", h, &x, 2)?;
                h.clone()
            }
            None => self.zeros(&x),
        };
        Ok((x, h))
    }
}

/// A network with `h[t] = tanh([x[t], h[t-1]] w + b)`, and its first parameters: `f(params, x, previous state)` yields
/// output and state, which is given to the next call where a sequence goes on, or `None` where it begins.
///
/// `x` is `[batch, steps, inputs]`, or `[steps, inputs]` for a batch of one.
///
/// Torch: `autograd.model.RecurrentNetwork`.
///
/// # Errors
/// As an invalid output and state, if `x` has another shape or no steps, or the state or the weight does not fit it; and so of
/// each recurrent network.
///
/// ```
/// use retrograd::model::{Output, Recurrent, RecurrentParams, recurrent_network};
/// use retrograd::{Rng, Tensor, grad};
/// let (f, params) = recurrent_network(&Recurrent::new(3, 5).output(Output::All), &mut Rng::seed(1));
/// let x = Rng::seed(2).randn([4, 7, 3]);
/// let (y, state) = f(&params, &x, &None);
/// assert_eq!(y.shape(), [4, 7, 5]);
/// let (more, _) = f(&params, &x, &Some(state));
/// let gradient = grad(|p: &RecurrentParams, x: &Tensor| f(p, x, &None).0.square().sum()).call(&params, &x)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn recurrent_network(
    options: &Recurrent,
    rng: &mut Rng,
) -> (
    impl Fn(&RecurrentParams, &Tensor, &Option<Hidden>) -> (Tensor, Hidden)
    + Clone
    + Send
    + Sync
    + 'static
    + use<>,
    RecurrentParams,
) {
    let params = RecurrentParams::new(options, rng);
    let Recurrent { inputs, hidden, output, .. } = *options;
    let sizes = Sizes { network: "recurrent_network", inputs, hidden };
    let f = move |p: &RecurrentParams, x: &Tensor, previous: &Option<Hidden>| {
        let checked = sizes.weight("the weight `w`", &p.w, hidden).and_then(|()| sizes.begin(x, previous));
        let (x, mut h) = match checked {
            Ok(begun) => begun,
            Err(invalid) => return (invalid.clone(), Hidden { h: invalid }),
        };
        let (from_input, w) = sizes.input_part(&x, &p.w);
        let from_input = from_input + &p.b;
        let mut outputs = Vec::new();
        for t in 0..x.size(1) {
            h = (step(&from_input, t) + h.matmul(&w)).tanh();
            outputs.push(h.clone());
        }
        (chosen(&outputs, output), Hidden { h })
    };
    (f, params)
}

/// Parameters of [`recurrent_lstm_network`]; columns are those of input gate, forget gate, output gate and value.
#[derive(Clone, Debug, Tree)]
pub struct LstmParams {
    /// `[inputs + hidden, 4 hidden]`: rows for the input, then for the state.
    pub w: Tensor,
    /// `[4 hidden]`; without normalisation.
    pub b: Option<Tensor>,
    /// Scale and offset of the normalised sums, `[4 hidden]`, which all steps share.
    pub sums: Option<NormParams>,
    /// Scale and offset of the normalised cells, `[hidden]`, which all steps share.
    pub cells: Option<NormParams>,
}

/// What an LSTM remembers from step to step.
#[derive(Clone, Debug, Tree)]
pub struct LstmState {
    /// Output, `[batch, hidden]`.
    pub h: Tensor,
    /// Cells, `[batch, hidden]`.
    pub c: Tensor,
    /// Where sums and cells are normalised.
    pub norm: Option<Normalization>,
}

/// Statistics of the steps of a normalised LSTM.
#[derive(Clone, Debug, Tree)]
pub struct Normalization {
    /// Whether the batch's statistics are taken and followed, or those that were learned.
    #[tree(static)]
    pub mode: Mode,
    /// For each step those of the sums and of the cells.
    pub steps: Vec<(Option<RunningStats>, Option<RunningStats>)>,
}

impl LstmState {
    /// The state at the beginning of other sequences: statistics stay, the rest is zero.
    pub fn restarted(&self) -> LstmState {
        LstmState { h: self.h.zeros_like(), c: self.c.zeros_like(), norm: self.norm.clone() }
    }

    /// The same for use: the statistics stay as they are.
    pub fn eval(mut self) -> LstmState {
        if let Some(norm) = &mut self.norm {
            norm.mode = Mode::Eval;
        }
        self
    }
}

/// Normalisation of an LSTM: the two layers, and how many steps have statistics of their own.
#[derive(Debug)]
struct Norms {
    sums: Arc<BatchNorm1d>,
    cells: Arc<BatchNorm1d>,
    steps: usize,
}

impl Norms {
    fn begin(&self) -> Normalization {
        let each = || (self.sums.state(), self.cells.state());
        Normalization { mode: Mode::Train, steps: (0..self.steps).map(|_| each()).collect() }
    }
}

impl Sizes {
    /// As [`Sizes::begin`], with the parameters, of an LSTM.
    fn begin_lstm(
        self,
        p: &LstmParams,
        x: &Tensor,
        previous: &Option<LstmState>,
        norms: Option<&Norms>,
    ) -> Result<(Tensor, LstmState), Tensor> {
        self.weight("the weight `w`", &p.w, 4 * self.hidden)?;
        let x = self.sequences(x)?;
        let Some(state) = previous else {
            let zeros = self.zeros(&x);
            let norm = norms.map(|norms| tree::cast(&norms.begin(), x.dtype()));
            return Ok((x, LstmState { h: zeros.clone(), c: zeros, norm }));
        };
        self.state("the state `h`", &state.h, &x, 2)?;
        self.state("the state `c`", &state.c, &x, 2)?;
        Ok((x, state.clone()))
    }
}

fn normalised(
    norm: &Arc<BatchNorm1d>,
    params: Option<&NormParams>,
    mode: Mode,
    stats: &mut Option<RunningStats>,
    x: &Tensor,
) -> Tensor {
    let Some(params) = params else {
        let message =
            "recurrent_lstm_network: a state of a normalised network, and parameters of one that is not";
        return Tensor::invalid(Error::msg(message));
    };
    // Normalisation draws nothing.
    let mut ctx = Ctx { mode, ..Ctx::eval() };
    let (y, next) = BatchNorm1d::apply(norm, params, stats, x, &mut ctx);
    *stats = next;
    y
}

/// A long short-term memory, and its first parameters: `f(params, x, previous state)` yields output and state, as
/// [`recurrent_network`].
///
/// With sums `[x[t], h[t-1]] w + b` of gates `i, f, o` (through a sigmoid) and a value `g` (through tanh),
/// `c[t] = f c[t-1] + i g` and `h[t] = o tanh(c[t])`. With
/// [`batch_normalization`](Recurrent::batch_normalization) sums and cells are normalised over the batch; then the state
/// has the statistics, and whether they are to be followed.
///
/// Torch: `autograd.model.RecurrentLSTMNetwork`.
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn recurrent_lstm_network(
    options: &Recurrent,
    rng: &mut Rng,
) -> (
    impl Fn(&LstmParams, &Tensor, &Option<LstmState>) -> (Tensor, LstmState)
    + Clone
    + Send
    + Sync
    + 'static
    + use<>,
    LstmParams,
) {
    let Recurrent { inputs, hidden, output, normalized, .. } = *options;
    // Less than 1 is better for scales in an LSTM (Cooijmans et al. 2017).
    let scales = |width: usize| {
        let weight = Tensor::ones([width]) * 0.1;
        normalized.map(|_| NormParams { weight: Some(weight), bias: Some(Tensor::zeros([width])) })
    };
    let params = LstmParams {
        w: options.weight(rng, inputs + hidden, 4 * hidden, 4),
        b: normalized.is_none().then(|| Tensor::zeros([4 * hidden])),
        sums: scales(4 * hidden),
        cells: scales(hidden),
    };
    let norms = normalized.map(|steps| {
        let [sums, cells] = [4 * hidden, hidden].map(|width| Arc::new(BatchNorm1d::new(width)));
        Arc::new(Norms { sums, cells, steps })
    });
    let sizes = Sizes { network: "recurrent_lstm_network", inputs, hidden };
    let f = move |p: &LstmParams, x: &Tensor, previous: &Option<LstmState>| {
        let (x, mut state) = match sizes.begin_lstm(p, x, previous, norms.as_deref()) {
            Ok(begun) => begun,
            Err(invalid) => {
                return (invalid.clone(), LstmState { h: invalid.clone(), c: invalid, norm: None });
            }
        };
        let (mut from_input, w) = sizes.input_part(&x, &p.w);
        if let Some(b) = &p.b {
            from_input += b;
        }
        let mut outputs = Vec::new();
        for t in 0..x.size(1) {
            let mut sums = step(&from_input, t) + state.h.matmul(&w);
            let mut stats = norms.as_ref().zip(state.norm.as_mut()).and_then(|(norms, norm)| {
                let last = norm.steps.len().checked_sub(1)?;
                Some((norms, norm.mode, &mut norm.steps[t.min(last)]))
            });
            if let Some((norms, mode, stats)) = &mut stats {
                sums = normalised(&norms.sums, p.sums.as_ref(), *mode, &mut stats.0, &sums);
            }
            let [i, f, o, g] = [0, 1, 2, 3].map(|gate| sums.narrow(1, gate * hidden, hidden));
            let mut c = f.sigmoid() * &state.c + i.sigmoid() * g.tanh();
            if let Some((norms, mode, stats)) = &mut stats {
                c = normalised(&norms.cells, p.cells.as_ref(), *mode, &mut stats.1, &c);
            }
            state.h = o.sigmoid() * c.tanh();
            state.c = c;
            outputs.push(state.h.clone());
        }
        (chosen(&outputs, output), state)
    };
    (f, params)
}

/// Parameters of [`recurrent_gru_network`].
#[derive(Clone, Debug, Tree)]
pub struct GruParams {
    /// `[inputs + hidden, 2 hidden]`, of the gates: rows for the input, then for the state.
    pub w: Tensor,
    /// `[2 hidden]`.
    pub b: Tensor,
    /// `[inputs + hidden, hidden]`, of the value.
    pub v: Tensor,
    /// `[hidden]`.
    pub c: Tensor,
}

/// A network of gated recurrent units, and its first parameters: `f(params, x, previous state)` yields output and
/// state, as [`recurrent_network`].
///
/// With gates `r, z = sigmoid([x[t], h[t-1]] w + b)` and the value `g = tanh([x[t], r h[t-1]] v + c)`,
/// `h[t] = (1 - z) h[t-1] + z g`.
///
/// Torch: `autograd.model.RecurrentGRUNetwork`.
#[expect(clippy::type_complexity, reason = "a function and its parameters: a name would hide what it takes")]
pub fn recurrent_gru_network(
    options: &Recurrent,
    rng: &mut Rng,
) -> (
    impl Fn(&GruParams, &Tensor, &Option<Hidden>) -> (Tensor, Hidden) + Clone + Send + Sync + 'static + use<>,
    GruParams,
) {
    let Recurrent { inputs, hidden, output, .. } = *options;
    let params = GruParams {
        w: options.weight(rng, inputs + hidden, 2 * hidden, 2),
        b: Tensor::zeros([2 * hidden]),
        v: options.weight(rng, inputs + hidden, hidden, 1),
        c: Tensor::zeros([hidden]),
    };
    let sizes = Sizes { network: "recurrent_gru_network", inputs, hidden };
    let f = move |p: &GruParams, x: &Tensor, previous: &Option<Hidden>| {
        let checked = sizes
            .weight("the weight `w`", &p.w, 2 * hidden)
            .and_then(|()| sizes.weight("the weight `v`", &p.v, hidden))
            .and_then(|()| sizes.begin(x, previous));
        let (x, mut h) = match checked {
            Ok(begun) => begun,
            Err(invalid) => return (invalid.clone(), Hidden { h: invalid }),
        };
        let (gates_of_input, w) = sizes.input_part(&x, &p.w);
        let (value_of_input, v) = sizes.input_part(&x, &p.v);
        let (gates_of_input, value_of_input) = (gates_of_input + &p.b, value_of_input + &p.c);
        let mut outputs = Vec::new();
        for t in 0..x.size(1) {
            let gates = (step(&gates_of_input, t) + h.matmul(&w)).sigmoid();
            let [r, z] = [0, 1].map(|gate| gates.narrow(1, gate * hidden, hidden));
            let value = (step(&value_of_input, t) + (r * &h).matmul(&v)).tanh();
            h = &h + z * (value - &h);
            outputs.push(h.clone());
        }
        (chosen(&outputs, output), Hidden { h })
    };
    (f, params)
}

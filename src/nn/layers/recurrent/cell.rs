//! One step of a recurrent layer.

use super::parts::{RecurrentParams, Sizes, rows};
use super::units::{ElmanUnit, GruUnit, LstmUnit, Nonlinearity, RecurrentUnit};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, Tree};

/// One step: the next state, given an input and the state before. `RnnCell`, `LstmCell` and `GruCell`, by the unit that
/// says what a step computes ([`ElmanUnit`], [`LstmUnit`], [`GruUnit`]).
///
/// The input is `(x, h)`, or for `LstmCell` `(x, (h, c))`: x `[n, input]` and states `[n, hidden]`, or both without the
/// first axis. The output is the next state. Parameters [`RecurrentParams`], whose gates are in the unit's order.
///
/// Gradient: the unit's, for what input and state say to the gates; with `dgates` for that, `dW_ih = dgates^T x`,
/// `dW_hh = dgates^T h`, `db = dgates`, summed over the batch, `dx = dgates W_ih` and `dh = dgates W_hh`.
///
/// PyTorch: `torch.nn.RNNCell`, `torch.nn.LSTMCell`, `torch.nn.GRUCell`. Torch: `rnn`'s `nn.LSTM`, `nn.GRU`.
///
/// ```
/// use retrograd::nn::{LstmCell, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(LstmCell::new(3, 2), &mut Rng::seed(1));
/// let mut state = (Tensor::zeros([5, 2]), Tensor::zeros([5, 2]));
/// for _ in 0..4 {
///     state = f(&params, &(Tensor::randn([5, 3]), state));
/// }
/// assert_eq!(state.0.shape(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct RecurrentCell<U> {
    unit: U,
    input: usize,
    hidden: usize,
    bias: bool,
}

/// A step of a plain recurrent network, `h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)`: see [`RecurrentCell`].
pub type RnnCell = RecurrentCell<ElmanUnit>;
/// A step of long short-term memory: see [`RecurrentCell`] and [`LstmUnit`].
pub type LstmCell = RecurrentCell<LstmUnit>;
/// A step of a gated recurrent unit: see [`RecurrentCell`] and [`GruUnit`].
pub type GruCell = RecurrentCell<GruUnit>;

/// What [`RecurrentCell`] keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct CellSaved<K> {
    /// The input.
    pub x: Tensor,
    /// The hidden state before.
    pub hidden: Tensor,
    /// What the unit keeps.
    pub kept: K,
}

impl<U: RecurrentUnit> RecurrentCell<U> {
    /// From inputs to states of these sizes, with biases.
    pub fn new(input: usize, hidden: usize) -> Self {
        RecurrentCell { unit: U::default(), input, hidden, bias: true }
    }

    /// Whether biases are added.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// The state of zeros for a batch of `n`.
    pub fn zero_state(&self, n: usize) -> U::State {
        let zeros = Tensor::zeros([n, self.hidden]);
        U::state(zeros.clone(), zeros)
    }
}

impl RecurrentCell<ElmanUnit> {
    /// The function of the sum.
    pub fn nonlinearity(mut self, nonlinearity: Nonlinearity) -> Self {
        self.unit = ElmanUnit { nonlinearity };
        self
    }
}

impl<U: RecurrentUnit> Module for RecurrentCell<U> {
    type Params = RecurrentParams;
    type State = ();
    type Input = (Tensor, U::State);
    type Output = U::State;
    type Saved = CellSaved<U::Kept>;

    fn name(&self) -> &'static str {
        U::CELL_NAME
    }

    fn params(&self, rng: &mut Rng) -> RecurrentParams {
        let RecurrentCell { input, hidden, bias, .. } = *self;
        RecurrentParams::new(rng, Sizes { input, hidden, gates: U::GATES, projected: None, bias })
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &RecurrentParams,
        (): &(),
        (x, state): &Self::Input,
        _: &mut Ctx,
    ) -> (U::State, Self::Saved, ()) {
        let hidden = U::hidden(state);
        let (next, kept) = self.unit.step(&p.of_input(x), &p.of_hidden(hidden), state, self.hidden);
        (next, CellSaved { x: x.clone(), hidden: hidden.clone(), kept }, ())
    }

    fn backward(
        &self,
        p: &RecurrentParams,
        saved: &Self::Saved,
        dnext: &U::State,
    ) -> (RecurrentParams, Self::Input) {
        let through = |d: &Tensor| d.matmul(&p.weight_hh);
        let (of_input, of_hidden, dstate) = self.unit.pull(&saved.kept, dnext, through);
        let of_hidden = of_hidden.as_ref().unwrap_or(&of_input);
        let inputs = [&rows(&saved.x), &rows(&saved.hidden)];
        let dp = p.gradients(inputs, [&rows(&of_input), &rows(of_hidden)], None);
        (dp, (of_input.matmul(&p.weight_ih), dstate))
    }

    fn backward_input(&self, p: &RecurrentParams, saved: &Self::Saved, dnext: &U::State) -> Self::Input {
        let through = |d: &Tensor| d.matmul(&p.weight_hh);
        let (of_input, _, dstate) = self.unit.pull(&saved.kept, dnext, through);
        (of_input.matmul(&p.weight_ih), dstate)
    }

    fn backward_params(&self, p: &RecurrentParams, saved: &Self::Saved, dnext: &U::State) -> RecurrentParams {
        // The cotangent of the state before is not wanted: its product is left out.
        let (of_input, of_hidden, _) = self.unit.pull(&saved.kept, dnext, |_| saved.hidden.zeros_like());
        let of_hidden = of_hidden.as_ref().unwrap_or(&of_input);
        let inputs = [&rows(&saved.x), &rows(&saved.hidden)];
        p.gradients(inputs, [&rows(&of_input), &rows(of_hidden)], None)
    }
}

//! What one step computes: the units of recurrent layers.

use std::fmt::Debug;

use retrograd::{Tensor, Tree};

/// What a recurrent layer does in one step, given what the input and what the hidden state say to its gates:
/// `from_input = x W_ih^T + b_ih` and `from_hidden = h W_hh^T + b_hh`, both `[.., GATES * hidden]`.
///
/// The products, the loop over time and the parameters' gradients are the layers' ([`RecurrentCell`], [`Recurrent`]);
/// a unit of your own needs these functions.
///
/// [`RecurrentCell`]: super::RecurrentCell
/// [`Recurrent`]: super::Recurrent
pub trait RecurrentUnit: Clone + Debug + Default + Send + Sync + 'static {
    /// What goes from step to step; each leaf `[batch, hidden]`, the hidden state first.
    type State: Tree;
    /// What a step keeps for its derivative.
    type Kept: Tree;
    /// How many gates there are: rows of `W_ih` are so many times the hidden size.
    const GATES: usize;
    /// The name of the layer of one step.
    const CELL_NAME: &'static str;
    /// The name of the layer over sequences.
    const NAME: &'static str;

    /// A state with these parts: the hidden state, and what has its size before a projection.
    fn state(hidden: Tensor, inner: Tensor) -> Self::State;

    /// The hidden state.
    fn hidden(state: &Self::State) -> &Tensor;

    /// The state with another hidden state.
    fn with_hidden(state: Self::State, hidden: Tensor) -> Self::State;

    /// The next state, and what [`pull`](RecurrentUnit::pull) needs.
    fn step(
        &self,
        from_input: &Tensor,
        from_hidden: &Tensor,
        state: &Self::State,
        size: usize,
    ) -> (Self::State, Self::Kept);

    /// The step's derivative: cotangents of `from_input`, of `from_hidden` (`None` if it is the same) and of the state,
    /// given that of the next state. `through` is what a cotangent of `from_hidden` is for the hidden state.
    fn pull(
        &self,
        kept: &Self::Kept,
        dnext: &Self::State,
        through: impl Fn(&Tensor) -> Tensor,
    ) -> (Tensor, Option<Tensor>, Self::State);
}

/// The function of a plain recurrent unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// `max(0, x)`, with derivative 0 at 0.
    Relu,
}

/// Elman's unit: `h' = tanh(from_input + from_hidden)`, or relu.
///
/// Gradient: `dgate = dh' (1 - h'^2)`, or `dh'` where `h' > 0`.
///
/// Source: Elman, "Finding structure in time", 1990.
#[derive(Clone, Debug, Default)]
pub struct ElmanUnit {
    pub(super) nonlinearity: Nonlinearity,
}

impl RecurrentUnit for ElmanUnit {
    type State = Tensor;
    /// The next state.
    type Kept = Tensor;
    const GATES: usize = 1;
    const CELL_NAME: &'static str = "RNNCell";
    const NAME: &'static str = "RNN";

    fn state(hidden: Tensor, _: Tensor) -> Tensor {
        hidden
    }

    fn hidden(state: &Tensor) -> &Tensor {
        state
    }

    fn with_hidden(_: Tensor, hidden: Tensor) -> Tensor {
        hidden
    }

    fn step(&self, from_input: &Tensor, from_hidden: &Tensor, _: &Tensor, _: usize) -> (Tensor, Tensor) {
        let gate = from_input + from_hidden;
        let h = match self.nonlinearity {
            Nonlinearity::Tanh => gate.tanh(),
            Nonlinearity::Relu => gate.relu(),
        };
        (h.clone(), h)
    }

    fn pull(
        &self,
        h: &Tensor,
        dh: &Tensor,
        through: impl Fn(&Tensor) -> Tensor,
    ) -> (Tensor, Option<Tensor>, Tensor) {
        let dgate = match self.nonlinearity {
            Nonlinearity::Tanh => dh * (1.0 - h.square()),
            Nonlinearity::Relu => h.gt(0.0).where_(dh, 0.0),
        };
        let dh = through(&dgate);
        (dgate, None, dh)
    }
}

/// The part of gate number `at`.
fn gate(gates: &Tensor, at: usize, size: usize) -> Tensor {
    gates.narrow(-1, at * size, size)
}

/// Long short-term memory. With gates `i, f, g, o` in this order, `i`, `f` and `o` through a sigmoid and `g` through
/// tanh: `c' = f c + i g`, `h' = o tanh(c')`.
///
/// Gradient: with `dc = dc' + dh' o (1 - tanh(c')^2)`, the gates' are `dc g`, `dc c`, `dc i` and `dh' tanh(c')`, each
/// times the derivative of its function; `dc f` goes on to the step before.
///
/// Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers, Schmidhuber and
/// Cummins, 2000.
#[derive(Clone, Debug, Default)]
pub struct LstmUnit;

/// What a step of [`LstmUnit`] keeps: the gates, `[.., 4 * hidden]`, after their functions; the cell before; tanh of the one
/// after.
#[derive(Clone, Debug, Tree)]
pub struct LstmKept {
    /// `i, f, g, o`.
    pub gates: [Tensor; 4],
    /// The cell before the step.
    pub cell: Tensor,
    /// tanh of the cell after it.
    pub tanh: Tensor,
}

impl RecurrentUnit for LstmUnit {
    /// Hidden state and cell.
    type State = (Tensor, Tensor);
    type Kept = LstmKept;
    const GATES: usize = 4;
    const CELL_NAME: &'static str = "LSTMCell";
    const NAME: &'static str = "LSTM";

    fn state(hidden: Tensor, inner: Tensor) -> (Tensor, Tensor) {
        (hidden, inner)
    }

    fn hidden((h, _): &(Tensor, Tensor)) -> &Tensor {
        h
    }

    fn with_hidden((_, c): (Tensor, Tensor), hidden: Tensor) -> (Tensor, Tensor) {
        (hidden, c)
    }

    fn step(
        &self,
        from_input: &Tensor,
        from_hidden: &Tensor,
        (_, c): &(Tensor, Tensor),
        size: usize,
    ) -> ((Tensor, Tensor), LstmKept) {
        let all = from_input + from_hidden;
        let [i, f, o] = [0, 1, 3].map(|at| gate(&all, at, size).sigmoid());
        let g = gate(&all, 2, size).tanh();
        let next = &f * c + &i * &g;
        let tanh = next.tanh();
        let h = &o * &tanh;
        ((h, next), LstmKept { gates: [i, f, g, o], cell: c.clone(), tanh })
    }

    fn pull(
        &self,
        kept: &LstmKept,
        (dh, dc): &(Tensor, Tensor),
        through: impl Fn(&Tensor) -> Tensor,
    ) -> (Tensor, Option<Tensor>, (Tensor, Tensor)) {
        let LstmKept { gates: [i, f, g, o], cell, tanh } = kept;
        let dc = dc + dh * o * (1.0 - tanh.square());
        let sigmoid = |y: &Tensor| y * (1.0 - y);
        let parts = [
            &dc * g * sigmoid(i),
            &dc * cell * sigmoid(f),
            &dc * i * (1.0 - g.square()),
            dh * tanh * sigmoid(o),
        ];
        let dgates = Tensor::cat(&parts, -1);
        let dh = through(&dgates);
        (dgates, None, (dh, dc * f))
    }
}

/// The gated recurrent unit. With gates `r, z, n` in this order, `r` and `z` through a sigmoid:
/// `n = tanh(n_input + r n_hidden)`, `h' = (1 - z) n + z h`. (As PyTorch has it, `r` scales what the hidden state says
/// after its product and bias.)
///
/// Gradient: the gates' are `dn = dh' (1 - z) (1 - n^2)`, `dr = dn n_hidden r (1 - r)` and `dz = dh' (h - n) z (1 - z)`;
/// what the hidden state says to `n` has `dn r`; `dh' z` goes on to the step before.
///
/// Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
#[derive(Clone, Debug, Default)]
pub struct GruUnit;

/// What a step of [`GruUnit`] keeps: the gates after their functions, what the hidden state said to `n`, and that state.
#[derive(Clone, Debug, Tree)]
pub struct GruKept {
    /// `r, z, n`.
    pub gates: [Tensor; 3],
    /// What the hidden state said to `n`.
    pub n_hidden: Tensor,
    /// The state before the step.
    pub hidden: Tensor,
}

impl RecurrentUnit for GruUnit {
    type State = Tensor;
    type Kept = GruKept;
    const GATES: usize = 3;
    const CELL_NAME: &'static str = "GRUCell";
    const NAME: &'static str = "GRU";

    fn state(hidden: Tensor, _: Tensor) -> Tensor {
        hidden
    }

    fn hidden(state: &Tensor) -> &Tensor {
        state
    }

    fn with_hidden(_: Tensor, hidden: Tensor) -> Tensor {
        hidden
    }

    fn step(&self, from_input: &Tensor, from_hidden: &Tensor, h: &Tensor, size: usize) -> (Tensor, GruKept) {
        let [r, z] = [0, 1].map(|at| (gate(from_input, at, size) + gate(from_hidden, at, size)).sigmoid());
        let n_hidden = gate(from_hidden, 2, size);
        let n = (gate(from_input, 2, size) + &r * &n_hidden).tanh();
        let next = &n + &z * (h - &n);
        (next, GruKept { gates: [r, z, n], n_hidden, hidden: h.clone() })
    }

    fn pull(
        &self,
        kept: &GruKept,
        dh: &Tensor,
        through: impl Fn(&Tensor) -> Tensor,
    ) -> (Tensor, Option<Tensor>, Tensor) {
        let GruKept { gates: [r, z, n], n_hidden, hidden } = kept;
        let dn = dh * (1.0 - z) * (1.0 - n.square());
        let dr = &dn * n_hidden * r * (1.0 - r);
        let dz = dh * (hidden - n) * z * (1.0 - z);
        let of_hidden = Tensor::cat(&[dr.clone(), dz.clone(), &dn * r], -1);
        let of_input = Tensor::cat(&[dr, dz, dn], -1);
        let dh = dh * z + through(&of_hidden);
        (of_input, Some(of_hidden), dh)
    }
}

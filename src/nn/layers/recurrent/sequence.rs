//! Recurrent layers over whole sequences.

use super::parts::{RecurrentParams, Sizes, rows};
use super::units::{ElmanUnit, GruUnit, LstmUnit, Nonlinearity, RecurrentUnit};
use retrograd::nn::{Ctx, Module};
use retrograd::{Error, ErrorKind, Rng, Tensor, Tree, tree};

/// A recurrent network over sequences: `Rnn`, `Lstm` and `Gru`, by the unit that says what a step computes ([`ElmanUnit`],
/// [`LstmUnit`], [`GruUnit`]).
///
/// The input is `(x, state)`: x `[time, n, input]` (`[n, time, input]` with `.batch_first(true)`; without the axis `n`
/// for a single sequence), and the state before the first step, or `None` for zeros. The output is `(y, state)`: the
/// last layer's hidden state after each step `[time, n, directions * hidden]`, and the state after the last step. A state
/// is `h`, for `Lstm` `(h, c)`, each `[layers * directions, n, hidden]`.
///
/// With several layers each takes the outputs of the one before, of which `.dropout(p)` puts a part to zero in
/// training. With `.bidirectional(true)` each layer goes through time in both directions, and their outputs stand side by
/// side. `Lstm`'s `.proj_size(k)` multiplies hidden states by a matrix to size `k`.
///
/// Parameters: a [`RecurrentParams`] for each layer and direction; PyTorch's `weight_ih_l2_reverse` is
/// `[2 * directions + 1].weight_ih`.
///
/// Gradient: back through time by the unit's derivative. What all inputs say to the gates is one product, and so are the
/// gradients of the weights and of the inputs.
///
/// PyTorch: `torch.nn.RNN`, `torch.nn.LSTM`, `torch.nn.GRU`. Torch: `rnn`'s `nn.SeqLSTM`, `nn.SeqGRU`.
///
/// # Errors
/// As invalid outputs: an input or a state of another shape, and a sequence of no steps.
///
/// ```
/// use retrograd::nn::{Lstm, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(Lstm::new(3, 4).num_layers(2).bidirectional(true), &mut Rng::seed(1));
/// let (y, (h, c)) = f(&params, &(Tensor::randn([7, 5, 3]), None));
/// assert_eq!((y.shape().to_vec(), h.shape().to_vec()), (vec![7, 5, 8], vec![4, 5, 4]));
/// // Go on from where this ended.
/// let (more, _) = f(&params, &(Tensor::randn([2, 5, 3]), Some((h, c))));
/// assert_eq!(more.shape(), [2, 5, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent<U> {
    unit: U,
    input: usize,
    hidden: usize,
    layers: usize,
    bias: bool,
    batch_first: bool,
    dropout: f64,
    bidirectional: bool,
    projected: Option<usize>,
}

/// A plain recurrent network: see [`Recurrent`] and [`ElmanUnit`].
pub type Rnn = Recurrent<ElmanUnit>;
/// Long short-term memory: see [`Recurrent`] and [`LstmUnit`].
pub type Lstm = Recurrent<LstmUnit>;
/// Gated recurrent units: see [`Recurrent`] and [`GruUnit`].
pub type Gru = Recurrent<GruUnit>;

/// What one direction of one layer keeps, a list with an element for each step, in the order of steps.
#[derive(Clone, Debug, Tree)]
pub struct RunSaved<K> {
    /// The layer's input `[time, n, input]`.
    pub x: Tensor,
    /// Hidden states before the steps.
    pub before: Vec<Tensor>,
    /// What the unit keeps.
    pub kept: Vec<K>,
    /// Hidden states before the projection; none without.
    pub inner: Vec<Tensor>,
}

/// What [`Recurrent`] keeps for its `backward`.
#[derive(Clone, Debug, Tree)]
pub struct RecurrentSaved<K> {
    /// For each layer and direction; none if the input was refused.
    pub runs: Vec<RunSaved<K>>,
    /// What the outputs of all layers but the last were multiplied by; empty without dropout.
    pub masks: Vec<Tensor>,
    /// The input, if it was refused: an invalid tensor.
    pub refused: Option<Tensor>,
    /// Whether there was an axis of examples.
    #[tree(static)]
    pub batched: bool,
    /// Whether there was a state.
    #[tree(static)]
    pub with_state: bool,
}

/// A sequence, and the state before it.
type Given<U> = (Tensor, Option<<U as RecurrentUnit>::State>);

/// What is wanted of a `backward`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Params,
    Input,
}

/// Forward and back in time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl Direction {
    fn of(number: usize) -> Direction {
        if number == 0 { Direction::Forward } else { Direction::Backward }
    }

    /// Steps in the order of time, given in the order in which they were done; or the other way round.
    fn ordered<T>(self, mut steps: Vec<T>) -> Vec<T> {
        if self == Direction::Backward {
            steps.reverse();
        }
        steps
    }
}

impl<U: RecurrentUnit> Recurrent<U> {
    /// One layer from inputs to hidden states of these sizes, with biases.
    pub fn new(input: usize, hidden: usize) -> Self {
        Recurrent {
            unit: U::default(),
            input,
            hidden,
            layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            projected: None,
        }
    }

    /// How many layers there are, at least one.
    pub fn num_layers(mut self, layers: usize) -> Self {
        self.layers = layers.max(1);
        self
    }

    /// Whether biases are added.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Whether the first axis of inputs and outputs is that of examples, not of time.
    pub fn batch_first(mut self, batch_first: bool) -> Self {
        self.batch_first = batch_first;
        self
    }

    /// The part of the outputs between layers that is put to zero in training.
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    /// Whether each layer goes through time in both directions.
    pub fn bidirectional(mut self, bidirectional: bool) -> Self {
        self.bidirectional = bidirectional;
        self
    }

    fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The size of hidden states after the projection.
    fn out(&self) -> usize {
        self.projected.unwrap_or(self.hidden)
    }

    /// States of zeros beside an input `[time, n, input]`.
    fn zero_state(&self, x: &Tensor) -> U::State {
        let zeros = |size: usize| {
            Tensor::zeros([self.layers * self.directions(), x.size(1), size]).to_dtype(x.dtype())
        };
        U::state(zeros(self.out()), zeros(self.hidden))
    }

    /// The input as `[time, n, input]`, or why it is refused.
    fn checked(&self, x: &Tensor, state: &Option<U::State>) -> Result<Tensor, Tensor> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Shape, message).refuse(U::NAME, &[x]));
        let given = state.as_ref().map(tree::leaves).unwrap_or_default();
        if let Some(invalid) = given.iter().chain([x]).find(|x| x.error().is_some()) {
            return Err(invalid.clone());
        }
        let shape = x.shape().to_vec();
        let axes = if self.batch_first { "[n, time," } else { "[time, n," };
        if !matches!(shape.len(), 2 | 3) || shape[shape.len() - 1] != self.input {
            let size = self.input;
            return refuse(format!(
                "the input is to be {axes} {size}] or [time, {size}], got shape {}",
                x.shape()
            ));
        }
        let x = self.time_first(x, shape.len() == 3);
        if x.size(0) == 0 {
            return refuse(format!("the input is to have at least one step, got shape {shape:?}"));
        }
        let expected = tree::leaves(&self.zero_state(&x));
        for (got, like) in given.iter().zip(&expected) {
            let mut expected = like.shape().to_vec();
            if shape.len() == 2 {
                expected.remove(1);
            }
            if got.shape().to_vec() != expected {
                return refuse(format!(
                    "the state is to have shape {expected:?} ([layers * directions, n, size]), got {}",
                    got.shape()
                ));
            }
        }
        Ok(x)
    }

    /// `[time, n, ..]` of what stands as the input does, and back.
    fn time_first(&self, x: &Tensor, batched: bool) -> Tensor {
        match (batched, self.batch_first) {
            (false, _) => x.unsqueeze(1),
            (true, true) => x.transpose(0, 1),
            (true, false) => x.clone(),
        }
    }

    fn time_first_back(&self, x: &Tensor, batched: bool) -> Tensor {
        if batched { self.time_first(x, batched) } else { x.squeeze(1) }
    }

    /// One direction of one layer: outputs `[time, n, out]`, the last state, and what is kept.
    fn run(
        &self,
        p: &RecurrentParams,
        x: &Tensor,
        mut state: U::State,
        direction: Direction,
    ) -> (Tensor, U::State, RunSaved<U::Kept>) {
        let from_input = direction.ordered(p.of_input(x).unbind(0));
        let mut saved = RunSaved { x: x.clone(), before: Vec::new(), kept: Vec::new(), inner: Vec::new() };
        let mut outputs = Vec::with_capacity(from_input.len());
        for from_input in &from_input {
            let before = U::hidden(&state).clone();
            let (mut next, kept) = self.unit.step(from_input, &p.of_hidden(&before), &state, self.hidden);
            if let Some(weight) = &p.weight_hr {
                let inner = U::hidden(&next).clone();
                next = U::with_hidden(next, inner.matmul(&weight.t()));
                saved.inner.push(inner);
            }
            saved.before.push(before);
            saved.kept.push(kept);
            outputs.push(U::hidden(&next).clone());
            state = next;
        }
        (Tensor::stack(&direction.ordered(outputs), 0), state, saved)
    }

    /// The cotangents of parameters, input and first state of a run, given those of its outputs and last state.
    fn pull_run(
        &self,
        p: &RecurrentParams,
        saved: &RunSaved<U::Kept>,
        dy: &Tensor,
        mut dstate: U::State,
        (direction, wanted): (Direction, Wanted),
    ) -> (Option<RecurrentParams>, Option<Tensor>, U::State) {
        let steps = saved.kept.len();
        let dy: Vec<Tensor> = (0..steps).map(|t| dy.select(0, t as isize)).collect();
        let dy = direction.ordered(dy);
        let (mut of_input, mut of_hidden, mut of_output) = (Vec::new(), Vec::new(), Vec::new());
        let through = |d: &Tensor| d.matmul(&p.weight_hh);
        for (dy, kept) in dy.iter().zip(&saved.kept).rev() {
            let mut dh = U::hidden(&dstate) + dy;
            if let Some(weight) = &p.weight_hr {
                of_output.push(dh.clone());
                dh = dh.matmul(weight);
            }
            let (input, hidden, before) = self.unit.pull(kept, &U::with_hidden(dstate, dh), through);
            of_input.push(input);
            of_hidden.extend(hidden);
            dstate = before;
        }
        // They were made from the last step to the first.
        let in_steps = |mut parts: Vec<Tensor>| {
            parts.reverse();
            parts
        };
        let of_input = in_steps(of_input);
        let in_time = Tensor::stack(&direction.ordered(of_input.clone()), 0);
        let dp = (wanted != Wanted::Input).then(|| {
            let all = |parts: &[Tensor]| rows(&Tensor::stack(parts, 0));
            let of_hidden = match of_hidden.is_empty() {
                true => all(&of_input),
                false => all(&in_steps(of_hidden)),
            };
            let projection = p.weight_hr.as_ref().map(|_| [all(&saved.inner), all(&in_steps(of_output))]);
            let inputs = [&rows(&saved.x), &all(&saved.before)];
            p.gradients(inputs, [&rows(&in_time), &of_hidden], projection)
        });
        let dx = (wanted != Wanted::Params).then(|| in_time.matmul(&p.weight_ih));
        (dp, dx, dstate)
    }

    /// The cotangents of parameters and input, as far as they are wanted.
    fn pull(
        &self,
        p: &[RecurrentParams],
        saved: &RecurrentSaved<U::Kept>,
        (dy, dstate): &(Tensor, U::State),
        wanted: Wanted,
    ) -> (Vec<RecurrentParams>, Option<Given<U>>) {
        if let Some(refused) = &saved.refused {
            let like = |tree: &U::State| tree::map(tree, |_| refused.clone());
            let dp = p.iter().map(|p| tree::map(p, |_| refused.clone())).collect();
            return (dp, Some((refused.clone(), saved.with_state.then(|| like(dstate)))));
        }
        let batch_axis = |x: &Tensor| if saved.batched { x.clone() } else { x.unsqueeze(1) };
        let dstate = tree::map(dstate, batch_axis);
        let (directions, out) = (self.directions(), self.out());
        let mut dy = self.time_first(dy, saved.batched);
        let (mut grads, mut dstates) = (Vec::new(), Vec::new());
        for layer in (0..self.layers).rev() {
            if let Some(mask) = saved.masks.get(layer) {
                dy *= mask;
            }
            // Only the first layer's input may be of no interest.
            let wanted = if layer > 0 && wanted == Wanted::Params { Wanted::All } else { wanted };
            let mut dx: Option<Tensor> = None;
            for number in (0..directions).rev() {
                let at = layer * directions + number;
                let of_run = match directions {
                    1 => dy.clone(),
                    _ => dy.narrow(-1, number * out, out),
                };
                let last = tree::map(&dstate, |s| s.select(0, at as isize));
                let how = (Direction::of(number), wanted);
                let (dp, d, first) = self.pull_run(&p[at], &saved.runs[at], &of_run, last, how);
                grads.extend(dp);
                dstates.push(first);
                dx = match (dx, d) {
                    (Some(sum), Some(d)) => Some(sum + d),
                    (sum, d) => sum.or(d),
                };
            }
            dy = dx.unwrap_or_else(|| Tensor::zeros([0]));
        }
        grads.reverse();
        dstates.reverse();
        let dx = (wanted != Wanted::Params).then(|| {
            let squeeze = |x: &Tensor| if saved.batched { x.clone() } else { x.squeeze(1) };
            let dstate = stacked(&dstates).map(|state| tree::map(&state, squeeze));
            (self.time_first_back(&dy, saved.batched), dstate.filter(|_| saved.with_state))
        });
        (grads, dx)
    }

    /// What is returned for an input that is refused.
    fn refused(
        &self,
        invalid: Tensor,
        with_state: bool,
    ) -> ((Tensor, U::State), RecurrentSaved<U::Kept>, ()) {
        let state = U::state(invalid.clone(), invalid.clone());
        let saved = RecurrentSaved {
            runs: Vec::new(),
            masks: Vec::new(),
            refused: Some(invalid.clone()),
            batched: true,
            with_state,
        };
        ((invalid, state), saved, ())
    }
}

impl Recurrent<ElmanUnit> {
    /// The function of the sum.
    pub fn nonlinearity(mut self, nonlinearity: Nonlinearity) -> Self {
        self.unit = ElmanUnit { nonlinearity };
        self
    }
}

impl Recurrent<LstmUnit> {
    /// The size to which hidden states are projected; 0 for no projection.
    pub fn proj_size(mut self, size: usize) -> Self {
        self.projected = (size > 0).then_some(size);
        self
    }
}

impl<U: RecurrentUnit> Module for Recurrent<U> {
    type Params = Vec<RecurrentParams>;
    type State = ();
    type Input = (Tensor, Option<U::State>);
    type Output = (Tensor, U::State);
    type Saved = RecurrentSaved<U::Kept>;

    fn name(&self) -> &'static str {
        U::NAME
    }

    fn params(&self, rng: &mut Rng) -> Vec<RecurrentParams> {
        let directions = self.directions();
        let numbers = 0..self.layers * directions;
        let params = numbers.map(|number| {
            let input = if number < directions { self.input } else { directions * self.out() };
            let Recurrent { hidden, bias, projected, .. } = *self;
            RecurrentParams::new(rng, Sizes { input, hidden, gates: U::GATES, projected, bias })
        });
        params.collect()
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &Vec<RecurrentParams>,
        (): &(),
        (x, state): &Self::Input,
        ctx: &mut Ctx,
    ) -> (Self::Output, Self::Saved, ()) {
        let directions = self.directions();
        let batched = x.error().is_none() && x.rank() == 3;
        let mut x = match self.checked(x, state) {
            Ok(x) if p.len() == self.layers * directions => x,
            Ok(_) => {
                let (got, expected) = (p.len(), self.layers * directions);
                let message = format!("parameters of {got} layers and directions, it has {expected}");
                let invalid = Error::new(ErrorKind::Tree, message).refuse(U::NAME, &[]);
                return self.refused(invalid, state.is_some());
            }
            Err(invalid) => return self.refused(invalid, state.is_some()),
        };
        let first = match state {
            Some(state) if batched => tree::copy(state),
            Some(state) => tree::map(state, |s| s.unsqueeze(1)),
            None => self.zero_state(&x),
        };
        let (mut runs, mut masks, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for layer in 0..self.layers {
            let mut outputs = Vec::new();
            for number in 0..directions {
                let at = layer * directions + number;
                let before = tree::map(&first, |s| s.select(0, at as isize));
                let (y, after, saved) = self.run(&p[at], &x, before, Direction::of(number));
                outputs.push(y);
                last.push(after);
                runs.push(saved);
            }
            x = if directions == 1 { outputs.swap_remove(0) } else { Tensor::cat(&outputs, -1) };
            if self.dropout > 0.0 && ctx.is_train() && layer + 1 < self.layers {
                let mask = ctx.rng.dropout(&x.ones_like(), self.dropout);
                x *= &mask;
                masks.push(mask);
            }
        }
        let squeeze = |x: &Tensor| if batched { x.clone() } else { x.squeeze(1) };
        let last = stacked(&last).map(|state| tree::map(&state, squeeze));
        let last = last.unwrap_or(first);
        let saved = RecurrentSaved { runs, masks, refused: None, batched, with_state: state.is_some() };
        ((self.time_first_back(&x, batched), last), saved, ())
    }

    fn backward(
        &self,
        p: &Vec<RecurrentParams>,
        saved: &Self::Saved,
        dy: &Self::Output,
    ) -> (Vec<RecurrentParams>, Self::Input) {
        let (dp, dx) = self.pull(p, saved, dy, Wanted::All);
        (dp, dx.unwrap_or_else(|| (dy.0.clone(), None)))
    }

    fn backward_params(
        &self,
        p: &Vec<RecurrentParams>,
        saved: &Self::Saved,
        dy: &Self::Output,
    ) -> Vec<RecurrentParams> {
        self.pull(p, saved, dy, Wanted::Params).0
    }

    fn backward_input(
        &self,
        p: &Vec<RecurrentParams>,
        saved: &Self::Saved,
        dy: &Self::Output,
    ) -> Self::Input {
        let (_, dx) = self.pull(p, saved, dy, Wanted::Input);
        dx.unwrap_or_else(|| (dy.0.clone(), None))
    }
}

/// Trees of one structure put on top of each other, leaf by leaf.
fn stacked<T: Tree>(trees: &[T]) -> Option<T> {
    let leaves: Vec<Vec<Tensor>> = trees.iter().map(tree::leaves).collect();
    let mut at = 0..;
    Some(tree::map(trees.first()?, |_| {
        let i = at.next().unwrap_or_default();
        Tensor::stack(&leaves.iter().map(|leaves| leaves[i].clone()).collect::<Vec<_>>(), 0)
    }))
}

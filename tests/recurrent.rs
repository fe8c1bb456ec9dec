//! Recurrent layers: their gradients are the derived ones, and all of it is PyTorch's.

mod against_torch;

use against_torch::{Row, hold, rows};
use retrograd::nn::{
    Ctx, Gru, GruCell, Lstm, LstmCell, Mode, Module, Nonlinearity, Recurrent, RecurrentCell, RecurrentUnit,
    Rnn, RnnCell, functionalize,
};
use retrograd::{Result, Rng, Tensor, check, grad, jit, tree};

fn x(shape: &[usize]) -> Tensor {
    Rng::seed(3).randn(shape).f64()
}

fn h(shape: &[usize]) -> Tensor {
    Rng::seed(4).uniform(shape, -1.0, 1.0).f64()
}

fn c(shape: &[usize]) -> Tensor {
    Rng::seed(5).uniform(shape, -1.0, 1.0).f64()
}

#[test]
fn cells_have_the_derived_gradient() -> Result<()> {
    for batch in [&[2][..], &[1], &[]] {
        let x = x(&[batch, &[3]].concat());
        let state = |of: fn(&[usize]) -> Tensor| of(&[batch, &[2]].concat());
        for bias in [true, false] {
            check::module(RnnCell::new(3, 2).bias(bias), &(x.clone(), state(h)), Mode::Train)?;
            check::module(GruCell::new(3, 2).bias(bias), &(x.clone(), state(h)), Mode::Train)?;
            let both = (state(h), state(c));
            check::module(LstmCell::new(3, 2).bias(bias), &(x.clone(), both), Mode::Train)?;
        }
        let relu = RnnCell::new(3, 2).nonlinearity(Nonlinearity::Relu);
        check::module(relu, &(x.clone(), state(h)), Mode::Eval)?;
    }
    Ok(())
}

#[test]
fn sequences_have_the_derived_gradient() -> Result<()> {
    let (x, h, c) = (&x(&[3, 2, 2]), &h(&[1, 2, 2]), &c(&[1, 2, 2]));
    check::module(Rnn::new(2, 2), &(x.clone(), Some(h.clone())), Mode::Train)?;
    check::module(Lstm::new(2, 2), &(x.clone(), Some((h.clone(), c.clone()))), Mode::Train)?;
    check::module(Gru::new(2, 2).bias(false), &(x.clone(), Some(h.clone())), Mode::Train)?;
    check::module(Gru::new(2, 3).batch_first(true), &(x.clone(), None), Mode::Train)?;
    let relu = Rnn::new(2, 2).nonlinearity(Nonlinearity::Relu);
    check::module(relu, &(x.select(1, 0), Some(h.select(1, 0))), Mode::Eval)
}

#[test]
fn layers_and_directions_have_the_derived_gradient() -> Result<()> {
    let x = &x(&[2, 2, 2]);
    let deep = Rnn::new(2, 2).num_layers(2).dropout(0.5);
    check::module(deep, &(x.clone(), Some(h(&[2, 2, 2]))), Mode::Train)?;
    let both = Lstm::new(2, 1).num_layers(2).bidirectional(true).dropout(0.3);
    check::module(both, &(x.clone(), None), Mode::Train)?;
    let projected = Lstm::new(2, 3).proj_size(2).bidirectional(true);
    check::module(projected, &(x.clone(), Some((h(&[2, 2, 2]), c(&[2, 2, 3])))), Mode::Eval)?;
    check::module(Gru::new(2, 1).bidirectional(true), &(x.select(1, 1), None), Mode::Train)
}

#[test]
fn a_sequence_is_its_cell_step_by_step() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (layer, cell) = (Lstm::new(3, 2), LstmCell::new(3, 2));
    let params = layer.params(&mut rng);
    let x = Rng::seed(2).randn([4, 5, 3]);
    let ((y, (h, c)), _, ()) = layer.forward(&params, &(), &(x.clone(), None), &mut Ctx::eval());
    let mut state = cell.zero_state(5);
    for t in 0..4 {
        state = cell.forward(&params[0], &(), &(x.select(0, t), state), &mut Ctx::eval()).0;
        assert!(y.select(0, t).allclose(&state.0, 1e-6, 1e-6)?);
    }
    assert!(h.select(0, 0).allclose(&state.0, 1e-6, 1e-6)? && c.select(0, 0).allclose(&state.1, 1e-6, 1e-6)?);
    Ok(())
}

#[test]
fn a_sequence_in_two_parts_is_the_whole_one() -> Result<()> {
    let (f, params) = functionalize(Gru::new(3, 2).num_layers(2), &mut Rng::seed(1));
    let x = Rng::seed(2).randn([6, 2, 3]);
    let (whole, last) = f(&params, &(x.clone(), None));
    let (first, state) = f(&params, &(x.narrow(0, 0, 2), None));
    let (second, end) = f(&params, &(x.narrow(0, 2, 4), Some(state)));
    assert!(
        Tensor::cat(&[first, second], 0).allclose(&whole, 1e-5, 1e-6)? && end.allclose(&last, 1e-5, 1e-6)?
    );
    Ok(())
}

#[test]
fn the_way_back_is_the_way_forward_on_the_reversed_sequence() -> Result<()> {
    let both = Rnn::new(2, 3).bidirectional(true);
    let params = both.params(&mut Rng::seed(1));
    let x = Rng::seed(2).randn([4, 2, 2]);
    let ((y, _), ..) = both.forward(&params, &(), &(x.clone(), None), &mut Ctx::eval());
    let one = Rnn::new(2, 3);
    let back = vec![params[1].clone()];
    let ((reversed, _), ..) = one.forward(&back, &(), &(x.flip(0), None), &mut Ctx::eval());
    assert!(y.narrow(-1, 3, 3).allclose(&reversed.flip(0), 1e-6, 1e-6)?);
    Ok(())
}

#[test]
fn dropout_is_between_layers_and_only_in_training() -> Result<()> {
    let layer = Rnn::new(2, 8).num_layers(2).dropout(0.9);
    let params = layer.params(&mut Rng::seed(1));
    let input = (Rng::seed(2).randn([3, 1, 2]), None);
    let last = |mut ctx: Ctx| layer.forward(&params, &(), &input, &mut ctx).0.0.to_vec::<f32>();
    assert_ne!(last(Ctx::train(Rng::seed(1)))?, last(Ctx::eval())?);
    assert_eq!(last(Ctx::train(Rng::seed(1)))?, last(Ctx::train(Rng::seed(1)))?);
    let one = Rnn::new(2, 8).dropout(0.9);
    let params = one.params(&mut Rng::seed(1));
    let only = |mut ctx: Ctx| one.forward(&params, &(), &input, &mut ctx).0.0.to_vec::<f32>();
    assert_eq!(only(Ctx::train(Rng::seed(1)))?, only(Ctx::eval())?);
    Ok(())
}

#[test]
fn a_compiled_sequence_learns_as_a_direct_one() -> Result<()> {
    let (f, params) = functionalize(Lstm::new(2, 3), &mut Rng::seed(1));
    let x = Rng::seed(2).randn([4, 2, 2]);
    let loss = |p: &Vec<_>, x: &Tensor| f(p, &(x.clone(), None)).0.square().sum();
    let (direct, _) = grad(loss).call(&params, &x)?;
    let (compiled, _) = grad(loss).optimize(true).call(&params, &x)?;
    for (a, b) in tree::leaves(&direct).iter().zip(tree::leaves(&compiled)) {
        assert!(a.allclose(&b, 1e-5, 1e-6)?);
    }
    let output = jit(|x: &Tensor| f(&params, &(x.clone(), None)).0);
    assert!(output.call(&x, ())?.allclose(&f(&params, &(x, None)).0, 1e-5, 1e-6)?);
    Ok(())
}

#[test]
fn an_input_or_state_of_another_shape_is_an_error_that_says_what_is_needed() {
    fn text<U: RecurrentUnit>(layer: &Recurrent<U>, input: (Tensor, Option<U::State>)) -> String {
        let params = layer.params(&mut Rng::seed(0));
        let ((y, state), saved, ()) = layer.forward(&params, &(), &input, &mut Ctx::eval());
        let _ = layer.backward(&params, &saved, &(y.clone(), state));
        y.error().expect("an error").to_string()
    }
    let (rnn, lstm) = (Rnn::new(3, 2), Lstm::new(3, 2).batch_first(true));
    let cases = [
        (
            text(&rnn, (x(&[4, 2, 5]), None)),
            "RNN: the input is to be [time, n, 3] or [time, 3], got shape [4, 2, 5]",
        ),
        (text(&lstm, (x(&[3]), None)), "LSTM: the input is to be [n, time, 3] or [time, 3], got shape [3]"),
        (
            text(&rnn, (x(&[0, 2, 3]), None)),
            "RNN: the input is to have at least one step, got shape [0, 2, 3]",
        ),
        (
            text(&rnn, (x(&[4, 2, 3]), Some(h(&[2, 2, 2])))),
            "RNN: the state is to have shape [1, 2, 2] ([layers * directions, n, size]), got [2, 2, 2]",
        ),
        (
            text(&lstm, (x(&[4, 3]), Some((h(&[1, 2]), c(&[1, 1, 2]))))),
            "LSTM: the state is to have shape [1, 2] ([layers * directions, n, size]), got [1, 1, 2]",
        ),
    ];
    for (got, expected) in cases {
        assert!(got.starts_with(expected), "{got}\ninstead of\n{expected}");
    }
    let cell = RnnCell::new(3, 2);
    let params = cell.params(&mut Rng::seed(0));
    let (y, ..) = cell.forward(&params, &(), &(Tensor::ones([2, 4]), Tensor::ones([2, 2])), &mut Ctx::eval());
    let text = y.error().expect("an error").to_string();
    assert!(text.starts_with("matmul: inner lengths differ: [2, 4] times [3, 2]"), "{text}");
}

fn nonlinearity(row: &Row) -> Nonlinearity {
    if row.text("nonlinearity") == Some("relu") { Nonlinearity::Relu } else { Nonlinearity::Tanh }
}

/// The row's state, or zeros beside which there is no golden gradient.
fn state(row: &Row, name: &str) -> (Tensor, bool) {
    let shape = row.outputs[0].tensor().shape().to_vec();
    match row.input(name) {
        Some(state) => (state, true),
        None => (Tensor::zeros(shape).f64(), false),
    }
}

fn cell<U: RecurrentUnit>(row: &Row, cell: RecurrentCell<U>, state: U::State, given: bool) {
    let places: Vec<_> = (1..=tree::leaf_count(&state)).map(|at| given.then_some(at)).collect();
    let places = [vec![Some(0)], places].concat();
    hold(row, cell.bias(row.flag("bias", true)), &(row.x(), state), &places, str::to_owned);
}

fn sequence<U: RecurrentUnit>(row: &Row, layer: Recurrent<U>, state: Option<U::State>) {
    let layer = layer.num_layers(row.size_or("num_layers", 1)).bias(row.flag("bias", true));
    let layer = layer.batch_first(row.flag("batch_first", false));
    let directions = if row.flag("bidirectional", false) { 2 } else { 1 };
    let count = state.as_ref().map_or(0, tree::leaf_count);
    let places: Vec<_> = (0..=count).map(Some).collect();
    // `[3].weight_ih` as PyTorch has it.
    let name = |path: &str| {
        let (number, field) = path.trim_start_matches('[').split_once("].").expect("a number and a field");
        let number: usize = number.parse().expect("a number");
        let reverse = if number % directions == 1 { "_reverse" } else { "" };
        format!("{field}_l{}{reverse}", number / directions)
    };
    hold(row, layer.bidirectional(directions == 2), &(row.x(), state), &places, name);
}

#[test]
fn recurrent_layers_are_pytorchs() {
    for row in &rows("recurrent") {
        let (input, hidden) = (row.size("input_size"), row.size("hidden_size"));
        let (h, c) = (row.input("h_0"), row.input("c_0"));
        match row.layer.as_str() {
            "RNNCell" => {
                let (h, given) = state(row, "h_0");
                cell(row, RnnCell::new(input, hidden).nonlinearity(nonlinearity(row)), h, given);
            }
            "GRUCell" => {
                let (h, given) = state(row, "h_0");
                cell(row, GruCell::new(input, hidden), h, given);
            }
            "LSTMCell" => {
                let ((h, given), (c, _)) = (state(row, "h_0"), state(row, "c_0"));
                cell(row, LstmCell::new(input, hidden), (h, c), given);
            }
            "RNN" => sequence(row, Rnn::new(input, hidden).nonlinearity(nonlinearity(row)), h),
            "GRU" => sequence(row, Gru::new(input, hidden), h),
            "LSTM" => {
                let layer = Lstm::new(input, hidden).proj_size(row.size_or("proj_size", 0));
                sequence(row, layer, h.zip(c));
            }
            other => panic!("no test for {other}"),
        }
    }
}

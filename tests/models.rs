//! Whole networks: what they compute, that they are differentiated and compiled, that states go on.

#[path = "models/feedforward.rs"]
mod feedforward;
#[path = "models/init.rs"]
mod init;
#[path = "models/misfits.rs"]
mod misfits;
#[path = "models/modules.rs"]
mod modules;
#[path = "models/sharing.rs"]
mod sharing;

use retrograd::model::{
    Activation, FastWeights, Init, Layers, LstmParams, LstmState, NeuralNetwork, Output, Recurrent,
    SpatialNetwork, Transformer, TransformerParams, alexnet, neural_network, recurrent_fw_network,
    recurrent_gru_network, recurrent_lstm_network, recurrent_network, spatial_network, transformer,
};
use retrograd::nn::{Ctx, LayerNorm, functionalize};
use retrograd::{DType, Fallback, Result, Rng, Tensor, Tree, grad, gradcheck, tree};

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

fn f64s<T: Tree>(tree: &T) -> T {
    tree::cast(tree, DType::F64)
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    a.allclose(b, 1e-12, 1e-12).expect("both have values")
}

/// Parameters in f64, moved by random numbers: none is zero, or one, or like another.
fn moved<T: Tree>(tree: &T) -> T {
    let mut rng = Rng::seed(77);
    tree::map(&f64s(tree), |leaf| leaf + rng.randn(leaf.shape()).f64() * 0.3)
}

/// Holds each leaf of a tree to that of the same place in another.
#[track_caller]
fn alike<T: Tree>(a: &T, b: &T) {
    assert_eq!(tree::paths(a), tree::paths(b));
    for ((path, a), b) in tree::paths(a).iter().zip(tree::leaves(a)).zip(tree::leaves(b)) {
        assert!(close(&a, &b), "{path}: {a} and {b}");
    }
}

/// Holds value and gradient from a program, which there must be, to those of direct mode.
fn compiled_as_directly<P: Tree>(loss: impl Fn(&P) -> Tensor, at: &P) -> Result<()> {
    let (gradient, value) = grad(|at: &P| loss(at)).call(at, ())?;
    let compiled = grad(|at: &P| loss(at)).optimize(true).fallback(Fallback::Error);
    for _ in 0..2 {
        let (again, same) = compiled.call(at, ())?;
        alike(&again, &gradient);
        alike(&same, &value);
    }
    Ok(())
}

/// Holds a recurrent network to what all have in common.
fn recurrent_laws<P: Tree, S: Tree>(
    f: impl Fn(&P, &Tensor, &Option<S>) -> (Tensor, S) + Sync,
    params: &P,
    hidden: usize,
    all: bool,
) -> Result<()> {
    let params = &f64s(params);
    let x = numbers(1, &[2, 4, 3]);
    let (y, end) = f(params, &x, &None);
    assert_eq!(y.shape().to_vec(), if all { vec![2, 4, hidden] } else { vec![2, hidden] });

    // In two parts as in one.
    let (first, state) = f(params, &x.narrow(1, 0, 1), &None);
    let (rest, last) = f(params, &x.narrow(1, 1, 3), &Some(state));
    let parts = if all { Tensor::cat(&[first, rest], 1) } else { rest };
    assert!(close(&parts, &y));
    for (a, b) in tree::leaves(&last).iter().zip(tree::leaves(&end)) {
        assert!(close(a, &b));
    }
    // A sequence without the batch's axis is a batch of one.
    let (alone, _) = f(params, &x.at(1), &None);
    assert!(close(&alone, &y.narrow(0, 1, 1)));

    let loss = |p: &P, x: &Tensor| f(p, x, &None).0.square().sum();
    gradcheck(loss, params, &x)?;
    let (direct, value) = grad(loss).call(params, &x)?;
    let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
    for _ in 0..2 {
        let (grads, again) = compiled.call(params, &x)?;
        assert!(close(&again, &value));
        for (a, b) in tree::leaves(&grads).iter().zip(tree::leaves(&direct)) {
            assert!(a.allclose(&b, 1e-10, 1e-12)?);
        }
    }
    Ok(())
}

#[test]
fn recurrent_networks_keep_their_laws() -> Result<()> {
    for output in [Output::Last, Output::All] {
        for init in [Init::Xavier, Init::He, Init::Orthogonal, Init::Uniform(0.3), Init::Default] {
            let all = output == Output::All;
            let options = Recurrent::new(3, 5).output(output).init(init);
            let mut rng = Rng::seed(1);
            let (f, p) = recurrent_network(&options, &mut rng);
            recurrent_laws(f, &p, 5, all)?;
            let (f, p) = recurrent_lstm_network(&options, &mut rng);
            recurrent_laws(f, &p, 5, all)?;
            let (f, p) = recurrent_gru_network(&options, &mut rng);
            recurrent_laws(f, &p, 5, all)?;
        }
        let fast = FastWeights::new(Recurrent::new(3, 5).output(output));
        for options in [fast.clone(), fast.steps(2).decay(0.8).rate(0.4).layer_norm(false)] {
            let (f, p) = recurrent_fw_network(&options, &mut Rng::seed(1));
            recurrent_laws(f, &p, 5, output == Output::All)?;
        }
    }
    Ok(())
}

/// One step of each network as its definition says, on the input and the state side by side.
#[test]
fn recurrent_networks_compute_what_is_written() -> Result<()> {
    let (x, h, c) = (numbers(1, &[2, 3]), numbers(2, &[2, 5]), numbers(3, &[2, 5]));
    let options = Recurrent::new(3, 5);
    let steps = x.unsqueeze(1);
    let beside = |h: &Tensor| Tensor::cat(&[x.clone(), h.clone()], 1);
    let mut rng = Rng::seed(4);

    let (f, p) = recurrent_network(&options, &mut rng);
    let p = tree::map(&f64s(&p), |w| w + 0.1);
    let state = Some(retrograd::model::Hidden { h: h.clone() });
    assert!(close(&f(&p, &steps, &state).0, &(beside(&h).matmul(&p.w) + &p.b).tanh()));

    let (f, p) = recurrent_gru_network(&options, &mut rng);
    let p = tree::map(&f64s(&p), |w| w + 0.1);
    let gates = (beside(&h).matmul(&p.w) + &p.b).sigmoid();
    let (r, z) = (gates.narrow(1, 0, 5), gates.narrow(1, 5, 5));
    let value = (beside(&(&r * &h)).matmul(&p.v) + &p.c).tanh();
    assert!(close(&f(&p, &steps, &state).0, &((1.0 - &z) * &h + &z * value)));

    let (f, p) = recurrent_lstm_network(&options, &mut rng);
    let p = tree::map(&f64s(&p), |w| w + 0.1);
    let sums = beside(&h).matmul(&p.w) + p.b.as_ref().expect("not normalised");
    let [i, forget, o, g] = [0, 1, 2, 3].map(|gate| sums.narrow(1, gate * 5, 5));
    let cells = forget.sigmoid() * &c + i.sigmoid() * g.tanh();
    let (y, state) = f(&p, &steps, &Some(LstmState { h: h.clone(), c, norm: None }));
    assert!(close(&state.c, &cells) && close(&y, &(o.sigmoid() * cells.tanh())));

    let (f, p) = recurrent_fw_network(&FastWeights::new(options), &mut rng);
    let p = tree::map(&f64s(&p), |w| w + 0.1);
    let a = numbers(6, &[2, 5, 5]);
    let (y, state) = f(&p, &steps, &Some(retrograd::model::FastState { h: h.clone(), a: a.clone() }));
    let fast = a * 0.9 + h.unsqueeze(2) * h.unsqueeze(1) * 0.5;
    let sums = beside(&h).matmul(&p.w) + &p.b;
    let normal = |h: Tensor| {
        let off = &h - h.mean_keepdim(1);
        (&off / (off.square().mean_keepdim(1) + 1e-5).sqrt()).relu()
    };
    let once = normal(sums.clone());
    let twice = normal(sums + fast.matmul(&once.unsqueeze(2)).squeeze(2));
    assert!(close(&state.a, &fast) && close(&y, &twice));
    Ok(())
}

#[test]
fn a_normalised_lstm_follows_statistics_for_each_step() -> Result<()> {
    let options = Recurrent::new(3, 5).batch_normalization(2);
    let (f, p) = recurrent_lstm_network(&options, &mut Rng::seed(1));
    let p = f64s(&p);
    let x = numbers(1, &[6, 4, 3]);
    let loss = |p: &LstmParams, x: &Tensor| f(p, x, &None).0.square().sum();
    gradcheck(loss, &p, &x)?;

    let (_, state) = f(&p, &x, &None);
    let norm = state.norm.as_ref().expect("it is normalised");
    assert_eq!(norm.steps.len(), 2);
    let seen = |step: usize| norm.steps[step].0.as_ref().expect("followed").num_batches_tracked.item::<i64>();
    // Steps 1 to 3 share the second.
    assert_eq!((seen(0)?, seen(1)?), (1, 3));
    // In use each example is alone with what was learned.
    let state = state.restarted().eval();
    let (together, after) = f(&p, &x, &Some(state.clone()));
    let begin =
        LstmState { h: state.h.narrow(0, 2, 1), c: state.c.narrow(0, 2, 1), norm: state.norm.clone() };
    let (alone, _) = f(&p, &x.narrow(0, 2, 1), &Some(begin));
    assert!(close(&alone, &together.narrow(0, 2, 1)));
    let means =
        |state: &LstmState| state.norm.clone().expect("kept").steps[0].0.clone().expect("kept").running_mean;
    assert!(close(&means(&after), &means(&state)));
    Ok(())
}

#[test]
fn a_normalised_lstm_compiles_in_training_and_in_use() -> Result<()> {
    let options = Recurrent::new(3, 4).batch_normalization(2).output(Output::All);
    let (f, p) = recurrent_lstm_network(&options, &mut Rng::seed(1));
    let at = (moved(&p), numbers(1, &[5, 3, 3]));
    let begun = f(&at.0, &at.1, &None).1;
    for state in [begun.restarted(), begun.restarted().eval()] {
        let loss = |(p, x): &(LstmParams, Tensor), state: &LstmState| {
            let (y, next) = f(p, x, &Some(state.clone()));
            (y.square().sum(), next)
        };
        gradcheck(loss, &at, &state)?;
        let (gradient, (value, next)) = grad(loss).call(&at, &state)?;
        let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
        for _ in 0..2 {
            let (again, (same, followed)) = compiled.call(&at, &state)?;
            alike(&again, &gradient);
            alike(&same, &value);
            alike(&followed, &next);
        }
    }
    Ok(())
}

#[test]
fn a_state_of_a_normalised_network_does_not_fit_another() {
    let (f, p) = recurrent_lstm_network(&Recurrent::new(3, 5).batch_normalization(2), &mut Rng::seed(1));
    let (_, plain) = recurrent_lstm_network(&Recurrent::new(3, 5), &mut Rng::seed(1));
    let (_, state) = f(&p, &Tensor::ones([2, 1, 3]), &None);
    let error = f(&plain, &Tensor::ones([2, 1, 3]), &Some(state)).0.item::<f32>().unwrap_err().to_string();
    assert!(error.contains("a state of a normalised network, and parameters of one that is not"), "{error}");
}

#[test]
fn networks_of_layers_have_the_layers_that_were_asked_for() -> Result<()> {
    let options = NeuralNetwork::new(12, [8, 6, 3])
        .activation(Activation::Tanh)
        .batch_normalization(true)
        .dropout([0.2, 0.0, 0.5])
        .classifier(true);
    let (_, params, state) = neural_network(&options, &mut Rng::seed(1));
    // Reshape, three layers with dropout before the first and last, normalisation and tanh behind the first two.
    assert_eq!(params.len(), 1 + 2 + 3 + 4);
    assert_eq!(tree::paths(&params).len(), 3 * 2 + 2 * 2);
    assert_eq!(tree::paths(&state).len(), 2 * 3);

    let options = SpatialNetwork::new(3, [4, 6]).poolings([2, 3]).kernel_size([3, 5]).dropout([0.1]);
    let (f, params, state) = spatial_network(&options, &mut Rng::seed(1));
    assert_eq!(params.len(), 2 * 4);
    let (y, _) = f(&params, &state, &Tensor::ones([2, 3, 12, 12]), &mut Ctx::eval());
    assert_eq!(y.shape(), [2, 6, 2, 2]);
    Ok(())
}

#[test]
fn every_activation_and_initialiser_makes_a_network_that_learns() -> Result<()> {
    let activations = [
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::LeakyRelu(0.1),
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Softplus,
        Activation::Softsign,
        Activation::HardTanh,
        Activation::Softmax,
        Activation::LogSoftmax,
        Activation::Relu6,
        Activation::HardSwish,
        Activation::Mish,
        Activation::LogSigmoid,
        Activation::Prelu,
        Activation::function(|x| x.sin() + x),
    ];
    let inits = [Init::Xavier, Init::He, Init::Orthogonal, Init::Uniform(0.3), Init::Default];
    let (x, y) = (numbers(1, &[16, 4]).f32(), numbers(2, &[16, 2]).f32());
    for (i, activation) in activations.into_iter().enumerate() {
        let options =
            NeuralNetwork::new(4, [12, 2]).activation(activation).classifier(true).init(inits[i % 5]);
        let (f, mut params, state) = neural_network(&options, &mut Rng::seed(1));
        let loss = grad(|p: &Layers, x: &Tensor, y: &Tensor| {
            (f(p, &state, x, &mut Ctx::train(Rng::seed(0))).0 - y).square().mean()
        });
        let rate = if activation == Activation::LogSoftmax { 0.002 } else { 0.1 };
        let mut losses = Vec::new();
        for _ in 0..40 {
            let (grads, loss) = loss.call(&params, (&x, &y))?;
            params = tree::zip(&params, &grads, |p, g| p - g * rate);
            losses.push(loss.item::<f64>()?);
        }
        assert!(losses[39] < 0.95 * losses[0], "{activation:?}: {losses:?}");
    }
    Ok(())
}

#[test]
fn alexnet_joins_convolutions_and_classifier() -> Result<()> {
    let body = SpatialNetwork::new(1, [4, 6]).poolings([2, 2]).batch_normalization(true);
    let head = NeuralNetwork::new(0, [10, 3]).dropout([0.5]).classifier(true);
    let (f, params, state) = alexnet([2, 9, 9], &body, &head, &mut Rng::seed(1))?;
    let x = numbers(1, &[4, 2, 9, 9]).f32();
    let loss = |p: &Layers, s: &Layers, x: &Tensor| {
        let (scores, next) = f(p, s, x, &mut Ctx::train(Rng::seed(3)));
        (scores.cross_entropy(&Tensor::from([0i64, 1, 2, 0])), next)
    };
    let (direct, (value, next)) = grad(loss).call(&params, (&state, &x))?;
    let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
    for _ in 0..2 {
        let (grads, (again, followed)) = compiled.call(&params, (&state, &x))?;
        assert!(again.allclose(&value, 1e-5, 0.0)?);
        for (a, b) in tree::leaves(&grads).iter().zip(tree::leaves(&direct)) {
            assert!(a.allclose(&b, 1e-3, 1e-5)?);
        }
        for (a, b) in tree::leaves(&followed).iter().zip(tree::leaves(&next)) {
            assert!(a.allclose(&b, 1e-5, 1e-6)?);
        }
    }
    // State follows in training and stays in use.
    let (_, used) = f(&params, &next, &x, &mut Ctx::eval());
    for (a, b) in tree::leaves(&used).iter().zip(tree::leaves(&next)) {
        assert!(a.allclose(&b, 0.0, 0.0)?);
    }
    let small = alexnet([2, 1, 1], &body, &head, &mut Rng::seed(1)).err().expect("too small").to_string();
    assert!(small.contains("alexnet"), "{small}");
    Ok(())
}

#[test]
fn a_transformer_does_not_look_ahead_and_compiles() -> Result<()> {
    let options = Transformer::new(7, 6).width(8).heads(2).layers(2).feedforward(12).dropout(0.1);
    let (f, p) = transformer(&options, &mut Rng::seed(1));
    let text = Rng::seed(2).randint(0, 7, [3, 6]);
    let y = f(&p, &text, &mut Ctx::eval());
    assert_eq!(y.shape(), [3, 6, 7]);
    let other = text.clone().with((.., 4), 0i64).with((.., 5), 1i64);
    let z = f(&p, &other, &mut Ctx::eval());
    assert!(z.narrow(1, 0, 4).allclose(&y.narrow(1, 0, 4), 0.0, 0.0)?);
    assert!(!z.narrow(1, 4, 2).allclose(&y.narrow(1, 4, 2), 1e-3, 1e-3)?);

    let p64 = f64s(&p);
    let (x, next) = (text.narrow(1, 0, 5), text.narrow(1, 1, 5));
    let loss = |p: &TransformerParams, x: &Tensor, y: &Tensor| {
        f(p, x, &mut Ctx::train(Rng::seed(5))).cross_entropy(y)
    };
    let (direct, _) = grad(loss).call(&p64, (&x, &next))?;
    let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
    for _ in 0..2 {
        let (grads, _) = compiled.call(&p64, (&x, &next))?;
        for (a, b) in tree::leaves(&grads).iter().zip(tree::leaves(&direct)) {
            assert!(a.allclose(&b, 1e-9, 1e-12)?);
        }
    }
    let (f, small) = transformer(&options.width(4).layers(1).feedforward(3), &mut Rng::seed(1));
    let loss = |p: &TransformerParams, x: &Tensor, y: &Tensor| {
        f(p, x, &mut Ctx::train(Rng::seed(5))).cross_entropy(y)
    };
    // Embeddings as small as the first ones are bend too much, once they are normalised, for differences.
    let mut small = f64s(&small);
    small.embedding.weight *= 25.0;
    small.position *= 25.0;
    gradcheck(loss, &small, (&x, &next))?;
    let error = f(&p, &Tensor::zeros([3, 7]).i64(), &mut Ctx::eval()).item::<f32>().unwrap_err().to_string();
    assert!(
        error.starts_with("transformer: tokens `[batch, steps]` of at most 6 steps, got shape [3, 7]"),
        "{error}"
    );
    Ok(())
}

#[test]
fn one_generator_serves_the_networks_that_a_function_returns() {
    // Compiles only if a network does not hold on to the options and the generator that it was made with.
    #[expect(clippy::type_complexity, reason = "the type is what is tested")]
    fn halves(rng: &mut Rng) -> (impl Fn(&(Layers, Layers), &Tensor) -> Tensor + use<>, (Layers, Layers)) {
        let (encode, encoder, state) = neural_network(&NeuralNetwork::new(6, [3]), rng);
        let (decode, decoder, _) = neural_network(&NeuralNetwork::new(3, [6]), rng);
        let (norm, scale) = functionalize(LayerNorm::new([6]), rng);
        let f = move |(encoder, decoder): &(Layers, Layers), x: &Tensor| {
            let (code, _) = encode(encoder, &state, x, &mut Ctx::eval());
            norm(&scale, &decode(decoder, &state, &code, &mut Ctx::eval()).0)
        };
        (f, (encoder, decoder))
    }
    let (f, params) = halves(&mut Rng::seed(1));
    assert_eq!(f(&params, &Tensor::ones([2, 6])).shape(), [2, 6]);
}

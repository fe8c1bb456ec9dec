//! What a model of layers costs beside its layers: `cargo bench --bench layers`, or `-- mlp` for one of the networks.
//!
//! The same layers run in two ways, in turns: through `functionalize_with_state` inside `grad`, and by calls of their
//! `forward` and `backward` written by hand, which record nothing. Value and gradient of all parameters, one thread. The
//! ratio of the two is what the mixing costs: at most 1.02 for the networks of the workloads (an MLP and a convolutional
//! network on batches of 128 and 64); the smallest one, of 100 numbers, shows what it is where nothing hides it.

use std::hint::black_box;
use std::time::Instant;

use retrograd::model::{Activation, Layers, NeuralNetwork, SpatialNetwork};
use retrograd::nn::{
    Criterion, CrossEntropyLoss, Ctx, Module, Sequential, criterion_function, functionalize_with_state,
};
use retrograd::{Fallback, Result, Rng, Tensor, grad, set_threads};

const ROUNDS: usize = 301;
const LIMIT: f64 = 1.02;

fn networks() -> Vec<(&'static str, Sequential, Tensor)> {
    let mut rng = Rng::seed(1);
    let mlp = NeuralNetwork::new(784, [512, 256, 10]).classifier(true).layers(Sequential::new());
    let convolutions = SpatialNetwork::new(1, [16, 32]).poolings([2]).activation(Activation::Tanh);
    let cnn = NeuralNetwork::new(1568, [10]).classifier(true).layers(convolutions.layers(Sequential::new()));
    let small = NeuralNetwork::new(100, [50, 10]).activation(Activation::Tanh).classifier(true);
    vec![
        ("mlp", mlp, rng.randn([128, 784])),
        ("cnn", cnn, rng.randn([64, 1, 28, 28])),
        ("small", small.layers(Sequential::new()), rng.randn([1, 100])),
    ]
}

/// The median of both times' ratio, and that of each time in microseconds. The two take turns in being the first of a round;
/// the ratio is taken in each round, in which the machine is as fast for the one as for the other.
fn in_turns(
    mut mixed: impl FnMut() -> Result<()>,
    mut by_hand: impl FnMut() -> Result<()>,
) -> Result<[f64; 3]> {
    let mut figures = [const { Vec::new() }; 3];
    for round in 0..ROUNDS + 5 {
        let mut times = [0.0; 2];
        for which in [round % 2, 1 - round % 2] {
            let start = Instant::now();
            if which == 0 {
                mixed()?
            } else {
                by_hand()?
            }
            times[which] = start.elapsed().as_secs_f64() * 1e6;
        }
        let [mixed, by_hand] = times;
        figures.iter_mut().zip([mixed / by_hand, mixed, by_hand]).for_each(|(all, figure)| all.push(figure));
    }
    Ok(figures.map(|mut all| {
        all.drain(..5);
        all.sort_unstable_by(f64::total_cmp);
        all[ROUNDS / 2]
    }))
}

fn main() -> Result<()> {
    set_threads(1);
    let criterion = CrossEntropyLoss::default();
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, net, x) in networks() {
        if !named.is_empty() && !named.iter().any(|own| own == name) {
            continue;
        }
        let labels = Tensor::arange(x.shape()[0] as i64).remainder(10);
        let (f, params, state) = functionalize_with_state(net.clone(), &mut Rng::seed(2));
        let cross_entropy = criterion_function(criterion.clone());
        let loss = |p: &Layers, x: &Tensor, y: &Tensor| {
            cross_entropy(&f(p, &state, x, &mut Ctx::train(Rng::seed(3))).0, y)
        };
        let gradient = grad(loss);
        let mixed = || {
            let _ = black_box(gradient.call(&params, (&x, &labels))?);
            Ok(())
        };
        let by_hand = || {
            let (y, saved, _) = Module::forward(&net, &params, &state, &x, &mut Ctx::train(Rng::seed(3)));
            let (value, kept) = criterion.forward(&y, &labels);
            let dy = criterion.backward(&kept, &value.ones_like());
            let _ = black_box((Module::backward_params(&net, &params, &saved, &dy), value));
            Ok(())
        };
        let [ratio, mixed, direct] = in_turns(mixed, by_hand)?;
        let bound = if name == "small" { String::new() } else { format!(" (at most {LIMIT})") };
        println!("{name:6} {mixed:9.1} us through grad, {direct:9.1} us by hand: {ratio:.3}{bound}");

        let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
        let optimized = || {
            let _ = black_box(compiled.call(&params, (&x, &labels))?);
            Ok(())
        };
        let [ratio, optimized, _] = in_turns(optimized, by_hand)?;
        println!("{name:6} {optimized:9.1} us compiled: {ratio:.3} of calls by hand");
    }
    Ok(())
}

//! How the parameters of networks begin: each weight by the initialiser that was asked for, biases at zero.

use retrograd::model::{
    Init, NeuralNetwork, Recurrent, SpatialNetwork, Transformer, neural_network, recurrent_gru_network,
    recurrent_lstm_network, recurrent_network, spatial_network, transformer,
};
use retrograd::nn::{ConvParams, Ctx, LinearParams};
use retrograd::{Result, Rng, Tensor, tree};

use crate::close;

const INITS: [Init; 5] = [Init::Xavier, Init::He, Init::Orthogonal, Init::Uniform(0.3), Init::Default];

/// How far the deviation of some two thousand draws may be from that of their distribution: 3.8 of its own deviations
/// for normal draws.
const DEVIATION: f64 = 0.06;

/// The bound of a uniform distribution that an initialiser draws from.
fn bound(init: Init, [fan_in, fan_out]: [f64; 2]) -> Option<f64> {
    match init {
        Init::Xavier => Some((6.0 / (fan_in + fan_out)).sqrt()),
        Init::Uniform(bound) => Some(bound),
        Init::Default => Some(1.0 / fan_in.sqrt()),
        _ => None,
    }
}

/// Holds a weight `[outputs, inputs, ..]` of some two thousand numbers to what an initialiser promises.
#[track_caller]
fn begins(init: Init, weight: &Tensor) {
    let shape = weight.shape().to_vec();
    let window: usize = shape[2..].iter().product();
    let fans = [shape[1], shape[0]].map(|channels| (channels * window) as f64);
    let number = |x: Tensor| x.item::<f64>().expect("a value");
    let (greatest, spread) = (number(weight.abs().amax()), number(weight.std(1)));
    let spreads = |expected: f64| assert!((spread / expected - 1.0).abs() < DEVIATION, "{init:?}: {spread}");
    if let Some(bound) = bound(init, fans) {
        assert!(greatest <= bound * (1.0 + 1e-6) && greatest > 0.97 * bound, "{init:?}: {greatest}, {bound}");
        spreads(bound / 3f64.sqrt());
    } else if init == Init::He {
        spreads((2.0 / fans[0]).sqrt());
        // No uniform numbers are further than 1.74 deviations out, the farthest of two thousand normal ones are.
        assert!(greatest > 2.5 * spread, "{greatest} and {spread}");
    } else {
        let w = weight.reshape([shape[0], shape[1] * window]).f64();
        assert!(shape[0] <= shape[1] * window, "rows, not columns, are orthogonal");
        let unit = Tensor::eye(shape[0]).f64();
        assert!(w.matmul(&w.t()).allclose(&unit, 0.0, 1e-5).expect("both have values"), "{init:?}");
    }
}

fn is_zero(x: &Tensor) -> bool {
    x.eq(0.0).all().item::<bool>().expect("a value")
}

/// Holds a bias to zero, or with [`Init::Default`] to the layer's own bound.
#[track_caller]
fn bias_begins(init: Init, bias: &Option<Tensor>, fan_in: f64) {
    let bias = bias.as_ref().expect("a bias");
    if init != Init::Default {
        assert!(is_zero(bias), "{init:?}");
        return;
    }
    let greatest = bias.abs().amax().item::<f64>().expect("a value");
    assert!(greatest > 0.0 && greatest <= (1.0 + 1e-6) / fan_in.sqrt(), "{greatest}");
}

#[test]
fn layers_of_networks_begin_as_was_asked_for() -> Result<()> {
    for init in INITS {
        let options = NeuralNetwork::new(60, [40, 50]).init(init);
        let (_, p, _) = neural_network(&options, &mut Rng::seed(1));
        let linear = p[1].get::<LinearParams>()?;
        begins(init, &linear.weight);
        bias_begins(init, &linear.bias, 60.0);

        let options = SpatialNetwork::new(8, [12]).batch_normalization(true).init(init);
        let (_, p, _) = spatial_network(&options, &mut Rng::seed(1));
        let convolution = p[0].get::<ConvParams>()?;
        begins(init, &convolution.weight);
        bias_begins(init, &convolution.bias, 8.0 * 25.0);
        // The initialiser is for what is multiplied: scales are ones, offsets zeros.
        let normal = tree::leaves(&p[1]);
        assert!(is_zero(&(&normal[0] - 1.0)) && is_zero(&normal[1]));
    }
    Ok(())
}

#[test]
fn each_gate_of_a_recurrent_network_begins_on_its_own() {
    let (inputs, hidden) = (20, 40);
    let holds = |init: Init, w: &Tensor, gates: usize| {
        assert_eq!(w.shape(), [inputs + hidden, gates * hidden]);
        let gate = |i: usize| w.narrow(1, i * hidden, hidden);
        for i in 0..gates {
            begins(init, &gate(i).t());
            assert!((0..i).all(|before| !close(&gate(i), &gate(before))), "{init:?}: gates are alike");
        }
    };
    for init in INITS {
        let options = Recurrent::new(inputs, hidden).init(init);
        let mut rng = Rng::seed(2);
        let (_, p) = recurrent_network(&options, &mut rng);
        holds(init, &p.w, 1);
        assert!(is_zero(&p.b));
        let (_, p) = recurrent_lstm_network(&options, &mut rng);
        holds(init, &p.w, 4);
        assert!(p.b.as_ref().is_some_and(is_zero));
        let (_, p) = recurrent_gru_network(&options, &mut rng);
        holds(init, &p.w, 2);
        holds(init, &p.v, 1);
        assert!(is_zero(&p.b) && is_zero(&p.c));
    }
}

#[test]
fn a_transformer_begins_with_small_embeddings() -> Result<()> {
    let (_, p) = transformer(&Transformer::new(50, 40).width(48).layers(1), &mut Rng::seed(1));
    for embedding in [&p.embedding.weight, &p.position] {
        assert!((embedding.std(1).item::<f64>()? / 0.02 - 1.0).abs() < DEVIATION);
    }
    Ok(())
}

#[test]
fn an_initialiser_changes_nothing_but_the_beginning() {
    let options = NeuralNetwork::new(4, [5, 3]).batch_normalization(true).dropout([0.3]);
    let (plain, _, state) = neural_network(&options, &mut Rng::seed(1));
    let (f, p, same) = neural_network(&options.init(Init::Orthogonal), &mut Rng::seed(1));
    assert_eq!(tree::paths(&state), tree::paths(&same));
    let x = Rng::seed(2).randn([6, 4]);
    let run = |y: (Tensor, _)| y.0;
    let y = run(f(&p, &same, &x, &mut Ctx::train(Rng::seed(3))));
    assert!(close(&y, &run(plain(&p, &state, &x, &mut Ctx::train(Rng::seed(3))))));
}

//! Arguments that do not fit a network: each is an error that says so, none a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use retrograd::model::module::{
    SoftAttention, layer_normalization, masked_batch_normalization, soft_attention,
};
use retrograd::model::{
    FastState, FastWeights, Hidden, LstmState, NeuralNetwork, Output, Recurrent, RecurrentParams,
    SpatialNetwork, Transformer, alexnet, neural_network, recurrent_fw_network, recurrent_gru_network,
    recurrent_lstm_network, recurrent_network, spatial_network, transformer,
};
use retrograd::nn::Ctx;
use retrograd::{ErrorKind, Result, Rng, Tensor, Tree, grad, tree};

/// What a call yields, which does not panic.
#[track_caller]
fn calm<T>(what: &str, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(yielded) => yielded,
        Err(_) => panic!("{what} panicked"),
    }
}

/// Holds all that a call yields to be errors of a kind, whose text begins so.
#[track_caller]
fn refused(what: &str, begins: &str, call: impl FnOnce() -> Vec<Tensor>) {
    for y in calm(what, call) {
        let error = match y.to_vec::<f64>() {
            Ok(_) => panic!("{what}: {y} is no error"),
            Err(error) => error,
        };
        assert!(error.to_string().starts_with(begins), "{what}: {error}");
    }
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape)
}

/// An invalid tensor.
fn invalid() -> Tensor {
    ones(&[2]).reshape([3])
}

/// Shapes of any number of axes.
fn shapes<const N: usize>(all: [&'static [usize]; N]) -> [&'static [usize]; N] {
    all
}

/// Shapes that are no sequences of three numbers a step.
const NO_SEQUENCES: [&[usize]; 11] = [
    &[],
    &[0],
    &[3],
    &[7],
    &[4, 2],
    &[0, 3],
    &[2, 0, 3],
    &[2, 4, 4],
    &[2, 4, 0],
    &[1, 2, 4, 3],
    &[2, 2, 2, 2, 2],
];

/// Holds a recurrent network of three inputs and a state of five to what all refuse. `states` are what does not fit two
/// sequences.
fn refuses<P: Tree, S: Tree>(
    name: &str,
    f: impl Fn(&P, &Tensor, &Option<S>) -> (Tensor, S),
    p: &P,
    states: Vec<S>,
) {
    let all = |(y, state): (Tensor, S)| [vec![y], tree::leaves(&state)].concat();
    for shape in NO_SEQUENCES {
        let what = format!("{name} of {shape:?}");
        refused(&what, &format!("{name}: the input is to "), || all(f(p, &ones(shape), &None)));
        // Inside of a transform too.
        let loss = |x: &Tensor| f(p, x, &None).0.sum();
        let error = grad(loss).call(&ones(shape), ()).map(|_| ()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
        assert!(error.to_string().starts_with(&format!("{name}: the input is to ")), "{error}");
    }
    refused(&format!("{name} of an error"), "reshape: ", || all(f(p, &invalid(), &None)));
    let x = ones(&[2, 4, 3]);
    for (i, state) in states.into_iter().enumerate() {
        let what = format!("{name} after state {i}");
        refused(&what, &format!("{name}: the "), || all(f(p, &x, &Some(state))));
    }
    let missing = tree::map(p, |_| invalid());
    refused(&format!("{name} of parameters that are errors"), "reshape: ", || all(f(&missing, &x, &None)));
    for shape in shapes([&[], &[5], &[7, 5], &[2, 2, 2]]) {
        let other = tree::map(p, |_| ones(shape));
        let what = format!("{name} of parameters of shape {shape:?}");
        refused(&what, &format!("{name}: the weight `w` is to have shape [8, "), || {
            all(f(&other, &x, &None))
        });
    }
    // No sequences at all are no mistake.
    let (y, _) = calm(name, || f(p, &ones(&[0, 4, 3]), &None));
    assert_eq!(y.to_vec::<f64>().expect("a value"), [0.0; 0]);
}

#[test]
fn recurrent_networks_refuse_what_does_not_fit() {
    for output in [Output::Last, Output::All] {
        let options = Recurrent::new(3, 5).output(output);
        let mut rng = Rng::seed(1);
        // Not of two sequences, or of five numbers.
        let wrong = shapes([&[], &[5], &[1, 5], &[3, 5], &[2, 4], &[2, 5, 1]]);
        let hidden = || wrong.iter().map(|&shape| Hidden { h: ones(shape) }).collect::<Vec<_>>();
        let (f, p) = recurrent_network(&options, &mut rng);
        refuses("recurrent_network", f, &p, hidden());
        let (f, p) = recurrent_gru_network(&options, &mut rng);
        refuses("recurrent_gru_network", f, &p, hidden());

        let fits = || ones(&[2, 5]);
        let of_h = wrong.iter().map(|&shape| LstmState { h: ones(shape), c: fits(), norm: None });
        let of_c = wrong.iter().map(|&shape| LstmState { h: fits(), c: ones(shape), norm: None });
        let (f, p) = recurrent_lstm_network(&options, &mut rng);
        refuses("recurrent_lstm_network", f, &p, of_h.chain(of_c).collect());

        let of_h = wrong.iter().map(|&shape| FastState { h: ones(shape), a: ones(&[2, 5, 5]) });
        let of_a = shapes([&[], &[2, 5], &[1, 5, 5], &[2, 5, 4]])
            .map(|shape| FastState { h: fits(), a: ones(shape) });
        let (f, p) = recurrent_fw_network(&FastWeights::new(options), &mut rng);
        refuses("recurrent_fw_network", f, &p, of_h.chain(of_a).collect());
    }
    // One that normalises; a batch of one has no variance to learn from.
    let (f, p) = recurrent_lstm_network(&Recurrent::new(3, 5).batch_normalization(2), &mut Rng::seed(1));
    for shape in NO_SEQUENCES {
        let name = "recurrent_lstm_network: the input is to ";
        refused("a normalised one", name, || vec![f(&p, &ones(shape), &None).0]);
    }
    refused("a normalised one of one sequence", "BatchNorm1d: ", || vec![f(&p, &ones(&[1, 2, 3]), &None).0]);
}

#[test]
fn what_a_recurrent_network_is_told() {
    let (f, p) = recurrent_network(&Recurrent::new(3, 5), &mut Rng::seed(1));
    let said = |p: &RecurrentParams, x: &Tensor, state: Option<Hidden>| {
        let error = f(p, x, &state).0.item::<f64>().unwrap_err().to_string();
        let lines = error.lines().map(str::trim).filter(|line| !line.starts_with("at "));
        lines.collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(
        said(&p, &ones(&[3]), None),
        "recurrent_network: the input is to be [batch, steps, 3] or [steps, 3], got shape [3] | operands: f32[3] | help: one step of a batch is `x.unsqueeze(1)`, of one sequence `x.unsqueeze(0)`"
    );
    assert_eq!(
        said(&p, &ones(&[2, 0, 3]), None),
        "recurrent_network: the input is to have at least one step, got shape [2, 0, 3] | operands: f32[2, 0, 3] | help: a sequence of no steps has no last output"
    );
    assert_eq!(
        said(&p, &ones(&[2, 4, 3]), Some(Hidden { h: ones(&[1, 5]) })),
        "recurrent_network: the state `h` is to have shape [2, 5], got [1, 5] | operands: f32[1, 5] | help: a state is of as many sequences as the input; `None` begins new ones"
    );
    let other = RecurrentParams { w: ones(&[9, 5]), b: ones(&[5]) };
    assert_eq!(
        said(&other, &ones(&[2, 4, 3]), None),
        "recurrent_network: the weight `w` is to have shape [8, 5], got [9, 5] | operands: f32[9, 5] | help: parameters are those that came with the network"
    );
}

#[test]
fn networks_of_layers_refuse_what_does_not_fit() -> Result<()> {
    let wrong = shapes([&[], &[3], &[12], &[2, 5], &[2, 3, 5], &[2, 24]]);
    for normalizes in [false, true] {
        let options = NeuralNetwork::new(12, [8, 3]).batch_normalization(normalizes).dropout([0.2]);
        let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
        let run = |x: &Tensor| vec![f(&p, &state, x, &mut Ctx::train(Rng::seed(2))).0];
        for shape in wrong {
            refused(&format!("neural_network of {shape:?}"), "reshape: ", || run(&ones(shape)));
        }
        refused("neural_network of an error", "reshape: ", || run(&invalid()));
        // None of no numbers are no mistake of a shape.
        calm("neural_network of nothing", || run(&ones(&[0, 12, 0, 5])));
        calm("neural_network of no examples", || run(&ones(&[0, 12])));

        let images: [&[usize]; 8] = [
            &[],
            &[3],
            &[12, 12],
            &[2, 12, 12],
            &[2, 4, 12, 12],
            &[2, 3, 0, 0],
            &[1, 2, 3, 12, 12],
            &[0, 4, 12, 12],
        ];
        let options = SpatialNetwork::new(3, [4, 6]).poolings([2, 2]).batch_normalization(normalizes);
        let (f, p, state) = spatial_network(&options, &mut Rng::seed(1));
        let run = |x: &Tensor| vec![f(&p, &state, x, &mut Ctx::train(Rng::seed(2))).0];
        for shape in images {
            refused(&format!("spatial_network of {shape:?}"), "conv2d: ", || run(&ones(shape)));
        }
        refused("spatial_network of an error", "reshape: ", || run(&invalid()));
        refused("spatial_network of small images", "", || run(&ones(&[2, 3, 1, 1])));
        calm("spatial_network of no images", || run(&ones(&[0, 3, 12, 12])));

        let head = NeuralNetwork::new(0, [10, 3]).dropout([0.5]).classifier(true);
        let (f, p, state) = alexnet([3, 12, 12], &options, &head, &mut Rng::seed(1))?;
        let run = |x: &Tensor| vec![f(&p, &state, x, &mut Ctx::train(Rng::seed(2))).0];
        for shape in images {
            refused(&format!("alexnet of {shape:?}"), "conv2d: ", || run(&ones(shape)));
        }
        refused("alexnet of other images", "reshape: ", || run(&ones(&[2, 3, 20, 20])));
        for image in [[3, 0, 0], [3, 1, 1], [3, 12, 0]] {
            let made = calm("alexnet", || alexnet(image, &options, &head, &mut Rng::seed(1)));
            let error = made.err().expect("nothing is left of it").to_string();
            assert!(error.starts_with("alexnet"), "{error}");
        }
    }
    Ok(())
}

#[test]
fn a_transformer_refuses_what_does_not_fit() {
    let options = Transformer::new(7, 6).width(8).heads(2).layers(1);
    let (f, p) = transformer(&options, &mut Rng::seed(1));
    let run = |x: &Tensor| vec![f(&p, x, &mut Ctx::eval())];
    for shape in shapes([&[], &[3], &[2, 7], &[2, 3, 4], &[1, 1, 1, 1]]) {
        let text = ones(shape).i64();
        refused(&format!("transformer of {shape:?}"), "transformer: tokens `[batch, steps]`", || run(&text));
    }
    refused("transformer of an error", "reshape: ", || run(&invalid()));
    refused("transformer of numbers that are no tokens", "", || run(&ones(&[2, 3])));
    refused("transformer of tokens that are none", "", || run(&(ones(&[2, 3]).i64() * 7)));
    for nothing in shapes([&[0, 3], &[2, 0], &[0, 0]]) {
        calm(&format!("transformer of {nothing:?}"), || run(&ones(nothing).i64()));
    }
}

#[test]
fn parts_of_networks_refuse_what_does_not_fit() {
    let (f, p) = layer_normalization(5);
    for shape in shapes([&[], &[0], &[4], &[2, 4], &[5, 1], &[2, 5, 0]]) {
        refused(&format!("{shape:?}"), "layer_normalization: the input is to be [.., 5], got shape", || {
            vec![f(&p, &ones(shape))]
        });
    }
    refused("an error", "reshape: ", || vec![f(&p, &invalid())]);

    let (f, p, stats) = masked_batch_normalization(3, 0.1);
    for ctx in [Ctx::train(Rng::seed(0)), Ctx::eval()] {
        let run = |x: &Tensor, mask: &Tensor| {
            let (y, next) = f(&p, x, mask, &stats, &ctx);
            [vec![y], tree::leaves(&next)].concat()
        };
        let mask = Tensor::ones(());
        for shape in shapes([&[], &[3], &[2, 4], &[3, 0], &[2, 4, 2], &[2, 2, 2, 3]]) {
            let begins = "masked_batch_normalization: the input is to be [batch, 3] or [batch, time, 3]";
            refused(&format!("{shape:?}"), begins, || run(&ones(shape), &mask));
        }
        refused("an error", "reshape: ", || run(&invalid(), &mask));
        for mask in [ones(&[5]), ones(&[2, 4, 3, 1]), invalid()] {
            refused("a mask that does not fit", "", || vec![run(&ones(&[2, 4, 3]), &mask).swap_remove(0)]);
        }
        calm("no examples", || run(&ones(&[0, 3]), &mask));
        calm("no steps", || run(&ones(&[2, 0, 3]), &mask));
    }

    let (f, p) = soft_attention(&SoftAttention::new(4, 3, 5), &mut Rng::seed(1));
    let fits: [&[usize]; 2] = [&[2, 3, 5], &[2, 4]];
    let rows: [[&[usize]; 2]; 9] = [
        [&[], &[]],
        [&[3, 5], fits[1]],
        [fits[0], &[4]],
        [fits[0], &[1, 4]],
        [&[2, 1, 5], fits[1]],
        [&[2, 3, 1], fits[1]],
        [fits[0], &[2, 5]],
        [&[1, 2, 3, 5], &[1, 2, 4]],
        [&[0, 3, 5], fits[1]],
    ];
    for [subject, h] in rows {
        refused(
            &format!("{subject:?} and {h:?}"),
            "soft_attention: a subject [batch, features, choices]",
            || {
                let (attention, focus) = f(&p, &ones(subject), &ones(h));
                vec![attention, focus]
            },
        );
    }
    refused("an error", "reshape: ", || vec![f(&p, &invalid(), &ones(fits[1])).0]);
    refused("an error", "reshape: ", || vec![f(&p, &ones(fits[0]), &invalid()).0]);
    calm("no examples", || vec![f(&p, &ones(&[0, 3, 5]), &ones(&[0, 4])).0]);
}

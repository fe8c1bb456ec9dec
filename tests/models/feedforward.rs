//! Networks of layers beside the same written out with tensor operations; what their options do.

use std::f64::consts::FRAC_1_SQRT_2;

use retrograd::model::{
    Activation, Init, Layers, NeuralNetwork, SpatialNetwork, alexnet, neural_network, spatial_network,
};
use retrograd::nn::{Ctx, LinearParams, PreluParams, RunningStats, Sequential};
use retrograd::{Conv, INFER, Pool, Result, Rng, Tensor, grad, gradcheck, tree};

use crate::{alike, close, compiled_as_directly, f64s, moved, numbers};

/// What an activation is, of elementary operations.
type Written = fn(&Tensor) -> Tensor;

fn logistic(x: &Tensor) -> Tensor {
    ((-x).exp() + 1.0).reciprocal()
}

fn hard_sigmoid(x: &Tensor) -> Tensor {
    ((x + 3.0) / 6.0).maximum(0.0).minimum(1.0)
}

fn elu(x: &Tensor) -> Tensor {
    x.maximum(0.0) + x.minimum(0.0).exp() - 1.0
}

fn bent(x: &Tensor) -> Tensor {
    x.sin() + x * 0.5
}

const ACTIVATIONS: [(Activation, Written); 18] = [
    (Activation::Relu, |x| x.maximum(0.0)),
    (Activation::Tanh, |x| logistic(&(x * 2.0)) * 2.0 - 1.0),
    (Activation::Sigmoid, logistic),
    (Activation::LeakyRelu(0.1), |x| x.maximum(0.0) + x.minimum(0.0) * 0.1),
    (Activation::Elu, elu),
    (Activation::Selu, |x| {
        (x.maximum(0.0) + (x.minimum(0.0).exp() - 1.0) * 1.673_263_242_354_377_2) * 1.050_700_987_355_480_5
    }),
    (Activation::Gelu, |x| ((x * FRAC_1_SQRT_2).erf() + 1.0) * x * 0.5),
    (Activation::Silu, |x| x * logistic(x)),
    (Activation::Softplus, |x| (x.exp() + 1.0).log()),
    (Activation::Softsign, |x| x / (x.abs() + 1.0)),
    (Activation::HardTanh, |x| x.maximum(-1.0).minimum(1.0)),
    (Activation::Softmax, |x| x.exp() / x.exp().sum_keepdim(-1)),
    (Activation::LogSoftmax, |x| x - x.exp().sum_keepdim(-1).log()),
    (Activation::Relu6, |x| x.maximum(0.0).minimum(6.0)),
    (Activation::HardSigmoid, hard_sigmoid),
    (Activation::HardSwish, |x| x * hard_sigmoid(x)),
    (Activation::Mish, |x| x * (x.exp() + 1.0).log().tanh()),
    (Activation::LogSigmoid, |x| -((-x).exp() + 1.0).log()),
];

#[test]
fn each_activation_is_the_function_of_its_name() -> Result<()> {
    // Wide enough that those in pieces meet each of them.
    let x = numbers(1, &[9, 5]) * 4.0;
    let own = (Activation::function(bent), bent as Written);
    for (activation, written) in ACTIVATIONS.into_iter().chain([own]) {
        let options = NeuralNetwork::new(5, [4, 3]).activation(activation);
        let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
        let at = (moved(&p), x.clone());
        let loss = |(p, x): &(Layers, Tensor)| f(p, &state, x, &mut Ctx::train(Rng::seed(0))).0.cos().sum();
        let by_hand = |(p, x): &(Layers, Tensor)| {
            let layers = tree::leaves(p);
            let layer = |x: &Tensor, i: usize| written(&(x.matmul(&layers[i].t()) + &layers[i + 1]));
            layer(&layer(x, 0), 2).cos().sum()
        };
        let (gradient, value) = grad(loss).call(&at, ())?;
        let (expected, same) = grad(by_hand).call(&at, ())?;
        assert!(close(&value, &same), "{activation:?}: {value} and {same}");
        for (got, expected) in tree::leaves(&gradient).iter().zip(tree::leaves(&expected)) {
            assert!(close(got, &expected), "{activation:?}: {got} and {expected}");
        }
    }
    Ok(())
}

#[test]
fn a_learned_slope_is_a_parameter_of_each_layer() -> Result<()> {
    let options = NeuralNetwork::new(4, [3, 2]).activation(Activation::Prelu);
    let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
    assert_eq!(tree::paths(&p).len(), 2 * 3);
    assert_eq!(p[2].get::<PreluParams>()?.weight.to_vec::<f64>()?, [0.25]);
    let (leaky, _, stateless) = neural_network(
        &NeuralNetwork::new(4, [3, 2]).activation(Activation::LeakyRelu(0.25)),
        &mut Rng::seed(1),
    );
    let mut without = f64s(&p);
    for slope in [2, 4] {
        without[slope] = tree::AnyTree::new(());
    }
    let x = numbers(2, &[5, 4]);
    let y = f(&f64s(&p), &state, &x, &mut Ctx::eval()).0;
    assert!(close(&y, &leaky(&without, &stateless, &x, &mut Ctx::eval()).0));
    Ok(())
}

#[test]
fn equal_activations_are_equal() {
    assert_eq!(Activation::function(bent), Activation::function(bent));
    assert_ne!(Activation::function(bent), Activation::function(hard_sigmoid));
    assert_ne!(Activation::function(bent), Activation::Mish);
}

/// Normalised over some axes, by the batch's statistics or by those that were learned; with the means and the unbiased
/// variances.
struct Normalised {
    values: Tensor,
    mean: Tensor,
    variance: Tensor,
}

fn normalised(x: &Tensor, axes: &[isize], [gain, offset]: [&Tensor; 2]) -> Normalised {
    let column = |v: &Tensor| if axes.len() == 1 { v.clone() } else { v.reshape([INFER, 1, 1]) };
    let mean = x.mean_keepdim(axes);
    let variance = (x - &mean).square().mean_keepdim(axes);
    let count: usize = axes.iter().map(|&axis| x.size(axis)).product();
    let values = (x - &mean) / (&variance + 1e-5).sqrt() * column(gain) + column(offset);
    let unbiased = variance * (count as f64 / (count as f64 - 1.0));
    Normalised { values, mean: mean.reshape([INFER]), variance: unbiased.reshape([INFER]) }
}

#[test]
fn a_neural_network_is_what_is_written() -> Result<()> {
    let options = NeuralNetwork::new(6, [5, 4, 3])
        .activation(Activation::Elu)
        .batch_normalization(true)
        .classifier(true);
    let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
    let state = f64s(&state);
    let at = (moved(&p), numbers(1, &[7, 2, 3]));
    let by_hand = |(p, x): &(Layers, Tensor)| {
        let layers = tree::leaves(p);
        let mut followed = Vec::new();
        let mut y = x.reshape([7, 6]);
        for layer in layers[..8].chunks(4) {
            let sums = y.matmul(&layer[0].t()) + &layer[1];
            let normal = normalised(&sums, &[0], [&layer[2], &layer[3]]);
            followed.push([normal.mean * 0.1, normal.variance * 0.1 + 0.9]);
            y = elu(&normal.values);
        }
        (y.matmul(&layers[8].t()) + &layers[9], followed)
    };
    let run = |(p, x): &(Layers, Tensor)| f(p, &state, x, &mut Ctx::train(Rng::seed(0)));

    let (y, next) = run(&at);
    let (expected, followed) = by_hand(&at);
    assert!(close(&y, &expected), "{y} and {expected}");
    // Reshape, then linear, normalisation and activation twice.
    for (layer, [mean, variance]) in [2, 5].into_iter().zip(followed) {
        let stats = next[layer].get::<Option<RunningStats>>()?.clone().expect("it follows");
        assert!(close(&stats.running_mean, &mean) && close(&stats.running_var, &variance));
    }

    let loss = |at: &(Layers, Tensor)| run(at).0.sin().sum();
    let (gradient, _) = grad(loss).call(&at, ())?;
    let (expected, _) = grad(|at: &(Layers, Tensor)| by_hand(at).0.sin().sum()).call(&at, ())?;
    alike(&gradient, &expected);
    gradcheck(loss, &at, ())?;
    compiled_as_directly(loss, &at)
}

#[test]
fn in_use_a_neural_network_takes_what_it_has_learned_and_drops_nothing() -> Result<()> {
    let options = NeuralNetwork::new(4, [3]).activation(None).batch_normalization(true).dropout([0.5]);
    let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
    let (p, x) = (moved(&p), numbers(1, &[5, 4]));
    let (_, state) = f(&p, &f64s(&state), &x, &mut Ctx::train(Rng::seed(2)));
    let layers = tree::leaves(&p);
    let learned = tree::leaves(&state);
    let (mean, variance) = (&learned[0], &learned[1]);
    let sums = x.matmul(&layers[0].t()) + &layers[1];
    let expected = (sums - mean) / (variance + 1e-5).sqrt() * &layers[2] + &layers[3];
    let (y, same) = f(&p, &state, &x, &mut Ctx::eval());
    assert!(close(&y, &expected));
    alike(&same, &state);
    let (dropped, _) = f(&p, &state, &x, &mut Ctx::train(Rng::seed(3)));
    assert!(!close(&dropped, &y));
    Ok(())
}

/// A convolutional network, to be written out.
struct Plan {
    /// Of each layer padding and stride, and side and stride of the maximum behind it.
    layers: Vec<(usize, usize, (usize, usize))>,
    activation: Option<Written>,
    normalizes: bool,
}

impl Plan {
    /// What it yields. Parameters are weights, biases and, where it normalises, scales and offsets.
    fn run(&self, parameters: &[Tensor], x: &Tensor) -> Tensor {
        let mut y = x.clone();
        let of_layers = parameters.chunks(if self.normalizes { 4 } else { 2 });
        assert_eq!(of_layers.len(), self.layers.len());
        for (p, &(padding, stride, (side, step))) in of_layers.zip(&self.layers) {
            y = y.conv2d(&p[0], Conv::new().padding(padding).stride(stride).bias(&p[1]));
            if let [_, _, gain, offset] = p {
                y = normalised(&y, &[0, 2, 3], [gain, offset]).values;
            }
            if let Some(f) = self.activation {
                y = f(&y);
            }
            if side > 1 {
                y = y.max_pool2d(Pool::new(side).stride(step));
            }
        }
        y
    }
}

const TANH: Option<Written> = Some(|x| x.tanh());
const RELU: Option<Written> = Some(|x| x.maximum(0.0));

/// Options, what they stand for, and the output's height and width for images of 13 by 11.
fn spatial_rows() -> Vec<(SpatialNetwork, Plan, [usize; 2])> {
    let two = || SpatialNetwork::new(2, [3, 4]);
    let relus = |layers| Plan { layers, activation: RELU, normalizes: false };
    let bare = |layers| Plan { layers, activation: None, normalizes: false };
    let of_each = two().kernel_size([3, 5]).padding([0, 3]).stride([1, 2]).strided_poolings([(3, 2), (2, 1)]);
    let three = SpatialNetwork::new(2, [3, 4, 2]).kernel_size([3, 3]).padding([0, 0]);
    vec![
        (two(), relus(vec![(2, 1, (1, 1)); 2]), [13, 11]),
        // A number for each layer.
        (
            of_each.activation(Activation::Tanh).batch_normalization(true),
            Plan { layers: vec![(0, 1, (3, 2)), (3, 2, (2, 1))], activation: TANH, normalizes: true },
            [3, 2],
        ),
        // One for all.
        (
            two().kernel_size([4]).padding([2]).stride([2]).poolings([2]).activation(None),
            bare(vec![(2, 2, (2, 2)); 2]),
            [1, 1],
        ),
        (two().strided_poolings([(3, 1)]).activation(None), bare(vec![(2, 1, (3, 1)); 2]), [9, 7]),
        // The default behind the end of a list of several.
        (
            three.stride([2, 1]).poolings([1, 2]),
            relus(vec![(0, 2, (1, 1)), (0, 1, (2, 2)), (2, 1, (1, 1))]),
            [2, 1],
        ),
        // Padding goes with the kernel.
        (
            two().kernel_size([1, 3]).batch_normalization(true),
            Plan { layers: vec![(0, 1, (1, 1)), (1, 1, (1, 1))], activation: RELU, normalizes: true },
            [13, 11],
        ),
        (two().kernel_size([3]).init(Init::He).dropout([0.0]), relus(vec![(1, 1, (1, 1)); 2]), [13, 11]),
    ]
}

#[test]
fn a_spatial_network_is_what_is_written() -> Result<()> {
    for (i, (options, plan, size)) in spatial_rows().into_iter().enumerate() {
        let (f, p, state) = spatial_network(&options, &mut Rng::seed(1));
        let state = f64s(&state);
        let at = (moved(&p), numbers(1, &[2, 2, 13, 11]));
        let run = |(p, x): &(Layers, Tensor)| f(p, &state, x, &mut Ctx::train(Rng::seed(0))).0;
        let by_hand = |(p, x): &(Layers, Tensor)| plan.run(&tree::leaves(p), x);
        let (y, expected) = (run(&at), by_hand(&at));
        assert_eq!(y.shape().to_vec()[2..], size, "row {i}");
        assert!(close(&y, &expected), "row {i}: {y} and {expected}");
        let (gradient, _) = grad(|at: &(Layers, Tensor)| run(at).sin().sum()).call(&at, ())?;
        let (expected, _) = grad(|at: &(Layers, Tensor)| by_hand(at).sin().sum()).call(&at, ())?;
        alike(&gradient, &expected);
    }
    Ok(())
}

#[test]
fn a_spatial_network_has_its_derivatives_and_compiles() -> Result<()> {
    let options = SpatialNetwork::new(1, [2, 2])
        .kernel_size([3])
        .stride([2, 1])
        .strided_poolings([(1, 1), (2, 1)])
        .activation(Activation::Silu)
        .batch_normalization(true);
    let (f, p, state) = spatial_network(&options, &mut Rng::seed(1));
    let (state, at) = (f64s(&state), (moved(&p), numbers(1, &[2, 1, 6, 5])));
    let loss = |(p, x): &(Layers, Tensor)| f(p, &state, x, &mut Ctx::train(Rng::seed(0))).0.sin().sum();
    gradcheck(loss, &at, ())?;
    compiled_as_directly(loss, &at)
}

/// The names of layers, in order.
fn names(net: &Sequential) -> Vec<&'static str> {
    net.layers().iter().map(|layer| layer.name()).collect()
}

#[test]
fn the_convolutions_of_alexnet_are_those_of_the_paper() -> Result<()> {
    let body = SpatialNetwork::alexnet();
    let (plain, pooled) = (["Conv2d", "BatchNorm2d", "Relu"], ["Conv2d", "BatchNorm2d", "Relu", "MaxPool2d"]);
    let expected = [&pooled[..], &pooled, &plain, &plain, &pooled].concat();
    assert_eq!(names(&body.layers(Sequential::new())), expected);

    let (f, p, state) = spatial_network(&body, &mut Rng::seed(1));
    let kernels = [[64, 3, 11, 11], [192, 64, 5, 5], [384, 192, 3, 3], [256, 384, 3, 3], [256, 256, 3, 3]];
    for (weight, kernel) in tree::leaves(&p).iter().step_by(4).zip(kernels) {
        assert_eq!(weight.shape(), kernel);
    }
    let image = Tensor::ones([1, 3, 224, 224]);
    assert_eq!(f(&p, &state, &image, &mut Ctx::eval()).0.shape(), [1, 256, 6, 6]);

    // The least image of which a number is left.
    let (p, state, x) = (f64s(&p), f64s(&state), numbers(1, &[2, 3, 63, 63]));
    let pool = (3, 2);
    let layers = vec![(2, 4, pool), (2, 1, pool), (1, 1, (1, 1)), (1, 1, (1, 1)), (1, 1, pool)];
    let plan = Plan { layers, activation: RELU, normalizes: true };
    let (y, _) = f(&p, &state, &x, &mut Ctx::train(Rng::seed(2)));
    let expected = plan.run(&tree::leaves(&p), &x);
    assert_eq!(y.shape(), [2, 256, 1, 1]);
    // Sums of thousands of products.
    assert!(y.allclose(&expected, 1e-9, 1e-9)?);
    Ok(())
}

#[test]
fn alexnet_ends_in_three_linear_layers() -> Result<()> {
    let head = NeuralNetwork::alexnet();
    let hidden = ["Dropout", "Linear", "BatchNorm1d", "Relu"];
    let expected = [&["Reshape"][..], &hidden, &hidden, &["Linear"]].concat();
    assert_eq!(names(&head.layers(Sequential::new())), expected);

    // Behind a small body, of which two numbers are left.
    let body = SpatialNetwork::new(1, [2]).kernel_size([1]).activation(None);
    let (f, p, state) = alexnet([1, 1, 1], &body, &head, &mut Rng::seed(1))?;
    let weights: Vec<Vec<usize>> = p
        .iter()
        .filter_map(|layer| Some(layer.get::<LinearParams>().ok()?.weight.shape().to_vec()))
        .collect();
    assert_eq!(weights, [[4096, 2], [4096, 4096], [1000, 4096]]);
    let scores = f(&p, &state, &Tensor::ones([1, 1, 1, 1]), &mut Ctx::eval()).0;
    assert_eq!(scores.shape(), [1, 1000]);
    assert!(scores.isfinite().all().item::<bool>()?);
    Ok(())
}

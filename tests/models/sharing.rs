//! Layers that are shared: the same parameters in two places have the sum of both places' gradients.

use retrograd::model::{
    Activation, Layers, NeuralNetwork, Output, Recurrent, RecurrentParams, neural_network, recurrent_network,
};
use retrograd::nn::Ctx;
use retrograd::{Result, Rng, Tensor, Tree, grad, gradcheck, tree};

use crate::{alike, compiled_as_directly, moved, numbers};

/// Holds the gradient of a loss of two sets of parameters, given one set twice, to the sum of its gradients by each.
fn tied_is_the_sum_of_untied<P: Tree + Clone>(loss: impl Fn(&P, &P) -> Tensor, p: &P) -> Result<()> {
    let tied = |p: &P| loss(p, p);
    let (gradient, _) = grad(tied).call(p, ())?;
    let untied = |pair: &(P, P)| loss(&pair.0, &pair.1);
    let ((first, second), _) = grad(untied).call(&(p.clone(), p.clone()), ())?;
    for (a, b) in tree::leaves(&first).iter().zip(tree::leaves(&second)) {
        assert!(!a.allclose(&b, 1e-3, 1e-3)?, "two places that ask for the same show nothing");
    }
    alike(&gradient, &tree::zip(&first, &second, |a, b| a + b));
    gradcheck(tied, p, ())?;
    compiled_as_directly(tied, p)
}

#[test]
fn a_layer_that_is_passed_twice_has_the_gradients_of_both_places() -> Result<()> {
    let options = NeuralNetwork::new(4, [5, 4]).activation(Activation::Tanh);
    let (f, p, state) = neural_network(&options, &mut Rng::seed(1));
    let x = numbers(1, &[3, 4]);
    let loss = |a: &Layers, b: &Layers| {
        let (h, _) = f(a, &state, &x, &mut Ctx::eval());
        f(b, &state, &h, &mut Ctx::eval()).0.exp().sum()
    };
    tied_is_the_sum_of_untied(loss, &moved(&p))
}

#[test]
fn two_sequences_are_read_by_one_network() -> Result<()> {
    let (f, p) = recurrent_network(&Recurrent::new(3, 4).output(Output::All), &mut Rng::seed(1));
    let (x, y) = (numbers(1, &[2, 3, 3]), numbers(2, &[2, 3, 3]));
    let loss = |a: &RecurrentParams, b: &RecurrentParams| {
        let difference = f(a, &x, &None).0 - f(b, &y, &None).0;
        difference.exp().sum()
    };
    tied_is_the_sum_of_untied(loss, &moved(&p))
}

#[test]
fn several_networks_are_a_list_of_parameters() -> Result<()> {
    let (f, p, state) = neural_network(&NeuralNetwork::new(3, [4, 1]), &mut Rng::seed(1));
    let (_, q, _) = neural_network(&NeuralNetwork::new(3, [4, 1]), &mut Rng::seed(2));
    let x = numbers(1, &[5, 3]);
    let loss = |p: &Layers| f(p, &state, &x, &mut Ctx::eval()).0.square().sum();
    let both = vec![moved(&p), moved(&q)];
    let (gradients, _) = grad(|all: &Vec<Layers>| all.iter().fold(Tensor::from(0.0), |sum, p| sum + loss(p)))
        .call(&both, ())?;
    for (gradient, p) in gradients.iter().zip(&both) {
        alike(gradient, &grad(loss).call(p, ())?.0);
    }
    Ok(())
}

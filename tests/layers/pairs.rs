//! Layers of two inputs, tables, and distances.

use retrograd::{Result, Rng, Tensor, check, tree};

use crate::nn::*;
use crate::{holds, normal};

#[test]
fn products_with_a_matrix_between_have_the_derived_gradient() -> Result<()> {
    holds(&Bilinear::new(3, 2, 2), &(normal(&[4, 3]), normal(&[4, 2])))?;
    holds(&Bilinear::new(2, 3, 1).bias(false), &(normal(&[2]), normal(&[3])))?;
    holds(&Bilinear::new(1, 2, 3), &(normal(&[2, 2, 1]), normal(&[2, 2, 2])))
}

#[test]
fn tables_have_the_derived_gradient() -> Result<()> {
    holds(&Embedding::new(4, 3), &Tensor::from([[0i64, 2], [2, 3]]))?;
    holds(&Embedding::new(3, 2), &Tensor::from(1i64))?;
    // Where the padding does not come up its row has no derivative anyway.
    holds(&Embedding::new(3, 2).padding_idx(0), &Tensor::from([1i64, 2, 1]))
}

#[test]
fn bags_have_the_derived_gradient() -> Result<()> {
    let bags = BagInput::new(&Tensor::from([[0i64, 2, 3], [3, 1, 0]]));
    let offsets = BagInput::with_offsets(&Tensor::from([3i64, 0, 2]), &Tensor::from([0i64, 2, 2]));
    for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
        for input in [&bags, &offsets] {
            holds(&EmbeddingBag::new(4, 3).mode(mode), input)?;
            holds(&EmbeddingBag::new(5, 3).mode(mode).padding_idx(-2), input)?;
        }
    }
    for mut input in [bags, offsets] {
        input.per_sample_weights =
            Some(normal(&input.input.shape()[..].iter().map(|&n| n as usize).collect::<Vec<_>>()));
        holds(&EmbeddingBag::new(4, 3).mode(BagMode::Sum), &input)?;
        holds(&EmbeddingBag::new(4, 3).mode(BagMode::Sum).padding_idx(0), &input)?;
    }
    Ok(())
}

#[test]
fn bags_that_do_not_fit_are_refused() {
    let message = |layer: EmbeddingBag, input: BagInput| {
        check::module(layer, &input, Mode::Eval).unwrap_err().to_string()
    };
    let index = Tensor::from([1i64, 2]);
    let bag = || EmbeddingBag::new(3, 2);
    let text = message(bag(), BagInput::new(&index));
    assert!(text.contains("EmbeddingBag: an input [2] without offsets"), "{text}");
    assert!(text.contains("help: expected [bags, length], or [n] with offsets [bags]"), "{text}");
    let text = message(bag(), BagInput::with_offsets(&index, &Tensor::from([1i64])));
    assert!(text.contains("index"), "what comes before the first bag: {text}");
    let weighed = BagInput {
        per_sample_weights: Some(normal(&[2])),
        ..BagInput::with_offsets(&index, &Tensor::from([0i64]))
    };
    let text = message(bag(), weighed.clone());
    assert!(text.contains("per_sample_weights belong to a sum, not to Mean"), "{text}");
    let text =
        message(bag().mode(BagMode::Sum), BagInput { per_sample_weights: Some(normal(&[3])), ..weighed });
    assert!(text.contains("per_sample_weights [3] for an input [2]"), "{text}");
}

#[test]
fn rows_that_are_not_named_and_the_paddings_get_no_gradient() -> Result<()> {
    let layer = Embedding::new(4, 2).padding_idx(-3);
    let params = layer.params(&mut Rng::seed(1));
    assert_eq!(params.weight.at(1).to_vec::<f32>()?, [0.0; 2]);
    let index = Tensor::from([0i64, 1, 0, 3]);
    let (y, saved, ()) = layer.forward(&params, &(), &index, &mut Ctx::eval());
    let (grads, dx) = layer.backward(&params, &saved, &y.ones_like());
    assert_eq!(grads.weight.to_vec::<f32>()?, [2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!((dx.dtype(), dx.to_vec::<i64>()?), (index.dtype(), vec![0; 4]));
    Ok(())
}

#[test]
fn a_table_trains_inside_a_derived_function() -> Result<()> {
    let (f, params) = functionalize(Embedding::new(3, 2), &mut Rng::seed(1));
    let loss = |p: &EmbeddingParams, index: &Tensor| f(p, index).square().sum();
    let (grads, _) = retrograd::grad(loss).optimize(true).call(&params, &Tensor::from([2i64, 2]))?;
    assert!(grads.weight.at(2).allclose(&(params.weight.at(2) * 4.0), 1e-6, 0.0)?);
    assert_eq!(grads.weight.at(0).to_vec::<f32>()?, [0.0; 2]);
    Ok(())
}

#[test]
fn long_rows_are_scaled_down_and_others_stay() -> Result<()> {
    let params = EmbeddingParams { weight: Tensor::from([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]) };
    let weight = Embedding::renormalized(&params, 1.0).weight;
    assert!(weight.allclose(&Tensor::from([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]), 1e-12, 0.0)?);
    Ok(())
}

#[test]
fn a_number_beyond_the_table_is_refused() {
    let error =
        check::module(Embedding::new(3, 2), &Tensor::from([1i64, 3]), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("index 3"), "{error}");
    let weight = Embedding::new(3, 2).padding_idx(-4).params(&mut Rng::seed(0)).weight;
    let error = weight.item::<f32>().unwrap_err().to_string();
    assert_eq!(error, "Embedding: padding_idx -4 is none of 3 rows");
}

#[test]
fn angles_have_the_derived_gradient() -> Result<()> {
    let pair = (normal(&[3, 4]), normal(&[3, 4]).sin());
    holds(&CosineSimilarity::new(), &pair)?;
    holds(&CosineSimilarity::new().dim(0), &pair)?;
    holds(&CosineSimilarity::new().dim(-1).eps(2.0), &pair)?;
    holds(&CosineSimilarity::new().dim(2), &(normal(&[2, 1, 3]), normal(&[1, 2, 3])))?;
    holds(&CosineSimilarity::new().dim(-2), &(normal(&[3, 1]), normal(&[2, 3, 2])))
}

#[test]
fn distances_have_the_derived_gradient() -> Result<()> {
    let pair = (normal(&[3, 4]), normal(&[3, 4]).sin());
    for p in [1.0, 2.0, 3.0, 1.5, f64::INFINITY, f64::NEG_INFINITY] {
        holds(&PairwiseDistance::new().p(p), &pair)?;
    }
    holds(&PairwiseDistance::new().p(0.0), &(normal(&[2, 3]), normal(&[2, 3]).sin()))?;
    holds(&PairwiseDistance::new().keepdim(true).eps(0.5), &pair)?;
    holds(&PairwiseDistance::new(), &(normal(&[4]), normal(&[2, 1, 4])))?;
    holds(&Euclidean::new(3, 2), &normal(&[4, 3]))?;
    holds(&Euclidean::new(3, 2), &normal(&[3]))?;
    holds(&Euclidean::new(2, 1), &normal(&[2, 2, 2]))
}

#[test]
fn equal_vectors_have_the_gradient_zero() -> Result<()> {
    let x = Tensor::from([1.0, 2.0]);
    for p in [1.0, 2.0, 3.0] {
        let layer = PairwiseDistance::new().p(p).eps(0.0);
        let (y, saved, ()) = layer.forward(&(), &(), &(x.clone(), x.clone()), &mut Ctx::eval());
        let (_, (da, _)) = layer.backward(&(), &saved, &y.ones_like());
        assert_eq!(da.to_vec::<f64>()?, [0.0, 0.0]);
    }
    let params = EuclideanParams { weight: Tensor::from([[1.0, 0.0], [2.0, 0.0]]) };
    let layer = Euclidean::new(2, 2);
    let (y, saved, ()) = layer.forward(&params, &(), &x, &mut Ctx::eval());
    assert_eq!(y.to_vec::<f64>()?, [0.0, 5f64.sqrt()]);
    let dx = layer.backward(&params, &saved, &Tensor::from([1.0, 0.0])).1;
    assert_eq!(dx.to_vec::<f64>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn first_parameters_are_those_documented() -> Result<()> {
    let params = Bilinear::new(100, 20, 5).params(&mut Rng::seed(1));
    assert_eq!(tree::paths(&params), ["weight", "bias"]);
    assert_eq!(
        (params.weight.shape().to_vec(), params.weight.abs().amax().item::<f64>()? <= 0.1),
        (vec![5, 100, 20], true)
    );
    let weight = Embedding::new(200, 50).params(&mut Rng::seed(1)).weight;
    assert!((weight.var(1).item::<f64>()? - 1.0).abs() < 0.05);
    assert_eq!(Euclidean::new(3, 2).params(&mut Rng::seed(1)).weight.shape(), [3, 2]);
    Ok(())
}

#[test]
fn inputs_that_do_not_belong_together_are_refused() {
    let text = |a: &[usize], b: &[usize]| {
        check::module(Bilinear::new(3, 2, 2), &(normal(a), normal(b)), Mode::Eval).unwrap_err().to_string()
    };
    let error = text(&[4, 3], &[5, 2]);
    let expected = "Bilinear: inputs [4, 3] and [5, 2], expected [.., 3] and [.., 2] of one batch";
    assert!(error.contains(expected), "{error}");
    assert!(text(&[4, 2], &[4, 2]).contains("Bilinear: inputs [4, 2] and [4, 2]"));
}

#[test]
fn the_padding_of_an_embedding_has_two_names() -> Result<()> {
    let table = Embedding::new(4, 2).padding_idx(3);
    let params = table.params(&mut Rng::seed(1));
    let gradient = table.backward_params(&params, &Tensor::from([-1i64, 3, 0]), &Tensor::ones([3, 2])).weight;
    assert_eq!(gradient.to_vec::<f32>()?, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    Ok(())
}

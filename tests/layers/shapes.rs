//! Layers that move elements, take an axis away, or add and multiply.

use retrograd::{INFER, Result, Rng, Tensor, check, tree, vmap};

use crate::nn::*;
use crate::{holds, normal};

/// The output of a layer without parameters and state.
fn output<M: Module<Params = (), State = (), Input = Tensor, Output = Tensor>>(
    layer: &M,
    x: &Tensor,
) -> Tensor {
    layer.forward(&(), &(), x, &mut Ctx::eval()).0
}

/// The text of the error that a layer's output is.
fn refusal<M: Module<Params = (), State = (), Input = Tensor, Output = Tensor>>(
    layer: &M,
    x: &Tensor,
) -> String {
    output(layer, x).item::<f64>().expect_err("the layer refuses").to_string()
}

#[test]
fn reshaping_layers_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    holds(&Identity, &x)?;
    holds(&Flatten::new(), &x)?;
    holds(&Flatten::new().start_dim(0).end_dim(1), &x)?;
    holds(&Unflatten::new(-1, [2, INFER]), &x)?;
    holds(&Reshape::new([4, 3]), &x)?;
    holds(&View::new([INFER, 6]), &x)?;
    holds(&Squeeze::new(), &normal(&[1, 3, 1]))?;
    holds(&Squeeze::new().dim(-1), &normal(&[1, 3, 1]))?;
    holds(&Unsqueeze::new(1), &x)?;
    holds(&Unsqueeze::new(-1), &x)
}

#[test]
fn moving_layers_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    holds(&Transpose::new([(0, 1), (1, -1)]), &x)?;
    holds(&Permute::new([2, 0, -2]), &x)?;
    holds(&Narrow::new(1, 1, 2), &x)?;
    holds(&Narrow::new(-1, 0, 4), &x)?;
    holds(&Select::new(1, 2), &x)?;
    holds(&Select::new(-1, -3), &x)?;
    holds(&Replicate::new(3), &x)?;
    holds(&Replicate::new(2).dim(1), &x)?;
    holds(&Replicate::new(2).dim(-1), &x)
}

#[test]
fn layers_that_take_an_axis_away_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    for axis in [0, 1, -1] {
        holds(&Sum::new(axis), &x)?;
        holds(&Mean::new(axis), &x)?;
        holds(&Max::new(axis), &x)?;
        holds(&Min::new(axis), &x)?;
    }
    holds(&Max::new(0), &normal(&[5]))
}

#[test]
fn the_gradient_of_equal_extremes_goes_to_the_first() -> Result<()> {
    let x = Tensor::from([2.0, 1.0, 2.0, 1.0]);
    let dx = |layer: &dyn Fn() -> Tensor| layer().to_vec::<f64>();
    let (_, saved, ()) = Max::new(0).forward(&(), &(), &x, &mut Ctx::eval());
    assert_eq!(dx(&|| Max::new(0).backward(&(), &saved, &Tensor::from(1.0)).1)?, [1.0, 0.0, 0.0, 0.0]);
    let (_, saved, ()) = Min::new(0).forward(&(), &(), &x, &mut Ctx::eval());
    assert_eq!(dx(&|| Min::new(0).backward(&(), &saved, &Tensor::from(1.0)).1)?, [0.0, 1.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn padding_layers_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    holds(&Pad1d::zeros(2), &x)?;
    holds(&Pad1d::constant([(1, 0)], 0.5), &x)?;
    holds(&Pad2d::reflect([(1, 2), (0, 3)]), &x)?;
    holds(&Pad2d::replicate(2), &x)?;
    holds(&Pad2d::circular([(3, 0), (1, 4)]), &x)?;
    holds(&Pad3d::reflect([(1, 1), (0, 2), (2, 1)]), &x)?;
    // Further than the axis is long.
    holds(&Pad1d::reflect([(5, 7)]), &x)?;
    holds(&Padding::new(1, -2), &x)?;
    holds(&Padding::new(-1, 3).value(0.25), &x)
}

#[test]
fn padding_of_one_axis_goes_before_or_behind_it() -> Result<()> {
    let x = Tensor::from([1.0, 2.0]);
    assert_eq!(output(&Padding::new(0, -1), &x).to_vec::<f64>()?, [0.0, 1.0, 2.0]);
    assert_eq!(output(&Padding::new(0, 1).value(5.0), &x).to_vec::<f64>()?, [1.0, 2.0, 5.0]);
    Ok(())
}

#[test]
fn layers_of_one_number_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    holds(&AddConstant::new(1.5), &x)?;
    holds(&MulConstant::new(-0.5), &x)?;
    holds(&Mul, &x)?;
    holds(&Add::new(1), &x)
}

#[test]
fn componentwise_layers_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    holds(&Add::new(4), &x)?;
    for shape in [vec![3, 4], vec![3, 1], vec![1, 3, 1], vec![2, 3, 4], vec![4], vec![1]] {
        holds(&CMul::new(shape.clone()), &x)?;
        holds(&CAdd::new(shape), &x)?;
    }
    // The input is repeated along the weight's axes.
    holds(&CMul::new([2, 3, 4]), &normal(&[3, 1]))?;
    holds(&CAdd::new([2, 3, 4]), &normal(&[3, 1]))
}

#[test]
fn first_weights_lie_within_the_documented_bounds() -> Result<()> {
    let weight = CMul::new([400]).params(&mut Rng::seed(1)).weight;
    assert!(weight.abs().amax().item::<f64>()? <= 0.05);
    assert!(weight.abs().amax().item::<f64>()? > 0.045);
    assert_eq!(Mul.params(&mut Rng::seed(1)).weight.shape(), [1]);
    assert_eq!(tree::paths(&Add::new(3).params(&mut Rng::seed(1))), ["bias"]);
    Ok(())
}

#[test]
fn layers_map_over_examples() -> Result<()> {
    let (narrow, ()) = functionalize(Narrow::new(0, 1, 2), &mut Rng::seed(0));
    let (flatten, ()) = functionalize(Flatten::new().start_dim(0), &mut Rng::seed(0));
    let x = normal(&[2, 3, 4]);
    let y = vmap(|x: &Tensor| flatten(&(), &narrow(&(), x))).call(&x, ())?;
    assert!(y.allclose(&x.narrow(1, 1, 2).flatten(1, 2), 0.0, 0.0)?);
    Ok(())
}

#[test]
fn an_invalid_input_passes_through_with_its_error() {
    let invalid = Tensor::from([1.0, 2.0]).matmul(&Tensor::from([1.0, 2.0, 3.0]));
    for text in [
        refusal(&Reshape::new([2]), &invalid),
        refusal(&Narrow::new(0, 0, 1), &invalid),
        refusal(&Mean::new(0), &invalid),
        refusal(&Max::new(0), &invalid),
        refusal(&Pad2d::zeros(1), &invalid),
        refusal(&Pad2d::reflect(1), &invalid),
        refusal(&Glu::new(0), &invalid),
        refusal(&Replicate::new(2), &invalid),
    ] {
        assert!(text.starts_with("matmul"), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = normal(&[2, 3, 4]);
    for (text, expected) in [
        (refusal(&Reshape::new([5, 2]), &x), "reshape: "),
        (refusal(&Flatten::new().start_dim(3), &x), "flatten: "),
        (refusal(&Select::new(1, 3), &x), "select: index 3 is out of range for axis 1, which has length 3"),
        (refusal(&Narrow::new(0, 1, 2), &x), "narrow: "),
        (refusal(&Squeeze::new().dim(0), &x), "squeeze: axis 0 of [2, 3, 4] has length 2, not 1"),
        (refusal(&View::new(vec![1; 9]), &x), "View: a tensor has at most 8 axes, got 9"),
        (refusal(&Mean::new(3), &x), "mean"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let error = check::module(CMul::new([5]), &x, Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("mul: shapes [2, 3, 4] and [5]") || error.contains("mul"), "{error}");
    let error = CAdd::new(vec![1; 9]).params(&mut Rng::seed(0)).bias.item::<f64>().unwrap_err().to_string();
    assert!(error.starts_with("CAdd: a tensor has at most 8 axes, got 9"), "{error}");
}

#[test]
fn the_gradient_after_a_refusal_is_the_refusal() {
    let x = normal(&[2, 3]);
    let layer = Narrow::new(5, 1, 2);
    let (y, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
    let text = layer.backward(&(), &saved, &y).1.item::<f64>().expect_err("no gradient").to_string();
    assert!(text.starts_with("narrow: "), "{text}");
    let layer = Select::new(-4, 1);
    let (y, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
    let text = layer.backward(&(), &saved, &y).1.item::<f64>().expect_err("no gradient").to_string();
    assert!(text.starts_with("select: "), "{text}");
}

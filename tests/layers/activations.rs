//! Activation functions have the derived gradients, to second order, compiled too.

use std::sync::Arc;

use retrograd::{Result, Rng, Tensor, check, grad, tree};

use crate::nn::*;
use crate::{holds, normal};

/// Holds each layer to its contract at the same input.
macro_rules! all_hold {
    ($x:expr; $($layer:expr),* $(,)?) => {{
        let x = $x;
        $(holds(&$layer, &x)?;)*
    }};
}

#[test]
fn smooth_ones_have_the_derived_gradients() -> Result<()> {
    all_hold! { normal(&[3, 4]) * 2.0;
        Tanh, Sigmoid, LogSigmoid, Silu, Mish, Softsign, Gelu::new(), Gelu::new().approximate(GeluForm::Tanh),
        Softplus::new(), Softplus::new().beta(2.0).threshold(1.5), Tanhshrink, Square, Exp,
    }
    Ok(())
}

#[test]
fn those_in_pieces_have_the_derived_gradients() -> Result<()> {
    all_hold! { normal(&[3, 4]) * 3.0;
        Relu, Relu6, LeakyRelu::new(), LeakyRelu::new().negative_slope(-0.5), Elu::new(), Elu::new().alpha(-2.0),
        Celu::new().alpha(0.5), Selu, Hardtanh::new(), Hardtanh::new().min_val(-2.0), Hardsigmoid, Hardswish,
        Threshold::new().threshold(0.5).value(2.0), Softshrink::new(), Hardshrink::new().lambd(1.0), Abs,
        Clamp::new(-1.5, 2.5),
    }
    Ok(())
}

#[test]
fn those_of_positive_numbers_have_the_derived_gradients() -> Result<()> {
    all_hold! { normal(&[3, 4]).square() + 0.5;
        Sqrt, Log, Power::new(0.5), Power::new(-2.0), Power::new(1.0), Power::new(3.0), Power::new(0.0),
    }
    Ok(())
}

#[test]
fn those_along_an_axis_have_the_derived_gradients() -> Result<()> {
    let x = normal(&[2, 4, 3]);
    for axis in [0, 1, -1] {
        holds(&Softmax::new(axis), &x)?;
        holds(&LogSoftmax::new(axis), &x)?;
        holds(&Softmin::new(axis), &x)?;
    }
    holds(&Softmax2d, &normal(&[2, 3, 2, 2]))?;
    holds(&Softmax2d, &normal(&[3, 2, 2]))?;
    holds(&Glu::new(1), &x)?;
    holds(&Glu::default(), &normal(&[4]))?;
    holds(&Glu::new(0), &x)
}

#[test]
fn numbers_and_empty_tensors_have_activations() -> Result<()> {
    holds(&Tanh, &Tensor::from(0.5))?;
    holds(&Elu::new(), &Tensor::from(-0.5))?;
    holds(&Prelu::new(), &Tensor::from(-0.5))?;
    let (y, saved, ()) = Relu.forward(&(), &(), &Tensor::zeros([0, 3]), &mut Ctx::eval());
    assert_eq!(Relu.backward(&(), &saved, &y).1.shape(), [0, 3]);
    Ok(())
}

#[test]
fn learned_slopes_have_the_derived_gradients() -> Result<()> {
    holds(&Prelu::new(), &normal(&[3, 4]))?;
    holds(&Prelu::new().num_parameters(3), &normal(&[2, 3, 4]))?;
    holds(&Prelu::new().num_parameters(3).init(-0.5), &normal(&[4, 3]))
}

#[test]
fn drawn_slopes_have_the_derived_gradients() -> Result<()> {
    holds(&Rrelu::new(), &normal(&[3, 4]))
}

#[test]
fn drawn_slopes_are_drawn_in_training_and_their_mean_otherwise() -> Result<()> {
    let layer = Rrelu::new().lower(0.2).upper(0.4);
    let x = -Tensor::ones([1000]);
    let (y, _, ()) = layer.forward(&(), &(), &x, &mut Ctx::train(Rng::seed(2)));
    let slopes = -y;
    let (least, greatest) = (slopes.amin().item::<f64>()?, slopes.amax().item::<f64>()?);
    assert!((0.2..0.21).contains(&least) && (0.39..=0.4).contains(&greatest), "{least} to {greatest}");
    assert!((slopes.mean().item::<f64>()? - 0.3).abs() < 0.01);
    let (y, _, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
    assert!(y.allclose(&x.full_like(-0.3), 1e-6, 0.0)?);
    let (y, _, ()) = layer.forward(&(), &(), &Tensor::ones([3]), &mut Ctx::train(Rng::seed(2)));
    assert_eq!(y.to_vec::<f32>()?, [1.0; 3]);
    Ok(())
}

#[test]
fn first_slopes_are_those_asked_for() -> Result<()> {
    let params = Prelu::new().num_parameters(2).params(&mut Rng::seed(0));
    assert_eq!(params.weight.to_vec::<f32>()?, [0.25; 2]);
    let params = Prelu::new().init(0.5).params(&mut Rng::seed(0));
    assert_eq!(params.weight.to_vec::<f32>()?, [0.5]);
    Ok(())
}

#[test]
fn slopes_are_those_of_the_documented_side_at_kinks() -> Result<()> {
    let slope = |layer: Arc<dyn DynModule>, at: f64| -> Result<f64> {
        let (unit, x) = (tree::AnyTree::new(()), tree::AnyTree::new(Tensor::from(at)));
        let (_, saved, _) = layer.forward(&unit, &unit, &x, &mut Ctx::eval());
        layer.backward_input(&unit, &saved, &tree::AnyTree::new(Tensor::from(1.0))).take::<Tensor>()?.item()
    };
    assert_eq!(slope(Arc::new(Arc::new(Relu)), 0.0)?, 0.0);
    assert_eq!(slope(Arc::new(Arc::new(LeakyRelu::new())), 0.0)?, 0.01);
    assert_eq!(slope(Arc::new(Arc::new(Elu::new().alpha(2.0))), 0.0)?, 2.0);
    assert_eq!(slope(Arc::new(Arc::new(Clamp::new(0.0, 1.0))), 1.0)?, 0.0);
    assert_eq!(slope(Arc::new(Arc::new(Hardswish)), 3.0)?, 1.0);
    assert_eq!(slope(Arc::new(Arc::new(Hardswish)), -3.0)?, 0.0);
    assert_eq!(slope(Arc::new(Arc::new(Abs)), 0.0)?, 0.0);
    assert_eq!(slope(Arc::new(Arc::new(Sqrt)), 0.0)?, f64::INFINITY);
    assert_eq!(slope(Arc::new(Arc::new(Power::new(0.0))), 0.0)?, 0.0);
    Ok(())
}

#[test]
fn half_precision_and_f32_keep_their_dtype() -> Result<()> {
    for x in [normal(&[4]).f32(), normal(&[4]).f16(), normal(&[4]).bf16()] {
        let (y, saved, ()) = Gelu::new().forward(&(), &(), &x, &mut Ctx::eval());
        assert_eq!(Gelu::new().backward(&(), &saved, &y).1.dtype(), x.dtype());
        let (y, factors, ()) = Rrelu::new().forward(&(), &(), &x, &mut Ctx::train(Rng::seed(1)));
        assert_eq!((y.dtype(), factors.dtype()), (x.dtype(), x.dtype()));
    }
    Ok(())
}

#[test]
fn an_exponential_far_out_does_not_spoil_the_second_derivative() -> Result<()> {
    let (elu, ()) = functionalize(Elu::new(), &mut Rng::seed(0));
    let first = grad(|x: &Tensor| elu(&(), x).sum());
    let second = grad(|x: &Tensor| Ok::<Tensor, retrograd::Error>(first.call(x, ())?.0.sum()));
    assert_eq!(second.call(&Tensor::from([1000.0, 2.0]), ())?.0.to_vec::<f64>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn an_odd_number_of_halves_is_refused() {
    let error = check::module(Glu::new(1), &normal(&[2, 3]), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("glu: axis 1 of [2, 3] has 3 positions, an odd number"), "{error}");
}

#[test]
fn slopes_for_other_channels_are_refused() {
    let layer = Prelu::new().num_parameters(4);
    let error = check::module(layer, &normal(&[2, 3]), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("prelu: slopes of shape [4] for 3 channels of [2, 3]"), "{error}");
    assert!(error.contains("help: one slope, or a vector with one for each position of axis 1"), "{error}");
}

/// What overflows far out is multiplied by a slope of 0.
#[test]
fn gelu_is_straight_where_its_formula_overflows() -> Result<()> {
    let layer = Gelu::new().approximate(GeluForm::Tanh);
    for x in [Tensor::from([300f32, -300.0]).f16(), Tensor::from([1e30f32, -1e30])] {
        let (_, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
        let ((), dx) = layer.backward(&(), &saved, &x.ones_like());
        assert_eq!(dx.f32().to_vec::<f32>()?, [1.0, 0.0]);
    }
    Ok(())
}

//! Layers of candle have candle's gradients and mix with derived functions.

use candle_core::{DType, Device};
use candle_nn::{Activation, Module as _, VarBuilder, VarMap};
use retrograd::nn::{Linear, Mode, Sequential, functionalize, functionalize_with_state};
use retrograd::{Result, Rng, Tensor, check, grad, hvp, tree, vmap};
use retrograd_candle::{Candle, CandleParams};

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

fn linear(vars: &VarMap, dtype: DType) -> candle_nn::Linear {
    let builder = VarBuilder::from_varmap(vars, dtype, &Device::Cpu);
    candle_nn::linear(3, 2, builder.pp("linear")).expect("a layer")
}

/// A convolutional network of candle's. Not as its `Sequential`, which no other thread may have.
fn network(vars: &VarMap) -> candle_nn::Func<'static> {
    let builder = VarBuilder::from_varmap(vars, DType::F64, &Device::Cpu);
    let options = candle_nn::Conv2dConfig { padding: 1, ..Default::default() };
    let convolution = candle_nn::conv2d(2, 3, 3, options, builder.pp("convolution")).expect("a layer");
    let head = candle_nn::linear(48, 2, builder.pp("head")).expect("a layer");
    candle_nn::func(move |x| {
        // Not Gelu, which candle approximates with another error in its value than in its gradient.
        let features = Activation::Silu.forward(&convolution.forward(x)?)?;
        head.forward(&features.flatten_from(1)?)
    })
}

#[test]
fn candles_gradients_are_derivatives() -> Result<()> {
    let vars = VarMap::new();
    check::module(Candle::new(linear(&vars, DType::F64), &vars)?, &numbers(1, &[4, 3]), Mode::Train)?;
    let vars = VarMap::new();
    check::module(Candle::new(network(&vars), &vars)?, &numbers(1, &[2, 2, 4, 4]), Mode::Train)
}

#[test]
fn a_layer_of_candle_is_ours_of_the_same_parameters() -> Result<()> {
    let vars = VarMap::new();
    let (theirs, params) = functionalize(Candle::new(linear(&vars, DType::F32), &vars)?, &mut Rng::seed(0));
    let (ours, _) = functionalize(Linear::new(3, 2), &mut Rng::seed(0));
    let same = retrograd::nn::LinearParams {
        weight: params["linear.weight"].clone(),
        bias: Some(params["linear.bias"].clone()),
    };
    let x = numbers(1, &[4, 3]).f32();
    let (g, a) = grad(|p: &CandleParams, x: &Tensor| theirs(p, x).tanh().sum()).call(&params, &x)?;
    let (h, b) = grad(|p: &_, x: &Tensor| ours(p, x).tanh().sum()).call(&same, &x)?;
    assert!(a.allclose(&b, 1e-6, 1e-6)?);
    assert!(g["linear.weight"].allclose(&h.weight, 1e-5, 1e-6)?);
    assert!(g["linear.bias"].allclose(h.bias.as_ref().expect("a bias"), 1e-5, 1e-6)?);
    Ok(())
}

#[test]
fn layers_of_both_learn_together() -> Result<()> {
    let vars = VarMap::new();
    let net = Sequential::new().add(Linear::new(5, 3)).add(Candle::new(linear(&vars, DType::F32), &vars)?);
    let (f, mut params, state) = functionalize_with_state(net, &mut Rng::seed(1));
    let loss = grad(|p: &Vec<tree::AnyTree>, x: &Tensor, y: &Tensor| {
        (f(p, &state, x, &mut retrograd::nn::Ctx::eval()).0 - y).square().mean()
    });
    let (x, y) = (numbers(1, &[8, 5]).f32(), numbers(2, &[8, 2]).f32());
    let mut losses = Vec::new();
    for _ in 0..50 {
        let (grads, loss) = loss.call(&params, (&x, &y))?;
        params = tree::zip(&params, &grads, |p, g| p - g * 0.1);
        losses.push(loss.item::<f32>()?);
    }
    assert!(losses[49] < 0.6 * losses[0], "{losses:?}");
    Ok(())
}

#[test]
fn calls_with_other_parameters_in_between_change_nothing() -> Result<()> {
    let vars = VarMap::new();
    let (f, params) = functionalize(Candle::new(linear(&vars, DType::F64), &vars)?, &mut Rng::seed(0));
    let other = tree::map(&params, |p| p * 3.0);
    let x = numbers(1, &[4, 3]);
    let alone = |p: &CandleParams, x: &Tensor| f(p, x).square().sum();
    let with_another = |p: &CandleParams, x: &Tensor| {
        let y = f(p, x);
        let _ = f(&other, x);
        y.square().sum()
    };
    // With respect to the input: that is where the weights' values matter.
    let (dx, _) = grad(alone).argument::<1>().call(&params, &x)?;
    let (same, _) = grad(with_another).argument::<1>().call(&params, &x)?;
    assert_eq!(dx.to_vec::<f64>()?, same.to_vec::<f64>()?);
    Ok(())
}

#[test]
fn what_a_layer_of_candle_lacks_is_an_error_that_names_it() -> Result<()> {
    let vars = VarMap::new();
    let (f, params) = functionalize(Candle::new(linear(&vars, DType::F64), &vars)?, &mut Rng::seed(0));
    let loss = |x: &Tensor| f(&params, x).square().sum();
    let error = hvp(loss).call(&numbers(1, &[3, 3]), &numbers(1, &[3, 3]), ()).unwrap_err().to_string();
    assert!(error.contains("`Linear` is not made of tensor operations"), "{error}");
    let error = vmap(|x: &Tensor| f(&params, x)).call(&numbers(1, &[2, 1, 3]), ()).unwrap_err().to_string();
    assert!(error.contains("Linear (not made of tensor operations)"), "{error}");
    let error = f(&params, &numbers(1, &[4, 5])).item::<f64>().unwrap_err().to_string();
    assert!(error.starts_with("Linear: "), "{error}");
    let error = f(&params, &numbers(1, &[4, 3]).f32()).item::<f64>().unwrap_err().to_string();
    assert!(error.starts_with("Linear: "), "{error}");
    let error = f(&CandleParams::new(), &numbers(1, &[4, 3])).item::<f64>().unwrap_err().to_string();
    assert!(error.starts_with("Linear: no parameter `linear."), "{error}");
    // One name is enough.
    assert!(!error.contains("Linear: Linear"), "{error}");
    Ok(())
}

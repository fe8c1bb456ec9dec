//! Layers: their gradients are the derived ones, and they mix with derived functions.

mod auto;
mod containers;
mod instances;

use std::sync::Arc;

use retrograd::nn::{
    CMulTable, Ctx, Foreign, Linear, LinearParams, Mode, Module, MseLoss, Reduction, Sequential, Stateless,
    Tanh, criterion_function, function, functionalize, functionalize_with_state,
};
use retrograd::{Fallback, Result, Rng, Tensor, check, grad, hvp, jit, jvp, tree, vmap};

fn x(shape: &[usize]) -> Tensor {
    Rng::seed(3).randn(shape).f64()
}

#[test]
fn layers_have_the_derived_gradients() -> Result<()> {
    for mode in [Mode::Train, Mode::Eval] {
        check::module(Linear::new(3, 2), &x(&[4, 3]), mode)?;
        check::module(Linear::new(3, 2).bias(false), &x(&[3]), mode)?;
        check::module(Linear::new(3, 2), &x(&[2, 4, 3]), mode)?;
        check::module(Sequential::new().add(Linear::new(3, 4)).add(Linear::new(4, 2)), &x(&[5, 3]), mode)?;
    }
    for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
        check::criterion(MseLoss { reduction }, &x(&[4, 3]), &x(&[4, 3]).sin())?;
    }
    Ok(())
}

/// A layer whose function passes its `backward` by, as that of a container does: `y = x^2`, and half the gradient.
#[derive(Debug)]
struct PassedBy;

impl Module for PassedBy {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}
    fn forward(&self, _: &(), _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        (x.square(), x.clone(), ())
    }
    fn backward(&self, _: &(), x: &Tensor, dy: &Tensor) -> ((), Tensor) {
        ((), x * dy)
    }
    fn apply(_: &Arc<Self>, _: &(), _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, ()) {
        (x.square(), ())
    }
}

#[test]
fn a_wrong_backward_is_found_where_no_transform_calls_it() {
    let expected = "law broken: `backward`, called by hand, is the gradient: ";
    let error = check::module(PassedBy, &x(&[3]), Mode::Train).unwrap_err().to_string();
    assert!(error.starts_with(&format!("PassedBy: {expected}")), "{error}");
    let net = Sequential::new().add(Linear::new(3, 2)).add(PassedBy);
    let error = check::module(net, &x(&[4, 3]), Mode::Train).unwrap_err().to_string();
    assert!(error.starts_with(&format!("Sequential: {expected}")), "{error}");
}

/// A layer that reads a value and does not say so: `y = a x^2`, where `a` depends on the sign of a sum.
#[derive(Debug)]
struct Asking;

impl Asking {
    fn factor(x: &Tensor) -> Tensor {
        match x.sum().item::<f64>() {
            Ok(sum) => Tensor::from(if sum > 0.0 { 2.0 } else { 3.0 }),
            Err(error) => Tensor::invalid(error),
        }
    }
}

impl Stateless for Asking {
    type Input = Tensor;
    type Output = Tensor;
    type Saved = (Tensor, Tensor);

    fn forward(&self, x: &Tensor) -> (Tensor, (Tensor, Tensor)) {
        let factor = Asking::factor(x);
        (x.square() * &factor, (x.clone(), factor))
    }
    fn backward(&self, (x, factor): &(Tensor, Tensor), dy: &Tensor) -> Tensor {
        x * dy * factor * 2.0
    }
}

#[test]
fn a_layer_that_does_not_compile_is_foreign_or_wrong() {
    let error = check::module(Asking, &x(&[3]), Mode::Train).unwrap_err().to_string();
    assert!(error.starts_with("Asking: law broken: the compiled gradient is `backward`'s: "), "{error}");
}

#[test]
fn a_layer_without_parameters_is_a_function_of_its_input() -> Result<()> {
    let (tanh, product) = (function(Tanh), function(CMulTable));
    let f = |x: &Vec<Tensor>| tanh(&product(x)).sum();
    let at = vec![Tensor::from([0.5, -1.0]), Tensor::from([2.0, 0.25])];
    let (compiled, derived) = (jit(f).fallback(Fallback::Error), grad(f).optimize(true));
    let derived = derived.fallback(Fallback::Error);
    // `tanh(a b)` and its derivative `(1 - tanh(a b)^2) b`.
    let y = [1f64.tanh(), (-0.25f64).tanh()];
    let da = [(1.0 - y[0] * y[0]) * 2.0, (1.0 - y[1] * y[1]) * 0.25];
    for _ in 0..3 {
        assert!((compiled.call(&at, ())?.item::<f64>()? - y[0] - y[1]).abs() < 1e-12);
        for (dx, value) in [grad(f).call(&at, ())?, derived.call(&at, ())?] {
            assert!((value.item::<f64>()? - y[0] - y[1]).abs() < 1e-12);
            assert!(dx[0].allclose(&Tensor::from(da), 1e-12, 0.0)?, "{}", dx[0]);
        }
    }
    assert_eq!((compiled.stats().direct, derived.stats().direct), (0, 0));
    Ok(())
}

/// A layer that calls another library, here plain Rust on elements: `y = a x`.
#[derive(Debug)]
struct Scaled;

impl Module for Scaled {
    type Params = Tensor;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Foreign<Vec<f64>>;

    fn params(&self, _: &mut Rng) -> Tensor {
        Tensor::from(3.0f32)
    }
    fn state(&self) {}
    fn forward(&self, a: &Tensor, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Foreign<Vec<f64>>, ()) {
        let numbers = x.to_vec::<f64>().expect("concrete");
        let factor = a.item::<f64>().expect("concrete");
        let y = numbers.iter().map(|x| x * factor).collect();
        (Tensor::from_vec(y, x.shape()), Foreign::new(numbers), ())
    }
    fn backward(&self, a: &Tensor, saved: &Foreign<Vec<f64>>, dy: &Tensor) -> (Tensor, Tensor) {
        let dy_numbers = dy.to_vec::<f64>().expect("concrete");
        let factor = a.item::<f64>().expect("concrete");
        let da: f64 = saved.get().iter().zip(&dy_numbers).map(|(x, dy)| x * dy).sum();
        let dx = dy_numbers.iter().map(|dy| dy * factor).collect();
        (Tensor::from(da), Tensor::from_vec(dx, dy.shape()))
    }
    fn is_foreign(&self) -> bool {
        true
    }
}

#[test]
fn a_foreign_layer_has_its_own_gradient() -> Result<()> {
    check::module(Scaled, &x(&[4, 3]), Mode::Train)?;
    check::module(Sequential::new().add(Linear::new(3, 2)).add(Scaled), &x(&[4, 3]), Mode::Train)
}

#[test]
fn a_foreign_layer_names_itself_where_it_has_no_derivative() -> Result<()> {
    let (f, _) = functionalize(Scaled, &mut Rng::seed(0));
    let a = Tensor::from(3.0);
    let loss = |x: &Tensor| f(&a, x).square().sum();
    let error = hvp(loss).call(&x(&[3]), &x(&[3]), ()).unwrap_err().to_string();
    assert!(
        error.contains("`Scaled` is not made of tensor operations, so it has no second derivative"),
        "{error}"
    );
    let error = jvp(loss).call(&x(&[3]), &x(&[3]), ()).unwrap_err().to_string();
    assert!(
        error.contains("`Scaled` is not made of tensor operations, so it has no forward-mode"),
        "{error}"
    );
    let error = vmap(|x: &Tensor| f(&a, x)).call(&x(&[3]), ()).unwrap_err().to_string();
    assert!(error.contains("Scaled (not made of tensor operations)"), "{error}");
    Ok(())
}

#[test]
fn a_compiled_function_with_a_foreign_layer_runs_directly() -> Result<()> {
    let (f, _) = functionalize(Scaled, &mut Rng::seed(0));
    let loss = |a: &Tensor, x: &Tensor| f(a, x).square().sum();
    let (direct, compiled) = (grad(loss), grad(loss).optimize(true));
    for _ in 0..3 {
        let (a, x) = (Tensor::from(3.0), x(&[4]));
        let (da, _) = compiled.call(&a, &x)?;
        assert_eq!(da.item::<f64>()?, direct.call(&a, &x)?.0.item::<f64>()?);
    }
    assert_eq!(compiled.stats().direct, 3);
    Ok(())
}

#[test]
fn a_model_of_layers_compiles_and_mixes_with_derived_functions() -> Result<()> {
    let net = Sequential::new().add(Linear::new(3, 8)).add(Linear::new(8, 2));
    let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
    let mse = criterion_function(MseLoss::default());
    let loss = |p: &Vec<tree::AnyTree>, x: &Tensor, y: &Tensor| {
        let (y_hat, _) = f(p, &state, x, &mut Ctx::eval());
        mse(&y_hat.tanh(), y)
    };
    let (x, y) = (x(&[4, 3]).f32(), x(&[4, 2]).f32());
    let (direct, value) = grad(loss).call(&params, (&x, &y))?;
    let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
    for _ in 0..3 {
        let (grads, again) = compiled.call(&params, (&x, &y))?;
        assert!(again.allclose(&value, 1e-6, 0.0)?);
        for (a, b) in tree::leaves(&grads).iter().zip(tree::leaves(&direct)) {
            assert!(a.allclose(&b, 1e-5, 1e-7)?);
        }
    }
    assert_eq!(params[0].get::<LinearParams>()?.weight.shape(), [8, 3]);
    Ok(())
}

#[test]
fn a_criterion_has_no_gradient_of_its_target() {
    let mse = criterion_function(MseLoss::default());
    let error = grad(|y: &Tensor| mse(&x(&[3]), y)).call(&x(&[3]), ()).unwrap_err().to_string();
    assert!(error.contains("MseLoss has a gradient with respect to its input, not to its target"), "{error}");
    let error = jvp(|y: &Tensor| mse(&x(&[3]), y)).call(&x(&[3]), &x(&[3]), ()).unwrap_err().to_string();
    assert!(error.contains("not to its target"), "{error}");
}

#[test]
fn parameters_of_another_network_are_refused() {
    let (f, _, state) = functionalize_with_state(Sequential::new().add(Linear::new(3, 8)), &mut Rng::seed(1));
    let other = vec![tree::AnyTree::new(Tensor::ones([3]))];
    let loss = jit(|p: &Vec<tree::AnyTree>, x: &Tensor| f(p, &state, x, &mut Ctx::eval()).0);
    let error = loss.call(&other, &x(&[2, 3])).unwrap_err().to_string();
    assert!(error.contains("Linear, parameters: "), "{error}");
    let error = loss.call(&Vec::new(), &x(&[2, 3])).unwrap_err().to_string();
    assert!(error.contains("Sequential: parameters of 0 layers, it has 1"), "{error}");
}

//! Layers of somebody else's are used like ours: as functions, in containers, with other optimizers, checked, saved.

use radial::{Centred, Pinball, Radial};
use retrograd::nn::{
    Ctx, Instance, Linear, Mode, Sequential, criterion_function, functionalize, functionalize_with_state,
};
use retrograd::{Fallback, Result, Rng, Tensor, check, grad, hessian, jvp, tree, vmap};

mod radial;

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

#[test]
fn gradients_written_by_others_are_checked() -> Result<()> {
    for mode in [Mode::Train, Mode::Eval] {
        check::module(Radial { inputs: 3, functions: 4 }, &numbers(1, &[5, 3]), mode)?;
        check::module(Centred { features: 3 }, &numbers(1, &[5, 3]), mode)?;
    }
    check::criterion(Pinball { quantile: 0.9 }, &numbers(1, &[5, 3]), &numbers(2, &[5, 3]))
}

#[test]
fn a_wrong_gradient_is_found() {
    #[derive(Debug)]
    struct Wrong;
    impl retrograd::nn::Stateless for Wrong {
        type Input = Tensor;
        type Output = Tensor;
        type Saved = Tensor;
        fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
            (x.square(), x.clone())
        }
        fn backward(&self, x: &Tensor, dy: &Tensor) -> Tensor {
            x * dy
        }
    }
    let error = check::module(Wrong, &numbers(1, &[3]), Mode::Train).unwrap_err().to_string();
    assert!(error.starts_with("Wrong: law broken: `backward` is the derivative (differences)"), "{error}");
}

#[test]
fn a_layer_of_others_takes_part_in_every_transform() -> Result<()> {
    let (f, p) = functionalize(Radial { inputs: 3, functions: 4 }, &mut Rng::seed(1));
    let p = tree::cast(&p, retrograd::DType::F64);
    let x = numbers(2, &[5, 3]);
    let loss = |x: &Tensor| f(&p, x).sum();
    let h = hessian(loss).call(&x, ())?;
    assert_eq!(h.shape(), [5, 3, 5, 3]);
    assert!(h.allclose(&h.permute([2, 3, 0, 1]), 1e-12, 1e-12)?);
    let (_, along) = jvp(loss).call(&x, &x, ())?;
    let (dx, _) = grad(loss).call(&x, ())?;
    assert!(along.allclose(&(dx * &x).sum(), 1e-12, 1e-12)?);
    let rows = vmap(|x: &Tensor| f(&p, &x.unsqueeze(0)).at(0)).call(&x, ())?;
    assert!(rows.allclose(&f(&p, &x), 1e-12, 1e-12)?);
    Ok(())
}

#[test]
fn layers_of_others_learn_beside_ours() -> Result<()> {
    let net = Sequential::new()
        .add(Centred { features: 3 })
        .add(Radial { inputs: 3, functions: 16 })
        .add(Linear::new(16, 1));
    let (f, mut params, mut state) = functionalize_with_state(net, &mut Rng::seed(1));
    let pinball = criterion_function(Pinball { quantile: 0.9 });
    let loss = |p: &Vec<tree::AnyTree>, s: &Vec<tree::AnyTree>, x: &Tensor, y: &Tensor| {
        let (y_hat, next) = f(p, s, x, &mut Ctx::train(Rng::seed(0)));
        (pinball(&y_hat, y), next)
    };
    let gradient = grad(loss).optimize(true).fallback(Fallback::Error);
    let x = numbers(1, &[64, 3]).f32() + 1.0;
    let y = (&x * &x).sum_keepdim(-1) * 0.1;
    let mut losses = Vec::new();
    for _ in 0..60 {
        let (grads, (loss, next)) = gradient.call(&params, (&state, &x, &y))?;
        params = tree::zip(&params, &grads, |p, g| p - g * 0.2);
        state = next;
        losses.push(loss.item::<f32>()?);
    }
    assert!(losses[59] < 0.3 * losses[0], "{losses:?}");
    let mean = state[0].get::<Tensor>()?;
    assert!(mean.allclose(&x.mean_dim(0), 0.05, 0.0)?);
    Ok(())
}

#[test]
fn a_layer_of_others_says_what_it_cannot_take() {
    let mut layer = Instance::new(Radial { inputs: 3, functions: 4 }, Rng::seed(1));
    let error = layer.forward(&Tensor::ones([5, 2])).unwrap_err().to_string();
    assert!(error.contains("radial: an input `[batch, 3]`, got shape [5, 2]"), "{error}");
    assert!(
        error.contains("tests/third_party/main.rs") || error.contains("tests/third_party/radial.rs"),
        "{error}"
    );
}

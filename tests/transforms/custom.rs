//! Functions with gradients of their own: they hold under every nesting, in both modes.

use std::sync::atomic::{AtomicUsize, Ordering};

use retrograd::{Mode, Result, Tensor, custom_vjp, grad, grad_only, hessian, jacobian, jvp, vmap};

use super::{number, values};

/// `x^3`, claiming a derivative of `5 x^2`, so that what comes out shows which rule was used.
fn claimed(x: &Tensor) -> Tensor {
    custom_vjp(|x: &Tensor| (x.pow(3.0), x.clone()), |x: &Tensor, dy: &Tensor| x.square() * dy * 5.0).call(x)
}

#[test]
fn custom_rules_hold_under_every_nesting() -> Result<()> {
    let x = Tensor::from([1.0, 2.0]);
    let loss = |x: &Tensor| claimed(x).sum();
    assert_eq!(values(&grad_only(loss).call(&x, ())?), [5.0, 20.0]);
    // Second derivatives come from the backward function: d/dx 5 x^2.
    let second = grad_only(|x: &Tensor| grad_only(loss).call(x, ()).map(|dx| dx.sum())).call(&x, ())?;
    assert_eq!(values(&second), [10.0, 20.0]);
    let third = |x: &Tensor| grad_only(claimed).call(x, ());
    let third = grad_only(|x: &Tensor| grad_only(third).call(x, ())).call(&number(2.0), ())?;
    assert_eq!(third.item::<f64>()?, 10.0);
    // In vmap in grad, and grad in vmap, the custom function batched.
    let mapped = |x: &Tensor| vmap(claimed).call(x, ()).map(|y| y.sum());
    assert_eq!(values(&grad_only(mapped).call(&x, ())?), [5.0, 20.0]);
    let each = vmap(|x: &Tensor| grad_only(claimed).call(x, ())).call(&x, ())?;
    assert_eq!(values(&each), [5.0, 20.0]);
    let twice = |x: &Tensor| vmap(|x: &Tensor| grad_only(claimed).call(x, ())).call(x, ()).map(|dx| dx.sum());
    assert_eq!(values(&grad_only(twice).call(&x, ())?), [10.0, 20.0]);
    Ok(())
}

#[test]
fn custom_rules_take_and_give_trees() -> Result<()> {
    let scaled = custom_vjp(
        |(x, a): &(Tensor, Tensor)| ((x * a, a + 1.0), (x.clone(), a.clone())),
        |(x, a): &(Tensor, Tensor), (dy, dz): &(Tensor, Tensor)| (dy * a, (dy * x).sum() + dz),
    );
    let loss = |p: &(Tensor, Tensor)| {
        let (y, z) = scaled.call(p);
        y.sum() * z
    };
    let p = (Tensor::from([1.0, 2.0]), number(3.0));
    let (dx, da) = grad_only(loss).call(&p, ())?;
    // y.sum() = 9, z = 4: dx = 4 a, da = 4 (1 + 2) + 9.
    assert_eq!((values(&dx), values(&da)), (vec![12.0, 12.0], vec![21.0]));
    // 3 a (1 + a) at a = 1: 3 + 6 a.
    let batch = (Tensor::ones([2, 3]).f64(), Tensor::ones([2]).f64());
    let each = vmap(|p: &(Tensor, Tensor)| grad_only(loss).call(p, ())).call(&batch, ())?;
    assert_eq!(values(&each.1), [9.0, 9.0]);
    Ok(())
}

#[test]
fn a_custom_function_runs_once_a_call_and_may_branch_on_values() -> Result<()> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let f = custom_vjp(
        |x: &Tensor| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            let positive = x.item::<f64>().is_ok_and(|x| x > 0.0);
            (if positive { x * 2.0 } else { x * 3.0 }, ())
        },
        |(): &(), dy: &Tensor| dy * 5.0,
    );
    let (dx, y) = grad(|x: &Tensor| f.call(x)).call(&Tensor::from(-1.0), ())?;
    assert_eq!((y.item::<f64>()?, dx.item::<f64>()?), (-3.0, 5.0));
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
    Ok(())
}

#[test]
fn a_gradient_of_ones_own_has_the_forward_mode_that_agrees_with_it() -> Result<()> {
    // Rounding that lets the gradient through: forward mode follows the gradient, not the function.
    let round = custom_vjp(|x: &Tensor| ((x + 0.5).floor(), ()), |_: &(), dy: &Tensor| dy.clone());
    let f = |x: &Tensor| round.call(x).square().sum();
    let (x, dx) = (Tensor::from([2.6, -1.2]), Tensor::from([1.0, 10.0]));
    let (_, along) = jvp(f).call(&x, &dx, ())?;
    assert_eq!(along.item::<f64>()?, 2.0 * 3.0 - 2.0 * 10.0);
    let exp = |x: &Tensor| {
        custom_vjp(|x: &Tensor| (x.exp(), x.exp()), |y: &Tensor, dy: &Tensor| y * dy).call(x).sum()
    };
    let h = hessian(exp).call(&x, ())?;
    assert!(h.diagonal(0, 0, 1).allclose(&x.exp(), 1e-12, 0.0)?);
    let j = jacobian(exp).mode(Mode::Forward).call(&x, ())?;
    assert!(j.allclose(&x.exp(), 1e-12, 0.0)?);

    // `claimed` has the gradient 5 x^2, in forward mode too, under every nesting.
    let push = |x: &Tensor| jvp(claimed).call(x, &x.ones_like(), ()).map(|(_, dy)| dy);
    assert_eq!(push(&number(2.0))?.item::<f64>()?, 20.0);
    let x = Tensor::from([1.0, 2.0]);
    assert_eq!(values(&vmap(push).call(&x, ())?), [5.0, 20.0]);
    let mapped = |x: &Tensor| vmap(claimed).call(x, ());
    assert_eq!(values(&jvp(mapped).call(&x, &x.ones_like(), ())?.1), [5.0, 20.0]);
    assert_eq!(grad_only(push).call(&number(2.0), ())?.item::<f64>()?, 20.0);
    let pull = |x: &Tensor| grad_only(claimed).call(x, ());
    assert_eq!(jvp(pull).call(&number(2.0), &number(1.0), ())?.1.item::<f64>()?, 20.0);
    assert_eq!(jvp(push).call(&number(2.0), &number(1.0), ())?.1.item::<f64>()?, 20.0);
    Ok(())
}

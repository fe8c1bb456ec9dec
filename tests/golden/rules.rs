//! Control flow on computed values, gradients inside of algorithms, and rules of the user's own.

use retrograd::{Result, Tensor, custom_vjp, grad, grad_only, hessian, jvp, stop_gradient};

use crate::nesting::{forward, reverse};
use crate::{Inputs, Results, results};

/// A function at each number of a vector.
fn each(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let values: Vec<Tensor> = x.iter().map(|x| f(&x)).collect::<Result<_>>()?;
    Ok(Tensor::stack(&values, 0))
}

pub(crate) fn grad_through_a_while_loop(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| {
        let (mut x, mut turns) = (x.clone(), 0);
        while x.item::<f64>()? < 100.0 {
            x = x.square() + 0.5;
            turns += 1;
        }
        Ok(x * 10f64.powi(-turns))
    };
    Ok(results([
        ("value", each(&x, f)?),
        ("first", each(&x, |x| reverse(&f, x))?),
        ("first", each(&x, |x| forward(&f, x))?),
        ("second", each(&x, |x| reverse(&|x| reverse(&f, x), x))?),
        ("second", each(&x, |x| reverse(&|x| forward(&f, x), x))?),
    ]))
}

/// A binary tree whose depth and shape depend on the value.
fn tree(x: &Tensor, depth: usize) -> Result<Tensor> {
    if depth == 0 || x.item::<f64>()? > 4.0 {
        return Ok(x.sin());
    }
    Ok(tree(&(x * 1.5), depth - 1)? * x + tree(&(x + 0.3), depth.saturating_sub(2))?)
}

pub(crate) fn grad_through_recursion(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| tree(x, 5);
    Ok(results([
        ("value", each(&x, f)?),
        ("first", each(&x, |x| reverse(&f, x))?),
        ("second", each(&x, |x| forward(&|x| reverse(&f, x), x))?),
        ("second", each(&x, |x| forward(&|x| forward(&f, x), x))?),
    ]))
}

pub(crate) fn branches_on_the_data(inputs: &Inputs) -> Result<Results> {
    let [x, w] = inputs.all(["x", "w"]);
    let f = |w: &Tensor| {
        let mut h = x.clone();
        for _ in 0..40 {
            h *= w;
            h = if h.sum().item::<f64>()? > 0.0 { h.tanh() } else { h.sin() };
        }
        Ok(h.square().sum())
    };
    // The branches see `w` itself: what `hessian` batches are the directions alone.
    let column = |i: usize| {
        let direction = w.zeros_like().with(i, 1.0);
        jvp(|w: &Tensor| grad_only(f).call(w, ())).call(&w, &direction, ()).map(|(_, column)| column)
    };
    let columns: Vec<Tensor> = (0..w.size(0)).map(column).collect::<Result<_>>()?;
    let (gradient, value) = grad(f).call(&w, ())?;
    Ok(results([
        ("value", value),
        ("grad", gradient),
        ("hessian", hessian(f).call(&w, ())?),
        ("hessian", Tensor::stack(&columns, 1)),
    ]))
}

pub(crate) fn implicit_newton(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let solve = |x: &Tensor| {
        let residual = |y: &Tensor| Ok(y.pow(3.0) + y - x);
        let mut y = x * 0.0 + 1.0;
        for _ in 0..25 {
            y = &y - residual(&y)? / reverse(&residual, &y)?;
        }
        Ok(y)
    };
    Ok(results([
        ("y", solve(&x)?),
        ("first", reverse(&solve, &x)?),
        ("first", forward(&solve, &x)?),
        ("second", reverse(&|x| reverse(&solve, x), &x)?),
    ]))
}

pub(crate) fn inner_gradient_steps(inputs: &Inputs) -> Result<Results> {
    let [w, a, b, rate] = inputs.all(["w", "a", "b", "rate"]);
    let train = |w: &Tensor| a.matmul(w).tanh().square().sum();
    let test = |w: &Tensor| b.matmul(w).sin().sum();
    let mut found = Vec::new();
    for steps in [1, 3] {
        let after = |(w, rate): &(Tensor, Tensor)| {
            let mut w = w.clone();
            for _ in 0..steps {
                w = &w - rate * grad_only(train).call(&w, ())?;
            }
            Ok(test(&w))
        };
        let ((dw, d_rate), loss) = grad(after).call(&(w.clone(), rate.clone()), ())?;
        found.extend(
            [("loss", loss), ("grad", dw), ("rate", d_rate)].map(|(n, x)| (format!("{n}_{steps}"), x)),
        );
    }
    Ok(found)
}

pub(crate) fn custom_rule_with_a_wrong_factor(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let sine = custom_vjp(|x: &Tensor| (x.sin(), x.clone()), |x: &Tensor, dy: &Tensor| dy * x.cos() * 3.0);
    let loss = |x: &Tensor| (sine.call(&x.square()) * x).sum();
    let (first, value) = grad(loss).call(&x, ())?;
    let total = |x: &Tensor| grad_only(loss).call(x, ()).map(|dx| dx.sum());
    Ok(results([("value", value), ("first", first), ("second", grad_only(total).call(&x, ())?)]))
}

pub(crate) fn stopped_gradients(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| (x * stop_gradient(&x.sin()) + x.pow(3.0)).sum() * stop_gradient(&x.sum());
    let (first, value) = grad(f).call(&x, ())?;
    let squares = |x: &Tensor| grad_only(f).call(x, ()).map(|dx| dx.square().sum());
    Ok(results([
        ("value", value),
        ("first", first),
        ("second", grad_only(squares).call(&x, ())?),
        ("tangent", jvp(f).call(&x, &x.ones_like(), ())?.1),
    ]))
}

//! Derivatives of derivatives and batches of both, nested in every order.

use retrograd::{Mode, Result, Tensor, grad, grad_only, hessian, jacobian, jvp, vjp, vmap};

use crate::{Inputs, Results, results};

type Scalar<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;
type Derivative = fn(Scalar<'_>, &Tensor) -> Result<Tensor>;

/// The derivative of a function of one number, backward.
pub(crate) fn reverse(f: Scalar<'_>, x: &Tensor) -> Result<Tensor> {
    grad_only(|x: &Tensor| f(x)).call(x, ())
}

/// The derivative of a function of one number, forward.
pub(crate) fn forward(f: Scalar<'_>, x: &Tensor) -> Result<Tensor> {
    jvp(|x: &Tensor| f(x)).call(x, &x.ones_like(), ()).map(|(_, dx)| dx)
}

/// The derivative of order `orders.len()`; the first of `orders` is the innermost.
fn nth(orders: &[Derivative], f: Scalar<'_>, x: &Tensor) -> Result<Tensor> {
    match orders {
        [] => f(x),
        [inner @ .., outer] => outer(&|x| nth(inner, f, x), x),
    }
}

const NESTINGS: [(&str, Derivative, Derivative); 4] = [
    ("grad_of_grad", reverse, reverse),
    ("grad_of_jvp", reverse, forward),
    ("jvp_of_grad", forward, reverse),
    ("jvp_of_jvp", forward, forward),
];

pub(crate) fn perturbation_confusion(inputs: &Inputs) -> Result<Results> {
    let (x, one) = (inputs.get("x"), Tensor::from(1.0));
    let nested = |(name, outer, inner): (&str, Derivative, Derivative)| {
        let f = |x: &Tensor| Ok(x * inner(&|y| Ok(x + y), &one)?);
        Ok((name.to_owned(), outer(&f, &x)?))
    };
    NESTINGS.into_iter().map(nested).collect()
}

pub(crate) fn perturbation_of_a_product(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let nested = |(name, outer, inner): (&str, Derivative, Derivative)| {
        let f = |x: &Tensor| Ok(x * inner(&|y| Ok(x.sin() * y.pow(3.0)), x)?);
        Ok((name.to_owned(), outer(&f, &x)?))
    };
    NESTINGS.into_iter().map(nested).collect()
}

pub(crate) fn three_levels(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let nested = |[first, second, third]: [Derivative; 3]| {
        let f = |x: &Tensor| {
            let g = |y: &Tensor| {
                let h = |z: &Tensor| Ok(x * y * z.square().sin());
                Ok(y * x * third(&h, y)?)
            };
            Ok(x * second(&g, x)?)
        };
        first(&f, &x)
    };
    Ok(results([
        ("grad_jvp_grad", nested([reverse, forward, reverse])?),
        ("jvp_grad_jvp", nested([forward, reverse, forward])?),
        ("grad_grad_grad", nested([reverse, reverse, reverse])?),
    ]))
}

pub(crate) fn closure_over_an_outer_variable(inputs: &Inputs) -> Result<Results> {
    let [x, y] = inputs.all(["x", "y"]);
    let f = |x: &Tensor| {
        let shared = x.sin().exp();
        let inner = |y: &Tensor| Ok((y * x).pow(3.0) + &shared * y);
        Ok(reverse(&inner, &y)? * &shared)
    };
    Ok(results([
        ("value", f(&x)?),
        ("first", reverse(&f, &x)?),
        ("second", nth(&[reverse, reverse], &f, &x)?),
        ("second", nth(&[reverse, forward], &f, &x)?),
    ]))
}

pub(crate) fn rosenbrock(x: &Tensor) -> Tensor {
    let (last, first) = (x.at(1..), x.narrow(0, 0, x.size(0) - 1));
    ((last - first.square()).square() * 100.0 + (1.0 - first).square()).sum()
}

pub(crate) fn hessian_of_rosenbrock(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let (gradient, value) = grad(rosenbrock).call(&x, ())?;
    let backward_twice = jacobian(grad_of_rosenbrock).mode(Mode::Reverse).call(&x, ())?;
    Ok(results([
        ("value", value),
        ("grad", gradient),
        ("hessian", hessian(rosenbrock).call(&x, ())?),
        ("hessian", backward_twice),
    ]))
}

fn grad_of_rosenbrock(x: &Tensor) -> Result<Tensor> {
    grad_only(rosenbrock).call(x, ())
}

pub(crate) fn grad_of_grad_of_tanh(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let first = |x: &Tensor| grad_only(|x: &Tensor| x.tanh().sum()).call(x, ());
    let second = |x: &Tensor| grad_only(|x: &Tensor| first(x).map(|dx| dx.sum())).call(x, ());
    let third = |x: &Tensor| grad_only(|x: &Tensor| second(x).map(|dx| dx.sum())).call(x, ());
    Ok(results([("first", first(&x)?), ("second", second(&x)?), ("third", third(&x)?)]))
}

pub(crate) fn four_derivatives_of_sin_exp(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| Ok(x.exp().sin() * x);
    let mut found = results([("value", f(&x)?)]);
    let orders: [(&str, [Derivative; 4]); 3] = [
        ("reverse", [reverse; 4]),
        ("forward", [forward; 4]),
        ("in_turns", [reverse, forward, reverse, forward]),
    ];
    for (name, transforms) in orders {
        for n in 1..=4 {
            found.push((format!("{name}_{n}"), nth(&transforms[..n], &f, &x)?));
        }
    }
    Ok(found)
}

pub(crate) fn mixed_partials(inputs: &Inputs) -> Result<Results> {
    let at = inputs.all(["x", "y", "z"]);
    let f = |[x, y, z]: &[Tensor; 3]| x.square() * y.pow(3.0) * (z * x).sin();
    // In the order of differentiation: the partial derivative in variable `a`, of it that in `b`, of it that in `c`.
    let partial = |[a, b, c]: [usize; 3]| {
        let first = |v: &[Tensor; 3]| grad_only(f).call(v, ()).map(|d| d[a].clone());
        let second = |v: &[Tensor; 3]| grad_only(first).call(v, ()).map(|d| d[b].clone());
        grad_only(second).call(&at, ()).map(|d| d[c].clone())
    };
    let first = |v: &[Tensor; 3]| grad_only(f).call(v, ()).map(|[dx, ..]| dx);
    let [xx, ..] = grad_only(first).call(&at, ())?;
    Ok(results([
        ("xyz", partial([0, 1, 2])?),
        ("zyx", partial([2, 1, 0])?),
        ("yxz", partial([1, 0, 2])?),
        ("xx", xx),
    ]))
}

pub(crate) fn gradient_of_the_norm_of_a_gradient(inputs: &Inputs) -> Result<Results> {
    let [a, x] = inputs.all(["a", "x"]);
    let loss = |x: &Tensor| a.matmul(x).tanh().square().sum();
    let penalty = |x: &Tensor| grad_only(loss).call(x, ()).map(|dx| dx.norm());
    let (gradient, value) = grad(penalty).call(&x, ())?;
    Ok(results([("value", value), ("grad", gradient)]))
}

fn bilinear(a: &Tensor, x: &Tensor, y: &Tensor) -> Tensor {
    x.matmul(a).dot(y)
}

pub(crate) fn bilinear_form(inputs: &Inputs) -> Result<Results> {
    let [a, x, y] = inputs.all(["a", "x", "y"]);
    let mixed =
        |y: &Tensor| grad_only(bilinear).argument::<1>().call(&a, (&x, y)).map(|dx| dx.square().sum());
    Ok(results([
        ("da", grad_only(bilinear).call(&a, (&x, &y))?),
        ("dx", grad_only(bilinear).argument::<1>().call(&a, (&x, &y))?),
        ("dy", grad_only(bilinear).argument::<2>().call(&a, (&x, &y))?),
        ("mixed", grad_only(mixed).call(&y, ())?),
    ]))
}

pub(crate) fn hessian_of_softmax_cross_entropy(inputs: &Inputs) -> Result<Results> {
    let [w, x, labels] = inputs.all(["w", "x", "labels"]);
    let loss = |w: &Tensor| x.matmul(w).cross_entropy(&labels);
    let (gradient, value) = grad(loss).call(&w, ())?;
    let backward_twice =
        jacobian(|w: &Tensor| grad_only(loss).call(w, ())).mode(Mode::Reverse).call(&w, ())?;
    Ok(results([
        ("loss", value),
        ("grad", gradient),
        ("hessian", hessian(loss).call(&w, ())?),
        ("hessian", backward_twice),
    ]))
}

pub(crate) fn jacobian_of_a_vector_function(inputs: &Inputs) -> Result<Results> {
    let [a, x] = inputs.all(["a", "x"]);
    let f = |x: &Tensor| a.matmul(x).sin() * x.at(1..) + x.prod();
    let jacobian_by = |mode, x: &Tensor| jacobian(f).mode(mode).call(x, ());
    let second = |outer, inner| jacobian(|x: &Tensor| jacobian_by(inner, x)).mode(outer).call(&x, ());
    Ok(results([
        ("value", f(&x)),
        ("jacobian", jacobian(f).call(&x, ())?),
        ("jacobian", jacobian_by(Mode::Forward, &x)?),
        ("jacobian", jacobian_by(Mode::Reverse, &x)?),
        ("second", second(Mode::Forward, Mode::Reverse)?),
        ("second", second(Mode::Reverse, Mode::Forward)?),
        ("second", second(Mode::Reverse, Mode::Reverse)?),
        ("second", second(Mode::Forward, Mode::Forward)?),
    ]))
}

type Weights = (Tensor, Tensor);

fn logistic_loss((w, b): &Weights, x: &Tensor, y: &Tensor) -> Tensor {
    let score = x.dot(w) + b;
    score.softplus() - y * &score
}

pub(crate) fn gradients_for_each_example(inputs: &Inputs) -> Result<Results> {
    let [w, b, x, y] = inputs.all(["w", "b", "x", "y"]);
    let p = (w, b);
    let each = |p: &Weights, x: &Tensor, y: &Tensor| grad_only(logistic_loss).call(p, (x, y));
    let rows = vmap(each).in_axes([None, Some(0), Some(0)]).call(&p, (&x, &y))?;
    let total = |p: &Weights| {
        let losses = vmap(logistic_loss).in_axes([None, Some(0), Some(0)]).call(p, (&x, &y))?;
        Ok(losses.square().sum())
    };
    let gradient = grad_only(total).call(&p, ())?;
    Ok(results([
        ("rows_w", rows.0),
        ("rows_b", rows.1),
        ("grad_of_vmap_w", gradient.0),
        ("grad_of_vmap_b", gradient.1),
    ]))
}

pub(crate) fn vmap_of_vmap(inputs: &Inputs) -> Result<Results> {
    let [x, y] = inputs.all(["x", "y"]);
    let f = |a: &Tensor, b: &Tensor| (a * b).sum().tanh() + (a * b).amax();
    let row = |a: &Tensor| vmap(|b: &Tensor| f(a, b)).in_axes([Some(1)]).call(&y, ());
    let shared = |a: &Tensor, y: &Tensor| vmap(f).in_axes([None, Some(1)]).call(a, y);
    let squares = |x: &Tensor| vmap(row).call(x, ()).map(|table| table.square().sum());
    Ok(results([
        ("table", vmap(row).call(&x, ())?),
        ("table", vmap(shared).in_axes([Some(0), None]).call(&x, &y)?),
        ("transposed", vmap(row).out_axis(1).call(&x, ())?),
        ("transposed", vmap(row).out_axis(-1).call(&x, ())?),
        ("grad", grad_only(squares).call(&x, ())?),
    ]))
}

pub(crate) fn vmap_of_hessian(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| x.sin().square().sum() * x.prod() + rosenbrock(x);
    let one = |x: &Tensor| hessian(f).call(x, ());
    let backward_twice =
        |x: &Tensor| jacobian(|x: &Tensor| grad_only(f).call(x, ())).mode(Mode::Reverse).call(x, ());
    Ok(results([
        ("hessians", vmap(one).call(&x, ())?),
        ("hessians", vmap(backward_twice).call(&x, ())?),
        ("grads", vmap(|x: &Tensor| grad_only(f).call(x, ())).call(&x, ())?),
    ]))
}

pub(crate) fn vmap_of_jvp_and_of_a_pullback(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |x: &Tensor| {
        let [a, b, c] = [x.at(0), x.at(1), x.at(2)];
        Tensor::stack(&[&a * b, c.sin(), (a * c).exp(), x.sum()], 0)
    };
    let along = |t: &Tensor| jvp(f).call(&x, t, ()).map(|(_, dy)| dy);
    let (_, pull) = vjp(f).call(&x, ())?;
    Ok(results([
        ("columns", vmap(along).call(&Tensor::eye(3).f64(), ())?),
        ("rows", vmap(|w: &Tensor| pull.call(w)).call(&Tensor::eye(4).f64(), ())?),
        // The pull-back may be called again, and made for each example.
        ("rows", vmap(|w: &Tensor| vjp(f).call(&x, ())?.1.call(w)).call(&Tensor::eye(4).f64(), ())?),
        ("rows", vmap(|w: &Tensor| pull.call(w)).in_axes([Some(1)]).call(&Tensor::eye(4).f64(), ())?),
    ]))
}

pub(crate) fn jvp_of_a_pullback(inputs: &Inputs) -> Result<Results> {
    let [x, w, dx, dw] = inputs.all(["x", "w", "dx", "dw"]);
    let f = |x: &Tensor| x.tanh() * x.square().sum();
    let pull = |(x, w): &(Tensor, Tensor)| vjp(f).call(x, ())?.1.call(w);
    let (value, tangent) = jvp(pull).call(&(x, w), &(dx, dw), ())?;
    Ok(results([("value", value), ("tangent", tangent)]))
}

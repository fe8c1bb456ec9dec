//! How the transforms behave: nesting, closures, threads, control flow, arity, lifetime, batches.

mod custom;

use std::sync::{Mutex, RwLock};

use retrograd::{
    Error, Mode, Result, Rng, Tensor, Tree, grad, grad_only, gradcheck, hessian, hessian_blocks, hvp,
    jacobian, jvp, manual_seed, stop_gradient, tree, vjp, vmap,
};

fn number(x: f64) -> Tensor {
    Tensor::from(x)
}

/// The elements, which must exist.
fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().expect("a valid tensor")
}

#[track_caller]
fn assert_close(got: &Tensor, expected: &Tensor) {
    let close = got.f64().allclose(&expected.f64(), 1e-10, 1e-12).expect("valid tensors");
    assert!(close, "{got} instead of {expected}");
}

/// First derivative of a function of a number, by either mode.
#[derive(Clone, Copy)]
enum D {
    Reverse,
    Forward,
}

/// The derivative of `f` at `x` in the given modes, the first of them outermost.
fn derivative(modes: &[D], f: fn(&Tensor) -> Tensor, x: &Tensor) -> Result<Tensor> {
    match modes {
        [] => Ok(f(x)),
        [D::Reverse, inner @ ..] => grad_only(|x: &Tensor| derivative(inner, f, x)).call(x, ()),
        [D::Forward, inner @ ..] => {
            jvp(|x: &Tensor| derivative(inner, f, x)).call(x, &x.ones_like(), ()).map(|(_, dy)| dy)
        }
    }
}

#[test]
fn derivatives_nest_in_any_order_to_third_order() -> Result<()> {
    // d/dx, d2/dx2, d3/dx3 of sin(x) x^3 at 0.7.
    let f: fn(&Tensor) -> Tensor = |x| x.sin() * x.pow(3.0);
    let x: f64 = 0.7;
    let (s, c) = x.sin_cos();
    let expected = [
        c * x.powi(3) + 3.0 * s * x.powi(2),
        (6.0 * x - x.powi(3)) * s + 6.0 * x.powi(2) * c,
        (6.0 - 9.0 * x.powi(2)) * s + (18.0 * x - x.powi(3)) * c,
    ];
    for (order, &expected) in (1..=3).zip(&expected) {
        for choice in 0..1 << order {
            let modes: Vec<D> =
                (0..order).map(|i| if choice >> i & 1 == 0 { D::Reverse } else { D::Forward }).collect();
            let got = derivative(&modes, f, &number(x))?.item::<f64>()?;
            assert!(
                (got - expected).abs() < 1e-12,
                "order {order}, choice {choice:b}: {got} instead of {expected}"
            );
        }
    }
    Ok(())
}

#[test]
fn perturbations_are_not_confused() -> Result<()> {
    // d/dx (x * d/dy (x + y)) = d/dx x = 1. Confused, it is 2 (Siskind and Pearlmutter, 2005).
    let x = number(1.0);
    let inner =
        |x: &Tensor| -> Result<Tensor> { Ok(x * grad_only(|y: &Tensor| x + y).call(&number(1.0), ())?) };
    assert_eq!(grad_only(inner).call(&x, ())?.item::<f64>()?, 1.0);
    let inner = |x: &Tensor| -> Result<Tensor> {
        let (_, slope) = jvp(|y: &Tensor| x + y).call(&number(1.0), &number(1.0), ())?;
        Ok(x * slope)
    };
    assert_eq!(jvp(inner).call(&x, &number(1.0), ())?.1.item::<f64>()?, 1.0);
    Ok(())
}

#[test]
fn a_perturbation_does_not_leak_through_a_returned_function() -> Result<()> {
    // s(u)(f)(x) = f(x + u); D s(0) is the derivative of f, so D (D s(0) (D s(0) exp))(1) = e: the "amazing bug" of
    // Manzyuk et al. (2019), which gives 0 where perturbations are told apart by depth alone.
    type F = Box<dyn Fn(&Tensor) -> Result<Tensor>>;
    fn shifted_slope(f: F) -> F {
        Box::new(move |x| {
            jvp(|u: &Tensor| f(&(x + u))).call(&number(0.0), &number(1.0), ()).map(|(_, dy)| dy)
        })
    }
    let exp: F = Box::new(|x| Ok(x.exp()));
    let twice = shifted_slope(shifted_slope(exp));
    assert!((twice(&number(1.0))?.item::<f64>()? - 1f64.exp()).abs() < 1e-14);
    Ok(())
}

#[test]
fn closures_read_values_of_outer_levels() -> Result<()> {
    // d/dx sum_i (d/dy x^2 y^3)(i) for i = 1, 2 = d/dx 3 x^2 (1 + 4) = 30 x.
    let outer = |x: &Tensor| -> Result<Tensor> {
        let mut sum = number(0.0);
        for i in [1.0, 2.0] {
            sum += grad_only(|y: &Tensor| x.square() * y.pow(3.0)).call(&number(i), ())?;
        }
        Ok(sum)
    };
    assert_eq!(grad_only(outer).call(&number(2.0), ())?.item::<f64>()?, 60.0);
    // A forward level between two reverse ones, all three in one product.
    let f = |x: &Tensor| -> Result<Tensor> {
        let (_, dz) = jvp(|y: &Tensor| grad_only(|z: &Tensor| x * y.square() * z.square()).call(y, ()))
            .call(&number(3.0), &number(1.0), ())?;
        Ok(dz) // d/dy 2 x y^2 y = 6 x y^2
    };
    assert_eq!(grad_only(f).call(&number(5.0), ())?.item::<f64>()?, 54.0);
    Ok(())
}

#[test]
fn loops_branches_and_recursion_on_values_are_differentiated() -> Result<()> {
    let newton = |a: &Tensor| -> Result<Tensor> {
        let mut x = a.clone();
        while (x.square() - a).abs().item::<f64>()? > 1e-14 {
            x = (&x + a / &x) * 0.5;
        }
        Ok(x)
    };
    let (slope, root) = grad(newton).call(&number(2.0), ())?;
    assert!((root.item::<f64>()? - 2f64.sqrt()).abs() < 1e-14);
    assert!((slope.item::<f64>()? - 0.5 / 2f64.sqrt()).abs() < 1e-12);

    let branch =
        |x: &Tensor| -> Result<Tensor> { Ok(if x.item::<f64>()? > 0.0 { x * 3.0 } else { x.square() }) };
    assert_eq!(grad_only(branch).call(&number(1.0), ())?.item::<f64>()?, 3.0);
    assert_eq!(grad_only(branch).call(&number(-1.0), ())?.item::<f64>()?, -2.0);

    fn power(x: &Tensor, n: u32) -> Tensor {
        if n == 0 { x.ones_like() } else { x * power(x, n - 1) }
    }
    assert_eq!(grad_only(|x: &Tensor| power(x, 5)).call(&number(2.0), ())?.item::<f64>()?, 80.0);
    Ok(())
}

#[test]
fn several_threads_share_a_gradient_and_a_pullback() -> Result<()> {
    let d = grad(|x: &Tensor, a: &Tensor| (x * a).sin().sum());
    let x = Tensor::from([0.1, 0.2, 0.3]);
    let (_, pull) = vjp(|x: &Tensor| x.square()).call(&x, ())?;
    std::thread::scope(|scope| {
        let run = |k: usize| {
            for i in 0..50 {
                let a = number((k * 50 + i) as f64);
                let (dx, _) = d.call(&x, &a).expect("it works");
                assert_close(&dx, &((&x * &a).cos() * &a));
                let dx = pull.call(&Tensor::full([3], i).f64()).expect("it works");
                assert_close(&dx, &(&x * (2 * i as i32)));
            }
        };
        (0..4).for_each(|k| drop(scope.spawn(move || run(k))));
    });
    Ok(())
}

#[test]
fn threads_inside_the_function_record_on_its_tape() -> Result<()> {
    let f = |x: &Tensor| -> Tensor {
        let parts: Vec<Tensor> = std::thread::scope(|scope| {
            let handles: Vec<_> = (1..=4).map(|k| scope.spawn(move || x.pow(f64::from(k)).sum())).collect();
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
        });
        parts.into_iter().reduce(|a, b| a + b).expect("four parts")
    };
    let dx = grad_only(f).call(&Tensor::from([1.0, 2.0]), ())?;
    assert_eq!(values(&dx), [10.0, 1.0 + 4.0 + 12.0 + 32.0]);
    Ok(())
}

#[test]
fn a_pullback_is_called_again_and_outlives_its_inputs() -> Result<()> {
    let (y, pull) = {
        let (x, a) = (Tensor::from([1.0, 2.0, 3.0]), Tensor::from([4.0, 5.0, 6.0]));
        vjp(|x: &Tensor, a: &Tensor| (x * a, x.square().sum())).call(&x, &a)?
    };
    assert_eq!((values(&y.0), values(&y.1)), (vec![4.0, 10.0, 18.0], vec![14.0]));
    drop(y);
    let first = pull.call(&(Tensor::from([1.0, 0.0, 0.0]), number(1.0)))?;
    let second = pull.call(&(Tensor::from([0.0, 1.0, 1.0]), number(0.0)))?;
    assert_eq!((values(&first), values(&second)), (vec![6.0, 4.0, 6.0], vec![0.0, 5.0, 6.0]));
    Ok(())
}

#[derive(Clone, Debug, Tree)]
struct Net {
    w: [Tensor; 2],
    b: Option<Tensor>,
    #[tree(static)]
    rate: f64,
}

fn net() -> Net {
    let w = [Tensor::from([[0.3, -0.2], [0.5, 0.1]]), Tensor::from([0.7, -0.4])];
    Net { w, b: Some(number(0.2)), rate: 0.5 }
}

fn net_loss(p: &Net, x: &Tensor) -> Tensor {
    let y = x.matmul(&p.w[0]).tanh().dot(&p.w[1]) * p.rate;
    (y + p.b.as_ref().expect("has one")).square()
}

#[test]
fn auxiliary_outputs_pass_through_and_are_values() -> Result<()> {
    let kept = Mutex::new(None);
    let f = |p: &Net, x: &Tensor| -> Result<(Tensor, Vec<Tensor>, Tensor)> {
        let h = x.matmul(&p.w[0]);
        *kept.lock().expect("not poisoned") = Some(h.clone());
        Ok((net_loss(p, x), vec![h.clone()], h.argmax(0)))
    };
    let x = Tensor::from([1.0, 2.0]);
    let (gradient, (loss, hidden, place)) = grad(f).call(&net(), &x)?;
    assert_eq!((gradient.rate, gradient.b.is_some()), (0.5, true));
    assert_close(&loss, &net_loss(&net(), &x));
    assert_eq!((hidden[0].shape().to_vec(), place.item::<i64>()?), (vec![2], 0));
    // A taped tensor that escaped is its primal: nothing is recorded any more.
    let escaped = kept.into_inner().expect("not poisoned").expect("was kept");
    assert_close(&escaped, &hidden[0]);
    assert_eq!(values(&(&escaped * 2.0)).len(), 2);
    assert!(grad_only(|x: &Tensor| (x * &escaped).sum()).call(&x, ())?.allclose(&escaped, 0.0, 0.0)?);
    Ok(())
}

#[test]
fn any_argument_of_any_arity_is_differentiated() -> Result<()> {
    let [a, b, c, d, e] = [2.0, 3.0, 5.0, 7.0, 11.0].map(number);
    let (a, b, c, d, e) = (&a, &b, &c, &d, &e);
    let value = |x: Tensor| x.item::<f64>();
    assert_eq!(value(grad_only(|a: &Tensor| a * 1.0).call(a, ())?)?, 1.0);

    let two = || grad_only(|a: &Tensor, b: &Tensor| a * b);
    assert_eq!(value(two().call(a, b)?)?, 3.0);
    assert_eq!(value(two().argument::<1>().call(a, b)?)?, 2.0);

    let three = || grad_only(|a: &Tensor, b: &Tensor, c: &Tensor| a * b * c);
    assert_eq!(value(three().argument::<0>().call(a, (b, c))?)?, 15.0);
    assert_eq!(value(three().argument::<1>().call(a, (b, c))?)?, 10.0);
    assert_eq!(value(three().argument::<2>().call(a, (b, c))?)?, 6.0);

    let four = || grad_only(|a: &Tensor, b: &Tensor, c: &Tensor, d: &Tensor| a * b * c * d);
    assert_eq!(value(four().argument::<0>().call(a, (b, c, d))?)?, 105.0);
    assert_eq!(value(four().argument::<1>().call(a, (b, c, d))?)?, 70.0);
    assert_eq!(value(four().argument::<2>().call(a, (b, c, d))?)?, 42.0);
    assert_eq!(value(four().argument::<3>().call(a, (b, c, d))?)?, 30.0);

    let five =
        || grad_only(|a: &Tensor, b: &[Tensor; 2], d: &Tensor, _: &(), e: &Tensor| a * &b[0] * &b[1] * d * e);
    let pair = &[b.clone(), c.clone()];
    assert_eq!(value(five().argument::<0>().call(a, (pair, d, &(), e))?)?, 1155.0);
    let [db, dc] = five().argument::<1>().call(a, (pair, d, &(), e))?;
    assert_eq!((value(db)?, value(dc)?), (770.0, 462.0));
    assert_eq!(value(five().argument::<2>().call(a, (pair, d, &(), e))?)?, 330.0);
    assert_eq!(value(five().argument::<4>().call(a, (pair, d, &(), e))?)?, 210.0);
    five().argument::<3>().call(a, (pair, d, &(), e))
}

#[test]
fn all_transforms_take_further_arguments() -> Result<()> {
    let (x, a, b) = (Tensor::from([1.0, 2.0]), number(3.0), number(4.0));
    let f = |x: &Tensor, a: &Tensor, b: &Tensor| x.square() * a + b;
    let loss = |x: &Tensor, a: &Tensor, b: &Tensor| (x.square() * a + b).sum();
    assert_eq!(values(&vjp(f).call(&x, (&a, &b))?.1.call(&x)?), [6.0, 24.0]);
    assert_eq!(values(&jvp(f).call(&x, &x, (&a, &b))?.1), [6.0, 24.0]);
    assert_eq!(values(&jacobian(f).call(&x, (&a, &b))?), [6.0, 0.0, 0.0, 12.0]);
    assert_eq!(values(&hessian(loss).call(&x, (&a, &b))?), [6.0, 0.0, 0.0, 6.0]);
    assert_eq!(values(&hvp(loss).call(&x, &x, (&a, &b))?), [6.0, 12.0]);
    assert_eq!(values(&vmap(f).in_axes([Some(0), None, None]).call(&x, (&a, &b))?), [7.0, 16.0]);
    assert_eq!(gradcheck(loss, &x, (&a, &b))?.elements, 2);
    Ok(())
}

#[test]
fn a_functions_own_error_is_the_calls() {
    let f = |x: &Tensor| -> Result<Tensor> {
        let text = String::from_utf8(vec![0xff]).map_err(Error::wrap)?;
        Ok(x * text.len())
    };
    let error = grad(f).call(&number(1.0), ()).expect_err("it failed");
    assert!(
        std::error::Error::source(&error).is_some_and(|source| source.is::<std::string::FromUtf8Error>())
    );
    let error = grad(|_: &Tensor| -> Result<Tensor> { Err(Error::msg("not today")) }).call(&number(1.0), ());
    assert_eq!(error.expect_err("it failed").to_string(), "not today");
}

#[test]
fn a_panic_in_the_function_propagates_and_leaves_the_library_usable() -> Result<()> {
    let escaped = RwLock::new(None);
    let f = |x: &Tensor| -> Tensor {
        *escaped.write().expect("not poisoned") = Some(x.exp());
        std::panic::resume_unwind(Box::new("a bug of the user's"))
    };
    let run = std::panic::AssertUnwindSafe(|| grad(f).call(&number(1.0), ()));
    let payload = std::panic::catch_unwind(run).expect_err("it panicked");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"a bug of the user's"));
    let escaped = escaped.into_inner().expect("not poisoned").expect("was kept");
    assert_close(&escaped, &number(1f64.exp()));
    assert_close(&grad_only(|x: &Tensor| x * &escaped).call(&number(1.0), ())?, &number(1f64.exp()));
    Ok(())
}

#[test]
fn a_hundred_thousand_operations_need_no_stack() {
    const OPERATIONS: usize = 100_000;
    let run = || -> Result<()> {
        let chain = |x: &Tensor| (0..OPERATIONS).fold(x.clone(), |y, _| y * 1.000_01);
        let expected = 1.000_01f64.powi(OPERATIONS as i32);
        let slope = grad_only(chain).call(&number(1.0), ())?.item::<f64>()?;
        assert!((slope / expected - 1.0).abs() < 1e-9);
        // The same kept and dropped without walking back, and in forward mode.
        let (_, pull) = vjp(chain).call(&number(1.0), ())?;
        drop(pull.call(&number(1.0))?);
        drop(pull);
        drop(vjp(chain).call(&number(1.0), ())?);
        let (_, slope) = jvp(chain).call(&number(1.0), &number(1.0), ())?;
        assert!((slope.item::<f64>()? / expected - 1.0).abs() < 1e-9);
        // Twice: the outer tape holds the inner one's walk back too.
        let curved = |x: &Tensor| (0..OPERATIONS / 4).fold(x.clone(), |y, _| (y * 1.000_01).sin());
        let second = grad_only(|x: &Tensor| grad_only(curved).call(x, ())).call(&number(0.1), ())?;
        assert!(second.item::<f64>()?.is_finite());
        Ok(())
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run).expect("a thread");
    thread.join().expect("no overflow").expect("no error");
}

#[test]
fn gradients_of_examples_are_a_vmap_of_the_gradient() -> Result<()> {
    let (p, x) = (net(), Tensor::from([[1.0, 2.0], [-0.5, 0.3], [0.0, 1.5]]));
    let mapped =
        vmap(|p: &Net, x: &Tensor| grad_only(net_loss).call(p, x)).in_axes([None, Some(0)]).call(&p, &x)?;
    for (i, row) in x.iter().enumerate() {
        let alone = grad_only(net_loss).call(&p, &row)?;
        for (all, one) in tree::leaves(&mapped).iter().zip(tree::leaves(&alone)) {
            assert_close(&all.at(i), &one);
        }
    }
    // Their sum is the gradient of the vmap.
    let all =
        |p: &Net, x: &Tensor| vmap(net_loss).in_axes([None, Some(0)]).call(p, x).map(|losses| losses.sum());
    let total = grad_only(all).call(&p, &x)?;
    for (all, total) in tree::leaves(&mapped).iter().zip(tree::leaves(&total)) {
        assert_close(&all.sum_dim(0), &total);
    }
    Ok(())
}

#[test]
fn vmap_maps_over_any_axes() -> Result<()> {
    let (x, y) = (Tensor::arange(6).f64().reshape([2, 3]), Tensor::arange(12).f64().reshape([4, 3]));
    let columns = vmap(|c: &Tensor| c.square().sum()).in_axes([Some(-1)]).call(&x, ())?;
    assert_eq!(values(&columns), [9.0, 17.0, 29.0]);
    let pairs = vmap(|a: &Tensor, b: &Tensor| a.outer(b)).in_axes([Some(1), Some(1)]);
    assert_eq!(pairs.call(&x, &y)?.shape(), [3, 2, 4]);
    let f = |a: &Tensor, b: &Tensor| a.outer(b);
    let last = vmap(f).in_axes([Some(1), Some(1)]).out_axis(-1).call(&x, &y)?;
    assert_eq!(last.shape(), [2, 4, 3]);
    // Every row with every row: nested, over different arguments.
    let products = vmap(|a: &Tensor, y: &Tensor| {
        vmap(|a: &Tensor, b: &Tensor| a.dot(b)).in_axes([None, Some(0)]).call(a, y)
    })
    .in_axes([Some(0), None])
    .call(&x, &y)?;
    assert_close(&products, &x.matmul(&y.t()));
    // An output that does not depend on the example is repeated.
    let constant = vmap(|_: &Tensor| Tensor::from([1.0, 2.0])).call(&x, ())?;
    assert_eq!(values(&constant), [1.0, 2.0, 1.0, 2.0]);
    Ok(())
}

#[test]
fn more_inputs_than_a_set_of_inputs_can_tell_apart_are_batched() -> Result<()> {
    let (x, one) = (Tensor::from([1.0, 2.0]), number(1.0));
    for batched in [0, 40, 62, 63, 64, 99] {
        let f = |x: &Tensor| {
            let parts: Vec<Tensor> =
                (0..100).map(|i| if i == batched { x.clone() } else { one.clone() }).collect();
            Tensor::stack(&parts, 0)
        };
        let all = vmap(f).call(&x, ())?;
        let mut expected = Tensor::ones([2, 100]).f64();
        expected.set((.., batched), &x);
        assert_close(&all, &expected);
        let slope =
            vmap(|x: &Tensor| grad_only(|x: &Tensor| (f(x) * f(x)).sum()).call(x, ())).call(&x, ())?;
        assert_eq!(values(&slope), [2.0, 4.0]);
    }
    Ok(())
}

#[test]
fn examples_draw_numbers_of_their_own() -> Result<()> {
    let mut rng = Rng::seed(3);
    let draw = |rng: &Rng| rng.clone().randn([4]);
    let draws = vmap(draw).call(&rng.split(3), ())?;
    let rows: Vec<Vec<f64>> = draws.iter().map(|row| values(&row)).collect();
    assert!(rows[0] != rows[1] && rows[1] != rows[2] && rows[0] != rows[2]);
    // Splitting again goes on in the sequence; the same seed gives the same numbers.
    assert!(values(&vmap(draw).call(&rng.split(3), ())?) != values(&draws));
    assert_eq!(values(&vmap(draw).call(&Rng::seed(3).split(3), ())?), values(&draws));
    Ok(())
}

#[test]
fn draws_inside_a_gradient_are_the_same_in_both_runs() -> Result<()> {
    let noisy = |x: &Tensor, rng: &Rng| (x * rng.clone().randn([3])).sum();
    let x = Tensor::ones([3]);
    let (dx, _) = grad(noisy).call(&x, &Rng::seed(5))?;
    assert_eq!(values(&dx), values(&Rng::seed(5).randn([3])));
    Ok(())
}

#[test]
fn the_global_generator_repeats_after_its_seed() {
    // The only test of this file that draws from it: tests run at the same time.
    manual_seed(11);
    let (a, b) = (values(&Tensor::randn([5])), values(&Tensor::rand([5])));
    let order = values(&Tensor::randperm(20));
    manual_seed(11);
    assert_eq!((values(&Tensor::randn([5])), values(&Tensor::rand([5]))), (a.clone(), b));
    assert_eq!(values(&Tensor::randperm(20)), order);
    assert_ne!(values(&Tensor::randn([5])), a);
}

#[test]
fn a_jacobian_is_the_same_in_both_modes() -> Result<()> {
    let f = |p: &Net, x: &Tensor| {
        let h = x.matmul(&p.w[0]).tanh();
        h.outer(&p.w[1]) * p.b.as_ref().expect("has one")
    };
    let (p, x) = (net(), Tensor::from([0.3, -1.2]));
    let forward = jacobian(f).mode(Mode::Forward).call(&p, &x)?;
    let reverse = jacobian(f).mode(Mode::Reverse).call(&p, &x)?;
    let chosen = jacobian(f).call(&p, &x)?;
    let leaves = [&forward, &reverse, &chosen].map(tree::leaves);
    for (i, leaf) in tree::leaves(&p).iter().enumerate() {
        let shape: Vec<usize> = [2, 2].into_iter().chain(leaf.shape().to_vec()).collect();
        assert_eq!(leaves[0][i].shape().to_vec(), shape);
        assert_close(&leaves[0][i], &leaves[1][i]);
        assert_close(&leaves[0][i], &leaves[2][i]);
    }
    Ok(())
}

#[test]
fn a_jacobian_by_nothing_or_of_nothing_is_empty() -> Result<()> {
    for mode in [Mode::Forward, Mode::Reverse] {
        let none = jacobian(|_: &Vec<Tensor>| Tensor::ones([2])).mode(mode).call(&vec![], ())?;
        assert!(none.is_empty());
        let j = jacobian(|x: &Tensor| x * 2.0).mode(mode).call(&Tensor::zeros([0]), ())?;
        assert_eq!(j.shape(), [0, 0]);
        let j = jacobian(|x: &Tensor| x.sum_dim(0)).mode(mode).call(&Tensor::zeros([0, 3]), ())?;
        assert_eq!(j.shape(), [3, 0, 3]);
    }
    Ok(())
}

#[test]
fn hessian_blocks_of_a_struct_are_those_of_its_vector() -> Result<()> {
    let (p, x) = (net(), Tensor::from([0.3, -1.2]));
    let blocks = hessian_blocks(net_loss).call(&p, &x)?;
    let (flat, unravel) = tree::ravel(&p);
    let whole = hessian(|flat: &Tensor, x: &Tensor| net_loss(&unravel(flat), x)).call(&flat, &x)?;
    assert_close(&whole, &whole.t());
    let leaves = tree::leaves(&p);
    let mut row = 0;
    for (block, by) in blocks.iter().zip(&leaves) {
        let mut column = 0;
        for (part, of) in tree::leaves(block).iter().zip(&leaves) {
            let expected = whole.narrow(0, row, by.numel()).narrow(1, column, of.numel());
            assert_close(&part.reshape([by.numel(), of.numel()]), &expected);
            column += of.numel();
        }
        row += by.numel();
    }
    // The product with a vector, without the matrix.
    let v = Rng::seed(1).randn([flat.numel()]).f64();
    let (product, _) = tree::ravel(&hvp(net_loss).call(&p, &unravel(&v), &x)?);
    assert_close(&product, &whole.matmul(&v));
    Ok(())
}

#[test]
fn stopped_gradients_are_constants_in_both_modes_and_all_orders() -> Result<()> {
    let f = |x: &Tensor| x.square() * stop_gradient(x);
    let x = number(3.0);
    assert_eq!(grad_only(f).call(&x, ())?.item::<f64>()?, 18.0);
    assert_eq!(jvp(f).call(&x, &number(1.0), ())?.1.item::<f64>()?, 18.0);
    assert_eq!(hessian(f).call(&x, ())?.item::<f64>()?, 6.0);
    let all = vmap(|x: &Tensor| grad_only(f).call(x, ())).call(&Tensor::from([3.0, 1.0]), ())?;
    assert_eq!(values(&all), [18.0, 2.0]);
    Ok(())
}

#[test]
fn integers_ride_along_in_forward_mode() -> Result<()> {
    let index = Tensor::from([2i64, 0]);
    let f = |x: &Tensor| (x.index_select(0, &index) * x.argmax(0).f64(), x.argmax(0));
    let (x, dx) = (Tensor::from([1.0, 5.0, 2.0]), Tensor::from([1.0, 10.0, 100.0]));
    let ((y, at), (dy, dat)) = jvp(f).call(&x, &dx, ())?;
    assert_eq!((values(&y), at.item::<i64>()?), (vec![2.0, 1.0], 1));
    assert_eq!((values(&dy), dat.item::<i64>()?), (vec![100.0, 1.0], 0));
    Ok(())
}

#[test]
fn the_gradient_of_a_product_over_all_axes_of_the_greatest_rank_is_right() -> Result<()> {
    let x = Tensor::arange(256).reshape([2; 8]).f64() * 0.01 + 1.0;
    for axes in [&[0isize][..], &[7], &[1, 3, 5], &[], &[0, 1, 2, 3, 4, 5, 6, 7]] {
        let product = |x: &Tensor| x.prod_dim(axes).sum();
        let dx = grad_only(product).call(&x, ())?;
        assert_close(&dx, &(x.prod_keepdim(axes) / &x));
    }
    Ok(())
}

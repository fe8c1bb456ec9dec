//! Optimized mode gives what direct mode gives, whatever the function does.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use retrograd::{
    ErrorKind, Fallback, Result, Rng, Tensor, Tree, grad, grad_only, hessian, jit, jvp, manual_seed, tree,
    vmap,
};

/// Held by tests that draw from the global generator.
static GENERATOR: Mutex<()> = Mutex::new(());

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().expect("a valid tensor")
}

#[track_caller]
fn assert_same(got: &Tensor, expected: &Tensor) {
    let close = got.f64().allclose(&expected.f64(), 1e-12, 1e-12).expect("valid tensors");
    assert!(close, "{got} instead of {expected}");
}

#[derive(Clone, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

type Network = Vec<Layer>;

fn network(p: &Network, x: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
    let h = p.iter().fold(x.clone(), |h, layer| (h.matmul(&layer.w) + &layer.b).tanh());
    ((&h - y).square().mean(), h)
}

fn layers(rng: &mut Rng) -> Network {
    [(4, 8), (8, 3)].map(|(i, o)| Layer { w: rng.randn([i, o]).f64(), b: rng.randn([o]).f64() }).to_vec()
}

#[test]
fn gradients_and_auxiliary_outputs_are_those_of_direct_mode() -> Result<()> {
    let mut rng = Rng::seed(1);
    let direct = grad(network);
    let optimized = grad(network).optimize(true).fallback(Fallback::Error);
    for rows in [5, 5, 5, 2, 5, 2] {
        let (p, x, y) = (layers(&mut rng), rng.randn([rows, 4]).f64(), rng.randn([rows, 3]).f64());
        let (gradient, (loss, h)) = optimized.call(&p, (&x, &y))?;
        let (expected, (expected_loss, expected_h)) = direct.call(&p, (&x, &y))?;
        assert_same(&loss, &expected_loss);
        assert_same(&h, &expected_h);
        tree::zip(&gradient, &expected, |got, expected| {
            assert_same(got, expected);
            got.clone()
        });
    }
    let stats = optimized.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct), (2, 4, 0), "{stats:?}");
    assert!(stats.live > 0 && stats.live <= stats.arena && stats.packing() <= 1.1, "{stats:?}");
    assert_eq!(stats.reasons, ["compiled anew: argument 1: f64[5, 4] -> f64[2, 4]"]);
    Ok(())
}

#[test]
fn transforms_nest_in_a_compiled_function_and_around_one() -> Result<()> {
    let cube = |x: &Tensor| x.pow(3.0).sum();
    let x = Tensor::from([1.0, 2.0]);
    let inside = jit(move |x: &Tensor| hessian(cube).call(x, ())).fallback(Fallback::Error);
    for _ in 0..3 {
        assert_eq!(values(&inside.call(&x, ())?), [6.0, 0.0, 0.0, 12.0]);
    }
    let compiled = grad_only(cube).optimize(true);
    assert_eq!(values(&compiled.call(&x, ())?), [3.0, 12.0]);
    let outside = jvp(|x: &Tensor| compiled.call(x, ()));
    assert_eq!(values(&outside.call(&x, &Tensor::from([1.0, 1.0]), ())?.1), [6.0, 12.0]);
    let square = jit(|x: &Tensor| x * x);
    assert_eq!(values(&square.call(&Tensor::from(3.0), ())?), [9.0]);
    assert_eq!(values(&vmap(|x: &Tensor| square.call(x, ())).call(&x, ())?), [1.0, 4.0]);
    Ok(())
}

#[test]
fn a_branch_on_a_computed_value_is_taken_anew_in_every_call() -> Result<()> {
    let f = |x: &Tensor| -> Result<Tensor> {
        let sum = x.sum();
        Ok(if sum.item::<f64>()? > 0.0 { x.square().sum() } else { x.sin().sum() })
    };
    let (direct, optimized) = (grad(f), grad(f).optimize(true));
    for (i, sign) in [1.0, -1.0, 1.0, -1.0, -1.0].into_iter().enumerate() {
        let x = Tensor::from([0.3 * sign, 0.1 * i as f64 * sign]);
        let ((got, loss), (expected, expected_loss)) = (optimized.call(&x, ())?, direct.call(&x, ())?);
        assert_same(&got, &expected);
        assert_same(&loss, &expected_loss);
    }
    let stats = optimized.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct), (1, 0, 5), "{stats:?}");
    assert!(
        stats.reasons[0]
            .starts_with("runs directly: it asks for the value of a tensor, at tests/optimized.rs:")
    );

    let strict = grad(f).fallback(Fallback::Error);
    let error = strict.call(&Tensor::from([1.0]), ()).expect_err("it cannot be compiled");
    assert_eq!(error.kind(), ErrorKind::Compile);
    Ok(())
}

#[test]
fn what_was_traced_before_a_value_is_asked_for_runs_once() -> Result<()> {
    let runs = AtomicUsize::new(0);
    let f = jit(|x: &Tensor| -> Result<(Tensor, Tensor)> {
        runs.fetch_add(1, Ordering::Relaxed);
        let y = x * 2.0;
        let first = y.to_vec::<f64>()?[0];
        Ok((&y + first, y))
    });
    let (shifted, y) = f.call(&Tensor::from([1.0, 2.0]), ())?;
    assert_eq!((values(&shifted), values(&y)), (vec![4.0, 6.0], vec![2.0, 4.0]));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    Ok(())
}

#[test]
fn a_captured_cell_that_changes_is_seen_in_the_second_call_and_under_audit() -> Result<()> {
    let (factor, shift) = (Cell::new(2.0), RefCell::new(Tensor::from([1.0, 1.0])));
    let x = Tensor::from([1.0, 2.0]);
    let f = |x: &Tensor| (x * factor.get() + &*shift.borrow()).sum();

    let early = grad(f).optimize(true);
    assert_eq!(early.call(&x, ())?.1.item::<f64>()?, 8.0);
    factor.set(3.0);
    assert_eq!(early.call(&x, ())?.1.item::<f64>()?, 11.0);
    *shift.borrow_mut() = Tensor::from([0.0, 0.0]);
    assert_eq!(early.call(&x, ())?.1.item::<f64>()?, 9.0);
    assert!(early.stats().reasons[0].contains("does not do the same in every call"), "{:?}", early.stats());

    let audited = grad(f).audit(50);
    for call in 1..=60 {
        if call == 50 {
            *shift.borrow_mut() = Tensor::from([5.0, 5.0]);
            factor.set(1.0);
        }
        let expected = if call < 50 { 9.0 } else { 13.0 };
        assert_eq!(audited.call(&x, ())?.1.item::<f64>()?, expected, "call {call}");
    }
    Ok(())
}

#[test]
fn constants_made_in_the_function_are_the_same_in_every_call() -> Result<()> {
    let f = jit(|x: &Tensor| x + Tensor::from_vec(vec![1.0, 2.0, 3.0], [3]) + Rng::seed(3).randn([3]).f64())
        .fallback(Fallback::Error);
    let x = Tensor::from([1.0, 1.0, 1.0]);
    let first = f.call(&x, ())?;
    for _ in 0..3 {
        assert_same(&f.call(&x, ())?, &first);
    }
    Ok(())
}

#[test]
fn random_numbers_differ_from_call_to_call_as_in_direct_mode() -> Result<()> {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let f = |x: &Tensor| x + Tensor::rand([4]).f64() * Tensor::randn([4]).f64();
    let (x, compiled) = (Tensor::zeros([4]).f64(), jit(f).fallback(Fallback::Error));
    manual_seed(7);
    let direct: Vec<Tensor> = (0..4).map(|_| f(&x)).collect();
    manual_seed(7);
    for expected in direct {
        assert_same(&compiled.call(&x, ())?, &expected);
    }
    Ok(())
}

#[test]
fn arguments_may_be_shared_tied_and_returned() -> Result<()> {
    let step = jit(|p: &Vec<Tensor>| p.iter().map(|x| x * 2.0).collect::<Vec<_>>()).fallback(Fallback::Error);
    let tied = Tensor::from([1.0, 2.0]);
    let mut p = vec![tied.clone(), tied.clone(), tied.narrow(0, 1, 1)];
    for _ in 0..3 {
        p = step.call(&p.clone(), ())?;
    }
    assert_eq!((values(&p[0]), values(&p[1]), values(&p[2])), (vec![8.0, 16.0], vec![8.0, 16.0], vec![16.0]));
    assert_eq!(values(&tied), [1.0, 2.0]);

    let views =
        jit(|x: &Tensor| (x.clone(), x.t(), x.narrow(1, 1, 1), Tensor::ones([1]))).fallback(Fallback::Error);
    let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    for _ in 0..3 {
        let (same, transposed, column, one) = views.call(&x, ())?;
        assert_eq!(values(&same), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(values(&transposed), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!((values(&column), values(&one)), (vec![2.0, 4.0], vec![1.0]));
    }
    // Strided and constant arguments.
    let double = jit(|x: &Tensor| x * 2.0 + x).fallback(Fallback::Error);
    for x in [x.clone(), x.t(), Tensor::ones([2, 2]).f64(), Tensor::from([[1.0], [2.0]]).broadcast_to([2, 2])]
    {
        assert_same(&double.call(&x, ())?, &(&x * 3.0));
    }
    Ok(())
}

#[test]
fn four_threads_may_call_one_function() {
    let optimized = grad(network).optimize(true).fallback(Fallback::Error);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let optimized = &optimized;
            scope.spawn(move || {
                let mut rng = Rng::seed(seed);
                for i in 0..20 {
                    let rows = 1 + i % 3;
                    let (p, x, y) =
                        (layers(&mut rng), rng.randn([rows, 4]).f64(), rng.randn([rows, 3]).f64());
                    let got = optimized.call(&p, (&x, &y)).expect("valid");
                    let expected = grad(network).call(&p, (&x, &y)).expect("valid");
                    assert_same(&got.1.0, &expected.1.0);
                    assert_same(&got.0[0].w, &expected.0[0].w);
                }
            });
        }
    });
}

#[test]
fn a_function_may_call_itself() -> Result<()> {
    struct Power<'a>(&'a dyn Fn(&Tensor, usize) -> Result<Tensor>);
    let calls = Cell::new(0);
    let power = |x: &Tensor, n: usize| -> Result<Tensor> {
        fn level(x: &Tensor, n: usize, calls: &Cell<i32>) -> Result<Tensor> {
            calls.set(calls.get() + 1);
            if n == 0 {
                return Ok(x.ones_like());
            }
            let inner = jit(|x: &Tensor| level(x, n - 1, calls));
            Ok(x * inner.call(x, ())?)
        }
        level(x, n, &calls)
    };
    let power = Power(&power);
    let compiled = jit(|x: &Tensor| (power.0)(x, 3)).fallback(Fallback::Error);
    for _ in 0..3 {
        assert_eq!(compiled.call(&Tensor::from(2.0), ())?.item::<f64>()?, 8.0);
    }
    assert_eq!(calls.get(), 8, "traced twice, to a depth of four");
    Ok(())
}

#[test]
fn a_panic_in_the_function_leaves_it_usable() -> Result<()> {
    let fails = Cell::new(true);
    let f = grad(|x: &Tensor| {
        assert!(!fails.get(), "not yet");
        x.square().sum()
    })
    .optimize(true);
    let x = Tensor::from([3.0]);
    let call = std::panic::AssertUnwindSafe(|| f.call(&x, ()));
    assert!(std::panic::catch_unwind(call).is_err());
    fails.set(false);
    for _ in 0..3 {
        assert_eq!(values(&f.call(&x, ())?.0), [6.0]);
    }
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    // A draw outside belongs to no trace that the panic left behind.
    assert!(Tensor::rand([1]).to_vec::<f32>().is_ok());
    Ok(())
}

#[test]
fn errors_are_those_of_direct_mode() {
    let f = |x: &Tensor, i: &Tensor| x.index_select(0, i).sum();
    let (direct, optimized) = (grad(f), grad(f).optimize(true).fallback(Fallback::Error));
    let x = Tensor::from([1.0, 2.0, 3.0]);
    for i in [0i64, 2, 7, 1, 9] {
        let i = Tensor::from([i]);
        match (direct.call(&x, &i), optimized.call(&x, &i)) {
            (Ok((expected, _)), Ok((got, _))) => assert_same(&got, &expected),
            (Err(expected), Err(got)) => {
                // The lines are those of the two calls of `f` here: the same.
                assert_eq!(got.to_string(), expected.to_string());
            }
            (direct, optimized) => panic!("{direct:?} and {optimized:?}"),
        }
    }
    let shapes = jit(|x: &Tensor| x.matmul(x));
    let x = Tensor::zeros([2, 3]);
    assert_eq!(
        shapes.call(&x, ()).expect_err("shapes do not fit").kind(),
        x.matmul(&x).error().expect("the same").kind()
    );
    let invalid = Tensor::zeros([2]).reshape([3]);
    assert!(shapes.call(&invalid, ()).expect_err("an invalid argument").to_string().contains("argument 0"));
}

#[test]
fn many_batch_sizes_compile_a_few_programs_and_run_directly_then() -> Result<()> {
    let f = |w: &Tensor, x: &Tensor| x.matmul(w).tanh().sum();
    let optimized = grad(f).optimize(true);
    let w = Tensor::from([[0.5], [0.25]]);
    for rows in (1..=40).chain(1..=40) {
        let x = Tensor::ones([rows, 2]).f64();
        let ((got, _), (expected, _)) = (optimized.call(&w, &x)?, grad(f).call(&w, &x)?);
        assert_same(&got, &expected);
    }
    let stats = optimized.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct), (8, 8, 64), "{stats:?}");
    Ok(())
}

#[test]
fn static_values_are_part_of_the_signature() -> Result<()> {
    let f = jit(|x: &Tensor, power: &tree::Static<f64>| x.pow(power.0));
    let x = Tensor::from([2.0]);
    for power in [2.0, 3.0, 2.0, 3.0, 3.0] {
        assert_eq!(values(&f.call(&x, &tree::Static(power))?), [2f64.powf(power)]);
    }
    assert_eq!((f.stats().misses, f.stats().hits), (2, 3));
    Ok(())
}

#[test]
fn a_function_with_a_gradient_of_its_own_is_compiled_with_it() -> Result<()> {
    // A straight-through estimator: the forward rounds, the gradient passes.
    let f = |x: &Tensor| {
        let rounded = retrograd::custom_vjp(|x: &Tensor| (x.round(), ()), |(): &(), dy: &Tensor| dy.clone());
        (rounded.call(x) * x).sum()
    };
    let (direct, optimized) = (grad(f), grad(f).fallback(Fallback::Error));
    for x in [[0.4, 1.6], [2.2, -0.7], [1.1, 3.0]] {
        let x = Tensor::from(x);
        assert_same(&optimized.call(&x, ())?.0, &direct.call(&x, ())?.0);
    }
    Ok(())
}

#[test]
fn a_program_is_readable() -> Result<()> {
    let f = jit(|w: &Tensor, x: &Tensor| (x.matmul(w) + 1.0).tanh().t());
    let (w, x) = (Tensor::ones([3, 2]), Tensor::ones([4, 3]));
    let code = f.show_code(&w, &x)?;
    assert_eq!(f.stats().hits, 0, "it was compiled, not run");
    assert!(code.starts_with("fn(v0: f32[3, 2], v1: f32[4, 3]) {\n"), "{code}");
    assert!(code.contains("= matmul(v1, v0)  // tests/optimized.rs:"), "{code}");
    assert!(code.contains(" [@0] = ") && code.contains("= copy(") && code.contains("return out 0"), "{code}");
    assert!(code.contains("fused(v2)") && code.contains(": f32 = tanh("), "{code}");
    assert!(code.ends_with("bytes (at most 128 in use at once)"), "{code}");
    let asks = jit(|x: &Tensor| -> Result<Tensor> { Ok(x * x.sum().item::<f32>()?) });
    assert!(
        asks.show_code(&x, ())?.starts_with("// runs directly: it asks for the value of a tensor, at tests/")
    );
    Ok(())
}

#[test]
fn a_second_call_that_fails_does_not_count_as_the_comparison() -> Result<()> {
    let (fails, factor) = (Cell::new(false), Cell::new(2.0));
    let f = jit(|x: &Tensor| -> Result<Tensor> {
        if fails.get() { Err(retrograd::Error::msg("not now")) } else { Ok(x * factor.get()) }
    });
    let x = Tensor::from([1.0]);
    assert_eq!(values(&f.call(&x, ())?), [2.0]);
    fails.set(true);
    assert!(f.call(&x, ()).is_err());
    fails.set(false);
    factor.set(3.0);
    assert_eq!(values(&f.call(&x, ())?), [3.0]);
    Ok(())
}

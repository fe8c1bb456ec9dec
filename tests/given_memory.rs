//! Memory that the caller gives: arguments that are given away, and gradients that stay where they are.

use std::cell::Cell;

use retrograd::{Fallback, Result, Rng, Tensor, Unreached, debug, grad, grad_only, jit, tree, vmap};

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().expect("a valid tensor")
}

/// Where the elements of a tensor begin.
fn address(x: &Tensor) -> usize {
    x.as_slice::<f64>().expect("f64 without gaps").as_ptr() as usize
}

type Layer = (Tensor, Tensor);

fn loss(p: &Layer, x: &Tensor) -> Tensor {
    (x.matmul(&p.0).tanh() + &p.1).square().mean()
}

fn layer(seed: u64) -> (Layer, Tensor) {
    let mut rng = Rng::seed(seed);
    ((rng.randn([30, 40]).f64(), rng.randn([40]).f64()), rng.randn([5, 30]).f64())
}

#[test]
fn a_step_writes_its_results_over_the_parameters() -> Result<()> {
    let gradient = grad(loss);
    let step = jit(|p: &Layer, x: &Tensor| -> Result<(Layer, Tensor)> {
        let (g, loss) = gradient.call(p, x)?;
        Ok((tree::zip(p, &g, |p, g| p - g * 0.1), loss))
    })
    .fallback(Fallback::Error);
    let (start, x) = layer(1);
    let (mut p, mut expected) = (tree::map(&start, |x| x + 0.0), tree::map(&start, |x| x + 0.0));
    let before = (address(&p.0), address(&p.1));
    for _ in 0..4 {
        let loss;
        (p, loss) = step.call_owned(p, &x)?;
        let same;
        (expected, same) = step.call(&expected, &x)?;
        assert_eq!(values(&loss), values(&same));
        assert_eq!((values(&p.0), values(&p.1)), (values(&expected.0), values(&expected.1)));
        assert_eq!((address(&p.0), address(&p.1)), before);
    }
    assert_eq!((step.stats().misses, step.stats().hits), (1, 7));
    Ok(())
}

#[test]
fn what_others_see_is_not_overwritten() -> Result<()> {
    let step =
        jit(|p: &Vec<Tensor>| p.iter().map(|x| x * 2.0 + 1.0).collect::<Vec<_>>()).fallback(Fallback::Error);
    for _ in 0..3 {
        let p = vec![Tensor::from([1.0, 2.0]), Tensor::from([3.0, 4.0]), Tensor::from([[5.0], [6.0]])];
        let (kept, view) = (p[0].clone(), p[2].squeeze(1));
        let before = address(&p[1]);
        let next = step.call_owned(p, ())?;
        assert_eq!((values(&kept), values(&view)), (vec![1.0, 2.0], vec![5.0, 6.0]));
        assert_eq!(values(&next[0]), [3.0, 5.0]);
        assert_eq!((values(&next[1]), address(&next[1])), (vec![7.0, 9.0], before));
        assert_eq!(values(&next[2]), [11.0, 13.0]);

        // All of a tree, tied leaves, one number for all elements, and a transpose.
        let p = vec![Tensor::from([1.0, 2.0]), Tensor::zeros([2]).f64(), Tensor::from([[1.0, 2.0]]).t()];
        let next = step.call_owned(p.clone(), ())?;
        assert_eq!(
            (values(&next[0]), values(&next[1]), values(&next[2])),
            (vec![3.0, 5.0], vec![1.0; 2], vec![3.0, 5.0])
        );
        assert_eq!((values(&p[0]), values(&p[1])), (vec![1.0, 2.0], vec![0.0; 2]));
        let tied = Tensor::from([1.0, 2.0]);
        let next = step.call_owned(vec![tied.clone(), tied, Tensor::from([[0.0], [0.0]])], ())?;
        assert_eq!((values(&next[0]), values(&next[1])), (vec![3.0, 5.0], vec![3.0, 5.0]));
    }
    Ok(())
}

#[test]
fn results_that_are_arguments_or_views_of_them_keep_their_elements() -> Result<()> {
    let f = jit(|p: &[Tensor; 2], x: &Tensor| {
        let next = &p[0] * 2.0 + x;
        (p[0].t(), next.clone(), next.t(), p[1].clone(), &p[1] + 1.0)
    })
    .fallback(Fallback::Error);
    for _ in 0..3 {
        let p = [Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([1.0])];
        let y = f.call_owned(p, &Tensor::from(1.0))?;
        assert_eq!(values(&y.0), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!((values(&y.1), values(&y.2)), (vec![3.0, 5.0, 7.0, 9.0], vec![3.0, 7.0, 5.0, 9.0]));
        assert_eq!((values(&y.3), values(&y.4)), (vec![1.0], vec![2.0]));
    }
    // A value that is needed after its tensor could have been overwritten.
    let late = jit(|p: &Tensor| (p.exp(), p.sum() * 1.0, p.matmul(p))).fallback(Fallback::Error);
    for _ in 0..3 {
        let (exp, sum, square) = late.call_owned(Tensor::from([[1.0, 0.0], [0.0, 2.0]]), ())?;
        assert!((exp.to_vec::<f64>()?[3] - 2f64.exp()).abs() < 1e-12);
        assert_eq!((values(&sum), values(&square)), (vec![3.0], vec![1.0, 0.0, 0.0, 4.0]));
    }
    Ok(())
}

#[test]
fn a_call_that_fails_or_runs_directly_has_overwritten_nothing() -> Result<()> {
    let pick = jit(|p: &Tensor, i: &Tensor| -> Result<(Tensor, Tensor)> {
        let next = p * 2.0;
        let picked = next.index_select(0, i);
        // A function may do without what failed.
        Ok((next, if picked.error().is_some() { p.sum() } else { picked.sum() }))
    });
    for (i, expected) in [(0i64, 2.0), (1, 4.0), (7, 3.0), (1, 4.0)] {
        let (next, sum) = pick.call_owned(Tensor::from([1.0, 2.0]), &Tensor::from([i]))?;
        assert_eq!((values(&next), values(&sum)), (vec![2.0, 4.0], vec![expected]), "index {i}");
    }
    let asks = jit(|p: &Tensor| -> Result<Tensor> { Ok(p * p.sum().item::<f64>()?) });
    for _ in 0..3 {
        assert_eq!(values(&asks.call_owned(Tensor::from([1.0, 2.0]), ())?), [3.0, 6.0]);
    }
    Ok(())
}

#[test]
fn a_gradient_stays_where_it_is() -> Result<()> {
    for optimize in [false, true] {
        let d = grad(loss).optimize(optimize);
        let (p, x) = layer(2);
        let (expected, value) = grad(loss).call(&p, &x)?;
        let mut gradient = tree::map(&p, |x| x * 0.0);
        let before = (address(&gradient.0), address(&gradient.1));
        for _ in 0..4 {
            let loss = d.call_into(&p, &x, &mut gradient)?;
            assert!(loss.allclose(&value, 1e-13, 1e-13)?);
            assert!(
                gradient.0.allclose(&expected.0, 1e-13, 1e-13)?
                    && gradient.1.allclose(&expected.1, 1e-13, 1e-13)?
            );
            assert_eq!((address(&gradient.0), address(&gradient.1)), before);
        }
        // What somebody holds, or what has another shape, is replaced.
        let held = gradient.0.clone();
        gradient.1 = Tensor::from([1.0, 2.0]);
        let _ = d.call_into(&tree::map(&p, |x| x * 2.0), &x, &mut gradient)?;
        assert!(held.allclose(&expected.0, 1e-13, 1e-13)? && !held.allclose(&gradient.0, 1e-13, 1e-13)?);
        assert_eq!(gradient.1.shape(), [40]);
    }
    Ok(())
}

#[test]
fn a_gradient_that_is_an_argument_or_a_constant_is_written_too() -> Result<()> {
    let f = |p: &[Tensor; 3], x: &Tensor| (&p[0] * x + &p[1] * x).sum();
    let d = grad_only(f).fallback(Fallback::Error);
    let (p, x) =
        ([Tensor::from([1.0, 2.0]), Tensor::from([1.0, 2.0]), Tensor::from(1.0)], Tensor::from([3.0, 4.0]));
    let mut gradient = tree::map(&p, |x| x + 1.0);
    let before = [0, 1].map(|i| address(&gradient[i]));
    for _ in 0..4 {
        d.call_into(&p, &x, &mut gradient)?;
        assert_eq!(
            (values(&gradient[0]), values(&gradient[1]), values(&gradient[2])),
            (vec![3.0, 4.0], vec![3.0, 4.0], vec![0.0])
        );
        assert_eq!([0, 1].map(|i| address(&gradient[i])), before);
        assert_eq!(values(&x), [3.0, 4.0]);
    }
    assert_eq!(d.stats().unreached, ["[2]"]);
    let strict = grad_only(f).unreached(Unreached::Error);
    assert!(strict.call_into(&p, &x, &mut gradient).is_err());
    Ok(())
}

#[test]
fn a_signature_function_tells_programs_apart_and_nothing_less() -> Result<()> {
    let power = std::sync::Arc::new(std::sync::atomic::AtomicI32::new(2));
    let key = power.clone();
    let read = |power: &std::sync::atomic::AtomicI32| power.load(std::sync::atomic::Ordering::Relaxed);
    let calls = Cell::new(0);
    let f = jit(|x: &Tensor, y: &Tensor| {
        calls.set(calls.get() + 1);
        x.pow(f64::from(read(&power))) + y
    })
    .signature(move |_: &Tensor, _: &Tensor| (read(&key), "a key"))
    .fallback(Fallback::Error);
    let y = Tensor::from(1.0);
    for n in [2, 3, 2, 3, 3, 2] {
        power.store(n, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(values(&f.call(&Tensor::from(2.0), &y)?), [2f64.powi(n) + 1.0]);
    }
    // Shapes still count.
    assert_eq!(values(&f.call(&Tensor::from([2.0, 1.0]), &y)?), [5.0, 2.0]);
    let stats = f.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct, calls.get()), (3, 4, 0, 5), "{stats:?}");
    assert_eq!(stats.reasons[0], "compiled anew: what `signature` yields: (2, \"a key\") -> (3, \"a key\")");
    let invalid = Tensor::zeros([2]).reshape([3]);
    let sized = grad(|x: &Tensor| x.sum()).signature(|x: &Tensor| x.size(0));
    assert!(sized.call(&invalid, ()).expect_err("an invalid argument").to_string().contains("argument 0"));
    Ok(())
}

#[test]
fn what_is_printed_is_printed_in_every_call_and_in_order() -> Result<()> {
    let f = |x: &Tensor| {
        let _ = debug::print(x, "first");
        let y = debug::print(&(x * 2.0), "second").tanh();
        let _ = debug::print(x, "first");
        debug::print(&(&y * &y).sum(), "last")
    };
    let x = Tensor::from([0.5, 1.0]);
    let (direct, said) = debug::printed(|| grad(f).call(&x, ()));
    let labels = |said: &[String]| -> Vec<String> {
        said.iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(labels(&said), ["first", "second", "first", "last"]);
    let compiled = grad(f).fallback(Fallback::Error);
    for _ in 0..3 {
        let (optimized, lines) = debug::printed(|| compiled.call(&x, ()));
        assert_eq!(lines, said);
        assert_eq!(values(&optimized?.0), values(&direct.as_ref().expect("valid").0));
    }
    let (rows, said) = debug::printed(|| vmap(|x: &Tensor| debug::print(x, "row") * 2.0).call(&x, ()));
    assert_eq!((values(&rows?), said), (vec![1.0, 2.0], vec!["row: [0.5, 1.0]".to_owned()]));
    Ok(())
}

#[test]
fn fusion_does_not_change_the_order_of_what_is_printed() -> Result<()> {
    // The last sum could join the first group, if what is printed second could be printed first.
    let shown = |first: fn(&Tensor, &Tensor) -> Tensor| {
        move |x: &Tensor| {
            let a = x.exp() * 2.0;
            let b = a.cumsum(0);
            let _ = debug::print(&first(x, &b), "first");
            let second = debug::print(x, "second");
            (a + second) * b
        }
    };
    let x = Tensor::from([0.5, 1.0]);
    for first in [|x: &Tensor, _: &Tensor| x.clone(), |_: &Tensor, b: &Tensor| b.clone()] {
        let f = shown(first);
        let (expected, said) = debug::printed(|| f(&x));
        let compiled = jit(f).fallback(Fallback::Error);
        for _ in 0..3 {
            let (y, lines) = debug::printed(|| compiled.call(&x, ()));
            assert_eq!((values(&y?), &lines), (values(&expected), &said));
        }
    }
    Ok(())
}

#[test]
fn compiled_functions_may_be_shared_and_survive_a_panic() {
    fn shared<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    shared(&jit(|x: &Tensor| x * 2.0).signature(|x: &Tensor| x.rank()));
    shared(&grad(|x: &Tensor| x.sum()).optimize(true));
}

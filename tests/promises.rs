//! What optimized mode promises of calls, however they follow each other: never a stale answer, one function for all
//! threads, for itself, and after a panic.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, LazyLock};

use retrograd::{Fallback, Jit, Result, Tensor, Unreached, grad, hessian, jit, tree, vmap};

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().expect("a valid tensor")
}

fn number(x: &Tensor) -> f64 {
    x.item::<f64>().expect("a valid number")
}

#[test]
fn branches_on_several_values_are_taken_anew_in_every_call() -> Result<()> {
    // Three ways through the function; calls alternate between two signatures and all ways.
    let f = |x: &Tensor| -> Result<Tensor> {
        let mut y = x * 2.0;
        while y.sum().item::<f64>()? > 10.0 {
            y *= 0.5;
        }
        Ok(if y.at(0).item::<f64>()? < 0.0 { y.exp().sum() } else { y.square().sum() })
    };
    let (direct, optimized) = (grad(f), grad(f).optimize(true));
    for call in 0..24 {
        let size = 2 + call % 2;
        let scale = [1.0, -1.0, 20.0, -3.0, 7.0][call % 5];
        let x = (Tensor::arange(size as i64).f64() + 0.5) * scale;
        let ((got, loss), (expected, expected_loss)) = (optimized.call(&x, ())?, direct.call(&x, ())?);
        assert_eq!((values(&got), number(&loss)), (values(&expected), number(&expected_loss)), "call {call}");
    }
    assert_eq!(optimized.stats().hits, 0);
    Ok(())
}

/// What a function captures, and how it changes.
struct Captured {
    factor: Cell<f64>,
    shift: RefCell<Tensor>,
}

type Change = fn(&Captured);

const CHANGES: [(&str, Change); 4] = [
    ("the number", |captured| captured.factor.set(captured.factor.get() + 1.0)),
    ("the tensor", |captured| *captured.shift.borrow_mut() = Tensor::from([5.0, 6.0])),
    ("the tensor's elements", |captured| captured.shift.borrow_mut().set(1, -3.0)),
    ("both", |captured| {
        captured.factor.set(-1.0);
        *captured.shift.borrow_mut() = Tensor::zeros([2]).f64();
    }),
];

#[test]
fn what_is_captured_may_change_before_the_second_call_and_at_an_audited_one() -> Result<()> {
    for (early, change_early) in CHANGES {
        for (late, change_late) in CHANGES {
            for when in [2, 50, 100] {
                let captured =
                    Captured { factor: Cell::new(2.0), shift: RefCell::new(Tensor::from([1.0, 1.0])) };
                let f = |x: &Tensor| (x.square() * captured.factor.get() + &*captured.shift.borrow()).sum();
                let optimized = grad(f).audit(50);
                for call in 1..=110 {
                    if call == when {
                        change_early(&captured);
                    }
                    // Whether it runs directly by then, or is audited again.
                    if call == 100 {
                        change_late(&captured);
                    }
                    let x = Tensor::from([0.5, f64::from(call)]);
                    let ((got, loss), (expected, expected_loss)) =
                        (optimized.call(&x, ())?, grad(f).call(&x, ())?);
                    assert_eq!(
                        (values(&got), number(&loss)),
                        (values(&expected), number(&expected_loss)),
                        "call {call}; {early} changed before call {when}, {late} before call 100"
                    );
                }
                let stats = optimized.stats();
                assert_eq!((stats.misses, stats.hits), (1, when as usize - 2), "{stats:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_audit_of_every_call_sees_every_change() -> Result<()> {
    let factor = Cell::new(1.0);
    let f = jit(|x: &Tensor| x * factor.get()).audit(1);
    for call in 1..20 {
        factor.set(f64::from(call / 7));
        assert_eq!(number(&f.call(&Tensor::from(3.0), ())?), 3.0 * factor.get());
    }
    Ok(())
}

#[test]
fn tied_leaves_have_a_gradient_each() -> Result<()> {
    let f = |p: &(Tensor, Vec<Tensor>)| (p.0.matmul(&p.1[0].t()) * 2.0 + p.1[1].exp()).sum();
    let optimized = grad(f).fallback(Fallback::Error);
    let tied = Tensor::from([[1.0, 2.0], [3.0, -1.0]]);
    for call in 0..3 {
        let apart = |x: &Tensor| x * 1.0;
        // The same tensor three times, then a view of it, then copies: one signature.
        let p = match call {
            0 => (tied.clone(), vec![tied.clone(), tied.clone()]),
            1 => (tied.t(), vec![tied.clone(), tied.t()]),
            _ => (apart(&tied), vec![apart(&tied), apart(&tied)]),
        };
        let ((got, _), (expected, _)) = (optimized.call(&p, ())?, grad(f).call(&p, ())?);
        for (got, expected) in tree::leaves(&got).iter().zip(tree::leaves(&expected)) {
            assert_eq!(values(got), values(&expected));
        }
    }
    Ok(())
}

#[test]
fn a_returned_argument_and_a_view_of_it_keep_their_values() -> Result<()> {
    let f = jit(|x: &Tensor| (x.clone(), x.t(), x.at(0), x.reshape([4]), x * 1.0)).fallback(Fallback::Error);
    for call in 0..4 {
        let mut x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
        let (mut same, turned, first, flat, product) = f.call(&x, ())?;
        // Neither shares what is written to afterwards with the others.
        x.set((0, 0), 10.0);
        same.set((1, 1), 20.0);
        assert_eq!(values(&x), [10.0, 2.0, 3.0, 4.0], "call {call}");
        assert_eq!(values(&same), [1.0, 2.0, 3.0, 20.0]);
        assert_eq!(values(&turned), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!((values(&first), values(&flat)), (vec![1.0, 2.0], vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(values(&product), [1.0, 2.0, 3.0, 4.0]);
        // What a call returned is an argument of the next like any other.
        let again = f.call(&turned, ())?;
        assert_eq!(values(&again.1), [1.0, 2.0, 3.0, 4.0]);
    }
    Ok(())
}

#[test]
fn a_result_is_not_overwritten_by_later_calls() -> Result<()> {
    let f = grad(|x: &Tensor| x.square().sum()).fallback(Fallback::Error);
    let mut kept = Vec::new();
    for call in 0..50 {
        kept.push(f.call(&Tensor::full([100], f64::from(call)).f64(), ())?);
    }
    for (call, (dx, loss)) in kept.iter().enumerate() {
        assert!(values(dx).iter().all(|&dx| dx == 2.0 * call as f64));
        assert_eq!(number(loss), 100.0 * (call * call) as f64);
    }
    Ok(())
}

#[test]
fn four_threads_may_make_the_first_calls_of_a_function_at_once() {
    for round in 0..10 {
        let optimized = grad(|w: &Tensor, x: &Tensor| x.matmul(w).tanh().sum()).fallback(Fallback::Error);
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (optimized, start) = (&optimized, &start);
                scope.spawn(move || {
                    start.wait();
                    for call in 0..6 {
                        // Three signatures, met in another order by each thread.
                        let rows = 1 + (thread + call + round) % 3;
                        let w = Tensor::from([[0.5], [thread as f64]]);
                        let x = (Tensor::arange(2 * rows as i64).f64() * 0.1).reshape([rows, 2]);
                        let (got, loss) = optimized.call(&w, &x).expect("valid");
                        let (expected, expected_loss) =
                            grad(|w: &Tensor, x: &Tensor| x.matmul(w).tanh().sum())
                                .call(&w, &x)
                                .expect("valid");
                        assert_eq!(values(&got), values(&expected));
                        assert_eq!(number(&loss), number(&expected_loss));
                    }
                });
            }
        });
        let stats = optimized.stats();
        assert_eq!(stats.hits + stats.misses, 24, "{stats:?}");
    }
}

type Recursive = fn(&Tensor, &tree::Static<u32>) -> Result<Tensor>;

type Compiled = Jit<Recursive, Tensor, (tree::Static<u32>,), Result<Tensor>>;

/// `x^n`, by itself.
static POWER: LazyLock<Compiled> = LazyLock::new(|| jit(power as Recursive).fallback(Fallback::Error));

fn power(x: &Tensor, n: &tree::Static<u32>) -> Result<Tensor> {
    if n.0 == 0 {
        return Ok(x.ones_like());
    }
    // A call on a value while the function is traced, beside one on what is traced.
    let two = POWER.call(&Tensor::from(2.0), &tree::Static(n.0 - 1))?;
    assert_eq!(two.item::<f64>()?, 2f64.powi(n.0 as i32 - 1));
    Ok(x * POWER.call(x, &tree::Static(n.0 - 1))?)
}

#[test]
fn a_compiled_function_may_call_itself() -> Result<()> {
    for _ in 0..3 {
        assert_eq!(number(&POWER.call(&Tensor::from(3.0), &tree::Static(4))?), 81.0);
        assert_eq!(number(&POWER.call(&Tensor::from(2.0), &tree::Static(3))?), 8.0);
    }
    let twice = hessian(|x: &Tensor| POWER.call(x, &tree::Static(3)));
    assert_eq!(number(&twice.call(&Tensor::from(2.0), ())?), 12.0);
    let each = vmap(|x: &Tensor| POWER.call(x, &tree::Static(2)));
    assert_eq!(values(&each.call(&Tensor::from([1.0, 3.0]), ())?), [1.0, 9.0]);
    Ok(())
}

#[test]
fn a_panic_in_any_call_leaves_the_function_as_it_was() -> Result<()> {
    let fails = Cell::new(false);
    let f = grad(|x: &Tensor| {
        let y = x.square();
        assert!(!fails.get(), "not now");
        y.sum()
    })
    .audit(5);
    let x = Tensor::from([3.0, 4.0]);
    let mut panics = 0;
    // Traced in the first call, in the second, and in every fifth; nothing of the function runs in the others.
    for call in 0..40 {
        fails.set(call % 3 == 0);
        match catch_unwind(AssertUnwindSafe(|| f.call(&x, ()))) {
            Ok(result) => assert_eq!(values(&result?.0), [6.0, 8.0]),
            Err(_) => panics += 1,
        }
    }
    assert!((2..14).contains(&panics), "{panics} panics");
    // A value asked for after a panic comes from no trace that was left open.
    assert_eq!(number(&(x.sum() + 1.0)), 8.0);
    Ok(())
}

#[test]
fn an_error_of_the_function_is_returned_in_every_call() -> Result<()> {
    let f = |p: &(Tensor, Tensor)| p.0.square().sum();
    let (direct, optimized) =
        (grad(f).unreached(Unreached::Error), grad(f).unreached(Unreached::Error).optimize(true));
    let p = (Tensor::from([1.0]), Tensor::from([2.0]));
    let expected = direct.call(&p, ()).expect_err("the second is not reached");
    for _ in 0..4 {
        let error = optimized.call(&p, ()).expect_err("the second is not reached");
        assert_eq!(error.to_string(), expected.to_string());
    }
    Ok(())
}

/// How long that takes is measured by `cargo bench --bench overhead`.
#[test]
fn a_thousand_batch_sizes_have_right_answers() -> Result<()> {
    let f = |w: &Tensor, x: &Tensor| x.matmul(w).tanh().square().sum();
    let (direct, optimized) = (grad(f), grad(f).optimize(true));
    let w = Tensor::from([[0.5, -0.25], [0.125, 1.0]]);
    for rows in 1..=1000 {
        let x = (Tensor::arange(2 * rows as i64).f64() * 0.01).reshape([rows, 2]);
        let ((got, loss), (expected, expected_loss)) = (optimized.call(&w, &x)?, direct.call(&w, &x)?);
        assert_eq!(number(&loss), number(&expected_loss), "{rows} rows");
        assert_eq!(values(&got), values(&expected), "{rows} rows");
    }
    let stats = optimized.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct), (8, 0, 992), "{stats:?}");
    Ok(())
}

#[test]
fn the_64_programs_that_were_used_last_are_kept() -> Result<()> {
    let f = jit(|x: &Vec<Tensor>| x.iter().fold(Tensor::from(0.0), |sum, x| sum + x * 2.0))
        .fallback(Fallback::Error);
    // Vectors of different lengths have signatures of their own.
    let call = |length: usize| -> Result<usize> {
        let before = f.stats().misses;
        let x: Vec<Tensor> = (0..length).map(|i| Tensor::from(i as f64)).collect();
        assert_eq!(number(&f.call(&x, ())?), (length * (length - 1)) as f64);
        Ok(f.stats().misses - before)
    };
    for length in 1..=64 {
        assert_eq!(call(length)?, 1);
    }
    assert_eq!(call(1)?, 0);
    // The one of length 2 is the one used longest ago.
    assert_eq!((call(65)?, call(1)?, call(3)?, call(2)?), (1, 0, 0, 1));
    Ok(())
}

#[test]
fn printing_a_tensor_keeps_the_function_compiled() -> Result<()> {
    let f = jit(|x: &Tensor| {
        let shown = format!("{x} {x:?}");
        assert!(shown.contains("f64"), "{shown}");
        x * 2.0
    })
    .fallback(Fallback::Error);
    for _ in 0..3 {
        assert_eq!(values(&f.call(&Tensor::from([1.0, 2.0]), ())?), [2.0, 4.0]);
    }
    assert_eq!((f.stats().hits, f.stats().direct), (2, 0));
    Ok(())
}

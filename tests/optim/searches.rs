//! L-BFGS and conjugate gradients.

use retrograd::optim::{ConjugateGradient, Lbfgs, LineSearch, Minimizer};
use retrograd::{Result, Tensor, grad, tree};

use super::golden::{Problem, assert_close, assert_same_bits, golden};

const WOLFE: Option<LineSearch> = Some(LineSearch::StrongWolfe);

fn by_name(name: &str) -> Lbfgs {
    match name {
        "fixed" => Lbfgs::new(0.01).max_iter(4),
        "fixed_short" => Lbfgs::new(0.005).max_iter(3).history_size(2),
        "wolfe" => Lbfgs::default().max_iter(4).line_search_fn(WOLFE),
        "wolfe_short" => Lbfgs::new(0.5).max_iter(6).history_size(3).line_search_fn(WOLFE),
        "wolfe_stingy" => Lbfgs::default().max_iter(5).max_eval(Some(6)).line_search_fn(WOLFE),
        "fixed_tenth" => Lbfgs::new(0.1).max_iter(1),
        "fixed_three" => Lbfgs::new(0.1).max_iter(3).history_size(3),
        "wolfe_bare" => Lbfgs::default().max_iter(1).line_search_fn(WOLFE),
        "wolfe_once" => Lbfgs::default().max_iter(1).max_eval(Some(20)).line_search_fn(WOLFE),
        other => panic!("no settings `{other}`"),
    }
}

#[test]
fn lbfgs_goes_where_pytorch_goes_with_as_many_evaluations() -> Result<()> {
    for want in &golden().lbfgs {
        let problem = Problem::named(&want.problem);
        let (gradient, lbfgs) = (grad(problem.loss), by_name(&want.name));
        let (mut params, mut state) = (problem.params.clone(), lbfgs.start(&problem.params)?);
        for (i, step) in want.steps.iter().enumerate() {
            let what = format!("{} on {}, step {i}", want.name, want.problem);
            let found = lbfgs.minimize(&params, &state, |p| gradient.call(p, &problem.batches[0]))?;
            (params, state) = (found.params, found.state);
            let counts = [state.n_iter.item::<i64>()?, state.func_evals.item::<i64>()?];
            assert_eq!(counts, step.counts, "{what}");
            // A line search divides small differences of values by each other, and so roundings grow from step to step.
            let relative = if i < 4 { 1e-10 } else { 1e-6 };
            assert_close(&[found.output.item()?], &[step.loss], relative, 1e-12, &what);
            assert_close(&problem.flat(&params), &step.params, relative, 1e-12, &what);
        }
    }
    assert_eq!(golden().lbfgs.len(), 18);
    Ok(())
}

#[test]
fn lbfgs_stays_with_pytorch_for_twenty_steps_where_roundings_do_not_grow() -> Result<()> {
    for want in &golden().long_lbfgs {
        let problem = Problem::named(&want.problem);
        let (gradient, lbfgs) = (grad(problem.loss), by_name(&want.name));
        let (mut params, mut state) = (problem.params.clone(), lbfgs.start(&problem.params)?);
        let mut seen = golden().seen.iter().zip(&want.steps).peekable();
        for i in 1..=20 {
            let found = lbfgs.minimize(&params, &state, |p| gradient.call(p, &problem.batches[0]))?;
            (params, state) = (found.params, found.state);
            let Some((_, step)) = seen.next_if(|(at, _)| **at == i) else { continue };
            let what = format!("{} on {}, step {i}", want.name, want.problem);
            let counts = [state.n_iter.item::<i64>()?, state.func_evals.item::<i64>()?];
            assert_eq!(counts, step.counts, "{what}");
            assert_close(&[found.output.item()?], &[step.loss], 1e-10, 1e-12, &what);
            assert_close(&problem.flat(&params), &step.params, 1e-10, 1e-12, &what);
        }
        assert!(seen.next().is_none(), "{} on {}", want.name, want.problem);
    }
    assert_eq!(golden().long_lbfgs.len(), 15);
    Ok(())
}

#[test]
fn a_search_without_evaluations_left_never_ends_where_there_is_no_number() -> Result<()> {
    // The first length leads from 0.1 to below zero, where the root has no value.
    let gradient = grad(|x: &Tensor| x.sqrt().sum());
    let x = Tensor::from([0.1]);
    let lbfgs = Lbfgs::new(1.0).max_iter(1).line_search_fn(WOLFE);
    let found = lbfgs.minimize(&x, &lbfgs.start(&x)?, |x| gradient.call(x, ()))?;
    assert_eq!(found.params.to_vec::<f64>()?, [0.1]);
    let cg = ConjugateGradient::new(1.0).max_iter(1).max_eval(Some(2));
    let found = cg.minimize(&x, &cg.start(&x)?, |x| gradient.call(x, ()))?;
    assert_eq!(found.params.to_vec::<f64>()?, [0.1]);
    Ok(())
}

/// `(x - c)^T A (x - c) / 2`, whose least value is 0 at `c`.
fn bowl(x: &Tensor, a: &Tensor, c: &Tensor) -> Tensor {
    let off = x - c;
    off.dot(&a.mv(&off)) * 0.5
}

/// A symmetric matrix with the eigenvalues 1 to `n`.
fn spread(n: usize) -> Tensor {
    let v = (Tensor::arange(n as i64).f64() * 1.7 + 0.3).sin();
    let v = &v / v.norm();
    let mirror = Tensor::eye(n).f64() - v.outer(&v) * 2.0;
    let values = Tensor::arange(n as i64).f64() + 1.0;
    (&mirror * values).matmul(&mirror.t())
}

#[test]
fn conjugate_gradients_reach_the_minimum_of_a_quadratic_in_as_many_steps_as_it_has_dimensions() -> Result<()>
{
    for n in [1, 2, 5, 10] {
        let (a, c) = (spread(n), (Tensor::arange(n as i64).f64() * 0.9).cos());
        let exact = ConjugateGradient::default().wolfe((1e-9, 1e-7)).max_iter(1).max_eval(Some(50));
        let exact = exact.tolerance_change(0.0).tolerance_grad(1e-12);
        let gradient = grad(bowl);
        let x = Tensor::zeros([n]).f64();
        let (mut x, mut state) = (x.clone(), exact.start(&x)?);
        let first = bowl(&x, &a, &c).item::<f64>()?;
        for step in 0..n {
            let left = bowl(&x, &a, &c).item::<f64>()?;
            assert!(left > 1e-12 * first, "{n} dimensions: there after {step} steps already");
            let found = exact.minimize(&x, &state, |x| gradient.call(x, (&a, &c)))?;
            (x, state) = (found.params, found.state);
        }
        let left = bowl(&x, &a, &c).item::<f64>()?;
        assert!(left < 1e-12 * first, "{n} dimensions: {left:e} of {first:e} left");
    }
    Ok(())
}

#[test]
fn both_find_the_bottom_of_rosenbrocks_valley() -> Result<()> {
    fn least(method: &impl Minimizer) -> Result<()> {
        let valley = |x: &Tensor| {
            let (a, b) = (x.at(..-1), x.at(1..));
            ((&b - a.square()).square() * 100.0 + (1.0 - &a).square()).sum()
        };
        let gradient = grad(valley);
        for start in [[-1.2, 1.0], [3.0, -4.0], [0.0, 0.0]] {
            let x = Tensor::from(start);
            let found = method.minimize(&x, &method.start(&x)?, |x| gradient.call(x, ()))?;
            let value = valley(&found.params).item::<f64>()?;
            assert!(value < 1e-10, "{} from {start:?}: {} with {value:e}", method.name(), found.params);
        }
        Ok(())
    }
    least(&Lbfgs::default().max_iter(100).tolerance_change(1e-15).line_search_fn(WOLFE))?;
    least(&ConjugateGradient::default().max_iter(200).tolerance_change(1e-15))
}

#[test]
fn a_search_goes_on_from_a_state_as_if_it_had_not_stopped() -> Result<()> {
    fn resumes(method: &impl Minimizer) -> Result<()> {
        let problem = Problem::named("network");
        let gradient = grad(problem.loss);
        let steps = |from: &super::golden::Params, state, count| -> Result<_> {
            let mut at = (from.clone(), state);
            for _ in 0..count {
                let found = method.minimize(&at.0, &at.1, |p| gradient.call(p, &problem.batches[0]))?;
                at = (found.params, found.state);
            }
            Ok(at)
        };
        let whole = steps(&problem.params, method.start(&problem.params)?, 6)?;
        let (middle, state) = steps(&problem.params, method.start(&problem.params)?, 3)?;
        // As if written to a file and read again.
        let copied = |x: &Tensor| {
            let (shape, i64s) = (x.shape(), x.dtype() == retrograd::DType::I64);
            if i64s {
                return Tensor::from_vec(x.to_vec::<i64>().expect("values"), shape);
            }
            Tensor::from_vec(x.to_vec::<f64>().expect("values"), shape)
        };
        let resumed = steps(&tree::map(&middle, copied), tree::map(&state, copied), 3)?;
        assert_same_bits(&resumed, &whole, method.name())
    }
    resumes(&Lbfgs::default().max_iter(3).line_search_fn(WOLFE))?;
    resumes(&ConjugateGradient::default().max_iter(3))
}

#[test]
fn searches_ascend_and_take_leaves_of_several_dtypes() -> Result<()> {
    fn climbs(method: &impl Minimizer) -> Result<()> {
        let params = (Tensor::from([3f32, 1.0]), Tensor::from(2.0f64), Tensor::from([7i64]));
        type Params = (Tensor, Tensor, Tensor);
        let hill = |p: &Params| -((p.0.f64() - 1.0).square().sum() + (&p.1 + 1.0).square());
        // The integer leaf is no argument of the derivative; its gradient is zeros.
        let gradient = |p: &Params| -> Result<(Params, Tensor)> {
            let counts = p.2.clone();
            let d = grad(move |q: &(Tensor, Tensor)| hill(&(q.0.clone(), q.1.clone(), counts.clone())));
            let ((a, b), value) = d.call(&(p.0.clone(), p.1.clone()), ())?;
            Ok(((a, b, p.2.zeros_like()), value))
        };
        let found = method.minimize(&params, &method.start(&params)?, gradient)?.params;
        assert_eq!(found.0.dtype(), retrograd::DType::F32);
        assert!(found.0.allclose(&Tensor::from([1f32, 1.0]), 1e-5, 0.0)?, "{}", found.0);
        assert!((found.1.item::<f64>()? + 1.0).abs() < 1e-5, "{}", found.1);
        assert_eq!(found.2.to_vec::<i64>()?, [7]);
        Ok(())
    }
    climbs(&Lbfgs::default().line_search_fn(WOLFE).maximize(true))?;
    climbs(&ConjugateGradient::default().maximize(true))
}

#[test]
fn a_search_that_meets_no_numbers_keeps_the_best_that_it_saw() -> Result<()> {
    // The logarithm has no value beyond 0, where the first long steps lead.
    let gradient = grad(|x: &Tensor| (x - x.log() * 0.001).sum());
    for start in [1.0, 0.5] {
        let x = Tensor::from([start]);
        let lbfgs = Lbfgs::new(10.0).max_iter(60).max_eval(Some(300)).line_search_fn(WOLFE);
        let found = lbfgs.minimize(&x, &lbfgs.start(&x)?, |x| gradient.call(x, ()))?;
        assert!(found.params.allclose(&Tensor::from([0.001]), 1e-3, 0.0)?, "{}", found.params);
        let cg = ConjugateGradient::new(10.0).max_iter(60).max_eval(Some(300));
        let found = cg.minimize(&x, &cg.start(&x)?, |x| gradient.call(x, ()))?;
        assert!(found.params.allclose(&Tensor::from([0.001]), 1e-3, 0.0)?, "{}", found.params);
    }
    Ok(())
}

//! Whole training steps as one program: the same bits, compiled once.

use retrograd::optim::{
    Adam, AdamW, NAdam, Optimizer, RAdam, Schedule, Sgd, State, clip_norm, clip_value, ema,
};
use retrograd::{Fallback, Result, Tensor, Tree, grad, jit, optim, tree};

use super::golden::{Params, Problem, assert_same_bits};
use super::laws::{Mixed, mixed};
use super::named::{Visit, visit_all};

type Carried = (Params, State<Params>);

/// Eight steps in direct mode and compiled.
fn both(name: &str, optimizer: &impl Optimizer, problem: &Problem) -> Result<()> {
    let gradient = grad(problem.loss);
    let whole = |p: &Carried, batch: &Params| -> Result<(Carried, Tensor)> {
        let (g, loss) = gradient.call(&p.0, batch)?;
        Ok((optimizer.step(&p.0, &g, &p.1)?, loss))
    };
    let compiled = jit(whole).fallback(Fallback::Error);
    let begin: Carried = (problem.params.clone(), optimizer.init(&problem.params)?);
    let (mut direct, mut kept, mut given) = (begin.clone(), begin.clone(), begin);
    for (i, batch) in problem.batches.iter().take(8).enumerate() {
        direct = whole(&direct, batch)?.0;
        kept = compiled.call(&kept, batch)?.0;
        given = compiled.call_owned(given, batch)?.0;
        assert_same_bits(&kept, &direct, &format!("{name}, step {i}"))?;
        assert_same_bits(&given, &direct, &format!("{name} over what was given, step {i}"))?;
    }
    let stats = compiled.stats();
    assert_eq!((stats.misses, stats.hits, stats.direct), (1, 15, 0), "{name}: {stats:?}");
    Ok(())
}

#[test]
fn every_optimizer_is_compiled_once_and_keeps_every_bit() {
    struct Compile;
    impl Visit for Compile {
        fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
            both(name, optimizer, &Problem::named("network"))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    visit_all(&mut Compile);
}

#[test]
fn schedules_groups_and_frozen_leaves_are_compiled_too() -> Result<()> {
    let problem = Problem::named("network");
    let rate = Schedule::warmup(0.1, 3).then(Schedule::cosine_warm_restarts(0.1, 2, 2, 0.01));
    let groups = AdamW::new(rate).group("b*", |adam| adam.weight_decay(0.0)).freeze("w1").clip_norm(0.1);
    both("groups", &groups, &problem)?;
    both("radam", &RAdam::new(Schedule::exponential(0.1, 0.9)), &problem)
}

#[test]
fn what_thaws_is_compiled_anew_and_keeps_every_bit() -> Result<()> {
    let problem = Problem::named("network");
    let (gradient, thawed) = (grad(problem.loss), NAdam::new(0.05));
    let frozen = thawed.clone().freeze("w1");
    let rest = |at: &Carried, batch: &Params| -> Result<Carried> {
        let (g, _) = gradient.call(&at.0, batch)?;
        frozen.step(&at.0, &g, &at.1)
    };
    let go = |at: &Carried, batch: &Params| -> Result<Carried> {
        let (g, _) = gradient.call(&at.0, batch)?;
        thawed.step(&at.0, &g, &at.1)
    };
    let (resting, going) = (jit(rest).fallback(Fallback::Error), jit(go).fallback(Fallback::Error));
    for moves in ["---+++", "++--++"] {
        let state =
            if moves.starts_with('+') { thawed.init(&problem.params) } else { frozen.init(&problem.params) };
        let begin: Carried = (problem.params.clone(), state?);
        let (mut direct, mut kept, mut given) = (begin.clone(), begin.clone(), begin);
        for (moves, batch) in moves.chars().zip(&problem.batches) {
            (direct, kept, given) = match moves {
                '+' => (go(&direct, batch)?, going.call(&kept, batch)?, going.call_owned(given, batch)?),
                _ => (rest(&direct, batch)?, resting.call(&kept, batch)?, resting.call_owned(given, batch)?),
            };
            assert_same_bits(&kept, &direct, "thawed")?;
            assert_same_bits(&given, &direct, "thawed over what was given")?;
        }
    }
    Ok(())
}

#[test]
fn single_precision_keeps_every_bit_too() {
    struct Compile;
    impl Visit for Compile {
        fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
            // Other settings are held to f64's bits above.
            if name.contains('_') {
                return;
            }
            let mut problem = Problem::named("network");
            problem.params = tree::cast(&problem.params, retrograd::DType::F32);
            problem.batches = tree::cast(&problem.batches, retrograd::DType::F32);
            both(name, optimizer, &problem).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    visit_all(&mut Compile);
}

#[test]
fn leaves_of_all_dtypes_keep_every_bit() {
    struct Compile;
    impl Visit for Compile {
        fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
            if name.contains('_') {
                return;
            }
            let optimizer = optimizer.clone().clip_norm(0.3);
            let whole = |at: &(Mixed, State<Mixed>), g: &Mixed| optimizer.step(&at.0, g, &at.1);
            let compiled = jit(whole).fallback(Fallback::Error);
            let begin = (mixed(), optimizer.init(&mixed()).expect("a state"));
            let (mut direct, mut fast) = (begin.clone(), begin);
            for step in 0..4 {
                let grads = tree::map(&direct.0, |x| if x.dtype().is_float() { x * 0.5 } else { x.clone() });
                direct = whole(&direct, &grads).expect("a step");
                fast = compiled.call(&fast, &grads).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_same_bits(&fast, &direct, &format!("{name}, step {step}")).expect("valid trees");
            }
            assert_eq!((compiled.stats().misses, compiled.stats().hits), (1, 3), "{name}");
        }
    }
    visit_all(&mut Compile);
}

#[test]
fn clipping_and_averaging_are_part_of_the_program() -> Result<()> {
    type All = (Carried, Params);
    let problem = Problem::named("network");
    let (gradient, sgd) = (grad(problem.loss), Sgd::new(0.5).momentum(0.9));
    let whole = |(at, average): &All, batch: &Params| -> Result<(All, Tensor)> {
        let (g, _) = gradient.call(&at.0, batch)?;
        let (g, norm) = clip_norm(&g, 0.25)?;
        let at = sgd.step(&at.0, &g, &at.1)?;
        // A decay that rises with the count of steps.
        let t = at.1.step.f64();
        let decay = ((&t + 1.0) / (&t + 10.0)).minimum(0.99);
        let average = ema(average, &at.0, decay)?;
        Ok(((at, average), norm))
    };
    let compiled = jit(whole).fallback(Fallback::Error);
    let begin = ((problem.params.clone(), sgd.init(&problem.params)?), problem.params.clone());
    let (mut direct, mut fast) = (begin.clone(), begin);
    for batch in &problem.batches {
        direct = whole(&direct, batch)?.0;
        fast = compiled.call(&fast, batch)?.0;
        assert_same_bits(&fast, &direct, "clipped and averaged")?;
    }
    assert_eq!((compiled.stats().misses, compiled.stats().hits), (1, 19));
    Ok(())
}

#[test]
fn bounds_and_averages_keep_every_bit_when_compiled() -> Result<()> {
    let problem = Problem::named("network");
    let gradient = grad(problem.loss);
    let whole = |average: &Params, g: &Params| -> Result<(Params, Params)> {
        let clipped = clip_value(g, 0.1)?;
        Ok((ema(average, &clipped, 0.9)?, clipped))
    };
    let compiled = jit(whole).fallback(Fallback::Error);
    let (mut direct, mut fast) = (problem.params.clone(), problem.params.clone());
    for batch in &problem.batches {
        let (g, _) = gradient.call(&problem.params, batch)?;
        let (wanted, got) = (whole(&direct, &g)?, compiled.call(&fast, &g)?);
        assert_same_bits(&got, &wanted, "clipped and averaged")?;
        (direct, fast) = (wanted.0, got.0);
    }
    assert_eq!((compiled.stats().misses, compiled.stats().hits), (1, 19));
    Ok(())
}

#[test]
fn a_rate_that_is_an_argument_changes_without_compiling_anew() -> Result<()> {
    let step = jit(|p: &Tensor, g: &Tensor, lr: &Tensor| -> Result<Tensor> {
        let sgd = Sgd::new(lr);
        Ok(sgd.step(p, g, &sgd.init(p)?)?.0)
    })
    .fallback(Fallback::Error);
    let (p, g) = (Tensor::from([1.0]), Tensor::from([1.0]));
    for lr in [0.5, 0.25, 0.125] {
        assert_eq!(step.call(&p, (&g, &Tensor::from(lr)))?.to_vec::<f64>()?, [1.0 - lr]);
    }
    assert_eq!((step.stats().misses, step.stats().hits), (1, 2));
    Ok(())
}

#[test]
fn torchs_wrappers_step_in_place_in_both_modes_and_resume() -> Result<()> {
    let problem = Problem::named("network");
    let mut direct = optim::adam(grad(problem.loss), Adam::new(0.05), problem.params.clone())?;
    let compiled = optim::adam(grad(problem.loss), Adam::new(0.05), problem.params.clone())?;
    let mut compiled = compiled.optimize(true).fallback(Fallback::Error);
    let mut half = None;
    for (i, batch) in problem.batches.iter().enumerate() {
        let wanted = grad(problem.loss).call(direct.params(), batch)?;
        let got = direct.call(batch)?;
        assert_same_bits(&got, &wanted, "gradient and loss are those before the step")?;
        let (gradient, loss) = compiled.call(batch)?;
        assert_same_bits(&gradient, &wanted.0, "gradient of the compiled step")?;
        // Its sum over all axes is fused with what it sums, in another order.
        assert!(loss.allclose(&wanted.1, 1e-14, 0.0)?, "{loss}");
        assert_same_bits(compiled.params(), direct.params(), "parameters")?;
        assert_same_bits(compiled.state(), direct.state(), "state")?;
        if i == 9 {
            half = Some((direct.params().clone(), direct.state().clone()));
        }
    }
    assert_eq!((compiled.stats().misses, compiled.stats().hits, compiled.stats().direct), (1, 19, 0));
    let end = direct.params().clone();
    let (params, state) = half.expect("there were ten steps");
    direct.resume(params, state)?;
    for batch in &problem.batches[10..] {
        let (_, loss) = direct.call(batch)?;
        assert!(loss.item::<f64>()?.is_finite());
    }
    assert_same_bits(direct.params(), &end, "resumed")
}

#[test]
fn after_an_error_parameters_and_state_are_what_they_were() -> Result<()> {
    let loss = |w: &Tensor, x: &Tensor| x.matmul(w).square().mean();
    for optimize in [false, true] {
        let mut step = optim::sgd(grad(loss), Sgd::new(0.1), Tensor::ones([2, 1]))?.optimize(optimize);
        let (_, first) = step.call(&Tensor::ones([3, 2]))?;
        assert_eq!(first.item::<f32>()?, 4.0);
        let before = (step.params().clone(), step.state().clone());
        let error = step.call(&Tensor::ones([3, 7])).expect_err("it does not fit").to_string();
        assert!(error.starts_with("matmul: inner lengths differ"), "{error}");
        assert_same_bits(&(step.params().clone(), step.state().clone()), &before, "after the error")?;
        let (_, second) = step.call(&Tensor::ones([3, 2]))?;
        assert!(second.item::<f32>()? < 4.0);
    }
    Ok(())
}

#[test]
fn a_program_reads_parameters_state_and_gradient_once() -> Result<()> {
    // A fused update of one leaf is one kernel: as many steps of the program as the step counter and it need.
    #[derive(Clone, Tree)]
    struct One {
        w: Tensor,
    }
    let adam = AdamW::new(0.1);
    let step = jit(|p: &(One, State<One>), g: &One| adam.step(&p.0, g, &p.1)).fallback(Fallback::Error);
    let p = One { w: Tensor::ones([64, 64]) };
    let code = step.show_code(&(p.clone(), adam.init(&p)?), &p)?;
    let large = code.lines().filter(|line| line.contains("[64, 64]") && line.contains("fused")).count();
    assert_eq!(large, 1, "{code}");
    Ok(())
}

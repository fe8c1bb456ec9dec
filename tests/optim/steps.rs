//! Twenty steps of every first-order optimizer, against PyTorch and the papers' formulas.

use std::collections::BTreeSet;

use retrograd::optim::{AdamW, Optimizer, RmsProp, Schedule, Sgd, clip_value, ema};
use retrograd::{Result, Tensor, grad, tree};

use super::golden::{Params, Problem, assert_close, flat, golden};
use super::named::{Visit, visit_all};

/// Parameters and state after each step.
fn run(
    optimizer: &impl Optimizer,
    problem: &Problem,
) -> Result<Vec<(Params, retrograd::optim::State<Params>)>> {
    let gradient = grad(problem.loss);
    let mut at = (problem.params.clone(), optimizer.init(&problem.params)?);
    let step = |batch: &Params| {
        let (g, _) = gradient.call(&at.0, batch)?;
        at = optimizer.step(&at.0, &g, &at.1)?;
        Ok(at.clone())
    };
    problem.batches.iter().map(step).collect()
}

#[test]
fn every_optimizer_takes_the_steps_that_pytorch_takes() {
    struct Compare(BTreeSet<String>);
    impl Visit for Compare {
        fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
            for problem in ["quadratic", "network"] {
                let golden_run = golden().runs.iter().find(|run| run.name == name && run.problem == problem);
                let golden_run =
                    golden_run.unwrap_or_else(|| panic!("no golden run of {name} on the {problem}"));
                let posed = Problem::named(problem);
                let steps = run(optimizer, &posed).expect("steps");
                for (step, want) in golden().seen.iter().zip(&golden_run.seen) {
                    let (params, state) = &steps[step - 1];
                    let what = format!("{name} on the {problem} after {step} steps");
                    assert_close(&posed.flat(params), want, 1e-10, 1e-12, &what);
                    assert_eq!(state.step.item::<i64>().expect("a number"), *step as i64);
                }
                if let Some(averages) = &golden_run.averages {
                    let averaged = &steps[19].1.slots["ax"];
                    assert_close(
                        &posed.flat(averaged),
                        averages,
                        1e-10,
                        1e-12,
                        &format!("averages of {name}"),
                    );
                }
            }
            self.0.insert(name.to_owned());
        }
    }
    let mut compared = Compare(BTreeSet::new());
    visit_all(&mut compared);
    let all: BTreeSet<String> = golden().runs.iter().map(|run| run.name.clone()).collect();
    assert_eq!(compared.0, all);
}

/// The parameters of the network after steps in which some of them were frozen.
fn thawed(optimizer: &impl Optimizer) -> Result<Vec<f64>> {
    let (problem, rests) = (Problem::named("network"), &golden().rests);
    let gradient = grad(problem.loss);
    let state = optimizer.clone().freeze(&rests[0]).init(&problem.params)?;
    let mut at = (problem.params.clone(), state);
    for (rests, batch) in rests.iter().zip(&problem.batches) {
        let (g, _) = gradient.call(&at.0, batch)?;
        at = match rests.as_str() {
            "" => optimizer.step(&at.0, &g, &at.1)?,
            name => optimizer.clone().freeze(name).step(&at.0, &g, &at.1)?,
        };
    }
    Ok(problem.flat(&at.0))
}

#[test]
fn frozen_leaves_that_thaw_go_where_pytorchs_parameters_go_that_had_no_gradient() {
    struct Compare;
    impl Visit for Compare {
        fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
            let want = golden().thawed.iter().find(|run| run.name == name);
            let want = want.unwrap_or_else(|| panic!("no golden run of {name}"));
            let got = thawed(optimizer).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_close(&got, &want.params, 1e-10, 1e-12, &format!("{name} after a thaw"));
        }
    }
    visit_all(&mut Compare);
    assert_eq!(2 * golden().thawed.len(), golden().runs.len());
}

#[test]
fn the_centred_rmsprop_has_no_variance_below_zero() -> Result<()> {
    // The variance of gradients that stay the same is lost in roundings, below zero from step 1745 on.
    let rmsprop = RmsProp::default().centered(true);
    let x = Tensor::from([1f32]);
    let mut at = (x.clone(), rmsprop.init(&x)?);
    for step in 0..2500 {
        let gradient = x.full_like(if step < 500 { 2.0 } else { 1.0 });
        at = rmsprop.step(&at.0, &gradient, &at.1)?;
        assert!(at.0.at(0).item::<f32>()?.is_finite(), "after {} steps", step + 1);
    }
    Ok(())
}

#[test]
fn a_schedule_takes_the_place_of_the_rate() -> Result<()> {
    let problem = Problem::named("network");
    let steps = run(&AdamW::new(Schedule::cosine(0.1, 20, 0.0)), &problem)?;
    assert_close(&problem.flat(&steps[19].0), &golden().scheduled, 1e-10, 1e-12, "AdamW under a cosine");
    Ok(())
}

#[test]
fn gradients_are_clipped_to_the_norm_that_pytorch_clips_them_to() -> Result<()> {
    let problem = Problem::named("network");
    let (grads, _) = grad(problem.loss).call(&problem.params, &problem.batches[0])?;
    for want in &golden().clipped {
        let (clipped, norm) = retrograd::optim::clip_norm(&grads, want.limit)?;
        assert_close(&[norm.item()?], &[want.norm], 1e-12, 0.0, "the norm");
        let got = flat(&clipped, &["w1", "b1", "w2", "b2"]);
        assert_close(&got, &want.grads, 1e-12, 1e-15, "the gradients");
    }
    assert_eq!(tree::leaf_count(&grads), 4);
    Ok(())
}

#[test]
fn gradients_are_clipped_to_the_values_that_pytorch_clips_them_to() -> Result<()> {
    let problem = Problem::named("network");
    let (grads, _) = grad(problem.loss).call(&problem.params, &problem.batches[0])?;
    for want in &golden().clipped_by_value {
        let got = problem.flat(&clip_value(&grads, want.limit)?);
        assert_close(&got, &want.grads, 1e-12, 1e-15, "the gradients");
    }
    Ok(())
}

#[test]
fn averages_are_those_of_pytorch() -> Result<()> {
    let problem = Problem::named("network");
    let steps = run(&Sgd::new(5e-3).momentum(0.9), &problem)?;
    for want in &golden().averaged {
        let mut average = problem.params.clone();
        for (params, _) in &steps {
            average = ema(&average, params, want.decay)?;
        }
        assert_close(&problem.flat(&average), &want.average, 1e-10, 1e-12, "the average");
    }
    Ok(())
}

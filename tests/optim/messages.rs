//! What is said when settings or trees do not fit.

use std::collections::BTreeMap;

use retrograd::optim::{
    Adadelta, Adam, Asgd, ConjugateGradient, Lamb, Lbfgs, Leaf, Minimizer, Moment, OneCycle, Optimizer,
    RmsProp, Rprop, Rule, Schedule, Sgd, clip_norm, clip_value, ema,
};
use retrograd::{Result, Tensor, grad};

/// The text of an error without its line, which must be one of this file.
#[track_caller]
fn text<T>(result: Result<T>) -> String {
    let error = match result {
        Ok(_) => panic!("it worked"),
        Err(error) => error.to_string(),
    };
    let Some((before, place)) = error.split_once("\n  at ") else { panic!("{error}") };
    assert!(place.contains("messages.rs:"), "{error}");
    before.to_owned()
}

#[test]
fn a_setting_out_of_its_range_is_refused_by_name() {
    let x = Tensor::from([1.0]);
    let said = |optimizer: Result<_>| text(optimizer);
    assert_eq!(said(Sgd::new(-0.1).init(&x)), "sgd: `lr` is -0.1, and must be 0 or above");
    assert_eq!(said(Sgd::new(f64::NAN).init(&x)), "sgd: `lr` is NaN, and must be 0 or above");
    assert_eq!(said(Sgd::new(0.1).momentum(-1.0).init(&x)), "sgd: `momentum` is -1, and must be 0 or above");
    assert_eq!(said(Sgd::new(0.1).nesterov(true).init(&x)), "sgd: `momentum` is 0, and must be above 0");
    assert_eq!(
        said(Sgd::new(0.1).momentum(0.9).dampening(0.5).nesterov(true).init(&x)),
        "sgd: `dampening` is 0.5, and must be 0 where `nesterov` is set"
    );
    assert_eq!(
        said(Adam::new(0.1).betas((0.9, 1.0)).init(&x)),
        "adam: `betas.1` is 1, and must be at least 0 and below 1"
    );
    assert_eq!(
        said(Adam::new(0.1).eps(-1e-8).init(&x)),
        "adam: `eps` is -0.00000001, and must be 0 or above"
    );
    assert_eq!(
        said(Adadelta::default().rho(1.5).init(&x)),
        "adadelta: `rho` is 1.5, and must be from 0 to 1"
    );
    assert_eq!(
        said(RmsProp::new(0.1).alpha(-1.0).init(&x)),
        "rmsprop: `alpha` is -1, and must be from 0 to 1"
    );
    assert_eq!(
        said(Rprop::new(0.1).etas((1.5, 2.0)).init(&x)),
        "rprop: `etas` are 1.5 and 2, and must be below and above 1"
    );
    assert_eq!(
        said(Rprop::new(0.1).step_sizes((2.0, 1.0)).init(&x)),
        "rprop: `step_sizes` are 2 and 1: the least is first"
    );
    assert_eq!(
        said(Lamb::new(0.1).weight_decay(f64::INFINITY).init(&x)),
        "lamb: `weight_decay` is inf, and must be 0 or above"
    );
    assert_eq!(text(Sgd::new(0.1).clip_norm(-2.0).init(&x)), "sgd: `max_norm` is -2, and must be 0 or above");
    assert_eq!(said(Asgd::new(0.1).t0(-1.0).init(&x)), "asgd: `t0` is -1, and must be 0 or above");
}

#[test]
fn a_step_checks_settings_too() -> Result<()> {
    let x = Tensor::from([1.0]);
    let state = Sgd::new(0.1).init(&x)?;
    assert_eq!(text(Sgd::new(-1.0).step(&x, &x, &state)), "sgd: `lr` is -1, and must be 0 or above");
    Ok(())
}

#[test]
fn a_schedule_names_what_is_wrong_with_it() {
    let x = Tensor::from([1.0]);
    let said = |schedule: Schedule| text(Sgd::new(schedule).init(&x));
    assert_eq!(
        said(Schedule::step(0.1, 0, 0.5)),
        "sgd: schedule `step`: `step_size` is 0, and must be above 0"
    );
    assert_eq!(
        said(Schedule::cosine(0.1, 0, 0.0)),
        "sgd: schedule `cosine`: `t_max` is 0, and must be above 0"
    );
    assert_eq!(
        said(Schedule::exponential(-0.1, 0.5)),
        "sgd: schedule `exponential`: `lr` is -0.1, and must be 0 or above"
    );
    assert_eq!(
        said(OneCycle::new(0.1, 10).pct_start(2.0).into()),
        "sgd: schedule `OneCycle`: `pct_start` is 2, and must be from 0 to 1"
    );
    assert_eq!(
        said(Schedule::exponential(0.1, 0.5).then(0.2)),
        "sgd: schedule: exponential(0.1, 0.5) has no end, so nothing can follow it; say how long it holds with `.lasting(steps)`"
    );
    assert_eq!(
        said(Tensor::from([0.1, 0.2]).into()),
        "sgd: `lr` is f64[2], and must be a floating-point number of rank 0"
    );
    let refused = Schedule::constant(-1.0).value(0).expect_err("a negative rate").to_string();
    assert_eq!(refused, "`lr` is -1, and must be 0 or above");
}

#[test]
fn trees_that_do_not_fit_are_told_apart_by_path() -> Result<()> {
    let sgd = Sgd::new(0.1);
    let named = |names: &[&str]| -> BTreeMap<String, Tensor> {
        names.iter().map(|name| ((*name).to_owned(), Tensor::ones([2]))).collect()
    };
    let params = named(&["a", "b"]);
    let state = sgd.init(&params)?;
    assert_eq!(
        text(sgd.step(&params, &named(&["a"]), &state)),
        r#"sgd: the parameters have 2 leaves and the gradients 1: `["b"]` there, no leaf here"#
    );
    assert_eq!(
        text(sgd.step(&params, &named(&["a", "c"]), &state)),
        r#"sgd: the parameters have 2 leaves and the gradients 2: `["b"]` there, `["c"]` here"#
    );
    let mut other = params.clone();
    other.insert("b".to_owned(), Tensor::ones([3]));
    assert_eq!(
        text(sgd.step(&params, &other, &state)),
        r#"sgd: the gradient of `["b"]` is f32[3], the parameter f32[2]"#
    );
    other.insert("b".to_owned(), Tensor::ones([2]).f64());
    assert_eq!(
        text(sgd.step(&params, &other, &state)),
        r#"sgd: the gradient of `["b"]` is f64[2], the parameter f32[2]"#
    );
    other.insert("b".to_owned(), Tensor::ones([2, 3]).matmul(&Tensor::ones([2, 3])));
    let said = text(sgd.step(&params, &other, &state));
    assert!(said.starts_with(r#"sgd: the gradient of `["b"]`: matmul: inner lengths differ"#), "{said}");
    Ok(())
}

#[test]
fn a_state_of_other_settings_is_refused() -> Result<()> {
    let x = Tensor::from([1.0]);
    let state = Sgd::new(0.1).init(&x)?;
    assert_eq!(
        text(Adam::new(0.1).step(&x, &x, &state)),
        "adam: the state is one of other settings: its slots are none, these settings need exp_avg, exp_avg_sq\n  help: make it by `init` of the same settings"
    );
    let two = Sgd::new(0.1).momentum(0.9).init(&[x.clone(), x.clone()])?;
    let one = retrograd::optim::State {
        step: two.step,
        slots: [("momentum_buffer".to_owned(), vec![x.clone()])].into(),
        leaf_steps: None,
    };
    assert_eq!(
        text(Sgd::new(0.1).momentum(0.9).step(&vec![x.clone(), x.clone()], &vec![x.clone(), x], &one)),
        "sgd: the parameters have 2 leaves and the slot `momentum_buffer` 1: `[1]` there, no leaf here"
    );
    Ok(())
}

#[test]
fn a_state_of_other_shapes_is_refused_even_if_they_broadcast() -> Result<()> {
    let adam = Adam::new(0.1);
    let (wide, x) = ([Tensor::ones([4, 3])], [Tensor::ones([3])]);
    assert_eq!(
        text(adam.step(&x, &x, &adam.init(&wide)?)),
        "adam: the slot `exp_avg` of `[0]` is f32[4, 3], the parameter f32[3]"
    );
    let mut state = adam.init(&x)?;
    let broken = [Tensor::ones([2, 3]).matmul(&Tensor::ones([2, 3]))];
    state.slots.insert("exp_avg".to_owned(), broken);
    let said = text(adam.step(&x, &x, &state));
    assert!(said.starts_with("adam: the slot `exp_avg` of `[0]`: matmul: inner lengths differ"), "{said}");
    Ok(())
}

#[test]
fn counts_of_steps_that_are_none_are_refused() -> Result<()> {
    let sgd = Sgd::new(0.1);
    let x = vec![Tensor::from([1.0]), Tensor::from([2.0])];
    let said = |counts: Vec<Tensor>| -> Result<String> {
        let state = retrograd::optim::State { leaf_steps: Some(counts), ..sgd.init(&x)? };
        Ok(text(sgd.step(&x, &x, &state)))
    };
    assert_eq!(
        said(vec![Tensor::from(3i64)])?,
        "sgd: the parameters have 2 leaves and `leaf_steps` 1: `[1]` there, no leaf here"
    );
    assert_eq!(
        said(vec![Tensor::from(3i64), Tensor::from(3.0)])?,
        "sgd: `leaf_steps` of `[1]` is f64[], and must be i64[], or bool[] for none"
    );
    Ok(())
}

#[test]
fn what_is_no_float_may_have_any_gradient() -> Result<()> {
    let sgd = Sgd::new(0.5);
    let params = (Tensor::from([1.0]), Tensor::from([3i64]));
    let grads = (Tensor::from([1.0]), Tensor::from(0.0));
    let (stepped, _) = sgd.step(&params, &grads, &sgd.init(&params)?)?;
    assert_eq!((stepped.0.to_vec::<f64>()?, stepped.1.to_vec::<i64>()?), (vec![0.5], vec![3]));
    Ok(())
}

#[test]
fn what_does_not_fit_is_not_resumed_from() -> Result<()> {
    let loss = |x: &Tensor| x.square().sum();
    let x = Tensor::from([1.0]);
    let mut step = retrograd::optim::adam(grad(loss), Adam::new(0.1), x.clone())?;
    let other = Sgd::new(0.1).init(&x)?;
    let said = text(step.resume(Tensor::from([2.0]), other));
    assert!(said.starts_with("adam: the state is one of other settings"), "{said}");
    assert_eq!(step.params().to_vec::<f64>()?, [1.0]);
    Ok(())
}

#[test]
fn a_pattern_without_a_leaf_is_told_what_leaves_there_are() {
    let params = (Tensor::from(1.0), [Tensor::from(2.0)]);
    assert_eq!(
        text(Sgd::new(0.1).freeze("bias").init(&params)),
        "sgd: no leaf matches the pattern `bias`; the leaves are `[0]`, `[1][0]`"
    );
}

#[test]
fn a_rule_that_asks_for_a_slot_which_it_does_not_name_is_told_so() -> Result<()> {
    #[derive(Clone, Debug)]
    struct Forgetful;
    impl Rule for Forgetful {
        type Numbers = ();
        fn name(&self) -> &'static str {
            "forgetful"
        }
        fn slots(&self) -> Vec<&'static str> {
            vec!["past"]
        }
        fn numbers(&self, _: &Moment) {}
        fn update(&self, leaf: &mut Leaf, (): &()) -> Result<Tensor> {
            leaf.keep("past", &leaf.grad.clone())?;
            leaf.slot("future")
        }
    }
    let x = Tensor::from([1.0]);
    assert_eq!(
        text(Forgetful.step(&x, &x, &Forgetful.init(&x)?)),
        "forgetful: there is no slot `future` (there is: past); name it in `Rule::slots`"
    );
    Ok(())
}

#[test]
fn searches_refuse_settings_and_pass_on_what_the_function_says() -> Result<()> {
    let x = Tensor::from([1.0]);
    let refused = |result: Result<_>| result.map(drop).expect_err("a wrong setting").to_string();
    assert_eq!(
        refused(Lbfgs::default().max_iter(0).start(&x).map(drop)),
        "lbfgs: `max_iter` is 0, and must be above 0"
    );
    assert_eq!(
        refused(ConjugateGradient::default().wolfe((0.5, 0.1)).start(&x).map(drop)),
        "conjugate gradient: `wolfe` is 0.5 and 0.1, and the first must be the smaller one"
    );
    let lbfgs = Lbfgs::default();
    let fails = grad(|x: &Tensor| x.matmul(&Tensor::ones([7, 7]).f64()).sum());
    let said = text(lbfgs.minimize(&x, &lbfgs.start(&x)?, |x| fails.call(x, ())));
    assert!(said.starts_with("matmul: "), "{said}");
    let bowl = grad(|x: &Tensor| x.square().sum());
    let long = Tensor::from([1.0, 2.0]);
    let state = lbfgs.minimize(&long, &lbfgs.start(&long)?, |x| bowl.call(x, ()))?.state;
    assert_eq!(
        text(lbfgs.minimize(&x, &state, |x| bowl.call(x, ()))),
        "lbfgs: the state is one of 2 elements, the parameters have 1"
    );
    Ok(())
}

#[test]
fn bounds_and_averages_say_what_they_cannot_work_with() {
    let x = Tensor::from([1.0]);
    assert_eq!(text(clip_norm(&x, -1.0)), "clip_norm: `max_norm` is -1, and must be 0 or above");
    assert_eq!(text(clip_value(&x, f64::NAN)), "clip_value: `clip_value` is NaN, and must be 0 or above");
    assert_eq!(
        text(ema(&(x.clone(),), &(Tensor::from([1.0, 2.0]),), 0.5)),
        "ema: the average of `[0]` is f64[1], the latest value f64[2]"
    );
    assert_eq!(
        text(ema(&x, &x, Tensor::from([0.5]))),
        "ema: `decay` is f64[1], and must be a floating-point number of rank 0"
    );
}

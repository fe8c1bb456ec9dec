//! Torch's way: what a wrapper does in place is what its optimizer does, bit for bit.

use retrograd::optim::{
    self, Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, ConjugateGradient, Lamb, Lbfgs, LineSearch, Lion,
    Minimizer, NAdam, Optimizer, RAdam, RmsProp, Rprop, Searches, Sgd, Steps,
};
use retrograd::{Grad, Result, Tensor, grad};

use super::golden::{Params, Problem, assert_same_bits};

type Loss = fn(&Params, &Params) -> Tensor;
type Gradient = Grad<Loss, Params, (Params,), Tensor>;

/// Six steps; after three a second wrapper goes on from what the first was taken apart into.
fn steps<O: Optimizer>(
    name: &str,
    optimizer: O,
    make: impl Fn(Gradient, O, Params) -> Result<Steps<Loss, Params, (Params,), Tensor, O>>,
) -> Result<()> {
    let problem = Problem::named("network");
    let begin = || make(grad(problem.loss), optimizer.clone(), problem.params.clone());
    let gradient: Gradient = grad(problem.loss);
    let mut wrapped = begin()?;
    let mut at = (problem.params.clone(), optimizer.init(&problem.params)?);
    for (i, batch) in problem.batches.iter().take(6).enumerate() {
        if i == 3 {
            let (params, state) = wrapped.into_parts();
            wrapped = begin()?;
            wrapped.resume(params, state)?;
        }
        let wanted = gradient.call(&at.0, batch)?;
        assert_same_bits(&wrapped.call(batch)?, &wanted, &format!("{name}: gradient and loss of step {i}"))?;
        at = optimizer.step(&at.0, &wanted.0, &at.1)?;
        assert_same_bits(wrapped.params(), &at.0, &format!("{name}: parameters after step {i}"))?;
        assert_same_bits(wrapped.state(), &at.1, &format!("{name}: state after step {i}"))?;
    }
    Ok(())
}

#[test]
fn every_wrapper_steps_as_its_optimizer_and_goes_on_from_its_parts() -> Result<()> {
    steps("sgd", Sgd::new(0.05).momentum(0.9), optim::sgd)?;
    steps("asgd", Asgd::new(0.05).t0(2.0), optim::asgd)?;
    steps("lion", Lion::new(0.01), optim::lion)?;
    steps("adam", Adam::new(0.05), optim::adam)?;
    steps("adamw", AdamW::new(0.05), optim::adamw)?;
    steps("adamax", Adamax::new(0.05), optim::adamax)?;
    steps("nadam", NAdam::new(0.05), optim::nadam)?;
    steps("radam", RAdam::new(0.05), optim::radam)?;
    steps("adagrad", Adagrad::new(0.05), optim::adagrad)?;
    steps("adadelta", Adadelta::default(), optim::adadelta)?;
    steps("rmsprop", RmsProp::new(0.05), optim::rmsprop)?;
    steps("rprop", Rprop::new(0.05), optim::rprop)?;
    steps("lamb", Lamb::new(0.05), optim::lamb)?;
    steps("groups", Adam::new(0.05).group("b*", |adam| adam.lr(0.1)).freeze("w1"), optim::adam)
}

/// The same for a method that searches.
fn searches<M: Minimizer>(
    minimizer: M,
    make: impl Fn(Gradient, M, Params) -> Result<Searches<Loss, Params, (Params,), Tensor, M>>,
) -> Result<()> {
    let (problem, name) = (Problem::named("network"), minimizer.name());
    let begin = || make(grad(problem.loss), minimizer.clone(), problem.params.clone());
    let (gradient, batch): (Gradient, _) = (grad(problem.loss), &problem.batches[0]);
    let mut wrapped = begin()?;
    let mut at = (problem.params.clone(), minimizer.start(&problem.params)?);
    for i in 0..6 {
        if i == 3 {
            let (params, state) = wrapped.into_parts();
            wrapped = begin()?;
            wrapped.resume(params, state);
        }
        let found = minimizer.minimize(&at.0, &at.1, |p| gradient.call(p, batch))?;
        let wanted = (found.gradient, found.output);
        assert_same_bits(&wrapped.call(batch)?, &wanted, &format!("{name}: gradient and loss of step {i}"))?;
        at = (found.params, found.state);
        assert_same_bits(wrapped.params(), &at.0, &format!("{name}: parameters after step {i}"))?;
        assert_same_bits(wrapped.state(), &at.1, &format!("{name}: state after step {i}"))?;
    }
    Ok(())
}

#[test]
fn wrappers_that_search_do_the_same() -> Result<()> {
    let lbfgs = Lbfgs::default().max_iter(3).line_search_fn(Some(LineSearch::StrongWolfe));
    searches(lbfgs, optim::lbfgs)?;
    searches(ConjugateGradient::default().max_iter(3), optim::cg)
}

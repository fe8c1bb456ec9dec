//! Other settings for some leaves, and leaves that stay.

use retrograd::optim::{AdamW, Groups, Optimizer, RmsProp, Rprop, Sgd};
use retrograd::{Result, Tensor, Tree, grad, tree};

use super::golden::{Problem, assert_same_bits};

#[derive(Clone, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

#[derive(Clone, Tree)]
struct Network {
    encoder: Vec<Layer>,
    decoder: Layer,
}

fn network() -> Network {
    let layer = || Layer { w: Tensor::ones([2, 2]), b: Tensor::ones([2]) };
    Network { encoder: vec![layer(), layer()], decoder: layer() }
}

/// How far each leaf moves along a gradient of ones.
fn moved(optimizer: &impl Optimizer) -> Result<Vec<f32>> {
    let params = network();
    let grads = tree::map(&params, Tensor::ones_like);
    let (stepped, _) = optimizer.step(&params, &grads, &optimizer.init(&params)?)?;
    tree::leaves(&stepped).iter().map(|x| Ok(1.0 - x.mean().item::<f32>()?)).collect()
}

#[test]
fn a_group_has_its_own_settings() -> Result<()> {
    let rates = Sgd::new(0.5).group("b", |sgd| sgd.lr(0.25));
    assert_eq!(moved(&rates)?, [0.5, 0.25, 0.5, 0.25, 0.5, 0.25]);
    let decoder = Sgd::new(0.5).group("decoder", |_| Sgd::new(0.125));
    assert_eq!(moved(&decoder)?, [0.5, 0.5, 0.5, 0.5, 0.125, 0.125]);
    Ok(())
}

#[test]
fn all_matching_patterns_apply_in_their_order() -> Result<()> {
    let nested = Groups::of(Sgd::new(0.5))
        .group("encoder[*].w", |sgd| sgd.weight_decay(1.0))
        .group("encoder[1]", |sgd| sgd.lr(0.25));
    assert_eq!(moved(&nested)?, [1.0, 0.5, 0.5, 0.25, 0.5, 0.5]);
    Ok(())
}

#[test]
fn frozen_leaves_stay_whatever_else_matches_them() -> Result<()> {
    let frozen = Sgd::new(0.5).freeze("encoder").group("w", |sgd| sgd.weight_decay(1.0));
    assert_eq!(moved(&frozen)?, [0.0, 0.0, 0.0, 0.0, 1.0, 0.5]);
    let all = Sgd::new(0.5).freeze("*");
    assert_eq!(moved(&all)?, [0.0; 6]);
    Ok(())
}

#[test]
fn a_group_goes_as_if_it_were_alone() -> Result<()> {
    let problem = Problem::named("network");
    let gradient = grad(problem.loss);
    let (grads, _) = gradient.call(&problem.params, &problem.batches[0])?;
    let (plain, centered) = (RmsProp::new(0.01), RmsProp::new(0.03).centered(true).momentum(0.5));
    let other = centered.clone();
    // Groups whose settings need different slots share one state.
    let both = plain.clone().group("b*", move |_| other.clone());
    let step = |optimizer: &dyn Fn(&_, &_, &_) -> Result<_>, state| -> Result<_> {
        let mut at = (problem.params.clone(), state);
        for _ in 0..3 {
            at = optimizer(&at.0, &grads, &at.1)?;
        }
        Ok(at)
    };
    let (mixed, _) = step(&|p, g, s| both.step(p, g, s), both.init(&problem.params)?)?;
    let (one, _) = step(&|p, g, s| plain.step(p, g, s), plain.init(&problem.params)?)?;
    let (two, _) = step(&|p, g, s| centered.step(p, g, s), centered.init(&problem.params)?)?;
    for (name, want) in [("w1", &one), ("w2", &one), ("b1", &two), ("b2", &two)] {
        assert_same_bits(&mixed[name], &want[name], name)?;
    }
    Ok(())
}

#[test]
fn what_was_frozen_goes_on_when_it_thaws() -> Result<()> {
    let params = network();
    let grads = tree::map(&params, Tensor::ones_like);
    let (frozen, thawed) = (AdamW::new(0.1).freeze("encoder"), AdamW::new(0.1));
    let (mut at, decay) = ((params.clone(), frozen.init(&params)?), 1.0 - 0.1 * 1e-2);
    for _ in 0..5 {
        at = frozen.step(&at.0, &grads, &at.1)?;
    }
    // Of what is frozen nothing is remembered, not even in the length of its leaf.
    assert_eq!(at.1.slots["exp_avg"].encoder[0].w.rank(), 0);
    let (params, state) = thawed.step(&at.0, &grads, &at.1)?;
    // The first step of Adam is the rate.
    let first = params.encoder[0].w.mean().item::<f32>()?;
    assert!((first - (decay - 0.1) as f32).abs() < 1e-5, "{first}");
    assert_eq!(state.slots["exp_avg"].encoder[0].w.shape(), [2, 2]);
    assert_eq!((state.step.item::<i64>()?, at.1.leaf_steps.is_some()), (6, true));
    Ok(())
}

#[test]
fn the_first_step_size_of_rprop_is_that_of_its_group() -> Result<()> {
    let groups = Rprop::new(0.5).group("w", |_| Rprop::new(0.25));
    assert_eq!(moved(&groups)?, [0.25, 0.5, 0.25, 0.5, 0.25, 0.5]);
    Ok(())
}

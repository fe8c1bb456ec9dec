//! Instances have names and state, and criterions are instances too.

use std::any::type_name;

use crate::auto::Scratch;
use retrograd::nn::{
    AutoCriterion, AutoModule, BatchNorm1d, Criterion, Instance, Linear, Mode, Sequential, Tanh, create,
    register, registered,
};
use retrograd::{Result, Rng, Tensor, check, grad, tree};

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

#[test]
fn two_networks_of_one_type_are_loaded_by_their_names() -> Result<()> {
    let narrow = || Sequential::new().add(Linear::new(3, 2));
    let wide = || Sequential::new().add(Linear::new(4, 8)).add(Tanh);
    assert_eq!((register("tests/narrow", narrow), register("tests/wide", wide)), (None, None));
    let (first, second) = (Scratch::new("narrow"), Scratch::new("wide"));
    Instance::new(narrow(), Rng::seed(1)).named("tests/narrow").save(&first.0)?;
    let saved = Instance::new(wide(), Rng::seed(2)).named("tests/wide");
    saved.clone().save(&second.0)?;

    let mut again = Instance::<Sequential>::load(&first.0, Rng::seed(3))?;
    assert_eq!((again.name(), again.module().len()), ("tests/narrow", 1));
    assert_eq!(again.forward(&Tensor::ones([5, 3]))?.shape(), [5, 2]);
    let again = Instance::<Sequential>::load(&second.0, Rng::seed(3))?;
    assert_eq!((again.name(), again.module().len()), ("tests/wide", 2));
    for (got, expected) in tree::leaves(again.params()).iter().zip(tree::leaves(saved.params())) {
        assert_eq!(got.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    }
    // What was loaded is saved under the name it was found by.
    again.save(&first.0)?;
    assert_eq!(Instance::<Sequential>::load(&first.0, Rng::seed(3))?.name(), "tests/wide");
    assert_eq!(Instance::new(wide(), Rng::seed(2)).name(), "Sequential");
    Ok(())
}

#[test]
fn a_name_stands_for_one_constructor() -> Result<()> {
    assert_eq!(register("tests/twice", || Linear::new(3, 2)), None);
    assert_eq!(register("tests/twice", || Tanh), Some(type_name::<Linear>()));
    let _: Tanh = create("tests/twice")?;
    assert!(create::<Linear>("tests/twice").is_err());
    Ok(())
}

#[test]
fn an_instance_follows_statistics_in_training_and_takes_them_in_use() -> Result<()> {
    fn state(layer: &Instance<BatchNorm1d>) -> Result<[Vec<f32>; 3]> {
        let stats = layer.state().as_ref().expect("running statistics");
        Ok([
            stats.running_mean.to_vec()?,
            stats.running_var.to_vec()?,
            stats.num_batches_tracked.f32().to_vec()?,
        ])
    }
    let norm = || BatchNorm1d::new(3);
    register("tests/norm", norm);
    let mut layer = Instance::new(norm(), Rng::seed(0)).named("tests/norm");
    let x = numbers(1, &[8, 3]).f32() + 5.0;
    assert!(layer.forward(&x)?.mean_dim(0).allclose(&Tensor::zeros([3]), 0.0, 1e-5)?);
    let followed = Tensor::from(state(&layer)?[0].clone());
    assert!(followed.allclose(&(x.mean_dim(0) * 0.1), 1e-5, 0.0)?, "{followed}");

    layer.eval();
    let before = state(&layer)?;
    let y = layer.forward(&x)?;
    assert_eq!(state(&layer)?, before);
    let [mean, var, batches] = before.clone().map(Tensor::from);
    assert_eq!(batches.to_vec::<f32>()?, [1.0]);
    assert!(y.allclose(&((&x - mean) / (&var + 1e-5).sqrt()), 1e-5, 1e-5)?);
    // The statistics are constants of the gradient in use.
    let dx = layer.backward(&y.ones_like())?;
    let slope = 1.0 / (var + 1e-5).sqrt();
    assert!(dx.allclose(&slope.broadcast_to([8, 3]), 1e-5, 0.0)?);
    assert!(layer.function()(layer.params(), &x).allclose(&y, 1e-6, 1e-6)?);

    let file = Scratch::new("norm");
    layer.save(&file.0)?;
    let mut again = Instance::<BatchNorm1d>::load(&file.0, Rng::seed(7))?;
    assert_eq!(state(&again)?, before);
    again.eval();
    assert_eq!(again.forward(&x)?.to_vec::<f32>()?, y.to_vec::<f32>()?);
    // Training goes on from there, and an older state comes back.
    layer.train();
    let _ = layer.forward(&x)?;
    let later = state(&layer)?;
    assert_eq!(later[2], [2.0]);
    assert_ne!(later[0], before[0]);
    layer.restore(&file.0)?;
    assert_eq!(state(&layer)?, before);
    Ok(())
}

/// Input and target.
type Pair = (Tensor, Tensor);

fn quartic() -> AutoCriterion {
    AutoCriterion::new("tests/quartic", |x: &Tensor, y: &Tensor| (x - y).square().square().mean())
}

#[test]
fn an_auto_criterion_is_a_layer_at_the_end_of_a_network() -> Result<()> {
    let at = (numbers(1, &[4, 3]), numbers(2, &[4, 3]));
    let scaled = AutoModule::new("Scaled", Tensor::ones([3]), |a: &Tensor, (x, y): &Pair| (x * a, y.clone()));
    let net = Sequential::new().add(scaled).add(quartic().to_module());
    for mode in [Mode::Train, Mode::Eval] {
        check::module(quartic().to_module(), &at, mode)?;
        check::module(net.clone(), &at, mode)?;
    }

    let mut net = Instance::new(net, Rng::seed(0));
    let at = tree::map(&at, Tensor::f32);
    let loss = net.forward(&at)?;
    let expected = quartic().forward(&at.0, &at.1).0;
    assert_eq!(loss.item::<f32>()?, expected.item::<f32>()?);
    // Twice, the second time half: one and a half times what `grad` of it yields.
    net.accumulate(&loss.ones_like(), 1.0)?;
    let (dx, dy) = net.backward_scaled(&loss.ones_like(), 0.5)?;
    assert!(dx.allclose(&-dy, 1e-6, 0.0)?);
    let f = net.function();
    let (grads, value) = grad(|p: &Vec<tree::AnyTree>| f(p, &at)).call(net.params(), ())?;
    assert!(value.allclose(&loss, 1e-6, 0.0)?);
    let (got, expected) = (tree::leaves(net.grads()).swap_remove(0), tree::leaves(&grads).swap_remove(0));
    assert!(got.allclose(&(expected * 1.5), 1e-5, 1e-6)?);
    net.zero_grad();
    assert_eq!(tree::leaves(net.grads())[0].to_vec::<f32>()?, [0.0; 3]);
    Ok(())
}

#[test]
fn criterions_with_and_without_parameters_are_saved_and_loaded_by_name() -> Result<()> {
    register("tests/quartic", || quartic().to_module());
    let at = (numbers(1, &[4, 3]).f32(), numbers(2, &[4, 3]).f32());
    let file = Scratch::new("quartic");
    let mut criterion = Instance::new(quartic().to_module(), Rng::seed(0));
    criterion.save(&file.0)?;
    let mut again = Instance::<AutoModule<(), Pair>>::load(&file.0, Rng::seed(1))?;
    assert_eq!(again.name(), "tests/quartic");
    let loss = again.forward(&at)?;
    assert_eq!(loss.item::<f32>()?, criterion.clone().forward(&at)?.item::<f32>()?);
    again.accumulate(&loss.ones_like(), 1.0)?;
    assert_eq!(criterion.forward(&at)?.item::<f32>()?, loss.item::<f32>()?);

    // One that learns how sure it is: `exp(-s) mse + s`.
    let unsure = || {
        AutoModule::new("tests/unsure", Tensor::from(0.5f32), |s: &Tensor, (x, y): &Pair| {
            (x - y).square().mean() * (-s).exp() + s
        })
    };
    register("tests/unsure", unsure);
    let names = registered();
    assert!(["tests/quartic", "tests/unsure"].iter().all(|name| names.iter().any(|known| known == name)));
    let mut criterion = Instance::new(unsure(), Rng::seed(0));
    let loss = criterion.forward(&at)?;
    criterion.accumulate(&loss.ones_like(), 1.0)?;
    criterion.accumulate(&loss.ones_like(), 0.5)?;
    // `ds = 1 - exp(-s) mse`.
    let ds = 1.0 - (loss.item::<f32>()? - 0.5);
    assert!((criterion.grads().item::<f32>()? - 1.5 * ds).abs() < 1e-5);
    criterion.update(0.1);
    criterion.save(&file.0)?;
    let again = Instance::<AutoModule<Tensor, Pair>>::load(&file.0, Rng::seed(1))?;
    assert_eq!(again.params().item::<f32>()?, criterion.params().item::<f32>()?);
    assert_eq!(again.grads().item::<f32>()?, criterion.grads().item::<f32>()?);
    Ok(())
}

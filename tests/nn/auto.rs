//! Layers and criterions with derived gradients, layers as objects, constructors by name.

use retrograd::nn::{
    AutoCriterion, AutoModule, Criterion, Instance, Linear, Mode, MseLoss, Sequential, create,
    criterion_function, functionalize, register, registered,
};
use retrograd::{Result, Rng, Tensor, check, grad, tree};

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

fn gated() -> AutoModule<(Tensor, Tensor)> {
    let params = (Tensor::from([0.5f32, -1.0, 2.0]), Tensor::from([1.0f32, 0.3, 0.1]));
    AutoModule::new("Gated", params, |(a, b): &(Tensor, Tensor), x: &Tensor| {
        (x * a).tanh() * (x * b).sigmoid()
    })
}

#[test]
fn an_auto_module_keeps_the_contract_of_layers() -> Result<()> {
    for mode in [Mode::Train, Mode::Eval] {
        check::module(gated(), &numbers(1, &[4, 3]), mode)?;
        check::module(Sequential::new().add(Linear::new(2, 3)).add(gated()), &numbers(1, &[4, 2]), mode)?;
    }
    Ok(())
}

#[test]
fn an_auto_module_may_take_integers() -> Result<()> {
    let table = AutoModule::new("Rows", numbers(1, &[5, 2]).f32(), |w: &Tensor, i: &Tensor| {
        w.index_select(0, i).tanh()
    });
    check::module(table.clone(), &Tensor::from([3i64, 0, 3]), Mode::Train)?;
    let mut rows = Instance::new(table, Rng::seed(0));
    assert_eq!(rows.forward(&Tensor::from([3i64, 0]))?.shape(), [2, 2]);
    let dx = rows.backward(&Tensor::ones([2, 2]))?;
    assert_eq!(dx.to_vec::<i64>()?, [0, 0]);
    Ok(())
}

#[test]
fn an_auto_criterion_keeps_the_contract_of_criterions() -> Result<()> {
    let quartic = AutoCriterion::new("Quartic", |x: &Tensor, y: &Tensor| (x - y).square().square().mean());
    check::criterion(quartic.clone(), &numbers(1, &[4, 3]), &numbers(2, &[4, 3]))?;
    let f = criterion_function(quartic);
    let (dx, _) = grad(|x: &Tensor, y: &Tensor| f(x, y)).call(&Tensor::from(3.0), &Tensor::from(1.0))?;
    assert_eq!(dx.item::<f64>()?, 32.0);
    Ok(())
}

#[test]
fn an_instance_adds_gradients_up_until_they_are_zeroed() -> Result<()> {
    let mut layer = Instance::new(gated(), Rng::seed(0));
    let (x, dy) = (numbers(1, &[4, 3]).f32(), numbers(2, &[4, 3]).f32());
    let y = layer.forward(&x)?;
    let dx = layer.backward(&dy)?;
    assert_eq!((y.shape(), dx.shape()), (x.shape(), x.shape()));
    let once = tree::map(layer.grads(), Clone::clone);
    assert!(layer.backward_scaled(&dy, 0.5)?.allclose(&dx, 0.0, 0.0)?);
    for (sum, once) in tree::leaves(layer.grads()).iter().zip(tree::leaves(&once)) {
        assert!(sum.allclose(&(once * 1.5), 1e-6, 1e-6)?);
    }
    let before = layer.clone();
    layer.zero_grad();
    assert!(tree::leaves(layer.grads()).iter().all(|g| g.to_vec::<f32>().unwrap().iter().all(|&g| g == 0.0)));
    // The clone is an instance of its own.
    assert!(before.grads().0.abs().sum().item::<f32>()? > 0.0);
    layer.accumulate(&dy, 1.0)?;
    let (a, da) = (layer.params().0.clone(), layer.grads().0.clone());
    layer.update(0.1);
    assert!(layer.params().0.allclose(&(a - da * 0.1), 1e-6, 1e-7)?);
    assert!(before.params().0.allclose(&gated_params().0, 0.0, 0.0)?);
    Ok(())
}

fn gated_params() -> (Tensor, Tensor) {
    (Tensor::from([0.5f32, -1.0, 2.0]), Tensor::from([1.0f32, 0.3, 0.1]))
}

#[test]
fn an_instance_is_differentiated_again() -> Result<()> {
    let net = Instance::new(Sequential::new().add(Linear::new(3, 3)).add(gated()), Rng::seed(4));
    let (f, mse) = (net.function(), criterion_function(MseLoss::default()));
    let (x, y) = (numbers(1, &[4, 3]).f32(), numbers(2, &[4, 3]).f32());
    let (grads, loss) = grad(|p: &Vec<tree::AnyTree>, x: &Tensor, y: &Tensor| mse(&f(p, x), y))
        .call(net.params(), (&x, &y))?;

    let mut by_hand = net.clone();
    let (value, saved) = MseLoss::default().forward(&by_hand.forward(&x)?, &y);
    by_hand.accumulate(&MseLoss::default().backward(&saved, &Tensor::from(1.0f32)), 1.0)?;
    assert!(loss.allclose(&value, 1e-6, 0.0)?);
    for (a, b) in tree::leaves(&grads).iter().zip(tree::leaves(by_hand.grads())) {
        assert!(a.allclose(&b, 1e-5, 1e-6)?);
    }
    Ok(())
}

#[test]
fn an_instance_says_what_went_wrong() -> Result<()> {
    let mut layer = Instance::new(Linear::new(3, 2), Rng::seed(0));
    let error = layer.backward(&Tensor::ones([4, 2])).unwrap_err().to_string();
    assert_eq!(error, "Linear: `backward` before `forward`");
    let error = layer.forward(&Tensor::ones([4, 5])).unwrap_err().to_string();
    assert!(error.contains("matmul: inner lengths differ: [4, 5] times [3, 2]"), "{error}");
    let error = Instance::new(gated(), Rng::seed(0)).forward(&Tensor::ones([4, 5])).unwrap_err().to_string();
    assert!(error.contains("[4, 5]"), "{error}");
    Ok(())
}

#[test]
fn constructors_are_found_by_name() -> Result<()> {
    register("tests/gated", gated);
    register("tests/linear", || Linear::new(3, 2));
    assert!(registered().contains(&"tests/gated".to_owned()));
    let (f, params) =
        functionalize(create::<AutoModule<(Tensor, Tensor)>>("tests/gated")?, &mut Rng::seed(0));
    assert_eq!(f(&params, &Tensor::ones([2, 3])).shape(), [2, 3]);
    let error = create::<Linear>("tests/gated").unwrap_err().to_string();
    assert!(
        error.starts_with("the constructor `tests/gated` makes `retrograd::nn::auto::AutoModule<"),
        "{error}"
    );
    assert!(error.ends_with("`retrograd::nn::layers::linear::Linear` was asked for"), "{error}");
    let error = create::<Linear>("tests/absent").unwrap_err().to_string();
    assert!(error.starts_with("no constructor is registered as `tests/absent`; these are: "), "{error}");
    Ok(())
}

/// A file of a test's own, which goes with it.
pub(crate) struct Scratch(pub(crate) std::path::PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let file = format!("retrograd-{name}-{}.safetensors", std::process::id());
        Scratch(std::env::temp_dir().join(file))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn an_instance_is_saved_and_made_again_by_its_name() -> Result<()> {
    let file = Scratch::new("instance");
    let mut layer = Instance::new(gated(), Rng::seed(0));
    let _ = layer.forward(&numbers(1, &[4, 3]).f32())?;
    layer.accumulate(&numbers(2, &[4, 3]).f32(), 1.0)?;
    layer.update(0.1);
    layer.save(&file.0)?;

    let unknown =
        Instance::<AutoModule<(Tensor, Tensor)>>::load(&file.0, Rng::seed(0)).unwrap_err().to_string();
    assert!(unknown.starts_with("no constructor is registered as `Gated`"), "{unknown}");
    register("Gated", gated);
    let again = Instance::<AutoModule<(Tensor, Tensor)>>::load(&file.0, Rng::seed(0))?;
    let both = |layer: &Instance<AutoModule<(Tensor, Tensor)>>| {
        [tree::leaves(layer.params()), tree::leaves(layer.grads())].concat()
    };
    for (a, b) in both(&again).iter().zip(both(&layer)) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
    }
    let other = Instance::<Linear>::load(&file.0, Rng::seed(0)).unwrap_err().to_string();
    assert!(other.starts_with("the constructor `Gated` makes"), "{other}");
    let mut other = Instance::new(Linear::new(3, 2), Rng::seed(0));
    let before = other.params().weight.to_vec::<f32>()?;
    let misfit = other.restore(&file.0).unwrap_err().to_string();
    assert!(misfit.contains("params.weight"), "{misfit}");
    assert_eq!(other.params().weight.to_vec::<f32>()?, before);
    Ok(())
}

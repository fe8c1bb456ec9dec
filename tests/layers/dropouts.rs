//! Layers that drop some of their input.

use retrograd::{Result, Rng, Tensor, grad, jit};

use crate::nn::*;
use crate::{holds, normal};

#[test]
fn dropout_has_the_derived_gradient() -> Result<()> {
    for p in [0.0, 0.3, 0.8, 1.0] {
        holds(&Dropout::new(p), &normal(&[3, 4]))?;
        holds(&AlphaDropout::new(p), &normal(&[3, 4]))?;
        holds(&Dropout1d::new(p), &normal(&[2, 3, 4]))?;
    }
    holds(&Dropout::default(), &normal(&[5]))?;
    holds(&Dropout1d::default(), &normal(&[3, 2]))?;
    holds(&Dropout2d::default(), &normal(&[2, 3, 2, 2]))?;
    holds(&Dropout2d::default(), &normal(&[3, 2, 2]))?;
    holds(&Dropout3d::default(), &normal(&[1, 3, 2, 1, 2]))
}

fn trained<M: Module<Params = (), State = (), Input = Tensor, Output = Tensor>>(
    layer: &M,
    x: &Tensor,
) -> Tensor {
    layer.forward(&(), &(), x, &mut Ctx::train(Rng::seed(4))).0
}

#[test]
fn what_stays_is_scaled_so_that_the_mean_stays() -> Result<()> {
    let y = trained(&Dropout::new(0.2), &Tensor::ones([10_000]));
    let (mean, dropped) = (y.mean().item::<f64>()?, y.eq(0.0).f32().mean().item::<f64>()?);
    assert!((mean - 1.0).abs() < 0.02 && (dropped - 0.2).abs() < 0.02, "{mean} {dropped}");
    let values = y.amax().item::<f32>()?;
    assert_eq!(values, 1.25);
    Ok(())
}

#[test]
fn nothing_is_dropped_in_use() -> Result<()> {
    let x = normal(&[2, 3, 4]);
    let used = |y: Tensor| y.allclose(&x, 0.0, 0.0);
    assert!(used(Dropout::new(0.9).forward(&(), &(), &x, &mut Ctx::eval()).0)?);
    assert!(used(Dropout1d::new(0.9).forward(&(), &(), &x, &mut Ctx::eval()).0)?);
    assert!(used(AlphaDropout::new(0.9).forward(&(), &(), &x, &mut Ctx::eval()).0)?);
    Ok(())
}

#[test]
fn channels_stay_or_go_as_a_whole() -> Result<()> {
    let y = trained(&Dropout2d::new(0.5), &Tensor::ones([20, 30, 3, 2]));
    let (least, greatest) = (y.amin_dim([2, 3]), y.amax_dim([2, 3]));
    assert!(least.allclose(&greatest, 0.0, 0.0)?);
    let mean = greatest.mean().item::<f64>()?;
    assert!((mean - 1.0).abs() < 0.1, "{mean}");
    let y = trained(&Dropout1d::new(0.5), &Tensor::ones([30, 3]));
    assert!(y.amin_dim(1).allclose(&y.amax_dim(1), 0.0, 0.0)?);
    Ok(())
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() -> Result<()> {
    let x = Rng::seed(3).randn([40_000]);
    for p in [0.1, 0.5] {
        let y = trained(&AlphaDropout::new(p), &x);
        let (mean, variance) = (y.mean().item::<f64>()?, y.var(1).item::<f64>()?);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
    Ok(())
}

#[test]
fn every_call_draws_anew_and_the_same_seed_draws_the_same() -> Result<()> {
    let (layer, x) = (Dropout::new(0.5), Tensor::ones([100]));
    let mut ctx = Ctx::train(Rng::seed(1));
    let (a, _, ()) = layer.forward(&(), &(), &x, &mut ctx);
    let (b, _, ()) = layer.forward(&(), &(), &x, &mut ctx);
    assert!(!a.allclose(&b, 0.0, 0.0)?);
    let (c, _, ()) = layer.forward(&(), &(), &x, &mut Ctx::train(Rng::seed(1)));
    assert!(a.allclose(&c, 0.0, 0.0)?);
    Ok(())
}

#[test]
fn compiled_dropout_draws_as_direct_and_its_gradient_drops_the_same() -> Result<()> {
    let (dropout, (), ()) = functionalize_with_state(Dropout::new(0.5), &mut Rng::seed(0));
    let drop = |x: &Tensor, rng: &Rng| dropout(&(), &(), x, &mut Ctx::train(rng.clone())).0;
    let x = Tensor::ones([64]);
    let compiled = jit(drop);
    for seed in 0..3 {
        let rng = Rng::seed(seed);
        let y = drop(&x, &rng);
        assert!(compiled.call(&x, &rng)?.allclose(&y, 0.0, 0.0)?);
        let (dx, _) = grad(|x: &Tensor, rng: &Rng| drop(x, rng).sum()).call(&x, &rng)?;
        assert!(dx.allclose(&y, 0.0, 0.0)?);
    }
    Ok(())
}

#[test]
fn half_precision_and_f32_keep_their_dtype() {
    for x in [normal(&[4, 3]).f32(), normal(&[4, 3]).f16(), normal(&[4, 3]).bf16(), normal(&[4, 3])] {
        assert_eq!(trained(&Dropout::new(0.5), &x).dtype(), x.dtype());
        assert_eq!(trained(&AlphaDropout::new(0.5), &x).dtype(), x.dtype());
        assert_eq!(trained(&Dropout1d::new(0.5), &x).dtype(), x.dtype());
    }
}

#[test]
fn what_is_no_probability_is_refused() {
    let text = |y: Tensor| y.item::<f64>().expect_err("refused").to_string();
    let x = normal(&[3]);
    assert_eq!(text(trained(&Dropout::new(1.5), &x)), "Dropout: p is a probability from 0 to 1, got 1.5");
    assert_eq!(
        text(trained(&AlphaDropout::new(-0.1), &x)),
        "AlphaDropout: p is a probability from 0 to 1, got -0.1"
    );
    assert_eq!(
        text(trained(&Dropout::new(0.5), &Tensor::arange(3))),
        "Dropout: the input is of floats, got i64"
    );
    let message = text(trained(&Dropout2d::new(0.5), &normal(&[3, 2])));
    assert_eq!(
        message,
        "Dropout2d: the input [3, 2] has 2 axes, expected 4 or 3: [batch, channels, ..], or [channels, ..]"
    );
    let matmul = Tensor::from([1.0, 2.0]).matmul(&Tensor::from([1.0, 2.0, 3.0]));
    assert!(text(trained(&Dropout::new(0.5), &matmul)).starts_with("matmul"));
}

//! Clipping and averages of trees.

use retrograd::optim::{Optimizer, Sgd, clip_norm, clip_value, ema};
use retrograd::{DType, Result, Tensor, tree};

#[test]
fn short_gradients_stay_and_long_ones_have_the_norm_asked_for() -> Result<()> {
    let grads = (Tensor::from([3.0, 4.0]), Tensor::from([[12.0]]));
    let (same, norm) = clip_norm(&grads, 20.0)?;
    assert_eq!(norm.item::<f64>()?, 13.0);
    assert_eq!(same.0.to_vec::<f64>()?, [3.0, 4.0]);
    let (clipped, _) = clip_norm(&grads, 2.0)?;
    let (_, after) = clip_norm(&clipped, 1.0)?;
    assert!((after.item::<f64>()? - 2.0).abs() < 1e-6);
    let (zero, norm) = clip_norm(&Tensor::zeros([3]), 1.0)?;
    assert_eq!((zero.to_vec::<f32>()?, norm.item::<f32>()?), (vec![0.0; 3], 0.0));
    Ok(())
}

#[test]
fn a_norm_is_taken_over_leaves_of_all_dtypes_in_the_widest() -> Result<()> {
    // 300^2 is infinite in f16.
    let grads = (Tensor::from([300.0]).f16(), Tensor::from([400.0]), Tensor::from([1i64 << 40]));
    let (clipped, norm) = clip_norm(&grads, 5.0)?;
    assert_eq!((norm.dtype(), norm.item::<f64>()?), (DType::F64, 500.0));
    assert_eq!((clipped.0.dtype(), clipped.0.f64().item::<f64>()?), (DType::F16, 3.0));
    assert_eq!(clipped.2.to_vec::<i64>()?, [1i64 << 40]);
    Ok(())
}

#[test]
fn a_norm_that_is_no_number_shows_in_every_leaf() -> Result<()> {
    let (clipped, norm) = clip_norm(&[Tensor::from([f64::NAN]), Tensor::from([1.0])], 1.0)?;
    assert!(norm.item::<f64>()?.is_nan() && clipped[1].item::<f64>()?.is_nan());
    Ok(())
}

#[test]
fn every_element_is_held_within_its_bound() -> Result<()> {
    let grads = [Tensor::from([-3.0, 0.5]), Tensor::from([f64::INFINITY, f64::NAN])];
    let clipped = clip_value(&grads, 1.5)?;
    assert_eq!(clipped[0].to_vec::<f64>()?, [-1.5, 0.5]);
    let [infinite, nan] = clipped[1].to_vec::<f64>()?[..] else { panic!("two elements") };
    assert!(infinite == 1.5 && nan.is_nan());
    Ok(())
}

#[test]
fn an_optimizer_clips_the_gradients_of_what_moves() -> Result<()> {
    let params = (Tensor::from([3.0]), Tensor::from([5.0]), Tensor::from([1.0]));
    let grads = (Tensor::from([30.0]), Tensor::from([40.0]), Tensor::from([1e9]));
    let plain = Sgd::new(1.0).momentum(0.5).freeze("[2]");
    let clipping = plain.clone().clip_norm(5.0);
    let (got, _) = clipping.step(&params, &grads, &clipping.init(&params)?)?;
    let moving = (Tensor::from([30.0]), Tensor::from([40.0]), Tensor::from([0.0]));
    let (clipped, norm) = clip_norm(&moving, 5.0)?;
    let (want, _) = plain.step(&params, &clipped, &plain.init(&params)?)?;
    assert_eq!(norm.item::<f64>()?, 50.0);
    for (got, want) in tree::leaves(&got).iter().zip(tree::leaves(&want)) {
        assert!(got.allclose(&want, 1e-14, 0.0)?, "{got} instead of {want}");
    }
    Ok(())
}

#[test]
fn an_average_forgets_by_its_decay() -> Result<()> {
    let mut average = (Tensor::from([8.0]), Tensor::from([1i64]));
    for _ in 0..3 {
        average = ema(&average, &(Tensor::from([0.0]), Tensor::from([5i64])), 0.5)?;
    }
    assert_eq!(average.0.to_vec::<f64>()?, [1.0]);
    assert_eq!(average.1.to_vec::<i64>()?, [5]);
    Ok(())
}

#[test]
fn an_average_may_be_kept_in_a_wider_dtype_than_what_it_averages() -> Result<()> {
    let params = [Tensor::from([1.0]).bf16()];
    let mut average = tree::cast(&params, DType::F32);
    for _ in 0..10 {
        average = ema(&average, &[Tensor::from([2.0]).bf16()], 0.999)?;
    }
    let expected = 2.0 - 0.999f32.powi(10);
    assert!((average[0].item::<f32>()? - expected).abs() < 1e-5, "{}", average[0]);
    Ok(())
}

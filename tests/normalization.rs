//! Normalisations: their gradients are the derived ones, and all of it is PyTorch's.

mod against_torch;

use std::sync::Arc;

use against_torch::{Row, hold, rows};
use retrograd::nn::{
    BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, Ctx, GroupNorm, InstanceNorm, InstanceNorm1d,
    InstanceNorm2d, InstanceNorm3d, LayerNorm, LocalResponseNorm, Mode, Module, NormParams, Normalize,
    RmsNorm, RunningStats, functionalize_with_state,
};
use retrograd::{DType, Result, Rng, Tensor, check, grad, tree};

fn x(shape: &[usize]) -> Tensor {
    Rng::seed(3).randn(shape).f64() * 2.0 + 0.5
}

const BOTH: [Mode; 2] = [Mode::Train, Mode::Eval];

/// The layer's check at parameters and a state that are not the first ones, ones and zeros.
fn holds<M: Module>(module: M, input: &M::Input) -> Result<()> {
    let module = Arc::new(module);
    let mut rng = Rng::seed(5);
    let mut other = |x: &Tensor| match x.dtype().is_float() {
        true => rng.uniform(x.shape(), 0.5, 2.0).f64(),
        false => x.clone(),
    };
    let params = tree::map(&module.params(&mut Rng::seed(0)), &mut other);
    let state = tree::map(&module.state(), &mut other);
    BOTH.iter().try_for_each(|&mode| check::module_at(&module, &params, &state, input, mode))
}

#[test]
fn batch_normalisation_has_the_derived_gradient_in_both_modes() -> Result<()> {
    holds(BatchNorm1d::new(3), &x(&[4, 3]))?;
    holds(BatchNorm1d::new(3).eps(0.1), &x(&[1, 3, 4]))?;
    holds(BatchNorm2d::new(2).affine(false), &x(&[2, 2, 3, 2]))?;
    holds(BatchNorm2d::new(2).track_running_stats(false), &x(&[2, 2, 1, 2]))?;
    holds(BatchNorm3d::new(2).momentum(None), &x(&[1, 2, 2, 1, 2]))
}

#[test]
fn instance_normalisation_has_the_derived_gradient_in_both_modes() -> Result<()> {
    holds(InstanceNorm1d::new(3), &x(&[2, 3, 4]))?;
    holds(InstanceNorm1d::new(3).affine(true), &x(&[3, 4]))?;
    holds(InstanceNorm2d::new(2).affine(true).track_running_stats(true), &x(&[2, 2, 3, 2]))?;
    holds(InstanceNorm3d::new(2).track_running_stats(true), &x(&[1, 2, 2, 1, 2]))
}

#[test]
fn normalisations_of_each_example_have_the_derived_gradient() -> Result<()> {
    holds(LayerNorm::new(4), &x(&[3, 4]))?;
    holds(LayerNorm::new([3, 2]).bias(false), &x(&[2, 3, 2]))?;
    holds(LayerNorm::new(4).elementwise_affine(false).eps(0.1), &x(&[4]))?;
    holds(GroupNorm::new(2, 4), &x(&[2, 4, 3]))?;
    holds(GroupNorm::new(1, 4).affine(false), &x(&[1, 4]))?;
    holds(RmsNorm::new(4), &x(&[3, 4]))?;
    holds(RmsNorm::new([3, 2]).eps(0.1).elementwise_affine(false), &x(&[2, 3, 2]))
}

#[test]
fn unit_vectors_have_the_derived_gradient_for_every_norm() -> Result<()> {
    for p in [1.0, 2.0, 3.0, 1.5, f64::INFINITY] {
        holds(Normalize::new(p), &x(&[2, 4]))?;
    }
    holds(Normalize::new(2.0).eps(0.5), &x(&[3]))
}

#[test]
fn local_response_normalisation_has_the_derived_gradient() -> Result<()> {
    for size in [1, 2, 3, 5, 8] {
        holds(LocalResponseNorm::new(size).alpha(0.5).k(2.0), &x(&[2, 5, 3]))?;
    }
    holds(LocalResponseNorm::new(3).beta(0.5), &x(&[1, 4, 2, 2]))
}

#[test]
fn normalised_values_have_mean_zero_and_variance_one() -> Result<()> {
    let (f, p, s) = functionalize_with_state(BatchNorm2d::new(3).eps(0.0), &mut Rng::seed(0));
    let y = f(&p, &s, &(x(&[4, 3, 2, 2]).f32() + 3.0), &mut Ctx::train(Rng::seed(0))).0;
    assert!(y.mean_dim([0, 2, 3]).allclose(&Tensor::zeros([3]), 0.0, 1e-6)?);
    assert!(y.var_dim([0, 2, 3], 0).allclose(&Tensor::ones([3]), 0.0, 1e-5)?);
    Ok(())
}

#[test]
fn evaluation_leaves_the_state_as_it_is_and_training_follows_it() -> Result<()> {
    let (f, p, s) = functionalize_with_state(BatchNorm1d::new(2).momentum(0.25), &mut Rng::seed(0));
    let batch = Tensor::from([[1f32, 2.0], [3.0, 6.0]]);
    let numbers = |s: &Option<RunningStats>| -> Result<Vec<f64>> {
        let s = s.as_ref().expect("a state");
        let parts = [s.running_mean.f64(), s.running_var.f64(), s.num_batches_tracked.reshape([1]).f64()];
        Tensor::cat(&parts, 0).to_vec()
    };
    let (_, eval) = f(&p, &s, &batch, &mut Ctx::eval());
    assert_eq!(numbers(&eval)?, [0.0, 0.0, 1.0, 1.0, 0.0]);
    let (_, train) = f(&p, &s, &batch, &mut Ctx::train(Rng::seed(0)));
    assert_eq!(numbers(&train)?, [0.5, 1.0, 0.75 + 0.25 * 2.0, 0.75 + 0.25 * 8.0, 1.0]);
    Ok(())
}

#[test]
fn a_cumulative_average_is_the_mean_over_batches() -> Result<()> {
    let (f, p, mut s) = functionalize_with_state(BatchNorm1d::new(1).momentum(None), &mut Rng::seed(0));
    for start in [0.0, 4.0, 11.0] {
        let batch = Tensor::from([[start as f32], [start as f32 + 2.0]]);
        s = f(&p, &s, &batch, &mut Ctx::train(Rng::seed(0))).1;
    }
    let mean = s.expect("a state").running_mean;
    assert!((mean.item::<f64>()? - 6.0).abs() < 1e-5);
    Ok(())
}

#[test]
fn no_derivative_passes_through_the_state() -> Result<()> {
    let (f, p, s) = functionalize_with_state(BatchNorm1d::new(2), &mut Rng::seed(0));
    let through = |x: &Tensor| f(&p, &s, x, &mut Ctx::train(Rng::seed(0))).1.unwrap().running_mean.sum();
    let (dx, _) = grad(through).call(&Tensor::from([[1f32, 2.0], [3.0, 6.0]]), ())?;
    assert_eq!(dx.to_vec::<f32>()?, [0.0; 4]);
    Ok(())
}

#[test]
fn an_input_of_another_size_is_an_error_that_says_what_is_needed() {
    fn text<M: Module<Input = Tensor, Output = Tensor>>(module: M, shape: &[usize]) -> String {
        let (p, s) = (module.params(&mut Rng::seed(0)), module.state());
        let (y, saved, _) = module.forward(&p, &s, &Tensor::ones(shape), &mut Ctx::train(Rng::seed(0)));
        let _ = module.backward(&p, &saved, &y);
        y.error().expect("an error").to_string()
    }
    let cases = [
        (
            text(BatchNorm2d::new(3), &[2, 4, 5, 5]),
            "BatchNorm2d: the input is to be [n, 3, ..] with 4 axes, got shape [2, 4, 5, 5]",
        ),
        (
            text(BatchNorm1d::new(3), &[3]),
            "BatchNorm1d: the input is to be [n, 3] or [n, 3, length], got shape [3]",
        ),
        (
            text(BatchNorm1d::new(3), &[1, 3]),
            "BatchNorm1d: the input is to be of more than one value a channel, since the variance of one is none, got shape [1, 3]",
        ),
        (
            text(InstanceNorm1d::new(3), &[2, 4, 5]),
            "InstanceNorm1d: the input is to be [n, 3, ..] or [3, ..] with 1 axes after the channels, got shape [2, 4, 5]",
        ),
        (text(LayerNorm::new([3, 2]), &[2, 3]), "LayerNorm: the input is to be [.., 3, 2], got shape [2, 3]"),
        (
            text(LayerNorm::new(()), &[2, 3]),
            "LayerNorm: the input is to be normalised over at least one axis, got shape [2, 3]",
        ),
        (text(RmsNorm::new(3), &[3, 2]), "RmsNorm: the input is to be [.., 3], got shape [3, 2]"),
        (text(GroupNorm::new(2, 4), &[4]), "GroupNorm: the input is to be [n, 4, ..], got shape [4]"),
        (
            text(GroupNorm::new(3, 4), &[2, 4]),
            "GroupNorm: the input is to be cut into 3 groups, which do not divide 4 channels, got shape [2, 4]",
        ),
        (
            text(LocalResponseNorm::new(3), &[2, 4]),
            "LocalResponseNorm: the input is to be [n, channels, ..] with at least three axes, got shape [2, 4]",
        ),
    ];
    for (got, expected) in cases {
        assert!(got.starts_with(expected), "{got}\ninstead of\n{expected}");
    }
}

fn batch_norm<const D: usize>(row: &Row) {
    let mut layer = BatchNorm::<D>::new(row.size("num_features")).eps(row.number_or("eps", 1e-5));
    if row.config.contains_key("momentum") {
        layer = layer.momentum(row.number("momentum"));
    }
    let layer = layer.affine(row.flag("affine", true));
    let layer = layer.track_running_stats(row.flag("track_running_stats", true));
    hold(row, layer, &row.x(), &[Some(0)], str::to_owned);
}

fn instance_norm<const D: usize>(row: &Row) {
    let layer = InstanceNorm::<D>::new(row.size("num_features")).eps(row.number_or("eps", 1e-5));
    let layer = layer.momentum(row.number_or("momentum", 0.1)).affine(row.flag("affine", false));
    let layer = layer.track_running_stats(row.flag("track_running_stats", false));
    hold(row, layer, &row.x(), &[Some(0)], str::to_owned);
}

#[test]
fn normalisations_are_pytorchs() {
    for row in &rows("normalization") {
        let (x, place, eps) = (row.x(), [Some(0)], row.number_or("eps", 1e-5));
        match row.layer.as_str() {
            "BatchNorm1d" => batch_norm::<1>(row),
            "BatchNorm2d" => batch_norm::<2>(row),
            "BatchNorm3d" => batch_norm::<3>(row),
            "InstanceNorm1d" => instance_norm::<1>(row),
            "InstanceNorm2d" => instance_norm::<2>(row),
            "InstanceNorm3d" => instance_norm::<3>(row),
            "LayerNorm" => {
                let layer = LayerNorm::new(row.lengths("normalized_shape")).eps(eps);
                let layer = layer.elementwise_affine(row.flag("elementwise_affine", true));
                hold(row, layer.bias(row.flag("bias", true)), &x, &place, str::to_owned);
            }
            "RMSNorm" => {
                let layer = RmsNorm::new(row.lengths("normalized_shape")).eps(row.number("eps"));
                let layer = layer.elementwise_affine(row.flag("elementwise_affine", true));
                hold(row, layer, &x, &place, str::to_owned);
            }
            "GroupNorm" => {
                let layer = GroupNorm::new(row.size("num_groups"), row.size("num_channels")).eps(eps);
                hold(row, layer.affine(row.flag("affine", true)), &x, &place, str::to_owned);
            }
            "LocalResponseNorm" => {
                let layer = LocalResponseNorm::new(row.size("size")).alpha(row.number_or("alpha", 1e-4));
                let layer = layer.beta(row.number_or("beta", 0.75)).k(row.number_or("k", 1.0));
                hold(row, layer, &x, &place, str::to_owned);
            }
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn normalisations_work_in_f32() -> Result<()> {
    let x = x(&[4, 6]);
    let layer = Arc::new(LayerNorm::new(6));
    let p = layer.params(&mut Rng::seed(0));
    let loss = |dtype: DType| {
        let p = tree::cast(&p, dtype);
        let f = |(p, x): &(NormParams, Tensor)| {
            LayerNorm::apply(&layer, p, &(), x, &mut Ctx::eval()).0.sin().sum()
        };
        grad(f).call(&(p, x.to_dtype(dtype)), ())
    };
    let ((narrow, dx), _) = loss(DType::F32)?;
    let ((wide, expected), _) = loss(DType::F64)?;
    assert_eq!(narrow.weight.as_ref().expect("a scale").dtype(), DType::F32);
    assert!(dx.f64().allclose(&expected, 1e-4, 1e-5)?);
    assert!(narrow.bias.expect("an offset").f64().allclose(&wide.bias.expect("an offset"), 1e-4, 1e-5)?);
    Ok(())
}

/// What f16 does not hold on the way: squares and sums above 65,504, and counts.
#[test]
fn statistics_of_sixteen_bit_floats_are_computed_in_f32() -> Result<()> {
    let (many, large) = (Tensor::full([256, 256], 0.5f32).f16(), Tensor::full([1000], 100f32).f16());
    let pair = Tensor::from([[300f32, -400.0]]).f16();
    let number = |x: Tensor| x.f32().sum().item::<f32>();
    assert_eq!(many.mean().dtype(), DType::F16);
    assert_eq!(
        [number(many.mean())?, number(large.mean_dim(0))?, number(large.nanmean())?],
        [0.5, 100.0, 100.0]
    );
    assert_eq!([number(many.var(1))?, number(pair.var_dim(1, 0))?], [0.0, f32::INFINITY]);
    assert_eq!(
        [number(pair.std_dim(1, 0))?, number(pair.norm())?, number(pair.vector_norm(2.0, -1))?],
        [350.0, 500.0, 500.0]
    );
    assert_eq!(number(pair.cosine_similarity(&pair, -1, 1e-8))?, 1.0);
    assert_eq!(number(pair.normalize(2.0, -1, 1e-12).abs())?, number(Tensor::from([0.6f32, 0.8]).f16())?);
    let classes = Tensor::zeros([70_000]).f16();
    assert!((number(classes.logsumexp(0))? - 70_000f32.ln()).abs() < 0.01);
    assert!((number(classes.log_softmax(0).narrow(0, 0, 1))? + 70_000f32.ln()).abs() < 0.01);
    assert!((number(classes.softmax(0))? - 1.0).abs() < 0.01);
    let (dx, _) = grad(|x: &Tensor| x.mean().f32()).call(&many, ())?;
    assert_eq!((dx.dtype(), number(dx * 256.0)?), (DType::F16, 256.0));
    Ok(())
}

/// A layer and its gradient in f16 beside those in f32, on numbers whose squares f16 does not hold.
#[track_caller]
fn holds_in_f16<M: Module<Input = Tensor, Output = Tensor>>(module: M, input: &Tensor) -> Result<()> {
    let module = Arc::new(module);
    let params = module.params(&mut Rng::seed(0));
    let value_and_gradient = |dtype: DType| -> Result<(Tensor, Tensor)> {
        let f = |x: &Tensor| {
            let (y, _) = M::apply(
                &module,
                &tree::cast(&params, dtype),
                &tree::cast(&module.state(), dtype),
                x,
                &mut Ctx::train(Rng::seed(1)),
            );
            ((y.f32() * Tensor::arange(3).f32()).sum(), y)
        };
        let (dx, (_, y)) = grad(f).call(&input.to_dtype(dtype), ())?;
        Ok((y.f32(), dx.f32()))
    };
    let ((y, dx), (expected, expected_dx)) =
        (value_and_gradient(DType::F16)?, value_and_gradient(DType::F32)?);
    assert!(y.allclose(&expected, 2e-3, 2e-3)?, "{y}\ninstead of\n{expected}");
    assert!(dx.allclose(&expected_dx, 2e-2, 1e-4)?, "{dx}\ninstead of\n{expected_dx}");
    Ok(())
}

#[test]
fn normalisations_of_sixteen_bit_floats_hold_large_numbers() -> Result<()> {
    let x = (x(&[4, 2, 3]) * 400.0).f16().f32();
    holds_in_f16(BatchNorm1d::new(2), &x)?;
    holds_in_f16(InstanceNorm1d::new(2).track_running_stats(true), &x)?;
    holds_in_f16(LayerNorm::new(3), &x)?;
    holds_in_f16(GroupNorm::new(1, 2), &x)?;
    holds_in_f16(RmsNorm::new(3), &x)?;
    holds_in_f16(Normalize::new(2.0), &x)?;
    holds_in_f16(LocalResponseNorm::new(2), &x)
}

#[test]
fn statistics_in_f32_stand_beside_sixteen_bit_floats() -> Result<()> {
    let layer = BatchNorm1d::new(2).affine(false);
    let (f, params, state) = functionalize_with_state(layer, &mut Rng::seed(1));
    let x = Tensor::from([[100f32, 1.0], [300.0, 3.0]]).bf16();
    let (y, state) = f(&params, &state, &x, &mut Ctx::train(Rng::seed(2)));
    assert_eq!((y.dtype(), y.f32().to_vec::<f32>()?), (DType::BF16, vec![-1.0, -1.0, 1.0, 1.0]));
    let mean = &state.as_ref().expect("statistics").running_mean;
    assert_eq!((mean.dtype(), mean.to_vec::<f32>()?), (DType::F32, vec![20.0, 0.2]));
    assert_eq!(f(&params, &state, &x, &mut Ctx::eval()).0.dtype(), DType::BF16);
    Ok(())
}

#[test]
fn nothing_is_learned_of_an_empty_batch() -> Result<()> {
    let mut ctx = Ctx::train(Rng::seed(1));
    let (f, params, state) = functionalize_with_state(BatchNorm1d::new(3), &mut Rng::seed(1));
    let (y, after) = f(&params, &state, &Tensor::zeros([0, 3]), &mut ctx);
    assert_eq!(y.shape(), [0, 3]);
    assert_eq!(after.expect("statistics").running_mean.to_vec::<f32>()?, [0.0; 3]);
    let layer = InstanceNorm1d::new(3).track_running_stats(true);
    let (f, params, state) = functionalize_with_state(layer, &mut Rng::seed(1));
    let (_, after) = f(&params, &state, &Tensor::zeros([2, 3, 0]), &mut ctx);
    assert_eq!(after.expect("statistics").running_var.to_vec::<f32>()?, [1.0; 3]);
    Ok(())
}

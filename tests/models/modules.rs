//! Parts of networks: what they are by their formulas, their derivatives, and that they compile.

use retrograd::model::module::{
    AttentionParams, GainBias, MaskedStats, SoftAttention, layer_normalization, masked_batch_normalization,
    soft_attention,
};
use retrograd::nn::{Ctx, LayerNorm, NormParams, functionalize};
use retrograd::{Fallback, Result, Rng, Tensor, grad, gradcheck, tree};

use crate::{alike, close, compiled_as_directly, f64s, moved, numbers};

#[test]
fn layer_normalization_is_the_layers() -> Result<()> {
    let (f, p) = layer_normalization(5);
    let p = tree::map(&f64s(&p), |p| p + 0.3);
    let x = numbers(1, &[4, 5]);
    let at = (p.clone(), x.clone());
    let loss = |(p, x): &(GainBias, Tensor)| f(p, x).sin().sum();
    gradcheck(loss, &at, ())?;
    compiled_as_directly(loss, &at)?;
    let y = f(&p, &x);
    let (layer, _) = functionalize(LayerNorm::new([5]), &mut Rng::seed(0));
    let same = NormParams { weight: Some(p.gain.clone()), bias: Some(p.bias.clone()) };
    assert!(close(&y, &layer(&same, &x)));
    Ok(())
}

#[test]
fn masked_batch_normalization_sees_only_what_is_there() -> Result<()> {
    let (f, p, stats) = masked_batch_normalization(3, 0.1);
    let (p, stats) = (tree::map(&f64s(&p), |p| p + 0.3), f64s(&stats));
    let x = numbers(1, &[2, 4, 3]);
    // The second sequence has two steps.
    let mask = Tensor::from([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).unsqueeze(-1);
    let (y, next) = f(&p, &x, &mask, &stats, &Ctx::train(Rng::seed(0)));
    // As batch normalisation of the six rows that are there.
    let rows = x.reshape([8, 3]).narrow(0, 0, 6);
    let mean = rows.mean_dim(0);
    let std = ((&rows - &mean).square().mean_dim(0) + 1e-5).sqrt();
    let expected = (rows - &mean) / &std * &p.gain + &p.bias;
    assert!(close(&y.reshape([8, 3]).narrow(0, 0, 6), &expected));
    assert!(close(&y.reshape([8, 3]).narrow(0, 6, 2), &p.bias.expand([2, 3])));
    assert!(close(&next.running_mean, &(mean * 0.1)));
    assert!(close(&next.running_std, &(std * 0.1 + 0.9)));
    // What is masked has no influence.
    let other = x.clone().with((1, 3), 99.0);
    assert!(close(&f(&p, &other, &mask, &stats, &Ctx::train(Rng::seed(0))).0, &y));
    let (y, same) = f(&p, &x, &mask, &next, &Ctx::eval());
    assert!(close(&same.running_mean, &next.running_mean));
    let expected = (x.at((0, 0)) - &next.running_mean) / &next.running_std * &p.gain + &p.bias;
    assert!(close(&y.at((0, 0)), &expected));
    Ok(())
}

/// Parameters, input, mask and statistics of masked batch normalisation.
type Masked = (GainBias, Tensor, Tensor, MaskedStats);

#[test]
fn masked_batch_normalization_has_its_derivatives_and_compiles() -> Result<()> {
    let (f, p, stats) = masked_batch_normalization(3, 0.1);
    let mask = Tensor::from([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).unsqueeze(-1);
    let stats = MaskedStats {
        running_mean: stats.running_mean.f64() + numbers(2, &[3]),
        running_std: stats.running_std.f64() + numbers(3, &[3]).sigmoid(),
    };
    let at = (moved(&p), numbers(1, &[2, 4, 3]), mask, stats);
    for ctx in [Ctx::train(Rng::seed(0)), Ctx::eval()] {
        let loss = |(p, x, mask, stats): &Masked| {
            let (y, next) = f(p, x, mask, stats, &ctx);
            (y.sin().sum(), next)
        };
        gradcheck(loss, &at, ())?;
        let (gradient, (value, next)) = grad(loss).call(&at, ())?;
        let compiled = grad(loss).optimize(true).fallback(Fallback::Error);
        for _ in 0..2 {
            let (again, (same, followed)) = compiled.call(&at, ())?;
            alike(&again, &gradient);
            alike(&same, &value);
            alike(&followed, &next);
        }
    }
    Ok(())
}

/// Expected vectors `[2, 3]` and shares `[2, 5]` of subjects `[2, 3, 5]` for states `[2, 4]`, number by number.
fn attended(p: &AttentionParams, subject: &Tensor, h: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
    let (subject, h) = (subject.to_vec::<f64>()?, h.to_vec::<f64>()?);
    let (of_subject, of_hidden) = (p.w_subject.to_vec::<f64>()?, p.w_hidden.to_vec::<f64>()?);
    let at = |n: usize, i: usize, k: usize| subject[(n * 3 + i) * 5 + k];
    let (mut expected, mut shares) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let score = |k: usize| {
            let asked: f64 = (0..4).map(|j| h[n * 4 + j] * of_hidden[j * 5 + k]).sum();
            asked + (0..3).map(|i| of_subject[i] * at(n, i, k)).sum::<f64>()
        };
        let mut scores: Vec<f64> = (0..5).map(score).collect();
        if let Some(bias) = &p.bias {
            scores = scores.iter().zip(bias.to_vec::<f64>()?).map(|(s, b)| s + b).collect();
        }
        if let Some(norm) = &p.norm {
            let mean = scores.iter().sum::<f64>() / 5.0;
            let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 5.0;
            let scaled = norm.gain.to_vec::<f64>()?.into_iter().zip(norm.bias.to_vec::<f64>()?);
            let scaled =
                scores.iter().zip(scaled).map(|(s, (g, b))| (s - mean) / (variance + 1e-5).sqrt() * g + b);
            scores = scaled.collect();
        }
        let total: f64 = scores.iter().map(|s| s.exp()).sum();
        let focus: Vec<f64> = scores.iter().map(|s| s.exp() / total).collect();
        expected.extend((0..3).map(|i| (0..5).map(|k| focus[k] * at(n, i, k)).sum::<f64>()));
        shares.extend(focus);
    }
    Ok((expected, shares))
}

#[test]
fn soft_attention_is_what_is_written() -> Result<()> {
    for normalize in [false, true] {
        let options = SoftAttention::new(4, 3, 5).layer_normalization(normalize);
        let (f, p) = soft_attention(&options, &mut Rng::seed(1));
        assert_eq!((p.bias.is_some(), p.norm.is_some()), (!normalize, normalize));
        let at = (moved(&p), numbers(1, &[2, 3, 5]), numbers(2, &[2, 4]));
        let (attention, focus) = f(&at.0, &at.1, &at.2);
        let (expected, shares) = attended(&at.0, &at.1, &at.2)?;
        assert!(close(&attention, &Tensor::from_vec(expected, [2, 3])), "{attention}");
        assert!(close(&focus, &Tensor::from_vec(shares, [2, 5])), "{focus}");

        let loss = |(p, subject, h): &(AttentionParams, Tensor, Tensor)| {
            let (attention, focus) = f(p, subject, h);
            attention.sin().sum() + focus.square().sum()
        };
        gradcheck(loss, &at, ())?;
        compiled_as_directly(loss, &at)?;
    }
    Ok(())
}

#[test]
fn soft_attention_is_an_expectation() -> Result<()> {
    for normalize in [false, true] {
        let options = SoftAttention::new(4, 3, 5).layer_normalization(normalize);
        let (f, p) = soft_attention(&options, &mut Rng::seed(1));
        let p = f64s(&p);
        let (subject, h) = (numbers(1, &[2, 3, 5]), numbers(2, &[2, 4]));
        let (attention, focus) = f(&p, &subject, &h);
        assert_eq!((attention.shape().to_vec(), focus.shape().to_vec()), (vec![2, 3], vec![2, 5]));
        assert!(close(&focus.sum_dim(-1), &Tensor::ones([2]).f64()));
        assert!(close(&attention, &subject.matmul(&focus.unsqueeze(-1)).squeeze(-1)));
        let (one, _) = f(&p, &subject.at(1), &h.at(1));
        assert!(close(&one, &attention.at(1)));
        gradcheck(|p: &_| f(p, &subject, &h).0.sin().sum(), &p, ())?;
        let error = f(&p, &subject, &h.at(0)).0.item::<f64>().unwrap_err().to_string();
        assert!(error.starts_with("soft_attention: a subject [batch, features, choices]"), "{error}");
    }
    Ok(())
}

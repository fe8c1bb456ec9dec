//! Attention: its gradient is the derived one, and all of it is PyTorch's.

mod against_torch;

use std::sync::Arc;

use against_torch::{Row, hold, rows};
use retrograd::nn::{
    AttentionInput, AttentionWeights, Ctx, DecoderInput, EncoderInput, Mode, Module, MultiheadAttention,
    PositionalEncoding, TransformerActivation, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer, functionalize,
};
use retrograd::{DType, Result, Rng, Tensor, check, grad, tree};

fn x(shape: &[usize]) -> Tensor {
    Rng::seed(3).randn(shape).f64()
}

fn memory(shape: &[usize]) -> Tensor {
    Rng::seed(4).randn(shape).f64()
}

fn values(shape: &[usize]) -> Tensor {
    Rng::seed(5).randn(shape).f64()
}

#[test]
fn attention_has_the_derived_gradient() -> Result<()> {
    let layer = || MultiheadAttention::new(4, 2);
    let cross = AttentionInput::new(&x(&[2, 2, 4]), &memory(&[3, 2, 4]), &values(&[3, 2, 4]));
    check::module(layer(), &cross, Mode::Eval)?;
    check::module(layer().dropout(0.4).weights(AttentionWeights::EachHead), &cross, Mode::Train)?;
    check::module(layer().bias(false).causal(true).weights(AttentionWeights::None), &cross, Mode::Eval)?;
    check::module(layer().add_bias_kv(true).add_zero_attn(true), &cross, Mode::Train)?;
    let alone = AttentionInput::of_self(&x(&[3, 4]));
    check::module(layer().causal(true), &alone, Mode::Eval)?;
    let sizes = AttentionInput::new(&x(&[1, 2, 4]), &memory(&[1, 3, 3]), &values(&[1, 3, 2]));
    check::module(layer().kdim(3).vdim(2).batch_first(true), &sizes, Mode::Eval)
}

#[test]
fn masks_have_the_derived_gradient() -> Result<()> {
    let cross = || AttentionInput::new(&x(&[2, 2, 4]), &memory(&[3, 2, 4]), &values(&[3, 2, 4]));
    let padding = Tensor::from([[false, true, false], [false, false, false]]);
    let layer = || MultiheadAttention::new(4, 2);
    check::module(layer(), &cross().key_padding_mask(padding.clone()), Mode::Eval)?;
    check::module(layer().add_zero_attn(true), &cross().attn_mask(x(&[2, 3])), Mode::Eval)?;
    let numbers = cross().attn_mask(x(&[4, 2, 3])).key_padding_mask(memory(&[2, 3]));
    check::module(layer(), &numbers, Mode::Eval)?;
    let both = cross().attn_mask(x(&[2, 3]).gt(1.0)).key_padding_mask(padding);
    check::module(layer().add_bias_kv(true), &both, Mode::Eval)
}

#[test]
fn encoders_have_the_derived_gradient() -> Result<()> {
    let layer = || TransformerEncoderLayer::new(2, 1).dim_feedforward(2);
    let mut input = EncoderInput::new(&x(&[3, 1, 2]));
    check::module(layer().activation(TransformerActivation::Gelu), &input, Mode::Train)?;
    check::module(layer().bias(false).causal(true), &input, Mode::Eval)?;
    input.src_mask = Some(memory(&[3, 3]));
    check::module(TransformerEncoder::new(layer().norm_first(true), 2).norm(true), &input, Mode::Train)?;
    check::module(TransformerEncoder::new(layer(), 0), &input, Mode::Eval)
}

#[test]
fn decoders_have_the_derived_gradient() -> Result<()> {
    let layer = || TransformerDecoderLayer::new(2, 1).dim_feedforward(2);
    let mut input = DecoderInput::new(&x(&[2, 1, 2]), &memory(&[3, 1, 2]));
    check::module(layer().activation(TransformerActivation::Gelu).causal(true), &input, Mode::Train)?;
    input.memory_mask = Some(memory(&[2, 3]));
    input.tgt_key_padding_mask = Some(Tensor::from([[false, true]]));
    let deep = TransformerDecoder::new(layer().norm_first(true), 2).norm(true);
    check::module(deep, &input, Mode::Eval)
}

#[test]
fn positions_have_the_derived_gradient() -> Result<()> {
    check::module(PositionalEncoding::new(4).dropout(0.3), &x(&[3, 2, 4]), Mode::Train)?;
    check::module(PositionalEncoding::new(3).batch_first(true), &x(&[2, 4, 3]), Mode::Eval)
}

#[test]
fn every_query_gives_its_whole_attention() -> Result<()> {
    let layer = MultiheadAttention::new(4, 2).weights(AttentionWeights::EachHead);
    let (f, p) = functionalize(layer, &mut Rng::seed(1));
    let (_, weights) = f(&p, &AttentionInput::of_self(&x(&[5, 3, 4]).f32()));
    let sums = weights.expect("weights").sum_dim(-1);
    assert!(sums.allclose(&Tensor::ones([3, 2, 5]), 1e-6, 0.0)?);
    Ok(())
}

#[test]
fn causal_is_the_mask_of_what_comes_later() -> Result<()> {
    let (f, p) = functionalize(MultiheadAttention::new(4, 2), &mut Rng::seed(1));
    let (g, _) = functionalize(MultiheadAttention::new(4, 2).causal(true), &mut Rng::seed(1));
    let input = AttentionInput::of_self(&x(&[4, 2, 4]).f32());
    let later = Tensor::ones([4, 4]).triu(1).bool();
    let masked = f(&p, &input.clone().attn_mask(later)).0;
    assert!(g(&p, &input).0.allclose(&masked, 1e-6, 1e-7)?);
    Ok(())
}

#[test]
fn what_is_masked_has_no_say_and_no_gradient() -> Result<()> {
    let (f, p) = functionalize(MultiheadAttention::new(4, 2), &mut Rng::seed(1));
    let (q, m) = (x(&[2, 1, 4]).f32(), memory(&[3, 1, 4]).f32());
    let padding = Tensor::from([[false, false, true]]);
    let of = |m: &Tensor| f(&p, &AttentionInput::new(&q, m, m).key_padding_mask(padding.clone())).0;
    let other = m.with(2, 7.0);
    assert!(of(&m).allclose(&of(&other), 0.0, 0.0)?);
    let (dm, _) = grad(|m: &Tensor| of(m).square().sum()).call(&m, ())?;
    assert_eq!(dm.select(0, 2).to_vec::<f32>()?, [0.0; 4]);
    assert!(dm.select(0, 1).abs().sum().item::<f32>()? > 0.0);
    Ok(())
}

#[test]
fn a_query_that_may_look_nowhere_takes_zeros() -> Result<()> {
    let (f, p) = functionalize(MultiheadAttention::new(4, 2), &mut Rng::seed(1));
    let mask = Tensor::from([[true, true], [false, true]]);
    let of = |x: &Tensor| f(&p, &AttentionInput::of_self(x).attn_mask(mask.clone()));
    let x = x(&[2, 1, 4]).f32();
    let (y, weights) = of(&x);
    assert_eq!(weights.expect("weights").to_vec::<f32>()?, [0.0, 0.0, 1.0, 0.0]);
    let (dx, _) = grad(|x: &Tensor| of(x).0.sum()).call(&x, ())?;
    assert!(y.isfinite().logical_and(dx.isfinite()).to_vec::<bool>()?.into_iter().all(|finite| finite));
    // In half precision too, where the greatest number is small.
    let half = f(
        &retrograd::tree::cast(&p, retrograd::DType::F16),
        &AttentionInput::of_self(&x.f16()).attn_mask(mask),
    );
    assert!(half.0.isfinite().to_vec::<bool>()?.into_iter().all(|finite| finite));
    Ok(())
}

#[test]
fn an_encoder_of_one_layer_is_that_layer() -> Result<()> {
    let layer = TransformerEncoderLayer::new(4, 2).dim_feedforward(3);
    let encoder = TransformerEncoder::new(layer.clone(), 1);
    let params = encoder.params(&mut Rng::seed(1));
    let input = EncoderInput::new(&x(&[3, 2, 4]).f32());
    let (one, ..) = layer.forward(&params.layers[0], &(), &input, &mut Ctx::eval());
    let (whole, ..) = encoder.forward(&params, &(), &input, &mut Ctx::eval());
    assert!(one.allclose(&whole, 0.0, 0.0)?);
    Ok(())
}

#[test]
fn an_input_or_mask_of_another_shape_is_an_error_that_says_what_is_needed() {
    fn text(layer: MultiheadAttention, input: &AttentionInput) -> String {
        let p = layer.params(&mut Rng::seed(0));
        let (y, saved, ()) = layer.forward(&p, &(), input, &mut Ctx::eval());
        let _ = layer.backward(&p, &saved, &y);
        y.0.error().expect("an error").to_string()
    }
    let ones = |shape: &[usize]| Tensor::ones(shape);
    let layer = || MultiheadAttention::new(4, 2);
    let own = |shape: &[usize]| AttentionInput::of_self(&Tensor::ones(shape));
    let cases = [
        (
            text(MultiheadAttention::new(4, 3), &own(&[2, 1, 4])),
            "MultiheadAttention: 3 heads do not divide embed_dim 4",
        ),
        (
            text(layer(), &own(&[2, 1, 5])),
            "MultiheadAttention: queries, keys and values are to be [length, n, size], or all without n, of sizes 4, 4 \
             and 4, got [[2, 1, 5], [2, 1, 5], [2, 1, 5]]",
        ),
        (
            text(
                layer().batch_first(true),
                &AttentionInput::new(&ones(&[2, 3, 4]), &ones(&[1, 3, 4]), &ones(&[1, 3, 4])),
            ),
            "MultiheadAttention: there are to be as many keys as values, and as many examples of both as of queries, \
             got [[2, 3, 4], [1, 3, 4], [1, 3, 4]] as [n, length, size]",
        ),
        (
            text(layer(), &own(&[3, 2, 4]).key_padding_mask(ones(&[3, 2]).bool())),
            "MultiheadAttention: the key padding mask is to be [2, 3], got [3, 2]",
        ),
        (
            text(layer(), &own(&[3, 2, 4]).attn_mask(ones(&[2, 3, 3]).bool())),
            "MultiheadAttention: the attention mask is to be [3, 3] or [4, 3, 3], got [2, 3, 3]",
        ),
    ];
    for (got, expected) in cases {
        assert!(got.starts_with(expected), "{got}\ninstead of\n{expected}");
    }
    let (y, ..) = PositionalEncoding::new(4).forward(&(), &(), &ones(&[3, 2]), &mut Ctx::eval());
    let text = y.error().expect("an error").to_string();
    assert!(
        text.starts_with(
            "PositionalEncoding: the input is to be [time, n, 4] or [time, 4], got shape [3, 2]"
        )
    );
}

fn call(row: &Row, key: &str, otherwise: bool) -> bool {
    row.call.get(key).map_or(otherwise, |value| value.as_bool().expect("a flag"))
}

#[test]
fn attention_is_pytorchs() {
    for row in &rows("attention") {
        let (embed, heads) = (row.size("embed_dim"), row.size("num_heads"));
        let weights = match (call(row, "need_weights", true), call(row, "average_attn_weights", true)) {
            (false, _) => AttentionWeights::None,
            (true, true) => AttentionWeights::Averaged,
            (true, false) => AttentionWeights::EachHead,
        };
        let layer = MultiheadAttention::new(embed, heads).bias(row.flag("bias", true)).weights(weights);
        let layer = layer.kdim(row.size_or("kdim", embed)).vdim(row.size_or("vdim", embed));
        let layer = layer.batch_first(row.flag("batch_first", false));
        let layer = layer.add_bias_kv(row.flag("add_bias_kv", false));
        let layer = layer.add_zero_attn(row.flag("add_zero_attn", false));
        let part = |name| row.input(name).expect("an input");
        let mut input = AttentionInput::new(&part("query"), &part("key"), &part("value"));
        input.key_padding_mask = row.input("key_padding_mask");
        input.attn_mask = row.input("attn_mask");
        let place = |name: &str| row.inputs.iter().position(|input| input.name == name);
        let names = ["query", "key", "value", "key_padding_mask", "attn_mask"];
        let places: Vec<_> = names.iter().map(|name| place(name)).filter(Option::is_some).collect();
        hold(row, layer, &input, &places, str::to_owned);
    }
}

/// The options that encoder and decoder layers have in common.
macro_rules! with_options {
    ($layer:ident, $row:expr) => {{
        let row: &Row = $row;
        let gelu = row.text("activation") == Some("gelu");
        $layer::new(row.size("d_model"), row.size("nhead"))
            .dim_feedforward(row.size("dim_feedforward"))
            .dropout(row.number_or("dropout", 0.1))
            .norm_first(row.flag("norm_first", false))
            .bias(row.flag("bias", true))
            .batch_first(row.flag("batch_first", false))
            .activation(if gelu { TransformerActivation::Gelu } else { TransformerActivation::Relu })
            .layer_norm_eps(row.number_or("layer_norm_eps", 1e-5))
    }};
}

#[test]
fn layers_of_transformers_are_pytorchs() {
    for row in &rows("transformer") {
        let part = |name| row.input(name).expect("an input");
        let place = |name: &str| row.inputs.iter().position(|input| input.name == name);
        let places = |names: &[&str]| -> Vec<Option<usize>> {
            names.iter().map(|name| place(name)).filter(Option::is_some).collect()
        };
        match row.layer.as_str() {
            "TransformerEncoderLayer" => {
                let mut input = EncoderInput::new(&part("src"));
                input.src_mask = row.input("src_mask");
                input.src_key_padding_mask = row.input("src_key_padding_mask");
                let places = places(&["src", "src_mask", "src_key_padding_mask"]);
                hold(row, with_options!(TransformerEncoderLayer, row), &input, &places, str::to_owned);
            }
            "TransformerDecoderLayer" => {
                let mut input = DecoderInput::new(&part("tgt"), &part("memory"));
                input.tgt_mask = row.input("tgt_mask");
                input.memory_mask = row.input("memory_mask");
                input.tgt_key_padding_mask = row.input("tgt_key_padding_mask");
                input.memory_key_padding_mask = row.input("memory_key_padding_mask");
                let masks = ["tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask"];
                let places = places(&[&["tgt", "memory"], &masks[..]].concat());
                hold(row, with_options!(TransformerDecoderLayer, row), &input, &places, str::to_owned);
            }
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn a_query_that_may_look_nowhere_takes_zeros_whatever_the_mask_is_made_of() -> Result<()> {
    let layer = Arc::new(MultiheadAttention::new(4, 2).bias(false).weights(AttentionWeights::None));
    let params = tree::cast(&layer.params(&mut Rng::seed(1)), DType::F64);
    let hidden = Tensor::from([[true, true, true], [false, true, false]]);
    let added = hidden.where_(f64::NEG_INFINITY, Tensor::zeros([2, 3]).f64());
    let [by_bool, by_number] = [hidden, added].map(|mask| {
        let f = |query: &Tensor| {
            let input = AttentionInput::new(query, &memory(&[3, 1, 4]), &values(&[3, 1, 4]));
            let input = input.attn_mask(mask.clone());
            let ((y, _), ()) = MultiheadAttention::apply(&layer, &params, &(), &input, &mut Ctx::eval());
            (y.square().sum(), y)
        };
        grad(f).call(&x(&[2, 1, 4]), ())
    });
    let ((bool_grads, (_, y)), (grads, (_, same))) = (by_bool?, by_number?);
    assert_eq!(y.narrow(0, 0, 1).abs().sum().item::<f64>()?, 0.0);
    assert_eq!(y.to_vec::<f64>()?, same.to_vec::<f64>()?);
    assert_eq!(bool_grads.to_vec::<f64>()?, grads.to_vec::<f64>()?);
    Ok(())
}

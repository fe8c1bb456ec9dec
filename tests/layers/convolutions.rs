//! Convolutions and transposed convolutions.

use retrograd::{Padding, Result, Rng, Tensor, check, tree};

use crate::nn::*;
use crate::{holds, normal};

#[test]
fn convolutions_have_the_derived_gradients() -> Result<()> {
    holds(&Conv1d::new(2, 3, 3), &normal(&[2, 2, 5]))?;
    holds(&Conv1d::new(2, 3, 2).stride(2).padding(1).dilation(2), &normal(&[1, 2, 6]))?;
    holds(&Conv1d::new(2, 2, [3]).bias(false), &normal(&[2, 4]))?;
    holds(&Conv2d::new(2, 1, 2), &normal(&[2, 2, 3, 3]))?;
    holds(&Conv2d::new(1, 2, [2, 3]).stride([2, 1]).padding([1, 0]), &normal(&[1, 1, 3, 4]))?;
    holds(&Conv2d::new(2, 2, 2).padding([(0, 1), (1, 0)]).groups(2), &normal(&[2, 3, 2]))?;
    holds(&Conv2d::new(1, 1, 3).stride(2).dilation(2).padding(Padding::Same), &normal(&[1, 1, 4, 3]))?;
    holds(&Conv3d::new(1, 2, [1, 2, 2]).padding([1, 0, 0]), &normal(&[1, 1, 2, 3, 2]))
}

#[test]
fn a_stride_that_skips_the_end_has_the_derived_gradient() -> Result<()> {
    // The last two positions are in no window.
    holds(&Conv1d::new(1, 1, 2).stride(3), &normal(&[1, 1, 7]))
}

#[test]
fn paddings_of_the_inputs_own_elements_have_the_derived_gradients() -> Result<()> {
    for mode in [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        holds(&Conv1d::new(1, 2, 3).padding(2).padding_mode(mode), &normal(&[1, 1, 4]))?;
        holds(&Conv2d::new(1, 1, 2).padding([1, 2]).padding_mode(mode), &normal(&[1, 3, 3]))?;
        holds(&Conv2d::new(1, 1, 3).padding([(1, 0), (0, 2)]).padding_mode(mode), &normal(&[1, 1, 3, 3]))?;
        holds(
            &Conv1d::new(1, 1, 4).padding(Padding::Same).stride(2).padding_mode(mode),
            &normal(&[1, 1, 5]),
        )?;
    }
    Ok(())
}

#[test]
fn same_padding_is_the_same_whatever_it_is_filled_with() {
    for (kernel, stride, dilation, length) in [(3, 1, 1, 7), (4, 2, 1, 7), (2, 3, 2, 8), (5, 2, 2, 4)] {
        let layer = Conv1d::new(1, 1, kernel).stride(stride).dilation(dilation).padding(Padding::Same);
        let params = layer.params(&mut Rng::seed(1));
        let x = Tensor::ones([1, 1, length]);
        let shape = |layer: &Conv1d| layer.forward(&params, &(), &x, &mut Ctx::eval()).0.shape();
        assert_eq!(shape(&layer), shape(&layer.clone().padding_mode(PaddingMode::Replicate)));
    }
}

#[test]
fn transposed_convolutions_have_the_derived_gradients() -> Result<()> {
    holds(&ConvTranspose1d::new(2, 3, 3), &normal(&[2, 2, 3]))?;
    holds(
        &ConvTranspose1d::new(2, 2, 2).stride(3).padding(1).output_padding(2).groups(2),
        &normal(&[1, 2, 3]),
    )?;
    holds(&ConvTranspose2d::new(2, 1, [2, 1]).bias(false), &normal(&[2, 2, 2]))?;
    holds(&ConvTranspose2d::new(1, 2, 2).stride([1, 2]).padding([(1, 0), (0, 1)]), &normal(&[1, 1, 2, 2]))?;
    holds(&ConvTranspose3d::new(1, 1, [1, 2, 2]).stride([2, 1, 1]), &normal(&[1, 1, 2, 2, 2]))
}

#[test]
fn output_padding_beyond_the_stride_has_the_derived_gradient() -> Result<()> {
    // A dilation of 3 allows 2, of which a stride of 1 makes two positions more.
    holds(&ConvTranspose1d::new(1, 2, 2).dilation(3).output_padding(2), &normal(&[1, 1, 3]))?;
    holds(&ConvTranspose2d::new(1, 1, 2).dilation([1, 3]).output_padding([0, 2]), &normal(&[1, 2, 2]))
}

#[test]
fn first_weights_are_within_the_bound_of_their_fan_in() -> Result<()> {
    let params = Conv2d::new(4, 6, [5, 5]).groups(2).params(&mut Rng::seed(1));
    assert_eq!(params.weight.shape(), [6, 2, 5, 5]);
    let bound = 1.0 / 50f64.sqrt();
    let most = params.weight.abs().amax().item::<f64>()?;
    assert!(most <= bound && most > 0.95 * bound, "{most} of {bound}");
    assert_eq!(params.bias.as_ref().map(|bias| bias.shape().to_vec()), Some(vec![6]));
    let params = ConvTranspose2d::new(4, 6, 3).groups(2).params(&mut Rng::seed(1));
    assert_eq!(params.weight.shape(), [4, 3, 3, 3]);
    assert!(params.weight.abs().amax().item::<f64>()? <= 1.0 / 27f64.sqrt());
    assert_eq!(tree::paths(&Conv1d::new(1, 1, 1).bias(false).params(&mut Rng::seed(1))), ["weight"]);
    Ok(())
}

#[test]
fn a_network_of_images_compiles() -> Result<()> {
    let net = Sequential::new().add(Conv2d::new(1, 2, 3).padding(1)).add(Relu).add(Flatten::new());
    let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
    let loss = |p: &Vec<tree::AnyTree>, x: &Tensor| f(p, &state, x, &mut Ctx::eval()).0.square().mean();
    let x = normal(&[3, 1, 4, 4]).f32();
    let (direct, _) = retrograd::grad(loss).call(&params, &x)?;
    let compiled = retrograd::grad(loss).optimize(true).fallback(retrograd::Fallback::Error);
    for _ in 0..3 {
        for (a, b) in tree::leaves(&compiled.call(&params, &x)?.0).iter().zip(tree::leaves(&direct)) {
            assert!(a.allclose(&b, 1e-5, 1e-7)?);
        }
    }
    Ok(())
}

#[test]
fn layers_have_the_names_of_their_number_of_axes() {
    assert_eq!(Conv2d::new(1, 1, 1).name(), "Conv2d");
    assert_eq!(ConvTranspose3d::new(1, 1, 1).name(), "ConvTranspose3d");
}

#[test]
fn what_does_not_fit_is_refused() {
    let text = |layer: Conv2d, shape: &[usize]| {
        check::module(layer, &normal(shape), Mode::Eval).unwrap_err().to_string()
    };
    let error = text(Conv2d::new(3, 2, 3), &[1, 2, 4, 4]);
    assert!(
        error.contains("conv2d: the input [1, 2, 4, 4] has 2 channels, the weight [2, 3, 3, 3] takes 3"),
        "{error}"
    );
    let error = text(Conv2d::new(2, 2, 3), &[4, 4]);
    assert!(error.contains("conv2d: the input [4, 4] has 2 axes, expected 4 or 3"), "{error}");
    let error = text(Conv2d::new(2, 2, 5), &[1, 2, 4, 4]);
    assert!(error.contains("the kernel [5, 5] reaches over 5 positions of axis 0"), "{error}");
    let error = text(Conv2d::new(3, 4, 1).groups(2), &[1, 3, 2, 2]);
    assert!(
        error.contains(
            "conv2d: the input [1, 3, 2, 2] has 3 channels, the weight [4, 1, 1, 1] takes 2 in 2 groups"
        ),
        "{error}"
    );
    let error = text(Conv2d::new(1, 1, 3).padding([1]).padding_mode(PaddingMode::Reflect), &[1, 1, 3, 3]);
    assert!(error.contains("conv2d: padding [1] for 2 axes"), "{error}");
    let layer = ConvTranspose1d::new(1, 1, 2).output_padding(1);
    let error = check::module(layer, &normal(&[1, 1, 2]), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("output_padding 1 is not below stride 1 of axis 0"), "{error}");
}

//! Pooling and its reverse.

use retrograd::{Padding, Result, Rng, Tensor, check};

use crate::nn::*;
use crate::{holds, normal};

#[test]
fn max_pools_have_the_derived_gradients() -> Result<()> {
    holds(&MaxPool1d::new(2), &normal(&[2, 2, 5]))?;
    holds(&MaxPool1d::new(3).stride(2).padding(1).dilation(2), &normal(&[1, 2, 7]))?;
    holds(&MaxPool2d::new([2, 3]).stride(1), &normal(&[1, 3, 4]))?;
    holds(&MaxPool2d::new(3).stride(2).padding([1, 0]).ceil_mode(true), &normal(&[1, 1, 4, 4]))?;
    holds(&MaxPool2d::new(2).padding([(1, 0), (0, 1)]), &normal(&[1, 1, 3, 3]))?;
    holds(&MaxPool3d::new(2).stride([1, 2, 1]), &normal(&[1, 1, 3, 2, 3]))?;
    holds(&MaxPool2d::new(2).stride(1).with_indices(), &normal(&[2, 3, 3]))
}

#[test]
fn the_gradient_of_equal_elements_goes_to_the_first() -> Result<()> {
    let x = Tensor::from([[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]]);
    let layer = MaxPool1d::new(3).stride(2);
    let (y, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
    let (_, dx) = layer.backward(&(), &saved, &y.ones_like());
    assert_eq!(dx.to_vec::<f64>()?, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn average_pools_have_the_derived_gradients() -> Result<()> {
    holds(&AvgPool1d::new(2), &normal(&[2, 2, 5]))?;
    holds(&AvgPool1d::new(3).stride(2).padding(1), &normal(&[1, 6]))?;
    holds(&AvgPool2d::new([2, 3]).stride([1, 2]), &normal(&[1, 3, 5]))?;
    let bordered = AvgPool2d::new(3).stride(2).padding(1).ceil_mode(true);
    holds(&bordered, &normal(&[1, 1, 4, 6]))?;
    holds(&bordered.count_include_pad(false), &normal(&[1, 1, 4, 6]))?;
    holds(&AvgPool2d::new(2).divisor_override(3.0), &normal(&[1, 1, 4, 3]))?;
    holds(&AvgPool2d::new(3).stride(2).padding(Padding::Same), &normal(&[1, 4, 5]))?;
    holds(&AvgPool3d::new(2).stride(1), &normal(&[1, 1, 2, 3, 2]))
}

#[test]
fn adaptive_pools_have_the_derived_gradients() -> Result<()> {
    // Windows side by side, windows that overlap, more windows than elements.
    for (size, length) in [(3, 6), (3, 7), (5, 3), (4, 4)] {
        holds(&AdaptiveAvgPool1d::new(size), &normal(&[1, 2, length]))?;
        holds(&AdaptiveMaxPool1d::new(size), &normal(&[1, 2, length]))?;
    }
    holds(&AdaptiveAvgPool2d::new([Some(2), None]), &normal(&[2, 3, 2]))?;
    holds(&AdaptiveMaxPool2d::new([None, Some(2)]), &normal(&[1, 1, 2, 3]))?;
    holds(&AdaptiveAvgPool3d::new([2, 1, 2]), &normal(&[1, 3, 2, 3]))?;
    holds(&AdaptiveMaxPool3d::new(2), &normal(&[1, 1, 3, 2, 3]))
}

#[test]
fn norm_pools_have_the_derived_gradients() -> Result<()> {
    holds(&LpPool1d::new(2.0, 3).stride(2), &normal(&[2, 7]))?;
    holds(&LpPool1d::new(1.0, 2), &normal(&[1, 2, 4]))?;
    holds(&LpPool2d::new(3.0, [2, 1]).ceil_mode(true), &normal(&[1, 1, 3, 2]))?;
    holds(&LpPool2d::new(1.5, 2).stride(1), &normal(&[1, 3, 3]))?;
    holds(&LpPool3d::new(2.0, 2), &normal(&[1, 2, 2, 3]))
}

#[test]
fn norms_of_windows_of_zeros_have_the_gradient_zero() -> Result<()> {
    for p in [1.0, 2.0, 3.0] {
        let layer = LpPool1d::new(p, 2);
        let (y, saved, ()) = layer.forward(&(), &(), &Tensor::zeros([1, 4]), &mut Ctx::eval());
        assert_eq!(layer.backward(&(), &saved, &y.ones_like()).1.to_vec::<f32>()?, [0.0; 4]);
    }
    Ok(())
}

fn pooled(x: &Tensor) -> (Tensor, Tensor) {
    MaxPool2d::new(2).with_indices().forward(&(), &(), x, &mut Ctx::eval()).0
}

#[test]
fn unpooling_has_the_derived_gradient() -> Result<()> {
    holds(&MaxUnpool2d::new(2), &pooled(&normal(&[1, 2, 4, 4])))?;
    holds(&MaxUnpool2d::new(2).output_size([5, 4]), &pooled(&normal(&[2, 5, 4])))?;
    // Two values for one place, of which the last stays.
    let numbers = Tensor::from([[0i64, 2, 2]]);
    holds(&MaxUnpool1d::new(2).output_size([4]), &(normal(&[1, 3]), numbers))
}

#[test]
fn unpooling_puts_elements_back_where_they_were() -> Result<()> {
    let x = normal(&[1, 1, 4, 4]);
    let y = MaxUnpool2d::new(2).forward(&(), &(), &pooled(&x), &mut Ctx::eval()).0;
    assert!(y.ne(0.0).where_(&x, 0.0).allclose(&y, 0.0, 0.0)?);
    assert!(y.sum().allclose(&pooled(&x).0.sum(), 1e-12, 0.0)?);
    let layer = MaxUnpool1d::new(3).stride(2).padding(1);
    let y = layer.forward(&(), &(), &(normal(&[2, 4]), Tensor::zeros([2, 4]).i64()), &mut Ctx::eval()).0;
    assert_eq!(y.shape(), [2, 7]);
    Ok(())
}

#[test]
fn pools_keep_the_dtype() -> Result<()> {
    let x = normal(&[1, 4, 4]).f32();
    for layer in [AvgPool2d::new(2), AvgPool2d::new(3).padding(1).count_include_pad(false)] {
        let (y, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
        assert_eq!(layer.backward(&(), &saved, &y).1.dtype(), x.dtype());
    }
    let layer = AdaptiveAvgPool2d::new(3);
    let (y, saved, ()) = layer.forward(&(), &(), &x, &mut Ctx::eval());
    assert_eq!(layer.backward(&(), &saved, &y).1.dtype(), x.dtype());
    Ok(())
}

#[test]
fn layers_have_the_names_of_their_number_of_axes() {
    assert_eq!(MaxPool2d::new(1).name(), "MaxPool2d");
    assert_eq!(AdaptiveAvgPool1d::new(1).name(), "AdaptiveAvgPool1d");
    assert_eq!(MaxUnpool3d::new(1).name(), "MaxUnpool3d");
}

#[test]
fn what_does_not_fit_is_refused() {
    fn text<M: Module<Params = (), State = (), Input = Tensor>>(layer: M, x: Tensor) -> String {
        check::module(layer, &x, Mode::Eval).unwrap_err().to_string()
    }
    for (text, expected) in [
        (text(MaxPool2d::new(5), normal(&[1, 3, 3])), "the kernel [5, 5] reaches over 5 positions of axis 0"),
        (
            text(AvgPool2d::new(2).padding(2), normal(&[1, 3, 3])),
            "padding of axis 0 is more than half of the kernel",
        ),
        (text(AvgPool2d::new(2), normal(&[3])), "the input [3] has 1 axes, the window 2"),
        (text(AdaptiveAvgPool2d::new(0), normal(&[1, 3, 3])), "size [0, 0] contains 0, must be at least 1"),
        (
            text(AdaptiveMaxPool2d::new([None, Some(2)]), normal(&[3])),
            "the input [3] has 1 axes, the window 2",
        ),
        (text(LpPool1d::new(-1.0, 2), normal(&[1, 4])), "p is -1, must be positive"),
        (
            text(LpPool1d::new(f64::INFINITY, 2), normal(&[1, 4])),
            "LpPool1d: the norm of order infinity is `MaxPool` of `Abs`",
        ),
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let numbers = Rng::seed(0).randint(0, 2, [1, 3]);
    let error =
        check::module(MaxUnpool1d::new(2), &(normal(&[1, 4]), numbers), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("values of shape [1, 4] and indices of shape [1, 3]"), "{error}");
}

/// Rounded up, one window is enough for an input that is shorter than it.
#[test]
fn ceil_mode_takes_an_input_shorter_than_the_kernel() -> Result<()> {
    let short = MaxPool1d::new(3).stride(2).ceil_mode(true);
    holds(&short, &normal(&[1, 2, 2]))?;
    let (y, ..) = short.forward(&(), &(), &Tensor::from([[1.0, 2.0]]), &mut Ctx::eval());
    assert_eq!(y.to_vec::<f64>()?, [2.0]);
    let average = AvgPool2d::new(4).stride(3).padding(1).ceil_mode(true);
    holds(&average, &normal(&[1, 1, 1, 5]))?;
    // A stride further there is none.
    let (y, ..) = MaxPool1d::new(3).ceil_mode(true).stride(1).forward(
        &(),
        &(),
        &Tensor::zeros([1, 2]),
        &mut Ctx::eval(),
    );
    assert!(y.error().is_some_and(|e| e.to_string().contains("reaches over 3 positions")));
    Ok(())
}

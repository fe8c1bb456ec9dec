//! Images at another resolution.

use retrograd::{Resampling, Result, check};

use crate::nn::*;
use crate::{holds, normal};

const MODES: [Resampling; 6] = [
    Resampling::Nearest,
    Resampling::NearestExact,
    Resampling::Linear,
    Resampling::LinearAligned,
    Resampling::Cubic,
    Resampling::CubicAligned,
];

#[test]
fn resampling_has_the_derived_gradient() -> Result<()> {
    for mode in MODES {
        holds(&Upsample::by(2.0).mode(mode), &normal(&[1, 2, 3]))?;
        holds(&Upsample::by([1.5, 0.5]).mode(mode), &normal(&[1, 1, 3, 4]))?;
        holds(&Upsample::to([5, 2]).mode(mode), &normal(&[2, 1, 2, 3]))?;
    }
    holds(&Upsample::to([2, 1, 3]).mode(Resampling::Linear), &normal(&[1, 1, 1, 2, 2]))
}

#[test]
fn columns_have_the_derived_gradient() -> Result<()> {
    holds(&Unfold::new([2]), &normal(&[2, 3, 4]))?;
    holds(&Unfold::new([2, 3]).stride(2).padding([1, 2]).dilation([2, 1]), &normal(&[1, 2, 5, 4]))?;
    holds(&Unfold::new([1, 2, 2]), &normal(&[1, 2, 2, 3, 2]))?;
    holds(&Fold::new([4], [2]), &normal(&[2, 6, 3]))?;
    holds(&Fold::new([5, 4], [2, 3]).stride(2).padding([1, 2]).dilation([2, 1]), &normal(&[1, 12, 9]))
}

#[test]
fn resampling_is_the_operation_where_lengths_are_given() -> Result<()> {
    let x = normal(&[1, 1, 3, 7]);
    for mode in MODES {
        let same = |layer: Upsample, y: retrograd::Tensor| {
            layer.mode(mode).forward(&(), &(), &x, &mut Ctx::eval()).0.allclose(&y, 1e-14, 1e-14)
        };
        for size in [[3, 14], [7, 5], [6, 7], [29, 21], [1, 1]] {
            assert!(same(Upsample::to(size), x.interpolate(size, mode))?, "{mode:?} {size:?}");
        }
        assert!(same(Upsample::by(3.0), x.upsample(3, mode))?);
        // A factor whose inverse times itself rounds to less than 1.
        let (layer, x) = (Upsample::by(49.0).mode(mode), normal(&[1, 1, 3]));
        let y = layer.forward(&(), &(), &x, &mut Ctx::eval()).0;
        assert!(y.allclose(&x.upsample(49, mode), 1e-14, 1e-14)?);
    }
    Ok(())
}

#[test]
fn pixels_and_channels_have_the_derived_gradients_and_are_each_others_inverse() -> Result<()> {
    holds(&PixelShuffle::new(2), &normal(&[1, 4, 2, 3]))?;
    holds(&PixelUnshuffle::new(3), &normal(&[1, 3, 6]))?;
    let x = normal(&[2, 8, 3, 2]);
    let y = PixelShuffle::new(2).forward(&(), &(), &x, &mut Ctx::eval()).0;
    let back = PixelUnshuffle::new(2).forward(&(), &(), &y, &mut Ctx::eval()).0;
    assert!(back.allclose(&x, 0.0, 0.0)?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    fn text<M: Module<Params = (), State = (), Input = retrograd::Tensor>>(
        layer: M,
        shape: &[usize],
    ) -> String {
        check::module(layer, &normal(shape), Mode::Eval).unwrap_err().to_string()
    }
    for (text, expected) in [
        (text(Upsample::by(2.0), &[3, 4]), "of [3, 4]: expected an image [batch, channels, ..]"),
        (
            text(Upsample::to([2]), &[1, 1, 3, 4]),
            "of [1, 1, 3, 4]: expected an image [batch, channels, ..] with 1 axes more",
        ),
        (text(Upsample::by(0.1), &[1, 1, 3]), "a length of 0 is none for an axis"),
        (text(Upsample::by(f64::NAN), &[1, 1, 3]), "a length of 0 is none for an axis"),
        (
            text(PixelShuffle::new(2), &[1, 6, 2, 2]),
            "PixelShuffle: the factor 2 does not fit an input [1, 6, 2, 2]",
        ),
        (
            text(PixelUnshuffle::new(2), &[1, 2, 3]),
            "PixelUnshuffle: the factor 2 does not fit an input [1, 2, 3]",
        ),
        (text(PixelShuffle::new(0), &[1, 6, 2, 2]), "PixelShuffle: the factor 0 does not fit"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

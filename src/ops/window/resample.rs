//! Images at another resolution. Made of other operations.

use super::options::{IntoPerAxis, PerAxis};
use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::pointwise::Domain;
use crate::tensor::Tensor;

/// How elements between those that there are come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resampling {
    /// The element at `floor(i * n / size)`: PyTorch's `nearest`.
    Nearest,
    /// The element whose centre is nearest, `floor((i + 1/2) * n / size)`: PyTorch's `nearest-exact`, JAX's `nearest`.
    NearestExact,
    /// A mean of the two neighbours along each axis, weighted by distance from their centres: `linear`, `bilinear`,
    /// `trilinear`.
    Linear,
    /// The same, with the first and the last element at the ends: PyTorch's `align_corners=True`.
    LinearAligned,
    /// A piecewise cubic through the elements (Keys, "Cubic convolution interpolation for digital image processing",
    /// 1981, with `a = -3/4`), the four neighbours along each axis weighted; beyond an end its element goes on. PyTorch's
    /// `bicubic`; JAX's `cubic` has `a = -1/2` and weighs the ends differently.
    Cubic,
    /// The same, with the first and the last element at the ends: PyTorch's `align_corners=True`.
    CubicAligned,
}

/// Input positions by output position, and how much their elements count.
type Tap = (Vec<i64>, Vec<f64>);

/// What every position of the result is the weighted sum of.
fn taps(inputs: usize, outputs: usize, mode: Resampling) -> Vec<Tap> {
    let last = (inputs - 1) as f64;
    let aligned = matches!(mode, Resampling::LinearAligned | Resampling::CubicAligned);
    let at = |i: usize| match aligned {
        true if outputs == 1 => 0.0,
        true => i as f64 * last / (outputs - 1) as f64,
        false => (i as f64 + 0.5) * inputs as f64 / outputs as f64 - 0.5,
    };
    let tap = |offset: i32, weight: fn(f64) -> f64| {
        let place = |i| (at(i).floor() + f64::from(offset)).clamp(0.0, last) as i64;
        let weight = |i| weight((at(i) - at(i).floor() - f64::from(offset)).abs());
        ((0..outputs).map(place).collect(), (0..outputs).map(weight).collect())
    };
    match mode {
        Resampling::Cubic | Resampling::CubicAligned => (-1..3).map(|offset| tap(offset, cubic)).collect(),
        _ => (0..2).map(|offset| tap(offset, |distance| 1.0 - distance)).collect(),
    }
}

/// How much an element counts at a distance below 2.
fn cubic(d: f64) -> f64 {
    const A: f64 = -0.75;
    if d < 1.0 { ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0 } else { A * (((d - 5.0) * d + 8.0) * d - 4.0) }
}

impl Tensor {
    /// An image `[n, c, ..]` with the lengths `size` in the axes after the first two.
    ///
    /// # Errors
    /// The result is invalid if there are no such axes, if one of them is empty, or if a length is 0; if integers are
    /// to be interpolated.
    ///
    /// Gradient: each element gets what it gave.
    ///
    /// PyTorch: `torch.nn.functional.interpolate(size=..)`. JAX: `jax.image.resize(antialias=False)`.
    ///
    /// ```
    /// # use retrograd::{Resampling, Tensor};
    /// let x = Tensor::from([0.0, 1.0]).reshape([1, 1, 2]);
    /// assert_eq!(x.interpolate(4, Resampling::Linear).to_vec::<f64>()?, [0.0, 0.25, 0.75, 1.0]);
    /// assert_eq!(x.interpolate(4, Resampling::Nearest).to_vec::<f64>()?, [0.0, 0.0, 1.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn interpolate(&self, size: impl IntoPerAxis, mode: Resampling) -> Tensor {
        self.resampled("interpolate", &size.into_per_axis(), mode, |size, _| Some(size))
    }

    /// An image `[n, c, ..]` with every length after the first two axes `factor` times as great.
    ///
    /// # Errors
    /// As [`Tensor::interpolate`].
    ///
    /// Gradient: each element gets what it gave.
    ///
    /// PyTorch: `torch.nn.functional.interpolate(scale_factor=..)`. JAX: `jax.image.resize(antialias=False)`.
    ///
    /// ```
    /// # use retrograd::{Resampling, Tensor};
    /// let x = Tensor::zeros([8, 3, 16, 16]);
    /// assert_eq!(x.upsample([2, 3], Resampling::Linear).shape(), [8, 3, 32, 48]);
    /// ```
    #[track_caller]
    pub fn upsample(&self, factor: impl IntoPerAxis, mode: Resampling) -> Tensor {
        self.resampled("upsample", &factor.into_per_axis(), mode, usize::checked_mul)
    }

    /// `size` yields the length of an axis from the number given and the length that it has.
    #[track_caller]
    fn resampled(
        &self,
        operation: &'static str,
        numbers: &PerAxis,
        mode: Resampling,
        size: fn(usize, usize) -> Option<usize>,
    ) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let spec = *self.spec();
        let lengths = || {
            if spec.shape.rank() < 3 {
                let message = format!("the input {} has {} axes", spec.shape, spec.shape.rank());
                return Err(
                    Misfit::shape(message).help("an image is [batch, channels, ..], with an axis or more")
                );
            }
            if spec.shape[2..].contains(&0) {
                return Err(Misfit::shape(format!("the input {} is empty", spec.shape)));
            }
            if !matches!(mode, Resampling::Nearest | Resampling::NearestExact) {
                Domain::Floats.check(spec.dtype)?;
            }
            let numbers = numbers.positive("size", spec.shape.rank() - 2)?;
            let length = |(&n, &have): (&usize, &u32)| {
                size(n, have as usize)
                    .filter(|&n| n < u32::MAX as usize)
                    .ok_or_else(|| Misfit::shape(format!("a length of {n} times {have} is too great")))
            };
            numbers.iter().zip(&spec.shape[2..]).map(length).collect::<Result<Vec<usize>, _>>()
        };
        match lengths() {
            Ok(lengths) => {
                let axes = lengths.into_iter().enumerate();
                axes.fold(self.clone(), |x, (i, n)| x.resampled_axis(2 + i, n, mode))
            }
            Err(misfit) => misuse(operation, &[self], misfit),
        }
    }

    #[track_caller]
    fn resampled_axis(&self, axis: usize, outputs: usize, mode: Resampling) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        let inputs = shape.dim(axis);
        if inputs == outputs {
            return self.clone();
        }
        let select =
            |places: Vec<i64>| self.index_select(axis as isize, &Tensor::from_vec(places, [outputs]));
        let half = match mode {
            Resampling::Nearest => 0,
            Resampling::NearestExact => 1,
            _ => {
                let mut column = vec![1; shape.rank()];
                column[axis] = outputs;
                let part = |(places, weights)| {
                    select(places) * Tensor::from_vec(weights, &column[..]).to_dtype(self.spec().dtype)
                };
                let parts = taps(inputs, outputs, mode).into_iter().map(part);
                return parts.reduce(|sum, part| sum + part).expect("two taps or four");
            }
        };
        if outputs.is_multiple_of(inputs)
            && let Some(column) = shape.with_axis(axis + 1, 1)
        {
            // Every element some times in a row, whichever rule.
            let repeated = column.with_dim(axis + 1, outputs / inputs);
            return self.reshape(column).broadcast_shape(repeated).reshape(shape.with_dim(axis, outputs));
        }
        select((0..outputs).map(|i| ((2 * i + half) * inputs / (2 * outputs)) as i64).collect())
    }
}

//! Pooling to lengths that are given, whatever those of the input.

use super::super::stateless::{Function, functions, shape_of};
use super::max::at_numbers;
use retrograd::tree::Static;
use retrograd::{Shape, Tensor};

/// What can be given as the size of an adaptive pooling: a length for all axes, one for each, or some that stay as they
/// are (`None`).
pub trait AdaptiveSize<const N: usize> {
    /// The lengths.
    fn lengths(self) -> [Option<usize>; N];
}

impl<const N: usize> AdaptiveSize<N> for usize {
    fn lengths(self) -> [Option<usize>; N] {
        [Some(self); N]
    }
}

impl<const N: usize> AdaptiveSize<N> for [usize; N] {
    fn lengths(self) -> [Option<usize>; N] {
        self.map(Some)
    }
}

impl<const N: usize> AdaptiveSize<N> for [Option<usize>; N] {
    fn lengths(self) -> [Option<usize>; N] {
        self
    }
}

/// The means over the last `N` axes, cut into as many windows as the size says, as even as can be: window `i` of `n` of
/// a length `l` begins at `i l / n`, rounded down, and ends before `(i + 1) l / n`, rounded up.
///
/// Gradient: `dy` over the number of elements, at all elements of the window; the input's shape is kept.
///
/// PyTorch: `torch.nn.AdaptiveAvgPool1d`, `AdaptiveAvgPool2d`, `AdaptiveAvgPool3d`. Torch:
/// `nn.SpatialAdaptiveAveragePooling`.
///
/// ```
/// use retrograd::nn::{AdaptiveAvgPool2d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (pool, ()) = functionalize(AdaptiveAvgPool2d::new([Some(3), None]), &mut Rng::seed(0));
/// assert_eq!(pool(&(), &Tensor::ones([8, 16, 7, 5])).shape(), [8, 16, 3, 5]);
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveAvgPool<const N: usize>([Option<usize>; N]);

/// The greatest elements over the last `N` axes, cut into windows as [`AdaptiveAvgPool`] does.
///
/// Gradient: `dy` at the greatest element, the first of equal ones; their positions are kept.
///
/// PyTorch: `torch.nn.AdaptiveMaxPool1d`, `AdaptiveMaxPool2d`, `AdaptiveMaxPool3d`. Torch:
/// `nn.SpatialAdaptiveMaxPooling`.
#[derive(Clone, Debug)]
pub struct AdaptiveMaxPool<const N: usize>([Option<usize>; N]);

/// [`AdaptiveAvgPool`] of signals.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// [`AdaptiveAvgPool`] of images.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
/// [`AdaptiveAvgPool`] of volumes.
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;
/// [`AdaptiveMaxPool`] of signals.
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// [`AdaptiveMaxPool`] of images.
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;
/// [`AdaptiveMaxPool`] of volumes.
pub type AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

impl<const N: usize> AdaptiveAvgPool<N> {
    /// To these lengths.
    pub fn new(output_size: impl AdaptiveSize<N>) -> AdaptiveAvgPool<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        AdaptiveAvgPool(output_size.lengths())
    }
}

impl<const N: usize> AdaptiveMaxPool<N> {
    /// To these lengths.
    pub fn new(output_size: impl AdaptiveSize<N>) -> AdaptiveMaxPool<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        AdaptiveMaxPool(output_size.lengths())
    }
}

/// The lengths asked for, those of the last axes where none are.
fn sized<const N: usize>(size: [Option<usize>; N], x: &Tensor) -> [usize; N] {
    let dims = shape_of(x).to_vec();
    // An input with too few axes is refused by the operation.
    let own = |axis: usize| dims.len().checked_sub(N).map_or(1, |lead| dims[lead + axis]);
    std::array::from_fn(|axis| size[axis].unwrap_or_else(|| own(axis)))
}

/// The matrix `[outputs, inputs]` whose row `i` has the share of each input in window `i`.
fn shares(inputs: usize, outputs: usize) -> Tensor {
    let mut shares = vec![0.0; inputs * outputs];
    for (i, row) in shares.chunks_mut(inputs.max(1)).enumerate() {
        let window = i * inputs / outputs..((i + 1) * inputs).div_ceil(outputs);
        let share = 1.0 / window.len() as f64;
        row[window].fill(share);
    }
    Tensor::from_vec(shares, [outputs, inputs])
}

/// The gradient of means along an axis that had `inputs` positions.
fn spread_axis(dy: &Tensor, axis: usize, inputs: usize) -> Tensor {
    let mut dims = shape_of(dy).to_vec();
    let Some(&outputs) = dims.get(axis) else { return dy.clone() };
    let at = axis as isize;
    if outputs == inputs || outputs == 0 {
        dy.clone()
    } else if inputs.is_multiple_of(outputs) {
        // Windows side by side, all of one length.
        let length = inputs / outputs;
        dims.insert(axis + 1, length);
        (dy / length as f64).unsqueeze(at + 1).broadcast_to(dims).flatten(at, at + 1)
    } else {
        let shares = shares(inputs, outputs).to_dtype(dy.dtype());
        dy.movedim(at, -1).matmul(&shares).movedim(-1, at)
    }
}

impl<const N: usize> Function for AdaptiveAvgPool<N> {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
        let size = sized(self.0, x);
        let y = match N {
            1 => x.adaptive_avg_pool1d(size),
            2 => x.adaptive_avg_pool2d(size),
            _ => x.adaptive_avg_pool3d(size),
        };
        (y, Static(shape_of(x)))
    }
    fn pull(&self, Static(shape): &Self::Saved, dy: &Tensor) -> Tensor {
        let lead = shape.rank().saturating_sub(N);
        // A mean over a box is a mean of means: one axis after the other.
        (lead..shape.rank()).fold(dy.clone(), |dy, axis| spread_axis(&dy, axis, shape[axis] as usize))
    }
}

impl<const N: usize> Function for AdaptiveMaxPool<N> {
    type Saved = (Tensor, Static<Shape>);
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
        let size = sized(self.0, x);
        let (y, numbers) = match N {
            1 => x.adaptive_max_pool1d_with_indices(size),
            2 => x.adaptive_max_pool2d_with_indices(size),
            _ => x.adaptive_max_pool3d_with_indices(size),
        };
        (y, (numbers, Static(shape_of(x))))
    }
    fn pull(&self, (numbers, shape): &Self::Saved, dy: &Tensor) -> Tensor {
        at_numbers::<N>(numbers, &shape.0, dy)
    }
}

functions! {
    AdaptiveAvgPool<N> ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"],
    AdaptiveMaxPool<N> ["AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d"],
}

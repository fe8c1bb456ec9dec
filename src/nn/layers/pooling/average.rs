//! The mean of every window.

use super::super::stateless::{Function, functions, shape_of};
use super::super::window::PerWindowAxis;
use retrograd::tree::Static;
use retrograd::{IntoPadding, Padding, Pool, Tensor};

/// The mean of every window over the last `N` axes; zeros of padding count unless told otherwise.
///
/// Input `[batch, channels, ..]` with any leading axes; a length `l` becomes `(l + 2 padding - kernel) / stride + 1`,
/// rounded down, or up in ceil mode.
///
/// Gradient: `dy` over the number of elements, at all elements of the window; the input's lengths are kept.
///
/// PyTorch: `torch.nn.AvgPool1d`, `AvgPool2d`, `AvgPool3d`. Torch: `nn.SpatialAveragePooling`,
/// `nn.VolumetricAveragePooling`.
///
/// ```
/// use retrograd::nn::{AvgPool1d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let x = Tensor::from([[3.0, 6.0, 9.0]]);
/// let (pool, ()) = functionalize(AvgPool1d::new(3).stride(1).padding(1), &mut Rng::seed(0));
/// assert_eq!(pool(&(), &x).to_vec::<f64>()?, [3.0, 6.0, 5.0]);
/// let counting = AvgPool1d::new(3).stride(1).padding(1).count_include_pad(false);
/// let (pool, ()) = functionalize(counting, &mut Rng::seed(0));
/// assert_eq!(pool(&(), &x).to_vec::<f64>()?, [4.5, 6.0, 7.5]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AvgPool<const N: usize> {
    kernel: [usize; N],
    stride: [usize; N],
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Option<f64>,
}

/// [`AvgPool`] of signals.
pub type AvgPool1d = AvgPool<1>;
/// [`AvgPool`] of images.
pub type AvgPool2d = AvgPool<2>;
/// [`AvgPool`] of volumes.
pub type AvgPool3d = AvgPool<3>;

impl<const N: usize> AvgPool<N> {
    /// Windows of a length or lengths, one beside the other.
    pub fn new(kernel_size: impl PerWindowAxis<N>) -> AvgPool<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        let kernel = kernel_size.each();
        let padding = Padding::VALID;
        AvgPool {
            kernel,
            stride: kernel,
            padding,
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }

    /// From one window to the next; the kernel's length by default.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> AvgPool<N> {
        self.stride = stride.each();
        self
    }

    /// Zeros around the input, at most half of the kernel.
    pub fn padding(mut self, padding: impl IntoPadding) -> AvgPool<N> {
        self.padding = padding.into_padding();
        self
    }

    /// Whether a last window that ends outside of the input counts too.
    pub fn ceil_mode(mut self, ceil: bool) -> AvgPool<N> {
        self.ceil_mode = ceil;
        self
    }

    /// Whether zeros of padding count; true by default.
    pub fn count_include_pad(mut self, count: bool) -> AvgPool<N> {
        self.count_include_pad = count;
        self
    }

    /// What sums are divided by, instead of the number of elements.
    pub fn divisor_override(mut self, divisor: f64) -> AvgPool<N> {
        self.divisor_override = Some(divisor);
        self
    }

    fn pool(&self) -> Pool {
        let pool = Pool::new(self.kernel).stride(self.stride).padding(self.padding.clone());
        let pool = if self.ceil_mode { pool.ceil_mode() } else { pool };
        let pool = if self.count_include_pad { pool } else { pool.exclude_padding() };
        self.divisor_override.into_iter().fold(pool, Pool::divisor)
    }
}

/// The lengths of the last `N` axes, as far as there are any.
pub(super) fn lengths_of(x: &Tensor, n: usize) -> Vec<usize> {
    let dims = shape_of(x).to_vec();
    dims[dims.len().saturating_sub(n)..].to_vec()
}

/// The gradient of the input of lengths `size` of a pooling to means.
pub(super) fn spread<const N: usize>(dy: &Tensor, size: &[usize], pool: Pool) -> Tensor {
    match N {
        1 => dy.avg_pool1d_input(size, pool),
        2 => dy.avg_pool2d_input(size, pool),
        _ => dy.avg_pool3d_input(size, pool),
    }
}

impl<const N: usize> Function for AvgPool<N> {
    type Saved = Static<Vec<usize>>;
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
        let y = match N {
            1 => x.avg_pool1d(self.pool()),
            2 => x.avg_pool2d(self.pool()),
            _ => x.avg_pool3d(self.pool()),
        };
        (y, Static(lengths_of(x, N)))
    }
    fn pull(&self, lengths: &Self::Saved, dy: &Tensor) -> Tensor {
        spread::<N>(dy, &lengths.0, self.pool())
    }
}

functions! { AvgPool<N> ["AvgPool1d", "AvgPool2d", "AvgPool3d"] }

//! What windows see as columns, and columns added up to an image.

use super::stateless::{Function, functions, shape_of};
use super::window::PerWindowAxis;
use retrograd::tree::Static;
use retrograd::{IntoPadding, Padding, Pool, Shape, Tensor};

/// What both layers say of their windows.
#[derive(Clone, Debug)]
struct Windows<const N: usize> {
    kernel: [usize; N],
    stride: [usize; N],
    padding: Padding,
    dilation: [usize; N],
}

impl<const N: usize> Windows<N> {
    fn new(kernel: [usize; N]) -> Windows<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        Windows { kernel, stride: [1; N], padding: Padding::VALID, dilation: [1; N] }
    }

    fn pool(&self) -> Pool {
        Pool::new(self.kernel).stride(self.stride).padding(self.padding.clone()).dilation(self.dilation)
    }
}

/// What every window over the last `N` axes sees, as a column: an input `[batch, channels, ..]` becomes
/// `[batch, channels * kernel, windows]`.
///
/// Gradient: columns added up, as [`Fold`] does; the input's lengths are kept.
///
/// PyTorch: `torch.nn.Unfold`. Torch: none.
///
/// ```
/// use retrograd::nn::{Unfold, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (unfold, ()) = functionalize(Unfold::new([3, 3]).padding(1), &mut Rng::seed(0));
/// assert_eq!(unfold(&(), &Tensor::ones([8, 2, 5, 4])).shape(), [8, 2 * 9, 5 * 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Unfold<const N: usize>(Windows<N>);

/// Columns added up to an image of given lengths, where windows overlap: the transpose of [`Unfold`]. An input
/// `[batch, channels * kernel, windows]` becomes `[batch, channels, ..]`.
///
/// Gradient: columns, as [`Unfold`] makes them.
///
/// PyTorch: `torch.nn.Fold`. Torch: none.
///
/// ```
/// use retrograd::nn::{Fold, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (fold, ()) = functionalize(Fold::new([3], [2]), &mut Rng::seed(0));
/// let columns = Tensor::from([[[1.0, 2.0], [3.0, 4.0]]]);
/// assert_eq!(fold(&(), &columns).to_vec::<f64>()?, [1.0, 2.0 + 3.0, 4.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fold<const N: usize> {
    output_size: [usize; N],
    windows: Windows<N>,
}

impl<const N: usize> Unfold<N> {
    /// Windows of these lengths at every position.
    pub fn new(kernel_size: [usize; N]) -> Unfold<N> {
        Unfold(Windows::new(kernel_size))
    }
}

impl<const N: usize> Fold<N> {
    /// To an image of these lengths, from windows of those at every position.
    pub fn new(output_size: [usize; N], kernel_size: [usize; N]) -> Fold<N> {
        Fold { output_size, windows: Windows::new(kernel_size) }
    }
}

macro_rules! window_options {
    ($($layer:ident.$windows:tt)*) => {$(
        impl<const N: usize> $layer<N> {
            /// From one window to the next; 1 by default.
            pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> $layer<N> {
                self.$windows.stride = stride.each();
                self
            }

            /// Zeros around the image.
            pub fn padding(mut self, padding: impl IntoPadding) -> $layer<N> {
                self.$windows.padding = padding.into_padding();
                self
            }

            /// From one element of a window to the next.
            pub fn dilation(mut self, dilation: impl PerWindowAxis<N>) -> $layer<N> {
                self.$windows.dilation = dilation.each();
                self
            }
        }
    )*};
}

window_options! { Unfold.0 Fold.windows }

impl<const N: usize> Function for Unfold<N> {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        (x.im2col(self.0.pool()), Static(shape_of(x)))
    }
    fn pull(&self, Static(shape): &Static<Shape>, dy: &Tensor) -> Tensor {
        let lengths: Vec<usize> = shape.to_vec().into_iter().skip(2).collect();
        dy.col2im(lengths, self.0.pool())
    }
}

impl<const N: usize> Function for Fold<N> {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (x.col2im(self.output_size, self.windows.pool()), ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        dy.im2col(self.windows.pool())
    }
}

functions! { Unfold<N> ["Unfold1d", "Unfold2d", "Unfold3d"], Fold<N> ["Fold1d", "Fold2d", "Fold3d"] }

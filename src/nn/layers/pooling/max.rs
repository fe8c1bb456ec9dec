//! The greatest element of every window.

use super::super::stateless::{Function, functions, shape_of};
use super::super::window::PerWindowAxis;
use retrograd::nn::{Ctx, Module};
use retrograd::tree::Static;
use retrograd::{IntoPadding, Padding, Pool, Rng, Shape, Tensor};

/// The greatest element of every window over the last `N` axes; NaN if there is one. Padding is never the greatest.
///
/// Input `[batch, channels, ..]` with any leading axes; a length `l` becomes
/// `(l + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down, or up in ceil mode (where the last window
/// must begin inside the input or the padding before it).
///
/// Gradient: `dy` at the greatest element of each window, the first of equal ones; their positions are kept.
///
/// PyTorch: `torch.nn.MaxPool1d`, `MaxPool2d`, `MaxPool3d`. Torch: `nn.TemporalMaxPooling`, `nn.SpatialMaxPooling`,
/// `nn.SpatialDilatedMaxPooling`, `nn.VolumetricMaxPooling`.
///
/// ```
/// use retrograd::nn::{MaxPool2d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (pool, ()) = functionalize(MaxPool2d::new(3).stride(2).padding(1), &mut Rng::seed(0));
/// assert_eq!(pool(&(), &Tensor::ones([8, 16, 28, 28])).shape(), [8, 16, 14, 14]);
/// ```
#[derive(Clone, Debug)]
pub struct MaxPool<const N: usize> {
    pub(super) kernel: [usize; N],
    pub(super) stride: [usize; N],
    padding: Padding,
    dilation: [usize; N],
    ceil_mode: bool,
}

/// [`MaxPool`] of signals.
pub type MaxPool1d = MaxPool<1>;
/// [`MaxPool`] of images.
pub type MaxPool2d = MaxPool<2>;
/// [`MaxPool`] of volumes.
pub type MaxPool3d = MaxPool<3>;

impl<const N: usize> MaxPool<N> {
    /// Windows of a length or lengths, one beside the other.
    pub fn new(kernel_size: impl PerWindowAxis<N>) -> MaxPool<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        let kernel = kernel_size.each();
        MaxPool { kernel, stride: kernel, padding: Padding::VALID, dilation: [1; N], ceil_mode: false }
    }

    /// From one window to the next; the kernel's length by default.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> MaxPool<N> {
        self.stride = stride.each();
        self
    }

    /// Positions around the input, at most half of the kernel.
    pub fn padding(mut self, padding: impl IntoPadding) -> MaxPool<N> {
        self.padding = padding.into_padding();
        self
    }

    /// From one element of a window to the next.
    pub fn dilation(mut self, dilation: impl PerWindowAxis<N>) -> MaxPool<N> {
        self.dilation = dilation.each();
        self
    }

    /// Whether a last window that ends outside of the input counts too.
    pub fn ceil_mode(mut self, ceil: bool) -> MaxPool<N> {
        self.ceil_mode = ceil;
        self
    }

    /// The same layer, whose output is a pair: the greatest elements, and their row-major numbers (i64) in the last
    /// `N` axes of the input, as [`MaxUnpool`](super::MaxUnpool) takes them.
    pub fn with_indices(self) -> MaxPoolIndices<N> {
        MaxPoolIndices(self)
    }

    fn pool(&self) -> Pool {
        let pool = Pool::new(self.kernel).stride(self.stride).padding(self.padding.clone());
        let pool = pool.dilation(self.dilation);
        if self.ceil_mode { pool.ceil_mode() } else { pool }
    }

    /// Values and numbers.
    fn pooled(&self, x: &Tensor) -> (Tensor, Tensor) {
        match N {
            1 => x.max_pool1d_with_indices(self.pool()),
            2 => x.max_pool2d_with_indices(self.pool()),
            _ => x.max_pool3d_with_indices(self.pool()),
        }
    }
}

/// The last `N` axes as one.
pub(super) fn flat<const N: usize>(x: &Tensor) -> Tensor {
    x.flatten(-(N as isize), -1)
}

/// `dy` at the elements of a tensor of zeros that their numbers name, added up where one is named more than once.
pub(super) fn at_numbers<const N: usize>(numbers: &Tensor, shape: &Shape, dy: &Tensor) -> Tensor {
    let zeros = flat::<N>(&Tensor::zeros(shape).to_dtype(dy.dtype()));
    zeros.scatter_add(-1, &flat::<N>(numbers), &flat::<N>(dy)).reshape(shape)
}

impl<const N: usize> Function for MaxPool<N> {
    type Saved = (Tensor, Static<Shape>);
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
        let (y, numbers) = self.pooled(x);
        (y, (numbers, Static(shape_of(x))))
    }
    fn pull(&self, (numbers, shape): &Self::Saved, dy: &Tensor) -> Tensor {
        at_numbers::<N>(numbers, &shape.0, dy)
    }
}

functions! { MaxPool<N> ["MaxPool1d", "MaxPool2d", "MaxPool3d"] }

/// [`MaxPool`] whose output is a pair, values and numbers; made by [`MaxPool::with_indices`].
///
/// Gradient: of the values, as [`MaxPool`]'s; none of the numbers.
///
/// PyTorch: `torch.nn.MaxPool2d(return_indices=True)` and its like. Torch: `nn.SpatialMaxPooling` with its `indices`.
#[derive(Clone, Debug)]
pub struct MaxPoolIndices<const N: usize>(MaxPool<N>);

impl<const N: usize> Module for MaxPoolIndices<N> {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = (Tensor, Tensor);
    type Saved = (Tensor, Static<Shape>);

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), x: &Tensor, _: &mut Ctx) -> (Self::Output, Self::Saved, ()) {
        let (y, saved) = self.0.value(x);
        ((y, saved.0.clone()), saved, ())
    }

    fn backward(&self, _: &(), saved: &Self::Saved, (dy, _): &Self::Output) -> ((), Tensor) {
        ((), self.0.pull(saved, dy))
    }

    fn backward_params(&self, _: &(), _: &Self::Saved, _: &Self::Output) {}
}

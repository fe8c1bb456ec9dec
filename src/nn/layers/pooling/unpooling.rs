//! The reverse of max pooling.

use super::super::stateless::shape_of;
use super::super::window::PerWindowAxis;
use super::max::{MaxPool, flat};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor};

/// Zeros with the elements of an input where a max pooling found them: of a pair of values and their numbers, as
/// [`MaxPool::with_indices`] yields, an output of the lengths that were pooled. Of several elements for one place the
/// last stays.
///
/// The lengths are those that a pooling of the kernel and stride without remainder has: a length `l` becomes
/// `(l - 1) stride - 2 padding + kernel`, unless [`MaxUnpool::output_size`] says another.
///
/// Gradient: `dy` at the places of the elements, 0 for one that was overwritten; the numbers are kept.
///
/// PyTorch: `torch.nn.MaxUnpool1d`, `MaxUnpool2d`, `MaxUnpool3d`. Torch: `nn.SpatialMaxUnpooling`,
/// `nn.VolumetricMaxUnpooling`.
///
/// ```
/// use retrograd::nn::{MaxPool1d, MaxUnpool1d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let mut rng = Rng::seed(0);
/// let (pool, ()) = functionalize(MaxPool1d::new(2).with_indices(), &mut rng);
/// let (unpool, ()) = functionalize(MaxUnpool1d::new(2), &mut rng);
/// let pooled = pool(&(), &Tensor::from([[1.0, 5.0, 2.0, 3.0]]));
/// assert_eq!(unpool(&(), &pooled).to_vec::<f64>()?, [0.0, 5.0, 0.0, 3.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaxUnpool<const N: usize> {
    kernel: [usize; N],
    stride: [usize; N],
    padding: [usize; N],
    output_size: Option<[usize; N]>,
}

/// [`MaxUnpool`] of signals.
pub type MaxUnpool1d = MaxUnpool<1>;
/// [`MaxUnpool`] of images.
pub type MaxUnpool2d = MaxUnpool<2>;
/// [`MaxUnpool`] of volumes.
pub type MaxUnpool3d = MaxUnpool<3>;

impl<const N: usize> MaxUnpool<N> {
    /// For windows of a length or lengths, one beside the other.
    pub fn new(kernel_size: impl PerWindowAxis<N>) -> MaxUnpool<N> {
        let MaxPool { kernel, stride, .. } = MaxPool::new(kernel_size);
        MaxUnpool { kernel, stride, padding: [0; N], output_size: None }
    }

    /// From one window to the next; the kernel's length by default.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> MaxUnpool<N> {
        self.stride = stride.each();
        self
    }

    /// Positions that were around the pooled input.
    pub fn padding(mut self, padding: impl PerWindowAxis<N>) -> MaxUnpool<N> {
        self.padding = padding.each();
        self
    }

    /// The lengths of the output's last axes.
    pub fn output_size(mut self, lengths: [usize; N]) -> MaxUnpool<N> {
        self.output_size = Some(lengths);
        self
    }

    fn lengths(&self, x: &Tensor) -> [usize; N] {
        let dims = shape_of(x).to_vec();
        self.output_size.unwrap_or_else(|| {
            std::array::from_fn(|axis| {
                // An input with too few axes is refused by the operation.
                let pooled = dims.len().checked_sub(N).map_or(1, |lead| dims[lead + axis]);
                let covered = pooled.saturating_sub(1).saturating_mul(self.stride[axis]);
                covered.saturating_add(self.kernel[axis]).saturating_sub(self.padding[axis].saturating_mul(2))
            })
        })
    }
}

impl<const N: usize> Module for MaxUnpool<N> {
    type Params = ();
    type State = ();
    type Input = (Tensor, Tensor);
    type Output = Tensor;
    /// The numbers.
    type Saved = Tensor;

    fn name(&self) -> &'static str {
        ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"][N - 1]
    }

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), (x, numbers): &Self::Input, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        (x.max_unpool(numbers, self.lengths(x)), numbers.clone(), ())
    }

    fn backward(&self, _: &(), numbers: &Tensor, dy: &Tensor) -> ((), Self::Input) {
        let (at, dy) = (flat::<N>(numbers), flat::<N>(dy));
        // The number of the last element for each place, to tell those that were overwritten.
        let own =
            Tensor::arange(shape_of(&at).last().map_or(0, |&count| count.into())).broadcast_to(shape_of(&at));
        let last = Tensor::zeros(shape_of(&dy)).i64().scatter(-1, &at, &own).gather(-1, &at);
        let dx = last.eq(&own).where_(dy.gather(-1, &at), 0.0);
        ((), (dx.reshape_as(numbers), numbers.zeros_like()))
    }

    fn backward_params(&self, _: &(), _: &Tensor, _: &Tensor) {}
}

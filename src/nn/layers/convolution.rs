//! Convolutions and transposed convolutions over one, two or three axes.

use super::shape::{padded, unpadded};
use super::stateless::shape_of;
use super::window::PerWindowAxis;
use retrograd::nn::{Ctx, Module};
use retrograd::tree::Static;
use retrograd::{Conv, IntoPadding, PadMode, Padding, Rng, Shape, Tensor, Tree};

/// What a convolution puts around its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The elements in reverse order, the first and last one not repeated.
    Reflect,
    /// The first and the last element.
    Replicate,
    /// The elements from the other end.
    Circular,
}

/// The correlation of an input with a kernel for each pair of channels, over `N` axes.
///
/// `y[n, o, p] = bias[o] + sum of x[n, c, p * stride + k * dilation - padding] * weight[o, c, k]`.
///
/// Weight `[out_channels, in_channels / groups, kernel..]`, bias `[out_channels]` (none with `.bias(false)`); first
/// values uniform within `1 / sqrt(in_channels / groups * kernel elements)`. Input `[batch, in_channels, ..]` or
/// without the batch's axis, output likewise with `out_channels`; a length `l` becomes
/// `(l + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down.
///
/// Gradient: `dx` is the transposed convolution of `dy` with the weight, `dweight` the correlation of `x` and `dy`,
/// `dbias` the sum of `dy` over all axes but the channels'; the input is kept. See Dumoulin and Visin,
/// arXiv:1603.07285.
///
/// PyTorch: `torch.nn.Conv1d`, `Conv2d`, `Conv3d`. Torch: `nn.TemporalConvolution`, `nn.SpatialConvolution` (and
/// `SpatialConvolutionMM`), `nn.SpatialDilatedConvolution`, `nn.VolumetricConvolution`.
///
/// ```
/// use retrograd::nn::{Conv2d, Relu, Sequential, functionalize_with_state, Ctx};
/// use retrograd::{Rng, Tensor};
/// let net = Sequential::new().add(Conv2d::new(3, 16, 5).stride(2).padding(2)).add(Relu).add(Conv2d::new(16, 4, [1, 3]));
/// let (f, params, state) = functionalize_with_state(net, &mut Rng::seed(1));
/// assert_eq!(f(&params, &state, &Tensor::ones([8, 3, 32, 32]), &mut Ctx::eval()).0.shape(), [8, 4, 16, 14]);
/// ```
#[derive(Clone, Debug)]
pub struct Convolution<const N: usize> {
    channels: [usize; 2],
    kernel: [usize; N],
    stride: [usize; N],
    padding: Padding,
    dilation: [usize; N],
    groups: usize,
    bias: bool,
    padding_mode: PaddingMode,
}

/// [`Convolution`] of signals `[batch, channels, length]`.
pub type Conv1d = Convolution<1>;
/// [`Convolution`] of images `[batch, channels, height, width]`.
pub type Conv2d = Convolution<2>;
/// [`Convolution`] of volumes `[batch, channels, depth, height, width]`.
pub type Conv3d = Convolution<3>;

/// Parameters of convolutions and transposed convolutions.
#[derive(Clone, Debug, Tree)]
pub struct ConvParams {
    /// `[out_channels, in_channels / groups, kernel..]`; of a transposed convolution
    /// `[in_channels, out_channels / groups, kernel..]`.
    pub weight: Tensor,
    /// `[out_channels]`.
    pub bias: Option<Tensor>,
}

impl<const N: usize> Convolution<N> {
    /// Between so many channels, with kernels of a length or lengths; stride 1, no padding, with a bias.
    pub fn new(
        in_channels: usize,
        out_channels: usize,
        kernel_size: impl PerWindowAxis<N>,
    ) -> Convolution<N> {
        const { assert!(N >= 1 && N <= 3, "convolutions are over one to three axes") }
        Convolution {
            channels: [in_channels, out_channels],
            kernel: kernel_size.each(),
            stride: [1; N],
            padding: Padding::VALID,
            dilation: [1; N],
            groups: 1,
            bias: true,
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// From one output position to the next, in input positions.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> Convolution<N> {
        self.stride = stride.each();
        self
    }

    /// Positions around the input: a number, one for each axis, pairs (before, after), or [`Padding::Same`].
    pub fn padding(mut self, padding: impl IntoPadding) -> Convolution<N> {
        self.padding = padding.into_padding();
        self
    }

    /// From one element of the kernel to the next, in input positions.
    pub fn dilation(mut self, dilation: impl PerWindowAxis<N>) -> Convolution<N> {
        self.dilation = dilation.each();
        self
    }

    /// Input and output channels are cut into so many groups; each output group sees its input group alone.
    pub fn groups(mut self, groups: usize) -> Convolution<N> {
        self.groups = groups;
        self
    }

    /// Whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Convolution<N> {
        self.bias = bias;
        self
    }

    /// What the padding is; zeros by default.
    pub fn padding_mode(mut self, mode: PaddingMode) -> Convolution<N> {
        self.padding_mode = mode;
        self
    }

    fn options(&self, padding: Padding) -> Conv {
        let options = Conv::new().stride(self.stride).padding(padding).dilation(self.dilation);
        options.groups(self.groups)
    }

    /// The padding that is no zeros: what it is and how much, for an input of these lengths.
    fn own_padding(&self, lengths: &[usize]) -> Option<(PadMode, Vec<(usize, usize)>)> {
        let mode = match self.padding_mode {
            PaddingMode::Zeros => return None,
            PaddingMode::Reflect => PadMode::Reflect,
            PaddingMode::Replicate => PadMode::Replicate,
            PaddingMode::Circular => PadMode::Circular,
        };
        let pairs = match &self.padding {
            Padding::Same => (0..N).map(|axis| self.same(axis, lengths[axis])).collect(),
            Padding::Even(retrograd::PerAxis::All(n)) => vec![(*n, *n); N],
            Padding::Even(retrograd::PerAxis::Each(all)) if all.len() == N => {
                all.iter().map(|&n| (n, n)).collect()
            }
            Padding::Uneven(pairs) if pairs.len() == N => pairs.clone(),
            // For the convolution to refuse.
            _ => return None,
        };
        Some((mode, pairs))
    }

    /// As much padding as it takes for `ceil(length / stride)` positions; an odd one comes after.
    fn same(&self, axis: usize, length: usize) -> (usize, usize) {
        let extent =
            self.dilation[axis].saturating_mul(self.kernel[axis].saturating_sub(1)).saturating_add(1);
        let stride = self.stride[axis].max(1);
        let covered = (length.div_ceil(stride).saturating_sub(1) * stride).saturating_add(extent);
        let total = covered.saturating_sub(length);
        (total / 2, total - total / 2)
    }
}

/// The lengths of the last `N` axes of an input `[batch, channels, ..]` or `[channels, ..]`; ones for another.
fn lengths_of<const N: usize>(shape: &Shape) -> [usize; N] {
    let dims = shape.to_vec();
    match dims.len() == N + 1 || dims.len() == N + 2 {
        true => std::array::from_fn(|axis| dims[dims.len() - N + axis]),
        false => [1; N],
    }
}

/// Weight and bias as PyTorch makes them first: uniform within `1 / sqrt(fan_in)`.
fn first<const N: usize>(
    rng: &mut Rng,
    channels: [usize; 2],
    kernel: [usize; N],
    bias: Option<usize>,
) -> ConvParams {
    let fan_in: usize = [channels[1]].iter().chain(&kernel).product();
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    let shape: Vec<usize> = channels.into_iter().chain(kernel).collect();
    let weight = rng.uniform(shape, -bound, bound);
    ConvParams { weight, bias: bias.map(|count| rng.uniform([count], -bound, bound)) }
}

/// The gradient of a bias: `dy` summed over all axes but the channels'.
fn bias_gradient<const N: usize>(dy: &Tensor) -> Tensor {
    let lead = shape_of(dy).rank().saturating_sub(N + 1) as isize;
    let axes: Vec<isize> = (0..lead).chain(-(N as isize)..0).collect();
    dy.sum_dim(axes)
}

/// The operations over `N` axes.
mod over {
    use retrograd::{Conv, Tensor};

    pub(super) fn conv<const N: usize>(x: &Tensor, weight: &Tensor, options: Conv) -> Tensor {
        match N {
            1 => x.conv1d(weight, options),
            2 => x.conv2d(weight, options),
            _ => x.conv3d(weight, options),
        }
    }

    pub(super) fn conv_transpose<const N: usize>(x: &Tensor, weight: &Tensor, options: Conv) -> Tensor {
        match N {
            1 => x.conv_transpose1d(weight, options),
            2 => x.conv_transpose2d(weight, options),
            _ => x.conv_transpose3d(weight, options),
        }
    }

    pub(super) fn input<const N: usize>(
        dy: &Tensor,
        weight: &Tensor,
        size: [usize; N],
        options: Conv,
    ) -> Tensor {
        match N {
            1 => dy.conv1d_input(weight, size, options),
            2 => dy.conv2d_input(weight, size, options),
            _ => dy.conv3d_input(weight, size, options),
        }
    }

    pub(super) fn weight<const N: usize>(
        x: &Tensor,
        dy: &Tensor,
        kernel: [usize; N],
        options: Conv,
    ) -> Tensor {
        match N {
            1 => x.conv1d_weight(dy, kernel, options),
            2 => x.conv2d_weight(dy, kernel, options),
            _ => x.conv3d_weight(dy, kernel, options),
        }
    }
}

impl<const N: usize> Module for Convolution<N> {
    type Params = ConvParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// The input, with what is around it unless that is zeros; and its lengths without.
    type Saved = (Tensor, Static<[usize; N]>);

    fn name(&self) -> &'static str {
        ["Conv1d", "Conv2d", "Conv3d"][N - 1]
    }

    fn params(&self, rng: &mut Rng) -> ConvParams {
        let [inputs, outputs] = self.channels;
        let bias = self.bias.then_some(outputs);
        first(rng, [outputs, inputs / self.groups.max(1)], self.kernel, bias)
    }

    fn state(&self) {}

    fn forward(&self, p: &ConvParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Self::Saved, ()) {
        let lengths = lengths_of::<N>(&shape_of(x));
        let (x, padding) = match self.own_padding(&lengths) {
            Some((mode, around)) => (padded(x, &around, mode), Padding::VALID),
            None => (x.clone(), self.padding.clone()),
        };
        let options = self.options(padding);
        let options = match &p.bias {
            Some(bias) => options.bias(bias),
            None => options,
        };
        (over::conv::<N>(&x, &p.weight, options), (x, Static(lengths)), ())
    }

    fn backward(&self, p: &ConvParams, saved: &Self::Saved, dy: &Tensor) -> (ConvParams, Tensor) {
        (self.backward_params(p, saved, dy), self.backward_input(p, saved, dy))
    }

    fn backward_params(&self, p: &ConvParams, (x, lengths): &Self::Saved, dy: &Tensor) -> ConvParams {
        let padding = match self.own_padding(&lengths.0) {
            Some(_) => Padding::VALID,
            None => self.padding.clone(),
        };
        let weight = over::weight::<N>(x, dy, self.kernel, self.options(padding));
        ConvParams { weight, bias: p.bias.as_ref().map(|_| bias_gradient::<N>(dy)) }
    }

    fn backward_input(&self, p: &ConvParams, (x, lengths): &Self::Saved, dy: &Tensor) -> Tensor {
        match self.own_padding(&lengths.0) {
            None => over::input::<N>(dy, &p.weight, lengths.0, self.options(self.padding.clone())),
            Some((mode, around)) => {
                let size = lengths_of::<N>(&shape_of(x));
                unpadded(&over::input::<N>(dy, &p.weight, size, self.options(Padding::VALID)), &around, mode)
            }
        }
    }
}

/// The transposed convolution, over `N` axes: what [`Convolution`]'s gradient makes of its output.
///
/// Weight `[in_channels, out_channels / groups, kernel..]`, bias `[out_channels]` (none with `.bias(false)`); first
/// values uniform within `1 / sqrt(out_channels / groups * kernel elements)`. Input `[batch, in_channels, ..]` or
/// without the batch's axis, output likewise with `out_channels`; a length `l` becomes
/// `(l - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`.
///
/// Gradient: `dx` is the convolution of `dy` with the weight, `dweight` the correlation of `dy` and `x`, `dbias` the
/// sum of `dy` over all axes but the channels'; the input is kept. See Dumoulin and Visin, arXiv:1603.07285.
///
/// PyTorch: `torch.nn.ConvTranspose1d`, `ConvTranspose2d`, `ConvTranspose3d`. Torch: `nn.SpatialFullConvolution`,
/// `nn.VolumetricFullConvolution`.
///
/// ```
/// use retrograd::nn::{ConvTranspose2d, functionalize};
/// use retrograd::{Rng, Tensor};
/// let layer = ConvTranspose2d::new(16, 3, 4).stride(2).padding(1);
/// let (f, params) = functionalize(layer, &mut Rng::seed(1));
/// assert_eq!(f(&params, &Tensor::ones([8, 16, 7, 7])).shape(), [8, 3, 14, 14]);
/// ```
#[derive(Clone, Debug)]
pub struct TransposedConvolution<const N: usize> {
    channels: [usize; 2],
    kernel: [usize; N],
    stride: [usize; N],
    padding: Padding,
    output_padding: [usize; N],
    dilation: [usize; N],
    groups: usize,
    bias: bool,
}

/// [`TransposedConvolution`] of signals `[batch, channels, length]`.
pub type ConvTranspose1d = TransposedConvolution<1>;
/// [`TransposedConvolution`] of images `[batch, channels, height, width]`.
pub type ConvTranspose2d = TransposedConvolution<2>;
/// [`TransposedConvolution`] of volumes `[batch, channels, depth, height, width]`.
pub type ConvTranspose3d = TransposedConvolution<3>;

impl<const N: usize> TransposedConvolution<N> {
    /// Between so many channels, with kernels of a length or lengths; stride 1, no padding, with a bias.
    pub fn new(
        in_channels: usize,
        out_channels: usize,
        kernel_size: impl PerWindowAxis<N>,
    ) -> TransposedConvolution<N> {
        const { assert!(N >= 1 && N <= 3, "convolutions are over one to three axes") }
        TransposedConvolution {
            channels: [in_channels, out_channels],
            kernel: kernel_size.each(),
            stride: [1; N],
            padding: Padding::VALID,
            output_padding: [0; N],
            dilation: [1; N],
            groups: 1,
            bias: true,
        }
    }

    /// From one input position to the next, in output positions.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> TransposedConvolution<N> {
        self.stride = stride.each();
        self
    }

    /// Positions taken from the output: a number, one for each axis, or pairs (before, after).
    pub fn padding(mut self, padding: impl IntoPadding) -> TransposedConvolution<N> {
        self.padding = padding.into_padding();
        self
    }

    /// How much longer the output is than the shortest of which the input could be a convolution.
    pub fn output_padding(mut self, more: impl PerWindowAxis<N>) -> TransposedConvolution<N> {
        self.output_padding = more.each();
        self
    }

    /// From one element of the kernel to the next, in output positions.
    pub fn dilation(mut self, dilation: impl PerWindowAxis<N>) -> TransposedConvolution<N> {
        self.dilation = dilation.each();
        self
    }

    /// Input and output channels are cut into so many groups; each output group sees its input group alone.
    pub fn groups(mut self, groups: usize) -> TransposedConvolution<N> {
        self.groups = groups;
        self
    }

    /// Whether a bias is added.
    pub fn bias(mut self, bias: bool) -> TransposedConvolution<N> {
        self.bias = bias;
        self
    }

    fn options(&self) -> Conv {
        let options = Conv::new().stride(self.stride).padding(self.padding.clone()).dilation(self.dilation);
        options.groups(self.groups)
    }
}

impl<const N: usize> Module for TransposedConvolution<N> {
    type Params = ConvParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn name(&self) -> &'static str {
        ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"][N - 1]
    }

    fn params(&self, rng: &mut Rng) -> ConvParams {
        let [inputs, outputs] = self.channels;
        first(rng, [inputs, outputs / self.groups.max(1)], self.kernel, self.bias.then_some(outputs))
    }

    fn state(&self) {}

    fn forward(&self, p: &ConvParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        let options = self.options().output_padding(self.output_padding);
        let options = match &p.bias {
            Some(bias) => options.bias(bias),
            None => options,
        };
        (over::conv_transpose::<N>(x, &p.weight, options), x.clone(), ())
    }

    fn backward(&self, p: &ConvParams, x: &Tensor, dy: &Tensor) -> (ConvParams, Tensor) {
        (self.backward_params(p, x, dy), self.backward_input(p, x, dy))
    }

    fn backward_params(&self, p: &ConvParams, x: &Tensor, dy: &Tensor) -> ConvParams {
        let weight = over::weight::<N>(dy, x, self.kernel, self.options());
        ConvParams { weight, bias: p.bias.as_ref().map(|_| bias_gradient::<N>(dy)) }
    }

    fn backward_input(&self, p: &ConvParams, x: &Tensor, dy: &Tensor) -> Tensor {
        let dx = over::conv::<N>(dy, &p.weight, self.options());
        // Output padding of a stride or more, which a greater dilation allows, would be further positions.
        let rank = shape_of(x).rank();
        (rank.saturating_sub(N)..rank).fold(dx, |dx, axis| {
            let (own, all) =
                (shape_of(x)[axis] as usize, shape_of(&dx).get(axis).map_or(0, |&all| all as usize));
            if all > own { dx.narrow(axis as isize, 0, own) } else { dx }
        })
    }
}

//! How windows slide: stride, padding, dilation, and what convolutions and pools take beside them.

use crate::error::Misfit;
use crate::exec::window::{Extents, MAX_AXES, Windows};
use crate::tensor::Tensor;

/// A number for every axis that a window slides over: one for all, or one each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PerAxis {
    /// The same for all axes.
    All(usize),
    /// One for each axis.
    Each(Vec<usize>),
}

/// What can be given as [`PerAxis`]: a number, or an array, slice or vector of them.
pub trait IntoPerAxis {
    /// The lengths.
    fn into_per_axis(self) -> PerAxis;
}

impl IntoPerAxis for PerAxis {
    fn into_per_axis(self) -> PerAxis {
        self
    }
}

impl IntoPerAxis for usize {
    fn into_per_axis(self) -> PerAxis {
        PerAxis::All(self)
    }
}

impl<const N: usize> IntoPerAxis for [usize; N] {
    fn into_per_axis(self) -> PerAxis {
        PerAxis::Each(self.to_vec())
    }
}

impl IntoPerAxis for &[usize] {
    fn into_per_axis(self) -> PerAxis {
        PerAxis::Each(self.to_vec())
    }
}

impl IntoPerAxis for Vec<usize> {
    fn into_per_axis(self) -> PerAxis {
        PerAxis::Each(self)
    }
}

impl PerAxis {
    /// The number of each axis; fails if there are not `rank` of them.
    fn each(&self, option: &str, rank: usize) -> Result<Vec<usize>, Box<Misfit>> {
        match self {
            PerAxis::All(length) => Ok(vec![*length; rank]),
            PerAxis::Each(lengths) if lengths.len() == rank => Ok(lengths.clone()),
            PerAxis::Each(lengths) => Err(Misfit::shape(format!("{option} {lengths:?} for {rank} axes"))
                .help(format!("give one number, or {rank}"))),
        }
    }

    /// The number of each axis, none of which is 0.
    pub(super) fn positive(&self, option: &str, rank: usize) -> Result<Vec<usize>, Box<Misfit>> {
        let each = self.each(option, rank)?;
        match each.contains(&0) {
            true => Err(Misfit::shape(format!("{option} {each:?} contains 0, must be at least 1"))),
            false => Ok(each),
        }
    }
}

/// What is put around the axes that a window slides over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// So many positions before and after each axis.
    Even(PerAxis),
    /// For each axis, so many positions before and after it.
    Uneven(Vec<(usize, usize)>),
    /// As many as it takes for an output of `ceil(length / stride)` positions; an odd one comes after.
    Same,
}

impl Padding {
    /// None.
    pub const VALID: Padding = Padding::Even(PerAxis::All(0));
}

/// What can be given as [`Padding`]: a number, an array of them or of pairs (before, after).
pub trait IntoPadding {
    /// The padding.
    fn into_padding(self) -> Padding;
}

impl IntoPadding for Padding {
    fn into_padding(self) -> Padding {
        self
    }
}

impl IntoPadding for usize {
    fn into_padding(self) -> Padding {
        Padding::Even(PerAxis::All(self))
    }
}

impl<const N: usize> IntoPadding for [usize; N] {
    fn into_padding(self) -> Padding {
        Padding::Even(self.into_per_axis())
    }
}

impl IntoPadding for Vec<usize> {
    fn into_padding(self) -> Padding {
        Padding::Even(self.into_per_axis())
    }
}

impl<const N: usize> IntoPadding for [(usize, usize); N] {
    fn into_padding(self) -> Padding {
        Padding::Uneven(self.to_vec())
    }
}

/// Stride, padding and dilation.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    pub(super) stride: PerAxis,
    pub(super) padding: Padding,
    pub(super) dilation: PerAxis,
}

/// The same, checked, with a number for each axis.
pub(super) struct Slides {
    pub(super) stride: Vec<usize>,
    pub(super) dilation: Vec<usize>,
    padding: Option<Vec<(usize, usize)>>,
}

/// Lengths beyond this are refused, so that sums of a few products of them fit everywhere.
const LONGEST: usize = 1 << 31;

impl Sliding {
    pub(super) fn each(&self, rank: usize) -> Result<Slides, Box<Misfit>> {
        let padding = match &self.padding {
            Padding::Even(lengths) => {
                Some(lengths.each("padding", rank)?.into_iter().map(|n| (n, n)).collect::<Vec<_>>())
            }
            Padding::Uneven(pairs) if pairs.len() == rank => Some(pairs.clone()),
            Padding::Uneven(pairs) => {
                return Err(Misfit::shape(format!("padding {pairs:?} for {rank} axes"))
                    .help(format!("give one number, or {rank} numbers or pairs")));
            }
            Padding::Same => None,
        };
        let stride = self.stride.positive("stride", rank)?;
        let dilation = self.dilation.positive("dilation", rank)?;
        let pads = padding.iter().flatten().flat_map(|&(before, after)| [before, after]);
        match stride.iter().chain(&dilation).copied().chain(pads).find(|&n| n > LONGEST) {
            Some(n) => {
                Err(Misfit::shape(format!("stride, dilation and padding are at most {LONGEST}, got {n}")))
            }
            None => Ok(Slides { stride, dilation, padding }),
        }
    }
}

/// How many output positions a length that does not divide by the stride gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Windows lie within the padded input.
    Down,
    /// The last window begins within the input, or its padding before, and may end outside.
    Up,
}

impl Slides {
    /// From the first element of a kernel to one past the last, by axis.
    fn extent(&self, kernel: &[usize], axis: usize) -> usize {
        self.dilation[axis].saturating_mul(kernel[axis].saturating_sub(1)).saturating_add(1)
    }

    /// Padding before and after an axis of the input.
    fn padding(&self, input: &[usize], kernel: &[usize], axis: usize) -> (usize, usize) {
        match &self.padding {
            Some(padding) => padding[axis],
            None => {
                let output = input[axis].div_ceil(self.stride[axis]);
                let covered = output.saturating_sub(1) * self.stride[axis] + self.extent(kernel, axis);
                let total = covered.saturating_sub(input[axis]);
                (total / 2, total - total / 2)
            }
        }
    }

    /// Where the windows of a kernel lie on an input.
    pub(super) fn over(
        &self,
        input: &[usize],
        kernel: &[usize],
        rounding: Rounding,
    ) -> Result<Windows, Box<Misfit>> {
        check_kernel(kernel)?;
        let (mut output, mut before) = (Vec::new(), Vec::new());
        for axis in 0..input.len() {
            let (first, after) = self.padding(input, kernel, axis);
            let (extent, stride) = (self.extent(kernel, axis), self.stride[axis]);
            let padded = input[axis] + first + after;
            // Rounded up, a window may reach over the end by less than a stride, the first one as well.
            let over = if rounding == Rounding::Up { stride - 1 } else { 0 };
            let Some(room) = padded.saturating_add(over).checked_sub(extent) else {
                let message = format!(
                    "the kernel {kernel:?} reaches over {extent} positions of axis {axis} of the window, the padded \
                     input {input:?} has {padded}"
                );
                return Err(Misfit::shape(message).help("use a smaller kernel or dilation, or more padding"));
            };
            let mut positions = room / stride + 1;
            // But it begins inside.
            if rounding == Rounding::Up && positions > 1 && (positions - 1) * stride >= input[axis] + first {
                positions -= 1;
            }
            output.push(positions);
            before.push(first);
        }
        self.windows(input, kernel, &output, &before)
    }

    /// Where the windows lie on an input of which `output` is a result, the first of its positions at least.
    pub(super) fn between(
        &self,
        input: &[usize],
        kernel: &[usize],
        output: &[usize],
    ) -> Result<Windows, Box<Misfit>> {
        if let Some(length) = input.iter().chain(kernel).find(|&&length| length > LONGEST) {
            return Err(Misfit::shape(format!("lengths are at most {LONGEST}, got {length}")));
        }
        let windows = self.over(input, kernel, Rounding::Down)?;
        let all = windows.own(&windows.output);
        if output.iter().zip(all).any(|(own, all)| *own == 0 || own > all) {
            let message = format!(
                "a kernel {kernel:?} on an input {input:?} has {all:?} positions, the gradient has {output:?}"
            );
            return Err(Misfit::shape(message).help("give the options of the convolution itself"));
        }
        Ok(Windows { output: per_axis(output, 1), ..windows })
    }

    /// Where the windows lie on the input of which `output` is the result, the smallest one, longer by `more`.
    pub(super) fn under(
        &self,
        output: &[usize],
        kernel: &[usize],
        more: &[usize],
    ) -> Result<Windows, Box<Misfit>> {
        check_kernel(kernel)?;
        let Some(padding) = &self.padding else {
            return Err(Misfit::shape("padding `Same` is not defined for a transposed convolution")
                .help("give the numbers of the convolution that it transposes, and `output_padding`"));
        };
        let mut input = Vec::new();
        for axis in 0..output.len() {
            let (first, after) = padding[axis];
            let (extent, stride, more) = (self.extent(kernel, axis), self.stride[axis], more[axis]);
            if more >= stride.max(self.dilation[axis]) {
                let message = format!("output_padding {more} is not below stride {stride} of axis {axis}");
                return Err(Misfit::shape(message).help("more would be padding of zeros: see `pad`"));
            }
            let covered = output[axis].saturating_sub(1).saturating_mul(stride).saturating_add(extent + more);
            match covered.checked_sub(first + after) {
                Some(length) if length > 0 && output[axis] > 0 => input.push(length),
                _ => {
                    let message = format!(
                        "nothing is left of axis {axis} of the result: it has {covered} positions, of which padding \
                         {} go",
                        first + after
                    );
                    return Err(Misfit::shape(message));
                }
            }
        }
        let before: Vec<usize> = padding.iter().map(|pad| pad.0).collect();
        self.windows(&input, kernel, output, &before)
    }

    /// An axis along which some window may see nothing but padding.
    pub(super) fn blind_axis(&self, kernel: &[usize]) -> Option<usize> {
        let padding = self.padding.as_ref()?;
        padding.iter().enumerate().position(|(axis, &(before, after))| before.max(after) * 2 > kernel[axis])
    }

    fn windows(
        &self,
        input: &[usize],
        kernel: &[usize],
        output: &[usize],
        before: &[usize],
    ) -> Result<Windows, Box<Misfit>> {
        for axis in 0..input.len() {
            let padded = input[axis].saturating_add(before[axis]);
            if padded.max(self.extent(kernel, axis)).max(output[axis]) > LONGEST {
                return Err(Misfit::shape(format!("axis {axis} of the window is longer than {LONGEST}")));
            }
        }
        Ok(Windows {
            rank: input.len(),
            input: per_axis(input, 1),
            kernel: per_axis(kernel, 1),
            output: per_axis(output, 1),
            stride: per_axis(&self.stride, 1),
            dilation: per_axis(&self.dilation, 1),
            before: per_axis(before, 0),
        })
    }
}

fn check_kernel(kernel: &[usize]) -> Result<(), Box<Misfit>> {
    match kernel.contains(&0) {
        true => Err(Misfit::shape(format!("the kernel {kernel:?} is empty"))),
        false => Ok(()),
    }
}

/// The numbers at the last axes, `missing` for those before.
fn per_axis(own: &[usize], missing: usize) -> Extents {
    let lead = MAX_AXES - own.len();
    std::array::from_fn(|axis| if axis < lead { missing } else { own[axis - lead] })
}

/// How a convolution slides, in how many groups of channels, and what it adds.
///
/// ```
/// use retrograd::{Conv, Padding, Tensor};
///
/// let (x, w, b) = (Tensor::randn([8, 3, 32, 32]), Tensor::randn([16, 3, 5, 5]), Tensor::zeros([16]));
/// assert_eq!(x.conv2d(&w, Conv::new().bias(&b)).shape(), [8, 16, 28, 28]);
/// assert_eq!(x.conv2d(&w, Conv::new().padding(2).stride([2, 1])).shape(), [8, 16, 16, 32]);
/// assert_eq!(x.conv2d(&w, Conv::new().padding(Padding::Same).dilation(3)).shape(), [8, 16, 32, 32]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Conv {
    pub(super) sliding: Sliding,
    pub(super) groups: usize,
    pub(super) output_padding: PerAxis,
    pub(super) bias: Option<Tensor>,
}

impl Default for Conv {
    fn default() -> Conv {
        Conv::new()
    }
}

impl Conv {
    /// Stride 1, no padding, dilation 1, one group, no bias.
    pub fn new() -> Conv {
        let one = PerAxis::All(1);
        Conv {
            sliding: Sliding { stride: one.clone(), padding: Padding::VALID, dilation: one },
            groups: 1,
            output_padding: PerAxis::All(0),
            bias: None,
        }
    }

    /// From one output position to the next, in input positions.
    pub fn stride(mut self, stride: impl IntoPerAxis) -> Conv {
        self.sliding.stride = stride.into_per_axis();
        self
    }

    /// Zeros around the input: a number, one for each axis, pairs (before, after), or [`Padding::Same`].
    pub fn padding(mut self, padding: impl IntoPadding) -> Conv {
        self.sliding.padding = padding.into_padding();
        self
    }

    /// From one element of the kernel to the next, in input positions.
    pub fn dilation(mut self, dilation: impl IntoPerAxis) -> Conv {
        self.sliding.dilation = dilation.into_per_axis();
        self
    }

    /// Input and output channels are cut into so many groups; each output group sees its input group alone. With as
    /// many groups as input channels the convolution is depthwise.
    pub fn groups(mut self, groups: usize) -> Conv {
        self.groups = groups;
        self
    }

    /// A number for each output channel, added at all positions.
    pub fn bias(mut self, bias: &Tensor) -> Conv {
        self.bias = Some(bias.clone());
        self
    }

    /// Of a transposed convolution: how much longer the result is than the shortest of which the argument could be
    /// the convolution.
    pub fn output_padding(mut self, more: impl IntoPerAxis) -> Conv {
        self.output_padding = more.into_per_axis();
        self
    }

    /// Numbers for each axis of `output_padding`.
    pub(super) fn more(&self, rank: usize) -> Result<Vec<usize>, Box<Misfit>> {
        self.output_padding.each("output_padding", rank)
    }
}

/// The windows of a pooling. A number or an array stands for a kernel whose stride is its own length.
///
/// ```
/// use retrograd::{Pool, Tensor};
///
/// let x = Tensor::randn([8, 16, 28, 28]);
/// assert_eq!(x.max_pool2d(2).shape(), [8, 16, 14, 14]);
/// assert_eq!(x.avg_pool2d(Pool::new(3).stride(2).padding(1)).shape(), [8, 16, 14, 14]);
/// assert_eq!(x.max_pool2d(Pool::new([3, 1]).ceil_mode()).shape(), [8, 16, 10, 28]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Pool {
    pub(super) kernel: PerAxis,
    stride: Option<PerAxis>,
    padding: Padding,
    dilation: PerAxis,
    pub(super) ceil_mode: bool,
    counts_padding: bool,
    divisor: Option<f64>,
}

impl From<usize> for Pool {
    fn from(kernel: usize) -> Pool {
        Pool::new(kernel)
    }
}

impl<const N: usize> From<[usize; N]> for Pool {
    fn from(kernel: [usize; N]) -> Pool {
        Pool::new(kernel)
    }
}

impl Pool {
    /// Windows of a kernel, one beside the other: the stride is the kernel's length, there is no padding.
    pub fn new(kernel: impl IntoPerAxis) -> Pool {
        Pool {
            kernel: kernel.into_per_axis(),
            stride: None,
            padding: Padding::VALID,
            dilation: PerAxis::All(1),
            ceil_mode: false,
            counts_padding: true,
            divisor: None,
        }
    }

    /// From one window to the next.
    pub fn stride(mut self, stride: impl IntoPerAxis) -> Pool {
        self.stride = Some(stride.into_per_axis());
        self
    }

    /// Positions around the input, at most half of the kernel on each side: never the greatest, zero in a mean.
    pub fn padding(mut self, padding: impl IntoPadding) -> Pool {
        self.padding = padding.into_padding();
        self
    }

    /// From one element of a window to the next.
    pub fn dilation(mut self, dilation: impl IntoPerAxis) -> Pool {
        self.dilation = dilation.into_per_axis();
        self
    }

    /// A last window that begins inside but ends outside of the padded input counts too.
    pub fn ceil_mode(mut self) -> Pool {
        self.ceil_mode = true;
        self
    }

    /// Means are of the elements that are there: padding does not count.
    pub fn exclude_padding(mut self) -> Pool {
        self.counts_padding = false;
        self
    }

    /// What sums are divided by to be means, instead of the number of elements.
    pub fn divisor(mut self, divisor: f64) -> Pool {
        self.divisor = Some(divisor);
        self
    }

    pub(super) fn sliding(&self) -> Sliding {
        Sliding {
            stride: self.stride.clone().unwrap_or_else(|| self.kernel.clone()),
            padding: self.padding.clone(),
            dilation: self.dilation.clone(),
        }
    }

    /// What the sum of each window is divided by to be a mean, in row-major order.
    pub(super) fn counts(&self, windows: &Windows) -> Vec<f64> {
        if let Some(divisor) = self.divisor {
            return vec![divisor];
        }
        let lead = MAX_AXES - windows.rank;
        let along = |axis: usize| -> Vec<f64> {
            let (before, input) = (windows.before[axis], windows.input[axis]);
            let after = match &self.padding {
                Padding::Uneven(pairs) if axis >= lead => pairs[axis - lead].1,
                // No window ends behind it.
                Padding::Same => windows.kernel[axis] * windows.dilation[axis],
                _ => before,
            };
            let counted =
                if self.counts_padding { 0..before + input + after } else { before..before + input };
            let elements = |position: usize| {
                let at = |k: usize| position * windows.stride[axis] + k * windows.dilation[axis];
                (0..windows.kernel[axis]).filter(|&k| counted.contains(&at(k))).count() as f64
            };
            (0..windows.output[axis]).map(elements).collect()
        };
        let [planes, rows, columns] = [along(0), along(1), along(2)];
        let row = |a: f64| rows.iter().map(move |b| a * b);
        planes.iter().flat_map(|&a| row(a)).flat_map(|ab| columns.iter().map(move |c| ab * c)).collect()
    }
}

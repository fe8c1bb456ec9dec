//! Images at another resolution.

use super::stateless::{Function, functions, shape_of};
use retrograd::tree::Static;
use retrograd::{Error, Resampling, Shape, Tensor};

/// Images `[batch, channels, ..]` at another resolution: with given lengths after the first two axes, or with lengths a
/// factor times as great.
///
/// Gradient: each element gets what it gave: the sum of its copies' `dy`, or of its shares in linear interpolation; the
/// input's shape is kept.
///
/// PyTorch: `torch.nn.Upsample`, `UpsamplingNearest2d`, `UpsamplingBilinear2d`. Torch: `nn.SpatialUpSamplingNearest`,
/// `nn.SpatialUpSamplingBilinear`.
///
/// ```
/// use retrograd::nn::{Upsample, functionalize};
/// use retrograd::{Resampling, Rng, Tensor};
/// let mut rng = Rng::seed(0);
/// let x = Tensor::ones([8, 3, 16, 16]);
/// let (f, ()) = functionalize(Upsample::by(2.0), &mut rng);
/// assert_eq!(f(&(), &x).shape(), [8, 3, 32, 32]);
/// let (f, ()) = functionalize(Upsample::to([20, 24]).mode(Resampling::Linear), &mut rng);
/// assert_eq!(f(&(), &x).shape(), [8, 3, 20, 24]);
/// ```
#[derive(Clone, Debug)]
pub struct Upsample {
    goal: Goal,
    mode: Resampling,
}

#[derive(Clone, Debug)]
enum Goal {
    Lengths(Vec<usize>),
    /// One for all axes, or one for each.
    Factors(Vec<f64>),
}

/// What can be given as the factors of an [`Upsample`]: a number, or one for each axis.
pub trait Factors {
    /// The factors.
    fn factors(self) -> Vec<f64>;
}

impl Factors for f64 {
    fn factors(self) -> Vec<f64> {
        vec![self]
    }
}

impl<const N: usize> Factors for [f64; N] {
    fn factors(self) -> Vec<f64> {
        self.to_vec()
    }
}

impl Upsample {
    /// To these lengths of the axes after the first two, by the nearest element.
    pub fn to(size: impl Into<Vec<usize>>) -> Upsample {
        Upsample { goal: Goal::Lengths(size.into()), mode: Resampling::Nearest }
    }

    /// By a factor for all axes after the first two, or one for each, by the nearest element. What is not whole is
    /// rounded down.
    pub fn by(scale_factor: impl Factors) -> Upsample {
        Upsample { goal: Goal::Factors(scale_factor.factors()), mode: Resampling::Nearest }
    }

    /// How elements between those that there are come about.
    pub fn mode(mut self, mode: Resampling) -> Upsample {
        self.mode = mode;
        self
    }

    /// For each axis after the first two, the length that it gets and how many input positions an output position
    /// takes.
    fn axes(&self, shape: &Shape) -> Result<Vec<Axis>, String> {
        let own: Vec<usize> = shape.to_vec().into_iter().skip(2).collect();
        let told = match &self.goal {
            Goal::Lengths(lengths) => lengths.len(),
            Goal::Factors(factors) if factors.len() == 1 => own.len(),
            Goal::Factors(factors) => factors.len(),
        };
        if own.is_empty() || told != own.len() || own.contains(&0) {
            return Err(format!(
                "{self:?} of {shape}: expected an image [batch, channels, ..] with {told} axes more, none empty"
            ));
        }
        let axis = |(i, &inputs): (usize, &usize)| match &self.goal {
            Goal::Lengths(lengths) => {
                let outputs = lengths[i];
                Axis { inputs, outputs, step: inputs as f64 / outputs as f64, mode: self.mode }
            }
            Goal::Factors(factors) => {
                let factor = if factors.len() == 1 { factors[0] } else { factors[i] };
                Axis {
                    inputs,
                    outputs: (inputs as f64 * factor) as usize,
                    step: 1.0 / factor,
                    mode: self.mode,
                }
            }
        };
        let axes: Vec<Axis> = own.iter().enumerate().map(axis).collect();
        // Casts of numbers that are too great, or NaN, are the greatest number, or 0.
        match axes.iter().find(|axis| axis.outputs == 0 || axis.outputs >= u32::MAX as usize) {
            Some(axis) => {
                Err(format!("{self:?} of {shape}: a length of {} is none for an axis", axis.outputs))
            }
            None => Ok(axes),
        }
    }
}

/// How an axis is resampled.
#[derive(Clone, Copy, Debug)]
struct Axis {
    inputs: usize,
    outputs: usize,
    /// From one output position to the next, in input positions.
    step: f64,
    mode: Resampling,
}

impl Axis {
    /// Whether every element comes some times in a row.
    fn repeats(&self) -> Option<usize> {
        let nearest = matches!(self.mode, Resampling::Nearest | Resampling::NearestExact);
        let times = self.outputs / self.inputs;
        (nearest && self.outputs == times * self.inputs && self.step * times as f64 == 1.0).then_some(times)
    }

    /// Where output position `i` lies among those of the input.
    fn at(&self, i: usize) -> f64 {
        let i = i as f64;
        match self.mode {
            Resampling::Nearest => i * self.step,
            Resampling::NearestExact => (i + 0.5) * self.step,
            Resampling::LinearAligned if self.outputs == 1 => 0.0,
            Resampling::LinearAligned => i * (self.inputs - 1) as f64 / (self.outputs - 1) as f64,
            _ => ((i + 0.5) * self.step - 0.5).max(0.0),
        }
    }

    /// The input position at or before each output position, that after it, and how much the second counts.
    fn neighbours(&self) -> (Tensor, Tensor, Vec<f64>) {
        let last = self.inputs - 1;
        let lower = |i: usize| (self.at(i) as usize).min(last);
        let first: Vec<i64> = (0..self.outputs).map(|i| lower(i) as i64).collect();
        let second: Vec<i64> = (0..self.outputs).map(|i| (lower(i) + 1).min(last) as i64).collect();
        let share = (0..self.outputs).map(|i| (self.at(i) - lower(i) as f64).min(1.0)).collect();
        (Tensor::from(first), Tensor::from(second), share)
    }

    /// How much the second neighbour counts, along an axis of a tensor like `x`; `None` where the first is all.
    fn share(&self, share: Vec<f64>, x: &Tensor, at: usize) -> Option<Tensor> {
        let linear = matches!(self.mode, Resampling::Linear | Resampling::LinearAligned);
        let mut column = vec![1; shape_of(x).rank()];
        column[at] = self.outputs;
        linear.then(|| Tensor::from_vec(share, column).to_dtype(x.dtype()))
    }

    fn resampled(&self, x: &Tensor, at: usize) -> Tensor {
        let axis = at as isize;
        if let Some(times) = self.repeats() {
            let mut dims = shape_of(x).to_vec();
            dims.insert(at + 1, times);
            return x.unsqueeze(axis + 1).broadcast_to(dims).flatten(axis, axis + 1);
        }
        let (first, second, share) = self.neighbours();
        let before = x.index_select(axis, &first);
        match self.share(share, x, at) {
            Some(share) => &before + (x.index_select(axis, &second) - &before) * share,
            None => before,
        }
    }

    fn gathered_back(&self, dy: &Tensor, at: usize) -> Tensor {
        let axis = at as isize;
        if let Some(times) = self.repeats() {
            return dy.unflatten(axis, [self.inputs, times]).sum_dim(axis + 1);
        }
        let mut dims = shape_of(dy).to_vec();
        dims[at] = self.inputs;
        let zeros = Tensor::zeros(dims).to_dtype(dy.dtype());
        let (first, second, share) = self.neighbours();
        match self.share(share, dy, at) {
            Some(share) => {
                let after = dy * share;
                zeros.index_add(axis, &first, &(dy - &after)).index_add(axis, &second, &after)
            }
            None => zeros.index_add(axis, &first, dy),
        }
    }
}

impl Function for Upsample {
    type Saved = Static<Shape>;
    fn value(&self, x: &Tensor) -> (Tensor, Static<Shape>) {
        let shape = shape_of(x);
        if x.error().is_some() {
            return (x.clone(), Static(shape));
        }
        let y = match self.axes(&shape) {
            Ok(axes) => axes.iter().enumerate().fold(x.clone(), |x, (i, axis)| axis.resampled(&x, 2 + i)),
            Err(message) => Tensor::invalid(Error::msg(message)),
        };
        (y, Static(shape))
    }
    fn pull(&self, Static(shape): &Static<Shape>, dy: &Tensor) -> Tensor {
        if dy.error().is_some() {
            return dy.clone();
        }
        match self.axes(shape) {
            Ok(axes) => {
                axes.iter().enumerate().rev().fold(dy.clone(), |dy, (i, axis)| axis.gathered_back(&dy, 2 + i))
            }
            Err(message) => Tensor::invalid(Error::msg(message)),
        }
    }
}

/// Channels as pixels: `[.., c r^2, h, w]` becomes `[.., c, h r, w r]`.
///
/// Gradient: `dy` the other way, as [`PixelUnshuffle`] has it. Source: Shi and others, arXiv:1609.05158.
///
/// PyTorch: `torch.nn.PixelShuffle`. Torch: `nn.PixelShuffle`.
///
/// ```
/// use retrograd::nn::{PixelShuffle, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, ()) = functionalize(PixelShuffle::new(2), &mut Rng::seed(0));
/// assert_eq!(f(&(), &Tensor::ones([1, 8, 3, 3])).shape(), [1, 2, 6, 6]);
/// ```
#[derive(Clone, Debug)]
pub struct PixelShuffle(usize);

/// Pixels as channels: `[.., c, h r, w r]` becomes `[.., c r^2, h, w]`.
///
/// Gradient: `dy` the other way, as [`PixelShuffle`] has it.
///
/// PyTorch: `torch.nn.PixelUnshuffle`. Torch: none.
#[derive(Clone, Debug)]
pub struct PixelUnshuffle(usize);

impl PixelShuffle {
    /// With this factor.
    pub fn new(upscale_factor: usize) -> PixelShuffle {
        PixelShuffle(upscale_factor)
    }
}

impl PixelUnshuffle {
    /// With this factor.
    pub fn new(downscale_factor: usize) -> PixelUnshuffle {
        PixelUnshuffle(downscale_factor)
    }
}

/// The error of an image whose lengths a factor does not divide.
fn uneven(layer: &str, factor: usize, shape: &Shape) -> Tensor {
    let message =
        format!("{layer}: the factor {factor} does not fit an input {shape}, [.., channels, height, width]");
    Tensor::invalid(Error::msg(message))
}

fn shuffled(x: &Tensor, r: usize) -> Tensor {
    let dims = shape_of(x).to_vec();
    let Some((lead, &[c, h, w])) = dims.split_last_chunk::<3>().filter(|_| r > 0) else {
        return uneven("PixelShuffle", r, &shape_of(x));
    };
    if c % (r * r) != 0 {
        return uneven("PixelShuffle", r, &shape_of(x));
    }
    let n = lead.iter().product();
    let blocks = x.reshape([n, c / (r * r), r, r, h, w]).permute([0, 1, 4, 2, 5, 3]);
    blocks.reshape([lead, &[c / (r * r), h * r, w * r]].concat())
}

fn unshuffled(x: &Tensor, r: usize) -> Tensor {
    let dims = shape_of(x).to_vec();
    let Some((lead, &[c, h, w])) = dims.split_last_chunk::<3>().filter(|_| r > 0) else {
        return uneven("PixelUnshuffle", r, &shape_of(x));
    };
    if h % r != 0 || w % r != 0 {
        return uneven("PixelUnshuffle", r, &shape_of(x));
    }
    let n = lead.iter().product();
    let blocks = x.reshape([n, c, h / r, r, w / r, r]).permute([0, 1, 3, 5, 2, 4]);
    blocks.reshape([lead, &[c * r * r, h / r, w / r]].concat())
}

impl Function for PixelShuffle {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (if x.error().is_some() { x.clone() } else { shuffled(x, self.0) }, ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        if dy.error().is_some() { dy.clone() } else { unshuffled(dy, self.0) }
    }
}

impl Function for PixelUnshuffle {
    type Saved = ();
    fn value(&self, x: &Tensor) -> (Tensor, ()) {
        (if x.error().is_some() { x.clone() } else { unshuffled(x, self.0) }, ())
    }
    fn pull(&self, _: &(), dy: &Tensor) -> Tensor {
        if dy.error().is_some() { dy.clone() } else { shuffled(dy, self.0) }
    }
}

functions! { Upsample, PixelShuffle, PixelUnshuffle }

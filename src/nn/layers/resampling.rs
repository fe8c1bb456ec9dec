//! Images at another resolution.

use super::stateless::{Function, functions, shape_of};
use retrograd::tree::Static;
use retrograd::{Error, Resampling, Shape, Tensor};

/// Images `[batch, channels, ..]` at another resolution: with given lengths after the first two axes, or with lengths a
/// factor times as great.
///
/// Gradient: each element gets what it gave: the sum of its copies' `dy`, or of its shares in linear or cubic
/// interpolation; the input's shape is kept.
///
/// PyTorch: `torch.nn.Upsample` (of its `bicubic`, [`Resampling::Cubic`] of any number of axes), `UpsamplingNearest2d`, `UpsamplingBilinear2d`. Torch: `nn.SpatialUpSamplingNearest`,
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
        (nearest && self.fits() && self.outputs.is_multiple_of(self.inputs))
            .then(|| self.outputs / self.inputs)
    }

    /// Whether the steps of all output positions are the input's length: so it is but for a factor that leaves a
    /// remainder.
    fn fits(&self) -> bool {
        self.step == self.inputs as f64 / self.outputs as f64
            || self.step == 1.0 / (self.outputs / self.inputs) as f64
    }

    /// Where output position `i` lies among those of the input.
    fn at(&self, i: usize) -> f64 {
        match self.mode {
            Resampling::LinearAligned | Resampling::CubicAligned if self.outputs == 1 => 0.0,
            Resampling::LinearAligned | Resampling::CubicAligned => {
                i as f64 * (self.inputs - 1) as f64 / (self.outputs - 1) as f64
            }
            _ => (i as f64 + 0.5) * self.step - 0.5,
        }
    }

    /// The input position that an output position copies.
    fn nearest(&self, i: usize) -> i64 {
        let at = match self.mode {
            // In whole numbers, where a rounding could yield the one before.
            Resampling::Nearest if self.fits() => i * self.inputs / self.outputs,
            Resampling::Nearest => (i as f64 * self.step) as usize,
            _ if self.fits() => (2 * i + 1) * self.inputs / (2 * self.outputs),
            _ => ((i as f64 + 0.5) * self.step) as usize,
        };
        at.min(self.inputs - 1) as i64
    }

    /// What every output position is the weighted sum of: input positions, and weights that an axis of a tensor like `x`
    /// can be multiplied with, where not all are 1.
    fn taps(&self, x: &Tensor, at: usize) -> Vec<(Tensor, Option<Tensor>)> {
        let mut column = vec![1; shape_of(x).rank()];
        column[at] = self.outputs;
        let tap = |offset: i32, weight: fn(f64) -> f64| {
            let last = (self.inputs - 1) as f64;
            let place = |i| (self.at(i).floor() + f64::from(offset)).clamp(0.0, last) as i64;
            let weight = |i| weight((self.at(i) - self.at(i).floor() - f64::from(offset)).abs());
            let weights = Tensor::from_vec((0..self.outputs).map(weight).collect(), &column[..]);
            let places: Vec<i64> = (0..self.outputs).map(place).collect();
            (Tensor::from(places), Some(weights.to_dtype(x.dtype())))
        };
        match self.mode {
            Resampling::Cubic | Resampling::CubicAligned => {
                (-1..3).map(|offset| tap(offset, cubic)).collect()
            }
            Resampling::Linear | Resampling::LinearAligned => {
                (0..2).map(|offset| tap(offset, |distance| 1.0 - distance)).collect()
            }
            _ => {
                let places: Vec<i64> = (0..self.outputs).map(|i| self.nearest(i)).collect();
                vec![(Tensor::from(places), None)]
            }
        }
    }

    fn resampled(&self, x: &Tensor, at: usize) -> Tensor {
        let axis = at as isize;
        if let Some(times) = self.repeats() {
            let mut dims = shape_of(x).to_vec();
            dims.insert(at + 1, times);
            return x.unsqueeze(axis + 1).broadcast_to(dims).flatten(axis, axis + 1);
        }
        let part = |(places, weights): (Tensor, Option<Tensor>)| {
            let part = x.index_select(axis, &places);
            weights.map_or(part.clone(), |weights| part * weights)
        };
        self.taps(x, at).into_iter().map(part).reduce(|sum, part| sum + part).expect("one tap or more")
    }

    fn gathered_back(&self, dy: &Tensor, at: usize) -> Tensor {
        let axis = at as isize;
        if let Some(times) = self.repeats() {
            return dy.unflatten(axis, [self.inputs, times]).sum_dim(axis + 1);
        }
        let mut dims = shape_of(dy).to_vec();
        dims[at] = self.inputs;
        let zeros = Tensor::zeros(dims).to_dtype(dy.dtype());
        self.taps(dy, at).into_iter().fold(zeros, |dx, (places, weights)| {
            let part = weights.map_or(dy.clone(), |weights| dy * weights);
            dx.index_add(axis, &places, &part)
        })
    }
}

/// How much an element counts at a distance below 2 (Keys' cubic convolution with `a = -3/4`).
fn cubic(d: f64) -> f64 {
    const A: f64 = -0.75;
    if d < 1.0 { ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0 } else { A * (((d - 5.0) * d + 8.0) * d - 4.0) }
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

//! Activation functions whose slope is learned or drawn.

use super::super::stateless::{options, shape_of};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, Tree};

/// `x` where positive, `weight x` elsewhere, with a slope that is learned: one, or one for each channel.
///
/// Weight `[num_parameters]`, first 0.25. With several, they go along axis 1 of the input.
///
/// Gradient: `dx = dy` where `x > 0`, else `weight dy` (also at 0); `dweight` is the sum of `dy x` where `x <= 0`. The
/// input is kept. Source: He and others, arXiv:1502.01852.
///
/// PyTorch: `torch.nn.PReLU`. Torch: `nn.PReLU`.
///
/// ```
/// use retrograd::nn::{Prelu, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (prelu, params) = functionalize(Prelu::new(), &mut Rng::seed(0));
/// assert_eq!(prelu(&params, &Tensor::from([-2.0f32, 2.0])).to_vec::<f32>()?, [-0.5, 2.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prelu {
    num_parameters: usize,
    init: f64,
}

/// Parameters of [`Prelu`].
#[derive(Clone, Debug, Tree)]
pub struct PreluParams {
    /// `[num_parameters]`.
    pub weight: Tensor,
}

impl Prelu {
    /// With one slope, first 0.25.
    pub fn new() -> Prelu {
        Prelu { num_parameters: 1, init: 0.25 }
    }

    /// How many slopes: one, or as many as axis 1 of the input is long.
    pub fn num_parameters(mut self, count: usize) -> Prelu {
        self.num_parameters = count;
        self
    }

    /// What the slopes are first.
    pub fn init(mut self, slope: f64) -> Prelu {
        self.init = slope;
        self
    }
}

impl Default for Prelu {
    fn default() -> Prelu {
        Prelu::new()
    }
}

impl Module for Prelu {
    type Params = PreluParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn params(&self, _: &mut Rng) -> PreluParams {
        PreluParams { weight: Tensor::full([self.num_parameters], self.init) }
    }

    fn state(&self) {}

    fn forward(&self, p: &PreluParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        (x.prelu(&p.weight), x.clone(), ())
    }

    fn backward(&self, p: &PreluParams, x: &Tensor, dy: &Tensor) -> (PreluParams, Tensor) {
        (self.backward_params(p, x, dy), self.backward_input(p, x, dy))
    }

    fn backward_params(&self, p: &PreluParams, x: &Tensor, dy: &Tensor) -> PreluParams {
        let each = x.gt(0.0).where_(0.0, dy * x);
        let rank = shape_of(x).rank() as isize;
        let weight = match shape_of(&p.weight).numel() {
            1 => each.sum().reshape_as(&p.weight),
            _ => each.sum_dim((0..rank).filter(|&axis| axis != 1).collect::<Vec<isize>>()),
        };
        PreluParams { weight }
    }

    fn backward_input(&self, p: &PreluParams, x: &Tensor, dy: &Tensor) -> Tensor {
        let (rank, slopes) = (shape_of(x).rank(), shape_of(&p.weight).numel());
        let slope = match slopes {
            1 => p.weight.reshape(()),
            // Axis 1 of the input, then axes of length 1.
            _ => p.weight.reshape([&[slopes], vec![1; rank.saturating_sub(2)].as_slice()].concat()),
        };
        x.gt(0.0).where_(dy, dy * slope)
    }
}

options! {
    /// `x` where positive, a fraction of it elsewhere, which is drawn for each element in training and is the mean
    /// of what may be drawn otherwise.
    ///
    /// Gradient: `dx = dy` where `x > 0`, else the fraction of `dy`; the factors are kept. Source: Xu and others,
    /// arXiv:1505.00853.
    ///
    /// PyTorch: `torch.nn.RReLU`. Torch: `nn.RReLU`.
    Rrelu {
        /// The least fraction; 1/8 by default.
        lower: f64 = 1.0 / 8.0,
        /// The greatest fraction; 1/3 by default.
        upper: f64 = 1.0 / 3.0,
    }
}

impl Module for Rrelu {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), x: &Tensor, ctx: &mut Ctx) -> (Tensor, Tensor, ()) {
        if x.error().is_some() {
            return (x.clone(), x.clone(), ());
        }
        let factors = if ctx.is_train() {
            let drawn = ctx.rng.uniform(x.shape(), self.lower, self.upper).to_dtype(x.dtype());
            x.gt(0.0).where_(1.0, drawn)
        } else {
            x.gt(0.0).where_(x.ones_like(), (self.lower + self.upper) / 2.0)
        };
        (x * &factors, factors, ())
    }

    fn backward(&self, _: &(), factors: &Tensor, dy: &Tensor) -> ((), Tensor) {
        ((), dy * factors)
    }

    fn backward_params(&self, _: &(), _: &Tensor, _: &Tensor) {}
}

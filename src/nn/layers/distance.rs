//! Angles and distances between vectors.

use super::componentwise::summed_to;
use super::stateless::{options, shape_of};
use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, Tree};

options! {
    /// The cosine of the angle between the vectors of two inputs along an axis, which goes; shapes broadcast.
    ///
    /// `y = x1 . x2 / (max(|x1|, eps) max(|x2|, eps))`.
    ///
    /// Gradient: with these norms `n1` and `n2`, `dx1 = dy (x2 / (n1 n2) - y x1 / n1^2)`, without the second term where
    /// `|x1|` is not above `eps`; `dx2` likewise. The inputs are kept.
    ///
    /// PyTorch: `torch.nn.CosineSimilarity`. Torch: `nn.CosineDistance`.
    ///
    /// ```
    /// use retrograd::nn::{CosineSimilarity, functionalize};
    /// use retrograd::{Rng, Tensor};
    /// let (f, ()) = functionalize(CosineSimilarity::new(), &mut Rng::seed(0));
    /// let y = f(&(), &(Tensor::from([[3.0, 4.0]]), Tensor::from([[1.0, 0.0]])));
    /// assert!((y.item::<f64>()? - 0.6).abs() < 1e-12);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    CosineSimilarity {
        /// The axis of the vectors; 1 by default.
        dim: isize = 1,
        /// The least norm; 1e-8 by default.
        eps: f64 = 1e-8,
    }

    /// The p-norm of `x1 - x2 + eps` along the last axis, which goes unless it is kept; shapes broadcast.
    ///
    /// Gradient: with `d` for the difference, `dx1 = dy sign(d) (|d| / y)^(p - 1)`, 0 where `y` is 0, and
    /// `dx2 = -dx1`; for an infinite `p` an even share for each of the greatest `|d|`. Difference and distance are kept.
    ///
    /// PyTorch: `torch.nn.PairwiseDistance`. Torch: `nn.PairwiseDistance`.
    PairwiseDistance {
        /// The order of the norm; 2 by default.
        p: f64 = 2.0,
        /// What is added to the differences; 1e-6 by default.
        eps: f64 = 1e-6,
        /// Whether the axis stays, with length 1.
        keepdim: bool = false,
    }
}

impl Module for CosineSimilarity {
    type Params = ();
    type State = ();
    type Input = (Tensor, Tensor);
    type Output = Tensor;
    type Saved = (Tensor, Tensor);

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), (a, b): &Self::Input, _: &mut Ctx) -> (Tensor, Self::Saved, ()) {
        (a.cosine_similarity(b, self.dim, self.eps), (a.clone(), b.clone()), ())
    }

    fn backward(&self, _: &(), (x1, x2): &Self::Saved, dy: &Tensor) -> ((), Self::Input) {
        let product = x1 * x2;
        let whole = shape_of(&product);
        let [a, b] = [x1, x2].map(|x| x.broadcast_to(whole));
        // The axis counts from the end of the whole shape where it is negative, as the operation has it.
        let along = |x: &Tensor| x.vector_norm_keepdim(2.0, self.dim);
        let [own, other] = [along(&a), along(&b)];
        let [n1, n2] = [&own, &other].map(|norm| norm.maximum(self.eps));
        let (dy, both) = (dy.unsqueeze(self.dim), &n1 * &n2);
        let y = product.sum_keepdim(self.dim) / &both;
        let part = |of: &Tensor, with: &Tensor, norm: &Tensor, n: &Tensor| {
            let turning = norm.gt(self.eps).where_(&y / n.square(), 0.0);
            &dy * (with / &both - of * turning)
        };
        let (da, db) = (part(&a, &b, &own, &n1), part(&b, &a, &other, &n2));
        ((), (summed_to(&da, shape_of(x1)), summed_to(&db, shape_of(x2))))
    }

    fn backward_params(&self, _: &(), _: &Self::Saved, _: &Tensor) {}
}

/// What `dy` is multiplied with in the gradient of a norm of order `p` along the last axis, `y`, which is kept.
fn norm_slope(d: &Tensor, y: &Tensor, p: f64) -> Tensor {
    let zero = y.eq(0.0);
    if p.is_infinite() {
        let extreme = d.abs().eq(y).to_dtype(d.dtype());
        return d.sign() * &extreme / extreme.sum_keepdim(-1);
    }
    if p == 0.0 {
        return d.zeros_like();
    }
    let y = zero.where_(1.0, y);
    let slope = match p {
        1.0 => d.sign(),
        2.0 => d / y,
        _ => {
            // The power is taken of 1 where the difference is 0, so that no infinity meets a zero.
            let still = d.eq(0.0);
            let ratio = still.where_(1.0, d.abs()) / y;
            still.where_(0.0, d.sign() * ratio.pow(p - 1.0))
        }
    };
    zero.where_(0.0, slope)
}

impl Module for PairwiseDistance {
    type Params = ();
    type State = ();
    type Input = (Tensor, Tensor);
    type Output = Tensor;
    /// Inputs and distance.
    type Saved = (Tensor, Tensor, Tensor);

    fn params(&self, _: &mut Rng) {}
    fn state(&self) {}

    fn forward(&self, _: &(), _: &(), (a, b): &Self::Input, _: &mut Ctx) -> (Tensor, Self::Saved, ()) {
        let distance = a.pairwise_distance(b, self.p, self.eps).unsqueeze(-1);
        let y = if self.keepdim { distance.clone() } else { distance.squeeze(-1) };
        (y, (a.clone(), b.clone(), distance), ())
    }

    fn backward(&self, _: &(), (a, b, distance): &Self::Saved, dy: &Tensor) -> ((), Self::Input) {
        let d = a - b + self.eps;
        let dy = if self.keepdim { dy.clone() } else { dy.unsqueeze(-1) };
        let dd = dy * norm_slope(&d, distance, self.p);
        ((), (summed_to(&dd, shape_of(a)), summed_to(&-&dd, shape_of(b))))
    }

    fn backward_params(&self, _: &(), _: &Self::Saved, _: &Tensor) {}
}

/// The distances of a vector from the columns of a matrix, which are learned.
///
/// `y[j] = |x - weight[.., j]|`, the 2-norm over the last axis of the input. Weight `[inputs, outputs]`, first uniform
/// within `1 / sqrt(inputs)`. Input `[.., inputs]`, output `[.., outputs]`.
///
/// Gradient: with `d[i, j] = x[i] - weight[i, j]`, `dx[i] = sum over j of dy[j] d[i, j] / y[j]`, the columns of the
/// weight get `-dy[j] d[i, j] / y[j]`, summed over all axes but the last; 0 where `y` is 0. Input and output are kept.
///
/// PyTorch: none. Torch: `nn.Euclidean`.
#[derive(Clone, Debug)]
pub struct Euclidean {
    inputs: usize,
    outputs: usize,
}

/// Parameters of [`Euclidean`].
#[derive(Clone, Debug, Tree)]
pub struct EuclideanParams {
    /// `[inputs, outputs]`.
    pub weight: Tensor,
}

impl Euclidean {
    /// From vectors of a length to so many distances.
    pub fn new(inputs: usize, outputs: usize) -> Euclidean {
        Euclidean { inputs, outputs }
    }
}

impl Module for Euclidean {
    type Params = EuclideanParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// Input and output.
    type Saved = (Tensor, Tensor);

    fn params(&self, rng: &mut Rng) -> EuclideanParams {
        let bound = 1.0 / (self.inputs.max(1) as f64).sqrt();
        EuclideanParams { weight: rng.uniform([self.inputs, self.outputs], -bound, bound) }
    }

    fn state(&self) {}

    fn forward(&self, p: &EuclideanParams, _: &(), x: &Tensor, _: &mut Ctx) -> (Tensor, Self::Saved, ()) {
        let y = (x.unsqueeze(-1) - &p.weight).vector_norm(2.0, -2);
        (y.clone(), (x.clone(), y), ())
    }

    fn backward(&self, p: &EuclideanParams, (x, y): &Self::Saved, dy: &Tensor) -> (EuclideanParams, Tensor) {
        let zero = y.eq(0.0);
        let shares = zero.where_(0.0, dy / zero.where_(1.0, y)).unsqueeze(-2);
        let dd = shares * (x.unsqueeze(-1) - &p.weight);
        (EuclideanParams { weight: summed_to(&-&dd, shape_of(&p.weight)) }, dd.sum_dim(-1))
    }
}

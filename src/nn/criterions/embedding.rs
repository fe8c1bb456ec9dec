//! Distances of vectors that are alike, and of those that are not.

use super::pairs::{fitting, in_dtype_of, target_like};
use retrograd::nn::{Criterion, Reduction};
use retrograd::{Error, ErrorKind, Tensor};

/// `1 - cos(a, b)` where `y` is 1, `max(0, cos(a, b) - margin)` where it is -1: of vectors in the last axis.
///
/// Vectors `[n, d]` or `[d]`, targets `[n]` or `[]`; a loss for each pair. 1e-12 is added to the squared lengths, as
/// PyTorch does.
///
/// Gradient: with `c` for the cosine, `da = dc (b / (|a| |b|) - c a / |a|^2)`, `db` likewise, where `dc` is `-dl` for
/// pairs that are alike, `dl` for others whose margin is not kept, else 0; over the number of pairs for the mean.
///
/// PyTorch: `torch.nn.CosineEmbeddingLoss`. Torch: `nn.CosineEmbeddingCriterion`.
#[derive(Clone, Debug, Default)]
pub struct CosineEmbeddingLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// The greatest cosine of others that costs nothing, from -1 to 1; 0 by default.
    pub margin: f64,
}

/// What is added to squared lengths, as PyTorch does.
const LEAST_SQUARE: f64 = 1e-12;

/// Whether the pairs' targets fit them.
fn pairs_target(criterion: &'static str, a: &Tensor, y: &Tensor) -> Tensor {
    if let Some(invalid) = [a, y].into_iter().find(|x| x.error().is_some()) {
        return invalid.clone();
    }
    let shape = a.shape().to_vec();
    if y.shape().to_vec() != shape[..shape.len() - 1] {
        let message = format!(
            "for pairs [n, d] or [d] of shape {}, a target for each is needed, got shape {}",
            a.shape(),
            y.shape()
        );
        return Error::new(ErrorKind::Shape, message).refuse(criterion, &[a, y]);
    }
    in_dtype_of(a, y)
}

impl Criterion for CosineEmbeddingLoss {
    /// The vectors of each pair.
    type Input = (Tensor, Tensor);
    type Target = Tensor;
    /// The vectors; the squared lengths of the first and of the second, and the cosines `[.., 1]`; the targets.
    type Saved = [Tensor; 6];

    fn forward(&self, (a, b): &(Tensor, Tensor), y: &Tensor) -> (Tensor, [Tensor; 6]) {
        let name = self.name();
        let a = fitting(a, name, |shape| matches!(shape.len(), 1 | 2), || "[n, d] or [d]".to_owned());
        let (b, y) = (target_like(name, &a, b), pairs_target(name, &a, y));
        let square = |x: &Tensor| x.square().sum_keepdim(-1) + LEAST_SQUARE;
        let (aa, bb) = (square(&a), square(&b));
        let cosine = (&a * &b).sum_keepdim(-1) / (&aa * &bb).sqrt();
        let c = cosine.squeeze(-1);
        let others = y.eq(-1.0).where_((&c - self.margin).relu(), 0.0);
        let each = y.eq(1.0).where_(1.0 - &c, others);
        (self.reduction.apply(&each), [a, b, aa, bb, cosine, y])
    }

    fn backward(&self, [a, b, aa, bb, cosine, y]: &[Tensor; 6], dl: &Tensor) -> (Tensor, Tensor) {
        let y = y.unsqueeze(-1);
        let open = (cosine - self.margin).relu().sign();
        let slope = y.eq(1.0).where_(-1.0, y.eq(-1.0).where_(open, 0.0));
        let dl = self.reduction.spread(dl.clone(), cosine);
        let dc = slope * if self.reduction == Reduction::None { dl.unsqueeze(-1) } else { dl };
        let product = &dc / (aa * bb).sqrt();
        let along = dc * cosine;
        (b * &product - a * (&along / aa), a * product - b * (along / bb))
    }
}

/// `max(0, margin + d(a, p) - d(a, n))`: anchors `a` are to be nearer to positives `p` than to negatives `n`, in the
/// distance `|x - y + eps|` by the p-norm along the last axis.
///
/// All three of one shape `[.., d]`; a loss for each triple. With `swap` the distance to the negative is the lesser one
/// of the anchor's and the positive's.
///
/// Gradient: where the margin is not kept, `dl` for `d(a, p)` and `-dl` for `d(a, n)`; with `u` for the vector of a
/// distance, `dd/du = sign(u) (|u| / d)^(p - 1)`, 0 where `d` is 0; over the number of triples for the mean. Where the
/// two distances of a swap are equal, half goes to each.
///
/// PyTorch: `torch.nn.TripletMarginLoss`. Torch: none. Source: Balntas, Riba, Ponsa and Mikolajczyk, "Learning local
/// feature descriptors with triplets and shallow convolutional neural networks", 2016.
#[derive(Clone, Debug)]
pub struct TripletMarginLoss {
    /// Mean by default.
    pub reduction: Reduction,
    /// How much nearer; 1 by default.
    pub margin: f64,
    /// Of the norm, 2 by default.
    pub p: f64,
    /// What is added to each element of a difference, 1e-6 by default.
    pub eps: f64,
    /// Whether the negative is to be far from the positive as well; not by default.
    pub swap: bool,
}

impl Default for TripletMarginLoss {
    fn default() -> TripletMarginLoss {
        TripletMarginLoss { reduction: Reduction::Mean, margin: 1.0, p: 2.0, eps: 1e-6, swap: false }
    }
}

impl TripletMarginLoss {
    fn distance(&self, u: &Tensor) -> Tensor {
        u.vector_norm_keepdim(self.p, -1)
    }

    /// `dd/du` of a distance `d` of the vector `u`.
    fn slope(&self, u: &Tensor, d: &Tensor) -> Tensor {
        let none = d.eq(0.0);
        let d = none.where_(1.0, d);
        let slope = match self.p {
            1.0 => u.sign(),
            2.0 => u / d,
            p => u.sign() * (u.abs() / d).pow(p - 1.0),
        };
        none.where_(0.0, slope)
    }
}

impl Criterion for TripletMarginLoss {
    /// Anchors, positives and negatives.
    type Input = (Tensor, Tensor, Tensor);
    type Target = ();
    /// `a - p`, `a - n` and `p - n`, each with eps, and their lengths `[.., 1]`.
    type Saved = ([Tensor; 3], [Tensor; 3]);

    fn forward(&self, (a, p, n): &Self::Input, (): &()) -> (Tensor, Self::Saved) {
        let a = fitting(a, self.name(), |shape| !shape.is_empty(), || "[.., d]".to_owned());
        let [p, n] = [p, n].map(|x| target_like(self.name(), &a, x));
        let u = [&a - &p, &a - &n, p - n].map(|off| off + self.eps);
        let d = [0, 1, 2].map(|i| self.distance(&u[i]));
        let each = self.missing(&d).relu().squeeze(-1);
        (self.reduction.apply(&each), (u, d))
    }

    fn backward(&self, (u, d): &Self::Saved, dl: &Tensor) -> Self::Input {
        let missing = self.missing(d);
        let dl = self.reduction.spread(dl.clone(), &missing);
        let dl = if self.reduction == Reduction::None { dl.unsqueeze(-1) } else { dl };
        let open = missing.relu().sign() * dl;
        let near = self.slope(&u[0], &d[0]) * &open;
        if !self.swap {
            let far = self.slope(&u[1], &d[1]) * open;
            return (&near - &far, -near, far);
        }
        // How much of the lesser distance is the anchor's.
        let own = ((&d[2] - &d[1]).sign() + 1.0) * 0.5;
        let far = self.slope(&u[1], &d[1]) * (&open * &own);
        let between = self.slope(&u[2], &d[2]) * (open * (1.0 - own));
        (&near - &far, -near - &between, far + between)
    }
}

impl TripletMarginLoss {
    /// What is missing to the margin.
    fn missing(&self, [positive, negative, between]: &[Tensor; 3]) -> Tensor {
        match self.swap {
            true => positive - negative.minimum(between) + self.margin,
            false => positive - negative + self.margin,
        }
    }
}

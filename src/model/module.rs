//! Parts of networks, as functions and their first parameters: layer normalisation, batch normalisation of sequences of
//! different lengths, soft attention.

use retrograd::nn::{Ctx, init};
use retrograd::{Error, ErrorKind, INFER, Rng, Tensor, Tree, tree};

/// Added to a variance before its root is taken.
const EPS: f64 = 1e-5;

/// Scale and offset of what was normalised.
#[derive(Clone, Debug, Tree)]
pub struct GainBias {
    /// `[features]`.
    pub gain: Tensor,
    /// `[features]`.
    pub bias: Tensor,
}

impl GainBias {
    fn new(features: usize, gain: f64) -> GainBias {
        GainBias { gain: Tensor::ones([features]) * gain, bias: Tensor::zeros([features]) }
    }

    fn applied(&self, normalised: &Tensor) -> Tensor {
        normalised * &self.gain + &self.bias
    }
}

/// `f(params, x)`, which normalises each row of `x` (its last axis has `features` numbers) by its mean and standard
/// deviation, scales and shifts it; and its first parameters, ones and zeros (Ba, Kiros and Hinton 2016,
/// <https://arxiv.org/abs/1607.06450>).
///
/// [`nn::LayerNorm`](crate::nn::LayerNorm) is the same with a gradient written by hand.
///
/// Torch: `autograd.module.LayerNormalization`.
///
/// # Errors
/// As an invalid tensor, if the last axis has another length.
pub fn layer_normalization(
    features: usize,
) -> (impl Fn(&GainBias, &Tensor) -> Tensor + Clone + Send + Sync + 'static + use<>, GainBias) {
    let f = move |p: &GainBias, x: &Tensor| {
        if x.error().is_none() && x.shape().to_vec().last() != Some(&features) {
            let message = format!("the input is to be [.., {features}], got shape {}", x.shape());
            return Error::new(ErrorKind::Shape, message).refuse("layer_normalization", &[x]);
        }
        let off = x - x.mean_keepdim(-1);
        p.applied(&(&off / (off.square().mean_keepdim(-1) + EPS).sqrt()))
    };
    (f, GainBias::new(features, 1.0))
}

/// What batch normalisation has followed.
#[derive(Clone, Debug, Tree)]
pub struct MaskedStats {
    /// `[features]`.
    pub running_mean: Tensor,
    /// `[features]`.
    pub running_std: Tensor,
}

/// `f(params, x, mask, stats, ctx)`, which normalises each feature over those places of a batch where `mask` is 1 (the
/// others, behind the ends of sequences, have 0), and yields the result and the next statistics; with first
/// parameters (a scale of 0.1, which is better in an LSTM) and statistics.
///
/// `x` is `[batch, features]` or `[batch, time, features]`; `mask` broadcasts to it, with numbers of its dtype. In training
/// the batch's statistics serve, and the running ones go `momentum` of the way to them; in evaluation the running ones
/// serve. Where the mask is 0 the result is the offset. If it is 0 everywhere, the mean is 0 and the running ones stay (Laurent
/// et al. 2015, <https://arxiv.org/abs/1510.01378>).
///
/// Torch: `autograd.module.MaskedBatchNormalization` (which centres by the wrong statistic and always divides by the
/// running one; this is what it documents).
///
/// # Errors
/// As an invalid tensor, if `x` has another shape or the mask does not broadcast to it; the statistics that training
/// yields are invalid then too.
#[expect(clippy::type_complexity, reason = "a function and two values: a name would hide what it takes")]
pub fn masked_batch_normalization(
    features: usize,
    momentum: f64,
) -> (
    impl Fn(&GainBias, &Tensor, &Tensor, &MaskedStats, &Ctx) -> (Tensor, MaskedStats)
    + Clone
    + Send
    + Sync
    + 'static
    + use<>,
    GainBias,
    MaskedStats,
) {
    let f = move |p: &GainBias, x: &Tensor, mask: &Tensor, stats: &MaskedStats, ctx: &Ctx| {
        if let Some(invalid) = masked_misfit(x, features) {
            return (invalid.clone(), tree::map(stats, |_| invalid.clone()));
        }
        let (rows, weights) = (x.reshape([INFER, features]), mask.expand_as(x).reshape([INFER, features]));
        let count = weights.sum_dim(0);
        // An empty batch counts as one of zeros.
        let some = count.maximum(1.0);
        let (mean, std) = if ctx.is_train() {
            let mean = (&rows * &weights).sum_dim(0) / &some;
            let off = (&rows - &mean) * &weights;
            (mean, (off.square().sum_dim(0) / &some + EPS).sqrt())
        } else {
            (stats.running_mean.clone(), stats.running_std.clone())
        };
        let y = p.applied(&((&rows - &mean) * &weights / &std)).reshape(x.shape());
        if !ctx.is_train() {
            return (y, stats.clone());
        }
        let toward = |running: &Tensor, now: &Tensor| {
            let moved = running + (now - running) * momentum;
            retrograd::stop_gradient(&count.gt(0.0).where_(&moved, running))
        };
        let next = MaskedStats {
            running_mean: toward(&stats.running_mean, &mean),
            running_std: toward(&stats.running_std, &std),
        };
        (y, next)
    };
    let stats =
        MaskedStats { running_mean: Tensor::zeros([features]), running_std: Tensor::ones([features]) };
    (f, GainBias::new(features, 0.1), stats)
}

/// Why an input of [`masked_batch_normalization`] is refused, as an invalid tensor.
fn masked_misfit(x: &Tensor, features: usize) -> Option<Tensor> {
    if x.error().is_some() {
        return Some(x.clone());
    }
    let lengths = x.shape().to_vec();
    if matches!(lengths.len(), 2 | 3) && lengths.last() == Some(&features) {
        return None;
    }
    let message = format!(
        "the input is to be [batch, {features}] or [batch, time, {features}], got shape {}",
        x.shape()
    );
    Some(Error::new(ErrorKind::Shape, message).refuse("masked_batch_normalization", &[x]))
}

/// Sizes of [`soft_attention`].
#[derive(Clone, Debug)]
pub struct SoftAttention {
    hidden: usize,
    subject_features: usize,
    subject_choices: usize,
    layer_normalization: bool,
}

impl SoftAttention {
    /// For states of `hidden` numbers, and subjects of `subject_choices` vectors of `subject_features` each.
    pub fn new(hidden: usize, subject_features: usize, subject_choices: usize) -> SoftAttention {
        SoftAttention { hidden, subject_features, subject_choices, layer_normalization: false }
    }

    /// Whether the scores are normalised, in place of a bias.
    pub fn layer_normalization(mut self, normalize: bool) -> SoftAttention {
        self.layer_normalization = normalize;
        self
    }

    /// Whether a subject and a state have such shapes.
    fn fits(&self, subject: &[usize], h: &[usize]) -> bool {
        let (features, choices) = (self.subject_features, self.subject_choices);
        match (subject, h) {
            ([i, k], [j]) => [*i, *k, *j] == [features, choices, self.hidden],
            ([n, i, k], [m, j]) => n == m && [*i, *k, *j] == [features, choices, self.hidden],
            _ => false,
        }
    }
}

/// Parameters of [`soft_attention`].
#[derive(Clone, Debug, Tree)]
pub struct AttentionParams {
    /// `[subject features]`.
    pub w_subject: Tensor,
    /// `[hidden, subject choices]`.
    pub w_hidden: Tensor,
    /// `[subject choices]`; without normalisation.
    pub bias: Option<Tensor>,
    /// Of the normalised scores.
    pub norm: Option<GainBias>,
}

/// `f(params, subject, h)`, which attends to the choices of a subject as far as a state `h` asks for them; and its first
/// parameters. It yields the expected vector `[batch, subject features]`, and how likely each choice is,
/// `[batch, subject choices]`.
///
/// `subject` is `[batch, subject features, subject choices]` and `h` `[batch, hidden]`; neither with the first axis for a
/// single one (Xu et al. 2015, <https://arxiv.org/abs/1502.03044>).
///
/// With `s[k] = sum_i w_subject[i] subject[i, k] + sum_j h[j] w_hidden[j, k] + bias[k]`, how likely choice `k` is is
/// `softmax(s)[k]`; with layer normalisation it takes the place of the bias.
///
/// Torch: `autograd.module.SoftAttention`.
///
/// # Errors
/// As invalid tensors, if subject or state have another shape.
pub fn soft_attention(
    options: &SoftAttention,
    rng: &mut Rng,
) -> (
    impl Fn(&AttentionParams, &Tensor, &Tensor) -> (Tensor, Tensor) + Clone + Send + Sync + 'static + use<>,
    AttentionParams,
) {
    let options = options.clone();
    let SoftAttention { hidden, subject_features, subject_choices, layer_normalization: normalize } = options;
    let bound = |inputs: usize| 1.0 / (inputs.max(1) as f64).sqrt();
    let params = AttentionParams {
        w_subject: init::uniform(rng, [subject_features], -bound(subject_features), bound(subject_features)),
        w_hidden: init::uniform(rng, [hidden, subject_choices], -bound(hidden), bound(hidden)),
        bias: (!normalize).then(|| Tensor::zeros([subject_choices])),
        norm: normalize.then(|| GainBias::new(subject_choices, 1.0)),
    };
    let (normalised, _) = layer_normalization(subject_choices);
    let f = move |p: &AttentionParams, subject: &Tensor, h: &Tensor| {
        let valid = subject.error().is_none() && h.error().is_none();
        if valid && !options.fits(&subject.shape().to_vec(), &h.shape().to_vec()) {
            let message = format!(
                "a subject [batch, features, choices] and a state [batch, hidden], or both without `batch`, \
                 of {subject_features} features, {subject_choices} choices and {hidden} hidden, got {} and {}",
                subject.shape(),
                h.shape()
            );
            let invalid = Error::new(ErrorKind::Shape, message).refuse("soft_attention", &[subject, h]);
            return (invalid.clone(), invalid);
        }
        let of_subject = (subject * p.w_subject.unsqueeze(-1)).sum_dim(-2);
        let mut scores = of_subject + h.matmul(&p.w_hidden);
        if let Some(bias) = &p.bias {
            scores += bias;
        }
        if let Some(norm) = &p.norm {
            scores = normalised(norm, &scores);
        }
        let focus = scores.softmax(-1);
        ((subject * focus.unsqueeze(-2)).sum_dim(-1), focus)
    };
    (f, params)
}

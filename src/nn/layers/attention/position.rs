//! Where in a sequence something stands.

use retrograd::nn::{Ctx, Module};
use retrograd::{Error, ErrorKind, Rng, Tensor};

/// Sines and cosines of the position added: `y[t, 2i] = x[t, 2i] + sin(t / 10000^(2i / size))`, cosines at `2i + 1`.
///
/// Input `[time, n, size]` (`[n, time, size]` with `.batch_first(true)`) or `[time, size]`, output the same; in training
/// a part of it put to zero, with `.dropout(p)`. No parameters, and no greatest length.
///
/// Gradient: `dx = dy`, times what dropout multiplied by.
///
/// PyTorch: none (its tutorials' `PositionalEncoding`). Torch: none. Source: Vaswani et al., "Attention Is All You Need",
/// 2017, section 3.5.
///
/// ```
/// use retrograd::nn::{PositionalEncoding, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, _) = functionalize(PositionalEncoding::new(4), &mut Rng::seed(1));
/// let y = f(&(), &Tensor::zeros([2, 4]).f64());
/// let expected = Tensor::from([[0.0, 1.0, 0.0, 1.0], [1f64.sin(), 1f64.cos(), 0.01f64.sin(), 0.01f64.cos()]]);
/// assert!(y.allclose(&expected, 1e-12, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PositionalEncoding {
    size: usize,
    dropout: f64,
    batch_first: bool,
}

/// The longest wave is so many times 2 pi positions long.
const LONGEST: f64 = 10_000.0;

impl PositionalEncoding {
    /// For vectors of this size, without dropout.
    pub fn new(size: usize) -> PositionalEncoding {
        PositionalEncoding { size, dropout: 0.0, batch_first: false }
    }

    /// The part of the output that is put to zero in training.
    pub fn dropout(mut self, p: f64) -> PositionalEncoding {
        self.dropout = p;
        self
    }

    /// Whether the first axis is that of examples.
    pub fn batch_first(mut self, batch_first: bool) -> PositionalEncoding {
        self.batch_first = batch_first;
        self
    }

    /// What is added, `[time, size]` in f64.
    fn table(&self, time: usize) -> Tensor {
        let waves = self.size.div_ceil(2);
        let exponents = Tensor::arange(waves as i64).f64() * (-2.0 / self.size as f64);
        let angles = Tensor::arange(time as i64).f64().unsqueeze(-1) * (exponents * LONGEST.ln()).exp();
        let pairs = Tensor::stack(&[angles.sin(), angles.cos()], -1);
        pairs.reshape([time, 2 * waves]).narrow(1, 0, self.size)
    }
}

impl Module for PositionalEncoding {
    type Params = ();
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// What the sum was multiplied by; none without dropout.
    type Saved = Option<Tensor>;

    fn params(&self, _: &mut Rng) {}

    fn state(&self) {}

    fn forward(&self, (): &(), (): &(), x: &Tensor, ctx: &mut Ctx) -> (Tensor, Option<Tensor>, ()) {
        if x.error().is_some() {
            return (x.clone(), None, ());
        }
        let shape = x.shape().to_vec();
        if !matches!(shape.len(), 2 | 3) || shape[shape.len() - 1] != self.size {
            let message = format!(
                "the input is to be [time, n, {size}] or [time, {size}], got shape {}",
                x.shape(),
                size = self.size
            );
            let invalid = Error::new(ErrorKind::Shape, message).refuse("PositionalEncoding", &[x]);
            return (invalid, None, ());
        }
        let table = match (shape.len(), self.batch_first) {
            (3, true) => self.table(shape[1]),
            (3, false) => self.table(shape[0]).unsqueeze(1),
            _ => self.table(shape[0]),
        };
        let y = x + table.to_dtype(x.dtype());
        let drops = ctx.is_train() && self.dropout > 0.0;
        let mask = drops.then(|| ctx.rng.dropout(&y.ones_like(), self.dropout));
        let y = match &mask {
            Some(mask) => y * mask,
            None => y,
        };
        (y, mask, ())
    }

    fn backward(&self, (): &(), mask: &Option<Tensor>, dy: &Tensor) -> ((), Tensor) {
        let dx = match mask {
            Some(mask) => dy * mask,
            None => dy.clone(),
        };
        ((), dx)
    }
}

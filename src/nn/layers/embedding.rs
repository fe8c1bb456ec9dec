//! Vectors for whole numbers.

use super::stateless::shape_of;
use retrograd::nn::{Ctx, Module};
use retrograd::{Error, Rng, Tensor, Tree};

/// The rows of a table that whole numbers name.
///
/// Weight `[num_embeddings, embedding_dim]`, first normal with mean 0 and variance 1; the row of
/// [`Embedding::padding_idx`] is 0. Input `[..]` of integers, output `[.., embedding_dim]`.
///
/// Gradient: `dweight[i]` is the sum of `dy` wherever the input is `i`, 0 for the row of the padding; that of the input
/// is zeros like it. The input is kept.
///
/// PyTorch: `torch.nn.Embedding`. Torch: `nn.LookupTable`.
///
/// ```
/// use retrograd::nn::{Embedding, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(Embedding::new(100, 8).padding_idx(0), &mut Rng::seed(1));
/// let y = f(&params, &Tensor::from([[3i64, 99, 0], [1, 0, 0]]));
/// assert_eq!(y.shape(), [2, 3, 8]);
/// assert_eq!(y.at((0, 2)).to_vec::<f32>()?, [0.0; 8]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    rows: usize,
    length: usize,
    padding_idx: Option<isize>,
    scale_grad_by_freq: bool,
}

/// Parameters of [`Embedding`].
#[derive(Clone, Debug, Tree)]
pub struct EmbeddingParams {
    /// `[num_embeddings, embedding_dim]`.
    pub weight: Tensor,
}

impl Embedding {
    /// A table of so many rows of a length.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Embedding {
        Embedding {
            rows: num_embeddings,
            length: embedding_dim,
            padding_idx: None,
            scale_grad_by_freq: false,
        }
    }

    /// A number that stands for nothing: its row is 0 first and gets no gradient. A negative one counts from the end.
    pub fn padding_idx(mut self, index: isize) -> Embedding {
        self.padding_idx = Some(index);
        self
    }

    /// Whether a row's gradient is divided by how often the input names it, as a mean.
    pub fn scale_grad_by_freq(mut self, scale: bool) -> Embedding {
        self.scale_grad_by_freq = scale;
        self
    }

    /// The table with each row whose 2-norm is above `max_norm` scaled down to it. PyTorch's layer does so to the rows
    /// that it reads if it has a `max_norm`; here it is a step of its own, to be taken after an update.
    pub fn renormalized(p: &EmbeddingParams, max_norm: f64) -> EmbeddingParams {
        let norm = p.weight.vector_norm_keepdim(2.0, -1);
        let long = norm.gt(max_norm);
        let scale = long.where_(max_norm / long.where_(&norm, 1.0), 1.0);
        EmbeddingParams { weight: &p.weight * scale }
    }

    /// Where numbers name this row, from the first or from the end.
    pub(super) fn is_row(&self, numbers: &Tensor, row: usize) -> Tensor {
        numbers.i64().remainder(self.rows as i64).eq(row as i64)
    }

    /// The padding's row, or why there is none.
    pub(super) fn padding(&self) -> Result<Option<usize>, Error> {
        let Some(index) = self.padding_idx else { return Ok(None) };
        let at = if index < 0 { self.rows.checked_add_signed(index) } else { usize::try_from(index).ok() };
        match at.filter(|&at| at < self.rows) {
            Some(at) => Ok(Some(at)),
            None => {
                let message = format!("Embedding: padding_idx {index} is none of {} rows", self.rows);
                Err(Error::msg(message))
            }
        }
    }
}

impl Module for Embedding {
    type Params = EmbeddingParams;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    type Saved = Tensor;

    fn params(&self, rng: &mut Rng) -> EmbeddingParams {
        let weight = rng.randn([self.rows, self.length]);
        let weight = match self.padding() {
            Ok(None) => weight,
            Ok(Some(row)) => weight.with(row, 0.0),
            Err(error) => Tensor::invalid(error),
        };
        EmbeddingParams { weight }
    }

    fn state(&self) {}

    fn forward(&self, p: &EmbeddingParams, _: &(), index: &Tensor, _: &mut Ctx) -> (Tensor, Tensor, ()) {
        (p.weight.embedding(index), index.clone(), ())
    }

    fn backward(&self, p: &EmbeddingParams, index: &Tensor, dy: &Tensor) -> (EmbeddingParams, Tensor) {
        (self.backward_params(p, index, dy), index.zeros_like())
    }

    fn backward_params(&self, p: &EmbeddingParams, index: &Tensor, dy: &Tensor) -> EmbeddingParams {
        let index = index.reshape([shape_of(index).numel()]);
        let mut rows = dy.reshape([shape_of(&index).numel(), self.length]);
        if let Ok(Some(row)) = self.padding() {
            rows = self.is_row(&index, row).unsqueeze(1).where_(0.0, rows);
        }
        if self.scale_grad_by_freq {
            let ones = Tensor::ones(shape_of(&index)).to_dtype(dy.dtype());
            let counts = Tensor::zeros([self.rows]).to_dtype(dy.dtype()).index_add(0, &index, &ones);
            rows /= counts.index_select(0, &index).unsqueeze(1);
        }
        EmbeddingParams { weight: p.weight.zeros_like().index_add(0, &index, &rows) }
    }

    fn backward_input(&self, _: &EmbeddingParams, index: &Tensor, _: &Tensor) -> Tensor {
        index.zeros_like()
    }
}

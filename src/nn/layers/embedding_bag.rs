//! Rows of a table reduced by bags.

use super::embedding::{Embedding, EmbeddingParams};
use super::stateless::shape_of;
use retrograd::nn::{Ctx, Module};
use retrograd::{Error, IncludeSelf, Rng, ScatterReduce, Side, Tensor, Tree};

/// The input of [`EmbeddingBag`].
#[derive(Clone, Debug, Tree)]
pub struct BagInput {
    /// Numbers of rows: `[bags, length]`, a bag in each row, or `[n]` with `offsets`.
    pub input: Tensor,
    /// Where each bag begins in an input `[n]`: `[bags]`, from 0 and in order; a bag that begins where the next one does is
    /// empty.
    pub offsets: Option<Tensor>,
    /// How much each row counts in a sum, of the input's shape.
    pub per_sample_weights: Option<Tensor>,
}

impl BagInput {
    /// Bags of one length: `[bags, length]`.
    pub fn new(input: &Tensor) -> BagInput {
        BagInput { input: input.clone(), offsets: None, per_sample_weights: None }
    }

    /// Bags that begin at the offsets of an input `[n]`.
    pub fn with_offsets(input: &Tensor, offsets: &Tensor) -> BagInput {
        BagInput { offsets: Some(offsets.clone()), ..BagInput::new(input) }
    }
}

/// What becomes of the rows of a bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum, each times its weight if there are weights.
    Sum,
    /// Their mean.
    Mean,
    /// The greatest of each column.
    Max,
}

/// The rows of a table that whole numbers name, as [`Embedding`], reduced to one row for each bag of numbers.
///
/// Weight `[num_embeddings, embedding_dim]`, first normal with mean 0 and variance 1. Input a [`BagInput`], output
/// `[bags, embedding_dim]`; a bag that is empty, or of which all is padding, has zeros.
///
/// Gradient: a row's is the sum of the `dy` of the bags that it is in, times its weight or over their length; of the
/// greatest, where it is the greatest, shared evenly by equal ones. A weight's is the product of its row and its bag's
/// `dy`. The input is kept, and of the greatest the output.
///
/// PyTorch: `torch.nn.EmbeddingBag`, of which it has the defaults (the mean). Torch: none.
///
/// ```
/// use retrograd::nn::{BagInput, BagMode, EmbeddingBag, functionalize};
/// use retrograd::{Rng, Tensor};
/// let (f, params) = functionalize(EmbeddingBag::new(100, 8).mode(BagMode::Sum), &mut Rng::seed(1));
/// let words = Tensor::from([1i64, 5, 99, 5]);
/// let sentences = BagInput::with_offsets(&words, &Tensor::from([0i64, 3]));
/// let y = f(&params, &sentences);
/// assert_eq!(y.shape(), [2, 8]);
/// assert!(y.at(1).allclose(&params.weight.at(5), 1e-6, 0.0)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EmbeddingBag {
    table: Embedding,
    mode: BagMode,
    include_last_offset: bool,
}

impl EmbeddingBag {
    /// A table of so many rows of a length, and the mean of each bag.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingBag {
        let table = Embedding::new(num_embeddings, embedding_dim);
        EmbeddingBag { table, mode: BagMode::Mean, include_last_offset: false }
    }

    /// What becomes of the rows of a bag.
    pub fn mode(mut self, mode: BagMode) -> EmbeddingBag {
        self.mode = mode;
        self
    }

    /// A number that stands for nothing: its row is 0 first, gets no gradient, and is not counted in any bag. A negative
    /// one counts from the end.
    pub fn padding_idx(mut self, index: isize) -> EmbeddingBag {
        self.table = self.table.padding_idx(index);
        self
    }

    /// Whether the offsets end with the input's length.
    pub fn include_last_offset(mut self, include: bool) -> EmbeddingBag {
        self.include_last_offset = include;
        self
    }

    fn listed(&self, p: &EmbeddingParams, input: &BagInput) -> Result<Listed, Error> {
        if let Some(error) = p.weight.error().or(input.input.error()) {
            return Err(error.clone());
        }
        let shape = input.input.shape();
        let weights = input.per_sample_weights.as_ref();
        if self.mode != BagMode::Sum && weights.is_some() {
            let message = format!("EmbeddingBag: per_sample_weights belong to a sum, not to {:?}", self.mode);
            return Err(Error::msg(message));
        }
        if let Some(weights) = weights.map(shape_of).filter(|weights| *weights != shape) {
            return Err(Error::msg(format!(
                "EmbeddingBag: per_sample_weights {weights} for an input {shape}"
            )));
        }
        let index = input.input.reshape([shape.numel()]);
        let (bag, bags) = match (&input.offsets, shape.rank()) {
            (None, 2) => {
                (Tensor::arange(shape[0] as i64).repeat_interleave(shape[1] as usize, 0), shape[0] as usize)
            }
            (Some(offsets), 1) if shape_of(offsets).rank() == 1 => {
                let bags = shape_of(offsets).numel().saturating_sub(usize::from(self.include_last_offset));
                let starts = offsets.narrow(0, 0, bags).i64();
                let begun = starts.searchsorted(&Tensor::arange(shape[0] as i64), Side::Right);
                // What comes before the first bag is in none, which the operations that follow refuse.
                (begun.eq(0i64).where_(bags as i64, begun - 1), bags)
            }
            (offsets, _) => {
                let offsets = match offsets {
                    Some(offsets) => format!("with offsets {}", shape_of(offsets)),
                    None => "without offsets".to_owned(),
                };
                let message = format!("EmbeddingBag: an input {shape} {offsets}");
                return Err(Error::msg(message).help("expected [bags, length], or [n] with offsets [bags]"));
            }
        };
        let counted =
            self.table.padding()?.map(|row| self.table.is_row(&index, row).logical_not().unsqueeze(1));
        let mut listed = Listed { index, bag, bags, counted, factors: None };
        let column = [shape.numel(), 1];
        listed.factors = match (self.mode, weights) {
            (BagMode::Sum, Some(weights)) => Some(listed.masked(weights.reshape(column))),
            (BagMode::Sum, None) if listed.counted.is_none() => None,
            (BagMode::Max, _) => None,
            (mode, _) => {
                let ones = listed.masked(Tensor::ones(column).to_dtype(p.weight.dtype()));
                let counts = listed.each(&listed.summed(&ones));
                Some(if mode == BagMode::Mean { ones / counts.clamp_min(1.0) } else { ones })
            }
        };
        Ok(listed)
    }
}

/// An input as lists.
struct Listed {
    /// Each number, `[n]`, and the bag that it is in.
    index: Tensor,
    bag: Tensor,
    bags: usize,
    /// Which numbers are no padding, `[n, 1]`, if there is padding.
    counted: Option<Tensor>,
    /// What each row counts in the sum of its bag, `[n, 1]`, if not 1.
    factors: Option<Tensor>,
}

impl Listed {
    fn rows(&self, p: &EmbeddingParams) -> Tensor {
        p.weight.embedding(&self.index)
    }

    /// Rows `[n, ..]`, those of the padding 0.
    fn masked(&self, rows: Tensor) -> Tensor {
        self.masked_by(rows, 0.0)
    }

    fn masked_by(&self, rows: Tensor, padding: f64) -> Tensor {
        match &self.counted {
            Some(counted) => counted.where_(rows, padding),
            None => rows,
        }
    }

    fn weighed(&self, rows: Tensor) -> Tensor {
        match &self.factors {
            Some(factors) => rows * factors,
            None => rows,
        }
    }

    /// `[bags, d]` of rows `[n, d]`.
    fn bags(&self, rows: &Tensor, first: f64) -> Tensor {
        if rows.error().is_some() {
            return rows.clone();
        }
        let mut dims = shape_of(rows).to_vec();
        if let Some(length) = dims.first_mut() {
            *length = self.bags;
        }
        Tensor::full(dims, first).to_dtype(rows.dtype())
    }

    /// The sums of rows by bag.
    fn summed(&self, rows: &Tensor) -> Tensor {
        self.bags(rows, 0.0).index_add(0, &self.bag, rows)
    }

    /// For each number the row of its bag.
    fn each(&self, of_bags: &Tensor) -> Tensor {
        of_bags.index_select(0, &self.bag)
    }
}

impl Module for EmbeddingBag {
    type Params = EmbeddingParams;
    type State = ();
    type Input = BagInput;
    type Output = Tensor;
    /// The input, and of the greatest the output.
    type Saved = (BagInput, Option<Tensor>);

    fn params(&self, rng: &mut Rng) -> EmbeddingParams {
        self.table.params(rng)
    }

    fn state(&self) {}

    fn forward(
        &self,
        p: &EmbeddingParams,
        (): &(),
        input: &BagInput,
        _: &mut Ctx,
    ) -> (Tensor, Self::Saved, ()) {
        let listed = match self.listed(p, input) {
            Ok(listed) => listed,
            Err(error) => return (Tensor::invalid(error), (input.clone(), None), ()),
        };
        let rows = listed.rows(p);
        if self.mode != BagMode::Max {
            return (listed.summed(&listed.weighed(rows)), (input.clone(), None), ());
        }
        let rows = listed.masked_by(rows, f64::NEG_INFINITY);
        let least = listed.bags(&rows, f64::NEG_INFINITY);
        let y = least.index_reduce(0, &listed.bag, &rows, ScatterReduce::Amax, IncludeSelf::Yes);
        let y = y.eq(f64::NEG_INFINITY).where_(0.0, y);
        (y.clone(), (input.clone(), Some(y)), ())
    }

    fn backward(
        &self,
        p: &EmbeddingParams,
        (input, greatest): &Self::Saved,
        dy: &Tensor,
    ) -> (EmbeddingParams, BagInput) {
        let zeros = BagInput {
            input: input.input.zeros_like(),
            offsets: input.offsets.as_ref().map(Tensor::zeros_like),
            per_sample_weights: None,
        };
        let listed = match self.listed(p, input) {
            Ok(listed) => listed,
            Err(error) => return (EmbeddingParams { weight: Tensor::invalid(error) }, zeros),
        };
        let dy = listed.each(dy);
        let drows = match greatest {
            Some(y) => {
                let rows = listed.rows(p);
                let greatest = listed.masked(rows.eq(listed.each(y)).to_dtype(p.weight.dtype()));
                let equal = listed.each(&listed.summed(&greatest));
                &dy * greatest / equal.clamp_min(1.0)
            }
            None => listed.weighed(dy.clone()),
        };
        let weight = p.weight.zeros_like().index_add(0, &listed.index, &drows);
        let per_sample_weights = input.per_sample_weights.as_ref().map(|weights| {
            let products = listed.masked((dy * listed.rows(p)).sum_keepdim(1));
            products.reshape(shape_of(weights))
        });
        (EmbeddingParams { weight }, BagInput { per_sample_weights, ..zeros })
    }
}

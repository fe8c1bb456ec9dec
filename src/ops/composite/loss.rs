//! Labels and losses.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::tensor::{DType, Tensor};

impl Tensor {
    /// Class numbers (integers) as rows of zeros with a one: a last axis of length `classes`, f32. No gradient.
    /// A number outside `0..classes` gives a row of zeros.
    ///
    /// PyTorch: `torch.nn.functional.one_hot`. JAX: `jax.nn.one_hot`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let rows = Tensor::from([1i64, 0]).one_hot(2);
    /// assert_eq!(rows.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        if self.error().is_none() && !self.spec().dtype.is_int() {
            let message = format!("class numbers are integers, got {}", self.spec().dtype);
            return misuse("one_hot", &[self], Misfit::dtype(message).help("convert with `.i64()`"));
        }
        let numbers = Tensor::arange(i64::try_from(classes).unwrap_or(i64::MAX));
        self.i64().unsqueeze(-1).eq(numbers).f32()
    }

    /// Rows of this table `[n, ..]` at the numbers in `index`, whose axes take the first one's place.
    /// Gradient: added up in the rows that were read.
    ///
    /// PyTorch: `torch.nn.functional.embedding`. JAX: `jnp.take`.
    #[track_caller]
    pub fn embedding(&self, index: &Tensor) -> Tensor {
        self.index_select(0, index)
    }

    /// The mean cross-entropy of scores `[.., classes]` against class numbers `[..]`: `-log softmax(x)[class]`.
    /// Gradient: `(softmax(x) - one_hot(class)) / n`.
    ///
    /// PyTorch: `torch.nn.functional.cross_entropy`. JAX: none.
    #[track_caller]
    pub fn cross_entropy(&self, classes: &Tensor) -> Tensor {
        let classes = match classes.error() {
            None if matches!(classes.spec().dtype, DType::U8) => classes.i64(),
            _ => classes.clone(),
        };
        if self.error().is_none() && classes.error().is_none() {
            let (scores, numbers) = (self.spec().shape, classes.spec());
            if scores.rank() == 0 || scores.without(scores.rank() - 1) != numbers.shape {
                let message =
                    format!("scores of shape {scores} and class numbers of shape {}", numbers.shape);
                let misfit = Misfit::shape(message)
                    .help("scores have one axis more, the last: a score for each class");
                return misuse("cross_entropy", &[self, &classes], misfit);
            }
            if !numbers.dtype.is_int() {
                let misfit = Misfit::dtype(format!("class numbers are integers, got {}", numbers.dtype));
                return misuse("cross_entropy", &[self, &classes], misfit.help("convert with `.i64()`"));
            }
        }
        -self.log_softmax(-1).gather(-1, &classes.unsqueeze(-1)).mean()
    }
}

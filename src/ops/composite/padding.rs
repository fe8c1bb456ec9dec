//! Padding with what is in the tensor.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::tensor::Tensor;

/// What [`Tensor::pad_with`] puts around a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PadMode {
    /// The elements in reverse order, the first and last one not repeated: `c b | a b c | b a`.
    Reflect,
    /// The first and the last element: `a a | a b c | c c`.
    Replicate,
    /// The elements from the other end: `b c | a b c | a b`.
    Circular,
}

impl PadMode {
    /// The position in an axis of length `n` for one of the extended axis, of which `0..n` are the own ones.
    fn source(self, at: i64, n: i64) -> i64 {
        match self {
            PadMode::Replicate => at.clamp(0, n - 1),
            PadMode::Circular => at.rem_euclid(n),
            PadMode::Reflect if n == 1 => 0,
            PadMode::Reflect => {
                let there_and_back = at.rem_euclid(2 * (n - 1));
                there_and_back.min(2 * (n - 1) - there_and_back)
            }
        }
    }
}

impl Tensor {
    /// The tensor with elements of its own around it: `padding` is how many positions to add before and after each
    /// axis. They may be more than the axis has: it is reflected, or repeated, as often as needed (as NumPy, where
    /// PyTorch refuses). An empty axis has nothing to be padded with.
    ///
    /// Gradient: added up at the elements that the padding repeats.
    ///
    /// PyTorch: `torch.nn.functional.pad`. JAX: `jnp.pad`.
    ///
    /// ```
    /// # use retrograd::{PadMode, Tensor};
    /// let x = Tensor::from([1.0, 2.0, 3.0]);
    /// assert_eq!(x.pad_with([(2, 1)], PadMode::Reflect).to_vec::<f64>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// assert_eq!(x.pad_with([(1, 1)], PadMode::Circular).to_vec::<f64>()?, [3.0, 1.0, 2.0, 3.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn pad_with(&self, padding: impl AsRef<[(usize, usize)]>, mode: PadMode) -> Tensor {
        let padding = padding.as_ref();
        if let Err(invalid) = self.padded_shape("pad_with", padding) {
            return invalid;
        }
        let mut y = self.clone();
        for (axis, &(before, after)) in padding.iter().enumerate() {
            let n = self.spec().shape.dim(axis);
            if before == 0 && after == 0 {
                continue;
            }
            if n == 0 {
                let message =
                    format!("axis {axis} of {} is empty, nothing can be repeated", self.spec().shape);
                return misuse("pad_with", &[self], Misfit::shape(message));
            }
            let positions = |range: std::ops::Range<i64>| {
                Tensor::from(range.map(|at| mode.source(at, n as i64)).collect::<Vec<i64>>())
            };
            // Only the edges are gathered; the middle is moved as a whole.
            let head = y.index_select(axis as isize, &positions(-(before as i64)..0));
            let tail = y.index_select(axis as isize, &positions(n as i64..(n + after) as i64));
            y = Tensor::cat(&[head, y, tail], axis as isize);
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_beyond_the_axis_are_those_of_numpy() {
        let sources = |mode: PadMode, n| (-4..7).map(|at| mode.source(at, n)).collect::<Vec<_>>();
        assert_eq!(sources(PadMode::Reflect, 3), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(sources(PadMode::Reflect, 1), [0; 11]);
        assert_eq!(sources(PadMode::Replicate, 3), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        assert_eq!(sources(PadMode::Circular, 3), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    }
}

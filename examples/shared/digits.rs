//! Handwritten digits as tensors.

use retrograd::Tensor;

use crate::idx::{Digits, SIDE};

/// Pixels of an image.
pub(crate) const PIXELS: usize = SIDE * SIDE;

/// Digits as tensors, which agree in their first axis.
#[derive(Clone, Debug)]
pub(crate) struct Examples {
    /// `[n, 784]`, f32 from 0 (background) to 1 (ink).
    pub(crate) images: Tensor,
    /// `[n]`, i64 from 0 to 9.
    pub(crate) labels: Tensor,
    /// n.
    pub(crate) count: usize,
}

impl Examples {
    /// All of these digits.
    pub(crate) fn new(digits: &Digits) -> Examples {
        let count = digits.labels.len();
        let pixels: Vec<f32> = digits.pixels.iter().map(|&ink| f32::from(ink) / 255.0).collect();
        let labels: Vec<i64> = digits.labels.iter().map(|&label| i64::from(label)).collect();
        Examples {
            images: Tensor::from_slice(&pixels, [count, PIXELS]),
            labels: Tensor::from_slice(&labels, [count]),
            count,
        }
    }

    /// The images and the labels at these places, which are i64.
    pub(crate) fn at(&self, places: &Tensor) -> (Tensor, Tensor) {
        (self.images.index_select(0, places), self.labels.index_select(0, places))
    }
}

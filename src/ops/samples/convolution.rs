//! Rows of convolution, pooling and resampling.

use super::Sample;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    vec![]
}

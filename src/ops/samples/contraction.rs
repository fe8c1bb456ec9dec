//! Rows of einsum and its like, and linear algebra.

use super::Sample;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    vec![]
}

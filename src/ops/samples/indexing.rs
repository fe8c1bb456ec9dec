//! Rows of movement, indexing, masks and random choices.

use super::Sample;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    vec![]
}

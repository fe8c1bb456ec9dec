//! Rows of reductions, scans and orderings.

use super::Sample;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    vec![]
}

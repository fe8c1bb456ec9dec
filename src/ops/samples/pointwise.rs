//! Rows of elementwise functions: powers, roots, logarithms, trigonometry, rounding, activations, special functions, bits.

use super::Sample;

/// All of them.
pub(super) fn rows() -> Vec<Sample> {
    vec![]
}

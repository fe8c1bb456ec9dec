//! Rows of elementwise functions: powers, roots, logarithms, trigonometry, rounding, activations, special functions, bits: `pointwise.py`.

use super::Row;

pub(crate) const TABLE: &[(&str, Row)] = &[];

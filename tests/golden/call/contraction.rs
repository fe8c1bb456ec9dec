//! Rows of einsum and its like, and linear algebra: `contraction.py`.

use super::Row;

pub(crate) const TABLE: &[(&str, Row)] = &[];

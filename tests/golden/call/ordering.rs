//! Rows of reductions, scans and orderings: `ordering.py`.

use super::Row;

pub(crate) const TABLE: &[(&str, Row)] = &[];

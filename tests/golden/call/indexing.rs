//! Rows of movement, indexing, masks and random choices: `indexing.py`.

use super::Row;

pub(crate) const TABLE: &[(&str, Row)] = &[];

//! Rows of convolution, pooling and resampling: `convolution.py`.

use super::Row;

pub(crate) const TABLE: &[(&str, Row)] = &[];

//! The layers.

mod linear;
mod normalization;

pub use linear::{Linear, LinearParams};
pub use normalization::*;

//! The layers.

mod activation;
mod attention;
mod componentwise;
mod constant;
mod dropout;
mod linear;
mod normalization;
mod recurrent;
mod shape;
mod stateless;

pub use activation::*;
pub use attention::*;
pub use componentwise::{Add, CAdd, CMul, Mul, ScaleParams, ShiftParams};
pub use constant::{AddConstant, MulConstant};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, SpatialDropout};
pub use linear::{Linear, LinearParams};
pub use normalization::*;
pub use recurrent::*;
pub use shape::*;

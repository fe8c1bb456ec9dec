//! What is made of other operations: no laws of their own, so every transform holds for them.

mod loss;
mod norm;
mod ordering;
mod reduction;
mod shape;
mod statistics;

pub use norm::MatrixNorm;
pub use ordering::Interpolation;

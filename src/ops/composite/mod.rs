//! What is made of other operations: no laws of their own, so every transform holds for them.

mod arrange;
mod contraction;
mod diagonal;
pub(crate) mod draws;
mod einsum;
mod loss;
mod masks;
mod norm;
mod ordering;
mod padding;
mod pointwise;
mod product;
mod reduction;
mod shape;
mod split;
mod statistics;

pub use arrange::GridOrder;
pub use draws::Replacement;
pub use masks::PutMode;
pub(crate) use masks::true_places;
pub use norm::MatrixNorm;
pub use ordering::Interpolation;
pub use padding::PadMode;
pub use split::IntoLengths;

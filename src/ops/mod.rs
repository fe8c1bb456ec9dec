//! What can be computed. An operation is a type that states every law of [`Primitive`], in one file with its
//! method on `Tensor`; nothing outside this folder names one. Families turn a few lines into all laws: `pointwise`,
//! `predicate`, `linear`. What is made of other operations (`composite/`) needs no laws at all.

mod activation;
pub(crate) mod arithmetic;
mod composite;
mod custom;
mod dot;
mod exponential;
mod index;
mod join;
mod linear;
mod movement;
mod operands;
mod pointwise;
mod predicate;
mod primitive;
mod random;
mod reduce;
pub(crate) mod samples;
mod scan;
mod search;
mod select;
mod sort;

pub use arithmetic::IntoOperand;
pub(crate) use arithmetic::number_operand;
pub use composite::{Interpolation, MatrixNorm};
pub(crate) use custom::{Batched, Custom, CustomRule, declared, stopped};
pub use custom::{CustomOp, apply};
pub use movement::INFER;
pub(crate) use operands::{Few, InputSet, Outputs};
pub(crate) use primitive::{Op, Primitive, Reads, Residuals};
pub(crate) use random::{Distribution, Random};
pub use reduce::IntoAxes;
pub use search::Side;
pub use sort::Order;

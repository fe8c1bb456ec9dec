//! What can be computed. An operation is a type that states every law of [`Primitive`], in one file with its
//! method on `Tensor`; nothing outside this folder names one. Families turn a few lines into all laws: `pointwise`,
//! `predicate`, `linear`. What is made of other operations (`composite/`) needs no laws at all.

mod activation;
pub(crate) mod arithmetic;
mod bitwise;
mod blend;
mod composite;
mod custom;
mod dot;
mod exponential;
mod fused;
mod index;
mod join;
#[cfg(feature = "linalg")]
mod linalg;
mod linear;
mod logarithmic;
mod movement;
mod operands;
mod pointwise;
mod predicate;
mod primitive;
mod print;
mod random;
mod reduce;
mod rounding;
#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;
mod scan;
mod scatter;
mod scatter_reduce;
mod search;
mod select;
mod sort;
mod special;
mod sums;
mod trigonometric;
pub(crate) mod window;

pub use arithmetic::IntoOperand;
pub(crate) use arithmetic::{number_operand, short_power};
pub use composite::{GridOrder, Interpolation, IntoLengths, MatrixNorm, PadMode, PutMode, Replacement};
pub(crate) use composite::{draws, true_places};
pub(crate) use custom::{Batched, Custom, CustomRule, declared, looped, stopped};
pub use custom::{CustomOp, apply};
pub(crate) use fused::Fusion;
#[cfg(feature = "linalg")]
pub use linalg::{Triangle, Triangular};
pub use movement::INFER;
pub(crate) use operands::{Few, InputSet, Outputs, Short};
pub use predicate::Closeness;
pub(crate) use primitive::{Op, Primitive, Reads, Residuals};
pub use print::print;
pub(crate) use random::{Distribution, Random};
pub use reduce::IntoAxes;
pub use rounding::NanToNum;
pub(crate) use scatter::{placed_by_comparison, scattered_into};
pub use scatter_reduce::{IncludeSelf, ScatterReduce};
pub use search::Side;
pub use sort::Order;
pub(crate) use sums::{is_sum, regrouped_sum};
pub use window::{Conv, IntoPadding, IntoPerAxis, Padding, PerAxis, Pool, Resampling};

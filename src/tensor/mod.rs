//! What a value is: the tensor, its shape, dtype, memory, and trees of tensors.

mod assign;
mod bytes;
mod construct;
mod display;
mod dtype;
mod index;
mod node;
mod read;
mod rng;
mod shape;
mod storage;
pub mod tree;

pub use crate::ops::{IntoAxes, IntoOperand};
pub(crate) use bytes::{Elements, swap_ends};
pub use construct::{IntoTensor, manual_seed};
pub(crate) use dtype::Bits;
pub use dtype::{DType, Element, Number, bf16, f16};
pub use index::*;
pub use node::Tensor;
pub(crate) use node::{Array, Data, Lifted, Repr};
pub use rng::Rng;
pub(crate) use rng::{global_key, reserve_draws};
pub(crate) use shape::{AxisSet, Strides};
pub use shape::{IntoShape, MAX_RANK, Shape, Spec};
pub(crate) use storage::Storage;
pub use storage::memory;

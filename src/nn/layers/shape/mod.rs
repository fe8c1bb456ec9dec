//! Layers that move elements, and those that take an axis away.

mod movement;
mod padding;
mod reduction;
mod reshaping;

pub use movement::{Narrow, Permute, Replicate, Select, Transpose};
pub use padding::{Around, Pad, Pad1d, Pad2d, Pad3d, Padding};
pub(super) use padding::{padded, unpadded};
pub use reduction::{Max, Mean, Min, Sum};
pub use reshaping::{Flatten, Identity, Reshape, Squeeze, Unflatten, Unsqueeze, View};

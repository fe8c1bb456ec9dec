//! Pooling.

mod adaptive;
mod average;
mod max;
mod norm;
mod unpooling;

pub use adaptive::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool,
    AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AdaptiveSize,
};
pub use average::{AvgPool, AvgPool1d, AvgPool2d, AvgPool3d};
pub use max::{MaxPool, MaxPool1d, MaxPool2d, MaxPool3d, MaxPoolIndices};
pub use norm::{LpPool, LpPool1d, LpPool2d, LpPool3d};
pub use unpooling::{MaxUnpool, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d};

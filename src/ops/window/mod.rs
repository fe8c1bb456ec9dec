//! Operations with sliding windows: convolution, pooling, and what changes the resolution of images.

mod adaptive;
mod convolution;
mod options;
mod patches;
mod pool;
mod resample;

pub use options::{Conv, IntoLengths, IntoPadding, Lengths, Padding, Pool};
pub use resample::Interpolation;

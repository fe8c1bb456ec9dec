//! Operations with sliding windows: convolution, pooling, and what changes the resolution of images.

mod adaptive;
mod convolution;
mod gradient;
mod options;
mod patches;
mod pool;
mod resample;
mod unfold;

pub use options::{Conv, IntoPadding, IntoPerAxis, Padding, PerAxis, Pool};
pub use resample::Resampling;

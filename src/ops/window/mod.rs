//! Operations with sliding windows: convolution, pooling, and what changes the resolution of images.

mod convolution;
mod options;

pub use options::{Conv, IntoLengths, IntoPadding, Lengths, Padding};

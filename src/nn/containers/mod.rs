//! Layers made of layers.

mod sequential;

pub use sequential::Sequential;

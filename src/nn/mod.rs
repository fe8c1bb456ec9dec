//! Layers.

pub mod init;

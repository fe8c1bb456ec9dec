//! Losses with their own gradients.

mod mse;

pub use mse::MseLoss;

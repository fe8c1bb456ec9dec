//! Layers that keep the size of what flows through a network in hand.

mod batch;
mod group;
mod instance;
mod layer;
mod parts;
mod response;
mod rms;
mod running;
mod unit;

pub use batch::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d};
pub use group::GroupNorm;
pub use instance::{InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d};
pub use layer::LayerNorm;
pub use parts::{NormParams, NormSaved};
pub use response::{LocalResponseNorm, ResponseSaved, SpatialCrossMapLRN};
pub use rms::RmsNorm;
pub use running::RunningStats;
pub use unit::Normalize;

//! Losses with their own gradients.

mod binary;
mod classification;
mod combined;
mod divergence;
mod embedding;
mod margins;
mod mse;
mod pairs;
mod regression;

pub use binary::{BceLoss, BceWithLogitsLoss, MultiLabelSoftMarginLoss, SoftMarginLoss};
pub use classification::{Classes, CrossEntropyLoss, CrossEntropySaved, NllLoss};
pub use combined::{DynCriterion, MultiCriterion, ParallelCriterion};
pub use divergence::{DistKLDivCriterion, GaussianNllLoss, KlDivLoss, KlReduction, PoissonNllLoss};
pub use embedding::{CosineEmbeddingLoss, TripletMarginLoss};
pub use margins::{
    HingeEmbeddingLoss, MarginLoss, MarginPower, MarginRankingLoss, MultiLabelMarginLoss, MultiMarginLoss,
};
pub use mse::MseLoss;
pub use regression::{HuberLoss, L1Loss, SmoothL1Loss, WeightedMseLoss};

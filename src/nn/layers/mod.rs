//! The layers.

mod activation;
mod attention;
mod bilinear;
mod componentwise;
mod constant;
mod convolution;
mod distance;
mod dropout;
mod embedding;
mod embedding_bag;
mod linear;
mod normalization;
mod patches;
mod pooling;
mod recurrent;
mod resampling;
mod shape;
mod stateless;
mod window;

pub use activation::*;
pub use attention::*;
pub use bilinear::{Bilinear, BilinearParams};
pub use componentwise::{Add, CAdd, CMul, Mul, ScaleParams, ShiftParams};
pub use constant::{AddConstant, MulConstant};
pub use convolution::{
    Conv1d, Conv2d, Conv3d, ConvParams, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Convolution,
    PaddingMode, TransposedConvolution,
};
pub use distance::{CosineSimilarity, Euclidean, EuclideanParams, PairwiseDistance};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, SpatialDropout};
pub use embedding::{Embedding, EmbeddingParams};
pub use embedding_bag::{BagInput, BagMode, EmbeddingBag};
pub use linear::{Linear, LinearParams};
pub use normalization::*;
pub use patches::{Fold, Unfold};
pub use pooling::*;
pub use recurrent::*;
pub use resampling::{Factors, PixelShuffle, PixelUnshuffle, Upsample};
pub use shape::*;
pub(super) use stateless::shape_of;
pub use window::PerWindowAxis;

//! Layers that look at a whole sequence at once.

mod decoder;
mod encoder;
mod input;
mod multihead;
mod params;
mod position;
mod product;
mod residual;

pub use decoder::{
    DecoderInput, DecoderLayerParams, DecoderLayerSaved, DecoderParams, TransformerDecoder,
    TransformerDecoderLayer,
};
pub use encoder::{
    EncoderInput, EncoderLayerParams, EncoderLayerSaved, EncoderParams, TransformerEncoder,
    TransformerEncoderLayer,
};
pub use input::AttentionInput;
pub use multihead::{AttentionSaved, AttentionWeights, MultiheadAttention};
pub use params::AttentionParams;
pub use position::PositionalEncoding;
pub use product::AttentionKept;
pub use residual::{FeedSaved, ResidualSaved, TransformerActivation};

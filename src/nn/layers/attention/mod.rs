//! Layers that look at a whole sequence at once.

mod encoder;
mod input;
mod multihead;
mod params;
mod position;
mod product;

pub use encoder::{
    Activation, EncoderInput, EncoderLayerParams, EncoderLayerSaved, EncoderParams, TransformerEncoder,
    TransformerEncoderLayer,
};
pub use input::AttentionInput;
pub use multihead::{AttentionSaved, AttentionWeights, MultiheadAttention};
pub use params::AttentionParams;
pub use position::PositionalEncoding;
pub use product::AttentionKept;

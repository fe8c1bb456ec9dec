//! Whole networks, as functions and their first parameters.
//!
//! | function | yields |
//! |---|---|
//! | [`neural_network`], [`spatial_network`], [`alexnet`] | `(f, params, state)` with `f(params, state, x, ctx) -> (output, state)` |
//! | [`transformer`] | `(f, params)` with `f(params, tokens, ctx) -> scores` |
//! | [`recurrent_network`], [`recurrent_lstm_network`], [`recurrent_gru_network`], [`recurrent_fw_network`] | `(f, params)` with `f(params, x, previous state) -> (output, state)` |
//!
//! Options are builders with Torch's defaults. One function serves any number of parameters of its kind, so sharing
//! layers is passing the same parameters twice, and training several networks is a `Vec` of them (or `vmap`).

mod fast_weights;
mod feedforward;
pub mod module;
mod options;
mod recurrent;
mod transformer;

pub use fast_weights::{FastState, FastWeights, recurrent_fw_network};
pub use feedforward::{Layers, NeuralNetwork, SpatialNetwork, alexnet, neural_network, spatial_network};
pub use options::{Activation, ActivationFunction, Init, Output, Recurrent};
pub use recurrent::{
    GruParams, Hidden, LstmParams, LstmState, Normalization, RecurrentParams, recurrent_gru_network,
    recurrent_lstm_network, recurrent_network,
};
pub use transformer::{Transformer, TransformerParams, transformer};

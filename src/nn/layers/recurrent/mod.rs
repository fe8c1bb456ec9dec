//! Layers that go through sequences step by step.

mod cell;
mod parts;
mod sequence;
mod units;

pub use cell::{CellSaved, GRUCell, LSTMCell, RNNCell, RecurrentCell};
pub use parts::RecurrentParams;
pub use sequence::{GRU, LSTM, RNN, Recurrent, RecurrentSaved, RunSaved};
pub use units::{Elman, Gru, GruKept, Lstm, LstmKept, Nonlinearity, RecurrentUnit};

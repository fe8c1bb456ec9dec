//! Layers that go through sequences step by step.

mod cell;
mod parts;
mod sequence;
mod units;

pub use cell::{CellSaved, GruCell, LstmCell, RecurrentCell, RnnCell};
pub use parts::RecurrentParams;
pub use sequence::{Gru, Lstm, Recurrent, RecurrentSaved, Rnn, RunSaved};
pub use units::{ElmanUnit, GruKept, GruUnit, LstmKept, LstmUnit, Nonlinearity, RecurrentUnit};

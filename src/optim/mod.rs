//! Optimizers: steps from parameters and gradients to better parameters, over any tree.
mod adam;
mod adaptive;
mod clip;
mod conjugate;
mod groups;
mod lbfgs;
mod line_search;
mod minimizer;
mod momentum;
mod objective;
mod one_cycle;
mod optimizer;
mod pattern;
mod rule;
mod schedule;
mod settings;
mod state;
mod steps;

pub use adam::{Adam, AdamW, Adamax, NAdam, RAdam};
pub use adaptive::{Adadelta, Adagrad, Lamb, RmsProp, Rprop};
pub use clip::{clip_norm, clip_value, ema};
pub use conjugate::{ConjugateGradient, ConjugateMemory, ConjugateState};
pub use groups::Groups;
pub use lbfgs::{Lbfgs, LbfgsMemory, LbfgsState, LineSearch};
pub use minimizer::{Minimized, Minimizer};
pub use momentum::{Asgd, Lion, Sgd};
pub use one_cycle::{Anneal, OneCycle};
pub use optimizer::{Assignment, Optimizer};
pub use rule::{Leaf, Moment, Rule};
pub use schedule::Schedule;
pub use state::State;
pub use steps::{
    Searches, Steps, adadelta, adagrad, adam, adamax, adamw, asgd, cg, lamb, lbfgs, lion, nadam, radam, rmsprop,
    rprop, sgd,
};

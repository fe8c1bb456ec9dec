//! Optimizers: steps from parameters and gradients to better parameters, over any [`Tree`](crate::Tree).
//!
//! An optimizer is a struct of settings with PyTorch's names and defaults. A step is a pure function,
//! `(parameters, gradients, state) -> (parameters, state)`, and the state a tree of tensors, the count of steps among
//! them: so it saves, resumes bit for bit, and compiles into the training step, whose program is compiled once and does
//! the same to the bit.
//!
//! ```
//! use retrograd::optim::{AdamW, Optimizer, Schedule, clip_norm};
//! use retrograd::{Tensor, Tree, grad};
//!
//! #[derive(Clone, Tree)]
//! struct Line { slope: Tensor, bias: Tensor }
//!
//! let loss = |p: &Line, x: &Tensor, y: &Tensor| (x * &p.slope + &p.bias - y).square().mean();
//! let gradient = grad(loss);
//! let adam = AdamW::new(Schedule::warmup(0.3, 10).then(Schedule::cosine(0.3, 200, 0.0)))
//!     .group("bias", |adam| adam.weight_decay(0.0));
//!
//! let mut params = Line { slope: Tensor::zeros([]), bias: Tensor::zeros([]) };
//! let mut state = adam.init(&params)?;
//! let x = Tensor::linspace(-1.0, 1.0, 20);
//! let y = &x * 3.0 + 0.5;
//! for _ in 0..210 {
//!     let (grads, _loss) = gradient.call(&params, (&x, &y))?;
//!     let (grads, _norm) = clip_norm(&grads, 1.0)?;
//!     (params, state) = adam.step(&params, &grads, &state)?;
//! }
//! assert!((params.slope.item::<f32>()? - 3.0).abs() < 0.1);
//! assert_eq!(state.step.item::<i64>()?, 210);
//! # Ok::<(), retrograd::Error>(())
//! ```
//!
//! # The optimizers
//!
//! | | what it remembers of each element | PyTorch |
//! |---|---|---|
//! | [`Sgd`] | nothing; with momentum, a sum of gradients | `SGD` |
//! | [`Asgd`] | the mean of the parameter | `ASGD` |
//! | [`Lion`] | a mean of gradients | none |
//! | [`Adam`], [`AdamW`] | means of gradients and of their squares; with `amsgrad` the greatest of these | `Adam`, `AdamW` |
//! | [`Adamax`] | a mean of gradients and their decaying maximum | `Adamax` |
//! | [`NAdam`], [`RAdam`] | as Adam | `NAdam`, `RAdam` |
//! | [`Lamb`] | as Adam | none |
//! | [`Adagrad`] | the sum of squares | `Adagrad` |
//! | [`Adadelta`] | means of squares of gradients and of steps | `Adadelta` |
//! | [`RmsProp`] | a mean of squares; centred, of gradients; with momentum, a sum of steps | `RMSprop` |
//! | [`Rprop`] | the last gradient and a step size | `Rprop` |
//! | [`Lbfgs`] | up to `history_size` pairs of changes | `LBFGS` |
//! | [`ConjugateGradient`] | the last gradient and direction | none |
//!
//! The first twelve rows are [`Optimizer`]s; write a [`Rule`] and you have another. The last two are [`Minimizer`]s:
//! they evaluate the function several times in a step, and look at values.
//!
//! # Around them
//!
//! - [`Schedule`] and [`OneCycle`]: learning rates over time, in the place of the number.
//! - [`Groups`]: other settings for leaves whose path matches a pattern, and leaves that are frozen.
//! - [`clip_norm`], [`clip_value`]: gradients within bounds, also as a part of the step
//!   ([`Optimizer::clip_norm`]). [`ema`]: a running mean of any tree.
//! - [`sgd()`], [`adam()`], .. [`lbfgs()`], [`cg()`]: Torch's way, an object that owns the parameters and steps in place.
//!
//! # Dtypes and errors
//!
//! Each leaf stays in its dtype. f16 and bf16 leaves are computed in f32 and their state is kept in it; integer and bool
//! leaves are left alone. Settings that make no sense and trees that do not fit are an `Err` of `init` or `step`, which
//! names the setting or the leaf, and the line of the call.

mod adam;
mod adaptive;
mod clip;
mod conjugate;
mod counts;
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
    Searches, Steps, adadelta, adagrad, adam, adamax, adamw, asgd, cg, lamb, lbfgs, lion, nadam, radam,
    rmsprop, rprop, sgd,
};

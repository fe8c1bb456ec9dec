//! Optimizers: their laws, and PyTorch's numbers.
//!
//! `golden/optim.json` is made by `golden/optim.py`.

#[path = "optim/bounds.rs"]
mod bounds;
#[path = "optim/compiled.rs"]
mod compiled;
#[path = "optim/defaults.rs"]
mod defaults;
#[path = "optim/golden.rs"]
mod golden;
#[path = "optim/groups.rs"]
mod groups;
#[path = "optim/laws.rs"]
mod laws;
#[path = "optim/messages.rs"]
mod messages;
#[path = "optim/named.rs"]
mod named;
#[path = "optim/schedules.rs"]
mod schedules;
#[path = "optim/searches.rs"]
mod searches;
#[path = "optim/steps.rs"]
mod steps;
#[path = "optim/wrappers.rs"]
mod wrappers;

//! Layers that bring their own gradients, and how they mix with derived ones.
//!
//! A [`Module`] is a layer: parameters, a forward and a hand-written backward function. [`functionalize`] makes an
//! ordinary function of it, which is used inside `grad` like any other and whose gradient is the layer's own:
//!
//! ```
//! use retrograd::{Rng, Tensor, grad, nn};
//!
//! let mut rng = Rng::seed(1);
//! let (layer, params) = nn::functionalize(nn::Linear::new(3, 2), &mut rng);
//! let loss = grad(|p: &nn::LinearParams, x: &Tensor| layer(p, x).tanh().square().mean());
//! let (gradient, loss) = loss.call(&params, &Tensor::ones([4, 3]))?;
//! assert_eq!(gradient.weight.shape(), [2, 3]);
//! assert!(loss.item::<f32>()? > 0.0);
//! # Ok::<(), retrograd::Error>(())
//! ```
//!
//! The same layers serve a loop of hand-written steps, Torch's way: `forward` returns what `backward` needs, and
//! nothing is recorded.

mod auto;
mod containers;
pub mod criterion;
mod criterions;
mod dynamic;
mod foreign;
mod functional;
pub mod init;
mod instance;
mod layers;
mod module;
mod registry;
mod stateless;

pub use auto::{AutoCriterion, AutoModule};
pub use containers::*;
pub use criterion::{Criterion, Reduction, criterion_function};
pub use criterions::*;
pub use dynamic::{DynModule, Forward};
pub use foreign::Foreign;
pub use functional::{apply, functionalize, functionalize_with_state};
pub use instance::Instance;
pub use layers::*;
pub use module::{Ctx, Mode, Module};
pub use registry::{create, register, registered};
pub use stateless::{Stateless, function};

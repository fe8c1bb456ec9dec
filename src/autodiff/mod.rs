//! How derivatives are had: levels (tape, dual, batch) that interpret operations, and the transforms that open them.

mod batch;
pub(crate) mod custom;
mod dual;
pub(crate) mod function;
mod grad;
mod gradcheck;
mod jacobian;
mod jit;
pub(crate) mod level;
mod optimized;
mod tape;
mod transform;
mod vmap;

pub(crate) use batch::Batch;
pub use custom::{CustomVjp, custom_vjp};
pub use function::{Argument, Arguments, Function, Loss, Output};
pub(crate) use function::{guarded, replaced};
pub use grad::{Grad, GradOnly, Unreached, grad, grad_only, optimize_by_default};
pub use gradcheck::{GradCheck, gradcheck, gradgradcheck};
pub use jacobian::{Hessian, HessianBlocks, Hvp, Jacobian, Mode, hessian, hessian_blocks, hvp, jacobian};
pub use jit::{Jit, jit};
pub use transform::{Jvp, Pullback, Vjp, jvp, stop_gradient, vjp};
pub use vmap::{Vmap, vmap};

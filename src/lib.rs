//! Automatic differentiation for Rust.
//!
//! Write an ordinary function over tensors; get its derivative with respect to your own structs, to any order.
//!
#![doc = include_str!("../docs/readme_example.md")]
//!
//! # Features
//!
//! None is on by default.
//!
//! - `linalg`: what factors matrices, for f32 and f64 and any batch of them, with derivatives of any order: `inv`,
//!   `solve`, `solve_triangular`, `det`, `slogdet`, `logdet`, `cholesky`, `cholesky_upper`, `cholesky_solve`,
//!   `cholesky_inverse`, and negative powers in [`Tensor::matrix_power`]. It brings the crate `faer`.
//! - `npz`: NumPy's archives of arrays, in `io::npz`. It brings the crates `zip` and `flate2`. Saving trees as
//!   safetensors and tensors as `.npy` needs no feature: see [`io`].
//! - `serde`: `Serialize` and `Deserialize` for [`Tensor`], [`Shape`], [`DType`], [`Spec`], [`tree::Value`] and [`Rng`].
//!   Text gets elements as numbers (JSON is read to the bit with `serde_json`'s feature `float_roundtrip`), binary
//!   formats as bytes.
//!
//! # The house
//!
//! | folder | what |
//! |---|---|
//! | `tensor/` | what a value is: [`Tensor`], [`Shape`], [`DType`], [`tree`], [`Rng`] |
//! | `ops/` | what can be computed: the laws of every primitive; what is composed of them; the methods of [`Tensor`] |
//! | `autodiff/` | how it is derived: levels, [`grad`], [`vjp`], [`jvp`], [`vmap`], [`jacobian`], [`hessian`], [`gradcheck`] |
//! | `graph/` | how a function is recorded, and its graph simplified |
//! | `exec/` | where it runs: kernel classes, the CPU backend, the reference interpreter |
//! | [`io`] | saving and loading |
//! | [`nn`] | layers and criterions with gradients of their own |
//! | [`model`], [`loss`] | whole networks; losses |
//! | [`optim`] | optimizers: SGD, Adam and their like, schedules, groups, L-BFGS |
//! | [`debug`], [`check`] | finding mistakes |

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as retrograd;

mod autodiff;
pub mod check;
pub mod debug;
mod error;
mod exec;
mod graph;
pub mod io;
pub mod loss;
pub mod model;
pub mod nn;
mod ops;
pub mod optim;
mod tensor;

pub use autodiff::{
    Argument, Arguments, CustomVjp, Function, Grad, GradCheck, GradOnly, Hessian, HessianBlocks, Hvp,
    Jacobian, Jit, Jvp, Loss, Mode, Output, Pullback, Unreached, Vjp, Vmap, custom_vjp, grad, grad_only,
    gradcheck, gradgradcheck, hessian, hessian_blocks, hvp, jacobian, jit, jvp, optimize_by_default,
    stop_gradient, vjp, vmap,
};
pub use error::{Error, ErrorKind, Result};
pub use exec::threads::{set_threads, threads, with_threads};
pub use graph::{Fallback, Stats};
pub use ops::{
    Closeness, Conv, CustomOp, GridOrder, INFER, IncludeSelf, Interpolation, IntoLengths, IntoPadding,
    IntoPerAxis, MatrixNorm, NanToNum, Order, PadMode, Padding, PerAxis, Pool, PutMode, Replacement,
    Resampling, ScatterReduce, Side, apply,
};
#[cfg(feature = "linalg")]
#[cfg_attr(docsrs, doc(cfg(feature = "linalg")))]
pub use ops::{Triangle, Triangular};
pub use retrograd_derive::Tree;
pub use tensor::tree::{self, Tree};
pub use tensor::*;

#[cfg(doctest)]
#[doc = include_str!("../docs/autodiff-in-100-lines.md")]
mod autodiff_in_100_lines {}

#[cfg(doctest)]
#[doc = include_str!("../docs/optimized-mode.md")]
mod optimized_mode {}

#[cfg(doctest)]
#[doc = include_str!("../docs/layers.md")]
mod layers {}

#[cfg(doctest)]
#[doc = include_str!("../docs/from-pytorch-and-jax.md")]
mod from_pytorch_and_jax {}

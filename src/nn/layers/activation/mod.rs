//! Activation functions.
//!
//! Their formulas stand with the operations of [`Tensor`](retrograd::Tensor) of the same names; here is what a layer
//! keeps of its forward computation, and its gradient.

mod arithmetic;
mod axis;
mod learned;
mod piecewise;
mod shrinking;
mod smooth;

pub use arithmetic::{Abs, Clamp, Exp, Log, Power, Sqrt, Square};
pub use axis::{Glu, LogSoftmax, Softmax, Softmax2d, Softmin};
pub use learned::{Prelu, PreluParams, Rrelu};
pub use piecewise::{Celu, Elu, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, Relu, Relu6, Selu, Threshold};
pub use shrinking::{Hardshrink, Softshrink, Tanhshrink};
pub use smooth::{Gelu, GeluForm, LogSigmoid, Mish, Sigmoid, Silu, Softplus, Softsign, Tanh};

//! Exponentials, logarithms, roots and trigonometric functions.

use super::arithmetic::scalars;
use super::operands::InputSet;
use super::pointwise::{Domain, Elementwise, Map};
use super::primitive::{Reads, Residuals};
use crate::autodiff::level::bind;
use crate::exec::cpu::lanes::Pointwise;
use crate::exec::scalar::Scalar;
use crate::tensor::Tensor;

scalars! {
    Exp [x] S => x.exp();
    Expm1 [x] S => x.expm1();
    Log [x] S => x.log();
    Log1p [x] S => x.log1p();
    Sqrt [x] S => x.sqrt();
    Sin [x] S => x.sin();
    Cos [x] S => x.cos();
}

const X: Reads = Reads::inputs(InputSet::one(0));

/// Functions of one number: name, what the derivative reads, and `v * dy/dx`.
macro_rules! functions {
    ($($op:ident $name:literal $reads:expr, |$at:ident, $v:ident| $scaled:expr;)*) => {$(
        impl Elementwise<1> for $op {
            const NAME: &'static str = $name;
            const DOMAIN: Domain = Domain::Floats;
            fn reads(&self, _: usize) -> Reads {
                $reads
            }
            fn scaled(&self, _: usize, $at: &Residuals<'_>, $v: &Tensor) -> Option<Tensor> {
                Some($scaled)
            }
        }
    )*};
}
pub(super) use functions;

functions! {
    Exp "exp" Reads::OUTPUTS, |at, v| v * at.y();
    Expm1 "expm1" Reads::OUTPUTS, |at, v| v * (at.y() + 1.0);
    Log "log" X, |at, v| v / at.x(0);
    Log1p "log1p" X, |at, v| v / (at.x(0) + 1.0);
    Sqrt "sqrt" Reads::OUTPUTS, |at, v| v / (at.y() * 2.0);
    Sin "sin" X, |at, v| v * at.x(0).cos();
    Cos "cos" X, |at, v| -(v * at.x(0).sin());
}

impl Tensor {
    /// e to the power of each element, within 2 ULP. Gradient: `dx = dy * y`.
    ///
    /// PyTorch: `torch.exp`. JAX: `jnp.exp`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from(0.0).exp().item::<f64>()?, 1.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn exp(&self) -> Tensor {
        bind(&Map(Exp), &[self])
    }

    /// `exp(x) - 1`, accurate near 0. Gradient: `dx = dy * (y + 1)`.
    ///
    /// PyTorch: `torch.expm1`. JAX: `jnp.expm1`.
    #[track_caller]
    pub fn expm1(&self) -> Tensor {
        bind(&Map(Expm1), &[self])
    }

    /// The natural logarithm, within 2 ULP; -inf at 0, NaN below. Gradient: `dx = dy / x`.
    ///
    /// PyTorch: `torch.log`. JAX: `jnp.log`.
    #[track_caller]
    pub fn log(&self) -> Tensor {
        bind(&Map(Log), &[self])
    }

    /// `log(1 + x)`, accurate near 0. Gradient: `dx = dy / (1 + x)`.
    ///
    /// PyTorch: `torch.log1p`. JAX: `jnp.log1p`.
    #[track_caller]
    pub fn log1p(&self) -> Tensor {
        bind(&Map(Log1p), &[self])
    }

    /// The square root; NaN below 0. Gradient: `dx = dy / (2 y)`, infinite at 0.
    ///
    /// PyTorch: `torch.sqrt`. JAX: `jnp.sqrt`.
    #[track_caller]
    pub fn sqrt(&self) -> Tensor {
        bind(&Map(Sqrt), &[self])
    }

    /// The sine of each element, in radians. Gradient: `dx = dy * cos(x)`.
    ///
    /// PyTorch: `torch.sin`. JAX: `jnp.sin`.
    #[track_caller]
    pub fn sin(&self) -> Tensor {
        bind(&Map(Sin), &[self])
    }

    /// The cosine of each element, in radians. Gradient: `dx = -dy * sin(x)`.
    ///
    /// PyTorch: `torch.cos`. JAX: `jnp.cos`.
    #[track_caller]
    pub fn cos(&self) -> Tensor {
        bind(&Map(Cos), &[self])
    }
}

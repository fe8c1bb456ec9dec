//! Exponentials, logarithms, roots and trigonometric functions.

use std::f64::consts::{LN_2, LN_10};

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
    Exp2 [x] S => x.exp2();
    Log1p [x] S => x.log1p();
    Log2 [x] S => x.log2();
    Log10 [x] S => x.log10();
    Sqrt [x] S => x.sqrt();
    Rsqrt [x] S => x.sqrt().recip();
    Cbrt [x] S => x.cbrt();
    Reciprocal [x] S => x.recip();
    Sin [x] S @FAR true => x.sin();
    Cos [x] S @FAR true => x.cos();
}

pub(super) const X: Reads = Reads::inputs(InputSet::one(0));

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
    Exp2 "exp2" Reads::OUTPUTS, |at, v| v * at.y() * LN_2;
    Log2 "log2" X, |at, v| v / (at.x(0) * LN_2);
    Log10 "log10" X, |at, v| v / (at.x(0) * LN_10);
    Sqrt "sqrt" Reads::OUTPUTS, |at, v| v / (at.y() * 2.0);
    Rsqrt "rsqrt" Reads { outputs: true, ..X }, |at, v| v * at.y() / (at.x(0) * -2.0);
    Cbrt "cbrt" Reads::OUTPUTS, |at, v| v / (at.y() * at.y() * 3.0);
    Reciprocal "reciprocal" Reads::OUTPUTS, |at, v| -(v * at.y() * at.y());
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

    /// Two to the power of each element; exact where that is an integer.
    ///
    /// Gradient: `dx = dy * y * log(2)`.
    ///
    /// PyTorch: `torch.exp2`. JAX: `jnp.exp2`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([10.0, -1.0]).exp2().to_vec::<f64>()?, [1024.0, 0.5]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn exp2(&self) -> Tensor {
        bind(&Map(Exp2), &[self])
    }

    /// The logarithm to base 2, exact for powers of 2; -inf at 0, NaN below.
    ///
    /// Gradient: `dx = dy / (x * log(2))`.
    ///
    /// PyTorch: `torch.log2`. JAX: `jnp.log2`.
    #[track_caller]
    pub fn log2(&self) -> Tensor {
        bind(&Map(Log2), &[self])
    }

    /// The logarithm to base 10, exact for powers of 10; -inf at 0, NaN below.
    ///
    /// Gradient: `dx = dy / (x * log(10))`.
    ///
    /// PyTorch: `torch.log10`. JAX: `jnp.log10`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from(1000.0).log10().item::<f64>()?, 3.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn log10(&self) -> Tensor {
        bind(&Map(Log10), &[self])
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

    /// One over the square root; infinite at 0, NaN below.
    ///
    /// Gradient: `dx = -dy * y / (2 x)`.
    ///
    /// PyTorch: `torch.rsqrt`. JAX: `jax.lax.rsqrt`.
    #[track_caller]
    pub fn rsqrt(&self) -> Tensor {
        bind(&Map(Rsqrt), &[self])
    }

    /// The cube root, negative for negative numbers; exact for cubes.
    ///
    /// Gradient: `dx = dy / (3 y^2)`, infinite at 0.
    ///
    /// PyTorch: none. JAX: `jnp.cbrt`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([27.0, -8.0]).cbrt().to_vec::<f64>()?, [3.0, -2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cbrt(&self) -> Tensor {
        bind(&Map(Cbrt), &[self])
    }

    /// One over each element; an infinity with its sign at a zero.
    ///
    /// Gradient: `dx = -dy * y^2`.
    ///
    /// PyTorch: `torch.reciprocal`. JAX: `jnp.reciprocal`.
    #[track_caller]
    pub fn reciprocal(&self) -> Tensor {
        bind(&Map(Reciprocal), &[self])
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

//! Choosing between tensors, and changing dtype.

use super::arithmetic::IntoOperand;
use super::linear::{Linear, LinearMap};
use super::operands::InputSet;
use super::pointwise::{alike, bind_repeated};
use super::primitive::Residuals;
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::expr::Expr;
use crate::exec::scalar::Scalar;
use crate::exec::{Body, Kernel};
use crate::graph::{Seen, Value};
use crate::tensor::{DType, Spec, Tensor};

/// `x1` where `x0` (bool) holds, else `x2`. Linear in both, so zero where not chosen, whatever the other side is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Where;

impl Linear for Where {
    const NAME: &'static str = "where";
    const CONSTANTS: InputSet = InputSet::one(0);

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if x[0].dtype != DType::Bool {
            return Err(Misfit::dtype(format!("the condition is bool, got {}", x[0].dtype))
                .help("compare to get one, for example `x.gt(0.0)`"));
        }
        let y = alike(&x[1..])?;
        alike(&[&y, &x[0].with_dtype(y.dtype)])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Map(self)
    }

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        if input == 1 { at.x(0).where_(dy, 0.0) } else { at.x(0).where_(0.0, dy) }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        bind_repeated(&LinearMap(*self), x, batched, size)
    }

    /// A known condition chooses, equal branches need no choice; neither hides an error that what goes would show.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let (condition, then, otherwise) = (x[0], x[1], x[2]);
        if then == otherwise {
            return (!condition.may_fail()).then(|| then.into());
        }
        let holds = condition.splat()?.as_i64() != 0;
        let (chosen, other) = if holds { (then, otherwise) } else { (otherwise, then) };
        (!other.may_fail()).then(|| chosen.into())
    }
}

impl Body for Where {
    unsafe fn tile(&self, dtype: DType, x: &[*const u8], y: *mut u8, n: usize) {
        /// # Safety
        /// Pointers are valid for `n` elements of `T` (`condition`: bytes); `y` overlaps nothing.
        unsafe fn choose<T: Copy>(
            condition: *const u8,
            then: *const T,
            otherwise: *const T,
            y: *mut T,
            n: usize,
        ) {
            // SAFETY: the caller's promise.
            let (condition, then, otherwise, y) = unsafe {
                (
                    std::slice::from_raw_parts(condition, n),
                    std::slice::from_raw_parts(then, n),
                    std::slice::from_raw_parts(otherwise, n),
                    std::slice::from_raw_parts_mut(y, n),
                )
            };
            for i in 0..n {
                y[i] = if condition[i] != 0 { then[i] } else { otherwise[i] };
            }
        }
        // SAFETY: the caller's promise; elements are moved as plain bits of their size.
        unsafe {
            match dtype.size() {
                1 => choose::<u8>(x[0], x[1], x[2], y, n),
                2 => choose::<u16>(x[0], x[1].cast(), x[2].cast(), y.cast(), n),
                4 => choose::<u32>(x[0], x[1].cast(), x[2].cast(), y.cast(), n),
                _ => choose::<u64>(x[0], x[1].cast(), x[2].cast(), y.cast(), n),
            }
        }
    }

    fn expr(&self) -> Expr {
        Expr::record(3, |x| Scalar::select(x[0].ne(Scalar::literal(0.0)), x[1], x[2]))
    }

    fn moves(&self) -> bool {
        true
    }
}

/// The same numbers in another dtype.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Cast(pub(super) DType);

impl Linear for Cast {
    const NAME: &'static str = "cast";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(x[0].with_dtype(self.0))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Cast
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        dy.to_dtype(at.spec(0).dtype)
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        bind(&LinearMap(*self), x)
    }

    fn is_constant(&self) -> bool {
        !self.0.is_float()
    }

    /// A cast to the same dtype, or back from one that lost nothing, is no cast; a cast of a lossless one is one cast.
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        if x[0].spec().dtype == self.0 {
            return Some(x[0].into());
        }
        let inner = x[0].made_by::<LinearMap<Cast>>()?;
        let (x, through) = (inner.x(0), inner.op.0.0);
        let from = x.spec().dtype;
        // Integers wrap where floats saturate, so the way must not change what kind of number is cast last.
        let kept = from.is_float() == through.is_float() || self.0.is_float() || self.0 == from;
        (is_lossless(from, through) && kept).then(|| Value::made(&LinearMap(*self), [x.into()]))
    }
}

/// Whether every number of a dtype is one of another.
fn is_lossless(from: DType, to: DType) -> bool {
    use DType::{BF16, Bool, F16, F32, F64, I32, I64, U8};
    match from {
        Bool => to != Bool,
        U8 => matches!(to, I32 | I64 | F16 | BF16 | F32 | F64),
        I32 => matches!(to, I64 | F64),
        F16 | BF16 => matches!(to, F32 | F64),
        F32 => to == F64,
        F64 | I64 => false,
    }
}

impl Tensor {
    /// `then` where this bool tensor holds, `otherwise` elsewhere; all broadcast, a number takes the other's dtype.
    ///
    /// Gradient: goes to the chosen side alone, so a NaN or infinity on the other side does not leak into it
    /// *here*; it does if the other side's own derivative is infinite (`x.gt(0).where_(x.sqrt(), 0)` at 0): choose
    /// the argument first, `x.gt(0).where_(&x, 1)`.
    ///
    /// PyTorch: `torch.where`. JAX: `jnp.where`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([-1.0, 2.0]);
    /// assert_eq!(x.gt(0.0).where_(&x, 0.0).to_vec::<f64>()?, [0.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(&self, then: impl IntoOperand, otherwise: impl IntoOperand) -> Tensor {
        let like = match then.as_tensor().or(otherwise.as_tensor()) {
            Some(tensor) => tensor.clone(),
            None if self.error().is_some() => return self.clone(),
            None => Tensor::splat(self.spec().with_dtype(DType::F32), 0.0.into()),
        };
        let then = then.operand_for(&like, "where");
        let otherwise = otherwise.operand_for(&like, "where");
        let operands = [self, &then, &otherwise];
        if let Some(invalid) = operands.iter().find(|x| x.error().is_some()) {
            return (*invalid).clone();
        }
        let shapes = operands.map(|x| x.spec().shape);
        if shapes[0] == shapes[1] && shapes[1] == shapes[2] {
            return bind(&LinearMap(Where), &operands);
        }
        match shapes[0].broadcast(shapes[1]).and_then(|shape| shape.broadcast(shapes[2])) {
            Some(shape) => {
                let [condition, then, otherwise] = operands.map(|x| x.broadcast_shape(shape));
                bind(&LinearMap(Where), &[&condition, &then, &otherwise])
            }
            None => {
                let message =
                    format!("shapes {}, {} and {} do not broadcast", shapes[0], shapes[1], shapes[2]);
                misuse("where", &operands, Misfit::shape(message))
            }
        }
    }

    /// The same numbers as another dtype: floats round to nearest, floats to integers truncate toward zero and
    /// saturate, anything nonzero is true.
    ///
    /// Gradient: cast back, between floating-point dtypes; none to integers and bool.
    ///
    /// PyTorch: `torch.Tensor.to`. JAX: `jnp.astype`.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        if self.error().is_none() && self.spec().dtype == dtype {
            return self.clone();
        }
        bind(&LinearMap(Cast(dtype)), &[self])
    }

    /// The same numbers in the dtype of another tensor; see [`Tensor::to_dtype`]. Gradient: cast back.
    ///
    /// PyTorch: `torch.Tensor.type_as`. JAX: `x.astype(y.dtype)`.
    #[track_caller]
    pub fn type_as(&self, other: &Tensor) -> Tensor {
        if other.error().is_some() { other.clone() } else { self.to_dtype(other.spec().dtype) }
    }

    /// As the dtype that arithmetic on it is carried out in: 16-bit floats as f32, others as they are. For formulas of
    /// several steps, whose squares, sums and counts those cannot hold; [`Tensor::type_as`] leads back. Gradient: cast back.
    ///
    /// PyTorch: `x.float()` of a 16-bit tensor. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([300f32, 400.0]).f16();
    /// assert_eq!(x.square().sum().sqrt().item::<f32>()?, f32::INFINITY);
    /// assert_eq!(x.widened().square().sum().sqrt().type_as(&x).item::<f32>()?, 500.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn widened(&self) -> Tensor {
        if self.error().is_some() { self.clone() } else { self.to_dtype(self.spec().dtype.compute()) }
    }
}

macro_rules! conversions {
    ($($(#[$doc:meta])* $method:ident() => $dtype:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $method(&self) -> Tensor {
                self.to_dtype(DType::$dtype)
            }
        )*}
    };
}

conversions! {
    /// As f32; see [`Tensor::to_dtype`]. Gradient: cast back.
    ///
    /// PyTorch: `torch.Tensor.float`. JAX: `x.astype(jnp.float32)`.
    f32() => F32;
    /// As f64; see [`Tensor::to_dtype`]. Gradient: cast back.
    ///
    /// PyTorch: `torch.Tensor.double`. JAX: `x.astype(jnp.float64)`.
    f64() => F64;
    /// As f16; see [`Tensor::to_dtype`]. Gradient: cast back.
    ///
    /// PyTorch: `torch.Tensor.half`. JAX: `x.astype(jnp.float16)`.
    f16() => F16;
    /// As bf16; see [`Tensor::to_dtype`]. Gradient: cast back.
    ///
    /// PyTorch: `torch.Tensor.bfloat16`. JAX: `x.astype(jnp.bfloat16)`.
    bf16() => BF16;
    /// As i64; see [`Tensor::to_dtype`]. No gradient.
    ///
    /// PyTorch: `torch.Tensor.long`. JAX: `x.astype(jnp.int64)`.
    i64() => I64;
    /// As i32; see [`Tensor::to_dtype`]. No gradient.
    ///
    /// PyTorch: `torch.Tensor.int`. JAX: `x.astype(jnp.int32)`.
    i32() => I32;
    /// As u8; see [`Tensor::to_dtype`]. No gradient.
    ///
    /// PyTorch: `torch.Tensor.byte`. JAX: `x.astype(jnp.uint8)`.
    u8() => U8;
    /// As bool: whether nonzero; see [`Tensor::to_dtype`]. No gradient.
    ///
    /// PyTorch: `torch.Tensor.bool`. JAX: `x.astype(jnp.bool_)`.
    bool() => Bool;
}

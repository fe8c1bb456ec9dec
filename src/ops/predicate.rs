//! The family of elementwise tests: numbers in, bool out. They have no derivative.

use std::fmt::Debug;
use std::hash::Hash;

use super::arithmetic::{IntoOperand, broadcast_pair};
use super::operands::{InputSet, Outputs};
use super::pointwise::{alike, bind_repeated};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::cpu::lanes::{self, Predicate};
use crate::exec::expr::{Expr, Sym};
use crate::exec::scalar::{Mask, Scalar};
use crate::exec::{Body, Kernel};
use crate::tensor::{DType, Spec, Tensor};

/// An elementwise test of `N` numbers.
pub(crate) trait Test<const N: usize>: Predicate<N> + Eq + Hash + Debug {
    const NAME: &'static str;
}

/// The primitive that a [`Test`] makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mapped<O, const N: usize>(pub(crate) O);

impl<O: Test<N>, const N: usize> Primitive for Mapped<O, N> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(alike(x)?.with_dtype(DType::Bool))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Map(self)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a test has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a test has no derivative")
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }
}

impl<O: Test<N>, const N: usize> Body for Mapped<O, N> {
    unsafe fn tile(&self, dtype: DType, x: &[*const u8], y: *mut u8, n: usize) {
        /// # Safety
        /// As [`Body::tile`], for inputs of type `T`.
        unsafe fn run<O: Predicate<N>, T: lanes::Element, const N: usize>(
            op: &O,
            x: &[*const u8],
            y: *mut u8,
            n: usize,
        ) {
            let x: [*const T; N] = std::array::from_fn(|i| x[i].cast());
            // SAFETY: the caller's promise.
            unsafe { lanes::test(op, x, y, n) }
        }
        // SAFETY: the caller's promise.
        unsafe {
            match dtype {
                DType::F32 => run::<O, f32, N>(&self.0, x, y, n),
                DType::F64 => run::<O, f64, N>(&self.0, x, y, n),
                DType::I64 => run::<O, i64, N>(&self.0, x, y, n),
                DType::I32 => run::<O, i32, N>(&self.0, x, y, n),
                DType::U8 | DType::Bool => run::<O, u8, N>(&self.0, x, y, n),
                DType::F16 | DType::BF16 => unreachable!("16-bit floats are computed in f32"),
            }
        }
    }

    fn expr(&self) -> Expr {
        Expr::record_mask(N, |x| self.0.test::<Sym<'_>>(std::array::from_fn(|i| x[i])))
    }
}

macro_rules! tests {
    ($($name:literal $op:ident [$($x:ident),*] $s:ident => $test:expr;)*) => {$(
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) struct $op;
        impl Test<{ [$(stringify!($x)),*].len() }> for $op {
            const NAME: &'static str = $name;
        }
        impl Predicate<{ [$(stringify!($x)),*].len() }> for $op {
            #[inline(always)]
            fn test<$s: Scalar>(&self, [$($x),*]: [$s; [$(stringify!($x)),*].len()]) -> $s::Mask {
                $test
            }
        }
    )*};
}

tests! {
    "eq" Eq2 [a, b] S => a.eq(b);
    "ne" Ne [a, b] S => a.ne(b);
    "lt" Lt [a, b] S => a.lt(b);
    "le" Le [a, b] S => a.le(b);
    "gt" Gt [a, b] S => a.gt(b);
    "ge" Ge [a, b] S => a.ge(b);
    "logical_and" And [a, b] S => a.ne(S::literal(0.0)).and(b.ne(S::literal(0.0)));
    "logical_or" Or [a, b] S => a.ne(S::literal(0.0)).or(b.ne(S::literal(0.0)));
    "logical_xor" Xor [a, b] S => a.ne(S::literal(0.0)).xor(b.ne(S::literal(0.0)));
    "logical_not" Not [a] S => a.eq(S::literal(0.0));
    "isnan" IsNan [a] S => a.is_nan();
    "isinf" IsInf [a] S => a.abs().eq(S::literal(f64::INFINITY));
    "isfinite" IsFinite [a] S => a.abs().lt(S::literal(f64::INFINITY));
}

impl Tensor {
    /// Where `self == other`, elementwise, broadcasting; bool. NaN equals nothing. No gradient.
    ///
    /// PyTorch: `torch.eq`. JAX: `jnp.equal`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, 2.0, 3.0]);
    /// assert_eq!(x.eq(2.0).to_vec::<bool>()?, [false, true, false]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn eq(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Eq2), self, &other)
    }

    /// Where `self != other`, elementwise, broadcasting; bool. NaN differs from everything. No gradient.
    ///
    /// PyTorch: `torch.ne`. JAX: `jnp.not_equal`.
    #[track_caller]
    pub fn ne(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Ne), self, &other)
    }

    /// Where `self < other`, elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.lt`. JAX: `jnp.less`.
    #[track_caller]
    pub fn lt(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Lt), self, &other)
    }

    /// Where `self <= other`, elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.le`. JAX: `jnp.less_equal`.
    #[track_caller]
    pub fn le(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Le), self, &other)
    }

    /// Where `self > other`, elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.gt`. JAX: `jnp.greater`.
    #[track_caller]
    pub fn gt(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Gt), self, &other)
    }

    /// Where `self >= other`, elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.ge`. JAX: `jnp.greater_equal`.
    #[track_caller]
    pub fn ge(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Ge), self, &other)
    }

    /// Where both are nonzero (or true), elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.logical_and`. JAX: `jnp.logical_and`.
    #[track_caller]
    pub fn logical_and(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(And), self, &other)
    }

    /// Where either is nonzero (or true), elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.logical_or`. JAX: `jnp.logical_or`.
    #[track_caller]
    pub fn logical_or(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Or), self, &other)
    }

    /// Where exactly one is nonzero (or true), elementwise, broadcasting; bool. No gradient.
    ///
    /// PyTorch: `torch.logical_xor`. JAX: `jnp.logical_xor`.
    #[track_caller]
    pub fn logical_xor(&self, other: impl IntoOperand) -> Tensor {
        compare(&Mapped(Xor), self, &other)
    }

    /// Where `self` is zero (or false), elementwise; bool. No gradient.
    ///
    /// PyTorch: `torch.logical_not`. JAX: `jnp.logical_not`.
    #[track_caller]
    pub fn logical_not(&self) -> Tensor {
        bind(&Mapped(Not), &[self])
    }

    /// Where `self` is NaN; bool. No gradient.
    ///
    /// PyTorch: `torch.isnan`. JAX: `jnp.isnan`.
    #[track_caller]
    pub fn isnan(&self) -> Tensor {
        bind(&Mapped(IsNan), &[self])
    }

    /// Where `self` is an infinity of either sign; bool. No gradient.
    ///
    /// PyTorch: `torch.isinf`. JAX: `jnp.isinf`.
    #[track_caller]
    pub fn isinf(&self) -> Tensor {
        self.float_test(&Mapped(IsInf), false)
    }

    /// Where `self` is neither NaN nor infinite; bool. No gradient.
    ///
    /// PyTorch: `torch.isfinite`. JAX: `jnp.isfinite`.
    #[track_caller]
    pub fn isfinite(&self) -> Tensor {
        self.float_test(&Mapped(IsFinite), true)
    }

    #[track_caller]
    fn float_test(&self, op: &dyn Primitive, of_integer: bool) -> Tensor {
        if self.error().is_none() && !self.spec().dtype.is_float() {
            return Tensor::splat(self.spec().with_dtype(DType::Bool), of_integer.into());
        }
        bind(op, &[self])
    }
}

#[track_caller]
fn compare(op: &dyn Primitive, a: &Tensor, b: &impl IntoOperand) -> Tensor {
    let b = b.operand_for(a, op.name());
    match broadcast_pair(a, &b) {
        Some((a, b)) => bind(op, &[&a, &b]),
        None => bind(op, &[a, &b]),
    }
}

//! The family of elementwise tests: numbers in, bool out. They have no derivative.

use std::fmt::Debug;
use std::hash::Hash;

use super::arithmetic::{IntoOperand, broadcast_pair};
use super::operands::{InputSet, Outputs};
use super::pointwise::{Parameter, alike, bind_repeated};
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
            const FAR: bool = false;
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
    "isposinf" IsPosInf [a] S => a.eq(S::literal(f64::INFINITY));
    "isneginf" IsNegInf [a] S => a.eq(S::literal(f64::NEG_INFINITY));
    "signbit" Signbit [a] S => S::literal(1.0).copysign(a).lt(S::literal(0.0));
}

/// Whether two numbers differ by no more than a tolerance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct IsClose {
    rtol: Parameter,
    atol: Parameter,
    equal_nan: bool,
}

impl Test<2> for IsClose {
    const NAME: &'static str = "isclose";
}

impl Predicate<2> for IsClose {
    const FAR: bool = false;
    #[inline(always)]
    fn test<S: Scalar>(&self, [a, b]: [S; 2]) -> S::Mask {
        let (rtol, atol): (S, S) = (self.rtol.literal(), self.atol.literal());
        let size = b.abs();
        // Infinities are close to their equals only.
        let near = (a - b).abs().le(atol + rtol * size).and(size.lt(S::literal(f64::INFINITY)));
        let close = a.eq(b).or(near);
        if self.equal_nan { close.or(a.is_nan().and(b.is_nan())) } else { close }
    }
}

/// The tolerances of [`Tensor::isclose`]; by default those of PyTorch and NumPy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Closeness {
    /// The difference allowed, as a share of the second operand; 1e-5 by default.
    pub rtol: f64,
    /// The difference allowed beside that; 1e-8 by default.
    pub atol: f64,
    /// Whether NaN is close to NaN; no by default.
    pub equal_nan: bool,
}

impl Default for Closeness {
    fn default() -> Closeness {
        Closeness { rtol: 1e-5, atol: 1e-8, equal_nan: false }
    }
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

    /// Where `self` is infinity; bool.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.isposinf`. JAX: `jnp.isposinf`.
    #[track_caller]
    pub fn isposinf(&self) -> Tensor {
        self.float_test(&Mapped(IsPosInf), false)
    }

    /// Where `self` is negative infinity; bool.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.isneginf`. JAX: `jnp.isneginf`.
    #[track_caller]
    pub fn isneginf(&self) -> Tensor {
        self.float_test(&Mapped(IsNegInf), false)
    }

    /// Where the sign is set: of negative numbers, -0 and negative NaNs among them; bool.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.signbit`. JAX: `jnp.signbit`.
    #[track_caller]
    pub fn signbit(&self) -> Tensor {
        bind(&Mapped(Signbit), &[self])
    }

    /// Where `|self - other| <= atol + rtol * |other|`, or both are equal; broadcasting; bool. Integers are compared as
    /// f64.
    ///
    /// No gradient.
    ///
    /// PyTorch: `torch.isclose`. JAX: `jnp.isclose`.
    ///
    /// ```
    /// # use retrograd::{Closeness, Tensor};
    /// let x = Tensor::from([1.0, 1.0 + 1e-9, f64::NAN]);
    /// assert_eq!(x.isclose(1.0, Closeness::default()).to_vec::<bool>()?, [true, true, false]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn isclose(&self, other: impl IntoOperand, tolerance: Closeness) -> Tensor {
        let Closeness { rtol, atol, equal_nan } = tolerance;
        let test = Mapped(IsClose { rtol: rtol.into(), atol: atol.into(), equal_nan });
        let other = other.operand_for(self, "isclose");
        let other: &Tensor = &other;
        let float = |x: &Tensor| x.error().is_some() || x.spec().dtype.is_float();
        if float(self) || float(other) {
            compare(&test, self, &other)
        } else {
            compare(&test, &self.f64(), &other.f64())
        }
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

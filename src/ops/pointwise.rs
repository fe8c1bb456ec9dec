//! The family of elementwise functions of numbers: `y[i] = f(x0[i], .., xn[i])`.
//!
//! The Jacobian is diagonal, so one law, [`Elementwise::scaled`], serves both jvp and vjp.

use std::fmt::Debug;
use std::hash::Hash;

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::cpu::lanes::{self, Pointwise};
use crate::exec::expr::{Expr, Sym};
use crate::exec::scalar::Scalar;
use crate::exec::{Body, Kernel};
use crate::graph::{Seen, Value};
use crate::tensor::{DType, Spec, Tensor};

/// An elementwise function of `N` numbers with its derivative; `Pointwise` gives the arithmetic.
pub(crate) trait Elementwise<const N: usize>: Pointwise<N> + Eq + Hash + Debug {
    const NAME: &'static str;
    const DOMAIN: Domain;
    /// Whether an integer zero in the last input is an error.
    const DIVIDES: bool = false;

    /// What `scaled(input, ..)` reads.
    fn reads(&self, input: usize) -> Reads;

    /// `v * dy/dx[input]`; none where that is zero everywhere.
    fn scaled(&self, input: usize, at: &Residuals<'_>, v: &Tensor) -> Option<Tensor>;

    /// As [`Primitive::simplify`].
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let _ = x;
        None
    }
}

/// The dtypes that a function is defined on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Floats and integers.
    Numbers,
    /// Floats only.
    Floats,
    /// Integers only.
    Integers,
    /// Integers and bool.
    Bits,
}

/// A number that is part of an operation; equal if its bits are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Parameter(u64);

impl From<f64> for Parameter {
    fn from(value: f64) -> Parameter {
        Parameter(value.to_bits())
    }
}

impl Parameter {
    pub(crate) fn value(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// As a constant of the arithmetic.
    #[inline(always)]
    pub(crate) fn literal<S: Scalar>(self) -> S {
        S::literal(f64::from_bits(self.0))
    }
}

/// Functions with their laws: inputs, name, domain, what the derivative in an input reads, and `v * dy/dx[input]`.
macro_rules! laws {
    ($($op:ident[$n:literal] $name:literal $domain:ident,
        |$of:pat_param| $reads:expr, |$own:ident, $input:pat_param, $at:pat_param, $v:pat_param| $scaled:expr;)*) => {$(
        impl $crate::ops::pointwise::Elementwise<$n> for $op {
            const NAME: &'static str = $name;
            const DOMAIN: $crate::ops::pointwise::Domain = $crate::ops::pointwise::Domain::$domain;
            fn reads(&self, $of: usize) -> $crate::ops::Reads {
                $reads
            }
            fn scaled(&self, $input: usize, $at: &$crate::ops::Residuals<'_>, $v: &Tensor) -> Option<Tensor> {
                let $own = self;
                $scaled
            }
        }
    )*};
}
pub(super) use laws;

impl Domain {
    const fn has_floats(self) -> bool {
        matches!(self, Domain::Numbers | Domain::Floats)
    }

    const fn has_integers(self) -> bool {
        !matches!(self, Domain::Floats)
    }

    /// Refuses a dtype outside the domain.
    pub(crate) fn check(self, dtype: DType) -> Result<(), Box<Misfit>> {
        match (self, dtype) {
            (Domain::Bits, dtype) if !dtype.is_float() => Ok(()),
            (Domain::Integers, dtype) if dtype.is_int() => Ok(()),
            (Domain::Bits, dtype) => {
                Err(Misfit::dtype(format!("needs an integer or bool tensor, got {dtype}"))
                    .help("convert with `.i64()`, or use `logical_and`, `logical_or`, `logical_not`"))
            }
            (Domain::Integers, dtype) => {
                Err(Misfit::dtype(format!("needs an integer tensor, got {dtype}"))
                    .help("convert with `.i64()`"))
            }
            (_, DType::Bool) => Err(Misfit::dtype("bool has no arithmetic").help(
                "convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`",
            )),
            (Domain::Floats, dtype) if !dtype.is_float() => {
                Err(Misfit::dtype(format!("needs a floating-point tensor, got {dtype}"))
                    .help("convert with `.f32()` or `.f64()`"))
            }
            _ => Ok(()),
        }
    }
}

/// The primitive that an [`Elementwise`] function makes. `N` stands in the type to keep implementations apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Map<O, const N: usize>(pub(crate) O);

/// Equal shapes and dtypes, or the sentence that says what to do.
pub(crate) fn alike(x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
    let first = *x[0];
    for other in &x[1..] {
        if **other == first {
            continue;
        }
        if other.dtype != first.dtype {
            return Err(mixed_dtypes(first.dtype, other.dtype));
        }
        return Err(Misfit::shape(format!("shapes {} and {} do not broadcast", first.shape, other.shape))
            .help(
                "shapes are aligned at the last axis; axes must be equal or 1 (see `unsqueeze`, `reshape`)",
            ));
    }
    Ok(first)
}

/// The refusal of two dtypes in one operation, with the conversion that mends it.
pub(crate) fn mixed_dtypes(a: DType, b: DType) -> Box<Misfit> {
    let wider = if b.is_float() && (!a.is_float() || b.size() > a.size()) { b } else { a };
    Misfit::dtype(format!("dtypes {a} and {b} do not mix"))
        .help(format!("convert one of them, for example with `.{wider}()`"))
}

impl<O: Elementwise<N>, const N: usize> Primitive for Map<O, N> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let spec = alike(x)?;
        O::DOMAIN.check(spec.dtype)?;
        Ok(spec)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Map(self)
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        let mut reads = Reads::NOTHING;
        for input in (0..N).filter(|&input| needs.contains(input)) {
            let more = self.0.reads(input);
            reads.inputs = reads.inputs.union(more.inputs);
            reads.outputs |= more.outputs;
        }
        Some(reads)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let terms = dx.iter().enumerate().filter_map(|(i, v)| self.0.scaled(i, at, (*v)?));
        dy[0] = terms.reduce(|sum, term| sum + term);
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        for input in (0..N).filter(|&input| needs.contains(input)) {
            dx[input] = self.0.scaled(input, at, dy);
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(self, x, batched, size))
    }

    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        self.0.simplify(x)
    }
}

/// Binds an elementwise primitive on whole batches: inputs that are not batched are repeated.
pub(crate) fn bind_repeated(op: &dyn Primitive, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
    let all =
        x.iter().enumerate().map(|(i, x)| if batched.contains(i) { (*x).clone() } else { x.repeated(size) });
    let all: Vec<Tensor> = all.collect();
    bind(op, &all.iter().collect::<Vec<_>>())
}

impl<O: Elementwise<N>, const N: usize> Body for Map<O, N> {
    unsafe fn tile(&self, dtype: DType, x: &[*const u8], y: *mut u8, n: usize) {
        /// # Safety
        /// As [`Body::tile`], for elements of type `T`.
        unsafe fn run<O: Pointwise<N>, T: lanes::Element, const N: usize>(
            op: &O,
            x: &[*const u8],
            y: *mut u8,
            n: usize,
        ) {
            let x: [*const T; N] = std::array::from_fn(|i| x[i].cast());
            // SAFETY: the caller's promise.
            unsafe { lanes::map(op, x, y.cast(), n) }
        }
        // Constant conditions around the matches: what a domain excludes is not even compiled.
        if const { O::DOMAIN.has_floats() } {
            // SAFETY: the caller's promise; `infer` admitted the dtype.
            unsafe {
                match dtype {
                    DType::F32 => return run::<O, f32, N>(&self.0, x, y, n),
                    DType::F64 => return run::<O, f64, N>(&self.0, x, y, n),
                    _ => {}
                }
            }
        }
        if const { O::DOMAIN.has_integers() } {
            // SAFETY: as above; a bool is the byte 0 or 1.
            unsafe {
                match dtype {
                    DType::I64 => return run::<O, i64, N>(&self.0, x, y, n),
                    DType::I32 => return run::<O, i32, N>(&self.0, x, y, n),
                    DType::U8 | DType::Bool => return run::<O, u8, N>(&self.0, x, y, n),
                    _ => {}
                }
            }
        }
        unreachable!("{} on {dtype} is refused by infer", O::NAME)
    }

    fn expr(&self) -> Expr {
        Expr::record(N, |x| self.0.scalar::<Sym<'_>>(std::array::from_fn(|i| x[i])))
    }

    fn divides(&self) -> bool {
        O::DIVIDES
    }
}

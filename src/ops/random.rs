//! Random numbers: drawn by a counter-based generator from an explicit key, so that a draw depends on nothing else.

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::tensor::{DType, Shape, Spec, Tensor};

/// What a draw is distributed as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Distribution {
    /// Uniform in [0, 1).
    Uniform,
    /// Normal with mean 0 and variance 1.
    Normal,
    /// The numbers `0..n` (i64) in random order.
    Permutation,
}

/// Numbers drawn with a key: i64 `[seed, counter]` in the last axis of the input, whose other axes come first in
/// the output, each with a draw of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Random {
    pub(crate) distribution: Distribution,
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

impl Primitive for Random {
    fn name(&self) -> &'static str {
        match self.distribution {
            Distribution::Uniform => "rand",
            Distribution::Normal => "randn",
            Distribution::Permutation => "randperm",
        }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if self.distribution != Distribution::Permutation && !self.dtype.is_float() {
            return Err(Misfit::dtype(format!("draws floating-point numbers, not {}", self.dtype)));
        }
        let keys = x[0].shape;
        if x[0].dtype != DType::I64 || keys.rank() == 0 || keys.dim(keys.rank() - 1) != 2 {
            return Err(Misfit::shape(format!("a key is i64[2], got {}", x[0])).help("see `Rng`"));
        }
        let lead = Shape::of(&keys[..keys.rank() - 1]);
        let shape = lead.concat(&self.shape).ok_or_else(super::movement::too_many_axes)?;
        Ok(Spec::new(shape, self.dtype))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Random(self.distribution)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a draw has no derivative")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a draw has no derivative")
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(self, x))
    }
}

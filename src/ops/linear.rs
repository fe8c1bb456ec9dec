//! The family of linear functions: the derivative is the function itself, the cotangent goes through its
//! transpose. Inputs that are not numbers (indices) are constants of the function.

use std::fmt::Debug;
use std::hash::Hash;

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::graph::{Seen, Value};
use crate::tensor::{Spec, Tensor};

/// A function that is linear in all its inputs but the constant ones.
pub(crate) trait Linear: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    const NAME: &'static str;
    /// Inputs that are indices: read by the transpose, never differentiated.
    const CONSTANTS: InputSet = InputSet::NONE;
    /// Whether the transpose for one input reads the specs of others.
    const READS_SPECS: bool = false;

    /// For errors, listings and pictures.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>>;

    fn lower<'a>(&'a self, x: &[&Spec]) -> Kernel<'a>;

    /// The cotangent of one input: the transpose applied to that of the output.
    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor;

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor;

    /// Whether the gradient is not defined between these specs (a cast to an integer).
    fn is_constant(&self) -> bool {
        false
    }

    /// As [`Primitive::simplify`].
    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        let _ = x;
        None
    }
}

/// The primitive that a [`Linear`] function makes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LinearMap<L>(pub(crate) L);

impl<L: Linear> Primitive for LinearMap<L> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        self.0.infer(x)
    }

    fn lower<'a>(&'a self, x: &[&Spec]) -> Kernel<'a> {
        self.0.lower(x)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        let reads = Reads { specs: L::READS_SPECS, ..Reads::inputs(L::CONSTANTS) };
        (!self.0.is_constant()).then_some(reads)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        if dx.iter().all(Option::is_none) {
            return;
        }
        let inputs = dx.iter().enumerate().map(|(i, v)| match v {
            Some(v) => (*v).clone(),
            None if L::CONSTANTS.contains(i) => at.x(i).clone(),
            None => Tensor::splat(*at.spec(i), 0.0.into()),
        });
        let inputs: Vec<Tensor> = inputs.collect();
        dy[0] = Some(bind(self, &inputs.iter().collect::<Vec<_>>()));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        for (input, dx) in dx.iter_mut().enumerate() {
            if needs.contains(input) {
                *dx = Some(self.0.transpose(at, input, dy));
            }
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(self.0.batch(x, batched, size))
    }

    fn simplify(&self, x: &[Seen<'_>]) -> Option<Value> {
        self.0.simplify(x)
    }
}

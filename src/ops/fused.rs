//! Many operations as one: what the last pass over a graph puts in place of steps that run together.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::exec::fused::Fused;
use crate::tensor::{Spec, Tensor};

/// Its name, which is not in the list of operations: no method binds it, and no sample row reaches it.
const FUSED: &str = "fused";

/// A fused kernel as an operation. Graphs are differentiated before they are fused, so it has no derivative.
#[derive(Clone, Debug)]
pub(crate) struct Fusion(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    kernel: Fused,
    /// Of the outputs: as many elements as the kernel's, under the shapes that the graph knows.
    specs: Vec<Spec>,
}

impl Fusion {
    pub(crate) fn new(kernel: Fused, specs: Vec<Spec>) -> Fusion {
        Fusion(Arc::new(Parts { kernel, specs }))
    }
}

/// The same kernel, not one that computes the same: steps that compute the same are merged before they are fused.
impl PartialEq for Fusion {
    fn eq(&self, other: &Fusion) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Fusion {}

impl Hash for Fusion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Primitive for Fusion {
    fn name(&self) -> &'static str {
        FUSED
    }

    fn outputs(&self) -> usize {
        self.0.specs.len()
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(self.infer_all(x)?[0])
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        let kernel = &self.0.kernel;
        let space = kernel.space();
        let fits = |(input, x): (&crate::exec::fused::Step, &&Spec)| {
            input.dtype == x.dtype && space.count(input.extent) == x.shape.numel()
        };
        if kernel.operands().count() != x.len() || !kernel.operands().zip(x).all(fits) {
            return Err(Misfit::shape(format!("operands {x:?} are not those of {kernel}")));
        }
        Ok(self.0.specs.clone())
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Fused(&self.0.kernel)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        None
    }

    fn jvp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: &mut [Option<Tensor>]) {
        unreachable!("a graph is differentiated before it is fused")
    }

    fn vjp(&self, _: &Residuals<'_>, _: &[Option<&Tensor>], _: InputSet, _: &mut [Option<Tensor>]) {
        unreachable!("a graph is differentiated before it is fused")
    }

    fn batch(&self, _: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        unreachable!("a graph is batched before it is fused")
    }
}

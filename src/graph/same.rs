//! When two graphs are the same.

use super::ir::Graph;
use crate::exec::cpu;
use crate::tensor::{Data, Tensor};

impl Graph {
    /// Whether the other graph has the same steps on the same values, and captures tensors of the same elements. The
    /// lines of the program that steps come from do not matter.
    pub(crate) fn same(&self, other: &Graph) -> bool {
        let parts = |graph: &Graph| {
            (
                graph.inputs.clone(),
                graph.draws.clone(),
                graph.outputs.clone(),
                graph.steps.len(),
                graph.captured.len(),
            )
        };
        parts(self) == parts(other)
            && self.specs == other.specs
            && self
                .steps
                .iter()
                .zip(&other.steps)
                .all(|(a, b)| a.inputs == b.inputs && a.outputs == b.outputs && a.op.same(&*b.op))
            && self.captured.iter().zip(&other.captured).all(|((a, x), (b, y))| a == b && same_elements(x, y))
    }
}

/// Whether two tensors have the same bits everywhere.
fn same_elements(x: &Tensor, y: &Tensor) -> bool {
    if x.address() == y.address() {
        return true;
    }
    let (Some(own), Some(other)) = (x.concrete(), y.concrete()) else { return false };
    if x.spec() != y.spec() {
        return false;
    }
    if let (Data::Splat(own), Data::Splat(other)) = (&own.data, &other.data) {
        return own == other;
    }
    cpu::same_bits(x, y)
}

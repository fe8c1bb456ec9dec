//! Layers made of layers.

use std::sync::Arc;

use super::layers::shape_of;
use retrograd::nn::DynModule;
use retrograd::tree::AnyTree;
use retrograd::{Error, Shape, Tensor};

mod branches;
mod sequential;
mod table;

pub use branches::{
    Along, Branches, Concat, ConcatTable, Join, Parallel, ParallelTable, SavedBranches, Shared, Slices,
    Split, Table,
};
pub use sequential::Sequential;
pub use table::{
    CAddTable, CDivTable, CMaxTable, CMinTable, CMulTable, CSubTable, DotProduct, FlattenTable, JoinTable,
    MixtureTable, Mm, Mv, NarrowTable, SelectTable, SplitTable,
};

/// The gradients of tensors of these shapes, given that of all of them joined along an axis; where it does not fit,
/// each says so.
fn parted(dy: &Tensor, shapes: &[Shape], axis: isize) -> Vec<Tensor> {
    // A number was joined as a vector of length 1.
    let length = |shape: &Shape| shape.axis(axis).map_or(1, |axis| shape.dim(axis));
    let lengths: Vec<usize> = shapes.iter().map(length).collect();
    let mut parts = dy.split(&lengths, axis);
    if parts.len() != shapes.len() {
        // There is one, invalid, instead.
        return vec![parts.swap_remove(0); shapes.len()];
    }
    for (part, shape) in parts.iter_mut().zip(shapes) {
        if shape.rank() == 0 {
            *part = part.reshape(*shape);
        }
    }
    parts
}

/// Refuses lists of other lengths than that of a container's layers.
#[track_caller]
fn same_length(name: &str, layers: &[Arc<dyn DynModule>], params: &[AnyTree], state: &[AnyTree]) {
    for (what, parts) in [("parameters", params), ("state", state)] {
        if parts.len() != layers.len() {
            let (got, expected) = (parts.len(), layers.len());
            Error::msg(format!("{name}: {what} of {got} layers, it has {expected}")).raise();
        }
    }
}

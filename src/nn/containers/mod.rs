//! Layers made of layers.

use std::sync::Arc;

use retrograd::Error;
use retrograd::nn::DynModule;
use retrograd::tree::AnyTree;

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

//! What a step is to a group of steps that run together.

use super::super::super::ir::{Graph, Step};
use super::Space;
use crate::exec::fused::{Extent, is_fusible_map};
use crate::exec::{Fold, Kernel, View};
use crate::tensor::{AxisSet, Shape, Spec};

/// What a step is to a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Arithmetic, element by element.
    Map,
    /// A fold of a prefix or suffix of the axes.
    Fold(Fold, Split),
    /// The same elements in the same order.
    Reshape,
    Broadcast,
    /// Other elements, or the same in another order.
    Moved,
    /// Never part of a group.
    Border,
}

/// What a fold keeps. The numbers are rows of the space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Split {
    /// One number.
    All,
    /// A number for each row.
    Rows(usize),
    /// A number for each position in a row.
    Columns(usize),
}

impl Role {
    /// Whether nothing is computed.
    pub(super) fn moves(self) -> bool {
        matches!(self, Role::Reshape | Role::Broadcast | Role::Moved)
    }

    /// Whether it may be part of a group, and computes.
    pub(super) fn computes(self) -> bool {
        matches!(self, Role::Map | Role::Fold(..))
    }

    /// The space of a group of this step alone, and the extent of what it yields.
    pub(super) fn alone(self, graph: &Graph, step: &Step) -> Option<(Space, Extent)> {
        let len = graph.spec(step.inputs[0]).shape.numel();
        match self {
            Role::Map => Some((Space { len, rows: None }, Extent::Elements)),
            Role::Fold(_, Split::All) => Some((Space { len, rows: None }, Extent::One)),
            Role::Fold(_, Split::Rows(rows)) => Some((Space { len, rows: Some(rows) }, Extent::Rows)),
            Role::Fold(_, Split::Columns(rows)) => Some((Space { len, rows: Some(rows) }, Extent::Columns)),
            _ => None,
        }
    }
}

pub(super) fn role(graph: &Graph, step: &Step) -> Role {
    let inputs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
    let empty = |shape: &Shape| shape.numel() == 0;
    if step.outputs.len() != 1 || inputs.is_empty() || inputs.iter().any(|x| empty(&x.shape)) {
        return Role::Border;
    }
    match step.op.lower(&inputs) {
        Kernel::View(_) if empty(&graph.spec(step.outputs[0]).shape) => Role::Border,
        Kernel::View(View::Reshape) => Role::Reshape,
        Kernel::View(View::Broadcast) => Role::Broadcast,
        Kernel::View(_) => Role::Moved,
        Kernel::Reduce(Fold::ArgMax | Fold::ArgMin, _) => Role::Border,
        Kernel::Reduce(fold, axes) => {
            split(&inputs[0].shape, axes).map_or(Role::Border, |split| Role::Fold(fold, split))
        }
        kernel if is_fusible_map(&kernel, &inputs) => Role::Map,
        _ => Role::Border,
    }
}

/// What a fold of some axes keeps; none if the axes are neither first nor last, or fold nothing.
fn split(shape: &Shape, axes: AxisSet) -> Option<Split> {
    let folded: usize = axes.iter().map(|axis| shape.dim(axis)).product();
    let kept = shape.numel() / folded;
    let long = (0..shape.rank()).filter(|&axis| shape[axis] > 1);
    let folds: Vec<bool> = long.map(|axis| axes.contains(axis)).collect();
    match folds.windows(2).filter(|pair| pair[0] != pair[1]).count() {
        _ if folded == 1 => None,
        0 => Some(Split::All),
        1 if folds[0] => Some(Split::Columns(folded)),
        1 => Some(Split::Rows(kept)),
        _ => None,
    }
}

/// Whether a broadcast repeats each number for elements behind one another.
pub(super) fn repeats_elements(from: &Shape, to: &Shape) -> bool {
    let lead = to.rank() - from.rank();
    let long = (0..to.rank()).filter(|&axis| to[axis] > 1);
    let repeated: Vec<bool> = long.map(|axis| axis < lead || from[axis - lead] == 1).collect();
    repeated.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[usize]) -> Shape {
        Shape::checked(dims).expect("valid")
    }

    #[test]
    fn folds_of_first_or_last_axes_split_the_space() {
        let split = |dims: &[usize], axes: &[usize]| split(&shape(dims), axes.iter().copied().collect());
        assert_eq!(split(&[2, 3, 4], &[2]), Some(Split::Rows(6)));
        assert_eq!(split(&[2, 3, 4], &[1, 2]), Some(Split::Rows(2)));
        assert_eq!(split(&[2, 3, 4], &[0]), Some(Split::Columns(2)));
        assert_eq!(split(&[2, 3, 4], &[0, 1]), Some(Split::Columns(6)));
        assert_eq!(split(&[2, 3, 4], &[0, 1, 2]), Some(Split::All));
        assert_eq!(split(&[1, 3, 1], &[1]), Some(Split::All));
        assert_eq!(split(&[2, 1, 4], &[0, 1]), Some(Split::Columns(2)));
        assert_eq!(split(&[2, 3, 4], &[1]), None);
        assert_eq!(split(&[2, 3, 4], &[0, 2]), None);
        assert_eq!(split(&[2, 1], &[1]), None);
    }

    #[test]
    fn a_broadcast_of_last_axes_repeats_elements() {
        let repeats = |from: &[usize], to: &[usize]| repeats_elements(&shape(from), &shape(to));
        assert!(repeats(&[2, 1], &[2, 3]));
        assert!(repeats(&[2, 1, 1], &[2, 3, 4]));
        assert!(repeats(&[1], &[2, 3]));
        assert!(!repeats(&[3], &[2, 3]));
        assert!(!repeats(&[2, 1, 4], &[2, 3, 4]));
    }
}

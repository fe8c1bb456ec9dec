//! What an index comes to for a given shape: a regular grid of positions, and at most one axis of computed ones.

use std::ops::Range;

use super::{IndexItem, Slice};
use crate::autodiff::level::{misuse, settle};
use crate::error::Misfit;
use crate::exec::Region;
use crate::ops::true_places;
use crate::tensor::{DType, Shape, Tensor};

/// What an index comes to for a given shape.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The grid of positions that integers and slices leave of each axis; none if that is all of them.
    pub(crate) region: Option<Region>,
    /// The grid's shape, of the tensor's rank: an integer leaves an axis of length 1.
    pub(crate) grid: Shape,
    /// The grid without the integers' axes and with the new ones; picked axes are merged into one.
    pub(crate) shape: Shape,
    /// The computed positions on the merged axis.
    pub(crate) picks: Option<Picks>,
}

/// Computed positions of one or several axes.
#[derive(Debug)]
pub(crate) struct Picks {
    /// The grid's axes in the order in which the picked ones are together.
    order: Vec<usize>,
    /// Where the merged axis is in [`Selection::shape`].
    pub(crate) axis: usize,
    /// The merged axis in row-major order: `length == product(each.length)`.
    pub(crate) each: Vec<Pick>,
}

/// Positions that one tensor picks.
#[derive(Debug)]
pub(crate) struct Pick {
    /// Positions, or a mask of the picked axes' shape.
    pub(crate) index: Tensor,
    /// The tensor's axis that they are on (a mask's first).
    axis: usize,
    /// How many positions there are to pick from.
    length: usize,
}

impl Selection {
    /// What `items` select of a tensor of this shape, or why they select nothing.
    pub(crate) fn new(shape: &Shape, items: &[IndexItem]) -> Result<Selection, Box<Misfit>> {
        let whole_axes = uncovered(shape, items)?;
        let mut resolver = Resolver::new(shape);
        for item in items {
            resolver.push(item, whole_axes)?;
        }
        while resolver.axis < shape.rank() {
            resolver.keep();
        }
        resolver.finish()
    }

    /// The part of `x` that is selected.
    #[track_caller]
    pub(crate) fn read(mut self, x: &Tensor) -> Tensor {
        let part = match self.region.take() {
            Some(region) => self.shaped(x.slice_region(region, self.grid)),
            None => self.shaped(x.clone()),
        };
        match &self.picks {
            None => part,
            Some(picks) => {
                let positions = match &picks.each[..] {
                    // The kernel checks them, and counts negative ones from the end.
                    [pick] if pick.index.spec().dtype != DType::Bool => pick.index.clone(),
                    _ => picks.positions("at"),
                };
                part.index_select(picks.axis as isize, &positions)
            }
        }
    }

    /// The grid of `x` in this selection's shape.
    #[track_caller]
    pub(crate) fn view(&self, x: &Tensor) -> Tensor {
        match &self.region {
            Some(region) => self.shaped(x.slice_region(region.clone(), self.grid)),
            None => self.shaped(x.clone()),
        }
    }

    #[track_caller]
    fn shaped(&self, grid: Tensor) -> Tensor {
        match &self.picks {
            Some(picks) if !picks.order.is_sorted() => grid.permute_axes(&picks.order).reshape(self.shape),
            _ => grid.reshape(self.shape),
        }
    }

    /// A part of this selection's shape as a grid: the inverse of [`Selection::view`].
    #[track_caller]
    pub(crate) fn unview(&self, part: &Tensor) -> Tensor {
        let Some(order) = self.picks.as_ref().map(|picks| &picks.order).filter(|order| !order.is_sorted())
        else {
            return part.reshape(self.grid);
        };
        let mut permuted = self.grid;
        let mut inverse = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            permuted = permuted.with_dim(to, self.grid.dim(from));
            inverse[from] = to;
        }
        part.reshape(permuted).permute_axes(&inverse)
    }
}

impl Picks {
    /// Positions on the merged axis (i64, none negative), in the shape that the index tensors broadcast to; invalid
    /// if one is out of range, or a mask has no value.
    #[track_caller]
    pub(crate) fn positions(&self, operation: &'static str) -> Tensor {
        let mut merged = self.each[0].positions(operation);
        for pick in &self.each[1..] {
            let positions = pick.positions(operation);
            let (a, b) = (merged.spec().shape, positions.spec().shape);
            if a.broadcast(b).is_none() {
                let misfit = Misfit::shape(format!("index shapes {a} and {b} do not broadcast"));
                return misuse(operation, &[&merged, &positions], misfit.help(CROSS));
            }
            merged = merged * pick.length + positions;
        }
        merged
    }
}

/// What to do where index tensors of several axes were meant to be combined freely.
const CROSS: &str = "index tensors are paired element by element; for all combinations give one of them an axis \
                     more, as with `rows.unsqueeze(-1)`";

impl Pick {
    #[track_caller]
    fn positions(&self, operation: &'static str) -> Tensor {
        if self.index.spec().dtype == DType::Bool {
            return self.where_true(operation);
        }
        let index = settle(&self.index);
        if index.concrete().is_none() {
            // A gather from 0, 1, .. counts from the end and refuses what is out of range, at any level.
            return Tensor::arange(self.length as i64).index_select(0, &index);
        }
        let Ok(mut positions) = index.to_vec::<i64>() else { return index };
        for position in &mut positions {
            let given = *position;
            *position += if given < 0 { self.length as i64 } else { 0 };
            if !(0..self.length as i64).contains(position) {
                return misuse(
                    operation,
                    &[&index],
                    out_of_range(given, self.axis, self.length, Misfit::data),
                );
            }
        }
        Tensor::from_vec(positions, index.spec().shape)
    }

    #[track_caller]
    fn where_true(&self, operation: &'static str) -> Tensor {
        match true_places(operation, &self.index) {
            Ok(positions) => {
                let count = positions.len();
                Tensor::from_vec(positions, [count])
            }
            Err(invalid) => invalid,
        }
    }
}

fn out_of_range(
    position: i64,
    axis: usize,
    length: usize,
    misfit: impl FnOnce(String) -> Box<Misfit>,
) -> Box<Misfit> {
    let misfit =
        misfit(format!("index {position} is out of range for axis {axis}, which has length {length}"));
    misfit.help(match length {
        0 => "the axis has no positions".to_string(),
        n => format!("positions run from 0 to {}, or from -{n} to -1 counted from the end", n - 1),
    })
}

/// How many axes no item names: those that an ellipsis stands for.
fn uncovered(shape: &Shape, items: &[IndexItem]) -> Result<usize, Box<Misfit>> {
    let covers = |item: &IndexItem| match item {
        IndexItem::NewAxis | IndexItem::Ellipsis => 0,
        IndexItem::Tensor(index) if index.spec().dtype == DType::Bool => index.spec().shape.rank(),
        IndexItem::At(_) | IndexItem::Slice(_) | IndexItem::Tensor(_) => 1,
    };
    let covered: usize = items.iter().map(covers).sum();
    if items.iter().filter(|item| matches!(item, IndexItem::Ellipsis)).count() > 1 {
        return Err(Misfit::shape("an index has at most one `Ellipsis`").help("write `..` for a whole axis"));
    }
    shape.rank().checked_sub(covered).ok_or_else(|| {
        Misfit::shape(format!("the index is for {covered} axes, the tensor has {}", shape.rank()))
    })
}

/// What becomes of an axis.
enum Slot {
    /// It stays.
    Kept(usize),
    /// It is new, of length 1.
    New,
    /// None: an ellipsis that stands for no axis. It stands between its neighbours all the same, as in NumPy.
    Gap,
    /// It goes to the merged axis, as do all that an integer, index tensor or mask names.
    Picked(Range<usize>),
}

impl Slot {
    fn kept(&self) -> Range<usize> {
        if let Slot::Kept(axis) = self { *axis..axis + 1 } else { 0..0 }
    }

    fn picked(&self) -> Range<usize> {
        if let Slot::Picked(axes) = self { axes.clone() } else { 0..0 }
    }
}

/// An index while it is gone through.
struct Resolver<'a> {
    shape: &'a Shape,
    region: Region,
    grid: Shape,
    /// The next axis of the tensor.
    axis: usize,
    slots: Vec<Slot>,
    picks: Vec<Pick>,
}

impl<'a> Resolver<'a> {
    fn new(shape: &'a Shape) -> Resolver<'a> {
        let region = Region { start: vec![0; shape.rank()], step: vec![1; shape.rank()] };
        Resolver { shape, region, grid: *shape, axis: 0, slots: Vec::with_capacity(8), picks: Vec::new() }
    }

    fn keep(&mut self) {
        self.slots.push(Slot::Kept(self.axis));
        self.axis += 1;
    }

    fn push(&mut self, item: &IndexItem, whole_axes: usize) -> Result<(), Box<Misfit>> {
        let axis = self.axis;
        match item {
            IndexItem::NewAxis => self.slots.push(Slot::New),
            IndexItem::Ellipsis if whole_axes == 0 => self.slots.push(Slot::Gap),
            IndexItem::Ellipsis => (0..whole_axes).for_each(|_| self.keep()),
            IndexItem::Slice(Slice { step: 0, .. }) => {
                return Err(Misfit::shape("the step of a slice is not 0"));
            }
            IndexItem::Slice(slice) => {
                let (start, length) = slice.on_axis(self.shape.dim(axis));
                // No positions start nowhere in particular, and one needs no step.
                self.region.start[axis] = if length > 0 { start } else { 0 };
                self.region.step[axis] = if length > 1 { slice.step } else { 1 };
                self.grid = self.grid.with_dim(axis, length);
                self.keep();
            }
            IndexItem::At(position) => {
                let length = self.shape.dim(axis);
                let start = if *position < 0 { position.saturating_add(length as i64) } else { *position };
                if !(0..length as i64).contains(&start) {
                    return Err(out_of_range(*position, axis, length, Misfit::shape));
                }
                self.region.start[axis] = start;
                self.grid = self.grid.with_dim(axis, 1);
                self.pick(1);
            }
            IndexItem::Tensor(index) => self.push_tensor(index)?,
        }
        Ok(())
    }

    fn push_tensor(&mut self, index: &Tensor) -> Result<(), Box<Misfit>> {
        let (spec, axis) = (index.spec(), self.axis);
        let axes = match spec.dtype {
            DType::I64 | DType::I32 => 1,
            DType::Bool => spec.shape.rank(),
            other => {
                let misfit = Misfit::dtype(format!("an index tensor is i64, i32 or bool, got {other}"));
                return Err(misfit.help("convert with `.i64()`, or compare to get a mask"));
            }
        };
        let picked = Shape::of(&self.shape[axis..axis + axes]);
        if spec.dtype == DType::Bool && spec.shape != picked {
            let message =
                format!("a mask of shape {} for axes of shape {picked}, from axis {axis} on", spec.shape);
            return Err(Misfit::shape(message).help("a mask has the lengths of the axes that it stands for"));
        }
        self.picks.push(Pick { index: index.clone(), axis, length: picked.numel() });
        self.pick(axes);
        Ok(())
    }

    fn pick(&mut self, axes: usize) {
        self.slots.push(Slot::Picked(self.axis..self.axis + axes));
        self.axis += axes;
    }

    fn finish(self) -> Result<Selection, Box<Misfit>> {
        let Resolver { shape, region, grid, slots, picks, .. } = self;
        let whole = grid == *shape && region.step.iter().all(|&step| step == 1);
        let region = (!whole).then_some(region);
        let place = place_of_picks(&slots);
        let mut dims = Vec::with_capacity(slots.len() + 1);
        for slot in &slots {
            match slot {
                Slot::Kept(axis) => dims.push(grid.dim(*axis)),
                Slot::New => dims.push(1),
                Slot::Picked(_) | Slot::Gap => {}
            }
        }
        let picks = (!picks.is_empty()).then(|| {
            let (before, after) = slots.split_at(place);
            let axes =
                |slots: &[Slot], which: fn(&Slot) -> Range<usize>| slots.iter().flat_map(which).collect();
            let picked: Vec<usize> = axes(&slots, Slot::picked);
            let axis = before.iter().filter(|slot| !matches!(slot, Slot::Gap)).count();
            dims.insert(axis, picked.iter().map(|&axis| grid.dim(axis)).product());
            Picks {
                order: [axes(before, Slot::kept), picked, axes(after, Slot::kept)].concat(),
                axis,
                each: picks,
            }
        });
        Ok(Selection { region, grid, shape: Shape::checked(&dims).map_err(Misfit::shape)?, picks })
    }
}

/// The slot where the merged axis goes, by NumPy's rule: in place of the picked ones if they stand side by side,
/// else in front.
fn place_of_picks(slots: &[Slot]) -> usize {
    let is_picked = |slot: &Slot| matches!(slot, Slot::Picked(_));
    let first = slots.iter().position(is_picked).unwrap_or(0);
    let side_by_side = slots[first..].iter().skip_while(|slot| is_picked(slot)).all(|slot| !is_picked(slot));
    if side_by_side { first } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::{Ellipsis, NewAxis, step};
    use super::*;
    use crate::tensor::Index;

    fn selection(dims: &[usize], index: impl Index) -> Selection {
        Selection::new(&Shape::checked(dims).expect("valid"), index.into_items().as_ref()).expect("fits")
    }

    #[test]
    fn the_whole_tensor_is_no_slice() {
        assert!(selection(&[2, 3], ..).region.is_none());
        assert!(selection(&[2, 3], (0..2, NewAxis, -3..)).region.is_none());
        assert!(selection(&[1, 3], (0, Ellipsis)).region.is_none());
        assert!(selection(&[2, 3], (.., step(.., -1))).region.is_some());
    }

    #[test]
    fn picked_axes_merge_in_place_when_side_by_side_and_in_front_when_not() {
        let i = Tensor::from([0i64, 1]);
        let merged = |selection: Selection| (selection.shape.to_vec(), selection.picks.expect("picks").axis);
        assert_eq!(merged(selection(&[2, 3, 4, 5], (.., &i, &i))), (vec![2, 12, 5], 1));
        assert_eq!(merged(selection(&[2, 3, 4, 5], (.., &i, .., &i))), (vec![15, 2, 4], 0));
        assert_eq!(merged(selection(&[2, 3, 4, 5], (0, .., &i))), (vec![4, 3, 5], 0));
        assert_eq!(merged(selection(&[2, 3, 4], (.., &i, Ellipsis, &i))), (vec![12, 2], 0));
        assert_eq!(merged(selection(&[2, 3, 4], (.., Ellipsis, &i, &i))), (vec![2, 12], 1));
        assert_eq!(merged(selection(&[2, 3, 4], (.., &i, NewAxis, &i))), (vec![12, 2, 1], 0));
    }
}

//! Changing parts of a tensor: [`Tensor::set`] and [`Tensor::with`].
//!
//! A regular part is overwritten by one primitive, in place where nobody else sees the memory. At computed positions
//! every element of the grid either stays or is read from the value, by `where` and a gather: that is linear in both
//! and needs no rule of its own, and a position that is written twice has one well-defined source.

use super::index::{Picks, Selection, operands};
use super::{DType, Index, IndexItem, IntoOperand, MAX_RANK, Number, Shape, Spec, Tensor};
use crate::autodiff::level::{misuse, settle};
use crate::error::Misfit;
use crate::ops::PutMode;

impl Tensor {
    /// Replaces the part that an index names by a tensor or number, which broadcasts to the part's shape.
    ///
    /// The variable is bound anew; other handles on the old tensor keep their values. With integers and ranges the
    /// memory is changed in place when nobody else sees it; with integer tensors and masks every element is read
    /// and written. Where an integer tensor names a position more than once, the last of its values stays. A mask is
    /// not asked for its value if the replacement is the same at all its positions, so `x.set(mask, 0.0)` works
    /// inside `vmap`.
    ///
    /// Gradient: `dy` outside the part for the old tensor, `dy` of the part for the value (zero for one that was
    /// overwritten by a later one).
    ///
    /// PyTorch: `x[..] = value`. JAX: `x.at[..].set(value)`.
    ///
    /// # Errors
    /// The tensor becomes invalid if the index does not fit ([`Tensor::at`]), or if the value's dtype is another or
    /// its shape does not broadcast to the part's. An invalid tensor stays so.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let mut y = Tensor::zeros([2, 3]);
    /// y.set((0, 1), 1.0);
    /// y.set((1, ..2), Tensor::from([2.0f32, 3.0]));
    /// y.set(y.eq(0.0), -1.0);
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 2.0, 3.0, -1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn set(&mut self, index: impl Index, value: impl IntoOperand) {
        let items = index.into_items();
        // Taken out of the variable, so that its memory may be reused when nobody else sees it.
        let x = std::mem::replace(self, Tensor::hollow());
        *self = assigned("set", x, items.as_ref(), &value, PutMode::Replace);
    }

    /// This tensor with the part that an index names replaced: [`Tensor::set`] on a copy.
    ///
    /// Gradient: as of [`Tensor::set`].
    /// PyTorch: `torch.index_put`. JAX: `x.at[..].set(value)`.
    ///
    /// ```
    /// # use retrograd::{step, Tensor};
    /// let x = Tensor::from([1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(x.with(step(.., 2), 0.0).to_vec::<f64>()?, [0.0, 2.0, 0.0, 4.0]);
    /// assert_eq!(x.with(-1, x.sum()).to_vec::<f64>()?, [1.0, 2.0, 3.0, 10.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn with(&self, index: impl Index, value: impl IntoOperand) -> Tensor {
        assigned("with", self.clone(), index.into_items().as_ref(), &value, PutMode::Replace)
    }

    /// This tensor with the part that an index names replaced by a tensor or number, or with that added to it, as often
    /// as a position comes up. The value broadcasts to the part's shape.
    ///
    /// Gradient: to replace, as [`Tensor::set`]; to add, `dy` for this tensor and `dy` of the part for the value.
    ///
    /// PyTorch: `torch.index_put`. JAX: `x.at[..].add`.
    ///
    /// ```
    /// # use retrograd::{PutMode, Tensor};
    /// let (x, i) = (Tensor::from([1.0, 2.0]), Tensor::from([0i64, 0, 1]));
    /// assert_eq!(x.index_put(i, 10.0, PutMode::Add).to_vec::<f64>()?, [21.0, 12.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn index_put(&self, index: impl Index, value: impl IntoOperand, mode: PutMode) -> Tensor {
        assigned("index_put", self.clone(), index.into_items().as_ref(), &value, mode)
    }
}

#[track_caller]
fn assigned(
    operation: &'static str,
    x: Tensor,
    items: &[IndexItem],
    value: &impl IntoOperand,
    mode: PutMode,
) -> Tensor {
    if x.error().is_some() {
        return x;
    }
    let selection = match Selection::new(&x.spec().shape, items) {
        Ok(selection) => selection,
        Err(misfit) => return misuse(operation, &operands(&x, items), misfit),
    };
    let replacement = Replacement { operation, x: &x, value };
    let part = match (&selection.picks, mode) {
        (None, PutMode::Replace) => replacement.fitted(selection.shape),
        (Some(picks), PutMode::Replace) => replacement.picked(&selection.view(&x), picks),
        (picks, PutMode::Add) => replacement.added(&selection.view(&x), picks.as_ref()),
    };
    if part.error().is_some() {
        return part;
    }
    let grid = selection.unview(&part);
    match selection.region {
        Some(region) => x.into_with_region(region, &grid),
        None => grid,
    }
}

/// A value on its way into a part of `x`.
struct Replacement<'a, V> {
    operation: &'static str,
    x: &'a Tensor,
    value: &'a V,
}

impl<V: IntoOperand> Replacement<'_, V> {
    /// The value in the shape of the part that it replaces; invalid if it does not broadcast to it.
    #[track_caller]
    fn fitted(&self, shape: Shape) -> Tensor {
        let Some(value) = self.value.as_tensor() else {
            let like = Tensor::splat(self.x.spec().with_shape(shape), Number::Int(0));
            return self.value.operand_for(&like, self.operation).into_owned();
        };
        if value.error().is_some() {
            return value.clone();
        }
        let (spec, dtype) = (*value.spec(), self.x.spec().dtype);
        if spec.dtype != dtype {
            let misfit =
                Misfit::dtype(format!("a value of dtype {} for a tensor of dtype {dtype}", spec.dtype));
            return self.refuse(value, misfit.help(format!("convert the value with `.{dtype}()`")));
        }
        let surplus = spec.shape.rank().saturating_sub(shape.rank());
        let own = Shape::of(&spec.shape[surplus..]);
        if spec.shape[..surplus].iter().any(|&dim| dim != 1) || own.broadcast(shape) != Some(shape) {
            let message =
                format!("a value of shape {} does not broadcast to the part's shape {shape}", spec.shape);
            return self.refuse(value, Misfit::shape(message));
        }
        value.reshape(own).broadcast_shape(shape)
    }

    /// `part` with the value added, everywhere or at the positions of its one axis that `picks` name.
    #[track_caller]
    fn added(&self, part: &Tensor, picks: Option<&Picks>) -> Tensor {
        let shape = part.spec().shape;
        let Some(picks) = picks else {
            let value = self.fitted(shape);
            return if value.error().is_some() { value } else { part + value };
        };
        let positions = picks.positions(self.operation);
        if positions.error().is_some() {
            return positions;
        }
        match self.targeted(&shape, picks.axis, &positions.spec().shape) {
            Ok(values) => part.index_add(picks.axis as isize, &positions, &values),
            Err(invalid) => invalid,
        }
    }

    /// The value in the shape of a part with an index's axes in place of `axis`.
    #[track_caller]
    fn targeted(&self, part: &Shape, axis: usize, index: &Shape) -> Result<Tensor, Tensor> {
        let target = Shape::of(&part[..axis]).concat(index).and_then(|shape| shape.concat(&part[axis + 1..]));
        let Some(target) = target else {
            let message =
                format!("the part would have more than {MAX_RANK} axes: {index} for axis {axis} of {part}");
            return Err(misuse(self.operation, &[self.x], Misfit::shape(message)));
        };
        let values = self.fitted(target);
        if values.error().is_some() { Err(values) } else { Ok(values) }
    }

    /// `part` with the value at the positions of its one axis that `picks` name.
    #[track_caller]
    fn picked(&self, part: &Tensor, picks: &Picks) -> Tensor {
        let (axis, shape) = (picks.axis, part.spec().shape);
        // The value as it is at each position, if it is the same at all.
        let row = shape.with_dim(axis, 1);
        let (hit, rows) = match &picks.each[..] {
            [mask] if mask.index.spec().dtype == DType::Bool && self.is_uniform(&row, axis, 1) => {
                (mask.index.reshape(Shape::of(&[shape[axis]])), self.fitted(row))
            }
            _ => {
                let positions = picks.positions(self.operation);
                if positions.error().is_some() {
                    return positions;
                }
                let index = positions.spec().shape;
                let last = last_writes(&positions, shape.dim(axis));
                let uniform = self.is_uniform(&row, axis, index.rank());
                let rows = if uniform { self.fitted(row) } else { self.chosen(&shape, axis, &index, &last) };
                (last.ge(0), rows)
            }
        };
        if rows.error().is_some() {
            return rows;
        }
        let mut column = Shape::of(&shape[axis..]);
        (1..column.rank()).for_each(|after| column = column.with_dim(after, 1));
        hit.reshape(column).where_(&rows, part)
    }

    /// Whether the value is the same at all positions of an index of the given rank, and fits beside them: `row` has
    /// length 1 at `axis`, in place of the index's axes.
    fn is_uniform(&self, row: &Shape, axis: usize, index_rank: usize) -> bool {
        self.value.as_tensor().is_none_or(|value| {
            let value = value.spec().shape;
            let ends_behind_index = value.rank() < row.rank() - axis;
            (index_rank == 1 || ends_behind_index) && value.broadcast(*row) == Some(*row)
        })
    }

    /// For each position of `axis` of a part of the given shape the value that is written there last, some other
    /// where none is.
    #[track_caller]
    fn chosen(&self, part: &Shape, axis: usize, index: &Shape, last: &Tensor) -> Tensor {
        let values = match self.targeted(part, axis, index) {
            Ok(values) => values,
            Err(invalid) => return invalid,
        };
        if index.numel() == 0 {
            return Tensor::splat(self.x.spec().with_shape(*part), Number::Int(0));
        }
        values.reshape(part.with_dim(axis, index.numel())).index_select(axis as isize, &last.maximum(0))
    }

    #[track_caller]
    fn refuse(&self, value: &Tensor, misfit: Box<Misfit>) -> Tensor {
        misuse(self.operation, &[self.x, value], misfit)
    }
}

/// For each of `length` positions the place (row-major) in `positions` where it comes up last; -1 where it does not.
#[track_caller]
fn last_writes(positions: &Tensor, length: usize) -> Tensor {
    let positions = settle(positions);
    let count = positions.spec().shape.numel();
    if positions.concrete().is_some()
        && let Ok(positions) = positions.to_vec::<i64>()
    {
        let mut last = vec![-1; length];
        for (place, position) in (0..).zip(positions) {
            last[position as usize] = place;
        }
        return Tensor::from_vec::<i64>(last, [length]);
    }
    if count == 0 {
        return Tensor::splat(Spec::new(Shape::of(&[length as u32]), DType::I64), Number::Int(-1));
    }
    // Positions without a value (a batch, a trace) are compared with all there are.
    let meets = positions.reshape([count, 1]).eq(Tensor::arange(length as i64));
    meets.where_(Tensor::arange(count as i64).reshape([count, 1]), -1).amax_dim(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::specs_of;

    #[test]
    fn symbolic_indices_and_values_are_traced_without_asking_for_a_value() {
        let x = Spec::new(Shape::of(&[2, 3]), DType::F32);
        let (index, mask) = (Spec::new(Shape::of(&[4]), DType::I64), Spec::new(Shape::of(&[3]), DType::Bool));
        let value = x.with_shape(Shape::of(&[4]));
        let traced = specs_of(&[x, index, mask, value], |x| {
            let (x, index, mask, value) = (&x[0], &x[1], &x[2], &x[3]);
            Ok(vec![
                x.with((index, index), value),
                x.with((.., mask), 1.0),
                x.with((index, 0), value),
                x.at((1, index)),
            ])
        });
        assert_eq!(traced.expect("no value is needed"), [x, x, x, value]);
    }

    #[test]
    fn a_position_without_a_write_has_no_source() {
        let last = last_writes(&Tensor::from([2i64, 0, 2]), 4);
        assert_eq!(last.to_vec::<i64>().expect("concrete"), [1, -1, 2, -1]);
        let none = last_writes(&Tensor::zeros([0]).i64(), 2);
        assert_eq!(none.to_vec::<i64>().expect("concrete"), [-1, -1]);
    }
}

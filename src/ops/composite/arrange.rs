//! Tensors repeated, turned, joined and crossed.

use crate::autodiff::level::{misuse, origin, value_of};
use crate::error::Misfit;
use crate::ops::movement::too_many_axes;
use crate::ops::reduce::IntoAxes;
use crate::tensor::{IntoOperand, IntoShape, Shape, Tensor};

impl Tensor {
    /// The whole tensor repeated along each axis as often as `counts` says; more counts than axes make new leading
    /// ones. (For each element repeated see [`Tensor::repeat_interleave`].)
    ///
    /// Gradient: summed over the copies.
    ///
    /// PyTorch: `torch.Tensor.repeat`. JAX: `jnp.tile`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, 2.0]).repeat([2, 2]);
    /// assert_eq!(x.shape(), [2, 4]);
    /// assert_eq!(x.to_vec::<f64>()?[..4], [1.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat(&self, counts: impl IntoShape) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        match counts.into_shape() {
            Ok(counts) if counts.rank() < self.spec().shape.rank() => {
                let message = format!("{} counts for the {} axes", counts.rank(), self.spec().shape.rank());
                let help = "give one count an axis, or see `tile`, which completes them with ones";
                misuse("repeat", &[self], Misfit::shape(message).help(help))
            }
            Ok(counts) => self.tiled("repeat", &counts),
            Err(message) => misuse("repeat", &[self], Misfit::shape(message)),
        }
    }

    /// [`Tensor::repeat`], where fewer counts than axes stand for the last ones.
    ///
    /// Gradient: summed over the copies.
    ///
    /// PyTorch: `torch.tile`. JAX: `jnp.tile`.
    #[track_caller]
    pub fn tile(&self, counts: impl IntoShape) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let counts = counts.into_shape();
        let missing = |counts: &Shape| self.spec().shape.rank().saturating_sub(counts.rank());
        match counts.and_then(|counts| [vec![1; missing(&counts)], counts.to_vec()].concat().into_shape()) {
            Ok(counts) => self.tiled("tile", &counts),
            Err(message) => misuse("tile", &[self], Misfit::shape(message)),
        }
    }

    /// Copies along each axis; there are at least as many counts as axes.
    #[track_caller]
    fn tiled(&self, operation: &'static str, counts: &Shape) -> Tensor {
        let own = self.spec().shape;
        let lead = counts.rank() - own.rank();
        let dims: Vec<usize> =
            (0..counts.rank()).map(|axis| if axis < lead { 1 } else { own.dim(axis - lead) }).collect();
        let mut y = self.reshape(dims);
        // The last axis first: the fewer elements are copied more often.
        for axis in (0..counts.rank()).rev() {
            if y.error().is_some() {
                break;
            }
            y = y.copies(operation, axis, counts.dim(axis), axis);
        }
        y
    }

    /// `count` times as many positions on `axis`: copies of the whole axis, if the new axis goes `before` it, or of
    /// each position, if it goes before the next one.
    #[track_caller]
    fn copies(&self, operation: &'static str, axis: usize, count: usize, before: usize) -> Tensor {
        let shape = self.spec().shape;
        let Some(length) = shape.dim(axis).checked_mul(count).filter(|&n| u32::try_from(n).is_ok()) else {
            let message = format!("axis {axis} of {shape}, {count} times, is longer than {}", u32::MAX);
            return misuse(operation, &[self], Misfit::shape(message));
        };
        let Some(target) = shape.with_dim(axis, length).countable() else {
            return misuse(operation, &[self], too_many_axes());
        };
        if shape.dim(axis) == 1 || count == 1 {
            return self.broadcast_shape(target);
        }
        // Three axes, so that no limit on their number is met.
        let outer: usize = shape.to_vec()[..before].iter().product();
        let inner: usize = shape.to_vec()[before..].iter().product();
        self.reshape([outer, 1, inner]).broadcast_to([outer, count, inner]).reshape(target)
    }

    /// Each position of an axis repeated `counts` times: a number, or an integer tensor with a count for each position
    /// (or one for all), which must have a value.
    ///
    /// Gradient: summed over the copies.
    ///
    /// PyTorch: `torch.repeat_interleave`. JAX: `jnp.repeat`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, 2.0]);
    /// assert_eq!(x.repeat_interleave(2, 0).to_vec::<f64>()?, [1.0, 1.0, 2.0, 2.0]);
    /// assert_eq!(x.repeat_interleave(Tensor::from([0i64, 3]), 0).to_vec::<f64>()?, [2.0, 2.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, counts: impl IntoOperand, axis: isize) -> Tensor {
        let at = match self.axis_or("repeat_interleave", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        let given = counts.operand_for(&Tensor::from(0i64), "repeat_interleave");
        if given.error().is_some() {
            return given.into_owned();
        }
        if !given.spec().dtype.is_int() {
            let message = format!("counts are integers, got {}", given.spec().dtype);
            return misuse("repeat_interleave", &[self, &given], Misfit::dtype(message));
        }
        let values = match value_of(&given).and_then(|given| given.to_vec::<i64>()) {
            Ok(values) => values,
            Err(error) => {
                let error = error.of_operation("", Vec::new(), origin());
                return Tensor::invalid(error.context("repeat_interleave reads counts"));
            }
        };
        let length = self.spec().shape.dim(at);
        if values.len() != 1 && (values.len() != length || given.spec().shape.rank() != 1) {
            let message = format!("counts of shape {} for axis {axis} of {length}", given.spec().shape);
            return misuse("repeat_interleave", &[self, &given], Misfit::shape(message));
        }
        if let Some(negative) = values.iter().find(|&&count| count < 0) {
            let message = format!("a position cannot be repeated {negative} times");
            return misuse("repeat_interleave", &[self, &given], Misfit::data(message));
        }
        if let [count] = values[..] {
            return self.copies("repeat_interleave", at, count as usize, at + 1);
        }
        let total = values.iter().fold(0usize, |sum, &count| sum.saturating_add(count as usize));
        if let Err(message) = Shape::checked(&[total]) {
            return self.refuse_shape("repeat_interleave", message);
        }
        let positions = (0i64..).zip(&values).flat_map(|(i, &count)| std::iter::repeat_n(i, count as usize));
        self.index_select(at as isize, &Tensor::from(positions.collect::<Vec<i64>>()))
    }

    /// The elements moved on by `shifts` positions along each of the axes; those that leave at the end come in at the
    /// start. Negative shifts move back.
    ///
    /// Gradient: moved back.
    ///
    /// PyTorch: `torch.roll`. JAX: `jnp.roll`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::arange(4).roll(1, 0).to_vec::<i64>()?, [3, 0, 1, 2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: impl IntoAxes, axes: impl IntoAxes) -> Tensor {
        let (shifts, axes) = (shifts.as_axes(), axes.as_axes());
        if shifts.len() != axes.len() {
            let message = format!("{} shifts for {} axes", shifts.len(), axes.len());
            return misuse("roll", &[self], Misfit::shape(message).help("give one shift an axis"));
        }
        let mut y = self.clone();
        for (&shift, &axis) in shifts.iter().zip(axes) {
            let length = match y.axis_or("roll", axis) {
                Ok(axis) => y.spec().shape.dim(axis),
                Err(invalid) => return invalid,
            };
            let shift = if length == 0 { 0 } else { shift.rem_euclid(length as isize) as usize };
            if shift > 0 {
                let (head, tail) = (y.narrow(axis, 0, length - shift), y.narrow(axis, length - shift, shift));
                y = Tensor::cat(&[tail, head], axis);
            }
        }
        y
    }

    /// The elements of a matrix (or of more axes) in reverse order along axis 1. Gradient: reversed back.
    ///
    /// PyTorch: `torch.fliplr`. JAX: `jnp.fliplr`.
    #[track_caller]
    pub fn fliplr(&self) -> Tensor {
        self.flip(1)
    }

    /// The elements in reverse order along axis 0. Gradient: reversed back.
    ///
    /// PyTorch: `torch.flipud`. JAX: `jnp.flipud`.
    #[track_caller]
    pub fn flipud(&self) -> Tensor {
        self.flip(0)
    }

    /// The tensor turned by `quarters` right angles in the plane of two axes, from the first to the second; a negative
    /// number turns the other way. Gradient: turned back.
    ///
    /// PyTorch: `torch.rot90`. JAX: `jnp.rot90`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]).rot90(1, [0, 1]);
    /// assert_eq!(x.to_vec::<f64>()?, [2.0, 4.0, 1.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn rot90(&self, quarters: isize, plane: [isize; 2]) -> Tensor {
        if let Err(invalid) = self.axes_or("rot90", &plane) {
            return invalid;
        }
        let [a, b] = plane;
        match quarters.rem_euclid(4) {
            0 => self.clone(),
            1 => self.flip(b).transpose(a, b),
            2 => self.flip(plane),
            _ => self.transpose(a, b).flip(b),
        }
    }

    /// [`Tensor::transpose`] under NumPy's name. Gradient: the same exchange.
    ///
    /// PyTorch: `torch.swapaxes`. JAX: `jnp.swapaxes`.
    #[track_caller]
    pub fn swapaxes(&self, a: isize, b: isize) -> Tensor {
        self.transpose(a, b)
    }

    /// Tensors side by side: vectors and numbers one after the other, others along axis 1. Gradient: each gets its part.
    ///
    /// PyTorch: `torch.hstack`. JAX: `jnp.hstack`.
    #[track_caller]
    pub fn hstack(tensors: &[Tensor]) -> Tensor {
        // Loops here and below, since a closure would hide the caller's line.
        let mut parts = Vec::with_capacity(tensors.len());
        for x in tensors {
            parts.push(x.atleast_1d());
        }
        let axis = isize::from(parts.first().is_some_and(|first| first.rank_or_zero() > 1));
        Tensor::cat(&parts, axis)
    }

    /// Tensors below one another, along axis 0; vectors and numbers are rows. Gradient: each gets its part.
    ///
    /// PyTorch: `torch.vstack`. JAX: `jnp.vstack`.
    #[track_caller]
    pub fn vstack(tensors: &[Tensor]) -> Tensor {
        let mut parts = Vec::with_capacity(tensors.len());
        for x in tensors {
            parts.push(x.atleast_2d());
        }
        Tensor::cat(&parts, 0)
    }

    /// Tensors behind one another, along axis 2; those of lower rank as [`Tensor::atleast_3d`]. Gradient: each gets its
    /// part.
    ///
    /// PyTorch: `torch.dstack`. JAX: `jnp.dstack`.
    #[track_caller]
    pub fn dstack(tensors: &[Tensor]) -> Tensor {
        let mut parts = Vec::with_capacity(tensors.len());
        for x in tensors {
            parts.push(x.atleast_3d());
        }
        Tensor::cat(&parts, 2)
    }

    /// Tensors side by side, along axis 1; vectors and numbers are columns. Gradient: each gets its part.
    ///
    /// PyTorch: `torch.column_stack`. JAX: `jnp.column_stack`.
    #[track_caller]
    pub fn column_stack(tensors: &[Tensor]) -> Tensor {
        let mut parts = Vec::with_capacity(tensors.len());
        for x in tensors {
            let column = x.error().is_none() && x.spec().shape.rank() < 2;
            parts.push(if column { x.atleast_2d().t() } else { x.clone() });
        }
        Tensor::cat(&parts, 1)
    }

    /// Tensors repeated, without copying, to their common shape. Where there is none, each is invalid.
    ///
    /// Gradient: summed over the repeated axes.
    ///
    /// PyTorch: `torch.broadcast_tensors`. JAX: `jnp.broadcast_arrays`.
    #[track_caller]
    pub fn broadcast_tensors(tensors: &[Tensor]) -> Vec<Tensor> {
        if let Some(invalid) = tensors.iter().find(|x| x.error().is_some()) {
            return vec![invalid.clone(); tensors.len()];
        }
        let mut common = Shape::SCALAR;
        for x in tensors {
            let shape = x.spec().shape;
            match common.broadcast(shape) {
                Some(both) => common = both,
                None => {
                    let message = format!("shapes {common} and {shape} do not broadcast");
                    let refs: Vec<&Tensor> = tensors.iter().collect();
                    return vec![misuse("broadcast_tensors", &refs, Misfit::shape(message)); tensors.len()];
                }
            }
        }
        let mut all = Vec::with_capacity(tensors.len());
        for x in tensors {
            all.push(x.broadcast_shape(common));
        }
        all
    }

    /// Coordinates of the grid that vectors (or numbers) span: one tensor for each, without copying. Where there is
    /// none, each is invalid.
    ///
    /// Gradient: summed over the axes that repeat.
    ///
    /// PyTorch: `torch.meshgrid`. JAX: `jnp.meshgrid`.
    ///
    /// ```
    /// # use retrograd::{GridOrder, Tensor};
    /// let grid = Tensor::meshgrid(&[Tensor::arange(2), Tensor::arange(3)], GridOrder::Ij);
    /// assert_eq!(grid[0].to_vec::<i64>()?, [0, 0, 0, 1, 1, 1]);
    /// assert_eq!(grid[1].to_vec::<i64>()?, [0, 1, 2, 0, 1, 2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn meshgrid(tensors: &[Tensor], order: GridOrder) -> Vec<Tensor> {
        if let Some(invalid) = tensors.iter().find(|x| x.error().is_some()) {
            return vec![invalid.clone(); tensors.len()];
        }
        if let Some(other) = tensors.iter().find(|x| x.spec().shape.rank() > 1) {
            let message = format!("a grid is spanned by vectors, got shape {}", other.spec().shape);
            return vec![misuse("meshgrid", &[other], Misfit::shape(message)); tensors.len()];
        }
        let place = |i: usize| match (order, i) {
            (GridOrder::Xy, 0 | 1) if tensors.len() > 1 => 1 - i,
            _ => i,
        };
        let mut dims = vec![1; tensors.len()];
        for (i, x) in tensors.iter().enumerate() {
            dims[place(i)] = x.spec().shape.numel();
        }
        let grid = match Shape::checked(&dims) {
            Ok(grid) => grid,
            Err(message) => {
                return vec![misuse("meshgrid", &[], Misfit::shape(message)); tensors.len()];
            }
        };
        let mut coordinates = Vec::with_capacity(tensors.len());
        for (i, x) in tensors.iter().enumerate() {
            let mut own = vec![1; tensors.len()];
            own[place(i)] = x.spec().shape.numel();
            coordinates.push(x.reshape(own).broadcast_shape(grid));
        }
        coordinates
    }

    /// All combinations of the elements of vectors: a row for each, a column for each vector (one vector is itself).
    /// The last one varies fastest.
    ///
    /// Gradient: summed over the combinations.
    ///
    /// PyTorch: `torch.cartesian_prod`. JAX: none.
    #[track_caller]
    pub fn cartesian_prod(tensors: &[Tensor]) -> Tensor {
        if let [only] = tensors {
            return only.atleast_1d();
        }
        let mut columns = Tensor::meshgrid(tensors, GridOrder::Ij);
        for column in &mut columns {
            *column = column.ravel();
        }
        Tensor::stack(&columns, 1)
    }
}

/// Which axis of a [`Tensor::meshgrid`] the first vector runs along.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GridOrder {
    /// The first axis, as indices of a matrix.
    Ij,
    /// The second axis, and the second vector along the first, as coordinates of a picture.
    Xy,
}

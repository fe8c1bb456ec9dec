//! Masks, and positions in the flat order of elements.

use crate::autodiff::level::{misuse, origin, value_of};
use crate::error::Misfit;
use crate::ops::arithmetic::IntoOperand;
use crate::tensor::{DType, Number, Shape, Tensor};

impl Tensor {
    /// The tensor with a number (or tensor of rank 0) where a bool mask holds; the mask broadcasts to the tensor.
    ///
    /// Gradient: `dy` where the mask does not hold; for the value its sum where it does.
    ///
    /// PyTorch: `torch.masked_fill`. JAX: `jnp.where`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([1.0, -2.0]);
    /// assert_eq!(x.masked_fill(&x.lt(0.0), 9.0).to_vec::<f64>()?, [1.0, 9.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl IntoOperand) -> Tensor {
        let mask = match self.masked_by("masked_fill", mask) {
            Ok(mask) => mask,
            Err(invalid) => return invalid,
        };
        let like = Tensor::splat(self.spec().with_shape(Shape::SCALAR), Number::Int(0));
        let value = value.operand_for(&like, "masked_fill");
        if value.error().is_none() && value.spec().shape.rank() > 0 {
            let message =
                format!("the value is a number or a tensor of rank 0, got shape {}", value.spec().shape);
            let misfit = Misfit::shape(message).help("see `where_`, or `masked_scatter`");
            return misuse("masked_fill", &[self, &mask, &value], misfit);
        }
        mask.where_(&*value, self)
    }

    /// The elements where a bool mask holds, in row-major order, as a vector; the mask broadcasts to the tensor. It must
    /// have a value, so it does not work inside `vmap` (use [`Tensor::where_`]).
    ///
    /// Gradient: `dy` where the mask holds, zero elsewhere.
    ///
    /// PyTorch: `torch.masked_select`. JAX: `x[mask]`.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Tensor {
        match self.mask_places("masked_select", mask) {
            Ok((_, places)) => self.take(&Tensor::from(places)),
            Err(invalid) => invalid,
        }
    }

    /// The tensor with the first elements of `source` (in row-major order) where a bool mask holds, one after the other;
    /// the mask broadcasts to the tensor. It must have a value, so it does not work inside `vmap`.
    ///
    /// Gradient: `dy` where the mask does not hold; for the source `dy` where it does, zero for elements left over.
    ///
    /// PyTorch: `torch.Tensor.masked_scatter`. JAX: `x.at[mask].set`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (x, mask) = (Tensor::zeros([3]), Tensor::from([true, false, true]));
    /// assert_eq!(x.masked_scatter(&mask, &Tensor::from([1f32, 2.0])).to_vec::<f32>()?, [1.0, 0.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Tensor {
        let (mask, places) = match self.mask_places("masked_scatter", mask) {
            Ok(found) => found,
            Err(invalid) => return invalid,
        };
        if source.error().is_some() {
            return source.clone();
        }
        let have = source.spec().shape.numel();
        if have < places.len() {
            let message =
                format!("the mask holds at {} places, the source has {have} elements", places.len());
            return misuse("masked_scatter", &[self, &mask, source], Misfit::data(message));
        }
        self.with(&mask, source.ravel().narrow(0, 0, places.len()))
    }

    /// Positions of the elements that are not zero (or true), in row-major order: i64 `[count, rank]`. They must have
    /// values, so it does not work inside `vmap`. NaN is not zero. No gradient.
    ///
    /// PyTorch: `torch.nonzero`. JAX: `jnp.argwhere`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[0.0, 1.0], [2.0, 0.0]]);
    /// assert_eq!(x.nonzero().to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn nonzero(&self) -> Tensor {
        self.positions_of("nonzero")
    }

    /// [`Tensor::nonzero`] under its other name. No gradient.
    ///
    /// PyTorch: `torch.argwhere`. JAX: `jnp.argwhere`.
    #[track_caller]
    pub fn argwhere(&self) -> Tensor {
        self.positions_of("argwhere")
    }

    #[track_caller]
    fn positions_of(&self, operation: &'static str) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        let places = match true_places(operation, &self.bool()) {
            Ok(places) => places,
            Err(invalid) => return invalid,
        };
        let strides = shape.strides();
        let position = |&place: &i64| {
            (0..shape.rank()).map(move |axis| place / strides[axis] as i64 % i64::from(shape[axis]))
        };
        let positions: Vec<i64> = places.iter().flat_map(position).collect();
        Tensor::from_vec(positions, [places.len(), shape.rank()])
    }

    /// The elements at positions (i64 or i32) in row-major order, in the index's shape; negative ones count from the
    /// end.
    ///
    /// Gradient: added up at the positions.
    ///
    /// PyTorch: `torch.take`. JAX: `jnp.take`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.take(&Tensor::from([3i64, 0])).to_vec::<f64>()?, [4.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Tensor {
        self.ravel().index_select(0, index)
    }

    /// The tensor with the elements of `source` at positions (i64 or i32) in row-major order: in place of what is there
    /// (the last one stays where a position comes up twice), or added to it.
    ///
    /// Gradient: as [`Tensor::scatter`], or [`Tensor::scatter_add`].
    ///
    /// PyTorch: `torch.Tensor.put_`. JAX: `jnp.put`.
    #[track_caller]
    pub fn put(&self, index: &Tensor, source: &Tensor, mode: PutMode) -> Tensor {
        if let Some(invalid) = [self, index, source].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        if index.spec().shape != source.spec().shape {
            let (i, s) = (index.spec().shape, source.spec().shape);
            let message = format!("index shape {i} and source shape {s} differ");
            return misuse("put", &[self, index, source], Misfit::shape(message));
        }
        let (flat, index, source) = (self.ravel(), index.ravel(), source.ravel());
        let put = match mode {
            PutMode::Replace => flat.scatter(0, &index, source),
            PutMode::Add => flat.scatter_add(0, &index, &source),
        };
        if put.error().is_some() { put } else { put.reshape(self.spec().shape) }
    }

    /// The mask in this tensor's shape.
    #[track_caller]
    fn masked_by(&self, operation: &'static str, mask: &Tensor) -> Result<Tensor, Tensor> {
        if let Some(invalid) = [self, mask].into_iter().find(|x| x.error().is_some()) {
            return Err(invalid.clone());
        }
        let (shape, own) = (mask.spec().shape, self.spec().shape);
        if mask.spec().dtype != DType::Bool {
            let misfit = Misfit::dtype(format!("a mask is bool, got {}", mask.spec().dtype));
            return Err(misuse(
                operation,
                &[self, mask],
                misfit.help("compare to get one, for example `x.gt(0.0)`"),
            ));
        }
        if shape.broadcast(own) != Some(own) {
            let message = format!("a mask of shape {shape} does not broadcast to {own}");
            return Err(misuse(operation, &[self, mask], Misfit::shape(message)));
        }
        Ok(mask.broadcast_shape(own))
    }

    /// The mask in this tensor's shape, and where it holds.
    #[track_caller]
    fn mask_places(&self, operation: &'static str, mask: &Tensor) -> Result<(Tensor, Vec<i64>), Tensor> {
        let mask = self.masked_by(operation, mask)?;
        let places = true_places(operation, &mask)?;
        Ok((mask, places))
    }
}

/// What [`Tensor::put`] and [`Tensor::index_put`] do with what is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PutMode {
    /// It is replaced.
    Replace,
    /// It is added to, as often as a position comes up.
    Add,
}

/// Row-major numbers of the elements that hold.
#[track_caller]
pub(crate) fn true_places(operation: &'static str, mask: &Tensor) -> Result<Vec<i64>, Tensor> {
    match value_of(mask).and_then(|mask| mask.to_vec::<bool>()) {
        Ok(holds) => Ok((0..).zip(holds).filter_map(|(i, holds)| holds.then_some(i)).collect()),
        Err(error) => {
            let error = error.of_operation("", Vec::new(), origin());
            Err(Tensor::invalid(error.context(format!("{operation} reads a bool mask"))))
        }
    }
}

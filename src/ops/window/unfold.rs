//! Windows that slide along an axis.

use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Kernel, View};
use crate::ops::linear::{Linear, LinearMap};
use crate::ops::movement::too_many_axes;
use crate::ops::operands::InputSet;
use crate::ops::primitive::Residuals;
use crate::tensor::{Number, Spec, Tensor};

/// Windows of `size` positions of an axis, each `step` further on. They take the axis' place, and the positions in
/// a window are a new last axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Windows {
    axis: usize,
    size: usize,
    /// At least 1.
    step: usize,
}

impl Linear for Windows {
    const NAME: &'static str = "unfold";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let length = x[0].shape.dim(self.axis);
        let Some(rest) = length.checked_sub(self.size) else {
            return Err(Misfit::shape(format!(
                "a window of {} positions is longer than axis {}, which has {length}",
                self.size, self.axis
            )));
        };
        let windows = x[0].shape.with_dim(self.axis, rest / self.step + 1);
        let shape = windows.with_axis(windows.rank(), self.size).ok_or_else(too_many_axes)?;
        Ok(x[0].with_shape(shape))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::View(View::Windows(self.axis, self.step))
    }

    fn transpose(&self, at: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        let (axis, x) = (self.axis as isize, at.spec(0));
        let count = dy.spec().shape.dim(self.axis);
        let starts = Tensor::arange(count as i64) * self.step;
        let positions = starts.unsqueeze(1) + Tensor::arange(self.size as i64);
        Tensor::splat(*x, Number::Int(0)).index_add(axis, &positions, &dy.movedim(-1, axis + 1))
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        bind(&LinearMap(Windows { axis: self.axis + 1, ..*self }), x)
    }
}

impl Tensor {
    /// Windows of `size` positions of an axis, each `step` further on than the one before, as a view: they take the
    /// axis' place, and the positions in a window are a new last axis. Positions after the last whole window are left
    /// out. Size and step are at least 1.
    ///
    /// Gradient: added up where windows overlap.
    ///
    /// PyTorch: `torch.Tensor.unfold`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let windows = Tensor::arange(5).unfold(0, 3, 2);
    /// assert_eq!(windows.shape(), [2, 3]);
    /// assert_eq!(windows.to_vec::<i64>()?, [0, 1, 2, 2, 3, 4]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn unfold(&self, axis: isize, size: usize, step: usize) -> Tensor {
        match self.axis_or("unfold", axis) {
            Ok(_) if size == 0 || step == 0 => {
                let message =
                    format!("windows of {size} positions, each {step} further on: both are at least 1");
                misuse("unfold", &[self], Misfit::shape(message))
            }
            Ok(axis) => {
                // A longer step yields no second window either, and takes strides out of range.
                let step = step.min(self.spec().shape.dim(axis).max(1));
                bind(&LinearMap(Windows { axis, size, step }), &[self])
            }
            Err(invalid) => invalid,
        }
    }
}

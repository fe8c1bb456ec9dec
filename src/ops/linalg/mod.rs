//! Linear algebra on the matrices in the last two axes, in f32 and f64: the feature `linalg`.
//!
//! | file | contents |
//! |---|---|
//! | `lu` | the factorisation, and `solve` with it |
//! | `inverse` | `inv` |
//! | `determinant` | `det`, `slogdet`, `logdet` |
//! | `triangular` | `solve_triangular` |
//! | `cholesky` | `cholesky`, and solving with its factor |
//!
//! A factorisation by elimination is no function that anybody differentiates. It goes beside its matrix into the
//! primitives that use it, which are functions of the matrix alone: what is factored once serves their derivatives.

mod cholesky;
mod determinant;
mod inverse;
mod lu;
mod triangular;

pub use triangular::{Triangle, Triangular};

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::movement::too_many_axes;
use crate::ops::pointwise::mixed_dtypes;
use crate::tensor::{DType, Shape, Spec, Tensor};

impl Tensor {
    /// The shape of a tensor of square matrices in f32 or f64, or the refusal of others.
    #[track_caller]
    fn real_matrices(&self, operation: &'static str) -> Result<Shape, Tensor> {
        let shape = self.square_matrices(operation)?;
        match self.spec().dtype {
            DType::F32 | DType::F64 => Ok(shape),
            dtype => {
                let misfit = Misfit::dtype(format!("linear algebra is done in f32 and f64, got {dtype}"));
                Err(misuse(operation, &[self], misfit.help("convert with `.f32()` or `.f64()`")))
            }
        }
    }
}

/// A system of equations, the leading axes of matrices and right-hand sides made the same.
struct System {
    /// The leading axes of both.
    lead: Shape,
    /// The length of the square matrices.
    n: usize,
    /// The right-hand sides, as columns.
    b: Tensor,
    /// Whether each is a vector, whose result has no axis of columns.
    vector: bool,
}

impl System {
    /// `b` as right-hand sides of the matrices `a`: a vector if it has one axis, or if its shape is that of `a` without
    /// the last, as PyTorch has it.
    #[track_caller]
    fn new(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<System, Tensor> {
        if b.error().is_some() && a.error().is_none() {
            return Err(b.clone());
        }
        a.real_matrices(operation)?;
        match sides(a.spec(), b.spec()) {
            Ok((shape, vector)) => {
                let lead = shape.rank() - 2;
                let b = if vector { b.unsqueeze(-1) } else { b.clone() };
                let b = b.broadcast_shape(shape);
                Ok(System { lead: Shape::of(&shape[..lead]), n: shape.dim(lead), b, vector })
            }
            Err(misfit) => Err(misuse(operation, &[a, b], misfit)),
        }
    }

    /// A tensor of matrices of this system, for all leading axes.
    #[track_caller]
    fn matrices(&self, a: &Tensor) -> Tensor {
        self.repeated(a, &[self.n as u32; 2])
    }

    #[track_caller]
    fn repeated(&self, x: &Tensor, last: &[u32]) -> Tensor {
        x.broadcast_shape(self.lead.concat(last).expect("`new` has checked it"))
    }

    /// The result in the shape that was asked for.
    #[track_caller]
    fn result(&self, x: Tensor) -> Tensor {
        if self.vector { x.squeeze(-1) } else { x }
    }
}

/// The shape of all right-hand sides `b` of square matrices `a`, as columns, and whether each is a vector.
fn sides(a: &Spec, b: &Spec) -> Result<(Shape, bool), Box<Misfit>> {
    if a.dtype != b.dtype {
        return Err(mixed_dtypes(a.dtype, b.dtype));
    }
    let (lead, n) = (a.shape.rank() - 2, a.shape[a.shape.rank() - 1]);
    let vector = b.shape.rank() == 1 || b.shape[..] == a.shape[..lead + 1];
    let (rows, columns) = match b.shape.rank() {
        0 => (None, 1),
        rank if vector => (Some(rank - 1), 1),
        rank => (Some(rank - 2), b.shape[rank - 1]),
    };
    let Some(rows) = rows.filter(|&axis| b.shape[axis] == n) else {
        let message =
            format!("right-hand sides {} do not have the {n} rows of the matrices {}", b.shape, a.shape);
        return Err(Misfit::shape(message).help("they are vectors, or matrices of columns"));
    };
    let batches = Shape::of(&a.shape[..lead]).broadcast(Shape::of(&b.shape[..rows]));
    let Some(batches) = batches else {
        let message = format!("batch axes of {} and {} do not broadcast", a.shape, b.shape);
        return Err(Misfit::shape(message));
    };
    match (batches.concat(&[n, n]), batches.concat(&[n, columns])) {
        (Some(_), Some(shape)) => Ok((shape, vector)),
        _ => Err(too_many_axes()),
    }
}

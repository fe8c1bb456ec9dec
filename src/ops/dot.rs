//! Matrix products: bilinear, with two transposes.

use super::join::cat_of;
use super::movement::too_many_axes;
use super::operands::{InputSet, Outputs};
use super::pointwise::{Domain, mixed_dtypes};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::Kernel;
use crate::graph::{Seen, Value};
use crate::tensor::{DType, Shape, Spec, Tensor};

/// `y[b, i, j] = sum over k of x0[b, i, k] * x1[b, k, j]`, `b` standing for any leading axes, equal in both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Dot;

const A: InputSet = InputSet::one(0);
const B: InputSet = InputSet::one(1);

impl Primitive for Dot {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let (a, b) = (x[0].shape, x[1].shape);
        if x[0].dtype != x[1].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[1].dtype));
        }
        Domain::Numbers.check(x[0].dtype)?;
        let rank = a.rank();
        if a[rank - 1] != b[rank - 2] {
            return Err(Misfit::shape(format!("inner lengths differ: {a} times {b}"))
                .help("the last axis of the first is as long as the last but one of the second; see `t`"));
        }
        if a[..rank - 2] != b[..rank - 2] {
            return Err(Misfit::shape(format!("batch axes of {a} and {b} do not broadcast")));
        }
        let product = a.with_dim(rank - 1, b.dim(rank - 1)).countable().ok_or_else(too_many_axes)?;
        Ok(x[0].with_shape(product))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Dot
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        let for_a = if needs.contains(0) { B } else { InputSet::NONE };
        let for_b = if needs.contains(1) { A } else { InputSet::NONE };
        Some(Reads::inputs(for_a.union(for_b)))
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let from_a = dx[0].map(|da| bind(&Dot, &[da, at.x(1)]));
        let from_b = dx[1].map(|db| bind(&Dot, &[at.x(0), db]));
        dy[0] = match (from_a, from_b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        if needs.contains(0) {
            dx[0] = Some(bind(&Dot, &[dy, &at.x(1).t()]));
        }
        if needs.contains(1) {
            dx[1] = Some(bind(&Dot, &[&at.x(0).t(), dy]));
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        let flat = x[0].spec().shape.rank() == 3 && x[1].spec().shape.rank() == 2;
        if !batched.contains(1) && flat {
            // One product with all examples' rows.
            return Outputs::One(fold_rows(x[0], x[1]));
        }
        let all = |i: usize| if batched.contains(i) { x[i].clone() } else { x[i].repeated(size) };
        Outputs::One(bind(&Dot, &[&all(0), &all(1)]))
    }
}

/// The sum of several products as one: `a b + c d = [a c] [b; d]`. None unless writing and adding the products is more
/// work than copying their operands; nor of 16-bit floats, whose every product is rounded, nor of integers.
///
/// In reverse: walking back adds last the term of the first step, and operands that are gathered elsewhere too are so in
/// the order of steps.
pub(super) fn one_product(products: &[Seen<'_>]) -> Option<Value> {
    let operands: Vec<[Seen<'_>; 2]> = products
        .iter()
        .rev()
        .filter_map(|product| product.made_by::<Dot>().map(|dot| [dot.x(0), dot.x(1)]))
        .collect();
    let spec = products.first().filter(|_| operands.len() > 1)?.spec();
    let last = spec.shape.rank() - 1;
    let (rows, columns) = (spec.shape.dim(last - 1), spec.shape.dim(last));
    let pays = |[a, _]: &[Seen<'_>; 2]| rows * columns >= (rows + columns) * a.spec().shape.dim(last);
    if !matches!(spec.dtype, DType::F32 | DType::F64) || !operands.iter().all(pays) {
        return None;
    }
    let side = |i: usize| operands.iter().map(|pair| pair[i]).collect::<Vec<_>>();
    Some(Value::made(&Dot, [cat_of(&side(0), last), cat_of(&side(1), last - 1)]))
}

/// `[.., m, k]` times `[k, n]` as one product of two matrices.
#[track_caller]
fn fold_rows(a: &Tensor, b: &Tensor) -> Tensor {
    let shape = a.spec().shape;
    let (last, columns) = (shape.rank() - 1, b.spec().shape.dim(1));
    let rows: usize = shape[..last].iter().map(|&d| d as usize).product();
    let product = bind(&Dot, &[&a.reshape([rows, shape.dim(last)]), b]);
    product.reshape(shape.with_dim(last, columns))
}

impl Tensor {
    /// The matrix product, as NumPy's `@`: matrices in the last two axes, leading axes broadcast; a vector on the
    /// left is a row and on the right a column, and its axis goes.
    ///
    /// Gradient: `da = dy b^T`, `db = a^T dy`.
    ///
    /// PyTorch: `torch.matmul`. JAX: `jnp.matmul`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, x) = (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([1.0, 1.0]));
    /// assert_eq!(a.matmul(&x).to_vec::<f64>()?, [3.0, 7.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        if self.error().is_some() || other.error().is_some() {
            return bind(&Dot, &[self, other]);
        }
        let (ra, rb) = (self.spec().shape.rank(), other.spec().shape.rank());
        if ra == 2 && rb == 2 {
            return bind(&Dot, &[self, other]);
        }
        if ra == 0 || rb == 0 {
            let message = "a number has no matrix product";
            return misuse("matmul", &[self, other], Misfit::shape(message).help("multiply with `*`"));
        }
        if ra == 1 {
            let product = self.unsqueeze(0).matmul(other);
            return if rb == 1 { product.squeeze(-1) } else { product.squeeze(-2) };
        }
        if rb == 1 {
            return self.matmul(&other.unsqueeze(1)).squeeze(-1);
        }
        if rb == 2 && self.spec().shape.dim(ra - 1) == other.spec().shape.dim(0) {
            return fold_rows(self, other);
        }
        self.batched_matmul(other)
    }

    #[track_caller]
    fn batched_matmul(&self, other: &Tensor) -> Tensor {
        let split = |x: &Tensor| {
            let shape = x.spec().shape;
            let lead = shape.rank() - 2;
            (Shape::of(&shape[..lead]), [shape[lead], shape[lead + 1]])
        };
        let ((lead_a, matrix_a), (lead_b, matrix_b)) = (split(self), split(other));
        let Some(lead) = lead_a.broadcast(lead_b) else {
            let message = format!("batch axes {lead_a} and {lead_b} do not broadcast");
            return misuse("matmul", &[self, other], Misfit::shape(message));
        };
        match (lead.concat(&matrix_a), lead.concat(&matrix_b)) {
            (Some(a), Some(b)) => bind(&Dot, &[&self.broadcast_shape(a), &other.broadcast_shape(b)]),
            _ => misuse("matmul", &[self, other], too_many_axes()),
        }
    }

    /// The inner product of two vectors. Gradient: each other, times `dy`.
    ///
    /// PyTorch: `torch.dot`. JAX: `jnp.dot`.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        if self.rank_or_zero() == 1 && other.rank_or_zero() == 1 {
            return self.matmul(other);
        }
        misuse("dot", &[self, other], Misfit::shape("takes two vectors").help("see `matmul`"))
    }

    /// The outer product of two vectors: `y[i][j] = a[i] * b[j]`. Gradient: of the product.
    ///
    /// PyTorch: `torch.outer`. JAX: `jnp.outer`.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        if self.rank_or_zero() == 1 && other.rank_or_zero() == 1 {
            return self.unsqueeze(1) * other.unsqueeze(0);
        }
        misuse("outer", &[self, other], Misfit::shape("takes two vectors"))
    }
}

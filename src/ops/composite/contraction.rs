//! Contractions by other names: tensordot, Kronecker products, traces, chains and powers of matrices.

use std::borrow::Borrow;

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::ops::pointwise::{Domain, mixed_dtypes};
use crate::tensor::{MAX_RANK, Shape, Tensor};

/// Which axes [`Tensor::tensordot`] contracts: how many, or those of each operand, in pairs.
pub trait IntoContraction {
    /// The axes of the first and of the second tensor.
    #[doc(hidden)]
    fn into_contraction(self) -> (Vec<isize>, Vec<isize>);
}

impl IntoContraction for usize {
    fn into_contraction(self) -> (Vec<isize>, Vec<isize>) {
        // More than there are name an axis that there is not, which is then refused.
        let count = self.min(MAX_RANK + 1) as isize;
        ((-count..0).collect(), (0..count).collect())
    }
}

impl<const N: usize> IntoContraction for ([isize; N], [isize; N]) {
    fn into_contraction(self) -> (Vec<isize>, Vec<isize>) {
        (self.0.to_vec(), self.1.to_vec())
    }
}

impl IntoContraction for (&[isize], &[isize]) {
    fn into_contraction(self) -> (Vec<isize>, Vec<isize>) {
        (self.0.to_vec(), self.1.to_vec())
    }
}

/// A letter for each axis.
fn letters(axes: impl IntoIterator<Item = usize>) -> String {
    axes.into_iter().map(|axis| char::from(b'a' + axis as u8)).collect()
}

/// The equation that contracts axes in pairs.
fn tensordot_equation(
    a: Shape,
    b: Shape,
    (own, others): (Vec<isize>, Vec<isize>),
) -> Result<String, Box<Misfit>> {
    if own.len() != others.len() {
        let counts = format!("{} and {}", own.len(), others.len());
        return Err(Misfit::shape(format!("axes are paired, got {counts}: {own:?}, {others:?}")));
    }
    let mut names: Vec<usize> = (a.rank()..a.rank() + b.rank()).collect();
    let mut taken = [false; 2 * MAX_RANK];
    for (&x, &y) in own.iter().zip(&others) {
        let (Some(x), Some(y)) = (a.axis(x), b.axis(y)) else {
            return Err(Misfit::shape(format!("there are no axes {x} and {y} of {a} and {b}")));
        };
        if std::mem::replace(&mut taken[x], true) || std::mem::replace(&mut taken[a.rank() + y], true) {
            return Err(Misfit::shape(format!("an axis is named twice in {own:?} and {others:?}")));
        }
        if a[x] != b[y] {
            let message = format!("axis {x} of {a} and axis {y} of {b} are not equally long");
            return Err(Misfit::shape(message));
        }
        names[y] = x;
    }
    let left = (0..a.rank() + b.rank()).filter(|&axis| !taken[axis]);
    Ok(format!("{},{}->{}", letters(0..a.rank()), letters(names), letters(left)))
}

impl Tensor {
    /// The sum of products over pairs of axes, one of each tensor: the last `n` of the first and the first `n` of
    /// the second (`2`), or those that are listed (`([0, 1], [1, 0])`); negative ones count from the end. What is
    /// left are the other axes of the first, then those of the second. The axes of a pair are equally long; `0`
    /// gives the outer product.
    ///
    /// Gradient: `da = tensordot(dy, b)` over the axes of `b` that stayed, and likewise `db`.
    ///
    /// PyTorch: `torch.tensordot`. JAX: `jnp.tensordot`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, b) = (Tensor::zeros([2, 3, 4]), Tensor::zeros([3, 4, 5]));
    /// assert_eq!(a.tensordot(&b, 2).shape(), [2, 5]);
    /// assert_eq!(a.tensordot(&a, ([0, 2], [0, 2])).shape(), [3, 3]);
    /// ```
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, axes: impl IntoContraction) -> Tensor {
        if let Some(invalid) = [self, other].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        match tensordot_equation(self.spec().shape, other.spec().shape, axes.into_contraction()) {
            Ok(equation) => Tensor::einsum(&equation, &[self, other]),
            Err(misfit) => misuse("tensordot", &[self, other], misfit),
        }
    }

    /// The Kronecker product: each element of `self` replaced by its product with all of `other`, so lengths
    /// multiply axis by axis. The tensor with fewer axes gets leading ones of length 1.
    ///
    /// Gradient: of the product.
    ///
    /// PyTorch: `torch.kron`. JAX: `jnp.kron`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, b) = (Tensor::from([[1.0, 2.0]]), Tensor::from([[1.0], [10.0]]));
    /// assert_eq!(a.kron(&b).to_vec::<f64>()?, [1.0, 2.0, 10.0, 20.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn kron(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = [self, other].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let rank = self.rank_or_zero().max(other.rank_or_zero());
        let lengths = |x: &Tensor| [vec![1; rank - x.rank_or_zero()], x.spec().shape.to_vec()].concat();
        let (a, b) = (lengths(self), lengths(other));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (&a, &b) in a.iter().zip(&b) {
            // An axis that is 1 in either needs no second one.
            if a == 1 || b == 1 {
                left.push(a);
                right.push(b);
            } else {
                left.extend([a, 1]);
                right.extend([1, b]);
            }
        }
        let product: Vec<usize> = a.iter().zip(&b).map(|(&a, &b)| a.saturating_mul(b)).collect();
        if left.len() > MAX_RANK || Shape::checked(&product).is_err() {
            let (a, b) = (self.spec().shape, other.spec().shape);
            let message = format!("{a} and {b} have too many axes, or their product too many elements");
            return misuse("kron", &[self, other], Misfit::shape(message));
        }
        (self.reshape(left) * other.reshape(right)).reshape(product)
    }

    /// The sum of the diagonal of a matrix, or of each matrix in the last two axes. It has the tensor's dtype, but
    /// integers are summed as i64.
    ///
    /// Gradient: `dy` on the diagonal, zero elsewhere.
    ///
    /// PyTorch: `torch.trace`. JAX: `jnp.trace`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([[1.0, 2.0], [3.0, 4.0]]).trace().item::<f64>()?, 5.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        match self.matrices("trace") {
            Ok(shape) => self.diagonal_of(shape.rank() - 2, shape.rank() - 1).sum_dim(-1),
            Err(invalid) => invalid,
        }
    }

    /// The shape of a tensor of matrices, or the refusal of one without.
    #[track_caller]
    pub(crate) fn matrices(&self, operation: &'static str) -> Result<Shape, Tensor> {
        if self.error().is_some() {
            return Err(self.clone());
        }
        let shape = self.spec().shape;
        if shape.rank() >= 2 {
            return Ok(shape);
        }
        Err(self
            .refuse_shape(operation, format!("needs a matrix, or several in the last two axes, got {shape}")))
    }

    /// The shape of a tensor of square matrices, or the refusal of others.
    #[track_caller]
    pub(crate) fn square_matrices(&self, operation: &'static str) -> Result<Shape, Tensor> {
        let shape = self.matrices(operation)?;
        if shape[shape.rank() - 2] == shape[shape.rank() - 1] {
            return Ok(shape);
        }
        Err(self.refuse_shape(operation, format!("needs square matrices, got {shape}")))
    }

    /// The identity matrix of the same length and dtype, for each of these square matrices, without copying.
    #[track_caller]
    pub(crate) fn identity_like(&self, shape: Shape) -> Tensor {
        Tensor::eye(shape.dim(shape.rank() - 1)).to_dtype(self.spec().dtype).broadcast_shape(shape)
    }

    /// A square matrix, or each in the last two axes, multiplied with itself `n` times: by squaring, with about
    /// `2 log2(n)` products. To the power 0 it is the identity. A negative power is one of the inverse, which
    /// needs the feature `linalg`; a singular matrix has none, which is an error.
    ///
    /// Gradient: of the products.
    ///
    /// PyTorch: `torch.linalg.matrix_power`. JAX: `jnp.linalg.matrix_power`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let fibonacci = Tensor::from([[1i64, 1], [1, 0]]).matrix_power(10);
    /// assert_eq!(fibonacci.at((0, 1)).item::<i64>()?, 55);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn matrix_power(&self, n: i32) -> Tensor {
        let shape = match self.square_matrices("matrix_power") {
            Ok(shape) => shape,
            Err(invalid) => return invalid,
        };
        if let Err(misfit) = Domain::Numbers.check(self.spec().dtype) {
            return misuse("matrix_power", &[self], misfit);
        }
        let mut square = if n < 0 { self.inverse_for_power() } else { self.clone() };
        let mut rest = n.unsigned_abs();
        let mut power: Option<Tensor> = None;
        loop {
            if rest & 1 == 1 {
                power = Some(match power {
                    None => square.clone(),
                    Some(power) => power.matmul(&square),
                });
            }
            rest >>= 1;
            if rest == 0 {
                return match power {
                    Some(power) => power,
                    None => self.identity_like(shape),
                };
            }
            square = square.matmul(&square);
        }
    }

    #[cfg(feature = "linalg")]
    #[track_caller]
    fn inverse_for_power(&self) -> Tensor {
        self.inv()
    }

    #[cfg(not(feature = "linalg"))]
    #[track_caller]
    fn inverse_for_power(&self) -> Tensor {
        self.no_inverse_for_power()
    }

    #[cfg(any(test, not(feature = "linalg")))]
    #[track_caller]
    fn no_inverse_for_power(&self) -> Tensor {
        let misfit = Misfit::kind(crate::ErrorKind::Other, "a negative power is one of the inverse");
        misuse("matrix_power", &[self], misfit.help("build retrograd with the feature `linalg`"))
    }

    /// The product of several matrices, multiplied in the order with the fewest multiplications. The first may be
    /// a vector, a row then, and the last one too, a column; their axes go. Two tensors or more.
    ///
    /// Gradient: of the products.
    ///
    /// PyTorch: `torch.linalg.multi_dot`. JAX: `jnp.linalg.multi_dot`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (a, b, x) = (Tensor::ones([3, 2]), Tensor::ones([2, 4]), Tensor::ones([4]));
    /// assert_eq!(Tensor::multi_dot(&[&a, &b, &x]).to_vec::<f64>()?, [8.0; 3]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn multi_dot(matrices: &[impl Borrow<Tensor>]) -> Tensor {
        let matrices: Vec<&Tensor> = matrices.iter().map(Borrow::borrow).collect();
        if let Some(invalid) = matrices.iter().find(|x| x.error().is_some()) {
            return (*invalid).clone();
        }
        let last = matrices.len().wrapping_sub(1);
        if matrices.len() < 2 {
            let message = format!("needs two tensors or more, got {}", matrices.len());
            return misuse("multi_dot", &matrices, Misfit::shape(message));
        }
        for (at, x) in matrices.iter().enumerate() {
            let (rank, end) = (x.spec().shape.rank(), at == 0 || at == last);
            if rank != 2 && !(rank == 1 && end) {
                let message = format!("tensor {at} of the product has shape {}", x.spec().shape);
                let misfit =
                    Misfit::shape(message).help("all are matrices; the first and the last may be vectors");
                return misuse("multi_dot", &matrices, misfit);
            }
            if at == 0 {
                continue;
            }
            let (before, own) = (matrices[at - 1].spec(), x.spec());
            if before.dtype != own.dtype {
                return misuse("multi_dot", &matrices, mixed_dtypes(before.dtype, own.dtype));
            }
            if before.shape[before.shape.rank() - 1] != own.shape[0] {
                let message = format!(
                    "inner lengths differ: {} times {}, tensors {} and {at}",
                    before.shape,
                    own.shape,
                    at - 1
                );
                return misuse("multi_dot", &matrices, Misfit::shape(message));
            }
        }
        Chain::new(&matrices).product(0, last)
    }

    /// The inner product of the vectors along an axis of two tensors, which broadcast; the axis goes.
    ///
    /// Gradient: `da = dy * b`, `db = dy * a`.
    ///
    /// PyTorch: `torch.linalg.vecdot`. JAX: `jnp.linalg.vecdot`.
    #[track_caller]
    pub fn vecdot(&self, other: &Tensor, axis: isize) -> Tensor {
        let product = self * other;
        match product.axis_or("vecdot", axis) {
            Ok(_) => product.sum_dim(axis),
            Err(invalid) => invalid,
        }
    }
}

/// A chain of matrices, and where the product of each stretch of it is best split.
struct Chain<'a> {
    matrices: &'a [&'a Tensor],
    /// `split[i][j]`: the last matrix of the first part of the product of matrices `i` to `j`.
    split: Vec<Vec<usize>>,
}

impl Chain<'_> {
    /// By dynamic programming over stretches (Cormen et al., Introduction to Algorithms, 14.2).
    fn new<'a>(matrices: &'a [&'a Tensor]) -> Chain<'a> {
        let n = matrices.len();
        // A vector in front is a row, and one at the end a column.
        let rows = |at: usize| match (matrices[at].spec().shape.rank(), at) {
            (1, 0) => 1.0,
            _ => matrices[at].spec().shape.dim(0) as f64,
        };
        let end = &matrices[n - 1].spec().shape;
        let columns = if end.rank() == 1 { 1.0 } else { end.dim(1) as f64 };
        let border: Vec<f64> = (0..n).map(rows).chain([columns]).collect();
        let (mut cost, mut split) = (vec![vec![0.0; n]; n], vec![vec![0; n]; n]);
        for length in 1..n {
            for first in 0..n - length {
                let last = first + length;
                let of = |middle: usize| {
                    let join = border[first] * border[middle + 1] * border[last + 1];
                    cost[first][middle] + cost[middle + 1][last] + join
                };
                let best =
                    (first..last).min_by(|&a, &b| of(a).total_cmp(&of(b))).expect("two matrices or more");
                (cost[first][last], split[first][last]) = (of(best), best);
            }
        }
        Chain { matrices, split }
    }

    #[track_caller]
    fn product(&self, first: usize, last: usize) -> Tensor {
        if first == last {
            return self.matrices[first].clone();
        }
        let middle = self.split[first][last];
        self.product(first, middle).matmul(&self.product(middle + 1, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_power_without_the_feature_names_it() {
        let text = Tensor::ones([2, 2]).no_inverse_for_power().error().unwrap().to_string();
        assert!(
            text.starts_with("matrix_power: a negative power is one of the inverse\n  operands: f32[2, 2]\n")
        );
        assert!(text.ends_with("help: build retrograd with the feature `linalg`"), "{text}");
    }
}

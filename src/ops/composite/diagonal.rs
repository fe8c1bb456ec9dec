//! Diagonals and triangles of matrices.

use std::ops::Range;

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::exec::Region;
use crate::tensor::{Shape, Tensor};

/// A diagonal of an `[n, m]` matrix: `offset` above the main one, below it if negative.
struct Diagonal {
    /// Row-major number of its first element.
    start: usize,
    length: usize,
}

impl Diagonal {
    /// Where it begins and how long it is, 0 beside the matrix. From one element to the next are `m + 1`.
    fn new(n: usize, m: usize, offset: isize) -> Diagonal {
        let (right, down) = (offset.max(0) as usize, offset.min(0).unsigned_abs());
        let length = n.saturating_sub(down).min(m.saturating_sub(right));
        Diagonal { start: if length == 0 { 0 } else { down * m + right }, length }
    }

    /// Its place in a tensor whose last axis, of all others `rank - 1`, is a matrix in row-major order.
    fn region(&self, rank: usize, m: usize) -> Region {
        let mut region = Region::corner(rank);
        region.start[rank - 1] = self.start as i64;
        region.step[rank - 1] = m as i64 + 1;
        region
    }
}

impl Tensor {
    /// The diagonals of the matrices in two axes, which go; the diagonal is the last axis. It lies `offset` above the
    /// main one, below it if negative, and is empty beside the matrix.
    ///
    /// Gradient: `dy` on the diagonal, zero elsewhere.
    ///
    /// PyTorch: `torch.diagonal`. JAX: `jnp.diagonal`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.diagonal(0, 0, 1).to_vec::<f64>()?, [1.0, 4.0]);
    /// assert_eq!(x.diagonal(1, 0, 1).to_vec::<f64>()?, [2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal(&self, offset: isize, axis1: isize, axis2: isize) -> Tensor {
        let (a, b) = match (self.axis_or("diagonal", axis1), self.axis_or("diagonal", axis2)) {
            (Ok(a), Ok(b)) if a != b => (a, b),
            (Ok(a), Ok(_)) => {
                return self.refuse_shape("diagonal", format!("axis {a} is given twice, a matrix has two"));
            }
            (Err(invalid), _) | (_, Err(invalid)) => return invalid,
        };
        let shape = self.spec().shape;
        let (rank, n, m) = (shape.rank(), shape.dim(a), shape.dim(b));
        let order: Vec<usize> = (0..rank).filter(|&axis| axis != a && axis != b).chain([a, b]).collect();
        let lead = Shape::of(&order[..rank - 2].iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        let diagonal = Diagonal::new(n, m, offset);
        let rows = lead.to_vec().into_iter().chain([n * m]).collect::<Vec<_>>();
        let rows =
            if order.is_sorted() { self.reshape(rows) } else { self.permute_axes(&order).reshape(rows) };
        if rows.error().is_some() {
            return rows;
        }
        let line = rows.spec().shape.with_dim(rank - 2, diagonal.length);
        rows.slice_region(diagonal.region(rank - 1, m), line)
    }

    /// Matrices of zeros with the last axis on a diagonal, in two axes of the result. The diagonal lies `offset` above
    /// the main one, below it if negative; the matrices are square and just large enough.
    ///
    /// Gradient: the diagonal of `dy`.
    ///
    /// PyTorch: `torch.diag_embed`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]).diag_embed(0, -2, -1);
    /// assert_eq!(x.to_vec::<f64>()?, [1.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 4.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, axis1: isize, axis2: isize) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        let shape = self.spec().shape;
        let Some(rank) = shape.rank().checked_sub(1) else {
            let help = "give it an axis with `unsqueeze`";
            let message = "a number has no axis to put on a diagonal";
            return misuse("diag_embed", &[self], Misfit::shape(message).help(help));
        };
        let lead = Shape::of(&shape[..rank]);
        let n = shape.dim(rank).saturating_add(offset.unsigned_abs());
        let dims = |axes: &[usize]| [lead.to_vec(), axes.to_vec()].concat();
        let flat = Shape::checked(&dims(&[n.saturating_mul(n)]));
        let (flat, square) = match (flat, Shape::checked(&dims(&[n, n]))) {
            (Ok(flat), Ok(square)) => (flat, square),
            (Err(message), _) | (_, Err(message)) => {
                return misuse("diag_embed", &[self], Misfit::shape(message));
            }
        };
        let (Some(a), Some(b)) = (square.axis(axis1), square.axis(axis2)) else {
            let message = format!("axes {axis1} and {axis2} of a result of {} axes", square.rank());
            return misuse("diag_embed", &[self], Misfit::shape(message));
        };
        if a == b {
            let message = format!("axis {a} is given twice, a matrix has two");
            return misuse("diag_embed", &[self], Misfit::shape(message));
        }
        let diagonal = Diagonal::new(n, n, offset);
        let matrices = self.placed_in_zeros(flat, diagonal.region(rank + 1, n)).reshape(square);
        if (a, b) == (rank, rank + 1) {
            return matrices;
        }
        let mut order: Vec<usize> = (0..rank).collect();
        for (at, from) in if a < b { [(a, rank), (b, rank + 1)] } else { [(b, rank + 1), (a, rank)] } {
            order.insert(at, from);
        }
        matrices.permute_axes(&order)
    }

    /// The diagonal of a matrix, or the square matrix of zeros with a vector on it. It lies `offset` above the main one,
    /// below it if negative.
    ///
    /// Gradient: `dy` on the diagonal, or its diagonal.
    ///
    /// PyTorch: `torch.diag`. JAX: `jnp.diag`.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Tensor {
        if self.error().is_some() {
            return self.clone();
        }
        match self.spec().shape.rank() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            rank => {
                let misfit = Misfit::shape(format!("takes a vector or a matrix, got {rank} axes"));
                misuse("diag", &[self], misfit.help("see `diagonal` and `diag_embed`"))
            }
        }
    }

    /// The square matrix of zeros with all elements of this tensor on a diagonal. Gradient: the diagonal of `dy`.
    ///
    /// PyTorch: `torch.diagflat`. JAX: `jnp.diagflat`.
    #[track_caller]
    pub fn diagflat(&self, offset: isize) -> Tensor {
        self.ravel().diag_embed(offset, 0, 1)
    }

    /// The lower triangle of the matrices in the last two axes: zero above the diagonal that lies `offset` above the
    /// main one.
    ///
    /// Gradient: `dy` in the triangle, zero elsewhere.
    ///
    /// PyTorch: `torch.tril`. JAX: `jnp.tril`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::ones([2, 2]).tril(0).to_vec::<f64>()?, [1.0, 0.0, 1.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Tensor {
        match self.below("tril", offset) {
            Ok(below) => below.where_(self, 0),
            Err(invalid) => invalid,
        }
    }

    /// The upper triangle of the matrices in the last two axes: zero below the diagonal that lies `offset` above the
    /// main one.
    ///
    /// Gradient: `dy` in the triangle, zero elsewhere.
    ///
    /// PyTorch: `torch.triu`. JAX: `jnp.triu`.
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Tensor {
        match self.below("triu", offset.saturating_sub(1)) {
            Ok(below) => below.where_(0, self),
            Err(invalid) => invalid,
        }
    }

    /// Where the last two axes are on a diagonal or below it.
    #[track_caller]
    fn below(&self, operation: &'static str, offset: isize) -> Result<Tensor, Tensor> {
        if self.error().is_some() {
            return Err(self.clone());
        }
        let shape = self.spec().shape;
        match shape.rank().checked_sub(2) {
            Some(lead) => Ok(Tensor::lower(shape.dim(lead), shape.dim(lead + 1), offset)),
            None => Err(self.refuse_shape(operation, format!("a matrix has two axes, {shape} has fewer"))),
        }
    }

    /// A bool matrix that holds where `column <= row + offset`.
    #[track_caller]
    fn lower(rows: usize, columns: usize, offset: isize) -> Tensor {
        let (rows, columns) = (Tensor::arange(rows as i64), Tensor::arange(columns as i64));
        (columns - rows.unsqueeze(1)).le(offset as i64)
    }

    /// Ones on a diagonal of an `[n, m]` matrix and below it, zeros above, in f32. No gradient.
    ///
    /// PyTorch: none. JAX: `jnp.tri`.
    #[track_caller]
    pub fn tri(n: usize, m: usize, offset: isize) -> Tensor {
        match Shape::checked(&[n, m]) {
            Ok(_) => Tensor::lower(n, m, offset).f32(),
            Err(message) => misuse("tri", &[], Misfit::shape(message)),
        }
    }

    /// Rows and columns (i64 `[2, count]`) of the elements of an `[n, m]` matrix on a diagonal and below it, row by row.
    /// No gradient.
    ///
    /// PyTorch: `torch.tril_indices`. JAX: `jnp.tril_indices`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::tril_indices(2, 2, 0).to_vec::<i64>()?, [0, 1, 1, 0, 0, 1]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn tril_indices(n: usize, m: usize, offset: isize) -> Tensor {
        triangle("tril_indices", n, m, |row| 0..first_from(row, m, offset.saturating_add(1)))
    }

    /// Rows and columns (i64 `[2, count]`) of the elements of an `[n, m]` matrix on a diagonal and above it, row by row.
    /// No gradient.
    ///
    /// PyTorch: `torch.triu_indices`. JAX: `jnp.triu_indices`.
    #[track_caller]
    pub fn triu_indices(n: usize, m: usize, offset: isize) -> Tensor {
        triangle("triu_indices", n, m, |row| first_from(row, m, offset)..m)
    }
}

/// The first of `m` columns that lies on the diagonal in this row, or right of it; `m` if there is none.
fn first_from(row: usize, m: usize, offset: isize) -> usize {
    (row as i64).saturating_add(offset as i64).clamp(0, m as i64) as usize
}

/// Rows and columns of the elements in the columns that `of_row` says.
#[track_caller]
fn triangle(operation: &'static str, n: usize, m: usize, of_row: impl Fn(usize) -> Range<usize>) -> Tensor {
    if let Err(message) = Shape::checked(&[n, m]).and(Shape::checked(&[2, n.saturating_mul(m)])) {
        return misuse(operation, &[], Misfit::shape(message));
    }
    let rows = 0..if m == 0 { 0 } else { n };
    let pairs = rows.flat_map(|row| of_row(row).map(move |column| (row as i64, column as i64)));
    let (mut indices, columns): (Vec<i64>, Vec<i64>) = pairs.unzip();
    indices.extend(columns);
    let count = indices.len() / 2;
    Tensor::from_vec(indices, [2, count])
}

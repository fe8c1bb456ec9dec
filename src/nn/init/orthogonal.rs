//! Random orthogonal matrices, by Householder's reflections in f64.

use retrograd::{CustomOp, Error, ErrorKind, IntoShape, Result, Rng, Shape, Spec, Tensor, apply};

/// Rows or columns that are orthogonal and of length `gain`, whichever are fewer, uniform among all such: of a matrix,
/// or of a weight `[out, ..rest]` as the matrix of `out` rows.
///
/// The orthogonal factor of a matrix of normal numbers, with the signs for which the other factor's diagonal is not
/// negative; without them it would not be uniform. Computed in f64, orthogonal to f32's rounding; nearly all of it is some
/// `4 a^2 b` operations in products of matrices, for sides `a <= b`.
///
/// Source: Saxe and others, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks"
/// (2014); Mezzadri, "How to generate random matrices from the classical compact groups" (2007), for the signs.
/// PyTorch: `torch.nn.init.orthogonal_`.
///
/// # Errors
/// As an invalid tensor, if the shape has fewer than two axes or the gain is not finite.
///
/// ```
/// use retrograd::{Rng, Tensor, nn::init};
///
/// let q = init::orthogonal(&mut Rng::seed(0), [3, 5], 1.0);
/// assert!(q.matmul(&q.t()).allclose(&Tensor::eye(3), 0.0, 1e-6)?);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn orthogonal(rng: &mut Rng, shape: impl IntoShape, gain: f64) -> Tensor {
    let shape = match weight_shape(shape, gain) {
        Ok(shape) => shape,
        Err(error) => return error.refuse("orthogonal", &[]),
    };
    let lengths = shape.to_vec();
    let noise = rng.randn([lengths[0], lengths[1..].iter().product()]);
    (apply(Orthogonal, &[&noise]).swap_remove(0) * gain).reshape(shape)
}

/// The shape of a weight that can be orthogonal.
fn weight_shape(shape: impl IntoShape, gain: f64) -> Result<Shape> {
    let shape = shape.into_shape().map_err(|message| Error::new(ErrorKind::Shape, message))?;
    if shape.rank() < 2 {
        let message = format!("an orthogonal weight has two axes or more, got {shape}");
        return Err(Error::new(ErrorKind::Shape, message));
    }
    match gain.is_finite() {
        true => Ok(shape),
        false => Err(Error::new(ErrorKind::Other, format!("a gain is finite, got {gain}"))),
    }
}

/// The orthogonal factor of a matrix, as an operation, so that it may be drawn in traces and batches.
#[derive(Debug)]
struct Orthogonal;

impl CustomOp for Orthogonal {
    fn name(&self) -> &'static str {
        "orthogonal"
    }

    fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![x[0]])
    }

    fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let noise = x[0].f64();
        let q = match noise.size(0) >= noise.size(1) {
            true => orthogonal_factor(&noise)?,
            false => orthogonal_factor(&noise.t())?.t(),
        };
        Ok(vec![q.f32()])
    }

    fn vjp(&self, _: &[Tensor], _: &[Tensor], _: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
        Err(Error::new(ErrorKind::Derivative, "random matrices are no function of anything"))
    }
}

/// Columns that are reflected together: few enough to stay in the cache, enough for products of matrices to do nearly
/// all the work. Of 16, 32, 64 and 128 it takes the least CPU time (5.5, 3.7, 3.2 and 4.5 s for matrices of sides 512,
/// 1024 and 2048 on one thread).
const PANEL: usize = 64;

/// `Q` of `QR`, where `R` has no negative diagonal, of a matrix of random numbers (f64) with at least as many rows as
/// columns.
///
/// Panel by panel: what lies along the columns before is taken off, twice, since the first time leaves some of it by
/// rounding; the rest is made orthogonal by reflections.
fn orthogonal_factor(noise: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (noise.size(0), noise.size(1));
    let mut q = Tensor::zeros([rows, 0]).f64();
    for first in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - first);
        let mut panel = noise.narrow(1, first, width);
        if first > 0 {
            for _ in 0..2 {
                panel = &panel - q.matmul(&q.t().matmul(&panel));
            }
        }
        let panel = Tensor::from_vec(reflected(panel.to_vec()?, rows, width), [rows, width]);
        q = Tensor::cat(&[q, panel], 1);
    }
    Ok(q)
}

/// The reflection `1 - scale * v v^T` of the rows from `first` on.
#[derive(Debug)]
struct Reflection {
    first: usize,
    v: Vec<f64>,
    scale: f64,
}

impl Reflection {
    /// That which takes the numbers `x`, those of the rows from `first` on, to a multiple of the first unit vector,
    /// and that multiple.
    fn of(x: Vec<f64>, first: usize) -> (Reflection, f64) {
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Away from the first element, so that nothing cancels.
        let multiple = if x[0] > 0.0 { -norm } else { norm };
        let mut v = x;
        v[0] -= multiple;
        let length = v.iter().map(|v| v * v).sum::<f64>();
        // Zeros stay where they are.
        let scale = if length > 0.0 { 2.0 / length } else { 0.0 };
        (Reflection { first, v, scale }, multiple)
    }

    /// Reflects the columns from `first` on of a row-major matrix, row by row, which vectorises.
    fn apply(&self, matrix: &mut [f64], columns: usize, first: usize) {
        let start = self.first * columns;
        let mut products = vec![0.0; columns - first];
        for (&v, row) in self.v.iter().zip(matrix[start..].chunks_exact(columns)) {
            for (product, &x) in products.iter_mut().zip(&row[first..]) {
                *product += v * x;
            }
        }
        for (&v, row) in self.v.iter().zip(matrix[start..].chunks_exact_mut(columns)) {
            for (x, &product) in row[first..].iter_mut().zip(&products) {
                *x -= self.scale * v * product;
            }
        }
    }
}

/// `Q` of `QR`, where `R` has no negative diagonal, of a row-major matrix with at least as many rows as columns.
fn reflected(mut matrix: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    let mut reflections = Vec::with_capacity(columns);
    let mut signs = Vec::with_capacity(columns);
    for k in 0..columns {
        let (reflection, diagonal) = Reflection::of((k..rows).map(|i| matrix[i * columns + k]).collect(), k);
        reflection.apply(&mut matrix, columns, k);
        signs.push(if diagonal < 0.0 { -1.0 } else { 1.0 });
        reflections.push(reflection);
    }
    // Backwards, so that each reflection finds zeros left of its column.
    let mut q = vec![0.0; rows * columns];
    for k in 0..columns {
        q[k * columns + k] = 1.0;
    }
    for (k, reflection) in reflections.iter().enumerate().rev() {
        reflection.apply(&mut q, columns, k);
    }
    for row in q.chunks_exact_mut(columns.max(1)) {
        for (q, sign) in row.iter_mut().zip(&signs) {
            *q *= sign;
        }
    }
    q
}

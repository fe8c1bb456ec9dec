//! Weights with zeros at most places.

use retrograd::{Error, ErrorKind, IntoShape, Order, Result, Rng, Shape, Tensor};

use super::refused;

/// A matrix `[out, in]` of normal numbers with a share of zeros in each column: `ceil(sparsity * out)` of them.
///
/// Source: Martens, "Deep learning via Hessian-free optimization" (2010). PyTorch: `torch.nn.init.sparse_`, whose `std`
/// is 0.01 if not given.
///
/// # Errors
/// As an invalid tensor, if the shape is no matrix's, `sparsity` not between 0 and 1, or `std` negative or not finite.
///
/// ```
/// use retrograd::{Rng, nn::init};
///
/// let weight = init::sparse(&mut Rng::seed(0), [10, 4], 0.75, 0.01);
/// assert_eq!(weight.eq(0.0).i64().sum_dim(0).to_vec::<i64>()?, [8; 4]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn sparse(rng: &mut Rng, shape: impl IntoShape, sparsity: f64, std: f64) -> Tensor {
    let shape = match matrix(shape) {
        Ok(shape) => shape,
        Err(error) => return error.refuse("sparse", &[]),
    };
    if !((0.0..=1.0).contains(&sparsity) && std >= 0.0 && std.is_finite()) {
        let message = format!("sparsity is from 0 to 1, std 0 or more, got {sparsity} and {std}");
        return refused("sparse", ErrorKind::Other, message);
    }
    let zeros = (sparsity * f64::from(shape[0])).ceil();
    let values = rng.normal(shape, 0.0, std);
    // The place of each element in a random order of its column.
    let places = rng.rand(shape).argsort(0, Order::Ascending).argsort(0, Order::Ascending);
    places.lt(zeros as i64).where_(0.0, values)
}

/// The matrix `[out, in]` with ones on its diagonal and zeros elsewhere: what goes in comes out, as far as there is
/// room.
///
/// PyTorch: `torch.nn.init.eye_`.
///
/// # Errors
/// As an invalid tensor, if the shape is no matrix's.
///
/// ```
/// use retrograd::nn::init;
///
/// assert_eq!(init::eye([2, 3]).to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn eye(shape: impl IntoShape) -> Tensor {
    match matrix(shape) {
        Ok(shape) => {
            let (rows, columns) = (Tensor::arange(shape[0].into()), Tensor::arange(shape[1].into()));
            rows.unsqueeze(-1).eq(columns).f32()
        }
        Err(error) => error.refuse("eye", &[]),
    }
}

/// The weight `[out, in, ..kernel]` of a convolution that passes its input on: each channel to the output channel of
/// its number, in each of `groups` parts of the output channels.
///
/// The middle of the kernel is the element at half its length (rounded down), so the input passes unshifted with
/// `padding = kernel / 2`.
///
/// PyTorch: `torch.nn.init.dirac_`.
///
/// # Errors
/// As an invalid tensor, if there are not one to three axes of a kernel, or the output channels are not `groups` equal
/// parts.
///
/// ```
/// use retrograd::nn::init;
///
/// let weight = init::dirac([2, 2, 3], 1);
/// assert_eq!(weight.at(0).to_vec::<f32>()?, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
/// assert_eq!(weight.at(1).to_vec::<f32>()?, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn dirac(shape: impl IntoShape, groups: usize) -> Tensor {
    let shape = match shape.into_shape() {
        Ok(shape) => shape,
        Err(message) => return refused("dirac", ErrorKind::Shape, message),
    };
    let lengths = shape.to_vec();
    if !(3..=5).contains(&lengths.len()) {
        let message =
            format!("weights are [out, in, ..kernel] with one to three axes of a kernel, got {shape}");
        return refused("dirac", ErrorKind::Shape, message);
    }
    let out = lengths[0];
    if groups == 0 || !out.is_multiple_of(groups) {
        let message = format!("{out} output channels are no {groups} equal parts, of weights {shape}");
        return refused("dirac", ErrorKind::Shape, message);
    }
    let kernel: usize = lengths[2..].iter().product();
    let middle = lengths[2..].iter().fold(0, |place, &length| place * length + length / 2);
    let mut values = vec![0f32; shape.numel()];
    for group in 0..groups {
        for channel in 0..(out / groups).min(lengths[1]) {
            let row = group * (out / groups) + channel;
            // An empty kernel has no middle.
            if let Some(value) = values.get_mut((row * lengths[1] + channel) * kernel + middle) {
                *value = 1.0;
            }
        }
    }
    Tensor::from_vec(values, shape)
}

/// The shape of a matrix.
fn matrix(shape: impl IntoShape) -> Result<Shape, Error> {
    let shape = shape.into_shape().map_err(|message| Error::new(ErrorKind::Shape, message))?;
    match shape.rank() {
        2 => Ok(shape),
        _ => Err(Error::new(ErrorKind::Shape, format!("a matrix has two axes, got {shape}"))),
    }
}

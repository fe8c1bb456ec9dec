//! Tensors in parts.

use crate::tensor::Tensor;

/// How an axis is split: a length for all parts (the last one may be shorter), or the length of each, as an array
/// (which gives an array of parts), slice or vector.
pub trait IntoLengths {
    /// Several tensors.
    type Parts;
    /// The length of each part of an axis of length `n`, or the reason why there are none.
    #[doc(hidden)]
    fn lengths(&self, n: usize) -> Result<Vec<usize>, String>;
    /// As many parts as there are lengths; all the same where there is one.
    #[doc(hidden)]
    fn parts(&self, tensors: Vec<Tensor>) -> Self::Parts;
}

impl IntoLengths for usize {
    type Parts = Vec<Tensor>;

    fn lengths(&self, n: usize) -> Result<Vec<usize>, String> {
        match *self {
            0 => Err("parts of length 0 do not make up the length".to_owned()),
            // Nothing is one part, as in PyTorch.
            length => Ok((0..n.div_ceil(length).max(1)).map(|i| length.min(n - i * length)).collect()),
        }
    }

    fn parts(&self, tensors: Vec<Tensor>) -> Vec<Tensor> {
        tensors
    }
}

impl<const N: usize> IntoLengths for [usize; N] {
    type Parts = [Tensor; N];

    fn lengths(&self, n: usize) -> Result<Vec<usize>, String> {
        adding_up(self, n)
    }

    fn parts(&self, tensors: Vec<Tensor>) -> [Tensor; N] {
        std::array::from_fn(|i| tensors[i.min(tensors.len() - 1)].clone())
    }
}

macro_rules! lists {
    ($($t:ty),*) => {$(
        impl IntoLengths for $t {
            type Parts = Vec<Tensor>;
            fn lengths(&self, n: usize) -> Result<Vec<usize>, String> {
                adding_up(self, n)
            }
            fn parts(&self, tensors: Vec<Tensor>) -> Vec<Tensor> {
                tensors
            }
        }
    )*};
}

lists! { &[usize], Vec<usize>, &Vec<usize> }

/// The lengths, if they add up to `n`.
fn adding_up(lengths: &[usize], n: usize) -> Result<Vec<usize>, String> {
    match lengths.iter().fold(0, |sum: usize, &length| sum.saturating_add(length)) {
        sum if sum == n => Ok(lengths.to_vec()),
        _ => Err(format!("lengths {lengths:?} do not add up to {n}, the length")),
    }
}

impl Tensor {
    /// Parts one after the other along an axis: of one length (the last one may be shorter), or of the lengths given,
    /// which add up to the axis'. Lengths in an array give an array of parts, else they are in a vector.
    ///
    /// Where that cannot be, the parts are invalid tensors; in a vector there is one.
    ///
    /// Gradient: the parts' cotangents, put together.
    ///
    /// PyTorch: `torch.split`. JAX: `jnp.split`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::arange(5);
    /// let [head, tail] = x.split([1, 4], 0);
    /// assert_eq!((head.shape(), tail.shape()), (Tensor::zeros([1]).shape(), Tensor::zeros([4]).shape()));
    /// assert_eq!(x.split(2, 0)[2].to_vec::<i64>()?, [4]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn split<L: IntoLengths>(&self, lengths: L, axis: isize) -> L::Parts {
        let at = match self.axis_or("split", axis) {
            Ok(at) => at,
            Err(invalid) => return lengths.parts(vec![invalid]),
        };
        match lengths.lengths(self.spec().shape.dim(at)) {
            Ok(each) => lengths.parts(self.parts_along(at, &each)),
            Err(message) => {
                lengths.parts(vec![self.refuse_shape("split", format!("{message} of axis {axis}"))])
            }
        }
    }

    /// `n` parts of equal length along an axis, the last one shorter if it does not divide.
    /// Gradient: the parts' cotangents, put together.
    ///
    /// PyTorch: `torch.chunk`. JAX: none.
    #[track_caller]
    pub fn chunk(&self, n: usize, axis: isize) -> Vec<Tensor> {
        let have = match self.axis_or("chunk", axis) {
            Ok(at) => self.spec().shape.dim(at),
            Err(invalid) => return vec![invalid],
        };
        if n == 0 {
            return vec![self.refuse_shape("chunk", "cannot make 0 parts".to_owned())];
        }
        let length = have.div_ceil(n).max(1);
        (0..have.div_ceil(length))
            .map(|i| self.narrow(axis, i * length, length.min(have - i * length)))
            .collect()
    }

    /// `n` parts along an axis whose lengths differ by at most one: longer ones come first. There are at most as many
    /// as the axis has positions (and one, if it has none).
    ///
    /// Gradient: the parts' cotangents, put together.
    ///
    /// PyTorch: `torch.tensor_split`. JAX: `jnp.array_split`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let parts = Tensor::arange(5).tensor_split(3, 0);
    /// assert_eq!(parts[0].to_vec::<i64>()?, [0, 1]);
    /// assert_eq!(parts[2].to_vec::<i64>()?, [4]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor_split(&self, n: usize, axis: isize) -> Vec<Tensor> {
        let at = match self.axis_or("tensor_split", axis) {
            Ok(at) => at,
            Err(invalid) => return vec![invalid],
        };
        let have = self.spec().shape.dim(at);
        // More parts than positions would be empty ones without end.
        if n == 0 || n > have.max(1) {
            let message = format!("cannot make {n} parts of axis {axis}, which has {have}");
            return vec![self.refuse_shape("tensor_split", message)];
        }
        let lengths: Vec<usize> = (0..n).map(|i| have / n + usize::from(i < have % n)).collect();
        self.parts_along(at, &lengths)
    }

    /// The slices along an axis, which goes.
    ///
    /// Gradient: the slices' cotangents, put together.
    ///
    /// PyTorch: `torch.unbind`. JAX: `jnp.unstack`.
    #[track_caller]
    pub fn unbind(&self, axis: isize) -> Vec<Tensor> {
        match self.axis_or("unbind", axis) {
            Ok(at) => {
                let mut slices = self.parts_along(at, &vec![1; self.spec().shape.dim(at)]);
                for slice in &mut slices {
                    *slice = slice.squeeze_axis(at);
                }
                slices
            }
            Err(invalid) => vec![invalid],
        }
    }

    /// Parts of the given lengths, which fit.
    #[track_caller]
    fn parts_along(&self, axis: usize, lengths: &[usize]) -> Vec<Tensor> {
        let (mut start, mut parts) = (0, Vec::with_capacity(lengths.len()));
        for &length in lengths {
            parts.push(self.narrow(axis as isize, start, length));
            start += length;
        }
        parts
    }
}

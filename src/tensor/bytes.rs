//! Elements as the bytes that files hold: row-major, without gaps, little-endian whatever the machine.

use std::borrow::Cow;

use super::storage::Storage;
use super::{DType, Spec, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::cpu;

/// A tensor whose elements lie in memory, row-major without gaps.
#[derive(Debug)]
pub(crate) struct Elements(Tensor);

impl Elements {
    /// The tensor whose elements they are.
    pub(crate) fn into_tensor(self) -> Tensor {
        self.0
    }

    /// The elements, little-endian; copied only where the machine is not.
    pub(crate) fn little_endian(&self) -> Cow<'_, [u8]> {
        let bytes = self.0.as_bytes().expect("concrete and gap-free");
        if cfg!(target_endian = "little") {
            return Cow::Borrowed(bytes);
        }
        let mut bytes = bytes.to_vec();
        swap_ends(self.0.spec().dtype, &mut bytes);
        Cow::Owned(bytes)
    }
}

impl Tensor {
    /// The elements to be written, or the error that says who asked for them.
    #[track_caller]
    pub(crate) fn elements(&self, operation: &'static str) -> Result<Elements> {
        Ok(Elements(cpu::contiguous(&self.value(operation)?)))
    }

    /// A tensor of what `fill` writes over `spec.bytes()` zeros: row-major elements, little-endian.
    ///
    /// # Errors
    /// What `fill` reports, and a bool that is neither 0 nor 1.
    pub(crate) fn from_little_endian(
        spec: Spec,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Tensor> {
        let storage = Storage::with_bytes(spec.bytes());
        // SAFETY: the block has room for as many bytes, which the first line initialises, and nobody else sees it.
        let bytes = unsafe {
            std::ptr::write_bytes(storage.data(), 0, spec.bytes());
            std::slice::from_raw_parts_mut(storage.data(), spec.bytes())
        };
        fill(bytes)?;
        if cfg!(target_endian = "big") {
            swap_ends(spec.dtype, bytes);
        }
        // A bool of another value is undefined behaviour where it is read as one.
        if spec.dtype == DType::Bool
            && let Some(at) = bytes.iter().position(|&byte| byte > 1)
        {
            let message = format!("element {at} of a bool tensor is the byte {}, neither 0 nor 1", bytes[at]);
            return Err(Error::plain(ErrorKind::Data, message));
        }
        Ok(Tensor::from_storage(spec, storage))
    }
}

/// Every element with its bytes in the other order.
pub(crate) fn swap_ends(dtype: DType, bytes: &mut [u8]) {
    if dtype.size() > 1 {
        bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn elements_are_written_little_endian_and_swapped_by_their_size() {
        let x = Tensor::from([1i32, 258]).elements("write").expect("has a value");
        let mut bytes = x.little_endian().into_owned();
        assert_eq!(bytes, [1, 0, 0, 0, 2, 1, 0, 0]);
        swap_ends(DType::I32, &mut bytes);
        assert_eq!(bytes, [0, 0, 0, 1, 0, 0, 1, 2]);
        swap_ends(DType::U8, &mut bytes);
        assert_eq!(bytes, [0, 0, 0, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn a_byte_that_is_no_truth_value_is_refused() {
        let spec = Spec::new(Shape::of(&[3]), DType::Bool);
        let fill = |values: [u8; 3]| {
            Tensor::from_little_endian(spec, |to| {
                to.copy_from_slice(&values);
                Ok(())
            })
        };
        assert_eq!(fill([0, 1, 1]).and_then(|x| x.to_vec::<bool>()).expect("valid"), [false, true, true]);
        let error = fill([0, 2, 1]).expect_err("two is no bool");
        assert_eq!(error.to_string(), "element 1 of a bool tensor is the byte 2, neither 0 nor 1");
    }
}

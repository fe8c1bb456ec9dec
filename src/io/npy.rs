//! NumPy's `.npy`: a file that is one tensor.
//!
//! ```
//! use retrograd::{Tensor, io::npy};
//!
//! let path = std::env::temp_dir().join(format!("retrograd-npy-{}.npy", std::process::id()));
//! npy::write(&path, &Tensor::from([[1.0, 2.0], [3.0, 4.0]]))?; // numpy.load reads it
//! assert_eq!(npy::read(&path)?.to_vec::<f64>()?, [1.0, 2.0, 3.0, 4.0]);
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), retrograd::Error>(())
//! ```
//!
//! Dtypes are f32, f64, f16, i64, i32, u8 and bool; NumPy has no bf16. The format is that of
//! [`numpy.lib.format`](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), of which versions 1, 2
//! and 3 are read, in C and in Fortran order, big-endian and little-endian. Version 1 is written. Pickled objects and
//! structured arrays are not read.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::literal::Description;
use super::replace::replace;
use super::{failed, on_line};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Shape, Spec, Tensor};

pub(super) const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// The most bytes of a header. Those of the dtypes that are read take a hundred.
const MAX_HEADER: usize = 1 << 16;
/// NumPy fills headers up with spaces to a multiple of this, so that elements are aligned where a file is mapped.
const ALIGNMENT: usize = 64;

/// Reads a file with one array; the tensor is row-major, whatever the order in the file.
///
/// PyTorch: `torch.from_numpy(numpy.load(path))`. JAX: `jnp.load`.
///
/// # Errors
/// If the file cannot be read, is no such file, or damaged; if its dtype is one that [`Tensor`] has not, or its shape
/// has more than 8 axes.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    on_line("npy::read", || {
        let path = path.as_ref();
        let file = fs::File::open(path).map_err(|e| failed("read", path, e))?;
        let length = file.metadata().map_err(|e| failed("read", path, e))?.len();
        read_from(file, length).map_err(|e| e.into_error(&format!("`{}`", path.display())))
    })
}

/// The tensor that these bytes, the contents of an `.npy` file, are.
///
/// PyTorch: none. JAX: none.
///
/// # Errors
/// As [`read`].
///
/// ```
/// # use retrograd::{Tensor, io::npy};
/// let bytes = npy::to_bytes(&Tensor::arange(3))?;
/// assert_eq!(npy::from_bytes(&bytes)?.to_vec::<i64>()?, [0, 1, 2]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn from_bytes(bytes: &[u8]) -> Result<Tensor> {
    on_line("npy::from_bytes", || {
        read_from(bytes, bytes.len() as u64).map_err(|e| e.into_error("what was given"))
    })
}

/// Writes a tensor as an `.npy` file, in place of an older one of that name, which stays until the new one is complete
/// on the disk. A transposed tensor is written as it lies in memory, in Fortran order, as NumPy does.
///
/// PyTorch: `numpy.save(path, x.numpy())`. JAX: `jnp.save`.
///
/// # Errors
/// If the tensor is invalid, has no value (inside `vmap`, or in a trace) or is of dtype bf16, or the file cannot be
/// written.
#[track_caller]
pub fn write(path: impl AsRef<Path>, x: &Tensor) -> Result<()> {
    on_line("npy::write", || {
        let path = path.as_ref();
        let array = Array::of(x, "npy::write")?;
        replace(path, |file| array.write_to(file).map_err(|e| failed("write", path, e)))
    })
}

/// The contents of the file that [`write()`] would write.
///
/// PyTorch: none. JAX: none.
///
/// # Errors
/// As [`write()`].
#[track_caller]
pub fn to_bytes(x: &Tensor) -> Result<Vec<u8>> {
    on_line("npy::to_bytes", || {
        let mut bytes = Vec::new();
        Array::of(x, "npy::to_bytes")?.write_to(&mut bytes)?;
        Ok(bytes)
    })
}

/// What is written: a header, and a tensor whose elements follow it.
pub(super) struct Array {
    header: Vec<u8>,
    elements: crate::tensor::Elements,
}

impl Array {
    pub(super) fn of(x: &Tensor, operation: &'static str) -> Result<Array> {
        if let Some(error) = x.error() {
            return Err(error.clone());
        }
        let Spec { shape, dtype } = *x.spec();
        let Some((descr, _)) = DTYPES.iter().find(|(_, known)| *known == dtype) else {
            let message = format!("NumPy has no dtype {dtype}");
            return Err(Error::plain(ErrorKind::DType, message).help("convert it, as with `.f32()`"));
        };
        // The transpose of a tensor whose transpose lies without gaps is what to write: nothing is copied.
        let backward: Vec<isize> = (0..shape.rank() as isize).rev().collect();
        let transposed = Some(x.permute(backward)).filter(|t| shape.rank() > 1 && t.is_contiguous());
        let fortran_order = !x.is_contiguous() && transposed.is_some();
        let x = if fortran_order { transposed.as_ref().unwrap_or(x) } else { x };
        let header = header(descr, fortran_order, &shape);
        Ok(Array { header, elements: x.elements(operation)? })
    }

    /// Bytes of the file.
    #[cfg(feature = "npz")]
    pub(super) fn len(&self) -> usize {
        self.header.len() + self.elements.little_endian().len()
    }

    pub(super) fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.header)?;
        to.write_all(&self.elements.little_endian())
    }
}

/// NumPy's names, without the sign that tells the order of bytes: `<f8`, `|u1`.
const DTYPES: [(&str, DType); 7] = [
    ("f4", DType::F32),
    ("f8", DType::F64),
    ("f2", DType::F16),
    ("i8", DType::I64),
    ("i4", DType::I32),
    ("u1", DType::U8),
    ("b1", DType::Bool),
];

/// The bytes before the elements.
fn header(descr: &str, fortran_order: bool, shape: &Shape) -> Vec<u8> {
    let sign = if descr.ends_with('1') { '|' } else { '<' };
    let order = if fortran_order { "True" } else { "False" };
    let dims: Vec<String> = shape.iter().map(u32::to_string).collect();
    let comma = if dims.len() == 1 { "," } else { "" };
    let shape = dims.join(", ") + comma;
    let mut text = format!("{{'descr': '{sign}{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // Eight axes of ten digits each at most.
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Why there is no tensor.
pub(super) enum Refusal {
    /// The file cannot be read.
    Io(io::Error),
    /// It is no `.npy` file, or a damaged one.
    Damaged(String),
    /// It is one that a tensor cannot hold.
    Foreign(String),
    /// Its elements are none.
    Elements(Error),
}

impl Refusal {
    /// The error, where `place` is the file.
    pub(super) fn into_error(self, place: &str) -> Error {
        match self {
            Refusal::Io(e) => {
                Error::plain(ErrorKind::Other, format!("cannot read {place}: {e}")).caused_by(e)
            }
            Refusal::Damaged(why) => {
                Error::plain(ErrorKind::Other, format!("{place} is not a whole .npy file: {why}"))
            }
            Refusal::Foreign(what) => {
                let help = "dtypes are f4, f8, f2, i8, i4, u1 and b1, shapes have up to 8 axes; in NumPy, `astype` and \
                    `reshape` convert";
                Error::plain(ErrorKind::DType, format!("{place} cannot be read: {what}")).help(help)
            }
            Refusal::Elements(error) => error.context(place),
        }
    }
}

fn damaged<R>(why: impl Into<String>) -> Result<R, Refusal> {
    Err(Refusal::Damaged(why.into()))
}

/// Reads an array from a source of which `length` bytes are said to be there, and no more are read.
pub(super) fn read_from(mut source: impl Read, length: u64) -> Result<Tensor, Refusal> {
    let mut left = length;
    let mut take = |bytes: &mut [u8]| {
        let Some(rest) = left.checked_sub(bytes.len() as u64) else {
            return damaged(format!("it ends after {length} bytes, within its header"));
        };
        left = rest;
        source.read_exact(bytes).map_err(Refusal::Io)
    };
    let mut start = [0; 8];
    take(&mut start)?;
    let [magic @ .., major, minor] = start;
    if magic != MAGIC {
        return damaged("it does not begin with `\\x93NUMPY`");
    }
    let text_length = match (major, minor) {
        (1, 0) => {
            let mut length = [0; 2];
            take(&mut length)?;
            usize::from(u16::from_le_bytes(length))
        }
        (2 | 3, 0) => {
            let mut length = [0; 4];
            take(&mut length)?;
            u32::from_le_bytes(length) as usize
        }
        _ => return damaged(format!("version {major}.{minor} of the format is not known")),
    };
    if text_length > MAX_HEADER {
        return damaged(format!("its header would have {text_length} bytes, more than {MAX_HEADER}"));
    }
    let mut text = vec![0; text_length];
    take(&mut text)?;
    let description = Description::parse(&text).map_err(Refusal::Damaged)?;
    read_elements(source, left, &description)
}

fn read_elements(mut source: impl Read, left: u64, description: &Description) -> Result<Tensor, Refusal> {
    let Description { descr, fortran_order, shape } = description;
    let (sign, name) = descr.split_at_checked(1).unwrap_or(("", descr));
    let known = DTYPES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype);
    // `|` has no order, and is that of elements of one byte.
    let signs = if name.ends_with('1') { "|<>=" } else { "<>=" };
    let dtype = known.filter(|_| !sign.is_empty() && signs.contains(sign));
    let dtype = dtype.ok_or_else(|| Refusal::Foreign(format!("dtype {descr:?}")))?;
    let mut shape = Shape::checked(shape).map_err(Refusal::Foreign)?;
    if *fortran_order {
        let backward: Vec<u32> = shape.iter().rev().copied().collect();
        shape = Shape::of(&backward);
    }
    let spec = Spec::new(shape, dtype);
    let bytes = spec.bytes() as u64;
    if bytes > left {
        return damaged(format!("it is cut off: {spec} takes {bytes} bytes, of which {left} are there"));
    }
    if bytes < left {
        return damaged(format!("{} bytes follow its {bytes} bytes of elements", left - bytes));
    }
    let mut io = None;
    let tensor = Tensor::from_little_endian(spec, |to| {
        if let Err(e) = source.read_exact(to) {
            io = Some(e);
        }
        if sign == ">" || (sign == "=" && cfg!(target_endian = "big")) {
            crate::tensor::swap_ends(dtype, to);
        }
        Ok(())
    });
    match (io, tensor) {
        (Some(e), _) => Err(Refusal::Io(e)),
        (None, Err(error)) => Err(Refusal::Elements(error)),
        (None, Ok(tensor)) if *fortran_order => {
            let backward: Vec<isize> = (0..shape.rank() as isize).rev().collect();
            let elements = tensor.permute(backward).elements("npy::read").map_err(Refusal::Elements)?;
            Ok(elements.into_tensor())
        }
        (None, Ok(tensor)) => Ok(tensor),
    }
}

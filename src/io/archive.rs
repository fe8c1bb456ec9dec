//! Safetensors files: opening, looking around, reading tensors.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::fit::{self, Loaded};
use super::header::{Entry, Header, MAX_BYTES, Stored};
use super::{failed, on_line, structure};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Spec, Tensor};
use crate::tree::{Tree, Value};

/// A safetensors file, of which only the header has been read: its tensors are read when they are asked for.
///
/// Names are in the order of the file. Threads may share it.
///
/// ```
/// use retrograd::{Tensor, io, tree::Value};
///
/// let params = Value::from([("weight", Tensor::ones([2, 3]).into()), ("bias", Tensor::zeros([3]).into())]);
/// let file = io::Archive::from_bytes(io::to_bytes(&params)?)?;
///
/// assert_eq!(file.names().collect::<Vec<_>>(), ["bias", "weight"]);
/// assert_eq!(file.spec("weight")?.to_string(), "f32[2, 3]");
/// assert_eq!(file.tensor("weight")?.to_vec::<f32>()?, [1.0; 6]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct Archive {
    header: Header,
    store: Store,
}

/// Where the bytes of an archive are kept.
enum Store {
    /// The whole file, and where its data begin.
    Bytes(Vec<u8>, usize),
    File {
        file: Mutex<File>,
        path: PathBuf,
        data: u64,
    },
}

/// An opened file and where its data begin, or the bytes of one.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The data alone.
    Bytes(&'a [u8]),
    File {
        file: &'a Mutex<File>,
        path: &'a Path,
        /// Bytes of the file before the data.
        data: u64,
    },
}

impl Archive {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If the file cannot be read, is not a safetensors file, or is damaged. A header of more than 100 MB is refused.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Archive> {
        on_line("open", || Archive::open_file(path.as_ref()))
    }

    pub(super) fn open_file(path: &Path) -> Result<Archive> {
        let cannot = |e| failed("read", path, e);
        let mut file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            let message = format!("cannot read `{}`: it is a folder", path.display());
            return Err(Error::plain(ErrorKind::Other, message));
        }
        let mut length = [0; 8];
        let broken = |why| damaged(&path.display().to_string(), why);
        if metadata.len() < length.len() as u64 {
            return Err(broken(too_short(metadata.len())));
        }
        file.read_exact(&mut length).map_err(cannot)?;
        let length = header_length(length, metadata.len()).map_err(broken)?;
        let mut text = vec![0; length];
        file.read_exact(&mut text).map_err(cannot)?;
        let data = 8 + length as u64;
        let header = Header::parse(&text, metadata.len() - data).map_err(broken)?;
        Ok(Archive { header, store: Store::File { file: Mutex::new(file), path: path.to_owned(), data } })
    }

    /// The archive that these bytes, the contents of a safetensors file, are.
    ///
    /// # Errors
    /// If they are not such contents, or damaged.
    #[track_caller]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Archive> {
        let bytes = bytes.into();
        let (header, data) = on_line("from_bytes", || parse(&bytes))?;
        let before = bytes.len() - data.len();
        Ok(Archive { header, store: Store::Bytes(bytes, before) })
    }

    /// Names of the tensors, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.header.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.header.find(name).is_some()
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.header.entries.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The texts that were saved beside the tensors.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }

    /// Shape and dtype of a tensor.
    ///
    /// # Errors
    /// If there is none of that name, or its dtype (an 8-bit float, say) or rank is one that a [`Tensor`] cannot have.
    #[track_caller]
    pub fn spec(&self, name: &str) -> Result<Spec> {
        on_line("spec", || self.entry(name).and_then(known))
    }

    /// Reads a tensor.
    ///
    /// # Errors
    /// As [`Archive::spec`]; if the file cannot be read; if a bool is neither 0 nor 1.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        on_line("tensor", || self.source().read(self.entry(name)?))
    }

    /// A tree like `like` whose leaves are those of the file; see [`load`](super::load).
    ///
    /// # Errors
    /// As [`load`](super::load).
    #[track_caller]
    pub fn load<T: Tree>(&self, like: &T) -> Result<T> {
        on_line("load", || fit::load(&self.header, self.source(), like))
    }

    /// A tree like `like` with as many leaves of the file as fit; see [`load_partial`](super::load_partial).
    ///
    /// # Errors
    /// As [`load_partial`](super::load_partial).
    #[track_caller]
    pub fn load_partial<T: Tree>(&self, like: &T) -> Result<Loaded<T>> {
        on_line("load_partial", || fit::load_partial(&self.header, self.source(), like))
    }

    /// All tensors as a tree whose structure is that of their names; see [`load_values`](super::load_values).
    ///
    /// # Errors
    /// As [`load_values`](super::load_values).
    #[track_caller]
    pub fn load_values(&self) -> Result<Value> {
        on_line("load_values", || structure::values(&self.header, self.source()))
    }

    fn source(&self) -> Source<'_> {
        match &self.store {
            Store::Bytes(bytes, before) => Source::Bytes(&bytes[*before..]),
            Store::File { file, path, data } => Source::File { file, path, data: *data },
        }
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        let entry = self.header.find(name).map(|at| &self.header.entries[at]);
        entry.ok_or_else(|| {
            let message = format!("there is no tensor `{name}` in {}", self.source().name());
            Error::plain(ErrorKind::Tree, message).help("`names` lists those that there are")
        })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive({}, {} tensors)", self.source().name(), self.len())
    }
}

impl Source<'_> {
    /// The file, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Bytes(_) => "the archive".to_owned(),
            Source::File { path, .. } => format!("`{}`", path.display()),
        }
    }

    /// The tensor of an entry of this file's header.
    pub(super) fn read(&self, entry: &Entry) -> Result<Tensor> {
        let spec = known(entry)?;
        let tensor = Tensor::from_little_endian(spec, |to| match self {
            Source::Bytes(data) => {
                let (start, end) = (entry.start as usize, entry.end as usize);
                // The header was held to the length of the data.
                to.copy_from_slice(data.get(start..end).unwrap_or_default());
                Ok(())
            }
            Source::File { file, path, data } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let read = file.seek(SeekFrom::Start(data + entry.start)).and_then(|_| file.read_exact(to));
                read.map_err(|e| failed("read", path, e))
            }
        });
        tensor.map_err(|error| error.context(format!("tensor `{}` in {}", entry.name, self.name())))
    }
}

/// The spec of a tensor that can be read.
fn known(entry: &Entry) -> Result<Spec> {
    match &entry.spec {
        Stored::Known(spec) => Ok(*spec),
        Stored::Foreign(what) => {
            let message = format!("tensor `{}` cannot be read: {what}", entry.name);
            let help = "dtypes are f32, f64, f16, bf16, i64, i32, u8 and bool, shapes have up to 8 axes; \
                convert it where the file was written";
            Err(Error::plain(ErrorKind::DType, message).help(help))
        }
    }
}

/// Header and data of the contents of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, &[u8])> {
    let broken = |why| damaged("the bytes", why);
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(broken(too_short(bytes.len() as u64)));
    };
    let length = header_length(*length, bytes.len() as u64).map_err(broken)?;
    let (text, data) = rest.split_at(length);
    let header = Header::parse(text, data.len() as u64).map_err(broken)?;
    Ok((header, data))
}

/// Bytes of the header, which a file of `file` bytes must have.
fn header_length(claimed: [u8; 8], file: u64) -> Result<usize, String> {
    let claimed = u64::from_le_bytes(claimed);
    if claimed > MAX_BYTES {
        return Err(format!("it would have a header of {claimed} bytes, more than {MAX_BYTES}"));
    }
    if claimed > file - 8 {
        return Err(format!(
            "it is cut off: its header takes {claimed} bytes, of which {} are there",
            file - 8
        ));
    }
    // At most 100 MB.
    Ok(claimed as usize)
}

fn too_short(bytes: u64) -> String {
    format!("it has {bytes} bytes, fewer than the 8 that tell the length of its header")
}

fn damaged(place: &str, why: String) -> Error {
    let subject = if place == "the bytes" { "the bytes are" } else { &format!("`{place}` is") };
    let message = format!("{subject} not a whole safetensors file: {why}");
    Error::plain(ErrorKind::Other, message)
}

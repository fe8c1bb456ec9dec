//! NumPy's `.npz`: a ZIP archive of `.npy` files, one for each name. Feature `npz`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use retrograd::{Tensor, io::npz};
//!
//! let path = std::env::temp_dir().join(format!("retrograd-npz-{}.npz", std::process::id()));
//! let arrays = BTreeMap::from([("x".to_owned(), Tensor::from([1.0, 2.0])), ("n".to_owned(), Tensor::arange(2))]);
//! npz::write(&path, &arrays)?; // numpy.load reads it
//! assert_eq!(npz::read(&path)?["x"].to_vec::<f64>()?, [1.0, 2.0]);
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), retrograd::Error>(())
//! ```
//!
//! What is written may be any tree, whose leaves are named as in [safetensors files](super#names); what is read is a
//! map of names. Dtypes are those of [`npy`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::path::Path;

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::names::{self, Leaf, in_leaf};
use super::npy::{self, Array};
use super::replace::replace;
use super::{failed, on_line};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;
use crate::tree::Tree;

/// What NumPy adds to the names.
const EXTENSION: &str = ".npy";
/// From this size on an entry is written with 64-bit lengths; a margin below 2^32 for what compression may add.
const LARGE: usize = 0xf000_0000;

/// Reads all arrays of a file, compressed or not.
///
/// PyTorch: `numpy.load(path)`. JAX: `jnp.load`.
///
/// # Errors
/// If the file cannot be read, is no such archive, or damaged; if an entry is not an `.npy` file, or one that
/// [`npy::read`] does not take; if two entries have one name, or lie within each other. Compressed entries may take a
/// thousand times as much memory as they take in the file; of other files, no more than they have is asked for.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    on_line("npz::read", || {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| failed("read", path, e))?;
        read_all(BufReader::new(file), &format!("`{}`", path.display()))
    })
}

/// The arrays in these bytes, the contents of an `.npz` file.
///
/// PyTorch: none. JAX: none.
///
/// # Errors
/// As [`read`].
#[track_caller]
pub fn from_bytes(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    on_line("npz::from_bytes", || read_all(Cursor::new(bytes), "what was given"))
}

/// Writes the leaves of a tree as an `.npz` file without compression, in place of an older one of that name, which
/// stays until the new one is complete on the disk.
///
/// PyTorch: `numpy.savez(path, **tensors)`. JAX: `jnp.savez`.
///
/// # Errors
/// If a leaf is invalid, has no value (inside `vmap`, or in a trace) or is of dtype bf16; if two leaves would have one
/// name; if the file cannot be written.
#[track_caller]
pub fn write<T: Tree>(path: impl AsRef<Path>, tree: &T) -> Result<()> {
    on_line("npz::write", || write_file(path.as_ref(), tree, CompressionMethod::Stored))
}

/// [`write()`] with compression, which helps where many elements are alike and takes long where they are not.
///
/// PyTorch: `numpy.savez_compressed(path, **tensors)`. JAX: none.
///
/// # Errors
/// As [`write()`].
#[track_caller]
pub fn write_compressed<T: Tree>(path: impl AsRef<Path>, tree: &T) -> Result<()> {
    on_line("npz::write_compressed", || write_file(path.as_ref(), tree, CompressionMethod::Deflated))
}

/// The contents of the file that [`write()`] would write.
///
/// PyTorch: none. JAX: none.
///
/// # Errors
/// As [`write()`].
#[track_caller]
pub fn to_bytes<T: Tree>(tree: &T) -> Result<Vec<u8>> {
    on_line("npz::to_bytes", || {
        let arrays = arrays_of(tree)?;
        let mut to = Cursor::new(Vec::new());
        write_all(&mut to, &arrays, CompressionMethod::Stored).map_err(Error::from)?;
        Ok(to.into_inner())
    })
}

fn write_file<T: Tree>(path: &Path, tree: &T, method: CompressionMethod) -> Result<()> {
    let arrays = arrays_of(tree)?;
    replace(path, |file| write_all(file, &arrays, method).map_err(|e| failed("write", path, e)))
}

/// What to write for each leaf, with the name of its entry.
fn arrays_of<T: Tree>(tree: &T) -> Result<Vec<(String, Array)>> {
    let array = |leaf: Leaf<'_>| {
        let array = Array::of(leaf.tensor, "npz::write").map_err(|error| in_leaf(&leaf.path, error))?;
        Ok((leaf.name + EXTENSION, array))
    };
    names::leaves(tree)?.into_iter().map(array).collect()
}

fn write_all(
    to: &mut (impl Write + Seek),
    arrays: &[(String, Array)],
    method: CompressionMethod,
) -> io::Result<()> {
    let mut archive = ZipWriter::new(to);
    for (name, array) in arrays {
        let large = array.len() >= LARGE;
        let options = SimpleFileOptions::default().compression_method(method).large_file(large);
        archive.start_file(name, options)?;
        array.write_to(&mut archive)?;
    }
    archive.finish()?;
    Ok(())
}

fn read_all(source: impl Read + Seek, place: &str) -> Result<BTreeMap<String, Tensor>> {
    let broken = |e| damaged(place, e);
    let mut archive = ZipArchive::new(source).map_err(broken)?;
    // Entries that share bytes would multiply what a small file yields.
    if archive.has_overlapping_entries().map_err(broken)? {
        return Err(unreadable(format!("{place} is damaged: entries lie within each other")));
    }
    let mut arrays = BTreeMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(broken)?;
        let file_name = entry.name().map_err(broken)?.into_owned();
        let Some(name) = file_name.strip_suffix(EXTENSION) else {
            let message =
                format!("{place} has an entry `{file_name}`, whose name does not end with `{EXTENSION}`");
            return Err(unreadable(message));
        };
        let tensor =
            read_entry(&mut entry).map_err(|e| e.into_error(&format!("`{file_name}` in {place}")))?;
        if arrays.insert(name.to_owned(), tensor).is_some() {
            return Err(unreadable(format!("{place} has more than one entry `{file_name}`")));
        }
    }
    if archive.has_duplicate_names() {
        return Err(unreadable(format!("{place} has entries of the same name")));
    }
    Ok(arrays)
}

/// The array of an entry, whose checksum is tested at its end.
fn read_entry<R: Read>(entry: &mut zip::read::ZipFile<'_, R>) -> Result<Tensor, npy::Refusal> {
    let claimed = entry.size();
    if entry.compression() == CompressionMethod::Stored && claimed == entry.compressed_size() {
        // The file has so many bytes, which no other entry shares.
        let tensor = npy::read_from(&mut *entry, claimed)?;
        io::copy(entry, &mut io::sink()).map_err(npy::Refusal::Io)?;
        return Ok(tensor);
    }
    // What is claimed may not be there: memory is taken as bytes come.
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(npy::Refusal::Io)?;
    npy::read_from(&bytes[..], bytes.len() as u64)
}

fn unreadable(message: String) -> Error {
    Error::plain(ErrorKind::Other, message)
}

fn damaged(place: &str, error: ZipError) -> Error {
    unreadable(format!("{place} is not a whole .npz file: {error}")).caused_by(error)
}

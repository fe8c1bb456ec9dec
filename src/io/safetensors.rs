//! Trees as safetensors files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::archive::{Archive, Source, parse};
use super::fit::{self, Loaded};
use super::header::{self, METADATA};
use super::names::{self, Leaf, in_leaf};
use super::replace::replace;
use super::{failed, on_line};
use crate::error::{Error, ErrorKind, Result};
use crate::tree::{Tree, Value};

/// Saves the leaves of a tree as a safetensors file, in place of an older one of that name.
///
/// Anything that is a tree is saved so: parameters, the state of an optimizer, a generator, or all of them as one tuple.
/// Views and constants are written out; the file takes 8 bytes, a header, and the elements. The old file stays until
/// the new one is complete on the disk. Inside a transform, what is saved is what [`to_vec`](crate::Tensor::to_vec)
/// returns.
///
/// PyTorch: `safetensors.torch.save_file`, `torch.save`. JAX: none.
///
/// # Errors
/// If a leaf is invalid, or has no value (inside `vmap`, or in a trace); if two leaves would have one name; if the file
/// cannot be written.
///
/// ```
/// use retrograd::{Tensor, io};
///
/// let path = std::env::temp_dir().join(format!("retrograd-save-{}.safetensors", std::process::id()));
/// io::save(&path, &(Tensor::from([1.0, 2.0]), Tensor::arange(3)))?;
///
/// let (x, n) = io::load(&path, &(Tensor::zeros([2]).f64(), Tensor::arange(3)))?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 2.0]);
/// assert_eq!(n.to_vec::<i64>()?, [0, 1, 2]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn save<T: Tree>(path: impl AsRef<Path>, tree: &T) -> Result<()> {
    on_line("save", || save_leaves(path.as_ref(), tree, BTreeMap::new()))
}

/// [`save`], with texts beside the tensors: a version, the settings of a model, `("format", "pt")` for programs that
/// ask for it. [`Archive::metadata`] reads them.
///
/// # Errors
/// As [`save`].
///
/// ```
/// use retrograd::{Tensor, io};
///
/// let path = std::env::temp_dir().join(format!("retrograd-save-with-{}.safetensors", std::process::id()));
/// io::save_with(&path, &Tensor::ones([2]), [("epoch", "7")])?;
/// assert_eq!(io::Archive::open(&path)?.metadata()["epoch"], "7");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn save_with<T: Tree>(
    path: impl AsRef<Path>,
    tree: &T,
    metadata: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
) -> Result<()> {
    let metadata = metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    on_line("save_with", || save_leaves(path.as_ref(), tree, metadata))
}

fn save_leaves<T: Tree>(path: &Path, tree: &T, metadata: BTreeMap<String, String>) -> Result<()> {
    let leaves = in_file_order(tree)?;
    let header = header_of(&leaves, &metadata)?;
    replace(path, |file| {
        file.write_all(&header).map_err(|e| failed("write", path, e))?;
        for leaf in &leaves {
            let elements = leaf.tensor.elements("save").map_err(|e| in_leaf(&leaf.path, e))?;
            file.write_all(&elements.little_endian()).map_err(|e| failed("write", path, e))?;
        }
        Ok(())
    })
}

/// The contents of the file that [`save`] would write.
///
/// PyTorch: `safetensors.torch.save`. JAX: none.
///
/// # Errors
/// As [`save`].
///
/// ```
/// # use retrograd::{Tensor, io};
/// let bytes = io::to_bytes(&Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(io::from_bytes(&bytes, &Tensor::zeros([2]))?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn to_bytes<T: Tree>(tree: &T) -> Result<Vec<u8>> {
    on_line("to_bytes", || bytes_of(tree))
}

fn bytes_of<T: Tree>(tree: &T) -> Result<Vec<u8>> {
    let leaves = in_file_order(tree)?;
    let mut bytes = header_of(&leaves, &BTreeMap::new())?;
    bytes.reserve_exact(leaves.iter().map(|leaf| leaf.tensor.spec().bytes()).sum());
    for leaf in &leaves {
        let elements = leaf.tensor.elements("to_bytes").map_err(|e| in_leaf(&leaf.path, e))?;
        bytes.extend_from_slice(&elements.little_endian());
    }
    Ok(bytes)
}

/// The leaves, those with the largest elements first, so that each begins at a multiple of its element's size.
fn in_file_order<T: Tree>(tree: &T) -> Result<Vec<Leaf<'_>>> {
    let mut leaves = names::leaves(tree)?;
    if let Some(leaf) = leaves.iter().find(|leaf| leaf.name == METADATA) {
        let message = format!("leaf `{}` would be named `{METADATA}`, which the format reserves", leaf.path);
        return Err(Error::plain(ErrorKind::Tree, message).help("rename the field, or the key of the map"));
    }
    leaves.sort_by_key(|leaf| std::cmp::Reverse(leaf.tensor.spec().dtype.size()));
    Ok(leaves)
}

fn header_of(leaves: &[Leaf<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let tensors = leaves.iter().map(|leaf| (leaf.name.as_str(), *leaf.tensor.spec()));
    header::write(tensors, metadata).map_err(|message| Error::plain(ErrorKind::Other, message))
}

/// A tree like `like` with the leaves of a safetensors file.
///
/// Structure and static values are those of `like`; so are the shapes and dtypes that the leaves must have, whose
/// elements do not matter. [`tree::cast`](crate::tree::cast) makes a `like` of another dtype, and the result what it
/// was before.
///
/// PyTorch: `torch.nn.Module.load_state_dict`. JAX: none.
///
/// # Errors
/// If the file cannot be read or is damaged; if a leaf is not in the file or has another shape or dtype there, or the
/// file has a tensor that is no leaf: the message names them. If a leaf of `like` is invalid.
///
/// ```
/// use retrograd::{DType, Tensor, io, tree};
///
/// let path = std::env::temp_dir().join(format!("retrograd-load-{}.safetensors", std::process::id()));
/// io::save(&path, &[Tensor::ones([2])])?;
///
/// let mine = [Tensor::zeros([2]).f64()];
/// let error = io::load(&path, &mine).unwrap_err();
/// assert!(error.to_string().contains("`[0]`: f32[2] in the file, f64[2] expected"));
///
/// let [x] = tree::cast(&io::load(&path, &tree::cast(&mine, DType::F32))?, DType::F64);
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 1.0]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn load<T: Tree>(path: impl AsRef<Path>, like: &T) -> Result<T> {
    on_line("load", || Archive::open_file(path.as_ref())?.load(like))
}

/// A tree like `like` with those leaves of a safetensors file that it has, in the same shape and dtype; and what did
/// not fit.
///
/// PyTorch: `torch.nn.Module.load_state_dict(strict=False)`, which does not allow other shapes.
///
/// # Errors
/// If the file cannot be read or is damaged, or a leaf of `like` is invalid.
///
/// ```
/// use retrograd::{Tensor, io};
///
/// let path = std::env::temp_dir().join(format!("retrograd-load-partial-{}.safetensors", std::process::id()));
/// io::save(&path, &[Tensor::ones([2])])?;
///
/// let loaded = io::load_partial(&path, &[Tensor::zeros([2]), Tensor::zeros([3])])?;
/// assert_eq!(loaded.missing, ["[1]"]);
/// assert_eq!(loaded.tree[0].to_vec::<f32>()?, [1.0, 1.0]);
/// assert_eq!(loaded.tree[1].to_vec::<f32>()?, [0.0, 0.0, 0.0]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn load_partial<T: Tree>(path: impl AsRef<Path>, like: &T) -> Result<Loaded<T>> {
    on_line("load_partial", || Archive::open_file(path.as_ref())?.load_partial(like))
}

/// All tensors of a safetensors file, as a tree whose structure is that of their names: of `layers.0.weight`, a map
/// with the key `layers` to a list of maps with the key `weight`. Maps whose keys are 0, 1, 2, .. are lists.
///
/// What [`Value`] has beside tensors is not in such files: numbers, and lists and maps without tensors.
///
/// PyTorch: `safetensors.torch.load_file`. JAX: none.
///
/// # Errors
/// If the file cannot be read or is damaged, or has a tensor of a dtype that [`Tensor`](crate::Tensor) has not; if a
/// name has more than 32 parts, or one tensor's is the beginning of another's (`a` and `a.b`).
///
/// ```
/// use retrograd::{Tensor, io, tree};
///
/// let path = std::env::temp_dir().join(format!("retrograd-load-values-{}.safetensors", std::process::id()));
/// io::save(&path, &vec![Tensor::ones([2]), Tensor::zeros([3])])?;
/// assert_eq!(tree::paths(&io::load_values(&path)?), ["[0]", "[1]"]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn load_values(path: impl AsRef<Path>) -> Result<Value> {
    on_line("load_values", || Archive::open_file(path.as_ref())?.load_values())
}

/// [`load`] from the contents of a file.
///
/// PyTorch: `safetensors.torch.load`. JAX: none.
///
/// # Errors
/// As [`load`].
#[track_caller]
pub fn from_bytes<T: Tree>(bytes: &[u8], like: &T) -> Result<T> {
    on_line("from_bytes", || {
        let (header, data) = parse(bytes)?;
        fit::load(&header, Source::Bytes(data), like)
    })
}

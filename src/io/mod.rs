//! Saving and loading: any [`Tree`] as a safetensors file, single tensors as NumPy's `.npy`, maps of them as `.npz`.
//!
//! ```
//! use retrograd::{Rng, Tensor, Tree, io};
//!
//! #[derive(Clone, Tree)]
//! struct Layer {
//!     weight: Tensor,
//!     bias: Tensor,
//! }
//!
//! let new = |rng: &mut Rng| Layer { weight: rng.randn([2, 3]), bias: Tensor::zeros([3]) };
//! let mut rng = Rng::seed(1);
//! let layers = vec![new(&mut rng), new(&mut rng)];
//!
//! let folder = std::env::temp_dir().join(format!("retrograd-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let path = folder.join("model.safetensors");
//! io::save(&path, &layers)?;
//!
//! // Structure, static values, shapes and dtypes are those of a tree that the program builds as it did before.
//! let loaded = io::load(&path, &vec![new(&mut rng), new(&mut rng)])?;
//! assert!(loaded[1].weight.allclose(&layers[1].weight, 0.0, 0.0)?);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), retrograd::Error>(())
//! ```
//!
//! | | writes | reads |
//! |---|---|---|
//! | safetensors: parameters, state of an optimizer, [`Rng`](crate::Rng), tuples of them | [`save`], [`save_with`], [`to_bytes`] | [`load`], [`load_partial`], [`load_values`], [`from_bytes`], [`Archive`] |
//! | NumPy's `.npy`: one tensor | [`npy::write`] | [`npy::read`] |
//! | NumPy's `.npz`, feature `npz`: tensors by name | `npz::write` | `npz::read` |
//! | whatever `serde` writes, feature `serde`: [`Tensor`], [`Shape`](crate::Shape), [`DType`](crate::DType), [`Spec`](crate::Spec), [`Value`], [`Rng`](crate::Rng) | `Serialize` | `Deserialize` |
//!
//! # Names
//!
//! In a file, a leaf is named as PyTorch's state dicts name theirs: the leaf with path `layers[0].weight` is
//! `layers.0.weight`. Keys of maps are written as they are, variants of enums by their names, and a tree that is a
//! single tensor is `tensor`. So files go both ways between Retrograd and the Python package `safetensors`:
//! `load_file("model.safetensors")` yields a dictionary that `load_state_dict` takes, where fields are named as the
//! modules are there; [`save_with`] `[("format", "pt")]` for those who ask for it. Static values are not saved.
//!
//! # Safety of files
//!
//! A file is written to a temporary one in the same folder, synchronised and renamed, so that whatever interrupts it
//! leaves the old file. What is read may come from anywhere: a file that is damaged, cut off or made with malice is
//! an error, in time and memory that its size bounds, and code is never run. Files are little-endian on any machine.
//!
//! # Errors
//!
//! A leaf that is invalid is its own error, with its path. A file that does not fit names the leaves:
//!
//! ```text
//! load: `model.safetensors` does not fit the tree
//!   `layers[0].weight`: f32[3, 4] in the file, f32[4, 4] expected
//!   not in the file: `layers[1].bias`
//!   only in the file: `head.weight`
//!   at src/main.rs:8:18
//!   help: `load_partial` loads what fits, and tells of the rest
//! ```

mod archive;
mod fit;
mod header;
mod json;
mod literal;
mod names;
pub mod npy;
#[cfg(feature = "npz")]
#[cfg_attr(docsrs, doc(cfg(feature = "npz")))]
pub mod npz;
mod replace;
mod safetensors;
#[cfg(feature = "serde")]
mod serde;
mod structure;

use std::path::Path;

use crate::autodiff::level::{origin, serving};
use crate::error::{Error, ErrorKind, Result};
#[cfg(doc)]
use crate::{Tensor, Tree, tree::Value};

pub use archive::Archive;
pub use fit::{Loaded, Mismatch};
pub use safetensors::{from_bytes, load, load_partial, load_values, save, save_with, to_bytes};

/// What the system reported of a file.
fn failed(doing: &str, path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot {doing} `{}`: {error}", path.display());
    Error::plain(ErrorKind::Other, message).caused_by(error)
}

/// Runs a function of this module, whose errors name it and the caller's line; that of an invalid tensor has its own.
#[track_caller]
fn on_line<R>(operation: &'static str, run: impl FnOnce() -> Result<R>) -> Result<R> {
    let at = origin();
    serving(at, run).map_err(|error| match error.location() {
        Some(_) => error,
        None => error.of_operation(operation, Vec::new(), at),
    })
}

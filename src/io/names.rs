//! What the leaves of a tree are called in a file.

use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;
use crate::tree::{self, Fixed, Key, Tree, Visitor};

/// The name in the file of a tree that is a single tensor, whose path is empty.
pub(super) const ROOT: &str = "tensor";

/// A leaf of a tree.
pub(super) struct Leaf<'a> {
    /// What it is called in a file: `layers.0.weight`.
    pub(super) name: String,
    /// What it is called in messages: `layers[0].weight`.
    pub(super) path: String,
    pub(super) tensor: &'a Tensor,
}

/// The leaves of a tree in order, each of a name of its own; all valid.
pub(super) fn leaves<T: Tree>(tree: &T) -> Result<Vec<Leaf<'_>>> {
    let mut collect = Collect { name: String::new(), at: Vec::new(), found: Vec::new() };
    tree.visit(&mut collect);
    let leaf = |((name, tensor), path)| Leaf { name, path, tensor };
    let leaves: Vec<Leaf<'_>> = collect.found.into_iter().zip(tree::paths(tree)).map(leaf).collect();
    for leaf in &leaves {
        if let Some(error) = leaf.tensor.error() {
            return Err(in_leaf(&leaf.path, error.clone()));
        }
    }
    let mut sorted: Vec<&Leaf<'_>> = leaves.iter().collect();
    sorted.sort_by_key(|leaf| leaf.name.as_str());
    if let Some([one, other]) = sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let message =
            format!("leaves `{}` and `{}` would both be named `{}`", one.path, other.path, one.name);
        return Err(Error::plain(ErrorKind::Tree, message).help("rename a field, or a key of a map"));
    }
    Ok(leaves)
}

/// Says in which leaf it was.
pub(super) fn in_leaf(path: &str, error: Error) -> Error {
    match path {
        "" => error,
        _ => error.context(format!("leaf `{path}`")),
    }
}

/// Gathers names and leaves on a visit.
struct Collect<'a> {
    name: String,
    /// Length of the name at each part that the visit is in.
    at: Vec<usize>,
    found: Vec<(String, &'a Tensor)>,
}

impl<'a> Visitor<'a> for Collect<'a> {
    fn leaf(&mut self, leaf: &'a Tensor) {
        let name = if self.at.is_empty() { ROOT.to_owned() } else { self.name.clone() };
        self.found.push((name, leaf));
    }
    fn enter(&mut self, key: Key<'_>) {
        let dot = if self.at.is_empty() { "" } else { "." };
        self.at.push(self.name.len());
        let written = match key {
            Key::Field(name) | Key::Variant(name) | Key::Name(name) => write!(self.name, "{dot}{name}"),
            Key::Index(i) => write!(self.name, "{dot}{i}"),
        };
        written.expect("writing to a string");
    }
    fn leave(&mut self) {
        self.name.truncate(self.at.pop().unwrap_or(0));
    }
    fn fixed(&mut self, _: &dyn Fixed) {}
}

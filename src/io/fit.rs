//! Whether a file has the leaves of a tree, and the tree with them.

use std::fmt;

use super::archive::Source;
use super::header::{Header, Stored};
use super::names::{self, Leaf, in_leaf};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Spec, Tensor};
use crate::tree::{self, Tree};

/// Of each sort of disagreement a message names so many; a file of another network disagrees everywhere.
const NAMED: usize = 8;

/// What [`load_partial`](super::load_partial) found: the tree, and what did not fit.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Loaded<T> {
    /// Leaves of the file where it has them, those that were there before elsewhere.
    pub tree: T,
    /// Paths of leaves that the file does not have.
    pub missing: Vec<String>,
    /// Names of tensors in the file that no leaf has.
    pub unexpected: Vec<String>,
    /// Leaves of another shape or dtype in the file, which were not loaded.
    pub mismatched: Vec<Mismatch>,
}

impl<T> Loaded<T> {
    /// Whether every leaf was loaded, and every tensor of the file is a leaf.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

/// A leaf that has another shape or dtype in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Path of the leaf in the tree.
    pub path: String,
    /// Shape and dtype of the leaf.
    pub expected: Spec,
    /// Shape and dtype in the file, as a message says it: `f32[3, 4]`.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { names::ROOT } else { &self.path };
        write!(f, "`{path}`: {} in the file, {} expected", self.found, self.expected)
    }
}

/// The tree with the leaves of the file, which has exactly those.
pub(super) fn load<T: Tree>(header: &Header, source: Source<'_>, like: &T) -> Result<T> {
    let leaves = names::leaves(like)?;
    let comparison = Comparison::of(header, &leaves);
    if comparison.disagrees() {
        return Err(comparison.error(&source));
    }
    comparison.read(header, source, &leaves).map(|loaded| with_leaves(like, loaded))
}

/// The tree with those leaves that the file has.
pub(super) fn load_partial<T: Tree>(header: &Header, source: Source<'_>, like: &T) -> Result<Loaded<T>> {
    let leaves = names::leaves(like)?;
    let comparison = Comparison::of(header, &leaves);
    let tree = with_leaves(like, comparison.read(header, source, &leaves)?);
    let Comparison { missing, unexpected, mismatched, .. } = comparison;
    Ok(Loaded { tree, missing, unexpected, mismatched })
}

/// The tree with other leaves, where there are such.
fn with_leaves<T: Tree>(like: &T, leaves: Vec<Option<Tensor>>) -> T {
    let mut leaves = leaves.into_iter();
    tree::map(like, |old| leaves.next().flatten().unwrap_or_else(|| old.clone()))
}

/// A tree beside a file.
struct Comparison {
    /// For each leaf, the number of its tensor in the file, if it fits.
    entries: Vec<Option<usize>>,
    missing: Vec<String>,
    unexpected: Vec<String>,
    mismatched: Vec<Mismatch>,
}

impl Comparison {
    fn of(header: &Header, leaves: &[Leaf<'_>]) -> Comparison {
        let (mut entries, mut missing, mut mismatched) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = vec![false; header.entries.len()];
        for leaf in leaves {
            let mut found = header.find(&leaf.name);
            let path = || if leaf.path.is_empty() { names::ROOT.to_owned() } else { leaf.path.clone() };
            match found {
                None => missing.push(path()),
                Some(at) => {
                    known[at] = true;
                    let (expected, stored) = (*leaf.tensor.spec(), &header.entries[at].spec);
                    if *stored != Stored::Known(expected) {
                        mismatched.push(Mismatch { path: path(), expected, found: stored.to_string() });
                        found = None;
                    }
                }
            }
            entries.push(found);
        }
        let unexpected = header.entries.iter().zip(known).filter(|(_, known)| !known);
        let unexpected = unexpected.map(|(entry, _)| entry.name.clone()).collect();
        Comparison { entries, missing, unexpected, mismatched }
    }

    fn disagrees(&self) -> bool {
        !(self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty())
    }

    /// The tensors of the leaves that fit, in the order of the leaves.
    fn read(&self, header: &Header, source: Source<'_>, leaves: &[Leaf<'_>]) -> Result<Vec<Option<Tensor>>> {
        let read = |(entry, leaf): (&Option<usize>, &Leaf<'_>)| {
            let tensor = entry.map(|at| source.read(&header.entries[at])).transpose();
            tensor.map_err(|error| in_leaf(&leaf.path, error))
        };
        self.entries.iter().zip(leaves).map(read).collect()
    }

    fn error(&self, source: &Source<'_>) -> Error {
        let lines = self.mismatched.iter().map(Mismatch::to_string).collect();
        let mut message = format!("{} does not fit the tree", source.name());
        message.push_str(&listed(lines, "\n  ", |line| line));
        let named = |names: &[String], what| {
            let listed = listed(names.to_vec(), ", ", |name| format!("`{name}`"));
            if names.is_empty() { String::new() } else { format!("\n  {what}: {}", &listed[2..]) }
        };
        message.push_str(&named(&self.missing, "not in the file"));
        message.push_str(&named(&self.unexpected, "only in the file"));
        Error::plain(ErrorKind::Tree, message).help("`load_partial` loads what fits, and tells of the rest")
    }
}

/// The first few of a list, each after `separator`.
fn listed(items: Vec<String>, separator: &str, shown: impl Fn(String) -> String) -> String {
    let more = items.len().saturating_sub(NAMED);
    let mut list: String =
        items.into_iter().take(NAMED).map(|item| separator.to_owned() + &shown(item)).collect();
    if more > 0 {
        list.push_str(&format!("{separator}and {more} more"));
    }
    list
}

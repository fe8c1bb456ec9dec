//! The tree that dotted names tell of.

use std::collections::BTreeMap;

use super::archive::Source;
use super::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;
use crate::tree::Value;

/// Parts of a name; more of them than any network nests, and few enough for recursion over the tree.
const DEPTH: usize = 32;

/// The tensors of a file, by the parts of their names: numbers from 0 on are positions in a list, others keys of a map.
pub(super) fn values(header: &Header, source: Source<'_>) -> Result<Value> {
    let mut root = BTreeMap::new();
    for entry in &header.entries {
        let parts = entry.name.split('.').count();
        if parts > DEPTH {
            let message = format!("the name `{}` has {parts} parts, more than {DEPTH}", entry.name);
            return Err(Error::plain(ErrorKind::Tree, message).help("see `Archive::tensor`"));
        }
        insert(&mut root, &entry.name, source.read(entry)?).map_err(|outer| within(header, outer))?;
    }
    Ok(with_lists(root))
}

/// Puts a tensor in its place, or returns the name of one that would be a tensor and a map.
fn insert<'a>(root: &mut BTreeMap<String, Value>, name: &'a str, tensor: Tensor) -> Result<(), &'a str> {
    let (mut place, mut rest) = (root, name);
    while let Some((part, below)) = rest.split_once('.') {
        let child = place.entry(part.to_owned()).or_insert_with(|| Value::Map(BTreeMap::new()));
        let Value::Map(parts) = child else { return Err(&name[..name.len() - below.len() - 1]) };
        (place, rest) = (parts, below);
    }
    // Names differ, so what was there is a map.
    place.insert(rest.to_owned(), Value::Tensor(tensor)).map_or(Ok(()), |_| Err(name))
}

/// The error that one name lies within another.
fn within(header: &Header, outer: &str) -> Error {
    let is_inner = |name: &str| name.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let inner = header.entries.iter().map(|entry| entry.name.as_str()).find(|name| is_inner(name));
    let message = format!("`{outer}` is a tensor, and `{}` would be a part of it", inner.unwrap_or_default());
    Error::plain(ErrorKind::Tree, message).help("see `Archive::tensor`, which takes any names")
}

/// Maps whose keys are 0, 1, 2, .. as lists.
fn with_lists(parts: BTreeMap<String, Value>) -> Value {
    let mut parts: BTreeMap<String, Value> = parts
        .into_iter()
        .map(|(key, part)| match part {
            Value::Map(parts) => (key, with_lists(parts)),
            other => (key, other),
        })
        .collect();
    let is_list = !parts.is_empty() && (0..parts.len()).all(|i| parts.contains_key(&i.to_string()));
    if !is_list {
        return Value::Map(parts);
    }
    Value::List((0..parts.len()).filter_map(|i| parts.remove(&i.to_string())).collect())
}

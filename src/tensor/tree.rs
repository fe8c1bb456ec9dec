//! Trees: what derivatives are taken with respect to. Your own structs, by `#[derive(Tree)]`; arrays, vectors,
//! tuples, options, boxes and string-keyed maps; a single tensor.
//!
//! Tree operations are functions here, not methods: a method named `map` would lose to the arrays' own.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{DType, Shape, Tensor};
use crate::autodiff::level::{misuse, origin, serving};
use crate::error::{Error, ErrorKind, Misfit, Result};

mod any;
mod value;

pub use any::AnyTree;
pub use value::Value;

/// A value whose leaves are tensors.
///
/// ```
/// use retrograd::{Tensor, Tree, tree};
///
/// #[derive(Clone, Tree)]
/// struct Layer {
///     w: Tensor,
///     b: Tensor,
///     #[tree(static)]
///     name: &'static str,
/// }
///
/// let layer = Layer { w: Tensor::ones([2, 2]), b: Tensor::zeros([2]), name: "first" };
/// let doubled = tree::map(&layer, |x| x * 2.0);
/// assert_eq!(doubled.w.to_vec::<f32>()?, [2.0; 4]);
/// assert_eq!(tree::paths(&layer), ["w", "b"]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tree of tensors",
    label = "not a `Tree`",
    note = "a number to be differentiated is a `Tensor` of rank 0: `Tensor::from(0.5)`",
    note = "a field that is not differentiated is marked `#[tree(static)]`; an argument that is not, wrapped in `tree::Static`",
    note = "your own structs and enums become trees by `#[derive(Tree)]`"
)]
pub trait Tree: Sized + Send + Sync + 'static {
    /// Rebuilds the tree with every leaf replaced by what the walker returns. Leaves come in declaration order.
    fn walk(&self, walker: &mut dyn Walker) -> Self;

    /// Shows leaves and static values, in the same order, without rebuilding.
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>);
}

/// Replaces the leaves of a tree.
pub trait Walker {
    /// What becomes of a leaf.
    fn leaf(&mut self, leaf: &Tensor) -> Tensor;
    /// Goes down to a part.
    fn enter(&mut self, key: Key<'_>);
    /// Comes up again.
    fn leave(&mut self);
}

/// Looks at a tree, whose leaves it may keep references to.
pub trait Visitor<'a> {
    /// A leaf.
    fn leaf(&mut self, leaf: &'a Tensor);
    /// Goes down to a part.
    fn enter(&mut self, key: Key<'_>);
    /// Comes up again.
    fn leave(&mut self);
    /// A value that is no leaf.
    fn fixed(&mut self, value: &dyn Fixed);
}

/// The way from a value to a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key<'a> {
    /// A field of a struct.
    Field(&'a str),
    /// A position.
    Index(usize),
    /// A key of a map.
    Name(&'a str),
    /// A variant of an enum.
    Variant(&'a str),
}

/// A static part of a tree: anything that can be compared and shown.
pub trait Fixed: Any + Debug + Send + Sync {
    /// Whether the other value is of the same type and equal.
    fn equals(&self, other: &dyn Fixed) -> bool;
    /// A copy to keep.
    fn to_box(&self) -> Box<dyn Fixed>;
    /// For comparing types.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Debug + Clone + PartialEq + Send + Sync + 'static> Fixed for T {
    fn equals(&self, other: &dyn Fixed) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }
    fn to_box(&self) -> Box<dyn Fixed> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A value without leaves, to pass beside tensors: `(&x, &Static(3usize))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Static<T>(pub T);

impl<T: Fixed + Clone> Tree for Static<T> {
    fn walk(&self, _: &mut dyn Walker) -> Self {
        self.clone()
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.fixed(&self.0);
    }
}

/// Every leaf replaced by what `f` makes of it.
pub fn map<T: Tree>(tree: &T, mut f: impl FnMut(&Tensor) -> Tensor) -> T {
    // One walker for all functions: it is compiled once.
    struct Map<'a>(&'a mut dyn FnMut(&Tensor) -> Tensor);
    impl Walker for Map<'_> {
        fn leaf(&mut self, leaf: &Tensor) -> Tensor {
            (self.0)(leaf)
        }
        fn enter(&mut self, _: Key<'_>) {}
        fn leave(&mut self) {}
    }
    tree.walk(&mut Map(&mut f))
}

/// The same tree, its leaves shared: a copy where the type of the tree is not known to be `Clone`.
pub fn copy<T: Tree>(tree: &T) -> T {
    map(tree, Clone::clone)
}

/// Leaves of the same place in two trees put together. Where the second tree has another structure, the result's
/// leaves are invalid and carry the error.
///
/// ```
/// # use retrograd::{tree, Tensor};
/// let (p, g) = ([Tensor::ones([2])], [Tensor::ones([2])]);
/// let [stepped] = tree::zip(&p, &g, |p, g| p - g * 0.5);
/// assert_eq!(stepped.to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn zip<T: Tree, U: Tree>(a: &T, b: &U, mut f: impl FnMut(&Tensor, &Tensor) -> Tensor) -> T {
    if let Err(error) = same_paths(a, b) {
        return map(a, |_| Tensor::invalid(error.clone()));
    }
    let mut others = leaf_refs(b).into_iter();
    map(a, |x| f(x, others.next().expect("paths are equal")))
}

/// The leaves, in order.
pub fn leaves<T: Tree>(tree: &T) -> Vec<Tensor> {
    let mut leaves = Vec::new();
    each_leaf(tree, &mut |leaf| leaves.push(leaf.clone()));
    leaves
}

/// References to the leaves, in order.
pub(crate) fn leaf_refs<T: Tree>(tree: &T) -> Vec<&Tensor> {
    let mut leaves = Vec::new();
    each_leaf(tree, &mut |leaf| leaves.push(leaf));
    leaves
}

/// Gives the leaves to `f`, in order.
pub(crate) fn each_leaf<'a, T: Tree>(tree: &'a T, f: &mut dyn FnMut(&'a Tensor)) {
    struct Each<'a, 'f>(&'f mut dyn FnMut(&'a Tensor));
    impl<'a> Visitor<'a> for Each<'a, '_> {
        fn leaf(&mut self, leaf: &'a Tensor) {
            (self.0)(leaf);
        }
        fn enter(&mut self, _: Key<'_>) {}
        fn leave(&mut self) {}
        fn fixed(&mut self, _: &dyn Fixed) {}
    }
    tree.visit(&mut Each(f));
}

/// The path of each leaf, in order: `w[0]`, `encoder.layers[2].b`, `["key"]`; empty for a single tensor.
pub fn paths<T: Tree>(tree: &T) -> Vec<String> {
    struct Paths {
        at: Vec<usize>,
        path: String,
        found: Vec<String>,
    }
    impl<'a> Visitor<'a> for Paths {
        fn leaf(&mut self, _: &Tensor) {
            self.found.push(self.path.trim_start_matches('.').to_owned());
        }
        fn enter(&mut self, key: Key<'_>) {
            self.at.push(self.path.len());
            let written = match key {
                Key::Field(name) | Key::Variant(name) => write!(self.path, ".{name}"),
                Key::Index(i) => write!(self.path, "[{i}]"),
                Key::Name(name) => write!(self.path, "[{name:?}]"),
            };
            written.expect("writing to a string");
        }
        fn leave(&mut self) {
            self.path.truncate(self.at.pop().unwrap_or(0));
        }
        fn fixed(&mut self, _: &dyn Fixed) {}
    }
    let mut paths = Paths { at: Vec::new(), path: String::new(), found: Vec::new() };
    tree.visit(&mut paths);
    paths.found
}

/// The error that two trees differ in structure, naming the first place.
pub(crate) fn same_paths<T: Tree, U: Tree>(a: &T, b: &U) -> Result<()> {
    // Paths are strings, to be made only if there is something to say.
    if fingerprint(a) == fingerprint(b) {
        return Ok(());
    }
    same_path_lists(&paths(a), &paths(b))
}

/// A number that trees with the same paths share, and others but for a chance of `2^-64` do not.
fn fingerprint<T: Tree>(tree: &T) -> u64 {
    struct Steps(DefaultHasher);
    impl<'a> Visitor<'a> for Steps {
        fn leaf(&mut self, _: &Tensor) {
            self.0.write_u8(b'.');
        }
        fn enter(&mut self, key: Key<'_>) {
            match key {
                Key::Field(name) | Key::Variant(name) => ('f', name).hash(&mut self.0),
                Key::Index(i) => ('i', i).hash(&mut self.0),
                Key::Name(name) => ('n', name).hash(&mut self.0),
            }
        }
        fn leave(&mut self) {
            self.0.write_u8(b')');
        }
        fn fixed(&mut self, _: &dyn Fixed) {}
    }
    let mut steps = Steps(DefaultHasher::new());
    tree.visit(&mut steps);
    steps.0.finish()
}

/// The same for trees of which the paths are known.
pub(crate) fn same_path_lists(left: &[String], right: &[String]) -> Result<()> {
    if left == right {
        return Ok(());
    }
    let at = left.iter().zip(right).position(|(l, r)| l != r).unwrap_or(left.len().min(right.len()));
    let name = |paths: &[String]| paths.get(at).map_or("no leaf".to_owned(), |path| format!("leaf `{path}`"));
    let message = format!(
        "the trees differ in structure: {} leaves and {}, {} where the other has {}",
        left.len(),
        right.len(),
        name(left),
        name(right)
    );
    Err(Error::plain(ErrorKind::Tree, message))
}

/// Number of leaves.
pub fn leaf_count<T: Tree>(tree: &T) -> usize {
    let mut count = 0;
    each_leaf(tree, &mut |_| count += 1);
    count
}

/// All floating-point leaves in another dtype; others stay.
pub fn cast<T: Tree>(tree: &T, dtype: DType) -> T {
    map(tree, |x| {
        let float = x.error().is_none() && x.spec().dtype.is_float();
        if float { x.to_dtype(dtype) } else { x.clone() }
    })
}

/// All leaves as one vector, and the way back. Leaves have one dtype.
///
/// ```
/// # use retrograd::{tree, Tensor};
/// let p = (Tensor::ones([2, 2]), Tensor::zeros([3]));
/// let (flat, unravel) = tree::ravel(&p);
/// assert_eq!(flat.shape(), [7]);
/// assert_eq!(unravel(&flat).1.shape(), [3]);
/// ```
#[track_caller]
pub fn ravel<T: Tree + Clone>(tree: &T) -> (Tensor, impl Fn(&Tensor) -> T + use<T>) {
    let parts: Vec<Tensor> = leaves(tree).iter().map(|x| x.reshape([x.spec().shape.numel()])).collect();
    let flat = if parts.is_empty() { Tensor::zeros([0]) } else { Tensor::cat(&parts, 0) };
    let total: usize = parts.iter().map(|part| part.spec().shape.numel()).sum();
    // A closure does not know its caller: an error names the line of this call.
    let (tree, at) = (tree.clone(), origin());
    let unravel = move |flat: &Tensor| {
        if flat.error().is_none() && flat.spec().shape != [total] {
            let message = format!("a vector of {total} elements is needed, got shape {}", flat.spec().shape);
            let invalid = serving(at, || misuse("unravel", &[flat], Misfit::shape(message)));
            return map(&tree, |_| invalid.clone());
        }
        let mut start = 0;
        map(&tree, |x| {
            let shape: Shape = x.spec().shape;
            let part = flat.narrow(0, start, shape.numel());
            start += shape.numel();
            part.reshape(shape)
        })
    };
    (flat, unravel)
}

/// The first leaf that is invalid, with its path: trees that are handed to `call` have none.
pub(crate) fn check_valid<T: Tree>(what: &str, tree: &T) -> Result<()> {
    struct FindInvalid(usize, Option<(usize, Error)>);
    impl<'a> Visitor<'a> for FindInvalid {
        fn leaf(&mut self, leaf: &Tensor) {
            if let (None, Some(error)) = (&self.1, leaf.error()) {
                self.1 = Some((self.0, error.clone()));
            }
            self.0 += 1;
        }
        fn enter(&mut self, _: Key<'_>) {}
        fn leave(&mut self) {}
        fn fixed(&mut self, _: &dyn Fixed) {}
    }
    let mut find = FindInvalid(0, None);
    tree.visit(&mut find);
    match find.1 {
        None => Ok(()),
        Some((at, error)) => Err(error.context(join(what, &paths(tree)[at]))),
    }
}

/// `params` and `w[0]` as `params.w[0]`.
pub(crate) fn join(what: &str, path: &str) -> String {
    match path.chars().next() {
        None => what.to_owned(),
        Some('[') => format!("{what}{path}"),
        Some(_) => format!("{what}.{path}"),
    }
}

impl Tree for Tensor {
    fn walk(&self, walker: &mut dyn Walker) -> Tensor {
        walker.leaf(self)
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.leaf(self);
    }
}

impl Tree for () {
    fn walk(&self, _: &mut dyn Walker) {}
    fn visit<'a>(&'a self, _: &mut dyn Visitor<'a>) {}
}

fn walk_part<T: Tree>(walker: &mut dyn Walker, key: Key<'_>, part: &T) -> T {
    walker.enter(key);
    let part = part.walk(walker);
    walker.leave();
    part
}

fn visit_part<'a, T: Tree>(visitor: &mut dyn Visitor<'a>, key: Key<'_>, part: &'a T) {
    visitor.enter(key);
    part.visit(visitor);
    visitor.leave();
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn walk(&self, walker: &mut dyn Walker) -> [T; N] {
        std::array::from_fn(|i| walk_part(walker, Key::Index(i), &self[i]))
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.iter().enumerate().for_each(|(i, part)| visit_part(visitor, Key::Index(i), part));
    }
}

impl<T: Tree> Tree for Vec<T> {
    fn walk(&self, walker: &mut dyn Walker) -> Vec<T> {
        self.iter().enumerate().map(|(i, part)| walk_part(walker, Key::Index(i), part)).collect()
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.iter().enumerate().for_each(|(i, part)| visit_part(visitor, Key::Index(i), part));
    }
}

impl<T: Tree> Tree for Option<T> {
    fn walk(&self, walker: &mut dyn Walker) -> Option<T> {
        self.as_ref().map(|part| part.walk(walker))
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        match self {
            Some(part) => part.visit(visitor),
            None => visitor.fixed(&"none"),
        }
    }
}

impl<T: Tree> Tree for Box<T> {
    fn walk(&self, walker: &mut dyn Walker) -> Box<T> {
        Box::new((**self).walk(walker))
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        (**self).visit(visitor);
    }
}

impl<T: Tree> Tree for BTreeMap<String, T> {
    fn walk(&self, walker: &mut dyn Walker) -> Self {
        // `collect` would sort the entries, which is a stable sort compiled for each `T`.
        let mut map = BTreeMap::new();
        for (key, part) in self {
            map.insert(key.clone(), walk_part(walker, Key::Name(key), part));
        }
        map
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.iter().for_each(|(key, part)| visit_part(visitor, Key::Name(key), part));
    }
}

impl<T: Tree> Tree for HashMap<String, T> {
    fn walk(&self, walker: &mut dyn Walker) -> Self {
        in_key_order(self).map(|(key, part)| (key.clone(), walk_part(walker, Key::Name(key), part))).collect()
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        in_key_order(self).for_each(|(key, part)| visit_part(visitor, Key::Name(key), part));
    }
}

fn in_key_order<T>(map: &HashMap<String, T>) -> impl Iterator<Item = (&String, &T)> {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| (key, &map[key]))
}

macro_rules! tuples {
    ($($($part:ident $index:tt),+;)*) => {$(
        impl<$($part: Tree),+> Tree for ($($part,)+) {
            fn walk(&self, walker: &mut dyn Walker) -> Self {
                ($(walk_part(walker, Key::Index($index), &self.$index),)+)
            }
            fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
                $(visit_part(visitor, Key::Index($index), &self.$index);)+
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}

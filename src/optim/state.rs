//! What an optimizer remembers, and whether two trees are built alike.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use retrograd::tree::{self, Fixed, Key, Visitor};
use retrograd::{DType, Error, Result, Tensor, Tree};

/// What an optimizer remembers from step to step: a tree, to be saved, passed to compiled functions and resumed from.
///
/// ```
/// use retrograd::{Tensor, tree};
/// use retrograd::optim::{Adam, Optimizer};
///
/// let params = [Tensor::ones([3]), Tensor::zeros([2, 2])];
/// let state = Adam::default().init(&params)?;
/// assert_eq!(state.step.item::<i64>()?, 0);
/// assert_eq!(state.slots["exp_avg"][1].shape(), [2, 2]);
/// assert_eq!(tree::paths(&state)[1], r#"slots["exp_avg"][0]"#);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone, Debug, Tree)]
pub struct State<P> {
    /// How many steps were made: i64, rank 0.
    pub step: Tensor,
    /// What is remembered of each leaf, by PyTorch's names (`exp_avg`, `momentum_buffer`). Each has the structure of the
    /// parameters; a leaf has the parameter's shape, or rank 0 where it is one number for the whole leaf, and its dtype,
    /// or f32 where that has 16 bits. Where nothing is remembered of a leaf, since it never moved or is no float, there
    /// stands a bool of rank 0.
    pub slots: BTreeMap<String, P>,
    /// How many steps each leaf made that was ever frozen, PyTorch's `step` of one parameter: i64, rank 0; for the others,
    /// which made all steps, a bool of rank 0. None where no leaf was ever frozen.
    pub leaf_steps: Option<P>,
}

/// What stands in a slot, or a count, in which there is nothing.
pub(super) fn nothing() -> Tensor {
    Tensor::from(false)
}

pub(super) fn is_nothing(x: &Tensor) -> bool {
    x.rank() == 0 && x.dtype() == DType::Bool
}

/// The leaves of `other`, if it is built like `params`. Fingerprints are compared, since this is asked several times in
/// every step: trees that differ pass as equal with a probability of 2^-64.
pub(super) fn leaves_like<P: Tree, U: Tree>(params: &P, other: &U, what: &str) -> Result<Vec<Tensor>> {
    if structure(params) == structure(other) {
        return Ok(tree::leaves(other));
    }
    let (own, others) = (tree::paths(params), tree::paths(other));
    let at = own.iter().zip(&others).position(|(a, b)| a != b).unwrap_or(own.len().min(others.len()));
    let name = |paths: &[String]| paths.get(at).map_or("no leaf".to_owned(), |path| format!("`{path}`"));
    Err(Error::msg(format!(
        "the parameters have {} leaves and {what} {}: {} there, {} here",
        own.len(),
        others.len(),
        name(&own),
        name(&others)
    )))
}

/// A tree with other leaves, given in order.
pub(super) fn with_leaves<P: Tree>(tree: &P, leaves: Vec<Tensor>) -> P {
    let mut leaves = leaves.into_iter();
    tree::map(tree, |leaf| leaves.next().unwrap_or_else(|| leaf.clone()))
}

/// The first invalid leaf as an error that names its path.
pub(super) fn valid<P: Tree>(tree: &P, leaves: &[Tensor], what: &str) -> Result<()> {
    match leaves.iter().enumerate().find_map(|(at, leaf)| leaf.error().map(|error| (at, error))) {
        None => Ok(()),
        Some((at, error)) => Err(Error::msg(format!("{what}{}: {error}", of_leaf(tree, at)))),
    }
}

/// ` of w[0]`, or nothing where the tree is a single tensor.
pub(super) fn of_leaf<P: Tree>(tree: &P, at: usize) -> String {
    match tree::paths(tree).get(at) {
        Some(path) if !path.is_empty() => format!(" of `{path}`"),
        _ => String::new(),
    }
}

/// Dtype and shape in the words of the crate's other errors: `f32[2, 3]`.
pub(super) fn spec(x: &Tensor) -> String {
    format!("{}{}", x.dtype(), x.shape())
}

/// A fingerprint of the way from a tree to its leaves: equal paths have equal ones. Paths as strings say the same, at
/// ten times the cost, in every step.
fn structure<P: Tree>(tree: &P) -> u64 {
    struct Structure(DefaultHasher);
    impl<'a> Visitor<'a> for Structure {
        fn leaf(&mut self, _: &'a Tensor) {
            self.0.write_u8(0);
        }
        fn enter(&mut self, key: Key<'_>) {
            match key {
                Key::Index(i) => (1u8, i).hash(&mut self.0),
                Key::Name(name) => (2u8, name).hash(&mut self.0),
                Key::Field(name) | Key::Variant(name) => (3u8, name).hash(&mut self.0),
            }
        }
        fn leave(&mut self) {
            self.0.write_u8(4);
        }
        fn fixed(&mut self, _: &dyn Fixed) {}
    }
    let mut structure = Structure(DefaultHasher::new());
    tree.visit(&mut structure);
    structure.0.finish()
}

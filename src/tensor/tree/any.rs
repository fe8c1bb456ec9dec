//! Trees of different types behind one type.

use std::any::Any;
use std::fmt;

use super::{Tree, Visitor, Walker, leaf_refs, paths};
use crate::error::{Error, ErrorKind, Result};

/// Any tree, as one type: what a list of trees of different types consists of, such as the parameters of a network
/// whose layers are chosen at run time.
///
/// Its leaves are those of the tree in it, with the same paths.
///
/// ```
/// # use retrograd::{Tensor, tree, tree::AnyTree};
/// let parts = vec![AnyTree::new((Tensor::ones([2]), Tensor::ones([3]))), AnyTree::new(Tensor::ones([4]))];
/// assert_eq!(tree::paths(&parts), ["[0][0]", "[0][1]", "[1]"]);
/// let doubled = tree::map(&parts, |x| x * 2.0);
/// assert_eq!(doubled[1].get::<Tensor>()?.to_vec::<f32>()?, [2.0; 4]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub struct AnyTree(Box<dyn Erased>);

/// What of `Tree` can be called without knowing the type.
trait Erased: Send + Sync {
    fn walk(&self, walker: &mut dyn Walker) -> Box<dyn Erased>;
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>);
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn type_name(&self) -> &'static str;
}

impl<T: Tree> Erased for T {
    fn walk(&self, walker: &mut dyn Walker) -> Box<dyn Erased> {
        Box::new(Tree::walk(self, walker))
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        Tree::visit(self, visitor);
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

impl AnyTree {
    /// A tree of any type.
    pub fn new<T: Tree>(tree: T) -> AnyTree {
        AnyTree(Box::new(tree))
    }

    /// The tree in it.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn get<T: Tree>(&self) -> Result<&T> {
        self.0.as_any().downcast_ref().ok_or_else(|| wrong_type::<T>(self.0.type_name()))
    }

    /// The tree in it, by value.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn take<T: Tree>(self) -> Result<T> {
        let name = self.0.type_name();
        self.0.into_any().downcast().map(|tree| *tree).map_err(|_| wrong_type::<T>(name))
    }
}

#[cold]
fn wrong_type<T>(got: &str) -> Error {
    let message = format!("a tree of type `{}` was expected, got `{got}`", std::any::type_name::<T>());
    Error::plain(ErrorKind::Tree, message)
}

impl Tree for AnyTree {
    fn walk(&self, walker: &mut dyn Walker) -> AnyTree {
        AnyTree(self.0.walk(walker))
    }
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.0.visit(visitor);
    }
}

impl Clone for AnyTree {
    fn clone(&self) -> AnyTree {
        super::copy(self)
    }
}

impl fmt::Debug for AnyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaves = paths(self).into_iter().zip(leaf_refs(self));
        f.debug_map().entries(leaves).finish()
    }
}

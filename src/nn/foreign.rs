//! What layers of another library keep between forward and backward.

use std::fmt;
use std::sync::Arc;

use retrograd::Tree;
use retrograd::tree::{Visitor, Walker};

/// A value that is no tensor and has no leaves, such as another library's record of a forward computation: what a
/// foreign layer saves for `backward`.
pub struct Foreign<T>(Arc<T>);

impl<T> Foreign<T> {
    /// Holds the value.
    pub fn new(value: T) -> Foreign<T> {
        Foreign(Arc::new(value))
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Foreign<T> {
    fn clone(&self) -> Self {
        Foreign(self.0.clone())
    }
}

/// Equal if they are the same value, at the same place.
impl<T> PartialEq for Foreign<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> fmt::Debug for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign<{}>", std::any::type_name::<T>())
    }
}

impl<T: Send + Sync + 'static> Tree for Foreign<T> {
    fn walk(&self, _: &mut dyn Walker) -> Self {
        self.clone()
    }

    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.fixed(self);
    }
}

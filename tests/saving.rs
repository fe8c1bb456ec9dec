//! What is saved is what is loaded: to the bit, whatever the tree, and between here and Python; and a file that is
//! damaged is an error, in memory that its size bounds.
//!
//! `PROPTEST_CASES=5000` tries more trees and more damage, `PROPTEST_RNG_SEED=2` others.

#[path = "saving/allocation.rs"]
mod allocation;
#[path = "saving/damage.rs"]
mod damage;
#[path = "saving/folder.rs"]
mod folder;
#[path = "saving/messages.rs"]
mod messages;
#[path = "saving/numpy.rs"]
mod numpy;
#[path = "saving/python.rs"]
mod python;
#[path = "saving/replacing.rs"]
mod replacing;
#[cfg(feature = "serde")]
#[path = "saving/serialised.rs"]
mod serialised;
#[path = "saving/trees.rs"]
mod trees;

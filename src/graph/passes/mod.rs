//! What is done to a graph before it runs: pure functions from graph to graph.

pub(crate) mod fuse;

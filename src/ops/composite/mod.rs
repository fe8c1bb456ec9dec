//! What is made of other operations: no laws of their own, so every transform holds for them.

mod loss;
mod pointwise;
mod shape;
mod statistics;

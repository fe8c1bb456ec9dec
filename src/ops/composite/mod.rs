//! What is made of other operations: no laws of their own, so every transform holds for them.

mod contraction;
mod einsum;
mod loss;
mod shape;
mod statistics;

//! Elementwise results take the place of operands that die, where that pays, and of nothing else.

use crate::error::Result;
use crate::exec::cpu::program::Program;
use crate::graph::trace;
use crate::tensor::{Rng, Tensor};

/// How many blocks the arena has for a function of an `n x n` matrix, which has been seen to compute what it does.
#[track_caller]
fn blocks(n: usize, f: impl Fn(&Tensor) -> Tensor) -> usize {
    let x = Rng::seed(1).randn([n, n]);
    let graph = trace(&[*x.spec()], |x| Ok(vec![f(&x[0])])).expect("it is recorded");
    let program = Program::new(graph, 0);
    let numbers = |y: Result<Vec<Tensor>>| y.and_then(|y| y[0].to_vec::<f32>()).expect("it runs");
    assert_eq!(numbers(program.run(&[&x], &[])), numbers(Ok(vec![f(&x)])), "{}", program.plan());
    program.plan().blocks.len()
}

/// Rows of a matrix of at least `LEAST_BYTES`, and of one below.
const LARGE: usize = 96;
const SMALL: usize = 64;

#[test]
fn a_result_takes_the_place_of_an_operand_that_dies() {
    assert_eq!(blocks(LARGE, |x| x.matmul(x).tanh().exp().matmul(x)), 1);
    // One of two that die, whichever it is.
    assert_eq!(blocks(LARGE, |x| (x.matmul(x) - x.t().matmul(x)).matmul(x)), 2);
    // The other operand lives on.
    assert_eq!(blocks(LARGE, |x| (x - x.matmul(x)).matmul(x)), 1);
}

#[test]
fn a_small_result_has_a_place_of_its_own() {
    assert_eq!(blocks(SMALL, |x| x.matmul(x).tanh().exp().matmul(x)), 3);
}

#[test]
fn what_is_read_again_keeps_its_place() {
    let later = |x: &Tensor| {
        let m = x.matmul(x);
        m.tanh().matmul(&m)
    };
    assert_eq!(blocks(LARGE, later), 2);
    let view = |x: &Tensor| {
        let m = x.matmul(x);
        m.tanh().matmul(&m.t())
    };
    assert_eq!(blocks(LARGE, view), 2);
    // Within one operation: the elements of one operand are overwritten before those of the other are read.
    let turned = |x: &Tensor| {
        let m = x.matmul(x);
        (&m - m.t()).matmul(x)
    };
    assert_eq!(blocks(LARGE, turned), 2);
}

#[test]
fn what_is_not_laid_out_as_the_result_keeps_its_place() {
    assert_eq!(blocks(LARGE, |x| x.matmul(x).t().tanh().matmul(x)), 2);
    let part = |x: &Tensor| x.matmul(x).at(0..LARGE as i64 / 2).tanh().matmul(x);
    assert_eq!(blocks(2 * LARGE, part), 2);
}

//! What operations and calls cost beside their arithmetic: `cargo bench --bench overhead`.
//!
//! Direct mode: 1,000 additions of 64 numbers in a row, in nanoseconds an operation, median of 200 rounds: plain; recorded
//! on a tape and dropped; recorded, walked back, and dropped. Optimized mode: a call of a program that does nothing, in
//! nanoseconds a call, for trees of some leaves, of which it returns one or all; and 1,000 additions of 16 numbers, each an
//! instruction of its own, in nanoseconds an instruction.

use std::hint::black_box;
use std::time::Instant;

use retrograd::{Fallback, Result, Tensor, grad, jit, tree, vjp};

const OPERATIONS: usize = 1000;
const ROUNDS: usize = 200;

fn additions(x: &Tensor) -> Tensor {
    let one = Tensor::from([1.0f32; 64]);
    (0..OPERATIONS).fold(x.clone(), |x, _| &x + &one)
}

fn median_ns(run: impl FnMut() -> Result<()>) -> Result<f64> {
    median_of(OPERATIONS, run)
}

/// Nanoseconds of one of so many things that a run does.
fn median_of(things: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2].as_secs_f64() * 1e9 / things as f64)
}

/// Nanoseconds of a call that computes nothing.
fn empty<R: retrograd::Tree>(leaves: usize, f: impl Fn(&Vec<Tensor>) -> R) -> Result<f64> {
    const CALLS: usize = 100;
    let p: Vec<Tensor> = (0..leaves).map(|i| Tensor::from([i as f32, 2.0])).collect();
    let f = jit(|p: &Vec<Tensor>| f(p)).fallback(Fallback::Error);
    f.call(&p, ())?;
    f.call(&p, ())?;
    median_of(CALLS, || {
        for _ in 0..CALLS {
            let _ = black_box(f.call(black_box(&p), ())?);
        }
        Ok(())
    })
}

fn programs() -> Result<()> {
    for leaves in [1, 10, 100] {
        let one = empty(leaves, |p| p[0].clone())?;
        let all = empty(leaves, |p| tree::map(p, Tensor::clone))?;
        let bound = 150 + 15 * leaves;
        println!(
            "empty, {leaves:3} leaves      {one:6.1} ns a call, returning all {all:6.1} (at most {bound})"
        );
    }
    let x = [Tensor::from([0.5f32; 16]), Tensor::from([1.0f32; 16])];
    let many = jit(|x: &[Tensor; 2]| (0..OPERATIONS).fold(x[0].clone(), |sum, _| sum + &x[1]));
    let many = many.fuse(false).fallback(Fallback::Error);
    let _ = many.call(&x, ())?;
    let _ = many.call(&x, ())?;
    let instruction = median_ns(|| {
        let _ = black_box(many.call(&x, ())?);
        Ok(())
    })?;
    println!("compiled, not fused    {instruction:6.1} ns an instruction");
    Ok(())
}

fn main() -> Result<()> {
    programs()?;
    let x = Tensor::from([0.5f32; 64]);
    let recorded = vjp(additions);
    let derived = grad(|x: &Tensor| additions(x).sum());
    let plain = median_ns(|| {
        let _ = black_box(additions(&x));
        Ok(())
    })?;
    let recording = median_ns(|| {
        let _ = black_box(recorded.call(&x, ())?);
        Ok(())
    })?;
    let walking = median_ns(|| {
        let _ = black_box(derived.call(&x, ())?);
        Ok(())
    })?;
    println!("plain                  {plain:6.1} ns an operation");
    println!("recorded               {recording:6.1} ns an operation");
    println!("recorded, walked back  {walking:6.1} ns an operation");
    Ok(())
}

//! What an operation of direct mode costs beside its arithmetic: `cargo bench --bench overhead`.
//!
//! 1,000 additions of 64 numbers in a row, in nanoseconds an operation, median of 200 rounds: plain; recorded on a
//! tape and dropped; recorded, walked back, and dropped.

use std::hint::black_box;
use std::time::Instant;

use retrograd::{Result, Tensor, grad, vjp};

const OPERATIONS: usize = 1000;
const ROUNDS: usize = 200;

fn additions(x: &Tensor) -> Tensor {
    let one = Tensor::from([1.0f32; 64]);
    (0..OPERATIONS).fold(x.clone(), |x, _| &x + &one)
}

fn median_ns(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2].as_secs_f64() * 1e9 / OPERATIONS as f64)
}

fn main() -> Result<()> {
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

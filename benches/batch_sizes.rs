//! What optimized mode costs where it does not pay: `cargo bench --bench batch_sizes`.
//!
//! A gradient is called once for each of 1,000 batch sizes, directly and optimized, in turns. A few sizes are compiled,
//! the others run directly; all in all that may take 1.2 times what direct mode takes.

use std::hint::black_box;
use std::time::Instant;

use retrograd::{Result, Rng, Tensor, grad};

const SIZES: usize = 1000;
const ROUNDS: usize = 7;
const LIMIT: f64 = 1.2;

type Layers = [(Tensor, Tensor); 2];

fn loss(p: &Layers, x: &Tensor, y: &Tensor) -> Tensor {
    let h = (x.matmul(&p[0].0) + &p[0].1).relu();
    (h.matmul(&p[1].0) + &p[1].1).cross_entropy(y)
}

fn main() -> Result<()> {
    let mut rng = Rng::seed(1);
    let p: Layers = [[32, 24], [24, 10]].map(|[i, o]| (rng.randn([i, o]) * 0.1, Tensor::zeros([o])));
    let (x, y) = (rng.randn([SIZES, 32]), Tensor::arange(SIZES as i64).remainder(10));
    let batches: Vec<(Tensor, Tensor)> = (1..=SIZES).map(|n| (x.at(..n), y.at(..n))).collect();
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let seconds = |optimize: bool| -> Result<f64> {
            // A new one each time: what is compiled counts.
            let gradient = grad(loss).optimize(optimize);
            let start = Instant::now();
            for (x, y) in &batches {
                let _ = black_box(gradient.call(&p, (x, y))?);
            }
            Ok(start.elapsed().as_secs_f64())
        };
        let (direct, optimized) = (seconds(false)?, seconds(true)?);
        ratios.push(optimized / direct);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!("{SIZES} batch sizes: {:.3} of direct mode (at most {LIMIT})", ratios[ROUNDS / 2]);
    Ok(())
}

//! Training does not need more memory the longer it goes on: after 10,000 compiled steps as much is resident as after
//! 100.

#![cfg(target_os = "linux")]

mod steps;

use retrograd::{Fallback, Result, Rng, Tensor, Tree, grad, jit, tree};
use steps::{Layers, images, network, recurrent};

/// Pages of the process in memory.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number")
}

/// Trains, and asserts that what is resident after `STEPS` is what was after `EARLY`, within 2 %.
#[track_caller]
fn assert_flat<P: Tree + Clone>(
    name: &str,
    loss: fn(&P, &Tensor, &Tensor) -> Tensor,
    mut p: P,
    data: impl Fn(usize) -> (Tensor, Tensor),
) -> Result<()> {
    const EARLY: usize = 100;
    const STEPS: usize = 10_000;
    let gradient = grad(loss);
    let step = jit(|p: &P, x: &Tensor, y: &Tensor| -> Result<(P, Tensor)> {
        let (g, loss) = gradient.call(p, (x, y))?;
        Ok((tree::zip(p, &g, |p, g| p - g * 0.01), loss))
    })
    .fallback(Fallback::Error);
    let mut early = 0.0;
    for at in 0..STEPS {
        if at == EARLY {
            early = resident();
        }
        // New data in every step, as in training.
        let (x, y) = data(at);
        let (next, loss) = step.call(&p, (&x, &y))?;
        assert!(loss.item::<f32>()?.is_finite());
        p = next;
    }
    let late = resident();
    assert!(
        (late - early).abs() <= 0.02 * early,
        "{name}: {early} pages after {EARLY} steps, {late} after {STEPS}"
    );
    Ok(())
}

fn labels(n: usize, classes: usize, from: usize) -> Tensor {
    Tensor::from_vec((0..n).map(|i| ((i * 7 + from) % classes) as i64).collect(), [n])
}

// One test, since what is resident is the process's.
#[test]
fn resident_memory_after_ten_thousand_steps_is_that_after_a_hundred() -> Result<()> {
    let mut rng = Rng::seed(1);
    let batches: Vec<Tensor> = (0..4).map(|_| rng.randn([8, 16])).collect();
    let layers: Layers =
        [(16, 12), (12, 5)].map(|(i, o)| (rng.randn([i, o]) * 0.3, Tensor::zeros([o]))).to_vec();
    assert_flat("mlp", network, layers, |at| (&batches[at % 4] + 0.1, labels(8, 5, at)))?;

    let batches: Vec<Tensor> = (0..4).map(|_| rng.randn([2, 1, 6, 6])).collect();
    let p =
        [(rng.randn([3, 1, 3, 3]) * 0.3, Tensor::zeros([3])), (rng.randn([27, 4]) * 0.3, Tensor::zeros([4]))];
    assert_flat("cnn", images, p, |at| (&batches[at % 4] + 0.1, labels(2, 4, at)))?;

    let [table, wx, wh] = [[11, 8], [8, 32], [8, 32]].map(|shape| rng.randn(shape) * 0.3);
    let p = [table, wx, wh, Tensor::zeros([32]), rng.randn([8, 11]) * 0.3];
    assert_flat("lstm", recurrent, p, |at| (labels(16, 11, at).reshape([4, 4]), labels(4, 11, at + 3)))
}

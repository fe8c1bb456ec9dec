//! Single operations beside PyTorch's (`benches/peers/torch_operations.py`): one JSON line a workload.
//!
//! `cargo bench --bench operations -- [--only a,b] [--seconds S]`

mod harness;

use harness::{Check, Run, fill32, total};
use retrograd::{Conv, Result, Tensor, tree, vjp};

/// A convolution with both gradients, given the cotangent.
fn convolution(x: Tensor, w: Tensor, padding: usize) -> Run {
    let f = move |(x, w): &(Tensor, Tensor)| x.conv2d(w, Conv::new().padding(padding));
    let y = f(&(x.clone(), w.clone()));
    let dy = fill32(3, [y.numel()], 2.0).reshape(y.shape());
    let (step, inputs) = (vjp(f), (x, w));
    let mut checked = None;
    let run = move || -> Result<f64> {
        let (y, pull) = step.call(&inputs, ())?;
        let gradients = pull.call(&dy)?;
        // Added up once: that is not what is measured.
        match checked {
            Some(sum) => Ok(sum),
            None => {
                let squares = tree::map(&(y, gradients), |x| x.f64().square());
                Ok(*checked.insert(total(&squares)?))
            }
        }
    };
    Box::new(run)
}

fn workload(name: &str) -> Option<(Check, Run)> {
    let run = match name {
        "conv_first" => convolution(fill32(1, [64, 1, 32, 32], 2.0), fill32(2, [16, 1, 5, 5], 0.4), 0),
        "conv_middle" => convolution(fill32(1, [64, 16, 28, 28], 2.0), fill32(2, [32, 16, 3, 3], 0.2), 0),
        "conv_large" => convolution(fill32(1, [64, 64, 32, 32], 2.0), fill32(2, [64, 64, 3, 3], 0.1), 1),
        _ => return None,
    };
    Some((Check::First, run))
}

const NAMES: [&str; 3] = ["conv_first", "conv_middle", "conv_large"];

fn main() {
    harness::main(&NAMES, workload);
}

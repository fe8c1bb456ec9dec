//! Single operations beside PyTorch's (`benches/peers/torch_operations.py`): one JSON line a workload.
//!
//! `cargo bench --features linalg --bench operations -- [--only a,b] [--seconds S]`

mod harness;

use harness::{Check, Mode, Run, fill32};
use retrograd::{Conv, Order, Tensor, vjp};

/// A convolution with both gradients, given the cotangent.
fn convolution(x: Tensor, w: Tensor, padding: usize) -> Run {
    let f = move |(x, w): &(Tensor, Tensor)| x.conv2d(w, Conv::new().padding(padding));
    let inputs = (x, w);
    let y = f(&inputs);
    let dy = fill32(3, [y.numel()], 2.0).reshape(y.shape());
    let step = vjp(f);
    Box::new(move || {
        let (y, pull) = step.call(&inputs, ())?;
        let (dx, dw) = pull.call(&dy)?;
        Ok(vec![y, dx, dw])
    })
}

fn workload(name: &str, _: Mode) -> Option<(Check, Run)> {
    let run: Run = match name {
        "conv_first" => convolution(fill32(1, [64, 1, 32, 32], 2.0), fill32(2, [16, 1, 5, 5], 0.4), 0),
        "conv_middle" => convolution(fill32(1, [64, 16, 28, 28], 2.0), fill32(2, [32, 16, 3, 3], 0.2), 0),
        "conv_large" => convolution(fill32(1, [64, 64, 32, 32], 2.0), fill32(2, [64, 64, 3, 3], 0.1), 1),
        "sort" => {
            let x = fill32(1, [1_000_000], 2.0);
            Box::new(move || Ok(vec![x.sort(0, Order::Ascending).0]))
        }
        "cumsum" => {
            let x = fill32(1, [1_000_000], 2.0);
            Box::new(move || Ok(vec![x.cumsum(0)]))
        }
        #[cfg(feature = "linalg")]
        "inverse" => {
            let x = fill32(1, [1000, 8, 8], 2.0) + Tensor::eye(8) * 2.0;
            Box::new(move || Ok(vec![x.inv()]))
        }
        _ => return None,
    };
    Some((Check::SumOfSquares, run))
}

const NAMES: [&str; 6] = ["conv_first", "conv_middle", "conv_large", "sort", "cumsum", "inverse"];

fn main() {
    harness::main(&NAMES, workload);
}

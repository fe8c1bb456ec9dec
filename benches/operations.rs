//! Single operations beside PyTorch's (`benches/peers/torch_operations.py`): one JSON line a workload.
//!
//! `cargo bench --features linalg --bench operations -- [--only a,b] [--seconds S]`

mod harness;

use harness::{Check, Run, fill32, total};
use retrograd::{Conv, Order, Result, Tensor, tree, vjp};

/// What `run` yields; the sum of squares, the number to check, is added up once: that is not what is measured.
fn yielding(mut run: impl FnMut() -> Result<Vec<Tensor>> + 'static) -> Run {
    let mut checked = None;
    Box::new(move || {
        let outputs = run()?;
        match checked {
            Some(sum) => Ok(sum),
            None => Ok(*checked.insert(total(&tree::map(&outputs, |y| y.f64().square()))?)),
        }
    })
}

/// A convolution with both gradients, given the cotangent.
fn convolution(x: Tensor, w: Tensor, padding: usize) -> Run {
    let f = move |(x, w): &(Tensor, Tensor)| x.conv2d(w, Conv::new().padding(padding));
    let inputs = (x, w);
    let y = f(&inputs);
    let dy = fill32(3, [y.numel()], 2.0).reshape(y.shape());
    let step = vjp(f);
    yielding(move || {
        let (y, pull) = step.call(&inputs, ())?;
        let (dx, dw) = pull.call(&dy)?;
        Ok(vec![y, dx, dw])
    })
}

fn workload(name: &str) -> Option<(Check, Run)> {
    let run = match name {
        "conv_first" => convolution(fill32(1, [64, 1, 32, 32], 2.0), fill32(2, [16, 1, 5, 5], 0.4), 0),
        "conv_middle" => convolution(fill32(1, [64, 16, 28, 28], 2.0), fill32(2, [32, 16, 3, 3], 0.2), 0),
        "conv_large" => convolution(fill32(1, [64, 64, 32, 32], 2.0), fill32(2, [64, 64, 3, 3], 0.1), 1),
        "sort" => {
            let x = fill32(1, [1_000_000], 2.0);
            yielding(move || Ok(vec![x.sort(0, Order::Ascending).0]))
        }
        "cumsum" => {
            let x = fill32(1, [1_000_000], 2.0);
            yielding(move || Ok(vec![x.cumsum(0)]))
        }
        #[cfg(feature = "linalg")]
        "inverse" => {
            let x = fill32(1, [1000, 8, 8], 2.0) + Tensor::eye(8) * 2.0;
            yielding(move || Ok(vec![x.inv()]))
        }
        _ => return None,
    };
    Some((Check::First, run))
}

const NAMES: [&str; 6] = ["conv_first", "conv_middle", "conv_large", "sort", "cumsum", "inverse"];

fn main() {
    harness::main(&NAMES, workload);
}

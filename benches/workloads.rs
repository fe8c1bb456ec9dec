//! Our side of `benches/peers/workloads.md`: one JSON line a workload, to be held against PyTorch's and JAX's.
//!
//! `cargo bench --bench workloads -- [--mode direct|optimized] [--threads N] [--only a,b] [--seconds S]`

mod harness;

use harness::{Check, Mode, Run, fill, fill32, hash};
use retrograd::{
    Arguments, Conv, Fallback, Function, Output, Result, Tensor, Tree, grad, hessian, hvp, jacobian, jit,
    tree, vmap,
};

fn labels(seed: u64, n: usize, classes: u64) -> Tensor {
    Tensor::from_vec((0..n as u64).map(|i| ((hash(seed, i) >> 16) % classes) as i64).collect(), [n])
}

type Layers = Vec<(Tensor, Tensor)>;

fn linear(x: &Tensor, layer: &(Tensor, Tensor)) -> Tensor {
    x.matmul(&layer.0) + &layer.1
}

fn readme_loss(p: &Layers, x: &Tensor, y: &Tensor) -> Tensor {
    let h1 = linear(x, &p[0]).tanh();
    let h2 = linear(&h1, &p[1]).tanh();
    let y_hat = &h2 - h2.exp().sum().log();
    -(y_hat * y).sum()
}

fn logistic_loss(p: &Layers, x: &Tensor, t: &Tensor) -> Tensor {
    linear(x, &p[0]).cross_entropy(t)
}

fn mlp_loss(p: &Layers, x: &Tensor, t: &Tensor) -> Tensor {
    let h = linear(x, &p[0]).relu();
    let h = linear(&h, &p[1]).relu();
    linear(&h, &p[2]).cross_entropy(t)
}

fn mlp_params() -> Layers {
    let widths = [(784, 512), (512, 256), (256, 10)];
    let layer = |(k, (i, o)): (usize, (usize, usize))| {
        (fill32(10 + k as u64, [i, o], 2.0 / (i as f64).sqrt()), Tensor::zeros([o]))
    };
    widths.into_iter().enumerate().map(layer).collect()
}

/// Two convolutions with their biases, and the output layer.
#[derive(Clone, Tree)]
struct Cnn {
    convolutions: [(Tensor, Tensor); 2],
    output: (Tensor, Tensor),
}

fn cnn_loss(p: &Cnn, x: &Tensor, t: &Tensor) -> Tensor {
    let layer = |x: &Tensor, (w, b): &(Tensor, Tensor)| {
        x.conv2d(w, Conv::new().padding(2).bias(b)).tanh().max_pool2d(2)
    };
    let h = layer(&layer(x, &p.convolutions[0]), &p.convolutions[1]);
    linear(&h.flatten(1, -1), &p.output).cross_entropy(t)
}

/// Embedding, then Wx, Wh, b of each layer, then the output layer.
#[derive(Clone, Tree)]
struct Lstm {
    embedding: Tensor,
    cells: Vec<[Tensor; 3]>,
    output: (Tensor, Tensor),
}

fn lstm_loss(p: &Lstm, tokens: &Tensor, targets: &Tensor) -> Tensor {
    let mut h = p.embedding.embedding(tokens);
    for [wx, wh, b] in &p.cells {
        let (mut hs, mut cs) = (Tensor::zeros([20, 200]), Tensor::zeros([20, 200]));
        let mut outputs = Vec::with_capacity(20);
        for t in 0..20 {
            let x = h.narrow(1, t, 1).squeeze(1);
            let gates = x.matmul(wx) + hs.matmul(wh) + b;
            let [i, f, g, o] = gates.split([200; 4], 1);
            cs = f.sigmoid() * cs + i.sigmoid() * g.tanh();
            hs = o.sigmoid() * cs.tanh();
            outputs.push(hs.clone());
        }
        h = Tensor::stack(&outputs, 1);
    }
    linear(&h.reshape([400, 200]), &p.output).cross_entropy(targets)
}

/// The attention's four matrices, the feed-forward's two layers, gain and bias of two norms.
#[derive(Clone, Tree)]
struct Block {
    attention: [Tensor; 4],
    feed_forward: [(Tensor, Tensor); 2],
    norms: [(Tensor, Tensor); 2],
}

fn layer_norm(x: &Tensor, norm: &(Tensor, Tensor)) -> Tensor {
    let centred = x - x.mean_keepdim(-1);
    let deviation = (centred.square().mean_keepdim(-1) + 1e-5).sqrt();
    centred / deviation * &norm.0 + &norm.1
}

fn transformer_loss(p: &Block, x: &Tensor, mask: &Tensor) -> Tensor {
    let h = layer_norm(x, &p.norms[0]);
    let heads = |w: &Tensor| h.matmul(w).reshape([8, 128, 4, 64]).transpose(1, 2);
    let [q, k, v] = [heads(&p.attention[0]), heads(&p.attention[1]), heads(&p.attention[2])];
    let weights = (q.matmul(&k.t()) / 8.0 + mask).softmax(-1);
    let mixed = weights.matmul(&v).transpose(1, 2).reshape([8, 128, 256]);
    let h1 = x + mixed.matmul(&p.attention[3]);
    let h = layer_norm(&h1, &p.norms[1]);
    let out = h1 + linear(&linear(&h, &p.feed_forward[0]).gelu(), &p.feed_forward[1]);
    out.square().mean()
}

fn black_scholes([s, k, t, v]: &[Tensor; 4]) -> Tensor {
    let r = 0.03;
    let cdf = |z: &Tensor| ((z * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    let spread = v * t.sqrt();
    let d1 = ((s / k).log() + (v * v * 0.5 + r) * t) / &spread;
    let d2 = &d1 - spread;
    (s * cdf(&d1) - k * (t * -r).exp() * cdf(&d2)).sum()
}

fn chain_loss(w: &Tensor, x: &Tensor) -> Result<Tensor> {
    let mut h = x.clone();
    for _ in 0..500 {
        h *= w;
        h = if h.sum().item::<f32>()? > 0.0 { h.tanh() } else { h.sin() };
    }
    Ok((&h * &h).sum())
}

fn ode_loss((a, y): &(Tensor, Tensor)) -> Tensor {
    let h = 0.001;
    let slope = |y: &Tensor| a.matmul(y).tanh();
    let mut y = y.clone();
    for _ in 0..1000 {
        let k1 = slope(&y);
        let k2 = slope(&(&y + &k1 * (h / 2.0)));
        let k3 = slope(&(&y + &k2 * (h / 2.0)));
        let k4 = slope(&(&y + &k3 * h));
        y += (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
    }
    (&y * &y).sum()
}

fn rosenbrock(x: &Tensor) -> Tensor {
    let (low, high) = (x.narrow(0, 0, 99), x.narrow(0, 1, 99));
    let valley = (high - low.square()).square() * 100.0;
    (valley + (1.0 - low).square()).sum()
}

/// One residual of bundle adjustment: camera (11 numbers), point (3), weight.
fn residual(p: &(Tensor, Tensor, Tensor)) -> Tensor {
    let (camera, point, weight) = p;
    let rotation = camera.narrow(0, 0, 3);
    let centre = point - camera.narrow(0, 3, 3);
    let angle = rotation.square().sum().sqrt();
    let axis = rotation / &angle;
    let turned = &centre * angle.cos()
        + cross(&axis, &centre) * angle.sin()
        + &axis * (&axis * &centre).sum() * (1.0 - angle.cos());
    let image = turned.narrow(0, 0, 2) / turned.narrow(0, 2, 1);
    let r2 = image.square().sum();
    let number = |i: usize| camera.narrow(0, i, 1);
    let distortion = number(9) * &r2 + number(10) * &r2 * &r2 + 1.0;
    weight * (image * distortion * number(6) + camera.narrow(0, 7, 2))
}

fn cross(a: &Tensor, b: &Tensor) -> Tensor {
    let part = |x: &Tensor, i: usize| x.narrow(0, i, 1);
    let term = |i: usize, j: usize| part(a, i) * part(b, j) - part(a, j) * part(b, i);
    Tensor::cat(&[term(1, 2), term(2, 0), term(0, 1)], 0)
}

/// Runs `f` again and again, as the mode has it.
fn repeated<F, P, X, R>(mode: Mode, f: F, p: P, x: X) -> Run
where
    F: Function<P, X, R> + 'static,
    P: Tree,
    X: Arguments + 'static,
    R: Output + 'static,
{
    if mode == Mode::Direct {
        return Box::new(move || f.apply(&p, x.refs()).open().map(|outputs| tree::leaves(&outputs)));
    }
    let f = jit(f).fallback(Fallback::Error);
    Box::new(move || f.call(&p, x.refs()).map(|outputs| tree::leaves(&outputs)))
}

/// A training step: gradient, then `p <- p - rate * g`; optimized, all of it is one program.
fn training<P: Tree + Clone>(
    mode: Mode,
    loss: fn(&P, &Tensor, &Tensor) -> Tensor,
    mut params: P,
    (x, y): (Tensor, Tensor),
    rate: f64,
) -> (Check, Run) {
    let gradient = grad(loss);
    let step = move |p: &P, x: &Tensor, y: &Tensor| -> Result<(P, Tensor)> {
        let (gradient, loss) = gradient.call(p, (x, y))?;
        Ok((tree::zip(p, &gradient, |p, g| p - g * rate), loss))
    };
    let run: Run = match mode {
        Mode::Direct => Box::new(move || {
            let (next, loss) = step(&params, &x, &y)?;
            params = next;
            Ok(vec![loss])
        }),
        Mode::Optimized => {
            let step = jit(step).fallback(Fallback::Error);
            let mut params = Some(params);
            Box::new(move || {
                // Given away, so that they are updated where they are, as PyTorch's are.
                let given = params.take().expect("those of the step before");
                let (next, loss) = step.call_owned(given, (&x, &y))?;
                params = Some(next);
                Ok(vec![loss])
            })
        }
    };
    (Check::FifthLoss, run)
}

fn workload(name: &str, mode: Mode) -> Option<(Check, Run)> {
    let summed = |run: Run| (Check::Sum, run);
    Some(match name {
        "readme" => {
            let mut y = Tensor::zeros([1, 10]);
            y.set((0, 3), 1.0);
            let layers = vec![
                (fill32(2, [100, 50], 0.2), Tensor::zeros([50])),
                (fill32(3, [50, 10], 0.2), Tensor::zeros([10])),
            ];
            training(mode, readme_loss, layers, (fill32(1, [1, 100], 2.0), y), 0.01)
        }
        "logistic" => {
            let layers = vec![(fill32(2, [100, 10], 0.2), Tensor::zeros([10]))];
            training(mode, logistic_loss, layers, (fill32(1, [1, 100], 2.0), Tensor::from([3i64])), 0.01)
        }
        "mlp" => {
            training(mode, mlp_loss, mlp_params(), (fill32(1, [128, 784], 2.0), labels(2, 128, 10)), 0.1)
        }
        "cnn" => {
            let params = Cnn {
                convolutions: [
                    (fill32(11, [16, 1, 5, 5], 0.4), Tensor::zeros([16])),
                    (fill32(12, [32, 16, 5, 5], 0.1), Tensor::zeros([32])),
                ],
                output: (fill32(13, [1568, 10], 0.05), Tensor::zeros([10])),
            };
            training(mode, cnn_loss, params, (fill32(1, [64, 1, 28, 28], 2.0), labels(2, 64, 10)), 0.05)
        }
        "lstm" => {
            let cell = |l: u64| {
                [fill32(20 + l, [200, 800], 0.2), fill32(30 + l, [200, 800], 0.2), Tensor::zeros([800])]
            };
            let params = Lstm {
                embedding: fill32(1, [10_000, 200], 0.2),
                cells: vec![cell(0), cell(1)],
                output: (fill32(40, [200, 10_000], 0.2), Tensor::zeros([10_000])),
            };
            let tokens = labels(5, 400, 10_000).reshape([20, 20]);
            training(mode, lstm_loss, params, (tokens, labels(6, 400, 10_000)), 1.0)
        }
        "transformer" => {
            let params = Block {
                attention: [50, 51, 52, 53].map(|seed| fill32(seed, [256, 256], 0.1)),
                feed_forward: [
                    (fill32(54, [256, 1024], 0.1), Tensor::zeros([1024])),
                    (fill32(55, [1024, 256], 0.1), Tensor::zeros([256])),
                ],
                norms: [(); 2].map(|()| (Tensor::ones([256]), Tensor::zeros([256]))),
            };
            let later = Tensor::arange(128).unsqueeze(0).gt(Tensor::arange(128).unsqueeze(1));
            let mask = later.where_(f64::NEG_INFINITY, 0.0);
            training(mode, transformer_loss, params, (fill32(1, [8, 128, 256], 2.0), mask), 0.1)
        }
        "blackscholes" => {
            let n = [1_000_000];
            let ps = [
                (fill(1, n, 40.0) + 100.0).f32(),
                (fill(2, n, 40.0) + 100.0).f32(),
                (fill(3, n, 1.0) + 1.0).f32(),
                (fill(4, n, 0.2) + 0.3).f32(),
            ];
            let d = grad(black_scholes);
            summed(repeated(mode, move |ps: &[Tensor; 4]| d.call(ps, ()), ps, ()))
        }
        "chain" => {
            let (x, w) = (fill32(1, [64], 2.0), (fill(2, [64], 0.1) + 1.0).f32());
            // It branches on values, so it is never compiled.
            let d = grad(chain_loss);
            summed(repeated(Mode::Direct, move |w: &Tensor, x: &Tensor| d.call(w, x), w, (x,)))
        }
        "ode" => {
            let p = (fill(1, [64, 64], 0.5), fill(2, [64], 2.0));
            let d = grad(ode_loss);
            summed(repeated(mode, move |p: &(Tensor, Tensor)| d.call(p, ()), p, ()))
        }
        "hvp" => {
            let (p, x, t) = (mlp_params(), fill32(1, [128, 784], 2.0), labels(2, 128, 10));
            let mut seed = 89;
            let v = tree::map(&p, |leaf| {
                seed += 1;
                fill(seed, [leaf.numel()], 1.0).f32().reshape(leaf.shape())
            });
            let product = hvp(mlp_loss);
            let f = move |p: &Layers, v: &Layers, x: &Tensor, t: &Tensor| product.call(p, v, (x, t));
            summed(repeated(mode, f, p, (v, x, t)))
        }
        "hessian" => {
            let x = fill(1, [100], 2.0);
            let h = hessian(rosenbrock);
            summed(repeated(mode, move |x: &Tensor| h.call(x, ()), x, ()))
        }
        "jacobian" => {
            let n = 30_000;
            let base = Tensor::from([0.0, 0.0, 0.0, 0.0, 0.0, -5.0, 500.0, 0.0, 0.0, 0.0, 0.0]);
            let p = (fill(1, [n, 11], 0.2) + base, fill(2, [n, 3], 1.0), fill(3, [n], 0.1) + 1.0);
            let each = vmap(|p: &(Tensor, Tensor, Tensor)| {
                jacobian(residual).mode(retrograd::Mode::Forward).call(p, ())
            });
            summed(repeated(mode, move |p: &(Tensor, Tensor, Tensor)| each.call(p, ()), p, ()))
        }
        _ => return None,
    })
}

/// In the peers' order.
const NAMES: [&str; 12] = [
    "readme",
    "logistic",
    "mlp",
    "cnn",
    "lstm",
    "transformer",
    "blackscholes",
    "ode",
    "chain",
    "hvp",
    "hessian",
    "jacobian",
];

fn main() {
    harness::main(&NAMES, workload);
}

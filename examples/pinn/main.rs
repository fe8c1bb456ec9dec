//! Solves a differential equation by a neural network: Burgers' equation `u_t + u u_x = v u_xx`, whose solution grows a steep
//! front.
//!
//! It shows derivatives of a network with respect to its inputs, to second order and by forward mode, inside a loss
//! whose gradient is then taken by reverse mode, all in one compiled program; Adam first, then L-BFGS; and the error
//! against the exact solution, which is known.
//!
//! `cargo run --release --example pinn` from the repository's root; `-- --help` lists the options. It takes about a minute
//! on two cores.

use std::error::Error;
use std::f64::consts::PI;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use retrograd::nn::init;
use retrograd::optim::{Adam, Lbfgs, LineSearch, Minimizer, Optimizer, Schedule, State};
use retrograd::{DType, Fallback, Result, Rng, Tensor, Tree, grad, jit, jvp, tree};

mod exact;
mod picture;

#[path = "../shared/progress.rs"]
mod progress;

use picture::Field;

/// Solves Burgers' equation by a network, and compares it with the exact solution.
#[derive(Debug, Parser)]
struct Options {
    /// The viscosity v: the smaller, the steeper the front.
    #[arg(long, default_value_t = 0.02)]
    viscosity: f64,
    /// Numbers in each of the network's hidden layers.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,
    /// Points at which the equation is to hold.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    points: u32,
    /// Steps of Adam.
    #[arg(long, default_value_t = 1000)]
    adam: u32,
    /// Adam's first learning rate, which falls to a tenth along a cosine.
    #[arg(long, default_value_t = 0.005)]
    rate: f64,
    /// Iterations of L-BFGS after them.
    #[arg(long, default_value_t = 1000)]
    lbfgs: u32,
    /// Seed of the first weights and of the points.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the solution and its error go, an SVG file.
    #[arg(long, default_value = "target/pinn.svg")]
    picture: PathBuf,
}

/// Space, from -1 to 1, and time, from 0 to 1: `[n, 1]` both, in f64.
#[derive(Clone, Debug, Tree)]
struct Points {
    x: Tensor,
    t: Tensor,
}

impl Points {
    /// Uniform at random.
    fn random(n: usize, rng: &mut Rng) -> Points {
        let [x, t] = [-1.0, 0.0].map(|low| rng.uniform([n, 1], low, 1.0).f64());
        Points { x, t }
    }

    /// A grid of `columns` times and `rows` places, time after time.
    fn grid(columns: usize, rows: usize) -> Points {
        let line = |low: f64, n: usize| Tensor::linspace(low, 1.0, n).f64();
        let x = line(-1.0, rows).unsqueeze(0).broadcast_to([columns, rows]).reshape([columns * rows, 1]);
        let t = line(0.0, columns).unsqueeze(1).broadcast_to([columns, rows]).reshape([columns * rows, 1]);
        Points { x, t }
    }
}

/// `y = x w + b`.
#[derive(Clone, Debug, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

/// Layers with tanh between them.
type Network = Vec<Layer>;

/// A network of `x` and `t` with three hidden layers, in f64.
fn network(width: usize, rng: &mut Rng) -> Network {
    let widths = [2, width, width, width, 1];
    let layer =
        |w: &[usize]| Layer { w: init::xavier_normal(rng, [w[0], w[1]], 1.0), b: Tensor::zeros([w[1]]) };
    tree::cast(&widths.windows(2).map(layer).collect(), DType::F64)
}

/// The solution that a network makes, `[n, 1]`. It has the right values at `t = 0` and at both ends whatever the network
/// yields, so that only the equation itself is to be learned.
fn solution(network: &Network, x: &Tensor, t: &Tensor) -> Tensor {
    let mut y = Tensor::cat(&[x.clone(), t.clone()], 1);
    for (i, layer) in network.iter().enumerate() {
        y = if i == 0 { y } else { y.tanh() }.matmul(&layer.w) + &layer.b;
    }
    -(x * PI).sin() + t * (1.0 - x.square()) * y
}

/// By how much the solution misses the equation at each point: `u_t + u u_x - v u_xx`.
fn residual(network: &Network, at: &Points, viscosity: f64) -> Result<Tensor> {
    // A tangent of ones moves all points at once, and no point depends on another: one derivative each.
    let ones = at.x.ones_like();
    let (_, u_t) = jvp(|t: &Tensor| solution(network, &at.x, t)).call(&at.t, &ones, ())?;
    let along_x = |x: &Tensor| jvp(|x: &Tensor| solution(network, x, &at.t)).call(x, &ones, ());
    let ((u, u_x), (_, u_xx)) = jvp(along_x).call(&at.x, &ones, ())?;
    Ok(u_t + u * u_x - u_xx * viscosity)
}

/// The network after steps of Adam, each one compiled program: values, inner derivatives, gradient and update.
fn by_adam(
    options: &Options,
    loss: impl Fn(&Network, &Points) -> Result<Tensor>,
    first: Network,
    points: &Points,
) -> Result<Network, Box<dyn Error>> {
    let (rate, steps) = (options.rate, u64::from(options.adam));
    let adam = Adam::new(Schedule::cosine(rate, steps.max(1), rate / 10.0));
    let gradient = grad(loss);
    let step = jit(|(p, state): &(Network, State<Network>), points: &Points| -> Result<_> {
        let (gradients, loss) = gradient.call(p, points)?;
        Ok((adam.step(p, &gradients, state)?, loss))
    })
    .fallback(Fallback::Error);
    let bar = progress::progress(steps, "steps");
    let state = adam.init(&first)?;
    let mut run = (first, state);
    for _ in 0..steps {
        let loss;
        (run, loss) = step.call_owned(run, points)?;
        bar.inc(1);
        bar.set_message(format!("Adam, loss {:.2e}", loss.item::<f64>()?));
    }
    bar.finish_and_clear();
    Ok(run.0)
}

/// Iterations of L-BFGS between two looks at the progress.
const ITERATIONS: usize = 20;

/// The network after iterations of L-BFGS, or fewer if it can do no better. It looks at values, so it is not compiled; the
/// gradient that it calls is.
fn by_lbfgs(
    options: &Options,
    loss: impl Fn(&Network, &Points) -> Result<Tensor>,
    first: Network,
    points: &Points,
) -> Result<Network, Box<dyn Error>> {
    let gradient = grad(loss).fallback(Fallback::Error);
    let lbfgs = Lbfgs::new(1.0)
        .max_iter(ITERATIONS)
        .history_size(50)
        .tolerance_grad(1e-9)
        .tolerance_change(1e-13)
        .line_search_fn(Some(LineSearch::StrongWolfe));
    let bar = progress::progress(u64::from(options.lbfgs), "iterations");
    let (mut network, mut state) = (first.clone(), lbfgs.start(&first)?);
    let mut done = 0;
    while done < u64::from(options.lbfgs) {
        let found = lbfgs.minimize(&network, &state, |p| gradient.call(p, points))?;
        (network, state) = (found.params, found.state);
        let made = state.n_iter.item::<i64>()? as u64 - done;
        done += made;
        bar.set_position(done);
        bar.set_message(format!("L-BFGS, loss {:.2e}", found.output.item::<f64>()?));
        if made < ITERATIONS as u64 {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(network)
}

/// How many times and places the solution is compared and drawn at.
const GRID: (usize, usize) = (80, 81);

/// What a network makes of the equation, beside the exact solution.
struct Comparison {
    solution: Vec<f64>,
    error: Vec<f64>,
}

impl Comparison {
    fn new(network: &Network, viscosity: f64) -> Result<Comparison> {
        let at = Points::grid(GRID.0, GRID.1);
        let solution = solution(network, &at.x, &at.t).to_vec::<f64>()?;
        let (x, t) = (at.x.to_vec::<f64>()?, at.t.to_vec::<f64>()?);
        let exact = x.iter().zip(&t).map(|(&x, &t)| exact::burgers(x, t, viscosity));
        let error = solution.iter().zip(exact).map(|(u, exact)| u - exact).collect();
        Ok(Comparison { solution, error })
    }
}

/// The norm of the error over that of the exact solution, and the greatest error.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact: f64 = self.solution.iter().zip(&self.error).map(|(u, error)| (u - error).powi(2)).sum();
        let relative = (self.error.iter().map(|error| error.powi(2)).sum::<f64>() / exact).sqrt();
        let greatest = self.error.iter().fold(0.0, |greatest: f64, error| greatest.max(error.abs()));
        write!(f, "relative error {relative:.2e}, greatest error {greatest:.2e}")
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let viscosity = options.viscosity;
    if viscosity.is_nan() || viscosity < exact::LEAST_VISCOSITY {
        let least = exact::LEAST_VISCOSITY;
        return Err(
            format!("--viscosity is {viscosity}: at least {least} is needed for the exact solution").into()
        );
    }
    let mut rng = Rng::seed(options.seed);
    let mut network = network(options.width as usize, &mut rng);
    let points = Points::random(options.points as usize, &mut rng);
    let loss = |p: &Network, points: &Points| Ok(residual(p, points, viscosity)?.square().mean());
    network = by_adam(options, loss, network, &points)?;
    println!("after Adam: {}", Comparison::new(&network, viscosity)?);
    network = by_lbfgs(options, loss, network, &points)?;
    let found = Comparison::new(&network, viscosity)?;
    println!("after L-BFGS: {found}");
    let (columns, rows) = GRID;
    let field = |title, values| Field { title, values, columns, rows };
    let fields = [field("solution u(t, x)", found.solution), field("error", found.error)];
    picture::save(&options.picture, &fields)?;
    println!("solution and error: {}", options.picture.display());
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

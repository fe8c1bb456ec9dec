//! Learns to learn: first weights from which a few steps of gradient descent fit any sine curve that ten of its points are
//! given of (Finn, Abbeel and Levine 2017, "Model-agnostic meta-learning", section 5.1).
//!
//! It shows gradients through gradients: each task's loss is taken after steps along a gradient of its own, many tasks at once
//! by `vmap`, and the gradient of all that with respect to the first weights is one compiled program, together with Adam
//! and the drawing of tasks. What was learned so is compared with the same network trained on all curves at once.
//!
//! `cargo run --release --example maml` from the repository's root; `-- --help` lists the options. It takes less than a
//! minute on two cores.

use std::error::Error;
use std::f64::consts::PI;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use retrograd::nn::init;
use retrograd::optim::{Adam, Optimizer, State};
use retrograd::{Fallback, Result, Rng, Tensor, Tree, grad, jit, tree, vmap};

#[path = "../shared/chart.rs"]
mod chart;
#[path = "../shared/progress.rs"]
mod progress;

use chart::{Chart, Curve};

/// Learns to learn sine curves from a few of their points, and compares that with plain training.
#[derive(Debug, Parser)]
struct Options {
    /// Curves in a step.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// Points that are given of a curve, and asked of it in training.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    shots: u32,
    /// Steps of gradient descent on a curve inside the loss.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    inner_steps: u32,
    /// Their learning rate.
    #[arg(long, default_value_t = 0.01)]
    inner_rate: f64,
    /// Steps of Adam.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Its learning rate.
    #[arg(long, default_value_t = 0.001)]
    rate: f64,
    /// Steps of gradient descent on curves not seen before, for the comparison.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    updates: u32,
    /// Seed of the first weights and of the curves.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the pictures, `maml_errors.svg` and `maml_fit.svg`.
    #[arg(long, default_value = "target")]
    pictures: PathBuf,
}

/// `y = x w + b`.
#[derive(Clone, Debug, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

/// Layers with relus between them.
#[derive(Clone, Debug, Tree)]
struct Network {
    layers: [Layer; 3],
}

impl Network {
    fn random(rng: &mut Rng) -> Network {
        // PyTorch's way: uniform within 1 / sqrt(inputs).
        let mut layer = |inputs: usize, outputs: usize| {
            let bound = 1.0 / (inputs as f64).sqrt();
            let [w, b] = [inputs, 1].map(|rows| init::uniform(rng, [rows, outputs], -bound, bound));
            Layer { w, b }
        };
        Network { layers: [layer(1, 40), layer(40, 40), layer(40, 1)] }
    }

    /// `[n, 1]` of `[n, 1]`.
    fn at(&self, x: &Tensor) -> Tensor {
        let [first, second, last] = &self.layers;
        let h = (x.matmul(&first.w) + &first.b).relu();
        let h = (h.matmul(&second.w) + &second.b).relu();
        h.matmul(&last.w) + &last.b
    }
}

/// Points of a curve, `[n, 1]` both.
#[derive(Clone, Debug, Tree)]
struct Points {
    x: Tensor,
    y: Tensor,
}

/// What is given of a curve, and what is asked. With a first axis: of many curves.
#[derive(Clone, Debug, Tree)]
struct Task {
    given: Points,
    asked: Points,
}

impl Task {
    /// `tasks` curves `a sin(x - b)` with `a` from 0.1 to 5 and `b` from 0 to pi, at places from -5 to 5.
    fn random(tasks: usize, given: usize, asked: usize, rng: &mut Rng) -> Task {
        let (a, b) = (rng.uniform([tasks, 1, 1], 0.1, 5.0), rng.uniform([tasks, 1, 1], 0.0, PI));
        let mut points = |n: usize| {
            let x = rng.uniform([tasks, n, 1], -5.0, 5.0);
            Points { y: (&x - &b).sin() * &a, x }
        };
        Task { given: points(given), asked: points(asked) }
    }
}

/// The mean square of what a network misses points by.
fn loss(network: &Network, points: &Points) -> Tensor {
    (network.at(&points.x) - &points.y).square().mean()
}

/// The network after a step of gradient descent on these points.
fn updated(network: &Network, points: &Points, rate: f64) -> Result<Network> {
    let (gradient, _) = grad(loss).call(network, points)?;
    Ok(tree::zip(network, &gradient, |p, g| p - g * rate))
}

/// The loss of curves after the network was fitted to each of them on its own: the loss of learning from them.
fn loss_of_learning(network: &Network, tasks: &Task, steps: u32, rate: f64) -> Result<Tensor> {
    let learned = |network: &Network, task: &Task| -> Result<Tensor> {
        let mut network = network.clone();
        for _ in 0..steps {
            network = updated(&network, &task.given, rate)?;
        }
        Ok(loss(&network, &task.asked))
    };
    Ok(vmap(learned).in_axes([None, Some(0)]).call(network, tasks)?.mean())
}

/// The loss of curves that one network is to fit all at once, from the same points.
fn loss_of_fitting(network: &Network, tasks: &Task) -> Tensor {
    (loss(network, &tasks.given) + loss(network, &tasks.asked)) * 0.5
}

/// The network after steps of Adam on curves drawn anew in each. A step is one compiled program, the draws included.
fn train(
    options: &Options,
    name: &'static str,
    loss: impl Fn(&Network, &Task) -> Result<Tensor>,
) -> Result<Network, Box<dyn Error>> {
    type Run = (Network, State<Network>, Rng);
    let (tasks, shots) = (options.tasks as usize, options.shots as usize);
    let adam = Adam::new(options.rate);
    let gradient = grad(loss);
    let step = jit(|(network, state, rng): &Run| -> Result<(Run, Tensor)> {
        let mut rng = rng.clone();
        let tasks = Task::random(tasks, shots, shots, &mut rng);
        let (gradients, loss) = gradient.call(network, &tasks)?;
        let (network, state) = adam.step(network, &gradients, state)?;
        Ok(((network, state, rng), loss))
    })
    .fallback(Fallback::Error);

    let mut rng = Rng::seed(options.seed);
    let network = Network::random(&mut rng);
    let mut run: Run = (network.clone(), adam.init(&network)?, rng);
    let bar = progress::progress(options.steps.into(), "steps");
    for i in 0..options.steps {
        let loss;
        (run, loss) = step.call_owned(run, ())?;
        bar.inc(1);
        if i % 100 == 0 {
            bar.set_message(format!("{name}, loss {:.3}", loss.item::<f32>()?));
        }
    }
    bar.finish_and_clear();
    Ok(run.0)
}

/// The mean loss of curves after 0, 1, .. updates on each, `[updates + 1]`.
fn errors(options: &Options, network: &Network, tasks: &Task) -> Result<Vec<f32>> {
    let (updates, rate) = (options.updates, options.inner_rate);
    let each = |network: &Network, task: &Task| -> Result<Tensor> {
        let mut network = network.clone();
        let mut losses = vec![loss(&network, &task.asked)];
        for _ in 0..updates {
            network = updated(&network, &task.given, rate)?;
            losses.push(loss(&network, &task.asked));
        }
        Ok(Tensor::stack(&losses, 0))
    };
    let all = |network: &Network, tasks: &Task| -> Result<Tensor> {
        Ok(vmap(each).in_axes([None, Some(0)]).call(network, tasks)?.mean_dim(0))
    };
    jit(all).fallback(Fallback::Error).call(network, tasks)?.to_vec()
}

/// Curves for the comparison.
const TESTS: usize = 500;
/// Points that are asked of each, and of the curve that is drawn.
const ASKED: usize = 200;

/// Draws the mean errors after each number of updates.
fn draw_errors(path: PathBuf, of: [(&'static str, &[f32]); 2]) -> Result<PathBuf, Box<dyn Error>> {
    let curve = |(name, errors): (&'static str, &[f32])| {
        let points = errors.iter().enumerate().map(|(k, &error)| (k as f64, f64::from(error)));
        Curve { name, points: points.collect(), width: 2 }
    };
    let title = "Error on curves not seen before";
    Chart { title, axes: ["steps of gradient descent", "mean squared error"], curves: of.map(curve).into() }
        .save(&path)?;
    Ok(path)
}

/// Draws one curve and what both networks make of it, before and after updates.
fn draw_fit(
    options: &Options,
    path: PathBuf,
    meta: &Network,
    plain: &Network,
) -> Result<PathBuf, Box<dyn Error>> {
    let curve = |x: &Tensor| (x - 1.0).sin() * 3.0;
    let x = Rng::seed(options.seed).uniform([options.shots as usize, 1], -5.0, 5.0);
    let given = Points { y: curve(&x), x };
    let places = Tensor::linspace(-5.0, 5.0, ASKED).unsqueeze(1);
    let line = |name, y: Tensor, width| -> Result<Curve> {
        let (x, y) = (places.f64().to_vec::<f64>()?, y.f64().to_vec::<f64>()?);
        Ok(Curve { name, points: x.into_iter().zip(y).collect(), width })
    };
    let after = |network: &Network| {
        (0..options.updates).try_fold(network.clone(), |p, _| updated(&p, &given, options.inner_rate))
    };
    let curves = vec![
        line("the curve", curve(&places), 3)?,
        line("meta-learned, after the updates", after(meta)?.at(&places), 2)?,
        line("pre-trained, after the updates", after(plain)?.at(&places), 2)?,
        line("meta-learned, before", meta.at(&places), 1)?,
    ];
    Chart { title: "A curve of which a few points are given", axes: ["x", "y"], curves }.save(&path)?;
    Ok(path)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (steps, rate) = (options.inner_steps, options.inner_rate);
    let meta =
        train(options, "meta-learning", |p: &Network, tasks: &Task| loss_of_learning(p, tasks, steps, rate))?;
    let plain = train(options, "pre-training", |p: &Network, tasks: &Task| Ok(loss_of_fitting(p, tasks)))?;

    let tests =
        Task::random(TESTS, options.shots as usize, ASKED, &mut Rng::seed(options.seed.wrapping_add(1)));
    let (of_meta, of_plain) = (errors(options, &meta, &tests)?, errors(options, &plain, &tests)?);
    println!("mean squared error on {TESTS} curves not seen before, {} points given of each", options.shots);
    println!("updates  meta-learned  pre-trained");
    for (k, (meta, plain)) in of_meta.iter().zip(&of_plain).enumerate() {
        println!("{k:7}  {meta:12.4}  {plain:11.4}");
    }
    let errors = [("meta-learned", of_meta.as_slice()), ("pre-trained", of_plain.as_slice())];
    let errors = draw_errors(options.pictures.join("maml_errors.svg"), errors)?;
    let fit = draw_fit(options, options.pictures.join("maml_fit.svg"), &meta, &plain)?;
    println!("errors: {}\na curve and its fits: {}", errors.display(), fit.display());
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

//! Layers in three ways, in one network: from the library, written here with a gradient by hand, and written here as a
//! plain function whose gradient is derived (`AutoModule`). The network is trained twice: in a loop by hand, Torch's
//! way, in which nothing is recorded (forward, criterion, backward, update); and as a function inside `grad`, compiled.
//! Both must end with the same weights.
//!
//! `cargo run --release --example auto_module` from the repository's root; `-- --help` lists the options. It takes some
//! seconds on two cores.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use retrograd::model::Layers;
use retrograd::nn::{
    AutoModule, Criterion, CrossEntropyLoss, Ctx, Instance, Linear, Mode, Module, Sequential, register,
};
use retrograd::{Fallback, Rng, Tensor, Tree, check, grad, tree};

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/idx.rs"]
mod idx;
#[path = "../shared/progress.rs"]
mod progress;

use batches::Batches;
use digits::{Examples, PIXELS};
use idx::Digits;

/// Values between the layers.
const HIDDEN: usize = 64;
/// Digits.
const CLASSES: usize = 10;
/// What the network is saved as: its layer's own name is that of every `Sequential`.
const NAME: &str = "digits";

/// Trains layers with gradients by hand and derived ones, in two ways that agree.
#[derive(Debug, Parser)]
struct Options {
    /// Folder of the four MNIST files, gzipped or not.
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// How often each digit is seen.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Digits a step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Learning rate.
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// Seed of the first weights and of the order of the digits; the same seed gives the same network.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the network is saved, a safetensors file.
    #[arg(long, default_value = "target/auto_module.safetensors")]
    model: PathBuf,
}

/// Each row over its root mean square, times a gain: `y = g x / r` with `r = sqrt(mean(x^2) + eps)`. The gradient is
/// written by hand.
#[derive(Debug)]
struct RmsScale {
    features: usize,
}

impl RmsScale {
    /// Keeps a row of zeros finite.
    const EPS: f64 = 1e-5;
}

impl Module for RmsScale {
    /// The gain, `[features]`.
    type Params = Tensor;
    type State = ();
    type Input = Tensor;
    type Output = Tensor;
    /// `x / r`, and `r`.
    type Saved = (Tensor, Tensor);

    fn params(&self, _: &mut Rng) -> Tensor {
        Tensor::ones([self.features])
    }

    fn state(&self) {}

    fn forward(&self, gain: &Tensor, (): &(), x: &Tensor, _: &mut Ctx) -> (Tensor, (Tensor, Tensor), ()) {
        let root = (x.square().mean_keepdim(-1) + RmsScale::EPS).sqrt();
        let scaled = x / &root;
        (gain * &scaled, (scaled, root), ())
    }

    /// `dg = sum over rows of dy s` and `dx = (dz - s mean(dz s)) / r`, with `s = x / r` and `dz = g dy`.
    fn backward(&self, gain: &Tensor, (scaled, root): &(Tensor, Tensor), dy: &Tensor) -> (Tensor, Tensor) {
        let dz = gain * dy;
        let dx = (&dz - scaled * (&dz * scaled).mean_keepdim(-1)) / root;
        ((dy * scaled).sum_dim(0), dx)
    }
}

/// Weights of the layer below.
#[derive(Clone, Debug, Tree)]
struct Gated {
    value: Tensor,
    gate: Tensor,
}

/// A layer of which only the function is written: `tanh(x v) sigmoid(x g)`.
fn gated(inputs: usize, outputs: usize, rng: &mut Rng) -> AutoModule<Gated> {
    let mut weight = || rng.normal([inputs, outputs], 0.0, 1.0 / (inputs as f64).sqrt());
    let weights = Gated { value: weight(), gate: weight() };
    AutoModule::new("Gated", weights, |p: &Gated, x: &Tensor| {
        x.matmul(&p.value).tanh() * x.matmul(&p.gate).sigmoid()
    })
}

/// The network: the three kinds of layers, one after the other.
fn network(seed: u64) -> Sequential {
    Sequential::new()
        .add(Linear::new(PIXELS, HIDDEN))
        .add(RmsScale { features: HIDDEN })
        .add(gated(HIDDEN, HIDDEN, &mut Rng::seed(seed)))
        .add(Linear::new(HIDDEN, CLASSES))
}

/// Torch's way: an object that holds weights and gradients, and a loop that calls its parts.
fn train_by_hand(
    net: &mut Instance<Sequential>,
    examples: &Examples,
    options: &Options,
) -> retrograd::Result<()> {
    let criterion = CrossEntropyLoss::default();
    let mut batches = Batches::new(options.seed, examples.count, options.batch as usize);
    let steps = options.epochs as usize * batches.an_epoch();
    let bar = progress::progress(steps as u64, "steps");
    for step in 0..steps {
        let (images, labels) = examples.at(&batches.at(step));
        let scores = net.forward(&images)?;
        let (loss, saved) = criterion.forward(&scores, &labels);
        let d_scores = criterion.backward(&saved, &loss.ones_like());
        net.zero_grad();
        net.accumulate(&d_scores, 1.0)?;
        net.update(options.rate);
        bar.inc(1);
        bar.set_message(format!("by hand, loss {:.3}", loss.item::<f32>()?));
    }
    bar.finish_and_clear();
    Ok(())
}

/// The same with the network as a function inside `grad`, of which each layer's gradient is its own.
fn train_by_grad(
    net: &Instance<Sequential>,
    examples: &Examples,
    options: &Options,
) -> retrograd::Result<Layers> {
    let scores = net.function();
    let loss = |p: &Layers, x: &Tensor, labels: &Tensor| scores(p, x).cross_entropy(labels);
    let gradient = grad(loss).optimize(true).fallback(Fallback::Error);
    let mut batches = Batches::new(options.seed, examples.count, options.batch as usize);
    let steps = options.epochs as usize * batches.an_epoch();
    let bar = progress::progress(steps as u64, "steps");
    let mut weights = net.params().clone();
    for step in 0..steps {
        let (images, labels) = examples.at(&batches.at(step));
        let (gradients, loss) = gradient.call(&weights, (&images, &labels))?;
        weights = tree::zip(&weights, &gradients, |p, g| p - g * options.rate);
        bar.inc(1);
        bar.set_message(format!("by grad, loss {:.3}", loss.item::<f32>()?));
    }
    bar.finish_and_clear();
    Ok(weights)
}

/// The greatest difference of two elements at the same place.
fn difference<T: Tree>(a: &T, b: &T) -> retrograd::Result<f64> {
    let differences = tree::zip(a, b, |a, b| (a - b).abs().amax().f64());
    tree::leaves(&differences).iter().try_fold(0.0, |most, leaf| Ok(leaf.item::<f64>()?.max(most)))
}

/// The share of digits that a network reads right.
fn accuracy(net: &mut Instance<Sequential>, examples: &Examples) -> retrograd::Result<f64> {
    net.eval();
    let answers = net.forward(&examples.images)?.argmax(-1);
    net.train();
    Ok(f64::from(answers.eq(&examples.labels).f32().mean().item::<f32>()?))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let seen = Examples::new(&Digits::read(&options.data, "train")?);
    let unseen = Examples::new(&Digits::read(&options.data, "t10k")?);

    // A gradient by hand is a claim, which the library tests: against differences, in both modes, to second order.
    check::module(RmsScale { features: 5 }, &Rng::seed(1).randn([4, 5]), Mode::Train)?;
    println!("the gradient of RmsScale by hand is that of its function");

    let mut net = Instance::new(network(options.seed), Rng::seed(options.seed)).named(NAME);
    println!("{:?}", net.module());
    let start = Instant::now();
    let derived = train_by_grad(&net, &seen, options)?;
    println!("inside grad, compiled: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    train_by_hand(&mut net, &seen, options)?;
    println!("in a loop by hand:     {:.2} s", start.elapsed().as_secs_f64());
    println!("greatest difference of two weights: {:.1e}", difference(net.params(), &derived)?);

    // What was saved is made again by the constructor of its name.
    net.save(&options.model)?;
    let seed = options.seed;
    register(NAME, move || network(seed));
    let mut loaded = Instance::<Sequential>::load(&options.model, Rng::seed(0))?;
    println!("saved and loaded: {}", options.model.display());
    println!("test accuracy: {:.1}%", 100.0 * accuracy(&mut loaded, &unseen)?);
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

//! Carries what was learned over to another task: a convolutional network learns to read the digits 0 to 4 and is saved;
//! then the digits 5 to 9 are learned from few of each, by a new last layer on the loaded network, which is frozen; by
//! the same with the rest following at a tenth of the rate; and by a network that begins anew.
//!
//! `cargo run --release --example transfer` from the repository's root; `-- --help` lists the options. It makes about
//! 2,900 steps.

use std::error::Error;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use retrograd::model::{Layers, NeuralNetwork, SpatialNetwork};
use retrograd::nn::{
    Ctx, Linear, LinearParams, Reshape, Sequential, functionalize, functionalize_with_state,
};
use retrograd::optim::{Adam, Groups, Optimizer, State};
use retrograd::{Fallback, Rng, Tensor, Tree, grad, io, jit};

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/chart.rs"]
mod chart;
#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/idx.rs"]
mod idx;
#[path = "../shared/progress.rs"]
mod progress;

use batches::Batches;
use chart::{Chart, Curve};
use digits::Examples;
use idx::{Digits, SIDE};

/// Channels behind each convolution, each of which halves the sides of an image.
const CHANNELS: [usize; 2] = [8, 16];
/// What the body of the network says of a digit.
const FEATURES: usize = 64;
/// The digits that are learned first, and those that are learned then.
const FIRST: Range<u8> = 0..5;
const THEN: Range<u8> = 5..10;
/// How many of each digit there are to learn from, from task to task.
const EACH: [usize; 6] = [2, 5, 10, 20, 50, 200];

/// Reads the digits 5 to 9 with what was learned of 0 to 4.
#[derive(Debug, Parser)]
struct Options {
    /// Folder of the four MNIST files, gzipped or not.
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// How often each of the digits 0 to 4 is seen.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Steps in which the digits 5 to 9 are learned, however few there are.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Digits a step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Seed of first weights and of the order of the digits; the same seed gives the same networks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the network that reads 0 to 4 is saved, a safetensors file.
    #[arg(long, default_value = "target/transfer.safetensors")]
    model: PathBuf,
    /// Where the picture of accuracies goes, an SVG file.
    #[arg(long, default_value = "target/transfer.svg")]
    picture: PathBuf,
}

/// What is learned. The optimizer's groups and the saved file know the parts by these names.
#[derive(Clone, Debug, Tree)]
struct Network {
    /// From an image to features.
    body: Layers,
    /// From features to a score for each of five digits.
    head: LinearParams,
}

/// First weights, and `f(weights, images)`, which yields scores `[n, 5]` of images `[n, 784]`.
fn network(rng: &mut Rng) -> (Network, impl Fn(&Network, &Tensor) -> Tensor + use<>) {
    let images = Sequential::new().add(Reshape::new([1, SIDE, SIDE]));
    let convolutions = SpatialNetwork::new(1, CHANNELS).poolings([2, 2]).layers(images);
    let inputs = CHANNELS[1] * (SIDE / 4) * (SIDE / 4);
    let layers = NeuralNetwork::new(inputs, [FEATURES]).layers(convolutions);
    let (features, body, no_state) = functionalize_with_state(layers, rng);
    let (scores, head) = functionalize(Linear::new(FEATURES, THEN.len()), rng);
    let function = move |network: &Network, images: &Tensor| {
        let (features, _) = features(&network.body, &no_state, images, &mut Ctx::eval());
        scores(&network.head, &features)
    };
    (Network { body, head }, function)
}

/// The digits of a range, at most so many of each, with labels from 0.
fn only(digits: &Digits, range: Range<u8>, each: usize) -> Digits {
    let mut found = [0; 10];
    let mut some = Digits { pixels: Vec::new(), labels: Vec::new() };
    for (pixels, &label) in digits.pixels.chunks_exact(SIDE * SIDE).zip(&digits.labels) {
        let count = &mut found[usize::from(label)];
        if range.contains(&label) && *count < each {
            *count += 1;
            some.pixels.extend(pixels);
            some.labels.push(label - range.start);
        }
    }
    some
}

/// How a network learns: its optimizer, what it learns from, in how many steps.
struct Lesson<'a> {
    name: String,
    optimizer: Groups<Adam>,
    examples: &'a Examples,
    steps: usize,
}

/// The network after the lesson, and how long a step took on average, compiling included.
fn learn(
    first: Network,
    scores: impl Fn(&Network, &Tensor) -> Tensor,
    lesson: &Lesson<'_>,
    options: &Options,
) -> Result<(Network, Duration), Box<dyn Error>> {
    let Lesson { name, optimizer, examples, steps } = lesson;
    type Run = (Network, State<Network>);
    let gradient = grad(|network: &Network, images: &Tensor, labels: &Tensor| {
        scores(network, images).cross_entropy(labels)
    });
    // What is frozen is returned as it is, and its gradient is no part of the compiled program.
    let learn = jit(|run: &Run, images: &Tensor, labels: &Tensor| -> retrograd::Result<(Run, Tensor)> {
        let (gradients, loss) = gradient.call(&run.0, (images, labels))?;
        Ok((optimizer.step(&run.0, &gradients, &run.1)?, loss))
    })
    .fallback(Fallback::Error);

    let mut batches = Batches::new(options.seed, examples.count, options.batch as usize);
    let state = optimizer.init(&first)?;
    let mut run = (first, state);
    let bar = progress::progress(*steps as u64, "steps");
    let start = Instant::now();
    for step in 0..*steps {
        let (images, labels) = examples.at(&batches.at(step));
        let loss;
        (run, loss) = learn.call_owned(run, (&images, &labels))?;
        let loss = loss.item::<f32>()?;
        if !loss.is_finite() {
            return Err(format!("{name}: the loss is {loss}: try a smaller --rate").into());
        }
        bar.inc(1);
        bar.set_message(format!("{name}, loss {loss:.3}"));
    }
    let took = start.elapsed() / *steps as u32;
    bar.finish_and_clear();
    Ok((run.0, took))
}

/// The share of digits that a network reads right.
fn accuracy(
    network: &Network,
    scores: impl Fn(&Network, &Tensor) -> Tensor,
    examples: &Examples,
) -> retrograd::Result<f64> {
    let answers = scores(network, &examples.images).argmax(-1);
    Ok(f64::from(answers.eq(&examples.labels).f32().mean().item::<f32>()?))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let seen = Digits::read(&options.data, "train")?;
    let unseen = Digits::read(&options.data, "t10k")?;
    let mut rng = Rng::seed(options.seed);
    let (first, scores) = network(&mut rng);
    let adam = Groups::of(Adam::new(options.rate));

    let (examples, tests) =
        (Examples::new(&only(&seen, FIRST, usize::MAX)), Examples::new(&only(&unseen, FIRST, usize::MAX)));
    let steps = options.epochs as usize * examples.count.div_ceil(options.batch as usize);
    let lesson =
        Lesson { name: "digits 0 to 4".to_owned(), optimizer: adam.clone(), examples: &examples, steps };
    let (trained, _) = learn(first, &scores, &lesson, options)?;
    println!("digits 0 to 4: {:.1}% of {}", 100.0 * accuracy(&trained, &scores, &tests)?, tests.count);
    io::save(&options.model, &trained)?;
    println!("saved: {}", options.model.display());

    let (fresh, _) = network(&mut rng);
    let loaded = io::load(&options.model, &fresh)?;
    let loaded = Network { head: fresh.head.clone(), ..loaded };
    let tests = Examples::new(&only(&unseen, THEN, usize::MAX));
    println!("digits 5 to 9, accuracy on {} and time of a step", tests.count);
    println!("of each     new head, frozen body      body at a tenth         from scratch");
    let mut curves = ["new head, frozen body", "body at a tenth of the rate", "from scratch"]
        .map(|name| Curve { name, points: Vec::new(), width: 2 });
    for each in EACH {
        let examples = Examples::new(&only(&seen, THEN, each));
        let tenth = options.rate / 10.0;
        let name = format!("{each} of each");
        let lesson = |optimizer| Lesson {
            name: name.clone(),
            optimizer,
            examples: &examples,
            steps: options.steps as usize,
        };
        let results = [
            learn(loaded.clone(), &scores, &lesson(adam.clone().freeze("body")), options)?,
            learn(
                loaded.clone(),
                &scores,
                &lesson(adam.clone().group("body", move |adam| adam.lr(tenth))),
                options,
            )?,
            learn(fresh.clone(), &scores, &lesson(adam.clone()), options)?,
        ];
        print!("{each:7}");
        for ((network, took), curve) in results.iter().zip(&mut curves) {
            let accuracy = 100.0 * accuracy(network, &scores, &tests)?;
            print!("{accuracy:12.1}% {:5.2} ms", 1e3 * took.as_secs_f64());
            curve.points.push(((each as f64).log10(), accuracy));
        }
        println!();
    }
    let axes = ["digits of each class, as a power of ten", "accuracy in %"];
    Chart { title: "Reading the digits 5 to 9", axes, curves: curves.into() }.save(&options.picture)?;
    println!("accuracies: {}", options.picture.display());
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

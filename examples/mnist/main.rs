//! Learns to read handwritten digits: a network of three layers, trained by stochastic gradient descent with
//! momentum, all of it written here with the library's public operations.
//!
//! `cargo run --release --example mnist` from the repository's root; `-- --help` lists the options. On its 2,000
//! digits it reads 96 % or more after ten epochs.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use retrograd::{Tensor, Tree, grad, tree};

mod curve;
mod idx;

use curve::Curve;
use idx::{Digits, SIDE};

const PIXELS: usize = SIDE * SIDE;
const CLASSES: usize = 10;
/// Values between one layer and the next, the pixels first, a score for each digit last.
const WIDTHS: [usize; 4] = [PIXELS, 256, 128, CLASSES];

/// Learns to read handwritten digits, and says how well it reads those it has not seen.
#[derive(Debug, Parser)]
struct Options {
    /// Folder of the four MNIST files, gzipped or not.
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// How often each digit is seen.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Digits a step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Learning rate of the first epoch; it falls by equal steps towards 0.
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// Part of a step that the next one repeats.
    #[arg(long, default_value_t = 0.9)]
    momentum: f64,
    /// Seed of the first weights and of the order of the digits; the same seed gives the same network.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the loss curve goes, an SVG file.
    #[arg(long, default_value = "target/mnist_loss.svg")]
    curve: PathBuf,
}

/// `y = x w + b`, with `w` of shape `[inputs, outputs]`.
#[derive(Clone, Debug, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

/// What is learned, and so what the gradient consists of.
#[derive(Clone, Debug, Tree)]
struct Network {
    layers: [Layer; 3],
}

impl Layer {
    /// Weights of variance `2 / inputs`, which keeps the variance of what passes through relus (He et al. 2015).
    fn random(inputs: usize, outputs: usize, random: &mut Random) -> Layer {
        let deviation = (2.0 / inputs as f64).sqrt();
        let w: Vec<f32> = (0..inputs * outputs).map(|_| (random.normal() * deviation) as f32).collect();
        Layer { w: Tensor::from_slice(&w, [inputs, outputs]), b: Tensor::zeros([outputs]) }
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.w) + &self.b
    }
}

impl Network {
    fn random(random: &mut Random) -> Network {
        Network { layers: [0, 1, 2].map(|i| Layer::random(WIDTHS[i], WIDTHS[i + 1], random)) }
    }

    /// A score for each class, `[n, 10]`, of images `[n, 784]`.
    fn scores(&self, images: &Tensor) -> Tensor {
        let [first, second, last] = &self.layers;
        let hidden = first.apply(images).relu();
        let hidden = second.apply(&hidden).relu();
        last.apply(&hidden)
    }
}

/// Mean cross-entropy: what the right answers' probabilities fall short of 1, as logarithms.
fn loss(network: &Network, images: &Tensor, labels: &Tensor) -> Tensor {
    -network.scores(images).log_softmax(-1).gather(1, labels).mean()
}

/// Digits as tensors: images `[n, 784]` of 0 to 1 (f32) and labels `[n, 1]` (i64).
struct Examples {
    images: Tensor,
    labels: Tensor,
    count: usize,
}

impl Examples {
    fn new(digits: &Digits) -> Examples {
        let count = digits.labels.len();
        let pixels: Vec<f32> = digits.pixels.iter().map(|&ink| f32::from(ink) / 255.0).collect();
        let labels: Vec<i64> = digits.labels.iter().map(|&label| i64::from(label)).collect();
        Examples {
            images: Tensor::from_slice(&pixels, [count, PIXELS]),
            labels: Tensor::from_slice(&labels, [count, 1]),
            count,
        }
    }

    /// The images and the labels at these places.
    fn at(&self, places: &[i64]) -> (Tensor, Tensor) {
        let places = Tensor::from_slice(places, [places.len()]);
        (self.images.index_select(0, &places), self.labels.index_select(0, &places))
    }
}

/// The trained network, the losses on its way, and how long that took.
fn train(examples: &Examples, options: &Options) -> Result<(Network, Curve, Duration), Box<dyn Error>> {
    let mut random = Random(options.seed);
    let mut network = Network::random(&mut random);
    let mut velocity = tree::map(&network, Tensor::zeros_like);
    let mut order: Vec<i64> = (0..examples.count as i64).collect();
    let mut curve = Curve { losses: Vec::new(), epochs: options.epochs as usize };
    let bar = progress(examples.count as u64 * u64::from(options.epochs));
    let gradient = grad(loss);

    let start = Instant::now();
    for epoch in 0..options.epochs {
        let rate = options.rate * (1.0 - f64::from(epoch) / f64::from(options.epochs));
        random.shuffle(&mut order);
        for places in order.chunks(options.batch as usize) {
            let (images, labels) = examples.at(places);
            let (gradients, loss) = gradient.call(&network, (&images, &labels))?;
            velocity = tree::zip(&velocity, &gradients, |v, g| v * options.momentum + g);
            network = tree::zip(&network, &velocity, |p, v| p - v * rate);

            let loss = loss.item::<f32>()?;
            if !loss.is_finite() {
                return Err(format!("the loss is {loss} in epoch {}: try a smaller --rate", epoch + 1).into());
            }
            curve.losses.push(loss);
            bar.inc(places.len() as u64);
            bar.set_message(format!("epoch {}, loss {loss:.3}", epoch + 1));
        }
    }
    let took = start.elapsed();
    bar.finish_and_clear();
    Ok((network, curve, took))
}

/// A bar on the terminal that shows the loss and the images a second; nothing where there is no terminal.
fn progress(images: u64) -> ProgressBar {
    let throughput = |state: &ProgressState, out: &mut dyn Write| {
        // Nothing can be done about a terminal that is gone.
        let _ = write!(out, "{:.0} images/s", state.per_sec());
    };
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}, {throughput}, {eta} left")
        .expect("the template is well formed")
        .with_key("throughput", throughput);
    ProgressBar::new(images).with_style(style)
}

/// `confusion[label][answer]`: how many digits were which, and read as which.
type Confusion = [[usize; CLASSES]; CLASSES];

/// What the network makes of digits it has not seen.
fn test(network: &Network, digits: &Digits) -> retrograd::Result<Confusion> {
    let answers = network.scores(&Examples::new(digits).images).argmax(-1).to_vec::<i64>()?;
    let mut confusion = Confusion::default();
    for (&label, &answer) in digits.labels.iter().zip(&answers) {
        confusion[usize::from(label)][answer as usize] += 1;
    }
    Ok(confusion)
}

/// The matrix as text, right answers on its diagonal, nothing where there is none.
fn table(confusion: &Confusion) -> String {
    let mut text = String::from("digit  read as\n     ");
    for answer in 0..CLASSES {
        text += &format!("{answer:5}");
    }
    for (label, row) in confusion.iter().enumerate() {
        text += &format!("\n{label:5}");
        for &count in row {
            text += &if count == 0 { "    .".to_owned() } else { format!("{count:5}") };
        }
    }
    text
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Uniform in (0, 1], so that its logarithm is finite.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and variance 1 (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Every order equally likely (Fisher and Yates), but for a bias of less than `len / 2^64`.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let seen = Examples::new(&Digits::read(&options.data, "train")?);
    let unseen = Digits::read(&options.data, "t10k")?;
    println!("{} digits to learn from, {} to test with", seen.count, unseen.labels.len());

    let (network, curve, took) = train(&seen, options)?;
    let confusion = test(&network, &unseen)?;
    let path = options.curve.display();
    let saved = curve.save(&options.curve).map_err(|e| format!("{path}: cannot be written: {e}").into());

    println!("{}", table(&confusion));
    if saved.is_ok() {
        println!("loss curve: {path}");
    }
    println!("training: {:.2} s", took.as_secs_f64());
    let right: usize = (0..CLASSES).map(|digit| confusion[digit][digit]).sum();
    println!("test accuracy: {:.1}%", 100.0 * right as f64 / unseen.labels.len() as f64);
    saved
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

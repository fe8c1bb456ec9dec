//! Squeezes handwritten digits through a few numbers and draws them again: an autoencoder (Hinton and Salakhutdinov
//! 2006), of layers from `model`, trained by Adam. It ends with its loss on digits it has not seen, and a picture of
//! some of them above what became of them.
//!
//! `cargo run --release --example autoencoder` from the repository's root; `-- --help` lists the options. It takes
//! some seconds on two cores.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use retrograd::model::{Layers, NeuralNetwork, neural_network};
use retrograd::nn::Ctx;
use retrograd::optim::{Adam, Optimizer, State};
use retrograd::{Fallback, Rng, Tensor, Tree, grad, jit, loss};

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/chart.rs"]
mod chart;
#[path = "../shared/checkpoint.rs"]
mod checkpoint;
#[path = "../shared/curve.rs"]
mod curve;
#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/idx.rs"]
mod idx;
#[path = "../shared/losses.rs"]
mod losses;
#[path = "../shared/picture.rs"]
mod picture;
#[path = "../shared/progress.rs"]
mod progress;

use batches::Batches;
use checkpoint::Checkpoint;
use curve::curve;
use digits::{Examples, PIXELS};
use idx::{Digits, SIDE};
use losses::Losses;
use picture::Sheet;

/// Values between the layers of the encoder, and in reverse those of the decoder.
const HIDDEN: usize = 128;
/// Digits in a row of the picture, and pixels of it for a pixel of theirs.
const COLUMNS: usize = 10;
const SCALE: usize = 3;

/// Squeezes handwritten digits through a few numbers and draws them again.
#[derive(Debug, Parser)]
struct Options {
    /// Folder of the four MNIST files, gzipped or not.
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// Numbers that a digit is squeezed into.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    code: u32,
    /// How often each digit is seen.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Digits a step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Learning rate.
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Seed of the first weights and of the order of the digits; the same seed gives the same network.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the picture of originals and reconstructions goes, a PNG file.
    #[arg(long, default_value = "target/autoencoder.png")]
    picture: PathBuf,
    /// Where the loss curve goes, an SVG file.
    #[arg(long, default_value = "target/autoencoder_loss.svg")]
    curve: PathBuf,
    /// CSV file for the loss of every step, with all digits.
    #[arg(long)]
    losses: Option<PathBuf>,
    /// Safetensors file in which training is kept, and from which it goes on if it is there.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Steps from one save of the checkpoint to the next.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

impl Options {
    /// All that the losses depend on, in words.
    fn settings(&self, count: usize) -> String {
        let Options { code, epochs, batch, rate, seed, .. } = self;
        format!("{count} digits, code {code}, {epochs} epochs, batch {batch}, rate {rate}, seed {seed}")
    }
}

/// What is learned.
#[derive(Clone, Debug, Tree)]
struct Network {
    encoder: Layers,
    decoder: Layers,
}

/// All that a training step depends on, beside its digits, and so all that it yields.
#[derive(Clone, Debug, Tree)]
struct Run {
    network: Network,
    optimizer: State<Network>,
}

/// An autoencoder's first weights, and `f(weights, images)`: for each pixel of images `[n, 784]` a score, of which the
/// sigmoid is its ink.
fn autoencoder(code: usize, rng: &mut Rng) -> (Network, impl Fn(&Network, &Tensor) -> Tensor + use<>) {
    let layers = |inputs, widths| NeuralNetwork::new(inputs, widths).classifier(true);
    let (encode, encoder, no_state) = neural_network(&layers(PIXELS, [HIDDEN, code]), rng);
    let (decode, decoder, _) = neural_network(&layers(code, [HIDDEN, PIXELS]), rng);
    let function = move |network: &Network, images: &Tensor| {
        let (codes, _) = encode(&network.encoder, &no_state, images, &mut Ctx::eval());
        decode(&network.decoder, &no_state, &codes, &mut Ctx::eval()).0
    };
    (Network { encoder, decoder }, function)
}

/// Mean cross-entropy of pixels.
fn mean_loss(scores: &Tensor, images: &Tensor) -> Tensor {
    loss::each::binary_entropy(scores, images).mean()
}

/// The network after training with `examples`, whose scores `scores` computes, and the losses on its way.
fn train(
    first: Network,
    scores: impl Fn(&Network, &Tensor) -> Tensor,
    examples: &Examples,
    options: &Options,
) -> Result<(Network, Losses), Box<dyn Error>> {
    let adam = Adam::new(options.rate);
    let mut batches = Batches::new(options.seed, examples.count, options.batch as usize);
    let steps = options.epochs as usize * batches.an_epoch();

    let checkpoint = Checkpoint::new(options.checkpoint.clone(), options.settings(examples.count));
    let mut run = checkpoint.resume(Run { optimizer: adam.init(&first)?, network: first })?;
    let done = run.optimizer.step.item::<i64>()? as usize;
    let mut losses = Losses::resume(options.losses.as_deref(), done)?;
    let bar = progress::progress((steps * options.batch as usize) as u64, "images");
    bar.set_position((done * options.batch as usize) as u64);

    let gradient = grad(|network: &Network, images: &Tensor| mean_loss(&scores(network, images), images));
    let learn = jit(|run: &Run, images: &Tensor| -> retrograd::Result<(Run, Tensor)> {
        let (gradients, loss) = gradient.call(&run.network, images)?;
        let (network, optimizer) = adam.step(&run.network, &gradients, &run.optimizer)?;
        Ok((Run { network, optimizer }, loss))
    })
    .fallback(Fallback::Error);

    for step in done + 1..=steps {
        let (images, _) = examples.at(&batches.at(step - 1));
        let loss;
        (run, loss) = learn.call_owned(run, &images)?;
        let loss = loss.item()?;
        losses.push(step, loss)?;
        if step % options.every as usize == 0 || step == steps {
            checkpoint.save(&run)?;
        }
        bar.inc(options.batch.into());
        bar.set_message(format!("epoch {}, loss {loss:.4}", step.div_ceil(batches.an_epoch())));
    }
    bar.finish_and_clear();
    Ok((run.network, losses))
}

/// A sheet of the first digits, each row above what became of it.
fn draw(images: &Tensor, scores: &Tensor, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut sheet = Sheet::new(COLUMNS, SIDE, SCALE);
    for row in 0..images.size(0).min(4 * COLUMNS) / COLUMNS {
        for pixels in [images, &scores.sigmoid()] {
            sheet.add(&pixels.narrow(0, row * COLUMNS, COLUMNS).to_vec::<f32>()?);
        }
    }
    sheet.save(path)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let seen = Examples::new(&Digits::read(&options.data, "train")?);
    let unseen = Examples::new(&Digits::read(&options.data, "t10k")?);
    println!("{} digits to learn from, {} to test with", seen.count, unseen.count);

    let (first, scores) = autoencoder(options.code as usize, &mut Rng::seed(options.seed));
    let start = Instant::now();
    let (network, losses) = train(first, &scores, &seen, options)?;
    let took = start.elapsed();

    let drawn = scores(&network, &unseen.images);
    draw(&unseen.images, &drawn, &options.picture)?;
    println!("originals above reconstructions: {}", options.picture.display());
    let an_epoch = seen.count.div_ceil(options.batch as usize);
    curve(&losses.known, an_epoch).save(&options.curve)?;
    println!("loss curve: {}", options.curve.display());
    println!("training: {:.2} s", took.as_secs_f64());
    println!("training loss: {:.5}", mean_loss(&scores(&network, &seen.images), &seen.images).item::<f32>()?);
    println!("test loss: {:.5}", mean_loss(&drawn, &unseen.images).item::<f32>()?);
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

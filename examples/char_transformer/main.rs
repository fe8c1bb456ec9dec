//! Learns to write like Shakespeare, letter by letter: a transformer reads six tragedies and says after each character
//! which comes next.
//!
//! It shows `model::transformer` with AdamW, a learning rate that warms up and falls along a cosine, weights without decay
//! by the names of their leaves, clipped gradients, one compiled program for a whole training step, and a run that can be
//! killed and goes on to the bit, dropout included.
//!
//! `cargo run --release --example char_transformer` from the repository's root; `-- --help` lists the options. It makes
//! 800 steps.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use retrograd::model::{Transformer, TransformerParams, transformer};
use retrograd::nn::Ctx;
use retrograd::optim::{AdamW, Optimizer, Schedule, State};
use retrograd::{Fallback, Result, Rng, Tensor, Tree, grad, jit};

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/chart.rs"]
mod chart;
#[path = "../shared/checkpoint.rs"]
mod checkpoint;
#[path = "../shared/losses.rs"]
mod losses;
#[path = "../shared/progress.rs"]
mod progress;
#[path = "../shared/text.rs"]
mod text;

use batches::Batches;
use chart::{Chart, Curve};
use checkpoint::Checkpoint;
use losses::Losses;
use text::{Text, drawn};

/// Learns to write like the text it is given, letter by letter.
#[derive(Debug, Parser)]
struct Options {
    /// Text to learn from, gzipped or not.
    #[arg(long, default_value = "data/tragedies.txt.gz")]
    data: PathBuf,
    /// Numbers that stand for a character, a multiple of the heads.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,
    /// Heads that attend in each layer.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    heads: u32,
    /// Layers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    layers: u32,
    /// Characters that are seen at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    length: u32,
    /// Pieces of that length in a step.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Training steps.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Greatest learning rate, which the last step has a tenth of.
    #[arg(long, default_value_t = 0.003)]
    rate: f64,
    /// Steps in which the rate rises.
    #[arg(long, default_value_t = 50)]
    warmup: u32,
    /// How fast matrices decay, times the rate.
    #[arg(long, default_value_t = 0.1)]
    weight_decay: f64,
    /// Part of the values that is put to zero in training.
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Norm that gradients are clipped to.
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Seed of the first weights, the order of the text, dropout, and of what is written.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How daring samples are: at 0 the likeliest character, at 1 each as likely as the network says.
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Characters in a sample.
    #[arg(long, default_value_t = 400)]
    sample: u32,
    /// Steps from one sample to the next.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    sample_every: u32,
    /// Where the loss curve goes, an SVG file.
    #[arg(long, default_value = "target/char_transformer_loss.svg")]
    curve: PathBuf,
    /// Where the loss of each step goes, a CSV file.
    #[arg(long)]
    losses: Option<PathBuf>,
    /// Safetensors file that the run is kept in, and goes on from if it is there.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Steps from one save of the checkpoint to the next.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

impl Options {
    fn network(&self, characters: usize) -> Transformer {
        Transformer::new(characters, self.length as usize)
            .width(self.width as usize)
            .heads(self.heads as usize)
            .layers(self.layers as usize)
            .dropout(self.dropout)
    }

    /// AdamW whose rate goes up, and then down along a cosine; biases and normalisations do not decay.
    fn optimizer(&self) -> impl Optimizer + use<> {
        let (warmup, steps) = (u64::from(self.warmup), u64::from(self.steps));
        let fall = Schedule::cosine(self.rate, steps.saturating_sub(warmup).max(1), self.rate / 10.0);
        AdamW::new(Schedule::warmup(self.rate, warmup).then(fall))
            .betas((0.9, 0.99))
            .weight_decay(self.weight_decay)
            .group("*bias", |adam| adam.weight_decay(0.0))
            .group("norm*", |adam| adam.weight_decay(0.0))
            .clip_norm(self.clip)
    }

    /// What the losses depend on.
    fn settings(&self) -> String {
        let Options { width, heads, layers, length, batch, steps, rate, warmup, .. } = self;
        let Options { weight_decay, dropout, clip, seed, .. } = self;
        format!(
            "{}, width {width}, heads {heads}, layers {layers}, length {length}, batch {batch}, steps {steps}, rate {rate}, \
             warmup {warmup}, weight decay {weight_decay}, dropout {dropout}, clip {clip}, seed {seed}",
            self.data.display()
        )
    }
}

/// All that a run depends on beside its options. Where it stands in the text follows from the steps that AdamW counts.
#[derive(Clone, Debug, Tree)]
struct Run {
    params: TransformerParams,
    adam: State<TransformerParams>,
    /// For dropout, and for what is written.
    rng: Rng,
}

/// A text in pieces, and what follows each character of them, both `[pieces, length]`.
#[derive(Debug)]
struct Pieces {
    characters: Tensor,
    next: Tensor,
    /// How many there are: as many batches as the text has, all of them full.
    count: usize,
}

impl Pieces {
    /// Of at least `batch * length + 1` tokens.
    fn new(tokens: &[i64], batch: usize, length: usize) -> Pieces {
        let count = (tokens.len() - 1) / length / batch * batch;
        let piece =
            |first: usize| Tensor::from_slice(&tokens[first..first + count * length], [count, length]);
        Pieces { characters: piece(0), next: piece(1), count }
    }

    fn at(&self, places: &Tensor) -> (Tensor, Tensor) {
        (self.characters.index_select(0, places), self.next.index_select(0, places))
    }
}

/// The transformer as `model::transformer` makes it.
trait Network: Fn(&TransformerParams, &Tensor, &mut Ctx) -> Tensor {}

impl<F: Fn(&TransformerParams, &Tensor, &mut Ctx) -> Tensor> Network for F {}

/// The run after all steps, from where its checkpoint left it.
fn train(
    options: &Options,
    text: &Text,
    network: &impl Network,
    first: TransformerParams,
    rng: Rng,
) -> Result<Run, Box<dyn Error>> {
    let adam = options.optimizer();
    let gradient = grad(|p: &TransformerParams, x: &Tensor, y: &Tensor, rng: &Rng| {
        let mut ctx = Ctx::train(rng.clone());
        let loss = network(p, x, &mut ctx).cross_entropy(y);
        (loss, ctx.rng)
    });
    let step = jit(|run: &Run, x: &Tensor, y: &Tensor| -> Result<(Run, Tensor)> {
        let (gradients, (loss, rng)) = gradient.call(&run.params, (x, y, &run.rng))?;
        let (params, adam) = adam.step(&run.params, &gradients, &run.adam)?;
        Ok((Run { params, adam, rng }, loss))
    })
    .fallback(Fallback::Error);

    let pieces = Pieces::new(&text.training, options.batch as usize, options.length as usize);
    let mut batches = Batches::new(options.seed, pieces.count, options.batch as usize);
    let checkpoint = Checkpoint::new(options.checkpoint.clone(), options.settings());
    let mut run = checkpoint.resume(Run { adam: adam.init(&first)?, params: first, rng })?;
    let (done, steps) = (run.adam.step.item::<i64>()? as usize, options.steps as usize);
    let mut losses = Losses::resume(options.losses.as_deref(), done)?;
    let bar = progress::progress(steps as u64, "steps").with_position(done as u64);
    for i in done..steps {
        let (x, y) = pieces.at(&batches.at(i));
        let loss;
        (run, loss) = step.call_owned(run, (&x, &y))?;
        let (made, loss) = (i + 1, loss.item::<f32>()?);
        losses.push(made, loss)?;
        bar.inc(1);
        bar.set_message(format!("loss {loss:.3}"));
        if made % options.sample_every as usize == 0 && made < steps {
            let written = write(options, text, network, &mut run)?;
            bar.suspend(|| println!("--- after {made} steps, loss {loss:.3}\n{written}\n---"));
        }
        if made % options.every as usize == 0 || made == steps {
            checkpoint.save(&run)?;
        }
    }
    bar.finish_and_clear();
    save_curve(options, &losses)?;
    Ok(run)
}

/// The mean loss over the text that was not learned from.
fn validation(
    options: &Options,
    text: &Text,
    network: &impl Network,
    params: &TransformerParams,
) -> Result<f64> {
    let loss =
        jit(|p: &TransformerParams, x: &Tensor, y: &Tensor| network(p, x, &mut Ctx::eval()).cross_entropy(y));
    let (batch, length) = (options.batch as usize, options.length as usize);
    let pieces = Pieces::new(&text.validation, batch, length);
    let mut sum = 0.0;
    for first in (0..pieces.count).step_by(batch) {
        let (x, y) = (pieces.characters.narrow(0, first, batch), pieces.next.narrow(0, first, batch));
        sum += f64::from(loss.call(params, (&x, &y))?.item::<f32>()?);
    }
    Ok(sum / (pieces.count / batch) as f64)
}

/// A text by the network, which begins a line.
fn write(options: &Options, text: &Text, network: &impl Network, run: &mut Run) -> Result<String> {
    let scores = jit(|p: &TransformerParams, x: &Tensor| network(p, x, &mut Ctx::eval()));
    let length = options.length as usize;
    let mut written = text.alphabet.encode("\n").unwrap_or_else(|_| vec![0]);
    for _ in 0..options.sample {
        // The last characters, and anything behind them: no place looks ahead. So one program serves every length.
        let seen = written.len().min(length);
        let mut window = written[written.len() - seen..].to_vec();
        window.resize(length, 0);
        let all = scores.call(&run.params, &Tensor::from_slice(&window, [1, length]))?;
        let last = all.at((0, seen as isize - 1));
        written.push(drawn(&last, options.temperature, &mut run.rng).at(0).item::<i64>()?);
    }
    Ok(text.alphabet.decode(&written[1..]))
}

fn save_curve(options: &Options, losses: &Losses) -> Result<(), Box<dyn Error>> {
    let points = losses.known.iter().map(|&(step, loss)| (step as f64, f64::from(loss))).collect();
    let curves = vec![Curve { name: "training", points, width: 1 }];
    Chart { title: "Loss of each step", axes: ["step", "nats a character"], curves }.save(&options.curve)?;
    println!("loss curve: {}", options.curve.display());
    Ok(())
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let text = Text::read(&options.data, options.batch as usize * options.length as usize + 1)?;
    println!(
        "{} characters to learn from, {} to test with, {} different ones",
        text.training.len(),
        text.validation.len(),
        text.alphabet.len()
    );
    let mut rng = Rng::seed(options.seed);
    let (network, params) = transformer(&options.network(text.alphabet.len()), &mut rng);
    let mut run = train(options, &text, &network, params, rng)?;
    let loss = validation(options, &text, &network, &run.params)?;
    println!("{}", write(options, &text, &network, &mut run)?);
    println!("validation loss: {loss:.4} nats a character, {:.3} bits", loss / 2f64.ln());
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

//! Learns to write like Shakespeare, letter by letter: an LSTM, gated recurrent units or fast weights read six tragedies
//! and say after each character which comes next.
//!
//! It shows back-propagation through time that is cut after `--length` characters while the network's state passes on,
//! one compiled program for a whole training step (forward, backward, clipping, Adam), and a run that can be killed and
//! goes on to the bit.
//!
//! `cargo run --release --example char_rnn -- --model lstm` from the repository's root; `-- --help` lists the options. It
//! takes one to two minutes on two cores, fast weights about three times as long.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use retrograd::model::{self, FastWeights, Output, Recurrent};
use retrograd::nn::{Linear, LinearParams, functionalize};
use retrograd::optim::{Adam, Optimizer, State};
use retrograd::{Result, Rng, Tensor, Tree, grad, jit, tree};

#[path = "../shared/chart.rs"]
mod chart;
#[path = "../shared/journal.rs"]
mod journal;
#[path = "../shared/progress.rs"]
mod progress;
#[path = "../shared/text.rs"]
mod text;

use chart::Chart;
use journal::{Journal, Keep};
use text::{Text, drawn};

/// Learns to write like the text it is given, letter by letter.
#[derive(Debug, Parser)]
struct Options {
    /// The recurrent network.
    #[arg(long, value_enum, default_value_t = Kind::Lstm)]
    model: Kind,
    /// Text to learn from, gzipped or not.
    #[arg(long, default_value = "data/tragedies.txt.gz")]
    data: PathBuf,
    /// Numbers in the network's state.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    hidden: u32,
    /// Places at which the text is read at the same time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Characters read in a step, through which gradients flow.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    length: u32,
    /// Training steps.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Adam's learning rate.
    #[arg(long, default_value_t = 0.005)]
    rate: f64,
    /// Norm that gradients are clipped to.
    #[arg(long, default_value_t = 5.0)]
    clip: f64,
    /// Seed of the first weights and of what is written.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How daring samples are: 0 takes the likeliest character, 1 draws as the network says.
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Characters in a sample.
    #[arg(long, default_value_t = 400)]
    sample: u32,
    /// Steps from one sample to the next.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    sample_every: u32,
    /// Where the loss curve goes, an SVG file.
    #[arg(long, default_value = "target/char_rnn_loss.svg")]
    curve: PathBuf,
    #[command(flatten)]
    keep: Keep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// A plain network that attends to its recent past by fast weights.
    Fw,
}

/// What is learned: the recurrent network, and what reads scores for the next character from its state.
#[derive(Clone, Debug, Tree)]
struct Params<P> {
    cell: P,
    head: LinearParams,
}

/// All that a run depends on beside its options; where it stands in the text follows from the steps that were made.
#[derive(Clone, Debug, Tree)]
struct Run<P, S> {
    params: Params<P>,
    adam: State<Params<P>>,
    /// What the network remembers of what it read.
    state: S,
    /// Of what is written.
    rng: Rng,
}

/// A text in as many parts as are read at the same time, each beside what follows: the next characters.
struct Lanes {
    tokens: Tensor,
    length: usize,
    /// Steps in which the text is read once.
    steps: usize,
}

impl Lanes {
    /// `tokens` has at least `batch * (length + 1)` of them.
    fn new(tokens: &[i64], batch: usize, length: usize) -> Lanes {
        let lane = tokens.len() / batch;
        let tokens = Tensor::from_slice(&tokens[..batch * lane], [batch, lane]);
        Lanes { tokens, length, steps: (lane - 1) / length }
    }

    /// What is read in step `step` of an epoch, and the characters that follow, both `[batch, length]`.
    fn at(&self, step: usize) -> (Tensor, Tensor) {
        let first = step * self.length;
        (self.tokens.narrow(1, first, self.length), self.tokens.narrow(1, first + 1, self.length))
    }
}

/// Trains a network, tests it, and has it write.
fn train<P, S>(
    options: &Options,
    text: &Text,
    cell: impl Fn(&P, &Tensor, &Option<S>) -> (Tensor, S) + Clone + Send + Sync + 'static,
    first: P,
    mut rng: Rng,
) -> Result<(), Box<dyn Error>>
where
    P: Tree + Clone,
    S: Tree + Clone,
{
    let [batch, length, steps] = [options.batch, options.length, options.steps].map(|n| n as usize);
    let characters = text.alphabet.len();
    let (head, head_params) = functionalize(Linear::new(options.hidden as usize, characters), &mut rng);
    // Scores for the next character after each, `[batch, steps, characters]`, and the state after the last.
    let network = move |p: &Params<P>, tokens: &Tensor, state: &S| {
        let (y, state) = cell(&p.cell, &tokens.one_hot(characters), &Some(state.clone()));
        (head(&p.head, &y), state)
    };

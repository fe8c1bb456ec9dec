//! Learns to write like Shakespeare, letter by letter: an LSTM, gated recurrent units or fast weights read six tragedies
//! and say after each character which comes next.
//!
//! It shows back-propagation through time that is cut after `--length` characters while the network's state passes on,
//! one compiled program for a whole training step (forward, backward, clipping, Adam), and a run that can be killed and
//! goes on to the bit.
//!
//! `cargo run --release --example char_rnn -- --model lstm` from the repository's root; `-- --help` lists the options. It
//! takes about a minute on two cores, fast weights several.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use retrograd::model::{self, FastWeights, Output, Recurrent};
use retrograd::nn::{Linear, LinearParams, functionalize};
use retrograd::optim::{Adam, Optimizer, State};
use retrograd::{Fallback, Result, Rng, Tensor, Tree, grad, jit, tree};

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

use chart::{Chart, Curve};
use checkpoint::Checkpoint;
use losses::Losses;
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
    #[arg(long, default_value = "target/char_rnn_loss.svg")]
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// A plain network that attends to its recent past by fast weights.
    Fw,
}

impl Options {
    /// What the losses depend on.
    fn settings(&self) -> String {
        let Options { model, hidden, batch, length, rate, clip, seed, .. } = self;
        let data = self.data.display();
        format!(
            "{model:?}, {data}, hidden {hidden}, batch {batch}, length {length}, rate {rate}, clip {clip}, seed {seed}"
        )
    }
}

/// What is learned: the recurrent network, and what reads scores for the next character from its state.
#[derive(Clone, Debug, Tree)]
struct Params<P> {
    cell: P,
    head: LinearParams,
}

/// All that a run depends on beside its options. Where it stands in the text follows from the steps that Adam counts.
#[derive(Clone, Debug, Tree)]
struct Run<P, S> {
    params: Params<P>,
    adam: State<Params<P>>,
    /// What the network remembers of what it has read.
    state: S,
    /// For what is written.
    rng: Rng,
}

/// A text as lanes that are read side by side.
#[derive(Debug)]
struct Lanes {
    /// `[lanes, characters]`.
    tokens: Tensor,
    length: usize,
    /// Steps in which the text is read once.
    steps: usize,
}

impl Lanes {
    /// At least `batch * (length + 1)` tokens.
    fn new(tokens: &[i64], batch: usize, length: usize) -> Lanes {
        let lane = tokens.len() / batch;
        let tokens = Tensor::from_slice(&tokens[..batch * lane], [batch, lane]);
        Lanes { tokens, length, steps: (lane - 1) / length }
    }

    /// What is read in a step, and the character that follows each, both `[lanes, length]`.
    fn at(&self, step: usize) -> (Tensor, Tensor) {
        let first = step % self.steps * self.length;
        (self.tokens.narrow(1, first, self.length), self.tokens.narrow(1, first + 1, self.length))
    }
}

fn zeros_like<T: Tree>(tree: &T) -> T {
    tree::map(tree, Tensor::zeros_like)
}

/// What `retrograd::model` makes, with scores for the character after each, `[batch, length, characters]`, in the place of
/// states `[batch, length, hidden]`; and the state after the last.
trait Network<P, S>: Fn(&Params<P>, &Tensor, &S) -> (Tensor, S) {}

impl<P, S, F: Fn(&Params<P>, &Tensor, &S) -> (Tensor, S)> Network<P, S> for F {}

/// Trains a network made of `cell`, tests it, and has it write.
fn run<P: Tree + Clone, S: Tree + Clone>(
    options: &Options,
    text: &Text,
    cell: impl Fn(&P, &Tensor, &Option<S>) -> (Tensor, S),
    first: P,
    mut rng: Rng,
) -> Result<(), Box<dyn Error>> {
    let characters = text.alphabet.len();
    let (head, head_params) = functionalize(Linear::new(options.hidden as usize, characters), &mut rng);
    // The state before the first character: the network knows its shape.
    let begin = |batch| zeros_like(&cell(&first, &Tensor::zeros([batch, 1, characters]), &None).1);
    let (state, one) = (begin(options.batch as usize), begin(1));
    let params = Params { cell: first.clone(), head: head_params };
    let network = |p: &Params<P>, tokens: &Tensor, state: &S| {
        let (y, state) = cell(&p.cell, &tokens.one_hot(characters), &Some(state.clone()));
        (head(&p.head, &y), state)
    };

    let adam = Adam::new(options.rate).clip_norm(options.clip);
    let run = Run { adam: adam.init(&params)?, params, state, rng };
    let mut run = train(options, text, &adam, &network, run, &one)?;
    let loss = validation(options, text, &network, &run)?;
    println!("{}", write(options, text, &network, &mut run, &one)?);
    println!("validation loss: {loss:.4} nats a character, {:.3} bits", loss / 2f64.ln());
    Ok(())
}

/// The run after all steps, from where its checkpoint left it.
fn train<P: Tree + Clone, S: Tree + Clone>(
    options: &Options,
    text: &Text,
    adam: &impl Optimizer,
    network: &impl Network<P, S>,
    first: Run<P, S>,
    one: &S,
) -> Result<Run<P, S>, Box<dyn Error>> {
    let gradient = grad(|p: &Params<P>, x: &Tensor, y: &Tensor, state: &S| {
        let (scores, state) = network(p, x, state);
        (scores.cross_entropy(y), state)
    });
    let step = jit(|run: &Run<P, S>, x: &Tensor, y: &Tensor| -> Result<(Run<P, S>, Tensor)> {
        let (gradients, (loss, state)) = gradient.call(&run.params, (x, y, &run.state))?;
        let (params, adam) = adam.step(&run.params, &gradients, &run.adam)?;
        Ok((Run { params, adam, state, rng: run.rng.clone() }, loss))
    })
    .fallback(Fallback::Error);

    let lanes = Lanes::new(&text.training, options.batch as usize, options.length as usize);
    let checkpoint = Checkpoint::new(options.checkpoint.clone(), options.settings());
    let mut run = checkpoint.resume(first)?;
    let (done, steps) = (run.adam.step.item::<i64>()? as usize, options.steps as usize);
    let mut losses = Losses::resume(options.losses.as_deref(), done)?;
    let bar = progress::progress(steps as u64, "steps").with_position(done as u64);
    for i in done..steps {
        if i % lanes.steps == 0 {
            // The text begins again.
            run.state = zeros_like(&run.state);
        }
        let (x, y) = lanes.at(i);
        let loss;
        (run, loss) = step.call_owned(run, (&x, &y))?;
        let (made, loss) = (i + 1, loss.item::<f32>()?);
        losses.push(made, loss)?;
        bar.inc(1);
        bar.set_message(format!("loss {loss:.3}"));
        if made % options.sample_every as usize == 0 && made < steps {
            let written = write(options, text, network, &mut run, one)?;
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

/// The mean loss over the text that was not learned from, read as training read its own.
fn validation<P: Tree, S: Tree>(
    options: &Options,
    text: &Text,
    network: &impl Network<P, S>,
    run: &Run<P, S>,
) -> Result<f64> {
    let loss = jit(|p: &Params<P>, x: &Tensor, y: &Tensor, state: &S| {
        let (scores, state) = network(p, x, state);
        (scores.cross_entropy(y), state)
    });
    let lanes = Lanes::new(&text.validation, options.batch as usize, options.length as usize);
    let (mut state, mut sum) = (zeros_like(&run.state), 0.0);
    for i in 0..lanes.steps {
        let (x, y) = lanes.at(i);
        let loss_here;
        (loss_here, state) = loss.call(&run.params, (&x, &y, &state))?;
        sum += f64::from(loss_here.item::<f32>()?);
    }
    Ok(sum / lanes.steps as f64)
}

/// A text by the network, which begins a line; `one` is a state of zeros for one lane.
fn write<P: Tree, S: Tree + Clone>(
    options: &Options,
    text: &Text,
    network: &impl Network<P, S>,
    run: &mut Run<P, S>,
    one: &S,
) -> Result<String> {
    let next = jit(|p: &Params<P>, token: &Tensor, state: &S| network(p, &token.reshape([1, 1]), state));
    let start = text.alphabet.encode("\n").unwrap_or_else(|_| vec![0]);
    let (mut token, mut state) = (Tensor::from_slice(&start, [1]), one.clone());
    let mut written = Vec::new();
    for _ in 0..options.sample {
        let scores;
        (scores, state) = next.call(&run.params, (&token, &state))?;
        token = drawn(&scores.flatten(0, -1), options.temperature, &mut run.rng);
        written.push(token.at(0).item::<i64>()?);
    }
    Ok(text.alphabet.decode(&written))
}

fn save_curve(options: &Options, losses: &Losses) -> Result<(), Box<dyn Error>> {
    let points = losses.known.iter().map(|&(step, loss)| (step as f64, f64::from(loss))).collect();
    let curves = vec![Curve { name: "training", points, width: 1 }];
    Chart { title: "Loss of each step", axes: ["step", "nats a character"], curves }.save(&options.curve)?;
    println!("loss curve: {}", options.curve.display());
    Ok(())
}

fn choose(options: &Options) -> Result<(), Box<dyn Error>> {
    let least = options.batch as usize * (options.length as usize + 1);
    let text = Text::read(&options.data, least)?;
    println!(
        "{} characters to learn from, {} to test with, {} different ones",
        text.training.len(),
        text.validation.len(),
        text.alphabet.len()
    );
    let network = Recurrent::new(text.alphabet.len(), options.hidden as usize).output(Output::All);
    let mut rng = Rng::seed(options.seed);
    match options.model {
        Kind::Lstm => {
            let (cell, params) = model::recurrent_lstm_network(&network, &mut rng);
            run(options, &text, cell, params, rng)
        }
        Kind::Gru => {
            let (cell, params) = model::recurrent_gru_network(&network, &mut rng);
            run(options, &text, cell, params, rng)
        }
        Kind::Fw => {
            // A normalised state has a square of about half its length: with this rate the memory of it and what is read are of
            // one size, where the usual 0.5 lets the memory alone decide what comes next, and nothing is learned.
            let network = FastWeights::new(network).rate(0.5 / f64::from(options.hidden));
            let (cell, params) = model::recurrent_fw_network(&network, &mut rng);
            run(options, &text, cell, params, rng)
        }
    }
}

fn main() -> ExitCode {
    match choose(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

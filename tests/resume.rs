//! Training that is stopped and goes on from a checkpoint makes the numbers of training that was never stopped. These
//! are the parts that the examples train with.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use retrograd::optim::{Adam, Optimizer, Schedule, State};
use retrograd::{Fallback, Rng, Tensor, Tree, grad, jit, tree};

#[path = "../examples/shared/batches.rs"]
mod batches;
#[path = "../examples/shared/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/shared/losses.rs"]
mod losses;

use batches::Batches;
use checkpoint::Checkpoint;
use losses::Losses;

/// Steps of a whole run, in three epochs, each with a smaller batch at its end.
const STEPS: usize = 12;
const EXAMPLES: usize = 14;
const BATCH: usize = 4;

#[derive(Clone, Debug, Tree)]
struct Layer {
    w: Tensor,
    b: Tensor,
}

/// What the examples keep: parameters, the optimizer's state, a generator.
#[derive(Clone, Debug, Tree)]
struct Run {
    params: [Layer; 2],
    optimizer: State<[Layer; 2]>,
    rng: Rng,
}

/// The files of a test.
struct Files {
    checkpoint: PathBuf,
    losses: PathBuf,
}

impl Files {
    /// A folder of its own for each test, and nothing in it.
    fn of(test: &str) -> Files {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resume").join(test);
        // Of an earlier run, if there was one.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        Files { checkpoint: folder.join("run.safetensors"), losses: folder.join("losses.csv") }
    }

    fn lines(&self) -> String {
        fs::read_to_string(&self.losses).expect("losses were written")
    }
}

/// Trains a network with dropout until `stop` steps are made, with a checkpoint after every `every`, and stops there as
/// if it were killed.
fn train(files: &Files, seed: u64, every: usize, stop: usize) -> Result<Run, Box<dyn Error>> {
    let adam = Adam::new(Schedule::cosine(0.05, STEPS as u64, 0.0)).clip_norm(1.0);
    let mut rng = Rng::seed(seed);
    let layer = |inputs, outputs, rng: &mut Rng| Layer {
        w: rng.randn([inputs, outputs]),
        b: Tensor::zeros([outputs]),
    };
    let params = [layer(3, 8, &mut rng), layer(8, 1, &mut rng)];
    let first = Run { optimizer: adam.init(&params)?, params, rng };

    let loss = |[hidden, last]: &[Layer; 2], x: &Tensor, y: &Tensor, rng: &Rng| {
        let mut rng = rng.clone();
        let h = rng.dropout(&(x.matmul(&hidden.w) + &hidden.b).tanh(), 0.25);
        ((h.matmul(&last.w) + &last.b - y).square().mean(), rng)
    };
    let gradient = grad(loss);
    let step = jit(|run: &Run, x: &Tensor, y: &Tensor| -> retrograd::Result<(Run, Tensor)> {
        let (gradients, (loss, rng)) = gradient.call(&run.params, (x, y, &run.rng))?;
        let (params, optimizer) = adam.step(&run.params, &gradients, &run.optimizer)?;
        Ok((Run { params, optimizer, rng }, loss))
    })
    .fallback(Fallback::Error);

    let checkpoint = Checkpoint::new(Some(files.checkpoint.clone()), format!("seed {seed}"));
    let mut run = checkpoint.resume(first)?;
    let done = run.optimizer.step.item::<i64>()? as usize;
    let mut losses = Losses::resume(Some(&files.losses), done)?;
    let mut batches = Batches::new(seed, EXAMPLES, BATCH);
    let (xs, ys) = (Rng::seed(3).randn([EXAMPLES, 3]), Rng::seed(4).randn([EXAMPLES, 1]));
    for made in done + 1..=stop {
        let places = batches.at(made - 1);
        let loss;
        (run, loss) = step.call_owned(run, (&xs.index_select(0, &places), &ys.index_select(0, &places)))?;
        losses.push(made, loss.item()?)?;
        if made % every == 0 {
            checkpoint.save(&run)?;
        }
    }
    let lines = losses.known.iter().map(|(step, loss)| format!("{step},{loss}\n"));
    assert_eq!(files.lines(), format!("step,loss\n{}", lines.collect::<String>()));
    Ok(run)
}

fn bits(run: &Run) -> Vec<Vec<u64>> {
    let of = |leaf: &Tensor| match leaf.dtype().is_float() {
        true => leaf.to_vec::<f32>().expect("a value").iter().map(|x| u64::from(x.to_bits())).collect(),
        false => leaf.to_vec::<i64>().expect("a value").iter().map(|&x| x as u64).collect(),
    };
    tree::leaves(run).iter().map(of).collect()
}

#[test]
fn a_run_that_was_stopped_anywhere_goes_on_bit_for_bit() {
    let whole = Files::of("whole");
    let run = train(&whole, 1, STEPS, STEPS).expect("trains");
    assert_eq!(whole.lines().lines().count(), 1 + STEPS);
    for stop in [1, 3, 4, 5, 7, 11] {
        let files = Files::of("stopped");
        train(&files, 1, 3, stop).expect("trains");
        let again = train(&files, 1, 3, STEPS).expect("goes on");
        assert_eq!(files.lines(), whole.lines(), "stopped after step {stop}");
        assert_eq!(bits(&again), bits(&run), "stopped after step {stop}");
    }
}

#[test]
fn a_run_that_is_done_is_loaded_as_it_was() {
    let files = Files::of("done");
    let run = train(&files, 1, STEPS, STEPS).expect("trains");
    let lines = files.lines();
    assert_eq!(bits(&train(&files, 1, STEPS, STEPS).expect("loads")), bits(&run));
    assert_eq!(files.lines(), lines);
}

#[test]
fn another_seed_makes_other_numbers() {
    let (one, two) = (Files::of("seed-1"), Files::of("seed-2"));
    train(&one, 1, STEPS, 2).expect("trains");
    train(&two, 2, STEPS, 2).expect("trains");
    assert_ne!(one.lines(), two.lines());
}

/// The message of a run that cannot go on, with the folder of its files left out.
#[track_caller]
fn message(files: &Files, seed: u64) -> String {
    let error = train(files, seed, 3, STEPS).expect_err("it cannot go on");
    let folder = files.losses.parent().expect("a folder").display().to_string();
    error.to_string().replace(&format!("{folder}{}", std::path::MAIN_SEPARATOR), "")
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let files = Files::of("settings");
    train(&files, 1, 3, 3).expect("trains");
    let message = message(&files, 2);
    assert_eq!(
        message.lines().next(),
        Some(
            "run.safetensors: is of a run with seed 1, and this one has seed 2; give the same options, or another \
             --checkpoint"
        )
    );
}

#[test]
fn a_checkpoint_that_is_damaged_is_refused_and_stays() {
    let files = Files::of("damaged");
    train(&files, 1, 3, 3).expect("trains");
    let bytes = fs::read(&files.checkpoint).expect("it was written");
    fs::write(&files.checkpoint, &bytes[..bytes.len() / 2]).expect("writes");
    let message = message(&files, 1);
    assert!(message.contains("run.safetensors` is not a whole safetensors file"), "{message}");
    assert_eq!(fs::read(&files.checkpoint).expect("it is there").len(), bytes.len() / 2);
}

#[test]
fn losses_that_end_before_the_checkpoint_are_refused() {
    let files = Files::of("few");
    train(&files, 1, 3, 3).expect("trains");
    fs::write(&files.losses, "step,loss\n1,0.5\n").expect("writes");
    assert_eq!(
        message(&files, 1),
        "losses.csv: has 1 losses, and the checkpoint is of step 3; give the file that was written with it, or no \
         --losses"
    );
    fs::write(&files.losses, "step,loss\n1,0.5\n3,0.5\n").expect("writes");
    assert_eq!(message(&files, 1), "losses.csv: line 3 is `3,0.5`, expected `2,LOSS`");
}

#[test]
fn each_epoch_has_each_example_once_in_an_order_of_its_own() {
    let mut batches = Batches::new(1, EXAMPLES, BATCH);
    let mut epoch = |number: usize| -> Vec<i64> {
        let steps = number * batches.an_epoch()..(number + 1) * batches.an_epoch();
        steps.flat_map(|step| batches.at(step).to_vec::<i64>().expect("places")).collect()
    };
    let orders = [epoch(0), epoch(1), epoch(2)];
    assert_ne!(orders[0], orders[1]);
    // Whatever was asked for before.
    assert_eq!(epoch(0), orders[0]);
    for mut order in orders {
        order.sort_unstable();
        assert_eq!(order, (0..EXAMPLES as i64).collect::<Vec<_>>());
    }
}

#[test]
fn the_epochs_of_one_seed_are_not_those_of_the_next() {
    let order = |seed, step| Batches::new(seed, 50, 50).at(step).to_vec::<i64>().expect("places");
    assert_ne!(order(1, 1), order(2, 0));
    assert_ne!(order(1, 0), order(2, 0));
}

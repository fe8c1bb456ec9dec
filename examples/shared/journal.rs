//! Keeps a run of training: the loss of every step, and checkpoints from which it goes on, bit for bit.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use retrograd::io::{Archive, save_with};
use retrograd::{Tensor, Tree, tree};

/// Where a run is kept.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Keep {
    /// Safetensors file in which training is kept, and from which it goes on if it is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Steps from one checkpoint to the next.
    #[arg(long, value_name = "STEPS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,
    /// CSV file for the loss of every step, with all digits.
    #[arg(long, value_name = "FILE")]
    pub(crate) losses: Option<PathBuf>,
}

/// A run and its losses, as a checkpoint holds them.
#[derive(Tree)]
struct Kept<T> {
    run: T,
    losses: Tensor,
}

/// The losses of a run so far, and where they go. What a step depends on is in the run, a tree: parameters, the
/// optimizer's state, generators.
#[derive(Debug)]
pub(crate) struct Journal {
    keep: Keep,
    /// All options that results depend on.
    settings: String,
    losses: Vec<f32>,
    csv: Option<BufWriter<File>>,
    bar: ProgressBar,
}

/// The entry beside a checkpoint's tensors that tells the settings of the run.
const SETTINGS: &str = "settings";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl Journal {
    /// A journal, and the run as its checkpoint has it, or else as it is given.
    ///
    /// # Errors
    ///
    /// A checkpoint that is damaged, of another network or of other settings; a CSV file that cannot be written.
    pub(crate) fn open<T: Tree>(
        keep: &Keep,
        settings: String,
        run: T,
        bar: ProgressBar,
    ) -> Result<(Journal, T)> {
        let (run, losses) = match &keep.checkpoint {
            Some(path) if path.exists() => {
                let kept = resumed(path, &settings, &run)?;
                println!("{}: goes on after step {}", path.display(), kept.1.len());
                kept
            }
            _ => (run, Vec::new()),
        };
        bar.set_position(losses.len() as u64);
        // So that the rate shown is that of the steps made now.
        bar.reset_eta();
        let mut journal = Journal { keep: keep.clone(), settings, losses: Vec::new(), csv: None, bar };
        if let Some(path) = &keep.losses {
            let file = in_folder(path).and_then(|()| File::create(path));
            let mut file = file.map(BufWriter::new).map_err(|e| cannot_write(path, &e))?;
            writeln!(file, "step,loss").map_err(|e| cannot_write(path, &e))?;
            journal.csv = Some(file);
        }
        losses.into_iter().try_for_each(|loss| journal.record(loss))?;
        Ok((journal, run))
    }

    /// Steps made so far.
    pub(crate) fn steps(&self) -> usize {
        self.losses.len()
    }

    /// The losses of all of them.
    pub(crate) fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// Notes the loss of a step and shows it; the run after it is saved when a checkpoint is due.
    ///
    /// # Errors
    ///
    /// A loss that is no number any more; a file that cannot be written.
    pub(crate) fn add<T: Tree>(&mut self, run: &T, loss: f32) -> Result<()> {
        if !loss.is_finite() {
            let step = self.steps() + 1;
            return Err(format!("the loss is {loss} in step {step}: try a smaller --rate").into());
        }
        self.record(loss)?;
        self.bar.inc(1);
        self.bar.set_message(format!("loss {loss:.4}"));
        if self.steps().is_multiple_of(self.keep.every as usize) { self.save(run) } else { Ok(()) }
    }

    /// Saves the run for the last time and closes all files.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub(crate) fn close<T: Tree>(&mut self, run: &T) -> Result<()> {
        self.bar.finish_and_clear();
        self.save(run)
    }

    fn record(&mut self, loss: f32) -> Result<()> {
        if let (Some(csv), Some(path)) = (&mut self.csv, &self.keep.losses) {
            // Rust prints as many digits as it takes to read the same number again.
            writeln!(csv, "{},{loss}", self.losses.len() + 1).map_err(|e| cannot_write(path, &e))?;
        }
        self.losses.push(loss);
        Ok(())
    }

    fn save<T: Tree>(&mut self, run: &T) -> Result<()> {
        if let (Some(csv), Some(path)) = (&mut self.csv, &self.keep.losses) {
            csv.flush().map_err(|e| cannot_write(path, &e))?;
        }
        let Some(path) = &self.keep.checkpoint else { return Ok(()) };
        in_folder(path).map_err(|e| cannot_write(path, &e))?;
        let losses = Tensor::from_slice(&self.losses, [self.losses.len()]);
        let kept = Kept { run: tree::map(run, Clone::clone), losses };
        Ok(save_with(path, &kept, [(SETTINGS, self.settings.as_str())])?)
    }
}

/// The run in a checkpoint, whose structure is that of `like`, and its losses.
fn resumed<T: Tree>(path: &Path, settings: &str, like: &T) -> Result<(T, Vec<f32>)> {
    let archive = Archive::open(path)?;
    let (of, file) = (archive.metadata().get(SETTINGS).map_or("another program", |of| of), path.display());
    if of != settings {
        let advice = "pass the same options, or another --checkpoint";
        return Err(format!("{file}: is of a run with `{of}`, this one has `{settings}`; {advice}").into());
    }
    let losses = Tensor::zeros(archive.spec("losses")?.shape);
    let kept = archive.load(&Kept { run: tree::map(like, Clone::clone), losses })?;
    Ok((kept.run, kept.losses.to_vec()?))
}

/// Makes the folder of a file, if there is none.
fn in_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn cannot_write(path: &Path, error: &io::Error) -> Box<dyn Error> {
    format!("{}: cannot be written: {error}", path.display()).into()
}

//! The losses of a run, step after step: in memory, and in a file that survives a run that is killed.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The first line of the file.
const HEADER: &str = "step,loss\n";

/// The losses of a run, and the file `step,loss` that has them with all their digits.
#[derive(Debug)]
pub(crate) struct Losses {
    /// Of which step, counted from 1, and what the loss was.
    pub(crate) known: Vec<(usize, f32)>,
    file: Option<(PathBuf, File)>,
}

impl Losses {
    /// Those of the `done` first steps, which the file has: what it has beyond is of steps that will be made again, and
    /// is cut off. Without a file they are forgotten.
    ///
    /// # Errors
    /// The file cannot be read or written, or its folder not made; it has other lines, or too few.
    pub(crate) fn resume(path: Option<&Path>, done: usize) -> Result<Losses, Box<dyn Error>> {
        let Some(path) = path else { return Ok(Losses { known: Vec::new(), file: None }) };
        let named = |problem: String| format!("{}: {problem}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| named(format!("cannot make its folder: {e}")))?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(done == 0).open(path);
        let file = file.as_mut().map_err(|e| named(format!("cannot be opened: {e}")))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| named(format!("cannot be read: {e}")))?;
        let (known, end) = parse(&text, done).map_err(named)?;
        let cut = |file: &mut File| {
            file.set_len(end as u64)?;
            file.seek(SeekFrom::End(0))?;
            if end == 0 { file.write_all(HEADER.as_bytes()) } else { Ok(()) }
        };
        cut(file).map_err(|e| named(format!("cannot be written: {e}")))?;
        let file = file.try_clone().map_err(|e| named(e.to_string()))?;
        Ok(Losses { known, file: Some((path.to_owned(), file)) })
    }

    /// Notes the loss of a step. The line is handed to the system at once, so it is there before a checkpoint of this
    /// step is.
    ///
    /// # Errors
    /// The file cannot be written; a loss that is no number, after which there is nothing to learn.
    pub(crate) fn push(&mut self, step: usize, loss: f32) -> Result<(), Box<dyn Error>> {
        if !loss.is_finite() {
            return Err(format!("the loss of step {step} is {loss}: try a smaller --rate").into());
        }
        self.known.push((step, loss));
        if let Some((path, file)) = &mut self.file {
            // `Display` writes the shortest digits that are this f32 and no other.
            writeln!(file, "{step},{loss}")
                .map_err(|e| format!("{}: cannot be written: {e}", path.display()))?;
        }
        Ok(())
    }
}

/// The first `done` losses of a file, and how many bytes they take with the header.
fn parse(text: &str, done: usize) -> Result<(Vec<(usize, f32)>, usize), String> {
    let mut lines = text.split_inclusive('\n');
    let mut end = if done == 0 { 0 } else { lines.next().map_or(0, str::len) };
    let mut known = Vec::with_capacity(done);
    for (step, line) in (1..=done).zip(lines) {
        let loss = line.strip_suffix('\n').and_then(|line| line.split_once(','));
        match loss.map(|(number, loss)| (number.parse(), loss.parse())) {
            Some((Ok(number), Ok(loss))) if step == number => known.push((step, loss)),
            _ => return Err(format!("line {} is `{}`, expected `{step},LOSS`", step + 1, line.trim_end())),
        }
        end += line.len();
    }
    if known.len() == done {
        return Ok((known, end));
    }
    let found = known.len();
    Err(format!(
        "has {found} losses, and the checkpoint is of step {done}; give the file that was written with it, or no --losses"
    ))
}

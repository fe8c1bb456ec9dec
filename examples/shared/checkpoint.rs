//! Where a training run stands, in a file: a run that was stopped, however, goes on from there.

use std::path::PathBuf;

use retrograd::io::{self, Archive};
use retrograd::{Error, Result, Tree};

/// A file that holds everything that a run depends on, beside its options; or none.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: Option<PathBuf>,
    /// What is saved with the state, and must be the same when it is resumed.
    settings: String,
}

impl Checkpoint {
    /// The file of a run with these settings, in words.
    pub(crate) fn new(path: Option<PathBuf>, settings: String) -> Checkpoint {
        Checkpoint { path, settings }
    }

    /// What was saved, if there is such a file, else `first`.
    ///
    /// # Errors
    /// A file that cannot be read, or of a run with other settings.
    pub(crate) fn resume<T: Tree>(&self, first: T) -> Result<T> {
        let Some(path) = self.path.as_ref().filter(|path| path.exists()) else { return Ok(first) };
        let archive = Archive::open(path)?;
        let saved = archive.metadata().get("settings").map_or("no settings", String::as_str);
        if saved != self.settings {
            return Err(Error::msg(format!(
                "{}: is of a run with {saved}, and this one has {}; give the same options, or another --checkpoint",
                path.display(),
                self.settings
            )));
        }
        archive.load(&first)
    }

    /// Saves a state in place of the one before, which is lost only when the new one is on the disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save<T: Tree>(&self, state: &T) -> Result<()> {
        match &self.path {
            Some(path) => io::save_with(path, state, [("settings", self.settings.as_str())]),
            None => Ok(()),
        }
    }
}

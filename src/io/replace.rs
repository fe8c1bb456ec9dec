//! Files that are replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// What a writer of a file writes to.
pub(super) type Sink = BufWriter<File>;

/// Room for what is written, before the system is called.
const BUFFER: usize = 1 << 16;

/// Writes a file so that `path` has either its old contents or all of the new, whatever fails and whenever: to a
/// temporary file in the same folder, which is synchronised with the disk and then renamed. If anything fails, that
/// file is removed. A symbolic link is followed, also to a file that is not there yet; permissions of a file that is
/// replaced are kept. What is no file, as a pipe or a device, cannot be replaced and is refused.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut Sink) -> Result<()>) -> Result<()> {
    let to = followed(path);
    let old = fs::metadata(&to).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        let message = format!("cannot write `{}`: it is a folder", path.display());
        return Err(Error::plain(ErrorKind::Other, message).help("give the name of a file in it"));
    }
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        let message = format!("cannot write `{}`: it is no regular file", path.display());
        let help = "what is saved replaces a file; save to one, and copy it to the pipe or device";
        return Err(Error::plain(ErrorKind::Other, message).help(help));
    }
    if old.as_ref().is_some_and(|old| old.permissions().readonly()) {
        let message = format!("cannot write `{}`: it is read-only", path.display());
        return Err(Error::plain(ErrorKind::Other, message));
    }
    let (temporary, file) = Temporary::beside(&to).map_err(|e| failed("write", path, e))?;
    if let Some(old) = old {
        // Before anything is in it that others are not to read.
        file.set_permissions(old.permissions()).map_err(|e| failed("write", path, e))?;
    }
    let mut sink = BufWriter::with_capacity(BUFFER, file);
    write(&mut sink)?;
    finish(sink).map_err(|e| failed("write", path, e))?;
    temporary.rename(&to).map_err(|e| failed("write", path, e))
}

/// Hands everything to the disk.
fn finish(mut sink: Sink) -> io::Result<()> {
    sink.flush()?;
    sink.get_ref().sync_all()
}

/// Where links lead to, whether or not there is a file.
fn followed(path: &Path) -> PathBuf {
    /// As many as Linux follows; a circle of links is refused by the system afterwards.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::canonicalize(&path).or_else(|_| fs::read_link(&path).map(|to| path.with_file_name(to))) {
            Ok(next) if next != path => path = next,
            _ => break,
        }
    }
    path
}

/// A file that is removed unless it gets its final name.
struct Temporary(Option<PathBuf>);

impl Temporary {
    /// A new file in the folder of `path`.
    fn beside(path: &Path) -> io::Result<(Temporary, File)> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        path.file_name().ok_or(io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
        loop {
            // Two threads or processes that save to one name each write a file of their own. Without that name, which
            // may be as long as a name can be.
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let temporary = path.with_file_name(format!(".retrograd.{}.{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok((Temporary(Some(temporary)), file)),
                // Left behind by a process of the same number that was killed.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(temporary) = &self.0 {
            fs::rename(temporary, to)?;
        }
        self.0 = None;
        sync_folder_of(to);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(temporary) = &self.0 {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Makes the new name survive a loss of power. Some file systems cannot, and the file itself is safe: no error.
fn sync_folder_of(path: &Path) {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    }
}

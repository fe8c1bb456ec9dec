//! Reads IDX, the file format of the MNIST database: a magic number, the sizes, then one byte an element.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// Width and height of a digit in pixels.
pub(crate) const SIDE: usize = 28;

/// Handwritten digits and what they are. `pixels.len() == labels.len() * SIDE * SIDE`, and every label is 0 to 9.
#[derive(Debug)]
pub(crate) struct Digits {
    /// Image after image, row after row; 0 is the background, 255 full ink.
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl Digits {
    /// The digits of `<folder>/<set>-images-idx3-ubyte` and `<folder>/<set>-labels-idx1-ubyte`, each of which may
    /// be gzipped and then be named `.gz`. MNIST calls its sets `train` and `t10k`.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged, of another kind, or does not fit the other one.
    pub(crate) fn read(folder: &Path, set: &str) -> Result<Digits, IdxError> {
        let (images, path) = Idx::open(folder, &format!("{set}-images-idx3-ubyte"), 3)?;
        let refuse = |problem: String| Err(IdxError { path: path.clone(), problem, advice: REPLACE });
        let count = images.sizes[0];
        if images.sizes[1..] != [SIDE, SIDE] {
            let problem =
                format!("holds images of {} pixels, expected {SIDE} x {SIDE}", product(&images.sizes[1..]));
            return refuse(problem);
        }
        if count == 0 {
            return refuse("holds no images".to_owned());
        }

        let (labels, path) = Idx::open(folder, &format!("{set}-labels-idx1-ubyte"), 1)?;
        let refuse = |problem: String| Err(IdxError { path: path.clone(), problem, advice: REPLACE });
        if labels.sizes[0] != count {
            return refuse(format!("holds {} labels, expected {count}, one for each image", labels.sizes[0]));
        }
        if let Some(place) = labels.bytes.iter().position(|&label| label > 9) {
            return refuse(format!("label {place} is {}, expected 0 to 9", labels.bytes[place]));
        }
        Ok(Digits { pixels: images.bytes, labels: labels.bytes })
    }
}

/// A file that could not be read: which one, what is wrong with it, what to do.
#[derive(Debug)]
pub(crate) struct IdxError {
    path: PathBuf,
    problem: String,
    advice: &'static str,
}

const FIND: &str =
    "run from the repository's root, or pass --data with the folder that holds the four MNIST files";
const REPLACE: &str = "replace it: data/mnist/README.md says which files are meant";

impl fmt::Display for IdxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path.display(), self.problem, self.advice)
    }
}

impl std::error::Error for IdxError {}

/// One file: `bytes.len()` is the product of `sizes`.
struct Idx {
    sizes: Vec<usize>,
    bytes: Vec<u8>,
}

impl Idx {
    /// The file `<folder>/<name>` or, if there is none, `<folder>/<name>.gz`, and which of them it is.
    fn open(folder: &Path, name: &str, rank: u8) -> Result<(Idx, PathBuf), IdxError> {
        let plain = folder.join(name);
        let gzipped = folder.join(format!("{name}.gz"));
        let path = if gzipped.exists() && !plain.exists() { gzipped } else { plain };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                let problem = match error.kind() {
                    ErrorKind::NotFound => "not found, with or without .gz".to_owned(),
                    _ => format!("cannot be opened: {error}"),
                };
                return Err(IdxError { path, problem, advice: FIND });
            }
        };
        match Idx::decode(BufReader::new(file), rank) {
            Ok(idx) => Ok((idx, path)),
            Err(problem) => Err(IdxError { path, problem, advice: REPLACE }),
        }
    }

    /// What `file` holds, unzipped if it begins as gzip does, whatever its name: browsers unzip without renaming.
    fn decode(mut file: impl BufRead, rank: u8) -> Result<Idx, String> {
        let start = file.fill_buf().map_err(|error| format!("cannot be read: {error}"))?;
        if start.starts_with(&[0x1f, 0x8b]) {
            Idx::parse(MultiGzDecoder::new(file), rank)
        } else {
            Idx::parse(file, rank)
        }
    }

    /// Reads to the end of the file, so that gzip's checksum is compared, but never more than the header promises
    /// and one byte: a damaged header costs no memory.
    fn parse(mut file: impl Read, rank: u8) -> Result<Idx, String> {
        // Two zeros, the type of an element (8 is an unsigned byte), the number of sizes.
        let expected = [0, 0, 8, rank];
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(|error| reading(error, "its magic number"))?;
        if magic != expected {
            return Err(format!("starts with the bytes {magic:02x?}, expected {expected:02x?}"));
        }
        let mut sizes = Vec::with_capacity(rank.into());
        for _ in 0..rank {
            let mut size = [0; 4];
            file.read_exact(&mut size).map_err(|error| reading(error, "its sizes"))?;
            sizes.push(u32::from_be_bytes(size) as usize);
        }
        let promised = sizes.iter().try_fold(1_u64, |all, &size| all.checked_mul(size as u64));
        let promised =
            promised.ok_or_else(|| format!("promises {}, which no file holds", product(&sizes)))?;

        let mut bytes = Vec::new();
        let one_more = promised.saturating_add(1);
        file.take(one_more).read_to_end(&mut bytes).map_err(|error| reading(error, "its elements"))?;
        let found = match bytes.len() as u64 {
            found if found == promised => return Ok(Idx { sizes, bytes }),
            found if found > promised => "more".to_owned(),
            found => format!("only {found}"),
        };
        Err(format!("promises {} = {promised} bytes, holds {found}", product(&sizes)))
    }
}

/// Why `part` of a file could not be read.
fn reading(error: std::io::Error, part: &str) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => format!("ends before the end of {part}: it is truncated"),
        _ => format!("is damaged in {part}: {error}"),
    }
}

/// `28 x 28`
fn product(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

//! Text as numbers: the characters that occur in it, and batches of it.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use retrograd::{Replacement, Result, Rng, Tensor};

/// The characters of a text, in the order of their codes: character `i` is token `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alphabet(Vec<char>);

impl Alphabet {
    /// The characters that occur in `text`.
    pub(crate) fn of(text: &str) -> Alphabet {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        Alphabet(characters)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The tokens of `text`, or the first of its characters that is not in the alphabet.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<i64>, char> {
        text.chars().map(|c| self.0.binary_search(&c).map(|token| token as i64).map_err(|_| c)).collect()
    }

    /// The text of tokens; those that are none are left out.
    pub(crate) fn decode(&self, tokens: &[i64]) -> String {
        tokens.iter().filter_map(|&token| self.0.get(usize::try_from(token).ok()?)).collect()
    }
}

/// A text is taken in this many chapters of the same length, so that both parts have something of everything in it,
const CHAPTERS: usize = 50;
/// and one of this many characters, at the end of each chapter, is kept for validation.
const VALIDATION: usize = 20;

/// A text in tokens.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) alphabet: Alphabet,
    /// What is learned from.
    pub(crate) training: Vec<i64>,
    /// Ends of chapters, which are not learned from.
    pub(crate) validation: Vec<i64>,
}

impl Text {
    /// The text in the file `path`, gzipped or not, in UTF-8, which has at least `least` characters in either part.
    ///
    /// # Errors
    /// A file that is missing, damaged, no text, or too short.
    pub(crate) fn read(path: &Path, least: usize) -> Result<Text, TextError> {
        let text = contents(path).map_err(|(problem, advice)| TextError {
            path: path.to_owned(),
            problem,
            advice,
        })?;
        let alphabet = Alphabet::of(&text);
        let all = alphabet.encode(&text).unwrap_or_default();
        let (mut training, mut validation) = (Vec::with_capacity(all.len()), Vec::new());
        for chapter in all.chunks(all.len().div_ceil(CHAPTERS).max(1)) {
            let (learned, kept) = chapter.split_at(chapter.len() - chapter.len() / VALIDATION);
            training.extend_from_slice(learned);
            validation.extend_from_slice(kept);
        }
        if validation.len() < least {
            let problem = format!(
                "holds {} characters, of which {} are for validation; {least} are needed there",
                training.len() + validation.len(),
                validation.len()
            );
            let advice = "take a longer text, a smaller --batch or a smaller --length";
            return Err(TextError { path: path.to_owned(), problem, advice });
        }
        Ok(Text { alphabet, training, validation })
    }
}

/// What is in the file, unzipped if it begins as gzip does; or what is wrong with it, and what to do.
fn contents(path: &Path) -> Result<String, (String, &'static str)> {
    let replace = "replace it by a text in UTF-8, gzipped or not";
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let advice = "run from the repository's root, or pass --data with a text file of your own";
            ("not found".to_owned(), advice)
        }
        _ => (format!("cannot be opened: {error}"), replace),
    })?;
    let mut file = BufReader::new(file);
    let damaged = |error: std::io::Error| (format!("cannot be read: {error}"), replace);
    let zipped = file.fill_buf().map_err(damaged)?.starts_with(&[0x1f, 0x8b]);
    let mut text = String::new();
    let read = match zipped {
        true => MultiGzDecoder::new(file).read_to_string(&mut text),
        false => file.read_to_string(&mut text),
    };
    read.map(|_| text).map_err(damaged)
}

/// A text that could not be read: which file, what is wrong with it, what to do.
#[derive(Debug)]
pub(crate) struct TextError {
    path: PathBuf,
    problem: String,
    advice: &'static str,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path.display(), self.problem, self.advice)
    }
}

impl std::error::Error for TextError {}

/// A token drawn by scores `[tokens]`, `[1]`: of those with probability `softmax(scores / temperature)`; at temperature
/// 0 always the likeliest.
pub(crate) fn drawn(scores: &Tensor, temperature: f64, rng: &mut Rng) -> Tensor {
    if temperature == 0.0 {
        return scores.argmax(-1).reshape([1]);
    }
    rng.multinomial(&(scores / temperature).softmax(-1), 1, Replacement::With)
}

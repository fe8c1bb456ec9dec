//! Parts of the examples: the reader of texts, and the exact solution that a network is compared with.

use std::f64::consts::PI;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use retrograd::{Rng, Tensor};

#[path = "../examples/pinn/exact.rs"]
mod exact;
#[path = "../examples/shared/text.rs"]
mod text;

use text::{Alphabet, Text, drawn};

/// A file of its own for each test.
fn file(test: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("texts");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let path = folder.join(test);
    fs::write(&path, bytes).expect("the target folder can be written");
    path
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// What is said of a file, its path left out.
#[track_caller]
fn message(path: &Path, least: usize) -> String {
    let error = Text::read(path, least).expect_err("this file is wrong").to_string();
    error.strip_prefix(&format!("{}: ", path.display())).expect("it begins with the path").to_owned()
}

#[test]
fn decoding_undoes_encoding() {
    let text = "Sein oder Nichtsein; das ist hier die Frage. \u{00e4}\n";
    let alphabet = Alphabet::of(text);
    assert_eq!(alphabet.decode(&alphabet.encode(text).unwrap()), text);
    assert_eq!(alphabet.encode("da_"), Err('_'));
    assert_eq!(alphabet.decode(&[-1, alphabet.len() as i64]), "");
}

#[test]
fn plain_and_gzipped_texts_are_read_alike() {
    // 2019 characters: 49 chapters of 41, and one of 10.
    let text = "to be, or not to be: ".repeat(96) + "hat";
    let plain = Text::read(&file("plain.txt", text.as_bytes()), 5).unwrap();
    let zipped = Text::read(&file("zipped.txt", &gzipped(text.as_bytes())), 5).unwrap();
    assert_eq!(plain.training, zipped.training);
    assert_eq!(plain.validation, zipped.validation);
    assert_eq!(plain.alphabet, zipped.alphabet);
    let whole = plain.alphabet.encode(&text).unwrap();
    let (mut training, mut validation) = (plain.training.as_slice(), plain.validation.as_slice());
    for chapter in whole.chunks(41) {
        let (learned, kept);
        (learned, training) = training.split_at(chapter.len() - chapter.len() / 20);
        (kept, validation) = validation.split_at(chapter.len() / 20);
        assert_eq!([learned, kept].concat(), chapter);
    }
    assert!(training.is_empty() && validation.is_empty());
}

#[test]
fn the_projects_own_text_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tragedies.txt.gz");
    let text = Text::read(&path, 1000).expect("it is part of the repository");
    assert_eq!(text.training.len() + text.validation.len(), 841_791);
    assert!(text.alphabet.decode(&text.training[..30]).starts_with("HAMLET, PRINCE OF DENMARK"));
}

#[test]
fn a_text_that_cannot_be_used_is_named_with_what_to_do() {
    assert_eq!(
        message(Path::new("no/such.txt"), 1),
        "not found; run from the repository's root, or pass --data with a text file of your own"
    );
    assert_eq!(
        message(&file("short.txt", b"twenty letters long "), 2),
        "holds 20 characters, of which 0 are for validation; 2 are needed there; take a longer text, a smaller --batch or \
         a smaller --length"
    );
    let whole = gzipped(b"to be");
    for (name, bytes) in [("latin.txt", &b"\xe4"[..]), ("cut.txt", &whole[..whole.len() - 3])] {
        let message = message(&file(name, bytes), 1);
        assert!(message.starts_with("cannot be read: "), "{message}");
        assert!(message.ends_with("; replace it by a text in UTF-8, gzipped or not"), "{message}");
    }
}

#[test]
fn characters_are_drawn_as_likely_as_scores_say() {
    let (scores, mut rng) = (Tensor::from([0.0f32, 2.0, 1.0]), Rng::seed(1));
    let mut share = |temperature: f64, n: usize| {
        let draw = |_| drawn(&scores, temperature, &mut rng).item::<i64>().unwrap();
        (0..n).map(draw).filter(|&token| token == 1).count() as f64 / n as f64
    };
    assert_eq!(share(0.0, 5), 1.0);
    let likely = |temperature: f64| {
        let weight = |score: f64| (score / temperature).exp();
        weight(2.0) / (weight(0.0) + weight(2.0) + weight(1.0))
    };
    for temperature in [1.0, 4.0] {
        assert!((share(temperature, 2000) - likely(temperature)).abs() < 0.04);
    }
}

#[test]
fn the_exact_solution_solves_burgers_equation() {
    for viscosity in [exact::LEAST_VISCOSITY, 0.02, 0.1] {
        let u = |x: f64, t: f64| exact::burgers(x, t, viscosity);
        for (x, t) in [(-0.7, 0.1), (0.3, 0.2), (0.05, 0.4), (-0.4, 0.9)] {
            let h = 1e-4;
            let u_t = (u(x, t + h) - u(x, t - h)) / (2.0 * h);
            let u_x = (u(x + h, t) - u(x - h, t)) / (2.0 * h);
            let u_xx = (u(x + h, t) - 2.0 * u(x, t) + u(x - h, t)) / (h * h);
            let off = u_t + u(x, t) * u_x - viscosity * u_xx;
            assert!(off.abs() < 2e-4 * (1.0 + u_t.abs()), "{viscosity}, {x}, {t}: {off}");
        }
        assert!((u(0.3, 0.0) + (0.3 * PI).sin()).abs() < 1e-12);
        assert!(u(1.0, 0.5).abs() < 1e-9 && u(-1.0, 0.5).abs() < 1e-9);
    }
}

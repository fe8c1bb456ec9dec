//! The reader of handwritten digits: what it reads, and what it says of files that it cannot read.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

#[path = "../examples/shared/idx.rs"]
mod idx;

use idx::{Digits, SIDE};

/// The bytes of an IDX file.
fn encoded(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// Images of digits: `count` times the pixels 0, 1, 2, ..
fn images(count: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count as usize * SIDE * SIDE).map(|i| i as u8).collect();
    encoded(&[count, SIDE as u32, SIDE as u32], &pixels)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    encoded(&[labels.len() as u32], labels)
}

/// A folder of its own for each test, with the files given.
fn folder(test: &str, files: &[(&str, Vec<u8>)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("idx").join(test);
    // Of an earlier run, if there was one.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("the target folder can be written");
    }
    folder
}

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

/// The message for a folder with these files, its own path left out.
#[track_caller]
fn message(test: &str, files: &[(&str, Vec<u8>)]) -> String {
    let folder = folder(test, files);
    let error = Digits::read(&folder, "train").expect_err("these files are wrong");
    let path = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
    error.to_string().strip_prefix(&path).expect("the message begins with the file's path").to_owned()
}

const REPLACE: &str = "; replace it: data/mnist/README.md says which files are meant";

#[test]
fn plain_and_gzipped_files_are_read_alike() {
    let gz = (format!("{IMAGES}.gz"), format!("{LABELS}.gz"));
    for (test, files) in [
        ("plain", [(IMAGES, images(2)), (LABELS, labels(&[3, 9]))]),
        ("gzipped", [(&gz.0, gzipped(&images(2))), (&gz.1, gzipped(&labels(&[3, 9])))]),
        ("unzipped-by-the-browser", [(&gz.0, images(2)), (&gz.1, labels(&[3, 9]))]),
    ] {
        let digits = Digits::read(&folder(test, &files), "train").expect(test);
        assert_eq!(digits.labels, [3, 9], "{test}");
        assert_eq!(digits.pixels, images(2)[16..], "{test}");
    }
}

#[test]
fn the_projects_own_digits_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    for (set, count) in [("train", 8_000), ("t10k", 2_000)] {
        let digits = Digits::read(&folder, set).expect("they are part of the repository");
        assert_eq!((digits.labels.len(), digits.pixels.len()), (count, count * SIDE * SIDE));
    }
}

#[test]
fn a_missing_file_is_named_with_the_way_to_find_it() {
    assert_eq!(
        message("missing", &[(IMAGES, images(1))]),
        format!(
            "{LABELS}: not found, with or without .gz; run from the repository's root, or pass --data with the \
             folder that holds the four MNIST files"
        ),
    );
}

#[test]
fn a_file_of_another_kind_is_refused() {
    assert_eq!(
        message("labels-for-images", &[(IMAGES, labels(&[1]))]),
        format!("{IMAGES}: starts with the bytes [00, 00, 08, 01], expected [00, 00, 08, 03]{REPLACE}"),
    );
    let small = encoded(&[1, 20, 20], &[0; 400]);
    let expected = format!("{IMAGES}: holds images of 20 x 20 pixels, expected 28 x 28{REPLACE}");
    assert_eq!(message("small", &[(IMAGES, small)]), expected);
    let none = format!("{IMAGES}: holds no images{REPLACE}");
    assert_eq!(message("none", &[(IMAGES, images(0))]), none);
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    for (length, problem) in [
        (0, "ends before the end of its magic number: it is truncated"),
        (3, "ends before the end of its magic number: it is truncated"),
        (15, "ends before the end of its sizes: it is truncated"),
        (16, "promises 2 x 28 x 28 = 1568 bytes, holds only 0"),
        (1583, "promises 2 x 28 x 28 = 1568 bytes, holds only 1567"),
    ] {
        let cut = images(2)[..length].to_vec();
        assert_eq!(message("truncated", &[(IMAGES, cut)]), format!("{IMAGES}: {problem}{REPLACE}"));
    }
    let mut longer = images(2);
    longer.push(0);
    let problem = "promises 2 x 28 x 28 = 1568 bytes, holds more";
    assert_eq!(message("longer", &[(IMAGES, longer)]), format!("{IMAGES}: {problem}{REPLACE}"));
}

#[test]
fn impossible_sizes_are_refused_without_reserving_memory() {
    let sizes = [u32::MAX; 3];
    let problem = "promises 4294967295 x 4294967295 x 4294967295, which no file holds";
    assert_eq!(
        message("impossible", &[(IMAGES, encoded(&sizes, &[]))]),
        format!("{IMAGES}: {problem}{REPLACE}")
    );
    let sizes = [u32::MAX, 28, 28];
    let problem = "promises 4294967295 x 28 x 28 = 3367254359280 bytes, holds only 0";
    assert_eq!(message("huge", &[(IMAGES, encoded(&sizes, &[]))]), format!("{IMAGES}: {problem}{REPLACE}"));
}

#[test]
fn a_damaged_archive_is_refused() {
    let name = format!("{IMAGES}.gz");
    let whole = gzipped(&images(2));
    let cut = whole[..whole.len() - 9].to_vec();
    let mut wrong_checksum = whole.clone();
    wrong_checksum[whole.len() - 8] ^= 1;
    for (test, file) in [("cut-archive", cut), ("wrong-checksum", wrong_checksum)] {
        let message = message(test, &[(&name, file)]);
        assert!(message.starts_with(&format!("{name}: ")) && message.ends_with(REPLACE), "{message}");
        assert!(message.contains("its elements"), "{message}");
    }
}

#[test]
fn labels_must_fit_the_images() {
    let wrong = |test, bytes: &[u8]| message(test, &[(IMAGES, images(2)), (LABELS, labels(bytes))]);
    assert_eq!(
        wrong("too-few-labels", &[1]),
        format!("{LABELS}: holds 1 labels, expected 2, one for each image{REPLACE}")
    );
    assert_eq!(wrong("label-10", &[9, 10]), format!("{LABELS}: label 1 is 10, expected 0 to 9{REPLACE}"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn no_file_makes_the_reader_panic(bytes: Vec<u8>, keep in 0_usize..1600) {
        let name = format!("{IMAGES}.gz");
        let mut headed = images(2)[..keep.min(1584)].to_vec();
        headed.extend(&bytes);
        let mut zipped = gzipped(&headed);
        let place = keep % zipped.len();
        zipped[place] ^= bytes.first().copied().unwrap_or(1);
        for (test, file) in [("any", bytes), ("any-headed", headed), ("any-zipped", zipped)] {
            let folder = folder(test, &[(&name, file), (LABELS, labels(&[1, 2]))]);
            if let Ok(digits) = Digits::read(&folder, "train") {
                assert_eq!(digits.pixels.len(), digits.labels.len() * SIDE * SIDE);
            }
        }
    }
}

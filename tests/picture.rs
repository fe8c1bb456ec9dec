//! The PNG files that examples write.

use std::io::Read;

use flate2::Crc;
use flate2::read::ZlibDecoder;

#[path = "../examples/shared/picture.rs"]
mod picture;

use picture::Sheet;

/// Name and content of a part of a file.
type Part = (String, Vec<u8>);

/// The parts of a PNG file, whose checksums are held to.
fn parts(file: &[u8]) -> Vec<Part> {
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("the signature of PNG files");
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        let (part, after) = rest[4..].split_at(4 + length);
        let mut checksum = Crc::new();
        checksum.update(part);
        assert_eq!(after[..4], checksum.sum().to_be_bytes());
        parts.push((String::from_utf8(part[..4].to_vec()).expect("letters"), part[4..].to_vec()));
        rest = &after[4..];
    }
    parts
}

/// Width, height, and rows of pixels.
fn decoded(file: &[u8]) -> (usize, usize, Vec<Vec<u8>>) {
    let parts = parts(file);
    let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["IHDR", "IDAT", "IEND"]);
    let size = |at| u32::from_be_bytes(parts[0].1[at..at + 4].try_into().expect("four bytes")) as usize;
    let (width, height) = (size(0), size(4));
    assert_eq!(parts[0].1[8..], [8, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    ZlibDecoder::new(parts[1].1.as_slice()).read_to_end(&mut bytes).expect("zlib");
    assert_eq!(bytes.len(), height * (1 + width));
    let rows = bytes.chunks(1 + width).map(|row| {
        assert_eq!(row[0], 0, "a row that is not filtered");
        row[1..].to_vec()
    });
    (width, height, rows.collect())
}

#[test]
fn images_stand_side_by_side_in_rows() {
    let mut sheet = Sheet::new(2, 2, 3);
    // Three images: corners, all black, and more than black or less than white.
    sheet.add(&[1.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
    sheet.add(&[2.0, -1.0, 0.0, 0.0]);
    let (width, height, rows) = decoded(&sheet.png().expect("a file in memory"));
    // Two images of 6 pixels with gaps of 4 around them, in both directions.
    assert_eq!((width, height), (24, 24));
    let at = |x: usize, y: usize| rows[y][x];
    assert_eq!((at(4, 4), at(6, 6), at(7, 6), at(9, 9)), (0, 0, 255, 128));
    assert_eq!((at(14, 4), at(19, 9)), (0, 0));
    assert_eq!((at(4, 14), at(7, 14)), (0, 255));
    // Between them, and where a fourth would be.
    assert_eq!((at(3, 3), at(10, 5), at(15, 15)), (96, 96, 96));
}

#[test]
fn a_sheet_without_images_is_a_file_too() {
    let (width, height, rows) = decoded(&Sheet::new(3, 28, 1).png().expect("a file in memory"));
    assert_eq!((width, height, rows.len()), (100, 4, 4));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").join("sheet.png");
    let error = Sheet::new(1, 1, 1).save(&path).expect_err("a file is no folder");
    assert!(error.to_string().starts_with(&format!("{}: cannot be written: ", path.display())), "{error}");
}

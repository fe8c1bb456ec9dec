//! Sheets of small grey images, as PNG files.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Pixels between an image and the next, and around all of them.
const GAP: usize = 4;
/// What is there.
const GAP_GREY: u8 = 96;

/// Grey images in rows and columns.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Pixels of the side of an image.
    side: usize,
    /// Pixels of the file for one of an image, in both directions.
    scale: usize,
    columns: usize,
    /// Each image row after row: 0 is white, 1 black, and what is beyond is cut off.
    images: Vec<Vec<f32>>,
}

impl Sheet {
    /// An empty sheet of so many columns, for square images of this side, which are drawn `scale` times as large.
    pub(crate) fn new(columns: usize, side: usize, scale: usize) -> Sheet {
        Sheet { side, scale, columns, images: Vec::new() }
    }

    /// Adds images, one after the other in `pixels`; a row that is full is followed by the next.
    pub(crate) fn add(&mut self, pixels: &[f32]) {
        self.images.extend(pixels.chunks_exact(self.side * self.side).map(<[f32]>::to_vec));
    }

    /// Writes the file, and makes its folder if there is none.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, self.png()?)
        };
        write().map_err(|e| format!("{}: cannot be written: {e}", path.display()).into())
    }

    /// The bytes of the file: PNG, 8 bits of grey a pixel (<https://www.w3.org/TR/png-3/>).
    pub(crate) fn png(&self) -> io::Result<Vec<u8>> {
        let (width, height, pixels) = self.pixels();
        let mut header = Vec::new();
        header.extend((width as u32).to_be_bytes());
        header.extend((height as u32).to_be_bytes());
        // Bits a pixel, grey, and the only compression, filter and order that there are.
        header.extend([8, 0, 0, 0, 0]);
        let mut data = ZlibEncoder::new(Vec::new(), Compression::default());
        for row in pixels.chunks_exact(width) {
            // Each row says first that it is not filtered.
            data.write_all(&[0])?;
            data.write_all(row)?;
        }
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, content) in [(b"IHDR", header), (b"IDAT", data.finish()?), (b"IEND", Vec::new())] {
            file.extend((content.len() as u32).to_be_bytes());
            file.extend(name);
            file.extend(&content);
            let mut checksum = Crc::new();
            checksum.update(name);
            checksum.update(&content);
            file.extend(checksum.sum().to_be_bytes());
        }
        Ok(file)
    }

    /// Width, height and pixels of the whole sheet, row after row.
    fn pixels(&self) -> (usize, usize, Vec<u8>) {
        let pitch = self.side * self.scale + GAP;
        let rows = self.images.len().div_ceil(self.columns);
        let (width, height) = (self.columns * pitch + GAP, rows * pitch + GAP);
        let mut pixels = vec![GAP_GREY; width * height];
        for (place, image) in self.images.iter().enumerate() {
            let (left, top) = (GAP + place % self.columns * pitch, GAP + place / self.columns * pitch);
            for (y, row) in image.chunks_exact(self.side).enumerate() {
                let grey = |ink: &f32| (255.0 * (1.0 - ink.clamp(0.0, 1.0))).round() as u8;
                let line: Vec<u8> = row.iter().flat_map(|ink| vec![grey(ink); self.scale]).collect();
                for copy in 0..self.scale {
                    let start = (top + y * self.scale + copy) * width + left;
                    pixels[start..start + line.len()].copy_from_slice(&line);
                }
            }
        }
        (width, height, pixels)
    }
}

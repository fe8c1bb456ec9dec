//! Draws the loss of a training run as an SVG file.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

/// Width and height of the picture in pixels.
const SIZE: (u32, u32) = (900, 500);

/// The losses of a run, batch after batch, all finite, all epochs of the same length.
#[derive(Debug, Default)]
pub(crate) struct Curve {
    pub(crate) losses: Vec<f32>,
    pub(crate) epochs: usize,
}

impl Curve {
    /// Writes the picture to `path` and makes its folder if there is none: every batch thin, the mean of each
    /// epoch bold, at the epoch's middle.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let highest = self.losses.iter().copied().fold(0.1, f32::max);
        let mut chart = ChartBuilder::on(&area)
            .caption("Training loss: each batch, and the mean of each epoch", ("sans-serif", 24))
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..self.epochs as f32, 0.0..highest)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc("cross-entropy")
            .x_label_formatter(&|x| format!("{x}"))
            .y_label_formatter(&|y| format!("{y:.1}"))
            .label_style(("sans-serif", 16))
            .axis_desc_style(("sans-serif", 18))
            .light_line_style(TRANSPARENT)
            .draw()?;
        chart.draw_series(LineSeries::new(self.batches(), BLUE.mix(0.35).stroke_width(1)))?;
        chart.draw_series(LineSeries::new(self.means(), RED.stroke_width(2)))?;
        area.present()?;
        Ok(())
    }

    fn batches(&self) -> impl Iterator<Item = (f32, f32)> {
        let epochs_a_batch = self.epochs as f32 / self.losses.len().max(1) as f32;
        self.losses.iter().enumerate().map(move |(i, &loss)| (i as f32 * epochs_a_batch, loss))
    }

    fn means(&self) -> impl Iterator<Item = (f32, f32)> {
        let batches_an_epoch = (self.losses.len() / self.epochs.max(1)).max(1);
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        self.losses.chunks(batches_an_epoch).enumerate().map(move |(i, epoch)| (i as f32 + 0.5, mean(epoch)))
    }
}

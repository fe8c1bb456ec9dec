//! Draws functions of time and space as an SVG file.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

/// Width and height of a field's part of the picture in pixels.
const SIZE: (u32, u32) = (560, 440);

/// A function on a grid over `0..1` and `-1..1`, column after column.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) title: &'static str,
    /// `values.len() == columns * rows`.
    pub(crate) values: Vec<f64>,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Writes the fields side by side to `path` and makes its folder if there is none. Red is positive and blue negative; the
/// greatest size, which has the full colour, stands above.
///
/// # Errors
/// The folder or the file cannot be written.
pub(crate) fn save(path: &Path, fields: &[Field]) -> Result<(), Box<dyn Error>> {
    let draw = || -> Result<(), Box<dyn Error>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let area = SVGBackend::new(path, (SIZE.0 * fields.len() as u32, SIZE.1)).into_drawing_area();
        area.fill(&WHITE)?;
        for (field, part) in fields.iter().zip(area.split_evenly((1, fields.len()))) {
            field.draw(&part)?;
        }
        area.present()?;
        Ok(())
    };
    draw().map_err(|e| format!("{}: cannot be written: {e}", path.display()).into())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Field {
    fn draw(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let greatest =
            self.values.iter().fold(f64::MIN_POSITIVE, |greatest, value| greatest.max(value.abs()));
        let mut chart = ChartBuilder::on(area)
            .caption(format!("{}, at most {greatest:.2e}", self.title), ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..1.0, -1.0..1.0)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("t")
            .y_desc("x")
            .label_style(("sans-serif", 15))
            .axis_desc_style(("sans-serif", 17))
            .draw()?;
        let (width, height) = (1.0 / self.columns as f64, 2.0 / self.rows as f64);
        let cell = |(i, &value): (usize, &f64)| {
            let (t, x) = ((i / self.rows) as f64 * width, (i % self.rows) as f64 * height - 1.0);
            Rectangle::new([(t, x), (t + width, x + height)], color(value / greatest).filled())
        };
        chart.draw_series(self.values.iter().enumerate().map(cell))?;
        Ok(())
    }
}

/// White at 0, red at 1, blue at -1.
fn color(value: f64) -> RGBColor {
    let other = (255.0 * (1.0 - value.abs().min(1.0))).round() as u8;
    if value < 0.0 { RGBColor(other, other, 255) } else { RGBColor(255, other, other) }
}

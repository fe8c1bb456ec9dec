//! Draws curves as an SVG file.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

/// Width and height of the picture in pixels.
const SIZE: (u32, u32) = (900, 500);

/// A curve: its name, its points, and how wide its line is, in pixels.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) width: u32,
}

/// Curves over one pair of axes, all points finite.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What the axes show.
    pub(crate) axes: [&'static str; 2],
    pub(crate) curves: Vec<Curve>,
}

impl Chart {
    /// Writes the picture to `path`, and makes its folder if there is none.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let draw = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            self.draw(path)
        };
        draw().map_err(|e| format!("{}: cannot be written: {e}", path.display()).into())
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let [x, y] = [self.range(|point| point.0, 0.0), self.range(|point| point.1, 0.05)];
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 24))
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(self.axes[0])
            .y_desc(self.axes[1])
            .label_style(("sans-serif", 16))
            .axis_desc_style(("sans-serif", 18))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (curve, color) in self.curves.iter().zip([BLUE, RED, GREEN, MAGENTA, BLACK].iter().cycle()) {
            let line = LineSeries::new(curve.points.iter().copied(), color.stroke_width(curve.width));
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2));
            chart.draw_series(line)?.label(curve.name).legend(sample);
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .label_font(("sans-serif", 16))
            .draw()?;
        area.present()?;
        Ok(())
    }

    /// From the least to the greatest coordinate, and a part of that more on both sides.
    fn range(&self, of: impl Fn(&(f64, f64)) -> f64, margin: f64) -> std::ops::Range<f64> {
        let all = || self.curves.iter().flat_map(|curve| &curve.points).map(&of);
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        match low < high {
            true => low - (high - low) * margin..high + (high - low) * margin,
            // One value, or none.
            false => {
                if low.is_finite() {
                    low - 1.0..low + 1.0
                } else {
                    0.0..1.0
                }
            }
        }
    }
}

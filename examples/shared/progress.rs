//! A bar on the terminal that shows what a training run does.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar of `total` units, which shows its message, units a second and the time left; nothing where there is no
/// terminal.
pub(crate) fn progress(total: u64, unit: &'static str) -> ProgressBar {
    let throughput = move |state: &ProgressState, out: &mut dyn Write| {
        // Nothing can be done about a terminal that is gone.
        let _ = write!(out, "{:.0} {unit}/s", state.per_sec());
    };
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}, {throughput}, {eta} left")
        .expect("the template is well formed")
        .with_key("throughput", throughput);
    ProgressBar::new(total).with_style(style)
}

//! Progress on the terminal.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar of `steps` that shows a message and how many `things` are seen a second, of which a step sees `each`; nothing
/// where there is no terminal.
pub(crate) fn bar(steps: usize, each: usize, things: &'static str) -> ProgressBar {
    let rate = move |state: &ProgressState, out: &mut dyn Write| {
        // Nothing can be done about a terminal that is gone.
        let _ = write!(out, "{:.0} {things}/s", state.per_sec() * each as f64);
    };
    // A template is wrong for all or for none: then the bar is plain.
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}, {rate}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate);
    ProgressBar::new(steps as u64).with_style(style)
}

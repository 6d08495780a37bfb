//! The log: how it is written, and how bugs reach it.
//!
//! A line never has code, output, keys or file contents, and nothing of a caller's unescaped.

use std::io::{self, IsTerminal};

use tracing::error;
use tracing::level_filters::LevelFilter;

/// Sets the log up for this process: for people on a terminal, as JSON otherwise, to standard error.
///
/// Panics are logged, too. Does nothing where a log is set up already.
pub fn init(level: LevelFilter) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr);
    let set = if io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    if set.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("no message");
            error!(place, message = ?message, "a bug: panicked at {place}");
        }));
    }
}
/// An error with everything that it came from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line.push_str(": ");
        line.push_str(&error.to_string());
        source = error.source();
    }
    line
}

//! The log: how it is written, and how bugs reach it.
//!
//! A line never has code, output, keys or file contents, and nothing of a caller's unescaped.

use std::io::{self, IsTerminal, Write as _};

use tracing::level_filters::LevelFilter;
use tracing::{error, info};

use crate::config::Config;
use crate::figures::{seconds, size};

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

/// Says that the server is ready: to a person on a terminal how to use it, else to the log.
pub(crate) fn tell_ready(config: &Config, isolation: &str) {
    let mut out = io::stderr();
    if out.is_terminal() {
        // Whoever closed the terminal does not want it.
        drop(out.write_all(welcome(config, isolation).as_bytes()));
        return;
    }
    info!(
        isolation,
        admin = config.admin_key.is_some(),
        trusted_proxies = ?config.trusted_proxies,
        requests_per_minute = config.requests_per_minute,
        requests_per_day = config.requests_per_day,
        concurrent_max = config.concurrent_max,
        memory_bytes_max = config.limits.memory_bytes_max,
        data_dir = ?config.data_dir,
        "listening on http://{}",
        config.listen
    );
}

/// What a person wants to know of a server that has just started.
fn welcome(config: &Config, isolation: &str) -> String {
    let url = config.url();
    let admin = if config.admin_key.is_some() {
        "whoever has the key: no limit on requests, any import"
    } else {
        "nobody; HOGNOSE_ADMIN_KEY gives the server a key"
    };
    format!(
        "\nhognose {version} is ready. Ctrl+C ends it.\n\n  \
         play     {url}/\n  \
         read     {url}/docs\n  \
         call     curl -H 'Content-Type: application/json' -d '{{\"code\": \"print(6 * 7)\"}}' {url}/execute\n\n  \
         walls    {isolation}; `hognose doctor` says what this host offers\n  \
         limits   {wall}, {memory}, {concurrent} programs at once; \
         {per_minute} requests a minute and {per_day} a day by address\n  \
         admin    {admin}\n  \
         data     {data}\n\n",
        version = env!("CARGO_PKG_VERSION"),
        wall = seconds(config.public.wall_max),
        memory = size(config.limits.memory_bytes_max),
        concurrent = config.concurrent_max,
        per_minute = config.requests_per_minute,
        per_day = config.requests_per_day,
        data = config.data_dir.display(),
    )
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{self, Flags};

    #[test]
    fn a_person_is_told_where_to_click_and_what_holds() {
        let environment = [
            ("HOGNOSE_LISTEN", "0.0.0.0:8000"),
            ("HOGNOSE_DATA_DIR", "/data"),
            ("HOGNOSE_ADMIN_KEY", "the key"),
        ];
        let environment = environment.map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let config = config::load(None, &Flags::new(), environment).unwrap();
        let said = welcome(&config, "native");
        for line in [
            "  play     http://127.0.0.1:8000/",
            "  read     http://127.0.0.1:8000/docs",
            "  walls    native; `hognose doctor` says what this host offers",
            "  limits   10 s, 512 MiB, 5 programs at once; 5 requests a minute and 30 a day by address",
            "  data     /data",
        ] {
            assert!(said.lines().any(|said| said == line), "{said}");
        }
        assert!(!said.contains("the key\n"), "{said}");
    }
}

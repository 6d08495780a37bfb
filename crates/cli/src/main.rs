//! The one program people install: `serve`, `run`, `prepare`, `doctor`, `settings` and `bench`.
//!
//! It also runs itself again as the keeper, the only process with privileges, before any thread or
//! runtime has started.
#![forbid(unsafe_code)]

mod bench;
mod doctor;
mod guest;
mod prepare;
mod python;
mod run;
mod serve;
mod words;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use words::{Task, Words};

fn main() -> ExitCode {
    // The keeper must be alone in its process: nothing may come before this.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "keeper")
    {
        return jail::keeper::main(guest::GUEST);
    }
    jail::sys::share_one_heap();
    match Words::parse().task {
        Task::Serve(serving) => finish(serve::serve(&serving), ExitCode::FAILURE),
        Task::Run(run) => finish(run::run(&run), ExitCode::from(run::BROKEN)),
        Task::Prepare(prepare) => finish(prepare::prepare(&prepare), ExitCode::FAILURE),
        Task::Doctor(serving) => finish(doctor::doctor(&serving), ExitCode::FAILURE),
        Task::Settings => finish(print_settings(), ExitCode::FAILURE),
        Task::Bench(words) => finish(bench::bench(&words), ExitCode::from(bench::BROKEN)),
        Task::ProbeWalls => doctor::probe_walls(),
    }
}

fn print_settings() -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(server::config::DEFAULTS.as_bytes()) {
        // Whoever has read enough closes the pipe.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the settings")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Ends with the task's exit code, or says what went wrong and ends with this one.
fn finish(result: anyhow::Result<ExitCode>, broken: ExitCode) -> ExitCode {
    result.unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        broken
    })
}

/// Says something to the person at the terminal, apart from the program's own output.
#[expect(clippy::print_stderr, reason = "this is the command line")]
fn say(line: &str) {
    eprintln!("hognose: {line}");
}

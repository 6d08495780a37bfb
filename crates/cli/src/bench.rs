//! `hognose bench`: how quick a server is.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use bench::{BurstPlan, Load, Pace, Plan, Python, Report, Show, Target, Until};
use server::config;

use crate::words::Bench;
use crate::{guest, python};

/// Ends with this if something could not be measured.
pub(crate) const BROKEN: u8 = 2;

/// Clients of an open loop, unless told: enough that one is nearly always free.
const CLIENTS_OPEN: u16 = 32;
/// Requests of the burst in a whole measurement, unless told.
const BURST: u16 = 50;

/// Measures, and tells what was found.
pub(crate) fn bench(words: &Bench) -> anyhow::Result<ExitCode> {
    let plan = plan(words)?;
    let mut terminal = Terminal {
        facts_aside: words.json.as_deref() == Some(Path::new("-")),
        shows_progress: io::stderr().is_terminal(),
        line_is_open: false,
    };
    let result = bench::run(&plan, &mut terminal);
    terminal.clear();
    let report = result?;
    if let Some(file) = &words.json {
        write(&report, file)?;
    }
    let slower = report.comparisons.iter().any(|c| c.is_slower == Some(true));
    let broken = words.check && report.promises.iter().any(|promise| !promise.held);
    Ok(if slower || broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn plan(words: &Bench) -> anyhow::Result<Plan> {
    let target = Target::parse(&words.url)?;
    let floor = words.floor || (words.all && target.is_local());
    let peer = words.peer || (words.all && target.is_local());
    // Only these two start a Python; a client on another machine needs none.
    let python = if floor || peer {
        let settings = &words.settings;
        let config = python::settings(settings.config.as_deref(), &settings.flags())?;
        let environment = python::open(&config)?;
        Some(Python {
            program: environment.folder().join("bin/python3"),
            guest: guest::GUEST.sources,
        })
    } else {
        None
    };
    let (clients, pace) = match words.rate {
        Some(rate) => (CLIENTS_OPEN, Pace::Open { rate }),
        None => (1, Pace::Closed),
    };
    let until = words
        .runs
        .map_or(Until::Elapsed(words.seconds), Until::Sent);
    let burst = words.burst.or_else(|| words.all.then_some(BURST));
    let key = config::admin_key_to_send(std::env::vars_os());
    Ok(Plan {
        target,
        against: words.against.as_deref().map(Target::parse).transpose()?,
        key: key.filter(|_| !words.public),
        cases: words.cases.clone(),
        load: Load {
            clients: usize::from(words.clients.unwrap_or(clients)),
            pace,
            until,
            rest: Duration::from_millis(u64::from(words.rest_ms)),
        },
        warm_up: words.warm_up,
        rounds: words.rounds,
        tolerance: words.tolerance,
        python,
        floor,
        peer,
        burst: burst.map(|clients| BurstPlan {
            clients: usize::from(clients),
            idle: words.idle,
        }),
        refusals: words.refusals.map(usize::from),
        whole: words.all,
        server_pid: words.server_pid,
        share_memory,
        label: words.label.clone(),
    })
}

fn share_memory(one: u32, other: u32) -> bool {
    match (i32::try_from(one), i32::try_from(other)) {
        (Ok(one), Ok(other)) => jail::sys::share_memory(one, other),
        _ => false,
    }
}

fn write(report: &Report, file: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    if file == Path::new("-") {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Facts on standard output, progress on a terminal only, in a line that is written over.
struct Terminal {
    /// Standard output is for the JSON: facts go to standard error.
    facts_aside: bool,
    shows_progress: bool,
    line_is_open: bool,
}

impl Terminal {
    fn clear(&mut self) {
        if self.line_is_open {
            self.line_is_open = false;
            aside("\r\x1b[K");
        }
    }
}

impl Show for Terminal {
    fn fact(&mut self, text: &str) {
        self.clear();
        let line = format!("{}\n", text.trim_end());
        if self.facts_aside {
            aside(&line);
        } else {
            let mut out = io::stdout().lock();
            // Whoever closed the other end does not want it.
            let _unwanted = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }

    fn progress(&mut self, text: &str) {
        if self.shows_progress {
            self.line_is_open = true;
            aside(&format!("\r\x1b[K{text}"));
        }
    }
}

/// Writes to standard error, if anybody listens.
fn aside(text: &str) {
    let mut err = io::stderr().lock();
    let _unwanted = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

//! `hognose doctor`: what this host offers, wall by wall.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use jail::probe::{self, Finding, State};
use sandbox::environment::{self, Environment, Status};
use sandbox::{Ending, Imports, Job, Kind, Pool, PoolSettings, Tier};
use server::config::Config;

use crate::python;
use crate::words::Serving;

/// Longest time the trial program may take.
const TRIAL_MAX: Duration = Duration::from_secs(10);

/// Looks at everything and prints it; succeeds only if `serve` would start.
pub(crate) fn doctor(serving: &Serving) -> anyhow::Result<ExitCode> {
    let config = python::settings(serving.settings.config.as_deref(), &serving.flags())?;
    let tiers: Vec<_> = config.isolation.candidates().collect();
    let mut findings = probe::look(&attempted()?, &tiers);
    findings.push(gvisor(config.runsc.as_deref(), &tiers));
    let (python, environment) = python_findings(&config);
    findings.extend(python);
    findings.push(listening(&config));
    let missing = |findings: &[Finding]| {
        findings
            .iter()
            .any(|finding| finding.state == State::Missing)
    };
    if let Some(environment) = environment
        && !missing(&findings)
    {
        findings.push(trial(&config, &environment)?);
    }
    let starts = !missing(&findings);
    let mut report = report(&findings);
    report.push_str(if starts {
        "\n`hognose serve` would start.\n"
    } else {
        "\n`hognose serve` would not start.\n"
    });
    io::stdout().write_all(report.as_bytes())?;
    Ok(if starts {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tries the walls on this process and tells how it went.
pub(crate) fn probe_walls() -> ExitCode {
    let told = io::stdout().write_all(probe::attempt().as_bytes());
    if told.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Has the walls tried by a child, because what they are tried on is not good for anything else.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no server in this process"
)]
fn attempted() -> anyhow::Result<String> {
    let ourselves = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(ourselves)
        .arg("probe-walls")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cannot start a child to try the walls on")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether gVisor is here, which only one tier needs.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no server in this process"
)]
fn gvisor(said: Option<&Path>, tiers: &[Tier]) -> Finding {
    let finding = |state, found, remedy| Finding {
        subject: "gVisor",
        state,
        found,
        remedy,
    };
    let Ok(runsc) = jail::gvisor::find(said) else {
        let remedy = Some(jail::gvisor::REMEDY.to_owned());
        return if tiers.contains(&Tier::Gvisor) {
            finding(State::Missing, "no runsc".to_owned(), remedy)
        } else {
            let found = "no runsc, and the tier `gvisor` is not asked for".to_owned();
            finding(State::Good, found, None)
        };
    };
    let told = Command::new(&runsc)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
    match told
        .as_deref()
        .map(str::lines)
        .map(|mut lines| lines.next())
    {
        Ok(Some(version)) => finding(
            State::Good,
            format!("{version} at {}", runsc.display()),
            None,
        ),
        _ => finding(
            if tiers.contains(&Tier::Gvisor) {
                State::Missing
            } else {
                State::Weaker
            },
            format!("{} does not tell its version", runsc.display()),
            Some(jail::gvisor::REMEDY.to_owned()),
        ),
    }
}

/// What there is to run programs on; the environment if it is complete.
fn python_findings(config: &Config) -> (Vec<Finding>, Option<Environment>) {
    let version = |(major, minor, patch): (u8, u8, u8)| format!("{major}.{minor}.{patch}");
    let (python, existing) = (config.python.as_deref(), config.environment.as_deref());
    match environment::status(&config.data_dir, python, existing) {
        Ok(Status::Ready(environment)) => {
            let runtime = environment.runtime();
            let lacks = environment.warnings();
            let folder = environment.folder().display();
            let findings = vec![
                Finding {
                    subject: "Python",
                    state: State::Good,
                    found: format!(
                        "{} at {}",
                        version(environment.version()),
                        runtime.executable.display()
                    ),
                    remedy: None,
                },
                Finding {
                    subject: "environment",
                    state: if lacks.is_empty() {
                        State::Good
                    } else {
                        State::Weaker
                    },
                    found: if lacks.is_empty() {
                        format!("complete: {folder}")
                    } else {
                        format!("lacks packages: {folder}")
                    },
                    remedy: (!lacks.is_empty()).then(|| lacks.join("; ")),
                },
            ];
            (findings, Some(environment))
        }
        Ok(Status::NotMade {
            interpreter,
            because,
        }) => {
            let why = because.map_or_else(String::new, |because| format!(" ({because})"));
            let findings = vec![
                Finding {
                    subject: "Python",
                    state: State::Good,
                    found: format!(
                        "{} at {}",
                        version(interpreter.version),
                        interpreter.executable.display()
                    ),
                    remedy: None,
                },
                Finding {
                    subject: "environment",
                    state: State::Good,
                    found: format!(
                        "not made yet{why}; the first start makes it, and can reach the package index"
                    ),
                    remedy: None,
                },
            ];
            (findings, None)
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            let finding = Finding {
                subject: "Python",
                state: State::Missing,
                found: error,
                remedy: None,
            };
            (vec![finding], None)
        }
    }
}

/// Tells whether the address is free.
fn listening(config: &Config) -> Finding {
    let address = config.listen;
    let finding = |state, found, remedy| Finding {
        subject: "address",
        state,
        found,
        remedy,
    };
    match TcpListener::bind(address) {
        Ok(_free) => finding(State::Good, format!("{address} is free"), None),
        Err(error) => finding(
            State::Missing,
            format!("cannot listen on {address}: {error}"),
            Some("stop what listens there (another hognose?), or choose another with --listen or HOGNOSE_LISTEN".to_owned()),
        ),
    }
}

/// Raises all walls as `serve` does, and runs one program behind them.
#[expect(
    clippy::disallowed_methods,
    reason = "no caller, no ticket: the program is our own"
)]
fn trial(config: &Config, environment: &Environment) -> anyhow::Result<Finding> {
    let runtime = environment.runtime();
    let setup = |tier| config.setup(tier, &runtime, &[Kind::Core]);
    let job = Job {
        code: "print(6 * 7)".to_owned(),
        stdin: Vec::new(),
        files: Vec::new(),
        return_files: Vec::new(),
        imports: Imports::Listed,
        kind: Kind::Core,
        wall_max: TRIAL_MAX,
        output_bytes_max: config.output_bytes_max,
        collect: config.collect,
    };
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let result = threads.block_on(async {
        let pool = Pool::start(
            config.isolation,
            setup,
            PoolSettings {
                core: 1,
                core_with_running: 0,
                numpy: 0,
                full: 0,
            },
        )
        .await?;
        let outcome = pool.run(job).await;
        let tier = pool.tier();
        pool.close().await;
        outcome.map(|outcome| (tier, outcome))
    });
    let finding = |state, found| Finding {
        subject: "trial",
        state,
        found,
        remedy: None,
    };
    Ok(match result {
        Ok((tier, outcome))
            if outcome.ending == Ending::Exited(0) && outcome.stdout.bytes == b"42\n" =>
        {
            finding(
                State::Good,
                format!(
                    "a program ran behind all walls of the tier `{}` in {:.1} ms",
                    tier.name(),
                    outcome.wall.as_secs_f64() * 1000.0
                ),
            )
        }
        Ok((_, outcome)) => finding(
            State::Missing,
            format!("a program of one line ended oddly: {:?}", outcome.ending),
        ),
        Err(fault) => finding(State::Missing, format!("{:#}", anyhow::Error::new(fault))),
    })
}

/// Writes the findings for a person.
fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut last_remedy = None;
    for Finding {
        subject,
        state,
        found,
        remedy,
    } in findings
    {
        let state = match state {
            State::Good => "good",
            State::Weaker => "weaker",
            State::Missing => "MISSING",
        };
        let _ = writeln!(text, "{state:>8}  {subject:<19} {found}");
        // Several things often lack for one reason: its remedy is told once.
        if let Some(remedy) = remedy
            .as_ref()
            .filter(|remedy| last_remedy != Some(*remedy))
        {
            last_remedy = Some(remedy);
            let _ = writeln!(text, "{:>8}  {:<19} -> {remedy}", "", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_to_do_below_what_is_wrong() {
        let finding = Finding {
            subject: "Landlock",
            state: State::Missing,
            found: "not there".to_owned(),
            remedy: Some("update".to_owned()),
        };
        let text = report(&[finding]);
        let expected =
            " MISSING  Landlock            not there\n                              -> update\n";
        assert_eq!(text, expected);
    }
}

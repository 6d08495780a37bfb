//! `hognose run`: one program behind the same walls, without a server.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sandbox::{
    Captured, Ending, Imports, InputFile, Job, Kind, LimitHit, Outcome, Pool, PoolSettings,
    Runtime, SIGKILL,
};
use server::config::Config;
use tokio::signal::unix::{SignalKind, signal};

use crate::words::Run;
use crate::{python, say};

/// The exit code where hognose could not run the program.
pub(crate) const BROKEN: u8 = 125;
/// The exit code where the program ran longer than it may.
const TIMED_OUT: u8 = 124;
/// What a signal's number is added to.
const SIGNALLED: i32 = 128;

/// Runs the program to its end and returns its exit code.
pub(crate) fn run(run: &Run) -> anyhow::Result<ExitCode> {
    let flags = run.settings.flags();
    let mut config = python::settings(run.settings.config.as_deref(), &flags)?;
    let job = job(run, &config)?;
    if config.cpu_follows_wall {
        // Processor time must not end what the wall clock still allows.
        let seconds = u32::try_from(job.wall_max.as_secs()).unwrap_or(u32::MAX);
        let cpu = &mut config.limits.cpu_seconds_max;
        *cpu = (*cpu).max(seconds.saturating_add(2));
    }
    let runtime = python::open(&config)?.runtime();
    let memory_bytes_max = config.limits.memory_bytes_max;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let Some(outcome) = threads.block_on(outcome(config, runtime, job))? else {
        return Ok(ExitCode::from(130));
    };
    print(&outcome);
    let bring_back = bring_back(Path::new("."), &outcome);
    let code = code(&outcome.ending, memory_bytes_max);
    if let Some(limit) = outcome.limit_hit.and_then(|hit| cut(hit, &outcome.ending)) {
        say(limit);
    }
    Ok(if bring_back && code == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(code.max(1))
    })
}

/// Reads the program and everything that goes with it.
fn job(run: &Run, config: &Config) -> anyhow::Result<Job> {
    let bytes = read(&run.program)?;
    let code = String::from_utf8(bytes).with_context(|| {
        format!(
            "{} is not a program: it is not UTF-8",
            run.program.display()
        )
    })?;
    let code = code.trim_start_matches('\u{feff}').to_owned();
    let stdin = match &run.stdin {
        None => Vec::new(),
        Some(path) if path.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            io::stdin()
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
            bytes
        }
        Some(path) => read(path)?,
    };
    let mut seen = BTreeSet::new();
    Ok(Job {
        // A guess from the words in it is enough here: what a unit lacks is imported the slow way.
        kind: Kind::for_imports(|module| code.contains(module)),
        code,
        stdin,
        files: input_files(&run.files)?,
        return_files: run
            .outs
            .iter()
            .filter(|name| seen.insert(*name))
            .cloned()
            .collect(),
        imports: Imports::Any,
        wall_max: run.timeout.unwrap_or(config.admin.wall_max),
        output_bytes_max: config.output_bytes_max,
        collect: config.collect,
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn input_files(paths: &[PathBuf]) -> anyhow::Result<Vec<InputFile>> {
    let mut files: Vec<InputFile> = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .with_context(|| format!("{} has no name that a program could use", path.display()))?;
        if files.iter().any(|file| file.name == name) {
            bail!("two files are called {name}: the program sees the last part of a path only");
        }
        files.push(InputFile {
            name: name.to_owned(),
            content: read(path)?,
        });
    }
    Ok(files)
}

/// Starts a pool of one unit, runs the job, and ends everything; nothing if we were interrupted.
#[expect(
    clippy::disallowed_methods,
    reason = "no caller, no ticket: whoever types this owns the host"
)]
async fn outcome(config: Config, runtime: Runtime, job: Job) -> anyhow::Result<Option<Outcome>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let setup = |tier| config.setup(tier, &runtime, &[job.kind]);
    let one_of = |kind| usize::from(kind == job.kind);
    let units = PoolSettings {
        core: one_of(Kind::Core),
        core_with_running: 0,
        numpy: one_of(Kind::Numpy),
        full: one_of(Kind::Full),
    };
    let pool = Pool::start(config.isolation, setup, units).await?;
    // The future that loses is dropped, and with it the run.
    let outcome = tokio::select! {
        outcome = pool.run(job) => outcome.map(Some),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
    };
    pool.close().await;
    Ok(outcome?)
}

/// Puts the program's output on the terminal as it is.
fn print(outcome: &Outcome) {
    put_out(&mut io::stdout().lock(), &outcome.stdout);
    put_out(&mut io::stderr().lock(), &outcome.stderr);
    for (captured, name) in [(&outcome.stdout, "output"), (&outcome.stderr, "error")] {
        let dropped = captured.dropped;
        if dropped > 0 {
            say(&format!(
                "{dropped} more bytes of standard {name} were dropped (output_bytes_max)"
            ));
        }
    }
}

fn put_out(terminal: &mut impl io::Write, captured: &Captured) {
    // Whoever closed the other end does not want it.
    drop(
        terminal
            .write_all(&captured.bytes)
            .and_then(|()| terminal.flush()),
    );
}

/// The exit code for an ending, after saying what the program's own output does not.
fn code(ending: &Ending, memory_bytes_max: u64) -> u8 {
    let code = match ending {
        Ending::Exited(code) => *code,
        Ending::Signalled(signal) => SIGNALLED.saturating_add(*signal),
        Ending::TimedOut => {
            say("the program ran longer than it may (--timeout) and was killed");
            i32::from(TIMED_OUT)
        }
        Ending::OutOfMemory => {
            say(&format!(
                "the program used more memory than it may and was killed: the limit of {} MiB is memory_bytes_max",
                memory_bytes_max >> 20
            ));
            SIGNALLED + SIGKILL
        }
        Ending::Unparsable { message } => {
            say(message);
            1
        }
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// What to say of a limit that is not told with the output or the ending.
const fn cut(limit: LimitHit, ending: &Ending) -> Option<&'static str> {
    match (limit, ending) {
        (LimitHit::Cpu, _) => Some(
            "the program used more processor time than it may and was killed (cpu_seconds_max)",
        ),
        (LimitHit::Memory, Ending::Exited(_) | Ending::Signalled(_)) => {
            Some("a child of the program was killed for its memory (memory_bytes_max)")
        }
        (LimitHit::Processes, _) => {
            Some("the program was refused another process or thread (processes_max)")
        }
        (LimitHit::Disk, _) => Some(
            "the program's files took all the room there is (workspace_bytes_max, workspace_files_max)",
        ),
        (LimitHit::Wall | LimitHit::Memory | LimitHit::Output, _) => None,
    }
}

/// Writes the returned files into the folder; says which could not, and whether all could.
fn bring_back(folder: &Path, outcome: &Outcome) -> bool {
    let mut all = true;
    for (name, content) in &outcome.files {
        let written = match content {
            Ok(bytes) => put(folder, name, bytes),
            Err(trouble) => Err(trouble.to_string()),
        };
        if let Err(reason) = written {
            say(&format!(
                "{} was not brought back: {reason}",
                name.escape_debug()
            ));
            all = false;
        }
    }
    all
}

/// Writes a file under the last part of its name, replacing a regular file of that name whole.
///
/// It is made beside and renamed, so that nothing is ever written through a link.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let last = Path::new(name).file_name().ok_or("it has no name")?;
    let place = folder.join(last);
    match fs::symlink_metadata(&place) {
        Ok(metadata) if metadata.is_dir() => return Err("a folder is in its place".to_owned()),
        Ok(metadata) if metadata.is_symlink() => return Err("a link is in its place".to_owned()),
        _ => {}
    }
    let beside = folder.join(format!(".hognose-{}.part", std::process::id()));
    let write = || -> io::Result<()> {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)?
            .write_all(bytes)?;
        fs::rename(&beside, &place)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&beside));
        error.to_string()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn endings_become_exit_codes() {
        assert_eq!(code(&Ending::Exited(3), 0), 3);
        assert_eq!(code(&Ending::Signalled(11), 0), 139);
        assert_eq!(code(&Ending::TimedOut, 0), 124);
        assert_eq!(code(&Ending::OutOfMemory, 512 << 20), 137);
    }

    #[test]
    fn a_limit_is_told_once() {
        let ended = Ending::Exited(0);
        let told = |limit| cut(limit, &ended).unwrap_or_default();
        assert!(told(LimitHit::Disk).ends_with("(workspace_bytes_max, workspace_files_max)"));
        assert!(told(LimitHit::Processes).ends_with("(processes_max)"));
        assert!(told(LimitHit::Memory).ends_with("(memory_bytes_max)"));
        assert!(told(LimitHit::Cpu).ends_with("(cpu_seconds_max)"));
        assert_eq!(told(LimitHit::Output), "");
        assert_eq!(cut(LimitHit::Memory, &Ending::OutOfMemory), None);
        assert_eq!(cut(LimitHit::Wall, &Ending::TimedOut), None);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "old").unwrap();
        symlink("precious", at("out")).unwrap();
        assert_eq!(
            put(folder.path(), "out", b"new"),
            Err("a link is in its place".to_owned())
        );
        assert_eq!(fs::read(at("precious")).unwrap(), b"old");

        put(folder.path(), "precious", b"new").unwrap();
        assert_eq!(fs::read(at("precious")).unwrap(), b"new");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_name_with_folders_lands_in_this_one() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "../a/b.txt", b"x").unwrap();
        assert!(folder.path().join("b.txt").is_file());
        assert!(put(folder.path(), "..", b"x").is_err());
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir_all(&inner).unwrap();
        let paths = [folder.path().join("a"), inner.join("a")];
        for path in &paths {
            fs::write(path, "").unwrap();
        }
        let error = input_files(&paths).unwrap_err().to_string();
        assert!(error.starts_with("two files are called a"), "{error}");
    }
}

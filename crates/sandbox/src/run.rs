//! One job on one unit: hand over, listen, collect.
//!
//! What one run costs on the server's side, for a small program: one write to the unit's socket,
//! one to the keeper (`Started`), a wake-up for output and one for the end, and two reads a
//! stream. Attachments are written and files read by us, beneath the unit's own file system;
//! the unit never passes them on.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Mode, OFlags, Uid};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use wire::{ToKeeper, job};

use crate::collect::{self, BENEATH, WORK};
use crate::outcome::{Captured, Ending, Outcome, Usage};
use crate::unit::{Ended, ProgramEnd, Unit};
use crate::{Fault, Imports, InputFile, Job};

/// Longest wait for the last process of a run to be gone, before its files are read.
const GONE_MAX: Duration = Duration::from_secs(5);
/// Most that is read after a program's end of what other processes of the run still write. Bytes.
const LAST_BYTES_MAX: usize = 1 << 20;
/// Most reads for it: a pipe may hold its bytes one by one.
const LAST_READS_MAX: usize = 1024;
/// Longest message of Python about a program that it cannot parse. Bytes.
const MESSAGE_BYTES_MAX: usize = 4096;
/// The program's own file in the workspace.
const SCRIPT: &str = "your_script.py";
/// The first read of a stream. Bytes; most programs say less.
const FIRST_READ_BYTES: usize = 4 << 10;
/// Largest read. Bytes.
const READ_BYTES: usize = 64 << 10;

/// Gives the unit its program, and tells when.
///
/// # Errors
///
/// Where the unit did not get the whole program: then nothing of it runs.
pub(crate) async fn hand_over(unit: &mut Unit, job: &Job) -> Result<Instant, Fault> {
    let fault = |source| Fault::Unit {
        doing: "hand the program over",
        source,
    };
    let head = job::head(&job.code, job.imports == Imports::Listed)
        .ok_or_else(|| io::Error::other("the program is longer than 4 GiB"))
        .map_err(fault)?;
    let mut message = Vec::with_capacity(head.len() + job.code.len());
    message.extend_from_slice(&head);
    message.extend_from_slice(job.code.as_bytes());

    let started = Instant::now();
    unit.job.write_all(&message).await.map_err(fault)?;
    unit.orders.send(ToKeeper::Started { unit: unit.id });
    Ok(started)
}

/// Runs a job that was handed over to its end. Dropping the future drops the unit, which kills the
/// run.
pub(crate) async fn run(mut unit: Unit, mut job: Job, started: Instant) -> Result<Outcome, Fault> {
    // The workspace has them now.
    job.files = Vec::new();
    let mut stdout = Capture::new(job.output_bytes_max);
    let mut stderr = Capture::new(job.output_bytes_max);
    let ended = {
        let streams = async {
            tokio::join!(
                feed(&mut unit.stdin, job.stdin),
                stdout.listen(&unit.stdout),
                stderr.listen(&unit.stderr),
            );
            // All are closed, yet the program may go on without them.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            ended = &mut unit.ended => Some(heard(ended)?),
            // Before the streams: a program that always has more to say would use up what the
            // runtime lets a task do at once, and the clock would never be looked at.
            () = tokio::time::sleep(job.wall_max) => None,
            () = streams => None,
        }
    };
    let wall = started.elapsed();
    if ended.is_none() {
        // What is read below must come to an end.
        unit.end();
    }
    stdout.last(&unit.stdout);
    stderr.last(&unit.stderr);

    let ending = match &ended {
        None => Ending::TimedOut,
        Some(end) => match unparsable(&unit.job, job.imports) {
            Some(message) => Ending::Unparsable { message },
            None => ending(end),
        },
    };
    let files = if ending == Ending::Exited(0) && !job.return_files.is_empty() {
        // Every process of the run must be dead before a file of it is looked at.
        match tokio::time::timeout(GONE_MAX, &mut unit.gone).await {
            Ok(Ok(())) => collect::collect(unit.own_box.as_fd(), job.return_files, job.collect),
            Ok(Err(_)) => {
                return Err(Fault::KeeperGone {
                    doing: "ending a run",
                });
            }
            Err(_) => {
                return Err(Fault::UnitLost {
                    reason: "it does not die".to_owned(),
                });
            }
        }
    } else {
        Vec::new()
    };
    let usage = ended.map_or_else(Usage::default, |end| Usage {
        cpu: Duration::from_micros(end.exit.cpu_us),
        memory_peak_bytes: end.exit.memory_peak_bytes,
    });
    Ok(Outcome {
        ending,
        stdout: stdout.kept,
        stderr: stderr.kept,
        wall,
        files,
        usage,
    })
}

fn heard(
    ended: Result<Ended, tokio::sync::oneshot::error::RecvError>,
) -> Result<ProgramEnd, Fault> {
    match ended {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(reason)) => Err(Fault::UnitLost { reason }),
        Err(_) => Err(Fault::KeeperGone {
            doing: "running a program",
        }),
    }
}

fn ending(end: &ProgramEnd) -> Ending {
    match (end.exit.code, end.exit.signal) {
        (_, Some(_)) if end.out_of_memory => Ending::OutOfMemory,
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signalled(signal),
        (None, None) => Ending::Signalled(0),
    }
}

/// What the unit said on the job's socket before it closed it. It closes it before the first byte
/// of user code, so a program cannot speak here.
fn unparsable(job: &tokio::net::UnixStream, imports: Imports) -> Option<String> {
    if imports == Imports::Any {
        return None;
    }
    let mut said = [0; MESSAGE_BYTES_MAX];
    let count = rustix::io::read(job, &mut said).ok()?;
    match said.get(..count)? {
        [job::UNPARSABLE, message @ ..] => Some(String::from_utf8_lossy(message).into_owned()),
        _ => None,
    }
}

/// Puts files into the workspace, to which nobody has written yet: names are checked by policy, and
/// must not exist.
pub(crate) fn put_files(unit: &Unit, files: &[InputFile]) -> Result<(), Fault> {
    write_files(unit, files).map_err(|source| Fault::Unit {
        doing: "put the files into the workspace",
        source,
    })
}

fn write_files(unit: &Unit, files: &[InputFile]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The unit has put the program's own file there already, and the program wins.
    for file in files.iter().filter(|file| file.name != SCRIPT) {
        let path = Path::new(WORK).join(&file.name);
        let mode = Mode::from_raw_mode(0o644);
        let opened: OwnedFd = rustix::fs::openat2(&unit.own_box, path, flags, mode, BENEATH)?;
        if let Some(owner) = unit.owner {
            rustix::fs::fchown(
                &opened,
                Some(Uid::from_raw(owner)),
                Some(Gid::from_raw(owner)),
            )?;
        }
        std::fs::File::from(opened).write_all(&file.content)?;
    }
    Ok(())
}

/// Writes standard input and closes it. A program that does not read it all is no error.
async fn feed(stdin: &mut pipe::Sender, input: Vec<u8>) {
    if !input.is_empty() {
        let _unread = stdin.write_all(&input).await;
    }
    close(stdin);
}

/// Replaces the pipe by one that leads nowhere, so that the program reads its end.
fn close(stdin: &mut pipe::Sender) {
    if let Ok((sender, _receiver)) = pipe::pipe() {
        *stdin = sender;
    }
}

/// One stream, to a bound.
#[derive(Debug)]
struct Capture {
    kept: Captured,
    bytes_max: usize,
}

impl Capture {
    fn new(bytes_max: usize) -> Self {
        Self {
            kept: Captured::default(),
            bytes_max,
        }
    }

    /// Reads until every writer has closed the pipe.
    async fn listen(&mut self, pipe: &pipe::Receiver) {
        loop {
            match self.read(|free| pipe.try_read(free)) {
                Ok(0) => return,
                Ok(_) => {
                    // A flood must not keep other requests from this thread.
                    tokio::task::consume_budget().await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if pipe.readable().await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Reads what is there now, without waiting for writers that outlive the program.
    ///
    /// Asks the kernel, not the runtime, which may not have heard of the last bytes yet.
    fn last(&mut self, pipe: &pipe::Receiver) {
        let mut read = 0;
        for _ in 0..LAST_READS_MAX {
            match self.read(|free| Ok(rustix::io::read(pipe, free)?)) {
                Ok(count) if count > 0 && read < LAST_BYTES_MAX => read += count,
                _ => return,
            }
        }
    }

    fn read(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let room = self.bytes_max.saturating_sub(self.kept.bytes.len());
        if room == 0 {
            let mut dropped = [0; READ_BYTES];
            let count = read(&mut dropped)?;
            self.kept.dropped += u64::try_from(count).unwrap_or(0);
            return Ok(count);
        }
        let before = self.kept.bytes.len();
        let more = before.clamp(FIRST_READ_BYTES, READ_BYTES).min(room);
        self.kept.bytes.resize(before + more, 0);
        let read = self.kept.bytes.get_mut(before..).map_or(Ok(0), read);
        self.kept
            .bytes
            .truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }
}

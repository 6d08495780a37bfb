//! One job on one unit: hand over, listen, collect.
//!
//! What one run costs on the server's side, for a small program: one write to the unit's socket,
//! one to the keeper (`Started`), a wake-up for output and one for the end, and two reads a
//! stream. Attachments are written and files read by us, beneath the unit's own file system;
//! the unit never passes them on.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Mode, OFlags, Uid};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use wire::{Tally, ToKeeper, UnitId, job};

use crate::aside::aside;
use crate::collect::{self, BENEATH, WORK};
use crate::keeper::Orders;
use crate::outcome::{Captured, Ending, LimitHit, Outcome, SIGKILL, Usage};
use crate::places::Places;
use crate::unit::{Ended, ProgramEnd, Unit};
use crate::{Fault, Imports, InputFile, Job};

/// Longest wait for the last process of a run to be gone, before its files are read.
const GONE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the word on what a run used that was killed at its time. The answer needs not have it.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);
/// Most that is read after a program's end of what other processes of the run still write. Bytes.
const LAST_BYTES_MAX: usize = 1 << 20;
/// Most reads for it: a pipe may hold its bytes one by one.
const LAST_READS_MAX: usize = 1024;
/// Longest message of Python about a program that it cannot parse. Bytes.
const MESSAGE_BYTES_MAX: usize = 4096;
/// The program's own file in the workspace.
const SCRIPT: &str = "your_script.py";
/// How long a program's streams are left alone. Most have ended by then, and what they wrote is read at once.
const LISTEN_AFTER: Duration = Duration::from_millis(2);
/// How long after its time a run is ended by a clock of its own, where its streams have its listener wait.
const LATE: Duration = Duration::from_millis(50);
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
    let at_us = wire::monotonic_us();
    write_whole(&unit.job, &message).await.map_err(fault)?;
    unit.orders.send(ToKeeper::Started {
        unit: unit.id,
        at_us,
        returns_files: !job.return_files.is_empty(),
    });
    Ok(started)
}

/// Runs a job to its end that was asked for and handed over then. Dropping the unit kills the run.
pub(crate) async fn run(
    unit: &mut Unit,
    mut job: Job,
    places: &Places,
    asked: Instant,
    started: Instant,
) -> Result<Outcome, Fault> {
    // The workspace has them now.
    job.files = Vec::new();
    let mut stdout = Capture::new(job.output_bytes_max);
    let mut stderr = Capture::new(job.output_bytes_max);
    let mut ended = {
        let streams = async {
            tokio::join!(feed(unit.stdin.take(), job.stdin), async {
                tokio::time::sleep(LISTEN_AFTER).await;
                let _clock = own_clock(unit.id, &unit.orders, started + job.wall_max + LATE);
                tokio::join!(stdout.listen(&unit.stdout), stderr.listen(&unit.stderr));
            },);
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
    let by_its_clock = |end: &ProgramEnd| wall > job.wall_max && end.exit.signal == Some(SIGKILL);
    let timed_out = ended.as_ref().is_none_or(by_its_clock);
    if ended.is_none() {
        // What is read below must come to an end.
        unit.end();
        let last_word = tokio::time::timeout(LAST_WORD_MAX, &mut unit.ended).await;
        ended = last_word.ok().and_then(|ended| heard(ended).ok());
    }
    let mut listen_to_the_last = || {
        stdout.last(&unit.stdout);
        stderr.last(&unit.stderr);
    };
    if wall < LISTEN_AFTER {
        listen_to_the_last();
    } else {
        aside(listen_to_the_last);
    }

    let ending = match &ended {
        Some(end) if !timed_out => match said_before_the_program(&unit.job, job.imports, end)? {
            Some(message) => Ending::Unparsable { message },
            None => ending(end),
        },
        _ => Ending::TimedOut,
    };
    let cuts = Cuts {
        tally: ended.map(|end| end.tally).unwrap_or_default(),
        box_is_full: is_full(&unit.own_box),
        output_dropped: stdout.kept.dropped > 0 || stderr.kept.dropped > 0,
    };
    let limit_hit = limit_hit(&ending, cuts);
    let files = if ending == Ending::Exited(0) && !job.return_files.is_empty() {
        if !ended.is_some_and(|end| end.read_only) {
            all_gone(unit).await?;
        }
        aside(|| collect::collect(unit.own_box.as_fd(), job.return_files, job.collect))
    } else {
        Vec::new()
    };
    let usage = Usage {
        queue: started - asked,
        output_bytes: stdout.kept.written() + stderr.kept.written(),
        ..ended.map_or_else(Usage::default, |end| used(end, wall))
    };
    places.hide(&unit.own_box, &mut stdout.kept.bytes);
    places.hide(&unit.own_box, &mut stderr.kept.bytes);
    Ok(Outcome {
        ending,
        stdout: stdout.kept,
        stderr: stderr.kept,
        wall,
        files,
        usage,
        limit_hit,
    })
}

/// Has a unit killed then, unless it is dropped before. Whoever listens to a run looks at no clock while a read waits
/// for the program: see [`Capture::listen`].
fn own_clock(unit: UnitId, orders: &Orders, then: Instant) -> JoinSet<()> {
    let orders = orders.clone();
    let mut clock = JoinSet::new();
    clock.spawn(async move {
        tokio::time::sleep_until(then.into()).await;
        orders.send(ToKeeper::End { unit });
    });
    clock
}

/// Waits until every process of the run is dead.
async fn all_gone(unit: &mut Unit) -> Result<(), Fault> {
    match tokio::time::timeout(GONE_MAX, &mut unit.gone).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Fault::KeeperGone {
            doing: "ending a run",
        }),
        Err(_) => Err(Fault::UnitLost {
            reason: "it does not die".to_owned(),
        }),
    }
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
        (_, Some(SIGKILL)) if end.tally.out_of_memory => Ending::OutOfMemory,
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signalled(signal),
        (None, None) => Ending::Signalled(0),
    }
}

/// What the kernel counted of a run.
fn used(end: ProgramEnd, wall: Duration) -> Usage {
    let processes_peak = end.tally.processes_peak;
    // So many at once cannot have had more; where the keeper heard of the hand-over late, what the
    // unit did before would be counted.
    let cpu_max = processes_peak.map_or(Duration::MAX, |peak| wall.saturating_mul(peak));
    // Without a cgroup, that of one process, where it is known.
    let memory_peak_bytes = end.tally.memory_peak_bytes;
    let of_one = Some(end.exit.memory_peak_bytes).filter(|bytes| *bytes > 0);
    Usage {
        cpu: Some(Duration::from_micros(end.exit.cpu_us).min(cpu_max)),
        memory_peak_bytes: memory_peak_bytes.or(of_one),
        processes_peak,
        ..Usage::default()
    }
}

/// What may have kept a run from doing all it wanted.
#[derive(Debug, Default, Clone, Copy)]
struct Cuts {
    tally: Tally,
    box_is_full: bool,
    output_dropped: bool,
}

/// The limit that ended the run; or else, of those that took something from it, the one that most
/// likely explains what came of it.
fn limit_hit(ending: &Ending, cuts: Cuts) -> Option<LimitHit> {
    let tally = cuts.tally;
    match ending {
        Ending::TimedOut => return Some(LimitHit::Wall),
        Ending::OutOfMemory => return Some(LimitHit::Memory),
        Ending::Signalled(_) if tally.out_of_cpu => return Some(LimitHit::Cpu),
        Ending::Unparsable { .. } => return None,
        Ending::Signalled(_) | Ending::Exited(_) => {}
    }
    let cut = [
        (tally.out_of_memory, LimitHit::Memory),
        (tally.out_of_disk || cuts.box_is_full, LimitHit::Disk),
        (tally.out_of_processes, LimitHit::Processes),
        (cuts.output_dropped, LimitHit::Output),
    ];
    let hit = cut.into_iter().find(|(hit, _)| *hit);
    hit.map(|(_, limit)| limit)
}

/// Whether the run's file system takes no more bytes or no more files.
fn is_full(own_box: &OwnedFd) -> bool {
    rustix::fs::fstatvfs(own_box).is_ok_and(|stat| stat.f_bfree == 0 || stat.f_ffree == 0)
}

/// What the unit said on the job's socket before it closed it: Python's message about a program that cannot be parsed, or
/// why the unit failed. It closes it before the first byte of user code, so a program cannot speak here.
fn said_before_the_program(
    job: &UnixStream,
    imports: Imports,
    end: &ProgramEnd,
) -> Result<Option<String>, Fault> {
    if imports == Imports::Any && end.exit.code != Some(job::EXIT_NO_JOB) {
        return Ok(None);
    }
    let mut said = [0; MESSAGE_BYTES_MAX];
    // Nothing to read, or nobody there: nothing was said.
    let count = rustix::io::read(job, &mut said).unwrap_or(0);
    let text = |message| String::from_utf8_lossy(message).into_owned();
    match said.get(..count).unwrap_or_default() {
        [job::UNPARSABLE, message @ ..] => Ok(Some(text(message))),
        [job::FAILED, reason @ ..] => Err(Fault::UnitLost {
            reason: format!("it could not begin the program: {}", text(reason)),
        }),
        _ => Ok(None),
    }
}

/// Puts files into the workspace, to which nobody has written yet: names are checked by policy, and
/// must not exist.
pub(crate) fn put_files(unit: &Unit, files: &[InputFile]) -> Result<(), Fault> {
    if files.is_empty() {
        return Ok(());
    }
    aside(|| write_files(unit, files)).map_err(|source| Fault::Unit {
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

/// Writes to a socket that does not block; most jobs fit in at once.
async fn write_whole(mut socket: &UnixStream, message: &[u8]) -> io::Result<()> {
    use io::ErrorKind::{Interrupted, WouldBlock};
    let count = match socket.write(message) {
        Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => 0,
        written => written?,
    };
    match message.get(count..) {
        None | Some([]) => Ok(()),
        Some(rest) => {
            let mut socket = tokio::net::UnixStream::from_std(socket.try_clone()?)?;
            socket.write_all(rest).await
        }
    }
}

/// Writes standard input and closes it. A program that does not read it all is no error.
async fn feed(stdin: Option<OwnedFd>, input: Vec<u8>) {
    let Some(stdin) = stdin.filter(|_| !input.is_empty()) else {
        return;
    };
    let Ok(stdin) = pipe::Sender::from_owned_fd(stdin) else {
        return;
    };
    let mut left = &*input;
    while !left.is_empty() && stdin.writable().await.is_ok() {
        // It can wait for the program, as reads can: see `Capture::listen`.
        match aside(|| stdin.try_write(left)) {
            Ok(count) => left = left.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
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
    ///
    /// A read of a pipe can wait although the pipe is not to be waited for: the kernel holds the pipe's lock while it
    /// copies what a thread of the program writes, and that waits for memory which another has locked, for seconds if it likes.
    async fn listen(&mut self, pipe: &pipe::Receiver) {
        loop {
            match aside(|| self.read(|free| pipe.try_read(free))) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_ended_a_run_goes_before_those_that_cut_it() {
        let cut = Cuts {
            tally: Tally {
                out_of_memory: true,
                out_of_processes: true,
                out_of_cpu: true,
                ..Tally::default()
            },
            box_is_full: true,
            output_dropped: true,
        };
        let unparsable = Ending::Unparsable {
            message: String::new(),
        };
        for (ending, limit) in [
            (Ending::TimedOut, Some(LimitHit::Wall)),
            (Ending::OutOfMemory, Some(LimitHit::Memory)),
            (Ending::Signalled(9), Some(LimitHit::Cpu)),
            (Ending::Exited(1), Some(LimitHit::Memory)),
            (unparsable, None),
        ] {
            assert_eq!(limit_hit(&ending, cut), limit, "{ending:?}");
        }
    }

    #[test]
    fn a_limit_that_cut_a_run_is_told() {
        let none = Cuts::default();
        let refused = Tally {
            out_of_processes: true,
            ..Tally::default()
        };
        let steps = [
            (none, None),
            (
                Cuts {
                    output_dropped: true,
                    ..none
                },
                Some(LimitHit::Output),
            ),
            (
                Cuts {
                    tally: refused,
                    output_dropped: true,
                    ..none
                },
                Some(LimitHit::Processes),
            ),
            (
                Cuts {
                    tally: refused,
                    box_is_full: true,
                    ..none
                },
                Some(LimitHit::Disk),
            ),
        ];
        for (cuts, limit) in steps {
            assert_eq!(limit_hit(&Ending::Exited(0), cuts), limit, "{cuts:?}");
        }
    }

    #[test]
    fn no_more_time_is_told_than_there_was() {
        let ended = |cpu_us, processes_peak| ProgramEnd {
            exit: wire::Exit {
                code: Some(0),
                signal: None,
                cpu_us,
                memory_peak_bytes: 7,
            },
            tally: Tally {
                processes_peak,
                ..Tally::default()
            },
            read_only: false,
        };
        let wall = Duration::from_millis(2);
        for (cpu_us, processes_peak, told) in [
            (1500, Some(1), 1500),
            (2500, Some(1), 2000),
            (2500, Some(2), 2500),
            (2500, None, 2500),
        ] {
            let usage = used(ended(cpu_us, processes_peak), wall);
            assert_eq!(usage.cpu, Some(Duration::from_micros(told)));
            assert_eq!(usage.memory_peak_bytes, Some(7));
        }
    }

    #[test]
    fn what_a_unit_says_before_the_program_is_no_end_of_the_program() {
        let said = |words: &[u8], imports, code| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            theirs.write_all(words).unwrap();
            drop(theirs);
            said_before_the_program(&ours, imports, &exited(code))
        };
        let listed = Imports::Listed;
        assert_eq!(said(b"", listed, 70).unwrap(), None);
        assert_eq!(said(b"Sno", listed, 1).unwrap().as_deref(), Some("no"));
        for imports in [listed, Imports::Any] {
            let failed = said(b"FMemoryError: ", imports, job::EXIT_NO_JOB);
            let Err(Fault::UnitLost { reason }) = failed else {
                panic!("{failed:?}");
            };
            assert_eq!(reason, "it could not begin the program: MemoryError: ");
        }
        let (ours, _open) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        assert_eq!(
            said_before_the_program(&ours, listed, &exited(0)).unwrap(),
            None
        );
    }

    fn exited(code: i32) -> ProgramEnd {
        ProgramEnd {
            exit: wire::Exit {
                code: Some(code),
                signal: None,
                cpu_us: 0,
                memory_peak_bytes: 0,
            },
            tally: Tally::default(),
            read_only: false,
        }
    }

    #[test]
    fn only_a_kill_is_for_memory() {
        let ended = |code, signal| ProgramEnd {
            exit: wire::Exit {
                code,
                signal,
                cpu_us: 0,
                memory_peak_bytes: 0,
            },
            tally: Tally {
                out_of_memory: true,
                ..Tally::default()
            },
            read_only: false,
        };
        assert_eq!(ending(&ended(None, Some(9))), Ending::OutOfMemory);
        assert_eq!(ending(&ended(None, Some(11))), Ending::Signalled(11));
        assert_eq!(ending(&ended(Some(0), None)), Ending::Exited(0));
    }
}

//! A program is played once in a fork that nobody but its zygote knows of, to find which pages a unit writes to, and
//! which libraries it uses.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::confine;
use crate::sys::{self, SingleThread};

/// The program: what it writes to every other writes to as well.
const PROGRAM: &str = "print(1)";
/// Longest that the zygote waits for its end. It takes a few milliseconds.
const TRIAL_MAX: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// What a pipe has room for, and more than the fork has to tell. Bytes.
const TOLD_BYTES_MAX: u64 = 64 << 10;

/// On which side of the fork this is.
pub(super) enum Side {
    /// In it: the job waits where a unit has it.
    Trial(Trial),
    /// In the zygote: where the pages begin that were written to, and one of each file's code that was touched.
    Zygote(Vec<usize>),
}

/// The fork, until it has told.
#[derive(Debug)]
pub(super) struct Trial {
    told: File,
    /// Where the zygote has memory, as it was found before the fork.
    memory: Vec<Range<usize>>,
    /// Where it has the code of files.
    code: Vec<Range<usize>>,
}

/// Forks, and in the zygote waits until the fork has told and ended.
///
/// # Errors
///
/// The kernel's, or that the trial did not end well. In the fork there are none.
pub(super) fn begin(proof: SingleThread) -> io::Result<Side> {
    let (job, mut giver) = pipe()?;
    let head = wire::job::head(PROGRAM, false).unwrap_or_default();
    giver.write_all(&[&head, PROGRAM.as_bytes()].concat())?;
    let (heard, told) = pipe()?;
    let (memory, code) = (sys::private_memory()?, sys::code_of_files()?);
    let Some(fork) = sys::fork(proof)? else {
        let trial = Trial { told, memory, code };
        return Ok(Side::Trial(trial.enter(&job)));
    };
    drop((job, told));
    let fork = Pid::from_raw(fork);
    // It closes its end when it ends, and never tells more than the pipe has room for.
    let mut polled = [PollFd::new(&heard, PollFlags::HUP)];
    let is_over = rustix::event::poll(&mut polled, Some(&TRIAL_MAX)).is_ok_and(|ready| ready > 0);
    if let Some(fork) = fork.filter(|_| !is_over) {
        // Our own child, not reaped yet.
        let _killed = rustix::process::kill_process(fork, Signal::KILL);
    }
    let ended = rustix::process::waitpid(fork, WaitOptions::empty())?;
    if ended.is_none_or(|(_, status)| status.exit_status() != Some(0)) {
        // What it told may not be all.
        return Err(io::Error::other("the trial did not end well"));
    }
    let mut pages = Vec::new();
    heard.take(TOLD_BYTES_MAX).read_to_end(&mut pages)?;
    let (pages, _) = pages.as_chunks();
    Ok(Side::Zygote(
        pages
            .iter()
            .map(|page| usize::from_ne_bytes(*page))
            .collect(),
    ))
}

fn pipe() -> io::Result<(File, File)> {
    let (from, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    Ok((from.into(), to.into()))
}

impl Trial {
    fn enter(self, job: &File) -> Self {
        let dies_with_zygote =
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
        if !dies_with_zygote || sys::place_at(job.as_fd(), confine::JOB).is_err() {
            sys::exit_now(1);
        }
        self
    }

    /// Tells which pages were written to and whose code was touched, if the program ended well, and ends the fork.
    pub(super) fn end(&mut self, status: i32) -> ! {
        if status != 0 {
            sys::exit_now(status);
        }
        let told = &mut self.told;
        let mut tell = |page: usize| told.write_all(&page.to_ne_bytes());
        let told = sys::pages_written(&self.memory, &mut tell)
            .and_then(|()| sys::code_touched(&self.code, &mut tell));
        sys::exit_now(i32::from(told.is_err()))
    }
}

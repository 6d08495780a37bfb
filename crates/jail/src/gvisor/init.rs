//! Process 1 of a sandbox: it makes the user and the mounts, starts runsc, and reaps.
//!
//! When it dies the kernel kills everything of the sandbox. Nothing that a program does reaches it.

use std::fs::{self, DirBuilder};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{Gid, Uid};
use wire::{Exit, FromInit};

use super::config;
use crate::sys::{self, Side, SingleThread};
use crate::walls::{self, Doing, WallError, cgroup, limits, template, verify, write_to};

/// Room for the description and for what runsc notes beside it. Bytes.
const NOTES_BYTES_MAX: u64 = 1 << 20;

/// What the init of a sandbox is given.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    /// The keeper's proof, which a fork of it shares.
    pub(crate) proof: SingleThread,
    /// The run's own file system.
    pub(crate) own_box: &'a OwnedFd,
    /// The job's socket, standard output and error.
    pub(crate) ends: [&'a OwnedFd; 3],
    /// The doors of the run's cgroup.
    pub(crate) doors: Vec<OwnedFd>,
    /// Where to speak to the keeper.
    pub(crate) keeper: &'a OwnedFd,
    /// Where the keeper says that the users are mapped.
    pub(crate) mapped: &'a OwnedFd,
    /// Whether it maps them; it cannot where it has none but itself to give.
    pub(crate) maps_nobody: bool,
    /// What the sandbox is.
    pub(crate) description: &'a str,
    /// The user of the program inside.
    pub(crate) user: u32,
}

impl Init<'_> {
    /// Lives and dies as process 1.
    pub(crate) fn live(self) -> ! {
        let keeper = self.keeper;
        let failed = |error: &WallError| {
            let reason = error.to_string();
            drop(wire::send(keeper, &FromInit::Failed { reason }, &[]));
            sys::exit_now(1)
        };
        let runsc = match self.start() {
            Ok(runsc) => runsc,
            Err(error) => failed(&error),
        };
        // The socket is descriptor 0 now; nothing else is open.
        match wait_for_all(runsc) {
            Ok(exit) => {
                if let Ok(keeper) = sys::inherited(0) {
                    drop(wire::send(keeper, &FromInit::Exited { exit }, &[]));
                }
                sys::exit_now(0)
            }
            Err(_) => sys::exit_now(1),
        }
    }

    /// Starts runsc, and keeps nothing but the keeper's socket.
    fn start(mut self) -> Result<i32, WallError> {
        // Before anything is done for the run, so that all of it is counted.
        cgroup::join(std::mem::take(&mut self.doors)).doing("join the run's cgroup")?;
        if !self.maps_nobody {
            map_ourselves()?;
        }
        let mut byte = [0];
        let mapped = rustix::io::read(self.mapped, &mut byte).doing("hear of the users")?;
        verify(mapped == 1, "that the users are mapped")?;
        limits::offer_first()?;
        let root = (Uid::ROOT, Gid::ROOT);
        if self.maps_nobody {
            rustix::thread::set_thread_groups(&[]).doing("leave all groups")?;
        }
        rustix::thread::set_thread_res_gid(root.1, root.1, root.1).doing("change the group")?;
        rustix::thread::set_thread_res_uid(root.0, root.0, root.0).doing("change the user")?;
        // Changing the user cleared it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing("die with the keeper")?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .doing("hide the init's memory")?;
        rustix::thread::set_name(c"hognose-init").doing("name the init")?;
        rustix::process::setsid().doing("make a session")?;
        template::furnish_sandbox(self.own_box, NOTES_BYTES_MAX)?;
        self.folders().doing("make the run's folders")?;
        let namespace = walls::own_pid_namespace()?;
        wire::send(self.keeper, &FromInit::Mounted, &[namespace.as_fd()])
            .map_err(std::io::Error::other)
            .doing("tell the keeper")?;
        // Nothing may own what is closed below.
        drop(namespace);
        match sys::clone_process(self.proof, 0).doing("fork runsc")? {
            Side::Parent { pid, pidfd } => {
                drop(pidfd);
                sys::place_at(self.keeper.as_fd(), 0).doing("keep the keeper's socket")?;
                sys::close_from(1).doing("close every other descriptor")?;
                Ok(pid)
            }
            Side::Child => {
                let error = execute_runsc(self.ends, self.maps_nobody);
                // Standard error is the run's already, and the keeper reads it.
                drop(std::io::Write::write_fmt(
                    &mut std::io::stderr(),
                    format_args!("{error}\n"),
                ));
                sys::exit_now(127)
            }
        }
    }

    /// What is in the box when a unit finds it, and what runsc reads.
    fn folders(&self) -> std::io::Result<()> {
        rustix::process::umask(Mode::empty());
        let make = |path: &Path, mode| DirBuilder::new().mode(mode).create(path);
        for (name, mode) in [("tmp", 0o1777), ("work", 0o755)] {
            let path = Path::new(template::BOX).join(name);
            make(&path, mode)?;
            chown(&path, Some(self.user), Some(self.user))?;
        }
        rustix::process::umask(Mode::from_raw_mode(0o022));
        for path in [config::STATE, config::BUNDLE] {
            make(Path::new(path), 0o700)?;
        }
        fs::write(
            Path::new(config::BUNDLE).join("config.json"),
            self.description,
        )
    }
}

/// Maps the keeper's own user, the only one there is, as one that may do so itself.
fn map_ourselves() -> Result<(), WallError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .doing("make the init's /proc files its own")?;
    write_to(c"/proc/self/uid_map", "0 0 1").doing("map the user")?;
    write_to(c"/proc/self/gid_map", "0 0 1").doing("map the group")
}

fn execute_runsc(ends: [&OwnedFd; 3], maps_nobody: bool) -> WallError {
    let prepared = || -> Result<(), WallError> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing("die with the init")?;
        // First above the numbers that they are to have.
        let mut copies = Vec::new();
        for end in ends {
            let flags = rustix::io::fcntl_dupfd_cloexec(end, 16);
            copies.push(flags.doing("copy the run's descriptors")?);
        }
        for (copy, number) in std::iter::zip(&copies, 0..) {
            sys::place_at(copy.as_fd(), number).doing("place the run's descriptors")?;
        }
        for copy in copies {
            use std::os::fd::IntoRawFd;
            let _number = copy.into_raw_fd();
        }
        limits::leave_no_core()?;
        sys::close_from(3).doing("close every other descriptor")
    };
    if let Err(error) = prepared() {
        return error;
    }
    let source = sys::execute(
        config::RUNSC,
        &config::command(maps_nobody),
        &config::ENVIRONMENT,
    );
    WallError {
        doing: "execute runsc".to_owned(),
        source,
    }
}

/// Reaps until nobody is left; how runsc ended, and what all of them used.
fn wait_for_all(runsc: i32) -> std::io::Result<Exit> {
    let mut exit = None;
    let mut cpu_us = 0;
    while let Some((pid, ended)) = sys::reap_any()? {
        cpu_us += ended.cpu_us;
        if pid == runsc {
            exit = Some(ended);
        }
    }
    let exit = exit.ok_or_else(|| std::io::Error::other("runsc was never there"))?;
    // Where its kernel broke, its exit code would be told as the program's.
    let is_broken = fs::metadata(config::PANIC).is_ok_and(|said| said.len() > 0);
    let (code, signal) = match is_broken {
        true => (None, Some(libc::SIGABRT)),
        false => (exit.code, exit.signal),
    };
    Ok(Exit {
        code,
        signal,
        cpu_us,
        // That of the largest of the sandbox's processes is not the run's.
        memory_peak_bytes: 0,
    })
}

//! The keeper's half of gVisor: it makes the init of each sandbox, and hears what becomes of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::Signal;
use rustix::thread::LinkNameSpaceType;
use wire::{Exit, FromInit, Kind, Limits, Setup};

use super::processes;
use super::start;
use super::unit::{ServerEnds, UnitEnds};
use super::users::Users;
use super::zygotes::Execution;
use super::{Guest, work::forget};
use crate::gvisor::{self, config, init::Init};
use crate::sys::{self, Side, SingleThread, clone_flags};
use crate::walls::cgroup::Leaf;
use crate::walls::template::Form;
use crate::walls::{Doing, WallError};

/// Sandboxes that warm at once: each has a processor busy for most of a second or more, and programs run
/// meanwhile.
pub(super) const WARMING_MAX: usize = 2;

/// A runsc that ends for a signal ends with this and its number.
const SIGNALLED: i32 = 128;
/// Highest number of a signal.
const SIGNALS_MAX: i32 = 64;
/// Most that is read of what was said before a unit was ready. Bytes.
const LAST_WORDS_BYTES_MAX: usize = 1024;

/// What every sandbox is made from.
#[derive(Debug)]
pub(super) struct Sandboxes {
    /// The keeper's mount namespace.
    here: OwnedFd,
    /// That of the root around runsc.
    template: OwnedFd,
    descriptions: BTreeMap<Kind, String>,
    /// Whether the keeper has users to give.
    maps_nobody: bool,
    /// One could not be prepared: what the template shows may have been deleted since, and be there again
    /// by the same name.
    is_doubtful: bool,
}

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    /// Its process 1.
    pub(super) init: OwnedFd,
    /// Where that speaks.
    pub(super) heard: OwnedFd,
    /// Processor time of all of it when it was killed; until then none. Microseconds.
    cpu_us_at_end: Option<u64>,
}

impl Sandboxes {
    pub(super) fn make(setup: &Setup, guest: Guest<'_>, users: &Users) -> Result<Self, WallError> {
        let maps_nobody = !users.are_own();
        let user = if maps_nobody { gvisor::USER } else { 0 };
        let described = setup.kinds.iter().map(|kind| {
            let execution = Execution::alone(setup, *kind)?;
            let (arguments, environment) = (&execution.arguments, &execution.environment);
            let shared_bytes_max = setup.limits.workspace_bytes_max;
            let text = config::description(arguments, environment, user, shared_bytes_max);
            Ok((*kind, text))
        });
        let descriptions = described.collect::<Result<_, std::ffi::NulError>>();
        Ok(Self {
            here: start::mount_namespace()?,
            template: start::build_template(setup, guest, Form::Sandboxed)?,
            descriptions: descriptions
                .map_err(std::io::Error::other)
                .doing("describe a sandbox")?,
            maps_nobody,
            is_doubtful: false,
        })
    }

    /// The next one is to be made of what is there then.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    pub(super) fn renew(&mut self, setup: &Setup, guest: Guest<'_>) -> Result<(), WallError> {
        if self.is_doubtful {
            self.template = start::build_template(setup, guest, Form::Sandboxed)?;
            self.is_doubtful = false;
        }
        Ok(())
    }

    /// Makes the init of one, which starts the rest. `user` is whom the program's files belong to.
    pub(super) fn start(
        &self,
        proof: SingleThread,
        kind: Kind,
        user: u32,
        own_box: &OwnedFd,
        unit_ends: &UnitEnds,
        leaf: Option<&Leaf>,
    ) -> Result<Sandbox, WallError> {
        let (heard, init_end) = wire::pair().doing("make the init's socket")?;
        let (mapped, map) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .doing("make the init's pipe")?;
        let doors = leaf.into_iter().flat_map(Leaf::doors);
        let doors = doors.map(|door| door.try_clone_to_owned());
        let doors = doors.collect::<Result<_, _>>().doing("copy the doors")?;
        let description = self.descriptions.get(&kind).map_or("", String::as_str);
        move_to(&self.template)?;
        let forked = sys::clone_process(
            proof,
            clone_flags::NEW_USER
                | clone_flags::NEW_PID
                | clone_flags::NEW_MOUNTS
                | clone_flags::NEW_IPC
                | clone_flags::NEW_UTS
                // Where the sockets are by which one runsc controls its sandbox.
                | clone_flags::NEW_NET,
        );
        if let Ok(Side::Child) = forked {
            drop(map);
            Init {
                proof,
                own_box,
                ends: unit_ends.of_a_sandbox(),
                doors,
                keeper: &init_end,
                mapped: &mapped,
                maps_nobody: self.maps_nobody,
                description,
                user: if self.maps_nobody { gvisor::USER } else { 0 },
            }
            .live()
        }
        move_to(&self.here)?;
        let Side::Parent { pid, pidfd } = forked.doing("fork the init of a sandbox")? else {
            sys::exit_now(1)
        };
        let sandbox = Sandbox {
            init: pidfd,
            heard,
            cpu_us_at_end: None,
        };
        let begun = || {
            if self.maps_nobody {
                map_users(pid, user)?;
            }
            rustix::io::write(&map, b"M").doing("tell of the users")
        };
        begun().inspect_err(|_| sandbox.kill())?;
        Ok(sandbox)
    }
}

fn move_to(mounts: &OwnedFd) -> Result<(), WallError> {
    rustix::thread::move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))
        .doing("change the mount namespace")
}

/// Two users for an init: its root, and nobody for the program. Neither is anybody's on the host.
fn map_users(init: i32, user: u32) -> Result<(), WallError> {
    let root = Users::beside(user);
    let map = format!("0 {root} 1\n{} {user} 1\n", gvisor::USER);
    for (file, what) in [("uid_map", "map the users"), ("gid_map", "map the groups")] {
        fs::write(format!("/proc/{init}/{file}"), &map).doing(what)?;
    }
    Ok(())
}

impl Sandbox {
    /// Ends it, having looked at what it used.
    pub(super) fn end(&mut self, used: Option<u64>) {
        if self.cpu_us_at_end.is_none() {
            self.cpu_us_at_end = used;
        }
        self.kill();
    }

    fn kill(&self) {
        let _ended = rustix::process::pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// How the program ended where nobody has told: it was killed, with its init.
    pub(super) fn killed(&self) -> Exit {
        Exit {
            code: None,
            signal: Some(libc::SIGKILL),
            cpu_us: self.cpu_us_at_end.unwrap_or(0),
            memory_peak_bytes: 0,
        }
    }

    /// Why it died before its unit was ready, as its init says, or else runsc or the interpreter.
    pub(super) fn failure(&self, ends: &ServerEnds) -> Option<String> {
        while let Ok(Some(heard)) = wire::receive_now::<FromInit>(&self.heard) {
            if let FromInit::Failed { reason } = heard.message {
                return Some(reason);
            }
        }
        last_words(ends)
    }

    pub(super) fn forget(&self, epoll: &OwnedFd) {
        forget(epoll, &self.init);
        forget(epoll, &self.heard);
    }
}

/// How a program ended, as runsc tells it: a signal is told like the exit code that shells give it.
pub(super) fn of_the_program(exit: Exit) -> Exit {
    match exit.code.map(|code| code - SIGNALLED) {
        Some(signal @ 1..=SIGNALS_MAX) => Exit {
            code: None,
            signal: Some(signal),
            ..exit
        },
        _ => exit,
    }
}

/// Processor time that a sandbox has used so far, by its PID namespace. Microseconds.
pub(super) fn processor_time(namespace: u64) -> u64 {
    let all: Vec<_> = processes::all().collect();
    let is_of_it = |number: i32| super::proc::namespace_of(number) == Some(namespace);
    let own: Vec<i32> = all
        .iter()
        .map(|process| process.number)
        .filter(|number| is_of_it(*number))
        .collect();
    // The gofer has a namespace of its own.
    let is_counted = |process: &&processes::Process| {
        own.contains(&process.number) || own.contains(&process.parent)
    };
    all.iter()
        .filter(is_counted)
        .map(|process| process.cpu_us)
        .sum()
}

/// What the program gets its standard input by, as soon as it is warm.
pub(super) fn send_standard_input(
    ends: &ServerEnds,
    unit_ends: &UnitEnds,
) -> Result<(), WallError> {
    let stdin = unit_ends.standard_input();
    // Inside it is nobody's in particular, and the program opens it again as /dev/stdin.
    rustix::fs::fchmod(stdin, rustix::fs::Mode::from_raw_mode(0o666))
        .doing("let everybody of the run read its standard input")?;
    wire::job::send_word(&ends.job, wire::job::STDIN, stdin)
        .doing("give a sandbox its standard input")
}

/// What was said on the run's standard output and error before any of a caller's code ran: it is ours, and
/// nothing of the run's.
fn last_words(ends: &ServerEnds) -> Option<String> {
    let mut words = Vec::new();
    for pipe in [&ends.stdout, &ends.stderr] {
        let mut room = [0; LAST_WORDS_BYTES_MAX];
        while let Ok(1..) = rustix::io::ioctl_fionread(pipe)
            && let Ok(count @ 1..) = rustix::io::read(pipe, &mut room)
        {
            words.extend_from_slice(room.get(..count).unwrap_or_default());
        }
    }
    words.truncate(LAST_WORDS_BYTES_MAX);
    (!words.is_empty()).then(|| String::from_utf8_lossy(&words).trim().to_owned())
}

/// The same, where it is no failure, goes where the keeper's own words go.
pub(super) fn say_last_words(ends: &ServerEnds) {
    if let Some(words) = last_words(ends) {
        drop(writeln!(std::io::stderr(), "hognose sandbox: {words}"));
    }
}

/// What bounds a sandbox from outside: the run's memory and its own, and its own threads.
pub(super) fn limits_outside(limits: &Limits) -> Limits {
    Limits {
        memory_bytes_max: limits
            .memory_bytes_max
            .saturating_add(gvisor::OVERHEAD_BYTES),
        processes_max: gvisor::HOST_TASKS_MAX,
        ..*limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_as_a_signal() {
        let exit = |code, signal| Exit {
            code,
            signal,
            cpu_us: 0,
            memory_peak_bytes: 0,
        };
        for (told, code, signal) in [
            (0, Some(0), None),
            (128, Some(128), None),
            (137, None, Some(9)),
            (192, None, Some(64)),
            (193, Some(193), None),
        ] {
            let expected = exit(code, signal);
            assert_eq!(of_the_program(exit(Some(told), None)), expected, "{told}");
        }
        assert_eq!(of_the_program(exit(None, Some(9))), exit(None, Some(9)));
    }
}

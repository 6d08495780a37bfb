//! The keeper: one thread, one loop. It starts zygotes, makes inits and boxes, kills and reaps.
//!
//! Two processes, so that its own end is the end of everything: the **outer** one, which the
//! server starts, makes the namespaces and waits; the **inner** one is process 1 of a PID
//! namespace that holds every zygote, init and unit, and does the work. When the inner one dies,
//! the kernel kills all of them; the outer one then removes the cgroups.
//!
//! ```text
//!   server ─exec─► outer ─fork─► inner (pid 1) ─► zygotes, inits ─► units
//! ```
//!
//! Where the host forbids namespaces there are two as well, and each ends what the other leaves behind.
//!
//! The control socket is descriptor 0. When the server goes away, however it does, the socket
//! ends, and the inner keeper with it.

mod asks;
mod group;
mod home;
mod init;
mod locks;
mod pinning;
mod proc;
mod processes;
mod sandboxes;
mod start;
mod unit;
mod users;
mod watch;
mod work;
mod zygotes;

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{DumpableBehavior, PidfdFlags, Signal, WaitOptions};
use wire::{Frame, FromKeeper, Setup, Tier, ToKeeper};

use self::home::Home;
use self::sandboxes::Sandboxes;
use self::unit::Ground;
use self::users::Users;
use crate::sys::{self, Side, SingleThread};
use crate::walls::cgroup::Cgroups;
use crate::walls::template::Form;
use crate::walls::{Doing, WallError, capabilities, verify};

/// Longest wait for processes that were killed, where the kernel does not see to it.
const END_MAX: Duration = Duration::from_secs(5);

/// What the keeper puts into the template for the zygotes.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// The shared library of the crate `confine`.
    pub library: &'a [u8],
    /// Python sources, name and text.
    pub sources: &'a [(&'a str, &'a str)],
}

/// Runs the keeper; called before anything else in a freshly executed process.
#[must_use]
pub fn main(guest: Guest<'static>) -> ExitCode {
    match run(guest) {
        Ok(code) => code,
        Err(error) => {
            let reason = error.to_string();
            let told = sys::inherited(0)
                .map(|control| wire::send(control, &FromKeeper::Refused { reason }, &[]));
            if !matches!(told, Ok(Ok(()))) {
                // Started by hand: nobody listens on descriptor 0.
                drop(writeln!(io::stderr(), "hognose keeper: {error}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(guest: Guest<'static>) -> Result<ExitCode, WallError> {
    let proof = SingleThread::assert().doing("check that the keeper has one thread")?;
    sys::reset_signals();
    // The server ends us by closing the socket, after its runs have ended; a signal that is meant
    // for the whole process group or service must not come before that.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE] {
        sys::ignore_signal(signal);
    }
    let _ = rustix::process::setsid();
    rustix::thread::set_name(c"hognose-keeper").doing("name the keeper")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::close_from(3).doing("close inherited descriptors")?;
    let setup = hear_setup()?;
    match setup.tier {
        Tier::Native | Tier::Gvisor => in_namespaces(proof, *setup, guest),
        Tier::Landlock => on_the_host(proof, *setup, guest),
    }
}

/// The native tier, and gVisor's: the kernel ends everything with the inner keeper.
fn in_namespaces(
    proof: SingleThread,
    setup: Setup,
    guest: Guest<'static>,
) -> Result<ExitCode, WallError> {
    let cgroups = match setup.tier {
        Tier::Native | Tier::Landlock => Cgroups::find(&setup.limits),
        Tier::Gvisor => Cgroups::find(&sandboxes::limits_outside(&setup.limits)),
    };
    let privileged = start::is_privileged();
    let users = Users::find(privileged);
    start::make_namespaces(privileged)?;
    match sys::clone_process(proof, 0).doing("fork the inner keeper")? {
        Side::Child => {
            let served = || {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                    .doing("die with the outer keeper")?;
                hide()?;
                let proof = start::settle()?;
                let ground = match setup.tier {
                    Tier::Native | Tier::Landlock => {
                        let counts_all = cgroups.is_some();
                        let form = Form::Entered { counts_all };
                        let template = start::build_template(&setup, guest, form)?;
                        capabilities::bound_keeper()?;
                        Ground::Native(template)
                    }
                    Tier::Gvisor => Ground::Gvisor(Sandboxes::make(&setup, guest, &users)?),
                };
                let standing = Standing {
                    ground,
                    cgroups,
                    users,
                    outer: None,
                };
                work::Keeper::new(proof, setup, guest, standing)?.work()
            };
            exit_with(&served())
        }
        Side::Parent { pidfd, .. } => {
            let waited = wait_for(&pidfd);
            if let Some(cgroups) = cgroups {
                cgroups.remove();
            }
            waited
        }
    }
}

/// The Landlock tier: each keeper ends what the other leaves behind, should it be killed.
fn on_the_host(
    proof: SingleThread,
    setup: Setup,
    guest: Guest<'static>,
) -> Result<ExitCode, WallError> {
    let outer = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(outer)).doing("become the reaper of orphans")?;
    hide()?;
    let home = Home::make(&setup.scratch, &setup.runtime, guest)?;
    let forked = match sys::clone_process(proof, 0).doing("fork the inner keeper") {
        Ok(forked) => forked,
        Err(error) => {
            home.remove();
            return Err(error);
        }
    };
    match forked {
        Side::Child => {
            let served = || {
                let own = rustix::process::getpid();
                rustix::process::set_child_subreaper(Some(own))
                    .doing("become the reaper of orphans")?;
                let pidfd = rustix::process::pidfd_open(outer, PidfdFlags::empty())
                    .doing("watch the outer keeper")?;
                // If it has died, the number may be another's.
                verify(
                    rustix::process::getppid() == Some(outer),
                    "that the outer keeper is alive",
                )?;
                let standing = Standing {
                    ground: Ground::Landlock(home),
                    cgroups: None,
                    users: Users::own(),
                    outer: Some(pidfd),
                };
                let worked = work::Keeper::new(proof, setup, guest, standing)?.work();
                end_the_rest();
                worked
            };
            exit_with(&served())
        }
        Side::Parent { pidfd, .. } => {
            let waited = wait_for(&pidfd);
            end_the_rest();
            home.remove();
            waited
        }
    }
}

/// What the inner keeper starts with.
#[derive(Debug)]
struct Standing {
    ground: Ground,
    cgroups: Option<Cgroups>,
    users: Users,
    /// The outer keeper, where its death does not end us of itself.
    outer: Option<OwnedFd>,
}

fn hide() -> Result<(), WallError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("hide the keeper's memory")
}

fn end_the_rest() {
    if !processes::end_descendants(END_MAX) {
        drop(writeln!(
            io::stderr(),
            "hognose keeper: a process does not end; the kernel holds it"
        ));
    }
}

fn exit_with(served: &Result<(), WallError>) -> ! {
    if let Err(error) = served {
        refuse(error);
    }
    sys::exit_now(i32::from(served.is_err()))
}

/// Waits for the inner keeper to end.
fn wait_for(inner: &OwnedFd) -> Result<ExitCode, WallError> {
    let waited = loop {
        let id = rustix::process::WaitId::PidFd(inner.as_fd());
        match rustix::process::waitid(id, rustix::process::WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other,
        }
    };
    let code = waited
        .doing("wait for the inner keeper")?
        .and_then(|status| status.exit_status());
    Ok(ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(1)))
}

fn hear_setup() -> Result<Box<Setup>, WallError> {
    let control = sys::inherited(0).doing("find the server's socket")?;
    match wire::receive::<ToKeeper>(control) {
        Ok(Some(Frame {
            message: ToKeeper::Setup(setup),
            ..
        })) => Ok(setup),
        _ => Err(io::Error::other(
            "the keeper is started by `hognose serve`, not by hand",
        ))
        .doing("hear the setup"),
    }
}

fn refuse(error: &WallError) {
    if let Ok(control) = sys::inherited(0) {
        drop(wire::send(
            control,
            &FromKeeper::Refused {
                reason: error.to_string(),
            },
            &[],
        ));
    }
}

/// Waits for a child, whichever, without blocking, until none is dead.
fn reap_all() -> Vec<i32> {
    let mut dead = Vec::new();
    while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
        dead.push(pid.as_raw_nonzero().get());
    }
    dead
}

//! The gVisor tier: a unit that is alone with a kernel of its own.
//!
//! The sandbox stands before the interpreter starts, so that nothing is entered here. What is raised inside is
//! what that kernel offers: a program that gets hold of it has to get out of it still, but one that cannot
//! make the calls in question does not even begin.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use wire::{Limits, Tier};

use super::{HOST_NAME, JOB, ROOM_BYTES, Status};
use crate::sys;
use crate::walls::limits::{Bounds, Kernel};
use crate::walls::seccomp::{self, Filter};
use crate::walls::{Doing, WallError, limits, read_into, template, verify, verify_no_interface};

/// Raises every wall of this kernel's on this process, verifies it, and says how that went. The job's socket
/// is in its place; standard input comes over it.
///
/// # Errors
///
/// The first wall that does not stand. The process must end then.
pub fn stand_alone(walls: &Limits) -> Result<(), WallError> {
    let job = sys::inherited(JOB).doing("find the job's socket")?;
    let raised = raise(job, walls);
    let said = match &raised {
        Ok(()) => vec![wire::job::READY],
        Err(error) => wire::job::failed(error),
    };
    rustix::io::write(job, &said).doing("say how the walls stand")?;
    raised
}

fn raise(job: BorrowedFd<'_>, walls: &Limits) -> Result<(), WallError> {
    let is_gvisor = sys::kernel_log().is_ok_and(|log| log.contains("gVisor"));
    verify(is_gvisor, "that this kernel is gVisor")?;
    let stdin = standard_input(job)?;
    sys::place_at(stdin.as_fd(), 0).doing("place standard input")?;
    drop(stdin);
    let work = format!("{}/work", template::BOX);
    rustix::process::chdir(work).doing("enter the run's box")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let bounds = Bounds {
        data_bytes_max: None,
        processes: true,
        kernel: Kernel::Sandbox,
    };
    // This kernel counts the time in which a thread waits for the host's processor as if it had it, for each thread:
    // it may seem to have used as much as all that there may be.
    let tasks_max = walls.processes_max.saturating_add(1);
    let seconds_max = walls.cpu_seconds_max.saturating_mul(tasks_max);
    let walls = &Limits {
        cpu_seconds_max: seconds_max.saturating_add(seconds_used()),
        ..*walls
    };
    limits::raise(walls, bounds)?;
    sys::close_from(JOB.unsigned_abs() + 1).doing("close every other descriptor")?;
    sys::unblock_signals();
    // It has no call by which anything could be entered, but the filter is the one of all tiers.
    let filter = Filter::compile(Tier::Gvisor, true)?;
    filter.raise_in_zygote()?;
    filter.raise()?;
    stands(walls, bounds)
}

/// Processor time that this process has used to warm, which is not its program's. Whole seconds, and one more
/// for what is left over.
fn seconds_used() -> u32 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u32::try_from(used.tv_sec).unwrap_or(0).saturating_add(1)
}

/// What the keeper has put beside its one word.
fn standard_input(job: BorrowedFd<'_>) -> Result<OwnedFd, WallError> {
    let (_, stdin) =
        wire::job::receive_words(job, &mut [0], RecvFlags::empty()).doing("take standard input")?;
    stdin
        .ok_or_else(|| std::io::Error::other("it did not come"))
        .doing("take standard input")
}

/// Reads every wall back, from inside.
fn stands(walls: &Limits, bounds: Bounds) -> Result<(), WallError> {
    limits::stand(walls, bounds)?;
    seccomp::stands()?;
    let mut room = [0; ROOM_BYTES];
    let status = Status::read(&mut room)?;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd"] {
        verify(status.is_none(set), "capabilities")?;
    }
    verify(status.field("Seccomp") == Some("2"), "seccomp")?;
    verify(status.field("Pid") == Some("1"), "the sandbox")?;
    verify(
        status.field("Threads") == Some("1"),
        "that there is one thread",
    )?;
    status.verify_no_other_descriptors()?;
    let no_new_privs = rustix::thread::no_new_privs().doing("ask for no_new_privs")?;
    verify(no_new_privs, "no_new_privs")?;
    let made = rustix::fs::mkdir(c"/made", Mode::empty());
    verify(
        matches!(made, Err(Errno::ROFS | Errno::ACCESS)),
        "the read-only root",
    )?;
    let name = rustix::system::uname();
    verify(name.nodename() == HOST_NAME, "the host name")?;
    let interfaces = read_into(c"/proc/net/dev", &mut room).doing("list interfaces")?;
    verify_no_interface(interfaces)
}

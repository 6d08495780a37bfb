//! The Landlock tier: a unit on a host that forbids namespaces.
//!
//! It stays among the host's files and processes. What it may do there is Landlock's and the filter's
//! to say; it is found and ended by its process group, which nothing in it can leave; and the keeper is
//! asked for each process that it wants to make, since the kernel counts those of the whole user.

use rustix::io::Errno;
use rustix::process::Signal;

use super::{ROOM_BYTES, Run, Status, Walls, be_countable, device_is_refused, folders};
use crate::sys;
use crate::walls::landlock::{self as rules, HOST, SELF};
use crate::walls::{Doing, WallError, capabilities, limits, seccomp, verify};

/// How nice a run is to the rest of the host, at least; the filter keeps it so.
const NICENESS: i32 = 5;

/// Raises every wall of the tier on this process and verifies it.
pub(super) fn on_the_host(run: Run, walls: &Walls) -> Result<(), WallError> {
    // The filter sees to it that this cannot be taken back.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("die with the zygote")?;
    let parent = rustix::process::getppid();
    verify(parent == Some(walls.zygote), "that the zygote is alive")?;
    run.place()?;
    // A process group of the run's own, by which all of it is found and ended; and no terminal.
    rustix::process::setsid().doing("make a session")?;
    // Behind the keeper and the watch, which have to be quick where the kernel bounds less.
    let niceness = rustix::process::getpriority_process(None).doing("see how nice it is")?;
    rustix::process::setpriority_process(None, niceness.max(NICENESS)).doing("step back")?;
    rustix::process::fchdir(&run.own_box).doing("enter the run's box")?;
    limits::offer_first()?;
    limits::raise(&walls.limits, walls.bounds(false))?;
    capabilities::raise_as_anybody()?;
    let grants = HOST.iter().chain(&SELF).chain(&walls.grants);
    rules::raise(rules::ABI_MIN_ALONE, grants)?;
    folders().doing("make the run's folders")?;
    run.close_all_others()?;
    sys::unblock_signals();
    // Before the filter refuses what carries descriptors.
    be_countable(&walls.filter)?;
    walls.filter.raise()?;
    stands(walls)
}

/// Reads every wall back, from inside.
fn stands(walls: &Walls) -> Result<(), WallError> {
    limits::stand(&walls.limits, walls.bounds(false))?;
    seccomp::stands()?;
    seccomp::shared_stands()?;
    let mut room = [0; ROOM_BYTES];
    Status::read(&mut room)?.stands()?;
    device_is_refused()?;
    for (path, what) in [
        (c"/", "Landlock"),
        (c"/proc", "that others are out of sight"),
    ] {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let listed = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
        verify(listed.err() == Some(Errno::ACCESS), what)?;
    }
    let signalled = rustix::process::test_kill_process(walls.zygote);
    verify(
        signalled == Err(Errno::PERM),
        "that no signal reaches the zygote",
    )?;
    let own = rustix::process::getpid();
    verify(
        rustix::process::getpgrp() == own && rustix::process::getsid(None) == Ok(own),
        "the process group",
    )
}

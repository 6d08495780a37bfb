//! The list: every wall of a unit, in order, with the reason for the order.
//!
//! It runs in a fresh fork of a zygote, before any byte of a caller is in the process. Each step
//! is checked; the first that fails ends the unit, and the keeper is told which.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;
use wire::Limits;

use crate::sys;
use crate::walls::seccomp::Filter;
use crate::walls::{Doing, WallError, capabilities, cgroup, landlock, limits, seccomp, template};
use crate::walls::{read_into, user, verify};

/// The host name that every run sees.
pub const HOST_NAME: &CStr = c"hognose";
/// The descriptor number of the job's socket in a unit.
pub const JOB: i32 = 3;

/// Room for what the kernel tells of this process. Bytes; it tells about 1500.
const ROOM_BYTES: usize = 4096;

/// What a unit is given to enter its run.
#[derive(Debug)]
pub struct Entry {
    /// The namespaces it enters: mount, IPC, UTS.
    pub namespaces: [OwnedFd; 3],
    /// The job's socket.
    pub job: OwnedFd,
    /// Standard input, output and error.
    pub streams: [OwnedFd; 3],
    /// The doors of the run's cgroup; none where there is no cgroup.
    pub doors: Vec<OwnedFd>,
    /// Whom to become; 0 for nobody else.
    pub user: u32,
}

/// What is the same for every unit of a zygote.
#[derive(Debug)]
pub struct Walls {
    /// Limits of a process.
    pub limits: Limits,
    /// Most private memory of a process, where no cgroup bounds the run. Bytes.
    pub data_bytes_max: Option<u64>,
    /// The system calls.
    pub filter: Filter,
}

/// Raises every wall on this process and verifies it.
///
/// # Errors
///
/// The first wall that does not stand. The process must end then.
pub fn enter(entry: Entry, walls: &Walls) -> Result<(), WallError> {
    // Before anything is allocated for the run, so that all of it is counted.
    cgroup::join(entry.doors).doing("join the run's cgroup")?;
    // After that, so that the run sees its own cgroup as the root of all.
    sys::unshare(libc::CLONE_NEWCGROUP).doing("make the run's cgroup namespace")?;
    // The PID namespace was entered by being forked into it.
    for namespace in entry.namespaces {
        rustix::thread::move_into_link_name_space(namespace.as_fd(), None)
            .doing("enter the run's namespaces")?;
    }
    let [stdin, stdout, stderr] = &entry.streams;
    for (stream, number) in [(stdin, 0), (stdout, 1), (stderr, 2), (&entry.job, JOB)] {
        sys::place_at(stream.as_fd(), number).doing("place the standard streams")?;
    }
    // No terminal, and a scheduling group of the run's own where the kernel makes them.
    rustix::process::setsid().doing("make a session")?;
    let user = entry.user;
    user::raise(user)?;
    folders().doing("make the run's folders")?;
    limits::raise(&walls.limits, walls.data_bytes_max)?;
    // The capabilities of the new user namespace go before anything could use them; from here on
    // nothing can be got back.
    capabilities::raise()?;
    landlock::raise()?;
    // Descriptors are closed after the last step that opens any; nothing owns one from here on.
    let [stdin, stdout, stderr] = entry.streams;
    for descriptor in [entry.job, stdin, stdout, stderr] {
        let _number = descriptor.into_raw_fd();
    }
    sys::close_from(JOB.unsigned_abs() + 1).doing("close every other descriptor")?;
    sys::unblock_signals();
    // Last, since it refuses the calls of all that went before.
    walls.filter.raise()?;
    // A process like this one, confined as this one, out of the program's sight.
    let holder = sys::hold_memory().doing("make the process that holds the memory")?;
    verify(
        holder == seccomp::HOLDER,
        "the number of the process that holds the memory",
    )?;
    landlock::set_apart()?;
    stands(walls, user)
}

fn folders() -> io::Result<()> {
    rustix::process::umask(Mode::empty());
    rustix::process::chdir(template::BOX)?;
    for (name, mode) in [(c"tmp", 0o1777), (c"shm", 0o1777), (c"work", 0o755)] {
        rustix::fs::mkdir(name, Mode::from_raw_mode(mode))?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(rustix::process::chdir(c"work")?)
}

/// Reads every wall back, from inside.
fn stands(walls: &Walls, user: u32) -> Result<(), WallError> {
    user::stands(user)?;
    limits::stand(&walls.limits, walls.data_bytes_max)?;
    seccomp::stands()?;
    let mut room = [0; ROOM_BYTES];
    let status = read_into(c"/proc/self/status", &mut room).doing("read our own status")?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(":"))
            .map(str::trim)
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        verify(
            field(set).is_some_and(|set| set.trim_matches('0').is_empty()),
            "capabilities",
        )?;
    }
    verify(field("NoNewPrivs") == Some("1"), "no_new_privs")?;
    verify(field("Seccomp") == Some("2"), "seccomp")?;
    verify(field("Threads") == Some("1"), "that there is one thread")?;
    // The run's first process after its init, and nobody outside to be seen.
    verify(
        field("Pid") == Some("2") && field("PPid") == Some("0"),
        "the PID namespace",
    )?;
    let root = rustix::fs::statvfs(c"/").doing("look at the root")?;
    verify(
        root.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        "the read-only root",
    )?;
    // Anybody may write to this device, but for Landlock.
    let full = rustix::fs::open(c"/dev/full", OFlags::WRONLY, Mode::empty());
    verify(full.err() == Some(Errno::ACCESS), "Landlock")?;
    let name = rustix::system::uname();
    verify(name.nodename() == HOST_NAME, "the UTS namespace")?;
    let cgroup = read_into(c"/proc/self/cgroup", &mut room).doing("read our own cgroup")?;
    verify(
        cgroup
            .lines()
            .all(|line| line.ends_with(":/") || !line.contains("hognose")),
        "the cgroup namespace",
    )?;
    let is_there = |path: &CStr| rustix::fs::stat(path).err() != Some(Errno::NOENT);
    verify(
        !is_there(c"/proc/3"),
        "that the process that holds the memory is out of sight",
    )?;
    verify(!is_there(c"/proc/sys"), "the run's own /proc")?;
    let descriptors = count_descriptors().doing("count our descriptors")?;
    // 0 to 3, and the one that counts.
    verify(descriptors == 5, "that there are no other descriptors")
}

fn count_descriptors() -> io::Result<usize> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty())?;
    let mut room = [MaybeUninit::uninit(); ROOM_BYTES];
    let mut entries = RawDir::new(folder, &mut room);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        count += usize::from(![c".", c".."].contains(&entry.file_name()));
    }
    Ok(count)
}

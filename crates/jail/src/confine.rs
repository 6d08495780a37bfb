//! The list: every wall of a unit, in order, with the reason for the order.
//!
//! It runs in a fresh fork of a zygote, before any byte of a caller is in the process. Each step
//! is checked; the first that fails ends the unit, and the keeper is told which.

mod landlock;
mod sandbox;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use wire::Limits;

use crate::sys;
use crate::walls::landlock::{self as rules, Grant};
use crate::walls::limits::{Bounds, Kernel};
use crate::walls::seccomp::Filter;
use crate::walls::{Doing, WallError, capabilities, cgroup, limits, seccomp, template};
use crate::walls::{read_into, user, verify};

pub use self::sandbox::stand_alone;

/// The host name that every run sees.
pub const HOST_NAME: &CStr = c"hognose";
/// The descriptor number of the job's socket in a unit.
pub const JOB: i32 = 3;

/// Namespaces that a unit makes for itself; that of processes is its init's.
const OWN_NAMESPACES: i32 =
    libc::CLONE_NEWCGROUP | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Room for what the kernel tells of this process. Bytes; it tells about 1500.
const ROOM_BYTES: usize = 4096;

/// What a unit is given to enter its run.
#[derive(Debug)]
pub struct Entry {
    /// Where its run takes place.
    pub place: Place,
    /// The run's own files.
    pub own_box: OwnedFd,
    /// The job's socket.
    pub job: OwnedFd,
    /// Standard input, output and error.
    pub streams: [OwnedFd; 3],
    /// The doors of the run's cgroup; none where there is no cgroup.
    pub doors: Vec<OwnedFd>,
    /// Whom to become; 0 for nobody else.
    pub user: u32,
}

/// Where a unit's run takes place.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// In namespaces of its own. It was forked into the one of processes, which has this number.
    Namespaces(u64),
    /// Among the host's files and processes; its own is a folder.
    Host,
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
    /// What may be read and executed of the host's files, where they are not out of sight.
    pub grants: Vec<Grant>,
    /// The zygote, whose end is the unit's.
    pub zygote: Pid,
}

impl Walls {
    /// Whether a cgroup counts the run's memory.
    const fn is_counted(&self) -> bool {
        self.data_bytes_max.is_none()
    }

    const fn bounds(&self, processes: bool) -> Bounds {
        Bounds {
            data_bytes_max: self.data_bytes_max,
            processes,
            kernel: Kernel::Host,
        }
    }
}

/// Raises every wall of the tier on this process and verifies it.
///
/// # Errors
///
/// The first wall that does not stand. The process must end then.
pub fn enter(entry: Entry, walls: &Walls) -> Result<(), WallError> {
    let Entry {
        place,
        own_box,
        job,
        streams,
        doors,
        user,
    } = entry;
    let run = Run {
        own_box,
        job,
        streams,
    };
    match place {
        Place::Namespaces(_) => {
            // Before anything is allocated for the run, so that all of it is counted, but for what the fork itself copied.
            cgroup::join(doors).doing("join the run's cgroup")?;
            in_namespaces(run, user, walls)
        }
        Place::Host => landlock::on_the_host(run, walls),
    }
}

/// Where a program has its files, and what it talks through.
#[derive(Debug)]
struct Run {
    own_box: OwnedFd,
    job: OwnedFd,
    streams: [OwnedFd; 3],
}

impl Run {
    /// Puts each where it belongs.
    fn place(&self) -> Result<(), WallError> {
        let [stdin, stdout, stderr] = &self.streams;
        for (stream, number) in [(stdin, 0), (stdout, 1), (stderr, 2), (&self.job, JOB)] {
            sys::place_at(stream.as_fd(), number).doing("place the standard streams")?;
        }
        Ok(())
    }

    /// Closes all but what was placed. Nothing owns a descriptor from here on.
    fn close_all_others(self) -> Result<(), WallError> {
        let [stdin, stdout, stderr] = self.streams;
        for descriptor in [self.own_box, self.job, stdin, stdout, stderr] {
            let _number = descriptor.into_raw_fd();
        }
        sys::close_from(JOB.unsigned_abs() + 1).doing("close every other descriptor")
    }
}

/// The native tier.
fn in_namespaces(run: Run, user: u32, walls: &Walls) -> Result<(), WallError> {
    // After the cgroup was joined, so that the run sees its own as the root of all. The PID namespace was entered
    // by being forked into it; the user namespace comes last of all, and so owns none of these.
    sys::unshare(OWN_NAMESPACES).doing("make the run's namespaces")?;
    template::specialize(&run.own_box)?;
    run.place()?;
    // No terminal, and a scheduling group of the run's own where the kernel makes them.
    rustix::process::setsid().doing("make a session")?;
    user::raise(user)?;
    rustix::process::chdir(template::BOX).doing("enter the run's box")?;
    folders().doing("make the run's folders")?;
    limits::offer_first()?;
    limits::raise(&walls.limits, walls.bounds(true))?;
    // The capabilities of the new user namespace go before anything could use them; from here on
    // nothing can be got back.
    capabilities::raise()?;
    let grants = rules::OWN_ROOT
        .iter()
        .chain(&rules::PROC)
        .chain(&rules::SELF);
    rules::raise(rules::ABI_MIN, grants)?;
    // Descriptors are closed after the last step that opens any.
    run.close_all_others()?;
    sys::unblock_signals();
    if !walls.is_counted() {
        be_countable(&walls.filter)?;
    }
    // Last, since it refuses the calls of all that went before.
    walls.filter.raise()?;
    // A process like this one, confined as this one, out of the program's sight.
    let holder = sys::hold_memory().doing("make the process that holds the memory")?;
    verify(
        holder.pid() == seccomp::HOLDER,
        "the number of the process that holds the memory",
    )?;
    rules::set_apart()?;
    stands(walls, user)?;
    // Before a program is there, which could write to the memory that it begins in.
    holder
        .wait()
        .doing("wait for the process that holds the memory")
}

/// Lets the watch see all memory of the run, which no cgroup counts.
fn be_countable(filter: &Filter) -> Result<(), WallError> {
    // Of a huge page of which all but a small one is let go, only that one is seen, and the host keeps it all.
    rustix::thread::disable_transparent_huge_pages(true).doing("do without huge pages")?;
    let are_disabled = rustix::thread::transparent_huge_pages_are_disabled();
    verify(
        are_disabled.doing("look at huge pages")?,
        "that there are no huge pages",
    )?;
    // While the watch looks, no process is made. The keeper gets what it is asked on.
    let asks = filter.ask_for_processes()?;
    let job = sys::inherited(JOB).doing("find the job's socket")?;
    wire::job::send_word(job, wire::job::ASKS, asks.as_fd()).doing("have the keeper asked")
}

fn folders() -> io::Result<()> {
    rustix::process::umask(Mode::empty());
    for (name, mode) in [(c"tmp", 0o1777), (c"shm", 0o1777), (c"work", 0o755)] {
        rustix::fs::mkdir(name, Mode::from_raw_mode(mode))?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(rustix::process::chdir(c"work")?)
}

/// Reads every wall back, from inside.
fn stands(walls: &Walls, user: u32) -> Result<(), WallError> {
    user::stands(user)?;
    limits::stand(&walls.limits, walls.bounds(true))?;
    seccomp::stands()?;
    let mut room = [0; ROOM_BYTES];
    let status = Status::read(&mut room)?;
    verify(status.is_none("CapBnd"), "capabilities")?;
    status.stands()?;
    // The run's first process after its init, and nobody outside to be seen.
    verify(
        status.field("Pid") == Some("2") && status.field("PPid") == Some("0"),
        "the PID namespace",
    )?;
    let root = rustix::fs::statvfs(c"/").doing("look at the root")?;
    verify(
        root.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        "the read-only root",
    )?;
    device_is_refused()?;
    let name = rustix::system::uname();
    verify(name.nodename() == HOST_NAME, "the host name")?;
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
    verify(!is_there(c"/proc/sys"), "the run's own /proc")
}

/// Anybody may write to this device, but for Landlock.
fn device_is_refused() -> Result<(), WallError> {
    let full = rustix::fs::open(c"/dev/full", OFlags::WRONLY, Mode::empty());
    verify(full.err() == Some(Errno::ACCESS), "Landlock")
}

/// What the kernel says of this process.
#[derive(Debug)]
struct Status<'a>(&'a str);

impl<'a> Status<'a> {
    fn read(room: &'a mut [u8]) -> Result<Self, WallError> {
        read_into(c"/proc/self/status", room)
            .map(Self)
            .doing("read our own status")
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        let lines = &mut self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
        value.map(str::trim)
    }

    /// Whether a set of capabilities is empty.
    fn is_none(&self, set: &str) -> bool {
        self.field(set)
            .is_some_and(|set| set.trim_matches('0').is_empty())
    }

    /// Fails if more is open than the standard streams and the job's socket.
    ///
    /// Each number is asked for: to list them, the kernel makes a file in `/proc` for each.
    fn verify_no_other_descriptors(&self) -> Result<(), WallError> {
        // How many there can be before the kernel has to make more room.
        let size: Option<i32> = self.field("FDSize").and_then(|size| size.parse().ok());
        let is_all = |size| (0..size).all(|number| sys::is_open(number) == (number <= JOB));
        verify(
            size.is_some_and(|size| size > JOB && is_all(size)),
            "that there are no other descriptors",
        )
    }

    /// What must be said of a unit on the host's kernel; gVisor's says less.
    fn stands(&self) -> Result<(), WallError> {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            verify(self.is_none(set), "capabilities")?;
        }
        verify(self.field("NoNewPrivs") == Some("1"), "no_new_privs")?;
        verify(self.field("Seccomp") == Some("2"), "seccomp")?;
        verify(
            self.field("Threads") == Some("1"),
            "that there is one thread",
        )?;
        self.verify_no_other_descriptors()
    }
}

//! Who says what.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Kind, Setup};

/// The kernel's clock that only goes forward, which every process of ours sees alike. Microseconds.
#[must_use]
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000
}

/// Names one unit for its whole life. Chosen by the sandbox, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitId(pub u64);

/// What the sandbox asks of the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// The first frame: everything that holds for all units.
    Setup(Box<Setup>),
    /// Prepare a unit of this kind. Answered by [`FromKeeper::Ready`] or [`FromKeeper::Failed`].
    Warm {
        /// Its name.
        unit: UnitId,
        /// What it has imported.
        kind: Kind,
    },
    /// The unit was given its job: watch its memory and count its time from now on.
    Started {
        /// Which.
        unit: UnitId,
        /// When, by [`monotonic_us`].
        at_us: u64,
        /// Whether files of it will be read: [`FromKeeper::Ended`] then says whether that can be at once.
        returns_files: bool,
    },
    /// End the unit, whatever it is doing. Answered by [`FromKeeper::Gone`].
    End {
        /// Which.
        unit: UnitId,
    },
}

/// What the keeper tells the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The template root stands and every zygote is warm. Walls are verified on each unit, so the
    /// first ones show whether this host can raise them.
    Raised {
        /// The walls in force, in the order they are raised.
        walls: Vec<Wall>,
    },
    /// A required wall cannot be raised here. The keeper exits after this.
    Refused {
        /// One sentence: what is missing, and what to do.
        reason: String,
    },
    /// A unit waits for its job. Five descriptors come with it: the job's socket, the writing end
    /// of its standard input, the reading ends of its standard output and error, and its box (the
    /// detached file system whose folder `work` is the workspace).
    Ready {
        /// Which.
        unit: UnitId,
        /// The user that owns its files, where it is not the sandbox's own.
        owner: Option<u32>,
    },
    /// The unit's program ended. Other processes of the run may still be dying.
    Ended {
        /// Which.
        unit: UnitId,
        /// How, and what it used.
        exit: Exit,
        /// What was counted of the run as a whole.
        tally: Tally,
        /// Whether its files are read-only for all of them by now. Where not, or where nobody asked, they
        /// may change until [`FromKeeper::Gone`].
        read_only: bool,
    },
    /// Every process of the unit is dead. The last word about it.
    Gone {
        /// Which.
        unit: UnitId,
    },
    /// The unit could not be prepared, or its zygote died. [`FromKeeper::Gone`] follows.
    Failed {
        /// Which.
        unit: UnitId,
        /// What failed.
        reason: String,
    },
}

/// A wall that stands, for `doctor`, `/health` and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// Its name: `pid namespace`, `landlock`, `seccomp`, …
    pub name: String,
    /// What is in force: `ABI 7`, `cgroup v1`, `214 calls allowed`, …
    pub detail: String,
}

/// What the keeper and its inits ask of a zygote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToZygote {
    /// The first frame: what its units stand on.
    Ground(Ground),
    /// Fork a unit. Descriptors come with it: in the native tier first the PID namespace of the unit's init, which
    /// sends this; then the unit's box, the job's socket, standard input, output and error, and the
    /// doors of its cgroup, if it has one.
    Fork {
        /// Which.
        unit: UnitId,
        /// The user it becomes, as the keeper's user namespace numbers it.
        user: u32,
        /// How many doors there are. Descriptors at the end of a message are lost where there is no room for them.
        doors: u8,
    },
    /// Answer with [`FromZygote::Pong`].
    Ping,
}

/// What units stand on, by tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// A root of the run's own, so that there is nothing to be told.
    Native,
    /// The host's root, of which they may use these. What is not there is passed over.
    Landlock {
        /// Files and folders to read.
        readable: Vec<PathBuf>,
        /// Files to read and to execute.
        executable: Vec<PathBuf>,
    },
}

/// What a zygote tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromZygote {
    /// Everything is imported; it waits.
    Waiting,
    /// The answer to [`ToZygote::Ping`].
    Pong,
    /// The unit's process exists. In the Landlock tier its pidfd comes with it.
    Forked {
        /// Which.
        unit: UnitId,
        /// Its process number, as the keeper sees it.
        pid: i32,
        /// By what all processes of the run will be found.
        members: Members,
    },
    /// The unit's process ended; told by the kernel to its parent, not by the process.
    Exited {
        /// Which.
        unit: UnitId,
        /// How, and what it used.
        exit: Exit,
    },
    /// The unit could not be forked.
    Failed {
        /// Which.
        unit: UnitId,
        /// What failed.
        reason: String,
    },
}

/// What the init of a sandbox tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// The run's mounts stand. A descriptor comes with it, its PID namespace, which nobody else could open, since
    /// an init cannot be looked into.
    Mounted,
    /// They do not.
    Failed {
        /// What failed.
        reason: String,
    },
    /// The sandbox ended, and nothing of it is left.
    Exited {
        /// How, as its launcher tells it, and what all of its processes used, from their start on.
        exit: Exit,
    },
}

/// What was counted of a run as a whole, by its cgroup where it has one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Most memory of all processes and files at once. Bytes; nothing where nobody counts it.
    pub memory_peak_bytes: Option<u64>,
    /// Most processes and threads at once, the program among them; nothing where nobody counts them.
    pub processes_peak: Option<u32>,
    /// Whether the kernel or the watch killed a process of it, not always the program, for its memory.
    pub out_of_memory: bool,
    /// Whether the kernel refused it a process or thread.
    pub out_of_processes: bool,
    /// Whether the kernel killed the program for its processor time.
    pub out_of_cpu: bool,
    /// Whether the watch killed it for what its files take. Where the run has a file system of its own,
    /// that tells itself.
    pub out_of_disk: bool,
}

/// How a process ended, as the kernel tells its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal number, if a signal killed it.
    pub signal: Option<i32>,
    /// Processor time, user and system, with the children it waited for. Microseconds.
    pub cpu_us: u64,
    /// Largest resident set, of the process or a child it waited for. Bytes.
    pub memory_peak_bytes: u64,
}

/// What the keeper asks of the watch, the process that looks at memory where no cgroup bounds it, and
/// at files where they have no file system of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWatch {
    /// Look at this run. Answered by [`FromWatch::Seen`].
    Look(Run),
}

/// What the watch tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWatch {
    /// It has looked at a run.
    Seen {
        /// Which.
        unit: UnitId,
        /// Of what it uses more than it may.
        over: Option<Over>,
    },
}

/// What a process that counted locks tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksSeen {
    /// The runs that have too many.
    pub over: Vec<Members>,
}

/// What a run has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    /// Memory.
    Memory,
    /// Files, in number or in bytes.
    Disk,
    /// Processes and threads.
    Processes,
}

/// By what the processes of a run are found, whatever they did to hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Members {
    /// Their PID namespace, by the kernel's number.
    Namespace(u64),
    /// The same, of a sandbox: they are the sandbox's own, and those of the run are within.
    Sandbox(u64),
    /// Their process group, which none of them can leave.
    Group(i32),
}

/// A run, as the watch finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which.
    pub unit: UnitId,
    /// Its processes.
    pub members: Members,
    /// The only one that it has, where it is known to have made no other.
    pub alone: Option<i32>,
    /// Where its files are.
    pub files: Files,
}

/// The files of a run, as the watch counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Files {
    /// In memory, in a file system of their own that bounds them. So many bytes.
    InMemory(u64),
    /// Below this folder.
    Below(PathBuf),
}

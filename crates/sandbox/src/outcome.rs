//! What a run came to.

use std::time::Duration;

/// What the program did. A program that fails is an outcome, never an error of ours.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// Wall-clock time from the hand-over to the end.
    pub wall: Duration,
    /// The files asked for, in the order asked; empty unless it exited with code 0.
    pub files: Vec<(String, Result<Vec<u8>, FileTrouble>)>,
    /// What it used.
    pub usage: Usage,
    /// The limit that ended it or took something from it.
    pub limit_hit: Option<LimitHit>,
}

/// The signal by which the kernel, and we, end a program.
pub const SIGKILL: i32 = 9;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code, 0 to 255.
    Exited(i32),
    /// A signal killed it (its number): its own doing, or the kernel's.
    Signalled(i32),
    /// The wall clock ran out and it was killed.
    TimedOut,
    /// It was killed for using more memory than the limit.
    OutOfMemory,
    /// Python could not parse it; nothing of it ran. Only for [`crate::Imports::Listed`].
    Unparsable {
        /// Python's own words, one line.
        message: String,
    },
}

/// A limit that a run met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHit {
    /// Wall-clock time: it was killed.
    Wall,
    /// Processor time of one process: the program was killed.
    Cpu,
    /// Memory: the program, or a child of it, was killed.
    Memory,
    /// Processes and threads: one more was refused.
    Processes,
    /// Output: the rest was dropped.
    Output,
    /// Files: there was no more room for bytes or for another file at its end.
    Disk,
}

/// One captured output stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, up to the job's limit.
    pub bytes: Vec<u8>,
    /// Bytes beyond it, which were read and dropped.
    pub dropped: u64,
}

impl Captured {
    /// Bytes that the program wrote to it.
    #[must_use]
    pub fn written(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX) + self.dropped
    }
}

/// Why a file did not come back. The message is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileTrouble {
    /// There is no such file.
    #[error("file not found")]
    Missing,
    /// It is a directory.
    #[error("is a directory, not a file")]
    Directory,
    /// A pipe, a socket or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// A symbolic link, or behind one.
    #[error("is not a regular file: it is a symbolic link, or its folder is one")]
    SymbolicLink,
    /// It has another name as well, which may be outside.
    #[error("is not a regular file of its own: it has more than one name (hard links)")]
    HardLink,
    /// The name leads out of the workspace, or can only be a folder's.
    #[error("file name is not allowed: it must be the relative path of a file, without '..'")]
    NameNotAllowed,
    /// One file is too large.
    #[error("file is too large: {size_bytes} bytes, at most {bytes_max} are returned")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The files together are too large.
    #[error("files are too large together: at most {bytes_max} bytes are returned")]
    TotalTooLarge {
        /// Its size.
        size_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// More names than are looked at.
    #[error("too many files asked for: at most {names_max} are returned")]
    TooManyNames {
        /// The limit.
        names_max: usize,
    },
    /// The kernel refused.
    #[error("file cannot be read")]
    Unreadable,
}

impl FileTrouble {
    /// The file's size where it is known.
    #[must_use]
    pub const fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::TooLarge { size_bytes, .. } | Self::TotalTooLarge { size_bytes, .. } => {
                Some(*size_bytes)
            }
            _ => None,
        }
    }
}

/// What a run used, as the kernel counted it. Nothing where that is not known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, of the program and the children it waited for, from the
    /// hand-over on; too much by at most the time in which the keeper hears of that.
    pub cpu: Option<Duration>,
    /// How long the job waited for a unit, until it was handed over.
    pub queue: Duration,
    /// Most memory of all processes and files at once; without a cgroup the largest resident set
    /// of the program or a child it waited for. Bytes.
    pub memory_peak_bytes: Option<u64>,
    /// Most processes and threads at once, the program among them.
    pub processes_peak: Option<u32>,
    /// Bytes that were written to both streams, kept or dropped.
    pub output_bytes: u64,
}

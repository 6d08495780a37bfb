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
}

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

/// One captured output stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, up to the job's limit.
    pub bytes: Vec<u8>,
    /// Bytes beyond it, which were read and dropped.
    pub dropped: u64,
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
    /// A link, a pipe, a device or a file with two names.
    #[error("is not a regular file")]
    NotRegular,
    /// The name leads out of the workspace, or is not a plain relative path.
    #[error(
        "file name is not allowed: it must be a relative path of plain names, without '.' and '..'"
    )]
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

/// What a run used, as the kernel counted it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, of the program and the children it waited for.
    pub cpu: Duration,
    /// Largest resident set of the program. Bytes.
    pub memory_peak_bytes: u64,
}

//! What is asked of the sandbox.

use std::time::Duration;

use wire::Kind;

/// A program that has passed every check, with all it needs to run.
#[derive(Debug)]
pub struct Job {
    /// The program's text. It is compiled from this string, whatever coding line it has.
    pub code: String,
    /// The whole standard input; empty means end of file at once.
    pub stdin: Vec<u8>,
    /// Files put into the workspace before the program starts; names are single path components.
    pub files: Vec<InputFile>,
    /// Files to bring back, as asked for, each name once. Names may be hostile.
    pub return_files: Vec<String>,
    /// What it may import.
    pub imports: Imports,
    /// The kind of unit that has what it imports.
    pub kind: Kind,
    /// Longest wall-clock time, from the hand-over to the unit.
    pub wall_max: Duration,
    /// Most bytes kept of each of stdout and stderr; what is beyond is counted and dropped.
    pub output_bytes_max: usize,
    /// Bounds on the files that come back.
    pub collect: CollectLimits,
}

/// Bounds on the files that come back from a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectLimits {
    /// Largest single file. Bytes; default 8 MiB.
    pub file_bytes_max: u64,
    /// All files together. Bytes; default 32 MiB.
    pub total_bytes_max: u64,
    /// Most names. Default 64.
    pub names_max: usize,
}

/// A file that comes with the request.
#[derive(Debug)]
pub struct InputFile {
    /// Its name in the workspace: one path component, at most 255 bytes, no NUL, not `.` or `..`.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Which imports the guard inside the run lets through.
///
/// This is a courtesy to callers and a first fence, never the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imports {
    /// The configured list ([`wire::Setup::imports_allowed`]): a public program.
    Listed,
    /// Anything: an admin's program.
    Any,
}

//! What the keeper is told once, at its start.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What stands between a program and the host; a later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Landlock, seccomp and process groups: for hosts that forbid namespaces.
    Landlock,
    /// Namespaces, a root of the run's own, and all that the other one has.
    Native,
    /// All of a run inside gVisor, a kernel of its own outside of which it makes no call.
    Gvisor,
}

impl Tier {
    /// Every tier, strongest first.
    pub const ALL: [Self; 3] = [Self::Gvisor, Self::Native, Self::Landlock];

    /// Its name in settings, answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::Native => "native",
            Self::Gvisor => "gvisor",
        }
    }
}

/// How much a zygote has imported before it forks.
///
/// A program gets the smallest kind that holds what it imports: forking a small process costs a
/// third of forking a large one. What a kind lacks is simply imported the slow way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The allowed modules of the standard library.
    Core,
    /// The same, and numpy.
    Numpy,
    /// The same, and Pillow, reportlab and fpdf.
    Full,
}

impl Kind {
    /// Every kind, smallest first.
    pub const ALL: [Self; 3] = [Self::Core, Self::Numpy, Self::Full];

    /// The smallest that has what a program imports; `imports` tells whether it imports a module.
    pub fn for_imports(imports: impl Fn(&str) -> bool) -> Self {
        if ["PIL", "reportlab", "fpdf"].into_iter().any(&imports) {
            Self::Full
        } else if imports("numpy") {
            Self::Numpy
        } else {
            Self::Core
        }
    }
}

/// Where the parts of the Python that runs programs lie on the host.
///
/// Each becomes a read-only bind in the root that a run sees, at a path that tells nothing of the
/// host: the interpreter below `/usr`, the packages below `/env`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Major and minor version, for instance `(3, 11)`.
    pub version: (u8, u8),
    /// The base interpreter, links resolved: `/usr/bin/python3.11`. Seen as `/usr/bin/python3.11`.
    pub executable: PathBuf,
    /// Its standard library: `/usr/lib/python3.11`. Seen as `/usr/lib/python3.11`.
    pub standard_library: PathBuf,
    /// The environment's packages. Seen as `/env/lib/python3.11/site-packages`.
    pub site_packages: PathBuf,
    /// Folders of shared libraries that interpreter and packages load from, seen at their own paths.
    pub library_folders: Vec<PathBuf>,
    /// Single shared libraries outside those folders (a libpython beside its interpreter), seen
    /// below `/env/lib` by their file names.
    pub library_files: Vec<PathBuf>,
    /// The dynamic loader as the interpreter names it: `/lib64/ld-linux-x86-64.so.2`.
    pub loader: PathBuf,
    /// Time zones, if the host has them: `/usr/share/zoneinfo`. Seen at their own path.
    pub time_zones: Option<PathBuf>,
}

/// Limits that the jail enforces on every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all processes and files of a run together. Bytes; default 512 MiB.
    pub memory_bytes_max: u64,
    /// Child processes and threads beside the program itself. Default 10.
    pub processes_max: u32,
    /// Workspace and temporary files together. Bytes; default 64 MiB.
    pub workspace_bytes_max: u64,
    /// Files and folders in the workspace and the temporary folders. Default 4096.
    pub workspace_files_max: u32,
    /// Processor time of one process. Seconds; default the longest wall clock limit and one more.
    pub cpu_seconds_max: u32,
}

/// Everything the keeper must know before it can raise a wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What programs are walled in with.
    pub tier: Tier,
    /// Where gVisor's program is, if not where packages put it.
    pub runsc: Option<PathBuf>,
    /// A folder of the server's, for runs' files where a tier cannot give them a file system of their own.
    pub scratch: PathBuf,
    /// The Python that programs run on.
    pub runtime: Runtime,
    /// What holds for every run.
    pub limits: Limits,
    /// Top-level modules that a public program may import.
    pub imports_allowed: Vec<String>,
    /// The kinds to hold a zygote for.
    pub kinds: Vec<Kind>,
}

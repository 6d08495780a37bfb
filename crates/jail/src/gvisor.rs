//! gVisor: a kernel of its own for each run, of which the host sees a few calls that memory and time need.
//!
//! ```text
//!   keeper ── clone3 ─► init, pid 1 ── exec ─► runsc run ─┬─► gofer    opens files of the root and the box
//!                         reaps all                       └─► sentry   the run's kernel
//!                                                               └─► stubs   whose code is the run's
//! ```
//!
//! One sandbox a unit, in a user namespace of its own of which no user is the host's root; it dies with its
//! init as every unit does. What a program talks through passes from the keeper into the sandbox: the job's
//! socket as descriptor 0, and over it its standard input; output and error as 1 and 2. Inside, the guest
//! warms as a zygote does, raises the walls that this kernel knows ([`crate::confine::stand_alone`]), and says
//! that it is ready.

pub(crate) mod config;
pub(crate) mod init;

use std::io;
use std::path::{Path, PathBuf};

use crate::walls::{Doing, WallError};

/// Where packages put it.
const PLACES: [&str; 2] = ["/usr/bin/runsc", "/usr/local/bin/runsc"];

/// What to do where it is not there.
pub const REMEDY: &str =
    "install Debian's package `runsc`, or say where it is with the setting `runsc`";

/// What the sandbox, its gofer and its launcher take of memory beside the run's, with what the largest kind
/// of unit has imported. Bytes; 138 MiB were measured, some of which all sandboxes share.
pub const OVERHEAD_BYTES: u64 = 160 << 20;

/// Most threads of the host that a sandbox has, its own and those that run a program's: it has about forty
/// idle. A program's processes are counted inside.
pub(crate) const HOST_TASKS_MAX: u32 = 1024;

/// The user that programs are inside, where the keeper may map one that is not itself.
pub(crate) const USER: u32 = crate::walls::user::NOBODY;

/// Finds gVisor's program: where it is said to be, or where packages put it.
///
/// # Errors
///
/// If it is not there.
pub fn find(said: Option<&Path>) -> Result<PathBuf, WallError> {
    let places = match said {
        Some(said) => vec![said],
        None => PLACES.map(Path::new).to_vec(),
    };
    let found = places.iter().find(|place| place.is_file());
    let names: Vec<_> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    found
        .map(|place| place.to_path_buf())
        .ok_or_else(|| io::Error::other(format!("it is not there: {REMEDY}")))
        .doing(&format!("find runsc ({})", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_missing_it_is_said_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runsc");
        let refusal = find(Some(&path)).unwrap_err().to_string();
        assert!(
            refusal.contains("install Debian's package `runsc`"),
            "{refusal}"
        );
        std::fs::write(&path, "").unwrap();
        assert_eq!(find(Some(&path)).unwrap(), path);
    }
}

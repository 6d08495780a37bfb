//! Landlock: the file system once more, TCP, abstract sockets and signals.
//!
//! A second layer behind mounts and seccomp. All rights that the running kernel's ABI knows are
//! handled, so what is not granted here is refused.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use super::{Doing, WallError};
use crate::sys::{self, LandlockHandled};

/// The least that is accepted: with ABI 3 (Linux 6.2) truncation is covered.
pub const ABI_MIN: i64 = 3;
/// The least where Landlock alone keeps a run from signals and abstract sockets of the host: ABI 6 (Linux 6.12).
pub const ABI_MIN_ALONE: i64 = 6;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_BLOCK: u64 = 1 << 11;
/// Moving and linking from one folder into another.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
/// Rights 0 to 14 came with ABI 1 to 3, device ioctls with ABI 5.
const FILES_ABI_3: u64 = (1 << 15) - 1;
const IOCTL_DEVICE: u64 = 1 << 15;
/// Bind and connect, ABI 4.
const TCP: u64 = 0b11;
/// Abstract unix sockets and signals, ABI 6.
const SCOPES: u64 = 0b11;

const READ: u64 = READ_FILE | READ_DIR;
/// All that a program may do to its own files; no devices, no sockets, no running them.
const OWN: u64 = FILES_ABI_3 & !(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK);
/// On a device: no folder rights may be named.
const DEVICE: u64 = READ_FILE | WRITE_FILE | TRUNCATE;

/// What may be done with a file, or below a folder.
#[derive(Debug, Clone)]
pub struct Grant {
    path: Cow<'static, CStr>,
    rights: u64,
    /// Whether it may be missing, which leaves it refused.
    may_be_missing: bool,
}

/// In a root of the run's own.
pub static OWN_ROOT: [Grant; 7] = [
    Grant::on(c"/", READ_DIR),
    Grant::on(c"/usr", READ | EXECUTE),
    Grant::on(c"/env", READ | EXECUTE),
    Grant::on(c"/etc", READ),
    Grant::on(c"/dev", READ),
    Grant::on(c"/dev/null", DEVICE),
    Grant::on(c"/box", OWN),
];

/// On a host's own files, of what is there for everybody: what C libraries and interpreters read of
/// themselves. The caller is in the folder that is the run's own.
pub static HOST: [Grant; 8] = [
    Grant::on(c".", OWN),
    Grant::on(c"/dev/null", DEVICE),
    Grant::on(c"/dev/full", READ_FILE),
    Grant::on(c"/dev/random", READ_FILE),
    Grant::on(c"/dev/urandom", READ_FILE),
    Grant::where_there(c"/etc/ld.so.cache", READ_FILE),
    Grant::where_there(c"/etc/mime.types", READ_FILE),
    Grant::on(c"/proc/self/fd", READ_DIR),
];

/// The run's own `/proc`, beside [`SELF`].
///
/// Much of what else is in it tells of the host (where files lie, what others send, who has a page), and whoever reads some
/// of it holds the memory of a process that has ended.
pub static PROC: [Grant; 3] = [
    Grant::on(c"/proc", READ_DIR),
    // What the walls are read back from.
    Grant::on(c"/proc/self/cgroup", READ_FILE),
    Grant::on(c"/proc/self/uid_map", READ_FILE),
];

/// Of the program itself, not of its children, and nothing that holds its memory.
pub static SELF: [Grant; 4] = [
    Grant::on(c"/proc/self/maps", READ_FILE),
    Grant::on(c"/proc/self/stat", READ_FILE),
    Grant::on(c"/proc/self/statm", READ_FILE),
    Grant::on(c"/proc/self/status", READ_FILE),
];

impl Grant {
    const fn on(path: &'static CStr, rights: u64) -> Self {
        Self {
            path: Cow::Borrowed(path),
            rights,
            may_be_missing: false,
        }
    }

    const fn where_there(path: &'static CStr, rights: u64) -> Self {
        Self {
            path: Cow::Borrowed(path),
            rights,
            may_be_missing: true,
        }
    }

    /// Reading a file, or below a folder, and executing it if that is asked for.
    ///
    /// # Errors
    ///
    /// If the path holds a NUL.
    pub fn to_read(path: &Path, and_execute: bool) -> io::Result<Self> {
        let rights = match (path.is_dir(), and_execute) {
            (true, _) => READ,
            (false, true) => READ_FILE | EXECUTE,
            (false, false) => READ_FILE,
        };
        let path = CString::new(path.as_os_str().as_bytes())?;
        Ok(Self {
            path: Cow::Owned(path),
            rights,
            may_be_missing: true,
        })
    }
}

/// Raises the wall on this process, for good: `abi_min` is the least ABI that is accepted.
///
/// # Errors
///
/// The kernel's, or a lesser ABI.
pub fn raise<'a, G>(abi_min: i64, grants: G) -> Result<(), WallError>
where
    G: Iterator<Item = &'a Grant>,
{
    let abi = sys::landlock_abi().doing("ask for Landlock")?;
    if abi < abi_min {
        return Err(io::Error::other(format!(
            "the kernel has Landlock ABI {abi}, at least {abi_min} is needed ({})",
            if abi_min > ABI_MIN {
                "Linux 6.12"
            } else {
                "Linux 6.2"
            }
        )))
        .doing("use Landlock");
    }
    let handled = LandlockHandled {
        files: FILES_ABI_3 | if abi >= 5 { IOCTL_DEVICE } else { 0 },
        network: TCP,
        scopes: SCOPES,
    };
    let size = match abi {
        ..4 => 8,
        4..6 => 16,
        _ => 24,
    };
    let ruleset = sys::landlock_ruleset(&handled, size).doing("make a Landlock ruleset")?;
    for given in grants {
        match grant(ruleset.as_fd(), &given.path, given.rights) {
            Err(error) if given.may_be_missing && error.kind() == io::ErrorKind::NotFound => {}
            granted => granted.map_err(|source| WallError {
                doing: format!("grant rights on {}", given.path.to_string_lossy()),
                source,
            })?,
        }
    }
    restrict(ruleset.as_fd())
}

/// Puts this process into a domain within its domain, apart from the process that holds its memory:
/// it cannot see that one in `/proc`, and where the kernel has signal scopes, not end it.
///
/// # Errors
///
/// The kernel's.
pub fn set_apart() -> Result<(), WallError> {
    let scopes = sys::landlock_abi().doing("ask for Landlock")? >= ABI_MIN_ALONE;
    // Something must be handled; the first was refused before. The second is refused by every domain
    // that does not grant it, handled or not.
    let handled = LandlockHandled {
        files: MAKE_BLOCK | REFER,
        network: 0,
        scopes: if scopes { SCOPES } else { 0 },
    };
    let size = if scopes { 24 } else { 8 };
    let ruleset = sys::landlock_ruleset(&handled, size).doing("make a Landlock ruleset")?;
    grant(ruleset.as_fd(), c"/box", REFER).doing("let files move within /box")?;
    restrict(ruleset.as_fd())
}

fn restrict(ruleset: BorrowedFd<'_>) -> Result<(), WallError> {
    sys::landlock_restrict(ruleset).doing("hold the unit to Landlock")
}

fn grant(ruleset: BorrowedFd<'_>, path: &CStr, rights: u64) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let beneath = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    sys::landlock_allow(ruleset, beneath.as_fd(), rights)
}

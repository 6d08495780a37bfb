//! Landlock: the file system once more, TCP, abstract sockets and signals.
//!
//! A second layer behind mounts and seccomp. All rights that the running kernel's ABI knows are
//! handled, so what is not granted here is refused.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{CWD, Mode, OFlags};

use super::{Doing, WallError};
use crate::sys::{self, LandlockHandled};

/// The least that is accepted: with ABI 3 (Linux 6.2) truncation is covered.
pub const ABI_MIN: i64 = 3;

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

/// What may be done below which folder of the run's root.
const GRANTS: [(&CStr, u64); 8] = [
    (c"/", READ_DIR),
    (c"/usr", READ | EXECUTE),
    (c"/env", READ | EXECUTE),
    (c"/etc", READ),
    (c"/proc", READ),
    (c"/dev", READ),
    (c"/dev/null", DEVICE),
    (c"/box", OWN),
];

/// Raises the wall on this process, for good. Takes the paths of the run's root.
///
/// # Errors
///
/// The kernel's, or an ABI below [`ABI_MIN`].
pub fn raise() -> Result<(), WallError> {
    let abi = sys::landlock_abi().doing("ask for Landlock")?;
    if abi < ABI_MIN {
        return Err(io::Error::other(format!(
            "the kernel has Landlock ABI {abi}, at least {ABI_MIN} (Linux 6.2) is needed"
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
    for (path, rights) in GRANTS {
        let granted = grant(ruleset.as_fd(), path, rights);
        granted.map_err(|source| WallError {
            doing: format!("grant rights on {}", path.to_string_lossy()),
            source,
        })?;
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
    let scopes = sys::landlock_abi().doing("ask for Landlock")? >= 6;
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

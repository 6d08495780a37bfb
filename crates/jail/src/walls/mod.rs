//! One file a kernel feature.

pub mod capabilities;
pub mod cgroup;
pub mod landlock;
pub mod limits;
pub mod seccomp;
pub mod template;
pub mod user;

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

/// A wall that could not be raised, or was found missing after it was.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub struct WallError {
    /// What was tried, as a verb: `mount /proc`.
    pub doing: String,
    /// The kernel's answer.
    pub source: io::Error,
}

/// Says what was being done when the kernel refused.
pub trait Doing<T> {
    /// Turns the kernel's answer into a [`WallError`].
    ///
    /// # Errors
    ///
    /// The one it was called on, with what was tried.
    fn doing(self, what: &str) -> Result<T, WallError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, WallError> {
        self.map_err(|error| WallError {
            doing: what.to_owned(),
            source: error.into(),
        })
    }
}

/// Fails unless a wall reads back as it was raised.
///
/// # Errors
///
/// If it does not stand.
pub fn verify(stands: bool, what: &str) -> Result<(), WallError> {
    if stands {
        Ok(())
    } else {
        Err(WallError {
            doing: format!("verify {what}"),
            source: io::Error::other("it does not stand"),
        })
    }
}

/// Fails if the kernel's list of network interfaces, `/proc/self/net/dev`, has any but the loopback.
///
/// # Errors
///
/// If there is one.
pub fn verify_no_interface(list: &str) -> Result<(), WallError> {
    let others = list
        .lines()
        .skip(2)
        .filter(|line| !line.trim_start().starts_with("lo:"));
    verify(others.count() == 0, "that there is no network interface")
}

/// The PID namespace of an init, which calls this: nobody else could open it, since an init cannot be looked into.
///
/// # Errors
///
/// The kernel's.
pub fn own_pid_namespace() -> Result<OwnedFd, WallError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(c"/proc/self/ns/pid", flags, Mode::empty())
        .doing("open the run's PID namespace")
}

/// Writes to a small file of the kernel's that exists. `std::fs::write` would pass `O_CREAT`, for which the kernel
/// locks the folder.
///
/// # Errors
///
/// The kernel's, or that it did not take all of it.
pub fn write_to(path: &CStr, text: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::io::write(file, text.as_bytes())? {
        count if count == text.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Reads a small file of the kernel's into `room`, which must be larger.
///
/// A unit allocates nothing while it raises its walls: what the allocator touches in a fork, the
/// kernel has to copy page by page, and its free lists are all over the place.
///
/// # Errors
///
/// The kernel's, or that the file has no end within `room`, or is no text.
pub fn read_into<'a>(path: &CStr, room: &'a mut [u8]) -> io::Result<&'a str> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let count = rustix::io::read(file, &mut *room)?;
    match room.get(..count) {
        Some(text) if count < room.len() => str::from_utf8(text).map_err(io::Error::other),
        _ => Err(io::Error::other("it is too long")),
    }
}

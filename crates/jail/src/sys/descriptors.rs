//! Descriptors by their numbers, where a process is handed over to another program or to a run.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Closes every descriptor from `first` on.
///
/// # Errors
///
/// The kernel's (before Linux 5.9 there is no such call).
pub fn close_from(first: u32) -> io::Result<()> {
    // No number is higher, and gVisor takes none that is.
    const LAST: u32 = i32::MAX.unsigned_abs();
    // SAFETY: closing descriptors that some `OwnedFd` still names is the caller's intent: it is
    // the last step before handing the process over, and nothing owned is used or dropped after.
    match unsafe { libc::syscall(libc::SYS_close_range, first, LAST, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes descriptor `to` a copy of `from`, not closed on exec.
///
/// # Errors
///
/// The kernel's.
pub fn place_at(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    // SAFETY: `from` is open; what `to` named before is replaced, which is the caller's intent for
    // the numbers 0 to 3 in a process that is about to be handed over.
    match unsafe { libc::dup2(from.as_raw_fd(), to) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether a number is that of an open descriptor, of any kind.
#[must_use]
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD reads a flag of whatever the number names, and fails if it names nothing.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Borrows a descriptor number that the caller knows to be open for the process's whole life.
///
/// # Errors
///
/// `EBADF` if it is not open.
pub fn inherited(number: RawFd) -> io::Result<BorrowedFd<'static>> {
    if !is_open(number) {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, checked above, and belongs to the process rather than to a value: the
    // numbers passed here (standard streams and control sockets) are never closed by us.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_open_is_refused() {
        inherited(1_000_000).unwrap_err();
    }
}

//! Attributes of a tree of mounts.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sets or clears attributes of a mount and all mounts below it.
///
/// # Errors
///
/// The kernel's (before Linux 5.12 there is no such call).
pub fn set_mount_attributes(tree: BorrowedFd<'_>, set: u64) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a live empty C string, `attributes` a live struct of the size passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

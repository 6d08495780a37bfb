//! Landlock's rulesets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What a Landlock ruleset handles; `struct landlock_ruleset_attr` of the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct LandlockHandled {
    /// File system rights.
    pub files: u64,
    /// TCP rights, since ABI 4.
    pub network: u64,
    /// Scopes, since ABI 6.
    pub scopes: u64,
}

#[repr(C, packed)]
struct LandlockBeneath {
    allowed: u64,
    parent: i32,
}

/// The Landlock ABI of the running kernel.
///
/// # Errors
///
/// `ENOSYS` or `EOPNOTSUPP` where it is not built in or not enabled.
pub fn landlock_abi() -> io::Result<i64> {
    const VERSION: u32 = 1;
    // SAFETY: with the version flag the kernel takes a null pointer of size 0 and reads nothing.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<LandlockHandled>(),
            0usize,
            VERSION,
        )
    };
    if abi > 0 {
        Ok(abi)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes a ruleset that refuses all that it handles.
///
/// # Errors
///
/// The kernel's.
pub fn landlock_ruleset(handled: &LandlockHandled, size: usize) -> io::Result<OwnedFd> {
    if size > size_of::<LandlockHandled>() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: `handled` is live and at least `size` long, checked above.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::from_ref(handled),
            size,
            0,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).map_err(io::Error::other)?) })
}

/// Allows rights on a file or below a folder.
///
/// # Errors
///
/// The kernel's: folder rights on a file, unknown rights.
pub fn landlock_allow(
    ruleset: BorrowedFd<'_>,
    beneath: BorrowedFd<'_>,
    allowed: u64,
) -> io::Result<()> {
    const PATH_BENEATH: u32 = 1;
    let rule = LandlockBeneath {
        allowed,
        parent: beneath.as_raw_fd(),
    };
    // SAFETY: `rule` is live and has the packed layout of `landlock_path_beneath_attr` (its size
    // is tested below).
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Holds this process to the ruleset, for good.
///
/// # Errors
///
/// The kernel's: no new privileges must be set.
pub fn landlock_restrict(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes a descriptor and no pointer.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_kernels() {
        assert_eq!(size_of::<LandlockHandled>(), 24);
        assert_eq!(size_of::<LandlockBeneath>(), 12);
    }
}

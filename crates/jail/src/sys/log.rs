//! The kernel's log.

use std::io;

/// What the kernel has logged, as far as it tells anybody.
///
/// # Errors
///
/// `EPERM` where the log is not for everyone.
pub fn kernel_log() -> io::Result<String> {
    const READ_ALL: libc::c_int = 3;
    let mut room = [0_u8; 4096];
    let size = libc::c_int::try_from(room.len()).map_err(io::Error::other)?;
    // SAFETY: the buffer is live and of the length that is passed; this action only reads.
    let count = unsafe { libc::syscall(libc::SYS_syslog, READ_ALL, room.as_mut_ptr(), size) };
    let count = usize::try_from(count).map_err(|_negative| io::Error::last_os_error())?;
    Ok(String::from_utf8_lossy(room.get(..count).unwrap_or_default()).into_owned())
}

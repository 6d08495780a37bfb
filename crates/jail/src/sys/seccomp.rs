//! Filters of system calls, and the questions of one that asks.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND` of the kernel's `linux/seccomp.h`, which are made
/// of the sizes of what they move.
const NOTIF_RECV: libc::c_ulong = 0xC050_2100;
const NOTIF_SEND: libc::c_ulong = 0xC018_2101;

/// Installs a seccomp filter on this process, for good.
///
/// # Errors
///
/// The kernel's: no new privileges must be set, the program must be valid.
pub fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    set_filter(program, 0).map(drop)
}

/// Installs a seccomp filter on this process, for good, and returns the descriptor on which whoever
/// holds it is asked what the filter does not decide.
///
/// # Errors
///
/// As [`install_filter`].
pub fn install_asking_filter(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Once it is heard, who asks is not interrupted by a signal: Python takes no interrupted fork for one to be
    // tried again. Kernels before 5.19 do not know this.
    let fd = set_filter(
        program,
        listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    )
    .or_else(|_| set_filter(program, listener))?;
    // SAFETY: with this flag the kernel made a new descriptor, which nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<RawFd> {
    let head = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `head` names `program`, which is live and of that length; the kernel copies it
    // before it returns and does not write to it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const head,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

/// What an asking filter wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    id: u64,
    /// The thread that asks, and waits.
    pub thread: u32,
    /// It asks for a process, not for a thread of its own.
    pub for_process: bool,
}

impl Question {
    /// What the kernel says of the call that waits. Its arguments are numbers, which nobody can change meanwhile.
    fn of(question: &libc::seccomp_notif) -> Self {
        let [flags, ..] = question.data.args;
        let is_thread = i64::from(question.data.nr) == libc::SYS_clone
            && flags & u64::from(libc::CLONE_THREAD.unsigned_abs()) != 0;
        Self {
            id: question.id,
            thread: question.pid,
            for_process: !is_thread,
        }
    }
}

/// Takes the next question of an asking filter, which is there. `None` if whoever asked was killed meanwhile.
///
/// # Errors
///
/// The kernel's.
pub fn next_question(asks: BorrowedFd<'_>) -> io::Result<Option<Question>> {
    // SAFETY: all zeroes is a valid `seccomp_notif`, a struct of integers, and what the kernel wants.
    let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live variable of the type that this request writes.
    let got = unsafe { libc::ioctl(asks.as_raw_fd(), NOTIF_RECV, &raw mut question) };
    if got == 0 {
        return Ok(Some(Question::of(&question)));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EINTR) => Ok(None),
        _ => Err(error),
    }
}

/// Answers a question: the call goes on, or fails with `EAGAIN`. One whose asker is gone is passed over.
pub fn answer_question(asks: BorrowedFd<'_>, question: Question, goes_on: bool) {
    const CONTINUE: u32 = 1;
    let answer = libc::seccomp_notif_resp {
        id: question.id,
        val: 0,
        error: if goes_on { 0 } else { -libc::EAGAIN },
        flags: if goes_on { CONTINUE } else { 0 },
    };
    // SAFETY: the pointer is to a live variable of the type that this request reads.
    unsafe { libc::ioctl(asks.as_raw_fd(), NOTIF_SEND, &raw const answer) };
}

/// Makes a system call by number with arguments that point nowhere, to see how it is refused.
///
/// Only for numbers that a filter must refuse before the kernel looks at the arguments.
#[must_use]
pub fn refused_with(number: i64) -> Option<i32> {
    // SAFETY: every argument is 0. The calls this is used for (unshare, socket, clone3, ptrace,
    // io_uring_setup) do nothing harmful with zeroes, should the filter let them through: they
    // answer an error, or make a namespace-less no-op.
    let result = unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
    if result == -1 {
        io::Error::last_os_error().raw_os_error()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn layouts_are_the_kernels() {
        assert_eq!(size_of::<libc::seccomp_notif>(), 0x50);
        assert_eq!(size_of::<libc::seccomp_notif_resp>(), 0x18);
    }
}

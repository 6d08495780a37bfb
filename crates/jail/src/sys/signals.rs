//! What a process does about signals.

/// Gives every signal its default disposition and empties the mask.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid disposition for every number; those that cannot be changed
        // answer an error, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    unblock_signals();
}

/// Empties this thread's signal mask.
pub fn unblock_signals() {
    // SAFETY: all zeroes is the empty `sigset_t` on Linux.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `none` is live and initialized; the old set is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Ignores a signal.
pub fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN is a valid disposition and runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Blocks every signal: the mask before.
pub(super) fn block() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid `sigset_t`, which is overwritten below.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `all` is live.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: all zeroes is a valid `sigset_t`, which the call below overwrites.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both are live.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    before
}

/// Makes the mask again what it was before [`block`].
pub(super) fn restore(before: &libc::sigset_t) {
    // SAFETY: `before` is live and initialized; the old set is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

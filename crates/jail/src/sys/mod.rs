//! Every `unsafe` block of the project: one kernel call a function, safe on the outside.
//!
//! What rustix offers as a safe function is not repeated here. Numbers and layouts come from
//! `libc`, or stand here with a test of their size.
#![expect(
    unsafe_code,
    reason = "these kernel calls have no safe wrapper in rustix; each block argues its own case"
)]

mod memory;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::{Pid, PidfdFlags};

pub use memory::{
    PAGES_PINNED_MAX, Pins, gather_arenas, pages_written, private_memory, settle_memory,
    share_one_heap,
};

/// Proof that this process has one thread, so that a forked child may use all of the library.
#[derive(Debug, Clone, Copy)]
pub struct SingleThread(());

impl SingleThread {
    /// Looks at `/proc/self/task`.
    ///
    /// # Errors
    ///
    /// If there is more than one thread, or `/proc` cannot be read.
    pub fn assert() -> io::Result<Self> {
        match std::fs::read_dir("/proc/self/task")?.count() {
            1 => Ok(Self(())),
            count => Err(io::Error::other(format!(
                "{count} threads where one was expected"
            ))),
        }
    }
}

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Side {
    /// The one that forked, with the child's number and descriptor.
    Parent {
        /// The child's number in the caller's PID namespace.
        pid: i32,
        /// A descriptor of the child, closed on exec.
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// Flags of [`clone_process`], as the kernel numbers them.
pub mod clone_flags {
    /// New PID namespace: the child is its process 1.
    pub const NEW_PID: u64 = 0x2000_0000;
    /// New System V and POSIX queue namespace.
    pub const NEW_IPC: u64 = 0x0800_0000;
    /// New host name.
    pub const NEW_UTS: u64 = 0x0400_0000;
    /// New user namespace, which owns those that are made with it.
    pub const NEW_USER: u64 = 0x1000_0000;
    /// New network, of which nobody is part.
    pub const NEW_NET: u64 = 0x4000_0000;
    /// New mount namespace.
    pub const NEW_MOUNTS: u64 = 0x0002_0000;
}

/// Forks with `clone3`, into new namespaces if asked; as the C library does it where nothing new is asked
/// for and there is no such call, as containers have it.
///
/// # Errors
///
/// The kernel's: too many processes, no memory, namespaces forbidden or used up.
pub fn clone_process(proof: SingleThread, namespaces: u64) -> io::Result<Side> {
    match clone_with_pidfd(proof, namespaces) {
        Err(error) if namespaces == 0 && error.raw_os_error() == Some(libc::ENOSYS) => {
            let Some(pid) = fork(proof)? else {
                return Ok(Side::Child);
            };
            // Our own child, not reaped yet: the number can be no other process's.
            let number = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())?;
            Ok(Side::Parent { pid, pidfd })
        }
        cloned => cloned,
    }
}

fn clone_with_pidfd(_proof: SingleThread, namespaces: u64) -> io::Result<Side> {
    const CLONE_PIDFD: u64 = 0x1000;
    let mut pidfd: RawFd = -1;
    let args = libc::clone_args {
        flags: CLONE_PIDFD | namespaces,
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: `args` is a live, fully written `clone_args` of the length we pass, and `pidfd`
    // outlives the call. Without CLONE_VM the child gets a copy of our memory, as with fork; the
    // proof says that no other thread can hold a lock in that copy. The C library's cached thread
    // number is stale in the child, which only matters to pthread calls that the children of this
    // program (the inits and the process that executes the interpreter) never make.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    match pid {
        0 => Ok(Side::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel wrote a new descriptor, which nothing else owns, to `pidfd`.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent {
                pid: i32::try_from(pid).map_err(io::Error::other)?,
                pidfd,
            })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Forks, as the C library does it. `None` in the child, its number in the parent.
///
/// Called inside an interpreter, it does not run what CPython runs around `os.fork`: that makes the
/// locks and the thread state of a process with one thread what they are already, and calls hooks
/// of modules. `guest/unit.py` does the little that is left of it.
///
/// # Errors
///
/// The kernel's: too many processes, no memory.
pub fn fork(_proof: SingleThread) -> io::Result<Option<i32>> {
    // SAFETY: the proof says that no other thread can hold a lock in the child's copy of memory,
    // and the C library's own state of the child is seen to by its `fork`.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process at once: no destructors, no exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no requirement; it does not return.
    unsafe { libc::_exit(code) }
}

/// Reaps a dead child, if it is dead.
///
/// # Errors
///
/// The kernel's: it must be a child of ours.
pub fn reap(pid: i32) -> io::Result<Option<wire::Exit>> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`, a struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of the types that `wait4` writes.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    if reaped < 0 {
        return Err(io::Error::last_os_error());
    }
    if reaped == 0 {
        return Ok(None);
    }
    Ok(Some(exit_of(status, &usage)))
}

/// Waits for the next child to die, and reaps it; `None` when there is none.
///
/// # Errors
///
/// The kernel's.
pub fn reap_any() -> io::Result<Option<(i32, wire::Exit)>> {
    loop {
        let mut status = 0;
        // SAFETY: all zeroes is a valid `rusage`, a struct of integers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live variables of the types that `wait4` writes.
        let reaped = unsafe { libc::wait4(-1, &raw mut status, 0, &raw mut usage) };
        if reaped > 0 {
            return Ok(Some((reaped, exit_of(status, &usage))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

fn exit_of(status: libc::c_int, usage: &libc::rusage) -> wire::Exit {
    let micros = |t: libc::timeval| {
        u64::try_from(t.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_usec).unwrap_or(0)
    };
    wire::Exit {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        memory_peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

/// Processor time that a process has used, without its children. Microseconds; nothing if it is gone.
pub fn processor_time(pid: i32) -> Option<u64> {
    const CPUCLOCK_SCHED: libc::clockid_t = 2;
    let clock = (!pid << 3) | CPUCLOCK_SCHED;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live variable of the type that it writes; it changes nothing else.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    Some(seconds.ok()? * 1_000_000 + nanos.ok()? / 1000)
}

/// The process group of a process, which is 0 where that is of an outer PID namespace or none; nothing if it is gone.
///
/// `rustix` takes no 0 for a group.
pub fn process_group(pid: i32) -> Option<i32> {
    // SAFETY: it takes and returns a number.
    let group = unsafe { libc::getpgid(pid) };
    (group >= 0).then_some(group)
}

/// Whether two processes have the same memory, not only equal. `false` where that cannot be told.
pub fn share_memory(one: i32, other: i32) -> bool {
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: it takes numbers only and changes nothing.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) == 0 }
}

/// Leaves the namespaces named by the flags (`CLONE_NEW…`) for new ones.
///
/// # Errors
///
/// The kernel's, where namespaces are forbidden or used up.
pub fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: none of the `CLONE_NEW…` flags changes what memory or descriptors are shared
    // between threads; callers pass only those.
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

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

/// Makes a process that shares this one's memory, does nothing, and lives until it is killed.
///
/// The memory is then freed when that process is killed, not when this one ends, so this one's
/// end, which others wait for, comes sooner by what freeing it takes. It is as confined as this
/// process is when it is made. It has no descriptor, takes no signal, and is no child that an
/// ordinary `wait` sees (its exit signal is none).
///
/// # Errors
///
/// The kernel's.
pub fn hold_memory() -> io::Result<i32> {
    const STACK_BYTES: usize = 16 << 10;
    extern "C" fn hold(_: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the descriptors are this process's own copies; nothing in it uses one.
        unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
        #[expect(clippy::infinite_loop, reason = "it waits until it is killed")]
        loop {
            // SAFETY: takes no argument. It returns only where a signal handler ran, and every
            // signal is blocked; were it to fail, the number written to `errno`, which is shared
            // with the other process, is the worst.
            unsafe { libc::syscall(libc::SYS_pause) };
        }
    }
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let stack = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            STACK_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
            -1,
            0,
        )
    };
    if stack == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the end of the mapping, one past its last byte, which is aligned to a page.
    let top = unsafe { stack.byte_add(STACK_BYTES) };
    // Inherited by the process below: nothing of the handlers in this memory runs twice.
    let before = block_signals();
    // SAFETY: `hold` runs on a stack of its own, which is never unmapped, calls nothing but the
    // kernel, and never returns. The two processes share thread-local storage; `hold` uses none.
    let pid = unsafe { libc::clone(hold, top, libc::CLONE_VM, std::ptr::null_mut()) };
    let result = if pid < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(pid)
    };
    // SAFETY: `before` is the live mask that was written above; the old set is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    result
}

fn block_signals() -> libc::sigset_t {
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

/// Ignores a signal.
pub fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN is a valid disposition and runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

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
/// # Panics
///
/// Never: the number is checked.
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

/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND` of the kernel's `linux/seccomp.h`, which are made
/// of the sizes of what they move.
const NOTIF_RECV: libc::c_ulong = 0xC050_2100;
const NOTIF_SEND: libc::c_ulong = 0xC018_2101;

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

/// Replaces this process by another program.
///
/// # Errors
///
/// Only returns if the kernel refused.
pub fn execute(
    program: &std::ffi::CStr,
    arguments: &[&std::ffi::CStr],
    environment: &[&std::ffi::CStr],
) -> io::Error {
    let pointers = |strings: &[&std::ffi::CStr]| {
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: all three are live, the strings end in NUL and both lists in a null pointer.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_kernels() {
        assert_eq!(size_of::<LandlockHandled>(), 24);
        assert_eq!(size_of::<LandlockBeneath>(), 12);
        assert_eq!(size_of::<libc::seccomp_notif>(), 0x50);
        assert_eq!(size_of::<libc::seccomp_notif_resp>(), 0x18);
    }

    #[test]
    fn a_number_that_is_not_open_is_refused() {
        inherited(1_000_000).unwrap_err();
    }
}

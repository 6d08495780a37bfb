//! Processes: made, ended, reaped, told apart.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::futex;

use super::signals;

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

/// A process that holds another's memory.
#[derive(Debug)]
pub struct Holder {
    pid: i32,
    /// On its stack; not 0 once it has let go of all that it had.
    settled: &'static AtomicU32,
}

impl Holder {
    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it has no descriptor and comes to rest: who can write to its stack before that can have it do something
    /// else, with what it has.
    ///
    /// # Errors
    ///
    /// The kernel's. Without end, should something kill it before.
    pub fn wait(&self) -> io::Result<()> {
        while self.settled.load(Ordering::Acquire) == 0 {
            match futex::wait(self.settled, futex::Flags::PRIVATE, 0, None) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Makes a process that shares this one's memory, does nothing, and lives until it is killed.
///
/// The memory is then freed when that process is killed, not when this one ends, so this one's
/// end, which others wait for, comes sooner by what freeing it takes. It is as confined as this
/// process is when it is made. It takes no signal, is no child that an ordinary `wait` sees (its exit signal is none), and
/// has no descriptor once it was [waited for](Holder::wait).
///
/// # Errors
///
/// The kernel's.
pub fn hold_memory() -> io::Result<Holder> {
    const STACK_BYTES: usize = 16 << 10;
    /// What is above the stack, which must begin at a multiple of 16.
    const WORD_BYTES: usize = 64;
    extern "C" fn hold(settled: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the descriptors are this process's own copies; nothing in it uses one.
        unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
        let settled = settled.cast::<AtomicU32>();
        // SAFETY: `hold_memory` passes its word, which is never unmapped and only used as what it is.
        unsafe { (*settled).store(1, Ordering::Release) };
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: wakes whoever waits for the word, and touches no memory.
        unsafe { libc::syscall(libc::SYS_futex, settled, wake, 1) };
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
    // SAFETY: within the mapping, at a multiple of 64 bytes from its end, which is aligned to a page.
    let word = unsafe { stack.byte_add(STACK_BYTES - WORD_BYTES) };
    // SAFETY: live and zero, since it was just mapped, aligned as just said, and never unmapped.
    let settled: &'static AtomicU32 = unsafe { &*word.cast::<AtomicU32>() };
    // Inherited by the process below: nothing of the handlers in this memory runs twice.
    let before = signals::block();
    // SAFETY: `hold` runs on a stack of its own, below the word, which is never unmapped, calls nothing but the
    // kernel, and never returns. The two processes share thread-local storage; `hold` uses none.
    let pid = unsafe { libc::clone(hold, word, libc::CLONE_VM, word) };
    let result = if pid < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(Holder { pid, settled })
    };
    signals::restore(&before);
    result
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

/// Ends this process at once: no destructors, no exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no requirement; it does not return.
    unsafe { libc::_exit(code) }
}

/// Tells how a child ended, if it is dead, without [reaping](reap) it.
///
/// # Errors
///
/// The kernel's: it must be a child of ours.
pub fn peek_exit(pid: i32) -> io::Result<Option<wire::Exit>> {
    // SAFETY: all zeroes is a valid `siginfo_t` and a valid `rusage`, structs of integers and pointers.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: both pointers are to live variables of the types that the call writes. The C library's `waitid` asks
    // for no usage.
    let asked = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid,
            &raw mut info,
            options,
            &raw mut usage,
        )
    };
    if asked < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel wrote what it writes of a child, or left the zeroes.
    if unsafe { info.si_pid() } == 0 {
        return Ok(None);
    }
    // SAFETY: likewise.
    let status = unsafe { info.si_status() };
    let (code, signal) = match info.si_code {
        libc::CLD_EXITED => (Some(status), None),
        _ => (None, Some(status)),
    };
    Ok(Some(exit_of(code, signal, &usage)))
}

/// Reaps a dead child.
///
/// # Errors
///
/// The kernel's: it must be a child of ours.
pub fn reap(pid: i32) -> io::Result<()> {
    // SAFETY: with null pointers nothing is written.
    let reaped = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    match reaped {
        reaped if reaped < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
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
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
            return Ok(Some((reaped, exit_of(code, signal, &usage))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

fn exit_of(code: Option<i32>, signal: Option<i32>, usage: &libc::rusage) -> wire::Exit {
    let micros = |t: libc::timeval| {
        u64::try_from(t.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_usec).unwrap_or(0)
    };
    wire::Exit {
        code,
        signal,
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

#[cfg(test)]
mod tests {
    use rustix::process::Signal;

    use super::*;

    #[test]
    fn who_holds_memory_has_no_descriptor_when_it_was_waited_for() {
        for _ in 0..200 {
            let holder = hold_memory().unwrap();
            holder.wait().unwrap();
            let pid = holder.pid();
            let left = std::fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
            rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            // SAFETY: it is our child, and nothing else waits for it; no pointer is followed.
            let reaped = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
            assert_eq!((left.unwrap(), reaped), (0, pid));
        }
    }
}

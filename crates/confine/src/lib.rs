//! The walls as the interpreter loads them: a shared library with five functions.
//!
//! `guest/main.py` calls them through `ctypes`; they take and return numbers only. The state lives
//! here, one zygote a process. What they do is [`jail::zygote`]'s. Each returns a negative number
//! where the process must not go on, having said why on standard error.
#![expect(
    unsafe_code,
    reason = "names that the interpreter looks up must not be mangled; no other library exports our prefix"
)]

use std::ffi::c_int;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jail::walls::WallError;
use jail::zygote::{Process, Zygote};
use wire::Limits;

/// Apart from the interpreter's heap: what the zygote writes between two forks breaks the huge pages
/// that both share with all units, and what a unit writes is copied for it page by page.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// In the library's own data, where the allocator's is as well. A thread's would be in the interpreter's heap.
static ZYGOTE: Mutex<Option<Zygote>> = Mutex::new(None);

/// Before anything is imported: the interpreter's memory is to be cheap to fork.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_gather() -> c_int {
    answer(jail::zygote::gather().map(|()| 0))
}

/// Everything is imported: settles it. The numbers are those of [`wire::Limits`], in its
/// order, and the most private bytes of a process (0 where a cgroup bounds the run).
#[unsafe(no_mangle)]
pub extern "C" fn hognose_open(
    memory_bytes_max: u64,
    processes_max: u32,
    workspace_bytes_max: u64,
    workspace_files_max: u32,
    cpu_seconds_max: u32,
    data_bytes_max: u64,
) -> c_int {
    let limits = Limits {
        memory_bytes_max,
        processes_max,
        workspace_bytes_max,
        workspace_files_max,
        cpu_seconds_max,
    };
    let opened = Zygote::new(limits, (data_bytes_max > 0).then_some(data_bytes_max));
    answer(opened.map(|zygote| {
        *hold() = Some(zygote);
        0
    }))
}

/// Tells the keeper, and forks units: 1 in each of them, behind its walls; 0 in the zygote when the keeper is gone.
///
/// 2 in a fork on trial, which plays a program as units do and then calls [`hognose_end_trial`].
#[unsafe(no_mangle)]
pub extern "C" fn hognose_become_unit() -> c_int {
    let mut zygote = hold();
    let zygote = zygote.as_mut();
    zygote.map_or(-1, |zygote| {
        answer(zygote.become_unit().map(|process| match process {
            Process::Zygote => 0,
            Process::Unit => 1,
            Process::Trial => 2,
        }))
    })
}

/// Ends a fork on trial, whose program has ended with this status.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_end_trial(status: c_int) -> c_int {
    let mut zygote = hold();
    zygote
        .as_mut()
        .map_or(-1, |zygote| zygote.end_trial(status))
}

/// Raises the walls on a unit that is alone in a sandbox: nothing is forked. The numbers are those of
/// [`wire::Limits`], in its order.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_stand_alone(
    memory_bytes_max: u64,
    processes_max: u32,
    workspace_bytes_max: u64,
    workspace_files_max: u32,
    cpu_seconds_max: u32,
) -> c_int {
    let limits = Limits {
        memory_bytes_max,
        processes_max,
        workspace_bytes_max,
        workspace_files_max,
        cpu_seconds_max,
    };
    answer(jail::confine::stand_alone(&limits).map(|()| 0))
}

fn hold() -> MutexGuard<'static, Option<Zygote>> {
    ZYGOTE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(result: Result<c_int, WallError>) -> c_int {
    result.unwrap_or_else(|error| {
        // If standard error is gone there is nobody to tell.
        drop(writeln!(std::io::stderr(), "hognose zygote: {error}"));
        -1
    })
}

//! Resource limits of one process. What counts for a run as a whole is the cgroup's, or the
//! keeper's watch.

use rustix::process::{Resource, Rlimit};
use wire::Limits;

use super::{Doing, WallError, verify};

/// Largest file. Bytes: above the largest that is returned, so that "too large" can be told.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Open descriptors of one process.
const DESCRIPTORS_MAX: u64 = 256;
/// Stack of the main thread. Bytes.
const STACK_BYTES_MAX: u64 = 8 << 20;
/// Locked memory. Bytes.
const LOCKED_BYTES_MAX: u64 = 64 << 10;
/// Pending signals and POSIX timers.
const SIGNALS_PENDING_MAX: u64 = 64;

/// Lowers every limit, hard and soft; nothing in a run can raise them again.
///
/// `data_bytes_max` bounds the private memory of each process where no cgroup bounds the run's.
///
/// # Errors
///
/// The kernel's.
pub fn raise(limits: &Limits, data_bytes_max: Option<u64>) -> Result<(), WallError> {
    for (resource, max) in table(limits, data_bytes_max) {
        let before = rustix::process::getrlimit(resource)
            .maximum
            .unwrap_or(u64::MAX);
        let max = Some(max.min(before));
        rustix::process::setrlimit(
            resource,
            Rlimit {
                current: max,
                maximum: max,
            },
        )
        .doing("lower a resource limit")?;
    }
    Ok(())
}

/// Reads them back.
///
/// # Errors
///
/// If one is higher than it was set.
pub fn stand(limits: &Limits, data_bytes_max: Option<u64>) -> Result<(), WallError> {
    for (resource, max) in table(limits, data_bytes_max) {
        let now = rustix::process::getrlimit(resource);
        verify(now.maximum.is_some_and(|now| now <= max), "resource limits")?;
    }
    Ok(())
}

fn table(limits: &Limits, data_bytes_max: Option<u64>) -> impl Iterator<Item = (Resource, u64)> {
    [
        (Resource::Core, 0),
        (Resource::Cpu, u64::from(limits.cpu_seconds_max)),
        (
            Resource::Fsize,
            FILE_BYTES_MAX.max(limits.workspace_bytes_max),
        ),
        (Resource::Nofile, DESCRIPTORS_MAX),
        // Threads count as processes. Counted by user in the run's own user namespace, where only
        // the program and its children live: the program itself and the process that holds its
        // memory are two more.
        (Resource::Nproc, u64::from(limits.processes_max) + 2),
        (Resource::Stack, STACK_BYTES_MAX),
        (Resource::Memlock, LOCKED_BYTES_MAX),
        (Resource::Sigpending, SIGNALS_PENDING_MAX),
        (Resource::Msgqueue, 0),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ]
    .into_iter()
    .chain(data_bytes_max.map(|max| (Resource::Data, max)))
}

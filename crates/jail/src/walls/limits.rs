//! Resource limits of one process. What counts for a run as a whole is the cgroup's, or the
//! keeper's watch.

use rustix::process::{Resource, Rlimit};
use wire::Limits;

use super::{Doing, WallError, verify, write_to};

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

/// The most that a run can have in one file. Bytes.
#[must_use]
pub fn file_bytes_max(limits: &Limits) -> u64 {
    FILE_BYTES_MAX.max(limits.workspace_bytes_max)
}

/// What the kernel adds to the size of a process when it looks for one to end: as much as there is memory.
const OFFERED_FIRST: &str = "1000";

/// What resource limits bound beside what holds for every process.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most private memory of a process, where no cgroup bounds the run's. Bytes.
    pub data_bytes_max: Option<u64>,
    /// Whether the kernel counts the run's processes apart from all others, so that its limit on them is
    /// one of the run's.
    pub processes: bool,
    /// Whose they are.
    pub kernel: Kernel,
}

/// Which kernel bounds a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The host's.
    Host,
    /// That of the run's own sandbox, which has no more limits than these and counts nobody else's
    /// processes: there is no other user, and nobody holds the program's memory.
    Sandbox,
}

/// Lowers every limit, hard and soft; nothing in a run can raise them again.
///
/// # Errors
///
/// The kernel's.
pub fn raise(limits: &Limits, bounds: Bounds) -> Result<(), WallError> {
    for (resource, max) in table(limits, bounds) {
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

/// Keeps this process and all that it makes from being written to disk when they crash.
///
/// # Errors
///
/// The kernel's.
pub fn leave_no_core() -> Result<(), WallError> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none).doing("lower a resource limit")
}

/// Has the kernel end this process, and those that it makes, before all others where memory runs out.
///
/// That may be the host's, or that of a cgroup around the server. A zygote is larger than most programs, and all
/// of its units go with it.
///
/// # Errors
///
/// The kernel's.
pub fn offer_first() -> Result<(), WallError> {
    write_to(c"/proc/self/oom_score_adj", OFFERED_FIRST)
        .doing("offer the run to be ended first where memory runs out")
}

/// Reads them back.
///
/// # Errors
///
/// If one is higher than it was set.
pub fn stand(limits: &Limits, bounds: Bounds) -> Result<(), WallError> {
    for (resource, max) in table(limits, bounds) {
        let now = rustix::process::getrlimit(resource);
        verify(now.maximum.is_some_and(|now| now <= max), "resource limits")?;
    }
    Ok(())
}

fn table(limits: &Limits, bounds: Bounds) -> impl Iterator<Item = (Resource, u64)> {
    // Threads count as processes. Counted by user in the run's own user namespace, where only the
    // program and its children live: the program itself and the process that holds its memory are two
    // more.
    let ours = match bounds.kernel {
        Kernel::Host => 2,
        Kernel::Sandbox => 1,
    };
    let processes_max = u64::from(limits.processes_max) + ours;
    let of_every_kernel = [
        (Resource::Core, 0),
        (Resource::Cpu, u64::from(limits.cpu_seconds_max)),
        (Resource::Fsize, file_bytes_max(limits)),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Stack, STACK_BYTES_MAX),
        (Resource::Memlock, LOCKED_BYTES_MAX),
    ];
    let of_the_host = [
        (Resource::Sigpending, SIGNALS_PENDING_MAX),
        (Resource::Msgqueue, 0),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ];
    let is_host = bounds.kernel == Kernel::Host;
    let of_the_host = of_the_host.into_iter().filter(move |_| is_host);
    of_every_kernel
        .into_iter()
        .chain(of_the_host)
        .chain(bounds.data_bytes_max.map(|max| (Resource::Data, max)))
        .chain(bounds.processes.then_some((Resource::Nproc, processes_max)))
}

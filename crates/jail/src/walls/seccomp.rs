//! The system calls that a run may make: an allow-list, as data, compiled to a filter.
//!
//! The list is `syscalls/x86_64.txt`. It becomes ranges of equal verdicts and a binary search over
//! them: installing such a filter costs a quarter of a linear one (48 against 220 µs, measured on
//! Linux 6.18).
//!
//! It is raised in two steps, since a filter holds for all forks. The zygote is held to the list and
//! to the few calls by which its forks enter a run; each unit then shuts those out by a second
//! filter of a few instructions. Of two verdicts the kernel takes the stricter one.

mod check;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use libc::sock_filter;
use wire::Tier;

use self::check::Check;
use self::program::{ALLOW, ASK, ERRNO, Verdict, assemble, errno};
use super::{Doing, WallError, verify};
use crate::sys;

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "the list of system calls is written for x86-64; another machine needs one of its own"
);

const LIST: &str = include_str!("../../syscalls/x86_64.txt");

/// Calls of the x32 ABI have this bit; they are refused with everything else above the table.
const X32: u32 = 0x4000_0000;

/// The process that holds the memory of a run: its init is 1, its program 2, and this is the next.
pub const HOLDER: i32 = 3;

/// Largest piece of shared memory without a file, where no cgroup counts it. Bytes.
pub const SHARED_PIECE_BYTES_MAX: u32 = 64 << 10;

const UNKNOWN: Verdict = Verdict::Return(ERRNO | errno(libc::ENOSYS));
const DONE: Verdict = Verdict::Return(ERRNO);
const REFUSED: Verdict = Verdict::Return(ERRNO | errno(libc::EPERM));

/// What a unit calls until all its walls stand, its zygote to make it, and no program ever.
const ENTERING: [i64; 13] = [
    libc::SYS_capset,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_move_mount,
    libc::SYS_pidfd_open,
    libc::SYS_prctl,
    libc::SYS_seccomp,
    libc::SYS_setgroups,
    libc::SYS_setns,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_unshare,
];

/// What puts pages of files into pipes and sockets, where they stay when the file lets go of them. Only
/// a cgroup counts those; without one there are no such calls, and programs copy by hand.
const UNCOUNTED: [i64; 3] = [libc::SYS_splice, libc::SYS_tee, libc::SYS_sendfile];

/// What is refused as well where a run shares the host's files with the server's user, and the host's
/// processes with everybody's. Landlock says nothing of modes and times, and groups of processes are
/// what such a run is ended by.
const SHARED_REFUSED: [i64; 11] = [
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_utimensat,
    libc::SYS_futimesat,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_execveat,
];
/// The same for what keeps files that nobody would see: descriptors on their way, and rules of Landlock, each of
/// which holds its file when that is deleted and closed.
const SHARED_UNKNOWN: [i64; 5] = [
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];
/// The same for what takes room on the disk without writing, quicker than any watch looks, and for the attributes
/// of files that are named: as on a file system that has neither. Where it must, the C library writes instead.
const SHARED_UNSUPPORTED: [i64; 5] = [
    libc::SYS_fallocate,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
];
/// What takes a clock, by its number.
const CLOCKS: [i64; 4] = [
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_timer_create,
];
/// What is not for the process that holds a program's memory. Where nobody does, its number is any child's.
const NOT_THE_HOLDER: [i64; 7] = [
    libc::SYS_sched_setaffinity,
    libc::SYS_setpgid,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
];
/// What makes a process or a thread, for which there the keeper is asked.
const ASKED: [i64; 3] = [libc::SYS_clone, libc::SYS_fork, libc::SYS_vfork];

/// A compiled list.
#[derive(Debug)]
pub struct Filter {
    /// The list, without what it says of the calls by which a unit enters its run, which go through.
    zygote: Vec<sock_filter>,
    /// What the list says of those; all others go through.
    unit: Vec<sock_filter>,
    /// For [`ASKED`]; all others go through.
    asks: Vec<sock_filter>,
    allowed: usize,
}

impl Filter {
    /// Compiles the list for a tier; `counts_all` where a cgroup counts all memory of a run.
    ///
    /// # Errors
    ///
    /// If a line of the list cannot be read; a test keeps that from happening.
    pub fn compile(tier: Tier, counts_all: bool) -> Result<Self, WallError> {
        let doing = "compile the list of system calls";
        let mut verdicts = parse(LIST).doing(doing)?;
        let mut set = |calls: &[i64], verdict| -> io::Result<()> {
            for call in calls {
                verdicts.insert(number(*call)?, verdict);
            }
            Ok(())
        };
        if !counts_all {
            let check = Verdict::Check(Check::MmapCounted);
            set(&[libc::SYS_mmap], check).doing(doing)?;
            set(&UNCOUNTED, UNKNOWN).doing(doing)?;
        }
        let mut entering = ENTERING.to_vec();
        if tier == Tier::Landlock {
            set(&SHARED_REFUSED, REFUSED).doing(doing)?;
            set(&SHARED_UNKNOWN, UNKNOWN).doing(doing)?;
            let unsupported = Verdict::Return(ERRNO | errno(libc::EOPNOTSUPP));
            set(&SHARED_UNSUPPORTED, unsupported).doing(doing)?;
            let own = Verdict::Check(Check::SelfOnly);
            set(&[libc::SYS_sched_setaffinity], own).doing(doing)?;
            set(&CLOCKS, Verdict::Check(Check::ClockOwn)).doing(doing)?;
            let open = Verdict::Check(Check::OpenShared);
            set(&[libc::SYS_open], open).doing(doing)?;
            let openat = Verdict::Check(Check::OpenatShared);
            set(&[libc::SYS_openat], openat).doing(doing)?;
            let prctl = Verdict::Check(Check::PrctlShared);
            set(&[libc::SYS_prctl], prctl).doing(doing)?;
            let also = [
                libc::SYS_setsid,
                libc::SYS_sendmsg,
                libc::SYS_setpriority,
                libc::SYS_landlock_create_ruleset,
                libc::SYS_landlock_add_rule,
                libc::SYS_landlock_restrict_self,
            ];
            entering.extend(also);
        }
        if tier == Tier::Gvisor {
            set(&NOT_THE_HOLDER, Verdict::Return(ALLOW)).doing(doing)?;
        }
        let goes_through = |verdict: &&Verdict| match verdict {
            Verdict::Return(value) => *value == ALLOW,
            Verdict::Check(_) => true,
        };
        let allowed = verdicts.values().filter(goes_through).count();
        let mut unit = BTreeMap::new();
        for call in entering {
            let number = number(call).doing(doing)?;
            let verdict = verdicts.insert(number, Verdict::Return(ALLOW));
            unit.insert(number, verdict.unwrap_or(UNKNOWN));
        }
        let mut asks = BTreeMap::new();
        for call in ASKED {
            asks.insert(number(call).doing(doing)?, Verdict::Return(ASK));
        }
        let others = Verdict::Return(ALLOW);
        Ok(Self {
            zygote: assemble(&verdicts, UNKNOWN).doing(doing)?,
            unit: assemble(&unit, others).doing(doing)?,
            asks: assemble(&asks, others).doing(doing)?,
            allowed,
        })
    }

    /// How many calls go through, some of them with harmless arguments only.
    #[must_use]
    pub const fn allowed(&self) -> usize {
        self.allowed
    }

    /// Holds a zygote and all its forks to the list, but for what a fork enters its run with.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn raise_in_zygote(&self) -> Result<(), WallError> {
        sys::install_filter(&self.zygote).doing("install the zygote's seccomp filter")
    }

    /// Has whoever holds the descriptor asked for each process and thread that this one or a child of
    /// it makes. A zygote's fork does that before [`Filter::raise`].
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn ask_for_processes(&self) -> Result<OwnedFd, WallError> {
        sys::install_asking_filter(&self.asks).doing("install the filter that asks")
    }

    /// Holds a fork of such a zygote to the whole list, for good.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn raise(&self) -> Result<(), WallError> {
        sys::install_filter(&self.unit).doing("install the seccomp filter")
    }
}

fn number(call: i64) -> io::Result<u32> {
    u32::try_from(call).map_err(io::Error::other)
}

/// Tries calls that only the filter refuses in this way.
///
/// # Errors
///
/// If one is answered otherwise.
pub fn stands() -> Result<(), WallError> {
    let refusals = [
        // Shut out by the second step; the others by the first.
        (libc::SYS_unshare, libc::EPERM),
        (libc::SYS_seccomp, libc::ENOSYS),
        (libc::SYS_socket, libc::EAFNOSUPPORT),
        (libc::SYS_clone3, libc::ENOSYS),
        (libc::SYS_io_uring_setup, libc::ENOSYS),
        (i64::from(X32), libc::ENOSYS),
    ];
    for (number, refusal) in refusals {
        verify(
            sys::refused_with(number) == Some(refusal),
            "the seccomp filter",
        )?;
    }
    Ok(())
}

/// The same for what is refused on a host's files and processes only. With arguments that point nowhere
/// the kernel itself answers otherwise.
///
/// # Errors
///
/// As [`stands`].
pub fn shared_stands() -> Result<(), WallError> {
    for number in [libc::SYS_chmod, libc::SYS_utimes, libc::SYS_setsid] {
        verify(
            sys::refused_with(number) == Some(libc::EPERM),
            "the seccomp filter of a shared host",
        )?;
    }
    let sent = sys::refused_with(libc::SYS_sendmsg);
    verify(sent == Some(libc::ENOSYS), "that no descriptor is sent")
}

fn parse(list: &str) -> io::Result<BTreeMap<u32, Verdict>> {
    let mut verdicts = BTreeMap::new();
    for line in list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let bad = || io::Error::other(format!("cannot read the line `{line}`"));
        let mut words = line.split_whitespace();
        let verdict = match words.next().ok_or_else(bad)? {
            "allow" => Verdict::Return(ALLOW),
            "done" => DONE,
            "EPERM" => REFUSED,
            word => {
                let check = word.strip_prefix("check:").and_then(Check::named);
                Verdict::Check(check.ok_or_else(bad)?)
            }
        };
        let name = words.next().ok_or_else(bad)?;
        let call = syscalls::x86_64::Sysno::from_str(name).map_err(|()| bad())?;
        let number = u32::try_from(call.id()).map_err(io::Error::other)?;
        if words.next().is_none() || verdicts.insert(number, verdict).is_some() {
            return Err(bad());
        }
    }
    Ok(verdicts)
}

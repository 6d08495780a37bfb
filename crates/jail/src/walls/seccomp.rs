//! The system calls that a run may make: an allow-list, as data, compiled to a filter.
//!
//! The list is `syscalls/x86_64.txt`. It becomes ranges of equal verdicts and a binary search over
//! them: installing such a filter costs a quarter of a linear one (48 against 220 µs, measured on
//! Linux 6.18).
//!
//! It is raised in two steps, since a filter holds for all forks. The zygote is held to the list and
//! to the few calls by which its forks enter a run; each unit then shuts those out by a second
//! filter of a few instructions. Of two verdicts the kernel takes the stricter one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use libc::sock_filter;
use wire::Tier;

use super::{Doing, WallError, verify};
use crate::sys;

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "the list of system calls is written for x86-64; another machine needs one of its own"
);

const LIST: &str = include_str!("../../syscalls/x86_64.txt");

const ARCHITECTURE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
/// Calls of the x32 ABI have this bit; they are refused with everything else above the table.
const X32: u32 = 0x4000_0000;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
/// The call waits until whoever listens has decided.
const ASK: u32 = 0x7fc0_0000;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
/// The lower half of argument `n`. Most arguments looked at are 32 bits wide in the kernel.
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

/// The process that holds the memory of a run: its init is 1, its program 2, and this is the next.
pub const HOLDER: i32 = 3;

/// Largest piece of shared memory without a file, where no cgroup counts it. Bytes.
pub const SHARED_PIECE_BYTES_MAX: u32 = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Return(u32),
    Check(Check),
}

const UNKNOWN: Verdict = Verdict::Return(ERRNO | errno(libc::ENOSYS));
const REFUSED: Verdict = Verdict::Return(ERRNO | errno(libc::EPERM));

const fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

/// Calls that go through with harmless arguments only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// `clone` without any flag that makes a namespace, or a child of the parent; and of processes
    /// that share descriptors, threads only: record locks outlive their owner otherwise.
    CloneFlags,
    /// `fcntl` commands that copy, read or lock. A lease on a file of the environment would stop
    /// whoever else opens it; locks of open file descriptions have no owner to be counted for.
    FcntlCommand,
    /// `socket`: none, and the answer of a kernel without the family.
    SocketNone,
    /// Signals to anyone but the process that holds the memory, which the program is not to know of.
    SignalTarget,
    /// `sendto` without an address.
    SendtoAddress,
    /// `socketpair` of `AF_UNIX`, connected for good: a datagram socket could be given a name.
    SocketpairKind,
    /// `setsockopt` of what does not reach beyond the socket and takes no memory.
    SocketOption,
    /// `prctl` options that name a thread or only read. Not those that name memory: the watch knows
    /// shared memory by the kernel's name for it.
    PrctlOption,
    /// `ioctl` numbers of pipes, terminals that are none, and descriptors' flags.
    IoctlNumber,
    /// `mmap` but of the pages that a host keeps apart, which no group for memory and no limit counts.
    MmapFlags,
    /// The same, and of memory that processes share and no file has in small pieces only. Without a cgroup
    /// it is counted by its pieces, since pages that leave the page tables are seen nowhere else.
    MmapCounted,
    /// The same without those about the caller's death and whether others may look into it, by which
    /// the keeper and the watch reach a run that has no PID namespace.
    PrctlShared,
    /// What names the caller by 0 and nobody else.
    SelfOnly,
    /// `prlimit64` of the caller.
    PrlimitTarget,
    /// `open` to read, to write or both. The fourth mode is neither, so that Landlock lets it through, and runs
    /// the open of whatever driver is behind the path.
    OpenMode,
    /// `openat` of the same.
    OpenatMode,
    /// `preadv2` that waits for its bytes, and leaves what it read where it was: else it would tell what of a file
    /// the host has in memory, and so what other runs have read.
    Preadv2Flags,
    /// `fadvise` of what is kept. That a file will not be needed is heard and forgotten, since it may be one that other
    /// runs read.
    FadviseAdvice,
    /// `madvise` of what is kept, as above.
    MadviseAdvice,
    /// `mknod` of a plain file or a fifo.
    MknodMode,
    /// `mknodat` of the same.
    MknodatMode,
}

impl Check {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "clone_flags" => Self::CloneFlags,
            "socket_none" => Self::SocketNone,
            "signal_target" => Self::SignalTarget,
            "sendto_address" => Self::SendtoAddress,
            "socketpair_kind" => Self::SocketpairKind,
            "socket_option" => Self::SocketOption,
            "fcntl_command" => Self::FcntlCommand,
            "prctl_option" => Self::PrctlOption,
            "ioctl_number" => Self::IoctlNumber,
            "prlimit_target" => Self::PrlimitTarget,
            "preadv2_flags" => Self::Preadv2Flags,
            "fadvise_advice" => Self::FadviseAdvice,
            "mmap_flags" => Self::MmapFlags,
            "madvise_advice" => Self::MadviseAdvice,
            "mknod_mode" => Self::MknodMode,
            "mknodat_mode" => Self::MknodatMode,
            _ => return None,
        })
    }

    fn code(self) -> Vec<sock_filter> {
        match self {
            Self::CloneFlags => {
                // NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, and PARENT: a
                // child of the zygote's that the zygote does not know would not be reaped. The bit
                // of NEWTIME is part of the exit signal here, and no signal has it.
                const REFUSED_FLAGS: u32 = 0x7E02_8080;
                vec![
                    load(argument(0)),
                    branch(IF_ANY_BIT, REFUSED_FLAGS, 2, 0),
                    branch(IF_ANY_BIT, libc::CLONE_THREAD.unsigned_abs(), 2, 0),
                    branch(IF_ANY_BIT, libc::CLONE_FILES.unsigned_abs(), 0, 1),
                    give(ERRNO | errno(libc::EPERM)),
                    give(ALLOW),
                ]
            }
            Self::SocketNone => vec![give(ERRNO | errno(libc::EAFNOSUPPORT))],
            Self::SignalTarget => vec![
                load(argument(0)),
                branch(IF_EQUAL, HOLDER.unsigned_abs(), 0, 1),
                give(ERRNO | errno(libc::ESRCH)),
                give(ALLOW),
            ],
            Self::SendtoAddress => vec![
                // A pointer: both halves must be zero.
                load(argument(4)),
                branch(IF_EQUAL, 0, 0, 3),
                load(argument(4) + 4),
                branch(IF_EQUAL, 0, 0, 1),
                give(ALLOW),
                give(ERRNO | errno(libc::EPERM)),
            ],
            Self::SocketpairKind => vec![
                load(argument(0)),
                branch(IF_EQUAL, libc::AF_UNIX.unsigned_abs(), 0, 5),
                load(argument(1)),
                // Without the flags that may be added to the type.
                and(0xf),
                branch(IF_EQUAL, libc::SOCK_STREAM.unsigned_abs(), 1, 0),
                branch(IF_EQUAL, libc::SOCK_SEQPACKET.unsigned_abs(), 0, 1),
                give(ALLOW),
                give(ERRNO | errno(libc::EAFNOSUPPORT)),
            ],
            Self::SocketOption => one_of(
                2,
                &[
                    2, 9, 13, // REUSEADDR, KEEPALIVE, LINGER: of no effect on a pair
                    20, 21, 66, 67, // RCVTIMEO and SNDTIMEO, old and new
                ],
                errno(libc::EPERM),
            ),
            Self::FcntlCommand => one_of(
                1,
                &[
                    0, 1, 2, 3, 4, // DUPFD, GETFD, SETFD, GETFL, SETFL
                    5, 6, 7, // GETLK, SETLK, SETLKW
                    1027, 1030, // DUPFD_QUERY, DUPFD_CLOEXEC
                    1031, 1032, // SETPIPE_SZ, GETPIPE_SZ
                ],
                errno(libc::EINVAL),
            ),
            Self::PrctlOption => {
                // PDEATHSIG and DUMPABLE: about the caller only.
                let options: Vec<_> = [1, 2, 3, 4].into_iter().chain(PRCTL_HARMLESS).collect();
                one_of(0, &options, errno(libc::EPERM))
            }
            Self::PrctlShared => one_of(0, &PRCTL_HARMLESS, errno(libc::EPERM)),
            Self::IoctlNumber => one_of(
                1,
                &[
                    0x5401, // TCGETS: isatty
                    0x5413, // TIOCGWINSZ: os.get_terminal_size
                    0x541B, // FIONREAD
                    0x5421, // FIONBIO
                    0x5450, // FIONCLEX
                    0x5451, // FIOCLEX
                ],
                errno(libc::ENOTTY),
            ),
            Self::MmapFlags => [&NO_HUGE_PAGES[..], &[give(ALLOW)]].concat(),
            Self::MmapCounted => {
                let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS).unsigned_abs();
                let small = [
                    and(shared),
                    branch(IF_EQUAL, shared, 0, 5),
                    load(argument(1) + 4),
                    branch(IF_EQUAL, 0, 0, 2),
                    load(argument(1)),
                    branch(IF_AT_LEAST, SHARED_PIECE_BYTES_MAX + 1, 0, 1),
                    give(ERRNO | errno(libc::EPERM)),
                    give(ALLOW),
                ];
                [&NO_HUGE_PAGES[..], &small].concat()
            }
            Self::PrlimitTarget | Self::SelfOnly => one_of(0, &[0], errno(libc::EPERM)),
            Self::OpenMode => open(1),
            Self::OpenatMode => open(2),
            Self::Preadv2Flags => {
                const NOWAIT_OR_DONTCACHE: u32 = 0x88;
                vec![
                    load(argument(5)),
                    branch(IF_ANY_BIT, NOWAIT_OR_DONTCACHE, 0, 1),
                    give(ERRNO | errno(libc::EOPNOTSUPP)),
                    give(ALLOW),
                ]
            }
            Self::FadviseAdvice => vec![
                load(argument(3)),
                branch(IF_EQUAL, libc::POSIX_FADV_DONTNEED.unsigned_abs(), 0, 1),
                // No errno at all: it succeeded.
                give(ERRNO),
                give(ALLOW),
            ],
            Self::MadviseAdvice => vec![
                load(argument(2)),
                branch(IF_EQUAL, libc::MADV_COLD.unsigned_abs(), 1, 0),
                branch(IF_EQUAL, libc::MADV_PAGEOUT.unsigned_abs(), 0, 1),
                give(ERRNO | errno(libc::EINVAL)),
                give(ALLOW),
            ],
            Self::MknodMode => mknod(1),
            Self::MknodatMode => mknod(2),
        }
    }
}

/// Loads the flags of `mmap`, and refuses those for huge pages as a host does that keeps none apart.
const NO_HUGE_PAGES: [sock_filter; 3] = [
    load(argument(3)),
    branch(IF_ANY_BIT, libc::MAP_HUGETLB.unsigned_abs(), 0, 1),
    give(ERRNO | errno(libc::ENOMEM)),
];

/// Options of `prctl` that name a thread or only read, in every tier.
const PRCTL_HARMLESS: [u32; 8] = [
    15, 16, // NAME
    21, // GET_SECCOMP
    23, // CAPBSET_READ
    27, // GET_SECUREBITS
    29, 30, // TIMERSLACK
    39, // GET_NO_NEW_PRIVS
];

fn one_of(at: u32, allowed: &[u32], refusal: u32) -> Vec<sock_filter> {
    let mut code = vec![load(argument(at))];
    for value in allowed {
        code.push(branch(IF_EQUAL, *value, 0, 1));
        code.push(give(ALLOW));
    }
    code.push(give(ERRNO | refusal));
    code
}

fn open(at: u32) -> Vec<sock_filter> {
    let mode = libc::O_ACCMODE.unsigned_abs();
    vec![
        load(argument(at)),
        and(mode),
        branch(IF_EQUAL, mode, 0, 1),
        give(ERRNO | errno(libc::EACCES)),
        give(ALLOW),
    ]
}

fn mknod(at: u32) -> Vec<sock_filter> {
    vec![
        load(argument(at)),
        and(libc::S_IFMT),
        branch(IF_EQUAL, 0, 2, 0),
        branch(IF_EQUAL, libc::S_IFREG, 1, 0),
        branch(IF_EQUAL, libc::S_IFIFO, 0, 1),
        give(ALLOW),
        give(ERRNO | errno(libc::EPERM)),
    ]
}

const fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: LOAD,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Keeps the bits of the mask of what was loaded.
const fn and(mask: u32) -> sock_filter {
    sock_filter {
        code: AND,
        jt: 0,
        jf: 0,
        k: mask,
    }
}

const fn give(verdict: u32) -> sock_filter {
    sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: verdict,
    }
}

const fn branch(code: u16, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code,
        jt: yes,
        jf: no,
        k: value,
    }
}

/// What a unit calls until all its walls stand, its zygote to make it, and no program ever.
const ENTERING: [i64; 9] = [
    libc::SYS_capset,
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
/// which holds its file when that is deleted and closed. And for what opens in a mode that the filter cannot see.
const SHARED_UNKNOWN: [i64; 6] = [
    libc::SYS_openat2,
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
/// Signals, where nobody holds a program's memory: the number is any child's.
const SIGNALS: [i64; 5] = [
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
            let open = Verdict::Check(Check::OpenMode);
            set(&[libc::SYS_open], open).doing(doing)?;
            let openat = Verdict::Check(Check::OpenatMode);
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
            set(&SIGNALS, Verdict::Return(ALLOW)).doing(doing)?;
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

/// The program: architecture, a binary search over ranges, then the checks of arguments. `others` is
/// for the numbers that have no verdict.
fn assemble(verdicts: &BTreeMap<u32, Verdict>, others: Verdict) -> io::Result<Vec<sock_filter>> {
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        branch(IF_EQUAL, ARCHITECTURE, 1, 0),
        give(KILL),
        load(OFFSET_NUMBER),
    ];
    let mut pending = Vec::new();
    search(&mut program, &ranges(verdicts, others), &mut pending)?;
    let mut placed: BTreeMap<Check, usize> = BTreeMap::new();
    for (at, check) in pending {
        let end = program.len();
        let start = *placed.entry(check).or_insert(end);
        if start == end {
            program.extend(check.code());
        }
        let jump = program.get_mut(at).ok_or(io::ErrorKind::InvalidData)?;
        jump.k = u32::try_from(start - at - 1).map_err(io::Error::other)?;
    }
    Ok(program)
}

/// First number of each range of equal verdicts, from 0 on, with the verdict.
fn ranges(verdicts: &BTreeMap<u32, Verdict>, others: Verdict) -> Vec<(u32, Verdict)> {
    let mut ranges = vec![(0, others)];
    let mut push = |first, verdict| {
        if ranges.last().is_some_and(|(at, _)| *at == first) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((first, verdict));
        }
    };
    for (number, verdict) in verdicts {
        push(*number, *verdict);
        push(number + 1, others);
    }
    ranges
}

fn search(
    program: &mut Vec<sock_filter>,
    ranges: &[(u32, Verdict)],
    pending: &mut Vec<(usize, Check)>,
) -> io::Result<()> {
    let middle = ranges.len() / 2;
    let (low, high) = ranges.split_at(middle);
    match (low, high) {
        ([], [(_, Verdict::Return(verdict)), ..]) => program.push(give(*verdict)),
        ([], [(_, Verdict::Check(check)), ..]) => {
            pending.push((program.len(), *check));
            program.push(sock_filter {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: 0,
            });
        }
        (_, [(first, _), ..]) => {
            let at = program.len();
            // Jumps of a branch are 8 bits wide; a plain jump over the lower half is not.
            program.push(branch(IF_AT_LEAST, *first, 0, 1));
            program.push(sock_filter {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: 0,
            });
            search(program, low, pending)?;
            let distance = u32::try_from(program.len() - at - 2).map_err(io::Error::other)?;
            if let Ok(near) = u8::try_from(distance) {
                // Near enough: the branch itself jumps, and the plain jump goes nowhere.
                if let Some(filter) = program.get_mut(at) {
                    filter.jt = near + 1;
                    filter.jf = 1;
                }
            }
            if let Some(filter) = program.get_mut(at + 1) {
                filter.k = distance;
            }
            search(program, high, pending)?;
        }
        (_, []) => return Err(io::ErrorKind::InvalidData.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter says to a call, by running its program.
    fn verdict(program: &[sock_filter], architecture: u32, number: u32, args: [u32; 6]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let filter = program[at];
            at += 1;
            match filter.code {
                LOAD => {
                    value = match filter.k {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCHITECTURE => architecture,
                        // The upper halves of the arguments are zero.
                        offset if (offset - 16) % 8 == 4 => 0,
                        offset => args[usize::try_from((offset - 16) / 8).unwrap()],
                    };
                }
                RETURN => return filter.k,
                JUMP => at += usize::try_from(filter.k).unwrap(),
                AND => value &= filter.k,
                code => {
                    let yes = match code {
                        IF_EQUAL => value == filter.k,
                        IF_AT_LEAST => value >= filter.k,
                        IF_ANY_BIT => value & filter.k != 0,
                        _ => panic!("unknown code"),
                    };
                    at += usize::from(if yes { filter.jt } else { filter.jf });
                }
            }
        }
    }

    /// What both steps say together: the stricter verdict, as the kernel orders them.
    fn both(filter: &Filter, architecture: u32, number: u32, args: [u32; 6]) -> u32 {
        let of = |program| verdict(program, architecture, number, args);
        let (zygote, unit) = (of(&filter.zygote), of(&filter.unit));
        if zygote.cast_signed() < unit.cast_signed() {
            zygote
        } else {
            unit
        }
    }

    fn number(call: i64) -> u32 {
        super::number(call).unwrap()
    }

    #[test]
    fn every_number_gets_the_verdict_of_the_list() {
        let list = parse(LIST).unwrap();
        let filter = Filter::compile(Tier::Native, true).unwrap();
        for number in (0..2000).chain([X32, X32 + 1, u32::MAX]) {
            let got = both(&filter, ARCHITECTURE, number, [1; 6]);
            match list.get(&number).copied().unwrap_or(UNKNOWN) {
                Verdict::Return(expected) => assert_eq!(got, expected, "call {number}"),
                Verdict::Check(check) => {
                    let expected = verdict(&check.code(), 0, 0, [1; 6]);
                    assert_eq!(got, expected, "call {number}");
                }
            }
        }
    }

    #[test]
    fn the_second_step_shuts_out_what_the_first_lets_through() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let entering = ENTERING.map(number);
        for call in (0..2000).filter(|call| *call != number(libc::SYS_prctl)) {
            let of = |program| verdict(program, ARCHITECTURE, call, [1; 6]);
            if entering.contains(&call) {
                assert_eq!(of(&filter.zygote), ALLOW, "call {call}");
                assert_ne!(of(&filter.unit), ALLOW, "call {call}");
            } else {
                assert_eq!(of(&filter.unit), ALLOW, "call {call}");
            }
        }
        // It is installed in every unit.
        assert!(filter.unit.len() < 100, "{}", filter.unit.len());
    }

    #[test]
    fn in_a_sandbox_a_signal_goes_to_any_child_and_nothing_else_differs() {
        let native = Filter::compile(Tier::Native, true).unwrap();
        let sandbox = Filter::compile(Tier::Gvisor, true).unwrap();
        let holder = [HOLDER.unsigned_abs(), 1, 1, 1, 1, 1];
        for call in 0..2000 {
            let of = |filter| both(filter, ARCHITECTURE, call, holder);
            if SIGNALS.map(number).contains(&call) {
                assert_eq!(of(&sandbox), ALLOW, "call {call}");
                assert_ne!(of(&native), ALLOW, "call {call}");
            } else {
                assert_eq!(of(&sandbox), of(&native), "call {call}");
            }
        }
    }

    #[test]
    fn on_the_hosts_files_and_processes_more_is_refused() {
        let filter = Filter::compile(Tier::Landlock, false).unwrap();
        let call = |call, first| {
            let args = [first, 0, 0, 0, 0, 0];
            both(&filter, ARCHITECTURE, number(call), args)
        };
        let refused = ERRNO | errno(libc::EPERM);
        for name in SHARED_REFUSED {
            assert_eq!(call(name, 0), refused, "call {name}");
        }
        for name in SHARED_UNKNOWN {
            let unknown = ERRNO | errno(libc::ENOSYS);
            assert_eq!(call(name, 0), unknown, "call {name}");
        }
        for (option, expected) in [(1, refused), (4, refused), (15, ALLOW), (39, ALLOW)] {
            assert_eq!(call(libc::SYS_prctl, option), expected, "prctl {option}");
        }
        for mode in 0..4 {
            let refused = if mode == 3 {
                ERRNO | errno(libc::EACCES)
            } else {
                ALLOW
            };
            let args = |flags| [0, flags, flags, 0, 0, 0];
            for name in [libc::SYS_open, libc::SYS_openat] {
                let flags = mode | libc::O_CREAT.unsigned_abs();
                assert_eq!(
                    both(&filter, ARCHITECTURE, number(name), args(flags)),
                    refused
                );
            }
        }
        assert_eq!(call(libc::SYS_sched_setaffinity, 0), ALLOW);
        assert_eq!(call(libc::SYS_sched_setaffinity, 1), refused);
        let asks = |call, args| verdict(&filter.asks, ARCHITECTURE, number(call), args);
        for name in ASKED {
            assert_eq!(asks(name, [0; 6]), ASK, "call {name}");
        }
        assert_eq!(asks(libc::SYS_read, [0; 6]), ALLOW);
    }

    #[test]
    fn another_architecture_is_killed() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        assert_eq!(both(&filter, 0x4000_0003, 1, [0; 6]), KILL);
    }

    #[test]
    fn clone_makes_threads_and_processes_but_no_namespaces() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let call = |flags| {
            both(
                &filter,
                ARCHITECTURE,
                number(libc::SYS_clone),
                [flags, 0, 0, 0, 0, 0],
            )
        };
        assert_eq!(call(0x003d_0f00), ALLOW); // pthread_create
        assert_eq!(call(0x0120_0011), ALLOW); // fork
        for bit in [
            0x0000_8000,
            0x0002_0000,
            0x0200_0000,
            0x0400_0000,
            0x0800_0000,
            0x1000_0000,
            0x2000_0000,
        ] {
            assert_eq!(call(bit | 17), ERRNO | errno(libc::EPERM));
        }
    }

    #[test]
    fn mknod_makes_fifos_and_files_but_no_devices() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let call = |mode| {
            both(
                &filter,
                ARCHITECTURE,
                number(libc::SYS_mknod),
                [0, mode, 0, 0, 0, 0],
            )
        };
        for mode in [0o644, libc::S_IFREG | 0o644, libc::S_IFIFO | 0o644] {
            assert_eq!(call(mode), ALLOW);
        }
        for mode in [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFSOCK, libc::S_IFDIR] {
            assert_eq!(call(mode | 0o644), ERRNO | errno(libc::EPERM));
        }
    }

    #[test]
    fn there_are_no_sockets_but_unix_pairs() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let call = |call, domain, kind| {
            both(
                &filter,
                ARCHITECTURE,
                number(call),
                [domain, kind, 0, 0, 0, 0],
            )
        };
        let refused = ERRNO | errno(libc::EAFNOSUPPORT);
        for domain in 0..50 {
            assert_eq!(call(libc::SYS_socket, domain, 1), refused);
            for kind in 0..8 {
                let pair = domain == 1 && (kind == 1 || kind == 5);
                let expected = if pair { ALLOW } else { refused };
                assert_eq!(call(libc::SYS_socketpair, domain, kind), expected);
                assert_eq!(call(libc::SYS_socketpair, domain, kind | 0x80800), expected);
            }
        }
    }

    #[test]
    fn no_lease_is_taken_and_no_buffer_grows() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let call = |call, args| both(&filter, ARCHITECTURE, number(call), args);
        for command in [8, 10, 15, 1024, 1026] {
            let verdict = call(libc::SYS_fcntl, [0, command, 0, 0, 0, 0]);
            assert_eq!(verdict, ERRNO | errno(libc::EINVAL), "fcntl {command}");
        }
        for option in [7, 8, 16, 26, 32, 33, 50] {
            let verdict = call(libc::SYS_setsockopt, [0, 1, option, 0, 0, 0]);
            assert_eq!(verdict, ERRNO | errno(libc::EPERM), "option {option}");
        }
        assert_eq!(call(libc::SYS_fcntl, [0, 1030, 0, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn what_is_sent_on_a_pair_goes_to_its_other_end() {
        let filter = Filter::compile(Tier::Native, true).unwrap();
        let call = |address| {
            let args = [3, 0, 1, 0, address, 0];
            both(&filter, ARCHITECTURE, number(libc::SYS_sendto), args)
        };
        assert_eq!(call(0), ALLOW);
        assert_eq!(call(0x1000), ERRNO | errno(libc::EPERM));
    }

    #[test]
    fn every_line_has_a_reason() {
        assert!(parse(LIST).unwrap().len() > 220);
        parse("allow read").unwrap_err();
        parse("allow no_such_call because").unwrap_err();
        parse("allow read twice\nallow read twice").unwrap_err();
    }
}

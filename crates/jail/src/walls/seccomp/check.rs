//! What the filters ask of the arguments of a call, which they can tell where those are numbers.

use libc::sock_filter;

use super::program::{
    ALLOW, ERRNO, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, and, argument, branch, errno, give, load,
};
use super::{HOLDER, SHARED_PIECE_BYTES_MAX};

/// Of `renameat2`: a character device takes the place of what is moved.
const RENAME_WHITEOUT: i32 = libc::RENAME_WHITEOUT.cast_signed();

/// The first process of every PID namespace.
const FIRST: u32 = 1;

/// Calls that go through with harmless arguments only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// `clone` without any flag that makes a namespace, or a child of the parent; and of processes
    /// that share descriptors, threads only: record locks outlive their owner otherwise.
    CloneFlags,
    /// `fcntl` commands that copy, read or lock, and flags but the one that reads past memory. A lease on a file of
    /// the environment would stop whoever else opens it; locks of open file descriptions have no owner to be counted
    /// for.
    FcntlCommand,
    /// `socket`: none, and the answer of a kernel without the family.
    SocketNone,
    /// Signals, groups and processors for anyone but the process that holds the memory, which the program is not to
    /// know of.
    NotTheHolder,
    /// Processors for anyone but that process and the first, which ends the run and which the kernel lets others move.
    NotOurs,
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
    /// `open` of files as they are kept in memory: past it is the host's disk, for as often as a run asks.
    OpenFlags,
    /// `openat` of the same.
    OpenatFlags,
    /// `open` of the same on the host's file system, where each write could go to the disk as well; and to read, to
    /// write or both. The fourth mode is neither, so that Landlock lets it through, and runs the open of whatever
    /// driver is behind the path.
    OpenShared,
    /// `openat` of the same.
    OpenatShared,
    /// `msync` that has nobody write: what is mapped and what is in the file are the same pages.
    MsyncFlags,
    /// `pwritev2` into memory, from where the host writes it when it will.
    Pwritev2Flags,
    /// `renameat2` that leaves no device in place of what it moves.
    Renameat2Flags,
    /// `preadv2` that waits for its bytes, and leaves what it read where it was: else it would tell what of a file
    /// the host has in memory, and so what other runs have read.
    Preadv2Flags,
    /// `fadvise` of what is kept. That a file will not be needed is heard and forgotten, since it may be one that other
    /// runs read.
    FadviseAdvice,
    /// `madvise` of what is kept, as above; and that equal pages be one for all who have them, which tells by the time
    /// that a write takes that somebody has the same.
    MadviseAdvice,
    /// The clocks of the machine and the caller's own, where processes of others are there as well.
    ClockOwn,
    /// `mknod` of a plain file or a fifo.
    MknodMode,
    /// `mknodat` of the same.
    MknodatMode,
}

impl Check {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "clone_flags" => Self::CloneFlags,
            "socket_none" => Self::SocketNone,
            "not_the_holder" => Self::NotTheHolder,
            "not_ours" => Self::NotOurs,
            "renameat2_flags" => Self::Renameat2Flags,
            "sendto_address" => Self::SendtoAddress,
            "socketpair_kind" => Self::SocketpairKind,
            "socket_option" => Self::SocketOption,
            "fcntl_command" => Self::FcntlCommand,
            "prctl_option" => Self::PrctlOption,
            "ioctl_number" => Self::IoctlNumber,
            "prlimit_target" => Self::PrlimitTarget,
            "open_flags" => Self::OpenFlags,
            "openat_flags" => Self::OpenatFlags,
            "msync_flags" => Self::MsyncFlags,
            "preadv2_flags" => Self::Preadv2Flags,
            "pwritev2_flags" => Self::Pwritev2Flags,
            "fadvise_advice" => Self::FadviseAdvice,
            "mmap_flags" => Self::MmapFlags,
            "madvise_advice" => Self::MadviseAdvice,
            "mknod_mode" => Self::MknodMode,
            "mknodat_mode" => Self::MknodatMode,
            _ => return None,
        })
    }

    pub(super) fn code(self) -> Vec<sock_filter> {
        match self {
            Self::CloneFlags => {
                // NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; PARENT: a child of
                // the zygote's that the zygote does not know would not be reaped; and PIDFD, whose number
                // the host counts on. The bit of NEWTIME is part of the exit signal here, and no signal has it.
                const REFUSED_FLAGS: u32 = 0x7E02_9080;
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
            Self::NotTheHolder => but_the_holder(vec![give(ALLOW)]),
            Self::NotOurs => but_the_holder(vec![
                branch(IF_EQUAL, FIRST, 0, 1),
                give(ERRNO | errno(libc::EPERM)),
                give(ALLOW),
            ]),
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
            Self::FcntlCommand => {
                let commands = one_of(
                    1,
                    &[
                        0, 1, 2, 3, // DUPFD, GETFD, SETFD, GETFL
                        5, 6, 7, // GETLK, SETLK, SETLKW
                        1027, 1030, // DUPFD_QUERY, DUPFD_CLOEXEC
                        1031, 1032, // SETPIPE_SZ, GETPIPE_SZ
                    ],
                    errno(libc::EINVAL),
                );
                let set_flags = [
                    load(argument(1)),
                    branch(IF_EQUAL, libc::F_SETFL.unsigned_abs(), 0, 4),
                ];
                let flags = none_of(2, libc::O_DIRECT, libc::EINVAL);
                [&set_flags[..], &flags, &commands].concat()
            }
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
            Self::OpenFlags => none_of(1, libc::O_DIRECT, libc::EINVAL),
            Self::OpenatFlags => none_of(2, libc::O_DIRECT, libc::EINVAL),
            Self::OpenShared => open_shared(1),
            Self::OpenatShared => open_shared(2),
            Self::Renameat2Flags => none_of(4, RENAME_WHITEOUT, libc::EINVAL),
            Self::MsyncFlags => none_of(2, libc::MS_SYNC, SUCCESS),
            Self::Preadv2Flags => {
                let refused = libc::RWF_NOWAIT | libc::RWF_DONTCACHE;
                none_of(5, refused, libc::EOPNOTSUPP)
            }
            Self::Pwritev2Flags => {
                let refused = libc::RWF_DSYNC | libc::RWF_SYNC | libc::RWF_DONTCACHE;
                none_of(5, refused, libc::EOPNOTSUPP)
            }
            Self::FadviseAdvice => vec![
                load(argument(3)),
                branch(IF_EQUAL, libc::POSIX_FADV_DONTNEED.unsigned_abs(), 0, 1),
                give(ERRNO | errno(SUCCESS)),
                give(ALLOW),
            ],
            Self::MadviseAdvice => vec![
                load(argument(2)),
                branch(IF_EQUAL, libc::MADV_COLD.unsigned_abs(), 2, 0),
                branch(IF_EQUAL, libc::MADV_MERGEABLE.unsigned_abs(), 1, 0),
                branch(IF_EQUAL, libc::MADV_PAGEOUT.unsigned_abs(), 0, 1),
                give(ERRNO | errno(libc::EINVAL)),
                give(ALLOW),
            ],
            Self::ClockOwn => {
                // Of a process: its number, inverted, times 8, and which clock of it; those of 0 are the caller's.
                const OF_A_PROCESS: u32 = 0x8000_0000;
                const OF_THE_CALLER: u32 = 0xFFFF_FFF8;
                vec![
                    load(argument(0)),
                    branch(IF_AT_LEAST, OF_THE_CALLER, 1, 0),
                    branch(IF_AT_LEAST, OF_A_PROCESS, 1, 0),
                    give(ALLOW),
                    give(ERRNO | errno(libc::EINVAL)),
                ]
            }
            Self::MknodMode => mknod(1),
            Self::MknodatMode => mknod(2),
        }
    }
}

/// No error at all: the caller hears that it was done.
const SUCCESS: i32 = 0;

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

/// There is no process that holds the memory, as far as a program may know; `others` decides on the first argument where
/// it names another one.
fn but_the_holder(others: Vec<sock_filter>) -> Vec<sock_filter> {
    let mut code = vec![
        load(argument(0)),
        branch(IF_EQUAL, HOLDER.unsigned_abs(), 0, 1),
        give(ERRNO | errno(libc::ESRCH)),
    ];
    code.extend(others);
    code
}

/// Four instructions.
fn none_of(at: u32, refused_bits: i32, refusal: i32) -> Vec<sock_filter> {
    vec![
        load(argument(at)),
        branch(IF_ANY_BIT, refused_bits.unsigned_abs(), 0, 1),
        give(ERRNO | errno(refusal)),
        give(ALLOW),
    ]
}

fn open_shared(at: u32) -> Vec<sock_filter> {
    let mode = libc::O_ACCMODE.unsigned_abs();
    let neither = [
        load(argument(at)),
        and(mode),
        branch(IF_EQUAL, mode, 0, 1),
        give(ERRNO | errno(libc::EACCES)),
    ];
    // `O_SYNC` has the bit of `O_DSYNC`.
    let flags = none_of(at, libc::O_DIRECT | libc::O_DSYNC, libc::EINVAL);
    [&neither[..], &flags].concat()
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

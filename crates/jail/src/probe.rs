//! What this host offers, for `doctor`: looking and trying, never changing anything.
//!
//! What `/proc` and `/sys` tell is read. What only trying tells (may this user make a user namespace,
//! mount in it, restrict itself?) is tried in a child process that does nothing else: [`attempt`] runs
//! in it and writes one line a step, [`look`] reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount_change,
};
use rustix::thread::UnshareFlags;
use wire::Tier;

use crate::walls::cgroup::{self, Room};
use crate::walls::landlock::{ABI_MIN, ABI_MIN_ALONE};

/// One thing that a wall needs, and how the host stands to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `user namespaces`, `Landlock`.
    pub subject: &'static str,
    /// How the host stands to it.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it, if anything is to be done.
    pub remedy: Option<String>,
}

/// How the host stands to what a wall needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is there and will be used.
    Good,
    /// It is not there, and something else stands in for it.
    Weaker,
    /// It is not there, and without it no program is run.
    Missing,
}

impl Finding {
    fn good(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Good,
            found: found.into(),
            remedy: None,
        }
    }

    fn bad(state: State, subject: &'static str, found: impl Into<String>, remedy: &str) -> Self {
        Self {
            subject,
            state,
            found: found.into(),
            remedy: Some(remedy.to_owned()),
        }
    }
}

/// The namespaces that a run gets, in the order they are tried.
const NAMESPACES: [(&str, UnshareFlags); 6] = [
    ("mount namespaces", UnshareFlags::NEWNS),
    ("PID namespaces", UnshareFlags::NEWPID),
    ("network namespaces", UnshareFlags::NEWNET),
    ("IPC namespaces", UnshareFlags::NEWIPC),
    ("UTS namespaces", UnshareFlags::NEWUTS),
    ("cgroup namespaces", UnshareFlags::NEWCGROUP),
];
/// The namespace that the others are made in.
const USER: &str = "user namespaces";
/// A file system that no path leads to, for a run's files.
const TMPFS: &str = "detached tmpfs";
/// The wall within the kernel's own checks.
const LANDLOCK: &str = "Landlock";
/// The oldest kernel that counts processes by user namespace. Landlock, which is asked for by itself, came as far as is
/// needed with Linux 6.2; some older ones were given it.
const KERNEL_LEAST: (u32, u32) = (5, 14);

/// Tries the walls on the calling process, which must end afterwards, and tells how each step went.
///
/// Run it in a child that has one thread and nothing else to do.
#[must_use]
pub fn attempt() -> String {
    let mut lines = String::new();
    let mut tell = |name: &str, result: Result<(), Errno>| {
        let errno = result.map_or_else(Errno::raw_os_error, |()| 0);
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{name}={errno}");
    };
    tell(USER, enter_user_namespace());
    for (name, flag) in NAMESPACES {
        tell(name, unshare(flag));
    }
    tell(TMPFS, make_tmpfs());
    let abi = crate::sys::landlock_abi().unwrap_or(0);
    // Writing to a string does not fail.
    let _ = writeln!(lines, "{LANDLOCK}={abi}");
    lines
}

/// Leaves the namespaces of the parent.
#[expect(
    deprecated,
    reason = "it is only unsafe with FILES, which is not used here"
)]
fn unshare(flag: UnshareFlags) -> Result<(), Errno> {
    rustix::thread::unshare(flag)
}

/// Makes a user namespace in which this user is root.
fn enter_user_namespace() -> Result<(), Errno> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare(UnshareFlags::NEWUSER)?;
    let write = |path: &str, text: &str| {
        let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        fs::write(path, text).map_err(errno)
    };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {} 1", uid.as_raw()))?;
    write("/proc/self/gid_map", &format!("0 {} 1", gid.as_raw()))
}

/// Makes the kind of file system that a run's files lie on.
fn make_tmpfs() -> Result<(), Errno> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "size", "1m")?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map(drop)
}

/// Looks at the host, with what [`attempt`] told; `tiers` are those that may be used.
#[must_use]
pub fn look(attempted: &str, tiers: &[Tier]) -> Vec<Finding> {
    let steps = steps_of(attempted);
    let hindrance = Hindrance::of_host();
    let mut findings = vec![kernel(&rustix::system::uname().release().to_string_lossy())];
    let landlock_abi = steps.get(LANDLOCK).copied().unwrap_or(0);
    let stands_in = tiers.contains(&Tier::Landlock) && i64::from(landlock_abi) >= ABI_MIN_ALONE;
    findings.extend(namespaces(&steps, hindrance, stands_in));
    findings.push(landlock(steps.get(LANDLOCK).copied()));
    findings.push(seccomp(&read("/proc/sys/kernel/seccomp/actions_avail")));
    findings.push(Cgroup::of_host().finding(rustix::process::geteuid().is_root()));
    findings
}

/// The lines of [`attempt`].
fn steps_of(attempted: &str) -> BTreeMap<&str, i32> {
    attempted
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect()
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    };
    let found = format!("Linux {release}");
    if version >= KERNEL_LEAST {
        return Finding::good("kernel", found);
    }
    let remedy = "hognose needs Linux 6.2 or newer: update the kernel";
    Finding::bad(State::Missing, "kernel", found, remedy)
}

/// What keeps a user from namespaces, as far as the host tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    AppArmor,
    NoneAllowed,
    DebianSwitch,
    Container,
    Unknown,
}

impl Hindrance {
    fn of_host() -> Self {
        let sysctl = |name: &str| read(&format!("/proc/sys/{name}")).trim().to_owned();
        let filtered = read("/proc/self/status")
            .lines()
            .any(|line| line == "Seccomp:\t2");
        if sysctl("user/max_user_namespaces") == "0" {
            Self::NoneAllowed
        } else if sysctl("kernel/unprivileged_userns_clone") == "0" {
            Self::DebianSwitch
        } else if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
            Self::AppArmor
        } else if filtered
            || ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|p| Path::new(p).exists())
        {
            Self::Container
        } else {
            Self::Unknown
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::AppArmor => {
                "AppArmor restricts user namespaces here (Ubuntu 23.10 and newer): as root run `sysctl -w \
                 kernel.apparmor_restrict_unprivileged_userns=0`, or give hognose an AppArmor profile with `userns,`"
            }
            Self::NoneAllowed => {
                "the host allows no user namespaces: as root run `sysctl -w user.max_user_namespaces=15000`"
            }
            Self::DebianSwitch => {
                "the host keeps user namespaces for root: as root run `sysctl -w kernel.unprivileged_userns_clone=1`"
            }
            Self::Container => {
                "the container's profile forbids it: start the container with `--security-opt seccomp=unconfined \
                 --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, or run hognose on the host"
            }
            Self::Unknown => {
                "the kernel refuses it: look for a security policy (SELinux, a systemd unit's \
                 RestrictNamespaces=) that forbids namespaces, and for CONFIG_USER_NS in the kernel's configuration"
            }
        }
    }
}

/// `stands_in` is whether runs are walled in without them where they are missing.
fn namespaces(steps: &BTreeMap<&str, i32>, hindrance: Hindrance, stands_in: bool) -> Vec<Finding> {
    let state = if stands_in {
        State::Weaker
    } else {
        State::Missing
    };
    let names = std::iter::once(USER)
        .chain(NAMESPACES.map(|(name, _)| name))
        .chain([TMPFS]);
    names
        .map(|name| match steps.get(name) {
            Some(0) => Finding::good(name, "available"),
            Some(&errno) => {
                let error = std::io::Error::from_raw_os_error(errno);
                Finding::bad(state, name, format!("refused: {error}"), hindrance.remedy())
            }
            None => Finding::bad(state, name, "the trial was cut short", hindrance.remedy()),
        })
        .collect()
}

fn landlock(abi: Option<i32>) -> Finding {
    let abi = abi.map_or(0, i64::from);
    match abi {
        ABI_MIN_ALONE.. => Finding::good(LANDLOCK, format!("ABI {abi}")),
        ABI_MIN.. => Finding::bad(
            State::Weaker,
            LANDLOCK,
            format!(
                "ABI {abi}: file rules hold, signals and abstract sockets are left to the namespaces"
            ),
            "Linux 6.12 or newer has the whole of it",
        ),
        1.. => Finding::bad(
            State::Missing,
            LANDLOCK,
            format!("ABI {abi}"),
            "hognose needs ABI 3: update to Linux 6.2 or newer",
        ),
        _ => Finding::bad(
            State::Missing,
            LANDLOCK,
            "not there",
            "build it into the kernel (CONFIG_SECURITY_LANDLOCK) and add `landlock` to its boot parameter `lsm=`",
        ),
    }
}

fn seccomp(actions: &str) -> Finding {
    let has = |action: &str| actions.split_whitespace().any(|word| word == action);
    if has("errno") && has("kill_process") {
        return Finding::good("seccomp", "filters available");
    }
    let remedy = "build CONFIG_SECCOMP_FILTER into the kernel";
    Finding::bad(State::Missing, "seccomp", "no filters", remedy)
}

/// The control groups of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cgroup {
    /// Version 2 with a memory controller, below this folder.
    Two(PathBuf),
    /// Version 1 with memory and pids hierarchies that may be written.
    One(PathBuf),
    /// One of them, that may not be written.
    NotOurs(&'static str),
    /// None with both controllers.
    None,
}

impl Cgroup {
    fn of_host() -> Self {
        Self::of(
            &read("/proc/self/cgroup"),
            &read("/proc/self/mountinfo"),
            &|folder: &Path| {
                let access = rustix::fs::Access::WRITE_OK;
                rustix::fs::accessat(CWD, folder, access, rustix::fs::AtFlags::EACCESS).is_ok()
            },
        )
    }

    /// Reads `/proc/self/cgroup` and `/proc/self/mountinfo`.
    fn of(membership: &str, mounts: &str, may_write: &dyn Fn(&Path) -> bool) -> Self {
        let folder = |controller: &str| folder_of(membership, mounts, controller);
        if let Some(room) = cgroup::room(membership, mounts).filter(Room::bounds_memory) {
            return Self::Two(room.base);
        }
        if let Some(folder) = folder("") {
            let controllers = read(&folder.join("cgroup.controllers").to_string_lossy());
            if controllers.split_whitespace().any(|word| word == "memory") {
                return Self::NotOurs("v2");
            }
        }
        match (folder("memory"), folder("pids")) {
            (Some(memory), Some(pids)) if may_write(&memory) && may_write(&pids) => {
                Self::One(memory)
            }
            (Some(_), Some(_)) => Self::NotOurs("v1"),
            _ => Self::None,
        }
    }

    fn finding(&self, root: bool) -> Finding {
        let fallback =
            "the memory of a run is watched and its processes are counted by user namespace";
        match self {
            Self::Two(folder) => {
                Finding::good("cgroup", format!("v2, writable: {}", folder.display()))
            }
            Self::One(folder) => {
                Finding::good("cgroup", format!("v1, writable: {}", folder.display()))
            }
            Self::NotOurs(version) => Finding::bad(
                State::Weaker,
                "cgroup",
                format!("{version}, not delegated to this user: {fallback}"),
                if root {
                    "the container or service mounts it read-only: give it a writable one of its own"
                } else if *version == "v1" {
                    "a user gets one of their own by cgroup v2 only: boot with \
                     `systemd.unified_cgroup_hierarchy=1`, or run hognose as root"
                } else {
                    "start it as `systemd-run --user --scope -p Delegate=yes hognose serve`, or by a unit with `Delegate=yes`"
                },
            ),
            Self::None => Finding::bad(
                State::Weaker,
                "cgroup",
                format!("no memory and pids controllers: {fallback}"),
                "boot with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`)",
            ),
        }
    }
}

/// The folder of this process in the hierarchy of a controller; the empty name is version 2.
fn folder_of(membership: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let ours = controllers.split(',').any(|name| name == controller);
        ours.then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let fits = match kind.split_once(' ')? {
            ("cgroup2", _) => controller.is_empty(),
            ("cgroup", rest) => {
                !controller.is_empty()
                    && rest.rsplit(' ').next()?.split(',').any(|o| o == controller)
            }
            _ => false,
        };
        if !fits {
            return None;
        }
        // In a container the mount may show only the part of the hierarchy below `root`.
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

/// A small file of the kernel's; empty where it can't be read.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
32 31 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 31 0:28 /inner /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
34 31 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
    const MEMBERSHIP: &str = "4:memory:/a/b\n8:pids:/inner/c\n1:cpu,cpuacct:/\n0::/d\n";

    #[test]
    fn a_process_finds_its_own_cgroup_folders() {
        let folder = |controller| folder_of(MEMBERSHIP, MOUNTS, controller);
        assert_eq!(folder("memory"), Some("/sys/fs/cgroup/memory/a/b".into()));
        assert_eq!(folder("pids"), Some("/sys/fs/cgroup/pids/c".into()));
        assert_eq!(folder(""), Some("/sys/fs/cgroup/unified/d".into()));
        assert_eq!(folder("cpu"), None);
    }

    #[test]
    fn version_one_is_used_only_where_it_may_be_written() {
        let writable = Cgroup::of(MEMBERSHIP, MOUNTS, &|_| true);
        assert_eq!(writable, Cgroup::One("/sys/fs/cgroup/memory/a/b".into()));
        assert_eq!(writable.finding(false).state, State::Good);
        let other = Cgroup::of(MEMBERSHIP, MOUNTS, &|folder| !folder.ends_with("c"));
        assert_eq!(other, Cgroup::NotOurs("v1"));
        assert_eq!(other.finding(false).state, State::Weaker);
        assert_eq!(Cgroup::of("", "", &|_| true), Cgroup::None);
    }

    #[test]
    fn a_refused_namespace_is_missing_and_says_what_to_do() {
        let steps = steps_of("user namespaces=0\nmount namespaces=1\nodd\nLandlock=7\n");
        let findings = namespaces(&steps, Hindrance::AppArmor, false);
        let states: Vec<State> = findings.iter().map(|finding| finding.state).collect();
        assert_eq!(
            (states[0], states[1], states[2]),
            (State::Good, State::Missing, State::Missing)
        );
        let weaker = namespaces(&steps, Hindrance::AppArmor, true);
        assert_eq!(weaker[1].state, State::Weaker);
        assert!(
            findings[1]
                .found
                .starts_with("refused: Operation not permitted")
        );
        assert!(
            findings[1]
                .remedy
                .as_ref()
                .unwrap()
                .contains("apparmor_restrict")
        );
    }

    #[test]
    fn the_landlock_ladder_has_three_rungs() {
        let state = |abi| landlock(abi).state;
        assert_eq!(
            [7, 6, 5, 3].map(|abi| state(Some(abi))),
            [State::Good, State::Good, State::Weaker, State::Weaker]
        );
        assert_eq!([2, 0, -1].map(|abi| state(Some(abi))), [State::Missing; 3]);
        assert_eq!(state(None), State::Missing);
    }

    #[test]
    fn kernels_are_told_apart() {
        assert_eq!(kernel("6.18.44-fc-v669").state, State::Good);
        assert_eq!(kernel("5.14.0").state, State::Good);
        assert_eq!(kernel("5.4.0-100-generic").state, State::Missing);
        assert_eq!(kernel("odd").state, State::Missing);
    }

    #[test]
    fn seccomp_needs_filters_that_answer_and_that_kill() {
        assert_eq!(
            seccomp("kill_process kill_thread trap errno log allow\n").state,
            State::Good
        );
        assert_eq!(seccomp("").state, State::Missing);
    }
}

//! The keeper's half of the fork-server: one warm interpreter a kind.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;
use rustix::thread::LinkNameSpaceType;
use wire::{Kind, Setup, ToZygote};

use super::unit::Ground;
use crate::sys::{self, Side, SingleThread};
use crate::walls::{Doing, WallError, capabilities, template};
use crate::zygote::CONTROL;

/// Names one zygote for its whole life; a kind has many, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ZygoteId(pub(super) u64);

/// One warm interpreter.
#[derive(Debug)]
pub(super) struct Zygote {
    pub(super) kind: Kind,
    pub(super) control: OwnedFd,
    pub(super) pidfd: OwnedFd,
    pub(super) phase: Phase,
    /// Units forked from it so far; it is renewed after [`FORKS_MAX`].
    pub(super) forks: u64,
    /// When it last had to answer something it has not answered yet.
    pub(super) owes_since: Option<Instant>,
}

/// Where a zygote is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It imports.
    Warming,
    /// It forks units.
    Forking,
    /// A younger one has taken over; it stays until its last unit is gone.
    Retired,
}

/// How resource limits bound a process, beside or instead of the run's cgroup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most private memory of a process, where no cgroup bounds the run's. Bytes.
    pub(super) data_bytes_max: Option<u64>,
    /// Whether a cgroup counts the run's processes.
    pub(super) processes_counted: bool,
}

/// Units that one zygote forks before a fresh one takes over, since all of them share its address
/// layout, hash seed and stack cookie. Also the most of them that a run could probe.
pub(super) const FORKS_MAX: u64 = 10_000;

impl Zygote {
    /// Executes an interpreter on the ground of its tier.
    pub(super) fn start(
        proof: SingleThread,
        setup: &Setup,
        ground: &Ground,
        kind: Kind,
        bounds: Bounds,
        own_user: bool,
    ) -> Result<Self, WallError> {
        let (ours, theirs) = wire::pair().doing("make a zygote's socket")?;
        let started = Instant::now();
        match sys::clone_process(proof, 0).doing("fork a zygote")? {
            Side::Parent { pidfd, .. } => {
                let told = match ground {
                    Ground::Native(_) | Ground::Gvisor(_) => wire::Ground::Native,
                    Ground::Landlock(home) => home.ground(&setup.runtime),
                };
                wire::send(&ours, &ToZygote::Ground(told), &[])
                    .map_err(io::Error::other)
                    .doing("tell a zygote what it stands on")?;
                Ok(Self {
                    kind,
                    control: ours,
                    pidfd,
                    phase: Phase::Warming,
                    forks: 0,
                    owes_since: Some(started),
                })
            }
            Side::Child => {
                let error = become_zygote(setup, ground, &theirs, kind, bounds, own_user);
                drop(io::Write::write_fmt(
                    &mut io::stderr(),
                    format_args!("hognose zygote: {error}\n"),
                ));
                sys::exit_now(127)
            }
        }
    }

    pub(super) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

fn become_zygote(
    setup: &Setup,
    ground: &Ground,
    control: &OwnedFd,
    kind: Kind,
    bounds: Bounds,
    own_user: bool,
) -> WallError {
    let prepared = || -> Result<Execution, WallError> {
        if let Ground::Native(template) = ground {
            rustix::thread::move_into_link_name_space(
                template.as_fd(),
                Some(LinkNameSpaceType::Mount),
            )
            .doing("enter the template")?;
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing("die with the keeper")?;
        if let Ground::Native(_) = ground {
            // The sockets of the keeper and of other kinds' runs are not to be counted from here.
            sys::unshare(libc::CLONE_NEWNET).doing("make the zygote's network namespace")?;
        }
        sys::reset_signals();
        let null = rustix::fs::openat(
            rustix::fs::CWD,
            "/dev/null",
            rustix::fs::OFlags::RDWR,
            rustix::fs::Mode::empty(),
        )
        .doing("open /dev/null")?;
        // Errors of the zygote itself go where the keeper's go.
        sys::place_at(null.as_fd(), 0).doing("place /dev/null")?;
        sys::place_at(null.as_fd(), 1).doing("place /dev/null")?;
        sys::place_at(control.as_fd(), CONTROL).doing("place the keeper's socket")?;
        // Nothing may own what is closed next.
        let _number = null.into_raw_fd();
        sys::close_from(CONTROL.unsigned_abs() + 1).doing("close every other descriptor")?;
        match ground {
            Ground::Native(_) | Ground::Gvisor(_) => capabilities::keep_for_zygote(own_user)?,
            Ground::Landlock(_) => capabilities::raise_as_anybody()?,
        }
        Execution::of(setup, ground, kind, bounds)
            .map_err(io::Error::other)
            .doing("name the zygote")
    };
    let Execution {
        program,
        arguments,
        environment,
    } = match prepared() {
        Ok(execution) => execution,
        Err(error) => return error,
    };
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let environment: Vec<&CStr> = environment.iter().map(CString::as_c_str).collect();
    let source = sys::execute(&program, &arguments, &environment);
    WallError {
        doing: format!("execute {}", program.to_string_lossy()),
        source,
    }
}

/// What becomes a zygote, or a unit that is alone in a sandbox.
#[derive(Debug)]
pub(super) struct Execution {
    program: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
}

impl Execution {
    fn of(
        setup: &Setup,
        ground: &Ground,
        kind: Kind,
        bounds: Bounds,
    ) -> Result<Self, std::ffi::NulError> {
        let (env, guest) = match ground {
            Ground::Native(_) | Ground::Gvisor(_) => own_root(),
            Ground::Landlock(home) => (home.environment(), home.guest()),
        };
        let mut execution = Self::in_folders(setup, (env, guest), "zygote", kind, bounds)?;
        if let Ground::Landlock(_) = ground {
            // As in a root of its own, where the host's local time is out of sight.
            execution.environment.push(c"TZ=UTC".to_owned());
        }
        Ok(execution)
    }

    /// Of a unit that nobody forks. What bounds a process is the sandbox's to count.
    pub(super) fn alone(setup: &Setup, kind: Kind) -> Result<Self, std::ffi::NulError> {
        let bounds = Bounds {
            data_bytes_max: None,
            processes_counted: false,
        };
        Self::in_folders(setup, own_root(), "alone", kind, bounds)
    }

    fn in_folders(
        setup: &Setup,
        (env, guest): (PathBuf, PathBuf),
        form: &str,
        kind: Kind,
        bounds: Bounds,
    ) -> Result<Self, std::ffi::NulError> {
        // By its name the interpreter finds the environment.
        let program = CString::new(env.join("bin/python3").into_os_string().into_vec())?;
        let main = CString::new(guest.join("main.py").into_os_string().into_vec())?;
        let in_env = |name: &str, path: &str, more: &str| {
            let path = env.join(path);
            CString::new(
                [
                    name.as_bytes(),
                    path.as_os_str().as_bytes(),
                    more.as_bytes(),
                ]
                .concat(),
            )
        };
        let mut environment: Vec<CString> = ENVIRONMENT.iter().map(|&name| name.into()).collect();
        environment.push(in_env("PATH=", "bin", ":/usr/bin")?);
        if !setup.runtime.library_files.is_empty() {
            environment.push(in_env("LD_LIBRARY_PATH=", "lib", "")?);
        }
        let fixed = [&program, c"-I", c"-X", c"utf8", &main];
        let mut arguments: Vec<CString> = fixed.iter().map(|&part| part.to_owned()).collect();
        arguments.push(CString::new(form)?);
        arguments.extend(arguments_of(setup, kind, bounds)?);
        Ok(Self {
            program,
            arguments,
            environment,
        })
    }
}

/// Where the environment and our guest files are, in a root of the run's own.
fn own_root() -> (PathBuf, PathBuf) {
    (PathBuf::from(template::ENV), PathBuf::from(template::GUEST))
}

/// The whole environment of a zygote, and so of every program: nothing of the host's.
const ENVIRONMENT: [&CStr; 13] = [
    c"HOME=/box/work",
    c"USER=nobody",
    c"LANG=C.UTF-8",
    c"TMPDIR=/tmp",
    c"PYTHONDONTWRITEBYTECODE=1",
    // One thread, unless a program asks for more itself: threads count as processes.
    c"OPENBLAS_NUM_THREADS=1",
    c"OMP_NUM_THREADS=1",
    c"MKL_NUM_THREADS=1",
    c"NUMEXPR_MAX_THREADS=1",
    // With two it starts more than ten in all, and panics where it may not.
    c"POLARS_MAX_THREADS=1",
    c"MPLCONFIGDIR=/tmp",
    c"MPLBACKEND=Agg",
    // Looked up once, not in every fork. Programs do not see it.
    c"LD_BIND_NOW=1",
];

/// What `guest/main.py` is told.
fn arguments_of(
    setup: &Setup,
    kind: Kind,
    bounds: Bounds,
) -> Result<Vec<CString>, std::ffi::NulError> {
    let kind = match kind {
        Kind::Core => "core",
        Kind::Numpy => "numpy",
        Kind::Full => "full",
    };
    let limits = &setup.limits;
    // Of two equal limits on processes the resource limit would refuse first, and nobody would hear
    // of it: where the cgroup counts them, it is to be the one that refuses. A fork counts for the
    // resource limit before the cgroup is asked, and every process of a run may be at it at once.
    let processes_max = match bounds.processes_counted {
        true => limits
            .processes_max
            .saturating_add(limits.processes_max)
            .saturating_add(1),
        false => limits.processes_max,
    };
    [
        kind.to_owned(),
        limits.memory_bytes_max.to_string(),
        processes_max.to_string(),
        limits.workspace_bytes_max.to_string(),
        limits.workspace_files_max.to_string(),
        limits.cpu_seconds_max.to_string(),
        bounds.data_bytes_max.unwrap_or(0).to_string(),
        setup.imports_allowed.join(","),
    ]
    .into_iter()
    .map(CString::new)
    .collect()
}

//! The loop: hear, do, tell. It never waits for anything but the next event.

mod births;
mod deaths;
mod groups;
mod looks;
mod sandboxed;
mod warmth;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use wire::{FromKeeper, Kind, Setup, ToKeeper, UnitId, Wall, WireError};

use super::asks::Asks;
use super::group::Group;
use super::locks::Look;
use super::pinning::Pinning;
use super::unit::{Ground, Phase, Unit};
use super::watch::Watch;
use super::zygotes::{Zygote, ZygoteId};
use super::{Guest, Standing};
use crate::sys::{self, SingleThread};
use crate::walls::cgroup::Cgroups;
use crate::walls::seccomp::Filter;
use crate::walls::{Doing, WallError};

/// How often limits of time, of locks and, without a cgroup, of memory are looked at while there is
/// need.
const TICK: Duration = Duration::from_millis(100);
/// The same where a run's files have no file system that bounds them: what a run writes in that time it
/// can have too much.
const DISK_TICK: Duration = Duration::from_millis(20);
/// The same for what a run waits for.
const SHORT_TICK: Duration = Duration::from_millis(1);
/// Longest time in which a zygote imports everything, or a unit that has none.
pub(super) const WARMING_MAX: Duration = Duration::from_mins(2);
/// Longest time in which a zygote answers.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a unit that has an init is not heard of before its zygote is asked whether it is there. Its init orders the
/// fork, so nobody else knows whether the zygote was.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// Longest time until a unit is ready. By then its zygote would have been killed for its silence.
pub(super) const UNIT_MAX: Duration = SILENCE_MAX
    .saturating_add(ANSWER_MAX)
    .saturating_add(Duration::from_secs(1));
/// Pause before a zygote that died is started again; doubled for each that did not become warm.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// Longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(4);

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Server,
    Zygote(ZygoteId),
    /// The init, or the job's socket, of a unit that is being prepared.
    Preparing(UnitId),
    /// The init of a unit died.
    Init(UnitId),
    /// A run asks for a process.
    Asks(UnitId),
    /// The init of a sandbox speaks.
    Sandbox(UnitId),
    Watch,
    /// The process that counts locks speaks.
    Locks,
    /// The outer keeper died.
    Outer,
}

impl Source {
    const BITS: u32 = 60;

    fn token(self) -> EventData {
        let (tag, id) = match self {
            Self::Server => (0, 0),
            Self::Zygote(id) => (1, id.0),
            Self::Preparing(id) => (2, id.0),
            Self::Init(id) => (3, id.0),
            Self::Watch => (4, 0),
            Self::Asks(id) => (5, id.0),
            Self::Outer => (6, 0),
            Self::Sandbox(id) => (7, id.0),
            Self::Locks => (8, 0),
        };
        EventData::new_u64((tag << Self::BITS) | id)
    }

    fn of(token: u64) -> Self {
        let id = token & ((1 << Self::BITS) - 1);
        match token >> Self::BITS {
            1 => Self::Zygote(ZygoteId(id)),
            2 => Self::Preparing(UnitId(id)),
            3 => Self::Init(UnitId(id)),
            4 => Self::Watch,
            5 => Self::Asks(UnitId(id)),
            6 => Self::Outer,
            7 => Self::Sandbox(UnitId(id)),
            8 => Self::Locks,
            _ => Self::Server,
        }
    }
}

/// The keeper's whole state.
#[derive(Debug)]
pub(super) struct Keeper {
    proof: SingleThread,
    pinning: Pinning,
    setup: Setup,
    guest: Guest<'static>,
    ground: Ground,
    cgroups: Option<Cgroups>,
    /// The outer keeper, where it has to be watched.
    outer: Option<OwnedFd>,
    /// Where no cgroup bounds a run's memory.
    watch: Option<Watch>,
    /// Where the locks of runs are being counted.
    locks: Option<Look>,
    users: super::users::Users,
    server: BorrowedFd<'static>,
    epoll: OwnedFd,
    /// Inits hold the reading end; the writing end is only here.
    lifeline: (OwnedFd, OwnedFd),
    zygotes: BTreeMap<ZygoteId, Zygote>,
    zygotes_started: u64,
    /// Kinds whose zygote is to be started again, and when.
    restarts: Vec<(Instant, Kind)>,
    /// How many zygotes of a kind in a row did not become warm.
    failures: BTreeMap<Kind, u32>,
    units: BTreeMap<UnitId, (Unit, Instant)>,
    /// Units that are dead, whose files on the host the server may still look at.
    lent: BTreeSet<UnitId>,
    /// Orders that wait for a zygote of their kind.
    wanted: VecDeque<(UnitId, Kind)>,
    raised: bool,
}

/// The loop is over: the server went away.
struct ServerGone;

impl From<WireError> for ServerGone {
    fn from(_: WireError) -> Self {
        // Whatever the kernel calls it: the socket is of no more use.
        Self
    }
}

impl Keeper {
    pub(super) fn new(
        proof: SingleThread,
        setup: Setup,
        guest: Guest<'static>,
        standing: Standing,
    ) -> Result<Self, WallError> {
        let Standing {
            ground,
            cgroups,
            users,
            outer,
        } = standing;
        let server = sys::inherited(0).doing("find the server's socket")?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).doing("make an epoll")?;
        let lifeline =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("make the lifeline")?;
        let watch = match cgroups {
            Some(_) => None,
            None => Some(Watch::start(proof, setup.limits)?),
        };
        let keeper = Self {
            proof,
            pinning: Pinning::Forked(0),
            setup,
            guest,
            ground,
            cgroups,
            outer,
            watch,
            locks: None,
            users,
            server,
            epoll,
            lifeline,
            zygotes: BTreeMap::new(),
            zygotes_started: 0,
            restarts: Vec::new(),
            failures: BTreeMap::new(),
            units: BTreeMap::new(),
            lent: BTreeSet::new(),
            wanted: VecDeque::new(),
            raised: false,
        };
        add(&keeper.epoll, server, Source::Server).doing("listen to the server")?;
        if let Some(outer) = &keeper.outer {
            add(&keeper.epoll, outer.as_fd(), Source::Outer).doing("watch the outer keeper")?;
        }
        if let Some(watch) = &keeper.watch {
            add(&keeper.epoll, watch.socket.as_fd(), Source::Watch).doing("listen to the watch")?;
        }
        Ok(keeper)
    }

    /// Works until the server goes away.
    pub(super) fn work(mut self) -> Result<(), WallError> {
        match self.ground {
            Ground::Native(_) | Ground::Landlock(_) => {
                for kind in self.setup.kinds.clone() {
                    self.start_zygote(kind)?;
                }
            }
            // Nothing is warm before a unit is.
            Ground::Gvisor(_) => {
                if let Err(ServerGone) = self.is_raised() {
                    return Ok(());
                }
            }
        }
        let mut events = Vec::with_capacity(64);
        let mut ticked = Instant::now();
        let mut watched = ticked;
        loop {
            let timeout = if self.is_urgent() {
                Some(SHORT_TICK)
            } else {
                self.needs_ticks().then_some(self.tick_pause())
            };
            let timeout = timeout.map(|tick| rustix::time::Timespec {
                tv_sec: 0,
                tv_nsec: tick.subsec_nanos().into(),
            });
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                timeout.as_ref(),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).doing("wait for events"),
            }
            for event in &events {
                match self.handle(Source::of(event.data.u64())) {
                    Ok(Ok(())) => {}
                    Ok(Err(ServerGone)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if let Err(ServerGone) = self.tend_groups().and_then(|()| self.start_sandboxes()) {
                return Ok(());
            }
            if watched.elapsed() >= self.tick_pause() {
                watched = Instant::now();
                self.watch_runs();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                if let Err(ServerGone) = self.tick() {
                    return Ok(());
                }
            }
        }
    }

    fn handle(&mut self, source: Source) -> Result<Result<(), ServerGone>, WallError> {
        match source {
            Source::Server => Ok(self.hear_server()),
            Source::Zygote(id) => self.hear_zygote(id),
            Source::Preparing(unit) => Ok(self.hear_preparing(unit)),
            Source::Init(unit) => Ok(self.bury(unit)),
            Source::Asks(unit) => {
                self.hear_question(unit);
                Ok(Ok(()))
            }
            Source::Sandbox(unit) => Ok(self.hear_sandbox(unit)),
            Source::Watch => self.hear_watch().map(Ok),
            Source::Locks => {
                self.hear_locks();
                Ok(Ok(()))
            }
            // Nobody is left who would clean up behind us.
            Source::Outer => Ok(Err(ServerGone)),
        }
    }

    fn hear_server(&mut self) -> Result<(), ServerGone> {
        let frame = match wire::receive::<ToKeeper>(self.server) {
            Ok(Some(frame)) => frame,
            Err(WireError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(());
            }
            // Gone, or no server of ours.
            Ok(None) | Err(_) => return Err(ServerGone),
        };
        match frame.message {
            ToKeeper::Setup(_) => {}
            ToKeeper::Warm { unit, kind } => return self.warm(unit, kind),
            ToKeeper::Started {
                unit,
                at_us,
                returns_files,
            } => {
                if let Some((unit, _)) = self.units.get_mut(&unit)
                    && matches!(unit.phase, Phase::Ready)
                {
                    unit.phase = Phase::Running(Instant::now());
                    unit.returns_files = returns_files;
                    unit.begin_to_count(Some(at_us));
                }
            }
            ToKeeper::End { unit } => {
                if let Some((unit, _)) = self.units.get_mut(&unit) {
                    unit.is_lent = false;
                    unit.kill(&self.epoll);
                } else {
                    if self.lent.remove(&unit) {
                        self.remove_files(unit);
                    }
                    self.wanted.retain(|(wanted, _)| *wanted != unit);
                    return self.tell(&FromKeeper::Gone { unit });
                }
            }
        }
        Ok(())
    }

    /// How often the watch looks.
    fn tick_pause(&self) -> Duration {
        let runs = || self.units.values().any(|(unit, _)| unit.is_running());
        match self.ground {
            Ground::Landlock(_) if runs() => DISK_TICK,
            _ => TICK,
        }
    }

    /// Whether a process group is about to be gone, or waits for a process.
    fn is_urgent(&self) -> bool {
        self.units.values().any(|(unit, _)| {
            unit.group().is_some_and(Group::is_urgent)
                || unit.asks.as_ref().is_some_and(Asks::is_urgent)
        })
    }

    fn needs_ticks(&self) -> bool {
        !self.restarts.is_empty()
            || self.zygotes.values().any(|z| z.owes_since.is_some())
            || self
                .units
                .values()
                .any(|(unit, _)| unit.is_preparing() || unit.is_running())
    }

    fn tick(&mut self) -> Result<(), ServerGone> {
        super::reap_all();
        self.tend_zygotes()?;
        self.fail_late_units()?;
        self.count_locks();
        self.end_unseen_runs();
        self.end_broken_sandboxes();
        Ok(())
    }

    /// The walls in force, for people.
    fn walls(&self) -> Vec<Wall> {
        let wall = |name: &str, detail: String| Wall {
            name: name.to_owned(),
            detail,
        };
        let counts_all = self.cgroups.is_some();
        let calls = Filter::compile(self.setup.tier, counts_all).map_or(0, |f| f.allowed());
        let abi = sys::landlock_abi().unwrap_or(0);
        let memory = self.cgroups.as_ref().map_or_else(
            || "rlimits and the keeper's watch".to_owned(),
            Cgroups::describe,
        );
        let mut walls = match &self.ground {
            Ground::Gvisor(_) => return self.walls_of_sandboxes(wall, calls, memory),
            Ground::Native(_) => vec![
                wall(
                    "namespaces",
                    "user, mount, pid, ipc, uts, cgroup, network".to_owned(),
                ),
                wall("root", "read-only template, own /proc and box".to_owned()),
                wall("user", self.users.describe()),
            ],
            Ground::Landlock(_) => vec![
                wall(
                    "namespaces",
                    "none: the host's processes and files are behind Landlock".to_owned(),
                ),
                wall("user", "the server's own".to_owned()),
                wall(
                    "process group",
                    "a session that nothing leaves; each process is asked for".to_owned(),
                ),
            ],
        };
        walls.extend([
            wall("capabilities", "none, no new privileges".to_owned()),
            wall("landlock", format!("ABI {abi}")),
            wall("seccomp", format!("{calls} calls allowed")),
            wall("memory and processes", memory),
        ]);
        walls
    }

    /// Everything that is needed for units stands.
    fn is_raised(&mut self) -> Result<(), ServerGone> {
        self.raised = true;
        let walls = self.walls();
        self.tell(&FromKeeper::Raised { walls })
    }

    /// The walls of a run that has a kernel of its own.
    fn walls_of_sandboxes(
        &self,
        wall: impl Fn(&str, String) -> Wall,
        calls: usize,
        memory: String,
    ) -> Vec<Wall> {
        vec![
            wall(
                "kernel",
                "gVisor, one sandbox a run, platform ptrace".to_owned(),
            ),
            wall(
                "namespaces",
                "user, mount, pid, ipc, uts, network around each sandbox".to_owned(),
            ),
            wall("root", "read-only template, own box".to_owned()),
            wall("user", self.users.describe_sandbox()),
            wall("capabilities", "none inside, no new privileges".to_owned()),
            wall(
                "seccomp",
                format!("{calls} calls allowed inside; gVisor's own filter outside"),
            ),
            wall("memory", memory),
            wall("processes", "rlimits inside".to_owned()),
        ]
    }

    fn tell(&self, message: &FromKeeper) -> Result<(), ServerGone> {
        wire::send(self.server, message, &[]).map_err(ServerGone::from)
    }
}

fn add(epoll: &OwnedFd, descriptor: BorrowedFd<'_>, source: Source) -> io::Result<()> {
    Ok(epoll::add(
        epoll,
        descriptor,
        source.token(),
        EventFlags::IN,
    )?)
}

/// To close a descriptor is not enough: an init that was forked a moment ago still has a copy, and the
/// loop would be woken for it, in vain, until that lets go.
pub(super) fn forget(epoll: &OwnedFd, descriptor: &OwnedFd) {
    let _not_listened_to = epoll::delete(epoll, descriptor);
}

//! One unit as the keeper sees it: an init, a box, and a phase.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Uid};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use wire::{Files, Kind, Limits, Members, Over, Run, ToZygote, UnitId};

use super::asks::Asks;
use super::group::Group;
use super::home::Home;
use super::init::Init;
use super::sandboxes::{self, Sandbox, Sandboxes};
use super::work::{UNIT_MAX, WARMING_MAX, forget};
use super::zygotes::ZygoteId;
use crate::sys::{self, Side, SingleThread, clone_flags};
use crate::walls::cgroup::Leaf;
use crate::walls::{Doing, WallError, template};

/// One unit, from the order to its last process's death.
#[derive(Debug)]
pub(super) struct Unit {
    /// Whose fork it is, if it is one.
    pub(super) zygote: Option<ZygoteId>,
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) life: Life,
    /// The program's number, once the zygote told it.
    pub(super) pid: Option<i32>,
    /// By what the run's processes are found.
    pub(super) members: Option<Members>,
    /// Where it asks for processes, if the keeper is asked.
    pub(super) asks: Option<Asks>,
    pub(super) leaf: Option<Leaf>,
    pub(super) own_box: OwnedFd,
    /// Killed by us, not by the kernel, for what it had too much of.
    pub(super) over: Option<Over>,
    /// Processor time it had used when the job came, as far as that was heard of. Microseconds.
    pub(super) cpu_us_before: u64,
    /// The server was told how the program ended.
    pub(super) ended: bool,
    /// The server may look at its files.
    pub(super) is_lent: bool,
    /// The server will, as soon as the program has ended and they change no more.
    pub(super) returns_files: bool,
}

/// By what everything of a unit is ended.
#[derive(Debug)]
pub(super) enum Life {
    /// Process 1 of its PID namespace.
    Init(OwnedFd),
    /// A process group on the host.
    Group(Group),
    /// A sandbox of gVisor's.
    Sandbox(Sandbox),
}

impl Life {
    /// Process 1 of its PID namespace, if it has one.
    pub(super) const fn init(&self) -> Option<&OwnedFd> {
        match self {
            Self::Init(init) | Self::Sandbox(Sandbox { init, .. }) => Some(init),
            Self::Group(_) => None,
        }
    }
}

/// Where a unit is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// Walls are being raised; these go to the server when they stand.
    Entering(ServerEnds),
    /// They stand, and its zygote has still to say by what its processes are found.
    Unnamed(ServerEnds),
    /// It waits for a job, with the server.
    Ready,
    /// It was given its job, then.
    Running(Instant),
    /// Its init was killed.
    Dying,
    /// Its init is dead, and its zygote has not told yet how the program ended.
    Dead,
}

/// The server's ends of a unit's descriptors.
#[derive(Debug)]
pub(super) struct ServerEnds {
    pub(super) job: OwnedFd,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// The unit's ends, which go to the zygote.
#[derive(Debug)]
pub(super) struct UnitEnds {
    job: OwnedFd,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    user: u32,
}

/// What every unit is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) proof: SingleThread,
    pub(super) ground: &'a Ground,
    pub(super) lifeline: &'a OwnedFd,
    pub(super) limits: &'a Limits,
}

/// What units stand on, by tier.
#[derive(Debug)]
pub(super) enum Ground {
    /// The template root, a mount namespace.
    Native(OwnedFd),
    /// The host, and a folder on it.
    Landlock(Home),
    /// gVisor.
    Gvisor(Sandboxes),
}

/// What a unit is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) id: UnitId,
    pub(super) kind: Kind,
    /// Who is to fork it, if anybody, and where to order that.
    pub(super) zygote: Option<(ZygoteId, &'a OwnedFd)>,
    /// Whom it becomes; 0 for nobody else.
    pub(super) user: u32,
    pub(super) leaf: Option<&'a Leaf>,
}

impl Unit {
    /// Makes what the unit has before it is forked, or the sandbox that it warms in. Its cgroup is not its own
    /// yet. With it come its ends where it has no init that orders its fork.
    pub(super) fn make(
        parts: Parts<'_>,
        order: Order<'_>,
    ) -> Result<(Self, Option<UnitEnds>), WallError> {
        let Order {
            id,
            kind,
            zygote,
            user,
            leaf,
        } = order;
        let limits = parts.limits;
        let (bytes_max, files_max) = (limits.workspace_bytes_max, limits.workspace_files_max);
        let (server_ends, unit_ends) = ends(user)?;
        let (own_box, life, to_order) = match parts.ground {
            Ground::Native(template) => {
                let own_box = template::make_box(user, bytes_max, files_max)?;
                let init = fork_init(parts, template, &own_box, &unit_ends, order)?;
                (own_box, Life::Init(init), None)
            }
            Ground::Landlock(home) => (
                home.make_box(id)?,
                Life::Group(Group::default()),
                Some(unit_ends),
            ),
            Ground::Gvisor(sandboxes) => {
                let own_box = template::make_box(user, bytes_max, files_max)?;
                let proof = parts.proof;
                let mut sandbox = sandboxes.start(proof, kind, user, &own_box, &unit_ends, leaf)?;
                sandboxes::send_standard_input(&server_ends, &unit_ends)
                    .inspect_err(|_| sandbox.end(None))?;
                (own_box, Life::Sandbox(sandbox), None)
            }
        };
        let unit = Self {
            zygote: zygote.map(|(id, _)| id),
            kind,
            phase: Phase::Entering(server_ends),
            life,
            pid: None,
            members: None,
            asks: None,
            leaf: None,
            own_box,
            over: None,
            cpu_us_before: 0,
            ended: false,
            is_lent: false,
            returns_files: false,
        };
        Ok((unit, to_order))
    }

    /// What the program has used of the processor is not the caller's, up to the time of its job.
    ///
    /// That was a little before now. What it may have used since is taken to be its own, so that it
    /// is never told to have used less than it did.
    pub(super) fn begin_to_count(&mut self, at_us: Option<u64>) {
        let since = at_us.map_or(0, |at| wire::monotonic_us().saturating_sub(at));
        if let Some(used) = self.processor_time() {
            self.cpu_us_before = self.cpu_us_before.max(used.saturating_sub(since));
        }
    }

    /// What the program has used of the processor so far, or all of its sandbox. Microseconds.
    fn processor_time(&self) -> Option<u64> {
        match (&self.life, self.members) {
            (Life::Sandbox(_), Some(Members::Sandbox(namespace))) => {
                Some(sandboxes::processor_time(namespace))
            }
            _ => self.pid.and_then(sys::processor_time),
        }
    }

    /// Its processes on the host, where it is ended by those.
    pub(super) const fn group(&self) -> Option<&Group> {
        match &self.life {
            Life::Group(group) => Some(group),
            Life::Init(_) | Life::Sandbox(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) const fn group_mut(&mut self) -> Option<&mut Group> {
        match &mut self.life {
            Life::Group(group) => Some(group),
            Life::Init(_) | Life::Sandbox(_) => None,
        }
    }

    /// The unit as the watch finds it; nothing where it is not known yet by what.
    pub(super) fn as_seen(&self, id: UnitId, ground: &Ground) -> Option<Run> {
        let is_alone = self.asks.as_ref().is_some_and(Asks::is_alone);
        Some(Run {
            unit: id,
            members: self.members?,
            alone: self.pid.filter(|_| is_alone),
            files: self.files(id, ground),
        })
    }

    /// Lets nothing of the run change its files any more, where they are a file system of their own and no
    /// process has one of them open to write to it; whether that is so.
    ///
    /// A request waits for it: the last of the run may take a millisecond to die.
    pub(super) fn make_files_read_only(&self) -> bool {
        match self.life {
            Life::Init(_) => template::make_read_only(&self.own_box).is_ok(),
            // A folder among the host's, or no process of it is left.
            Life::Group(_) | Life::Sandbox(_) => false,
        }
    }

    /// Kills every process of the unit; `epoll` is where its preparation is heard of.
    pub(super) fn kill(&mut self, epoll: &OwnedFd) {
        self.hear_no_more(epoll);
        self.end();
    }

    fn end(&mut self) {
        let used = match (&self.life, self.ended) {
            (Life::Sandbox(_), false) => self.processor_time(),
            _ => None,
        };
        match &mut self.life {
            Life::Init(init) => {
                let _ended = rustix::process::pidfd_send_signal(init, Signal::KILL);
            }
            Life::Group(group) => group.kill(),
            Life::Sandbox(sandbox) => sandbox.end(used),
        }
    }

    /// Ends its preparation, if that goes on, and listens to it no more. One that is dead stays so: it is
    /// buried when its zygote has spoken, whatever is asked meanwhile.
    pub(super) fn hear_no_more(&mut self, epoll: &OwnedFd) {
        if matches!(self.phase, Phase::Dead) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Dying) {
            Phase::Entering(ends) => forget(epoll, &ends.job),
            Phase::Unnamed(_) | Phase::Ready | Phase::Running(_) | Phase::Dying | Phase::Dead => {}
        }
    }

    /// Kills every process of the unit for what it has too much of, but lets the zygote tell how the
    /// program ended.
    pub(super) fn end_for(&mut self, over: Over) {
        self.over.get_or_insert(over);
        self.end();
    }

    /// Whether it has a caller's program in it.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Whether it had one in it then.
    pub(super) fn ran_at(&self, then: Instant) -> bool {
        matches!(self.phase, Phase::Running(since) if since <= then)
    }

    /// Whether it is not the server's yet.
    pub(super) const fn is_preparing(&self) -> bool {
        matches!(self.phase, Phase::Entering(_) | Phase::Unnamed(_))
    }

    /// Longest time until it is ready.
    pub(super) const fn patience(&self) -> Duration {
        match self.life {
            Life::Init(_) | Life::Group(_) => UNIT_MAX,
            // It imports first, while others do.
            Life::Sandbox(_) => WARMING_MAX,
        }
    }

    /// Whether its init orders its fork, and the zygote has not told of it.
    pub(super) const fn awaits_zygote(&self) -> bool {
        matches!(self.life, Life::Init(_)) && self.is_preparing() && self.pid.is_none()
    }

    /// Its files, as the watch counts them.
    fn files(&self, id: UnitId, ground: &Ground) -> Files {
        match ground {
            Ground::Native(_) | Ground::Gvisor(_) => {
                let stat = rustix::fs::fstatvfs(&self.own_box);
                Files::InMemory(stat.map_or(0, |stat| {
                    stat.f_blocks.saturating_sub(stat.f_bfree) * stat.f_frsize
                }))
            }
            Ground::Landlock(home) => Files::Below(home.box_of(id)),
        }
    }
}

/// Both ends of what the server and a unit talk through.
fn ends(user: u32) -> Result<(ServerEnds, UnitEnds), WallError> {
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing("make a pipe");
    let (stdin, stdin_server) = pipe()?;
    let (stdout_server, stdout) = pipe()?;
    let (stderr_server, stderr) = pipe()?;
    if user != 0 {
        // So that the run can open them again, as /dev/stdout.
        for end in [&stdin, &stdout, &stderr] {
            let owner = (Uid::from_raw(user), Gid::from_raw(user));
            rustix::fs::fchown(end, Some(owner.0), Some(owner.1)).doing("give the pipes away")?;
        }
    }
    let (job_server, job) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .doing("make the job's socket")?;
    let server_ends = ServerEnds {
        job: job_server,
        stdin: stdin_server,
        stdout: stdout_server,
        stderr: stderr_server,
    };
    let unit_ends = UnitEnds {
        job,
        stdin,
        stdout,
        stderr,
        user,
    };
    Ok((server_ends, unit_ends))
}

/// Forks process 1 of a run, which has the zygote fork the unit: its pidfd.
fn fork_init(
    parts: Parts<'_>,
    template: &OwnedFd,
    own_box: &OwnedFd,
    ends: &UnitEnds,
    order: Order<'_>,
) -> Result<OwnedFd, WallError> {
    let (_, zygote) = order
        .zygote
        .ok_or_else(|| std::io::Error::other("nobody is to fork it"))
        .doing("fork an init")?;
    match sys::clone_process(parts.proof, clone_flags::NEW_PID).doing("fork an init")? {
        Side::Parent { pidfd, .. } => Ok(pidfd),
        Side::Child => Init {
            template,
            own_box,
            ends,
            unit: order.id,
            zygote,
            leaf: order.leaf,
            lifeline: parts.lifeline,
        }
        .live(),
    }
}

impl UnitEnds {
    /// What a sandbox begins with, as descriptors 0, 1 and 2.
    pub(super) const fn of_a_sandbox(&self) -> [&OwnedFd; 3] {
        [&self.job, &self.stdout, &self.stderr]
    }

    /// What its program gets over the first of them.
    pub(super) fn standard_input(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }

    /// Where the unit or its init says how its walls stand.
    pub(super) const fn job(&self) -> &OwnedFd {
        &self.job
    }

    /// Whom the unit becomes; 0 for nobody else.
    pub(super) const fn user(&self) -> u32 {
        self.user
    }

    /// Orders the zygote to fork the unit, with what its tier needs. Never waits: a zygote that is not
    /// listening is sick.
    pub(super) fn order(
        &self,
        control: &OwnedFd,
        unit: UnitId,
        place: &[BorrowedFd<'_>],
        leaf: Option<&Leaf>,
    ) -> Result<(), wire::WireError> {
        let mut descriptors = place.to_vec();
        let own = [&self.job, &self.stdin, &self.stdout, &self.stderr];
        descriptors.extend(own.map(AsFd::as_fd));
        let before = descriptors.len();
        descriptors.extend(leaf.into_iter().flat_map(Leaf::doors));
        let order = ToZygote::Fork {
            unit,
            user: self.user,
            doors: u8::try_from(descriptors.len() - before).unwrap_or(u8::MAX),
        };
        wire::send_now(control, &order, &descriptors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second order to end a unit, which came between its init's death and its zygote's word, made it
    /// one that nobody ever buried.
    #[test]
    fn a_dead_unit_stays_dead_whatever_is_asked() {
        let descriptor = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC);
        let epoll = epoll.unwrap();
        let unit = |phase| Unit {
            zygote: Some(ZygoteId(1)),
            kind: Kind::Core,
            phase,
            life: Life::Init(descriptor()),
            pid: None,
            members: None,
            asks: None,
            leaf: None,
            own_box: descriptor(),
            over: None,
            cpu_us_before: 0,
            ended: false,
            is_lent: false,
            returns_files: false,
        };
        let mut dead = unit(Phase::Dead);
        dead.kill(&epoll);
        assert!(matches!(dead.phase, Phase::Dead), "{dead:?}");
        let mut running = unit(Phase::Running(Instant::now()));
        running.kill(&epoll);
        assert!(matches!(running.phase, Phase::Dying), "{running:?}");
    }
}

//! One unit as the keeper sees it: an init, a box, and a phase.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, Uid};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use wire::{Limits, ToZygote, UnitId};

use super::work::forget;
use super::zygotes::ZygoteId;
use crate::init::Init;
use crate::sys::{self, Side, SingleThread, clone_flags};
use crate::walls::cgroup::Leaf;
use crate::walls::{Doing, WallError, template};

/// One unit, from the order to its last process's death.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) zygote: ZygoteId,
    pub(super) phase: Phase,
    /// The init's, by which everything of the unit is killed.
    pub(super) init: OwnedFd,
    /// The program's number, once the zygote told it.
    pub(super) pid: Option<i32>,
    /// The run's PID namespace, by which its processes are found.
    pub(super) namespace: Option<u64>,
    pub(super) leaf: Option<Leaf>,
    pub(super) own_box: OwnedFd,
    /// Killed for its memory by us, not by the kernel.
    pub(super) out_of_memory: bool,
    /// Processor time it had used when the job came, as far as that was heard of. Microseconds.
    pub(super) cpu_us_before: u64,
    /// The server was told how the program ended.
    pub(super) ended: bool,
}

/// Where a unit is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its init makes the run's mounts; then the zygote is given its end.
    Mounting(OwnedFd, UnitEnds, ServerEnds),
    /// Walls are being raised; these go to the server when they stand.
    Entering(ServerEnds),
    /// It waits for a job, with the server.
    Ready,
    /// It was given its job.
    Running,
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
    pub(super) template: &'a OwnedFd,
    pub(super) lifeline: &'a OwnedFd,
    pub(super) limits: &'a Limits,
}

impl Unit {
    /// Makes box and init. The unit has no cgroup yet.
    pub(super) fn make(parts: Parts<'_>, zygote: ZygoteId, user: u32) -> Result<Self, WallError> {
        let limits = parts.limits;
        let own_box =
            template::make_box(user, limits.workspace_bytes_max, limits.workspace_files_max)?;
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing("make a pipe");
        let (stdin, stdin_server) = pipe()?;
        let (stdout_server, stdout) = pipe()?;
        let (stderr_server, stderr) = pipe()?;
        if user != 0 {
            // So that the run can open them again, as /dev/stdout.
            for end in [&stdin, &stdout, &stderr] {
                let owner = (Uid::from_raw(user), Gid::from_raw(user));
                rustix::fs::fchown(end, Some(owner.0), Some(owner.1))
                    .doing("give the pipes away")?;
            }
        }
        let (from_init, init_end) = wire::pair().doing("make the init's socket")?;
        let (job_server, job) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .doing("make the job's socket")?;
        let namespaces = clone_flags::NEW_PID | clone_flags::NEW_IPC | clone_flags::NEW_UTS;
        let init = match sys::clone_process(parts.proof, namespaces).doing("fork an init")? {
            Side::Parent { pidfd, .. } => pidfd,
            Side::Child => Init {
                template: parts.template,
                own_box: &own_box,
                keeper: &init_end,
                lifeline: parts.lifeline,
                user,
            }
            .live(),
        };
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
        Ok(Self {
            zygote,
            phase: Phase::Mounting(from_init, unit_ends, server_ends),
            init,
            pid: None,
            namespace: None,
            leaf: None,
            own_box,
            out_of_memory: false,
            cpu_us_before: 0,
            ended: false,
        })
    }

    /// What the program has used of the processor is not the caller's, up to the time of its job.
    ///
    /// That was a little before now. What it may have used since is taken to be its own, so that it
    /// is never told to have used less than it did.
    pub(super) fn begin_to_count(&mut self, at_us: Option<u64>) {
        let since = at_us.map_or(0, |at| wire::monotonic_us().saturating_sub(at));
        if let Some(used) = self.pid.and_then(sys::processor_time) {
            self.cpu_us_before = self.cpu_us_before.max(used.saturating_sub(since));
        }
    }

    /// Kills every process of the unit, through its init; `epoll` is where its preparation is heard of.
    pub(super) fn kill(&mut self, epoll: &OwnedFd) {
        self.hear_no_more(epoll);
        let _ = rustix::process::pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Ends its preparation, if that goes on, and listens to it no more. One that is dead stays so: it is
    /// buried when its zygote has spoken, whatever is asked meanwhile.
    pub(super) fn hear_no_more(&mut self, epoll: &OwnedFd) {
        if matches!(self.phase, Phase::Dead) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Dying) {
            Phase::Mounting(from_init, ..) => forget(epoll, &from_init),
            Phase::Entering(ends) => forget(epoll, &ends.job),
            Phase::Ready | Phase::Running | Phase::Dying | Phase::Dead => {}
        }
    }

    /// Kills every process of the unit for its memory, but lets the zygote tell how the program ended.
    pub(super) fn end_for_memory(&mut self) {
        self.out_of_memory = true;
        let _ = rustix::process::pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Whether it has a caller's program in it.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether its walls do not all stand yet.
    pub(super) const fn is_preparing(&self) -> bool {
        matches!(self.phase, Phase::Mounting(..) | Phase::Entering(_))
    }

    /// Bytes in its box.
    pub(super) fn box_bytes(&self) -> u64 {
        rustix::fs::fstatvfs(&self.own_box).map_or(0, |stat| {
            stat.f_blocks.saturating_sub(stat.f_bfree) * stat.f_frsize
        })
    }
}

impl UnitEnds {
    /// Orders the zygote to fork the unit. Never waits: a zygote that is not listening is sick.
    pub(super) fn order(
        &self,
        control: &OwnedFd,
        unit: UnitId,
        namespaces: &[OwnedFd],
        leaf: Option<&Leaf>,
    ) -> Result<(), wire::WireError> {
        let mut descriptors: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
        let own = [&self.job, &self.stdin, &self.stdout, &self.stderr];
        descriptors.extend(own.map(AsFd::as_fd));
        descriptors.extend(leaf.into_iter().flat_map(Leaf::doors));
        wire::send_now(
            control,
            &ToZygote::Fork {
                unit,
                user: self.user,
            },
            &descriptors,
        )
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
            zygote: ZygoteId(1),
            phase,
            init: descriptor(),
            pid: None,
            namespace: None,
            leaf: None,
            own_box: descriptor(),
            out_of_memory: false,
            cpu_us_before: 0,
            ended: false,
        };
        let mut dead = unit(Phase::Dead);
        dead.kill(&epoll);
        assert!(matches!(dead.phase, Phase::Dead), "{dead:?}");
        let mut running = unit(Phase::Running);
        running.kill(&epoll);
        assert!(matches!(running.phase, Phase::Dying), "{running:?}");
    }
}

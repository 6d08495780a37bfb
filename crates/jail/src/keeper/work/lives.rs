//! A unit's life in the keeper: made, ready, running, dead.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use wire::{Exit, FromKeeper, Kind, Members, Over, Tally, UnitId};

use super::super::asks::Asks;
use super::super::unit::{Ground, Life, Order, Parts, Phase, ServerEnds, Unit};
use super::super::zygotes::{self, Zygote, ZygoteId};
use super::super::{home, reap_all, sandboxes};
use super::{Keeper, ServerGone, Source, add, forget};
use crate::sys::{self, Side};
use crate::walls::{Doing, WallError};

/// Which percentage of the limit a program has at least used that the kernel killed for its processor time:
/// the kernel decides by its clock's ticks, and tells what it measured. An eighth too little was seen on a
/// busy machine.
const CPU_PERCENT_SEEN: u64 = 75;

/// What was counted of a run whose program ended so.
fn tally(unit: &Unit, exit: Exit, cpu_seconds_max: u32) -> Tally {
    let killed = exit.signal == Some(libc::SIGKILL);
    let of_leaf = unit.leaf.as_ref().map(|leaf| leaf.tally(killed));
    let counted = of_leaf.unwrap_or_default();
    let cpu_us_max = u64::from(cpu_seconds_max) * 1_000_000;
    let is_over = |what| unit.over == Some(what);
    let was_refused = unit.asks.as_ref().is_some_and(Asks::was_refused);
    let counted = match unit.life {
        // The processes of a sandbox are its own, and those of its program are counted inside.
        Life::Sandbox(_) => Tally {
            processes_peak: None,
            out_of_processes: false,
            ..counted
        },
        Life::Init(_) | Life::Group(_) => counted,
    };
    Tally {
        out_of_memory: counted.out_of_memory || is_over(Over::Memory),
        out_of_processes: counted.out_of_processes || was_refused || is_over(Over::Processes),
        out_of_disk: is_over(Over::Disk),
        out_of_cpu: killed && exit.cpu_us >= cpu_us_max / 100 * CPU_PERCENT_SEEN,
        ..counted
    }
}

impl Keeper {
    /// Makes a unit, or remembers that it is wanted until its zygote is warm.
    pub(super) fn warm(&mut self, id: UnitId, kind: Kind) -> Result<(), ServerGone> {
        if let Ground::Gvisor(_) = self.ground {
            self.wanted.push_back((id, kind));
            return Ok(());
        }
        let forking =
            |z: &(&ZygoteId, &Zygote)| z.1.kind == kind && z.1.phase == zygotes::Phase::Forking;
        let Some(zygote) = self.zygotes.iter().find(forking).map(|(id, _)| *id) else {
            self.wanted.push_back((id, kind));
            return Ok(());
        };
        self.make_or_fail(id, kind, Some(zygote))
    }

    /// Makes a unit now, or tells the server why not.
    pub(super) fn make_or_fail(
        &mut self,
        id: UnitId,
        kind: Kind,
        zygote: Option<ZygoteId>,
    ) -> Result<(), ServerGone> {
        match self.make_unit(id, kind, zygote) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.tell(&FromKeeper::Failed {
                    unit: id,
                    reason: error.to_string(),
                })?;
                match self.units.get_mut(&id) {
                    // Its end is told when its init is dead.
                    Some((unit, _)) => {
                        unit.kill(&self.epoll);
                        if let Some(group) = unit.group_mut() {
                            // The zygote was not told of it.
                            group.is_over();
                        }
                        Ok(())
                    }
                    None => self.tell(&FromKeeper::Gone { unit: id }),
                }
            }
        }
    }

    fn make_unit(
        &mut self,
        id: UnitId,
        kind: Kind,
        zygote: Option<ZygoteId>,
    ) -> Result<(), WallError> {
        if let Ground::Gvisor(sandboxes) = &mut self.ground {
            sandboxes.renew(&self.setup, self.guest)?;
        }
        let leaf = match &mut self.cgroups {
            Some(cgroups) => Some(cgroups.take().doing("make the run's cgroup")?),
            None => None,
        };
        if let Ground::Native(_) = self.ground {
            self.pinning.before_init(self.proof);
        }
        let mut zygote = zygote.and_then(|id| self.zygotes.get_mut(&id).map(|zygote| (id, zygote)));
        let parts = Parts {
            proof: self.proof,
            ground: &self.ground,
            lifeline: &self.lifeline.0,
            limits: &self.setup.limits,
        };
        let order = Order {
            id,
            kind,
            zygote: zygote.as_ref().map(|(id, zygote)| (*id, &zygote.control)),
            user: self.users.take(id),
            leaf: leaf.as_ref(),
        };
        let (unit, to_order) = match Unit::make(parts, order) {
            Ok((unit, to_order)) => (Unit { leaf, ..unit }, to_order),
            Err(error) => {
                self.users.give_back(id);
                if let (Some(cgroups), Some(leaf)) = (&mut self.cgroups, leaf) {
                    cgroups.give_back(leaf);
                }
                return Err(error);
            }
        };
        if let Some((_, zygote)) = &mut zygote {
            zygote.forks += 1;
        }
        let (unit, _) = self
            .units
            .entry(id)
            .or_insert_with(|| (unit, Instant::now()));
        if let Some(init) = unit.life.init() {
            add(&self.epoll, init.as_fd(), Source::Init(id)).doing("watch the init")?;
        }
        if let Life::Sandbox(sandbox) = &unit.life {
            let heard = sandbox.heard.as_fd();
            add(&self.epoll, heard, Source::Sandbox(id)).doing("hear the init")?;
        }
        if let Phase::Entering(ends) = &unit.phase {
            add(&self.epoll, ends.job.as_fd(), Source::Preparing(id)).doing("hear the unit")?;
        }
        if let (Some(ends), Some((_, zygote))) = (to_order, zygote) {
            zygote.owes_since.get_or_insert_with(Instant::now);
            ends.order(
                &zygote.control,
                id,
                &[unit.own_box.as_fd()],
                unit.leaf.as_ref(),
            )
            .map_err(io::Error::other)
            .doing("order a fork")?;
        }
        Ok(())
    }

    /// A unit, or its init for it, says how its walls stand.
    pub(super) fn hear_preparing(&mut self, id: UnitId) -> Result<(), ServerGone> {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        match std::mem::replace(&mut unit.phase, Phase::Ready) {
            Phase::Entering(ends) => self.hear_unit(id, ends),
            other => {
                unit.phase = other;
                Ok(())
            }
        }
    }

    /// A unit says that its walls stand, or which one does not.
    fn hear_unit(&mut self, id: UnitId, ends: ServerEnds) -> Result<(), ServerGone> {
        let mut said = [0; 512];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let (count, descriptor) = match wire::job::receive_words(&ends.job, &mut said, flags) {
            Err(Errno::AGAIN | Errno::INTR) => {
                if let Some((unit, _)) = self.units.get_mut(&id) {
                    unit.phase = Phase::Entering(ends);
                }
                return Ok(());
            }
            heard => heard.unwrap_or_default(),
        };
        if let (Some([wire::job::ASKS]), Some(asks)) = (said.get(..count), descriptor) {
            let Some((unit, _)) = self.units.get_mut(&id) else {
                return Ok(());
            };
            unit.phase = Phase::Entering(ends);
            // Where it has a namespace, the kernel bounds it.
            let tasks_max = match unit.life {
                Life::Group(_) => Some(self.setup.limits.processes_max.saturating_add(1)),
                Life::Init(_) | Life::Sandbox(_) => None,
            };
            // If nobody listens, whoever asks waits, until its time is over.
            let _listened_to = add(&self.epoll, asks.as_fd(), Source::Asks(id));
            unit.asks = Some(Asks::new(asks, tasks_max));
            return Ok(());
        }
        forget(&self.epoll, &ends.job);
        match said.get(..count) {
            Some([wire::job::READY]) => {
                if let Ground::Gvisor(_) = self.ground {
                    sandboxes::say_last_words(&ends);
                }
                match self.units.get_mut(&id) {
                    // A run whose processes are not known yet could not be watched.
                    Some((unit, _))
                        if unit.members.is_none() && !matches!(unit.life, Life::Sandbox(_)) =>
                    {
                        unit.phase = Phase::Unnamed(ends);
                        Ok(())
                    }
                    _ => self.hand_over(id, &ends),
                }
            }
            Some([wire::job::FAILED, reason @ ..]) => {
                self.fail(id, String::from_utf8_lossy(reason).into_owned())
            }
            _ => {
                let life = self.units.get(&id).map(|(unit, _)| &unit.life);
                let known = match life {
                    Some(Life::Sandbox(sandbox)) => sandbox.failure(&ends),
                    _ => None,
                };
                let unknown = || "the unit died while it raised its walls".to_owned();
                self.fail(id, known.unwrap_or_else(unknown))
            }
        }
    }

    /// The zygote has forked a unit.
    pub(super) fn unit_is_forked(
        &mut self,
        id: UnitId,
        pid: i32,
        members: Members,
        pidfd: Option<OwnedFd>,
    ) -> Result<(), ServerGone> {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        unit.pid = Some(pid);
        unit.members = Some(members);
        if let Some(group) = unit.group_mut() {
            group.led_by(pid, pidfd);
        }
        match std::mem::replace(&mut unit.phase, Phase::Ready) {
            Phase::Unnamed(ends) => self.hand_over(id, &ends),
            other => {
                unit.phase = other;
                Ok(())
            }
        }
    }

    /// Removes the files of a dead unit from the host.
    pub(super) fn remove_files(&self, id: UnitId) {
        let Ground::Landlock(home) = &self.ground else {
            return;
        };
        if home.remove_box(id, home::CALLS_ON_THE_WAY_MAX) {
            return;
        }
        // What is left is removed at the end.
        if let Ok(Side::Child) = sys::clone_process(self.proof, 0) {
            home.remove_box(id, usize::MAX);
            sys::exit_now(0)
        }
    }

    fn hand_over(&mut self, id: UnitId, ends: &ServerEnds) -> Result<(), ServerGone> {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        if let Some(asks) = &mut unit.asks {
            asks.begin();
        }
        // Should its program end before we hear that it began.
        unit.begin_to_count(None);
        if let (Life::Sandbox(_), Some(leaf)) = (&unit.life, &mut unit.leaf) {
            leaf.begin();
        }
        let descriptors = [
            ends.job.as_fd(),
            ends.stdin.as_fd(),
            ends.stdout.as_fd(),
            ends.stderr.as_fd(),
            unit.own_box.as_fd(),
        ];
        let ready = FromKeeper::Ready {
            unit: id,
            owner: self.users.owner(id),
        };
        unit.is_lent = true;
        wire::send(self.server, &ready, &descriptors).map_err(ServerGone::from)
    }

    /// A unit cannot be had, or its run cannot go on: the server hears why, and everything of it is ended.
    pub(super) fn fail(&mut self, id: UnitId, reason: String) -> Result<(), ServerGone> {
        let mut is_dead = false;
        if let Ground::Gvisor(sandboxes) = &mut self.ground {
            sandboxes.doubt();
        }
        if let Some((unit, _)) = self.units.get_mut(&id) {
            is_dead = matches!(unit.phase, Phase::Dead);
            unit.ended = true;
            unit.kill(&self.epoll);
        }
        self.tell(&FromKeeper::Failed { unit: id, reason })?;
        if is_dead { self.bury(id) } else { Ok(()) }
    }

    /// A program has ended: the server hears how, and whatever else is in the run is killed.
    pub(super) fn program_ended(&mut self, id: UnitId, exit: Exit) -> Result<(), ServerGone> {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        if let Some(group) = unit.group_mut() {
            group.is_over();
        }
        if matches!(unit.phase, Phase::Entering(_)) {
            // Its reason is still in the socket.
            return self.hear_preparing(id);
        }
        if std::mem::replace(&mut unit.ended, true) {
            return Ok(());
        }
        let cpu_us = exit.cpu_us.saturating_sub(unit.cpu_us_before);
        // What a sandbox needs to warm is not the program's; what a fork has from its zygote is nothing.
        let counted = match unit.life {
            Life::Sandbox(_) => Exit { cpu_us, ..exit },
            Life::Init(_) | Life::Group(_) => exit,
        };
        let tally = tally(unit, counted, self.setup.limits.cpu_seconds_max);
        let ended = FromKeeper::Ended {
            unit: id,
            exit: Exit { cpu_us, ..exit },
            tally,
            read_only: unit.returns_files && unit.make_files_read_only(),
        };
        // The server first: a request waits for it.
        let told = wire::send(self.server, &ended, &[]);
        let is_dead = matches!(unit.phase, Phase::Dead);
        unit.kill(&self.epoll);
        told?;
        if is_dead { self.bury(id) } else { Ok(()) }
    }

    /// Everything that was in the run is dead.
    pub(super) fn bury(&mut self, id: UnitId) -> Result<(), ServerGone> {
        reap_all();
        self.hear_of_dead_sandbox(id)?;
        self.hear_of_dead_init(id)?;
        if self.is_to_be_told(id) {
            return Ok(());
        }
        let Some((mut unit, _)) = self.units.remove(&id) else {
            return Ok(());
        };
        unit.hear_no_more(&self.epoll);
        self.users.give_back(id);
        let Unit {
            zygote,
            leaf,
            ended,
            life,
            asks,
            is_lent,
            ..
        } = unit;
        if let Some(socket) = asks.and_then(|mut asks| asks.hear_no_more()) {
            forget(&self.epoll, &socket);
        }
        match life {
            Life::Init(init) => forget(&self.epoll, &init),
            Life::Sandbox(sandbox) => sandbox.forget(&self.epoll),
            Life::Group(_) => {}
        }
        if is_lent {
            self.lent.insert(id);
        } else {
            self.remove_files(id);
        }
        if let (Some(cgroups), Some(leaf)) = (&mut self.cgroups, leaf) {
            cgroups.give_back(leaf);
        }
        if !ended {
            // It had no job yet, or its zygote is gone.
            let reason = "the unit was ended".to_owned();
            self.tell(&FromKeeper::Failed { unit: id, reason })?;
        }
        if zygote
            .and_then(|zygote| self.zygotes.get(&zygote))
            .is_some_and(|z| z.phase == zygotes::Phase::Retired)
        {
            self.let_retired_go();
        }
        self.tell(&FromKeeper::Gone { unit: id })
    }

    /// An init that died before its unit was ready may have said why.
    fn hear_of_dead_init(&mut self, id: UnitId) -> Result<(), ServerGone> {
        let is_init = |unit: &Unit| matches!(unit.life, Life::Init(_)) && !unit.ended;
        match self.units.get(&id) {
            Some((unit, _)) if is_init(unit) && unit.is_preparing() => self.hear_preparing(id),
            _ => Ok(()),
        }
    }

    /// Whether the zygote's word of the program is still to be read: it tells before it reaps, and until then the init is
    /// not gone. Without it nobody knows what the run used. Then the burial waits for it.
    fn is_to_be_told(&mut self, id: UnitId) -> bool {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return false;
        };
        let zygote = unit.zygote.and_then(|zygote| self.zygotes.get_mut(&zygote));
        let Some(zygote) = zygote else {
            return false;
        };
        let was_used = unit.is_running() || matches!(unit.phase, Phase::Dying);
        if unit.ended || unit.pid.is_none() || !was_used {
            return false;
        }
        unit.phase = Phase::Dead;
        // A zygote that does not speak is killed, which is heard of, too.
        zygote.owes_since.get_or_insert_with(Instant::now);
        if let Life::Init(init) = &unit.life {
            // Its end was heard of, and would be again and again.
            forget(&self.epoll, init);
        }
        true
    }

    /// Fails the units that are not ready after all the time they have.
    pub(super) fn fail_late_units(&mut self) -> Result<(), ServerGone> {
        let late: Vec<_> = self
            .units
            .iter()
            .filter(|(_, (u, since))| u.is_preparing() && since.elapsed() > u.patience())
            .map(|(id, _)| *id)
            .collect();
        for unit in late {
            self.fail(unit, "the unit was not ready in time".to_owned())?;
        }
        Ok(())
    }
}

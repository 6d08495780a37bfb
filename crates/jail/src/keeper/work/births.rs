//! How a unit begins: made, walled in, handed to the server.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use wire::{FromKeeper, Kind, Members, UnitId};

use super::super::asks::Asks;
use super::super::sandboxes;
use super::super::unit::{Ground, Life, Order, Parts, Phase, ServerEnds, Unit};
use super::super::zygotes::{self, Zygote, ZygoteId};
use super::{Keeper, ServerGone, Source, add, forget};
use crate::walls::{Doing, WallError};

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
                if let Some(leaf) = leaf {
                    self.give_back(leaf);
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
}

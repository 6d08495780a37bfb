//! The zygotes' life in the keeper: one warm interpreter a kind, and the next one in time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use wire::{Frame, FromKeeper, FromZygote, Kind, ToZygote, UnitId};

use super::super::unit::Ground;
use super::super::zygotes::{self, Bounds, FORKS_MAX, Zygote, ZygoteId};
use super::super::{reap_all, start};
use super::{
    ANSWER_MAX, Keeper, RESTART_PAUSE, RESTART_PAUSE_MAX, SILENCE_MAX, ServerGone, Source,
    WARMING_MAX, add, forget,
};
use crate::walls::cgroup::Cgroups;
use crate::walls::template::Form;
use crate::walls::{Doing, WallError};

impl Keeper {
    pub(super) fn hear_zygote(
        &mut self,
        id: ZygoteId,
    ) -> Result<Result<(), ServerGone>, WallError> {
        let Some(zygote) = self.zygotes.get_mut(&id) else {
            return Ok(Ok(()));
        };
        let heard = match wire::receive::<FromZygote>(&zygote.control) {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(_) => return self.lose_zygote(id),
        };
        let Frame {
            message,
            descriptors,
        } = heard;
        zygote.owes_since = None;
        Ok(match message {
            FromZygote::Waiting => self.zygote_is_warm(id),
            FromZygote::Pong => Ok(()),
            FromZygote::Forked { unit, pid, members } => {
                self.unit_is_forked(unit, pid, members, descriptors.into_iter().next())
            }
            FromZygote::Exited { unit, exit } => self.program_ended(unit, exit),
            FromZygote::Failed { unit, reason } => {
                if let Some((unit, _)) = self.units.get_mut(&unit)
                    && let Some(group) = unit.group_mut()
                {
                    group.is_over();
                }
                self.fail(unit, reason)
            }
        })
    }

    /// A zygote has imported everything: it takes over from an older one of its kind.
    fn zygote_is_warm(&mut self, id: ZygoteId) -> Result<(), ServerGone> {
        let Some(kind) = self.zygotes.get(&id).map(|zygote| zygote.kind) else {
            return Ok(());
        };
        for (other, zygote) in &mut self.zygotes {
            if *other == id {
                zygote.phase = zygotes::Phase::Forking;
            } else if zygote.kind == kind {
                zygote.phase = zygotes::Phase::Retired;
            }
        }
        self.failures.remove(&kind);
        self.let_retired_go();
        let all_warm = self
            .zygotes
            .values()
            .all(|z| z.phase != zygotes::Phase::Warming);
        if !self.raised && all_warm {
            self.is_raised()?;
        }
        let mut now = self.take_wanted(kind).into_iter();
        now.try_for_each(|unit| self.warm(unit, kind))
    }

    /// Takes the orders that wait for a zygote of this kind.
    fn take_wanted(&mut self, kind: Kind) -> Vec<UnitId> {
        let (now, later): (VecDeque<_>, _) = std::mem::take(&mut self.wanted)
            .into_iter()
            .partition(|(_, wanted)| *wanted == kind);
        self.wanted = later;
        now.into_iter().map(|(unit, _)| unit).collect()
    }

    pub(super) fn start_zygote(&mut self, kind: Kind) -> Result<(), WallError> {
        self.zygotes_started += 1;
        let id = ZygoteId(self.zygotes_started);
        let cgroups = self.cgroups.as_ref();
        let bounds = Bounds {
            data_bytes_max: cgroups
                .is_none()
                .then_some(self.setup.limits.memory_bytes_max),
            processes_counted: cgroups.is_some_and(Cgroups::counts_processes),
        };
        let zygote = Zygote::start(
            self.proof,
            &self.setup,
            &self.ground,
            kind,
            bounds,
            self.users.are_own(),
        )?;
        add(&self.epoll, zygote.control.as_fd(), Source::Zygote(id)).doing("listen to a zygote")?;
        self.zygotes.insert(id, zygote);
        Ok(())
    }

    /// A zygote died: its units die too, and another takes its place.
    fn lose_zygote(&mut self, id: ZygoteId) -> Result<Result<(), ServerGone>, WallError> {
        let Some(zygote) = self.zygotes.remove(&id) else {
            return Ok(Ok(()));
        };
        forget(&self.epoll, &zygote.control);
        zygote.kill();
        if !self.raised {
            let reason = "it ended before it was ready; its last words are above";
            return Err(io::Error::other(reason))
                .doing(&format!("warm a zygote ({:?})", zygote.kind));
        }
        let orphans: Vec<_> = self
            .units
            .iter()
            .filter(|(_, (u, _))| u.zygote == Some(id))
            .map(|(id, _)| *id)
            .collect();
        for unit in orphans {
            if let Some((unit, _)) = self.units.get_mut(&unit)
                && let Some(group) = unit.group_mut()
            {
                group.inherit();
            }
            if let Err(gone) = self.fail(unit, "its zygote died".to_owned()) {
                return Ok(Err(gone));
            }
        }
        reap_all();
        Ok(match zygote.phase {
            zygotes::Phase::Retired => Ok(()),
            zygotes::Phase::Forking => {
                self.restarts
                    .push((Instant::now() + RESTART_PAUSE, zygote.kind));
                Ok(())
            }
            zygotes::Phase::Warming => {
                let reason = format!(
                    "a zygote ({:?}) ended before it was ready; its last words are above",
                    zygote.kind
                );
                self.failed_to_start(zygote.kind, &reason)
            }
        })
    }

    /// Tells those who wait for a zygote of this kind, and tries again later: ever later, since whatever
    /// is missing (memory, the environment) may stay away for long.
    fn failed_to_start(&mut self, kind: Kind, reason: &str) -> Result<(), ServerGone> {
        let failures = self.failures.entry(kind).or_default();
        let pause = RESTART_PAUSE.saturating_mul(2_u32.saturating_pow(*failures));
        *failures = failures.saturating_add(1);
        self.restarts
            .push((Instant::now() + pause.min(RESTART_PAUSE_MAX), kind));
        for unit in self.take_wanted(kind) {
            let reason = reason.to_owned();
            self.tell(&FromKeeper::Failed { unit, reason })?;
            self.tell(&FromKeeper::Gone { unit })?;
        }
        Ok(())
    }

    /// Starts a zygote in place of another, in a template of its own: what the last one shows may have
    /// been deleted since, and be there again by the same name. If it is not, no zygote starts that
    /// would lack it.
    fn start_again(&mut self, kind: Kind) -> Result<(), WallError> {
        if let Ground::Native(template) = &mut self.ground {
            let counts_all = self.cgroups.is_some();
            *template =
                start::build_template(&self.setup, self.guest, Form::Entered { counts_all })?;
        }
        self.start_zygote(kind)
    }

    /// Closes the sockets of retired zygotes that have no unit left, at which they exit.
    pub(super) fn let_retired_go(&mut self) {
        let (units, epoll) = (&self.units, &self.epoll);
        self.zygotes.retain(|id, zygote| {
            let stays = zygote.phase != zygotes::Phase::Retired
                || units.values().any(|(unit, _)| unit.zygote == Some(*id));
            if !stays {
                forget(epoll, &zygote.control);
            }
            stays
        });
    }

    /// Asks those of which nothing is heard whether they are there.
    fn ask_silent_zygotes(&mut self) {
        for (unit, since) in self.units.values() {
            if unit.awaits_zygote()
                && since.elapsed() > SILENCE_MAX
                && let Some(zygote) = unit.zygote.and_then(|id| self.zygotes.get_mut(&id))
                && zygote.owes_since.is_none()
            {
                // If there is no room for it, other words are there that it has to answer.
                let _asked = wire::send_now(&zygote.control, &ToZygote::Ping, &[]);
                zygote.owes_since = Some(Instant::now());
            }
        }
    }

    /// Kills those that do not answer, starts those that are due, renews those that are worn.
    pub(super) fn tend_zygotes(&mut self) -> Result<(), ServerGone> {
        self.ask_silent_zygotes();
        for zygote in self.zygotes.values() {
            let bound = match zygote.phase {
                zygotes::Phase::Warming => WARMING_MAX,
                zygotes::Phase::Forking | zygotes::Phase::Retired => ANSWER_MAX,
            };
            if zygote
                .owes_since
                .is_some_and(|since| since.elapsed() > bound)
            {
                zygote.kill();
            }
        }
        let (due, later) = std::mem::take(&mut self.restarts)
            .into_iter()
            .partition(|(at, _)| *at <= Instant::now());
        self.restarts = later;
        let due: Vec<(Instant, Kind)> = due;
        for (_, kind) in due {
            if let Err(error) = self.start_again(kind) {
                let reason = format!("no zygote ({kind:?}) can be started: {error}");
                self.failed_to_start(kind, &reason)?;
            }
        }
        self.renew_worn_zygotes();
        Ok(())
    }

    fn renew_worn_zygotes(&mut self) {
        let worn = |z: &&Zygote| z.phase == zygotes::Phase::Forking && z.forks >= FORKS_MAX;
        let kinds: Vec<_> = self.zygotes.values().filter(worn).map(|z| z.kind).collect();
        for kind in kinds {
            let warming = |z: &Zygote| z.kind == kind && z.phase == zygotes::Phase::Warming;
            if !self.zygotes.values().any(warming) {
                // If it cannot be started now, the next tick tries again.
                drop(self.start_again(kind));
            }
        }
    }
}

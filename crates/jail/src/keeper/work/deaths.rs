//! How a unit ends: its program, all that is left of the run, and what was counted of it.

use std::io;
use std::time::Instant;

use wire::{Exit, FromKeeper, Over, Tally, UnitId};

use super::super::asks::Asks;
use super::super::unit::{Ground, Life, Phase, Unit};
use super::super::{home, reap_all, zygotes};
use super::{Keeper, ServerGone, forget};
use crate::sys::{self, Side};
use crate::walls::cgroup::Leaf;

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
        if let Some(leaf) = leaf {
            self.give_back(leaf);
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

    /// Keeps a dead unit's cgroup for the next, or removes it.
    pub(super) fn give_back(&mut self, leaf: Leaf) {
        let takes_time = self.cgroups.as_mut().and_then(|all| all.give_back(leaf));
        if let Some(leaf) = takes_time
            && self.aside(|| leaf.forget_and_remove()).is_err()
        {
            leaf.remove();
        }
    }

    /// Has a process of its own do what takes time.
    fn aside(&self, work: impl FnOnce()) -> io::Result<()> {
        if let Side::Child = sys::clone_process(self.proof, 0)? {
            work();
            sys::exit_now(0)
        }
        Ok(())
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
        let _left = self.aside(|| {
            home.remove_box(id, usize::MAX);
        });
    }
}

//! A unit's life where it is a sandbox of gVisor's: what is other than with one that a zygote forks.

use wire::{FromInit, Kind, Members, Over, UnitId};

use super::super::sandboxes;
use super::super::unit::{Ground, Life};
use super::{Keeper, ServerGone, forget};
use crate::walls::cgroup::Leaf;

impl Keeper {
    /// Starts sandboxes for the orders that wait, a few at once, one of each kind before another of the same.
    pub(super) fn start_sandboxes(&mut self) -> Result<(), ServerGone> {
        while let Ground::Gvisor(_) = self.ground {
            let preparing: Vec<Kind> = self
                .units
                .values()
                .filter(|(unit, _)| unit.is_preparing())
                .map(|(unit, _)| unit.kind)
                .collect();
            if preparing.len() >= sandboxes::WARMING_MAX {
                break;
            }
            let other = |(_, kind): &(UnitId, Kind)| !preparing.contains(kind);
            let next = self.wanted.iter().position(other).unwrap_or(0);
            let Some((id, kind)) = self.wanted.remove(next) else {
                break;
            };
            self.make_or_fail(id, kind, None)?;
        }
        Ok(())
    }

    /// The init of a sandbox says how far it is, or how all of it ended.
    pub(super) fn hear_sandbox(&mut self, id: UnitId) -> Result<(), ServerGone> {
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        let Life::Sandbox(sandbox) = &unit.life else {
            return Ok(());
        };
        let heard = match wire::receive_now::<FromInit>(&sandbox.heard) {
            Ok(Some(heard)) => heard,
            // It is dead, which is heard of by itself.
            Ok(None) => {
                forget(&self.epoll, &sandbox.heard);
                return Ok(());
            }
            // What it said is lost, and with it what the watch has to look at.
            Err(error) => {
                forget(&self.epoll, &sandbox.heard);
                return self.fail(id, format!("its init is not understood: {error}"));
            }
        };
        match heard.message {
            FromInit::Mounted => {
                let namespace = heard.descriptors.first().map(rustix::fs::fstat);
                let Some(Ok(namespace)) = namespace else {
                    return self.fail(id, "its namespace is missing".to_owned());
                };
                unit.members = Some(Members::Sandbox(namespace.st_ino));
                Ok(())
            }
            FromInit::Failed { reason } => self.fail(id, reason),
            FromInit::Exited { exit } => self.program_ended(id, sandboxes::of_the_program(exit)),
        }
    }

    /// The init of a sandbox is dead: its last word is heard before its burial, or else it was killed, and
    /// with it the program, if it had one.
    pub(super) fn hear_of_dead_sandbox(&mut self, id: UnitId) -> Result<(), ServerGone> {
        // Two words at most are there: that its mounts stood, and how it ended.
        self.hear_sandbox(id)?;
        self.hear_sandbox(id)?;
        let Some((unit, _)) = self.units.get_mut(&id) else {
            return Ok(());
        };
        let Life::Sandbox(sandbox) = &unit.life else {
            return Ok(());
        };
        if unit.ended {
            return Ok(());
        }
        if unit.is_preparing() {
            return self.hear_preparing(id);
        }
        let exit = sandbox.killed();
        self.program_ended(id, exit)
    }

    /// Ends the runs in a sandbox of which the kernel has killed a process for its memory: it may be one
    /// that the others wait for in vain.
    pub(super) fn end_broken_sandboxes(&mut self) {
        for (unit, _) in self.units.values_mut() {
            if matches!(unit.life, Life::Sandbox(_))
                && unit.is_running()
                && unit.leaf.as_ref().is_some_and(Leaf::was_short_of_memory)
            {
                unit.end_for(Over::Memory);
            }
        }
    }
}

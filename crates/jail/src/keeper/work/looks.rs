//! Looks at runs from outside, at what nothing bounds: locks everywhere; memory, files and processes where the host
//! does not count them.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use wire::{Members, Over, UnitId};

use super::super::locks;
use super::super::unit::Unit;
use super::super::watch::Watch;
use super::{Keeper, Source, TICK, add, forget};
use crate::walls::{Doing, WallError};

impl Keeper {
    /// Has the watch look at the runs, if there is one, and lets them make no process meanwhile.
    pub(super) fn watch_runs(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        for (id, (unit, _)) in &self.units {
            if unit.is_running() {
                watch.is_due(*id);
            }
        }
        self.order_looks();
    }

    /// Has the watch look at whose turn it is.
    fn order_looks(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        while let Some(id) = watch.next() {
            let Some((unit, _)) = self.units.get_mut(&id) else {
                continue;
            };
            let Some(run) = unit.as_seen(id, &self.ground) else {
                continue;
            };
            // If the watch is gone, its socket says so, and nothing goes on without it.
            if unit.is_running()
                && watch.ask(run).is_ok()
                && let Some(asks) = &mut unit.asks
            {
                asks.hold();
            }
        }
    }

    /// Lets a run go on that the watch has looked at, or ends it.
    pub(super) fn hear_watch(&mut self) -> Result<(), WallError> {
        let heard = self.watch.as_mut().and_then(Watch::hear);
        let (id, over) = heard
            .ok_or_else(|| io::Error::other("it ended"))
            .doing("hear the watch")?;
        if let Some(over) = over {
            self.end_run_for(id, over);
        }
        if let Some((unit, _)) = self.units.get_mut(&id)
            && let Some(asks) = &mut unit.asks
        {
            asks.release();
        }
        self.order_looks();
        Ok(())
    }

    /// Ends the runs that cannot be looked at in time: nobody knows what they have.
    pub(super) fn end_unseen_runs(&mut self) {
        let overdue = self.watch.as_mut().map(Watch::take_overdue);
        for id in overdue.unwrap_or_default() {
            self.end_run_for(id, Over::Memory);
        }
    }

    /// Ends a run for what it has too much of, if it still runs.
    fn end_run_for(&mut self, id: UnitId, over: Over) {
        if let Some((unit, _)) = self.units.get_mut(&id)
            && unit.is_running()
        {
            unit.end_for(over);
        }
    }

    /// Has the locks of runs counted, which are memory that nothing else counts.
    pub(super) fn count_locks(&mut self) {
        let a_tick_ago = Instant::now().checked_sub(TICK);
        let lasts = |(unit, _): &(Unit, Instant)| a_tick_ago.is_some_and(|then| unit.ran_at(then));
        if !self.units.values().any(lasts) {
            return; // A run that has just begun is looked at the next time.
        }
        if let Some(look) = self.locks.take_if(|look| look.is_overdue()) {
            forget(&self.epoll, &look.socket);
            return self.count_locks_here();
        }
        if self.locks.is_some() {
            return;
        }
        let look = locks::Look::begin(self.proof, self.setup.tier);
        match look {
            Ok(look) if add(&self.epoll, look.socket.as_fd(), Source::Locks).is_ok() => {
                self.locks = Some(look);
            }
            _ => self.count_locks_here(),
        }
    }

    fn count_locks_here(&mut self) {
        let over = locks::runs_with_too_many(self.setup.tier);
        self.end_runs_with_too_many_locks(&over, Instant::now());
    }

    /// The locks are counted.
    pub(super) fn hear_locks(&mut self) {
        let Some(look) = self.locks.take() else {
            return;
        };
        forget(&self.epoll, &look.socket);
        match look.hear() {
            Some(over) => self.end_runs_with_too_many_locks(&over, look.began),
            None => self.count_locks_here(),
        }
    }

    /// Those that ran when the look began: a number may be another's since, and whoever is younger is looked at the next time.
    fn end_runs_with_too_many_locks(&mut self, over: &[Members], began: Instant) {
        for (unit, _) in self.units.values_mut() {
            if unit.ran_at(began) && unit.members.is_some_and(|run| over.contains(&run)) {
                unit.end_for(Over::Memory);
            }
        }
    }
}

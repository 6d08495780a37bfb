//! Where runs ask for processes: what they are answered, and when a process group on the host is no more.

use rustix::process::Pid;
use wire::UnitId;

use super::super::processes::Snapshot;
use super::super::unit::Ground;
use super::{Keeper, ServerGone, forget};

impl Keeper {
    /// A run asks for a process.
    pub(super) fn hear_question(&mut self, id: UnitId) {
        if let Some((unit, _)) = self.units.get_mut(&id)
            && let Some(asks) = &mut unit.asks
            && let Some(socket) = asks.hear()
        {
            forget(&self.epoll, &socket);
        }
    }

    /// Answers the runs that wait for a process, and buries those of which nothing is left.
    pub(super) fn tend_groups(&mut self) -> Result<(), ServerGone> {
        if !matches!(self.ground, Ground::Landlock(_)) {
            return Ok(());
        }
        let mut gone = Vec::new();
        let mut snapshot = Snapshot::default();
        for (id, (unit, _)) in &mut self.units {
            if let (Some(asks), Some(group)) = (&mut unit.asks, unit.pid.and_then(Pid::from_raw)) {
                asks.count(group, &mut snapshot);
            }
            if unit
                .group()
                .is_some_and(|group| group.is_urgent() && group.is_gone())
            {
                gone.push(*id);
            }
        }
        gone.into_iter().try_for_each(|id| self.bury(id))
    }
}
